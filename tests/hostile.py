"""Mischief at the wire (恶意参数): one person presses all there is on a page, and answers every dialog with what no browser sends."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.leaks import PATIENCE, Walker
from tests.wire import WirePage

DECIDES = re.compile("通过|完成")  # pressed last: afterwards the rest of the page has little to open
DEPTH = 3  # a button, the dialog it opens, the question that this one asks
ANYTHING: tuple[Any, ...] = (
    -(10**40),
    "\x00" * 20_000,
    [[[[[None]]]]],
    [],
    {},
    {"id": 10**25, "word": ["删除"]},
    {"ids": ["a", None, {}], "page": -5, "rowsPerPage": 10**9, "sortBy": "id; DROP TABLE cell"},
    {"seq": [1], "source": {}, "changes": [{"a": None, "t": {"x": 1}, "b": -1e300, "c": "x"}]},
    {"value": -1, "label": {"__proto__": 1}},
)
UNREADABLE = (float("nan"), "\ud800\x00" * 20_000)  # no JSON: ends in the counting of malformed frames
# What is of the kind that a field may send, by a part of its name: the rest ``ui.wire`` counts, and cuts the socket.
OPEN = (None, True, False)
OF_A_FIELD: dict[str, tuple[Any, ...]] = {
    "number": ("-1e300", 10**30, 0, ""),
    "input": ("\x00" * 20_000, "=cmd|'/c calc'!A0", "2025-99-99", "-1e400", "\u202e<script>\r\n", "绿" * 3_000, ""),
    "checkbox": OPEN,
    "switch": OPEN,
    "select": ({"value": -1, "label": ""}, {"value": 10**9, "label": ""}, None, {"value": 0, "label": "\x00"}),
    "radio": (-1, 10**9, 0),
    "dialog": OPEN,
    "menu": OPEN,
    "expansion": OPEN,
    "pagination": (0, -1, 10**9, 10**25, 1),
    "tab": ("", "x" * 70_000, "__proto__"),
}
FORGED_IDS = (0, -1, 10**9, 10**25, "1", None)


@dataclass
class Mischief(Walker):
    """``titles``: of the dialogs that came, by page."""

    titles: dict[str, set[str]] = field(default_factory=dict)
    expected: dict[str, Sequence[str]] = field(default_factory=dict)  # page → what the titles of its dialogs begin with
    heard: int = 0
    said: list[Any] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # addresses that answered with a fault

    async def get(self, path: str) -> tuple[int, bytes]:
        status, content = await super().get(path)
        if status >= 500:
            self.broken.append(path)
        return status, content

    async def press(self, path: str) -> list[str]:
        """Press everything, then what this has opened, three deep; after that the actions in the rows of tables, one by one."""
        page = WirePage(self.http, self.base)
        page.cookies = self.cookies
        try:
            await page.open(path)
            known: set[str] = set()
            for depth in range(DEPTH + 1):
                await self.listen(page, path)
                for key, element in (await self.met(page, path, known, lie=depth > 0)).items():
                    if depth < DEPTH and not DECIDES.search(words_of(element)):
                        await self.send(page, key, element, "click", {})
            for key, element in list(page.elements.items()):
                for argument in acts(element):
                    answer = page.wait_for(lambda _: True)
                    await self.send(page, key, element, "act", argument)
                    if argument["id"] in FORGED_IDS:
                        continue
                    await asyncio.wait([answer], timeout=PATIENCE)
                    await self.listen(page, path)
                    for one, inside in (await self.met(page, path, known, lie=True)).items():
                        await self.send(page, one, inside, "click", {})
                    for one, inside in list(page.elements.items()):
                        if "dialog" in kind_of(inside):  # or the table hears nothing more
                            await self.send(page, one, inside, "update:modelValue", False)
            await self.late(page, path, known)
            for key, element in list(page.elements.items()):
                if DECIDES.search(words_of(element)):
                    await self.send(page, key, element, "click", {})
            await self.listen(page, path)
            for key, element in list(page.elements.items()):
                await self.lie(page, key, element)
            await self.listen(page, path)
        except (ConnectionError, aiohttp.ClientError):
            pass  # cut off, as it should be
        finally:
            self.said += page.received
            await page.close()
        opened_pages = (str(said["path"]) for kind, said in page.received if kind == "open")
        return [found for found in opened_pages if found.startswith("/")]

    async def met(self, page: WirePage, path: str, known: set[str], *, lie: bool) -> dict[str, Any]:
        """What is new on the page, its fields filled with lies."""
        fresh = {key: element for key, element in page.elements.items() if key not in known}
        known |= set(fresh)
        titles = (e.get("props", {}).get("aria-label") for e in fresh.values() if "lv-dialog" in e.get("class", ()))
        self.titles.setdefault(path, set()).update(map(str, titles))
        for key, element in fresh.items() if lie else ():
            if "dialog" not in kind_of(element):
                await self.lie(page, key, element)
        return fresh

    async def late(self, page: WirePage, path: str, known: set[str]) -> None:
        """Wait for the dialogs that have to come and have not come yet."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < deadline and self.missing(path):
            await self.listen(page, path)
            await self.met(page, path, known, lie=True)

    def missing(self, path: str) -> list[str]:
        """The dialogs that were expected on this page and did not come."""
        met = self.titles.get(path, set())
        return [one for one in self.expected.get(path, ()) if not any(title.startswith(one) for title in met)]

    async def lie(self, page: WirePage, key: str, element: dict[str, Any]) -> None:
        for event in element.get("events", ()):
            if event["type"] != "click":
                for argument in lies(element, event["type"]):
                    await page.send_event(key, event["listener_id"], argument)
                    self.heard += 1

    async def send(self, page: WirePage, key: str, element: dict[str, Any], kind: str, argument: Any) -> None:
        for event in element.get("events", ()):
            if event["type"] == kind:
                await page.send_event(key, event["listener_id"], argument)


def acts(element: dict[str, Any]) -> Iterator[Any]:
    """Each action in the rows of a table once, and before it the same of rows that are not shown."""
    if all(event["type"] != "act" for event in element.get("events", ())):
        return
    rows = json.loads(element.get("props", {}).get("rowsJson") or "[]")
    offered: dict[str, dict[str, Any]] = {}
    for row in rows:
        for action in row.get("actions", ()):
            said = {name: action[name] for name in ("word", "action") if name in action}
            offered.setdefault(str(said), {"id": row["id"], **said})
    shown = {str(row["id"]) for row in rows}
    for said in offered.values():
        for number in FORGED_IDS:
            if str(number) not in shown:
                yield {**said, "id": number}
        yield said


def lies(element: dict[str, Any], event: str) -> Sequence[Any]:
    if not event.startswith("update:"):
        return ANYTHING
    return next((values for part, values in OF_A_FIELD.items() if part in kind_of(element)), ANYTHING)


def words_of(element: dict[str, Any]) -> str:
    return f"{element.get('text')} {element.get('props', {}).get('label')}"


def kind_of(element: dict[str, Any]) -> str:
    number = " number" if element.get("props", {}).get("type") == "number" else ""
    return f"{element.get('tag')}{element.get('component')}{number}"
