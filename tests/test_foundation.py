"""The ground everything stands on: the writer, its groups, the audit chain."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlmodel import Session, select

from models import AuditLine, Setting
from models.enums import AuditResult, Role
from services import audit, clock, events, turns
from services import db as db_module
from services.actors import Actor, region_prefix
from services.db import Database, check_pragmas
from services.errors import Refusal, Unavailable
from services.perform import perform
from tests.conftest import World
from tests.ui_kit import until

SOMEBODY = Actor(1, "chen", "陈立", Role.FILER, 1, "广州南粤精工制造有限公司")


def write_setting(s: Session, name: str) -> None:
    s.add(Setting(name=name, set_at=clock.now()))


def refuse(s: Session, actor: Actor, filing_id: int) -> None:
    write_setting(s, f"never {filing_id}")
    events.publish(s, events.FilingChanged(filing_id))
    raise Refusal("“氨氮排放量”应是数字。")


def test_what_a_refused_use_case_wrote_is_gone_and_the_refusal_is_logged(db: Database) -> None:
    told: list[events.Event] = []
    stop = events.subscribe(told.append)
    with pytest.raises(Refusal, match="氨氮排放量"):
        perform(db, refuse, SOMEBODY, 7)
    stop()
    assert told == []
    assert db.read(lambda s: s.exec(select(Setting)).all()) == []
    (line,) = db.read(lambda s: s.exec(select(AuditLine)).all())
    assert (line.result, line.action, line.subject_id) == (AuditResult.REFUSED, "refuse", 7)


def test_many_writers_share_commits_and_one_failure_harms_nobody_else(db: Database) -> None:
    def job(number: int) -> bool:
        def write(s: Session) -> None:
            write_setting(s, str(number))
            if number % 10 == 3:
                raise Refusal("不行")

        try:
            db.write(write)
        except Refusal:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(job, range(200)))
    names = set(db.read(lambda s: s.exec(select(Setting.name)).all()))
    assert names == {str(n) for n in range(200) if n % 10 != 3}
    assert [n for n, ok in enumerate(done) if not ok] == list(range(3, 200, 10))


class AtOnce:
    """What waited together was handed over together, while the writer was held up."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.handed: list[list[str]] = []

    def write(self, s: Session, names: Sequence[str]) -> list[str | Exception]:
        self.handed.append(list(names))
        for name in names:
            if name != "refused":
                write_setting(s, name)
        events.publish(s, events.FilingChanged(len(self.handed)))
        if "broken" in names:
            raise ZeroDivisionError
        return [Refusal("不行") if name == "refused" else f"wrote {name}" for name in names]

    async def of(self, *names: str) -> list[str | BaseException]:
        held, gate = threading.Event(), threading.Event()
        ahead = asyncio.create_task(self.db.awrite(lambda _: (held.set(), gate.wait(10))))
        await asyncio.to_thread(held.wait, 10)
        waiting = [asyncio.create_task(self.db.awrite_together(self.write, name)) for name in names]
        await asyncio.sleep(0)
        gate.set()
        await ahead
        return await asyncio.gather(*waiting, return_exceptions=True)

    def kept(self) -> set[str]:
        return set(self.db.read(lambda s: s.exec(select(Setting.name)).all()))


async def test_what_waits_and_costs_less_together_is_done_together(db: Database) -> None:
    at_once = AtOnce(db)
    first, refused, last = await at_once.of("first", "refused", "last")
    assert at_once.handed == [["first", "refused", "last"]]
    assert (first, last) == ("wrote first", "wrote last")
    assert isinstance(refused, Refusal)
    assert at_once.kept() == {"first", "last"}


async def test_where_doing_it_together_fails_each_is_done_alone_and_only_the_culprit_fails(db: Database) -> None:
    told: list[events.Event] = []
    stop = events.subscribe(told.append)
    at_once = AtOnce(db)
    answers = await at_once.of("first", "broken", "refused", "last")
    stop()
    assert at_once.handed == [["first", "broken", "refused", "last"], ["first"], ["broken"], ["refused"], ["last"]]
    assert [type(answer) for answer in answers] == [str, ZeroDivisionError, Refusal, str]
    assert at_once.kept() == {"first", "last"}
    assert told == [events.FilingChanged(2), events.FilingChanged(5)], "of what was undone nobody hears"


