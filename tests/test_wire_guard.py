"""What strangers try over the wire (门卫与套接字): every hole that NiceGUI leaves is closed, in the application as it is served.

Each test speaks HTTP or the socket's own protocol to a real server process and would succeed in its attack without the guard.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from engineio.exceptions import SocketIsClosedError
from nicegui import __version__, nicegui
from socketio.packet import Packet

from services.settings import SettingsError, from_env
from tests.wire import WirePage
from tests.wire_kit import (
    BEHIND_A_PROXY,
    FORWARDED,
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
from ui import guard, wire

MB = 1024 * 1024

# --- whose socket -----------------------------------------------------------------------------------------------------


async def test_the_page_of_a_unit_writes_its_own_cell(served: Served, http: aiohttp.ClientSession) -> None:
    async with await page_of(http, served, 0).open(served.paths[0]) as page:
        await write(served, 0, page, "23456")
    assert served.cell(0) == "23456"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""])
async def test_a_page_of_another_site_opens_no_socket(
    served: Served, http: aiohttp.ClientSession, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(http, served, 0)
    await page.fetch(served.paths[0])
    cookie = headers_of(served, 0)["Cookie"]
    said = {"Cookie": cookie, **({"Origin": origin} if origin else {})}
    monkeypatch.setattr(page, "_headers", lambda: said)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await page.connect()
    assert refused.value.status == 403


@pytest.mark.parametrize("said", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_a_page_of_another_site_polls_nothing(
    served: Served, http: aiohttp.ClientSession, said: dict[str, str]
) -> None:
    url = f"{served.base}/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    async with http.get(url, headers=headers_of(served, 0) | said) as answer:
        assert answer.status == 403
    async with http.get(url, headers=headers_of(served, 0)) as answer:
        assert answer.status == 200
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("cookies", [{}, {"lvce_session": "x" * 43}, None])
async def test_a_page_opens_its_socket_only_for_the_browser_it_was_sent_to(
    served: Served, http: aiohttp.ClientSession, cookies: dict[str, str] | None
) -> None:
    page = page_of(http, served, 0)
    await page.fetch(served.paths[0])
    page.cookies = dict(served.cookies[1]) if cookies is None else cookies
    with pytest.raises(ConnectionRefusedError, match="Implicit handshake failed"):
        await page.connect()
    await asyncio.wait_for(page.closed.wait(), 5)
    await page.close()


async def test_a_polling_session_goes_on_only_with_the_cookie_it_began_with(
    served: Served, http: aiohttp.ClientSession
) -> None:
    url = f"{served.base}/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    async with http.get(url, headers=headers_of(served, 0)) as answer:
        session = json.loads((await answer.text())[1:])["sid"]
    for number, status in ((1, 403), (None, 403), (0, 200)):
        async with http.post(f"{url}&sid={session}", data="40", headers=headers_of(served, number)) as answer:
            assert answer.status == status


async def test_nobody_presses_a_button_of_another_page(served: Served, http: aiohttp.ClientSession) -> None:
    async with (
        await page_of(http, served, 0).open(served.paths[0]) as victim,
        await page_of(http, served, 1).open(served.paths[1]) as stranger,
    ):
        await write(served, 0, victim, "21000")
        sheet = sheet_of(victim)
        listener = next(e["listener_id"] for e in victim.elements[sheet]["events"] if e["type"] == "cells")
        await stranger.send_event(
            sheet, listener, edit("66666", served.cell(0), next(turns)), client_id=victim.query["client_id"]
        )
        await settled(served, 1, stranger)
        assert served.cell(0) == "21000"
        await write(served, 0, victim, "21001")
    assert served.cell(0) == "21001"


async def test_another_page_of_the_same_person_is_another_page(served: Served, http: aiohttp.ClientSession) -> None:
    async with (
        await page_of(http, served, 0).open(served.paths[0]) as first,
        await page_of(http, served, 0).open(served.paths[0]) as second,
    ):
        await write(served, 0, first, "22000")
        sheet = sheet_of(first)
        listener = next(e["listener_id"] for e in first.elements[sheet]["events"] if e["type"] == "cells")
        await second.send_event(
            sheet, listener, edit("66666", served.cell(0), next(turns)), client_id=first.query["client_id"]
        )
        await settled(served, 0, second)
    assert served.cell(0) == "220001"


async def test_an_event_called_connect_binds_nothing(served: Served, http: aiohttp.ClientSession) -> None:
    """socket.io hands such an event to the handler of connections, with an environment of the sender's own making."""
    victim = page_of(http, served, 0)
    await victim.fetch(served.paths[0])
    async with await page_of(http, served, 1).open(served.paths[1]) as stranger:
        forged = {
            "QUERY_STRING": f"client_id={victim.query['client_id']}&implicit_handshake=true&document_id=d&tab_id=t",
            "HTTP_COOKIE": f"lvce_session={served.cookies[0]['lvce_session']}",
        }
        assert stranger._socket
        for _ in range(wire.MOST_MALFORMED):
            await stranger._socket.send_str("42" + json.dumps(["connect", forged]))
        await asyncio.wait_for(stranger.closed.wait(), 5)
    async with victim:
        await victim.connect()
        await write(served, 0, victim, "22002")


