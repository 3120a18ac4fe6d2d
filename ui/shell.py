"""The frame of every page (页面框架): head, menu by role, title row. Use it as

    with shell.frame(actor, title="绿色工厂动态管理", path="/filings/green_factory", year=2025, years=(2025, 2024)):
        …                                          # children of <main>

``path`` marks the menu entry; ``status`` is a chip in the title row as (text, tone, icon), or draws what stands there;
``primary`` draws the one primary button (and other head buttons) at the right of the title; ``back`` is (caption, path)
above it; ``width`` is "wide" for sheets and lists, "reading" (960 px) for reading and forms; ``year``/``years`` show the
year switch, which opens the same path with ``?year=``. Classes come from ``assets/static/app.css`` (lv-…); there is no
Tailwind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from nicegui import background_tasks, context, ui

from services import inbox
from services.actors import Actor
from services.errors import Refusal
from ui import act, plain
from ui.widgets.chips import chip

# What is not saved yet belongs to who signs out: the open sheet forgets it, and so does the tab.
_CLEAR_TYPED = (
    "window.dispatchEvent(new Event('lvce:logout'));"
    " for (const k of Object.keys(sessionStorage)) if (k.startsWith('lvce:sheet:')) sessionStorage.removeItem(k);"
)
_TOGGLE = (
    "() => { const r = document.documentElement, on = r.classList.toggle('lv-narrow');"
    " try { localStorage.setItem('lvce:menu', on ? '0' : '1'); } catch (e) {} }"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """菜单项: shown to whom its page (``route``) is open."""

    caption: str
    icon: str
    path: str
    route: str


@dataclass(frozen=True, slots=True)
class Group:
    caption: str
    entries: tuple[Entry, ...]


MENU: tuple[Group, ...] = (
    Group("", (Entry("待办", "inbox", "/", "/"),)),
    Group(
        "绿色制造名单动态管理",
        (
            Entry("绿色工厂", "factory", "/filings/green_factory", "/filings/{form}"),
            Entry("单位信息", "badge", "/profile", "/profile"),
        ),
    ),
    Group(
        "管理",
        (
            Entry("名单", "fact_check", "/roster", "/roster"),
            Entry("机构", "account_tree", "/organisations", "/organisations"),
            Entry("用户", "group", "/users", "/users"),
            Entry("填报安排", "event", "/settings", "/settings"),
            Entry("系统设置", "tune", "/policy", "/policy"),
            Entry("已删除的申报", "restore_from_trash", "/deleted", "/deleted"),
            Entry("权限一览", "rule", "/permissions", "/permissions"),
            Entry("审计日志", "history", "/audit", "/audit"),
            Entry("系统维护", "build", "/upkeep", "/upkeep"),
        ),
    ),
    Group("帮助", (Entry("常见问题", "help_outline", "/help", "/help"),)),
)


@contextmanager
def frame(
    actor: Actor,
    *,
    title: str,
    path: str = "",
    status: tuple[str, str, str] | Callable[[], object] | None = None,
    primary: Callable[[], object] | None = None,
    back: tuple[str, str] | None = None,
    note: str = "",
    width: Literal["wide", "reading"] = "wide",
    year: int | None = None,
    years: Sequence[int] = (),
) -> Iterator[ui.element]:
    """Draw the frame; what is drawn inside the ``with`` lands in <main>, which is yielded."""
    ui.link("跳到正文", "#lv-main").classes("lv-skip")
    act.arrived()
    _head(actor, path, year, years)
    _menu(actor, path, year, years)
    with ui.element("main").classes(f"lv-main lv-{width}").props('id="lv-main" tabindex=-1'):
        if back:
            with ui.link(target=back[1]).classes("lv-back"):
                ui.icon("arrow_back").props("aria-hidden=true")
                ui.label(back[0])
        with ui.element("div").classes("lv-title-row"):
            with ui.element("h1").classes("lv-title"):
                ui.label(title)
            if callable(status):
                status()
            elif status:
                chip(*status)
            if note:
                ui.label(note).classes("lv-muted lv-title-note")
            with ui.element("div").classes("lv-title-actions"):
                if primary:
                    primary()
        with ui.element("div").classes("lv-body") as body:
            yield body


def _head(actor: Actor, path: str, year: int | None, years: Sequence[int]) -> None:
    with ui.element("header").classes("lv-head"):
        ui.button(icon="menu").props("flat dense round aria-label=收起或展开菜单").classes("lv-menu-button").on(
            "click", js_handler=_TOGGLE
        )
        with ui.link(target="/").classes("lv-brand"):
            ui.label("绿册")
        ui.label(actor.organisation_name).classes("lv-place")
        if act.settings().demo:
            chip("演示", "warning", "science")
        ui.element("div").classes("lv-space")
        if year and years:
            ui.select(
                {y: f"{y}年" for y in years},
                value=year,
                label="填报年度",
                on_change=lambda e: ui.navigate.to(f"{path}?year={int(e.value)}"),
            ).classes("lv-year").props("borderless", remove="outlined")
        _inbox(actor)
        _person(actor)


def _inbox(actor: Actor) -> None:
    with ui.link(target="/").classes("lv-inbox").props("aria-label=待办"):
        ui.icon("notifications_none").props("aria-hidden=true")
        ui.label("待办")
        badge = ui.label("").classes("lv-count")
    badge.set_visibility(False)

    @act.in_turn
    async def refresh(_: object = None) -> None:
        try:
            count = (await act.read(inbox.counts)).to_do
        except Refusal:
            return  # signed out meanwhile: the next click says so
        badge.set_text("99+" if count > 99 else str(count))
        badge.set_visibility(count > 0)

    act.watch_inbox(refresh)
    background_tasks.create(refresh(), name="inbox", context=context.client)


def _person(actor: Actor) -> None:
    base = plain.prefix(context.client.request)
    with ui.element("form").props(f'id="lv-logout" method="post" action="{base}/auth/logout"').classes("lv-hidden"):
        pass
    with ui.button().props("flat dense aria-haspopup=menu").classes("lv-person"):
        ui.icon("account_circle").props("aria-hidden=true")
        ui.label(actor.name)
        ui.label(actor.role.caption).classes("lv-person-role")
        ui.icon("expand_more").props("aria-hidden=true")
        with ui.menu().props("auto-close"):
            if "/profile" in act.PAGES and actor.is_unit:
                ui.menu_item("单位信息", on_click=lambda: ui.navigate.to("/profile"))
            ui.menu_item("修改密码", on_click=lambda: ui.navigate.to("/password"))
            ui.menu_item("登录安全", on_click=lambda: ui.navigate.to("/security"))
            ui.separator()
            ui.menu_item("退出登录").on(
                "click", js_handler="() => { " + _CLEAR_TYPED + " document.getElementById('lv-logout').submit(); }"
            )


def _menu(actor: Actor, path: str, year: int | None, years: Sequence[int]) -> None:
    query = f"?year={year}" if year and years and year != years[0] else ""
    with ui.element("nav").classes("lv-menu").props("aria-label=主菜单"):
        for group in MENU:
            entries = [entry for entry in group.entries if _offered(entry, actor)]
            if not entries:
                continue
            if group.caption:
                ui.label(group.caption).classes("lv-menu-group")
            for entry in entries:
                here = entry.path == path
                target = entry.path + (query if entry.path.startswith("/filings/") else "")
                with ui.link(target=target).classes("lv-menu-item" + (" lv-here" if here else "")) as link:
                    ui.icon(entry.icon).props("aria-hidden=true")
                    ui.label(entry.caption)
                link.props(f'title="{entry.caption}"' + (" aria-current=page" if here else ""))


def _offered(entry: Entry, actor: Actor) -> bool:
    page = act.PAGES.get(entry.route)
    return page is not None and (page.roles is None or actor.role in page.roles)


def card(title: str = "", *, note: str = "") -> ui.element:
    """A white surface with an optional heading; use as ``with shell.card("上级主管部门"):``."""
    surface = ui.element("section").classes("lv-card")
    with surface:
        if title:
            with ui.element("h2").classes("lv-card-title"):
                ui.label(title)
        if note:
            ui.label(note).classes("lv-muted")
    return surface


def empty(title: str, what_to_do: str = "", action: tuple[str, Callable[[], object] | str] | None = None) -> None:
    """Nothing here yet (空状态): what it means, what to do, and the way there (caption, handler or path)."""
    with ui.element("div").classes("lv-empty"):
        ui.icon("inbox").props("aria-hidden=true")
        ui.label(title).classes("lv-empty-title")
        if what_to_do:
            ui.label(what_to_do).classes("lv-muted")
        if action:
            caption, target = action
            if isinstance(target, str):
                ui.link(caption, target).classes("lv-button")
            else:
                ui.button(caption, on_click=target)


def skeleton(rows: int = 6) -> ui.element:
    """Grey lines that keep the layout still while something loads (骨架)."""
    with ui.element("div").classes("lv-skeleton").props("aria-hidden=true") as lines:
        for _ in range(rows):
            ui.element("div")
    return lines


def banner(text: str, tone: str = "note", icon: str = "info", link: tuple[str, str] | None = None) -> ui.element:
    """A line that everybody should read first (横幅); ``link`` is (caption, path)."""
    with ui.element("div").classes(f"lv-banner lv-tone-{tone}").props("role=note") as line:
        ui.icon(icon).props("aria-hidden=true")
        ui.label(text)
        if link:
            ui.link(link[0], link[1])
    return line


def reason_button(caption: str, reason: str, *, props: str = "flat dense") -> ui.element:
    """A button that cannot be used now and says why on hover and on focus (不可用的按钮)."""
    with ui.element("span").classes("lv-disabled-button").props("tabindex=0 role=button aria-disabled=true") as shown:
        ui.button(caption).props(f"{props} disable tabindex=-1 aria-hidden=true")
        ui.tooltip(reason)
    shown.props["aria-label"] = caption
    shown.props["aria-description"] = f"不可用：{reason}"
    return shown


def fact(label: str, value: str, *, code: bool = False) -> None:
    """One line of a list of facts (名称: 值); ``code``: it is copied sign by sign, so l and 1, O and 0 must differ."""
    with ui.element("div").classes("lv-fact"):
        ui.label(label).classes("lv-fact-label")
        ui.label(value or "—").classes("lv-fact-value" + (" lv-code" if code else ""))


def facts() -> ui.element:
    """The list that ``fact`` lines stand in."""
    return ui.element("div").classes("lv-facts")
