"""Dates of a campaign (填报安排): who may set them, what they must be, and that they bind at once."""

from __future__ import annotations

from datetime import date

import pytest

from models.enums import Form
from services import inbox
from services.db import Database
from services.errors import Conflict, Forbidden, NotFound, Refusal
from services.perform import perform
from services.register import campaigns, schedule
from tests.conftest import World

FORM, YEAR = Form.FACTORY, 2025
OPENS, DUE, LOCKS = date(2025, 2, 10), date(2025, 4, 20), date(2025, 6, 10)


def test_the_administrator_moves_the_campaign_and_it_binds_at_once(sqlite_db: Database, sqlite_world: World) -> None:
    perform(sqlite_db, schedule.set_campaign, sqlite_world.admin, FORM, YEAR, OPENS, DUE, LOCKS, "粤工信〔2025〕30号")
    window = sqlite_db.read(campaigns.window_of, FORM, YEAR, "440106", sqlite_world.orgs["factory"])
    assert window is not None
    assert (window.due_on, window.locks_on) == (DUE, LOCKS)


@pytest.mark.parametrize("who", ["county", "city", "province", "filer", "expert"])
def test_nobody_else_moves_the_whole_campaign(sqlite_db: Database, sqlite_world: World, who: str) -> None:
    with pytest.raises(Forbidden):
        perform(sqlite_db, schedule.set_campaign, sqlite_world.actors[who], FORM, YEAR, OPENS, DUE, LOCKS, "依据")


def test_a_city_asks_for_earlier_dates_in_its_own_region_only(sqlite_db: Database, sqlite_world: World) -> None:
    early = date(2025, 4, 10)
    args = (early, LOCKS, "穗工信函〔2025〕8号")
    perform(sqlite_db, schedule.set_region_dates, sqlite_world.city, FORM, YEAR, "440100", *args)
    inside = sqlite_db.read(campaigns.window_of, FORM, YEAR, "440106", sqlite_world.orgs["factory"])
    outside = sqlite_db.read(campaigns.window_of, FORM, YEAR, "440604", sqlite_world.orgs["far"])
    assert inside is not None and outside is not None
    assert (inside.due_on, outside.due_on) == (early, date(2025, 4, 15))
    with pytest.raises(Forbidden):
        perform(sqlite_db, schedule.set_region_dates, sqlite_world.city, FORM, YEAR, "440600", *args)


def test_setting_a_region_twice_keeps_one_line(sqlite_db: Database, sqlite_world: World) -> None:
    for day in (date(2025, 4, 10), date(2025, 4, 12)):
        perform(sqlite_db, schedule.set_region_dates, sqlite_world.city, FORM, YEAR, "440100", day, LOCKS, "依据文件")
    found = sqlite_db.read(schedule.schedule, sqlite_world.city, FORM, YEAR)
    assert [(row.region_code, row.due_on) for row in found.regions] == [("440100", date(2025, 4, 12))]


@pytest.mark.parametrize(
    ("opens", "due", "locks", "source", "field"),
    [
        (DUE, DUE, LOCKS, "依据", "opens_on"),
        (OPENS, DUE, date(2025, 4, 19), "依据", "locks_on"),
        (OPENS, DUE, date(2027, 1, 1), "依据", "locks_on"),
        (OPENS, DUE, LOCKS, " ", "source"),
    ],
)
def test_dates_that_make_no_sense_are_refused_at_their_field(
    sqlite_db: Database, sqlite_world: World, opens: date, due: date, locks: date, source: str, field: str
) -> None:
    with pytest.raises(Refusal) as refused:
        perform(sqlite_db, schedule.set_campaign, sqlite_world.admin, FORM, YEAR, opens, due, locks, source)
    assert refused.value.field == field


def test_an_extension_binds_and_the_unit_is_told(sqlite_db: Database, sqlite_world: World) -> None:
    until, unit = date(2025, 6, 30), sqlite_world.orgs["factory"]
    perform(sqlite_db, schedule.extend, sqlite_world.city, FORM, YEAR, unit, until, "厂房搬迁")
    window = sqlite_db.read(campaigns.window_of, FORM, YEAR, "440106", unit)
    assert window is not None
    assert window.last_day == until
    (message,) = sqlite_db.read(inbox.mine, sqlite_world.filer)
    assert message.text == "广州市工业和信息化局同意延期至2025年6月30日，原因：厂房搬迁。"


@pytest.mark.parametrize(("who", "expected"), [("far_city", NotFound), ("filer", Forbidden), ("admin", Forbidden)])
def test_an_extension_is_granted_only_by_the_offices_above_the_unit(
    sqlite_db: Database, sqlite_world: World, who: str, expected: type[Refusal]
) -> None:
    unit = sqlite_world.orgs["factory"]
    with pytest.raises(expected):
        perform(sqlite_db, schedule.extend, sqlite_world.actors[who], FORM, YEAR, unit, date(2025, 7, 1), "理由充分")


def test_an_extension_needs_a_reason_and_a_day_to_come(sqlite_db: Database, sqlite_world: World) -> None:
    unit = sqlite_world.orgs["factory"]
    for until, reason, field in ((date(2025, 3, 19), "搬迁", "until"), (date(2025, 6, 30), " ", "reason")):
        with pytest.raises(Refusal) as refused:
            perform(sqlite_db, schedule.extend, sqlite_world.city, FORM, YEAR, unit, until, reason)
        assert refused.value.field == field


def test_an_extension_lasts_no_longer_than_the_policy_allows(sqlite_db: Database, sqlite_world: World) -> None:
    unit = sqlite_world.orgs["factory"]
    with pytest.raises(Refusal, match="30 天") as refused:
        perform(sqlite_db, schedule.extend, sqlite_world.city, FORM, YEAR, unit, date(2025, 7, 2), "搬迁")
    assert refused.value.field == "until"


def test_the_next_year_is_announced_once_by_the_administrator(sqlite_db: Database, sqlite_world: World) -> None:
    args = (FORM, 2026, date(2026, 2, 10), date(2026, 4, 15), date(2026, 5, 31), "粤工信〔2026〕1号")
    with pytest.raises(Forbidden):
        perform(sqlite_db, schedule.announce, sqlite_world.province, *args)
    perform(sqlite_db, schedule.announce, sqlite_world.admin, *args)
    assert sqlite_db.read(schedule.years, sqlite_world.city, FORM) == (2026, 2025, 2024)
    found = sqlite_db.read(schedule.schedule, sqlite_world.admin, FORM, 2026)
    assert (found.due_on, found.has_form) == (date(2026, 4, 15), False)
    with pytest.raises(Conflict, match="已经有了"):
        perform(sqlite_db, schedule.announce, sqlite_world.admin, *args)
    with pytest.raises(Refusal, match="年度应在"):
        perform(sqlite_db, schedule.announce, sqlite_world.admin, FORM, 2041, *args[2:])


def test_a_city_finds_its_own_units_and_no_others(sqlite_db: Database, sqlite_world: World) -> None:
    found = sqlite_db.read(schedule.units, sqlite_world.city, "有限公司")
    assert {unit.id for unit in found} == {sqlite_world.orgs[key] for key in ("factory", "other", "subsidiary")}
    assert sqlite_db.read(schedule.units, sqlite_world.city, "佛山") == ()
    assert sqlite_db.read(schedule.units, sqlite_world.city, "%") == ()


def test_a_year_without_a_campaign_says_so(sqlite_db: Database, sqlite_world: World) -> None:
    with pytest.raises(NotFound, match="还没有2031年度"):
        sqlite_db.read(schedule.schedule, sqlite_world.admin, FORM, 2031)
