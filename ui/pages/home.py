"""待办: what to do next."""

from __future__ import annotations

from services import inbox
from services.actors import Actor
from ui import act, shell


@act.page("/", title="待办")
async def home(actor: Actor) -> None:
    messages = await act.read(inbox.mine)
    with shell.frame(actor, title="待办", path="/", width="reading"):
        if not messages:
            shell.empty("没有待办事项", "需要您办理的事会出现在这里。")
