"""What officials may set, for all or for their own region, stricter but never looser (系统设置)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from models import AuditLine
from models.enums import Tier
from services import policy, rulings
from services.actors import Actor
from services.db import Database
from services.errors import Forbidden, NotFound, Refusal
from services.perform import perform
from tests.conftest import World

LETTER = "review.letter.province"


def row(db: Database, actor: Actor, name: str) -> rulings.RulingRow:
    return next(one for one in db.read(rulings.page, actor).rows if one.name == name)


def put(db: Database, actor: Actor, name: str, value: Any) -> None:
    perform(db, rulings.set_value, actor, name, value, "粤工信〔2025〕30号")


def test_every_value_shows_its_source_and_whether_it_is_official(db: Database, world: World) -> None:
    found = row(db, world.admin, "review.letter.city")
    assert (found.shown, found.official, found.set_by) == ("是", True, "")
    assert "填报说明" in found.source
    assert not row(db, world.admin, "restore_days").official
    assert all(one.words and one.source for one in db.read(rulings.page, world.province).rows)
    reference_only = {"ban_years", "green_code_shares"}
    assert reference_only <= {name for name in policy.stated(2025) if name not in rulings.KNOBS}
    assert "5、35、60" in {fact.shown for fact in db.read(rulings.page, world.city).facts}


def test_a_setting_binds_at_once_and_is_logged(db: Database, world: World) -> None:
    put(db, world.admin, "restore_days", 10)
    assert db.read(policy.value, "restore_days", year=2025) == 10
    found = row(db, world.admin, "restore_days")
    assert (found.shown, found.default_shown, found.set_by) == ("10", "30", "系统管理员（全部地区）")
    line = db.read(lambda s: s.exec(select(AuditLine).where(AuditLine.action == "set_value")).one())
    assert "由“30”改为“10”；依据：粤工信〔2025〕30号" in line.detail
    perform(db, rulings.reset_value, world.admin, "restore_days")
    assert db.read(policy.value, "restore_days", year=2025) == 30
    with pytest.raises(NotFound):
        perform(db, rulings.reset_value, world.admin, "restore_days")


def test_a_region_may_ask_for_more_but_not_for_less(db: Database, world: World) -> None:
    put(db, world.province, LETTER, True)
    assert db.read(policy.letter_required, Tier.PROVINCE, year=2025, region_code="440106")
    assert not db.read(policy.letter_required, Tier.PROVINCE, year=2025, region_code="350100")
    with pytest.raises(Refusal, match="不能放宽") as refused:
        put(db, world.city, LETTER, False)
    assert refused.value.field == "value"
    put(db, world.city, "review.extension.max_days", 10)
    with pytest.raises(Refusal, match="上级规定是“30”"):
        put(db, world.city, "review.extension.max_days", 31)
    (local,) = db.read(rulings.page, world.province).local
    assert (local.region_name, local.shown) == ("广东省 广州市", "10")
    assert row(db, world.far_city, "review.extension.max_days").shown == "30"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("restore_days", 0),
        ("restore_days", 2.5),
        ("restore_days", None),
        ("review.resubmit.route", "nowhere"),
        (LETTER, "x"),
        ("top_tier", "county"),
    ],
)
def test_a_value_that_cannot_be_is_refused(db: Database, world: World, name: str, value: Any) -> None:
    with pytest.raises(Refusal) as refused:
        put(db, world.admin, name, value)
    assert refused.value.field == "value"


def test_who_sets_what(db: Database, world: World) -> None:
    for stranger in (world.county, world.group, world.filer, world.expert):
        with pytest.raises(Forbidden):
            db.read(rulings.page, stranger)
    with pytest.raises(Forbidden, match="由系统管理员修改"):
        put(db, world.province, "top_tier", "province")
    with pytest.raises(NotFound):
        put(db, world.admin, "no.such.thing", 1)
    with pytest.raises(Refusal, match="依据"):
        perform(db, rulings.set_value, world.admin, "restore_days", 10, "")
    put(db, world.admin, "top_tier", "province")
    assert db.read(policy.top_tier) is Tier.PROVINCE
