"""Workbooks in: another unit's is refused first, what people do to a sheet is understood, hostile files are refused fast."""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from models.enums import FindingLevel
from services.documents import excel, intake, marker, spreadsheet
from services.documents.intake import Intake, Preview
from services.documents.snapshot import FilingSnapshot
from services.errors import Refusal
from services.forms.sheet import Sheet
from services.forms.template import Address
from tests import papers

UNIT = ("9144011552601815X4", "广州南沙晟电电路有限公司")
SHEET = "xl/worksheets/sheet1.xml"


@pytest.fixture(scope="module")
def full() -> FilingSnapshot:
    return papers.full()


@pytest.fixture(scope="module")
def exported(full: FilingSnapshot) -> bytes:
    return excel.filled_workbook(full)


def read(content: bytes, **other: Any) -> Intake:
    asked = {"credit_code": UNIT[0], "unit_name": UNIT[1], **other}
    return intake.read(content, papers.template(), **asked)


def in_process(content: bytes) -> Intake:
    """The same without the child process: for hundreds of them."""
    found = spreadsheet.parse(content, intake.SHEETS)
    return intake.understood(found, papers.template(), credit_code=UNIT[0], unit_name=UNIT[1])


def previewed(content: bytes, snapshot: FilingSnapshot, **options: Any) -> Preview:
    return intake.preview(read(content), Sheet(snapshot.template, snapshot.cells), **options)


class Desk:
    """A workbook on a clerk's desk: cells are found by indicator and column, as people see them."""

    def __init__(self, content: bytes) -> None:
        self.book = openpyxl.load_workbook(io.BytesIO(content))
        self.sheet = self.book[excel.FORM_SHEET]
        self.sheet.protection.sheet = False

    def row(self, key: str) -> int:
        return next(r for r in range(2, self.sheet.max_row + 1) if self.sheet.cell(r, 1).value == key)

    def column(self, role: str) -> int:
        return next(c for c in range(1, self.sheet.max_column + 1) if self.sheet.cell(1, c).value == role)

    def put(self, key: str, role: str, value: Any) -> str:
        cell = self.sheet.cell(self.row(key), self.column(role))
        cell.value = value
        return str(cell.coordinate)

    def save(self) -> bytes:
        out = io.BytesIO()
        self.book.save(out)
        return out.getvalue()


def changes(seen: Preview) -> dict[str, tuple[str, str]]:
    return {str(change.address): (change.before, change.after) for change in seen.changes}


def test_an_export_imported_again_changes_nothing(full: FilingSnapshot, exported: bytes) -> None:
    seen = previewed(exported, full)
    assert (seen.edits, seen.problems, seen.found) == ((), (), ())


def test_an_export_fills_an_empty_form_completely(full: FilingSnapshot, exported: bytes) -> None:
    locked = {a: c for a, c in full.cells.items() if full.template.fields[a.field].locked}
    empty = Sheet(full.template, locked)
    seen = intake.preview(read(exported), empty)
    empty.apply(seen.edits)
    assert {a: (c.kind, c.value or c.text) for a, c in empty.cells.items()} == {
        a: (c.kind, c.value or c.text) for a, c in full.cells.items()
    }
    assert empty.digest() == full.digest


