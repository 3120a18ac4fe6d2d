"""意见草稿 in the boxes of a review: what is typed is kept at the server while it is typed, and stands there again later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from nicegui import ui

from services.errors import Refusal, SignedOut
from services.reviews import drafts
from ui import act, words

PAUSE = 400  # ms without a key before what is typed is sent


class Drafts:
    """The own drafts about one filing; one object a page."""

    def __init__(self, filing_id: int, texts: Mapping[str, str]) -> None:
        self.filing_id, self.texts = filing_id, dict(texts)

    def bind(self, box: ui.textarea | ui.input, field: str) -> None:
        """Fill the box with its draft, keep what is typed, say when."""
        if field in self.texts:
            box.set_value(self.texts[field])
        box.props(f"debounce={PAUSE}")
        said = ui.label().classes("lv-draft-mark").props("role=status")

        async def keep() -> None:
            said.set_text(await self.keep(field, str(box.value or "")))

        box.on_value_change(keep)

    def lines(self, field: str) -> list[list[str]]:
        """A draft of several lines, as ``keep_lines`` was given them."""
        found = json.loads(self.texts.get(field, "[]"))
        return [[str(part) for part in line] for line in found]

    async def keep_lines(self, field: str, boxes: Sequence[tuple[ui.select, ui.textarea]]) -> None:
        lines = [[str(box.value or "") for box in line] for line in boxes]
        await self.keep(field, json.dumps(lines, ensure_ascii=False) if any(map(any, lines)) else "")

    async def keep(self, field: str, text: str) -> str:
        """Keep one text; what to say about it."""
        if text == self.texts.get(field, ""):
            return ""
        try:
            at = await act.perform(drafts.keep, self.filing_id, field, text)
        except SignedOut:
            raise
        except Refusal as refusal:
            return f"草稿没有保存：{refusal.message}"
        self.texts[field] = text
        return f"草稿已保存 {words.time(at)}，只有您看得到" if text.strip() else ""

    def done(self, *fields: str) -> None:
        """These have become an act: the next opening begins empty."""
        for field in fields or tuple(self.texts):
            self.texts.pop(field, None)
