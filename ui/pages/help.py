"""常见问题: the manual's questions and those that people really ask; answers say where they come from."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from nicegui import ui

from services.actors import Actor
from ui import act, shell

FILE = Path(__file__).parents[2] / "assets" / "policy" / "questions.toml"


class Answer(NamedTuple):
    """一问一答."""

    question: str
    answer: str
    source: str


@act.page("/help", title="常见问题")
async def help_page(actor: Actor) -> None:
    with shell.frame(actor, title="常见问题", path="/help", width="reading"):
        for group, answers in questions():
            with shell.card(group):
                for found in answers:
                    with ui.expansion(found.question).classes("lv-question"):
                        ui.label(found.answer).classes("lv-prose")
                        ui.label(f"依据：{found.source}").classes("lv-field-hint")


@cache
def questions() -> tuple[tuple[str, tuple[Answer, ...]], ...]:
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        (group["title"], tuple(Answer(q["question"], q["answer"], q["source"]) for q in group["question"]))
        for group in content["group"]
    )
