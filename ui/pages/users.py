"""用户: the administrator's of all organisations, a 负责人's 填报人, an office's own people."""

from __future__ import annotations

from nicegui import ui

from models.enums import Role
from services import permissions
from services.accounts import credentials, organisations, users
from services.accounts.views import NewPassword, UserPlace, UserRow
from services.actors import Actor
from services.permissions import Power
from ui import act, shell, words
from ui.widgets import dialogs, fields
from ui.widgets.data_table import DataTable, Head, Paging, RowAction, chip_cell

HEADS = (
    Head("name", "姓名"),
    Head("username", "用户名"),
    Head("role", "角色"),
    Head("place", "所属机构"),
    Head("status", "状态"),
    Head("code", "动态口令"),
    Head("seen", "最近登录"),
)


@act.page("/users", title="用户", roles=permissions.holders(Power.MANAGE_USERS))
async def listing(actor: Actor, organisation: int = 0) -> None:
    everybody = actor.role is Role.ADMIN and not organisation
    place = None if everybody else await act.read(organisations.profile, organisation or actor.organisation_id)
    offered = await act.read(users.places, "", place.id if place else None)
    caption = "新增填报人" if any(at.roles == (Role.FILER,) for at in offered) else "新增用户"

    async def create() -> None:
        made = await _ask_new(caption, offered, search=everybody)
        if made:
            title = f"“{made.name}”的初始密码，只显示这一次"
            await _show_once(title, made.username, ("初始密码", made.password), ("说明", "首次登录后必须修改"))
            await refresh()

    def primary() -> None:
        if offered:
            ui.button(caption, icon="person_add", on_click=act.busy(create))

    with shell.frame(
        actor,
        title="用户",
        path="/users",
        note=place.name if place else "全部机构",
        primary=primary,
        back=("机构", "/organisations") if organisation else None,
    ):
        if actor.role is Role.SIGNER:
            ui.label("填报人可以填写、验证和盖章，上报由负责人进行。").classes("lv-muted")
        with ui.element("div").classes("lv-filters"):
            search = ui.input("姓名、用户名或机构").props("clearable debounce=400").classes("lv-search")
        table = DataTable(HEADS, label="用户", on_act=lambda user_id, word: act_on(int(user_id), word))
        paging = Paging(lambda page: refresh(page))
        rows: dict[int, UserRow] = {}

        @act.in_turn
        async def refresh(page: int = 1) -> None:
            found = await act.read(users.listing, place.id if place else None, search.value or "", page)
            rows.clear()
            rows.update((row.id, row) for row in found.rows)
            table.show([_row(row) for row in found.rows])
            paging.show(found.total, page)

        async def act_on(user_id: int, word: str) -> None:
            await _ACTS[word](rows[user_id])
            await refresh()

        search.on_value_change(lambda: refresh())
        await refresh()


async def _enable(row: UserRow) -> None:
    await act.perform(users.enable, row.id)
    act.done(f"已启用“{row.name}”。")


async def _disable(row: UserRow) -> None:
    if await dialogs.confirm(
        f"停用后，“{row.name}”不能再登录", "已打开的页面会立即退出；填写过的内容都保留。", verb="停用", dangerous=True
    ):
        await act.perform(users.disable, row.id)
        act.done(f"已停用“{row.name}”。")


async def _reset(row: UserRow) -> None:
    if not await dialogs.confirm(
        f"为“{row.name}”生成重置码",
        "本人在登录页点“使用重置码”，用它设置新密码。在此之前，现在的密码仍然有效；以前生成、没有用过的重置码作废。",
        verb="生成重置码",
    ):
        return
    made = await act.perform(credentials.issue_reset, row.id)
    until = f"{words.moment(made.expires_at)} 前有效，只能用一次"
    await _show_once(f"“{made.name}”的重置码，只显示这一次", made.username, ("重置码", made.code), ("有效期", until))


