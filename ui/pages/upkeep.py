"""系统维护: backups and their plan, the space of attachments and its caps, and the doctor; for the administrator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from models.enums import Role
from services import backup_plan, doctor
from services.actors import Actor
from services.backup_plan import BackupView, Overview
from services.db import Database
from services.errors import Refusal
from services.filings import files
from ui import act, shell, words
from ui.widgets import dialogs, fields
from ui.widgets.data_table import DataTable, Head, chip_cell

BACKUP_HEADS = (
    Head("at", "备份时间", width="152px"),
    Head("kind", "方式", width="80px"),
    Head("rows", "数据（行）", number=True),
    Head("files", "附件（个）", number=True),
    Head("size", "大小", number=True),
    Head("digest", "校验值"),
    Head("name", "名称"),
)
CHECK_HEADS = (
    Head("verdict", "结果", width="80px"),
    Head("name", "检查项目", width="120px"),
    Head("words", "情况和处理办法"),
)
TONES = {"正常": ("accent", "check"), "提示": ("note", "info"), "问题": ("error", "error")}
# Words, and what has to be typed on the server letter by letter.
RESTORING = (
    ("备份目录由服务器上的环境变量", "LVCE_BACKUP_DIR"),
    ("指定，最好在另一块磁盘上。恢复备份时，请先停止程序，在服务器上执行命令", "python main.py restore 备份目录"),
    ("，恢复到空的目录并核对无误后，再替换现有数据。", ""),
)


@act.page("/upkeep", title="系统维护", roles=frozenset({Role.ADMIN}))
async def upkeep(actor: Actor) -> None:
    with shell.frame(actor, title="系统维护", path="/upkeep"):
        with shell.card("备份"):
            await _backups()
        with shell.card("附件空间"):
            usage = await act.read(files.usage)
            with shell.facts():
                shell.fact("已占用", f"{words.size(usage.size)}，{usage.count:,} 个文件（含已删除、留作记录的）")
                shell.fact("上限", words.size(usage.most))
            ui.link("修改上限", "/policy")
        with shell.card("体检"):
            ui.label("检查组件版本、数据库、审计日志、统计数据、附件、磁盘、权限、时间和备份。").classes("lv-muted")
            found = ui.element("div").classes("lv-stack").props("aria-live=polite")
            ui.button("开始体检", on_click=act.busy(lambda: _examine(found))).props("outline").classes("lv-self-start")


# --- 备份 -------------------------------------------------------------------------------------------------------------


async def _backups() -> None:
    about = ui.element("div").classes("lv-stack")
    with ui.row().classes("lv-row"):
        ui.button("立即备份", icon="backup", on_click=act.busy(lambda: now()))
        ui.button("修改备份计划", on_click=act.busy(lambda: change())).props("outline")
        waiting = ui.label("正在备份，不影响他人填报…").classes("lv-muted").props("role=status")
        waiting.set_visibility(False)
    table = DataTable(BACKUP_HEADS, label="备份", empty="备份目录里还没有备份。")
    with ui.element("p").classes("lv-field-hint"):
        for said, typed in RESTORING:
            TextElement(tag="span", text=said)
            if typed:
                TextElement(tag="code", text=typed).classes("lv-typed")

    async def draw() -> None:
        view = await act.read(backup_plan.overview, act.settings())
        table.show([_row(made) for made in view.backups])
        about.clear()
        with about:
            _about(view)

    async def now() -> None:
        waiting.set_visibility(True)
        try:
            made = await act.blocking(_make)
        finally:
            waiting.set_visibility(False)
            await draw()
        act.done(f"备份完成：{made.rows:,} 行数据，{made.files:,} 个附件。")

    async def change() -> None:
        if await _ask_plan(await act.read(backup_plan.overview, act.settings())):
            await draw()

    await draw()


def _about(view: Overview) -> None:
    if view.warning:
        shell.banner(view.warning, "error", "warning")
    with shell.facts():
        shell.fact("备份计划", f"每天 {view.plan.at}（北京时间）" if view.plan.at else "不自动备份")
        shell.fact("保留份数", f"每种 {view.plan.keep} 份")
        shell.fact("下一次", words.moment(view.next_at))
        shell.fact("最近一次", f"{words.moment(view.last.at)} {view.last.words}" if view.last else "还没有备份过")


def _row(made: BackupView) -> dict[str, object]:
    return {
        "id": made.name,
        "at": words.moment(made.made_at),
        "kind": made.kind,
        "rows": f"{made.rows:,}",
        "files": f"{made.files:,}",
        "size": words.size(made.size),
        "digest": made.rows_digest[:16],
        "name": made.name,
    }


def _make(db: Database, actor: Actor) -> BackupView:
    return backup_plan.by_hand(db, actor, act.settings())


async def _ask_plan(view: Overview) -> bool:
    with dialogs.dialog("系统每天在这个时间自动备份，超出份数的旧备份会删除") as box:
        at = ui.input("每天备份的时间", value=view.plan.at).props("type=time stack-label hint=留空则不自动备份")
        keep = ui.number("保留份数", value=view.plan.keep, min=1, max=backup_plan.MOST_KEPT, precision=0)

        async def save() -> None:
            with fields.beside({"at": at, "keep": keep}):
                await act.perform(
                    backup_plan.set_plan, (at.value or "")[:5], _whole(keep.value, "keep"), act.settings()
                )
                box.submit(True)

        _actions(box, "保存计划", save)
    return bool(await box)


# --- 体检 -------------------------------------------------------------------------------------------------------------


async def _examine(box: ui.element) -> None:
    checks = await act.blocking(_checks)
    ill = sum(not check.well for check in checks)
    box.clear()
    with box:
        shell.banner(f"有 {ill} 项问题，请按处理办法解决。" if ill else "各项都正常。", "error" if ill else "accent")
        DataTable(CHECK_HEADS, label="体检结果").show(
            {
                "id": number,
                "verdict": chip_cell(TONES[check.verdict][0], check.verdict, TONES[check.verdict][1]),
                "name": check.name,
                "words": check.words,
            }
            for number, check in enumerate(checks)
        )


def _checks(db: Database, actor: Actor) -> tuple[doctor.Check, ...]:
    return doctor.seen_by(db, actor, act.settings())


def _actions(box: ui.dialog, verb: str, save: Callable[[], Awaitable[None]]) -> None:
    with ui.row().classes("lv-dialog-actions"):
        ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
        ui.button(verb, on_click=act.busy(save))


def _whole(value: object, field: str) -> int:
    if isinstance(value, (int, float)) and value == int(value):
        return int(value)
    raise Refusal("请填写整数。", field=field)
