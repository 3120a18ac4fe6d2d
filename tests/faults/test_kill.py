"""``kill -9`` in the middle of the work of several people (进程被杀): nothing that was answered is lost, nothing is half done."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from models import Cell, Filing, FilingVersion, StoredFile
from models.enums import FilingStatus
from services import audit
from services.db import Database
from tests.conftest import World
from tests.faults import sound, worker
from tests.faults.worker import Said

LATEST = 0.7  # seconds after the first word of a life in which it is killed
UNKNOWN = object()


@dataclass
class Book:
    """What was answered, each fact with the values it may have: one, or two where the second was begun and not answered."""

    facts: dict[Hashable, set[Any]] = field(default_factory=dict)
    receipts: set[str] = field(default_factory=set)
    answers: int = 0

    def take(self, lives: list[Said]) -> None:
        """The lines of one life, in order."""
        for said in lives:
            self.answers += said.answered
            if receipt := said.facts.get("receipt"):
                self.receipts.add(receipt)
            for key, value in _meant(said):
                self.facts[key] = {value} if said.answered else self.facts.get(key, {UNKNOWN}) | {value}

    def lost(self, s: Session) -> list[str]:
        """What was answered and is not so. What was merely begun is from now on what is found."""
        wrong = []
        for key, values in self.facts.items():
            found = _found(s, key)
            if found not in values and UNKNOWN not in values:
                wrong.append(f"{key} is {found!r}, answered {values}")
            self.facts[key] = {found}
        missing = self.receipts - set(s.exec(select(FilingVersion.receipt_number)))
        return wrong + [f"receipt {number} has no version" for number in missing]


def _meant(said: Said) -> Iterator[tuple[Hashable, Any]]:
    """The facts that a deed makes true: (what, which) → value."""
    facts = said.facts
    if said.deed == "type":
        for address, text in facts["texts"].items():
            yield ("cell", facts["filing"], address), text
    elif said.deed in ("attach", "remove") and "file" in facts:
        yield ("file is there", facts["file"]), said.deed == "attach"
    elif said.deed in ("open", "delete") and "filing" in facts:
        yield ("filing is there", facts["filing"]), said.deed == "open"
    elif "to" in facts:
        yield ("status", facts["filing"]), FilingStatus(facts["to"])


def _found(s: Session, key: Any) -> Any:
    match key:
        case ("cell", filing, address):
            name, _, slot = address.partition(":")
            return s.get_one(Cell, (filing, name, slot)).text
        case ("file is there", file):
            row = s.get(StoredFile, file)
            return row is not None and row.removed_at is None
        case ("filing is there", filing):
            row = s.get(Filing, filing)
            return row is not None and row.deleted_at is None
        case _:
            return s.get_one(Filing, key[1]).status


def one_life(url: str, data_dir: Path, world: World, seed: str) -> list[Said]:
    """Start a worker, let it work, kill it at a random moment; what it said."""
    spawner = multiprocessing.get_context("forkserver")
    spawner.set_forkserver_preload(["tests.faults.worker"])
    ours, theirs = spawner.Pipe(duplex=False)
    process = spawner.Process(target=worker.live, args=(url, str(data_dir), world, seed, theirs))
    process.start()
    theirs.close()
    said: list[Said] = []
    with ours:
        try:
            assert ours.poll(60), "the worker does nothing"
            said.append(ours.recv())
            end = time.monotonic() + random.Random(seed).uniform(0, LATEST)
            with contextlib.suppress(EOFError):
                while (left := end - time.monotonic()) > 0:
                    if ours.poll(left):
                        said.append(ours.recv())
        finally:
            process.kill()
            process.join()
        with contextlib.suppress(EOFError):
            while True:
                said.append(ours.recv())
    return said


@pytest.mark.slow
def test_nothing_answered_is_lost_and_nothing_is_half_done_when_a_process_is_killed(
    db: Database, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: bool
) -> None:
    monkeypatch.setenv("LVCE_DATA_DIR", str(tmp_path / "data"))
    db.write(audit.record, None, "create_admin", "user", world.admin.user_id)
    book = Book()
    deeds: dict[str, int] = {}
    least = (200 if long else 8) if db.is_sqlite else (40 if long else 2)
    lives = 0
    while lives < least or not deeds.get("type") or not deeds.get("attach"):  # a busy machine gets as far in more lives
        lives += 1
        assert lives <= least + 40, deeds
        said = one_life(db.url, tmp_path / "data", world, f"life {lives}")
        assert [line.facts["why"] for line in said if line.deed == "gave up"] == []
        for line in said:
            deeds[line.deed] = deeds.get(line.deed, 0) + line.answered
        book.take(said)
        assert db.read(book.lost) == []
        sound.check(db)
    print(f"killed {lives} times: {book.answers} answers, {deeds}")
