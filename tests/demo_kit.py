"""One seeded demo for all tests that look at it or copy it (演示数据). Its fixtures are in ``conftest``."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import main
from tests.bench import load

LETTERS = str.maketrans("0123456789abcdef", "GHIJKLMNOPABCDEF")
CANARIES = tuple(
    f"FIGURE-{n:02d}-{hashlib.sha256(bytes([n])).hexdigest()[:6].translate(LETTERS)}" for n in range(1, 61)
)


@contextmanager
def at_home(place: Path, **more: str) -> Iterator[None]:
    """The environment of a data directory, and nothing else of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LVCE_")}
    with mock.patch.dict(os.environ, {**kept, "LVCE_DATA_DIR": str(place), **more}, clear=True):
        yield


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory filled by ``main.py seed-demo``, with canaries; accounts.json lies beside it. Look, do not touch."""
    place = tmp_path_factory.mktemp("demo")
    (place / "canaries.txt").write_text("\n".join(CANARIES), encoding="utf-8")
    with at_home(place / "data"):
        code = main.main(
            ["seed-demo", "--seed", "7", "--out", str(place / "accounts.json"), "--canary", str(place / "canaries.txt")]
        )
    assert code == 0
    return place / "data"


@dataclass(frozen=True)
class House:
    """The demo as it is served, its accounts by user name, and what its database says."""

    base: str
    database: Path
    accounts: dict[str, dict[str, str]]

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(question, values).fetchall()


@contextmanager
def serving(place: Path, accounts: Path) -> Iterator[House]:
    """Serve this copy of the demo; ``accounts`` is what ``seed-demo`` said of it."""
    port = load.free_port()
    said = {"LVCE_DATA_DIR": str(place), "LVCE_PORT": str(port), "NICEGUI_STORAGE_PATH": str(place.parent / "nicegui")}
    listed = json.loads(accounts.read_text(encoding="utf-8"))
    with load.server([sys.executable, "main.py"], port, said):
        yield House(f"http://127.0.0.1:{port}", place / "lvce.sqlite3", {row["username"]: row for row in listed})


@pytest.fixture
def demo_copy(demo_home: Path, tmp_path: Path) -> Path:
    """A copy of it to play with."""
    return Path(shutil.copytree(demo_home, tmp_path / "data"))
