"""Workbooks out: the official layout, drop-downs and checks, hidden codes, and no text that turns into a formula."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from models.enums import CellKind
from services.documents import excel, intake
from services.documents.snapshot import FilingSnapshot
from services.forms import reference
from services.forms.sheet import Sheet
from services.forms.template import UNIT_SLOT, Address, FormField, Part
from tests import papers

HOSTILE = ('=HYPERLINK("http://example.com","点")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "a\x00\x0bb")


@pytest.fixture(scope="module")
def full() -> FilingSnapshot:
    return papers.full(edits={"gross_output:remark": "二期投产", "gec:2024": "不涉及"})


@pytest.fixture(scope="module")
def book(full: FilingSnapshot) -> Any:
    return openpyxl.load_workbook(io.BytesIO(excel.filled_workbook(full)))


def rows(book: Any) -> dict[str, int]:
    sheet = book[excel.FORM_SHEET]
    return {sheet.cell(r, 1).value: r for r in range(2, sheet.max_row + 1) if sheet.cell(r, 1).value}


def column(book: Any, role: str) -> int:
    sheet = book[excel.FORM_SHEET]
    return next(c for c in range(1, sheet.max_column + 1) if sheet.cell(1, c).value == role)


def _with_field(parts: tuple[Part, ...], asked: FormField) -> tuple[Part, ...]:
    """The parts with one field put in the place of the one with its key."""
    return tuple(
        replace(
            part,
            sections=tuple(
                replace(section, fields=tuple(asked if one.key == asked.key else one for one in section.fields))
                for section in part.sections
            ),
        )
        for part in parts
    )


def test_every_field_has_its_row_with_its_key_in_the_order_of_the_form(full: FilingSnapshot, book: Any) -> None:
    assert list(rows(book)) == list(full.template.fields)


def test_filled_figures_are_numbers_and_words_stay_words(full: FilingSnapshot, book: Any) -> None:
    sheet, at = book[excel.FORM_SHEET], rows(book)
    assert sheet.cell(at["gross_output"], column(book, "2024")).value == 98630.12
    assert sheet.cell(at["gross_output"], column(book, "remark")).value == "二期投产"
    assert sheet.cell(at["gec"], column(book, "2024")).value == "不涉及"
    assert sheet.cell(at["mobile"], column(book, "unit")).value == "13800020018"
    assert (
        sheet.cell(at["energy_total"], column(book, "unit")).value
        == full.cells[Address("energy_total", UNIT_SLOT)].text
    )


def test_every_filled_cell_is_in_the_workbook(full: FilingSnapshot, book: Any) -> None:
    written = {str(v) for line in book[excel.FORM_SHEET].iter_rows(values_only=True) for v in line if v is not None}
    for address, cell in full.cells.items():
        if cell.kind is CellKind.NUMBER:
            assert cell.text in written or str(float(cell.text)) in written, address
        elif cell.text:
            assert cell.text in written, address


def test_the_blank_form_holds_only_what_the_profile_fills(full: FilingSnapshot) -> None:
    blank = openpyxl.load_workbook(io.BytesIO(excel.blank_workbook(full)))
    sheet, at = blank[excel.FORM_SHEET], rows(blank)
    assert sheet.cell(at["unit_name"], column(blank, "unit")).value == full.unit_name
    assert sheet.cell(at["contact"], column(blank, "unit")).value is None
    assert sheet.cell(at["gross_output"], column(blank, "2024")).value is None
    assert sheet.cell(at["ei_output"], column(blank, "2024")).value is None
    assert sheet.cell(at["gross_output"], column(blank, "unit")).value == "万元"


def test_only_inputs_can_be_typed_into(full: FilingSnapshot, book: Any) -> None:
    sheet, at = book[excel.FORM_SHEET], rows(book)
    assert sheet.protection.sheet
    locked = {key: sheet.cell(row, column(book, "2024")).protection.locked for key, row in at.items()}
    for key, field in full.template.fields.items():
        if field.part == "improvement" and field.yearly:
            assert locked[key] == (field.kind == "derived"), key
    assert sheet.cell(at["unit_name"], column(book, "unit")).protection.locked
    assert not sheet.cell(at["contact"], column(book, "unit")).protection.locked
    assert sheet.cell(at["gross_output"], column(book, "label")).protection.locked


def test_every_input_has_its_check(full: FilingSnapshot, book: Any) -> None:
    sheet, at = book[excel.FORM_SHEET], rows(book)
    kinds = {}
    for check in sheet.data_validations.dataValidation:
        for area in check.sqref.ranges:
            for row in range(area.min_row, area.max_row + 1):
                for col in range(area.min_col, area.max_col + 1):
                    kinds[row, col] = check.type
    year = column(book, "2024")
    for key, field in full.template.fields.items():
        if field.kind == "number" and field.yearly:
            assert kinds[at[key], year] in ("custom", "decimal"), key
        if field.units and not field.unit_of and field.kind == "number":
            assert kinds[at[key], column(book, "unit")] == "list", key
    assert kinds[at["compliance_1"], column(book, "remark")] == "list"
    assert kinds[at["industry1"], column(book, "unit")] == "list"
    assert kinds[at["highlights"], column(book, "label")] == "textLength"


def test_the_lists_behind_the_drop_downs_are_whole(book: Any) -> None:
    lists = book[excel.LIST_SHEET]
    columns = [[cell.value for cell in col if cell.value] for col in lists.iter_cols()]
    assert list(reference.choices("industries")) in columns
    assert ["是", "否"] in columns
    for check in book[excel.FORM_SHEET].data_validations.dataValidation:
        if check.type == "list":
            assert check.formula1 in book.defined_names


def test_a_drop_down_offers_what_the_form_adds_to_a_list_of_standards(full: FilingSnapshot) -> None:
    fields = dict(full.template.fields)
    asked = fields["product1_energy_standard"]
    fields[asked.key] = replace(asked, choices=(*asked.choices, "地方标准"))
    template = replace(full.template, fields=fields, parts=_with_field(full.template.parts, fields[asked.key]))
    book = openpyxl.load_workbook(io.BytesIO(excel.blank_workbook(replace(full, template=template))))
    columns = [[cell.value for cell in col if cell.value] for col in book[excel.LIST_SHEET].iter_cols()]
    assert [*asked.choices, "地方标准"] in columns


def test_several_answers_are_named_where_no_drop_down_can_offer_them(full: FilingSnapshot, book: Any) -> None:
    guidance = book[excel.FORM_SHEET].cell(rows(book)["ems_functions"], column(book, "guidance")).value
    assert "；".join(full.template.fields["ems_functions"].choices) in guidance


def test_the_workbook_says_in_a_hidden_sheet_whose_it_is(full: FilingSnapshot, book: Any) -> None:
    hidden = book[excel.REF_SHEET]
    about = {row[0]: row[1] for row in hidden.iter_rows(values_only=True)}
    assert hidden.sheet_state == book[excel.LIST_SHEET].sheet_state == "veryHidden"
    assert about["form"] == "green_factory" and about["year"] == "2025"
    assert about["template"] == full.template.digest
    assert about["credit_code"] == full.credit_code and about["number"] == papers.NUMBER


def test_it_prints_on_a4_with_its_head_on_every_page(book: Any) -> None:
    sheet = book[excel.FORM_SHEET]
    assert sheet.page_setup.orientation == "landscape" and sheet.page_setup.fitToWidth == 1
    assert sheet.print_title_rows == "$4:$5" and sheet.freeze_panes == "C6"
    assert sheet.cell(5, column(book, "2024")).value == "2024年指标值" and sheet.cell(4, 2).value.startswith("填报单位")
    assert sheet.column_dimensions["A"].hidden and sheet.row_dimensions[1].hidden


@pytest.mark.parametrize("text", HOSTILE)
def test_text_never_becomes_a_formula(text: str) -> None:
    content = excel.filled_workbook(
        papers.full(edits={"contact": text, "highlights": text, "gross_output:remark": text})
    )
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        assert all(b"<f>" not in parts.read(n) for n in parts.namelist() if n.startswith("xl/worksheets"))
    listed = excel.roster_workbook([excel.RosterLine("国家层面", "第一批", text, text, text, None)])
    book = openpyxl.load_workbook(io.BytesIO(listed))
    assert {cell.data_type for line in book.active.iter_rows() for cell in line} <= {"s", "n"}


def test_a_figure_too_long_for_a_spreadsheet_is_kept_as_text() -> None:
    long = "12345678901234567.1234"
    book = openpyxl.load_workbook(io.BytesIO(excel.filled_workbook(papers.full(edits={"gross_output:2024": long}))))
    cell = book[excel.FORM_SHEET].cell(rows(book)["gross_output"], column(book, "2024"))
    assert cell.value == long and cell.data_type == "s"


def test_the_standards_lists_hold_every_standard() -> None:
    for content, known in (
        (excel.energy_limit_workbook(), reference.energy_limit_standards()),
        (excel.water_quota_workbook(), reference.water_quota_standards()),
    ):
        sheet = openpyxl.load_workbook(io.BytesIO(content)).active
        assert [sheet.cell(r, 2).value for r in range(3, sheet.max_row + 1)] == [s.number for s in known]
        assert sheet.freeze_panes == "A3" and sheet.auto_filter.ref


def test_the_roster_lists_who_is_on_it() -> None:
    line = excel.RosterLine("国家层面", "第八批", "广州某厂", "91440115MA5ABCDE1X", "广东省 广州市", date(2024, 1, 5))
    sheet = openpyxl.load_workbook(io.BytesIO(excel.roster_workbook([line]))).active
    assert [cell.value for cell in sheet[3]][3:] == ["广州某厂", "91440115MA5ABCDE1X", "广东省 广州市", "2024-01-05"]
    assert openpyxl.load_workbook(io.BytesIO(excel.roster_workbook([]))).active.max_row == 2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.parametrize("kind", ["xlsx", "ods", "xls"])
def test_libreoffice_opens_it_and_gives_it_back_unchanged(full: FilingSnapshot, tmp_path: Path, kind: str) -> None:
    start = tmp_path / "form.xlsx"
    start.write_bytes(excel.filled_workbook(full))
    for number, target in enumerate((kind, "xlsx")):
        folder = tmp_path / str(number)
        command = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", target]
        subprocess.run([*command, "--outdir", folder, start], check=True, capture_output=True, timeout=120)
        start = folder / f"form.{target}"
    found = intake.read(start.read_bytes(), full.template, credit_code=full.credit_code, unit_name=full.unit_name)
    seen = intake.preview(found, Sheet(full.template, full.cells))
    assert (seen.edits, seen.problems) == ((), ())
    sheet = openpyxl.load_workbook(start)[excel.FORM_SHEET]
    assert sheet.protection.sheet and len(sheet.data_validations.dataValidation) > 5
