"""Signing in again in an open page (重新登录): a layer over the page that keeps what was typed, and the watch that puts it there
when idleness or age has ended a sign-in (超时), also where nobody clicks: what is on the screen is covered.

All pages of one browser have one sign-in: the layer comes over all of them and goes from all of them.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import secrets
from collections.abc import Callable
from typing import Any

from nicegui import app, background_tasks, ui

from services.accounts import sessions
from services.accounts.views import SignedIn
from services.errors import Refusal, SignedOut
from ui import act, plain
from ui.act import Tab

FETCH_SECONDS = 60.0  # how long the browser has to fetch the cookies of a renewed sign-in
WATCH_SECONDS = 2.0  # how often the watch looks; from memory, so it may be often

TITLE = "重新登录，继续当前页面"

log = logging.getLogger("lvce.again")

_renewed: dict[str, SignedIn] = {}  # one-time code → what the browser has not fetched yet


def install() -> None:
    """Be asked by ``ui.act``, and watch while the application runs."""
    act.house().ask = ask
    watching: list[asyncio.Task[None]] = []
    app.on_startup(lambda: watching.append(asyncio.create_task(_watch())))
    app.on_shutdown(lambda: [task.cancel() for task in watching])


def ask(tab: Tab, message: str) -> None:
    """Put the layer over every page of this sign-in (重新登录层)."""
    for found in _pages_of(tab.token):
        if found.layer is None and found.actor is not None:
            found.layer = _layer(found, message)


def take(code: str) -> SignedIn | None:
    """The sign-in that a one-time code stands for (一次性), for the route that sets the cookies."""
    return _renewed.pop(code, None)


def _pages_of(token: str) -> list[Tab]:
    return [tab for tab in act.house().tabs.values() if tab.token == token and not tab.ended]


async def _watch() -> None:
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            await look()
        except Exception as error:  # the database is away, say: look again later
            log.warning("the watch could not look: %s", type(error).__name__)


async def look() -> None:
    """Cover the pages of every sign-in that has ended by itself (查看超时)."""
    database = act.house().db
    waiting = {t.token: t for t in act.house().tabs.values() if t.actor and t.layer is None and not t.ended}
    for token, tab in waiting.items():
        if sessions.is_stale(database, token) is False:
            continue
        try:
            await sessions.aresolve(database, token, active=False)
        except SignedOut as out:
            ask(tab, out.message)


def _layer(tab: Tab, message: str) -> ui.dialog:
    assert tab.actor is not None
    name = tab.actor.username
    ticket = ""
    with tab.client, tab.client.layout:
        layer = ui.dialog(value=True).props("persistent role=dialog aria-modal=true").classes("lv-again")
        layer.props["aria-label"] = TITLE
        with layer, ui.card().classes("lv-dialog"):
            ui.label(TITLE).classes("lv-dialog-title").props("role=heading aria-level=2")
            ui.label(message).classes("lv-muted")
            ui.input("用户名", value=name).props("readonly")
            password = ui.input("密码", password=True).props("autofocus autocomplete=current-password")
            code = ui.input("动态口令").props("autocomplete=one-time-code maxlength=20")
            code.set_visibility(False)
            trouble = ui.label().classes("lv-field-error").props("role=alert")
            trouble.set_visibility(False)

            async def again() -> None:
                nonlocal ticket
                trouble.set_visibility(False)
                try:
                    signed_in = await _sign_in(tab, name, password.value or "", ticket, code.value or "")
                except sessions.SecondStep as step:
                    ticket = step.ticket
                    code.set_visibility(True)
                    code.run_method("focus")
                    return
                except Refusal as refusal:
                    if refusal.code == "expired":
                        ticket = ""
                        code.set_visibility(False)
                    trouble.set_text(refusal.message)
                    trouble.set_visibility(True)
                    return
                await _renew(tab, signed_in)

            for field in (password, code):
                field.on("keydown.enter", act.busy(again))
            with ui.row().classes("lv-dialog-actions"):
                ui.link("离开本页，去登录页", "/login").classes("lv-text-button")
                ui.button("登录", on_click=act.busy(again))
    return layer


async def _sign_in(tab: Tab, name: str, password: str, ticket: str, code: str) -> SignedIn:
    """As at the door; the ended sign-in is replaced, which is no reason to close its pages."""
    database, pages = act.house().db, _pages_of(tab.token)
    for page in pages:
        page.renewing = True
    try:
        if ticket:
            return await asyncio.to_thread(sessions.second_step, database, ticket, code)
        return await asyncio.to_thread(
            sessions.sign_in, database, name, password, tab.address, replaces=tab.token, device=tab.device
        )
    finally:  # what the writer told the event loop has come before this
        for page in pages:
            page.renewing = False


async def _renew(tab: Tab, signed_in: SignedIn) -> None:
    """Give all pages of the browser the new sign-in, and let it fetch the cookies by a code that works once."""
    actor = await sessions.aresolve(act.house().db, signed_in.token, address=tab.address)
    pages = _pages_of(tab.token)
    for page in pages:
        page.token, page.actor = signed_in.token, actor
    code = secrets.token_urlsafe(24)
    _renewed[code] = signed_in
    asyncio.get_running_loop().call_later(FETCH_SECONDS, _renewed.pop, code, None)
    address = json.dumps(f"{plain.prefix(tab.client.request)}/auth/renew")
    tab.client.run_javascript(f"fetch({address}, {{method: 'POST', body: '{code}'}})")
    for page in pages:
        _uncover(page)
    with tab.client:
        act.done("已重新登录，可以继续。")


def _uncover(page: Tab) -> None:
    """The layer goes; what the page has not heard meanwhile it hears now."""
    layer, page.layer = page.layer, None
    missed, page.missed = page.missed, {}
    if layer is not None:
        layer.close()
        layer.delete()
    for returned in tuple(page.returned):
        background_tasks.create(_call(returned), name="returned", context=page.client)
    for callback, event in missed.items():
        background_tasks.create(_call(callback, event), name="missed", context=page.client)


async def _call(callback: Callable[..., Any], *event: Any) -> None:
    answer = callback(*event)
    if inspect.isawaitable(answer):
        await answer
