"""Dialogs (对话框): the consequence in the title, the verb on the button.

    if await dialogs.confirm("取消上报后，各级审核将重新开始", "已填写的内容会保留…", verb="取消上报"):
    if await dialogs.confirm_by_name("删除后不能找回", "…", name="广州南粤精工制造有限公司", verb="删除"):
    reason = await dialogs.ask_text("退回后由企业修改", "退回原因", verb="退回", required=True)     # None: dismissed

Each returns when the person has decided; Esc and the other button dismiss.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nicegui import context, ui

# Quasar gives the focus back to what was clicked, which may be a part of the button; Enter must work there again.
_TO_BUTTON = "() => document.activeElement?.closest?.('button')?.focus()"
# What is to be filled in has the focus, unless something else was given it.
_TO_FIELD = """() => {
  const box = [...document.querySelectorAll(".lv-dialog")].at(-1);
  if (box && !box.contains(document.activeElement)) box.querySelector("input:not([type=file]), textarea")?.focus();
}"""


@contextmanager
def dialog(title: str, *, wide: bool = False, persistent: bool = False) -> Iterator[ui.dialog]:
    """An open dialog with our title; whatever is drawn inside lands in its body. Deletes itself once it is closed.

    No click beside it closes it, such as the second of a double click, but Esc does; ``persistent``: only its own buttons.
    """
    look = "lv-dialog" + (" lv-dialog-wide" if wide else "")
    # In the page itself: the place of the clicked button may be drawn anew while the dialog is open.
    with context.client.layout, ui.dialog(value=True) as box, ui.card().classes(look) as card:
        box.props("persistent" if persistent else "no-backdrop-dismiss").props("role=dialog aria-modal=true")
        box.on("hide", box.delete)
        box.on("hide", js_handler=_TO_BUTTON)
        box.on("show", js_handler=_TO_FIELD)
        card.props["aria-label"] = title
        ui.label(title).classes("lv-dialog-title").props("role=heading aria-level=2")
        yield box


async def confirm(title: str, text: str = "", *, verb: str, other: str = "返回", dangerous: bool = False) -> bool:
    """Ask before something that has consequences (确认)."""
    with dialog(title) as box:
        if text:
            ui.label(text).classes("lv-dialog-text")
        _actions(box, verb, other, dangerous, answer=True)
    return bool(await box)


async def tell(title: str, text: str) -> None:
    """Say what came out of something, until it is closed (结果)."""
    with dialog(title) as box:
        ui.label(text).classes("lv-dialog-text")
        with ui.row().classes("lv-dialog-actions"):
            ui.button("知道了", on_click=lambda: box.submit(None)).props("autofocus")
    await box


async def confirm_by_name(title: str, text: str, *, name: str, verb: str) -> bool:
    """Ask for the name of the thing before something that cannot be undone (输入名称确认)."""
    with dialog(title) as box:
        ui.label(text).classes("lv-dialog-text")
        ui.label(f"请输入“{name}”以确认：").classes("lv-dialog-text")
        typed = ui.input("名称").props("autofocus").classes("lv-wide")
        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(False)).props("flat")
            button = ui.button(verb, on_click=lambda: box.submit(True)).props("color=negative")
            button.bind_enabled_from(typed, "value", lambda value: (value or "").strip() == name)
    return bool(await box)


async def ask_text(
    title: str, label: str, *, verb: str, text: str = "", required: bool = True, most: int = 1000, value: str = ""
) -> str | None:
    """Ask for a few words (填写原因); None when dismissed."""
    with dialog(title) as box:
        if text:
            ui.label(text).classes("lv-dialog-text")
        area = (
            ui.textarea(f"{label} *" if required else label, value=value)
            .props(f"autofocus counter maxlength={most} rows=4")
            .classes("lv-wide")
        )
        area.validation = {"请填写这一项。": lambda v: not required or bool((v or "").strip())}
        area.without_auto_validation()

        def take() -> None:
            if area.validate():
                box.submit((area.value or "").strip()[:most])

        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
            ui.button(verb, on_click=take)
    answer: Any = await box
    return answer if isinstance(answer, str) else None


def _actions(box: ui.dialog, verb: str, other: str, dangerous: bool, *, answer: object) -> None:
    with ui.row().classes("lv-dialog-actions"):
        ui.button(other, on_click=lambda: box.submit(None)).props("flat" + (" autofocus" if dangerous else ""))
        button = ui.button(verb, on_click=lambda: box.submit(answer))
        button.props("color=negative" if dangerous else "autofocus")
