"""审计日志: who did what, when, to what, from where; filtered, paged, exported, its chain checked."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from nicegui import ui

from models.enums import AuditResult
from services import clock, permissions
from services.accounts import audit_view
from services.accounts.views import AuditQuery, AuditRow
from services.actors import Actor
from services.permissions import Power
from ui import act, shell
from ui.widgets import dialogs
from ui.widgets.data_table import DataTable, Head, Paging, chip_cell

HEADS = (
    Head("at", "时间", width="144px"),
    Head("who", "人员", width="176px"),
    Head("action", "操作", width="120px"),
    Head("result", "结果", width="84px"),
    Head("target", "对象", width="232px"),
    Head("detail", "内容"),
    Head("address", "网络地址", width="112px"),
)
NOTE = "每条日志与前一条相连，改动、删除或截去都能核对出来。涉及动态管理表内容的文字不在这里显示。"


@act.page("/audit", title="审计日志", roles=permissions.holders(Power.READ_AUDIT))
async def listing(actor: Actor) -> None:
    first = await act.read(audit_view.page, AuditQuery())

    async def verify() -> None:
        sound, sentence = await act.read(audit_view.check)
        await dialogs.tell("审计日志完整" if sound else "审计日志有问题", sentence)

    def export(ending: str) -> None:
        ui.navigate.to(f"/download/audit.{ending}?{urlencode(asked())}")

    def primary() -> None:
        ui.button("导出为EXCEL", icon="download", on_click=lambda: export("xlsx")).props("outline")
        ui.button("导出为CSV", icon="download", on_click=lambda: export("csv")).props("outline")
        ui.button("核对完整性", icon="verified", on_click=act.busy(verify))

    def asked() -> dict[str, str]:
        return {name: str(control.value) for name, control in controls.items() if control.value}

    with shell.frame(actor, title="审计日志", path="/audit", primary=primary):
        ui.label(NOTE).classes("lv-muted")
        with ui.element("div").classes("lv-filters"):
            controls: dict[str, ui.input | ui.select] = {
                "since": ui.input("自").props("type=date stack-label"),
                "until": ui.input("至").props("type=date stack-label"),
                "person": ui.input("人员姓名或用户名").props("clearable debounce=400"),
                "organisation": ui.input("人员所在机构").props("clearable debounce=400"),
                "action": ui.select({"": "全部操作", **dict(first.actions)}, value="", label="操作", with_input=True),
                "result": ui.select(
                    {"": "全部结果", **{r.value: r.caption for r in AuditResult}}, value="", label="结果"
                ),
                "subject": ui.select({"": "全部对象", **dict(first.subjects)}, value="", label="对象类别"),
                "target": ui.input("对象的名称或编号").props("clearable debounce=400"),
                "search": ui.input("内容或网络地址").props("clearable debounce=400"),
            }
        table = DataTable(HEADS, label="审计日志", empty="没有符合条件的日志。").classes("lv-dense lv-audit")
        paging = Paging(lambda page: refresh(page), audit_view.PAGE_SIZE)

        @act.in_turn
        async def refresh(page: int = 1) -> None:
            found = await act.read(audit_view.page, replace(audit_view.asked(asked()), page=page))
            table.show([_row(row) for row in found.rows])
            paging.show(found.total, page)

        for control in controls.values():
            control.on_value_change(lambda: refresh())
        await refresh()


def _row(row: AuditRow) -> dict[str, object]:
    refused = row.result is AuditResult.REFUSED
    digests = [
        f"{word} {digest[:8]}" for word, digest in (("前", row.before_digest), ("后", row.after_digest)) if digest
    ]
    return {
        "id": row.id,
        "at": f"{clock.local(row.at):%Y-%m-%d %H:%M:%S}",
        "who": [row.user_name, *([row.organisation_name] if row.organisation_name else [])],
        "action": row.action_caption,
        "result": chip_cell("warning" if refused else "accent", row.result.caption, "block" if refused else "check"),
        "target": [row.target or row.subject_caption or "—", *([row.subject_caption] if row.target else [])],
        "detail": [row.detail or "—", *(["数据指纹：" + "，".join(digests)] if digests else [])],
        "address": row.address or "—",
    }
