"""The list of filings of one form (填报列表): a unit's own, or an authority's region, in the manual's columns and words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from nicegui import ui
from sqlmodel import Session

from models.enums import AUTHORITY_ROLES, UNIT_ROLES, Form, Level, Role
from services.actors import Actor
from services.errors import NotFound
from services.filings import lists, opening
from services.filings.views import FilingRow, ListQuery, MissingRow
from services.forms import loader, reference
from services.register import campaigns
from services.reviews import decisions
from ui import act, shell
from ui.widgets import batch_panel, dialogs, filing_actions
from ui.widgets.data_table import DataTable
from ui.widgets.tier_table import TierTable, columns

TABS = {
    "mine": "待我审核",
    "review": "审核中",
    "returned": "已退回",
    "done": "已办结",
    "missing": "未填报",
    "all": "全部",
}
EMPTY = {
    "mine": "没有等待本级审核的动态管理表。下级上报以后会出现在这里，并在“待办”中提醒。",
    "review": "本地区没有正在审核的动态管理表。",
    "returned": "没有退回待修改的动态管理表。",
    "done": "还没有审核完成的动态管理表。",
    "missing": "名单内的单位都已经新增动态管理表。",
    "all": "没有符合条件的动态管理表。可以放宽筛选条件再试。",
}
NO_TASKS = "还没有分配给您的评审任务。主管部门分配以后会出现在这里，并在“待办”中提醒。"
PAGE_SIZES = (20, 50, 100)


@act.page("/filings/{form}", title="动态管理", roles=UNIT_ROLES | AUTHORITY_ROLES | {Role.EXPERT})
async def filings(actor: Actor, form: str, year: int = 0, tab: str = "", validated: int = 0) -> None:
    kind = next((f for f in Form if f.value == form and loader.years(f)), None)
    if kind is None:
        raise NotFound
    if actor.is_unit:
        await own_list(actor, kind)
        if validated:
            act.done("已通过验证并保存。下一步：导出为PDF签字盖章，上传盖章扫描件，然后上报。")
    else:
        await review_list(actor, kind, year or await act.read(_current_year, kind), tab)


def _current_year(s: Session, actor: Actor, form: Form) -> int:
    return campaigns.current_year(s, form)


async def own_list(actor: Actor, form: Form) -> None:
    """A unit's own filings of all years."""
    title = f"{form.caption}动态管理表"
    with shell.frame(actor, title=title, path=f"/filings/{form.value}"):
        with ui.element("div").classes("lv-bar"):
            new = ui.button("新增动态管理表", icon="add").classes("lv-unshrunk")
            reason = ui.label().classes("lv-muted")
        rows: dict[int, FilingRow] = {}
        table = TierTable(
            label=title, on_act=lambda i, a: filing_actions.run(rows[i], a, refresh), on_sort=lambda key: None
        )
        with table:
            ui.label("还没有动态管理表。新增以后会显示在这里。")

        watched: set[int] = set()

        @act.in_turn
        async def refresh() -> None:
            page = await act.read(lists.own_page, form)
            rows.clear()
            rows.update((row.id, row) for row in page.rows)
            heads = tuple(replace(c, sort="") for c in columns(page.tier_names, authority=False))
            table.show(page.rows, heads, sort="", descending=True)
            button = page.open_action
            new.set_visibility(button is not None)
            if button is not None:
                new.set_enabled(button.enabled)
                reason.set_text("" if button.enabled else button.reason)
            for row in page.rows:
                if row.id not in watched:
                    watched.add(row.id)
                    act.watch_filing(row.id, lambda _: refresh())

        async def create() -> None:
            year = await act.read(_current_year, form)
            ui.navigate.to(f"/filing/{await act.perform(opening.open_filing, form, year)}")

        new.on_click(act.busy(create))
        await refresh()