@pytest.mark.parametrize("beside", [[], ["before", "after"]])
async def test_what_is_said_straight_to_the_connection_is_undone_with_its_job(db: Database, beside: list[str]) -> None:
    """Alone in its transaction, and in one that it shares."""
    db.write(write_setting, "kept")
    held, gate = threading.Event(), threading.Event()

    def fails(s: Session) -> None:
        db_module.connection_of(s).execute(delete(Setting))
        raise Refusal("不行")

    ahead = asyncio.create_task(db.awrite(lambda _: (held.set(), gate.wait(10))))
    await asyncio.to_thread(held.wait, 10)
    jobs = [partial(write_setting, name=name) for name in beside[:1]] + [fails]
    jobs += [partial(write_setting, name=name) for name in beside[1:]]
    waiting = [asyncio.create_task(db.awrite(job)) for job in jobs]
    await asyncio.sleep(0)
    gate.set()
    await ahead
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers].count(Refusal) == 1
    assert set(db.read(lambda s: s.exec(select(Setting.name)).all())) == {"kept", *beside}


@pytest.mark.postgres
def test_a_writing_connection_that_died_since_its_last_job_is_replaced(postgres_db: Database) -> None:
    number = postgres_db.write(lambda s: s.execute(text("SELECT pg_backend_pid()")).scalar_one())
    cut = text("SELECT pg_terminate_backend(:number, 5000)").bindparams(number=number)
    with postgres_db.reading_engine.connect() as other:
        assert other.execute(cut).scalar_one()
    postgres_db.write(write_setting, "after")
    assert postgres_db.read(lambda s: s.exec(select(Setting.name)).all()) == ["after"]


@pytest.mark.parametrize(("pause", "often"), [(0.01, 1e9), (1e9, 0.0)])
async def test_the_log_is_moved_into_the_file_in_a_pause_and_every_so_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pause: float, often: float
) -> None:
    monkeypatch.setattr(db_module, "UNFILED", 2)
    monkeypatch.setattr(db_module, "PAUSE", pause)
    monkeypatch.setattr(db_module, "OFTEN", often)
    path = tmp_path / "lvce.sqlite3"
    db = Database(f"sqlite:///{path}")
    try:
        db.write(lambda s: s.execute(text("CREATE TABLE note (words TEXT)")))
        assert b"note" not in path.read_bytes(), "so far everything is in the log"
        db.write(lambda s: s.execute(text("INSERT INTO note VALUES ('x')")))
        await until(lambda: b"note" in path.read_bytes())
        assert db.write(lambda s: s.execute(text("SELECT words FROM note")).scalar()) == "x"
    finally:
        db.close()


def test_a_log_that_cannot_be_moved_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    db = Database(f"sqlite:///{tmp_path / 'lvce.sqlite3'}")
    try:
        with monkeypatch.context() as broken:
            broken.setattr(db.engine, "raw_connection", lambda: 1 / 0)
            db._file()
        assert "checkpoint failed" in caplog.text
        assert db.write(lambda _: "still there") == "still there"
    finally:
        db.close()


def test_a_broken_statement_fails_its_own_job_only(db: Database) -> None:
    with pytest.raises(Exception, match="no_such_table"):
        db.write(lambda s: s.execute(text("SELECT * FROM no_such_table")))
    db.write(write_setting, "after")
    assert db.read(lambda s: s.exec(select(Setting.name)).all()) == ["after"]


def test_a_statement_that_can_never_run_is_a_fault_of_ours_and_not_a_busy_database(db: Database) -> None:
    """Told as busy, people would try again for ever and nobody would look."""

    def wrong(s: Session) -> None:
        s.execute(text("SELECT no_such_column FROM setting"))

    for door in (db.read, db.write):
        with pytest.raises(DBAPIError, match="no_such_column"):
            door(wrong)


