"""Signing in, staying signed in, and being shown the door (登录与会话)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from types import NoneType
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlmodel import Session, col, select

from models import AuditLine, Organisation, SignIn, User
from models.enums import AuditResult, OrgStatus, Role, Tier
from services import audit, clock, events
from services.accounts import passwords, sessions, users
from services.actors import Actor
from services.db import Database
from services.errors import Refusal, SignedOut, Unavailable
from services.perform import perform
from tests.conftest import SPRING, World
from tests.ui_kit import until

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


@pytest.fixture
def sqlite_house(sqlite_db: Database, sqlite_world: World) -> World:
    """The same on SQLite only."""

    def give(s: Session) -> None:
        user = s.get_one(User, sqlite_world.filer.user_id)
        user.password_hash = HASH
        s.add(user)

    sqlite_db.write(give)
    return sqlite_world


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


WRONG = "Wrong-2025-pw"


def guess(db: Database, times: int, address: str, *, username: str = "filer", device: str = "") -> str:
    """Guess so often; the code of the last refusal."""
    caught = Refusal("")
    for _ in range(times):
        with pytest.raises(Refusal) as found:
            sessions.sign_in(db, username, WRONG, address, device=device)
        caught = found.value
    return caught.code


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Passwords are compared as text and not hashed; what each was compared with."""
    asked: list[str | None] = []

    def matches(password: str, known: str | None) -> bool:
        asked.append(known)
        return known == HASH and password == PASSWORD

    monkeypatch.setattr(passwords, "matches", matches)
    return asked


def test_guessing_from_one_place_waits_there_and_nowhere_else(db: Database, house: World, quick: object) -> None:
    guess(db, 5, "203.0.113.9")
    with pytest.raises(Refusal, match="秒后再试") as caught:
        sessions.sign_in(db, "filer", PASSWORD, "203.0.113.9")
    assert caught.value.code == "throttled"
    signed = sessions.sign_in(db, "filer", PASSWORD, "10.0.0.7")
    assert signed.failed_before == 5
    with clock.frozen(later(1)):
        sessions.sign_in(db, "filer", PASSWORD, "203.0.113.9")


def test_a_name_that_nobody_has_waits_like_one_that_somebody_has(sqlite_house: World, sqlite_db: Database) -> None:
    said = []
    for username in ("filer", "nobody-here"):
        guess(sqlite_db, 5, "203.0.113.9", username=username)
        with pytest.raises(Refusal) as caught:
            sessions.sign_in(sqlite_db, username, WRONG, "203.0.113.9")
        said.append((caught.value.message, caught.value.code))
    assert said[0] == said[1]
    assert said[0][1] == "throttled"


def test_each_wait_is_twice_as_long_up_to_a_quarter_of_an_hour(
    sqlite_house: World, sqlite_db: Database, quick: object
) -> None:
    waits, minutes = [], 0.0
    guess(sqlite_db, 4, "203.0.113.9")
    for _ in range(8):
        with clock.frozen(later(minutes)):
            assert guess(sqlite_db, 1, "203.0.113.9") == "wrong"
            with pytest.raises(Refusal) as caught:
                sessions.sign_in(sqlite_db, "filer", WRONG, "203.0.113.9")
        seconds = int(re.search(r"(\d+) 秒", caught.value.message)[1])  # type: ignore[index]
        waits.append(seconds - 1)
        minutes += seconds / 60
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


def test_a_restart_does_not_forget_who_has_to_wait(sqlite_house: World, sqlite_db: Database, quick: object) -> None:
    guess(sqlite_db, 5, "203.0.113.9")
    restarted = Database(sqlite_db.url)
    assert guess(restarted, 1, "203.0.113.9") == "throttled"
    restarted.close()


def test_guessers_at_the_same_address_do_not_keep_out_a_browser_that_is_known(
    sqlite_house: World, sqlite_db: Database, quick: object
) -> None:
    device = sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7").device
    assert guess(sqlite_db, 6, "10.0.0.7") == "throttled"
    again = sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7", device=device)
    assert again.device == device
    assert guess(sqlite_db, 6, "10.0.0.7", device=device) == "throttled"  # a stolen mark gives no more guesses
    with pytest.raises(Refusal):
        sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7", device="x" * 43)  # nor does an invented one


