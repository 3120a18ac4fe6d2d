"""The two shipped faces (宋, 黑): widths, what they can draw, and small subsets for a PDF. Read once per process."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "fonts"
SONG = "LvceSong"
HEI = "LvceHei-Bold"
NAMES = (SONG, HEI)
UNITS_PER_EM = 1000
MISSING = "〓"


class Face:
    """字体: HarfBuzz does the measuring and the cutting; nothing is shaped, Chinese forms need none of it."""

    def __init__(self, name: str) -> None:
        import uharfbuzz

        self.name = name
        face = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(FOLDER / f"{name}.ttf")))
        self._font: Any = uharfbuzz.Font(face)
        self._prepared: Any = uharfbuzz.subset_preprocess(face)
        extents = self._font.get_font_extents("ltr")
        self.ascent, self.descent = extents.ascender, extents.descender
        self._glyphs: dict[str, int] = {}
        self.advances: dict[str, int] = _Advances(self)

    def glyph(self, char: str) -> int:
        """Glyph number, 0 if the face cannot draw ``char``."""
        found = self._glyphs.get(char)
        if found is None:
            found = self._glyphs[char] = self._font.get_nominal_glyph(ord(char)) or 0
        return found

    def measure(self, char: str) -> int:
        advance: int = self._font.get_glyph_h_advance(self.glyph(char))
        return advance

    def width(self, text: str) -> int:
        """In thousandths of the type size."""
        return sum(map(self.advances.__getitem__, text))

    def subset(self, chars: Iterable[str]) -> tuple[bytes, dict[str, int]]:
        """A font file with only these characters, and the glyph number of each in it."""
        import uharfbuzz

        wanted = {char: self.glyph(char) for char in chars}
        order = uharfbuzz.SubsetInput()
        order.glyph_set.update(wanted.values())
        order.flags = uharfbuzz.SubsetFlags.NO_LAYOUT_CLOSURE | uharfbuzz.SubsetFlags.NOTDEF_OUTLINE
        order.drop_table_tag_set.update(int.from_bytes(tag, "big") for tag in (b"cmap", b"name", b"post", b"OS/2"))
        plan = uharfbuzz.SubsetPlan(self._prepared, order)
        places = plan.old_to_new_glyph_mapping
        return bytes(plan.execute().blob.data), {char: places[glyph] for char, glyph in wanted.items()}


class _Advances(dict[str, int]):
    def __init__(self, face: Face) -> None:
        super().__init__()
        self._face = face

    def __missing__(self, char: str) -> int:
        self[char] = advance = self._face.measure(char)
        return advance


@cache
def face(name: str) -> Face:
    return Face(name)


def warm() -> None:
    """Read both faces now (预热), so that the first paper of this process is as fast as the next."""
    for name in NAMES:
        face(name).subset("绿册")


@cache
def _drawable(char: str) -> str:
    if char in "\n\t":
        return char
    if ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or char in "\u200b\u200c\u200d\u2060\ufeff":
        return ""
    if face(SONG).glyph(char):
        return char
    return f"{MISSING}(U+{ord(char):04X})"


def drawable(text: str) -> str:
    """``text`` with every character that no face has as 〓(U+XXXX): a gap in a name must be seen, never silently printed."""
    return "".join(map(_drawable, text))


def missing(text: str) -> tuple[str, ...]:
    """The characters of ``text`` that would be printed as 〓, once each."""
    return tuple(dict.fromkeys(char for char in text if _drawable(char).startswith(MISSING) and char != MISSING))
