"""审核清单: boxes to tick, drawn once; a tick repaints its line only, so that neither the focus nor the next click is lost.

checklist = Checklist(focus.items, tick)          # async def tick(key: str, done: bool) -> None; None: only to be read
checklist.show(items)                             # the same items as the service tells them now
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from services.errors import Refusal
from services.reviews.views import CheckView
from ui import words

Tick = Callable[[str, bool], Awaitable[None]]


class Checklist:
    """One list of items; ``tick`` keeps a mark, or raises a Refusal, and the box is as it was."""

    def __init__(self, items: Sequence[CheckView], tick: Tick | None) -> None:
        self._tick = tick
        self._done: dict[str, bool] = {}
        self._boxes: dict[str, ui.checkbox] = {}
        self._by: dict[str, ui.label] = {}
        with ui.element("ul").classes("lv-checklist").props('aria-label="审核清单"'):
            for item in items:
                with ui.element("li"):
                    self._draw(item)
                    self._by[item.key] = ui.label().classes("lv-muted lv-tick-by")
        self.show(items)

    def show(self, items: Sequence[CheckView]) -> None:
        for item in items:
            self._done[item.key] = item.done
            if item.key in self._boxes:
                self._boxes[item.key].value = item.done
            by = self._by[item.key]
            by.set_text(f"{item.by}　{words.moment(item.at)}" if item.done and item.by else "")
            by.set_visibility(bool(by.text))

    def _draw(self, item: CheckView) -> None:
        if self._tick is not None:
            box = self._boxes[item.key] = ui.checkbox(item.text, value=item.done)
            box.on_value_change(lambda e: self._changed(item.key, bool(e.value)))
            return
        with ui.element("div").classes("lv-tick-line"):
            ui.icon("check_box" if item.done else "check_box_outline_blank").props("aria-hidden=true")
            ui.label(("已核对：" if item.done else "") + item.text)

    async def _changed(self, key: str, done: bool) -> None:
        if self._tick is None or done == self._done[key]:  # painted by ``show``
            return
        self._done[key] = done
        try:
            await self._tick(key, done)
        except Refusal:
            self._done[key] = self._boxes[key].value = not done
            raise
