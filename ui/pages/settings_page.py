"""填报安排: the dates of a campaign with their source, a region's own dates, extensions for single units."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from models.enums import Form, Level
from services import permissions
from services.actors import Actor
from services.forms import reference
from services.permissions import Power
from services.register import campaigns, invitations, schedule
from services.register.invitations import InvitationRow
from services.register.schedule import Schedule
from ui import act, shell, words
from ui.widgets import dialogs, fields
from ui.widgets.data_table import DataTable, Head, RowAction

ROLES = permissions.holders(Power.RUN_CAMPAIGN, Power.EXTEND)
REGION_HEADS = (
    Head("region", "地区"),
    Head("due", "上报截止日"),
    Head("locks", "停止接收"),
    Head("source", "依据"),
)
INVITATION_HEADS = (
    Head("unit", "单位名称"),
    Head("region", "所在地区"),
    Head("level", "层面"),
    Head("reason", "原因"),
    Head("by", "邀请人"),
    Head("at", "邀请时间"),
)
EXTENSION_HEADS = (
    Head("unit", "单位名称"),
    Head("region", "所在地区"),
    Head("until", "延期至"),
    Head("reason", "原因"),
    Head("by", "批准人"),
    Head("at", "批准时间"),
)


@act.page("/settings", title="填报安排", roles=ROLES)
async def settings(actor: Actor, year: int = 0) -> None:
    form = Form.FACTORY
    years = await act.read(schedule.years, form)
    chosen = year if year in years else await act.read(lambda s, _: campaigns.current_year(s, form))
    found = await act.read(schedule.schedule, form, chosen)

    async def extend() -> None:
        if await _ask_extension(found):
            act.go("", "已准予延期。")

    async def invite() -> None:
        if await _ask_invitation(found):
            act.go("", "已邀请。该单位现在可以新增动态管理表。")

    async def announce() -> None:
        if made := await _ask_year(found):
            act.go(f"/settings?year={made}", f"已新增{made}年度。")

    def primary() -> None:
        if found.can_edit:
            ui.button("新增年度", icon="add", on_click=act.busy(announce)).props("outline")
        if found.can_invite:
            ui.button("邀请填报", on_click=act.busy(invite)).props("outline")
        if found.can_extend:
            ui.button("批准延期", icon="more_time", on_click=act.busy(extend))

    with shell.frame(actor, title="填报安排", path="/settings", year=chosen, years=years, primary=primary):
        if not found.has_form:
            shell.banner(
                f"还没有{found.year}年度{found.form.caption}的表样，单位暂时不能新增。请系统管理员按说明放入表样后重新启动。",
                "warning",
                "warning",
            )
        _campaign(found)
        _regions(found)
        _extensions(found)
        if found.can_invite:
            _invitations(await act.read(invitations.listing, form, chosen))


def _campaign(found: Schedule) -> None:
    async def change() -> None:
        if await _ask_campaign(found):
            act.go("", "已保存填报安排。")

    with shell.card(f"{found.year}年度{found.form.caption}动态管理"):
        with shell.facts():
            shell.fact("开放填报", words.day(found.opens_on))
            shell.fact("上报截止日", f"{words.day(found.due_on)}（{words.days_left(found.due_on)}）")
            shell.fact("停止接收", words.day(found.locks_on))
            shell.fact("依据", found.source)
        ui.label("截止日之后、停止接收之前上报的，标记为逾期。地区另有规定的，以最近一级地区的日期为准。").classes(
            "lv-field-hint"
        )
        if found.can_edit:
            ui.button("修改日期", on_click=act.busy(change)).props("outline").classes("lv-self-start")


def _regions(found: Schedule) -> None:
    by_code = {row.region_code: row for row in found.regions}

    async def change(code: str) -> None:
        if await _ask_region(found, code):
            act.go("", "已保存地区截止日。")

    with shell.card("地区截止日"):
        table = DataTable(
            REGION_HEADS,
            label="地区截止日",
            empty="各地区都按上面的日期。",
            on_act=lambda code, _: change(str(code)),
        )
        table.show(
            {
                "id": row.region_code,
                "region": row.region_name,
                "due": words.short_day(row.due_on),
                "locks": words.short_day(row.locks_on),
                "source": row.source,
                "actions": [RowAction("change", "修改")] if row.can_edit else [],
            }
            for row in found.regions
        )
        if found.own_region and found.own_region not in by_code:
            name = reference.region_words(found.own_region)
            button = ui.button(f"为{name}另定日期", on_click=act.busy(lambda: change(found.own_region)))
            button.props("outline").classes("lv-self-start")


def _extensions(found: Schedule) -> None:
    with shell.card("延期"):
        DataTable(EXTENSION_HEADS, label="延期", empty="还没有批准过延期。").show(
            {
                "id": row.id,
                "unit": row.unit_name,
                "region": row.region_name,
                "until": words.short_day(row.until),
                "reason": row.reason,
                "by": row.granted_by,
                "at": words.moment(row.granted_at),
            }
            for row in found.extensions
        )


def _invitations(rows: tuple[InvitationRow, ...]) -> None:
    async def withdraw(row_id: int, _: str) -> None:
        name = next(row.unit_name for row in rows if row.id == row_id)
        if await dialogs.confirm(f"撤销后，“{name}”不能再新增动态管理表", verb="撤销邀请", dangerous=True):
            await act.perform(invitations.withdraw_invitation, row_id)
            act.go("", f"已撤销对“{name}”的邀请。")

    with shell.card("邀请填报", note="没有列入名单、但需要填报的单位，例如拟列入的。列入名单的单位不需要邀请。"):
        DataTable(INVITATION_HEADS, label="邀请填报", empty="还没有邀请过。", on_act=withdraw).show(
            {
                "id": row.id,
                "unit": row.unit_name,
                "region": row.region_name,
                "level": row.level.caption,
                "reason": row.reason,
                "by": row.invited_by,
                "at": words.moment(row.invited_at),
                "actions": [RowAction("withdraw", "撤销邀请", row.kept, danger=True)],
            }
            for row in rows
        )


# --- dialogs --------------------------------------------------------------------------------------------------------


async def _ask_campaign(found: Schedule) -> bool:
    with dialogs.dialog("修改后，没有另定日期的地区都按新的日期") as box:
        opens = fields.day("开放填报", found.opens_on)
        due = fields.day("上报截止日", found.due_on)
        locks = fields.day("停止接收", found.locks_on)
        source = fields.text("依据", found.source, hint="文件名称和文号")

        async def save() -> None:
            with fields.beside({"opens_on": opens, "due_on": due, "locks_on": locks, "source": source}):
                dates = fields.day_of(opens, "opens_on"), fields.day_of(due, "due_on"), fields.day_of(locks, "locks_on")
                await act.perform(schedule.set_campaign, found.form, found.year, *dates, source.value or "")
                box.submit(True)

        _actions(box, "保存日期", save)
    return bool(await box)


async def _ask_year(found: Schedule) -> int:
    """The year after the one shown, with its dates a year later."""
    later = [
        day.replace(year=day.year + 1, day=min(day.day, 28) if day.month == 2 else day.day)
        for day in (found.opens_on, found.due_on, found.locks_on)
    ]
    with dialogs.dialog(f"新增后，{found.form.caption}名单上的单位可以在开放日期起填报") as box:
        year = ui.number("年度", value=found.year + 1, precision=0)
        opens, due, locks = (
            fields.day(label, day) for label, day in zip(("开放填报", "上报截止日", "停止接收"), later, strict=True)
        )
        source = fields.text("依据", hint="文件名称和文号")

        async def save() -> None:
            with fields.beside({"year": year, "opens_on": opens, "due_on": due, "locks_on": locks, "source": source}):
                dates = (
                    fields.day_of(opens, "opens_on"),
                    fields.day_of(due, "due_on"),
                    fields.day_of(locks, "locks_on"),
                )
                number = int(year.value or 0)
                await act.perform(schedule.announce, found.form, number, *dates, source.value or "")
                box.submit(number)

        _actions(box, "新增年度", save)
    return int(await box or 0)


async def _ask_invitation(found: Schedule) -> bool:
    with dialogs.dialog(f"邀请后，该单位可以填报{found.year}年度{found.form.caption}动态管理表") as box:
        unit = fields.Finder("单位", _units)
        level = ui.select({lv: lv.caption for lv in Level}, value=Level.MUNICIPAL, label="按哪个层面办理")
        reason = ui.textarea("邀请原因 *").props("aria-required=true rows=3 maxlength=500")

        async def save() -> None:
            with fields.beside({"organisation_id": unit.field, "reason": reason}):
                await act.perform(
                    invitations.invite, found.form, found.year, unit.chosen, Level(level.value), reason.value or ""
                )
                box.submit(True)

        _actions(box, "邀请填报", save)
    return bool(await box)


async def _ask_region(found: Schedule, code: str) -> bool:
    known = next((row for row in found.regions if row.region_code == code), None)
    with dialogs.dialog(f"修改后，{reference.region_words(code)}的单位都按新的日期") as box:
        due = fields.day("上报截止日", known.due_on if known else found.due_on)
        locks = fields.day("停止接收", known.locks_on if known else found.locks_on)
        source = fields.text("依据", known.source if known else "", hint="文件名称和文号")

        async def save() -> None:
            with fields.beside({"due_on": due, "locks_on": locks, "source": source}):
                dates = fields.day_of(due, "due_on"), fields.day_of(locks, "locks_on")
                await act.perform(schedule.set_region_dates, found.form, found.year, code, *dates, source.value or "")
                box.submit(True)

        _actions(box, "保存日期", save)
    return bool(await box)


async def _ask_extension(found: Schedule) -> bool:
    with dialogs.dialog("批准后，该单位可以在延期日期前上报") as box:
        unit = fields.Finder("单位", _units)
        until = fields.day("延期至", found.locks_on)
        reason = ui.textarea("延期原因 *").props("aria-required=true rows=3 maxlength=500")

        async def save() -> None:
            with fields.beside({"organisation_id": unit.field, "until": until, "reason": reason}):
                day = fields.day_of(until, "until")
                await act.perform(schedule.extend, found.form, found.year, unit.chosen, day, reason.value or "")
                box.submit(True)

        _actions(box, "批准延期", save)
    return bool(await box)


async def _units(text: str) -> dict[int, str]:
    return {unit.id: f"{unit.name}（{unit.credit_code}）" for unit in await act.read(schedule.units, text)}


def _actions(box: ui.dialog, verb: str, save: Callable[[], Awaitable[None]]) -> None:
    with ui.row().classes("lv-dialog-actions"):
        ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
        ui.button(verb, on_click=act.busy(save))
