"""What strangers and ended sign-ins try over the wire (登录与会话): cookies, guesses, revocation, idleness, forged events, faults.

As in ``test_wire_guard``, each test speaks to a real server process and would see its attack succeed without the guard.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.wire import WirePage
from tests.wire_kit import (
    CELL,
    PASSWORD,
    Served,
    edit,
    headers_of,
    page_of,
    serve,
    settled,
    sheet_of,
    signed_in,
    told_to_leave,
    turns,
    typed,
    update_of,
    write,
)
from tests.wire_kit import behind as behind
from tests.wire_kit import http as http
from tests.wire_kit import served as served
from ui import wire

NEW = "Yuexiu-2025-gz"
SECURE = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7", "Origin": "https://lvce.example.gov.cn"}


async def open_as(http: aiohttp.ClientSession, served: Served, username: str, path: str) -> WirePage:
    """A page of somebody who has just signed in by the form."""
    page = WirePage(http, served.base)
    page.cookies = {"lvce_session": await signed_in(http, served, username)}
    return await page.open(path)


def with_label(page: WirePage, caption: str) -> list[str]:
    """The ids of the buttons with this caption, the oldest first."""
    found = [key for key, e in page.elements.items() if e.get("tag") == "q-btn" and _caption(e) == caption]
    return sorted(found, key=int)


def _caption(element: dict[str, Any]) -> str:
    return str(element.get("props", {}).get("label") or element.get("text") or "")


async def shows(page: WirePage, test: Callable[[], Any]) -> Any:
    """Wait until the page shows something; what the test returned."""
    while not (found := test()):
        await asyncio.wait_for(page.wait_for(lambda m: m[0] == "update"), 60)
    return found


async def press(page: WirePage, caption: str) -> None:
    """The newest button with this caption."""
    keys = await shows(page, lambda: with_label(page, caption))
    await page.emit(keys[-1], "click", {})


async def choose(page: WirePage, name: str, word: str) -> None:
    """An action of the row of this user in the list of users."""

    def find() -> list[tuple[str, int]]:
        tables = [(key, e["props"]["rowsJson"]) for key, e in page.elements.items() if "rowsJson" in e.get("props", {})]
        return [(key, row["id"]) for key, text in tables for row in json.loads(text) if row.get("username") == name]

    ((table, user_id), *_) = await shows(page, find)
    await page.emit(table, "act", {"id": user_id, "word": word})


# --- cookies ----------------------------------------------------------------------------------------------------------


async def test_signing_in_gives_a_new_token_whatever_the_browser_brought(
    served: Served, http: aiohttp.ClientSession
) -> None:
    planted = "planted-by-somebody-else-0123456789abcdefghi"
    first = await signed_in(http, served, "u1", Cookie=f"lvce_session={planted}")
    second = await signed_in(http, served, "u1", Cookie=f"lvce_session={first}")
    assert len({planted, first, second}) == 3
    for token, status in ((planted, 303), (first, 303), (second, 200)):
        said = {"Cookie": f"lvce_session={token}"}
        async with http.get(f"{served.base}/help", headers=said, allow_redirects=False) as answer:
            assert answer.status == status


async def test_under_tls_the_cookies_are_the_hosts_alone(behind: Served, http: aiohttp.ClientSession) -> None:
    form = {"username": "u0", "password": PASSWORD}
    async with http.post(f"{behind.base}/auth/login", data=form, headers=SECURE, allow_redirects=False) as answer:
        given = answer.headers.getall("Set-Cookie")
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    for name, line in zip(("__Host-lvce_session", "__Host-lvce_device"), given, strict=True):
        assert line.startswith(f"{name}=")
        parts = {part.strip().lower() for part in line.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= parts
        assert not any(part.startswith("domain") for part in parts)
    token = given[0].split("=", 1)[1].split(";")[0]
    for name, status in (("__Host-lvce_session", 200), ("lvce_session", 303)):  # a sub-domain could have set the second
        said = SECURE | {"Cookie": f"{name}={token}"}
        async with http.get(f"{behind.base}/help", headers=said, allow_redirects=False) as answer:
            assert answer.status == status
    async with http.post(
        f"{behind.base}/auth/logout",
        headers=SECURE | {"Cookie": f"__Host-lvce_session={token}"},
        allow_redirects=False,
    ) as answer:
        gone = answer.headers["Set-Cookie"].lower()
    assert gone.startswith('__host-lvce_session="";')
    assert "secure" in gone


async def test_a_page_under_tls_opens_its_socket_with_that_cookie(
    behind: Served, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(http, behind, 0)
    for name, opens in (("__Host-lvce_session", True), ("lvce_session", False)):
        cookie = {"Cookie": f"__Host-lvce_session={behind.cookies[0]['lvce_session']}"}
        monkeypatch.setattr(page, "_headers", lambda said=cookie: SECURE | said)
        await page.fetch(behind.paths[0])
        cookie = {"Cookie": f"{name}={behind.cookies[0]['lvce_session']}"}
        monkeypatch.setattr(page, "_headers", lambda said=cookie: SECURE | said)
        if opens:
            await page.connect()
            await write(behind, 0, page, "24000")
        else:
            with pytest.raises(ConnectionRefusedError):
                await page.connect()
        await page.close()


async def test_who_comes_from_elsewhere_without_tls_is_sent_to_the_encrypted_address(
    behind: Served, http: aiohttp.ClientSession
) -> None:
    said = {"X-Forwarded-For": "203.0.113.9"}
    form = {"username": "u0", "password": PASSWORD}
    async with http.post(f"{behind.base}/auth/login", data=form, headers=said, allow_redirects=False) as answer:
        assert answer.status == 403
        assert "https://lvce.example.gov.cn" in await answer.text()
        assert "Set-Cookie" not in answer.headers


async def test_a_page_of_somebody_who_is_not_signed_in_is_its_browsers_as_well(
    served: Served, http: aiohttp.ClientSession
) -> None:
    page = WirePage(http, served.base)
    await page.fetch("/register")
    (mark,) = page.cookies.values()
    for stranger in ({}, {"lvce_device": "x" * 43}, dict(served.cookies[0])):
        page.cookies = stranger
        with pytest.raises(ConnectionRefusedError):
            await page.connect()
        await page.close()
    page.cookies = {"lvce_device": mark}
    await page.connect()
    await page.close()


# --- guessing ---------------------------------------------------------------------------------------------------------


async def guess(http: aiohttp.ClientSession, behind: Served, address: str, **form: str) -> tuple[int, str]:
    said = SECURE | {"X-Forwarded-For": address}
    url = f"{behind.base}/auth/login"
    async with http.post(url, data=form, headers=said, allow_redirects=False) as answer:
        text = await answer.text()
        return answer.status, re.sub(r'nonce="[^"]*"|value="[^"]*"|\d+ 秒', "", text)


async def test_a_guesser_reads_the_same_of_every_name_and_waits_while_the_victim_signs_in(
    behind: Served, http: aiohttp.ClientSession
) -> None:
    answers = {
        name: [await guess(http, behind, "203.0.113.20", username=name, password="Wrong-2025-pw") for _ in range(6)]
        for name in ("u1", "nobody-here")
    }
    assert answers["u1"] == answers["nobody-here"]
    assert [status for status, _ in answers["u1"]] == [401] * 5 + [429]
    assert (await guess(http, behind, "203.0.113.20", username="u1", password=PASSWORD))[0] == 429
    assert (await guess(http, behind, "203.0.113.21", username="u1", password=PASSWORD))[0] == 303


async def test_a_hundred_guesses_at_once_are_five(behind: Served, http: aiohttp.ClientSession) -> None:
    found = await asyncio.gather(
        *(guess(http, behind, "203.0.113.30", username="u1", password=f"Wrong-{n}-pw") for n in range(100))
    )
    assert sorted({status for status, _ in found}) == [401, 429]
    assert sum(status == 401 for status, _ in found) == 5


async def test_guessing_a_reset_code_waits_as_well(behind: Served, http: aiohttp.ClientSession) -> None:
    said = SECURE | {"X-Forwarded-For": "203.0.113.40"}
    form = {"username": "u1", "code": "AAAA-BBBB-CCCC-DDDD", "new": NEW, "repeated": NEW}
    found = []
    for _ in range(6):
        async with http.post(f"{behind.base}/auth/reset", data=form, headers=said, allow_redirects=False) as answer:
            found.append(answer.status)
    assert found == [401] * 5 + [429]


@pytest.mark.parametrize("path", ["/auth/reset", "/auth/code", "/auth/active", "/auth/renew"])
async def test_a_form_of_another_site_is_refused(served: Served, http: aiohttp.ClientSession, path: str) -> None:
    said = headers_of(served, 0, Origin="https://evil.example")
    async with http.post(served.base + path, data={"a": "b"}, headers=said, allow_redirects=False) as answer:
        assert answer.status == 403


# --- revoked ----------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def victim_and_boss(
    http: aiohttp.ClientSession, served: Served
) -> AsyncIterator[tuple[WirePage, WirePage, asyncio.Future[Any]]]:
    """An open sheet of u1, and the administrator before the list of users."""
    async with (
        await open_as(http, served, "u1", served.paths[1]) as victim,
        await open_as(http, served, "boss", "/users") as boss,
    ):
        await write(served, 1, victim, "25000")
        yield victim, boss, victim.wait_for(told_to_leave)


async def heard_no_more(served: Served, victim: WirePage, leaving: asyncio.Future[Any]) -> str:
    """Told to leave within a second, cut off soon after, and not heard meanwhile; where it was sent."""
    place = await asyncio.wait_for(leaving, 1)
    before = served.cell(1)
    await victim.emit(sheet_of(victim), "cells", edit("66666", before, next(turns)))
    await asyncio.wait_for(victim.closed.wait(), 1.5)
    assert served.cell(1) == before
    url = f"{served.base}/download/energy-limit-standards"
    async with victim.http.get(url, headers=victim._headers(), allow_redirects=False) as answer:
        assert answer.status == 303
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        await victim.connect()
    return str(place["path"])


async def test_a_new_role_closes_the_open_pages_within_a_second(served: Served, http: aiohttp.ClientSession) -> None:
    async with victim_and_boss(http, served) as (victim, boss, leaving):
        await choose(boss, "u1", "role")
        await press(boss, "改角色")
        assert "ended=role_changed" in await heard_no_more(served, victim, leaving)


async def test_a_reset_password_closes_the_open_pages_within_a_second(
    served: Served, http: aiohttp.ClientSession
) -> None:
    async with victim_and_boss(http, served) as (victim, boss, leaving):
        await choose(boss, "u1", "reset")
        await press(boss, "生成重置码")
        pattern = re.compile(r"[2-9A-Z]{4}(-[2-9A-Z]{4}){3}")
        texts = lambda: [str(e.get("text", "")) for e in boss.elements.values()]  # noqa: E731
        (code,) = await shows(boss, lambda: [text for text in texts() if pattern.fullmatch(text)])
        assert not leaving.done()  # the old password holds until the code is used
        form = {"username": "u1", "code": code, "new": NEW, "repeated": NEW}
        said = {"Origin": served.base}
        async with http.post(f"{served.base}/auth/reset", data=form, headers=said, allow_redirects=False) as answer:
            assert answer.headers["location"] == "/login?ended=reset"
        assert "ended=password_reset" in await heard_no_more(served, victim, leaving)
        async with http.post(f"{served.base}/auth/reset", data=form, headers=said, allow_redirects=False) as answer:
            assert answer.status == 401
    _set_back(served)


async def test_disabling_closes_the_open_pages_within_a_second(served: Served, http: aiohttp.ClientSession) -> None:
    async with victim_and_boss(http, served) as (victim, boss, leaving):
        await choose(boss, "u1", "disable")
        await press(boss, "停用")
        assert "ended=disabled" in await heard_no_more(served, victim, leaving)
        form = {"username": "u1", "password": PASSWORD}
        said = {"Origin": served.base}
        async with http.post(f"{served.base}/auth/login", data=form, headers=said, allow_redirects=False) as answer:
            assert answer.status == 401
            assert "已停用" in await answer.text()
        await choose(boss, "u1", "enable")
        await shows(boss, lambda: "已启用" in str(boss.elements))


def _set_back(served: Served) -> None:
    """The password that the other tests know."""
    with contextlib.closing(sqlite3.connect(served.database, timeout=20)) as connection, connection:
        connection.execute(
            "UPDATE app_user SET password_hash = (SELECT password_hash FROM app_user WHERE username = 'u0') "
            "WHERE username = 'u1'"
        )


# --- idle -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("time") / "clock"


@pytest.fixture
def timed(clock_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same with a clock of ours."""
    clock_file.with_name("start").write_text(datetime.now(UTC).isoformat())
    set_clock(clock_file, 0)
    yield from serve(tmp_path_factory.mktemp("timed"), LVCE_CLOCK_FILE=str(clock_file))


