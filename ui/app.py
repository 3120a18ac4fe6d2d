"""Putting the pages together (页面装配): ``create`` registers everything; ``ui.run(**run_options(settings))`` serves it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import sys
from collections.abc import Awaitable
from threading import Thread
from types import SimpleNamespace
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from nicegui import app, outbox
from nicegui.server import Server
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from services.db import Database
from services.documents import fonts
from services.settings import Settings
from ui import act, again, exports, guard, pages, plain, theme, wire
from ui.widgets import upload

log = logging.getLogger("lvce.ui")

SWEPT_AFTER = 3.0  # seconds, so that many pages closed together are one sweep
YEAR_SECONDS = 365 * 24 * 3600

_WORDS = {
    404: "地址可能输错了，或者这项内容已被移走。请从左侧菜单或待办重新进入。",
    405: "这个地址不能这样访问。请从页面上的按钮进入。",
    413: "上传的内容超过了允许的大小。请压缩或拆分后再传。",
}


def create(database: Database, settings: Settings) -> None:
    """Register pages, static files, plain routes and error pages for one database; before ``ui.run``."""
    theme.install()
    act.install(database, settings)
    exports.install(database, settings)
    upload.install(app)
    wire.install()
    again.install()
    guard.install(app, settings, act.admits, wire.owns)
    _wait_quietly()
    app.add_static_files("/static", theme.STATIC, max_cache_age=YEAR_SECONDS)
    app.add_api_route("/healthz", _health, methods=["GET"])
    for add in pages.ROUTES:
        add(app)
    for page in act.PAGES.values():
        act.register(page)
    app.add_exception_handler(404, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _broken)
    app.on_startup(_speak)
    app.on_startup(_tune)
    app.on_startup(_warm)


def run_options(settings: Settings) -> dict[str, Any]:
    """Arguments for ``ui.run``: measured, see README "Decisions"."""
    return {
        "host": settings.host,
        "port": settings.port,
        "title": "绿册",
        "language": "zh-CN",
        "favicon": theme.ICON,
        "reload": False,
        "show": False,
        "tailwind": False,
        "markdown": False,
        "reconnect_timeout": 30.0,
        "show_welcome_message": False,
        "server_header": False,
        "log_config": None,  # uvicorn's own lines go the way of all others (services.logs)
        "proxy_headers": False,  # the guard knows which proxy to believe
        "ws_max_size": guard.SOCKET_FRAME,
        "ws_per_message_deflate": False,  # a short frame could be a long one
    }


def _speak() -> None:
    """NiceGUI asks for wsproto, which is all Python: a fifth of the event loop's work. The other engine reads frames in C."""
    server = getattr(Server, "instance", None)
    if server is not None:  # a test's pages have none
        server.config.ws_protocol_class = WebSocketsSansIOProtocol


async def _however_long(something: Awaitable[Any], timeout: float) -> Any:
    return await something


def _wait_quietly() -> None:
    """NiceGUI's outbox looks each second, for every open page, whether there is something to send, though it is told so
    anyway, and when the page is closed: with a thousand pages a tenth of the event loop's work, and most of what the
    collector had to look through."""
    outbox.asyncio = SimpleNamespace(**{**vars(asyncio), "wait_for": _however_long})  # type: ignore[attr-defined, assignment]


def _tune() -> None:
    """Full garbage collections were what p95 consisted of; what is loaded by now stays. Closed pages, which are all in
    cycles, are swept when there are half as many of them as open ones, and their memory goes back to the system."""
    sys.setswitchinterval(0.0001)  # or the writing thread starves beside a busy event loop, and answers wait for it
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    waiting = 0
    # The GNU library's; others do it by themselves, and Windows has no library of no name.
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None

    def closed() -> None:
        nonlocal waiting
        waiting += 1
        asyncio.get_running_loop().call_later(SWEPT_AFTER, sweep)

    def sweep() -> None:
        nonlocal waiting
        if not waiting or waiting < len(act.house().tabs) // 2:
            return
        waiting = 0
        gc.collect()
        if give_back:
            Thread(target=give_back, args=(0,), name="give-back", daemon=True).start()

    app.on_delete(closed)


def _warm() -> None:
    """The first paper would wait for what is read once per process (字体): read it while nobody waits."""
    Thread(target=fonts.warm, name="warm", daemon=True).start()


def _health() -> dict[str, str]:
    return {"status": "ok"}


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if request.url.path.startswith("/_nicegui"):
        return JSONResponse({"detail": "not found"}, status_code=status)
    return plain.refused(request, status, _WORDS.get(status, "请返回后重试；如仍不行，请联系系统管理员。"))


async def _invalid(request: Request, _: Exception) -> Response:
    return plain.refused(request, 404, _WORDS[404])


async def _gone(request: Request, _: Exception) -> Response:
    return Response(status_code=400)  # who left reads no answer


async def _broken(request: Request, error: Exception) -> Response:
    return plain.broken(request, act.numbered(error))
