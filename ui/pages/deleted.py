"""已删除的申报: what units deleted, for the administrator to restore in time; names and dates only, no figures."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from sqlmodel import Session

from models.enums import Action, Form
from services import permissions
from services.actors import Actor
from services.filings import lists
from services.filings.views import FilingRow, ListQuery
from services.forms import loader
from services.permissions import Power
from services.register import campaigns
from ui import act, shell, words
from ui.widgets import filing_actions
from ui.widgets.data_table import DataTable, Head, Paging, RowAction

HEADS = (
    Head("deleted", "删除时间", sort="deleted_at", width="152px"),
    Head("unit", "单位名称", sort="unit_name"),
    Head("form", "动态管理表", width="128px"),
    Head("number", "填报编号", width="168px"),
    Head("region", "地区"),
    Head("until", "可恢复至", width="104px"),
)
NOTE = "申报单位删除的动态管理表在期限内可以恢复，恢复后单位可以继续填写。这里不显示填报数据。"


@act.page("/deleted", title="已删除的申报", roles=permissions.holders(Power.RESTORE_LIST))
async def deleted(actor: Actor) -> None:
    forms = {form: form.caption for form in Form if loader.years(form)}
    year = await act.read(_current_year, next(iter(forms)))
    rows: dict[int, FilingRow] = {}
    order = ["deleted_at", True]

    with shell.frame(actor, title="已删除的申报", path="/deleted"):
        ui.label(NOTE).classes("lv-muted")
        with ui.element("div").classes("lv-filters"):
            search = ui.input("单位名称、信用代码或填报编号").props("clearable debounce=300").classes("lv-search")
            form = ui.select(forms, value=next(iter(forms)), label="表")
            years = sorted({y for f in forms for y in loader.years(f)} | {year}, reverse=True)
            in_year = ui.select({y: f"{y}年度" for y in years}, value=year, label="年度")

        async def restore(row_id: Any, word: str) -> None:
            await filing_actions.run(rows[row_id], Action(word), refresh)

        async def sort_by(key: str) -> None:
            order[:] = [key, not order[1] if key == order[0] else key == "deleted_at"]
            await refresh()

        table = DataTable(
            HEADS, label="已删除的申报", empty="没有符合条件的已删除申报。", on_act=restore, on_sort=sort_by
        )
        paging = Paging(lambda page: refresh(page))

        @act.in_turn
        async def refresh(page: int = 1) -> None:
            query = ListQuery(
                form.value,
                in_year.value,
                tab="deleted",
                search=(search.value or "").strip(),
                sort=str(order[0]),
                descending=bool(order[1]),
                page=page,
                page_size=paging.page_size,
            )
            found = await act.read(lists.review_page, query)
            rows.clear()
            rows.update((row.id, row) for row in found.rows)
            table.show([_row(row) for row in found.rows], sort=query.sort, descending=query.descending)
            paging.show(found.total, page)

        for control in (search, form, in_year):
            control.on_value_change(lambda: refresh())
        await refresh()


def _current_year(s: Session, actor: Actor, form: Form) -> int:
    return campaigns.current_year(s, form)


def _row(row: FilingRow) -> dict[str, object]:
    return {
        "id": row.id,
        "deleted": words.moment(row.deleted_at),
        "unit": row.unit_name,
        "form": f"{row.year}年 {row.form.caption}",
        "number": row.number,
        "region": row.region_name,
        "until": words.short_day(row.restorable_until),
        "actions": [
            RowAction(a.action.value, a.caption, "" if a.enabled else a.reason)
            for a in row.actions
            if a.action is Action.RESTORE
        ],
    }
