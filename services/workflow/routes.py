"""The route of a filing (审核路径): which office lies over a place, which tiers apply, and where a resubmission enters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from models.enums import TIERS, StepStatus, Tier
from services.workflow.facts import StepFact

# 计划单列市: their units go from the city to the ministry.
SEPARATE_CITIES = {"2102": "大连市", "3302": "宁波市", "3502": "厦门市", "3702": "青岛市", "4403": "深圳市"}

ResubmitTo = Literal["first", "returning"]


class Office(Protocol):
    """What has to be known of an office (主管部门)."""

    @property
    def tier(self) -> Tier | None: ...
    @property
    def region_code(self) -> str: ...


O = TypeVar("O", bound=Office)  # noqa: E741


@dataclass(frozen=True, slots=True)
class Superior:
    """上级主管部门."""

    id: int
    name: str
    region_code: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the unit's profile names (单位信息中的上级), and the ministry if this deployment has one."""

    region_code: str
    county: Superior | None = None
    city: Superior | None = None
    province: Superior | None = None
    group: Superior | None = None
    ministry: Superior | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One of the four tier columns; without an authority it does not apply."""

    tier: Tier
    authority: Superior | None = None

    @property
    def applies(self) -> bool:
        return self.authority is not None


def over(offices: Iterable[O], lineage: Collection[str]) -> dict[Tier, O]:
    """The offices over a place (辖区主管部门), by tier: the first whose region is one of ``lineage``, the place's own or above."""
    found: dict[Tier, O] = {}
    for office in offices:
        if office.tier is not None and office.region_code in lineage:
            found.setdefault(office.tier, office)
    return found


def separate(region_code: str) -> str:
    """The 计划单列市 that a place lies in, "" if none: its way leads past the province."""
    return SEPARATE_CITIES.get(region_code[:4], "")


def route(chosen: Chosen, top_tier: Tier = Tier.MINISTRY) -> tuple[Leg, ...]:
    """All four columns in order. 计划单列市 skip the province, a group's subsidiary has its group there; it ends at ``top_tier``."""
    city_code = chosen.city.region_code if chosen.city and chosen.city.region_code else chosen.region_code
    province = None if separate(city_code) else chosen.province
    authorities = {
        Tier.COUNTY: chosen.county,
        Tier.CITY: chosen.city,
        Tier.PROVINCE: chosen.group or province,
        Tier.MINISTRY: chosen.ministry,
    }
    top = TIERS.index(top_tier)
    return tuple(Leg(tier, authorities[tier] if i <= top else None) for i, tier in enumerate(TIERS))


def has_superior(legs: Sequence[Leg]) -> bool:
    """Whether anybody below the ministry takes it; the ministry alone is nobody's chosen superior."""
    return any(leg.applies for leg in legs if leg.tier is not Tier.MINISTRY)


def planned(legs: Sequence[Leg]) -> tuple[StepFact, ...]:
    """The columns before 上报: 未开始 or -不适用-."""
    return tuple(
        StepFact(
            leg.tier,
            StepStatus.WAITING if leg.authority else StepStatus.NOT_APPLICABLE,
            leg.authority.name if leg.authority else "",
            leg.authority.id if leg.authority else None,
        )
        for leg in legs
    )


def entry(legs: Sequence[Leg], last_steps: Sequence[StepFact], resubmit_to: ResubmitTo) -> Tier:
    """The tier that receives it first: the lowest, or at a resubmission the one that returned it, if the way there is unchanged."""
    first = next(leg.tier for leg in legs if leg.applies)
    if resubmit_to == "first":
        return first
    returning = next((step for step in last_steps if step.status is StepStatus.RETURNED), None)
    if returning is None:
        return first
    ids = {leg.tier: leg.authority.id if leg.authority else None for leg in legs}
    upto = TIERS.index(returning.tier)
    same = all(ids[step.tier] == step.authority_id for step in last_steps if TIERS.index(step.tier) <= upto)
    passed = all(
        step.status in (StepStatus.FORWARDED, StepStatus.NOT_APPLICABLE)
        for step in last_steps
        if TIERS.index(step.tier) < upto
    )
    return returning.tier if same and passed else first
