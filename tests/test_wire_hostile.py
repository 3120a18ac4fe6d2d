"""Every listener of every page hears what no browser sends (恶意参数): no fault, no word of the inside, nothing written.

What is pressed by a click is left to the tests of each page: a button does not look at what comes with the click.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator

import aiohttp
import pytest

from tests.wire import WirePage
from tests.wire_kit import Served, signed_in
from tests.wire_kit import http as http
from tests.wire_kit import served as served

HOSTILE = (
    float("nan"),
    -(10**40),
    "\ud800\x00" * 20_000,
    [[[[[None]]]]],
    [],
    {},
    {"id": 10**25, "word": ["删除"]},
    {"ids": ["a", None, {}], "page": -5, "rowsPerPage": 10**9, "sortBy": "id; DROP TABLE cell"},
    {"seq": [1], "source": {}, "changes": [{"a": None, "t": {"x": 1}, "b": float("nan"), "c": "x"}]},
    {"value": -1, "label": {"__proto__": 1}},
)
OF_A_UNIT = ("SHEET", "/filings/green_factory", "/profile", "/password", "/security", "/help")
OF_THE_ADMINISTRATOR = (
    "/users",
    "/organisations",
    "/roster",
    "/roster-import",
    "/settings",
    "/policy",
    "/audit",
    "/permissions",
    "/upkeep",
    "/deleted",
)
MOVING = ("audit_", "sign_in", "delay", "known_device", "app_user", "sqlite_")  # a sign-in writes there by itself


def contents(served: Served) -> dict[str, str]:
    """A digest of every table that holds what people entered."""

    def rows(table: str) -> Iterator[str]:
        yield from map(repr, served._asked(f'SELECT * FROM "{table}" ORDER BY 1'))  # noqa: S608 - its own tables

    tables = [row[0] for row in served._asked("SELECT name FROM sqlite_master WHERE type = 'table'")]
    kept = [name for name in tables if not name.startswith(MOVING)]
    assert "cell" in kept
    return {name: hashlib.sha256("\n".join(rows(name)).encode()).hexdigest() for name in kept}


@pytest.mark.parametrize(
    ("username", "paths"), [("", ("/register",)), ("u0", OF_A_UNIT), ("boss", OF_THE_ADMINISTRATOR)]
)
async def test_what_no_browser_sends_is_no_fault_and_writes_nothing(
    served: Served, http: aiohttp.ClientSession, username: str, paths: tuple[str, ...]
) -> None:
    before, said, heard = contents(served), [], 0
    cookies = {"lvce_session": await signed_in(http, served, username)} if username else {}
    for path in paths:
        page = await opened(http, served, path, cookies)
        asked = [
            (key, event["type"])
            for key, element in page.elements.items()
            for event in element.get("events", ())
            if event["type"] != "click"
        ]
        for key, kind in asked:
            for argument in HOSTILE:
                if page.closed.is_set():  # cut off, as it should be
                    said += page.received
                    await page.close()
                    page = await opened(http, served, path, cookies)
                try:
                    await page.emit(key, kind, argument)
                except (ConnectionResetError, aiohttp.ClientConnectionError):
                    await asyncio.wait_for(page.closed.wait(), 5)
                heard += 1
        said += page.received
        await page.close()
    async with http.get(f"{served.base}/healthz") as answer:
        assert answer.status == 200
    words = json.dumps(said, ensure_ascii=False, default=str)
    for inside in ("没有预料", "Traceback", "Error:", "SELECT "):
        assert inside not in words
    log = (served.database.parent / "logs" / "lvce.log").read_text(encoding="utf-8")
    assert [line for line in log.splitlines() if " ERROR " in line or "Traceback" in line] == []
    assert contents(served) == before
    assert heard > 10 * len(paths)


async def opened(http: aiohttp.ClientSession, served: Served, path: str, cookies: dict[str, str]) -> WirePage:
    page = WirePage(http, served.base)
    page.cookies = dict(cookies)
    return await page.open(path.replace("SHEET", served.paths[0]))
