"""The application as it is served, in a process of its own, and what tests that speak past the browser do to it."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlmodel import Session, select

from models import Organisation, User
from models.enums import OrgKind, Role
from services import clock
from services.accounts import passwords
from services.db import Database
from tests.bench import load
from tests.bench.seed import seed_editors
from tests.wire import Message, WirePage

PASSWORD = "Spring-2025-lvce"
CELL = ("gross_output", "2024")


@dataclass(frozen=True)
class Served:
    """The application in a process of its own, with two units, each with a filing and somebody signed in."""

    base: str
    database: Path
    paths: list[str]
    cookies: list[dict[str, str]]

    def cell(self, number: int) -> str:
        """What unit ``number`` has in the cell the tests write to."""
        filing_id = self.paths[number].rsplit("/", 1)[1]
        found = self._asked("SELECT text FROM cell WHERE filing_id=? AND field=? AND slot=?", filing_id, *CELL)
        return str(found[0][0]) if found else ""

    def addresses(self) -> list[str]:
        """From where, by the log, people signed in or failed to."""
        return [row[0] for row in self._asked("SELECT address FROM audit_line WHERE action='sign_in' ORDER BY id")]

    def _asked(self, question: str, *values: str) -> list[Any]:
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            return connection.execute(question, values).fetchall()
        finally:
            connection.close()


def serve(place: Path, command: Sequence[str] = ("main.py",), **env: str) -> Iterator[Served]:
    """``command``: what Python is to run."""
    port = load.free_port()
    paths, cookies = seed_editors(place / "data", 2)
    database = Database(f"sqlite:///{place / 'data' / 'lvce.sqlite3'}")
    database.write(give_passwords)
    database.close()
    said = {
        "LVCE_DATA_DIR": str(place / "data"),
        "LVCE_PORT": str(port),
        "LVCE_DEMO": "0",
        "NICEGUI_STORAGE_PATH": str(place / "nicegui"),
        **env,
    }
    with load.server([sys.executable, *command], port, said):
        yield Served(f"http://127.0.0.1:{port}", place / "data" / "lvce.sqlite3", paths, cookies)


def give_passwords(s: Session) -> None:
    """Everybody gets the same, and there is an administrator."""
    place = Organisation(kind=OrgKind.OPERATOR, name="系统运行维护", created_at=clock.now())
    s.add(place)
    s.flush()
    boss = User(username="boss", password_hash="-", name="管理员", role=Role.ADMIN, organisation_id=place.id or 0)
    boss.created_at = clock.now()
    s.add(boss)
    hashed = passwords.hashed(PASSWORD)
    for user in s.exec(select(User)):
        user.password_hash = hashed
        s.add(user)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"))


BEHIND_A_PROXY = {
    "LVCE_TRUSTED_PROXY": "127.0.0.1",
    "LVCE_PUBLIC_URL": "https://lvce.example.gov.cn",
    "LVCE_ALLOWED_HOSTS": "inner.example",
}


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same behind a proxy it trusts."""
    yield from serve(tmp_path_factory.mktemp("behind"), **BEHIND_A_PROXY)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as found:
        yield found


def page_of(http: aiohttp.ClientSession, served: Served, number: int) -> WirePage:
    page = WirePage(http, served.base)
    page.cookies = dict(served.cookies[number])
    return page


def sheet_of(page: WirePage) -> str:
    return page.find(lambda e: "form_sheet" in f"{e.get('tag')}{e.get('component')}")


turns = itertools.count(1)


def edit(text: str, before: str, seq: int) -> dict[str, Any]:
    change = {"a": ":".join(CELL), "t": text, "b": before, "c": False}
    return {"seq": seq, "source": "typed", "changes": [change]}


def acknowledged(seq: int) -> Callable[[Message], bool]:
    return lambda message: message[0] == "run_javascript" and f'"ack":{seq},' in message[1]["code"].replace(" ", "")


def headers_of(served: Served, number: int | None, **more: str) -> dict[str, str]:
    cookie = {} if number is None else {"Cookie": f"lvce_session={served.cookies[number]['lvce_session']}"}
    return {"Origin": served.base, **cookie, **more}


async def write(served: Served, number: int, page: WirePage, text: str) -> None:
    """Write the cell from its own page and wait for the acknowledgement."""
    seq = next(turns)
    answer = page.wait_for(acknowledged(seq))
    await page.emit(sheet_of(page), "cells", edit(text, served.cell(number), seq))
    await asyncio.wait_for(answer, 10)


async def settled(served: Served, number: int, page: WirePage) -> None:
    """Whatever this page sent before has been handled: its socket has answered what was sent after it."""
    await write(served, number, page, served.cell(number) + "1")


async def signed_in(http: aiohttp.ClientSession, served: Served, username: str = "u1", **more: str) -> str:
    """A sign-in of its own, through the form."""
    form = {"username": username, "password": PASSWORD}
    said = {"Origin": served.base, **more}
    async with http.post(f"{served.base}/auth/login", data=form, headers=said, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
        return answer.cookies["lvce_session"].value


async def typed(page: WirePage, key: str, value: object) -> None:
    await page.emit(key, update_of(page.elements[key]), value)


def update_of(element: dict[str, Any]) -> str:
    """The event by which a field tells its value, "" if it tells none."""
    return next(
        (str(e["type"]) for e in element.get("events", ()) if e["type"] in ("update:value", "update:modelValue")), ""
    )


def told_to_leave(message: Message) -> bool:
    return message[0] == "open" and str(message[1]["path"]).startswith("/login")


FORWARDED = {
    "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/elsewhere",
}