def set_clock(file: Path, minutes: int) -> None:
    beside = file.with_suffix(".part")
    start = datetime.fromisoformat(file.with_name("start").read_text())
    beside.write_text((start + timedelta(minutes=minutes)).isoformat())
    beside.replace(file)


async def test_an_idle_page_is_covered_without_a_click_and_goes_on_after_signing_in_again(
    timed: Served, clock_file: Path, http: aiohttp.ClientSession
) -> None:
    async with (
        await page_of(http, timed, 0).open(timed.paths[0]) as page,
        await page_of(http, timed, 0).open("/help") as other,
    ):
        await write(timed, 0, page, "26000")
        set_clock(clock_file, 31)
        for covered in (page, other):
            await shows(covered, lambda covered=covered: "重新登录，继续当前页面" in str(covered.elements))
        refused = page.wait_for(lambda m: m[0] == "run_javascript" and '"nack"' in m[1]["code"])
        await page.emit(sheet_of(page), "cells", edit("26001", "26000", next(turns)))
        await asyncio.wait_for(refused, 10)
        assert timed.cell(0) == "26000"
        secret = next(key for key, e in page.elements.items() if e.get("props", {}).get("type") == "password")
        await typed(page, secret, "Wrong-2025-pw")
        await press(page, "登录")
        await shows(page, lambda: "用户名或密码不正确" in str(page.elements))
        fetched = page.wait_for(lambda m: m[0] == "run_javascript" and "/auth/renew" in m[1]["code"])
        await typed(page, secret, PASSWORD)
        await press(page, "登录")
        code = re.search(r"body: '([\w-]+)'", (await asyncio.wait_for(fetched, 10))["code"])
        assert code
        await write(timed, 0, page, "26001")  # the page goes on in its place
        said = {"Origin": timed.base}
        for status in (204, 403):  # once
            async with http.post(f"{timed.base}/auth/renew", data=code[1], headers=said) as answer:
                assert answer.status == status
                renewed = answer.cookies
        assert not other.closed.is_set()  # the end of the old sign-in was no end of the other page
        assert not any(told_to_leave(message) for message in other.received)
        old = headers_of(timed, 0)
        async with http.get(f"{timed.base}/help", headers=old, allow_redirects=False) as answer:
            assert answer.status == 303
        assert not renewed


