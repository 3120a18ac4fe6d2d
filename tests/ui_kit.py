"""Pages without a browser: a visitor who opens pages of a small world and signs in as its people."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from nicegui import core, ui
from nicegui.functions.download import download
from nicegui.functions.navigate import Navigate
from nicegui.functions.notify import notify
from nicegui.testing.general import nicegui_reset_globals, prepare_simulation
from nicegui.testing.user import User as Simulated
from nicegui.testing.user_interaction import UserInteraction
from sqlmodel import Session, select

from models import User
from models.enums import Tier
from services.accounts import passwords
from services.db import Database
from services.settings import Settings

PASSWORD = "Spring-2025-lvce"
_HASHED = passwords.hashed(PASSWORD)


class Visitor(Simulated):
    """A browser of one person (访客); ``sign_in`` by the real form."""

    async def sign_in(self, username: str) -> None:
        answer = await self.http_client.post("/auth/login", data={"username": username, "password": PASSWORD})
        assert answer.status_code == 303, answer.text

    async def should_see(self, *args: Any, retries: int = 100, **kwargs: Any) -> None:
        """Patient: other work may share the processor."""
        await super().should_see(*args, retries=retries, **kwargs)

    def button(self, caption: str) -> UserInteraction[ui.button]:
        return self.find(kind=ui.button, content=caption)

    def newest(self, caption: str) -> UserInteraction[ui.button]:
        """The button with this caption that was drawn last, in a dialog say."""
        latest = max(self.button(caption).elements, key=lambda element: element.id)
        return UserInteraction(self, {latest}, None)

    def field(self, label: str) -> UserInteraction[ui.input]:
        return self.find(kind=ui.input, content=label)

    def area(self, label: str) -> UserInteraction[ui.textarea]:
        return self.find(kind=ui.textarea, content=label)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Let the event loop work until this holds (等到); the assertion names it if it never does."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never happened"
        await asyncio.sleep(0.005)


def settings(folder: Path, *, demo: bool = False) -> Settings:
    return Settings("127.0.0.1", 8080, folder, "", demo, Tier.MINISTRY, None)


@asynccontextmanager
async def served(database: Database, folder: Path, *, demo: bool = False) -> AsyncIterator[None]:
    """The application over this database, as ``main.py`` puts it together."""
    from ui import app as pages

    database.write(_give_passwords)
    with nicegui_reset_globals(), _simulation():
        prepare_simulation()
        chosen = replace(settings(folder, demo=demo), database_url=database.url)
        pages.create(database, chosen)
        ui.run(**pages.run_options(chosen))
        async with core.app.router.lifespan_context(core.app):
            yield


@asynccontextmanager
async def visitor() -> AsyncIterator[Visitor]:
    """One more browser, with cookies of its own."""
    transport = httpx.ASGITransport(core.app, client=("127.0.0.1", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Visitor(client)


@contextmanager
def _simulation() -> Iterator[None]:
    os.environ["NICEGUI_USER_SIMULATION"] = "true"
    try:
        yield
    finally:
        os.environ.pop("NICEGUI_USER_SIMULATION", None)
        ui.navigate, ui.notify, ui.download = Navigate(), notify, download


def _give_passwords(s: Session) -> None:
    for user in s.exec(select(User)):
        user.password_hash = _HASHED
        s.add(user)
