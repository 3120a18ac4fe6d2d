"""Reference lists (参考清单) of ``assets/reference``: industries, regions, standards, coefficients. Read once, kept."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "reference"

OTHER_SECTOR = "其它"
SECTORS = ("钢铁", "建材", "石化", "有色", "电子电器", "机械", "轻工", "纺织", OTHER_SECTOR)
_SEPARATORS = re.compile(r"[\s/、,，\-—>·]+")
_REGION_KINDS = re.compile(
    r"((维吾尔|壮族|回族)?自治区|特别行政区|[\u4e00-\u9fff]{1,6}族自治[州县旗]|省|市|地区|盟|新区|区|县|旗)$"
)
_INDUSTRIAL = frozenset("BCD")  # 采矿业, 制造业, 电力热力燃气及水


class Region(NamedTuple):
    """行政区划: level 1 省, 2 市, 3 县/区, 4 镇街 (where a city has no counties)."""

    code: str
    name: str
    level: int
    parent: str


class Coefficient(NamedTuple):
    """折标系数: kgce per ``unit`` of that energy (GB/T 2589-2020); None where it changes by year (等价值)."""

    energy: str
    unit: str
    kgce: Decimal | None
    source: str


class Standard(NamedTuple):
    """标准: number and short title."""

    number: str
    title: str


@cache
def industries() -> tuple[tuple[str, str], ...]:
    """GB/T 4754-2017 四位小类 of industry (B, C, D): what the drop-down offers."""
    return tuple((row["digits"], row["name"]) for row in _classes() if row["section"] in _INDUSTRIAL)


@cache
def industry_names() -> Mapping[str, str]:
    """Every 四位小类 of all sections: code → name."""
    return {row["digits"]: row["name"] for row in _classes()}


def sector_of(industry_code: str) -> str:
    """工厂所属行业 that goes with a four-digit class, 其它 if none."""
    for length in (4, 3, 2):  # the most exact line of sectors.csv wins
        if sector := _sectors().get(industry_code[:length]):
            return sector
    return OTHER_SECTOR


@cache
def regions() -> Mapping[str, Region]:
    """All regions by code (截止 2023-06-30)."""
    rows = (Region(row["code"], row["name"], int(row["level"]), row["parent"]) for row in _rows("regions_cn_2023"))
    return {region.code: region for region in rows}


@cache
def regions_within(parent: str) -> tuple[Region, ...]:
    """The regions directly below ``parent``; "" gives the provinces."""
    return tuple(region for region in regions().values() if region.parent == parent)


@cache
def lineage(code: str) -> tuple[str, ...]:
    """A region and all above it, province first; nothing for an unknown code."""
    region = regions().get(code)
    return (*lineage(region.parent), code) if region else ()


@cache
def region_words(code: str) -> str:
    """省 市 县/区 as people write it: 广东省 广州市 南沙区; "" for an unknown code."""
    return " ".join(regions()[above].name for above in lineage(code))


@cache
def find_region(text: str, within: str = "") -> str:
    """The code of a region as people write it: 广东省广州市天河区, 广东 广州, 广州市; "" if none fits, or several do.

    A name without its province is looked for everywhere, in ``within`` (a province's code) first.
    """
    rest = _SEPARATORS.sub("", text)
    if not rest:
        return ""
    starts = [within, ""] if within else [""]
    for start in starts:
        found = _read_down(rest, start)
        if len(found) == 1:
            return found[0]
        if found:
            return ""
    return ""


def _read_down(rest: str, parent: str) -> list[str]:
    """The regions below ``parent`` whose names, one after the other, are all of ``rest``; nearest level first."""
    level = regions_within(parent)
    for _ in range(3):  # a name may be left out: 市辖区, or the province before a city
        whole: list[str] = []
        for region in level:
            for name in _spellings(region.name):
                if rest == name:
                    whole.append(region.code)
                elif rest.startswith(name):
                    whole += _read_down(rest[len(name) :], region.code)
        if whole:
            return list(dict.fromkeys(whole))
        level = tuple(below for region in level for below in regions_within(region.code))
    return []


@cache
def _spellings(name: str) -> tuple[str, ...]:
    """广东省 and 广东, 广西壮族自治区 and 广西; a county's name stays whole if it is short (城区, 矿区)."""
    short = _REGION_KINDS.sub("", name)
    return (name, short) if len(short) > 1 and short != name else (name,)


@cache
def energy_limit_standards() -> tuple[Standard, ...]:
    """能耗限额标准清单 (强制性国家标准)."""
    return tuple(Standard(row["number"], row["title_short"]) for row in _rows("energy_limit_standards"))


@cache
def water_quota_standards() -> tuple[Standard, ...]:
    """取水定额标准清单 (GB/T 18916)."""
    return tuple(Standard(row["number"], row["product"]) for row in _rows("water_quota_standards"))


@cache
def coefficients() -> tuple[Coefficient, ...]:
    """各种能源折标准煤系数."""
    return tuple(
        Coefficient(
            row["energy"], row["unit"], Decimal(row["kgce_per_unit"]) if row["kJ_per_unit"] else None, row["source"]
        )
        for row in _rows("energy_coefficients")
    )


@cache
def grid_factors() -> Mapping[str, Decimal]:
    """电力二氧化碳排放因子 (2023 年度): region → kgCO2/kWh."""
    return {row["region"]: Decimal(row["kgCO2_per_kWh"]) for row in _rows("grid_co2_factors_2023")}


@cache
def choices(name: str) -> tuple[str, ...]:
    """The options a field with ``reference = name`` offers, as they are written in the cell."""
    return tuple(f"{row[0]} {row[1]}".strip() for row in LISTS[name]())


LISTS = {
    "industries": industries,
    "energy_limit_standards": energy_limit_standards,
    "water_quota_standards": water_quota_standards,
}


@cache
def _sectors() -> Mapping[str, str]:
    return {row["digits"]: row["sector"] for row in _rows("sectors")}


@cache
def _classes() -> tuple[dict[str, str], ...]:
    return tuple(row for row in _rows("gbt4754_2017") if row["level"] == "小类")


def _rows(name: str) -> tuple[dict[str, str], ...]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return tuple(csv.DictReader(file))
