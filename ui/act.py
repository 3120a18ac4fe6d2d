"""The one bridge from a click to a use case (从点击到用例). How a page is made and how its handlers act:

    @act.page("/filings/{form}", title="绿色工厂动态管理", roles=UNIT_ROLES | AUTHORITY_ROLES)
    async def filings(actor: Actor, form: str, year: int = 0) -> None:      # path and query arguments as in ``ui.page``
        view = await act.read(lists.own_page, Form(form))                   # fn(session, actor, …), a reader thread
        with shell.frame(actor, title="绿色工厂动态管理", path="/filings/green_factory"):
            ui.button("上报", on_click=lambda: submit(7))

    async def submit(filing_id: int) -> None:
        await act.perform(moves.submit, filing_id)                          # fn(session, actor, …), one transaction
        act.done("已上报，等待天河区科技工业和信息化局审核。")

* ``page`` guards: who is not signed in goes to /login?next=…, a wrong role reads a 403 page, a first password must be
  changed, a Refusal while the page is built becomes a Chinese page (404 for NotFound, 403 for Forbidden).
* ``read``, ``perform`` and ``blocking`` look the sign-in up again at every event; nothing else reaches a service.
* Handlers let refusals fly: whatever leaves a handler is shown in one place (``failed``) and stops the handler. A
  ``Refusal`` becomes a notice at the top right, ``SignedOut`` the layer of ``ui.again`` that keeps the page, anything
  else a number that the log has too. Catch a Refusal only to show it beside its field (``refusal.field``).
* ``watch_filing(id, callback)``: calls ``callback(event)`` on the event loop, in the page's context, after every commit
  that published ``FilingChanged`` or ``CellsChanged`` of it; ``watch_inbox(callback)`` the same for the actor's messages.
  Both end with the page. ``on_return(callback)``: after signing in again in an open page.
* ``busy(handler)`` around a click handler: a second click while the first is under way does nothing.
* ``in_turn(refresh)`` around what reads and then draws: what is shown last is what was read last.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from nicegui import Client, app, background_tasks, context, ui
from sqlmodel import Session

from models.enums import Role
from services import clock, events
from services.accounts import sessions
from services.actors import Actor
from services.db import Database
from services.errors import Forbidden, NotFound, Refusal, SignedOut
from services.filings import room
from services.perform import aperform
from services.settings import Settings
from ui import guard, here, plain, theme
from ui.widgets import notices

P = ParamSpec("P")
T = TypeVar("T")
Handler = Callable[P, Awaitable[None]]
Watcher = Callable[[Any], Any]

MOST_STRANGERS = 100  # pages of an address without a sign-in, open or sent within the last minute
MOST_PAGES = 1200  # pages of one sign-in
CROWDED = "从您这里打开的页面太多，暂时不能再打开。请关闭不用的页面，一分钟后再试。"
PAGE_SECONDS = 20.0  # to build a page; NiceGUI's own answer to a slower one is English
SLOW = "现在办理的人很多，这个页面没有及时准备好。已保存的内容不受影响，请稍等片刻再打开。"

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

log = logging.getLogger("lvce.ui")


@dataclass(frozen=True, slots=True)
class Page:
    """页面登记: one route, who may open it (``roles`` None: everybody signed in; ``public``: everybody)."""

    path: str
    title: str
    roles: frozenset[Role] | None
    public: bool
    build: Callable[..., Any]


PAGES: dict[str, Page] = {}
GUARDED_ROUTES: set[str] = set()  # plain routes behind the same guard


@dataclass(slots=True, eq=False)
class Tab:
    """打开的页面: one page in one browser tab, and who holds it. Lives as long as NiceGUI's client."""

    client: Client
    token: str  # of the sign-in; of the browser, where nobody is signed in
    device: str
    address: str
    actor: Actor | None
    building: bool = True
    awaited: bool = True  # no socket has come for it yet
    filings: dict[int, list[Watcher]] = field(default_factory=dict)
    inbox: list[Watcher] = field(default_factory=list)
    returned: list[Callable[[], Any]] = field(default_factory=list)
    hearing: dict[Watcher, list[Any]] = field(default_factory=dict)  # the event each is at work on, and those after it
    missed: dict[Watcher, Any] = field(
        default_factory=dict
    )  # the last event each has not heard while ``layer`` was open
    layer: ui.dialog | None = None  # its sign-in is over: everything waits behind this until the person signs in again
    renewing: bool = False  # the person is just doing so: the end of the old sign-in is no end of this page
    ended: bool = False  # its sign-in was revoked: its socket is closed, nothing from it is heard any more


