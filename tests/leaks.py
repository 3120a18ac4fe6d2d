"""Looking for what leaks (泄漏检查): one person walks every page, presses what there is, downloads all, and keeps what came.

A :class:`Walker` is one signed-in account at the wire. What it receives (pages, socket messages, files unpacked down to their
text) is searched for marks; who may see which mark is said by the caller.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pypdfium2

from tests.wire import WirePage

QUIET = 0.25  # seconds without a message: the page has answered
PATIENCE = 6.0
MARK = re.compile(rb"(?:FIGURE|PLACE)-\d\d-[A-Z]{6}")
LINK = re.compile(
    r'"(/(?:filing|filings|files|download|organisations|users|profile|settings|help|audit|roster)[^"\\<>\s]*)"'
)
# Pressed in a page that somebody has opened; in a dialog only what looks, so that nobody's filing or password is gone
# before the next one walks.
LOOKING = re.compile("查看|显示|导出|下载|对照|展开|更多|详情|页|全部|打开")
LEAVES = re.compile("退出|停用|重置|登录|删除|保存|提交|上报|收回")
# Events of our own elements, with what a page could send; tables are read for their rows.
SENT: dict[str, tuple[Any, ...]] = {
    "click": ({},),
    "save": ({},),
    "ready": ({},),
    "sort": ("unit_name",),
    "pick": ({"address": "energy_total:2024"},),
    "jump": ({"address": "energy_total:2024"},),
    "rejected": ({},),
    "refused": ("",),
    "picked": (list(range(1, 80)),),  # also what was never shown
    "cells": ({},),
    "note": ({},),
    "fix": ({},),
    "keydown": ({},),
    "blur": ({},),
    "hide": ({},),
    "show": ({},),
    "sub_pages_open": ("/",),
    "popupShow": ({},),
    "popupHide": ({},),
    "sub_pages_navigate": ("/",),
}


@dataclass
class Walker:
    """One account at the wire; ``found``: mark → where it was seen."""

    http: aiohttp.ClientSession
    base: str
    username: str
    cookies: dict[str, str] = field(default_factory=dict)
    found: dict[str, set[str]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)  # addresses
    events: set[tuple[str, str]] = field(default_factory=set)  # (tag, event) that were sent
    unknown: set[tuple[str, str]] = field(default_factory=set)  # nobody has said what to send here

    async def sign_in(self, password: str) -> None:
        form = {"username": self.username, "password": password}
        url = f"{self.base}/auth/login"
        async with self.http.post(url, data=form, headers={"Origin": self.base}, allow_redirects=False) as answer:
            assert answer.status == 303, (self.username, await answer.text())
            self.cookies = {name: morsel.value for name, morsel in answer.cookies.items()}

    async def get(self, path: str) -> tuple[int, bytes]:
        """One address, everything in the answer kept."""
        self.seen.add(path)
        said = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        async with self.http.get(self.base + path, headers=said, allow_redirects=False) as answer:
            content = await answer.read()
            kind = answer.headers.get("content-type", "").split(";")[0]
            self.keep(path, f"{kind} {answer.headers.get('content-disposition', '')}".encode())
            for text in texts(content):
                self.keep(f"{path} ({kind})", text)
            return answer.status, content

    async def walk(self, paths: Iterable[str], *, alike: int) -> None:
        """These pages and all they link to; of addresses that differ in their numbers only, ``alike`` many."""
        waiting, met = list(paths), Counter[str]()
        while waiting:
            path = waiting.pop(0)
            shape = re.sub(r"\d+", "0", path.partition("?")[0])
            if path in self.seen or met[shape] >= alike:
                continue
            met[shape] += 1
            status, content = await self.get(path)
            if status != 200 or b"parseElements" not in content:
                continue
            linked = LINK.findall(content.decode("utf-8", "replace").replace("&quot;", '"')) + await self.press(path)
            waiting += [found for found in dict.fromkeys(linked) if found not in self.seen]

    async def press(self, path: str) -> list[str]:
        """Open the page with its socket and send every event it listens to; returns the addresses it was sent to."""
        page = WirePage(self.http, self.base)
        page.cookies = self.cookies
        try:
            await page.open(path)
        except (ConnectionError, aiohttp.ClientError, AssertionError):
            return []  # it was closed meanwhile
        sent: set[tuple[str, str]] = set()
        try:
            await self.listen(page, path)
            for round_ in (1, 2):
                for key, element in list(page.elements.items()):
                    for event in element.get("events", ()):
                        kind, listener = str(event["type"]), str(event["listener_id"])
                        if (key, listener) in sent or page.closed.is_set():
                            continue
                        sent.add((key, listener))
                        for arguments in self.arguments(element, kind, late=round_ > 1):
                            await page.send_event(key, listener, arguments)
                await self.listen(page, path)
        except (ConnectionError, aiohttp.ClientError):
            pass  # the page has sent us elsewhere
        finally:
            await page.close()
        return [
            str(said["path"]) for kind, said in page.received if kind == "open" and str(said["path"]).startswith("/")
        ]

    def arguments(self, element: dict[str, Any], kind: str, *, late: bool) -> Sequence[Any]:
        """What to send for this event of this element."""
        tag, props = str(element.get("tag", "")), element.get("props", {})
        name = tag.rsplit("/", 1)[-1]
        words = " ".join(
            str(part) for part in (props.get("label"), element.get("text"), props.get("aria-label")) if part
        )
        if kind == "click" and (LEAVES.search(words) or (late and not LOOKING.search(words))):
            return ()
        self.events.add((name, kind))
        if kind == "act":
            rows = json.loads(props.get("rowsJson") or "[]")
            offered = [
                {"id": row["id"], **{name: action[name] for name in ("word", "action") if name in action}}
                for row in rows[:3]
                for action in row.get("actions", ())
                if not LEAVES.search(str(action.get("caption", "")))
            ]
            forged = [{"id": number, word: "view"} for number in (1, 2, 30, 10**9) for word in ("word", "action")]
            return [*offered, *forged]
        if kind.startswith("update:"):
            return [] if "input" in tag else self.values(tag, props)
        if kind not in SENT:
            self.unknown.add((name, kind))
        return SENT.get(kind, ())

    def values(self, tag: str, props: dict[str, Any]) -> Sequence[Any]:
        """The choices of a field; of tabs, all."""
        options = props.get("options")
        if isinstance(options, list) and tag.endswith("select"):
            return [{"value": i, "label": ""} for i in range(min(len(options), 4))]
        if tag.endswith(("checkbox", "switch")):
            return [True]
        if tag.endswith("pagination"):
            return [2, 1]
        return [True] if tag.endswith(("expansion-item", "expansion")) else []

    async def listen(self, page: WirePage, path: str) -> None:
        """Until the page has nothing more to say; new elements are part of it from then on."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < deadline:
            try:
                await asyncio.wait_for(page.wait_for(lambda _: True), QUIET)
            except TimeoutError:
                break
        for kind, said in page.received:
            self.keep(f"{path} ({kind})", json.dumps(said, ensure_ascii=False).encode())
            if kind == "update" and isinstance(said, dict):
                page.elements.update({key: element for key, element in said.items() if isinstance(element, dict)})

    def keep(self, where: str, content: bytes) -> None:
        for mark in MARK.findall(content):
            self.found.setdefault(mark.decode(), set()).add(where)


def texts(content: bytes) -> Iterable[bytes]:
    """What is written in a file: itself, the parts of a zip or workbook however deep, the pages of a PDF."""
    yield content
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                yield entry.filename.encode()
                yield from texts(archive.read(entry))
    elif content.startswith(b"%PDF"):
        document = pypdfium2.PdfDocument(content)
        try:
            yield repr(document.get_metadata_dict()).encode()
            for page in document:
                yield page.get_textpage().get_text_bounded().encode()
        finally:
            document.close()
