"""系统设置: policy values that the administrator sets for all, and an office for its own region, each with its source.

What may be set is a row of ``KNOBS``; what it is without a setting says the year's policy file. A region may ask for more
than what holds above it, never for less (``stricter``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlmodel import Session, col, delete, select

from models import Setting
from models.enums import TIERS, Role, Tier
from services import audit, clock, policy, settings
from services.actors import Actor
from services.errors import Forbidden, NotFound, Refusal
from services.forms import reference
from services.permissions import Place, Power, allowed, authorize, in_region

Kind = Literal["number", "flag", "choice"]
FLAG = {True: "是", False: "否"}


@dataclass(frozen=True, slots=True)
class Knob:
    """One value that can be set: ``least`` … ``most`` for a number, ``choices`` otherwise. ``stricter(new, above)``: a region
    may ask for it; None: only the administrator sets it, for all."""

    name: str
    kind: Kind
    least: int = 0
    most: int = 0
    choices: Mapping[Any, str] = field(default_factory=dict)
    stricter: Callable[[Any, Any], bool] | None = None
    words: str = ""  # where the policy file has none


def _top_tiers() -> dict[Any, str]:
    return {tier.value: tier.caption for tier in (Tier.MINISTRY, Tier.PROVINCE, Tier.CITY)}


KNOBS: Mapping[str, Knob] = {
    knob.name: knob
    for knob in (
        Knob("top_tier", "choice", choices=_top_tiers(), words="最后一级审核"),
        *(
            Knob(f"review.letter.{tier}", "flag", choices=FLAG, stricter=lambda new, above: new or not above)
            for tier in TIERS
        ),
        Knob(
            "review.resubmit.route",
            "choice",
            choices={"all": "从第一级起，重新通过各级审核", "returning": "从退回的那一级起"},
            stricter=lambda new, above: new == "all" or above != "all",
        ),
        Knob("review.extension.max_days", "number", 1, 366, stricter=lambda new, above: new <= above),
        Knob("due_soon_days", "number", 1, 60),
        Knob("restore_days", "number", 1, 365),
        Knob("files.per_filing", "number", 1, 500),
        Knob("files.unit_mb", "number", 10, 10_000),
        Knob("files.unit_kept_mb", "number", 10, 100_000),
        Knob("files.total_mb", "number", 100, 10_000_000),
    )
}


@dataclass(frozen=True, slots=True)
class RulingRow:
    """一项设置 as it holds for the reader's region (for all, with the administrator)."""

    name: str
    words: str
    shown: str  # the value in force, in words
    value: Any
    default_shown: str
    source: str
    official: bool  # what the policy file says and marks as official; else 建议值, unless somebody set it
    set_by: str  # who set it, "" if it is the policy file's
    set_at: datetime | None
    own: bool  # set for this very region (or for all, with the administrator): it can be taken back
    can_edit: bool


@dataclass(frozen=True, slots=True)
class LocalRow:
    """A value that some region has set for itself (地区规定)."""

    region_name: str
    words: str
    shown: str
    source: str
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """A dated value of the policy file that is for reference only (供查阅)."""

    words: str
    shown: str
    source: str
    official: bool


@dataclass(frozen=True, slots=True)
class Rulings:
    """系统设置 as one page shows it."""

    region_name: str  # "" for all
    rows: tuple[RulingRow, ...]
    local: tuple[LocalRow, ...]
    facts: tuple[Fact, ...]


def page(s: Session, actor: Actor) -> Rulings:
    """The settings that hold for the actor's region, and where regions below differ."""
    region = _region(actor)
    year = clock.today().year
    stated = policy.stated(year)
    rows = tuple(_row(s, actor, knob, region, stated.get(knob.name)) for knob in KNOBS.values())
    below = select(Setting).where(col(Setting.region_code) != region, col(Setting.region_code) != "")
    if region:
        below = below.where(in_region(col(Setting.region_code), region))
    newest: dict[tuple[str, str], Setting] = {}
    for setting in s.exec(below.order_by(col(Setting.id))):
        newest[setting.region_code, setting.name] = setting
    local = tuple(
        LocalRow(
            reference.region_words(code),
            _words(KNOBS[name], stated),
            said(KNOBS[name], found.value),
            found.source,
            found.set_by_name,
            clock.local(found.set_at),
        )
        for (code, name), found in sorted(newest.items())
        if name in KNOBS
    )
    facts = tuple(
        Fact(
            one.words,
            "、".join(map(str, one.value)) if isinstance(one.value, list) else str(one.value),
            one.source,
            one.official,
        )
        for name, one in stated.items()
        if name not in KNOBS
    )
    return Rulings(reference.region_words(region), rows, local, facts)