async def test_typing_that_has_not_been_sent_keeps_the_sign_in(
    timed: Served, clock_file: Path, http: aiohttp.ClientSession
) -> None:
    for minutes in (25, 50, 75):
        set_clock(clock_file, minutes)
        async with http.post(f"{timed.base}/auth/active", headers=headers_of(timed, 0)) as answer:
            assert answer.status == 204
    async with http.get(f"{timed.base}/help", headers=headers_of(timed, 0), allow_redirects=False) as answer:
        assert answer.status == 200
    set_clock(clock_file, 106)
    async with http.post(f"{timed.base}/auth/active", headers=headers_of(timed, 0)):
        pass  # comes too late
    async with http.get(f"{timed.base}/help", headers=headers_of(timed, 0), allow_redirects=False) as answer:
        assert answer.status == 303


async def test_after_twelve_hours_a_page_is_covered_however_busy_it_is(
    timed: Served, clock_file: Path, http: aiohttp.ClientSession
) -> None:
    async with await page_of(http, timed, 0).open("/help") as page:
        for minutes in range(25, 12 * 60, 25):
            set_clock(clock_file, minutes)
            async with http.post(f"{timed.base}/auth/active", headers=headers_of(timed, 0)) as answer:
                assert answer.status == 204
        assert "重新登录，继续当前页面" not in str(page.elements)
        set_clock(clock_file, 12 * 60 + 1)
        await shows(page, lambda: "登录已满 12 小时" in str(page.elements))


