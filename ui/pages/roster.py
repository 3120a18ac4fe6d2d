"""名单: who is on the list as of a day, and one entry in full with its history; those who keep it correct it here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date

from nicegui import ui

from models.enums import AUTHORITY_ROLES, Form, Level, Role
from services import clock
from services.actors import Actor
from services.forms import reference
from services.permissions import Place, Power, allowed
from services.register import entries, upkeep
from services.register.upkeep import EntryCard, EntryEdit, NewEntry
from services.register.views import EntryQuery, EntryView
from ui import act, shell, words
from ui.widgets import dialogs, fields
from ui.widgets.chips import chip
from ui.widgets.data_table import DataTable, Head, Paging, RowAction, chip_cell

ROLES = AUTHORITY_ROLES | {Role.ADMIN}
HEADS = (
    Head("name", "名单上的名称"),
    Head("code", "统一社会信用代码", width="176px"),
    Head("region", "所在地区"),
    Head("level", "层面", width="88px"),
    Head("batch", "批次"),
    Head("listed", "列入日期", width="104px"),
    Head("status", "状态", width="112px"),
)
HISTORY = (
    Head("on", "日期", width="104px"),
    Head("kind", "变动", width="72px"),
    Head("detail", "内容"),
    Head("document", "依据"),
    Head("by", "办理人", width="104px"),
)
EVERYWHERE = "*"


@act.page("/roster", title="名单", roles=ROLES)
async def listing(actor: Actor, form: str = "", search: str = "") -> None:
    keeps = allowed(actor, Power.IMPORT_ROSTER, Place(actor.organisation_id, actor.region_code))
    asked = next((f for f in Form if f.value == form), Form.FACTORY)

    async def create() -> None:
        if made := await _ask_new(actor, Form(kind.value)):
            act.go(f"/roster/{made}", "已增补到名单。")

    def primary() -> None:
        ui.button("下载名单", on_click=lambda: ui.navigate.to(f"/download/roster/{kind.value}")).props("flat")
        if keeps:
            ui.button("增补一条", icon="add", on_click=act.busy(create)).props("outline")
            ui.link("导入名单", "/roster-import").classes("lv-button")

    with shell.frame(actor, title="名单", path="/roster", primary=primary):
        with ui.element("div").classes("lv-filters"):
            text = ui.input("名称或统一社会信用代码", value=search).props("clearable debounce=400").classes("lv-search")
            kind = ui.select({f.value: f.caption for f in Form}, value=asked.value, label="名单")
            level = ui.select({"": "全部层面", **{lv.value: lv.caption for lv in Level}}, value="", label="层面")
            where = ui.select(_regions(actor), value=actor.region_code or EVERYWHERE, label="地区")
            on = fields.day("截至", clock.today(), required=False)
            left = ui.checkbox("包括已移出的")
        table = DataTable(
            HEADS,
            label="名单",
            empty="没有符合条件的条目。还没有名单的，请点“导入名单”。" if keeps else "没有符合条件的条目。",
            on_act=lambda row_id, _: ui.navigate.to(f"/roster/{row_id}"),
        )
        paging = Paging(lambda page: refresh(page))

        @act.in_turn
        async def refresh(page: int = 1) -> None:
            chosen = Form(kind.value)
            query = EntryQuery(
                chosen,
                _day(on.value),
                Level(level.value) if level.value else None,
                "" if where.value == EVERYWHERE else where.value,
                text.value or "",
                bool(left.value),
                page,
            )
            found = await act.read(entries.page, query)
            table.show([_row(entry) for entry in found.rows])
            paging.show(found.total, page)

        for control in (text, kind, level, where, on, left):
            control.on_value_change(lambda: refresh())
        await refresh()


@act.page("/roster/{entry_id}", title="名单条目", roles=ROLES)
async def one(actor: Actor, entry_id: int) -> None:
    card = await act.read(upkeep.card, entry_id)
    entry = card.entry
    status = (
        (f"已于{words.day(entry.removed_on)}移出", "off", "remove_circle_outline")
        if entry.removed_on
        else ("在册", "accent", "check")
    )

    def primary() -> None:
        if not card.can_edit:
            return
        for caption, ask in _acts(card):
            ui.button(caption, on_click=act.busy(_then_reload(ask, card))).props("outline")

    with shell.frame(
        actor,
        title=entry.listed_name,
        path="/roster",
        back=("名单", f"/roster?form={entry.form.value}"),
        status=status,
        primary=primary,
        width="reading",
    ):
        with shell.card("名单条目"), shell.facts():
            shell.fact("名单", f"{entry.form.caption}（{entry.level.caption}）")
            shell.fact("批次", entry.batch)
            shell.fact("文号", entry.document_number)
            shell.fact("列入日期", words.day(entry.listed_on))
            shell.fact("统一社会信用代码", entry.credit_code)
            shell.fact("所在地区", entry.region_name)
            shell.fact("所属央企", card.group_name)
            if entry.removed_on:
                shell.fact("移出原因", entry.removal_reason)
        with shell.card("对应的单位"):
            if card.unit_id:
                with ui.element("div").classes("lv-row"):
                    ui.link(entry.unit_name, f"/organisations/{card.unit_id}")
                    if entry.unit_name != entry.listed_name:
                        chip("与名单上的名称不同", "warning", "warning")
            else:
                ui.label(
                    "还没有单位对应这一条。单位注册并经主管部门确认后，按统一社会信用代码或名称自动对应；"
                    "名称不同又没有代码的，请用“对应单位”指定。"
                ).classes("lv-muted")
        with shell.card("变动记录"):
            DataTable(HISTORY, label="变动记录", empty="还没有变动记录。").show(
                {
                    "on": words.short_day(line.effective_on),
                    "kind": line.kind.caption,
                    "detail": line.detail,
                    "document": line.document_number or "—",
                    "by": [line.by_name, words.moment(line.at)],
                }
                for line in card.history
            )


def _acts(card: EntryCard) -> tuple[tuple[str, Callable[[EntryCard], Awaitable[bool]]], ...]:
    if card.entry.removed_on:
        return (("恢复", _ask_restore),)
    return (("对应单位", _ask_unit), ("更正", _ask_correction), ("更名", _ask_name), ("移出", _ask_removal))


def _then_reload(ask: Callable[[EntryCard], Awaitable[bool]], card: EntryCard) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        if await ask(card):
            act.go("", "已保存，变动已记入名单历史。")

    return run


def _regions(actor: Actor) -> dict[str, str]:
    """The actor's own region, what lies directly below it, and all."""
    below = {r.code: r.name for r in reference.regions_within(actor.region_code)}
    own = {actor.region_code: f"本辖区（{reference.regions()[actor.region_code].name}）"} if actor.region_code else {}
    return {**own, EVERYWHERE: "全部地区", **below}


