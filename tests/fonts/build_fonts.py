"""Build the shipped fonts (字体) from Debian's fonts-noto-cjk and unicode-data; run by hand, the result is committed.

    python tests/fonts/build_fonts.py --noto /usr/share/fonts/opentype/noto --unihan Unihan_OtherMappings.txt.bz2

宋 (Noto Serif CJK SC): GBK and 通用规范汉字表. 黑 (Noto Sans CJK SC Bold): GB 2312 and 通用规范汉字表, for headings.
Both become glyf outlines, which fpdf2 writes several times faster than CFF; ₀–₉ ☐ ☑ ☒ are drawn where Noto has none.
"""

from __future__ import annotations

import argparse
import bz2
import re
from pathlib import Path
from typing import Any

from fontTools import subset
from fontTools.misc.transform import Transform
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, newTable

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "fonts"
CHINESE_FACE = 2  # of the five faces in the collection: SC
# General Punctuation … Enclosed Alphanumerics, Geometric Shapes … Dingbats, CJK symbols, 单位 squares (㎡ ㎥), full-width forms
BLOCKS = ((0x2000, 0x2500), (0x25A0, 0x2800), (0x3000, 0x3040), (0x3200, 0x3400), (0xFE10, 0xFE70), (0xFF00, 0xFFF0))
SYMBOLS = "₀₁₂₃₄₅₆₇₈₉☐☑☒⊙〓□■○●√×÷±≤≥≠≈∞°℃‰％·—–…“”‘’«»→←↑↓△▲▽▼◇◆★☆①②③④⑤⑥⑦⑧⑨⑩²³¹µ㎡㎥㎏㎎"


def code_points(codec: str) -> set[int]:
    """All two-byte characters of a Chinese codec."""
    found = set()
    for high in range(0x81, 0xFF):
        for low in range(0x40, 0xFF):
            try:
                text = bytes((high, low)).decode(codec)
            except UnicodeDecodeError:
                continue
            if len(text) == 1 and not 0xE000 <= ord(text) < 0xF900:
                found.add(ord(text))
    return found


def general_standard(path: Path) -> set[int]:
    """通用规范汉字表, from the kTGH lines of Unihan."""
    text = bz2.decompress(path.read_bytes()).decode() if path.suffix == ".bz2" else path.read_text(encoding="utf-8")
    found = {int(m, 16) for m in re.findall(r"^U\+([0-9A-F]+)\tkTGH\t", text, re.M)}
    if len(found) != 8105:
        raise SystemExit(f"{path}: {len(found)} characters instead of 8105")
    return found


def to_glyf(font: TTFont, max_error: float) -> None:
    """Turn cubic CFF outlines into quadratic glyf ones, ``max_error`` in font units (1000 per em)."""
    outlines = font.getGlyphSet()
    order = font.getGlyphOrder()
    glyphs = {}
    for name in order:
        pen = TTGlyphPen(None)
        outlines[name].draw(Cu2QuPen(pen, max_error, reverse_direction=True))
        glyphs[name] = pen.glyph()
    for tag in ("CFF ", "VORG", "vhea", "vmtx", "BASE", "GPOS", "GSUB", "GDEF", "DSIG"):
        if tag in font:
            del font[tag]
    font["loca"] = newTable("loca")
    font["glyf"] = table = newTable("glyf")
    table.glyphOrder, table.glyphs = order, glyphs
    maxp = font["maxp"]
    maxp.tableVersion = 0x00010000
    maxp.maxZones = 1
    for attribute in (
        "TwilightPoints",
        "Storage",
        "FunctionDefs",
        "InstructionDefs",
        "StackElements",
        "SizeOfInstructions",
    ):
        setattr(maxp, f"max{attribute}", 0)
    for attribute in (
        "ComponentElements",
        "Points",
        "Contours",
        "CompositePoints",
        "CompositeContours",
        "ComponentDepth",
    ):
        setattr(maxp, f"max{attribute}", 0)  # counted when saved
    font["post"].formatType = 3.0
    font["post"].extraNames, font["post"].mapping = [], {}
    font.sfntVersion = "\x00\x01\x00\x00"


