"""A PDF written directly (PDF 文件): pages of text, rules and fills, two fonts as subsets; the same calls give the same bytes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from math import cos, radians, sin

from services import clock
from services.documents import fonts

POINTS = 72 / 25.4  # per millimetre
PRODUCER = "Lvce"

A4_LANDSCAPE = (297.0, 210.0)
A4_PORTRAIT = (210.0, 297.0)

Colour = tuple[float, float, float]
BLACK: Colour = (0, 0, 0)


class _Codes(dict[str, str]):
    """Character → four hex digits of its code in the document, given at first use."""

    def __missing__(self, char: str) -> str:
        self[char] = code = f"{len(self) + 1:04X}"
        return code


class Paper:
    """Everything is in millimetres from the top left corner, type sizes in points, ``y`` of a text is its base line."""

    def __init__(self, size: tuple[float, float]) -> None:
        self.width, self.height = size
        self._pages: list[list[str]] = []
        self._codes: dict[str, _Codes] = {}
        self._colour: Colour = BLACK
        self._out: list[str] = []

    def add_page(self) -> None:
        self._out = []
        self._colour = BLACK
        self._pages.append(self._out)

    def text(self, x: float, y: float, text: str, face: str, size: float, colour: Colour = BLACK) -> None:
        if not text:
            return
        self._fill_with(colour)
        self._out.append(
            f"BT /{face} {size:g} Tf {x * POINTS:.2f} {(self.height - y) * POINTS:.2f} Td <{self._encode(face, text)}> Tj ET"
        )

    def slanted(self, x: float, y: float, text: str, face: str, size: float, degrees: float, colour: Colour) -> None:
        """A see-through word across the page (水印), centred on (x, y)."""
        across, up = cos(radians(degrees)), sin(radians(degrees))
        half = fonts.face(face).width(text) * size / fonts.UNITS_PER_EM / 2
        left = x * POINTS - half * across + size * 0.35 * up
        base = (self.height - y) * POINTS - half * up - size * 0.35 * across
        red, green, blue = colour
        self._out.append(
            f"q /Faint gs {red:.3g} {green:.3g} {blue:.3g} rg BT /{face} {size:g} Tf "
            f"{across:.4f} {up:.4f} {-up:.4f} {across:.4f} {left:.2f} {base:.2f} Tm <{self._encode(face, text)}> Tj ET Q"
        )

    def fill(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        self._fill_with(colour)
        self._out.append(f"{self._box(x, y, width, height)} re f")

    def frame(self, x: float, y: float, width: float, height: float, line: float = 0.5) -> None:
        self._out.append(f"{line:g} w {self._box(x, y, width, height)} re S")

    def rule(self, x1: float, y1: float, x2: float, y2: float, line: float = 0.5) -> None:
        self._out.append(
            f"{line:g} w {x1 * POINTS:.2f} {(self.height - y1) * POINTS:.2f} m "
            f"{x2 * POINTS:.2f} {(self.height - y2) * POINTS:.2f} l S"
        )

    def modules(self, x: float, y: float, side: float, rows: tuple[str, ...]) -> None:
        """A QR code of ``rows`` of 0 and 1, ``side`` wide without its quiet zone, as one filled path."""
        self._fill_with(BLACK)
        step = side / len(rows)
        boxes = []
        for number, row in enumerate(rows):
            start = row.find("1")
            while start >= 0:
                end = row.find("0", start)
                end = len(row) if end < 0 else end
                # a hair of overlap, or viewers draw a white line between the rows
                boxes.append(self._box(x + start * step, y + number * step, (end - start) * step, step * 1.02) + " re")
                start = row.find("1", end)
        self._out.append(" ".join(boxes) + " f")

    def finish(self, *, title: str, dated: datetime, subject: str = "", keywords: str = "") -> bytes:
        """The file; ``dated`` is the creation time inside it, so that a rebuild is the same to the byte."""
        file = _File()
        pages_at = file.reserve()
        resources = file.add(self._resources(file))
        kids = []
        for content in self._pages:
            stream = file.add_stream("\n".join(content).encode("ascii"))
            box = f"[0 0 {self.width * POINTS:.2f} {self.height * POINTS:.2f}]"
            kids.append(
                file.add(
                    f"<</Type/Page/Parent {pages_at} 0 R/MediaBox {box}/Resources {resources} 0 R/Contents {stream} 0 R>>"
                )
            )
        file.fill(pages_at, f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(f'{kid} 0 R' for kid in kids)}]>>")
        catalog = file.add(
            f"<</Type/Catalog/Pages {pages_at} 0 R/Lang(zh-CN)/ViewerPreferences<</DisplayDocTitle true>>>>"
        )
        words = {"Title": title, "Subject": subject, "Keywords": keywords, "Producer": PRODUCER, "Creator": PRODUCER}
        entries = "".join(f"/{key}{_string(value)}" for key, value in words.items() if value)
        moment = clock.local(dated)
        return file.finish(catalog, file.add(f"<<{entries}/CreationDate(D:{moment:%Y%m%d%H%M%S}+08'00')>>"))

    def _resources(self, file: _File) -> str:
        faces = "".join(f"/{name} {_add_font(file, name, codes)} 0 R" for name, codes in sorted(self._codes.items()))
        return f"<</Font<<{faces}>>/ExtGState<</Faint<</ca 0.16>>>>>>"

    def _encode(self, face: str, text: str) -> str:
        codes = self._codes.get(face)
        if codes is None:
            codes = self._codes[face] = _Codes()
        return "".join(map(codes.__getitem__, text))

    def _fill_with(self, colour: Colour) -> None:
        if colour != self._colour:
            self._colour = colour
            self._out.append("{:.3g} {:.3g} {:.3g} rg".format(*colour))

    def _box(self, x: float, y: float, width: float, height: float) -> str:
        return f"{x * POINTS:.2f} {(self.height - y - height) * POINTS:.2f} {width * POINTS:.2f} {height * POINTS:.2f}"


class _File:
    """Objects, their places, the cross-reference table."""

    def __init__(self) -> None:
        self._objects: list[bytes] = []

    def reserve(self) -> int:
        self._objects.append(b"")
        return len(self._objects)

    def fill(self, number: int, body: str | bytes) -> None:
        self._objects[number - 1] = body.encode("latin-1") if isinstance(body, str) else body

    def add(self, body: str | bytes) -> int:
        number = self.reserve()
        self.fill(number, body)
        return number

    def add_stream(self, content: bytes, extra: str = "") -> int:
        packed = zlib.compress(content, 6)
        head = f"<</Length {len(packed)}/Filter/FlateDecode{extra}>>\nstream\n".encode("ascii")
        return self.add(head + packed + b"\nendstream")

    def finish(self, catalog: int, about: int) -> bytes:
        out = [b"%PDF-1.7\n%\xe7\xbb\xbf\n"]
        places, at = [], len(out[0])
        for number, body in enumerate(self._objects, 1):
            piece = b"%d 0 obj\n%s\nendobj\n" % (number, body)
            places.append(at)
            at += len(piece)
            out.append(piece)
        # 16 hex digits of SHA-256 twice: a file identifier must depend on the content only
        mark = hashlib.sha256(b"".join(out)).hexdigest()[:32]
        rows = "".join(f"{place:010d} 00000 n \n" for place in places)
        out.append(
            f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{rows}trailer\n"
            f"<</Size {len(places) + 1}/Root {catalog} 0 R/Info {about} 0 R/ID[<{mark}><{mark}>]>>\n"
            f"startxref\n{at}\n%%EOF\n".encode("ascii")
        )
        return b"".join(out)


def _add_font(file: _File, name: str, codes: Mapping[str, str]) -> int:
    face = fonts.face(name)
    content, glyphs = face.subset(codes)
    tag = _tag(codes)
    stream = file.add_stream(content, f"/Length1 {len(content)}")
    descriptor = file.add(
        f"<</Type/FontDescriptor/FontName/{tag}+{name}/Flags 4/FontBBox[-1000 -400 2000 1200]/ItalicAngle 0"
        f"/Ascent {face.ascent}/Descent {face.descent}/CapHeight 733/StemV 80/FontFile2 {stream} 0 R>>"
    )
    # code n of the document → glyph of the subset
    numbers = b"\0\0" + b"".join(glyphs[char].to_bytes(2, "big") for char in codes)
    mapping = file.add_stream(numbers)
    widths = " ".join(str(face.advances[char]) for char in codes)
    descendant = file.add(
        f"<</Type/Font/Subtype/CIDFontType2/BaseFont/{tag}+{name}/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)"
        f"/Supplement 0>>/FontDescriptor {descriptor} 0 R/DW 1000/W[1[{widths}]]/CIDToGIDMap {mapping} 0 R>>"
    )
    meaning = file.add_stream(_to_unicode(codes).encode("ascii"))
    return file.add(
        f"<</Type/Font/Subtype/Type0/BaseFont/{tag}+{name}/Encoding/Identity-H/DescendantFonts[{descendant} 0 R]"
        f"/ToUnicode {meaning} 0 R>>"
    )


def _tag(codes: Iterable[str]) -> str:
    """Six letters before the name of a subset; they follow from its characters."""
    number = int(hashlib.sha256("".join(codes).encode()).hexdigest()[:12], 16)
    return "".join(chr(65 + number // 26**place % 26) for place in range(6))


def _to_unicode(codes: Mapping[str, str]) -> str:
    lines = [f"<{code}> <{char.encode('utf-16-be').hex()}>" for char, code in codes.items()]
    blocks = [lines[start : start + 100] for start in range(0, len(lines), 100)]
    body = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        "/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n"
        "/CMapName /Adobe-Identity-UCS def /CMapType 2 def\n"
        f"1 begincodespacerange <0000> <FFFF> endcodespacerange\n{body}\n"
        "endcmap CMapName currentdict /CMap defineresource pop end end"
    )


def _string(text: str) -> str:
    return f"<feff{text.encode('utf-16-be').hex()}>"
