"""A running application with demo data, and browsers to visit it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

ROOT = Path(__file__).resolve().parents[2]
NOW = "2025-03-20T10:00:00+08:00"

expect.set_options(timeout=30_000)


@dataclass
class House:
    """The application in a process of its own, with the accounts of its demo."""

    base: str
    data_dir: Path
    accounts: list[dict[str, str]]
    env: dict[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self.data_dir.parent / "server.log").open("ab")
        self.process = subprocess.Popen([sys.executable, "main.py"], cwd=ROOT, env=self.env, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"{self.base}/healthz", timeout=2) as answer:
                    assert json.load(answer) == {"status": "ok"}
                return
            except OSError:
                assert self.process.poll() is None, (self.data_dir.parent / "server.log").read_text()[-2000:]
                assert time.monotonic() < deadline, "the application did not start"
                time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=30)
            self.process = None

    @contextmanager
    def silent(self) -> Iterator[None]:
        """The application stands still (停顿): what is done inside reaches it afterwards, all at once."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def account(self, role: str, place: str = "") -> dict[str, str]:
        """The first account of this role whose place contains these words."""
        return next(a for a in self.accounts if a["role"] == role and place in a["place"])


def clean_env(**more: str) -> dict[str, str]:
    """This environment without what would make a child believe it is under test."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "NICEGUI", "LVCE_"))}
    return {**kept, **more}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="module")
def house(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The application with a copy of the demo, on 2025-03-20; one for the tests of a module."""
    place = tmp_path_factory.mktemp("house")
    shutil.copytree(demo_home, place / "data")
    port = free_port()
    (place / "clock").write_text(NOW)
    env = clean_env(
        LVCE_DATA_DIR=str(place / "data"),
        LVCE_PORT=str(port),
        LVCE_DEMO="1",
        LVCE_CLOCK_FILE=str(place / "clock"),
        NICEGUI_STORAGE_PATH=str(place / "nicegui"),
    )
    accounts = json.loads((demo_home.parent / "accounts.json").read_text(encoding="utf-8"))
    found = House(f"http://127.0.0.1:{port}", place / "data", accounts, env)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def visit(browser: Browser, house: House) -> Iterator[Callable[..., Page]]:
    """``visit(account)``: a page of a fresh browser, signed in; its console must stay silent."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def sign_in(account: dict[str, str], **options: Any) -> Page:
        context = browser.new_context(
            base_url=house.base, locale="zh-CN", viewport={"width": 1366, "height": 768}, **options
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=house.base)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto("/login")
        page.get_by_label("用户名", exact=True).fill(account["username"])
        page.get_by_label("密码", exact=True).fill(account["password"])
        page.get_by_role("button", name="登录", exact=True).click()
        expect(page.get_by_role("navigation", name="主菜单")).to_be_visible()
        return page

    yield sign_in
    for context in contexts:
        context.close()
    assert troubles == []
