"""Importing a workbook (导入EXCEL): looked at first, then written at once, and never over what somebody else just typed."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select
from sqlmodel import col

from models import AuditLine, CellChange, Filing
from models.enums import FilingStatus, FindingLevel
from services.actors import Actor
from services.db import Database
from services.documents import excel, marker
from services.errors import Conflict, NotFound, Refusal
from services.filings import desk, imports, room, snapshots
from services.filings.imports import ImportPreview
from services.perform import perform
from tests.conftest import World
from tests.filling import complete, opened, put, type_in

NAME = "填好的表.xlsx"


@pytest.fixture
def filing(db: Database, world: World) -> int:
    filing = opened(db, world.filer)
    put(db, world.filer, filing, dict(complete()))
    return filing


def exported(db: Database, actor: Actor, filing: int) -> bytes:
    return excel.filled_workbook(db.read(snapshots.snapshot, actor, filing))


def typed_into(content: bytes, **values: Any) -> bytes:
    """The workbook after somebody typed: ``gross_output_2024=1`` is the cell of that row and column."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book[excel.FORM_SHEET]
    rows = {sheet.cell(r, 1).value: r for r in range(2, sheet.max_row + 1)}
    columns = {sheet.cell(1, c).value: c for c in range(1, sheet.max_column + 1)}
    for name, value in values.items():
        key, _, role = name.rpartition("_")
        sheet.cell(rows[key], columns[role]).value = value
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def seen(db: Database, actor: Actor, filing: int, **values: Any) -> ImportPreview:
    return imports.preview(db, actor, filing, NAME, typed_into(exported(db, actor, filing), **values))


def text(db: Database, actor: Actor, filing: int, address: str) -> str:
    return db.read(desk.sheet, actor, filing).cells[address].text


def revision(db: Database, filing: int) -> int:
    return db.read(lambda s: s.get_one(Filing, filing).revision)


def lines(db: Database, action: str) -> list[str]:
    query = select(col(AuditLine.detail)).where(col(AuditLine.action) == action)
    return list(db.read(lambda s: s.execute(query).scalars().all()))


def test_every_change_is_shown_old_and_new_with_its_place_and_nothing_is_written(
    db: Database, world: World, filing: int
) -> None:
    before = revision(db, filing)
    found = seen(
        db, world.filer, filing, gross_output_2024="１２３，４５６．７", energy_total_2024=9600.5, nh3n_gen_2024=0.001
    )
    told = {change.address: (change.place, change.before, change.after, change.unit) for change in found.changes}
    assert told["gross_output:2024"] == ("工业总产值 2024年", "98,630.12", "123,456.7", "万元")
    assert told["energy_total:2024"][1:] == ("9,518.77", "9,600.5", "吨标准煤（当量值）")
    assert set(told) == {edit.address for edit in found.edits}
    assert any("氨氮产生量" in line.message and line.place.startswith("G") for line in found.found)
    assert revision(db, filing) == before and lines(db, "import") == []


def test_what_is_not_taken_over_says_where_and_why(db: Database, world: World, filing: int) -> None:
    found = seen(
        db, world.filer, filing, unit_name_unit="别的名字", gross_output_2023="=A1/0", water_intake_2024="约12万"
    )
    assert [(line.level, line.what) for line in found.refused] == [
        (FindingLevel.ERROR, "工业总产值 2023年"),
        (FindingLevel.NOTE, "工厂名称"),
    ]
    assert "公式" in found.refused[0].message and "单位注册信息" in found.refused[1].message
    assert any(line.level is FindingLevel.ERROR and "约12万" in line.message for line in found.found)


@pytest.mark.parametrize(
    ("made_by", "words"), [("other", "“广州云山纺织有限公司”的工作簿，当前填报单位是“广州南粤精工制造有限公司”")]
)
def test_another_units_workbook_is_refused_in_one_sentence(
    db: Database, world: World, filing: int, made_by: str, words: str
) -> None:
    theirs = world.actors[made_by]
    content = exported(db, theirs, opened(db, theirs))
    with pytest.raises(Refusal, match=words) as refusal:
        imports.preview(db, world.filer, filing, NAME, content)
    assert refusal.value.field == "file"


def test_what_is_confirmed_is_written_in_one_transaction_with_one_line_in_the_log(
    db: Database, world: World, filing: int
) -> None:
    found = seen(db, world.filer, filing, gross_output_2024=100000, energy_total_2024=9600, water_intake_2024=12000)
    before = revision(db, filing)
    patch = perform(db, imports.confirm_import, world.filer, filing, found)
    assert revision(db, filing) == before + 1 == patch.revision
    assert text(db, world.filer, filing, "gross_output:2024") == "100000"
    changes = select(col(CellChange.field), col(CellChange.at)).where(col(CellChange.source) == "import")
    rows = db.read(lambda s: s.execute(changes).all())
    assert {row[0] for row in rows} == {"gross_output", "energy_total", "water_intake"}
    assert len({row[1] for row in rows}) == 1
    assert lines(db, "import") == [f"{NAME}：写入 3 处"]


