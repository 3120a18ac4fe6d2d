"""Marks errors in the workbook a unit sent in (在原表中标出问题), inside a child process with hard limits.

Run as ``python -m services.documents.marker``: on standard input one JSON line ``{"sheet": …, "marks": [[place, level, what,
sentence], …]}`` and then the workbook; the marked workbook on standard output. openpyxl takes the time of a thousand cells for
a few bytes, and reads every sheet, ours and others: what is too much is counted first, and the processor's seconds are few.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from services.documents import child, harmless, spreadsheet

AUTHOR = "绿册"
PROBLEM_SHEET = "问题"
MEMORY = 200 * 1024 * 1024
CPU_SECONDS = 2  # a form needs half of one, mostly to start

_FILLS = {"error": "F8CBC6", "warning": "FFE699", "note": "D9E7F5"}
_INPUT_FILL = "FFFBE6"
_LEVELS = {"error": "错误", "warning": "警告", "note": "提示"}
_WIDTHS = (8, 8, 12, 40, 100)


def main() -> int:
    child.limit(MEMORY, CPU_SECONDS)
    head, _, content = sys.stdin.buffer.read().partition(b"\n")
    order = json.loads(head)
    spreadsheet.weigh(content)
    sys.stdout.buffer.write(marked(content, order["sheet"], order["marks"]))
    return 0


def marked(content: bytes, name: str, marks: list[list[str]]) -> bytes:
    """The workbook with a fill and a comment on each marked cell and a sheet 问题 that links to them."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book[name]
    _forget_old_marks(book, sheet)
    by_place: dict[str, list[tuple[str, str]]] = {}
    for place, level, _, sentence in marks:
        if place:
            by_place.setdefault(_visible(sheet, place), []).append((level, sentence))
    for place, said in by_place.items():
        _mark(sheet[place], said)
    _list_problems(book, name, marks)
    book.active = book.sheetnames.index(PROBLEM_SHEET) if marks else 0
    for other in book.worksheets:
        other.sheet_view.tabSelected = other.title == book.active.title
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _visible(sheet: Any, place: str) -> str:
    """The cell that is seen there: somebody may have merged it into the one before."""
    return next((str(merged.start_cell.coordinate) for merged in sheet.merged_cells.ranges if place in merged), place)


def _forget_old_marks(book: Any, sheet: Any) -> None:
    """A workbook may come back a second time: what we marked before is taken away."""
    from openpyxl.styles import PatternFill

    if PROBLEM_SHEET in book.sheetnames:
        del book[PROBLEM_SHEET]
    for cell in sheet._cells.values():  # iter_rows would make those that are not there
        if getattr(cell, "comment", None) is not None and cell.comment.author == AUTHOR:
            cell.comment = None
            if not cell.protection.locked:
                cell.fill = PatternFill("solid", fgColor=f"FF{_INPUT_FILL}")


def _mark(cell: Any, said: list[tuple[str, str]]) -> None:
    from openpyxl.comments import Comment
    from openpyxl.styles import PatternFill

    worst = min((level for level, _ in said), key=list(_FILLS).index)
    cell.fill = PatternFill("solid", fgColor=f"FF{_FILLS[worst]}")
    text = "\n".join(f"【{_LEVELS[level]}】{sentence}" for level, sentence in said)
    cell.comment = Comment(text, AUTHOR, height=60 + 18 * (len(text) // 22), width=340)


def _list_problems(book: Any, name: str, marks: list[list[str]]) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill

    page = book.create_sheet(PROBLEM_SHEET)
    for column, (head, width) in enumerate(
        zip(("序号", "级别", "位置", "指标", "问题和处理办法"), _WIDTHS, strict=True), 1
    ):
        cell = page.cell(row=1, column=column, value=head)
        cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="FFE7F3EE")
        page.column_dimensions[cell.column_letter].width = width
    for row, (place, level, what, sentence) in enumerate(marks, 2):
        for column, text in enumerate((str(row - 1), _LEVELS[level], place, what, sentence), 1):
            cell = page.cell(row=row, column=column)
            cell._value, cell.data_type = harmless.storable(text), "s"  # a sentence may quote what a person typed
            cell.quotePrefix = harmless.looks_like_formula(text)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
        page.cell(row=row, column=2).fill = PatternFill("solid", fgColor=f"FF{_FILLS[level]}")
        if place:
            link = page.cell(row=row, column=3)
            link.hyperlink = f"#'{name}'!{place}"
            link.font = Font(color="FF1E6B52", underline="single")
    page.freeze_panes = "A2"
    page.auto_filter.ref = f"A1:E{max(1, len(marks) + 1)}"


if __name__ == "__main__":
    sys.exit(main())