def test_a_mark_that_is_not_ours_is_not_taken_up(sqlite_house: World, sqlite_db: Database, quick: object) -> None:
    assert sessions.sign_in(sqlite_db, "filer", PASSWORD, device="planted").device != "planted"


def test_an_address_that_tries_many_names_waits_only_for_those_unknown_to_it(
    sqlite_house: World, sqlite_db: Database, quick: object
) -> None:
    sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7")
    for n in range(30):
        guess(sqlite_db, 1, "10.0.0.7", username=f"name{n}")
    assert guess(sqlite_db, 1, "10.0.0.7", username="signer") == "throttled"
    sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7")
    with clock.frozen(later(2)):
        assert guess(sqlite_db, 1, "10.0.0.7", username="signer") == "wrong"


def test_a_training_room_waits_for_its_mistakes_and_not_for_who_gets_in(
    sqlite_house: World, sqlite_db: Database, quick: object
) -> None:
    for n in range(30):
        guess(sqlite_db, 1, "10.0.0.7", username=f"name{n}")
    with pytest.raises(Refusal, match="第一次在这里登录的用户请在 6"):
        sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7")
    with clock.frozen(later(2)):
        sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7")
        assert guess(sqlite_db, 1, "10.0.0.7", username="signer") == "wrong"  # the next one is heard at once
        assert guess(sqlite_db, 1, "10.0.0.7", username="county") == "throttled"


def test_who_may_sign_in_does_not_wipe_out_the_guesses_of_an_address(
    sqlite_house: World, sqlite_db: Database, quick: object
) -> None:
    sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7")
    for n in range(30):
        guess(sqlite_db, 1, "10.0.0.7", username=f"name{n}")
        sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7")
    assert guess(sqlite_db, 1, "10.0.0.7", username="signer") == "throttled"


def test_neighbours_in_a_network_of_version_6_are_one_place(
    sqlite_house: World, sqlite_db: Database, quick: object
) -> None:
    for n in range(5):
        guess(sqlite_db, 1, f"2001:db8:0:1::{n + 1}")
    assert guess(sqlite_db, 1, "2001:db8:0:1::ffff") == "throttled"
    assert guess(sqlite_db, 1, "2001:db8:0:2::1") == "wrong"


def test_a_hundred_guesses_at_once_are_not_a_hundred_free_ones(
    sqlite_house: World, sqlite_db: Database, quick: list[str | None]
) -> None:
    def one(_: int) -> str:
        return guess(sqlite_db, 1, "203.0.113.9")

    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(one, range(100)))
    assert codes.count("wrong") == len(quick) == 5
    assert codes.count("throttled") == 95


