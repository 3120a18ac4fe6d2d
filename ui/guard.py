"""What stands in front of the application (门卫): the outermost layer, before anything reads a request.

In this order: whose forwarded headers are believed, whose cookie it is, which host names we answer to, which other sites may
send us anything (none), how long a body may be, whose page an upload belongs to; and headers on every answer. ``ui.wire``
guards what comes through an open socket.
"""

from __future__ import annotations

import logging
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import FastAPI
from jinja2 import BaseLoader, ChoiceLoader, DictLoader
from nicegui import helpers
from nicegui.client import templates
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.settings import Settings, is_loopback

log = logging.getLogger("lvce.guard")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
POLICY = (
    "default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
KEPT = ("/static/", "/_nicegui/")  # versioned: these set how long they are kept themselves
SOCKET = "/_nicegui_ws/"
UPLOAD = re.compile(r"/_nicegui/client/([^/]+)/upload/\d+")
FORWARDED = (b"x-forwarded-", b"forwarded", b"x-real-ip")
READING = frozenset({"GET", "HEAD", "OPTIONS"})

SESSION = "lvce_session"  # the sign-in
DEVICE = "lvce_device"  # by which a browser is known to the throttle; opens nothing
HOST_ONLY = "__Host-"  # under TLS: a browser takes it only Secure, for the whole host and no other
HSTS = "max-age=31536000"

KB, MB = 1024, 1024 * 1024
MOST_UPLOAD = 21 * MB  # a file of 20 MB and the form around it
MOST_SOCKET = 1 * MB  # what the socket's library takes
MOST_OTHER = 64 * KB  # sign-in forms
SOCKET_FRAME = 4 * MB  # bytes: 1,000,000 characters may be Chinese

NEEDS_TLS = "请用 {url} 访问：本系统只接受加密的连接，您现在的连接没有加密。"
WRONG_HOST = (
    "本系统没有登记“{host}”这个网址。请用管理员公布的网址访问；管理员请把它加入环境变量 LVCE_ALLOWED_HOSTS 后重新启动。"
)

# (client id, cookie) → whether this browser may upload into that page now; (engine session, cookie) → whether it is its own
Admits = Callable[[str, str], Awaitable[bool]]
Owns = Callable[[str, str], bool]


def install(app: FastAPI, settings: Settings, admits: Admits, owns: Owns) -> None:
    """Put the guard around everything (装门卫), also around what ``ui.run`` adds, and mark NiceGUI's scripts."""

    def build() -> ASGIApp:
        return Guard(type(app).build_middleware_stack(app), settings, admits, owns)

    app.build_middleware_stack = build  # type: ignore[method-assign]
    _mark_scripts()


def nonce(scope: MutableMapping[str, Any]) -> str:
    """The mark of our own scripts in this answer (脚本标记): ``<script nonce="…">``."""
    return str(scope.get("nonce", ""))


def secure(scope: MutableMapping[str, Any]) -> bool:
    """Whether the browser speaks TLS, with us or with the proxy in front of us."""
    return scope["scheme"] in ("https", "wss")


def cookie_name(scope: MutableMapping[str, Any], name: str) -> str:
    """What ``SESSION`` or ``DEVICE`` is called on this connection."""
    return HOST_ONLY + name if secure(scope) else name


def cookie(scope: MutableMapping[str, Any], name: str = SESSION) -> str:
    """Its value as the browser sent it, "" if it did not."""
    said = "; ".join(Headers(scope=scope).getlist("cookie"))
    return cookie_parser(said).get(cookie_name(scope, name), "")


def bearer(scope: MutableMapping[str, Any]) -> str:
    """What binds a page to its browser (凭据): the sign-in, or for who has none the mark of the browser, new if need be."""
    return cookie(scope) or cookie(scope, DEVICE) or str(scope.setdefault("mark", secrets.token_urlsafe(32)))


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, settings: Settings, admits: Admits, owns: Owns) -> None:
        self.app, self.admits, self.owns, self.url = app, admits, owns, settings.public_url
        self.proxies = [ip_network(place) for place in settings.trusted_proxies]
        self.public = _origin(settings.public_url)
        self.hosts = _host_names(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}  # the same answer, of which the server leaves the body out
        self._forwarded(scope)
        headers = Headers(scope=scope)
        path = scope["path"]
        refusal = self._refusal(scope, headers)
        if kind == "websocket":
            await self._socket(scope, receive, send, refusal)
            return
        kept = path.startswith(KEPT)
        scope["nonce"] = "" if kept else secrets.token_urlsafe(16)
        started = finished = False

        async def answered(message: Message) -> None:
            nonlocal started, finished
            if finished:
                return  # refused while the application was still reading
            if message["type"] == "http.response.start":
                started = True
                _complete(message, scope, kept=kept)
            elif message["type"] == "http.response.body":
                finished = not message.get("more_body", False)
            await send(message)

        taken = 0

        async def counted() -> Message:
            """Stops at ``most`` bytes, however the body comes (分块也算): to the application it is as if the sender had left."""
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > most:
                    if not started:
                        await _too_long()(scope, receive, answered)
                    return {"type": "http.disconnect"}
            return message

        found = UPLOAD.fullmatch(path)
        most = MOST_UPLOAD if found else MOST_SOCKET if path.startswith(SOCKET) else MOST_OTHER
        if refusal is None and found and not await self.admits(found[1], bearer(scope)):
            refusal = JSONResponse({"detail": "forbidden"}, 403)
        length = headers.get("content-length", "0")
        if refusal is None and (not length.isdecimal() or int(length) > most):
            refusal = _too_long()
        if refusal is not None:
            await refusal(scope, receive, answered)
            return
        try:
            await self.app(scope, counted, answered)
        except Exception:
            if not finished:  # an answer that broke off; a whole one (the page with a number) has been logged already
                raise

    async def _socket(self, scope: Scope, receive: Receive, send: Send, refusal: Response | None) -> None:
        if refusal is not None or not scope["path"].startswith(SOCKET):
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: an HTTP 403
            return
        try:
            await self.app(scope, receive, send)
        except Exception as error:  # what does not even decode ends the socket, not the log
            log.warning("socket from %s broken off: %s", address(scope), type(error).__name__)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Why this is not let in, or None."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._ours(hosts[0]):
            said = ", ".join(hosts)[:100]
            return HTMLResponse(WRONG_HOST.format(host=escape(said)), 400)
        if self.public and self.public[0] == "https" and not (secure(scope) or is_loopback(address(scope))):
            return HTMLResponse(NEEDS_TLS.format(url=escape(self.url)), 403)
        if scope["type"] == "http" and not scope["path"].startswith(SOCKET) and scope["method"] in READING:
            return None
        if not self._same_origin(headers, hosts[0], needed=scope["type"] == "websocket"):
            return JSONResponse({"detail": "forbidden"}, 403)
        session = parse_qs(scope["query_string"].decode("latin-1")).get("sid", [""])[0]
        if session and scope["path"].startswith(SOCKET) and not self.owns(session, bearer(scope)):
            return JSONResponse({"detail": "forbidden"}, 403)
        return None

    def _ours(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            whole = parts.netloc == host and "@" not in host and (parts.port or 80) > 0
        except ValueError:
            return False
        name = parts.hostname or ""
        return whole and (name in self.hosts or _is_address(name))

    def _same_origin(self, headers: Headers, host: str, *, needed: bool) -> bool:
        """Sent by a page of ours (同源检查); browsers name the origin of every socket and of everything that changes something."""
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return False
        origins = headers.getlist("origin")
        if not origins:
            return not needed
        if len(origins) > 1:
            return False
        scheme, _, place = origins[0].lower().partition("://")
        if self.public and (scheme, _bare(scheme, place)) == self.public:
            return True
        return scheme in ("http", "https") and _bare(scheme, place) == _bare(scheme, host.lower())

    def _forwarded(self, scope: Scope) -> None:
        """Take who asks and how from a trusted proxy; strip these headers from everybody else (可信代理)."""
        peer = address(scope)
        trusted = _within(peer, self.proxies)
        if trusted:
            headers = Headers(scope=scope)
            chain = [part.strip() for part in ",".join(headers.getlist("x-forwarded-for")).split(",")]
            for place in reversed(chain):
                if not _is_address(place):
                    break
                scope["client"] = (place, 0)
                if not _within(place, self.proxies):
                    break
            proto = headers.get("x-forwarded-proto", "").lower()
            if proto in ("http", "https"):
                secure = proto == "https"
                scope["scheme"] = ("wss" if secure else "ws") if scope["type"] == "websocket" else proto
        kept = b"x-forwarded-prefix" if trusted else b""
        scope["headers"] = [
            (name, value) for name, value in scope["headers"] if name == kept or not name.startswith(FORWARDED)
        ]


def _too_long() -> Response:
    return HTMLResponse("提交的内容超过了允许的大小。请压缩或拆分后再试。", 413, {"Connection": "close"})


def _complete(message: MutableMapping[str, Any], scope: Scope, *, kept: bool) -> None:
    headers, mark = MutableHeaders(scope=message), nonce(scope)
    if secure(scope):
        headers.setdefault("Strict-Transport-Security", HSTS)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    scripts = f"'self' 'nonce-{mark}'" if mark else "'self'"
    if "X-NiceGUI-Content" in headers:
        scripts += " 'unsafe-eval'"  # Vue compiles its templates in the browser
    headers["Content-Security-Policy"] = POLICY.format(scripts=scripts)
    if "mark" in scope and "X-NiceGUI-Content" in headers:  # a page, whose socket has to come with it
        flags = "; HttpOnly; SameSite=Lax; Path=/" + ("; Secure" if secure(scope) else "")
        headers.append("Set-Cookie", f"{cookie_name(scope, DEVICE)}={scope['mark']}{flags}")
    if message["status"] >= 400:
        headers["Cache-Control"] = "no-store"  # what was missing once may be there tomorrow
    elif not kept:
        headers.setdefault("Cache-Control", "no-store")


def _mark_scripts() -> None:
    """Let NiceGUI's page template carry our mark on each of its scripts, so that inline scripts need no general leave."""
    env = templates.env
    if getattr(env, "marked", False):
        return
    loader = env.loader
    assert isinstance(loader, BaseLoader)
    source, _, _ = loader.get_source(env, "index.html")
    marked = re.sub(r"<script\b", '<script nonce="{{ request.scope.nonce }}"', source)
    env.loader = ChoiceLoader([DictLoader({"index.html": marked}), loader])
    if env.cache is not None:
        env.cache.clear()
    env.marked = True  # type: ignore[attr-defined]


def _host_names(settings: Settings) -> frozenset[str]:
    names = {"localhost", socket.gethostname().lower(), settings.host.lower(), *settings.allowed_hosts}
    names.add(urlsplit(settings.public_url).hostname or "localhost")
    if helpers.is_user_simulation():
        names.add("test")  # NiceGUI's test client, which has no socket to come through
    return frozenset(names)


def _origin(url: str) -> tuple[str, str] | None:
    parts = urlsplit(url)
    return (parts.scheme, _bare(parts.scheme, parts.netloc.lower())) if url else None


def _bare(scheme: str, place: str) -> str:
    """Host and port without the port that goes without saying."""
    return place.removesuffix(":443" if scheme == "https" else ":80")


def address(scope: MutableMapping[str, Any]) -> str:
    """Whose connection it is (地址), "" if unknown: the browser's, where a trusted proxy said so."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _is_address(text: str) -> bool:
    """An IP address; a page of another site cannot be made to answer to one (DNS rebinding)."""
    try:
        ip_address(text)
    except ValueError:
        return is_loopback(text)
    return True


def _within(text: str, networks: list[Any]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)