def draw_missing(font: TTFont) -> list[str]:
    """Draw ₀–₉ from the digits, ☐ from □, ☑ and ☒ with √ and × on it."""
    cmap, drawn = font.getBestCmap(), []

    def compose(char: str, pieces: list[tuple[str, Transform]], advance: int) -> None:
        if ord(char) in cmap:
            return
        pen = TTGlyphPen(None)
        for piece, transform in pieces:
            font["glyf"][cmap[ord(piece)]].draw(TransformPen(pen, transform), font["glyf"])
        name = f"uni{ord(char):04X}"
        font.setGlyphOrder([*font.getGlyphOrder(), name])
        font["glyf"][name] = glyph = pen.glyph()
        glyph.recalcBounds(font["glyf"])
        font["hmtx"][name] = (advance, getattr(glyph, "xMin", 0))
        for table in font["cmap"].tables:
            if table.isUnicode():
                table.cmap[ord(char)] = name
        drawn.append(char)

    small = Transform().translate(0, -120).scale(0.62)
    for digit in "0123456789":
        width = font["hmtx"][cmap[ord(digit)]][0]
        compose(chr(0x2080 + int(digit)), [(digit, small)], round(width * 0.62) + 20)
    box = font["hmtx"][cmap[ord("□")]][0]
    centred = Transform().translate(500, 380).scale(0.92).translate(-500, -380)
    compose("☐", [("□", Transform())], box)
    compose("☑", [("□", Transform()), ("√", centred)], box)
    compose("☒", [("□", Transform()), ("×", centred)], box)
    return drawn


def build(source: Path, target: Path, wanted: set[int], family: str, max_error: float) -> None:
    font = TTFont(source, fontNumber=CHINESE_FACE, lazy=True)
    options = subset.Options(
        layout_features=[],
        hinting=False,
        notdef_outline=True,
        name_IDs=[0, 1, 2, 4, 5, 6, 13, 14],
        drop_tables=["vhea", "vmtx"],
    )
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=wanted)
    cutter.subset(font)
    to_glyf(font, max_error)
    drawn = draw_missing(font)
    names: Any = font["name"]
    for record in list(names.names):
        text = {1: family, 4: family, 6: family.replace(" ", "-")}.get(record.nameID)
        if text:
            names.setName(text, record.nameID, record.platformID, record.platEncID, record.langID)
    font["head"].created = font["head"].modified = 3_700_000_000
    font.recalcTimestamp = False
    font.save(target)
    print(
        target.name,
        f"{target.stat().st_size / 1e6:.2f} MB",
        len(font.getBestCmap()),
        "characters, drawn:",
        "".join(drawn),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--noto", type=Path, required=True)
    parser.add_argument("--unihan", type=Path, required=True)
    parser.add_argument("--max-error", type=float, default=1.5)
    given = parser.parse_args()
    standard = general_standard(given.unihan)
    common = set(range(0x20, 0x7F)) | set(range(0xA0, 0x180)) | set(range(0x370, 0x400)) | {ord(c) for c in SYMBOLS}
    common |= {code for first, end in BLOCKS for code in range(first, end)}
    ASSETS.mkdir(parents=True, exist_ok=True)
    build(
        given.noto / "NotoSerifCJK-Regular.ttc",
        ASSETS / "LvceSong.ttf",
        common | code_points("gbk") | standard,
        "Lvce Song",
        given.max_error,
    )
    build(
        given.noto / "NotoSansCJK-Bold.ttc",
        ASSETS / "LvceHei-Bold.ttf",
        common | code_points("gb2312") | standard,
        "Lvce Hei Bold",
        given.max_error,
    )


if __name__ == "__main__":
    main()
