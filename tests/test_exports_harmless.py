"""Formula injection (公式注入): in no workbook and no CSV that leaves does what people typed become a formula."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from services.documents import excel, harmless, marker, summary
from services.forms.template import Address
from tests import papers
from ui.pages import downloads

ROOT = Path(__file__).resolve().parents[1]
HOSTILE = (
    '=HYPERLINK("http://example.com","点")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "  =1+1",
    "＝1+1",
    "＋1",
)
# Who writes tables, and the exports of each that the test below makes. A new writer has to come here.
WRITERS = {
    "services/documents/sheets.py": ("filled", "blank", "roster", "any list"),
    "services/documents/summary.py": ("summary xlsx", "summary csv"),
    "services/documents/marker.py": ("marked",),
    "ui/pages/downloads.py": ("page csv",),
}


def _summary(path: Path, text: str) -> bytes:
    spool = path.with_suffix(".spool")
    lines = [["汇总", [text, "数"], [20, 10]], [text, {"n": "12.5"}]]
    spool.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    summary.main(str(spool), str(path))
    return path.read_bytes()


def _form(text: str, *, filled: bool) -> bytes:
    snapshot = papers.full()
    cells = dict(snapshot.cells)
    for address in (Address("contact"), Address("gross_output", "remark")):
        known = cells.get(address, next(iter(cells.values())))
        cells[address] = replace(known, text=text)
    made = replace(snapshot, cells=cells, unit_name=text)
    return excel.filled_workbook(made) if filled else excel.blank_workbook(made)


def _roster(text: str) -> bytes:
    return excel.roster_workbook([excel.RosterLine(text, text, text, text, text, date(2025, 3, 1))], "名单")


def _marked(text: str) -> bytes:
    book = openpyxl.Workbook()
    out = io.BytesIO()
    book.save(out)
    return marker.marked(out.getvalue(), "Sheet", [["A1", "error", text, text]])


EXPORTS: dict[str, Callable[[Path, str], bytes]] = {
    "filled": lambda _, text: _form(text, filled=True),
    "blank": lambda _, text: _form(text, filled=False),
    "roster": lambda _, text: _roster(text),
    "any list": lambda _, text: excel.list_workbook("列表", (text,), [(text,)], (20,)),
    "summary xlsx": lambda folder, text: _summary(folder / "a.xlsx", text),
    "summary csv": lambda folder, text: _summary(folder / "a.csv", text),
    "marked": lambda _, text: _marked(text),
    "page csv": lambda _, text: downloads._csv(("列",), [(text,)]),
}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("export", EXPORTS)
def test_what_people_type_is_text_in_every_export(export: str, text: str, tmp_path: Path) -> None:
    content = EXPORTS[export](tmp_path, text)
    if content.startswith(b"PK"):
        cells = list(_cells(content))
        assert [cell for cell in cells if cell.data_type == "f"] == []
        hostile = [cell for cell in cells if isinstance(cell.value, str) and harmless.looks_like_formula(cell.value)]
        assert [cell.value for cell in hostile if not cell.quotePrefix] == []
        assert hostile or export == "blank"
    else:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        assert [cell for row in rows for cell in row if harmless.looks_like_formula(cell)] == []
        assert any(cell == f"'{text}" for row in rows for cell in row)


def _cells(content: bytes) -> Iterator[Any]:
    for sheet in openpyxl.load_workbook(io.BytesIO(content)).worksheets:
        for row in sheet.iter_rows():
            yield from (cell for cell in row if cell.value is not None)


def test_nobody_else_writes_tables() -> None:
    made = {name for exports in WRITERS.values() for name in exports}
    assert made == set(EXPORTS)
    writers = {
        str(path.relative_to(ROOT))
        for room in ("services", "ui")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in ("csv.writer", "csv.DictWriter", "Workbook", "openpyxl.Workbook", "openpyxl.load_workbook")
    }
    assert writers == set(WRITERS)


@pytest.mark.parametrize("text", ["广州南粤", "12.5", "", "O=CO", "a-b", "（-5）"])
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert harmless.csv_cell(text) == text
