"""Policy values: the nearest region's setting wins, then the newest, then the year's file."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlmodel import Session

from models import Setting
from models.enums import Tier
from services import clock, policy
from services.db import Database


def put(s: Session, name: str, value: Any, region_code: str = "") -> None:
    s.add(Setting(name=name, value=value, region_code=region_code, set_at=clock.now()))
    s.flush()


def letter(db: Database, region_code: str) -> bool:
    return db.read(policy.letter_required, Tier.CITY, year=2025, region_code=region_code)


def test_without_a_setting_the_file_of_the_year_speaks(sqlite_db: Database, spring: datetime) -> None:
    assert letter(sqlite_db, "440106")
    assert sqlite_db.read(policy.value, "restore_days", year=2025) == 30


def test_a_year_without_a_file_takes_the_latest_one_before(sqlite_db: Database) -> None:
    assert policy.stated(2031) == policy.stated(2025)
    assert policy.stated(2020) == policy.stated(2025)


def test_the_nearest_region_wins_over_its_province_and_both_over_the_default(
    sqlite_db: Database, spring: datetime
) -> None:
    sqlite_db.write(put, "review.letter.city", True, "440100")
    sqlite_db.write(put, "review.letter.city", False, "440000")
    assert (letter(sqlite_db, "440106"), letter(sqlite_db, "440604"), letter(sqlite_db, "510104")) == (
        True,
        False,
        True,
    )


def test_of_one_region_the_newest_wins(sqlite_db: Database, spring: datetime) -> None:
    sqlite_db.write(put, "review.letter.city", False)
    sqlite_db.write(put, "review.letter.city", True)
    assert letter(sqlite_db, "440106")


def test_a_name_that_nobody_knows_is_a_mistake_of_ours(sqlite_db: Database) -> None:
    with pytest.raises(KeyError):
        sqlite_db.read(policy.value, "no.such.thing", year=2025)


def test_the_top_tier_is_the_setting_or_the_environment(
    sqlite_db: Database, spring: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LVCE_TOP_TIER", "province")
    assert sqlite_db.read(policy.top_tier) is Tier.PROVINCE
    sqlite_db.write(put, "top_tier", "city")
    assert sqlite_db.read(policy.top_tier) is Tier.CITY
