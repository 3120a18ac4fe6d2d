"""版本: frozen for ever, read as a sheet, compared cell by cell."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from models import Filing
from models.enums import FilingStatus
from services.db import Database
from services.errors import Conflict, NotFound, Refusal
from services.filings import desk, moves, snapshots, versions
from tests.conftest import World
from tests.filing_kit import make_ready, submitted
from tests.filling import put, type_in


@pytest.fixture
def filing(db: Database, world: World) -> int:
    """Version 1 was taken back, version 2 is under review with one figure changed."""
    made = db.write(submitted, world.signer)
    db.write(moves.withdraw, world.signer, made)
    type_in(db, world.filer, made, gross_output_2024="60500", energy_total_2023="")
    db.write(resubmit, world, made)
    return made


def resubmit(s: Session, world: World, filing: int) -> None:
    make_ready(s, world.filer, filing)
    moves.submit(s, world.signer, filing)


def test_versions_are_listed_newest_first(db: Database, world: World, filing: int) -> None:
    listed = db.read(versions.list_versions, world.filer, filing)
    assert [(v.no, v.status_caption) for v in listed] == [(2, "审核中"), (1, "已取消上报")]
    assert listed[0].digest_code != listed[1].digest_code


def test_a_frozen_version_shows_what_was_submitted_then(db: Database, world: World, filing: int) -> None:
    first = db.read(versions.list_versions, world.filer, filing)[-1]
    sheet = db.read(versions.view, world.county, first.id)
    assert sheet.cells["gross_output:2024"].text == "53800"
    assert sheet.editable == frozenset()
    assert sheet.head.digest_code == first.digest_code


def test_what_changed_since_the_last_version_is_told_cell_by_cell(db: Database, world: World, filing: int) -> None:
    told = db.read(versions.changes, world.county, filing)
    assert [(d.place, d.before, d.after, d.unit, d.change) for d in told] == [
        ("工业总产值 2024年", "53,800", "60,500", "万元", "+12.5%"),
        ("综合能源消费量 2023年", "4,120", "", "吨标准煤", ""),
    ]
    assert {d.part for d in told} == {"三、持续改进情况"}


def test_the_units_open_sheet_is_compared_with_its_newest_version(db: Database, world: World, filing: int) -> None:
    db.write(moves.withdraw, world.signer, filing)
    assert db.read(versions.changes, world.filer, filing) == ()
    put(db, world.filer, filing, {"gross_output:2024": "60,500.00"})
    assert db.read(versions.changes, world.filer, filing) == (), "another spelling is no change"
    type_in(db, world.filer, filing, gross_output_2024="60501")
    assert [d.address for d in db.read(versions.changes, world.filer, filing)] == ["gross_output:2024"]
    assert [d.address for d in db.read(versions.changes, world.filer, filing, 1)] == [
        "gross_output:2024",
        "energy_total:2023",
    ]


def test_a_version_that_does_not_exist_is_not_compared(db: Database, world: World, filing: int) -> None:
    with pytest.raises(NotFound, match="没有第 7 版"):
        db.read(versions.changes, world.filer, filing, 7)


def test_nothing_to_compare_with_is_no_difference(db: Database, world: World, filing: int) -> None:
    assert db.read(versions.changes, world.filer, filing, "year") == ()


@pytest.mark.parametrize("who", ["other", "far_city", "expert", "admin"])
def test_versions_are_only_for_those_who_may_see_the_filing(db: Database, world: World, filing: int, who: str) -> None:
    first = db.read(versions.list_versions, world.filer, filing)[0]
    for read, subject in ((versions.list_versions, filing), (versions.view, first.id), (versions.changes, filing)):
        with pytest.raises(Refusal):
            db.read(read, world.actors[who], subject)  # type: ignore[arg-type]


def test_an_office_sees_the_frozen_sheet_and_not_what_the_unit_types_now(
    db: Database, world: World, filing: int
) -> None:
    db.write(give_back, filing)
    type_in(db, world.filer, filing, gross_output_2024="99999")
    assert db.read(desk.sheet, world.county, filing).cells["gross_output:2024"].text == "60500"
    assert db.read(desk.sheet, world.filer, filing).cells["gross_output:2024"].text == "99999"


def test_before_submission_an_office_is_told_to_wait(db: Database, world: World, filing: int) -> None:
    db.write(moves.withdraw, world.signer, filing)
    with pytest.raises(Conflict, match="上报以后才能查看"):
        db.read(desk.sheet, world.county, filing)


def test_a_snapshot_for_the_printer_tells_version_digest_and_changes(db: Database, world: World, filing: int) -> None:
    snapshot = db.read(snapshots.snapshot, world.county, filing)
    assert (snapshot.version_no, snapshot.validated) == (2, True)
    assert snapshot.compared_with == "第1版（2025年3月20日上报）"
    assert [d.address for d in snapshot.differences] == ["gross_output:2024", "energy_total:2023"]
    db.write(moves.withdraw, world.signer, filing)
    type_in(db, world.filer, filing, gross_output_2024="1")
    working = db.read(snapshots.snapshot, world.filer, filing)
    assert (working.version_no, working.validated, working.submitted_at) == (3, False, None)
    with pytest.raises(Refusal):
        db.read(snapshots.snapshot, world.far_city, filing)


def give_back(s: Session, filing: int) -> None:
    row = s.get_one(Filing, filing)
    row.status = FilingStatus.RETURNED
    row.revision += 1
    s.add(row)
