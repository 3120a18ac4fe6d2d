"""Papers of the demo (演示文件): the printed form with a red seal on its last page, and one-page notes. Everything on them is made up."""

from __future__ import annotations

import hashlib
import io
import math
import secrets
from functools import cache
from typing import Any

from services.documents import fonts, pdf, scan
from services.documents.codes import PageCode
from services.documents.scan import PageRead, ScanResult
from services.documents.snapshot import FilingSnapshot
from services.filings import files
from services.filings.files import Placed

SEAL_POINTS = 119  # 42 mm, the size of a company's seal
_RED = (200, 22, 30)


def stamped(snapshot: FilingSnapshot) -> tuple[bytes, ScanResult]:
    """The form as printed, sealed on its last page, and what a reader of its codes would answer."""
    import pypdfium2

    document: Any = pypdfium2.PdfDocument(pdf.form_pdf(snapshot))
    pages = len(document)
    last = document[pages - 1]
    image = pypdfium2.PdfImage.new(document)
    image.set_bitmap(pypdfium2.PdfBitmap.from_pil(_seal(snapshot.unit_name)))
    width, _ = last.get_size()
    image.set_matrix(pypdfium2.PdfMatrix().scale(SEAL_POINTS, SEAL_POINTS).translate(width - SEAL_POINTS - 70, 60))
    last.insert_obj(image)
    last.gen_content()
    out = io.BytesIO()
    document.save(out)
    document.close()
    read = tuple(
        PageRead(
            page,
            (PageCode(snapshot.number, snapshot.version_no, snapshot.digest[:16], page, pages),),
            colour=page == pages,
            seal=page == pages,
        )
        for page in range(1, pages + 1)
    )
    return out.getvalue(), ScanResult(scan.PDF, read)


def note(text: str) -> bytes:
    """A page with a few words on it; the words also stand in the file as they are, for whoever searches it."""
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("L", (827, 1169), 255)  # A4 at 100 dpi
    font = ImageFont.truetype(str(fonts.FOLDER / "LvceHei-Bold.ttf"), 26)
    lines = [text[i : i + 24] for i in range(0, len(text), 24)]
    ImageDraw.Draw(page).multiline_text((90, 120), "\n".join(lines), font=font, fill=30, spacing=14)
    out = io.BytesIO()
    page.save(out, "PDF", resolution=100, title=text)
    return out.getvalue() + f"\n% {text}\n".encode()


def placed(name: str, content: bytes, pages: int) -> Placed:
    """Put our own file on the disk as an upload would be, without reading it first."""
    stored_name = secrets.token_hex(16)
    files._write(files.path_of(stored_name), content)
    return Placed(
        stored_name,
        files.clean_name(name, scan.PDF),
        scan.PDF,
        len(content),
        hashlib.sha256(content).hexdigest(),
        pages,
    )


@cache
def _ring(size: int) -> Any:
    from PIL import Image, ImageDraw

    picture = Image.new("RGBA", (size, size), (255, 255, 255, 0))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((4, 4, size - 5, size - 5), outline=(*_RED, 210), width=size // 30)
    middle = size / 2
    points = [
        (
            middle + math.sin(i * math.pi / 5) * size * (0.17, 0.065)[i % 2],
            middle - math.cos(i * math.pi / 5) * size * (0.17, 0.065)[i % 2],
        )
        for i in range(10)
    ]
    draw.polygon(points, fill=(*_RED, 210))
    return picture


def _seal(name: str) -> Any:
    """A round red seal with a star and the name along the rim."""
    from PIL import Image, ImageDraw, ImageFont

    size = 360
    picture = _ring(size).copy()
    font = ImageFont.truetype(str(fonts.FOLDER / "LvceHei-Bold.ttf"), 34)
    spread = math.radians(270)
    for i, letter in enumerate(name):
        angle = -spread / 2 + spread * (i + 0.5) / len(name)
        tile = Image.new("RGBA", (48, 48), (255, 255, 255, 0))
        ImageDraw.Draw(tile).text((24, 24), letter, font=font, fill=(*_RED, 210), anchor="mm")
        tile = tile.rotate(-math.degrees(angle), resample=Image.Resampling.BICUBIC)
        x = size / 2 + math.sin(angle) * size * 0.385
        y = size / 2 - math.cos(angle) * size * 0.385
        picture.alpha_composite(tile, (int(x - 24), int(y - 24)))
    return picture
