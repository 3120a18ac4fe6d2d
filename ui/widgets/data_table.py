"""A plain list (列表): hairlines, 40 px rows, the row's actions at the right. Rows are drawn by the browser, one page at a time.

    table = DataTable((("name", "单位名称"), Head("users", "用户数", number=True)), label="机构", on_act=act_on)
    table.show([{"id": 7, "name": "…", "users": "3", "actions": [RowAction("confirm", "确认")]}])

A cell is text, a list of lines (the second and later ones muted) or ``chip_cell(tone, text)``. ``on_act(row id, word)`` hears
only of rows and words that were shown and enabled.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nicegui import events, ui

from ui import act

COMPONENT = Path(__file__).parents[2] / "assets" / "static" / "data_table.js"


@dataclass(frozen=True, slots=True)
class Head:
    """列: ``sort`` is the word the service sorts by; ``number`` aligns figures to the right, ``code`` tells l from 1."""

    key: str
    title: str
    sort: str = ""
    number: bool = False
    width: str = ""
    code: bool = False


@dataclass(frozen=True, slots=True)
class RowAction:
    """行操作; with a ``reason`` it cannot be used now."""

    word: str
    caption: str
    reason: str = ""
    danger: bool = False


def chip_cell(tone: str, text: str, icon: str = "") -> dict[str, str]:
    return {"tone": tone, "text": text, "icon": icon}


class DataTable(ui.element, component=COMPONENT):
    def __init__(
        self,
        heads: Sequence[Head | tuple[str, str]],
        *,
        label: str,
        empty: str = "没有符合条件的内容。",
        on_act: Callable[[Any, str], Any] | None = None,
        on_sort: Callable[[str], Any] | None = None,
    ) -> None:
        super().__init__()
        self.heads = tuple(h if isinstance(h, Head) else Head(*h) for h in heads)
        columns = json.dumps([asdict(h) for h in self.heads], ensure_ascii=False)
        self._props.update(
            rowsJson="[]", columnsJson=columns, label=label, empty=empty, sort="", descending=False, busy=False
        )
        self._on_act, self._on_sort = on_act, on_sort
        self._offered: dict[tuple[str, str], Any] = {}
        self.shown: tuple[Mapping[str, Any], ...] = ()
        self.on("act", act.busy(self._act))  # a second click opens no second dialog
        self.on("sort", self._sort)

    def show(self, rows: Iterable[Mapping[str, Any]], *, sort: str = "", descending: bool = False) -> None:
        """Draw these rows in place of the former ones; rows without an id are numbered."""
        self.shown = tuple({"id": number, **row} for number, row in enumerate(rows))
        self._offered = {
            (str(row["id"]), a.word): row["id"] for row in self.shown for a in row.get("actions", ()) if not a.reason
        }
        drawn = [
            {**row, "actions": [asdict(a) for a in row["actions"]]} if "actions" in row else row for row in self.shown
        ]
        with self._props.suspend_updates():
            self._props["rowsJson"] = json.dumps(drawn, ensure_ascii=False)
            self._props["sort"], self._props["descending"] = sort, descending
        self.update()

    async def _act(self, e: events.GenericEventArguments) -> None:
        match e.args:
            case {"id": int() | str() as row_id, "word": str(word)} if (str(row_id), word) in self._offered:
                under_way = self._on_act(self._offered[str(row_id), word], word) if self._on_act else None
                if isinstance(under_way, Awaitable):
                    await under_way

    def _sort(self, e: events.GenericEventArguments) -> Any:
        known = isinstance(e.args, str) and any(head.sort == e.args for head in self.heads)
        return self._on_sort(e.args) if self._on_sort and known else None


class Paging:
    """Count and pages under a list (翻页); ``on_turn(page)`` when a person turns."""

    def __init__(self, on_turn: Callable[[int], Any], page_size: int = 50) -> None:
        self.page_size, self._quiet = page_size, False
        with ui.element("div").classes("lv-paging"):
            self._count = ui.label().props("aria-live=polite")
            ui.element("div").classes("lv-space")
            self._pages = ui.pagination(1, 1, direction_links=True, value=1)

        def turned(e: events.ValueChangeEventArguments[int | None]) -> Any:
            return None if self._quiet else on_turn(e.value or 1)

        self._pages.on_value_change(turned)

    def show(self, total: int, page: int = 1) -> None:
        last = max(1, -(-total // self.page_size))
        self._count.set_text(f"共 {total:,} 条")
        self._quiet = True
        self._pages.max, self._pages.value = last, min(page, last)
        self._quiet = False
        self._pages.set_visibility(last > 1)