def test_an_unknown_name_costs_one_hash_like_any_other(
    sqlite_house: World, sqlite_db: Database, quick: list[str | None]
) -> None:
    guess(sqlite_db, 1, "203.0.113.9")
    guess(sqlite_db, 1, "203.0.113.9", username="nobody-here")
    assert quick == [HASH, None]
    cost = re.compile(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$")
    assert cost.match(passwords.NOBODY)[0] == cost.match(HASH)[0]  # type: ignore[index]


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
    assert told == [events.SignInEnded((actor.sign_in_id or 0,), "signed_out", db.engine)]
    with pytest.raises(SignedOut):
        sessions.resolve(db, token)
    sessions.resolve(db, other)


def note(s: Session, actor: Actor, words: str) -> None:
    """A use case that leaves a trace."""
    audit.record(s, actor, "note", "user", actor.user_id, detail=words)


def notes(db: Database) -> dict[str, AuditResult]:
    found = db.read(lambda s: s.exec(select(AuditLine).where(AuditLine.action == "note")).all())
    return {line.detail: line.result for line in found}


def test_what_was_let_in_before_the_sign_in_ended_is_refused_after_it(db: Database, house: World) -> None:
    actor, other = (sessions.resolve(db, sessions.sign_in(db, "filer", PASSWORD).token) for _ in range(2))
    perform(db, sessions.sign_out, actor)
    with pytest.raises(SignedOut) as caught:
        perform(db, note, actor, "too late")
    perform(db, note, other, "still here")
    assert notes(db) == {caught.value.message: AuditResult.REFUSED, "still here": AuditResult.DONE}


def test_in_one_commit_with_the_end_of_the_sign_in_what_comes_after_it_is_refused(db: Database, house: World) -> None:
    """A thread each; all wait in the queue behind one job, so that they share the transaction."""
    actor = sessions.resolve(db, sessions.sign_in(db, "filer", PASSWORD).token)
    at_work, gate = Event(), Event()

    def hold(_: Session) -> None:
        at_work.set()
        assert gate.wait(10)

    with ThreadPoolExecutor(4) as threads:
        threads.submit(db.write, hold)
        assert at_work.wait(10)
        asked: list[Future[None]] = []
        for use_case, *words in ((note, "before"), (users.disable, actor.user_id), (note, "after")):
            doer = house.signer if use_case is users.disable else actor
            asked.append(threads.submit(perform, db, use_case, doer, *words))
            while db._jobs.qsize() < len(asked):
                assert not asked[-1].done()
        gate.set()
        assert [type(one.exception()) for one in asked] == [NoneType, NoneType, SignedOut]
    assert notes(db)["before"] is AuditResult.DONE
    assert "after" not in notes(db)


def test_an_end_that_was_rolled_back_ends_nothing(db: Database, house: World) -> None:
    actor = sessions.resolve(db, sessions.sign_in(db, "filer", PASSWORD).token)

    def end_and_fail(s: Session, actor: Actor) -> None:
        sessions.sign_out(s, actor)
        s.flush()
        raise Refusal("没有写入。")

    with pytest.raises(Refusal, match="没有写入"):
        perform(db, end_and_fail, actor)
    perform(db, note, actor, "still here")
    assert notes(db) == {"still here": AuditResult.DONE}


def test_an_end_whose_commit_failed_ends_nothing(sqlite_db: Database, sqlite_house: World) -> None:
    actor = sessions.resolve(sqlite_db, sessions.sign_in(sqlite_db, "filer", PASSWORD).token)

    def fail(_: object) -> None:
        raise Unavailable

    event.listen(sqlite_db.engine, "commit", fail)
    with pytest.raises(Unavailable):
        perform(sqlite_db, sessions.sign_out, actor)
    event.remove(sqlite_db.engine, "commit", fail)
    perform(sqlite_db, note, actor, "still here")
    perform(sqlite_db, sessions.sign_out, actor)
    with pytest.raises(SignedOut):
        perform(sqlite_db, note, actor, "too late")


def test_a_question_answered_before_the_end_does_not_bring_the_sign_in_back(
    db: Database, house: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = sessions.sign_in(db, "filer", PASSWORD).token
    ask = sessions._read_known

    def overtaken(s: Session, token: str) -> Any:
        found = ask(s, token)
        perform(db, sessions.sign_out, found.actor)  # while the answer is on its way
        return found

    with monkeypatch.context() as patch, pytest.raises(SignedOut):
        patch.setattr(sessions, "_read_known", overtaken)
        sessions.resolve(db, token)
    with pytest.raises(SignedOut):
        sessions.resolve(db, token)


def test_only_the_last_ended_sign_ins_are_kept_in_memory(
    sqlite_db: Database, sqlite_house: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "ENDED_KEPT", 2)
    actors = [sessions.resolve(sqlite_db, sessions.sign_in(sqlite_db, "filer", PASSWORD).token) for _ in range(3)]
    for actor in actors:
        perform(sqlite_db, sessions.sign_out, actor)
    assert list(sessions._ended_by(sqlite_db.engine)) == [actor.sign_in_id for actor in actors[1:]]


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


@pytest.fixture
def questions(sqlite_db: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many questions the event loop has put to the database since this was asked first."""
    asked: list[None] = []
    aread = sqlite_db.aread

    async def counted(*args: Any, **kwargs: Any) -> Any:
        asked.append(None)
        return await aread(*args, **kwargs)

    def since() -> int:
        if sqlite_db.aread is not counted:
            monkeypatch.setattr(sqlite_db, "aread", counted)
        return len(asked)

    return since


async def test_those_who_come_back_at_once_share_a_question(
    sqlite_db: Database, sqlite_house: World, questions: Callable[[], int]
) -> None:
    """The first asks for himself; all who came meanwhile are answered by the next one, the ended among them."""
    tokens = [sessions.sign_in(sqlite_db, "filer", PASSWORD).token for _ in range(4)]
    ended = sessions.resolve(sqlite_db, tokens[3])
    perform(sqlite_db, sessions.sign_out, ended)
    assert questions() == 0
    coming = [asyncio.create_task(sessions.aresolve(sqlite_db, token)) for token in tokens]
    found = await asyncio.gather(*coming, return_exceptions=True)
    assert [isinstance(one, Actor) for one in found] == [True, True, True, False]
    assert isinstance(found[3], SignedOut)
    assert questions() <= 2


async def test_a_database_that_is_away_is_told_to_everyone_who_asked(
    sqlite_db: Database, sqlite_house: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [sessions.sign_in(sqlite_db, "filer", PASSWORD).token for _ in range(3)]

    async def away(*_: Any) -> Any:
        raise Unavailable

    with monkeypatch.context() as broken:
        broken.setattr(sqlite_db, "aread", away)
        found = await asyncio.gather(*(sessions.aresolve(sqlite_db, t) for t in tokens), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in found)
    assert (await sessions.aresolve(sqlite_db, tokens[0])).username == "filer"


async def test_one_question_about_everybody_spares_each_event_its_own(
    sqlite_db: Database, sqlite_house: World, questions: Callable[[], int]
) -> None:
    tokens = [sessions.sign_in(sqlite_db, "filer", PASSWORD).token for _ in range(2)]
    for seconds in (0, 5):
        with clock.frozen(SPRING + timedelta(seconds=seconds)):
            actors = [await sessions.aresolve(sqlite_db, token) for token in tokens]
    assert questions() == 0
    for seconds in (10, 20, 30):
        with clock.frozen(SPRING + timedelta(seconds=seconds)):
            assert [await sessions.aresolve(sqlite_db, token) for token in tokens] == actors
            assert questions() == seconds / 10 - 1, "both were answered from memory"
            await sessions.ask_about_all(sqlite_db)
            assert questions() == seconds / 10, "and asked about together"


async def test_who_pauses_does_not_wait_for_an_answer_afterwards(
    sqlite_db: Database, sqlite_house: World, questions: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is renewed without any event, up to five minutes after the last one."""
    monkeypatch.setattr(sessions, "ROUND", 0.001)
    token = sessions.sign_in(sqlite_db, "filer", PASSWORD).token
    with clock.frozen(SPRING):
        actor = await sessions.aresolve(sqlite_db, token)
        assert questions() == 0
    (known,) = sessions._memory(sqlite_db).known.values()
    for seconds, asked in ((10, 1), (20, 2), (290, 3)):
        with clock.frozen(SPRING + timedelta(seconds=seconds)):
            await until(lambda: known.checked_at == clock.now())
            assert await sessions.aresolve(sqlite_db, token, active=False) == actor
            assert questions() == asked, "answered from memory"
    with clock.frozen(SPRING + timedelta(minutes=6)):
        await sessions.ask_about_all(sqlite_db)
        assert questions() == 3, "who has gone is not asked about"


async def test_what_another_process_ended_is_noticed_before_memory_is_a_quarter_minute_old(
    sqlite_db: Database, sqlite_house: World
) -> None:
    tokens = [sessions.sign_in(sqlite_db, "filer", PASSWORD).token for _ in range(2)]
    for seconds in (0, 5):
        with clock.frozen(SPRING + timedelta(seconds=seconds)):
            actors = [await sessions.aresolve(sqlite_db, token) for token in tokens]
    ended = update(SignIn).where(col(SignIn.id) == actors[1].sign_in_id).values(ended_at=SPRING)
    sqlite_db.write(lambda s: s.execute(ended) and None)  # no event: as if written elsewhere
    with clock.frozen(SPRING + timedelta(seconds=10)):
        await sessions.aresolve(sqlite_db, tokens[0])
        await sessions.ask_about_all(sqlite_db)
        await sessions.aresolve(sqlite_db, tokens[0])
        with pytest.raises(SignedOut):
            await sessions.aresolve(sqlite_db, tokens[1])


@pytest.mark.parametrize(
    ("what", "column", "value"),
    [
        (User, "name", "王新"),
        (User, "username", "wangxin"),
        (User, "role", Role.SIGNER),
        (User, "must_change_password", True),
        (Organisation, "name", "新厂"),
        (Organisation, "region_code", "440104000"),
        (Organisation, "tier", Tier.COUNTY),
        (None, "enabled", False),
    ],
)
async def test_whatever_another_process_changes_about_an_actor_is_noticed_when_all_are_asked_about(
    db: Database, house: World, what: type[User | Organisation] | None, column: str, value: object
) -> None:
    """Also whether the unit has a signer (None)."""
    token = sessions.sign_in(db, "filer", PASSWORD).token
    with clock.frozen(SPRING):
        before = await sessions.aresolve(db, token)
    whom = [col(User.organisation_id) == before.organisation_id, col(User.role) == Role.SIGNER]
    if what is not None:
        whom = [col(what.id) == (before.organisation_id if what is Organisation else before.user_id)]
    changing = update(what or User).where(*whom).values({column: value})
    db.write(lambda s: s.execute(changing) and None)  # no event: as if written elsewhere
    with clock.frozen(SPRING + timedelta(seconds=10)):
        assert await sessions.aresolve(db, token) == before, "memory answers"
        await sessions.ask_about_all(db)
        after = await sessions.aresolve(db, token)
        assert after != before
        known = db.read(sessions._read_known, token)
        assert known is not None
        assert after == known.actor


async def test_the_event_loop_asks_the_same_question(db: Database, house: World) -> None:
    token = sessions.sign_in(db, "filer", PASSWORD).token
    with clock.frozen(later(2)):
        actor = await sessions.aresolve(db, token, address="10.0.0.8")
        await sessions.ask_about_all(db)
    assert actor.address == "10.0.0.8"
    assert db.read(lambda s: s.exec(select(SignIn.last_seen_at)).one()) == later(2)
    with pytest.raises(SignedOut):
        await sessions.aresolve(db, "forged")


def test_where_one_is_signed_in_is_told_and_the_others_can_be_ended(
    sqlite_house: World, sqlite_db: Database, quick: object
) -> None:
    here = sessions.resolve(sqlite_db, sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7").token)
    there = sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.8").token
    rows = sqlite_db.read(sessions.own, here)
    assert [(row.address, row.here) for row in rows] == [("10.0.0.8", False), ("10.0.0.7", True)]
    assert perform(sqlite_db, sessions.end_others, here) == 1
    with pytest.raises(SignedOut):
        sessions.resolve(sqlite_db, there)
    assert [row.here for row in sqlite_db.read(sessions.own, here)] == [True]
    with clock.frozen(later(31)):
        assert sqlite_db.read(sessions.own, here) == ()


def test_typing_keeps_a_sign_in_alive_but_does_not_bring_back_one_that_has_ended(
    sqlite_house: World, sqlite_db: Database, quick: object
) -> None:
    token = sessions.sign_in(sqlite_db, "filer", PASSWORD).token
    sessions.resolve(sqlite_db, token)
    with clock.frozen(later(25)):
        sessions.touch(sqlite_db, token)
    with clock.frozen(later(50)):
        assert sessions.is_stale(sqlite_db, token) is False
        sessions.resolve(sqlite_db, token, active=False)
    with clock.frozen(later(56)):
        assert sessions.is_stale(sqlite_db, token) is True
        sessions.touch(sqlite_db, token)
        with pytest.raises(SignedOut, match="30 分钟"):
            sessions.resolve(sqlite_db, token)
    assert sessions.is_stale(sqlite_db, "nobody's") is None
