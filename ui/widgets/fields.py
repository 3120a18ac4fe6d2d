"""Fields shared by forms (表单项): a refusal beside the field it speaks of; where a unit lies and whom it answers to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement

from models.enums import Form, Tier
from services.accounts import offices
from services.accounts.views import Choice, OrganisationView, Picked
from services.errors import Refusal
from services.forms import reference
from ui import act, shell

LEVELS = (Tier.PROVINCE, Tier.CITY, Tier.COUNTY)
NOTHING = 0  # the value of "不选" in a select of offices


@contextmanager
def beside(fields: Mapping[str, ValidationElement[Any]]) -> Iterator[None]:
    """Show a Refusal beside the field it names, and what else is missing, and end the block; any other refusal flies on.

    with fields.beside({"name": name}):
        await act.perform(…)
        act.done("已保存。")            # only if nothing was refused
    """
    for field in fields.values():
        field.error = None
    try:
        yield
    except Refusal as refusal:
        field_ = fields.get(refusal.field)
        if field_ is None or field_.is_deleted:  # Esc closed the dialog meanwhile: what was refused is still to be said
            raise
        missing(fields.values())
        field_.error = refusal.message
        field_.run_method("focus")


def missing(fields: Iterable[ValidationElement[Any]]) -> bool:
    """Whether a required line or choice is empty; says so beside every one and goes to the first."""
    empty = [f for f in fields if _required(f) and _empty(f)]
    for field in empty:
        field.error = f"请{'选择' if isinstance(field, ui.select) else '填写'}{_caption(field)}。"
    if empty:
        empty[0].run_method("focus")
    return bool(empty)


def wrong(fields: Mapping[str, ValidationElement[Any]], checks: Mapping[str, Callable[[str], object]]) -> bool:
    """Whether a line is not what its check allows; says so beside every one and goes to the first (逐项检查)."""
    found = []
    for name, check in checks.items():
        try:
            check(fields[name].value or "")
        except Refusal as refusal:
            fields[name].error = refusal.message
            found.append(fields[name])
    if found:
        found[0].run_method("focus")
    return bool(found)


def _empty(field: ValidationElement[Any]) -> bool:
    if isinstance(field, ui.select):  # a choice among nothing, such as the county before its city, is not asked for
        return field.value is None and bool(field.options)
    return not str(field.value or "").strip()


def _required(field: ValidationElement[Any]) -> bool:
    return str(field.props.get("label", "")).endswith("*")


def _caption(field: ValidationElement[Any]) -> str:
    return str(field.props["label"]).rstrip("* ")


def text(
    label: str, value: str = "", *, most: int = 200, required: bool = True, hint: str = "", **more: str
) -> ui.input:
    """One line; ``more`` are props such as autocomplete."""
    field = ui.input(f"{label} *" if required else label, value=value)
    field.props(f'maxlength={most} aria-label="{label}"' + (" aria-required=true" if required else ""))
    for name, said in more.items():
        field.props[name] = said
    if hint:
        field.props["hint"] = hint
    return field


def secret(label: str, autocomplete: str, *, hint: str = "") -> ui.input:
    """A password that is to be filled in (密码); an eye shows what was typed."""
    field = ui.input(f"{label} *", password=True, password_toggle_button=True)
    field.props(f'autocomplete={autocomplete} aria-label="{label}" aria-required=true')
    if hint:
        field.props["hint"] = hint
    return field


def day(label: str, value: date | None = None, *, required: bool = True) -> ui.input:
    """A date (日期)."""
    field = ui.input(f"{label} *" if required else label, value=value.isoformat() if value else "")
    return field.props("type=date stack-label" + (" aria-required=true" if required else ""))


def day_of(field: ui.input, name: str) -> date:
    """What was chosen; raises a Refusal for ``name`` where nothing was."""
    try:
        return date.fromisoformat(field.value or "")
    except ValueError:
        raise Refusal("请选择日期，例如 2025-04-15。", field=name) from None


def region(label: str, within: str = "", value: str = "") -> ui.select:
    """One region of any level (地区), by typing a part of its name; ``within`` bounds it to a region and what lies below."""
    options = {
        code: reference.region_words(code)
        for code, found in reference.regions().items()
        if found.level <= 3 and (not within or within in reference.lineage(code))
    }
    select = ui.select(options, value=value if value in options else None, label=label, with_input=True)
    return select.props("clearable input-debounce=200 virtual-scroll-slice-size=20")


class Finder:
    """An organisation that is looked up (查找机构): what is typed asks ``look``, which answers id → words to choose from."""

    def __init__(self, what: str, look: Callable[[str], Awaitable[Mapping[int, str]]]) -> None:
        self._look = look
        self.search = ui.input(f"按名称或统一社会信用代码查找{what}").props("debounce=300 autofocus clearable")
        self.field = ui.select({}, label=f"{what} *").props("aria-required=true")
        self._what = what
        self.search.on_value_change(lambda e: self.find(e.value or ""))

    async def find(self, text: str) -> None:
        """Offer what is found; the first of it is chosen, as most look for one by its name."""
        found = await self._look(text)
        self.field.error = None if found or not text else f"没有找到这样的{self._what}，请换几个字再查。"
        self.field.set_options(dict(found), value=next(iter(found), None) if text else None)

    @property
    def chosen(self) -> int:
        """Raises a Refusal for ``organisation_id`` where nothing is chosen."""
        if self.field.value is None:
            raise Refusal(f"请先查找并选择{self._what}。", field="organisation_id")
        return int(self.field.value)


class WhereFields:
    """所在地区 (省 市 县), 上级主管部门 and 所属央企. A region proposes its own offices; others are chosen 省 → 市 → 县/区."""

    def __init__(self, given: OrganisationView | None = None, locked: Mapping[str, str] | None = None) -> None:
        self._locked = dict(locked or {})
        self._given = given
        self._drawing = False
        chain = reference.lineage(given.region_code) if given else ()
        chosen: list[str | None] = [*chain, None, None, None]
        if "region_code" in self._locked:
            shell.banner(
                self._locked["region_code"], "note", "lock", ("去列表取消上报", f"/filings/{Form.FACTORY.value}")
            )
        with ui.element("div").classes("lv-columns"):
            self.province = self._level("省（自治区、直辖市）*", "", chosen[0])
            self.city = self._level("市 *", chosen[0], chosen[1])
            self.county = self._level("县（区）*", chosen[1], chosen[2])
        ui.label(
            "上级主管部门按所在地区列出。实际由别的部门主管的，可依次改选省、市、县/区；有县/区主管部门的地区须经县/区审核。"
        ).classes("lv-field-hint")
        with ui.element("div").classes("lv-columns"):
            self.superior_province = self._office("省主管部门", "superior_province_id", Tier.PROVINCE)
            self.superior_city = self._office("市主管部门", "superior_city_id", Tier.CITY)
            self.superior_county = self._office("县/区主管部门", "superior_county_id", Tier.COUNTY)
            self.group = self._office("所属央企（没有则不选）", "group_id", None)
        self.path = ui.label().classes("lv-muted").props("aria-live=polite")
        self.warning = ui.label().classes("lv-field-warning").props("role=note")
        self.province.on_value_change(lambda: self._below(self.city, self.province.value))
        self.city.on_value_change(lambda: self._below(self.county, self.city.value))
        for level in (self.province, self.city, self.county):
            level.on_value_change(lambda: self._offer(Picked(group_id=self.group.value or None), LEVELS))

    @property
    def fields(self) -> dict[str, ValidationElement[Any]]:
        return {"province": self.province, "city": self.city, "region_code": self.county, **self._selects}

    @property
    def _selects(self) -> dict[str, ui.select]:
        """The four offices by the names of the service's arguments."""
        return {
            "superior_province_id": self.superior_province,
            "superior_city_id": self.superior_city,
            "superior_county_id": self.superior_county,
            "group_id": self.group,
        }

    @property
    def region_code(self) -> str:
        return str(self.county.value or self.city.value or self.province.value or "")

    def chosen(self) -> dict[str, int | None]:
        return {key: (field.value or None) for key, field in self._selects.items()}

    async def fill(self) -> None:
        """Offer what belongs to the unit or the region at the start."""
        if self._given is None:
            await self._offer(Picked(), LEVELS)
            return
        unit = self._given
        offices_ = (unit.superior_province, unit.superior_city, unit.superior_county, unit.group)
        await self._offer(Picked(*(office.id if office else None for office in offices_)))

    async def _offer(self, picked: Picked, fill: tuple[Tier, ...] = ()) -> None:
        """Draw what may be chosen; levels of ``fill`` start with the region's own office."""
        offered = await act.anonymous(offices.superiors, self.region_code, picked, fill)
        kept = offered.picked
        self._drawing = True  # what is drawn here is no choice of a person
        try:
            _draw(self.superior_province, offered.province, kept.province_id, Tier.PROVINCE in offered.required)
            _draw(self.superior_city, offered.city, kept.city_id, Tier.CITY in offered.required)
            _draw(self.superior_county, offered.county, kept.county_id, Tier.COUNTY in offered.required)
            _draw(self.group, offered.groups, kept.group_id, required=False)
        finally:
            self._drawing = False
        where = self.region_code
        if offered.path:
            path = f"上报后依次由{' → '.join(offered.path)}审核。"
        elif where:
            path = "所在地区还没有登记的主管部门，请联系当地工业和信息化主管部门。"
        else:
            path = "选择所在地区后，上级主管部门会自动列出。"
        self.path.set_text(offered.note + path)
        away = "、".join(offered.elsewhere) if where else ""
        self.warning.set_text(f"{away}不在所在地区，只能看到正由它审核和它审核过的填报。请确认确由它主管。")
        self.warning.set_visibility(bool(away))

    async def _changed(self, tier: Tier | None) -> None:
        """A person chose an office: what lies below a level that changed is chosen anew."""
        below = LEVELS[LEVELS.index(tier) + 1 :] if tier else ()
        ids = [
            None if level in below else choice
            for level, choice in zip((*LEVELS, None), self.chosen().values(), strict=True)
        ]
        await self._offer(Picked(*ids), below)

    def _level(self, label: str, parent: str | None, value: str | None) -> ui.select:
        options = {r.code: r.name for r in reference.regions_within(parent)} if parent is not None else {}
        select = ui.select(options, value=value if value in options else None, label=label, with_input=True)
        return self._lock(select.props("aria-required=true"), "region_code")

    def _office(self, label: str, key: str, tier: Tier | None) -> ui.select:
        select = self._lock(ui.select({NOTHING: "不选"}, value=NOTHING, label=label), key)
        return select.on_value_change(lambda: None if self._drawing else self._changed(tier))

    def _lock(self, select: ui.select, key: str) -> ui.select:
        if key in self._locked:
            select.props("readonly")
        return select

    @staticmethod
    def _below(select: ui.select, parent: str | None) -> None:
        select.set_options({r.code: r.name for r in reference.regions_within(parent)} if parent else {}, value=None)


def _draw(field: ui.select, choices: tuple[Choice, ...], value: int | None, required: bool) -> None:
    """「不选」 only where it is a choice; where nobody can be chosen it says so."""
    nothing = {} if required else {NOTHING: "不选" if choices else "没有可选的，不用选"}
    field.error = None
    field.set_options({**nothing, **{c.id: c.name for c in choices}}, value=value or (None if required else NOTHING))


def form_actions(caption: str, submit: Callable[[], Any], back: tuple[str, str] | None = None) -> None:
    """The button that sends a form, and the way out of it."""
    with ui.element("div").classes("lv-row"):
        ui.button(caption, on_click=act.busy(submit))
        if back:
            ui.link(back[0], back[1]).classes("lv-text-button")
