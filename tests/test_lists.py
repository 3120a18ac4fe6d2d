"""The list pages: rows with their buttons, tabs with their counts, filters, sorting and paging; and who has not filed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import event
from sqlmodel import Session, col, select

from models import Campaign, CampaignDate, Extension, Filing, Organisation, RosterEntry
from models.enums import Action, Form, Level
from services import clock
from services.actors import Actor
from services.db import Database
from services.errors import Forbidden, Refusal
from services.filings import lists, moves, opening
from services.filings.views import FilingRow, ListQuery
from services.register import campaigns
from services.reviews import opinions
from tests import filing_kit
from tests.conftest import World

ALL = ListQuery(Form.FACTORY, 2025)
LATER = datetime(2025, 4, 16, 9, 0, tzinfo=clock.BEIJING)


def buttons(row: FilingRow) -> dict[Action, bool]:
    return {action.action: action.enabled for action in row.actions}


def names(db: Database, actor: Actor, query: ListQuery) -> list[str]:
    return [row.unit_name for row in db.read(lists.review_page, actor, query).rows]


def fill(s: Session, world: World) -> dict[str, int]:
    """factory is at the city, other is being filled in, far lies at its city, subsidiary has nothing, shenzhen is done."""
    found = {
        "factory": filing_kit.submitted(s, world.signer),
        "other": filing_kit.draft(s, world.other, ready=False),
        "far": filing_kit.submitted(s, world.far),
    }
    filing_kit.pass_up(s, found["factory"], world.county)
    return found


def test_a_units_row_has_the_buttons_of_the_manual(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.signer, ready=False)
    (row,) = db.read(lists.own_page, world.signer, Form.FACTORY).rows
    assert row.status_caption == "填写中"
    assert buttons(row) == {Action.SUBMIT: False, Action.EDIT: True, Action.DELETE: True}
    assert [step.status.caption for step in row.steps] == ["未开始"] * 4
    db.write(filing_kit.make_ready, world.signer, filing_id)
    (row,) = db.read(lists.own_page, world.signer, Form.FACTORY).rows
    assert (row.status_caption, buttons(row)[Action.SUBMIT]) == ("填写中(已通过验证)", True)
    db.write(moves.submit, world.signer, filing_id)
    (row,) = db.read(lists.own_page, world.signer, Form.FACTORY).rows
    assert (row.status_caption, buttons(row)) == ("上级主管部门审核中", {Action.WITHDRAW: True, Action.VIEW: True})
    assert [step.status.caption for step in row.steps] == ["审核中", "未开始", "未开始", "未开始"]


def test_the_heads_name_the_authorities(db: Database, world: World) -> None:
    page = db.read(lists.own_page, world.shenzhen, Form.FACTORY)
    assert page.tier_names == {
        "county": "",
        "city": "深圳市工业和信息化局",
        "province": "",
        "ministry": "工业和信息化部",
    }


def test_the_button_for_a_new_one_says_why_it_cannot_be_pressed(db: Database, world: World) -> None:
    page = db.read(lists.own_page, world.signer, Form.FACTORY)
    assert page.open_action is not None
    assert (page.open_action.caption, page.open_action.enabled) == ("新增动态管理表", True)
    db.write(filing_kit.draft, world.signer)
    page = db.read(lists.own_page, world.signer, Form.FACTORY)
    assert page.open_action is not None
    assert page.open_action.reason.startswith("本单位2025年度的动态管理表已经建立")


def test_each_office_sees_its_region_under_the_right_tabs(db: Database, world: World) -> None:
    db.write(fill, world)
    expected = {
        "county": {"mine": 0, "review": 1, "returned": 0, "done": 0, "all": 2, "missing": 0},
        "city": {"mine": 1, "review": 1, "returned": 0, "done": 0, "all": 2, "missing": 1},
        "far_city": {"mine": 1, "review": 1, "returned": 0, "done": 0, "all": 1, "missing": 0},
        "province": {"mine": 0, "review": 2, "returned": 0, "done": 0, "all": 3, "missing": 2},
        "group": {"mine": 0, "review": 0, "returned": 0, "done": 0, "all": 0, "missing": 1},
        "ministry": {"mine": 0, "review": 2, "returned": 0, "done": 0, "all": 3, "missing": 2},
    }
    for name, counts in expected.items():
        assert db.read(lists.tab_counts, world.actors[name], Form.FACTORY, 2025) == counts, name
    assert names(db, world.city, replace(ALL, tab="mine")) == ["广州南粤精工制造有限公司"]
    assert names(db, world.city, replace(ALL, tab="returned")) == []


def test_the_office_that_has_it_gets_its_buttons(db: Database, world: World) -> None:
    db.write(fill, world)
    (row,) = db.read(lists.review_page, world.city, replace(ALL, tab="mine")).rows
    assert buttons(row) == {Action.FORWARD: False, Action.SEND_BACK: True, Action.VIEW: True}
    row = next(r for r in db.read(lists.review_page, world.county, ALL).rows if r.submitted_at)
    assert buttons(row) == {Action.RECALL: True, Action.VIEW: True}


def test_an_expert_finds_the_own_tasks(db: Database, world: World) -> None:
    filings = db.write(fill, world)
    db.write(opinions.assign_experts, world.city, filings["factory"], [world.expert.user_id])
    page = db.read(lists.review_page, world.expert, replace(ALL, tab="mine"))
    assert [row.unit_name for row in page.rows] == ["广州南粤精工制造有限公司"]
    assert "missing" not in page.counts


def test_an_administrator_lists_what_was_deleted_and_nothing_else(db: Database, world: World) -> None:
    filings = db.write(fill, world)
    db.write(moves.delete, world.other, filings["other"], "删除")
    (row,) = db.read(lists.review_page, world.admin, replace(ALL, tab="deleted")).rows
    assert (row.unit_name, buttons(row)) == ("广州云山纺织有限公司", {Action.RESTORE: True})
    assert row.deleted_at is not None
    assert row.restorable_until == row.deleted_at.date() + timedelta(days=30)
    with pytest.raises(Forbidden):
        db.read(lists.review_page, world.admin, ALL)
    with pytest.raises(Forbidden):
        db.read(lists.review_page, world.province, replace(ALL, tab="deleted"))


def test_a_unit_has_no_office_list_and_an_office_no_unit_list(db: Database, world: World) -> None:
    with pytest.raises(Forbidden):
        db.read(lists.review_page, world.signer, ALL)
    with pytest.raises(Forbidden):
        db.read(lists.own_page, world.city, Form.FACTORY)
    with pytest.raises(Forbidden):
        db.read(lists.missing_page, world.signer, ALL)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"search": "南粤"}, ["广州南粤精工制造有限公司"]),
        ({"search": "9144011552601815X4"}, ["广州南粤精工制造有限公司"]),
        ({"search": "GF-2025-440604"}, ["佛山禅城陶瓷有限公司"]),
        ({"search": "%"}, []),
        ({"search": "_"}, []),
        ({"region_code": "440600"}, ["佛山禅城陶瓷有限公司"]),
        ({"status": "draft"}, ["广州云山纺织有限公司"]),
        ({"level": "provincial"}, []),
        ({"level": "national", "region_code": "440106", "status": "review"}, ["广州南粤精工制造有限公司"]),
        ({"flagged": True}, []),
        ({"late": True}, []),
    ],
    ids=str,
)
def test_filters_narrow_the_list(db: Database, world: World, filters: dict[str, object], found: list[str]) -> None:
    db.write(fill, world)
    assert names(db, world.province, replace(ALL, sort="unit_name", **filters)) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "filters", [{"status": "no"}, {"level": "no"}, {"tab": "no"}, {"sort": "password_hash"}], ids=str
)
def test_a_forged_filter_is_refused_in_words(db: Database, world: World, filters: dict[str, str]) -> None:
    with pytest.raises(Refusal, match="请从"):
        db.read(lists.review_page, world.province, replace(ALL, **filters))  # type: ignore[arg-type]


def test_an_unfiled_one_is_late_by_the_clock(db: Database, world: World) -> None:
    db.write(fill, world)
    with clock.frozen(LATER):
        assert names(db, world.province, replace(ALL, late=True)) == ["广州云山纺织有限公司"]
        (row,) = db.read(lists.own_page, world.other, Form.FACTORY).rows
        assert row.late


def test_pages_follow_the_sort_and_what_was_never_submitted_comes_last(db: Database, world: World) -> None:
    filings = db.write(fill, world)

    def earlier(s: Session) -> None:
        filing = s.get_one(Filing, filings["far"])
        filing.submitted_at = datetime(2025, 3, 1, tzinfo=clock.BEIJING)
        s.add(filing)

    db.write(earlier)
    for descending, expected in ((True, "南佛云"), (False, "佛南云")):
        query = replace(ALL, descending=descending, page_size=2)
        first, second = names(db, world.province, query), names(db, world.province, replace(query, page=2))
        assert (len(first), len(second)) == (2, 1)
        assert "".join("南" if "南粤" in n else "佛" if "佛山" in n else "云" for n in first + second) == expected


def test_an_earlier_date_of_a_region_binds_its_units(db: Database, world: World) -> None:
    db.write(fill, world)

    def zhuhai_way(s: Session) -> None:
        campaign = s.execute(select(Campaign).where(col(Campaign.year) == 2025)).scalar_one()
        s.add(
            CampaignDate(
                campaign_id=campaign.id or 0, region_code="440100", due_on=date(2025, 3, 19), locks_on=date(2025, 5, 31)
            )
        )
        s.add(
            CampaignDate(
                campaign_id=campaign.id or 0, region_code="440000", due_on=date(2025, 4, 1), locks_on=date(2025, 5, 31)
            )
        )

    db.write(zhuhai_way)
    assert db.read(campaigns.window_of, Form.FACTORY, 2025, "440106", 1).due_on == date(2025, 3, 19)  # type: ignore[union-attr]
    assert db.read(campaigns.window_of, Form.FACTORY, 2025, "440604", 1).due_on == date(2025, 4, 1)  # type: ignore[union-attr]
    assert names(db, world.province, replace(ALL, late=True)) == ["广州云山纺织有限公司"]
    late = {row.unit_name: row.late for row in db.read(lists.missing_page, world.province, ALL).rows}
    assert late == {"华岭能源广州炼化有限公司": True, "深圳鹏程电子有限公司": False}
    only_late = db.read(lists.missing_page, world.province, replace(ALL, late=True)).rows
    assert [row.unit_name for row in only_late] == ["华岭能源广州炼化有限公司"]


def test_an_extension_binds_its_unit_alone(db: Database, world: World) -> None:
    db.write(fill, world)

    def extend(s: Session) -> None:
        campaign = s.execute(select(Campaign).where(col(Campaign.year) == 2025)).scalar_one()
        s.add(
            Extension(
                campaign_id=campaign.id or 0,
                organisation_id=world.orgs["other"],
                until=date(2025, 6, 20),
                reason="停电检修",
                granted_by_id=world.city.user_id,
                granted_at=clock.now(),
            )
        )

    db.write(extend)
    with clock.frozen(datetime(2025, 6, 10, tzinfo=clock.BEIJING)):
        assert names(db, world.province, replace(ALL, late=True)) == []
        (row,) = db.read(lists.own_page, world.other, Form.FACTORY).rows
        assert (row.late, buttons(row)[Action.EDIT]) == (False, True)


def test_who_has_not_filed_is_listed_once_at_the_highest_level(db: Database, world: World) -> None:
    def list_again(s: Session) -> None:
        entry = s.execute(
            select(RosterEntry).where(col(RosterEntry.organisation_id) == world.orgs["factory"])
        ).scalar_one()
        values = entry.model_dump(exclude={"id"})
        s.add(RosterEntry(**{**values, "level": Level.MUNICIPAL}))
        s.add(
            RosterEntry(**{**values, "organisation_id": None, "credit_code": "", "listed_name": "广州未注册有限公司"})
        )
        s.add(RosterEntry(**{**values, "listed_name": "已移出", "credit_code": "X", "removed_on": date(2024, 1, 1)}))

    db.write(list_again)
    page = db.read(lists.missing_page, world.county, ALL)
    assert [(row.unit_name, row.level, row.organisation_id is None) for row in page.rows] == [
        ("广州云山纺织有限公司", "国家层面", False),
        ("广州南粤精工制造有限公司", "国家层面", False),
        ("广州未注册有限公司", "国家层面", True),
    ]
    assert page.total == 3
    searched = db.read(lists.missing_page, world.county, replace(ALL, search="未注册"))
    assert [row.unit_name for row in searched.rows] == ["广州未注册有限公司"]


def test_the_counts_are_kept_until_anybody_acts_in_any_process(db: Database, world: World) -> None:
    before = db.read(lists.tab_counts, world.county, Form.FACTORY, 2025)
    assert db.read(lists.tab_counts, world.county, Form.FACTORY, 2025) is before
    elsewhere = Database(db.url)
    try:
        elsewhere.write(opening.open_filing, world.other, Form.FACTORY, 2025)
    finally:
        elsewhere.close()
    after = db.read(lists.tab_counts, world.county, Form.FACTORY, 2025)
    assert (after["all"], after["missing"]) == (before["all"] + 1, before["missing"] - 1)
    city = db.read(lists.tab_counts, world.city, Form.FACTORY, 2025)
    assert city["missing"] > after["missing"], "each office has its own"


def test_a_longer_page_asks_no_more_questions_of_the_database(sqlite_db: Database, sqlite_world: World) -> None:
    """Steps, windows, stamps and routes are read for the page at once, never row by row."""

    def asked(count: int) -> int:
        statements = []
        with sqlite_db.engine.connect() as connection, Session(connection) as s:
            event.listen(connection, "before_cursor_execute", lambda *a: statements.append(a[2]))
            lists.review_page(s, sqlite_world.ministry, replace(ALL, page_size=count))
        return len(statements)

    def many(s: Session) -> None:
        for number in range(60):
            unit = s.get_one(Organisation, sqlite_world.orgs["factory"])
            copy = Organisation(**{**unit.model_dump(exclude={"id"}), "name": f"第{number}工厂"})
            s.add(copy)
            s.flush()
            actor = replace(sqlite_world.signer, organisation_id=copy.id or 0)
            (filing_kit.submitted if number % 2 else filing_kit.draft)(s, actor)

    sqlite_db.write(many)
    asked(1)  # counts the tabs, which stand until somebody acts
    assert asked(60) == asked(40)  # both with drafts and submitted ones


def plans(db: Database, look: Callable[[Session], object]) -> list[list[str]]:
    """How SQLite would find what each question about filings asks for (查询计划)."""
    found: list[list[str]] = []

    def explain(connection: object, cursor: object, statement: str, parameters: object, *rest: object) -> None:
        if statement.startswith("SELECT") and "FROM filing" in statement:
            rows = cursor.connection.execute("EXPLAIN QUERY PLAN " + statement, parameters)  # type: ignore[attr-defined]
            found.append([row[3] for row in rows])

    with db.engine.connect() as connection, Session(connection) as s:
        event.listen(connection, "before_cursor_execute", explain)
        look(s)
    assert [line for plan in found for line in plan if line.startswith("SCAN filing")] == []
    return found


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (ALL, "ix_filing_submitted (form=? AND year=? AND deleted_at=?)"),  # a page of all, in its order
        (replace(ALL, search="第123制"), "COVERING INDEX ix_filing_scope"),  # looked through without touching the table
        (replace(ALL, tab="mine", sort="risk"), "ix_filing_authority (current_authority_id=? AND status=?"),
    ],
)
def test_the_page_is_found_through_an_index(
    sqlite_db: Database, sqlite_world: World, query: ListQuery, index: str
) -> None:
    sqlite_db.read(lists.tab_counts, sqlite_world.province, Form.FACTORY, 2025)  # stand until somebody acts
    ids = plans(sqlite_db, lambda s: lists.review_page(s, sqlite_world.province, query))[0]
    assert index in ids[0]
    assert not any("TEMP B-TREE FOR ORDER BY" in plan for plan in ids) or "COVERING" in ids[0], "in its order"


def test_the_tabs_are_counted_without_touching_the_table(sqlite_db: Database, sqlite_world: World) -> None:
    counted = plans(sqlite_db, lambda s: lists.tab_counts(s, sqlite_world.city, Form.FACTORY, 2025))
    assert any("COVERING INDEX ix_filing_scope" in line for plan in counted for line in plan)