# --- forged -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("feedstock_energy:2024", id="derived"),
        pytest.param("gross_output:1999", id="year"),
        pytest.param("no_such_field", id="unknown"),
        pytest.param("unit_name", id="locked"),
        pytest.param("'; DROP TABLE cell; --", id="hostile"),
    ],
)
async def test_a_cell_that_cannot_be_typed_in_is_not_written_by_a_forged_event(
    served: Served, http: aiohttp.ClientSession, address: str
) -> None:
    async with await page_of(http, served, 0).open(served.paths[0]) as page:
        before = cells(served, 0)
        change = {"a": address, "t": "66666", "b": "", "c": False}
        body = {"seq": next(turns), "source": "typed", "changes": [change]}
        await page.emit(sheet_of(page), "cells", body)
        await settled(served, 0, page)
        after = cells(served, 0)
    assert {key: text for key, text in after.items() if key != CELL} == {k: t for k, t in before.items() if k != CELL}
    assert "66666" not in after.values()


def cells(served: Served, number: int) -> dict[tuple[str, str], str]:
    filing_id = served.paths[number].rsplit("/", 1)[1]
    rows = served._asked("SELECT field, slot, text FROM cell WHERE filing_id=?", filing_id)
    return {(field, slot): text for field, slot, text in rows}


