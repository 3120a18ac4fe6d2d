"""The application as it is served, in a process that tests may kill, starve and confuse (被折腾的程序)."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import sqlite3
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from services import clock
from services.db import Database
from tests.bench import load
from tests.bench.seed import seed_editors
from tests.wire import Message, WirePage

KEPT = ("PYTEST", "NICEGUI", "LVCE_")  # what a child must not inherit


@dataclass
class App:
    """``units`` of them, each with a filing and somebody signed in. ``start`` it again as often as you like."""

    place: Path
    units: int = 1
    port: int = field(default_factory=load.free_port)
    process: subprocess.Popen[bytes] | None = None
    paths: list[str] = field(default_factory=list)
    cookies: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.set_clock(clock.local(clock.now()).isoformat())
        self.paths, self.cookies = seed_editors(self.place / "data", self.units)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def file(self) -> Path:
        return self.place / "data" / "lvce.sqlite3"

    def start(self) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith(KEPT)} | {
            "LVCE_DATA_DIR": str(self.place / "data"),
            "LVCE_PORT": str(self.port),
            "LVCE_DEMO": "0",
            "LVCE_CLOCK_FILE": str(self.place / "clock"),
        }
        with (self.place / "server.log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "main.py"], cwd=load.ROOT, env=env, stdout=log, stderr=log)
        deadline = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"{self.base}/healthz", timeout=5):
                    return
            except OSError:
                assert self.process.poll() is None, self.log()[-2000:]
                assert time.monotonic() < deadline, "the application did not start"
                time.sleep(0.05)

    def kill(self) -> None:
        """``kill -9``."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def limit_files(self, size: int) -> None:
        """No file may grow beyond ``size`` bytes from now on, as on a full disk; -1: as long as it likes."""
        assert self.process is not None
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def set_clock(self, moment: str) -> None:
        (self.place / "clock").write_text(moment)

    def text(self, unit: int, address: str) -> str:
        """What the database has in a cell."""
        name, _, slot = address.partition(":")
        connection = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=30)
        try:
            query = "SELECT text FROM cell WHERE filing_id=? AND field=? AND slot=?"
            found = connection.execute(query, (self.paths[unit].rsplit("/", 1)[1], name, slot)).fetchone()
        finally:
            connection.close()
        return str(found[0]) if found else ""

    def log(self) -> str:
        return (self.place / "server.log").read_text(encoding="utf-8", errors="replace")

    def database(self) -> Database:
        """For the checks, once the application has been stopped or killed."""
        return Database(f"sqlite:///{self.file}")


@dataclass
class Answer:
    """What the sheet was told: ``why`` it was not saved; "" if it was."""

    saved: bool
    why: str = ""


class Sheet:
    """The sheet of one unit over the wire."""

    def __init__(self, app: App, http: aiohttp.ClientSession, unit: int = 0, cookies: dict[str, str] | None = None):
        self.app, self.unit, self.seq = app, unit, 0
        self.page = WirePage(http, app.base)
        self.page.cookies = cookies or app.cookies[unit]

    async def __aenter__(self) -> Self:
        await self.page.open(self.app.paths[self.unit])
        self.element = self.page.find(lambda e: "form_sheet" in f"{e.get('tag')}{e.get('component')}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.page.close()

    async def type(self, address: str, text: str, before: str | None = None) -> Answer:
        """Write a cell and wait for what the server says of it; raises ConnectionError if it says nothing any more."""
        self.seq += 1
        said = self.page.wait_for(self._answers)
        change = {"a": address, "t": text, "b": self.app.text(self.unit, address) if before is None else before}
        event = {"seq": self.seq, "source": "typed", "changes": [change | {"c": False}]}
        await self.page.emit(self.element, "cells", event)
        gone = asyncio.ensure_future(self.page.closed.wait())
        try:
            await asyncio.wait((said, gone), timeout=60, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if not said.done():
            raise ConnectionResetError("the server says nothing any more")
        patch = _patch(said.result())
        if patch.get("nack") == self.seq:
            return Answer(False, patch["why"])
        answered = patch["refused"].get(address) or "、".join(patch["conflicts"].get(address, ()))
        return Answer(not answered, answered)

    def _answers(self, message: Message) -> bool:
        return message[0] == "run_javascript" and self.seq in (
            (patch := _patch(message[1])).get("ack"),
            patch.get("nack"),
        )


def _patch(payload: Any) -> dict[str, Any]:
    """The patch that a message hands to the sheet; empty if it does something else."""
    found = re.fullmatch(r'return runMethod\(\d+, "patch", (\[.*\])\)', payload["code"], re.DOTALL)
    return dict(json.loads(found[1])[0]) if found else {}
