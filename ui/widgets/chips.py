"""Chips (状态标记): an icon and a word, never colour alone."""

from __future__ import annotations

from nicegui import ui

from models.enums import FilingStatus
from services.filings.views import FilingHead, FilingRow
from ui.words import TONES


def chip(text: str, tone: str = "plain", icon: str = "") -> ui.element:
    """One chip; tones: plain, accent, note, warning, error, off."""
    with ui.element("span").classes(f"lv-chip lv-tone-{tone}") as element:
        if icon:
            ui.icon(icon).props("aria-hidden=true")
        ui.label(text)
    return element


def count(number: int, words: str = "条待办") -> ui.element:
    """A small round count with a name for those who do not see it."""
    shown = "99+" if number > 99 else str(number)
    with ui.element("span").classes("lv-count") as element:
        ui.label(shown).props(f'aria-label="{number} {words}"')
    return element


def status(subject: FilingHead | FilingRow) -> ui.element:
    """填报状态 of a filing in the manual's words, and 逾期 beside it."""
    tone, icon = TONES[subject.status]
    if subject.status == FilingStatus.DRAFT and subject.validated:
        tone = "accent"
    with ui.element("span").classes("lv-row") as both:
        chip(subject.status_caption, tone, icon)
        if subject.late:
            chip("逾期", "error", "alarm")
    return both
