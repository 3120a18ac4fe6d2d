"""Our faces inside a document of fpdf2 (字体嵌入): read once per process, cut by HarfBuzz to the characters used.

By itself fpdf2 parses every font file again for each document and cuts it with fontTools, which takes ten times as long as
all the rest of a form. What this replaces is not promised to stay as it is, so any other fpdf2 than ``TESTED`` gets its own
``add_font``: slower, the same pages. ``tests/test_documents_fonts.py`` holds both ways against each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import fpdf
from fpdf.enums import FontDescriptorFlags
from fpdf.fonts import PDFFontDescriptor, TTFFont
from fpdf.output import CIDSystemInfo, OutputProducer, PDFFont, PDFFontStream
from fpdf.syntax import Name, PDFArray, PDFContentStream

from services.documents import fonts

TESTED = "2.8.9"


def add_faces(pdf: fpdf.FPDF) -> type[OutputProducer]:
    """Make 宋 and 黑 known to ``pdf``; returns what its ``output`` has to be made by."""
    if fpdf.__version__ != TESTED:
        for name in fonts.NAMES:
            pdf.add_font(name, fname=fonts.FOLDER / f"{name}.ttf")
        return OutputProducer
    for number, name in enumerate(fonts.NAMES, 1):
        pdf.fonts[name.lower()] = SharedFace(number, name)
    return Producer


class _Codes(dict[str, str]):
    """Character → four hex digits of its code in the document, given at first use."""

    def __missing__(self, char: str) -> str:
        self[char] = code = f"{len(self) + 1:04X}"
        return code


class SharedFace(TTFFont):
    """What one document knows of a face: the codes it gave. All else is in the one :class:`fonts.Face` of the process."""

    def __init__(self, number: int, name: str) -> None:  # the file is not read, so the parent must not begin
        self.i = number
        self.type = "TTF"
        self.name = name
        self.fontkey = name.lower()
        self.color_font = None
        self.codes = _Codes()

    def encode_text(self, text: str) -> str:
        return f"<{''.join(map(self.codes.__getitem__, text))}> Tj"


class Producer(OutputProducer):
    """fpdf2's writer of files, for documents whose faces are all :class:`SharedFace`."""

    def _add_fonts(self, *_: object) -> dict[int, PDFFont]:  # type: ignore[override]
        faces = [face for face in self.fpdf.fonts.values() if isinstance(face, SharedFace)]
        return {face.i: self._add_face(face.name, face.codes) for face in faces if face.codes}

    def _add_face(self, name: str, codes: Mapping[str, str]) -> PDFFont:
        face = fonts.face(name)
        content, glyphs = face.subset(codes)
        tagged = f"{_tag(codes)}+{name}"
        whole = PDFFont("Type0", tagged, "Identity-H")
        widths = " ".join(str(face.advances[char]) for char in codes)
        part = PDFFont("CIDFontType2", tagged, d_w=fonts.UNITS_PER_EM, w=f"[1[{widths}]]")
        descriptor = PDFFontDescriptor(
            ascent=face.ascent,
            descent=face.descent,
            cap_height=733,
            flags=FontDescriptorFlags.SYMBOLIC,
            font_b_box="[-1000 -400 2000 1200]",
            italic_angle=0,
            stem_v=80,
            missing_width=fonts.UNITS_PER_EM,
        )
        descriptor.font_name = Name(tagged)
        descriptor.font_file2 = PDFFontStream(content)  # type: ignore[attr-defined]
        part.c_i_d_system_info = CIDSystemInfo()
        part.font_descriptor = descriptor
        # code n of the document → glyph of the subset; the codes are given without gaps, so this is short
        numbers = b"\0\0" + b"".join(glyphs[char].to_bytes(2, "big") for char in codes)
        part.c_i_d_to_g_i_d_map = PDFContentStream(numbers, compress=True)
        whole.descendant_fonts = PDFArray([part])
        whole.to_unicode = PDFContentStream(_to_unicode(codes).encode("ascii"), compress=True)
        for thing in (
            whole,
            part,
            part.c_i_d_system_info,
            descriptor,
            descriptor.font_file2,  # type: ignore[attr-defined]
            part.c_i_d_to_g_i_d_map,
            whole.to_unicode,
        ):
            self._add_pdf_obj(thing, "fonts")
        return whole


def _tag(codes: Iterable[str]) -> str:
    """Six letters before the name of a subset; they follow from its characters."""
    number = int(hashlib.sha256("".join(codes).encode()).hexdigest()[:12], 16)
    return "".join(chr(65 + number // 26**place % 26) for place in range(6))


def _to_unicode(codes: Mapping[str, str]) -> str:
    """For whoever searches the document or copies from it."""
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