async def review_list(actor: Actor, form: Form, year: int, tab: str) -> None:
    """An authority's queue with tabs, filters, search, sorting and paging."""
    state = _Filters(
        ListQuery(form, year, tab=tab if tab in TABS else ("all" if actor.role is Role.EXPERT else "mine"))
    )
    state.query = replace(state.query, sort="risk" if state.query.tab == "mine" else "submitted_at")
    title = f"{form.caption}动态管理"
    above: list[ui.button] = []
    with shell.frame(
        actor,
        title=title,
        path=f"/filings/{form.value}",
        primary=lambda: above.append(ui.button("批量导出", icon="download").props("outline")),
    ):
        (export,) = above
        rows: dict[int, FilingRow] = {}
        picked: list[int] = []
        years = {y: f"{y}年度" for y in loader.years(form)}
        regions = {"": "全部地区", **_regions_below(actor)}

        with ui.element("div").classes("lv-tabs").props("role=tablist"):
            tabs = {
                key: ui.button(words, on_click=partial(_switch, state, key, lambda: refresh(1)))
                .props("flat no-caps role=tab")
                .classes("lv-tab")
                for key, words in TABS.items()
                if actor.role is not Role.EXPERT or key == "all"
            }
        with ui.element("div").classes("lv-filters"):
            search = ui.input("单位名称、信用代码或填报编号").props("clearable debounce=300").classes("lv-search")
            at = ui.select(regions, value="", label="地区", with_input=True)
            level = ui.select({"": "全部层面", **{v.value: v.caption for v in Level}}, value="", label="名单层面")
            in_year = ui.select(years, value=year if year in years else None, label="年度")
            late = ui.checkbox("只看逾期")
            flagged = ui.checkbox("只看有红旗")
            ui.element("div").classes("lv-space")
            bulk = ui.button("批量通过", icon="done_all").props("outline")
        exported = batch_panel.Panel()
        table = TierTable(
            label=title,
            on_act=lambda i, a: filing_actions.run(rows[i], a, refresh),
            on_sort=lambda key: sort_by(key),
            on_picked=lambda ids: pick(ids),
        )
        with table:
            empty = ui.label()
        missing = DataTable(MISSING_COLUMNS, label="未填报单位")
        with ui.element("div").classes("lv-paging"):
            count = ui.label().classes("lv-muted").props("aria-live=polite")
            ui.element("div").classes("lv-space")
            size = ui.select({n: f"每页 {n} 条" for n in PAGE_SIZES}, value=50).props("borderless")
            pages = ui.pagination(1, 1, direction_links=True, value=1)

        def pick(ids: list[int]) -> None:
            picked[:] = ids
            bulk.set_text(f"批量通过（{len(ids)}）" if ids else "批量通过")
            export.set_text(f"批量导出（{len(ids)}）" if ids else "批量导出")
            bulk.set_enabled(bool(ids))

        async def refresh(page_number: int | None = None) -> None:
            state.query = replace(
                state.query,
                search=(search.value or "").strip(),
                region_code=at.value or "",
                level=level.value or "",
                year=in_year.value or state.query.year,
                late=bool(late.value),
                flagged=bool(flagged.value),
                page=page_number or state.query.page,
                page_size=size.value,
            )
            await draw()

        @act.in_turn
        async def draw() -> None:
            q = state.query
            is_missing = q.tab == "missing"
            table.set_visibility(not is_missing)
            missing.set_visibility(is_missing)
            bulk.set_visibility(q.tab == "mine")
            export.set_visibility(actor.is_authority and not is_missing)
            flagged.set_visibility(not is_missing)
            if is_missing:
                absent = await act.read(lists.missing_page, q)
                counts = await act.read(lists.tab_counts, form, q.year)
                missing.show([_missing(row) for row in absent.rows])
                total = absent.total
            else:
                found = await act.read(lists.review_page, q)
                rows.clear()
                rows.update((row.id, row) for row in found.rows)
                total, counts = found.total, found.counts
                empty.set_text(NO_TASKS if actor.role is Role.EXPERT and not counts["all"] else EMPTY[q.tab])
                heads = columns(found.tier_names, authority=True)
                table.show(found.rows, heads, sort=q.sort, descending=q.descending, pick=actor.is_authority)
            last = max(1, -(-total // q.page_size))
            pages.max = last
            state.quiet = True
            pages.set_value(min(q.page, last))
            state.quiet = False
            first = (min(q.page, last) - 1) * q.page_size
            count.set_text(
                f"共 {total} 条，第 {first + 1}–{min(first + q.page_size, total)} 条" if total else "共 0 条"
            )
            for key, button in tabs.items():
                number = counts.get(key)
                button.set_text(TABS[key] + (f" {number}" if number is not None else ""))
                button.classes(add="lv-tab-on" if key == q.tab else "", remove="" if key == q.tab else "lv-tab-on")
                button.props(f"aria-selected={'true' if key == q.tab else 'false'}")

        async def sort_by(key: str) -> None:
            same = key == state.query.sort
            state.query = replace(
                state.query, sort=key, descending=not state.query.descending if same else key != "unit_name"
            )
            await refresh(1)

        async def turn(e: Any) -> None:
            if not state.quiet:
                await refresh(int(e.value))

        async def pass_all() -> None:
            opinion = await dialogs.ask_text(
                f"批量通过 {len(picked)} 份动态管理表",
                "审核意见",
                verb="批量通过",
                text="只通过没有未关闭的问题、材料齐全的；其余逐条说明原因，不受影响。",
                value="经审核，同意。",
            )
            if opinion is not None:
                lines = await act.perform(decisions.bulk_forward, tuple(picked), opinion)
                filing_actions.show_lines("批量通过的结果", [(o.unit_name, o.done, o.message) for o in lines])
                await refresh()

        for control in (search, at, level, in_year, late, flagged, size):
            control.on_value_change(lambda: refresh(1))
        pages.on_value_change(turn)
        bulk.on_click(act.busy(pass_all))
        export.on_click(act.busy(lambda: batch_panel.ask(state.query, tuple(picked), exported.refresh)))
        pick([])
        act.watch_inbox(lambda _: refresh())
        await refresh(1)


class _Filters:
    """What the list is asked for; ``quiet`` while the page itself sets the page number."""

    def __init__(self, query: ListQuery) -> None:
        self.query = query
        self.quiet = False


async def _switch(state: _Filters, key: str, refresh: Callable[[], Awaitable[None]]) -> None:
    sort = "risk" if key == "mine" else "submitted_at"
    state.query = replace(state.query, tab=key, sort=sort, descending=True)
    await refresh()


def _regions_below(actor: Actor) -> dict[str, str]:
    """The regions one level below the office: cities of a province, counties of a city (下级地区)."""
    return {region.code: region.name for region in reference.regions_within(actor.region_code)}


MISSING_COLUMNS = (
    ("unit", "单位名称"),
    ("code", "统一社会信用代码"),
    ("region", "地区"),
    ("level", "名单层面"),
    ("due", "截止日"),
    ("late", "是否逾期"),
)


def _missing(row: MissingRow) -> dict[str, str]:
    return {
        "unit": row.unit_name,
        "code": row.credit_code,
        "region": row.region_name,
        "level": row.level,
        "due": row.due_on.isoformat() if row.due_on else "—",
        "late": "逾期" if row.late else "未到期",
    }