@pytest.mark.parametrize(
    "args",
    [
        {},
        [],
        "cells",
        None,
        7,
        {"seq": -1, "source": "typed", "changes": [{"a": "gross_output:2024", "t": "66666", "b": "", "c": False}]},
        {"seq": 1, "source": "import", "changes": [{"a": "gross_output:2024", "t": "66666", "b": "", "c": False}]},
        {"seq": 1, "source": "typed", "changes": [{"a": "gross_output:2024", "t": 66666, "b": "", "c": False}]},
        {"seq": 1, "source": "typed", "changes": [{"a": ["gross_output:2024"], "t": "66666", "b": "", "c": False}]},
        {"seq": 1, "source": "typed", "changes": [{"a": "gross_output:2024", "t": "6" * 30_000, "b": "", "c": False}]},
        {"seq": 1, "source": "typed", "changes": [{"a": "gross_output:2024", "t": "66666"}] * 5001},
    ],
)
async def test_a_grid_event_of_another_shape_does_nothing(
    served: Served, http: aiohttp.ClientSession, args: object
) -> None:
    async with await page_of(http, served, 0).open(served.paths[0]) as page:
        await page.emit(sheet_of(page), "cells", args)
        await settled(served, 0, page)
    assert not served.cell(0).startswith("666")


async def test_an_action_that_no_row_offers_does_nothing(served: Served, http: aiohttp.ClientSession) -> None:
    async with await open_as(http, served, "boss", "/users") as boss:
        await shows(boss, lambda: any("rowsJson" in e.get("props", {}) for e in boss.elements.values()))
        rows = next(e["props"]["rowsJson"] for e in boss.elements.values() if "rowsJson" in e.get("props", {}))
        own = next(row for row in json.loads(rows) if row["username"] == "boss")
        assert [action["word"] for action in own["actions"]] == []
        table = next(key for key, e in boss.elements.items() if "rowsJson" in e.get("props", {}))
        before = len(boss.received)
        for word in ("disable", "role", "__class__", ["disable"]):
            await boss.emit(table, "act", {"id": own["id"], "word": word})
        await choose(boss, "u1", "role")
        await shows(boss, lambda: with_label(boss, "改角色"))  # what came before has been heard
        assert not any("停用后" in str(message) for message in boss.received[before:])
    assert served._asked("SELECT enabled FROM app_user WHERE username = ?", "boss") == [(1,)]


