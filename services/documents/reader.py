"""What is done to an uploaded file inside a child process with hard limits (受限子进程): look at it, read its codes, draw a page.

Run as ``python -m services.documents.reader <task> …``: the file on standard input, one JSON object on standard output, for
``picture`` followed by the bytes of a PNG. Importing it must stay cheap; nothing of the application is loaded here.
"""

from __future__ import annotations

import io
import json
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from services.documents import child, codes

MAX_PAGES = 60
MAX_SIDE = 2400  # points; A4 is 842
MAX_PIXELS = 60_000_000
MAX_DECODED = 56 * 1024 * 1024  # bytes that a picture fills while it is read: A3 in colour at 300 dpi
MAX_OBJECTS = 50_000  # of a PDF; sixty scanned pages have a few hundred
MEMORY = 200 * 1024 * 1024
CPU_SECONDS = 15
PAGE_SECONDS = 2.5  # of the processor, for drawing one page; a scan takes a tenth

_DPI, _FINE_DPI = 150, 220
_LONGEST = 3000  # pixels
_BUDGET = 8.0  # seconds for all pages; later ones get the quick look only
_THRESHOLDS = (110, 80, 140, 60, 170, 45, 195)
_MOST_NESTED = 100_000  # direct objects inside one object
_ACTIVE_KEYS = frozenset({"/JS", "/JavaScript", "/EmbeddedFiles", "/EF", "/XFA", "/RichMediaContent"})
_ACTIVE_ACTIONS = frozenset(
    f"/{name}"
    for name in ("JavaScript", "Launch", "ImportData", "SubmitForm", "GoToE", "GoToR", "Rendition", "RichMediaExecute")
)
_ACTIVE_NOTES = frozenset({"/FileAttachment", "/RichMedia", "/Movie", "/Sound", "/Screen", "/3D"})
_SMOOTHED = {"1": "L", "P": "RGB", "PA": "RGBA"}  # modes that only lose pixels when they are made smaller
_A4 = 842  # points of the longer side
_ORIENTATION, _TURNS = 0x0112, {3: 180, 6: 90, 8: 270}  # how a camera was held (EXIF) → clockwise degrees
_QUALITY = 85
_INK, _SEAL = 60, 0.0008  # how much redder than blue and green; share of such pixels on a page that bears a seal


class Refused(Exception):
    """Why the file is not taken; the words are a key of ``scan.WORDS``."""


def main(arguments: list[str]) -> int:
    child.limit(MEMORY, CPU_SECONDS)
    content = sys.stdin.buffer.read()
    task, kind, *rest = arguments
    try:
        answer, extra = TASKS[task](content, kind, *rest)
    except Refused as why:
        answer, extra = {"refused": str(why)}, b""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + extra)
    return 0


def inspect(content: bytes, kind: str) -> tuple[dict[str, Any], bytes]:
    """Whether a PDF or a picture is fit to be kept: pages, size, no password, no script, no embedded file."""
    with _opened(content, kind) as source:
        return {"pages": source.pages}, b""


def read(content: bytes, kind: str) -> tuple[dict[str, Any], bytes]:
    """The codes on each page, whether there is red ink, and whether it is a page of our own file with nothing on it."""
    started = time.monotonic()
    with _opened(content, kind) as source:
        pages = []
        for number in range(source.pages):
            hurried = time.monotonic() - started > _BUDGET
            found, colour, seal = _read_page(source, number, hurried)
            own = source.is_our_own(number)
            pages.append({"codes": found, "colour": colour, "seal": seal, "own": own})
        return {"pages": pages}, b""


