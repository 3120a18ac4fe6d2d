"""A small client of NiceGUI's wire (engine.io over a websocket), for benches and for tests that speak past the browser.

It fetches a page like a browser, reads the element tree out of it, opens the page's socket and sends events for listeners
that the page really has; what the server sends back is handed to waiting readers as ``(kind, payload)``.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
import urllib.parse
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp

Message = tuple[str, Any]


class WirePage:
    """One open page. ``elements`` maps element id → its JSON as the page holds it."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self.http = http
        self.base = base.rstrip("/")
        self.cookies: dict[str, str] = {}
        self.html = ""
        self.query: dict[str, str] = {}
        self.elements: dict[str, Any] = {}
        self.received: list[Message] = []
        self.closed = asyncio.Event()
        self.ended_by = ""  # what the server's last frame was
        self._waiting: list[tuple[Callable[[Message], bool], asyncio.Future[Any]]] = []
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self, path: str) -> Self:
        """GET the page and connect its socket."""
        await self.fetch(path)
        await self.connect()
        return self

    async def fetch(self, path: str) -> None:
        async with self.http.get(self.base + path, headers=self._headers()) as response:
            response.raise_for_status()
            self.cookies.update((name, said.value) for name, said in response.cookies.items())
            self.html = await response.text()
        found = re.search(r"query: (\{.*?\}),\n", self.html)
        assert found, f"{path} is not a NiceGUI page"
        self.query = {
            k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in ast.literal_eval(found[1]).items()
        }
        tree = re.search(r"parseElements\(String\.raw`(.*?)`\)", self.html, re.DOTALL)
        assert tree
        self.elements = json.loads(_unescape(tree[1]))

    async def connect(self) -> None:
        query = {
            **self.query,
            "EIO": "4",
            "transport": "websocket",
            "document_id": str(uuid.uuid4()),
            "tab_id": str(uuid.uuid4()),
            "old_tab_id": "",
        }
        url = f"{self.base}/_nicegui_ws/socket.io/?{urllib.parse.urlencode(query)}"
        self._socket = await self.http.ws_connect(url, max_msg_size=0, headers=self._headers())
        connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(connected))
        await asyncio.wait_for(connected, 30)
        if "implicit_handshake" not in self.query:
            await self._send(f"420{json.dumps(['handshake', query])}")

    async def emit(self, element_id: int | str, kind: str, *args: Any) -> None:
        """Send an event to the listener that this element of this page has for ``kind``."""
        element = self.elements[str(element_id)]
        listener = next(e["listener_id"] for e in element["events"] if e["type"] == kind)
        await self.send_event(element_id, listener, *args)

    async def send_event(self, element_id: int | str, listener: str, *args: Any, client_id: str = "") -> None:
        """Send an event naming any listener and any client: also the forged kind."""
        body = {
            "id": int(element_id),
            "client_id": client_id or self.query["client_id"],
            "listener_id": listener,
            "args": [json.dumps(a) for a in args],
        }
        await self._send("42" + json.dumps(["event", body]))

    def find(self, test: Callable[[dict[str, Any]], bool]) -> str:
        """The id of the first element that passes ``test``."""
        return next(key for key, element in self.elements.items() if test(element))

    def wait_for(self, test: Callable[[Message], bool]) -> asyncio.Future[Any]:
        """A future of the next message that passes ``test``."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((test, future))
        return future

    async def close(self) -> None:
        if self._socket:
            await self._socket.close()
        if self._reader:
            await self._reader

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    def _headers(self) -> dict[str, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Origin": self.base, **({"Cookie": cookie} if cookie else {})}

    async def _send(self, frame: str) -> None:
        assert self._socket
        await self._socket.send_str(frame)

    async def _read(self, connected: asyncio.Future[None]) -> None:
        assert self._socket
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                self.ended_by = f"{frame}"
                break
            text = frame.data
            if text == "2":
                await self._send("3")
            elif text.startswith("0"):
                await self._send("40")
            elif text.startswith("40"):
                if not connected.done():
                    connected.set_result(None)
            elif text.startswith("44"):
                if not connected.done():
                    connected.set_exception(ConnectionRefusedError(text))
            elif text.startswith("42"):
                kind, payload = (*json.loads(text[2:]), None)[:2]
                self._deliver((kind, payload))
        self.ended_by = self.ended_by or f"close code {self._socket.close_code}, {self._socket.exception()!r}"
        self.closed.set()
        if not connected.done():
            connected.set_exception(ConnectionResetError())

    def _deliver(self, message: Message) -> None:
        kind, payload = message
        if kind == "update":  # the page as it is now
            self.elements.update({key: element for key, element in payload.items() if key.isdigit() and element})
        self.received.append(message)
        del self.received[:-200]
        for entry in tuple(self._waiting):
            test, future = entry
            if future.done():
                self._waiting.remove(entry)
            elif test(message):
                future.set_result(message[1])
                self._waiting.remove(entry)


def _unescape(text: str) -> str:
    """Undo what NiceGUI does to keep JSON inside a template literal."""
    return (
        text.replace("&#36;", "$").replace("&#96;", "`").replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
    )
