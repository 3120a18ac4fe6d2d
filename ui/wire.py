"""The page's socket (套接字): only the page's own browser opens it, and it speaks for that page alone.

NiceGUI hears whoever knows a page's client id. Here its handlers are wrapped, all of them and in one place: a socket is
bound to the page whose cookie it came with, what names another page is refused, what is malformed is counted, and a
socket that keeps at it is cut off; who floods has to wait. Per event this costs a few look-ups in memory. Whether the sign-in still holds is asked by
``ui.act`` at every use case; pages whose sign-in was revoked are not heard at all.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import isfinite
from typing import Any
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from engineio import packet as frames
from nicegui import Client, background_tasks, nicegui, ui
from nicegui.element import Element
from nicegui.nicegui import sio
from socketio import packet as messages
from socketio.async_manager import AsyncManager
from socketio.exceptions import ConnectionRefusedError as Refused

from services.accounts import sessions
from ui import act, guard

log = logging.getLogger("lvce.wire")

MOST_MALFORMED = 10  # of one socket, before it is cut off
MOST_ARGUMENTS = 20
FRAMES_A_SECOND = 100  # of one socket; nobody types so fast, and what is above waits
MOST_AT_ONCE = 1000  # frames that need not wait: a page that was away catches up
LONGEST_LOG = 300
MOST_SOCKETS = 3  # of one page: one, and those of lost connections that have not timed out yet
GREETING_SECONDS = 5.0  # so long a connection may take to say which page it belongs to
# Connections that have not said so yet: of one page, of an address (an office of 200 tabs may share one), of all addresses.
MOST_OF_A_PAGE, MOST_OF_AN_ADDRESS, MOST_STRANGE = 10, 400, 1000
PARTING_SECONDS = 0.5  # a revoked page has this long to be told where to go

# The words NiceGUI itself looks for in a refusal: its page then loads again, and with it comes the sign-in page.
RELOAD = "Implicit handshake failed"

_pages: dict[str, act.Tab] = {}  # socket → its page
# Engine sessions that are in nobody's name yet: whether they come with a page of theirs, and of which page or address.
_greeting: dict[str, tuple[bool, str]] = {}
_malformed: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # engine.io's socket → how often
_spent: WeakKeyDictionary[Any, float] = WeakKeyDictionary()  # engine.io's socket → up to when its frames are paid for


class _Malformed(Exception):
    """What no page of ours sends."""


def install() -> None:
    """Take the place of NiceGUI's socket handlers (接管); fails when an upgrade brought one that is not known here."""
    if set(sio.handlers["/"]) != set(HANDLERS):
        raise RuntimeError(f"NiceGUI's socket handlers have changed: {sorted(sio.handlers['/'])}")
    for name, handler in HANDLERS.items():
        sio.on(name, handler)
    sio.eio.on("connect", _opened)
    sio.eio.on("disconnect", _closed)
    sio.eio.on("message", _frame)
    sio.async_handlers = False  # no handler here waits long, and most make a task of their own
    sio.manager = _Manager()
    sio.manager.set_server(sio)
    sio.eio.cors_allowed_origins = []  # the guard has looked at the origin; nobody else's page may read an answer
    act.house().cut = _cut_page


def owns(session: str, token: str) -> bool:
    """Whether a request of an engine.io session comes from the browser that opened it (轮询)."""
    environ = sio.environ.get(session)
    if environ is None:
        return True  # unknown: refused by engine.io itself
    if guard.bearer(environ["asgi.scope"]) == token:
        return True
    page = _pages.get(sio.manager.sid_from_eio_sid(session, "/") or "")
    return page is not None and page.token == token  # signed in again meanwhile


async def _opened(session: str, environ: dict[str, Any]) -> Any:
    """A connection that never says whose it is does not stay, and there are few of them at a time (无主连接). Who comes with
    the cookie of his page is not counted among strangers: a flood of them behind the same address is not his.
    """
    page = _named(environ)
    own = page is not None and _its_own(page, environ)
    place = page.client.id if page is not None and own else guard.address(environ["asgi.scope"])
    alike = sum(known == (own, place) for known in _greeting.values())
    strange = 0 if own else sum(not owned for owned, _ in _greeting.values())
    if alike >= (MOST_OF_A_PAGE if own else MOST_OF_AN_ADDRESS) or strange >= MOST_STRANGE:
        return False
    _greeting[session] = own, place

    def look() -> None:
        if _greeting.pop(session, None) is not None:  # also of one that went without a word: it counts no longer
            background_tasks.create(_cut(session), name="cut off a socket")

    asyncio.get_running_loop().call_later(GREETING_SECONDS, look)
    return await sio._handle_eio_connect(session, environ)


async def _closed(session: str, reason: str) -> None:
    _greeting.pop(session, None)
    await sio._handle_eio_disconnect(session, reason)