def picture(content: bytes, kind: str, page: str, width: str) -> tuple[dict[str, Any], bytes]:
    """One page as PNG, ``width`` pixels wide."""
    with _opened(content, kind) as source:
        number = int(page) - 1
        if not 0 <= number < source.pages:
            raise Refused("page")
        image = source.image(number, 96)
        if image.width > int(width):
            image = image.resize((int(width), max(1, image.height * int(width) // image.width)))
        out = io.BytesIO()
        image.save(out, "PNG")
        return {"pages": source.pages}, out.getvalue()


def join(content: bytes, _: str, lengths: str) -> tuple[dict[str, Any], bytes]:
    """Photos one after the other, of these lengths, as the pages of one PDF; a JPEG keeps its bytes."""
    import pypdfium2

    document, stream = pypdfium2.PdfDocument.new(), io.BytesIO(content)
    for length in lengths.split(","):
        _add_photo(document, stream.read(int(length)))
    out = io.BytesIO()
    document.save(out)
    document.close()
    return {"pages": lengths.count(",") + 1}, out.getvalue()


def _add_photo(document: Any, content: bytes) -> None:
    import pypdfium2
    from PIL import Image

    with _Picture(content) as photo:  # refuses what is broken or too large
        upright = photo.image(0, 0)
        width, height = upright.size
        if not content.startswith(b"\xff\xd8\xff"):
            plain = io.BytesIO()
            upright.save(plain, "JPEG", quality=_QUALITY)
            content = plain.getvalue()
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as stored:
        turned = _TURNS.get(stored.getexif().get(_ORIENTATION, 1), 0)
    scale = _A4 / max(width, height)
    size = (width * scale, height * scale)
    page = document.new_page(*(size if turned % 180 == 0 else size[::-1]))
    picture = pypdfium2.PdfImage.new(document)
    picture.load_jpeg(io.BytesIO(content), inline=True)
    picture.set_matrix(pypdfium2.PdfMatrix().scale(*page.get_size()))
    page.insert_obj(picture)
    page.gen_content()
    page.set_rotation(turned)
    page.close()


TASKS: dict[str, Any] = {"inspect": inspect, "read": read, "picture": picture, "join": join}


def _opened(content: bytes, kind: str) -> _Pdf | _Picture:
    return _Pdf(content) if kind == "application/pdf" else _Picture(content)


class _Pdf:
    def __init__(self, content: bytes) -> None:
        import pypdfium2

        _refuse_active(content)
        self._raw = pypdfium2.raw
        try:
            self._document = pypdfium2.PdfDocument(content)
        except pypdfium2.PdfiumError as error:
            raise Refused("password" if "password" in str(error).lower() else "broken") from None
        self.pages = len(self._document)
        if self.pages == 0:
            raise Refused("broken")
        if self.pages > MAX_PAGES:
            raise Refused("pages")
        if any(not 0 < side <= MAX_SIDE for page in range(self.pages) for side in self._document.get_page_size(page)):
            raise Refused("side")

    def __enter__(self) -> _Pdf:
        return self

    def __exit__(self, *_: object) -> None:
        self._document.close()

    def image(self, page: int, dpi: int) -> Any:
        sheet = self._document[page]
        scale = min(dpi / 72, _LONGEST / max(sheet.get_size()))
        with _hurry():
            image = sheet.render(scale=scale, rev_byteorder=True).to_pil().convert("RGB")
        sheet.close()
        return image

    def is_our_own(self, page: int) -> bool:
        """A page exported here and nothing put on it since: its foot as text, no picture, no annotation."""
        sheet = self._document[page]
        kinds = (self._raw.FPDF_PAGEOBJ_IMAGE, self._raw.FPDF_PAGEOBJ_FORM)
        if next(iter(sheet.get_objects(filter=kinds, max_depth=4)), None) is not None:
            return False
        if self._raw.FPDFPage_GetAnnotCount(sheet) > 0:
            return False
        text = sheet.get_textpage().get_text_range()
        return "校验码" in text and "填报编号" in text


@contextmanager
def _hurry() -> Iterator[None]:
    """A page that never ends ends this process, long before the limit for all of them."""
    if not hasattr(signal, "ITIMER_PROF"):
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, PAGE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _refuse_active(content: bytes) -> None:
    """Scripts, programs to start, embedded files, encryption: looked for in every object, however it is packed or spelt."""
    import pikepdf

    try:
        with pikepdf.open(io.BytesIO(content)) as document:
            if document.is_encrypted:
                raise Refused("password")
            if len(document.objects) > MAX_OBJECTS:
                raise Refused("complex")
            if any(_is_active(found) for found in document.objects):
                raise Refused("active")
    except pikepdf.PasswordError:
        raise Refused("password") from None
    except (pikepdf.PdfError, ValueError, RuntimeError, RecursionError, OverflowError):
        raise Refused("broken") from None


def _is_active(found: Any) -> bool:
    """Whether an object, or one written inside it, does more than stand on a page."""
    import pikepdf

    waiting, seen = [found], 0
    while waiting:
        one = waiting.pop()
        seen += 1
        if seen > _MOST_NESTED:
            raise Refused("broken")
        if isinstance(one, pikepdf.Array):
            inside = list(one)
        elif isinstance(one, (pikepdf.Dictionary, pikepdf.Stream)):
            keys = dict((one.stream_dict if isinstance(one, pikepdf.Stream) else one).items())
            if not _ACTIVE_KEYS.isdisjoint(keys):
                return True
            if str(keys.get("/S", "")) in _ACTIVE_ACTIONS or str(keys.get("/Subtype", "")) in _ACTIVE_NOTES:
                return True
            inside = list(keys.values())
        else:
            continue
        waiting.extend(part for part in inside if isinstance(part, pikepdf.Object) and not part.is_indirect)
    return False


class _Picture:
    pages = 1

    def __init__(self, content: bytes) -> None:
        from PIL import Image, ImageOps, UnidentifiedImageError

        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image: Any = Image.open(io.BytesIO(content), formats=("JPEG", "PNG"))
            pixels, each = image.width * image.height, _bytes_each(image)
            image.draft("RGB", (_LONGEST, _LONGEST))  # a JPEG is read at half or a quarter of its size
            held = image.width * image.height if "progressive" not in image.info else pixels * 2  # all coefficients
            if pixels > MAX_PIXELS or held * each > MAX_DECODED:
                raise Refused("pixels")
            if image.mode in _SMOOTHED:
                image = image.convert(_SMOOTHED[image.mode])
            image.thumbnail((_LONGEST, _LONGEST))  # first, so that nothing large is ever copied
            image = ImageOps.exif_transpose(image).convert("RGB")
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise Refused("pixels") from None
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
            raise Refused("broken") from None
        self._image = image

    def __enter__(self) -> _Picture:
        return self

    def __exit__(self, *_: object) -> None:
        self._image.close()

    def image(self, page: int, dpi: int) -> Any:
        return self._image

    def is_our_own(self, page: int) -> bool:
        return False


def _bytes_each(image: Any) -> int:
    """What a pixel takes in memory while the picture is made smaller."""
    if image.mode in ("P", "PA"):
        return 4
    return len(image.getbands()) * (4 if image.mode[0] in "IF" else 1)


def _read_page(source: _Pdf | _Picture, number: int, hurried: bool) -> tuple[list[str], bool, bool]:
    image = source.image(number, _DPI)
    colour, seal = _red_ink(image)
    found = _codes(image, sweep=not hurried)
    if not found and not hurried and isinstance(source, _Pdf):
        found = _codes(source.image(number, _FINE_DPI), sweep=True)
    return found, colour, seal


def _codes(image: Any, *, sweep: bool) -> list[str]:
    """Texts of our codes on one page. Red ink is white in the red channel, so a seal over the code disappears there."""
    import zxingcpp

    wanted: Any = zxingcpp.BarcodeFormat.QRCode
    for look in _looks(image, sweep):
        texts = [code.text for code in zxingcpp.read_barcodes(look, formats=wanted, try_invert=False)]
        ours = list(dict.fromkeys(text for text in texts if codes.decode(text)))
        if ours:
            return ours
    return []


def _looks(image: Any, sweep: bool) -> Iterator[Any]:
    red = image.getchannel("R")
    yield red
    yield image.convert("L")
    if sweep:
        for threshold in _THRESHOLDS:
            yield red.point([0] * threshold + [255] * (256 - threshold))


def _red_ink(image: Any) -> tuple[bool, bool]:
    """Whether the page has colour at all, and whether it has as much red as a seal."""
    from PIL import ImageChops

    small = image.resize((max(1, image.width // 4), max(1, image.height // 4)))
    red, green, blue = small.split()
    redder = ImageChops.subtract(red, ImageChops.lighter(green, blue)).histogram()
    pixels = small.width * small.height
    return sum(redder[25:]) / pixels > 0.0002, sum(redder[_INK:]) / pixels > _SEAL


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
