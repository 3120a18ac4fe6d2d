"""Backups by plan and by hand (备份计划): in time, by a process of its own, kept and thrown away, and missed aloud."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlmodel import Session, select

from models import AuditLine
from models.enums import AuditResult, Tier
from services import audit, backup, backup_plan, clock
from services.db import Database
from services.errors import Conflict, Forbidden, Refusal
from services.settings import Settings
from tests.conftest import SPRING, World

NIGHT = datetime(2025, 3, 21, 2, 31, tzinfo=clock.BEIJING)


@pytest.fixture
def place(tmp_path: Path, sqlite_db: Database) -> Settings:
    """A deployment around the empty database."""
    (tmp_path / "data" / "files" / "ab").mkdir(parents=True)
    (tmp_path / "data" / "files" / "ab" / "one").write_bytes(b"content")
    return Settings("127.0.0.1", 8080, tmp_path / "data", sqlite_db.url, False, Tier.MINISTRY, None)


def begun(s: Session, at: datetime) -> None:
    with clock.frozen(at):
        audit.record(s, None, "sign_in")


def attempted(s: Session, at: datetime, result: AuditResult) -> None:
    with clock.frozen(at):
        audit.record(s, None, backup_plan.ACTION, detail="自动备份没有完成：磁盘空间不足。", result=result)


def due(db: Database, place: Settings, at: datetime) -> bool:
    with clock.frozen(at):
        return db.read(backup_plan.due, place)


# --- in time ----------------------------------------------------------------------------------------------------------


def test_a_backup_is_due_once_a_day_after_its_time(sqlite_db: Database, place: Settings) -> None:
    sqlite_db.write(begun, SPRING)
    assert not due(sqlite_db, place, SPRING + timedelta(minutes=5)), "not on the day it was set up: nothing was missed"
    assert not due(sqlite_db, place, NIGHT - timedelta(minutes=2))
    assert due(sqlite_db, place, NIGHT)
    sqlite_db.write(attempted, NIGHT, AuditResult.DONE)
    assert not due(sqlite_db, place, NIGHT + timedelta(hours=20))
    assert due(sqlite_db, place, NIGHT + timedelta(days=1))


def test_a_time_that_was_slept_through_is_caught_up(sqlite_db: Database, place: Settings) -> None:
    sqlite_db.write(begun, SPRING)
    assert due(sqlite_db, place, NIGHT + timedelta(hours=6))


def test_a_failed_one_is_tried_again_after_an_hour(sqlite_db: Database, place: Settings) -> None:
    sqlite_db.write(begun, SPRING)
    sqlite_db.write(attempted, NIGHT, AuditResult.REFUSED)
    assert not due(sqlite_db, place, NIGHT + timedelta(minutes=59))
    assert due(sqlite_db, place, NIGHT + timedelta(minutes=61))


def test_a_demo_is_backed_up_by_itself_only_when_somebody_says_so(
    sqlite_db: Database, sqlite_world: World, place: Settings
) -> None:
    demo = replace(place, demo=True)
    sqlite_db.write(begun, SPRING)
    assert not due(sqlite_db, demo, NIGHT)
    sqlite_db.write(backup_plan.set_plan, sqlite_world.admin, "02:30", 3, demo)
    assert due(sqlite_db, demo, NIGHT)


def test_no_time_means_none(sqlite_db: Database, sqlite_world: World, place: Settings) -> None:
    sqlite_db.write(begun, SPRING)
    assert sqlite_db.write(backup_plan.set_plan, sqlite_world.admin, " ", 3, place) == backup_plan.Plan("", 3)
    assert not due(sqlite_db, place, NIGHT)


@pytest.mark.parametrize(("at", "keep", "field"), [("25:00", 7, "at"), ("半夜", 7, "at"), ("02:30", 0, "keep")])
def test_a_plan_that_cannot_be_meant_is_refused(
    sqlite_db: Database, sqlite_world: World, place: Settings, at: str, keep: int, field: str
) -> None:
    with pytest.raises(Refusal) as refused:
        sqlite_db.write(backup_plan.set_plan, sqlite_world.admin, at, keep, place)
    assert refused.value.field == field


@pytest.mark.parametrize("who", ["filer", "county", "ministry", "expert"])
def test_backups_are_the_administrators(sqlite_db: Database, sqlite_world: World, place: Settings, who: str) -> None:
    somebody = sqlite_world.actors[who]
    with pytest.raises(Forbidden):
        sqlite_db.read(backup_plan.overview, somebody, place)
    with pytest.raises(Forbidden):
        sqlite_db.write(backup_plan.set_plan, somebody, "02:30", 3, place)
    with pytest.raises(Forbidden):
        backup_plan.by_hand(sqlite_db, somebody, place)


def test_the_thread_makes_the_backup_that_is_due_and_stops(sqlite_db: Database, place: Settings) -> None:
    sqlite_db.write(begun, SPRING)
    made = Event()
    with clock.frozen(NIGHT), pytest.MonkeyPatch.context() as patch:
        patch.setattr(backup_plan, "make", lambda *_, **__: made.set())
        watch = backup_plan.Watch(sqlite_db, place, every=0.01)
        assert made.wait(10)
        watch.close()
    assert not watch._thread.is_alive()


# --- made -------------------------------------------------------------------------------------------------------------


def test_one_by_hand_is_listed_recorded_and_whole(sqlite_db: Database, sqlite_world: World, place: Settings) -> None:
    made = backup_plan.by_hand(sqlite_db, sqlite_world.admin, place)
    assert (made.kind, made.files, made.made_at) == ("手动", 1, SPRING)
    found = sqlite_db.read(backup_plan.overview, sqlite_world.admin, place)
    assert found.backups == (made,)
    assert found.last is not None and found.last.well and made.name in found.last.words
    assert found.next_at == NIGHT.replace(minute=30)
    manifest = backup.check(place.backups_dir / made.name)
    assert manifest["rows_digest"] == made.rows_digest


def test_only_the_newest_of_each_kind_are_kept(sqlite_db: Database, sqlite_world: World, place: Settings) -> None:
    names = [f"daily-2025031{day}-023000" for day in range(3)] + ["manual-20250310-100000", "daily-by-myself"]
    for name in names:
        (place.backups_dir / name).mkdir(parents=True)
    sqlite_db.write(backup_plan.set_plan, sqlite_world.admin, "02:30", 2, place)
    made = backup_plan.make(sqlite_db, place, backup.DAILY)
    left = {path.name for path in place.backups_dir.iterdir()}
    assert left == {"daily-20250312-023000", made.name, "manual-20250310-100000", "daily-by-myself"}


def test_two_at_once_are_one(sqlite_db: Database, sqlite_world: World, place: Settings) -> None:
    with backup_plan._one_at_a_time, pytest.raises(Conflict, match="正在进行"):
        backup_plan.by_hand(sqlite_db, sqlite_world.admin, place)


def test_one_that_is_stopped_leaves_nothing_that_looks_like_a_backup(
    sqlite_db: Database, sqlite_world: World, place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Event()
    stop.set()
    monkeypatch.setattr(backup_plan.sys, "executable", _sleeper(place.data_dir))
    with pytest.raises(Refusal, match="已中断"):
        backup_plan.make(sqlite_db, place, backup.DAILY, stop=stop)
    assert backup_plan.listing(place) == ()


def _sleeper(folder: Path) -> str:
    """In the place of Python: a program that does nothing for long."""
    program = folder / "sleeper"
    program.write_text("#!/bin/sh\nexec sleep 60\n", encoding="ascii")
    program.chmod(0o700)
    return str(program)


def test_a_reason_is_told_and_a_fault_is_not(
    sqlite_db: Database, sqlite_world: World, place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = replace(place, database_url=f"sqlite:///{tmp_path / 'gone.sqlite3'}")
    with pytest.raises(Refusal, match="数据目录里没有数据库"):
        backup_plan.by_hand(sqlite_db, sqlite_world.admin, lost)
    broken = tmp_path / "broken.sqlite3"
    broken.write_bytes(b"not a database" * 100)
    with pytest.raises(Refusal, match="文件已损坏"):
        backup_plan.by_hand(sqlite_db, sqlite_world.admin, replace(place, database_url=f"sqlite:///{broken}"))
    monkeypatch.setenv("LVCE_PORT", "tea")  # nobody has thought of this
    with pytest.raises(Refusal, match="异常结束") as refused:
        backup_plan.by_hand(sqlite_db, sqlite_world.admin, place)
    assert "Traceback" not in refused.value.message
    lines = sqlite_db.read(lambda s: s.exec(select(AuditLine).where(AuditLine.action == "backup")).all())
    assert [line.result for line in lines] == [AuditResult.REFUSED] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="root and permissions of a POSIX system")
def test_a_folder_that_cannot_be_written_is_said_without_its_path(
    sqlite_db: Database, sqlite_world: World, place: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Refusal, match="路径中有一段不是目录") as refused:
        backup_plan.by_hand(sqlite_db, sqlite_world.admin, replace(place, backup_dir=tmp_path / "file" / "below"))
    assert str(tmp_path) not in refused.value.message


# --- missed -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def warned(sqlite_db: Database, place: Settings) -> Iterator[None]:
    sqlite_db.write(begun, SPRING)
    yield


@pytest.mark.usefixtures("warned")
def test_what_is_missing_or_failed_is_said(sqlite_db: Database, place: Settings, sqlite_world: World) -> None:
    def said(at: datetime, settings: Settings = place) -> str:
        with clock.frozen(at):
            return sqlite_db.read(backup_plan.warning, settings)

    assert said(SPRING + timedelta(hours=35)) == ""
    assert "还没有备份过" in said(SPRING + timedelta(hours=37))
    made = backup_plan.by_hand(sqlite_db, sqlite_world.admin, place)
    assert said(SPRING + timedelta(hours=35)) == ""
    assert "2025年3月20日 10:00" in said(SPRING + timedelta(hours=37))
    sqlite_db.write(attempted, NIGHT, AuditResult.REFUSED)
    assert "磁盘空间不足" in said(NIGHT)
    shutil.rmtree(place.backups_dir / made.name)
    sqlite_db.write(backup_plan.set_plan, sqlite_world.admin, "", 3, place)
    assert "没有设置自动备份" in said(NIGHT)
    assert said(NIGHT, replace(place, demo=True)) == ""
