"""One filing (填报页): the sheet with its top bar as in the manual, the attachments, the stamped scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from models.enums import UNIT_ROLES, Action
from services import clock, events
from services.actors import Actor
from services.errors import NotFound, Refusal, SignedOut
from services.filings import desk, sheets
from services.filings.views import FilingHead, SheetPatch, SheetView
from ui import act, shell
from ui.widgets import chips, filing_actions, filing_files, form_sheet, import_dialog, questions, stamp_panel
from ui.widgets.form_sheet import CellsEvent, FormSheet, NoteEvent, layout_json, sheet_json

MOST_NAMED = 6  # indicators that a return has opened, by name
# Lists to fill the form by: where its rows are chosen from them.
STANDARDS = {
    "energy_limit_standards": ("能耗限额标准清单.xlsx", "/download/energy-limit-standards"),
    "water_quota_standards": ("取水定额标准清单.xlsx", "/download/water-quota-standards"),
}


@act.page("/filing/{filing_id}", title="动态管理表", roles=UNIT_ROLES)
async def sheet_page(actor: Actor, filing_id: int, tab: str = "sheet", cell: str = "") -> None:
    view = await act.read(sheets.sheet, filing_id)
    head = view.head
    title = f"{head.year}年度{head.form.caption}动态管理表"
    back = f"/filings/{head.form.value}"
    page = _SheetPage(actor, view, back, cell)
    with shell.frame(
        actor,
        title=title,
        path=back,
        status=page.status,
        note=head.number,
        primary=lambda: _downloads(view),
    ):
        await page.build(tab)


def _downloads(view: SheetView) -> None:
    """The lists and the empty form (下载), beside the title as in the manual."""
    head = view.head
    asked = {row["reference"] for row in form_sheet.rows(view.layout)}
    offered = [STANDARDS[name] for name in STANDARDS if name in asked]
    offered.append((f"{head.form.caption}名单.xlsx", f"/download/roster/{head.form.value}"))
    offered.append(("空白表.xlsx", f"/download/blank/{head.id}"))
    with ui.element("nav").classes("lv-downloads").props('aria-label="下载"'):
        ui.icon("download").props("aria-hidden=true")
        for name, path in offered:
            ui.link(name, path)


class _SheetPage:
    """The page's live parts; one object a page."""

    def __init__(self, actor: Actor, view: SheetView, back: str, cell: str) -> None:
        self.actor, self.view, self.back, self.cell = actor, view, back, cell
        self.head: FilingHead = view.head
        self.renew_head = act.in_turn(self._renew_head)

    def status(self) -> None:
        """填报状态 beside the title; an edit may take back 已通过验证."""
        with ui.element("span").props("aria-live=polite") as self.status_box:
            chips.status(self.head)

    async def _renew_head(self) -> None:
        """Where the filing stands now, also in the title; what may not be edited any more is locked."""
        before = self.head
        try:
            self.head = await act.read(sheets.head, before.id)
        except NotFound as deleted:
            self.sheet.set_readonly(True, deleted.message)
            for place in (self.importing, self.filling, self.taking_back):
                place.set_visibility(False)
            raise
        if self.head.editable and not before.editable:
            await self.reload()  # which cells may be edited, a sheet that was locked does not know
        else:
            self._draw_head()
        if self.head.editable is not before.editable:
            if not self.head.editable:
                self.sheet.set_readonly(True, self.head.locked_reason)
            act.warn(f"这份动态管理表现在是“{self.head.status_caption}”。{self.head.locked_reason}")

    def _draw_head(self) -> None:
        """Where the filing stands, and what may be done with it if that is other than before."""
        self.status_box.clear()
        with self.status_box:
            chips.status(self.head)
        if self.head.editable is not self.offers_editing:
            self._what_may_be_done()

    def _what_may_be_done(self) -> None:
        """The buttons and the notice that come and go with the right to edit (可办事项). What is open in a dialog of a button
        stays: the button is only hidden."""
        self.offers_editing = self.head.editable
        self.importing.set_visibility(self.head.editable)
        self.filling.set_visibility(self.head.editable)
        self.taking_back.set_visibility(not self.head.editable)
        if not self.head.editable:
            self.taking_back.clear()
            with self.taking_back:
                self._withdraw()
        self.notice.clear()
        with self.notice:
            self._notice()

    async def build(self, tab: str) -> None:
        with ui.element("div").classes("lv-sheet-bar"):
            names = self._tabs()
            with ui.tabs().props("dense no-caps inline-label align=left") as tabs:
                for key, caption in names.items():
                    ui.tab(key, caption)
            ui.element("div").classes("lv-space")
            if self.head.version_no:
                history = f"/filing/{self.head.id}/history"
                ui.button("历次上报", icon="history", on_click=lambda: ui.navigate.to(history)).props("flat")
            ui.button("导出为EXCEL", on_click=lambda: ui.navigate.to(f"/download/excel/{self.head.id}")).props(
                "outline"
            )
            self.importing = import_dialog.button(self.head, self.imported)
            ui.button("导出为PDF", on_click=lambda: ui.navigate.to(f"/download/pdf/{self.head.id}")).props("outline")
            with ui.element("div").classes("lv-bar-end") as self.filling:
                ui.button("暂存", on_click=act.busy(self.save)).props("outline")
                ui.button("验证并保存", on_click=act.busy(self.validate))
            self.taking_back = ui.element("div").classes("lv-bar-end")
        self.notice = ui.element("div").classes("lv-sheet-notice")
        self._what_may_be_done()
        with ui.tab_panels(tabs, value=tab if tab in names else "sheet", animated=False, keep_alive=True).classes(
            "lv-sheet-panels"
        ):
            with ui.tab_panel("sheet"):
                self.sheet = FormSheet(
                    sheet_json(self.view, user_id=self.actor.user_id),
                    layout_json(self.view.layout),
                    on_cells=self.edit,
                    on_note=self.note,
                    on_fix=self.fix,
                    on_save=self.save,
                    on_ready=self.ready,
                )
            with ui.tab_panel("files"):
                filing_files.panel(self.head, self.view.files)
            with ui.tab_panel("stamp"):
                stamp_panel.panel(self.head, self.reload)
            if self.view.questions:
                with ui.tab_panel("questions"):
                    questions.answers(self.head, self.view.questions, self.sheet, tabs)
        act.watch_filing(self.head.id, self.changed)
        act.on_return(self.reload)

    def _tabs(self) -> dict[str, str]:
        names = {"sheet": "表1: 动态管理表", "files": "更多附件", "stamp": "盖章扫描件"}
        if self.view.questions:
            waiting = sum(q.can_answer for q in self.view.questions)
            names["questions"] = f"核实问题（{waiting or len(self.view.questions)}）"
        return names

    def _notice(self) -> None:
        """Why it was returned, or why it cannot be edited: cause, owner, way out."""
        if self.head.return_reason and self.head.editable:
            shell.banner(f"{self.head.returned_by}退回：{self.head.return_reason} {self._scope()}", "warning", "undo")
        elif not self.head.editable and self.head.locked_reason:
            shell.banner(self.head.locked_reason, "note", "lock")

    def _scope(self) -> str:
        """What a return has opened (退回范围), by name; "" where that is everything."""
        if self.view.editable is None:
            return ""
        opened = {address.partition(":")[0] for address in self.view.editable}
        named = [said for key, said in questions.row_words(self.view.layout).items() if key in opened]
        more = f"等 {len(named)} 项" if len(named) > MOST_NAMED else ""
        return f"本次只可修改{'、'.join(named[:MOST_NAMED])}{more}（{len(self.view.editable)} 个单元格），其余已锁定。"

    def _withdraw(self) -> None:
        for view in self.head.actions:
            if view.action is Action.WITHDRAW and view.enabled:
                ui.button(view.caption, on_click=act.busy(self.withdraw)).props("outline")
            elif view.action is Action.WITHDRAW:
                shell.reason_button(view.caption, view.reason, props="outline")

    async def withdraw(self) -> None:
        await filing_actions.run(self.head, Action.WITHDRAW, self.leave)

    async def leave(self) -> None:
        ui.navigate.to(self.back)

    async def edit(self, e: CellsEvent) -> SheetPatch | str:
        return await self._kept(desk.edit_cells, e.edits, source=e.source, seen=e.seen)

    async def note(self, e: NoteEvent) -> SheetPatch | str:
        return await self._kept(desk.note_finding, e.finding, e.hash, e.action, e.text)

    async def fix(self, finding: str) -> SheetPatch | str:
        return await self._kept(desk.apply_fix, finding)

    async def _kept(self, use_case: Callable[..., SheetPatch], *args: Any, **kwargs: Any) -> SheetPatch | str:
        """The answer to the sheet; a refusal goes to its saved mark as a sentence, and what was typed stays in the page."""
        try:
            patch = await act.perform(use_case, self.head.id, *args, origin=self.sheet.client.id, **kwargs)
        except SignedOut:
            raise
        except Refusal as refusal:
            return refusal.message
        await self._told(patch)
        return patch

    async def imported(self, patch: SheetPatch, seen: Mapping[str, str]) -> None:
        self.sheet.imported(patch, seen)
        await self._told(patch)

    async def _told(self, patch: SheetPatch) -> None:
        if patch.validated is not self.head.validated:
            await self.renew_head()

    async def save(self) -> None:
        moment = await act.perform(desk.save_draft, self.head.id)
        self.sheet.saved(moment)
        act.done(f"已暂存 {clock.local(moment):%H:%M}。可以随时回来继续填写，暂存的内容不会上报。")

    async def validate(self) -> None:
        result = await act.perform(desk.validate, self.head.id)
        if result.passed:
            ui.navigate.to(f"{self.back}?validated={self.head.id}")
        else:
            self.sheet.show_failure(result)

    async def ready(self) -> None:
        if self.cell:
            self.sheet.focus_cell(self.cell)

    async def changed(self, event: events.Event) -> None:
        """Somebody else's edit arrives; a change of status redraws the page."""
        if isinstance(event, events.CellsChanged):
            self.sheet.push(event.patch)
            await self._told(event.patch)
            return
        await self.renew_head()

    async def reload(self) -> None:
        """After signing in again: everything fresh, what was typed is replayed by the sheet itself."""
        self.view = await act.read(sheets.sheet, self.head.id)
        self.head = self.view.head
        self.sheet.resync(sheet_json(self.view, user_id=self.actor.user_id))
        self._draw_head()
