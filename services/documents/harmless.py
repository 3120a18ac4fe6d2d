"""Text of people inside spreadsheets (导出的文字): it stays text, whatever it begins with. Nothing is imported here, for the children."""

from __future__ import annotations

import re

LONGEST_TEXT = 32_767
EXACT_DIGITS = 15  # a spreadsheet keeps no more; longer figures are written as text

# what XML 1.0 cannot hold
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_STARTS = tuple("=+-@\t\r\n＝＋－＠")  # the wide ones too: a Chinese Excel reads them alike


def storable(text: str) -> str:
    """What a cell of a workbook can hold of it."""
    return _FORBIDDEN.sub("", text)[:LONGEST_TEXT]


def looks_like_formula(text: str) -> bool:
    """Whether a spreadsheet may take it for a formula, now or when the cell is edited."""
    return text.startswith(_STARTS) or text.lstrip().startswith(_STARTS)


def csv_cell(text: str) -> str:
    """The same text for a CSV, with an apostrophe before what would run."""
    return f"'{text}" if looks_like_formula(text) else text
