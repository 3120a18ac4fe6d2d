"""What stands in front of the application (门卫): headers on every answer. Body caps and socket checks belong here too."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'; object-src 'none'; base-uri 'self'; form-action 'self'",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
KEPT = ("/static/", "/_nicegui/")  # versioned: these set how long they are kept themselves


class Guard:
    """ASGI middleware: sets the headers that are missing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(message, kept=path.startswith(KEPT))
            await send(message)

        await self.app(scope, receive, answered)


def _complete(message: MutableMapping[str, Any], *, kept: bool) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if not kept:
        headers.setdefault("Cache-Control", "no-store")
