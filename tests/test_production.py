"""The deployment of the README (部署): the shipped nginx example in front of the served application, with TLS, and the unit file."""

from __future__ import annotations

import asyncio
import configparser
import io
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services import settings
from tests.bench import load
from tests.ui_kit import until
from tests.wire import WirePage
from tests.wire_kit import PASSWORD, Served, acknowledged, edit, serve, sheet_of, turns

DEPLOY = Path(__file__).resolve().parents[1] / "assets" / "deploy"
NAME = "lvce.example.gov.cn"
MB = 1024 * 1024


@dataclass(frozen=True)
class Fronted:
    """The application behind nginx: where people come in, and the application's own door."""

    base: str
    plain: str
    inner: Served


@pytest.fixture(scope="module")
def nginx() -> str:
    """A real nginx; root on a Debian without one installs it."""
    if shutil.which("nginx") is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # installed, not started
        subprocess.run(
            ["apt-get", "install", "-y", "--no-install-recommends", "nginx-light"],
            env=quietly, capture_output=True, timeout=180, check=False,
        )  # fmt: skip
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None or shutil.which("openssl") is None:
        pytest.skip("没有 nginx 或 openssl：请安装 nginx-light（需要 root）后再运行这项测试")
    return found


@pytest.fixture(scope="module")
def fronted(nginx: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    place = tmp_path_factory.mktemp("production")
    secure, plain = load.free_port(), load.free_port()
    inner = serve(place, LVCE_TRUSTED_PROXY="127.0.0.1", LVCE_PUBLIC_URL=f"https://{NAME}:{secure}")
    served = next(inner)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}",
         "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", place / "lvce.key", "-out", place / "lvce.pem"],
        capture_output=True, check=True,
    )  # fmt: skip
    (place / "nginx.conf").write_text(_around(_example(place, served.base, secure, plain), place), encoding="utf-8")
    with subprocess.Popen([nginx, "-c", place / "nginx.conf", "-p", place, "-e", place / "error.log"]) as process:
        try:
            _until_open(process, secure, place / "error.log")
            yield Fronted(f"https://{NAME}:{secure}", f"http://{NAME}:{plain}", served)
        finally:
            process.terminate()
            process.wait(timeout=20)
            inner.close()


def _example(place: Path, base: str, secure: int, plain: int) -> str:
    """The shipped file, with the ports and the certificate of this test; everything else as it is."""
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    for shipped, here in {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{secure} ssl;",
        "/etc/ssl/lvce.pem": str(place / "lvce.pem"),
        "/etc/ssl/lvce.key": str(place / "lvce.key"),
        "http://127.0.0.1:8080": base,
    }.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, here)
    return text


def _around(servers: str, place: Path) -> str:
    """The smallest configuration that holds the example; it may run as anybody and in the foreground."""
    temporary = " ".join(
        f"{kind}_temp_path {place / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    return (
        f"daemon off; {user} pid {place / 'nginx.pid'}; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{servers}\n}}\n"
    )


