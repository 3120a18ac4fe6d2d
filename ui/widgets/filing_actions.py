"""What the buttons of a filing do (办理按钮): ask where the consequence is grave, act, say what happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from nicegui import ui

from models.enums import Action
from services import clock
from services.errors import Refusal
from services.filings import moves
from services.filings.views import FilingHead, FilingRow, Receipt
from services.reviews import decisions
from ui import act, shell
from ui.widgets import dialogs
from ui.widgets.drafts import Drafts

Refresh = Callable[[], Awaitable[None]]
Subject = FilingRow | FilingHead

# Buttons of a row that lead to a page; everything else is done on the spot.
PLACES = {
    Action.EDIT: "/filing/{id}",
    Action.VIEW: "/filing/{id}",
    Action.STAMP: "/filing/{id}?tab=stamp",
    Action.ANSWER: "/filing/{id}?tab=questions",
    Action.FORWARD: "/filing/{id}/review",
    Action.APPROVE: "/filing/{id}/review",
    Action.SEND_BACK: "/filing/{id}/review",
    Action.ASK: "/filing/{id}/review",
    Action.EXPERT_OPINION: "/filing/{id}/review",
}


async def run(subject: Subject, action: Action, refresh: Refresh) -> None:
    """Do what a button of this filing says (办理)."""
    if action in PLACES:
        place = PLACES[action]
        if action is Action.VIEW and not act.current().is_unit:
            place = PLACES[Action.FORWARD]
        ui.navigate.to(place.format(id=subject.id))
    elif action in DEEDS:
        await DEEDS[action](subject)
        await refresh()


async def submit(subject: Subject) -> None:
    """上报, after a look at what will happen."""
    late = "现在已过截止日，上报后会标为“逾期”。" if subject.late else ""
    if not await dialogs.confirm(
        f"上报{subject.year}年度{subject.form.caption}动态管理表",
        f"上报后由上级主管部门逐级审核，审核期间不能修改；在第一级审批之前可以“取消上报”。{late}",
        verb="上报",
    ):
        return
    show_receipt(await act.perform(moves.submit, subject.id), f"/filings/{subject.form.value}")


async def withdraw(subject: Subject) -> None:
    """取消上报: what stays and what must be done again."""
    if await dialogs.confirm(
        f"取消上报“{subject.unit_name}”{subject.year}年度动态管理表",
        "已填写的内容全部保留。修改内容以后须重新导出为PDF、盖章、上传；没有修改的，原盖章扫描件继续有效。重新上报后须重新通过各级审核。",
        verb="取消上报",
        other="不取消",
    ):
        await act.perform(moves.withdraw, subject.id)
        act.done("已取消上报。可以继续编辑，修改后请重新验证并上报。")


async def delete(subject: Subject) -> None:
    """删除, with the word typed."""
    typed = await ask(
        f"删除“{subject.unit_name}”{subject.year}年度动态管理表",
        "删除的申报不能找回，请谨慎操作。确认删除请输入“删除”二字。",
        "删除",
        label="请输入“删除”",
        danger=True,
        submit=lambda text: act.perform(moves.delete, subject.id, text),
    )
    if typed is not None:
        act.done("已删除。可以重新新增本年度的动态管理表。")


async def recall(subject: Subject) -> None:
    """收回 one's own decision while the next tier has not decided."""
    if await dialogs.confirm(
        f"收回“{subject.unit_name}”的审核意见",
        "收回后回到本级“审核中”，可以修改意见或退回；上一级在本级重新上报之前不能审核。",
        verb="收回",
    ):
        await act.perform(decisions.recall, subject.id)
        act.done("已收回，请继续审核。")


async def restore(subject: Subject) -> None:
    if await dialogs.confirm(
        f"恢复“{subject.unit_name}”{subject.year}年度动态管理表", "恢复后申报单位可以继续填写。", verb="恢复"
    ):
        await act.perform(moves.restore, subject.id)
        act.done("已恢复。")


DEEDS: dict[Action, Callable[[Subject], Awaitable[None]]] = {
    Action.SUBMIT: submit,
    Action.RESUBMIT: submit,
    Action.WITHDRAW: withdraw,
    Action.DELETE: delete,
    Action.RECALL: recall,
    Action.RESTORE: restore,
}


def show_receipt(receipt: Receipt, back: str) -> None:
    """回执: number, time, digest code, and who has it now; closing it leads back to the list."""
    lines = (
        ("回执编号", receipt.number),
        ("填报编号", f"{receipt.filing_number}（第{receipt.version_no}版）"),
        ("上报时间", f"{clock.local(receipt.submitted_at):%Y-%m-%d %H:%M:%S}" + ("（逾期）" if receipt.late else "")),
        ("上报人", receipt.submitted_by),
        ("校验码", receipt.digest_code),
        ("接下来", f"由{receipt.next_authority}审核" if receipt.next_authority else "等待审核"),
    )
    with dialogs.dialog("上报成功") as box:
        box.on("hide", lambda: ui.navigate.to(back))
        with shell.facts():
            for name, value in lines:
                shell.fact(name, value, code=name == "校验码")
        ui.label("审核进度可随时在列表中查看；有核实问题或退回时会在“待办”中提醒。").classes("lv-muted")
        with ui.row().classes("lv-dialog-actions"):
            paper = f"/download/receipt/{receipt.filing_id}"
            ui.button("下载回执", icon="download", on_click=lambda: ui.navigate.to(paper)).props("outline")
            ui.button("完成", on_click=box.close)


async def ask(
    title: str,
    consequence: str,
    verb: str,
    *,
    label: str,
    submit: Callable[[str], Awaitable[Any]],
    danger: bool = False,
    long: bool = False,
    kept: tuple[Drafts, str] | None = None,
) -> str | None:
    """Ask for words and act with them; a refusal is shown beside the field and the dialog stays open.

    ``kept``: where a draft of the words lies until they are sent.
    """
    with dialogs.dialog(title) as box:
        ui.label(consequence).classes("lv-dialog-text")
        words = (ui.textarea(label) if long else ui.input(label)).props("autofocus").classes("lv-wide")
        if kept:
            kept[0].bind(words, kept[1])
        trouble = ui.label().classes("lv-field-error").props("role=alert")

        async def go() -> None:
            try:
                await submit(words.value or "")
            except Refusal as refusal:
                trouble.set_text(refusal.message)
                return
            if kept:
                kept[0].done(kept[1])
            box.submit(words.value or "")

        if not long:
            words.on("keydown.enter", act.busy(go))
        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
            ui.button(verb, on_click=act.busy(go)).props("color=negative" if danger else "")
    answer: Any = await box
    return answer if isinstance(answer, str) else None


def show_lines(title: str, lines: Iterable[tuple[str, bool, str]]) -> None:
    """One line an item: what was done, what was not and why (逐条结果)."""
    with dialogs.dialog(title, wide=True) as box:
        with ui.element("ul").classes("lv-lines"):
            for name, good, words in lines:
                with ui.element("li"):
                    ui.icon("check_circle" if good else "info").props("aria-hidden=true")
                    ui.label(f"{name}：{words}")
        with ui.row().classes("lv-dialog-actions"):
            ui.button("关闭", on_click=box.close)
