"""批量导出 of a list page: the dialog that asks what and how, and the tasks under way with progress, cancel and download.

exported = batch_panel.Panel()                              # 导出任务, invisible while there are none
await batch_panel.ask(query, picked, exported.refresh)          # the dialog; ``picked`` ids, or () for the whole list
"""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from services.actors import Actor
from services.db import Database
from services.documents.batches import BatchView
from services.filings import batches
from services.filings.batches import Ending, Kind, Selection
from services.filings.views import ListQuery
from ui import act, exports, words
from ui.widgets import dialogs
from ui.widgets.chips import chip

EVERY = 1.0  # seconds between two looks, only while something is under way
WHAT: dict[Kind, str] = {
    "pdf": "动态管理表PDF，全部打包为一个 zip",
    "summary": "指标汇总表，每单位一行，指标自选",
    "long": "指标明细表，每个指标每年一行，含全部指标",
}
ENDINGS: dict[Ending, str] = {"xlsx": "Excel 工作簿（xlsx）", "csv": "CSV（UTF-8）"}
STAGES = {
    "waiting": ("排队中", "off", "more_horiz"),
    "running": ("正在导出", "note", "schedule"),
    "ready": ("已完成", "accent", "check"),
    "failed": ("没有完成", "error", "error"),
    "cancelled": ("已取消", "off", "close"),
}


async def ask(query: ListQuery, picked: tuple[int, ...], started: Callable[[], None]) -> None:
    """Ask what to export (批量导出) and start it; ``started`` is called once it is under way."""
    chosen = {True: await act.read(batches.select_filings, query, picked)} if picked else {}
    chosen[False] = await act.read(batches.select_filings, query)
    indicators = {one.key: one.words for one in batches.indicators(query.form, query.year)}
    with dialogs.dialog("批量导出", wide=True) as box, ui.element("div").classes("lv-export"):
        ui.label("导出在后台进行，可以继续办理其他工作；完成后在“导出任务”和“待办”中提醒。").classes("lv-muted")
        ui.label("范围").classes("lv-strong")
        scope = ui.radio({key: _scope(key, found) for key, found in chosen.items()}, value=bool(picked))
        ui.label("内容").classes("lv-strong")
        kind = ui.radio(dict(WHAT), value="pdf")
        fields = ui.select(
            indicators,
            label="指标",
            multiple=True,
            with_input=True,
            value=[key for key in batches.usual(query.form, query.year) if key in indicators],
        ).props("use-chips clearable")
        fields.classes("lv-wide lv-export-fields").bind_visibility_from(kind, "value", lambda value: value == "summary")
        ending = ui.radio(dict(ENDINGS), value="xlsx").props("inline")
        ending.bind_visibility_from(kind, "value", lambda value: value != "pdf")

        async def start() -> None:
            await act.blocking(
                batches.start,
                exports.house(),
                kind.value,
                query,
                picked if scope.value else (),
                ending=ending.value,
                fields=tuple(fields.value or ()),
            )
            box.close()
            started()

        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=box.close).props("flat")
            button = ui.button("开始导出", icon="download", on_click=act.busy(start))
            button.bind_enabled_from(scope, "value", lambda value: bool(chosen[bool(value)].ids))
    await box


def _scope(picked: bool, found: Selection) -> str:
    left = f"，另有 {found.left_out:,} 份尚未上报，不导出" if found.left_out else ""
    return f"{'所选' if picked else '当前筛选结果'}：{len(found.ids):,} 份{left}"


class Panel:
    """导出任务: this person's exports, newest first; looks again by itself while one is under way."""

    def __init__(self) -> None:
        self._owner = batches.owner(act.current())
        self._stages: dict[str, str] = {view.id: view.stage for view in self._mine()}
        self._moving: dict[str, tuple[ui.linear_progress, ui.label]] = {}
        self._box = ui.element("section").classes("lv-batches").props('aria-label="导出任务"')
        self._timer = ui.timer(EVERY, self.refresh, active=False)
        self._draw(self._mine())

    def refresh(self) -> None:
        """Show what there is now, and say what was finished since the last look. Lines are drawn anew only when there are
        others: a button that is drawn anew loses the click under way."""
        views = self._mine()
        stages: dict[str, str] = {view.id: view.stage for view in views}
        if stages == self._stages:
            for view in views:
                self._move(view)
            return
        for view in views:
            if view.stage != self._stages.get(view.id, view.stage) and view.stage == "ready":
                act.done(f"{view.title}已生成，请在“导出任务”中下载。")
            elif view.stage != self._stages.get(view.id, view.stage) and view.stage == "failed":
                act.warn(f"{view.title}：{view.message}")
        self._stages = stages
        self._draw(views)

    def _draw(self, views: tuple[BatchView, ...]) -> None:
        self._timer.active = any(not view.is_over for view in views)
        self._box.set_visibility(bool(views))
        self._box.clear()
        self._moving.clear()
        with self._box:
            ui.label("导出任务").classes("lv-strong")
            for view in views:
                self._line(view)

    def _line(self, view: BatchView) -> None:
        with ui.element("div").classes("lv-batch").props(f'data-stage="{view.stage}"'):
            chip(*STAGES[view.stage])
            ui.label(view.title).classes("lv-batch-title")
            if view.stage == "running":
                bar = ui.linear_progress(0.0, show_value=False).props("rounded indeterminate aria-label=导出进度")
                self._moving[view.id] = bar.classes("lv-batch-bar"), ui.label("正在准备…").classes("lv-muted lv-number")
                self._move(view)
            else:
                ui.label(_words(view)).classes("lv-muted")
            ui.element("div").classes("lv-space")
            if view.stage == "ready":
                ui.button("下载", icon="download", on_click=lambda: ui.navigate.to(f"/download/batch/{view.id}")).props(
                    "flat dense"
                )
            caption = "移除" if view.is_over else "取消导出"
            ui.button(caption, on_click=act.busy(lambda: self._drop(view))).props("flat dense")

    def _move(self, view: BatchView) -> None:
        if view.id in self._moving and view.done and view.total:
            bar, share = self._moving[view.id]
            bar.props(remove="indeterminate").set_value(round(view.done / view.total, 3))
            share.set_text(f"{view.done / view.total:.0%}")

    async def _drop(self, view: BatchView) -> None:
        await act.blocking(_drop, view.id)
        self.refresh()
        if not view.is_over:  # its line is gone: without a word nobody knows whether it was the click
            act.done("已取消导出，没有生成文件。需要时可以重新导出。")

    def _mine(self) -> tuple[BatchView, ...]:
        return tuple(view for view in exports.house().mine(self._owner) if view.stage != "cancelled")


def _drop(db: Database, actor: Actor, batch_id: str) -> None:
    exports.house().cancel(batches.owner(actor), batch_id)


def _words(view: BatchView) -> str:
    if view.stage == "failed":
        return view.message
    if view.stage == "ready":
        return f"文件保留到 {words.moment(view.asked_at + exports.KEPT)}，过期后自动删除。"
    return "前面还有导出在进行，轮到后自动开始。"