async def _change_role(row: UserRow) -> None:
    with dialogs.dialog(f"改“{row.name}”的角色") as box:
        ui.label(f"现在是{row.role.caption}。改后，已打开的页面会立即退出，重新登录后按新角色办理。").classes(
            "lv-dialog-text"
        )
        chosen = ui.select({r: r.caption for r in row.roles}, value=row.roles[0], label="新角色")
        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
            ui.button("改角色", on_click=lambda: box.submit(chosen.value))
    role = await box
    if role:
        await act.perform(users.change_role, row.id, Role(role))
        act.done(f"“{row.name}”的角色已改为{Role(role).caption}。")


async def _take_code(row: UserRow) -> None:
    if await dialogs.confirm(
        f"停用后，“{row.name}”登录只需要密码",
        "只在本人丢失手机和恢复码时使用，请先当面或电话核实身份。已打开的页面会立即退出。",
        verb="停用动态口令",
        dangerous=True,
    ):
        await act.perform(credentials.take_away, row.id)
        act.done(f"“{row.name}”的动态口令已停用。")


_ACTS = {
    "enable": _enable,
    "disable": _disable,
    "reset": _reset,
    "role": _change_role,
    "take_code": _take_code,
}


def _row(row: UserRow) -> dict[str, object]:
    if not row.enabled:
        status = chip_cell("off", "已停用", "block")
    elif row.must_change_password:
        status = chip_cell("warning", "待改密码", "key")
    else:
        status = chip_cell("accent", "正常", "check")
    switch = RowAction("disable", "停用", danger=True) if row.enabled else RowAction("enable", "启用")
    actions = (
        [RowAction("reset", "重置码")] * row.can_reset
        + [RowAction("role", "改角色")] * bool(row.roles)
        + [RowAction("take_code", "停用动态口令")] * row.can_take_code
        + [switch] * row.can_switch
    )
    return {
        "id": row.id,
        "name": row.name,
        "username": row.username,
        "role": row.role.caption,
        "place": row.organisation_name,
        "status": status,
        "code": "已启用" if row.with_code else "—",
        "seen": words.moment(row.last_sign_in_at, "从未登录"),
        "actions": actions,
    }


async def _ask_new(caption: str, offered: tuple[UserPlace, ...], *, search: bool) -> NewPassword | None:
    """``search``: the organisation is chosen here; otherwise it is the only one of ``offered``."""
    known = {place.id: place for place in offered}

    async def look(text: str) -> dict[int, str]:
        found = await act.read(users.places, text)
        known.update((place.id, place) for place in found)
        return {place.id: place.name for place in found}

    with dialogs.dialog(caption) as box:
        place = fields.Finder("所属机构", look) if search else None
        if place:
            ui.label("列表中没有的主管部门，请先在“机构”中新增；申报单位由单位自己注册。").classes("lv-field-hint")
        name = fields.text("姓名", most=50)
        username = fields.text("用户名", most=60, hint=users.USERNAME_WORDS)
        role = ui.select({}, label="角色")

        def offer_roles() -> None:
            at = known.get(place.field.value) if place else offered[0]
            role.set_options({r: r.caption for r in at.roles} if at else {}, value=at.roles[0] if at else None)

        async def create() -> None:
            beside = {"username": username, "user_name": name}
            with fields.beside({**beside, "organisation_id": place.field} if place else beside):
                at = place.chosen if place else offered[0].id
                made = await act.blocking(users.create, at, username.value or "", name.value or "", Role(role.value))
                box.submit(made)

        if place:
            place.field.on_value_change(offer_roles)
            await place.find("")
        offer_roles()
        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
            ui.button("新增用户", on_click=act.busy(create))
    made = await box
    return made if isinstance(made, NewPassword) else None


async def _show_once(title: str, username: str, secret: tuple[str, str], note: tuple[str, str]) -> None:
    with dialogs.dialog(title, persistent=True) as box:
        with shell.facts():
            shell.fact("用户名", username, code=True)
            shell.fact(*secret, code=True)
            shell.fact(*note)
        ui.label("请当面或电话告知本人，不要用聊天工具转发。").classes("lv-muted")
        with ui.row().classes("lv-dialog-actions"):
            ui.button("我已记下", on_click=lambda: box.submit(True))
    await box
