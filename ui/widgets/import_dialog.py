"""导入EXCEL: choose the workbook, see every change old → new, what is not taken over and what would be found; then import.

import_dialog.button(head, take)      # take(patch, seen): show what was written; nothing is written before 「导入 n 处修改」
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePath

from nicegui import ui

from models.enums import FindingLevel
from services.documents.scan import XLSX
from services.errors import Refusal
from services.filings import imports
from services.filings.imports import ImportLine, ImportPreview
from services.filings.views import FilingHead, SheetPatch
from ui import act, shell, words
from ui.widgets import dialogs
from ui.widgets.chips import chip
from ui.widgets.data_table import DataTable, Head, chip_cell
from ui.widgets.differences import Differences
from ui.widgets.upload import MB, Upload

Take = Callable[[SheetPatch, Mapping[str, str]], Awaitable[None]]

WORKBOOKS = (".xlsx",)
MOST = 5 * MB
LINES = (
    Head("level", "级别", width="76px"),
    Head("place", "位置", width="64px"),
    Head("what", "指标"),
    Head("message", "说明"),
)


def button(head: FilingHead, take: Take) -> ui.button:
    """The button of the sheet's bar (导入EXCEL); ``take`` is called in the page once the import is written."""
    return ui.button("导入EXCEL", on_click=act.busy(lambda: _Import(head, take).open())).props("outline")


class _Import:
    """One dialog: a workbook is chosen, looked at, and imported or dropped."""

    def __init__(self, head: FilingHead, take: Take) -> None:
        self.head, self.take = head, take
        self.shown: ImportPreview | None = None

    async def open(self) -> None:
        with dialogs.dialog("导入EXCEL", wide=True) as self.box:
            with ui.element("div").classes("lv-import").props("aria-live=polite"):
                with ui.element("div").classes("lv-import-step") as self.choice:
                    ui.label(
                        f"请选择本单位{self.head.year}年度导出并填写的工作簿（“导出为EXCEL”或“空白表”）。"
                        "下一步先列出全部改动，确认后才写入；工作簿中留空的单元格不改动表中已有的内容。"
                    )
                    self.refused = ui.element("div")
                    Upload("选择工作簿", self.arrived, kinds=WORKBOOKS, most=MOST)
                self.found = ui.element("div").classes("lv-import-step")
            self.foot = ui.row().classes("lv-dialog-actions")
        self.ask()
        await self.box

    def ask(self, refused: str = "") -> None:
        """The first step: which workbook; ``refused``: why the last one was not read."""
        self._to(self.choice)
        with self.refused:
            if refused:
                shell.banner(f"没有导入：{refused}", "error", "error").props("role=alert")
        with self.foot:
            ui.button("返回", on_click=self.box.close).props("flat")

    def ask_again(self) -> None:
        self.shown = None
        self.ask()

    async def arrived(self, name: str, content: bytes) -> None:
        await self.look(name, content, clear_blank=False)

    async def look(self, name: str, content: bytes, *, clear_blank: bool) -> None:
        try:
            self.shown = await act.blocking(imports.preview, self.head.id, name, content, clear_blank=clear_blank)
        except Refusal as refusal:
            if refusal.field != "file":
                raise
            self.ask(refusal.message)
            return
        self.draw(self.shown, clear_blank=clear_blank)

    def draw(self, shown: ImportPreview, *, clear_blank: bool) -> None:
        """The second step: what the import would do."""
        self._to(self.found)
        count = len(shown.edits)
        errors, warnings = (
            sum(line.level is level for line in shown.found) for level in (FindingLevel.ERROR, FindingLevel.WARNING)
        )
        with self.found:
            with ui.row().classes("lv-row"):
                ui.label(shown.name).classes("lv-strong lv-import-name")
                chip(f"修改 {count} 处", "accent" if count else "off", "edit")
                chip(f"未导入或请核对 {len(shown.refused)} 处", "warning" if shown.refused else "off", "block")
                chip(f"新出现错误 {errors} 条、警告 {warnings} 条", _tone(errors, warnings), "rule")
            if not count:
                shell.banner("工作簿与表中的内容一致，没有需要导入的修改。", "note", "info")
            if shown.clearable:
                blank = ui.checkbox(
                    f"工作簿中有 {shown.clearable} 格留空、表中已填：一并清空这些单元格", value=clear_blank
                )
                blank.on_value_change(
                    act.busy(lambda e: self.look(shown.name, shown.content, clear_blank=bool(e.value)))
                )
            with ui.tabs().props("dense no-caps inline-label align=left") as tabs:
                ui.tab("changes", f"修改（{count}）")
                ui.tab("refused", f"未导入或请核对（{len(shown.refused)}）")
                ui.tab("found", f"核验问题（{len(shown.found)}）")
            first = "changes" if count or not shown.refused else "refused"
            with ui.tab_panels(tabs, value=first, animated=False, keep_alive=True).classes("lv-import-panels"):
                with ui.tab_panel("changes"):
                    table = Differences(label="导入将作的修改", empty="没有修改。")
                    table.show(shown.changes, before="表中现值", after="导入后")
                with ui.tab_panel("refused"):
                    _table("未导入或请核对的内容", shown.refused, "工作簿中的内容全部可以导入。")
                with ui.tab_panel("found"):
                    _table("导入后将出现的核验问题", shown.found, "导入后不会出现新的核验问题。")
        with self.foot:
            ui.button("换一个文件", on_click=self.ask_again).props("flat")
            if shown.refused or shown.found:
                ui.button("下载标注问题的工作簿", icon="download", on_click=act.busy(self.download)).props("outline")
            ui.element("div").classes("lv-space")
            ui.button("返回", on_click=self.box.close).props("flat")
            if count:
                ui.button(f"导入 {count} 处修改", on_click=act.busy(self.confirm)).props("autofocus")

    async def download(self) -> None:
        shown = self.shown
        if shown is not None:
            content = await act.blocking(imports.marked, shown)
            ui.download.content(content, f"{PurePath(shown.name).stem}（标注问题）.xlsx", XLSX)

    async def confirm(self) -> None:
        shown = self.shown
        if shown is None:
            return
        patch = await act.perform(imports.confirm_import, self.head.id, shown, origin=act.tab().client.id)
        self.shown = None
        self.box.close()
        await self.take(patch, shown.seen)
        written = len(shown.edits) - len(patch.conflicts) - len(patch.refused)
        if patch.conflicts:
            act.warn(f"已导入 {written} 处；{len(patch.conflicts)} 处刚刚被他人改过，没有覆盖，请逐格选择采用哪一个。")
        else:
            act.done(f"已导入 {written} 处修改并保存。如需全部取消，在表中按 Ctrl+Z 撤销一次即可。")

    def _to(self, step: ui.element) -> None:
        """Show this step alone, empty where it is drawn anew."""
        for part in (self.choice, self.found):
            part.set_visibility(part is step)
        for part in (self.refused, self.found, self.foot):
            part.clear()


def _tone(errors: int, warnings: int) -> str:
    return "error" if errors else "warning" if warnings else "off"


def _table(label: str, lines: Sequence[ImportLine], empty: str) -> None:
    table = DataTable(LINES, label=label, empty=empty)
    table.show(
        {
            "level": chip_cell(
                words.FINDING_TONES[line.level][0], line.level.caption, words.FINDING_TONES[line.level][1]
            ),
            "place": line.place or "—",
            "what": line.what or "整份工作簿",
            "message": line.message,
        }
        for line in lines
    )