def _until_open(process: subprocess.Popen[bytes], port: int, errors: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(errors.read_text(encoding="utf-8")) from None
            time.sleep(0.05)


class _Here(aiohttp.abc.AbstractResolver):
    """Every name is this machine."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[aiohttp.abc.ResolveResult]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        return


@pytest.fixture
async def browser(fronted: Fronted, request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession]:
    """Trusts the certificate of this test and no other."""
    trusting = ssl.create_default_context(cafile=str(fronted.inner.database.parent.parent / "lvce.pem"))
    local = getattr(request, "param", "127.0.0.1")
    opened: list[socket.socket] = []

    def dial(address: Any) -> socket.socket:
        opened.append(socket.socket(*address[:3]))
        opened[-1].setblocking(False)
        opened[-1].bind((local, 0))
        return opened[-1]

    line = aiohttp.TCPConnector(ssl=trusting, resolver=_Here(), socket_factory=dial)
    async with aiohttp.ClientSession(connector=line, cookie_jar=aiohttp.DummyCookieJar()) as found:
        yield found
    await until(
        lambda: all(one.fileno() == -1 for one in opened), 30
    )  # TLS takes its leave after the session is closed


async def signed_in(
    fronted: Fronted, browser: aiohttp.ClientSession, password: str = PASSWORD, **more: str
) -> list[str]:
    """Sign in through the proxy; the Set-Cookie lines of the answer."""
    form = {"username": "u0", "password": password}
    headers = {"Origin": fronted.base, **more}
    async with browser.post(f"{fronted.base}/auth/login", data=form, headers=headers, allow_redirects=False) as answer:
        assert answer.status in (303, 401, 403, 429), await answer.text()
        return answer.headers.getall("Set-Cookie", [])


async def test_a_page_comes_through_tls_with_its_headers(fronted: Fronted, browser: aiohttp.ClientSession) -> None:
    async with browser.get(f"{fronted.base}/login") as answer:
        assert answer.status == 200
        assert "用户名" in await answer.text()
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Server"] == "nginx"
    async with browser.get(f"{fronted.base}/healthz") as answer:
        assert await answer.json() == {"status": "ok"}


async def test_without_tls_one_is_sent_to_it(fronted: Fronted, browser: aiohttp.ClientSession) -> None:
    async with browser.get(f"{fronted.plain}/login?next=/", allow_redirects=False) as answer:
        assert answer.status == 301
        assert answer.headers["Location"] == f"https://{NAME}/login?next=/"


async def test_the_session_cookie_is_secure_and_of_this_host_alone(
    fronted: Fronted, browser: aiohttp.ClientSession
) -> None:
    (session,) = [line for line in await signed_in(fronted, browser) if "lvce_session=" in line and "=;" not in line]
    attributes = {part.strip().lower() for part in session.split(";")[1:]}
    assert {"secure", "httponly", "path=/"} <= attributes
    assert not any(part.startswith("domain") for part in attributes)
    assert session.startswith("__Host-")


async def test_a_cell_is_saved_through_the_proxys_websocket(fronted: Fronted, browser: aiohttp.ClientSession) -> None:
    cookies = [line.split(";")[0].split("=", 1) for line in await signed_in(fronted, browser)]
    page = WirePage(browser, fronted.base)
    page.cookies = {name: value for name, value in cookies if value and value != '""'}
    async with await page.open(fronted.inner.paths[0]):
        seq = next(turns)
        answer = page.wait_for(acknowledged(seq))
        await page.emit(sheet_of(page), "cells", edit("34567", fronted.inner.cell(0), seq))
        await asyncio.wait_for(answer, 20)
    assert fronted.inner.cell(0) == "34567"


async def test_a_body_above_the_cap_ends_at_the_proxy(fronted: Fronted, browser: aiohttp.ClientSession) -> None:
    headers = {"Origin": fronted.base, "Content-Type": "application/octet-stream", "Expect": "100-continue"}
    async with browser.post(f"{fronted.base}/auth/login", data=io.BytesIO(b"x" * 23 * MB), headers=headers) as answer:
        assert answer.status == 413


@pytest.mark.parametrize("browser", ["127.0.0.3"], indirect=True)
async def test_the_visitors_address_is_the_one_the_proxy_saw(fronted: Fronted, browser: aiohttp.ClientSession) -> None:
    await signed_in(fronted, browser, "Wrong-2025-lvce", **{"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"})
    assert fronted.inner.addresses()[-1] == "127.0.0.3"


async def test_who_goes_around_the_proxy_does_not_say_where_he_comes_from(fronted: Fronted) -> None:
    line = aiohttp.TCPConnector(local_addr=("127.0.0.4", 0))
    inner = replace(fronted, base=fronted.inner.base)
    async with aiohttp.ClientSession(connector=line, cookie_jar=aiohttp.DummyCookieJar()) as stranger:
        lines = await signed_in(inner, stranger, **{"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"})
    assert fronted.inner.addresses()[-1] == "127.0.0.4"
    assert not any("secure" in one.lower() for one in lines), "nobody may claim TLS for himself"


def test_the_unit_file_is_well_formed_and_sets_what_the_application_knows() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    text = (DEPLOY / "lvce.service").read_text(encoding="utf-8")
    unit.read_string(text)
    assert unit["Service"]["ExecStart"].endswith("main.py")
    assert unit["Install"]["WantedBy"] == "multi-user.target"
    given = dict(re.findall(r"(LVCE_\w+)=(\S+)", text))
    chosen = settings.from_env(given)
    assert not chosen.demo
    assert chosen.public_url == f"https://{NAME}"
    assert chosen.backups_dir != chosen.data_dir / "backups"
    readme = (DEPLOY.parents[1] / "README.md").read_text(encoding="utf-8")
    assert [name for name in given if f"`{name}`" not in readme] == []
    assert str(chosen.backups_dir) in unit["Service"]["ReadWritePaths"]
