"""Notices in the head (提示): at most three, the newest in sight; a success goes by itself, an error stays until dismissed."""

from __future__ import annotations

import asyncio
from typing import Literal
from weakref import WeakKeyDictionary

from nicegui import Client, ui

from ui import here

Kind = Literal["done", "warning", "error", "note"]

MOST = 3
SECONDS = {"done": 5.0, "note": 6.0, "warning": 9.0}
ICONS = {"done": "check_circle", "warning": "warning", "error": "error", "note": "info"}
WORDS = {"done": "成功", "warning": "提醒", "error": "未完成", "note": "提示"}

_stacks: WeakKeyDictionary[Client, ui.element] = WeakKeyDictionary()


def show(kind: Kind, message: str) -> None:
    """Show one notice in the page at hand; the same words are not stacked."""
    client = here.client()
    if client is None or client.is_deleted:
        return
    stack = _stack(client)
    for old in [card for card in stack if getattr(card, "words", "") == message]:
        stack.remove(old)
    cards = list(stack)
    while len(cards) >= MOST:
        stack.remove(cards.pop(0))
    with stack:
        card = _Notice(kind, message)
    if seconds := SECONDS.get(kind):
        asyncio.get_running_loop().call_later(seconds, card.dismiss)


class _Notice(ui.element):
    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__("div")
        self.words = message
        self.classes(f"lv-notice lv-notice-{kind}").props(f"role={'alert' if kind == 'error' else 'status'}")
        with self:
            ui.icon(ICONS[kind]).classes("lv-notice-icon").props("aria-hidden=true")
            ui.label(WORDS[kind]).classes("lv-hidden")
            ui.label(message).classes("lv-notice-text")
            ui.button(icon="close", on_click=self.dismiss).props("flat dense round size=sm aria-label=关闭提示")

    def dismiss(self) -> None:
        if not self.is_deleted:
            self.delete()


def _stack(client: Client) -> ui.element:
    stack = _stacks.get(client)
    if stack is None or stack.is_deleted:
        with client.layout:
            stack = _stacks[client] = ui.element("div").classes("lv-notices").props("aria-live=polite")
    return stack
