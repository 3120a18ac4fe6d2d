"""办理过程: who did what and when."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from services.reviews.views import TimelineLine
from ui import words


def timeline(lines: Sequence[TimelineLine]) -> None:
    """The acts in the order given (newest first)."""
    if not lines:
        ui.label("还没有办理记录。").classes("lv-muted")
        return
    with ui.element("ol").classes("lv-timeline"):
        for line in lines:
            with ui.element("li"):
                ui.label(words.moment(line.at)).classes("lv-muted lv-timeline-at")
                with ui.element("div"):
                    ui.label(f"{line.action}　{line.who}").classes("lv-strong")
                    if line.detail:
                        ui.label(line.detail)
