"""名单导入: the batch, the file, what would become of each row; nothing is written before it is confirmed."""

from __future__ import annotations

from nicegui import ui

from models.enums import Form, Level, Role
from services import permissions
from services.actors import Actor
from services.errors import Refusal
from services.permissions import Power
from services.register import importing
from services.register.importing import BatchForm, Outcome, RosterPreview, RowView
from ui import act, shell
from ui.widgets import dialogs, fields
from ui.widgets.data_table import DataTable, Head, Paging, chip_cell
from ui.widgets.upload import MB, Upload

TABLES = (".xlsx", ".csv")
HEADS = (
    Head("number", "行", number=True, width="56px"),
    Head("name", "单位名称"),
    Head("code", "统一社会信用代码", width="176px"),
    Head("region", "所在地区"),
    Head("outcome", "结果", width="120px"),
    Head("message", "说明"),
)
OUTCOMES = {
    Outcome.NEW: ("accent", "将列入", "add"),
    Outcome.KNOWN: ("off", "已在名单", "check"),
    Outcome.REFUSED: ("error", "不能导入", "error"),
}
PAGE = 50


@act.page("/roster-import", title="导入名单", roles=permissions.holders(Power.IMPORT_ROSTER))
async def roster_import(actor: Actor) -> None:
    with shell.frame(actor, title="导入名单", path="/roster", back=("名单", "/roster"), width="wide"):
        _Import(actor).build()


class _Import:
    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.shown: RosterPreview | None = None

    def build(self) -> None:
        with shell.card("一、批次", note="工作簿里另有“名单层面”“批次”“文号”“列入日期”列的，以工作簿为准。"):
            with ui.element("div").classes("lv-columns"):
                self.form = ui.select({f: f.caption for f in Form}, value=Form.FACTORY, label="名单")
                level = Level.MUNICIPAL if self.actor.role is Role.CITY else Level.PROVINCIAL
                self.level = ui.select({lv: lv.caption for lv in Level}, value=level, label="层面")
                self.name = fields.text("批次名称", most=100, required=False, hint="例如“第九批绿色制造名单”")
                self.document = fields.text("文号", most=100, required=False)
                self.on = fields.day("公布日期", required=False)
            for field in (self.form, self.level, self.name, self.document, self.on):
                field.on_value_change(self.drop)
        with shell.card("二、文件"):
            ui.label(
                "可以直接用公布的名单（有“名称”“地区”等表头的 .xlsx 或 .csv），也可以下载模板填写。"
                "下一步先逐行列出结果，确认后才写入。"
            ).classes("lv-muted")
            with ui.element("div").classes("lv-row"):
                ui.link("下载名单导入模板", "/download/roster-template").classes("lv-text-button")
            self.refused = ui.element("div").props("aria-live=polite")
            Upload("选择名单文件", self.arrived, kinds=TABLES, most=5 * MB)
        self.found = ui.element("div").classes("lv-stack").props("aria-live=polite")

    def drop(self) -> None:
        """What was shown is not what would be written any more."""
        if self.shown is not None:
            self.shown = None
            self.found.clear()
            self._say("批次已修改，请重新选择文件。")

    def _say(self, trouble: str) -> None:
        self.refused.clear()
        if trouble:
            with self.refused:
                shell.banner(trouble, "error", "error").props("role=alert")

    async def arrived(self, name: str, content: bytes) -> None:
        self._say("")
        self.shown = None
        self.found.clear()
        on = fields.day_of(self.on, "") if self.on.value else None
        batch = BatchForm(
            Form(self.form.value), Level(self.level.value), self.name.value or "", self.document.value or "", on
        )
        try:
            self.shown = await act.blocking(importing.preview, batch, name, content)
        except Refusal as refusal:
            self._say(f"没有读入“{name}”：{refusal.message}")
            return
        with self.found:
            self._draw(self.shown)

    def _draw(self, shown: RosterPreview) -> None:
        counts = {outcome: shown.count(outcome) for outcome in Outcome}
        with shell.card("三、预览", note=f"“{shown.file_name}”，{shown.batch.form.caption}名单"):
            with ui.element("div").classes("lv-row"):
                ui.label(
                    f"将列入 {counts[Outcome.NEW]} 条，已在名单 {counts[Outcome.KNOWN]} 条（不重复列入），"
                    f"不能导入 {counts[Outcome.REFUSED]} 条。"
                ).classes("lv-strong")
                ui.element("div").classes("lv-space")
                only = ui.select(
                    {"": "全部行", **{o.value: f"只看{OUTCOMES[o][1]}的" for o in Outcome if counts[o]}},
                    value=Outcome.REFUSED.value if counts[Outcome.REFUSED] else "",
                    label="显示",
                )
            table = DataTable(HEADS, label="导入预览", empty="没有这样的行。")
            paging = Paging(lambda page: refresh(page), PAGE)

            def refresh(page: int = 1) -> None:
                rows = [row for row in shown.rows if only.value in ("", row.outcome.value)]
                table.show(_row(row) for row in rows[(page - 1) * PAGE : page * PAGE])
                paging.show(len(rows), page)

            only.on_value_change(lambda: refresh())
            refresh()
            with ui.element("div").classes("lv-row"):
                if counts[Outcome.NEW]:
                    ui.button(f"导入 {counts[Outcome.NEW]} 条", on_click=act.busy(self.confirm))
                if counts[Outcome.REFUSED]:
                    ui.label("不能导入的行请在文件中改正后重新选择；已导入的不会重复列入。").classes("lv-muted")

    async def confirm(self) -> None:
        shown = self.shown
        if shown is None:
            return
        left = shown.count(Outcome.REFUSED)
        text = f"有 {left} 行不能导入，会留在外面。" if left else "所有可以导入的行一次写入。"
        if await dialogs.confirm(
            f"导入后，{shown.count(Outcome.NEW)} 个单位列入{shown.batch.form.caption}名单", text, verb="导入"
        ):
            done = await act.perform(importing.import_roster, shown)
            self.shown = None
            self.found.clear()
            with self.found:
                shell.empty(
                    f"已列入 {done.written} 条",
                    f"其中 {done.linked} 条对应已注册的单位。{'未导入 ' + str(done.refused) + ' 行。' if done.refused else ''}"
                    "其余单位注册并经确认后自动对应。",
                    ("查看名单", f"/roster?form={shown.batch.form.value}"),
                )


def _row(row: RowView) -> dict[str, object]:
    return {
        "id": row.number,
        "number": str(row.number),
        "name": row.name or "—",
        "code": row.credit_code or "—",
        "region": row.region_name or "—",
        "outcome": chip_cell(*OUTCOMES[row.outcome]),
        "message": row.message or ("" if not row.unit_name else "对应已注册的单位"),
    }
