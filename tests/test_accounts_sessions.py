"""Signing in, staying signed in, and being shown the door (登录与会话)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from models import AuditLine, Organisation, SignIn, User
from models.enums import AuditResult, OrgStatus
from services import clock, events
from services.accounts import passwords, sessions, users
from services.db import Database
from services.errors import Refusal, SignedOut
from services.perform import perform
from tests.conftest import SPRING, World

PASSWORD = "Nanyue-2025-gd"
HASH = passwords.hashed(PASSWORD)


@pytest.fixture
def house(db: Database, world: World) -> World:
    """The small province, whose 填报人 has a password."""

    def give(s: Session) -> None:
        user = s.get_one(User, world.filer.user_id)
        user.password_hash = HASH
        s.add(user)

    db.write(give)
    return world


def later(minutes: float) -> datetime:
    return SPRING + timedelta(minutes=minutes)


def change(db: Database, fn: Callable[[Session], None]) -> None:
    db.write(fn)


def test_the_right_password_opens_and_only_a_hash_of_the_token_is_kept(db: Database, house: World) -> None:
    signed = sessions.sign_in(db, " FILER ", PASSWORD, "10.0.0.7")
    actor = sessions.resolve(db, signed.token)
    assert (actor.user_id, actor.organisation_name) == (house.filer.user_id, "广州南粤精工制造有限公司")
    assert actor.unit_has_signer
    assert actor.address == "10.0.0.7"
    stored = db.read(lambda s: s.exec(select(SignIn)).one())
    assert signed.token not in stored.token_hash
    assert len(stored.token_hash) == 64


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(db: Database, house: World) -> None:
    answers = []
    for username in ("filer", "nobody-here"):
        with pytest.raises(Refusal) as caught:
            sessions.sign_in(db, username, "Wrong-2025-pw", "10.0.0.7")
        answers.append((caught.value.message, caught.value.field, caught.value.code))
    assert answers[0] == answers[1]
    lines = db.read(lambda s: s.exec(select(AuditLine).where(AuditLine.action == "sign_in")).all())
    assert [line.result for line in lines] == [AuditResult.REFUSED] * 2
    assert "nobody-here" not in lines[1].detail


def test_guessing_from_one_place_waits_there_and_nowhere_else(db: Database, house: World) -> None:
    for _ in range(5):
        with pytest.raises(Refusal):
            sessions.sign_in(db, "filer", "Wrong-2025-pw", "203.0.113.9")
    with pytest.raises(Refusal, match="秒后再试") as caught:
        sessions.sign_in(db, "filer", PASSWORD, "203.0.113.9")
    assert caught.value.code == "throttled"
    signed = sessions.sign_in(db, "filer", PASSWORD, "10.0.0.7")
    assert signed.failed_before == 5
    with clock.frozen(later(1)):
        sessions.sign_in(db, "filer", PASSWORD, "203.0.113.9")


def test_an_address_that_tries_many_names_waits_only_for_those_unknown_to_it(db: Database, house: World) -> None:
    sessions.sign_in(db, "filer", PASSWORD, "10.0.0.7")
    throttle = sessions._memory(db).throttle
    for n in range(30):
        throttle.failed(f"name{n}", "10.0.0.7", clock.now())
    assert throttle.wait("signer", "10.0.0.7", clock.now(), known=False) is not None
    sessions.sign_in(db, "filer", PASSWORD, "10.0.0.7")


def test_half_an_hour_of_nothing_ends_it_but_typing_keeps_it(db: Database, house: World) -> None:
    token = sessions.sign_in(db, "filer", PASSWORD).token
    for minutes in (20, 40, 60):
        with clock.frozen(later(minutes)):
            sessions.resolve(db, token)
    with clock.frozen(later(89)):
        sessions.resolve(db, token, active=False)
    with clock.frozen(later(90)), pytest.raises(SignedOut, match="30 分钟"):
        sessions.resolve(db, token)


def test_a_restart_remembers_when_somebody_was_last_active(db: Database, house: World) -> None:
    token = sessions.sign_in(db, "filer", PASSWORD).token
    with clock.frozen(later(20)):
        sessions.resolve(db, token)
    sessions._memories.pop(db)
    with clock.frozen(later(45)):
        sessions.resolve(db, token)
    sessions._memories.pop(db)
    with clock.frozen(later(80)), pytest.raises(SignedOut):
        sessions.resolve(db, token)


def test_after_twelve_hours_everybody_signs_in_again(db: Database, house: World) -> None:
    token = sessions.sign_in(db, "filer", PASSWORD).token
    for minutes in range(20, 12 * 60, 20):
        with clock.frozen(later(minutes)):
            sessions.resolve(db, token)
    with clock.frozen(later(12 * 60)), pytest.raises(SignedOut, match="12 小时"):
        sessions.resolve(db, token)


def test_signing_in_again_ends_what_the_browser_had_before(db: Database, house: World) -> None:
    first = sessions.sign_in(db, "filer", PASSWORD).token
    second = sessions.sign_in(db, "filer", PASSWORD, replaces=first).token
    assert first != second
    with pytest.raises(SignedOut):
        sessions.resolve(db, first)
    sessions.resolve(db, second)


def test_signing_out_ends_this_one_and_tells_its_pages(db: Database, house: World) -> None:
    told: list[events.Event] = []
    stop = events.subscribe(told.append)
    token = sessions.sign_in(db, "filer", PASSWORD).token
    other = sessions.sign_in(db, "filer", PASSWORD).token
    actor = sessions.resolve(db, token)
    perform(db, sessions.sign_out, actor)
    stop()
    assert told == [events.SignInEnded((actor.sign_in_id or 0,))]
    with pytest.raises(SignedOut):
        sessions.resolve(db, token)
    sessions.resolve(db, other)


def test_disabling_a_user_ends_every_sign_in_at_once(db: Database, house: World) -> None:
    tokens = [sessions.sign_in(db, "filer", PASSWORD).token for _ in range(2)]
    for token in tokens:
        sessions.resolve(db, token)
    perform(db, users.disable, house.signer, house.filer.user_id)
    for token in tokens:
        with pytest.raises(SignedOut):
            sessions.resolve(db, token)
    with pytest.raises(Refusal, match="已停用"):
        sessions.sign_in(db, "filer", PASSWORD)


def test_a_change_of_password_keeps_this_page_and_ends_the_others(db: Database, house: World) -> None:
    def must(s: Session) -> None:
        user = s.get_one(User, house.filer.user_id)
        user.must_change_password = True
        s.add(user)

    db.write(must)
    here, there = (sessions.sign_in(db, "filer", PASSWORD).token for _ in range(2))
    actor = sessions.resolve(db, here)
    sessions.resolve(db, there)
    assert actor.must_change_password
    sessions.change_password(db, actor, PASSWORD, "Yuexiu-2025-gz", "Yuexiu-2025-gz")
    assert not sessions.resolve(db, here).must_change_password
    with pytest.raises(SignedOut):
        sessions.resolve(db, there)
    with pytest.raises(Refusal, match="不正确"):
        sessions.sign_in(db, "filer", PASSWORD)
    sessions.sign_in(db, "filer", "Yuexiu-2025-gz")


@pytest.mark.parametrize(
    ("old", "new", "repeated", "said"),
    [
        ("Wrong-2025-pw", "Yuexiu-2025-gz", "Yuexiu-2025-gz", "原密码不正确"),
        (PASSWORD, "Yuexiu-2025-gz", "Yuexiu-2025-gd", "不一致"),
        (PASSWORD, PASSWORD, PASSWORD, "不能与原密码相同"),
        (PASSWORD, "abc12", "abc12", "太短"),
    ],
)
def test_a_change_of_password_that_cannot_be(
    db: Database, house: World, old: str, new: str, repeated: str, said: str
) -> None:
    with pytest.raises(Refusal, match=said):
        sessions.change_password(db, house.filer, old, new, repeated)
    sessions.sign_in(db, "filer", PASSWORD)


def test_a_unit_that_waits_for_confirmation_is_told_so(db: Database, house: World) -> None:
    def pend(s: Session) -> None:
        unit = s.get_one(Organisation, house.orgs["factory"])
        unit.status = OrgStatus.PENDING
        s.add(unit)

    db.write(pend)
    with pytest.raises(Refusal, match="等待主管部门确认"):
        sessions.sign_in(db, "filer", PASSWORD)
    last = db.read(lambda s: s.exec(select(AuditLine).order_by(col(AuditLine.id).desc())).first())
    assert last is not None
    assert last.result is AuditResult.REFUSED


@pytest.mark.parametrize("token", ["", "forged", "x" * 5000])
def test_a_token_nobody_was_given_opens_nothing(db: Database, house: World, token: str) -> None:
    with pytest.raises(SignedOut):
        sessions.resolve(db, token)


async def test_the_event_loop_asks_the_same_question(db: Database, house: World) -> None:
    token = sessions.sign_in(db, "filer", PASSWORD).token
    with clock.frozen(later(2)):
        actor = await sessions.aresolve(db, token, address="10.0.0.8")
    assert actor.address == "10.0.0.8"
    assert db.read(lambda s: s.exec(select(SignIn.last_seen_at)).one()) == later(2)
    with pytest.raises(SignedOut):
        await sessions.aresolve(db, "forged")


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short1", "太短"),
        ("x1" * 65, "太长"),
        ("onlyletters", "没有数字"),
        ("1234567890", "没有字母"),
        ("with space 1", "空格"),
        ("gznyjg-2025", "含有用户名"),
        ("aaaaaaaa11", "重复"),
        ("password2025", "过于常见"),
    ],
)
def test_a_weak_password_is_refused_with_the_rule(password: str, said: str) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        passwords.check(password, username="gznyjg")
    assert "至少 10 位" in caught.value.message


def test_an_initial_password_keeps_the_rule() -> None:
    drawn = {passwords.initial() for _ in range(200)}
    assert len(drawn) == 200
    for password in drawn:
        passwords.check(password)