def set_value(s: Session, actor: Actor, name: str, value: Any, source: str) -> None:
    """修改设置, for all (the administrator) or for the actor's own region."""
    knob, region = _settable(actor, name)
    value = _checked(knob, value)
    source = " ".join(source.split())
    if not 2 <= len(source) <= 200:
        raise Refusal("请填写依据（文件名称和文号，2 到 200 个字）。", field="source")
    year = clock.today().year
    before = _in_force(s, knob, region, year)
    if region and knob.stricter is not None:
        above = _in_force(s, knob, _above(region), year)
        if not knob.stricter(value, above):
            raise Refusal(
                f"上级规定是“{said(knob, above)}”。本地区可以更严，不能放宽；确需放宽的请联系上级。", field="value"
            )
    s.add(
        Setting(name=name, region_code=region, value=value, source=source, set_by_name=actor.name, set_at=clock.now())
    )
    where = reference.region_words(region) or "全部地区"
    words = _words(knob, policy.stated(year))
    detail = f"{where}“{words}”由“{said(knob, before)}”改为“{said(knob, value)}”；依据：{source}"
    audit.record(s, actor, "set_value", "setting", detail=detail)


def reset_value(s: Session, actor: Actor, name: str) -> None:
    """恢复默认: what holds above, or in the policy file, holds again."""
    knob, region = _settable(actor, name)
    mine = (col(Setting.name) == name, col(Setting.region_code) == region)
    if s.exec(select(Setting.id).where(*mine)).first() is None:
        raise NotFound("这项设置现在就是默认值，没有可以恢复的。请刷新页面查看。")
    s.exec(delete(Setting).where(*mine))
    where = reference.region_words(region) or "全部地区"
    words = _words(knob, policy.stated(clock.today().year))
    audit.record(s, actor, "reset_value", "setting", detail=f"{where}“{words}”恢复默认")


def said(knob: Knob, value: Any) -> str:
    """The value in words."""
    return knob.choices.get(value, str(value)) if knob.choices else f"{value:,}"


def _region(actor: Actor) -> str:
    """Where the actor's settings hold; "" for all. Raises Forbidden for who sets none."""
    if not allowed(actor, Power.CHANGE_SETTINGS, Place(actor.organisation_id, actor.region_code)):
        raise Forbidden("系统设置由系统管理员和省、市主管部门维护。")
    return "" if actor.role in (Role.ADMIN, Role.MINISTRY) else actor.region_code


def _settable(actor: Actor, name: str) -> tuple[Knob, str]:
    region = _region(actor)
    authorize(actor, Power.CHANGE_SETTINGS, Place(actor.organisation_id, region))
    if name not in KNOBS:
        raise NotFound("没有这项设置。请刷新页面后再试。")
    if not _may(actor, KNOBS[name]):
        raise Forbidden("这项设置对全部地区有效，由系统管理员修改。")
    return KNOBS[name], region


def _may(actor: Actor, knob: Knob) -> bool:
    return actor.role is Role.ADMIN or knob.stricter is not None


def _checked(knob: Knob, value: Any) -> Any:
    if knob.kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise Refusal(f"请填写 {knob.least} 到 {knob.most:,} 之间的整数。", field="value")
        if not knob.least <= value <= knob.most:
            raise Refusal(f"应在 {knob.least} 到 {knob.most:,} 之间，现在是 {int(value):,}。", field="value")
        return int(value)
    if value not in knob.choices:
        raise Refusal("请从选项中选择。", field="value")
    return value


def _in_force(s: Session, knob: Knob, region: str, year: int) -> Any:
    if knob.name == "top_tier":
        return policy.top_tier(s).value
    return policy.value(s, knob.name, year=year, region_code=region)


def _above(region_code: str) -> str:
    chain = reference.lineage(region_code)
    return chain[-2] if len(chain) > 1 else ""


def _row(s: Session, actor: Actor, knob: Knob, region: str, stated: policy.Stated | None) -> RulingRow:
    chain = ("", *reference.lineage(region))
    query = select(Setting).where(Setting.name == knob.name, col(Setting.region_code).in_(chain))
    found = s.exec(query).all()
    nearest = max(found, key=lambda one: (chain.index(one.region_code), one.id or 0), default=None)
    value = _in_force(s, knob, region, clock.today().year)
    default = stated.value if stated else settings.from_env().top_tier.value
    by = "" if stated else "部署配置"
    if nearest is not None:
        by = f"{nearest.set_by_name}（{reference.region_words(nearest.region_code) or '全部地区'}）"
    return RulingRow(
        knob.name,
        stated.words if stated else knob.words,
        said(knob, value),
        value,
        said(knob, default),
        nearest.source if nearest else (stated.source if stated else "启动本系统时的配置"),
        nearest is None and stated is not None and stated.official,
        by,
        clock.local(nearest.set_at) if nearest else None,
        nearest is not None and nearest.region_code == region,
        _may(actor, knob),
    )


def _words(knob: Knob, stated: Mapping[str, policy.Stated]) -> str:
    return stated[knob.name].words if knob.name in stated else knob.words