@dataclass(slots=True)
class _House:
    db: Database
    settings: Settings
    loop: asyncio.AbstractEventLoop | None = None
    tabs: dict[str, Tab] = field(default_factory=dict)
    by_filing: dict[int, set[Tab]] = field(default_factory=dict)  # who watches it: a commit asks no other page
    cut: Callable[[Tab], None] = lambda _: None  # closes the socket of a page; set by ``ui.wire``
    ask: Callable[[Tab, str], None] = lambda _, __: None  # lets the person sign in again; set by ``ui.again``
    carried: dict[str, str] = field(default_factory=dict)  # sign-in → what its next page has to say


_house: _House | None = None
# What a page does because somebody else acted does not keep its own sign-in alive.
_unasked: ContextVar[bool] = ContextVar("unasked", default=False)


# --- pages ----------------------------------------------------------------------------------------------------------


def page(
    path: str, *, title: str, roles: frozenset[Role] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a page for people who are signed in (须登录的页面); ``roles`` None: any role. The function gets ``actor``."""
    return _registered(path, title, roles, public=False)


def public_page(path: str, *, title: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a page for everybody (公开页面); the function gets no actor."""
    return _registered(path, title, None, public=True)


def _registered(
    path: str, title: str, roles: frozenset[Role] | None, *, public: bool
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(build: Callable[..., Any]) -> Callable[..., Any]:
        PAGES[path] = Page(path, title, roles, public, build)
        return build

    return keep


def register(spec: Page) -> None:
    """Put one page into the application, behind its guard."""
    signature = inspect.signature(spec.build, eval_str=True)
    wants_request = "request" in signature.parameters

    async def guarded(*, request: Request, **arguments: Any) -> Response | None:
        tab = _open_tab(request)
        answer = await built(tab, request, arguments)
        if answer is not None:
            tab.client.delete()  # no page: no socket will come for it
        return answer

    async def built(tab: Tab, request: Request, arguments: dict[str, Any]) -> Response | None:
        if wants_request:
            arguments["request"] = request
        if not spec.public:
            try:
                tab.actor = await sessions.aresolve(house().db, tab.token, address=tab.address)
            except SignedOut:
                return RedirectResponse(f"{plain.prefix(request)}/login?next={quote(_target(request))}", 303)
            if (first := first_of_all(tab.actor)) and spec.path != first:
                return RedirectResponse(plain.prefix(request) + first, 303)
            if spec.roles is not None and tab.actor.role not in spec.roles:
                return plain.refused(request, 403, forbidden_words(tab.actor, spec.title))
            arguments["actor"] = tab.actor
        if not _has_room(tab):
            return plain.refused(request, 429, CROWDED)
        theme.apply(request, signed_in=not spec.public)
        tab.client.on_exception(failed)
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                answer = spec.build(**arguments)
                if inspect.isawaitable(answer):
                    answer = await answer
        except SignedOut:
            return RedirectResponse(f"{plain.prefix(request)}/login?next={quote(_target(request))}", 303)
        except Refusal as refusal:
            return plain.refused(request, _code(refusal), refusal.message)
        except TimeoutError:
            log.warning("%s took longer than %s s", spec.path, PAGE_SECONDS)
            return plain.refused(request, 503, SLOW)
        except Exception as error:
            return plain.broken(request, numbered(error))
        tab.building = False
        return answer if isinstance(answer, Response) else None

    parameters = [p for p in signature.parameters.values() if p.name not in ("actor", "request")]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    taken = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    guarded.__signature__ = inspect.Signature([taken, *parameters])  # type: ignore[attr-defined]
    guarded.__module__, guarded.__name__ = spec.build.__module__, spec.build.__name__
    ui.page(spec.path, title=f"{spec.title} · 绿册", language="zh-CN", response_timeout=2 * PAGE_SECONDS)(guarded)


def guarded_route(app_: FastAPI, path: str, handler: Callable[[Request, Actor], Awaitable[Response]]) -> None:
    """Add a plain GET route for people who are signed in (须登录的地址), with the same answers as a page's guard."""

    async def guarded(request: Request) -> Response:
        address = request.client.host if request.client else ""
        try:
            actor = await sessions.aresolve(house().db, guard.cookie(request.scope), address=address)
            if first := first_of_all(actor):
                return RedirectResponse(plain.prefix(request) + first, 303)
            return await handler(request, actor)
        except SignedOut:
            return RedirectResponse(f"{plain.prefix(request)}/login?next={quote(_target(request))}", 303)
        except Refusal as refusal:
            return plain.refused(request, _code(refusal), refusal.message)

    GUARDED_ROUTES.add(path)
    app_.add_api_route(path, guarded, methods=["GET"], response_model=None)


_FIRST = {
    "/password": "须先修改密码，请点右上角姓名，选“修改密码”。",
    "/security": "您的角色须先启用动态口令，请点右上角姓名，选“登录安全”。",
}


def first_of_all(actor: Actor) -> str:
    """The page where something has to be done before anything else (先办), "" if nothing has."""
    return "/password" if actor.must_change_password else "/security" if actor.must_set_code else ""


def forbidden_words(actor: Actor, title: str) -> str:
    return f"“{title}”不对{actor.role.caption}开放。您当前以“{actor.name}（{actor.organisation_name}）”登录；如需办理，请用有相应职责的用户登录，或联系系统管理员。"


def _target(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


def _code(refusal: Refusal) -> int:
    if isinstance(refusal, NotFound):
        return 404
    return 403 if isinstance(refusal, Forbidden) else 409


# --- acting ---------------------------------------------------------------------------------------------------------


async def perform(use_case: Callable[Concatenate[Session, Actor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do a use case (执行) as the person of this page, in one transaction; raises its Refusal."""
    return await aperform(house().db, use_case, await _actor(), *args, **kwargs)


async def read(query: Callable[Concatenate[Session, Actor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Read (读取) as the person of this page; off the event loop."""
    return await house().db.aread(query, await _actor(), *args, **kwargs)


async def read_as(
    actor: Actor, query: Callable[Concatenate[Session, Actor, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """The same for a guarded route, which has its actor already."""
    return await house().db.aread(query, actor, *args, **kwargs)


async def perform_as(
    actor: Actor, use_case: Callable[Concatenate[Session, Actor, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """An act of a guarded route, which has its actor already."""
    return await aperform(house().db, use_case, actor, *args, **kwargs)


async def blocking(work: Callable[Concatenate[Database, Actor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run work that takes the database and blocks (hashing, drawing a PDF, reading a scan) in a thread of its own."""
    actor = await _actor()
    return await asyncio.to_thread(work, house().db, actor, *args, **kwargs)


async def anonymous(use_case: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Read for a public page (公开读取): no actor."""
    return await house().db.aread(use_case, *args, **kwargs)


async def anonymously(work: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Blocking work for a public page, e.g. a registration: takes the database, no actor."""
    return await asyncio.to_thread(work, house().db, *args, **kwargs)


def current() -> Actor:
    """The person of this page (当前操作人), as of its last event."""
    actor = tab().actor
    if actor is None:
        raise SignedOut
    return actor


def tab() -> Tab:
    """The page whose handler is running."""
    client = here.client()
    found = house().tabs.get(client.id) if client else None
    if found is None:
        raise SignedOut
    return found


def tab_of(client: Client) -> Tab:
    """The open page that this client of NiceGUI shows."""
    return house().tabs[client.id]


def house() -> _House:
    if _house is None:
        raise RuntimeError("act.install() has not been called")
    return _house


def settings() -> Settings:
    return house().settings


async def _actor() -> Actor:
    found = tab()
    if found.building and found.actor is not None:
        return found.actor
    active = not _unasked.get()
    found.actor = await sessions.aresolve(house().db, found.token, address=found.address, active=active)
    if (first := first_of_all(found.actor)) and found.client.page.path != first:
        raise Forbidden(_FIRST[first])
    return found.actor


def busy(handler: Callable[P, Awaitable[Any]]) -> Handler[P]:
    """A click handler that ignores clicks while it is under way (防重复点击)."""
    running = False

    @functools.wraps(handler)  # NiceGUI looks at the signature to see whether the handler wants the event
    async def once(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal running
        if running:
            return
        running = True
        try:
            await handler(*args, **kwargs)
        finally:
            running = False

    return once


def in_turn(refresh: Callable[P, Awaitable[None]]) -> Handler[P]:
    """What reads and then draws (依次重画), one at a time; of those that wait only the newest is done. Two readings at once
    could end in the wrong order, and the page would go on showing the older one."""
    turn, newest = asyncio.Lock(), 0

    @functools.wraps(refresh)
    async def drawn(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal newest
        newest = mine = newest + 1
        async with turn:
            if mine == newest:
                await refresh(*args, **kwargs)

    return drawn


# --- what went wrong, what went well ----------------------------------------------------------------------------------


def done(message: str) -> None:
    """Say that it worked (成功提示); goes by itself."""
    notices.show("done", message)


def go(to: str, message: str) -> None:
    """Open another page, or ("") this one anew, and say there that it worked (带着提示跳转)."""
    house().carried[tab().token] = message
    ui.navigate.to(to) if to else ui.navigate.reload()


def arrived() -> None:
    """Say what the page before has left to say; ``ui.shell`` asks for it when it has drawn the frame."""
    if message := house().carried.pop(tab().token, ""):
        done(message)


def warn(message: str) -> None:
    """Say what to look at (提醒); goes by itself."""
    notices.show("warning", message)


def failed(error: Exception) -> None:
    """The one place where a failure is shown (失败提示): stays until dismissed."""
    if isinstance(error, SignedOut):
        client = here.client()
        found = house().tabs.get(client.id) if client else None
        if found is None or found.actor is None:
            notices.show("error", error.message)
        else:
            house().ask(found, error.message)
    elif isinstance(error, Refusal):
        notices.show("error", error.message)
    else:
        number = numbered(error)
        notices.show(
            "error",
            f"出现了没有预料到的问题，编号 {number}。这次操作可能没有完成，请刷新页面核对后再试；如再次出现，请把编号告诉系统管理员。",
        )


def numbered(error: BaseException) -> str:
    """Log an unexpected fault under a number that people can tell (问题编号), e.g. E-20250320-7F3K."""
    number = f"E-{clock.today():%Y%m%d}-{''.join(secrets.choice(ALPHABET) for _ in range(4))}"
    log.error("%s %s", number, type(error).__name__, exc_info=error)
    return number


def _outside_pages(error: Exception) -> None:
    """The application's handler: logs what no open page has shown."""
    client = here.client()
    if (client is None or client.is_deleted) and not isinstance(error, Refusal):
        numbered(error)


async def admits(client_id: str, token: str) -> bool:
    """Whether the browser with this cookie may upload into this open page now (上传前核对)."""
    found = house().tabs.get(client_id)
    if found is None or found.ended or found.token != token:
        return False
    if found.actor is not None:
        try:
            found.actor = await sessions.aresolve(house().db, token, address=found.address)
        except SignedOut as out:
            with found.client:
                failed(out)
            return False
    return True


# --- what happened elsewhere ------------------------------------------------------------------------------------------


def watch_filing(filing_id: int, callback: Watcher) -> None:
    """Call ``callback(event)`` when this filing changed (有变动); ends with the page. May be async."""
    found = tab()
    found.filings.setdefault(filing_id, []).append(callback)
    house().by_filing.setdefault(filing_id, set()).add(found)


def watch_inbox(callback: Watcher) -> None:
    """Call ``callback(event)`` when the messages of this page's organisation changed."""
    tab().inbox.append(callback)


def on_return(callback: Callable[[], Any]) -> None:
    """Call this after the person signed in again without leaving the page (重新登录后)."""
    tab().returned.append(callback)


def _hop(event: events.Event) -> None:
    """From the writer's thread to the event loop, unless nobody there would hear it: most cells have one page that shows them,
    which has the answer."""
    if isinstance(event, events.CellsChanged) and not _watchers(event):
        return
    loop = _house.loop if _house else None
    if loop is not None and not loop.is_closed():
        with suppress(RuntimeError):  # the loop closes while the last commits are told
            loop.call_soon_threadsafe(_tell, event)


def _tell(event: events.Event) -> None:
    if isinstance(event, events.SignInEnded):
        _close_tabs(set(event.sign_in_ids), event.reason)
        return
    for found, callback in _watchers(event):
        if found.layer is not None:
            found.missed[callback] = event
            continue
        _hear(found, callback, event)


def _watchers(event: events.FilingChanged | events.CellsChanged | events.InboxChanged) -> list[tuple[Tab, Watcher]]:
    if isinstance(event, events.InboxChanged):
        tabs = [t for t in house().tabs.values() if t.actor and t.actor.organisation_id == event.organisation_id]
        return [(found, callback) for found in tabs for callback in found.inbox]
    showing = tuple(house().by_filing.get(event.filing_id, ()))  # at once: the writing thread asks too, in ``_hop``
    tabs = [
        t
        for t in showing
        if not (isinstance(event, events.CellsChanged) and event.origin == t.client.id)  # it has the answer already
    ]
    return [(found, callback) for found in tabs for callback in found.filings[event.filing_id]]


def _hear(found: Tab, callback: Watcher, event: events.Event) -> None:
    """Let one watcher hear one event after the other (依次): two readings at once could end in the wrong order."""
    if (waiting := found.hearing.get(callback)) is None:
        found.hearing[callback] = [event]
        background_tasks.create(_heard(found, callback), name="watcher", context=found.client)
    elif isinstance(event, events.CellsChanged) or event not in waiting[1:]:
        waiting.append(event)


async def _heard(found: Tab, callback: Watcher) -> None:
    try:
        await _call(callback, found.hearing[callback][0])
    except asyncio.CancelledError:  # the program ends
        found.hearing.clear()
        raise
    finally:  # also after a refusal, which is shown: what comes next is heard
        for event in found.hearing.pop(callback, ())[1:]:
            _hear(found, callback, event)


async def _call(callback: Watcher, event: events.Event) -> None:
    _unasked.set(True)
    with suppress(SignedOut):  # the next click says so
        answer = callback(event)
        if inspect.isawaitable(answer):
            await answer


def _close_tabs(sign_in_ids: set[int], reason: str) -> None:
    for found in tuple(house().tabs.values()):
        if found.actor and found.actor.sign_in_id in sign_in_ids and not found.renewing:
            found.ended = True
            if reason == "signed_out":  # what is not saved yet goes with the person, in every tab
                found.client.run_javascript("window.dispatchEvent(new Event('lvce:logout'))")
            found.client.open(f"/login?ended={reason}&next={quote(_target(found.client.request))}")
            house().cut(found)


# --- the application ----------------------------------------------------------------------------------------------------


def install(database: Database, settings: Settings) -> None:
    """Bind the bridge to one database (启动时), before pages are registered."""
    global _house
    _house = built = _House(database, settings)
    stop = events.subscribe(_hop)

    def start() -> None:
        built.loop = asyncio.get_running_loop()

    def end() -> None:
        stop()
        built.loop = None

    app.on_startup(start)
    app.on_shutdown(end)
    app._exception_handlers[:] = [_outside_pages]  # NiceGUI's own only logs, refusals too


def _open_tab(request: Request) -> Tab:
    client = context.client
    home = house()
    found = Tab(client, guard.bearer(request.scope), guard.cookie(request.scope, guard.DEVICE), client.ip, None)
    home.tabs[client.id] = found
    client.on_delete(lambda: _forget(home, found))
    return found


def _has_room(new: Tab) -> bool:
    """Whether one more page may be kept for this sign-in, or for this address (页面数量). Of a sign-in the oldest that
    nobody has come for gives way; strangers wait, so that a flood of them costs next to nothing."""
    others = [t for t in house().tabs.values() if t is not new and _holder(t) == _holder(new)]
    if new.actor is None:
        return len(others) < MOST_STRANGERS
    if len(others) < MOST_PAGES:
        return True
    given_up = next((t for t in others if t.awaited and not t.building), None)
    if given_up is not None:
        given_up.client.delete()
    return given_up is not None


def _holder(found: Tab) -> str | int | None:
    return found.actor.sign_in_id if found.actor else found.address


def _forget(home: _House, found: Tab) -> None:
    home.tabs.pop(found.client.id, None)
    for filing_id in found.filings:
        watchers = home.by_filing.get(filing_id, set())
        watchers.discard(found)
        if not watchers:
            home.by_filing.pop(filing_id, None)
            home.db.post(room.leave, filing_id)  # its working copy is some 80 KB
