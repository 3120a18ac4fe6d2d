"""更多附件: what the unit adds to its filing, and the same list for those who read it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from models.enums import Action, FileKind
from services import events
from services.actors import Actor
from services.db import Database
from services.documents import scan
from services.errors import Refusal
from services.filings import files, sheets
from services.filings.views import FileView, FilingHead
from ui import act, words
from ui.widgets import dialogs
from ui.widgets.data_table import DataTable, Head, RowAction
from ui.widgets.upload import DOCUMENTS, Upload

KINDS = {
    FileKind.EXPLANATION: "情况说明：解释填报数据或合规性信息",
    FileKind.EVIDENCE: "证明材料：变更证明、计量记录、检测报告等",
    FileKind.OTHER: "其他",
}
SEEN = frozenset({scan.PDF, scan.JPEG, scan.PNG})  # what can be drawn as pictures
HEADS = (
    Head("name", "文件名"),
    Head("kind", "类别"),
    Head("size", "大小", number=True),
    Head("by", "上传人"),
    Head("at", "上传时间"),
)
WIDE = 1100  # pixels of a previewed page


def panel(head: FilingHead, listed: Sequence[FileView]) -> None:
    """The unit's tab (更多附件): list, upload with the caps in words, preview, removal; looks again when the filing changes."""
    _Panel(head, listed).build()


class FileTable:
    """A list of files with 预览, 下载 and, where it is allowed, 删除."""

    def __init__(self, *, empty: str, on_remove: Callable[[FileView], Any] | None = None) -> None:
        self._known: dict[int, FileView] = {}
        self._on_remove = on_remove
        self._table = DataTable(HEADS, label="附件", empty=empty, on_act=self._do)

    def show(self, listed: Sequence[FileView]) -> None:
        """Draw these in place of the former ones."""
        self._known = {found.id: found for found in listed}
        self._table.show([_row(found) for found in listed])

    async def _do(self, file_id: int, word: str) -> None:
        found = self._known[file_id]
        if word == "preview":
            await preview(found)
        elif word == "download":
            ui.navigate.to(f"/files/{found.id}")
        elif self._on_remove is not None:
            await self._on_remove(found)


async def preview(found: FileView) -> None:
    """预览: one page at a time, redrawn by the server as a picture, so that nothing inside the file can run."""
    with dialogs.dialog(found.name, wide=True) as box:
        box.classes("lv-preview")
        waiting = ui.label("正在打开…").classes("lv-muted").props("role=status")
        shown = ui.image().classes("lv-preview-page").props("no-spinner")
        shown.set_visibility(False)
        page = 1
        with ui.row().classes("lv-dialog-actions"):
            place = ui.label().classes("lv-muted").props("aria-live=polite")
            ui.space()
            back = ui.button("上一页").props("flat")
            on = ui.button("下一页").props("flat")
            ui.button("下载", on_click=lambda: ui.navigate.to(f"/files/{found.id}")).props("outline")
            ui.button("关闭", on_click=box.close)

    async def turn(by: int) -> None:
        nonlocal page
        try:
            png, pages = await act.blocking(_picture, found.id, page + by)
        except Refusal as refusal:
            waiting.set_text(f"{refusal.message}也可以下载后查看。")
            return
        page += by
        waiting.set_visibility(False)
        shown.set_visibility(True)
        shown.set_source(f"data:image/png;base64,{base64.b64encode(png).decode()}")
        shown.props["alt"] = f"{found.name} 第 {page} 页"
        place.set_text(f"第 {page} 页，共 {pages} 页")
        back.set_enabled(page > 1)
        on.set_enabled(page < pages)

    back.on_click(act.busy(lambda: turn(-1)))
    on.on_click(act.busy(lambda: turn(1)))
    await turn(0)
    await box


def _picture(db: Database, actor: Actor, file_id: int, page: int) -> tuple[bytes, int]:
    found, path = db.read(files.open_file, actor, file_id)
    return scan.picture(path.read_bytes(), found.media_type, page, WIDE)


class _Panel:
    def __init__(self, head: FilingHead, listed: Sequence[FileView]) -> None:
        self.head, self.listed = head, _own(listed)
        self.refresh = act.in_turn(self._refresh)

    def build(self) -> None:
        with ui.element("section").classes("lv-card lv-reading-card"):
            with ui.element("h2").classes("lv-card-title"):
                ui.label("更多附件")
            ui.label(
                "可上传情况说明、证明材料等。接受 PDF、JPG、PNG、XLSX，单个不超过 20 MB。盖章扫描件请在“盖章扫描件”中上传。"
            ).classes("lv-muted")
            self.adding = ui.element("div").classes("lv-adding")
            with self.adding:
                self.kind = ui.select({k.value: said for k, said in KINDS.items()}, value=FileKind.EXPLANATION.value)
                self.kind.props('label="附件类别"').classes("lv-wide")
                Upload("选择附件", self.take, kinds=DOCUMENTS)
            self.waiting = ui.label().classes("lv-muted").props("role=status")
            self.closed = ui.label().classes("lv-muted")
            self.table = FileTable(empty="还没有附件。", on_remove=self.remove)
            self.table.show(self.listed)
        self._allow(self.head)
        act.watch_filing(self.head.id, self.changed)

    async def take(self, name: str, content: bytes) -> None:
        self.waiting.set_text(f"正在检查“{name}”…")
        try:
            kind = FileKind(str(self.kind.value))
            stored = await act.blocking(files.upload, self.head.id, kind, name, content)
        finally:
            self.waiting.set_text("")
        act.done(f"已上传“{stored.name}”（{stored.kind_caption}）。")
        await self.refresh()

    async def remove(self, found: FileView) -> None:
        if await dialogs.confirm(
            f"删除附件“{found.name}”",
            "删除后审核人员不再看到这个文件；需要时可以重新上传。",
            verb="删除",
            dangerous=True,
        ):
            await act.perform(files.remove, found.id)
            act.done(f"已删除“{found.name}”。")
            await self.refresh()

    async def changed(self, event: events.Event) -> None:
        if isinstance(event, events.FilingChanged):
            self._allow(await act.read(sheets.head, self.head.id))
            await self.refresh()

    async def _refresh(self) -> None:
        listed = _own(await act.read(files.listing, self.head.id))
        if listed != self.listed:
            self.listed = listed
            self.table.show(listed)

    def _allow(self, head: FilingHead) -> None:
        """Uploading is there while the filing may be changed; otherwise the reason stands in its place."""
        self.head = head
        button = next((b for b in head.actions if b.action is Action.ATTACH), None)
        open_now = button is not None and button.enabled
        self.adding.set_visibility(open_now)
        self.closed.set_text("" if open_now else (button.reason if button else head.locked_reason))


def _own(listed: Sequence[FileView]) -> tuple[FileView, ...]:
    """The unit's attachments; stamped scans and the offices' papers have places of their own."""
    return tuple(found for found in listed if found.kind in KINDS)


def _row(found: FileView) -> dict[str, Any]:
    actions = [RowAction("preview", "预览")] if found.media_type in SEEN else []
    actions.append(RowAction("download", "下载"))
    if found.removable:
        actions.append(RowAction("remove", "删除", danger=True))
    pages = [f"{found.pages} 页"] if found.pages > 1 else []
    return {
        "id": found.id,
        "name": found.name,
        "kind": found.kind_caption,
        "size": [words.size(found.size), *pages],
        "by": found.uploaded_by,
        "at": words.moment(found.uploaded_at),
        "actions": actions,
    }