def test_a_cell_that_somebody_changed_meanwhile_is_a_conflict_and_stays(
    db: Database, world: World, filing: int
) -> None:
    found = seen(db, world.filer, filing, gross_output_2024=100000, energy_total_2024=9600)
    type_in(db, world.signer, filing, gross_output_2024="77777")
    patch = perform(db, imports.confirm_import, world.filer, filing, found)
    assert patch.conflicts == {"gross_output:2024": ("77777", "100000")}
    assert text(db, world.filer, filing, "gross_output:2024") == "77777"
    assert text(db, world.filer, filing, "energy_total:2024") == "9600"
    assert lines(db, "import") == [f"{NAME}：写入 1 处，1 处因他人刚刚改过而没有写入"]


def test_an_import_that_cannot_be_logged_is_not_written(
    db: Database, world: World, filing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = seen(db, world.filer, filing, gross_output_2024=100000)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no log")

    monkeypatch.setattr(imports.audit, "record", broken)
    with pytest.raises(RuntimeError):
        db.write(imports.confirm_import, world.filer, filing, found)
    monkeypatch.undo()
    assert text(db, world.filer, filing, "gross_output:2024") == "98630.12"
    patch = perform(db, imports.confirm_import, world.filer, filing, found)
    assert patch.cells["gross_output:2024"].text == "100000"


def test_after_the_form_was_closed_nothing_is_imported(db: Database, world: World, filing: int) -> None:
    found = seen(db, world.filer, filing, gross_output_2024=100000)

    def close(s: Any) -> None:
        s.get_one(Filing, filing).status = FilingStatus.REVIEW
        room.leave(s, filing)

    db.write(close)
    with pytest.raises(Refusal, match="不能"):
        perform(db, imports.confirm_import, world.filer, filing, found)
    with pytest.raises(Refusal):
        imports.preview(db, world.filer, filing, NAME, found.content)


def test_a_return_that_opened_some_cells_lets_only_those_be_imported(db: Database, world: World, filing: int) -> None:
    def restrict(s: Any) -> None:
        row = s.get_one(Filing, filing)
        row.status, row.return_scope = FilingStatus.RETURNED, ["gross_output:2024"]
        room.leave(s, filing)

    db.write(restrict)
    found = seen(db, world.filer, filing, gross_output_2024=100000, energy_total_2024=9600)
    assert [change.address for change in found.changes] == ["gross_output:2024"]
    assert [line.what for line in found.refused] == ["综合能源消费量合计 2024年"]
    assert "退回" in found.refused[0].message


def test_blank_cells_are_counted_and_emptied_only_when_asked(db: Database, world: World, filing: int) -> None:
    content = typed_into(exported(db, world.filer, filing), gross_output_2024=None)
    kept = imports.preview(db, world.filer, filing, NAME, content)
    assert (kept.clearable, kept.edits) == (1, ())
    with pytest.raises(Refusal, match="没有可以导入的修改"):
        perform(db, imports.confirm_import, world.filer, filing, kept)
    cleared = imports.preview(db, world.filer, filing, NAME, content, clear_blank=True)
    assert [(change.before, change.after) for change in cleared.changes] == [("98,630.12", "")]


def test_a_preview_of_one_filing_is_not_written_to_another(db: Database, world: World, filing: int) -> None:
    found = seen(db, world.filer, filing, gross_output_2024=100000)
    with pytest.raises(Refusal, match="没有可以导入的修改"):
        perform(db, imports.confirm_import, world.filer, filing + 1, found)
    with pytest.raises((NotFound, Conflict)):
        imports.preview(db, world.other, filing, NAME, found.content)


def test_the_marked_workbook_lists_every_problem_with_a_link(db: Database, world: World, filing: int) -> None:
    found = seen(db, world.filer, filing, gross_output_2023="=A1/0", water_intake_2024="约12万")
    book = openpyxl.load_workbook(io.BytesIO(imports.marked(db, world.filer, found)))
    listed = [row[3].value for row in book[marker.PROBLEM_SHEET].iter_rows(min_row=2)]
    assert len(listed) == len(found.refused) + len(found.found)
    assert book[excel.FORM_SHEET][found.refused[0].place].comment is not None
