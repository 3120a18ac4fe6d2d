"""Numbers as people type them (数字的写法), kinds of empty, units, choices."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enums import CellKind
from services.forms import cells
from services.forms.findings import CellValue
from services.forms.template import FormField, UnitOption
from tests.forms_kit import small

SPELLINGS = tomllib.loads((Path(__file__).parent / "cases" / "numbers.toml").read_text(encoding="utf-8"))["number"]
COAL = (UnitOption("吨", Decimal(1)), UnitOption("万吨", Decimal(10000)), UnitOption("件"))


def number_field(**more: Any) -> FormField:
    return FormField(
        **{"key": "x", "label": "产值", "kind": "number", "part": "p", "section": "s", "unit": "万元", **more}
    )


@pytest.mark.parametrize("spelling", SPELLINGS, ids=[repr(spelling["typed"]) for spelling in SPELLINGS])
def test_spelling_is_read_as_the_table_says(spelling: dict[str, str]) -> None:
    field = number_field(unit=spelling.get("unit", "万元"), empty_words=True)
    cell = cells.parse(field, "2024", spelling["typed"])
    assert cell.kind.value == spelling.get("kind", "number" if "value" in spelling else "invalid")
    assert cell.value == spelling.get("value", "")


@pytest.mark.parametrize("typed", [s["typed"] for s in SPELLINGS if "value" not in s and "kind" not in s])
def test_unreadable_figure_is_kept_and_explained(typed: str) -> None:
    field = number_field(empty_words=True)
    assert cells.parse(field, "2024", typed).text == typed.strip()
    assert cells.why_unreadable(field, typed).endswith("。")


def test_empty_words_only_where_the_form_allows_them() -> None:
    assert cells.parse(number_field(), "2024", "不涉及").kind == CellKind.INVALID
    assert "不能填" in cells.why_unreadable(number_field(), "不涉及")


@given(st.text(max_size=60))
def test_parse_never_raises_and_invents_nothing(text: str) -> None:
    for field in small().fields.values():
        for slot in ("", "2024", "unit", "remark"):
            cell = cells.parse(field, slot, text, "万吨标准煤")
            if cell.kind is CellKind.INVALID:
                assert cell.text == cells.clean(text)
            cell.text.encode()


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15))
def test_figure_stays_exact_however_it_is_shown(value: Decimal) -> None:
    field = number_field()
    typed = cells.parse(field, "2024", str(value))
    assert Decimal(typed.value) == value
    again = cells.parse(field, "2024", cells.show(typed, field))
    assert again.value == typed.value
    assert cells.show(again, field) == cells.show(typed, field)


@given(st.text(alphabet="0123456789.,eE+-% 　１２３，。万元吨", max_size=12))
def test_showing_what_was_read_is_stable(text: str) -> None:
    field = number_field()
    first = cells.parse(field, "2024", text)
    shown = cells.show(first, field)
    second = cells.parse(field, "2024", shown)
    assert (second.kind, second.value) == (first.kind, first.value)
    assert cells.show(second, field) == shown


def test_figures_are_grouped_for_reading() -> None:
    field = number_field()
    assert cells.show(cells.parse(field, "2024", "1234567.50"), field) == "1,234,567.5"
    assert cells.show(cells.parse(field, "2024", "-1234"), field) == "-1,234"
    assert cells.show(cells.parse(field, "2024", "-0.5"), field) == "-0.5"
    assert cells.show(CellValue("不适用", CellKind.NOT_APPLICABLE), field) == "不涉及"


def test_value_is_in_the_canonical_unit_and_text_as_typed() -> None:
    field = number_field(unit="吨", units=COAL)
    cell = cells.parse(field, "2024", "1.25", "万吨")
    assert (cell.text, cell.value) == ("1.25", "12500")
    assert cells.parse(field, "2024", "1.25万吨", "万吨").value == "12500"
    assert cells.parse(field, "2024", "1.25", "件").value == "1.25"
    assert cells.parse(field, "2024", "1.25", "").value == "1.25"


def test_converting_between_units() -> None:
    field = number_field(unit="吨", units=COAL, decimals=4)
    assert cells.convert("12,500", "吨", "万吨", field) == "1.25"
    assert cells.convert("1.25", "万吨", "吨", field) == "12500"
    assert cells.convert("1", "吨", "万吨", field) == "0.0001"
    assert cells.convert("1", "吨", "件", field) is None
    assert cells.convert("约1", "吨", "万吨", field) is None


def test_ten_thousand_of_something_needs_no_factor() -> None:
    """万平方米 and 平方米 differ by the number in front, whatever the other units of the drop-down count."""
    units = (UnitOption("吨", Decimal(1)), *(UnitOption(name, None) for name in ("平方米", "万平方米", "件", "万件")))
    field = number_field(unit="吨", units=units, decimals=4)
    assert cells.convert("1.5", "万平方米", "平方米", field) == "15000"
    assert cells.convert("15,000", "平方米", "万平方米", field) == "1.5"
    assert cells.convert("1.5", "万平方米", "件", field) is None
    assert cells.convertible(field, "件") == ("万件",)
    assert cells.convertible(field, "吨") == ()


def test_choices_are_recognised_in_common_spellings() -> None:
    fields = small().fields
    assert cells.parse(fields["sector"], "", " 其他 ").text == "其它"
    assert cells.parse(fields["sector"], "", "化工").kind == CellKind.INVALID
    assert cells.parse(fields["functions"], "", "核算;查询；核算").text == "查询；核算"
    assert cells.parse(fields["functions"], "", "查询；煮饭").kind == CellKind.INVALID
    assert cells.parse(fields["energy"], "unit", "万吨标准煤").kind == CellKind.TEXT


@pytest.mark.parametrize("typed", ["2720", "2720 化学药品制剂制造", "C2720", "２７２０", "化学药品制剂制造"])
def test_industry_by_code_or_name(typed: str) -> None:
    field = number_field(kind="industry", unit="")
    assert cells.parse(field, "", typed) == CellValue("2720 化学药品制剂制造", CellKind.TEXT)


@pytest.mark.parametrize("typed", ["27", "27201", "9999", "制药"])
def test_industry_that_does_not_exist_is_kept_as_invalid(typed: str) -> None:
    assert cells.parse(number_field(kind="industry"), "", typed).kind == CellKind.INVALID


def test_text_is_cleaned_of_what_no_database_can_hold() -> None:
    field = number_field(kind="text", unit="")
    assert cells.parse(field, "", " 甲\x00乙\ud800\r\n丙 ").text == "甲乙\n丙"
