"""The sheet (填报表): typing, deriving, units, and that an edit leaves exactly what a full check would find."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.enums import CellKind, Form
from services.forms import loader
from services.forms.findings import CellValue, Context
from services.forms.sheet import LONGEST_TEXT, Sheet
from services.forms.template import REMARK_SLOT, Address, FormTemplate
from tests.forms_kit import sheet, small, type_in

TYPED = ["", "0", "1", "3", "5000", "50000", "1,234.5", "１２", "-5", "1.23456", "不涉及", "停产", "坏", "1e3", "12%", "是", "否",
         "其它", "钢铁", "查询；核算", "吨标准煤", "万吨标准煤", "其他", "某某厂", "字" * 600, "2720"]  # fmt: skip


def test_effect_tells_typed_and_derived_cells() -> None:
    filled = sheet(output_2024="5000")
    effect = type_in(filled, energy_2024="１０")
    assert {str(address): cell.text for address, cell in effect.cells.items()} == {
        "energy:2024": "１０",
        "intensity:2024": "2",
        "intensity_share:2024": "100",
    }
    assert "required@energy:2024" in effect.gone
    assert [finding.id for finding in effect.found] == ["unit@energy:unit"]


def test_clearing_a_cell_takes_its_derived_cells_away() -> None:
    filled = sheet(output_2024="5000", energy_2024="10")
    effect = type_in(filled, energy_2024="  ")
    assert {str(address): cell.kind for address, cell in effect.cells.items()} == {
        "energy:2024": CellKind.BLANK,
        "intensity:2024": CellKind.BLANK,
        "intensity_share:2024": CellKind.BLANK,
    }
    assert filled.derived == {}
    assert list(map(str, filled.cells)) == ["output:2024"]


def test_typing_the_same_again_changes_nothing() -> None:
    filled = sheet(output_2024="5000", energy_2024="10")
    effect = type_in(filled, output_2024="5000")
    assert (effect.cells, effect.gone, effect.found, effect.refused) == ({}, (), (), {})


def test_what_is_shown_differently_than_typed_comes_back() -> None:
    filled = sheet(sector="其它")
    effect = type_in(filled, sector=" 其他 ")
    assert effect.cells == {Address("sector"): CellValue("其它", CellKind.TEXT)}


def test_cells_that_cannot_be_typed_in_are_refused_one_by_one() -> None:
    filled = sheet()
    effect = filled.apply(
        [
            (Address("unit_name"), "新名"),
            (Address("intensity", "2024"), "1"),
            (Address("output", "2019"), "1"),
            (Address("nothing"), "1"),
            (Address("mobile"), "1" * (LONGEST_TEXT + 1)),
            (Address("output", "2024"), "5000"),
        ]
    )
    sentences = {str(address): words for address, words in effect.refused.items()}
    assert "单位信息" in sentences["unit_name"]
    assert "综合能源消费量 × 1000 ÷ 工业总产值" in sentences["intensity:2024"]
    assert "没有“output:2019”" in sentences["output:2019"]
    assert "没有“nothing”" in sentences["nothing"]
    assert "没有写入" in sentences["mobile"]
    assert list(map(str, filled.cells)) == ["output:2024"]


def test_a_remark_that_is_much_too_long_is_named_as_the_remark_it_is() -> None:
    remark = Address("energy", REMARK_SLOT)
    effect = sheet().apply([(remark, "说" * (LONGEST_TEXT + 1))])
    assert f"”的特殊情况说明有 {LONGEST_TEXT + 1} 字" in effect.refused[remark]


def test_profile_may_write_locked_cells() -> None:
    filled = sheet()
    assert filled.apply([(Address("unit_name"), "新名")], locked_too=True).refused == {}
    assert filled.cell(Address("unit_name")).text == "新名"


def test_last_edit_of_a_cell_counts() -> None:
    filled = sheet()
    filled.apply([(Address("output", "2024"), "1"), (Address("output", "2024"), "5000")])
    assert filled.cell(Address("output", "2024")).text == "5000"


def test_changing_the_unit_keeps_or_converts_the_row_and_those_who_share_it() -> None:
    filled = sheet(energy_2024="12,500", actual_2024="10000", energy_unit="吨标准煤", output_2024="5000")
    assert filled.cell(Address("intensity", "2024")).text == "2500"
    kept = filled.copy()
    kept.apply([(Address("energy", "unit"), "万吨标准煤")])
    assert kept.cell(Address("energy", "2024")) == CellValue("12,500", CellKind.NUMBER, "125000000")
    assert kept.cell(Address("actual", "2024")).value == "100000000"
    effect = filled.apply([(Address("energy", "unit"), "万吨标准煤", True)])
    assert {str(a): c.text for a, c in effect.cells.items()} == {
        "energy:unit": "万吨标准煤",
        "energy:2024": "1.25",
        "actual:2024": "1",
        "feedstock:2024": "0.25",
    }
    assert filled.cell(Address("feedstock", "2024")).value == "2500"
    assert filled.cell(Address("energy", "2024")).value == "12500"
    assert filled.unit("actual") == "万吨标准煤"
    assert filled.shown(Address("energy", "2024")) == "1.25"


def test_unit_without_a_factor_is_not_converted() -> None:
    filled = sheet(energy_2024="5", energy_unit="吨标准煤")
    effect = filled.apply([(Address("energy", "unit"), "其他", True)])
    assert "没有固定的换算关系" in effect.refused[Address("energy", "unit")]
    assert filled.unit("energy") == "吨标准煤"
    assert filled.apply([(Address("energy", "unit"), "其他")]).refused == {}


def test_pasted_block_takes_the_pasted_unit_for_its_figures() -> None:
    filled = sheet(energy_2023="20000", energy_unit="吨标准煤")
    filled.apply([(Address("energy", "2024"), "3"), (Address("energy", "unit"), "万吨标准煤", True)])
    assert filled.cell(Address("energy", "2024")).value == "30000"
    assert filled.cell(Address("energy", "2023")).text == "2"


def test_progress_counts_what_is_answered() -> None:
    filled = sheet(unit_name="甲", output_2022="5000", output_2023="坏", energy_2022="不涉及")
    assert [(p.part, p.filled, p.required) for p in filled.progress()] == [("basics", 1, 2), ("grid", 2, 6)]
    type_in(filled, energy_remark="2024年投产")
    assert filled.progress()[1].filled == 3


def test_copy_is_independent() -> None:
    filled = sheet(output_2024="5000")
    twin = filled.copy()
    type_in(twin, output_2024="1")
    assert filled.cell(Address("output", "2024")).text == "5000"
    assert "usual@output:2024" not in filled.findings
    assert "usual@output:2024" in twin.findings


def test_cells_of_another_form_are_left_out() -> None:
    strange = {Address("gone", "2024"): CellValue("1", CellKind.NUMBER, "1")}
    computed = {Address("intensity", "2024"): CellValue("9", CellKind.NUMBER, "9")}
    assert Sheet(small(), strange | computed).cells == {}


def test_remark_of_the_row_may_serve_as_explanation() -> None:
    filled = sheet(output_2022="3000", output_2023="9000", output_remark="新建二期投产")
    assert filled.remark(filled.findings["T3-output@2023"]) == "新建二期投产"


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(5, 60))
def test_edits_leave_exactly_what_a_full_check_finds_in_a_small_form(rng: random.Random, steps: int) -> None:
    edit_and_compare(small(), rng, steps)


@pytest.mark.parametrize(("form", "year"), [(form, year) for form in Form for year in loader.years(form)])
def test_edits_leave_exactly_what_a_full_check_finds_in_shipped_forms(form: Form, year: int) -> None:
    edit_and_compare(loader.find(form, year), random.Random(7), 400)


def edit_and_compare(template: FormTemplate, rng: random.Random, steps: int) -> None:
    """Random edits; cells, derived cells, findings and the told effects must equal a sheet made anew."""
    context = Context(listed_names=("甲厂",), roster_names=frozenset({"乙厂"}))
    live = Sheet(template, {}, context)
    addresses = list(live._program.grid.addresses[1:])
    told_cells, told_findings = dict(live.derived), dict(live.findings)
    for _ in range(steps):
        edits = [
            (address, typed_for(template, address, rng), rng.random() < 0.3)
            for address in rng.sample(addresses, rng.choice((1, 1, 1, 3, 12)))
        ]
        effect = live.apply(edits, locked_too=rng.random() < 0.2)
        told_cells.update(effect.cells)
        for identity in effect.gone:
            del told_findings[identity]
        told_findings.update({finding.id: finding for finding in effect.found})
    fresh = Sheet(template, dict(live.cells), context)
    retyped = Sheet.typed(template, {address: cell.text for address, cell in live.cells.items()}, context)
    for other in (fresh, retyped):
        assert other.cells == live.cells
        assert other.derived == live.derived
        assert list(other.findings.items()) == list(live.findings.items())
        assert other.digest() == live.digest()
    assert {a: c for a, c in told_cells.items() if c.kind != CellKind.BLANK} == live.cells | live.derived
    assert told_findings == live.findings


def typed_for(template: FormTemplate, address: Address, rng: random.Random) -> str:
    field = template.fields[address.field]
    options = [*field.choices[:5], *(option.name for option in field.units)] or TYPED
    return rng.choice(options if rng.random() < 0.4 else TYPED)
