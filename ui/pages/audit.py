"""审计日志: who did what, when, from where; filtered, paged, exported, its chain checked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from nicegui import ui

from models.enums import AuditResult, Role
from services import clock
from services.accounts import audit_view
from services.accounts.views import AuditQuery, AuditRow
from services.actors import Actor
from ui import act, shell
from ui.widgets.data_table import DataTable, Head, Paging, chip_cell

HEADS = (
    Head("at", "时间", width="152px"),
    Head("who", "用户"),
    Head("action", "操作"),
    Head("result", "结果"),
    Head("detail", "内容"),
    Head("address", "网络地址"),
)


@act.page("/audit", title="审计日志", roles=frozenset({Role.ADMIN}))
async def listing(actor: Actor) -> None:
    first = await act.read(audit_view.page, AuditQuery())

    async def verify() -> None:
        sentence = await act.read(audit_view.check)
        (act.done if "完整" in sentence else act.warn)(sentence)

    def primary() -> None:
        ui.button("导出CSV", icon="download", on_click=lambda: ui.navigate.to(export_path())).props("outline")
        ui.button("核对完整性", icon="verified", on_click=act.busy(verify))

    def export_path() -> str:
        return "/download/audit.csv?" + urlencode({"search": search.value or "", "action": action.value or ""})

    with shell.frame(actor, title="审计日志", path="/audit", primary=primary):
        with ui.element("div").classes("lv-filters"):
            search = ui.input("用户、内容或网络地址").props("clearable debounce=400").classes("lv-search")
            action = ui.select({"": "全部操作", **dict(first.actions)}, value="", label="操作", with_input=True)
            result = ui.select({"": "全部结果", **{r.value: r.caption for r in AuditResult}}, value="", label="结果")
            since = ui.input("起").props("type=date stack-label")
            until = ui.input("止").props("type=date stack-label")
        table = DataTable(HEADS, label="审计日志")
        paging = Paging(lambda page: refresh(page))

        async def refresh(page: int = 1) -> None:
            last = _day(until.value)
            query = replace(
                AuditQuery(page=page),
                search=search.value or "",
                action=action.value or "",
                result=AuditResult(result.value) if result.value else None,
                since=_day(since.value),
                until=last + timedelta(days=1) if last else None,
            )
            found = await act.read(audit_view.page, query)
            table.show([_row(row) for row in found.rows])
            paging.show(found.total, page)

        for control in (search, action, result, since, until):
            control.on_value_change(lambda: refresh())
        await refresh()


def _row(row: AuditRow) -> dict[str, object]:
    refused = row.result is AuditResult.REFUSED
    return {
        "id": row.id,
        "at": f"{clock.local(row.at):%Y-%m-%d %H:%M:%S}",
        "who": row.user_name or "—",
        "action": row.action_caption,
        "result": chip_cell("warning" if refused else "accent", row.result.caption, "block" if refused else "check"),
        "detail": row.detail,
        "address": row.address or "—",
    }


def _day(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=clock.BEIJING) if text else None
    except ValueError:
        return None