def test_a_reader_that_the_database_keeps_waiting_says_so(sqlite_db: Database) -> None:
    for words in ("database is locked", "disk I/O error", "unable to open database file"):

        def lacking(_: Session, words: str = words) -> None:
            raise OperationalError("SELECT 1", None, sqlite3.OperationalError(words))

        with pytest.raises(Unavailable):
            sqlite_db.read(lacking)


@pytest.mark.parametrize("begun", [False, True])
async def test_who_stops_waiting_for_a_write_does_not_stop_the_writer(sqlite_db: Database, begun: bool) -> None:
    at_work, gate = threading.Event(), threading.Event()
    written: list[str] = []

    def slow(_: Session, name: str) -> None:
        at_work.set()
        gate.wait(10)
        written.append(name)

    ahead = asyncio.create_task(sqlite_db.awrite(slow, "ahead"))
    await asyncio.to_thread(at_work.wait, 10)
    waiting = asyncio.create_task(sqlite_db.awrite(slow, "waiting"))
    await asyncio.sleep(0)
    (ahead if begun else waiting).cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.wait_for(sqlite_db.awrite(lambda _: "still there"), 5) == "still there"
    assert written == (["ahead", "waiting"] if begun else ["ahead"])


def undone(s: Session) -> None:
    """What a full or failing disk does: SQLite takes the whole transaction back by itself."""
    s.connection().connection.driver_connection.rollback()  # type: ignore[union-attr]


def undone_and_caught(s: Session) -> None:
    """As a use case that goes on with its next line (批量审核) comes out of it."""
    with suppress(DBAPIError), s.begin_nested():
        undone(s)
        raise RuntimeError


@pytest.mark.parametrize("fault", [undone, undone_and_caught])
@pytest.mark.parametrize("alone", [True, False])
def test_nobody_is_told_done_whose_work_a_failing_disk_took_along(
    sqlite_db: Database, fault: Callable[[Session], None], alone: bool
) -> None:
    at_work, gate = threading.Event(), threading.Event()

    def hold(_: Session) -> None:
        at_work.set()
        gate.wait(10)

    with ThreadPoolExecutor(3) as pool:
        ahead = pool.submit(sqlite_db.write, hold)
        assert at_work.wait(10)
        jobs = [fault] if alone else [lambda s: write_setting(s, "lost"), fault]
        answers = []
        for number, job in enumerate(jobs, 1):
            answers.append(pool.submit(sqlite_db.write, job))
            while sqlite_db._jobs.qsize() < number:
                at_work.wait()
        gate.set()
        ahead.result(10)
        for answer in answers:
            with pytest.raises(Unavailable, match="没有写入"):
                answer.result(10)
    sqlite_db.write(write_setting, "after")
    assert sqlite_db.read(lambda s: s.exec(select(Setting.name)).all()) == ["after"]


def test_what_is_asked_of_a_closed_database_is_refused_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'closed.sqlite3'}")
    database.close()
    with pytest.raises(Unavailable, match="程序正在停止"):
        database.write(lambda s: None)


def test_a_reader_sees_one_moment_whatever_is_written_meanwhile(db: Database) -> None:
    def look(s: Session) -> list[int]:
        before = len(s.exec(select(Setting)).all())
        db.write(write_setting, "meanwhile")
        return [before, len(s.exec(select(Setting)).all())]

    assert db.read(look) == [0, 0]
    assert db.read(lambda s: len(s.exec(select(Setting)).all())) == 1


def test_there_is_one_writing_connection_and_whoever_else_wants_it_waits(db: Database) -> None:
    """What the write-ahead log rests on below SQLite 3.51.3 (README, Decisions)."""
    used: list[int] = []
    with ThreadPoolExecutor(2) as pool, db.engine.connect() as connection:
        used.append(id(connection.connection.dbapi_connection))
        writing = pool.submit(db.write, lambda s: used.append(id(s.connection().connection.dbapi_connection)))
        assert not writing.done()
        connection.close()
        writing.result(10)
    assert used[0] == used[1]


def test_the_writer_lets_go_of_its_connection_in_a_pause_also_after_moving_the_log(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db_module, "UNFILED", 1)
    monkeypatch.setattr(db_module, "PAUSE", 0.01)
    sqlite_db.write(write_setting, "x")
    with sqlite_db.engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM setting")).scalars().all() == ["x"]


