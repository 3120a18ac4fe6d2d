"""Fields shared by forms (表单项): a refusal beside the field it speaks of; where a unit lies and whom it answers to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement

from services.accounts import offices
from services.accounts.views import Choice, OrganisationView, Superiors
from services.errors import Refusal
from services.forms import reference
from ui import act

NOTHING = 0  # the value of "不选" in a select of offices


@contextmanager
def beside(fields: Mapping[str, ValidationElement[Any]]) -> Iterator[None]:
    """Show a Refusal beside the field it names and end the block; any other refusal flies on.

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
        if field_ is None:
            raise
        field_.error = refusal.message
        field_.run_method("focus")


def missing(fields: Iterable[ValidationElement[Any]]) -> bool:
    """Whether a required line is empty; says so beside every one and goes to the first."""
    empty = [f for f in fields if isinstance(f, ui.input) and _required(f) and not (f.value or "").strip()]
    for field in empty:
        field.error = f"请填写{_caption(field)}。"
    if empty:
        empty[0].run_method("focus")
    return bool(empty)


def _required(field: ui.input) -> bool:
    return str(field.props["label"]).endswith("*")


def _caption(field: ui.input) -> str:
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


class WhereFields:
    """所在地区 (省 市 县), 上级主管部门 and 所属央企; the offices on offer follow the region."""

    def __init__(self, given: OrganisationView | None = None, locked: Mapping[str, str] | None = None) -> None:
        self._locked = dict(locked or {})
        self._given = given
        chain = offices.lineage(given.region_code) if given else ()
        chosen: list[str | None] = [*chain, None, None, None]
        with ui.element("div").classes("lv-columns"):
            self.province = self._level("省（自治区、直辖市）*", "", chosen[0])
            self.city = self._level("市 *", chosen[0], chosen[1])
            self.county = self._level("县（区）*", chosen[1], chosen[2])
        self.note = ui.label().classes("lv-muted")
        with ui.element("div").classes("lv-columns"):
            self.superior_province = self._office("省主管部门", "superior_province_id")
            self.superior_city = self._office("市主管部门", "superior_city_id")
            self.superior_county = self._office("县/区主管部门", "superior_county_id")
            self.group = self._office("所属央企（没有则不选）", "group_id")
        self.province.on_value_change(lambda: self._below(self.city, self.province.value))
        self.city.on_value_change(lambda: self._below(self.county, self.city.value))
        for level in (self.province, self.city, self.county):
            level.on_value_change(self._offer)
        for reason in self._reasons():
            ui.label(reason).classes("lv-field-hint")

    @property
    def fields(self) -> dict[str, ValidationElement[Any]]:
        return {
            "region_code": self.county,
            "superior_province_id": self.superior_province,
            "superior_city_id": self.superior_city,
            "superior_county_id": self.superior_county,
            "group_id": self.group,
        }

    def _reasons(self) -> tuple[str, ...]:
        """Why something here cannot be changed; in one sentence where nothing can."""
        if all(key in self._locked for key in self.fields):
            return (self._locked["region_code"].replace("所在地区", "所在地区、上级主管部门和所属央企", 1),)
        return tuple(dict.fromkeys(self._locked[key] for key in self.fields if key in self._locked))

    @property
    def region_code(self) -> str:
        return str(self.county.value or self.city.value or self.province.value or "")

    def chosen(self) -> dict[str, int | None]:
        """The four offices by the names of the service's arguments."""
        offices_ = (self.superior_province, self.superior_city, self.superior_county, self.group)
        keys = ("superior_province_id", "superior_city_id", "superior_county_id", "group_id")
        return {key: (field.value or None) for key, field in zip(keys, offices_, strict=True)}

    async def fill(self) -> None:
        """Offer what belongs to the region at the start."""
        await self._offer(keep=self._given)

    async def _offer(self, *, keep: OrganisationView | None = None) -> None:
        offered: Superiors = await act.anonymous(offices.superiors, self.region_code)
        self.note.set_text(
            offered.note or "下列主管部门按所在地区列出。动态管理表由它们逐级审核，选错会送到错误的部门。"
        )
        given = (
            (self.superior_province, offered.province, keep.superior_province if keep else None),
            (self.superior_city, offered.city, keep.superior_city if keep else None),
            (self.superior_county, offered.county, keep.superior_county if keep else None),
        )
        for field, choices, before in given:
            _set(field, choices, before.id if before else (choices[0].id if choices and keep is None else NOTHING))
        group = keep.group.id if keep and keep.group else (self.group.value or NOTHING)
        _set(self.group, offered.groups, int(group))

    def _level(self, label: str, parent: str | None, value: str | None) -> ui.select:
        options = {r.code: r.name for r in reference.regions_within(parent)} if parent is not None else {}
        select = ui.select(options, value=value if value in options else None, label=label, with_input=True)
        return self._lock(select, "region_code")

    def _office(self, label: str, key: str) -> ui.select:
        return self._lock(ui.select({NOTHING: "不选"}, value=NOTHING, label=label), key)

    def _lock(self, select: ui.select, key: str) -> ui.select:
        if key in self._locked:
            select.props("readonly")
        return select

    @staticmethod
    def _below(select: ui.select, parent: str | None) -> None:
        select.set_options({r.code: r.name for r in reference.regions_within(parent)} if parent else {}, value=None)


def _set(field: ui.select, choices: tuple[Choice, ...], value: int) -> None:
    options = {NOTHING: "不选", **{choice.id: choice.name for choice in choices}}
    field.set_options(options, value=value if value in options else NOTHING)


def form_actions(caption: str, submit: Callable[[], Any], back: tuple[str, str] | None = None) -> None:
    """The button that sends a form, and the way out of it."""
    with ui.element("div").classes("lv-row"):
        ui.button(caption, on_click=act.busy(submit))
        if back:
            ui.link(back[0], back[1]).classes("lv-text-button")
