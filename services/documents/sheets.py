"""Small helpers for writing workbooks (工作簿): one style array per look, text that can never become a formula."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.styles.styleable import StyleableObject
from openpyxl.worksheet.cell_range import MultiCellRange

from services import clock
from services.documents import harmless

FONT = "宋体"

_THIN = Side(style="thin", color="FF9AA5A0")
_FRAME = Border(left=_THIN, right=_THIN, top=_THIN, bottom=_THIN)


@dataclass(frozen=True, slots=True)
class Look:
    """How a cell looks. Colours are RRGGBB; ``locked`` cells cannot be typed into while the sheet is protected."""

    bold: bool = False
    size: float = 10
    fill: str = ""
    colour: str = "1F2A2E"
    align: str = "left"
    vertical: str = "center"
    wrap: bool = True
    framed: bool = True
    locked: bool = True
    number: str = "General"
    underline: bool = False
    quoted: bool = False  # text that a spreadsheet would otherwise take for a formula when it is edited


class Page:
    """One worksheet being written. Looks and merges are set in bulk: openpyxl's own way costs several times as much."""

    def __init__(self, book: Workbook, title: str) -> None:
        self.sheet: Any = book.create_sheet(title)
        self._looks: dict[Look, Any] = {}
        self._merges: list[str] = []

    def put(self, row: int, column: int, value: str | Decimal | int | None, look: Look) -> None:
        """Text stays text whatever it begins with; a figure too long to be kept exactly becomes text too."""
        cell = self.sheet.cell(row=row, column=column)
        if isinstance(value, str):
            text = harmless.storable(value)
            if text:
                cell._value, cell.data_type = text, "s"
                if harmless.looks_like_formula(text):
                    look = replace(look, quoted=True)
        elif value is not None:
            if isinstance(value, Decimal) and len(value.as_tuple().digits) > harmless.EXACT_DIGITS:
                cell._value, cell.data_type = format(value, "f"), "s"
            else:
                cell._value, cell.data_type = value, "n"
        cell._style = self._array(look)

    def span(self, row: int, first: int, last: int, value: str | Decimal | int | None, look: Look) -> None:
        """One value over the columns ``first`` … ``last`` (合并单元格), framed on all sides."""
        self.put(row, first, value, look)
        for column in range(first + 1, last + 1):
            self.sheet.cell(row=row, column=column)._style = self._array(look)
        if last > first:
            self._merges.append(f"{letter(first)}{row}:{letter(last)}{row}")

    def close(self) -> None:
        self.sheet.merged_cells = MultiCellRange(self._merges)

    def _array(self, look: Look) -> Any:
        found = self._looks.get(look)
        if found is None:
            model = StyleableObject(self.sheet, [0] * 9)
            model.font = Font(
                name=FONT,
                size=look.size,
                bold=look.bold,
                color=f"FF{look.colour}",
                underline="single" if look.underline else None,
            )
            model.alignment = Alignment(horizontal=look.align, vertical=look.vertical, wrap_text=look.wrap)
            if look.fill:
                model.fill = PatternFill("solid", fgColor=f"FF{look.fill}")
            if look.framed:
                model.border = _FRAME
            model.protection = Protection(locked=look.locked)
            model.number_format = look.number
            if look.quoted:
                model.quotePrefix = 1
            found = self._looks[look] = model._style
        return found


def letter(column: int) -> str:
    """1 → A, 27 → AA."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def book(title: str, dated: datetime | None = None) -> Workbook:
    """An empty workbook with a fixed creation time where one is known."""
    made = Workbook()
    made.remove(made.worksheets[0])
    made.properties.title = title
    made.properties.creator = "绿册"
    moment = clock.local(dated or clock.now()).replace(tzinfo=None)
    made.properties.created = moment
    return made


def content(made: Workbook) -> bytes:
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def display_width(text: str) -> int:
    """In Latin characters: a Chinese one counts two."""
    return sum(2 if ord(char) > 0x2E7F or char in "“”‘’—…×÷" else 1 for char in text)


def lines_needed(text: str, width: float) -> int:
    """Rows of text a wrapped cell of ``width`` characters needs."""
    room = max(2, int(width) - 1)
    return sum(max(1, -(-display_width(line) // room)) for line in text.split("\n"))
