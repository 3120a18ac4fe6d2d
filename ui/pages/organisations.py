"""机构: an office's units and their registrations, the administrator's tree of offices; one organisation in full."""

from __future__ import annotations

from dataclasses import replace

from nicegui import ui

from models.enums import OrgKind, OrgStatus, Role
from services import permissions
from services.accounts import offices, organisations
from services.accounts.views import OrganisationQuery, OrganisationRow, OrganisationView, TreeNode
from services.actors import Actor
from services.permissions import Power
from services.register import upkeep
from services.register.views import EntryView
from ui import act, shell, words
from ui.widgets import dialogs, fields
from ui.widgets.chips import chip
from ui.widgets.data_table import DataTable, Head, Paging, RowAction, chip_cell

ROLES = permissions.holders(Power.READ_ORGANISATIONS)
HEADS = (
    Head("name", "名称"),
    Head("kind", "类别"),
    Head("code", "统一社会信用代码"),
    Head("region", "所在地区"),
    Head("status", "登记状态"),
    Head("users", "用户数", number=True),
)
OFFICES = {kind: kind.caption for kind in OrgKind if kind is not OrgKind.UNIT}


@act.page("/organisations", title="机构", roles=ROLES)
async def listing(actor: Actor, status: str = "") -> None:
    admin = actor.role is Role.ADMIN
    query = OrganisationQuery(status=next((s for s in OrgStatus if s.value == status), None))
    primary = (lambda: ui.button("新增机构", icon="add", on_click=act.busy(_create))) if admin else None
    with shell.frame(actor, title="机构", path="/organisations", primary=primary):
        note = ui.element("div")
        with ui.element("div").classes("lv-filters"):
            search = ui.input("名称或统一社会信用代码").props("clearable debounce=400").classes("lv-search")
            state = ui.select(
                {"": "全部状态", **{s.value: s.caption for s in OrgStatus}},
                value=query.status or "",
                label="登记状态",
            )
            kind = ui.select({"": "全部类别", **{k.value: k.caption for k in OrgKind}}, value="", label="类别")
            kind.set_visibility(admin)
        table = DataTable(HEADS, label="机构", on_act=lambda row_id, _: ui.navigate.to(f"/organisations/{row_id}"))
        paging = Paging(lambda page: refresh(page))

        @act.in_turn
        async def refresh(page: int = 1) -> None:
            asked = replace(
                query,
                search=search.value or "",
                status=OrgStatus(state.value) if state.value else None,
                kind=OrgKind(kind.value) if kind.value else None,
                page=page,
            )
            found = await act.read(offices.listing, asked)
            table.show([_row(row) for row in found.rows])
            paging.show(found.total, page)
            note.clear()
            if found.pending and asked.status is not OrgStatus.PENDING:
                with note:
                    shell.banner(
                        f"有 {found.pending} 个单位的注册等待确认。",
                        "warning",
                        "schedule",
                        ("只看待确认的", "/organisations?status=pending"),
                    )

        for control in (search, state, kind):
            control.on_value_change(lambda: refresh())
        await refresh()
        if admin or actor.is_authority:
            with shell.card("机构树", note="主管部门按行政区划排列，括号内是本级及以下已确认的申报单位数。"):
                for node in await act.read(offices.tree):
                    _branch(node)


@act.page("/organisations/{organisation_id}", title="机构", roles=ROLES)
async def one(actor: Actor, organisation_id: int) -> None:
    place = await act.read(organisations.profile, organisation_id)
    unit = place.kind is OrgKind.UNIT
    tone, icon = words.ORG_TONES[place.status]

    def primary() -> None:
        if actor.role is not Role.ADMIN:
            return
        if not unit:
            ui.button("删除", on_click=act.busy(lambda: _remove(place))).props("flat color=negative")
        ui.button("更正", on_click=act.busy(lambda: _correct(place))).props("outline")

    with shell.frame(
        actor,
        title=place.name,
        path="/organisations",
        back=("机构", "/organisations"),
        status=(place.status_caption, tone, icon),
        primary=primary,
        width="reading",
    ):
        if place.can_confirm:
            _decide(place)
        elif place.status is OrgStatus.PENDING:
            shell.banner(f"等待{place.confirmed_by}确认。", "warning", "schedule")
        if place.status is OrgStatus.REFUSED:
            shell.banner(f"未通过的原因：{place.status_reason}", "error", "close")
        with shell.card("登记信息"), shell.facts():
            shell.fact("类别", place.kind.caption)
            shell.fact("所在地区", place.region_name)
            if unit:
                _unit_facts(place)
        if unit:
            _entries(place, await act.read(upkeep.of_organisation, place.id))
            with shell.card("上级主管部门"), shell.facts():
                for label, office in (
                    ("省主管部门", place.superior_province),
                    ("市主管部门", place.superior_city),
                    ("县/区主管部门", place.superior_county),
                    ("所属央企", place.group),
                ):
                    shell.fact(label, office.name if office else "")
        with shell.card("联系人"):
            contact = ui.element("div")
            _contact(contact, place)
        if actor.role is Role.ADMIN or unit:
            ui.link("查看这个机构的用户", f"/users?organisation={place.id}").classes("lv-text-button")


def _unit_facts(place: OrganisationView) -> None:
    shell.fact("统一社会信用代码", place.credit_code)
    shell.fact("详细地址", place.address)
    shell.fact("曾用名", "、".join(place.former_names))
    with ui.element("div").classes("lv-fact"):
        ui.label("营业执照").classes("lv-fact-label")
        if place.license_file_id:
            ui.link("查看", f"/files/{place.license_file_id}", new_tab=True)
        else:
            ui.label("未上传")


