"""Who is on the list, as of which day and under which name (名单)."""

from __future__ import annotations

from datetime import date

import pytest
from sqlmodel import Session, select

from models import RosterBatch, RosterEntry
from models.enums import Form, Level
from services.db import Database
from services.register import entries
from services.register.views import EntryQuery
from tests.conftest import World


@pytest.fixture
def listed(db: Database, world: World) -> World:
    """广州云山纺织 leaves the list on 2025-03-01; 南粤精工 is on the provincial list as well, under an older name."""

    def change(s: Session) -> None:
        gone = s.exec(select(RosterEntry).where(RosterEntry.organisation_id == world.orgs["other"])).one()
        gone.removed_on, gone.removal_reason = date(2025, 3, 1), "实施细则第二十一条（二）"
        s.add(gone)
        batch = RosterBatch(
            form=Form.FACTORY,
            level=Level.PROVINCIAL,
            name="2022年广东省绿色工厂",
            document_number="粤工信节能函〔2022〕9号",
            published_on=date(2022, 9, 1),
            region_code="440000",
        )
        s.add(batch)
        s.flush()
        s.add(
            RosterEntry(
                batch_id=batch.id or 0,
                form=Form.FACTORY,
                level=Level.PROVINCIAL,
                listed_name="广州南粤精工（集团）有限公司",
                credit_code="9144011552601815X4",
                region_code="440106",
                listed_on=batch.published_on,
            )
        )

    db.write(change)
    return world


def test_a_unit_finds_its_entries_highest_level_first(db: Database, listed: World) -> None:
    mine = db.read(entries.of_unit, listed.filer, Form.FACTORY)
    assert [(e.level, e.listed_name) for e in mine] == [
        (Level.NATIONAL, "广州南粤精工制造有限公司"),
        (Level.PROVINCIAL, "广州南粤精工（集团）有限公司"),
    ]
    assert db.read(entries.of_unit, listed.filer, Form.PARK) == ()


@pytest.mark.parametrize(
    ("on", "there"), [(date(2025, 2, 28), True), (date(2025, 3, 1), False), (date(2023, 1, 1), False)]
)
def test_the_list_is_that_of_the_day(db: Database, listed: World, on: date, there: bool) -> None:
    names = {e.listed_name for e in db.read(entries.page, listed.city, EntryQuery(Form.FACTORY, on=on)).rows}
    assert ("广州云山纺织有限公司" in names) == there


def test_those_who_left_are_shown_when_asked_for(db: Database, listed: World) -> None:
    page = db.read(entries.page, listed.city, EntryQuery(Form.FACTORY, search="云山", removed=True))
    assert page.total == 1
    assert page.rows[0].removal_reason == "实施细则第二十一条（二）"


@pytest.mark.parametrize(
    ("code", "called", "found"),
    [
        ("", ["广州南粤精工(集团)有限公司 "], 0),  # another one's code stands on the list
        ("9144011552601815X4", [], 2),
        ("9144011552601815x4", ["广州南粤精工(集团)有限公司"], 2),
        ("", ["没有这一家"], 0),
    ],
)
def test_a_name_is_matched_brackets_aside_but_never_against_the_code(
    db: Database, listed: World, code: str, called: list[str], found: int
) -> None:
    assert len(db.read(entries.match, Form.FACTORY, code, called)) == found


def test_the_download_starts_with_the_nation(db: Database, listed: World) -> None:
    rows = db.read(entries.download_rows, listed.filer, Form.FACTORY)
    assert [row.level for row in rows] == [Level.NATIONAL] * 4 + [Level.PROVINCIAL]


def test_pages_of_the_list_follow_region_filters(db: Database, listed: World) -> None:
    page = db.read(entries.page, listed.city, EntryQuery(Form.FACTORY, region_code="440600"))
    assert [row.region_name for row in page.rows] == ["广东省 佛山市 禅城区"]
    assert db.read(entries.page, listed.city, EntryQuery(Form.FACTORY, page=2, page_size=3)).total == 5