def _named(environ: dict[str, Any]) -> act.Tab | None:
    """The page that a connection says it is of."""
    client_id = parse_qs(environ.get("QUERY_STRING", "")).get("client_id", [""])[0]
    return act.house().tabs.get(client_id)


def _its_own(page: act.Tab, environ: dict[str, Any]) -> bool:
    """Whether it comes from the browser that this page was sent to."""
    return not page.ended and page.token == guard.bearer(environ["asgi.scope"])


async def _connect(sid: str, environ: dict[str, Any], _: object = None) -> None:
    if environ is not sio.get_environ(sid):  # an event that calls itself "connect"
        _count(sid)
        return
    page = _named(environ)
    if page is None or not _its_own(page, environ):
        if page is not None:
            log.warning("socket from another browser refused")
        _cut_soon(sid)
        raise Refused(RELOAD)
    _greeting.pop(sio.manager.eio_sid_from_sid(sid, "/") or "", None)
    for older in [known for known, owner in _pages.items() if owner is page][: 1 - MOST_SOCKETS]:
        _cut_soon(older)
    _pages[sid] = page
    page.awaited = False
    try:
        await nicegui._on_connect(sid, environ)
    except Exception as error:
        _pages.pop(sid, None)
        _cut_soon(sid)
        raise Refused(RELOAD) from error


async def _handshake(sid: str, *said: Any) -> bool:
    try:
        _, message = _own(sid, said)
        return bool(await nicegui._on_handshake(sid, message))
    except (_Malformed, KeyError, TypeError, ValueError):
        _count(sid)
        return False


def _disconnect(sid: str, _: object = None) -> None:
    _pages.pop(sid, None)
    _cut_soon(sid)  # who only says so would keep a connection that is nobody's
    nicegui._on_disconnect(sid)


def _event(sid: str, *said: Any) -> None:
    try:
        page, message = _own(sid, said)
        if page.ended:
            return
        if _meant(page.client, message):
            sessions.touch(act.house().db, page.token)
            nicegui._on_event(sid, message)
    except Exception as error:  # handlers' own faults are shown by NiceGUI; what comes out here is the frame's
        _count(sid, error)


def _javascript_response(sid: str, *said: Any) -> None:
    try:
        _, message = _own(sid, said)
        nicegui._on_javascript_response(sid, message)
    except Exception as error:
        _count(sid, error)


def _ack(sid: str, *said: Any) -> None:
    try:
        page, message = _own(sid, said)
        if not 0 <= message["next_message_id"] <= page.client.outbox.next_message_id + 1:  # one may be under way
            raise _Malformed
        nicegui._on_ack(sid, message)
    except Exception as error:
        _count(sid, error)


def _log(sid: str, *said: Any) -> None:
    """A browser's words go into the log on one line and cut short."""
    try:
        _, message = _own(sid, said)
        log.info("a page says: %r", str(message["message"])[:LONGEST_LOG])
    except Exception as error:
        _count(sid, error)


Handler = Callable[..., Awaitable[Any] | None]
HANDLERS: dict[str, Handler] = {
    "connect": _connect,
    "handshake": _handshake,
    "disconnect": _disconnect,
    "event": _event,
    "javascript_response": _javascript_response,
    "ack": _ack,
    "log": _log,
}


def _own(sid: str, said: tuple[Any, ...]) -> tuple[act.Tab, Any]:
    """The page this socket belongs to, and the one message of this event; raises for one that names another page."""
    page = _pages.get(sid)
    if page is None or len(said) != 1 or said[0]["client_id"] != page.client.id:
        raise _Malformed
    return page, said[0]


def _meant(client: Client, message: Any) -> bool:
    """Whether the page could have sent this; False for what was overtaken (its element or listener is gone)."""
    arguments = message.get("args", [])
    if len(arguments) > MOST_ARGUMENTS or not all(a is None or type(a) is str for a in arguments):
        raise _Malformed
    element = client.elements.get(message["id"])
    listener = element._event_listeners.get(message["listener_id"]) if element is not None else None
    if element is None or listener is None:
        return False
    if listener.type.startswith("update:"):
        if element.props.get("readonly"):
            raise _Malformed
        for kind, possible in VALUES:
            if isinstance(element, kind):
                return bool(arguments) and possible(element, json.loads(arguments[0] or "null"))
        raise _Malformed  # a kind of field that nobody has thought about
    return True


def _of(kind: type) -> Callable[[Any, Any], bool]:
    """A field whose value is of this kind, or empty."""

    def possible(_: Any, value: Any) -> bool:
        if value is not None and type(value) is not kind:
            raise _Malformed
        return True

    return possible


def _number(_: Any, value: Any) -> bool:
    """A field for numbers sends one, or its text; what is no number raises."""
    if value not in (None, "") and (type(value) not in (str, int, float) or not isfinite(float(value))):
        raise _Malformed
    return True