async def test_a_page_keeps_few_sockets(
    served: Served, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost connection is noticed late, so there may be two at a time; a thousand there may not."""
    monkeypatch.setattr("tests.wire.uuid.uuid4", lambda: "one tab")
    pages = [page_of(http, served, 0) for _ in range(wire.MOST_SOCKETS + 1)]
    await pages[0].fetch(served.paths[0])
    for page in pages:
        page.query, page.elements = pages[0].query, pages[0].elements
        await page.connect()
    await asyncio.wait_for(pages[0].closed.wait(), 5)
    await write(served, 0, pages[-1], "22004")
    assert [page.closed.is_set() for page in pages] == [True, False, False, False]
    for page in pages:
        await page.close()


async def test_a_connection_that_never_says_whose_it_is_does_not_stay(
    served: Served, http: aiohttp.ClientSession
) -> None:
    url = f"{served.base}/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    async with http.ws_connect(url, headers=headers_of(served, 0)) as line:
        assert str((await line.receive()).data).startswith("0")
        answer = await asyncio.wait_for(line.receive(), 4 * wire.GREETING_SECONDS)
        assert answer.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.TEXT)


async def test_a_page_that_takes_its_leave_keeps_no_connection(served: Served, http: aiohttp.ClientSession) -> None:
    async with await page_of(http, served, 0).open(served.paths[0]) as page:
        assert page._socket
        await page._socket.send_str("41")
        await asyncio.wait_for(page.closed.wait(), 5)


POLLING = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"


async def polled(http: aiohttp.ClientSession, base: str, said: dict[str, str], more: str = "") -> int:
    """The status of a new connection that then says nothing."""
    async with http.get(f"{base}{POLLING}{more}", headers=said) as answer:
        return answer.status


NARROW = """
import sys
from ui import wire
wire.MOST_OF_AN_ADDRESS, wire.MOST_STRANGE, wire.GREETING_SECONDS = 5, 12, 600
import main
sys.exit(main.main([]))
"""


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Served]:
    """Behind its proxy, with room for few strangers, who stay."""
    yield from serve(tmp_path, ("-c", NARROW), **BEHIND_A_PROXY)


async def test_strangers_wait_and_nobody_who_has_a_page(narrow: Served, http: aiohttp.ClientSession) -> None:
    """One address may be that of a whole county office: its people come in, however many strangers stand at the door."""

    def behind_proxy(address: str) -> dict[str, str]:
        return {"Origin": "https://lvce.example.gov.cn", "X-Forwarded-For": address, "X-Forwarded-Proto": "https"}

    here = behind_proxy("198.51.100.1")
    page = WirePage(http, narrow.base)
    mine = here | {"Cookie": f"__Host-lvce_session={narrow.cookies[0]['lvce_session']}"}
    page._headers = lambda: mine  # type: ignore[method-assign]
    await page.fetch(narrow.paths[0])
    assert [await polled(http, narrow.base, here) for _ in range(7)] == [200] * 5 + [401] * 2
    elsewhere = [behind_proxy(f"203.0.113.{number}") for number in range(9)]
    assert [await polled(http, narrow.base, said) for said in elsewhere] == [200] * 7 + [401] * 2
    async with page:
        await page.connect()
        assert not page.closed.is_set()


async def test_a_page_has_few_connections_that_say_nothing(served: Served, http: aiohttp.ClientSession) -> None:
    page = page_of(http, served, 0)
    await page.fetch(served.paths[0])
    more = f"&client_id={page.query['client_id']}"
    asked = [polled(http, served.base, headers_of(served, 0), more) for _ in range(wire.MOST_OF_A_PAGE + 5)]
    assert sorted(await asyncio.gather(*asked)) == [200] * wire.MOST_OF_A_PAGE + [401] * 5


async def test_two_hundred_tabs_of_one_address_all_learn_that_the_server_was_restarted(
    served: Served, http: aiohttp.ClientSession
) -> None:
    """They come within a second, with pages that nobody knows any more."""

    async def stale(number: int) -> bool:
        page = page_of(http, served, 0)
        page.query = {"client_id": f"gone-{number}", "implicit_handshake": "true"}
        try:
            await page.connect()
        except ConnectionRefusedError as refused:
            return "Implicit handshake failed" in str(refused)
        finally:
            await page.close()
        return False

    assert all(await asyncio.gather(*map(stale, range(200))))


# --- malformed frames -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        "4",
        "4x",
        "42",
        "42[",
        "42{}",
        "42[]",
        "43[]",
        "44",
        "40",
        '451-["event",{"_placeholder":true,"num":0}]',
        "bAAAA",
        '42["event"]',
        '42["event",null]',
        '42["event",[]]',
        '42["event",{"client_id":1}]',
        '42["event",{"client_id":"CLIENT"}]',
        '42["event",{"client_id":"CLIENT","id":0,"listener_id":"x","args":["{"],"more":1},"x"]',
        '42["event",{"client_id":"CLIENT","id":[],"listener_id":"x","args":[]}]',
        '42["event",{"client_id":"CLIENT","id":0,"listener_id":"x","args":[1]}]',
        '42["event",{"client_id":"CLIENT","id":SHEET,"listener_id":"LISTENER","args":["{"]}]',
        '42["handshake",{"client_id":"someone else"}]',
        '42["handshake",7]',
        '42["ack",{"client_id":"CLIENT","next_message_id":99999999}]',
        '42["ack",{"client_id":"CLIENT","next_message_id":"1"}]',
        '42["javascript_response",{"client_id":"CLIENT"}]',
        '42["log",{"client_id":"CLIENT"}]',
    ],
)
async def test_what_is_malformed_is_counted_and_its_socket_cut_off(
    served: Served, http: aiohttp.ClientSession, frame: str
) -> None:
    async with await page_of(http, served, 0).open(served.paths[0]) as page:
        sheet = sheet_of(page)
        listener = next(e["listener_id"] for e in page.elements[sheet]["events"] if e["type"] == "cells")
        frame = frame.replace("CLIENT", page.query["client_id"]).replace("SHEET", sheet).replace("LISTENER", listener)
        assert page._socket
        for _ in range(wire.MOST_MALFORMED - 1):
            await page._socket.send_str(frame)
        await write(served, 0, page, "22003")  # a few are forgiven
        await page._socket.send_str(frame)
        await asyncio.wait_for(page.closed.wait(), 5)


@pytest.mark.parametrize("value", [["x"], {"a": 1}, 7, True])
async def test_a_text_field_takes_nothing_but_text(served: Served, http: aiohttp.ClientSession, value: object) -> None:
    async with await WirePage(http, served.base).open("/register") as page:
        field = page.find(lambda e: update_of(e) == "update:value" and "input" in f"{e.get('tag')}{e.get('component')}")
        await typed(page, field, "广州")
        for _ in range(wire.MOST_MALFORMED):
            await typed(page, field, value)
        await asyncio.wait_for(page.closed.wait(), 5)


async def test_a_field_that_is_only_to_be_read_takes_nothing(served: Served, http: aiohttp.ClientSession) -> None:
    async with await page_of(http, served, 0).open("/profile") as page:
        found = [key for key, e in page.elements.items() if e.get("props", {}).get("readonly") and update_of(e)]
        if not found:
            pytest.skip("no page shows such a field")
        for _ in range(wire.MOST_MALFORMED):
            await typed(page, found[0], "x")
        await asyncio.wait_for(page.closed.wait(), 5)


# --- revoked ----------------------------------------------------------------------------------------------------------


async def test_signing_out_closes_the_open_pages_within_a_second_and_nothing_more_is_heard(
    served: Served, http: aiohttp.ClientSession
) -> None:
    token = await signed_in(http, served)
    page = page_of(http, served, 1)
    page.cookies = {"lvce_session": token}
    async with await page.open(served.paths[1]):
        tabs = page.find(lambda e: e.get("tag") == "q-tabs")
        names = [e["props"]["name"] for e in page.elements.values() if e.get("tag") == "q-tab"]
        seen = page.wait_for(lambda m: m[0] == "update")
        await page.emit(tabs, "update:modelValue", names[-1])
        await asyncio.wait_for(seen, 5)  # a click that asks no service works before …
        leaving = page.wait_for(told_to_leave)
        said = {"Origin": served.base, "Cookie": f"lvce_session={token}"}
        async with http.post(f"{served.base}/auth/logout", headers=said, allow_redirects=False) as answer:
            assert answer.status == 303
        await asyncio.wait_for(leaving, 1)
        page.received.clear()
        await page.emit(tabs, "update:modelValue", names[0])
        await asyncio.wait_for(page.closed.wait(), 1.5)
        assert [m for m in page.received if m[0] == "update"] == []  # … and not after
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        await page.connect()
    await page.close()


async def test_changing_the_password_closes_the_pages_of_other_sign_ins_and_not_this_one(
    served: Served, http: aiohttp.ClientSession
) -> None:
    here, there = page_of(http, served, 1), page_of(http, served, 1)
    here.cookies = {"lvce_session": await signed_in(http, served)}
    there.cookies = {"lvce_session": await signed_in(http, served)}
    async with await there.open(served.paths[1]), await here.open("/password"):
        leaving = there.wait_for(told_to_leave)
        fields = [key for key, e in here.elements.items() if e.get("props", {}).get("type") == "password"]
        for key, text in zip(fields, (PASSWORD, PASSWORD + "-2", PASSWORD + "-2"), strict=True):
            await typed(here, key, text)
        button = here.find(
            lambda e: e.get("tag") == "q-btn" and "密码" in str(e.get("props", {}).get("label", e.get("text", "")))
        )
        await here.emit(button, "click", {})
        await asyncio.wait_for(leaving, 10)
        await asyncio.wait_for(there.closed.wait(), 1.5)
        assert not here.closed.is_set(), (here.ended_by, here.received[-3:])


# --- uploads and bodies -----------------------------------------------------------------------------------------------


def upload_url(page: WirePage) -> str:
    uploader = page.find(lambda e: "/upload/" in str(e.get("props", {}).get("url", "")))
    return page.base + str(page.elements[uploader]["props"]["url"])


def a_file(size: int = 100) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", b"%PDF-" + b"x" * size, filename="a.pdf", content_type="application/pdf")
    return form


async def test_only_the_browser_of_the_page_uploads_into_it(served: Served, http: aiohttp.ClientSession) -> None:
    async with await page_of(http, served, 0).open("/profile") as page:
        url = upload_url(page)
        attempts = [
            headers_of(served, None),
            headers_of(served, 1),
            headers_of(served, 0, Origin="https://evil.example"),
            headers_of(served, 0) | {"Sec-Fetch-Site": "cross-site"},
        ]
        for said in attempts:
            async with http.post(url, data=a_file(), headers=said) as answer:
                assert answer.status == 403
        async with http.post(url, data=a_file(), headers=headers_of(served, 0)) as answer:
            assert answer.status == 200


async def test_after_signing_out_nothing_is_uploaded(served: Served, http: aiohttp.ClientSession) -> None:
    token = await signed_in(http, served, "u0")
    page = page_of(http, served, 0)
    page.cookies = {"lvce_session": token}
    said = {"Origin": served.base, "Cookie": f"lvce_session={token}"}
    async with await page.open("/profile"):
        async with http.post(f"{served.base}/auth/logout", headers=said, allow_redirects=False):
            pass
        async with http.post(upload_url(page), data=a_file(), headers=said) as answer:
            assert answer.status == 403


async def raw(served: Served, head: str, body: list[bytes], *, chunked: bool) -> bytes:
    """Speak HTTP by hand: whatever the body is, the answer is read as soon as it comes."""
    host, port = served.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        answering = asyncio.create_task(reader.readline())
        for part in body:
            if answering.done():
                break
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n" if chunked else part)
            try:
                await writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0)
        return await asyncio.wait_for(answering, 10)
    finally:
        writer.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize(("where", "most"), [("upload", 21 * MB), ("/auth/login", 64 * 1024), ("polling", MB)])
async def test_a_body_that_is_too_long_is_refused_before_it_has_been_read(
    served: Served, http: aiohttp.ClientSession, where: str, most: int, chunked: bool
) -> None:
    said = headers_of(served, 0)
    path = where
    async with await page_of(http, served, 0).open("/profile") as page:
        if where == "upload":
            path = upload_url(page).removeprefix(served.base)
        elif where == "polling":
            path = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
            async with http.get(served.base + path, headers=said) as answer:
                path += f"&sid={json.loads((await answer.text())[1:])['sid']}"
        kind = "multipart/form-data; boundary=b" if where == "upload" else "application/x-www-form-urlencoded"
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {most * 3}"
        head = (
            f"POST {path} HTTP/1.1\nHost: {served.base.removeprefix('http://')}\nOrigin: {served.base}\n"
            f"Cookie: {said['Cookie']}\nContent-Type: {kind}\n{length}"
        )
        start = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
            if where == "upload"
            else b"a="
        )
        parts = [b"x" * 65536] * (most // 65536 + 8)
        answered = await raw(served, head, [start, *parts] if chunked else [start], chunked=chunked)
        assert b" 413" in answered


# --- hosts, proxies, headers ------------------------------------------------------------------------------------------


async def test_a_name_that_is_not_ours_gets_nothing(served: Served, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{served.base}/login", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 400
        assert "LVCE_ALLOWED_HOSTS" in await answer.text()
    for host in (
        "127.0.0.1/evil",
        "localhost#x",
        "localhost?x",
        "localhost:99999",
        "a@localhost",
        "127.0.0.1:8080:1",
        "",
    ):
        async with http.get(f"{served.base}/healthz", headers={"Host": host}) as answer:
            assert answer.status == 400, host
    for host in ("localhost", "127.0.0.1:80", "[::1]:8080", "192.0.2.7"):
        async with http.get(f"{served.base}/healthz", headers={"Host": host}) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("path", ["/login", "/healthz", "/help", "/static/app.css", "/nowhere"])
async def test_who_asks_for_the_headers_alone_gets_them(served: Served, http: aiohttp.ClientSession, path: str) -> None:
    said = headers_of(served, 0)
    async with (
        http.get(served.base + path, headers=said, allow_redirects=False) as whole,
        http.head(served.base + path, headers=said, allow_redirects=False) as headers,
    ):
        assert headers.status == whole.status
        assert set(headers.headers) == set(whole.headers)
        assert await headers.read() == b""


async def test_the_names_a_deployment_is_given_are_ours(behind: Served, http: aiohttp.ClientSession) -> None:
    for host, status in (("lvce.example.gov.cn", 200), ("INNER.example:81", 200), ("evil.example", 400)):
        async with http.get(f"{behind.base}/healthz", headers={"Host": host}) as answer:
            assert answer.status == status


async def test_the_public_address_is_an_origin_of_ours(behind: Served, http: aiohttp.ClientSession) -> None:
    for origin, status in (
        ("https://lvce.example.gov.cn", 303),
        ("http://lvce.example.gov.cn", 403),
        ("https://evil.example", 403),
    ):
        form = {"username": "u0", "password": PASSWORD}
        url = f"{behind.base}/auth/login"
        async with http.post(url, data=form, headers={"Origin": origin}, allow_redirects=False) as answer:
            assert answer.status == status


async def test_a_stranger_does_not_say_where_he_comes_from(served: Served, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{served.base}/register", headers=FORWARDED) as answer:
        assert "elsewhere" not in await answer.text()
    await signed_in(http, served, "u0", **FORWARDED)
    assert served.addresses()[-1] == "127.0.0.1"
    async with http.get(f"{served.base}/", headers=FORWARDED, allow_redirects=False) as answer:
        assert answer.headers["location"] == "/login?next=/"


async def test_a_trusted_proxy_says_who_asks(behind: Served, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{behind.base}/register", headers=FORWARDED) as answer:
        assert "/elsewhere/_nicegui/" in await answer.text()
    form = {"username": "u0", "password": PASSWORD}
    said = {"Origin": "https://lvce.example.gov.cn", **FORWARDED}
    async with http.post(f"{behind.base}/auth/login", data=form, headers=said, allow_redirects=False) as answer:
        assert "secure" in answer.headers["set-cookie"].lower()
    assert behind.addresses()[-1] == "198.51.100.7"  # the last of the chain: what stands before it anybody may write


@pytest.mark.parametrize("path", ["/login", "/register", "/nowhere", "SHEET"])
async def test_a_page_runs_only_scripts_that_carry_its_mark(
    served: Served, http: aiohttp.ClientSession, path: str
) -> None:
    marks = set()
    for _ in range(2):
        url = served.base + path.replace("SHEET", served.paths[0])
        async with http.get(url, headers=headers_of(served, 0) if path == "SHEET" else {}) as answer:
            html, policy = await answer.text(), answer.headers["Content-Security-Policy"]
        scripts = re.search(r"script-src ([^;]*)", policy)
        assert scripts
        assert "unsafe-inline" not in scripts[1]
        mark = re.search(r"'nonce-([\w-]{20,})'", scripts[1])
        assert mark
        marks.add(mark[1])
        for tag in re.findall(r"<script\b[^>]*>", html):
            assert f'nonce="{mark[1]}"' in tag
        assert "javascript:" not in html
        assert re.search(r"<[^>]+\son\w+=", html.split("String.raw`")[0]) is None
    assert len(marks) == 2


async def test_every_answer_carries_the_headers(served: Served, http: aiohttp.ClientSession) -> None:
    async def asked(method: str, path: str, **said: str) -> aiohttp.ClientResponse:
        answer = await http.request(method, served.base + path, headers=said, allow_redirects=False)
        answer.release()
        return answer

    answers = [
        await asked("GET", "/"),
        await asked("GET", "/login"),
        await asked("GET", "/nowhere"),
        await asked("GET", "/login", Host="evil.example"),
        await asked("DELETE", "/login", Origin=served.base),
        await asked("POST", "/auth/login", Origin="https://evil.example"),
        await asked("GET", "/static/app.css"),
        await asked("GET", "/_nicegui/nothing"),
        await asked("GET", "/_nicegui_ws/socket.io/?EIO=4&transport=polling"),
    ]
    assert [answer.status for answer in answers] == [303, 200, 404, 400, 405, 403, 200, 404, 200]
    for answer in answers:
        for name, value in guard.HEADERS.items():
            assert answer.headers[name] == value, answer.url
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "object-src 'none'" in policy
        assert "Server" not in answer.headers
    for answer in (*answers[:6], await asked("GET", f"/_nicegui/{__version__}/components/nothing")):
        assert answer.headers["Cache-Control"] == "no-store", answer.url


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LVCE_PUBLIC_URL", "lvce.example.gov.cn"),
        ("LVCE_PUBLIC_URL", "ftp://lvce.example.gov.cn"),
        ("LVCE_PUBLIC_URL", "https://a@b"),
        ("LVCE_PUBLIC_URL", "https://a:99999"),
        ("LVCE_ALLOWED_HOSTS", "http://lvce.example.gov.cn"),
        ("LVCE_ALLOWED_HOSTS", "*"),
        ("LVCE_TRUSTED_PROXY", "nginx"),
        ("LVCE_TRUSTED_PROXY", "10.0.0.0/33"),
    ],
)
def test_a_wrong_address_in_the_environment_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        from_env({name: text})


def test_addresses_in_the_environment_are_read() -> None:
    found = from_env(
        {
            "LVCE_PUBLIC_URL": "https://lvce.example.gov.cn/",
            "LVCE_ALLOWED_HOSTS": "LVCE.example.gov.cn， inner",
            "LVCE_TRUSTED_PROXY": "10.0.0.1, 192.0.2.7/24,::1",
        }
    )
    assert found.public_url == "https://lvce.example.gov.cn"
    assert found.allowed_hosts == ("lvce.example.gov.cn", "inner")
    assert found.trusted_proxies == ("10.0.0.1/32", "192.0.2.0/24", "::1/128")


# --- what is sent -----------------------------------------------------------------------------------------------------


class _Lines:
    """The connections of engine.io, of which one is lost; ``heard``: by connection, what it was sent."""

    packet_class = Packet

    def __init__(self, lost: str) -> None:
        self.lost, self.eio = lost, self
        self.heard: dict[str, list[str]] = {}

    async def send_packet(self, session: str, frame: Any) -> None:
        if session == self.lost:
            raise SocketIsClosedError
        self.heard.setdefault(session, []).append(frame.data)


async def test_what_a_lost_connection_no_longer_takes_still_reaches_the_page_through_the_next() -> None:
    manager = wire._Manager()
    manager.set_server(lines := _Lines(lost="old"))
    for session in ("old", "new"):
        manager.basic_enter_room(f"socket of {session}", "/", "page", session)
    await manager.emit("update", {"1": {"text": "甲"}}, "/", room="page", skip_sid=None, callback=None)
    await manager.emit("open", {"path": "/"}, "/", room="page")
    await manager.emit("open", {"path": "/"}, "/", room="another page")
    assert [Packet(encoded_packet=text).data for text in lines.heard.pop("new")] == [
        ["update", {"1": {"text": "甲"}}],
        ["open", {"path": "/"}],
    ]
    assert not lines.heard


# --- pins -------------------------------------------------------------------------------------------------------------


def test_all_socket_handlers_of_nicegui_are_known() -> None:
    """An upgrade that listens to more has to be looked at first."""
    wrapped = {f"_on_{name}" for name in wire.HANDLERS}
    assert {name for name in vars(nicegui) if name.startswith("_on_")} == wrapped
    assert set(nicegui.sio.handlers["/"]) == set(wire.HANDLERS)
    assert set(nicegui.sio.handlers) == {"/"}