def _entries(place: OrganisationView, found: tuple[EntryView, ...]) -> None:
    """The unit's lines on the list: without one it has nothing to fill in."""
    with shell.card("名单"):
        for entry in found:
            with ui.element("div").classes("lv-row"):
                ui.link(entry.listed_name, f"/roster/{entry.id}")
                ui.label(f"{entry.form.caption}，{entry.level.caption}，{entry.batch}").classes("lv-muted")
                if entry.unit_name != place.name:
                    chip("确认后对应" if place.status is OrgStatus.PENDING else "未对应", "warning", "link")
        if not found:
            ui.label(
                "按统一社会信用代码和名称，在现行名单中没有查到这个单位，确认后不能新增动态管理表。"
                "名单上是别的名称的，请市或省主管部门在“名单”中找到该条目，用“对应单位”指定；没有列入的，可以邀请填报。"
            ).classes("lv-muted")


async def _correct(place: OrganisationView) -> None:
    unit = place.kind is OrgKind.UNIT
    with dialogs.dialog("更正后，名单和尚未上报的填报按新的内容核对" if unit else "更正后，各处显示新的名称") as box:
        name = fields.text("名称", place.name)
        code = fields.text("统一社会信用代码", place.credit_code, most=24)
        code.set_visibility(unit)

        async def save() -> None:
            with fields.beside({"name": name, "credit_code": code}):
                said = name.value or "", code.value or ""
                await act.perform(organisations.correct_organisation, place.id, place.version, *said)
                box.submit(True)

        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
            ui.button("保存更正", on_click=act.busy(save))
    if await box:
        act.go("", "已保存更正。")


async def _remove(place: OrganisationView) -> None:
    if await dialogs.confirm(
        f"删除后，“{place.name}”不再出现在机构中",
        "只能删除录入错误、还没有用户和业务的机构。",
        verb="删除",
        dangerous=True,
    ):
        await act.perform(offices.remove_office, place.id)
        act.go("/organisations", f"已删除“{place.name}”。")


def _decide(place: OrganisationView) -> None:
    async def confirm() -> None:
        if await dialogs.confirm(
            f"确认后，{place.name}即可登录填报",
            "请先核对单位名称、统一社会信用代码、营业执照和所选的上级主管部门。",
            verb="确认注册",
        ):
            await act.perform(organisations.confirm, place.id)
            act.go("", "已确认，该单位现在可以登录。")

    async def refuse() -> None:
        reason = await dialogs.ask_text(
            f"退回后，{place.name}需要重新注册", "退回原因", verb="退回注册", text="原因会显示给申报单位。", most=500
        )
        if reason is not None:
            await act.perform(organisations.refuse, place.id, reason)
            act.go("", "已退回注册。")

    with ui.element("div").classes("lv-banner lv-tone-warning"):
        ui.icon("schedule").props("aria-hidden=true")
        ui.label("这个单位的注册等待您确认。请核对下列信息和营业执照。")
        ui.element("div").classes("lv-space")
        ui.button("退回注册", on_click=act.busy(refuse)).props("outline")
        ui.button("确认注册", on_click=act.busy(confirm))


def _contact(box: ui.element, place: OrganisationView) -> None:
    async def reveal() -> None:
        _contact(box, await act.perform(organisations.reveal_contacts, place.id))

    box.clear()
    with box:
        with shell.facts():
            shell.fact("联系人", place.contact)
            shell.fact("联系电话", place.telephone)
            shell.fact("手机号", place.mobile)
            shell.fact("电子邮件", place.email)
        if place.masked:
            with ui.element("div").classes("lv-row"):
                ui.button("显示联系方式", icon="visibility", on_click=act.busy(reveal)).props("flat dense")
                ui.label("查看会记入审计日志。").classes("lv-field-hint")


def _row(row: OrganisationRow) -> dict[str, object]:
    tone, icon = words.ORG_TONES[row.status]
    waits = f"等待{row.confirmed_by}确认" if row.status is OrgStatus.PENDING and row.confirmed_by else ""
    return {
        "id": row.id,
        "name": [row.name, *([waits] if waits else [])],
        "kind": row.kind.caption,
        "code": row.credit_code or "—",
        "region": row.region_name or "—",
        "status": chip_cell(tone, row.status_caption, icon),
        "users": str(row.users),
        "actions": [RowAction("open", "确认注册" if row.can_confirm else "查看")],
    }


def _branch(node: TreeNode) -> None:
    with ui.element("div").classes("lv-branch"):
        with ui.element("div").classes("lv-row"):
            ui.link(node.name, f"/organisations/{node.id}")
            ui.label(f"（{node.units}）").classes("lv-muted")
            if node.tier:
                chip(node.tier.caption, "off")
        if node.children:
            with ui.element("div").classes("lv-tree"):
                for child in node.children:
                    _branch(child)


async def _create() -> None:
    with dialogs.dialog("新增主管部门或其他机构") as box:
        kind = ui.select(OFFICES, value=OrgKind.AUTHORITY, label="类别")
        name = fields.text("名称")
        region = fields.region("所在地区")
        region.bind_visibility_from(kind, "value", lambda value: value == OrgKind.AUTHORITY)

        async def create() -> None:
            with fields.beside({"name": name, "region_code": region}):
                new = await act.perform(offices.create_office, OrgKind(kind.value), name.value, region.value or "")
                box.submit(new)

        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
            ui.button("新增机构", on_click=act.busy(create))
    made = await box
    if made:
        act.go(f"/users?organisation={made}", "已新增。请接着为它新增用户。")
