"""Every use case with a failure at any of its calls (逐点注入故障): all or nothing, said in words, and the same call works afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel

from services import audit, clock, events
from services.accounts import passwords
from services.db import Database
from services.documents import scan
from services.errors import Refusal, Unavailable
from tests.conftest import SPRING, World, build_world
from tests.faults import faulty, sound, use_cases, worker
from tests.faults.faulty import Calls, Kind
from tests.faults.scenes import ELSEWHERE, READS, SCENES, Deed

IN_BACKGROUND = ("filings.batches.start",)  # goes on in a thread of its own, which writes too


def test_every_use_case_has_its_scene() -> None:
    """Whatever a page hands to the database is tried here, or known to read only."""
    played = {name.split("#")[0] for name in SCENES}
    assert use_cases.found() - played - READS - ELSEWHERE == set(), "write a scene in tests/faults/scenes.py"
    assert (played | READS | ELSEWHERE) - use_cases.found() == set(), "these are gone"
    assert played & READS == set()


@dataclass
class Stage:
    """Where scenes are played: a small world, copied for every attempt."""

    folder: Path
    world: World

    def prepare(self, name: str) -> Deed:
        """The scene's beginning, in ``prepared``; returns its call."""
        db = self.open("prepared")
        try:
            return SCENES[name](db, self.world)
        finally:
            db.close()

    def open(self, name: str) -> Database:
        return Database(f"sqlite:///{self.folder / name / 'test.sqlite3'}")

    def fresh(self) -> Database:
        """The scene's beginning once more."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        shutil.copytree(self.folder / "prepared", self.folder / "data")
        return self.open("data")


@pytest.fixture(scope="module")
def small_world(sqlite_original: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    place = tmp_path_factory.mktemp("empty")
    shutil.copy(sqlite_original, place / "test.sqlite3")
    db = Database(f"sqlite:///{place / 'test.sqlite3'}")
    with clock.frozen(SPRING):
        world = db.write(build_world)
        db.write(audit.record, None, "create_admin", "user", world.admin.user_id)
    db.close()
    return place, world


@pytest.fixture
def stage(
    small_world: tuple[Path, World], tmp_path: Path, spring: object, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    place, world = small_world
    shutil.copytree(place, tmp_path / "prepared")
    (tmp_path / "prepared" / "files").mkdir()
    monkeypatch.setenv("LVCE_DATA_DIR", str(tmp_path / "prepared"))
    monkeypatch.setattr(passwords, "hashed", lambda password: f"kept:{password}")
    monkeypatch.setattr(passwords, "matches", lambda password, known: known == f"kept:{password}")
    monkeypatch.setattr(scan, "inspect", lambda content, name="": (scan.PDF, 1))
    monkeypatch.setattr(scan, "read", lambda content, name="": worker.UNREAD)
    yield Stage(tmp_path, world)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SCENES))
def test_a_use_case_that_fails_anywhere_did_nothing_and_can_be_repeated(
    name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch, long: bool
) -> None:
    deed = stage.prepare(name)
    monkeypatch.setenv("LVCE_DATA_DIR", str(stage.folder / "data"))
    db = stage.fresh()
    deed(db)  # what is read once in a process has been read
    db.close()
    db, good = stage.fresh(), Calls()
    with faulty.counting(db, stage.folder / "data" / "files", good):
        deed(db)
    expected = counts(db)
    sound.check(db)
    db.close()
    assert "COMMIT" in good.names
    for k, kind in chosen(good.names, long=long):
        attempt(
            stage,
            deed,
            Calls(k, kind),
            expected,
            one_step=good.names.count("COMMIT") == 1 and name not in IN_BACKGROUND,
        )


def chosen(names: list[str], *, long: bool) -> Iterator[tuple[int, Kind]]:
    """Which calls fail, and how: all of them in every way, or a spread of them."""
    last = len(names) - 1 - names[::-1].index("COMMIT")
    if long:
        yield from ((k, kind) for k in range(len(names)) for kind in (Kind.BROKEN, Kind.FAULT))
        yield from ((k, Kind.SILENT) for k, call in enumerate(names) if call in ("COMMIT", *faulty.FILE_CALLS))
        return
    files = [k for k, call in enumerate(names) if call in ("rename", "fsync")]
    yield len(names) * 2 // 3, Kind.FAULT if len(names) % 2 else Kind.BROKEN
    yield last, Kind.SILENT if files or len(names) % 3 else Kind.BROKEN
    yield from ((k, Kind.BROKEN) for k in files)


def attempt(stage: Stage, deed: Deed, calls: Calls, expected: dict[str, int], *, one_step: bool) -> None:
    """Play the scene with one call failing, look at what is left, and play it again."""
    db = stage.fresh()
    folder = stage.folder / "data" / "files"
    told: list[events.Event] = []
    stop = events.subscribe(told.append)
    try:
        before, names = rows(db), db.read(sound.stored_names)
        error = None
        with faulty.counting(db, folder, calls):
            try:
                deed(db)
            except Exception as raised:
                error = raised
        where = f"call {calls.failing} ({calls.failed}, {calls.kind.value}) of {calls.names}: {error!r}"
        assert calls.failed, where
        if calls.kind is not Kind.FAULT and error is not None:
            assert isinstance(error, Unavailable), where
        done = rows(db) != before
        if one_step and calls.failed != "COMMIT":
            assert done is (error is None), where
        if one_step and not done:
            assert told == [], where
            assert sound.strays(folder, db.read(sound.stored_names)) == sound.strays(folder, names), where
        sound.check(db)
        try:
            deed(db)
        except Refusal as refusal:  # it had been done, and that is what is said
            assert done and not isinstance(refusal, Unavailable), where
        if one_step and not done:
            assert counts(db) == expected, where
        sound.check(db)
    finally:
        stop()
        db.close()


def rows(db: Database) -> dict[str, list[Any]]:
    """Every row of every table."""
    with db._reader.connect() as connection:
        return {
            name: [tuple(row) for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')]  # noqa: S608
            for name in SQLModel.metadata.tables
        }


def counts(db: Database) -> dict[str, int]:
    return {name: len(found) for name, found in rows(db).items()}