def test_a_write_waits_for_its_turn_among_processes_and_says_so_when_it_does_not_come(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_db._turn, "seconds", 0.1)
    other = db_module._beside(sqlite_db.url)
    with turns.Turn(other, 1), pytest.raises(Unavailable, match="没有写入"):
        sqlite_db.write(write_setting, "never")
    sqlite_db.write(write_setting, "after")
    os.close(other)
    assert sqlite_db.read(lambda s: s.exec(select(Setting.name)).all()) == ["after"]


def test_events_are_told_after_the_commit(db: Database) -> None:
    seen: list[int] = []

    def listener(event: events.Event) -> None:
        seen.append(len(db.read(lambda s: s.exec(select(Setting)).all())))

    def write(s: Session) -> None:
        write_setting(s, "x")
        events.publish(s, events.FilingChanged(1))

    stop = events.subscribe(listener)
    db.write(write)
    db.write(lambda s: None)  # the first write's listeners have run once the second has
    stop()
    assert seen == [1]


def test_what_is_to_be_done_once_committed_is_done_after_the_commit_or_never(db: Database) -> None:
    seen: list[int] = []

    def write(s: Session, *, fails: bool) -> None:
        write_setting(s, f"fails: {fails}")
        events.once_committed(s, lambda: seen.append(len(db.read(lambda s: s.exec(select(Setting)).all()))))
        if fails:
            raise Refusal("nothing of it")

    with pytest.raises(Refusal):
        db.write(write, fails=True)
    db.write(write, fails=False)
    db.write(lambda s: None)
    assert seen == [1]


def test_the_reader_cannot_write(db: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)read.?only|暂时繁忙"):
        db.read(lambda s: (write_setting(s, "x"), s.flush()))


def test_sqlite_keeps_its_promises(sqlite_db: Database) -> None:
    check_pragmas(sqlite_db)


DISARM = {
    True: ("DROP TRIGGER audit_line_no_update", "DROP TRIGGER audit_line_no_delete"),
    False: ("DROP TRIGGER audit_line_append_only ON audit_line",),
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE audit_line SET detail = 'x' WHERE id = 3", "第 3 条的内容与校验值不符"),
        ("DELETE FROM audit_line WHERE id = 3", "第 3 条到第 3 条缺失"),
        ("UPDATE audit_line SET at = '2025-01-01 00:00:00' WHERE id = 1", "第 1 条的内容与校验值不符"),
    ],
)
def test_a_changed_audit_line_is_found(db: Database, change: str, reason: str) -> None:
    for n in range(5):
        db.write(audit.record, SOMEBODY, "submit", "filing", n)
    assert db.read(audit.verify) == (5, None)
    with pytest.raises(DBAPIError, match="append-only"), db.engine.begin() as connection:
        connection.execute(text(change))
    with db.engine.begin() as connection:  # whoever gets past the triggers is still found out
        for statement in DISARM[db.is_sqlite]:
            connection.execute(text(statement))
        connection.execute(text(change))
    _, broken = db.read(audit.verify)
    assert broken is not None
    assert broken.reason == reason


def test_region_prefix_spans_the_subtree() -> None:
    assert [region_prefix(c) for c in ("440000", "440100", "440106", "441900003", "")] == [
        "44",
        "4401",
        "440106",
        "441900003",
        "",
    ]


def test_the_small_world_stands(world: World) -> None:
    assert world.county.organisation_name == "天河区科技工业和信息化局"


def test_the_clock_file_holds_its_time_while_it_is_written_anew(tmp_path: Path) -> None:
    place = tmp_path / "clock"
    clock.follow(place)
    try:
        place.write_text("2025-04-16T09:00:00+08:00")
        before = clock.now()
        for half_written in ("", "2025-04-1"):
            place.write_text(half_written)
            os.utime(place, ns=(1, 1))
            assert clock.now() == before
        place.unlink()
        assert clock.now() == before
        place.write_text("2025-04-17")
        assert clock.local(clock.now()).day == 17
    finally:
        clock.follow(None)
