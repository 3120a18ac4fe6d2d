"""汇总表 as xlsx or csv from a spool of rows, written in a child process: any number of rows in constant memory.

Run as ``python -m services.documents.summary SPOOL TARGET`` by ``batches``. The spool holds one JSON list a line: first
``[title, heads, widths]``, then the rows; strings are text, numbers are given as ``{"n": "12.5"}``. Prints a line every 500 rows.
"""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.documents import harmless

STEP = 500
A4 = 9  # ECMA-376 18.3.1.63
PAGE_WIDTH = 210  # characters across a page in the smallest type that is read easily


def main(spool: str, target: str) -> int:
    if hasattr(os, "nice"):
        os.nice(19)
    with Path(spool).open(encoding="utf-8") as lines:
        head = json.loads(next(lines))
        rows = _counted(json.loads(line) for line in lines)
        (write_csv if target.endswith(".csv") else write_xlsx)(Path(target), head, rows)
    return 0


def write_xlsx(target: Path, head: list[Any], rows: Iterator[list[Any]]) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font, PatternFill

    title, heads, widths = head
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    for number, width in enumerate(widths):
        sheet.column_dimensions[_letter(number + 1)].width = width
    sheet.freeze_panes = "C2"  # whose figures they are stays in sight
    _set_up_print(sheet, sum(widths))
    top = []
    for text in heads:
        cell = _text_cell(sheet, WriteOnlyCell, text)
        cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="FFE7F3EE")
        cell.alignment = Alignment(wrap_text=True, vertical="center")
        top.append(cell)
    sheet.append(top)
    sheet.auto_filter.ref = f"A1:{_letter(len(heads))}1"
    for row in rows:
        sheet.append([_value(sheet, WriteOnlyCell, item) for item in row])
    book.save(target)


def _set_up_print(sheet: Any, width: float) -> None:
    """A4 across, as few pages beside one another as can be read; heads and names on each of them."""
    sheet.page_setup.paperSize, sheet.page_setup.orientation = A4, "landscape"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = math.ceil(width / PAGE_WIDTH), 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.print_options.gridLines = True
    sheet.print_title_rows, sheet.print_title_cols = "1:1", "A:B"
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    sheet.oddFooter.left.text, sheet.oddFooter.right.text = "&A", "第 &P 页 / 共 &N 页"


def write_csv(target: Path, head: list[Any], rows: Iterator[list[Any]]) -> None:
    """With a byte order mark, by which Excel knows UTF-8; text that looks like a formula gets an apostrophe."""
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(map(harmless.csv_cell, head[1]))
        for row in rows:
            writer.writerow([item["n"] if isinstance(item, dict) else harmless.csv_cell(item) for item in row])


def _counted(rows: Iterator[list[Any]]) -> Iterator[list[Any]]:
    for number, row in enumerate(rows, 1):
        yield row
        if number % STEP == 0:
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


def _value(sheet: Any, make: Any, item: Any) -> Any:
    if isinstance(item, dict):
        figure = Decimal(item["n"])
        return figure if len(figure.as_tuple().digits) <= harmless.EXACT_DIGITS else item["n"]
    text = harmless.storable(item)
    return _text_cell(sheet, make, text) if harmless.looks_like_formula(text) else text


def _text_cell(sheet: Any, make: Any, text: str) -> Any:
    cell = make(sheet, "")
    cell._value, cell.data_type = harmless.storable(text), "s"
    cell.quotePrefix = harmless.looks_like_formula(text)
    return cell


def _letter(column: int) -> str:
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
