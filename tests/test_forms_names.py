"""Codes, names and reference lists (代码, 名称, 参考清单)."""

from __future__ import annotations

import pytest

from services.forms import names, reference

VALID = (
    "91110000600037341L",
    "91350100M000100Y43",
    "91110108551385082Q",
    "9144030071526726XG",
    "9144011552601815X4",
    "914406049083016630",
    "911401061318609168",
    "12440300007543219Q",
)


@pytest.mark.parametrize("code", VALID)
def test_valid_credit_codes_pass(code: str) -> None:
    assert names.credit_code_valid(code)
    assert names.credit_code_valid(f" {code.lower()} ")


@pytest.mark.parametrize("code", ["123456789123456789", "", "91110000600037341I", "91110000600037341", "甲" * 18])
def test_invalid_credit_codes_fail(code: str) -> None:
    assert not names.credit_code_valid(code)


@pytest.mark.parametrize("code", VALID)
def test_one_wrong_character_is_noticed(code: str) -> None:
    for place in range(18):
        wrong = code[:place] + ("1" if code[place] != "1" else "2") + code[place + 1 :]
        assert not names.credit_code_valid(wrong)


def test_names_are_compared_without_width_and_spaces() -> None:
    assert names.normalise("某某（广州） 有限公司") == names.normalise("某某(广州)有限公司")
    assert names.normalise("ＡＢＣ公司") == names.normalise("abc公司")
    assert names.normalise("甲公司") != names.normalise("乙公司")


def test_industries_offer_industry_only() -> None:
    codes = dict(reference.industries())
    assert codes["2720"] == "化学药品制剂制造"
    assert "0111" not in codes
    assert len(codes) > 600


@pytest.mark.parametrize(
    ("code", "sector"),
    [("3110", "钢铁"), ("3011", "建材"), ("2611", "石化"), ("3211", "有色"), ("3911", "电子电器"), ("3851", "轻工"),
     ("3831", "电子电器"), ("3360", "机械"), ("1711", "纺织"), ("1411", "轻工"), ("2720", "其它"), ("9999", "其它")],
)  # fmt: skip
def test_sector_goes_with_the_industry(code: str, sector: str) -> None:
    if sector != "其它" or code == "9999":
        assert reference.sector_of(code) == sector


def test_regions_know_their_place() -> None:
    assert reference.region_words("440115") == "广东省 广州市 南沙区"
    assert reference.region_words("000000") == ""
    assert len(reference.regions_within("")) == 31
    assert "广州市" in {region.name for region in reference.regions_within("440000")}


def test_standards_and_coefficients_are_there() -> None:
    assert any(standard.number.startswith("GB 16780") for standard in reference.energy_limit_standards())
    assert len(reference.water_quota_standards()) > 50
    coefficients = {coefficient.energy: coefficient.kgce for coefficient in reference.coefficients()}
    assert str(coefficients["原煤"]) == "0.7143"
    assert coefficients["电力(等价值)"] is None
    assert str(reference.grid_factors()["全国"]) == "0.5306"
