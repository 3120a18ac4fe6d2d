"""审核路径: which tiers a filing passes, by what the unit's profile names."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from models.enums import TIERS, StepStatus, Tier
from services.workflow import routes
from services.workflow.facts import StepFact
from services.workflow.routes import Chosen, Superior

COUNTY = Superior(1, "天河区科技工业和信息化局", "440106")
CITY = Superior(2, "广州市工业和信息化局", "440100")
PROVINCE = Superior(3, "广东省工业和信息化厅", "440000")
GROUP = Superior(4, "中国核工业集团有限公司")
MINISTRY = Superior(5, "工业和信息化部")
XIAMEN = Superior(6, "厦门市工业和信息化局", "350200")
FUJIAN = Superior(7, "福建省工业和信息化厅", "350000")

FULL = Chosen("440106", COUNTY, CITY, PROVINCE, None, MINISTRY)


def names(chosen: Chosen, top: Tier = Tier.MINISTRY) -> list[str]:
    return [leg.authority.name if leg.authority else "-" for leg in routes.route(chosen, top)]


def test_a_unit_goes_through_county_city_province_and_ministry() -> None:
    assert names(FULL) == [COUNTY.name, CITY.name, PROVINCE.name, MINISTRY.name]


def test_a_tier_that_the_profile_does_not_name_does_not_apply() -> None:
    """问题4 of the manual: a unit that chose the province alone."""
    assert names(replace(FULL, county=None, city=None)) == ["-", "-", PROVINCE.name, MINISTRY.name]


@dataclass(frozen=True)
class Seat:
    tier: Tier | None
    region_code: str


def test_over_a_place_lie_the_offices_of_its_own_regions_one_a_tier() -> None:
    lineage = ("440000", "440100", "440106")
    tianhe, first, second = Seat(Tier.COUNTY, "440106"), Seat(Tier.CITY, "440100"), Seat(Tier.CITY, "440100")
    offices = [Seat(Tier.COUNTY, "440104"), tianhe, Seat(Tier.CITY, "440300"), first, second, Seat(None, "440100")]
    assert routes.over(offices, lineage) == {Tier.COUNTY: tianhe, Tier.CITY: first}
    assert routes.over(offices, lineage)[Tier.CITY] is first


@pytest.mark.parametrize(("code", "city"), [("440305", "深圳市"), ("440106", ""), ("350200", "厦门市"), ("", "")])
def test_which_places_lie_in_a_separately_planned_city(code: str, city: str) -> None:
    assert routes.separate(code) == city


@pytest.mark.parametrize("code", ["440305", "350203", "370203", "210202", "330203"])
def test_a_separately_planned_city_skips_the_province(code: str) -> None:
    city = Superior(9, "计划单列市", code[:4] + "00")
    assert names(Chosen(code, None, city, PROVINCE, None, MINISTRY)) == ["-", "计划单列市", "-", MINISTRY.name]


def test_other_cities_of_the_same_province_do_not_skip_it() -> None:
    city = Superior(9, "福州市工业和信息化局", "350100")
    assert names(Chosen("350102", None, city, FUJIAN, None, MINISTRY)) == ["-", city.name, FUJIAN.name, MINISTRY.name]


def test_a_subsidiary_goes_to_its_group_in_the_province_column() -> None:
    assert names(Chosen("440112", group=GROUP, ministry=MINISTRY)) == ["-", "-", GROUP.name, MINISTRY.name]


def test_a_subsidiary_that_names_its_city_goes_there_first() -> None:
    """The picture in the manual: 县/区 -不适用-, 市 厦门市, 省/集团 the group."""
    assert names(Chosen("350203", None, XIAMEN, None, GROUP, MINISTRY)) == ["-", XIAMEN.name, GROUP.name, MINISTRY.name]


def test_the_group_comes_before_the_province() -> None:
    assert names(replace(FULL, group=GROUP)) == [COUNTY.name, CITY.name, GROUP.name, MINISTRY.name]


def test_the_route_ends_at_the_top_tier_of_the_deployment() -> None:
    assert names(FULL, Tier.PROVINCE) == [COUNTY.name, CITY.name, PROVINCE.name, "-"]
    assert names(FULL, Tier.CITY) == [COUNTY.name, CITY.name, "-", "-"]


def test_in_a_separately_planned_city_the_route_ends_there_when_the_province_is_the_top() -> None:
    city = Superior(9, "深圳市工业和信息化局", "440300")
    assert names(Chosen("440305", None, city, PROVINCE, None, MINISTRY), Tier.PROVINCE) == ["-", city.name, "-", "-"]


def test_the_ministry_alone_is_no_superior() -> None:
    assert not routes.has_superior(routes.route(Chosen("440106", ministry=MINISTRY)))
    assert routes.has_superior(routes.route(FULL))


def test_before_it_is_submitted_the_columns_say_not_begun_or_not_applicable() -> None:
    planned = routes.planned(routes.route(replace(FULL, county=None)))
    assert [step.status.caption for step in planned] == ["-不适用-", "未开始", "未开始", "未开始"]


def steps(*statuses: StepStatus) -> list[StepFact]:
    offices = (COUNTY, CITY, PROVINCE, MINISTRY)
    return [
        StepFact(tier, status, office.name, None if status is StepStatus.NOT_APPLICABLE else office.id)
        for tier, status, office in zip(TIERS, statuses, offices, strict=True)
    ]


RETURNED_BY_CITY = steps(StepStatus.FORWARDED, StepStatus.RETURNED, StepStatus.WAITING, StepStatus.WAITING)


def test_a_resubmission_passes_all_tiers_again() -> None:
    assert routes.entry(routes.route(FULL), RETURNED_BY_CITY, "first") is Tier.COUNTY


def test_a_resubmission_may_go_to_the_tier_that_returned_it() -> None:
    assert routes.entry(routes.route(FULL), RETURNED_BY_CITY, "returning") is Tier.CITY


def test_a_resubmission_whose_superior_has_changed_passes_all_tiers_again() -> None:
    changed = replace(FULL, county=Superior(8, "越秀区科技工业和信息化局", "440104"))
    assert routes.entry(routes.route(changed), RETURNED_BY_CITY, "returning") is Tier.COUNTY


def test_a_first_submission_enters_at_the_lowest_tier_that_applies() -> None:
    assert routes.entry(routes.route(replace(FULL, county=None)), [], "returning") is Tier.CITY