def test_what_people_type_into_a_sheet_is_understood(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    desk.put("gross_output", "2024", "１２３，４５６．７")
    desk.put("gross_output", "2023", " 91 300 ")
    desk.put("energy_total", "2024", "9,600.5")
    desk.put("gec", "2024", "不涉及")
    desk.put("mobile", "unit", 13900000001)
    desk.put("water_intake", "2024", 0.1 + 0.2)
    desk.put("highlights", "label", "第一条\n第二条")
    seen = previewed(desk.save(), full)
    assert changes(seen) == {
        "gross_output:2024": ("98,630.12", "123,456.7"),
        "gross_output:2023": ("91,275.6", "91,300"),
        "energy_total:2024": ("9,518.77", "9,600.5"),
        "gec:2024": ("0", "不涉及"),
        "mobile": ("13800020018", "13900000001"),
        "water_intake:2024": (changes(seen)["water_intake:2024"][0], "0.3"),
        "highlights": (full.value("highlights").text, "第一条\n第二条"),
    }


def test_findings_that_would_arise_are_shown_before_anything_is_written(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    desk.put("nh3n_gen", "2024", 0.001)
    desk.put("gross_output", "2024", "约12万")
    sheet = Sheet(full.template, full.cells)
    before = dict(sheet.cells)
    seen = intake.preview(read(desk.save()), sheet)
    assert any("氨氮产生量" in finding.message for finding in seen.found)
    assert any(f.level is FindingLevel.ERROR and "约12万" in f.message for f in seen.found)
    assert sheet.cells == before


def test_a_finding_that_would_say_something_else_is_shown_again(full: FilingSnapshot, exported: bytes) -> None:
    sheet = Sheet(full.template, full.cells)
    sheet.apply([(Address("gross_output", "2024"), "约十万")])
    desk = Desk(exported)
    desk.put("gross_output", "2024", "约12万")
    seen = intake.preview(read(desk.save()), sheet)
    assert any("约12万" in finding.message for finding in seen.found)


def test_a_blank_cell_keeps_what_is_there_unless_asked(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    desk.put("gross_output", "2024", None)
    content = desk.save()
    assert previewed(content, full).edits == ()
    cleared = previewed(content, full, clear_blank=True)
    assert changes(cleared) == {"gross_output:2024": ("98,630.12", "")}


def test_rows_put_in_hidden_or_moved_are_found_again(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    desk.put("gross_output", "2024", 100000)
    desk.sheet.row_dimensions[desk.row("energy_total")].hidden = True
    desk.sheet.merged_cells.ranges.clear()
    desk.sheet.insert_rows(desk.row("gross_output"), 3)
    desk.sheet.insert_cols(desk.column("2022"))
    assert changes(previewed(desk.save(), full)) == {"gross_output:2024": ("98,630.12", "100,000")}


def test_a_row_twice_and_a_row_gone_are_said(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    desk.sheet.cell(desk.row("gec"), 1).value = "gross_output"
    messages = [problem.message for problem in previewed(desk.save(), full).problems]
    assert any("重复" in message and "工业总产值" in message for message in messages)
    assert any("找不到" in message and "绿证数量" in message for message in messages)


def test_an_unknown_code_is_said_with_its_row(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    row = desk.row("gec")
    desk.sheet.cell(row, 1).value = "nothing_known"
    problems = previewed(desk.save(), full).problems
    assert any(problem.place == f"A{row}" and "nothing_known" in problem.message for problem in problems)


@pytest.mark.parametrize(
    ("value", "words"),
    [("=1/0", "没有保存计算结果"), ("#DIV/0!", "除数为零"), (True, "逻辑值")],
)
def test_what_cannot_be_read_is_refused_cell_by_cell_with_its_place(
    full: FilingSnapshot, exported: bytes, value: Any, words: str
) -> None:
    desk = Desk(exported)
    place = desk.put("gross_output", "2024", value)
    seen = previewed(desk.save(), full)
    assert seen.edits == ()
    problem = next(problem for problem in seen.problems if problem.place == place)
    assert words in problem.message and "工业总产值" in problem.message and "2024年" in problem.message


def test_a_cell_counts_as_it_is_shown_a_date_is_no_figure(full: FilingSnapshot, exported: bytes) -> None:
    """Who types 5-1 or 12% into a spreadsheet leaves 45413 and 0.12 behind."""
    desk = Desk(exported)
    desk.put("gross_output", "2023", date(2024, 5, 1))
    desk.put("gross_output", "2024", 45413)
    desk.put("email", "unit", datetime(2024, 5, 1, 6, 30))
    for key, year, shown in (("ww_margin", "2022", "0.00%"), ("energy_total", "2024", '0.0"%"')):
        desk.sheet[desk.put(key, year, 0.625)].number_format = shown
    seen = previewed(desk.save(), full)
    assert {address: after for address, (_, after) in changes(seen).items()} == {
        "gross_output:2023": "2024-05-01",
        "gross_output:2024": "45,413",
        "email": "2024-05-01 06:30",
        "ww_margin": "62.5",
        "energy_total:2024": "0.625",
    }
    assert any(f.level is FindingLevel.ERROR and "2024-05-01" in f.message for f in seen.found)


def test_days_counted_from_1904_are_the_same_days(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    desk.book.epoch = CALENDAR_MAC_1904
    desk.put("email", "unit", datetime(2024, 5, 1, 6, 30))
    assert changes(previewed(desk.save(), full))["email"][1] == "2024-05-01 06:30"


def test_a_formula_counts_with_its_stored_value_and_a_hint(full: FilingSnapshot, exported: bytes) -> None:
    row = Desk(exported).row("gross_output")
    content = rewritten(
        exported, SHEET, lambda xml: re.sub(rf'(<c r="G{row}"[^>]*>)<v>[^<]*</v>', r"\1<f>1+1</f><v>123456.7</v>", xml)
    )
    seen = previewed(content, full)
    assert changes(seen) == {"gross_output:2024": ("98,630.12", "123,456.7")}
    assert [p.level for p in seen.problems] == [FindingLevel.NOTE]


def test_a_changed_locked_cell_is_said_and_not_taken(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    place = desk.put("unit_name", "unit", "另一家公司")
    seen = previewed(desk.save(), full)
    assert seen.edits == () and [p.place for p in seen.problems] == [place]


def test_derived_cells_are_never_taken(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    desk.put("ei_output", "2024", 1)
    assert previewed(desk.save(), full).edits == ()


def test_a_changed_unit_is_taken_before_the_figures(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    desk.put("product1_output", "unit", "万吨")
    seen = previewed(desk.save(), full)
    assert str(seen.edits[0][0]) == "product1_output:unit"


def test_another_units_workbook_is_refused_by_name(exported: bytes) -> None:
    with pytest.raises(Refusal, match="另一家公司") as refusal:
        read(exported, credit_code="91440101MA5XXXXXX1", unit_name="另一家公司")
    assert "广州南沙晟电电路有限公司" in refusal.value.message
    with pytest.raises(Refusal, match=r"9144011552601815X4.*91440101MA5XXXXXX1.*更正"):
        read(exported, credit_code="91440101MA5XXXXXX1")  # the same name: the code was corrected since


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("form", "green_park", "绿色工业园区"),
        ("year", "2024", "2024 年度"),
        ("schema", "2", "其他版本"),
        ("schema", None, "其他版本"),
    ],
)
def test_another_form_year_or_version_of_the_codes_is_refused(
    exported: bytes, name: str, value: str, words: str
) -> None:
    desk = Desk(exported)
    for row in desk.book[excel.REF_SHEET].iter_rows():
        if row[0].value == name:
            row[1].value = value
    with pytest.raises(Refusal, match=words):
        read(desk.save())


def test_a_workbook_that_is_not_ours_is_refused() -> None:
    strange = openpyxl.Workbook()
    out = io.BytesIO()
    strange.save(out)
    with pytest.raises(Refusal, match="不是从本系统导出"):
        read(out.getvalue())


def test_a_workbook_without_its_hidden_codes_is_refused(exported: bytes) -> None:
    desk = Desk(exported)
    desk.sheet.delete_rows(1)
    with pytest.raises(Refusal, match="隐藏编码"):
        read(desk.save())


def test_problems_come_back_in_the_same_workbook(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    wrong, unread = desk.put("gross_output", "2024", "约12万"), desk.put("energy_total", "2023", "=1/0")
    content = desk.save()
    seen = previewed(content, full)
    returned = intake.marked(content, read(content), full.template, seen)
    book = openpyxl.load_workbook(io.BytesIO(returned))
    sheet, listed = book[excel.FORM_SHEET], book[marker.PROBLEM_SHEET]
    assert "约12万" in sheet[wrong].comment.text and sheet[wrong].value == "约12万"
    assert "没有保存计算结果" in sheet[unread].comment.text
    assert sheet[wrong].fill.fgColor.rgb.endswith("F8CBC6")
    links = {cell.value: cell.hyperlink.location or cell.hyperlink.target for cell in listed["C"][1:] if cell.hyperlink}
    assert wrong in links and excel.FORM_SHEET in str(links[wrong])
    before = openpyxl.load_workbook(io.BytesIO(content))[excel.FORM_SHEET]
    untouched = [
        (c.value, c.style_id and c.fill.fgColor.rgb) for c in before["E"] if c.coordinate not in (wrong, unread)
    ]
    assert [
        (c.value, c.style_id and c.fill.fgColor.rgb) for c in sheet["E"] if c.coordinate not in (wrong, unread)
    ] == untouched
    assert len(sheet.data_validations.dataValidation) == len(before.data_validations.dataValidation)


def test_a_problem_under_merged_cells_is_marked_on_the_one_that_is_seen(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    row, first = desk.row("gross_output"), desk.put("gross_output", "2022", "约12万")
    hidden = desk.put("gross_output", "2024", None)
    desk.sheet.merge_cells(f"{first}:{hidden}")
    content = desk.save()
    intake_, sheet = read(content), Sheet(full.template, full.cells)
    seen = intake.preview(intake_, sheet, clear_blank=True)
    assert hidden in {intake_.places[finding.cells[0]] for finding in seen.found}
    book = openpyxl.load_workbook(io.BytesIO(intake.marked(content, intake_, full.template, seen)))
    said = book[excel.FORM_SHEET].cell(row, desk.column("2022")).comment.text
    assert "约12万" in said and "2024年" in said


def test_a_returned_workbook_can_be_corrected_and_come_back(full: FilingSnapshot, exported: bytes) -> None:
    desk = Desk(exported)
    place = desk.put("gross_output", "2024", "约12万")
    content = desk.save()
    again = Desk(intake.marked(content, read(content), full.template, previewed(content, full)))
    again.put("gross_output", "2024", 120000)
    content = again.save()
    seen = previewed(content, full)
    assert changes(seen) == {"gross_output:2024": ("98,630.12", "120,000")}
    clean = openpyxl.load_workbook(io.BytesIO(intake.marked(content, read(content), full.template, seen)))
    assert clean[excel.FORM_SHEET][place].comment is None
    assert clean[excel.FORM_SHEET][place].fill.fgColor.rgb.endswith("FFFBE6")


def own_sheet(content: bytes, cells: int, *, columns: int = 60) -> Desk:
    """A clerk keeps her own ledger in the same workbook."""
    desk = Desk(content)
    ledger = desk.book.create_sheet("台账")
    for _ in range(cells // columns):
        ledger.append([1234.5] * columns)
    return desk


def test_a_ledger_beside_the_form_comes_back_with_the_marks(full: FilingSnapshot, exported: bytes) -> None:
    desk = own_sheet(exported, 6_000)
    wrong = desk.put("gross_output", "2024", "约12万")
    content = desk.save()
    book = openpyxl.load_workbook(
        io.BytesIO(intake.marked(content, read(content), full.template, previewed(content, full)))
    )
    assert "约12万" in book[excel.FORM_SHEET][wrong].comment.text
    assert book["台账"]["BH100"].value == 1234.5


def test_a_cell_far_below_makes_no_cells_between(exported: bytes) -> None:
    desk = Desk(exported)
    desk.sheet.cell(2000, 64).value = 1
    there = len(desk.sheet._cells)
    marker._forget_old_marks(desk.book, desk.sheet)
    assert len(desk.sheet._cells) == there


# What openpyxl would work on for many seconds, in a sheet that the import itself never reads.
ENDLESS_TO_MARK: dict[str, Callable[[bytes], bytes]] = {
    "a heap of cells": lambda c: own_sheet(c, 60_000).save(),
    "a merge over many cells": lambda c: rewritten(
        c,
        "xl/worksheets/sheet3.xml",
        lambda x: x.replace("</sheetData>", '</sheetData><mergeCells><mergeCell ref="A30:XFD9000"/></mergeCells>'),
    ),
}


@pytest.mark.parametrize("name", ENDLESS_TO_MARK)
def test_what_would_take_for_ever_to_mark_is_imported_but_not_marked(
    full: FilingSnapshot, exported: bytes, name: str
) -> None:
    content = ENDLESS_TO_MARK[name](exported)
    taken, seen = read(content), previewed(content, full)
    with pytest.raises(Refusal, match=r"没能在原表中标出问题.*3 万个单元格.*没有改动"):
        intake.marked(content, taken, full.template, seen)


def test_too_much_to_mark_is_seen_before_it_is_parsed(exported: bytes) -> None:
    spreadsheet.weigh(own_sheet(exported, 24_000).save())
    with pytest.raises(Refusal):
        spreadsheet.weigh(own_sheet(exported, 36_000).save())


# Hostile and broken files


def rewritten(content: bytes, part: str, change: Callable[[str], str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, change(body.decode()) if name == part else body)
    return out.getvalue()


def added(content: bytes, name: str, body: bytes) -> bytes:
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr(name, body)
    return out.getvalue()


def sheet_of(content: bytes, rows: str) -> bytes:
    return rewritten(
        content,
        SHEET,
        lambda xml: re.sub(r"<sheetData>.*</sheetData>", f"<sheetData>{rows}</sheetData>", xml, flags=re.S),
    )


def beside(content: bytes, xml: str) -> bytes:
    """Where no reader expects anything: after the rows of the sheet."""
    return rewritten(content, SHEET, lambda sheet: sheet.replace("</sheetData>", f"</sheetData>{xml}"))


def strings_of(content: bytes, strings: str, head: str = "") -> bytes:
    return added(content, "xl/sharedStrings.xml", f"{head}<sst>{strings}</sst>".encode())


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda c: b"", "不是 .xlsx"),
    "pdf": (lambda c: b"%PDF-1.7 ...", "不是 .xlsx"),
    "csv": (lambda c: "指标,2024\n".encode("gbk"), "CSV"),
    "csv of utf-8, cut in a character": (lambda c: b"\xef\xbb\xbf" + "指标,2024\n".encode() * 400, "CSV"),
    "locked by a password": (lambda c: _ole("EncryptedPackage"), "打开密码"),
    "binary workbook": (lambda c: added(b"", "xl/workbook.bin", b"x"), ".xlsb"),
    "ods": (lambda c: added(b"", "content.xml", b"<x/>"), ".ods"),
    "html": (lambda c: b"<html><table>", "不是 .xlsx"),
    "xls": (lambda c: _ole("Workbook"), "旧版"),
    "cut": (lambda c: c[: len(c) // 2], "损坏"),
    "six megabytes": (lambda c: c + b"\0" * 6_000_000, "5 MB"),
    "other zip": (lambda c: added(b"", "a.txt", b"a"), "不是 .xlsx"),
    "macros": (lambda c: added(c, "xl/vbaProject.bin", b"x"), "宏"),
    "macro sheets": (lambda c: added(c, "xl/macrosheets/sheet1.xml", b"<x/>"), "宏"),
    "embedded program": (lambda c: added(c, "xl/embeddings/oleObject1.bin", b"x"), "夹带"),
    "path out": (lambda c: added(c, "../../evil.xml", b"x"), "异常"),
    "absolute path": (lambda c: added(c, "/evil.xml", b"x"), "异常"),
    "600 MB sheet": (lambda c: added(c, "xl/worksheets/sheet9.xml", b" " * 30_000_000), "异常"),
    "ratio": (lambda c: added(c, "xl/media/a.bin", b"\0" * 20_000_000), "异常"),
    "many entries": (lambda c: _many(c), "异常"),
    "doctype": (lambda c: rewritten(c, SHEET, lambda x: '<!DOCTYPE a [<!ENTITY b "c">]>' + x), "异常"),
    "far column": (lambda c: sheet_of(c, '<row r="1"><c r="XFD1"><v>1</v></c></row>'), "过大"),
    "far row": (lambda c: sheet_of(c, '<row r="1048576"><c r="A1048576"><v>1</v></c></row>'), "过大"),
    "many cells": (
        lambda c: sheet_of(c, "".join(f'<row r="{r}">' + "<c><v>1</v></c>" * 60 + "</row>" for r in range(1, 200))),
        "过大",
    ),
    "deep": (lambda c: sheet_of(c, "<row>" + "<x>" * 200 + "</x>" * 200 + "</row>"), "异常"),
    "very deep": (lambda c: sheet_of(c, "<x>" * 200_000), "异常"),
    "elements without end": (lambda c: beside(c, "".join(f'<x a="{n * 7919}"/>' for n in range(90_000))), "异常"),
    "attributes without end": (
        lambda c: beside(c, "<x " + " ".join(f"a{n}='1'" for n in range(60_000)) + "/>"),
        "异常",
    ),
    "text without end": (lambda c: beside(c, "<x>" + "\n".join(map(str, range(500_000))) + "</x>"), "异常"),
    "comments without end": (lambda c: beside(c, "".join(f"<!--{n}-->" for n in range(200_000))), "异常"),
    "lines without end": (lambda c: beside(c, "<x>" + "\n" * 900_000 + "</x>"), "异常"),
    "references without end": (lambda c: beside(c, "<x>" + "&#49;" * 200_000 + "</x>"), "异常"),
    "many sheets": (lambda c: rewritten(c, "xl/workbook.xml", _many_sheets), "异常"),
    "many strings": (lambda c: strings_of(c, "".join(f"<si><t>{n}</t></si>" for n in range(60_000))), "异常"),
    "long strings": (lambda c: strings_of(c, f"<si><t>{'绿' * 900_000}</t></si>"), "异常"),
    "packed strings": (lambda c: strings_of(c, f"<si><t>{' ' * 20_000_000}</t></si>"), "异常"),
    "entities": (
        lambda c: strings_of(c, "<si><t>&b;</t></si>", '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'),
        "异常",
    ),
    "a smaller size in the directory": (lambda c: _lying(c), "损坏"),
    "not xml": (lambda c: rewritten(c, SHEET, lambda x: x[: len(x) // 2]), "损坏"),
    "bad reference": (lambda c: sheet_of(c, '<row r="1"><c r="?"><v>1</v></c></row>'), "损坏"),
    "string out of range": (lambda c: sheet_of(c, '<row r="1"><c r="A1" t="s"><v>999999</v></c></row>'), "损坏"),
    "no sheet": (
        lambda c: rewritten(c, "xl/workbook.xml", lambda x: x.replace(excel.FORM_SHEET, "别的")),
        "没有“动态管理表”",
    ),
}


def _ole(stream: str) -> bytes:
    """The container of .xls and .et, and of a locked .xlsx: a head, and the directory that names its streams."""
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0")
    return head + "".join(name.ljust(64, "\0") for name in ("Root Entry", stream)).encode("utf-16-le")


def _many_sheets(xml: str) -> str:
    made = "".join(f'<sheet name="s{n}" sheetId="{n + 9}" r:id="rId1"/>' for n in range(20_000))
    return xml.replace("</sheets>", f"{made}</sheets>").replace("<workbook", '<workbook xmlns:r="urn:r"', 1)


def _lying(content: bytes) -> bytes:
    """The sheet is said to be a tenth of what is unpacked."""
    out = bytearray(content)
    at = out.rindex(b"PK\x01\x02", 0, out.rindex(SHEET.encode()))
    size = int.from_bytes(out[at + 24 : at + 28], "little")
    out[at + 24 : at + 28] = (size // 10).to_bytes(4, "little")
    return bytes(out)


def _many(content: bytes) -> bytes:
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a") as parts:
        for number in range(300):
            parts.writestr(f"xl/media/{number}.png", b"x")
    return out.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_broken_file_is_refused_with_a_sentence(exported: bytes, name: str) -> None:
    make, words = HOSTILE[name]
    content = make(exported)
    with pytest.raises(Refusal) as refusal:
        read(content)
    assert words in refusal.value.message and refusal.value.message.endswith("。")


def test_merges_are_never_looked_at_nor_broken_styles(full: FilingSnapshot, exported: bytes) -> None:
    merges = "".join(f'<mergeCell ref="A{n}:C{n}"/>' for n in range(1, 20_000))
    content = rewritten(
        exported,
        SHEET,
        lambda x: re.sub(r"<mergeCells.*</mergeCells>", f"<mergeCells>{merges}</mergeCells>", x, flags=re.S),
    )
    content = rewritten(content, "xl/styles.xml", lambda _: "<broken")
    assert previewed(content, full).edits == ()


def test_a_number_format_without_end_is_not_looked_at(full: FilingSnapshot, exported: bytes) -> None:
    code = "[" * 100_000
    format_ = f'<numFmts><numFmt numFmtId="170" formatCode="{code}"/></numFmts><cellXfs><xf numFmtId="170"/></cellXfs>'
    content = rewritten(exported, "xl/styles.xml", lambda _: f"<styleSheet>{format_}</styleSheet>")
    assert previewed(content, full).edits == ()


def test_hundreds_of_damaged_workbooks_are_refused_or_read_never_worse(exported: bytes) -> None:
    random_ = random.Random(7)
    for _ in range(400):
        body = bytearray(exported)
        for _ in range(random_.choice((1, 3, 20))):
            body[random_.randrange(len(body))] = random_.randrange(256)
        try:
            in_process(bytes(body))
        except Refusal as refusal:
            assert refusal.message.endswith("。")


def test_damage_inside_a_part_is_refused_or_read_never_worse(full: FilingSnapshot, exported: bytes) -> None:
    random_ = random.Random(8)
    sheet = Sheet(full.template, full.cells)
    for _ in range(60):

        def hurt(xml: str) -> str:
            at = random_.randrange(len(xml))
            return (
                xml[:at]
                + random_.choice(["<", ">", "&", '"', "\x01", "9e999", "𠀀", "", "A1"])
                + xml[at + random_.randrange(4) :]
            )

        try:
            intake.preview(in_process(rewritten(exported, SHEET, hurt)), sheet)
        except Refusal as refusal:
            assert refusal.message.endswith("。")


def test_numbers_come_out_as_people_mean_them(exported: bytes) -> None:
    for stored, meant in (
        ("0.30000000000000004", "0.3"),
        ("1E+3", "1000"),
        ("1.0", "1"),
        ("-0.5", "-0.5"),
        ("1e999", "1e999"),
    ):
        content = sheet_of(exported, f'<row r="1"><c r="A1"><v>{stored}</v></c></row>')
        assert spreadsheet.read(content, [excel.FORM_SHEET])[excel.FORM_SHEET][1, 1].text == meant


def test_strings_stored_in_the_cell_and_rich_text_are_read(exported: bytes) -> None:
    rows = (
        '<row r="1"><c r="A1" t="inlineStr"><is><r><t>绿</t></r><r><t>册</t></r></is></c>'
        '<c r="B1" t="str"><f>A1</f><v>绿册</v></c><c t="b"><v>1</v></c></row>'
    )
    cells = spreadsheet.read(sheet_of(exported, rows), [excel.FORM_SHEET])[excel.FORM_SHEET]
    assert [(cells[1, n].text, cells[1, n].kind) for n in (1, 2, 3)] == [
        ("绿册", "text"),
        ("绿册", "text"),
        ("TRUE", "bool"),
    ]