def _row(entry: EntryView) -> dict[str, object]:
    if entry.removed_on:
        status = chip_cell("off", "已移出", "remove_circle_outline")
    else:
        status = (
            chip_cell("accent", "在册", "check")
            if entry.unit_name
            else chip_cell("plain", "在册，未注册", "person_off")
        )
    now = f"现名：{entry.unit_name}" if entry.unit_name not in ("", entry.listed_name) else ""
    return {
        "id": entry.id,
        "name": [entry.listed_name, now] if now else entry.listed_name,
        "code": entry.credit_code or "—",
        "region": entry.region_name or "—",
        "level": entry.level.caption,
        "batch": [entry.batch, entry.document_number] if entry.document_number else entry.batch,
        "listed": words.short_day(entry.listed_on),
        "status": status,
        "actions": [RowAction("open", "查看")],
    }


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


# --- dialogs --------------------------------------------------------------------------------------------------------


class _EntryFields:
    """The lines of one entry: name, code, region, group."""

    def __init__(self, within: str, groups: dict[int, str], card: EntryCard | None = None) -> None:
        entry = card.entry if card else None
        self.name = fields.text("名单上的名称", entry.listed_name if entry else "")
        self.code = fields.text(
            "统一社会信用代码", entry.credit_code if entry else "", most=24, required=False, hint="不知道可以留空"
        )
        self.region = fields.region("所在地区 *", within, entry.region_code if entry else "")
        self.group = ui.select(
            {0: "没有", **groups}, value=(card.group_id or 0) if card else 0, label="所属央企", with_input=True
        )

    @property
    def fields(self) -> dict[str, ui.input | ui.select]:
        return {"name": self.name, "credit_code": self.code, "region_code": self.region, "group_id": self.group}

    def edit(self) -> EntryEdit:
        return EntryEdit(
            self.name.value or "", self.code.value or "", self.region.value or "", self.group.value or None
        )


async def _groups() -> dict[int, str]:
    return {group.id: group.name for group in await act.read(upkeep.groups)}