def _offered(element: ui.select | ui.radio, picked: Any) -> bool:
    """Whether these are numbers of what it offers (选项), as it tells them; False when the offer has changed meanwhile."""
    if isinstance(element, ui.select):
        if picked is None:
            return element.multiple or bool(element.props.get("clearable"))
        several = picked if element.multiple and isinstance(picked, list) else [picked]
        numbers = [one["value"] for one in several]
    else:
        numbers = [picked]
    if not all(type(number) is int for number in numbers):
        raise _Malformed
    return all(0 <= number < len(element.options) for number in numbers)


def _page_of(element: ui.pagination, number: Any) -> bool:
    if type(number) is not int:
        raise _Malformed
    return element.min <= number <= element.max


def _tab_of(element: ui.tabs | ui.tab_panels, name: Any) -> bool:
    if type(name) is not str:
        raise _Malformed
    return any(isinstance(one, ui.tab | ui.tab_panel) and one.props["name"] == name for one in element.descendants())


# What a field may send; False where it is only late.
VALUES: tuple[tuple[type[Element] | tuple[type[Element], ...], Callable[[Any, Any], bool]], ...] = (
    (ui.number, _number),
    ((ui.input, ui.textarea), _of(str)),
    ((ui.checkbox, ui.switch, ui.expansion, ui.dialog, ui.menu), _of(bool)),
    ((ui.select, ui.radio), _offered),
    (ui.pagination, _page_of),
    ((ui.tabs, ui.tab_panels), _tab_of),
)


# --- frames -----------------------------------------------------------------------------------------------------------


async def _frame(session: str, frame: Any) -> None:
    """One message before socket.io decodes it: pages connect once, leave, and send events, all as text."""
    try:
        kind = frame[:1] if isinstance(frame, str) else ""
        again = kind == "0" and sio.manager.sid_from_eio_sid(session, "/") is not None
        if kind not in ("0", "1", "2") or again:
            raise _Malformed
        await _pace(session)
        await sio._handle_eio_message(session, frame)
    except Exception as error:
        _count_session(session, error)


async def _pace(session: str) -> None:
    """Frames above the rate wait (限速), and with them the socket they come through: nothing more of it is read meanwhile."""
    line = sio.eio.sockets.get(session)
    if line is None:
        return
    now = asyncio.get_running_loop().time()
    _spent[line] = paid = max(_spent.get(line, 0.0), now - MOST_AT_ONCE / FRAMES_A_SECOND) + 1 / FRAMES_A_SECOND
    if paid > now:
        await asyncio.sleep(paid - now)


def _count(sid: str, error: Exception | None = None) -> None:
    session = sio.manager.eio_sid_from_sid(sid, "/")
    if session is not None:
        _count_session(session, error)


def _count_session(session: str, error: Exception | None) -> None:
    line = sio.eio.sockets.get(session)
    if line is None:
        return
    _malformed[line] = count = _malformed.get(line, 0) + 1
    if count <= MOST_MALFORMED:
        log.warning("malformed frame %s (%s)", count, type(error).__name__ if error else "forged")
    if count == MOST_MALFORMED:
        background_tasks.create(_cut(session), name="cut off a socket")


# --- cutting off ------------------------------------------------------------------------------------------------------


def _cut_page(page: act.Tab) -> None:
    """Close what a revoked page has open (断开), after it was told where to go."""
    for sid in [sid for sid, owner in _pages.items() if owner is page]:
        _cut_soon(sid)


def _cut_soon(sid: str) -> None:
    session = sio.manager.eio_sid_from_sid(sid, "/")
    if session is not None:
        loop = asyncio.get_running_loop()
        loop.call_later(PARTING_SECONDS, lambda: background_tasks.create(_cut(session), name="cut off a socket"))


async def _cut(session: str) -> None:
    line = sio.eio.sockets.get(session)
    if line is not None:
        await line.close(wait=False)
        await line.queue.put(None)  # ends its writer, which closes the connection whether or not the other side does


# --- what is sent -----------------------------------------------------------------------------------------------------


class _Manager(AsyncManager):  # type: ignore[misc]
    """Socket.io's list of who is connected; what is sent to a page needs no task of its own (逐页推送). What does not get
    through is sent again by NiceGUI when the page is back."""

    async def emit(self, event: str, data: Any, namespace: str, room: str | None = None, **how: Any) -> None:
        if any(how.values()):
            await super().emit(event, data, namespace, room, **how)
            return
        text = self.server.packet_class(messages.EVENT, namespace=namespace, data=[event, data]).encode()
        for part in text if isinstance(text, list) else (text,):
            for _, session in tuple(self.get_participants(namespace, room)):
                with suppress(Exception):
                    await self.server.eio.send_packet(session, frames.Packet(frames.MESSAGE, part))
