"""待办: what to do next, by role; deadlines, messages, and where to ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from nicegui import ui
from sqlmodel import Session

from models.enums import Action, FilingStatus, Form, Role
from services import backup_plan, clock, inbox, policy
from services.accounts import offices
from services.actors import Actor
from services.filings import lists
from services.filings.views import FilingRow
from services.inbox import MessageView
from services.register import campaigns
from services.register.campaigns import Window
from ui import act, shell, words

Refresh = Callable[[], Awaitable[None]]

ICONS = {
    "review": "rate_review",
    "returned": "undo",
    "returned_below": "undo",
    "receipt": "receipt_long",
    "done": "task_alt",
    "expert": "school",
    "nudge": "alarm",
    "registration": "how_to_reg",
    "registered": "how_to_reg",
}
BY_HAND = frozenset({"nudge"})  # the system cannot see that it was done
COUNTS = (("mine", "待我审核"), ("review", "审核中"), ("returned", "已退回"), ("missing", "未填报"), ("done", "已办结"))


@act.page("/", title="待办")
async def home(actor: Actor) -> None:
    with shell.frame(actor, title="待办", path="/", width="reading"):
        top = ui.element("div").classes("lv-stack")
        box = ui.element("div").classes("lv-stack")

        @act.in_turn
        async def refresh(_: object = None) -> None:
            messages = await act.read(inbox.mine)
            overview = await _overview(actor)
            top.clear()
            with top:
                overview()
            box.clear()
            with box:
                _messages(actor, messages, refresh)

        act.watch_inbox(refresh)
        await refresh()
        with ui.element("div").classes("lv-row"):
            ui.label("填报中遇到疑问？").classes("lv-muted")
            ui.link("查看常见问题", "/help")


# --- by role --------------------------------------------------------------------------------------------------------


async def _overview(actor: Actor) -> Callable[[], None]:
    if actor.is_unit:
        form = Form.FACTORY
        page = await act.read(lists.own_page, form)
        year, window, soon = await act.read(_window, form)
        row = next((r for r in page.rows if r.year == year), None)
        reason = page.open_action.reason if page.open_action and not page.open_action.enabled else ""
        return lambda: _unit(form, year, window, soon, row, reason)
    if actor.is_authority:
        form = Form.FACTORY
        year, window, soon = await act.read(_window, form)
        counts = await act.read(lists.tab_counts, form, year)
        return lambda: _office(form, year, window, soon, counts)
    if actor.role is Role.ADMIN:
        warning, begun = await act.read(_backup_warning), await act.read(offices.beginnings)
        return lambda: _admin(warning, begun)
    return lambda: None


def _backup_warning(s: Session, _: Actor) -> str:
    return backup_plan.warning(s, act.settings())


def _window(s: Session, actor: Actor, form: Form) -> tuple[int, Window | None, int]:
    """The year, the dates that bind, and how many days before the due date it is urgent."""
    year = campaigns.current_year(s, form)
    soon = int(policy.value(s, "due_soon_days", year=year))
    return year, campaigns.window_of(s, form, year, actor.region_code, actor.organisation_id), soon


def _deadline(form: Form, year: int, window: Window | None, soon: int, *, settled: bool) -> None:
    if window is None or settled:
        return
    today, due = clock.today(), window.due_day
    what = f"{year}年度{form.caption}动态管理表"
    if today < window.opens_on:
        shell.banner(f"{what}将于{words.day(window.opens_on)}开始填报。", "note", "event")
    elif today <= due:
        near = (due - today).days <= soon
        text = f"{what}请在{words.day(due)}前上报，{words.days_left(due)}。"
        shell.banner(text, "warning" if near else "note", "alarm" if near else "event")
    elif today <= window.last_day:
        text = f"{what}已过上报截止日（{words.day(due)}）。{words.day(window.last_day)}前仍可上报，会标记为逾期。"
        shell.banner(text, "error", "alarm")
    else:
        shell.banner(
            f"{what}已于{words.day(window.last_day)}停止接收。需要补报请联系上级主管部门延期。", "error", "lock"
        )


def _unit(form: Form, year: int, window: Window | None, soon: int, row: FilingRow | None, closed: str) -> None:
    settled = row is not None and row.status in (FilingStatus.REVIEW, FilingStatus.DONE)
    _deadline(form, year, window, soon, settled=settled)
    title, text, caption, target = _next_step(form, year, row, closed)
    with ui.element("section").classes("lv-next"):
        with ui.element("div").classes("lv-next-words"):
            ui.label("下一步").classes("lv-field-hint")
            ui.label(title).classes("lv-next-title")
            ui.label(text).classes("lv-muted")
        ui.link(caption, target).classes("lv-button")


def _next_step(form: Form, year: int, row: FilingRow | None, closed: str) -> tuple[str, str, str, str]:
    """Title, explanation, caption and path of what a unit should do now."""
    listing = f"/filings/{form.value}"
    what = f"{year}年度{form.caption}动态管理表"
    if row is None:
        if closed:
            return f"现在不能新增{what}", closed, "查看列表", listing
        return f"新增{what}", "基本信息和往年数据会自动带入，填写后验证、盖章、上报。", "去新增", listing
    page = f"/filing/{row.id}"
    if row.status is FilingStatus.DONE:
        return f"{what}已审核完成", "不需要再办理，可以查看和下载。", "查看列表", listing
    if row.status is FilingStatus.REVIEW:
        at = next((s.authority_name for s in row.steps if s.tier and s.status.value == "reviewing"), "上级主管部门")
        return f"{what}已上报", f"正在由{at}审核。第一级审核前可以取消上报。", "查看进度", listing
    if row.status is FilingStatus.RETURNED:
        return f"修改被退回的{what}", "请按退回意见修改或回答核实问题，重新验证、盖章后上报。", "去修改", page
    if row.validated:
        submit = next((a for a in row.actions if a.action is Action.SUBMIT), None)
        if submit and submit.enabled:
            return f"上报{what}", "已通过验证并上传盖章扫描件，可以上报。", "去上报", listing
        return f"盖章并上报{what}", (submit.reason if submit else "") or "请导出、盖章、上传扫描件。", "继续", page
    saved = f"上次保存于 {words.moment(row.saved_at)}。" if row.saved_at else ""
    return f"继续填写{what}", f"{saved}填完后点“验证并保存”。", "继续填写", page


def _office(form: Form, year: int, window: Window | None, soon: int, counts: Mapping[str, int]) -> None:
    _deadline(form, year, window, soon, settled=False)
    with ui.element("nav").classes("lv-figures").props(f'aria-label="{year}年度{form.caption}办理情况"'):
        for tab, caption in COUNTS:
            with ui.link(target=f"/filings/{form.value}?year={year}&tab={tab}").classes("lv-figure"):
                ui.label(f"{counts.get(tab, 0):,}").classes("lv-figure-number")
                ui.label(caption).classes("lv-muted")


FIRST_STEPS = (
    ("offices", "新增主管部门（县、市、省，集团和工信部按需要）", "/organisations"),
    ("people", "为主管部门新增用户", "/users"),
    ("entries", "导入名单", "/roster-import"),
    ("units", "通知名单上的单位注册，由主管部门确认", "/organisations"),
)


def _admin(warning: str, begun: Mapping[str, int]) -> None:
    if warning:
        shell.banner(warning, "error", "warning", ("系统维护", "/upkeep"))
    if not all(begun[key] for key, _, _ in FIRST_STEPS):
        with shell.card("启用步骤", note="依次办完，单位就可以填报。填报日期在“填报安排”中核对。"):
            for key, words_, target in FIRST_STEPS:
                with ui.element("div").classes("lv-row"):
                    ui.icon("check_circle" if begun[key] else "radio_button_unchecked").props("aria-hidden=true")
                    ui.link(words_, target)
                    ui.label(f"已有 {begun[key]:,}" if begun[key] else "还没有").classes("lv-muted")
    with ui.element("div").classes("lv-tasks"):
        for icon, title, text, target in (
            ("fact_check", "名单", "导入、查询和更正名单。", "/roster"),
            ("account_tree", "机构", "新增主管部门，查看注册情况。", "/organisations"),
            ("group", "用户", "新增、停用用户，生成重置码。", "/users"),
            ("event", "填报安排", "年度、开放日期、截止日，邀请和延期。", "/settings"),
            ("tune", "系统设置", "审核和附件的规定，各有依据。", "/policy"),
            ("restore_from_trash", "已删除的申报", "按单位的请求在期限内恢复。", "/deleted"),
            ("rule", "权限一览", "谁在什么时候可以办什么。", "/permissions"),
            ("history", "审计日志", "查询、导出和核对。", "/audit"),
            ("build", "系统维护", "备份、附件空间和体检。", "/upkeep"),
        ):
            with ui.link(target=target).classes("lv-task"):
                ui.icon(icon).props("aria-hidden=true")
                with ui.element("div").classes("lv-task-words"):
                    ui.label(title).classes("lv-task-title")
                    ui.label(text).classes("lv-task-text")


# --- messages -------------------------------------------------------------------------------------------------------


def _messages(actor: Actor, messages: tuple[MessageView, ...], refresh: Refresh) -> None:
    to_do = [m for m in messages if m.must_act and not m.done]
    news = [m for m in messages if not m.must_act and not m.done]
    before = [m for m in messages if m.done][:20]
    if to_do:
        _group("需要办理", actor, to_do, refresh)
    else:
        shell.empty("没有待办事项", "需要您办理的事会出现在这里，新的事项会自动显示。")
    if news:
        _group("通知", actor, news, refresh)
    if before:
        with ui.expansion(f"已办结（最近 {len(before)} 条）").classes("lv-question"):
            _group("", actor, before, refresh)


def _group(title: str, actor: Actor, messages: list[MessageView], refresh: Refresh) -> None:
    if title:
        with ui.element("h2").classes("lv-card-title"):
            ui.label(title)
    with ui.element("div").classes("lv-tasks"):
        for message in messages:
            _message(actor, message, refresh)


def _message(actor: Actor, message: MessageView, refresh: Refresh) -> None:
    async def close() -> None:
        if message.must_act:
            await act.perform(inbox.done, message.id)
        else:
            await act.perform(inbox.read, (message.id,))
        await refresh()

    with ui.element("div").classes("lv-task" + (" lv-task-done" if message.done else "")):
        ui.icon(ICONS.get(message.kind, "mail_outline")).props("aria-hidden=true")
        with ui.element("div").classes("lv-task-words"):
            ui.label(message.title).classes("lv-task-title")
            ui.label(message.text).classes("lv-task-text")
        ui.label(words.moment(message.at)).classes("lv-task-time")
        if target := _target(actor, message):
            ui.link("去办理" if message.must_act and not message.done else "查看", target).classes("lv-text-button")
        if not message.done and (not message.must_act or message.kind in BY_HAND):
            ui.button("知道了" if not message.must_act else "标为已办", on_click=act.busy(close)).props("flat dense")


def _target(actor: Actor, message: MessageView) -> str:
    if message.link.startswith("/") and not message.link.startswith("//"):
        return message.link
    if message.filing_id is None:
        return ""
    return f"/filing/{message.filing_id}" if actor.is_unit else f"/filing/{message.filing_id}/review"