async def _ask_new(actor: Actor, form: Form) -> int | None:
    groups = await _groups()
    known = await act.read(upkeep.batches, form)
    with dialogs.dialog(f"增补到{form.caption}名单", wide=True) as box:
        ui.label("用于名单公布后补充个别单位。整批名单请用“导入名单”。").classes("lv-dialog-text")
        with ui.element("div").classes("lv-columns"):
            level = ui.select({lv: lv.caption for lv in Level}, value=Level.PROVINCIAL, label="层面")
            batch = fields.text("批次", most=100, hint="已有的批次请写得一样")
            batch.set_autocomplete(list(known))
            document = fields.text("文号", most=100, required=False)
            on = fields.day("列入日期")
            said = _EntryFields(actor.region_code, groups)

        async def save() -> None:
            with fields.beside({**said.fields, "batch": batch, "document_number": document, "listed_on": on}):
                new = NewEntry(
                    form,
                    Level(level.value),
                    batch.value or "",
                    document.value or "",
                    fields.day_of(on, "listed_on"),
                    said.edit(),
                )
                box.submit(await act.perform(upkeep.add_entry, new))

        _actions(box, "增补", save)
    made = await box
    return made if isinstance(made, int) else None


async def _ask_correction(card: EntryCard) -> bool:
    groups = await _groups()
    with dialogs.dialog("更正后，名单按新的内容核对", wide=True) as box:
        ui.label("用于改正录入错误。单位经公告更名的请用“更名”，原名称会留在变动记录里。").classes("lv-dialog-text")
        with ui.element("div").classes("lv-columns"):
            said = _EntryFields(act.current().region_code, groups, card)
            source = fields.text("依据", most=100, hint="文件名称、文号或联系单")

        async def save() -> None:
            with fields.beside({**said.fields, "document_number": source}):
                edit = said.edit()
                await act.perform(upkeep.correct_entry, card.entry.id, card.version, edit, source.value or "")
                box.submit(True)

        _actions(box, "保存更正", save)
    return bool(await box)


async def _ask_name(card: EntryCard) -> bool:
    with dialogs.dialog("更名后，名单上是新的名称") as box:
        name = fields.text("新名称")
        on = fields.day("更名日期", clock.today())
        document = fields.text("依据", most=100, hint="公告的文件名称或文号")

        async def save() -> None:
            with fields.beside({"name": name, "on": on, "document_number": document}):
                day = fields.day_of(on, "on")
                await act.perform(
                    upkeep.rename_entry, card.entry.id, card.version, name.value or "", day, document.value or ""
                )
                box.submit(True)

        _actions(box, "更名", save)
    return bool(await box)


async def _ask_removal(card: EntryCard) -> bool:
    with dialogs.dialog(f"移出后，“{card.entry.listed_name}”不再需要填报") as box:
        ui.label("这一条仍可按以前的日期查到；移错了可以恢复。").classes("lv-dialog-text")
        reason = fields.text("移出原因", most=200, hint="例如：实施细则第二十一条（二）拒不按时填报")
        on = fields.day("移出日期", clock.today())
        document = fields.text("依据", most=100, hint="公告的文件名称或文号")

        async def save() -> None:
            with fields.beside({"reason": reason, "on": on, "document_number": document}):
                day = fields.day_of(on, "on")
                await act.perform(
                    upkeep.remove_entry, card.entry.id, card.version, reason.value or "", day, document.value or ""
                )
                box.submit(True)

        _actions(box, "移出", save, dangerous=True)
    return bool(await box)


async def _ask_restore(card: EntryCard) -> bool:
    with dialogs.dialog(f"恢复后，“{card.entry.listed_name}”又在名单中") as box:
        document = fields.text("依据", most=100, hint="文件名称、文号或联系单")

        async def save() -> None:
            with fields.beside({"document_number": document}):
                await act.perform(upkeep.restore_entry, card.entry.id, card.version, document.value or "")
                box.submit(True)

        _actions(box, "恢复", save)
    return bool(await box)


async def _ask_unit(card: EntryCard) -> bool:
    async def look(text: str) -> dict[int, str]:
        return {u.id: f"{u.name}（{u.credit_code}）" for u in await act.read(upkeep.candidates, text)}

    with dialogs.dialog("指定后，这一条属于所选的单位") as box:
        ui.label("单位按这一条填报，名称不一致的在第 7 问中说明。").classes("lv-dialog-text")
        unit = fields.Finder("单位", look)

        async def give(chosen: int | None) -> None:
            await act.perform(upkeep.assign_entry, card.entry.id, card.version, chosen)
            box.submit(True)

        async def save() -> None:
            with fields.beside({"organisation_id": unit.field}):
                await give(unit.chosen)

        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
            if card.unit_id:
                ui.button("解除对应", on_click=act.busy(lambda: give(None))).props("flat color=negative")
            ui.button("对应单位", on_click=act.busy(save))
    return bool(await box)


def _actions(box: ui.dialog, verb: str, save: Callable[[], Awaitable[None]], *, dangerous: bool = False) -> None:
    with ui.row().classes("lv-dialog-actions"):
        ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
        ui.button(verb, on_click=act.busy(save)).props("color=negative" if dangerous else "")