async def test_a_role_that_was_not_offered_is_not_given(served: Served, http: aiohttp.ClientSession) -> None:
    async with await open_as(http, served, "boss", "/users") as boss:
        await choose(boss, "u1", "role")
        await shows(boss, lambda: with_label(boss, "改角色"))
        (select,) = [key for key, e in boss.elements.items() if e.get("props", {}).get("label") == "新角色"]
        before = role_of(served, "u1")
        for forged in (7, -1, "admin", {"value": 7, "label": "系统管理员"}, {"value": "admin"}):
            await boss.emit(select, update_of(boss.elements[select]), forged)
        await press(boss, "改角色")
        await shows(boss, lambda: role_of(served, "u1") != before)
    assert {before, role_of(served, "u1")} == {"signer", "filer"}


def role_of(served: Served, username: str) -> str:
    return str(served._asked("SELECT role FROM app_user WHERE username = ?", username)[0][0])


# --- faults -----------------------------------------------------------------------------------------------------------


async def test_a_fault_shows_a_number_and_nothing_of_the_inside(served: Served, http: aiohttp.ClientSession) -> None:
    with contextlib.closing(sqlite3.connect(served.database, timeout=20)) as connection:
        status = served._asked("SELECT status FROM filing WHERE id = 1")[0]
        with connection:
            connection.execute("UPDATE filing SET status = 'secret words' WHERE id = 1")
        try:
            async with http.get(f"{served.base}/filings/green_factory", headers=headers_of(served, 0)) as answer:
                text = await answer.text()
                assert answer.status == 500
                assert answer.headers["X-Frame-Options"] == "DENY"
        finally:
            with connection:
                connection.execute("UPDATE filing SET status = ? WHERE id = 1", status)
    assert re.search(r"问题编号 E-\d{8}-[2-9A-Z]{4}", text)
    for inside in ("secret words", "LookupError", "ValueError", "FilingStatus", "Traceback", "SELECT", ".py"):
        assert inside not in text


@pytest.mark.parametrize(
    "path", ["/nowhere", "/organisations/abc", "/filing/99999999999999999999", "/_nicegui/x", "/%00"]
)
async def test_what_does_not_exist_has_a_page_of_ours(served: Served, http: aiohttp.ClientSession, path: str) -> None:
    said = {"Cookie": f"lvce_session={await signed_in(http, served, 'boss')}"}
    async with http.get(served.base + path, headers=said) as answer:
        text = await answer.text()
    assert answer.status in (403, 404)
    for inside in ("Traceback", "Not Found", "ValidationError", "int_parsing", "nicegui/", ".py"):
        assert inside not in text


# --- floods -----------------------------------------------------------------------------------------------------------


async def test_a_socket_that_floods_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    class Line:
        pass

    line, slept, passed = Line(), [], []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def take(session: str, frame: str) -> None:
        passed.append(frame)

    monkeypatch.setattr(wire.sio.eio, "sockets", {"s": line})
    monkeypatch.setattr(wire.sio, "_handle_eio_message", take)
    monkeypatch.setattr(wire.asyncio, "sleep", sleep)
    for _ in range(wire.MOST_AT_ONCE):
        await wire._frame("s", "2[]")
    assert slept == []
    for _ in range(wire.FRAMES_A_SECOND):
        await wire._frame("s", "2[]")
    assert len(passed) == wire.MOST_AT_ONCE + wire.FRAMES_A_SECOND  # late, but nothing is lost
    assert slept == sorted(slept)
    assert 0 < slept[-1] <= 1


async def test_a_flood_of_one_page_keeps_nobody_else_waiting(served: Served, http: aiohttp.ClientSession) -> None:
    async with (
        await open_as(http, served, "u1", served.paths[1]) as flooding,
        await page_of(http, served, 0).open(served.paths[0]) as working,
    ):
        tabs = flooding.find(lambda e: e.get("tag") == "q-tabs")
        names = itertools.cycle([e["props"]["name"] for e in flooding.elements.values() if e.get("tag") == "q-tab"])
        for _ in range(3 * wire.MOST_AT_ONCE):
            await flooding.emit(tabs, "update:modelValue", next(names))
        await write(served, 0, working, "27000")
        assert not flooding.closed.is_set()
