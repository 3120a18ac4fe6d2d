"""What each cell must be by itself and what rules say (核验): one finding per cell, whole Chinese sentences."""

from __future__ import annotations

import pytest

from models.enums import FindingLevel
from services.forms.findings import Context, Finding
from services.forms.sheet import Sheet
from services.forms.template import Address
from tests.forms_kit import SMALL, sheet, small, type_in


def found(target: Sheet, identity: str) -> Finding:
    assert identity in target.findings, sorted(target.findings)
    return target.findings[identity]


def of_cell(target: Sheet, cell: str) -> list[str]:
    """Ids of the findings shown at a cell."""
    return [f.id for f in target.findings.values() if str(f.cells[0]) == cell]


CELL_EXAMPLES = [
    # (typed, finding at output:2024 or "", words of its message)
    ({"output_2024": "5000"}, "", ()),
    ({"output_2024": "2000"}, "", ()),
    ({"output_2024": "10000000"}, "", ()),
    ({"output_2024": "1"}, "usual", ("2024年工业总产值为1万元", "2,000万元至10,000,000万元", "建议值", "B204-1", "请核实数据准确性，如数据无误，请继续填报")),
    ({"output_2024": "10000001"}, "usual", ("10,000,001万元",)),
    ({"output_2024": ""}, "required", ("2024年工业总产值没有填写", "必填", "没有发生的填0")),
    ({"output_2024": "约5000"}, "number", ("“约5000”", "按原样保留", "1234.5")),
    ({"output_2024": "-5"}, "bounds", ("-5万元", "不能是负数")),
    ({"output_2024": "5000.12345"}, "decimals", ("5位小数", "最多4位", "5000.1235")),
    ({"output_2024": "5000.12000"}, "", ()),
    ({"output_2024": "不涉及"}, "number", ("本格不能填",)),
    ({"output_2024": "停产"}, "number", ("本格不能填",)),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "rule", "words"), CELL_EXAMPLES, ids=[str(example[0]) for example in CELL_EXAMPLES])
def test_figure_is_checked_by_itself(typed: dict[str, str], rule: str, words: tuple[str, ...]) -> None:
    filled = sheet(**typed)
    assert of_cell(filled, "output:2024") == ([f"{rule}@output:2024"] if rule else [])
    if rule:
        finding = found(filled, f"{rule}@output:2024")
        assert finding.level == (FindingLevel.WARNING if rule == "usual" else FindingLevel.ERROR)
        assert finding.title == ("数值超出范围警告" if rule == "usual" else "校验错误")
        assert finding.popup == (rule == "usual")
        for said in words:
            assert said in finding.message


def test_too_many_decimals_are_rounded_at_a_click() -> None:
    filled = sheet(output_2024="5000.12345")
    fix = found(filled, "decimals@output:2024").fix
    assert fix is not None
    assert fix.texts == {"output:2024": "5000.1235"}
    filled.apply([(Address.parse(address), text) for address, text in fix.texts.items()])
    assert of_cell(filled, "output:2024") == []


def test_empty_words_answer_a_required_cell() -> None:
    filled = sheet(energy_2022="不涉及", energy_2023="停产", energy_2024="0", energy_unit="吨标准煤")
    assert [f for f in filled.findings if "energy" in f and "@energy" in f] == []


def test_blank_older_year_is_excused_by_the_remark_and_then_confirmed() -> None:
    filled = sheet(output_2023="5000", output_2024="5000")
    assert found(filled, "required@output:2022").level == FindingLevel.ERROR
    type_in(filled, output_remark="2023年1月投产")
    excused = found(filled, "required@output:2022")
    assert excused.level == FindingLevel.WARNING
    assert "2023年1月投产" in excused.message
    type_in(filled, output_2024="")
    assert found(filled, "required@output:2024").level == FindingLevel.ERROR


def test_unit_must_be_chosen_once_figures_are_there() -> None:
    filled = sheet()
    assert "unit@energy:unit" not in filled.findings
    type_in(filled, actual_2023="5")
    assert "吨标准煤、万吨标准煤、其他" in found(filled, "unit@energy:unit").message
    type_in(filled, energy_unit="斤")
    assert "“斤”不在可选项中" in found(filled, "choice@energy:unit").message
    assert "unit@energy:unit" not in filled.findings
    type_in(filled, energy_unit="吨标准煤")
    assert of_cell(filled, "energy:unit") == []


def test_bounds_are_said_in_the_unit_that_is_typed() -> None:
    text = SMALL.replace("units = [{name", 'usual = ["1", "20000"]\nusual_source = "建议值"\nunits = [{name')
    filled = Sheet.typed(small(text), {Address("energy", "2024"): "3", Address("energy", "unit"): "万吨标准煤"})
    message = found(filled, "usual@energy:2024").message
    assert "3万吨标准煤" in message
    assert "0.0001万吨标准煤至2万吨标准煤" in message


def test_texts_are_checked_for_choice_length_and_pattern() -> None:
    filled = sheet(sector="化工", sector_other="十一个字十一个字十一个", mobile="12345")
    assert "可选：钢铁、其它" in found(filled, "choice@sector").message
    assert "请删减1字" in found(filled, "length@sector_other").message
    assert "手机号为 11 位数字" in found(filled, "pattern@mobile").message
    type_in(filled, sector="钢铁", sector_other="", mobile="１３３７０１２０４９４", output_remark="字" * 501)
    assert [f for f in filled.findings if f.startswith(("choice", "pattern"))] == []
    assert "501字，最多500字" in found(filled, "length@output:remark").message


def test_locked_required_cell_points_to_the_profile() -> None:
    assert "单位信息" in found(sheet(), "required@unit_name").message


def test_derived_cell_names_what_it_is_computed_from() -> None:
    filled = sheet(energy_2024="1", output_2024="5000", energy_unit="万吨标准煤")
    assert of_cell(filled, "intensity:2024") == []
    type_in(filled, energy_2024="100000")
    finding = found(filled, "usual@intensity:2024")
    assert [str(a) for a in finding.cells] == ["intensity:2024", "energy:2024", "output:2024"]
    assert "综合能源消费量 × 1000 ÷ 工业总产值" in finding.message


def test_rule_speaks_only_when_all_it_reads_is_filled() -> None:
    filled = sheet(actual_2024="5")
    assert "T1@2024" not in filled.findings
    type_in(filled, energy_2024="3")
    finding = found(filled, "T1@2024")
    assert finding.message == "2024年：实际消耗量5大于综合能源消费量3。"
    assert finding.title == "数值规则警告"
    assert finding.source == "测试依据（建议值，非官方规定）"
    type_in(filled, energy_unit="吨标准煤")
    assert found(filled, "T1@2024").message == "2024年：实际消耗量5吨标准煤大于综合能源消费量3吨标准煤。"
    for word in ("不涉及", "", "坏"):
        type_in(filled, energy_2024=word)
        assert "T1@2024" not in filled.findings


def test_rule_asked_once_has_no_year_in_its_id() -> None:
    filled = sheet(sector="其它")
    assert found(filled, "T2").cells == (Address("sector_other"), Address("sector"))
    assert found(filled, "T2").source == "测试依据"
    type_in(filled, sector_other="化工")
    assert "T2" not in filled.findings


def test_rule_about_the_year_before_says_nothing_for_the_first_year() -> None:
    filled = sheet(output_2022="3000", output_2023="9000")
    assert "T3-output@2022" not in filled.findings
    finding = found(filled, "T3-output@2023")
    assert finding.message == "2023年工业总产值9,000万元与2022年3,000万元相比变动200%。"
    assert finding.keep == "explain"
    assert finding.fix is not None
    assert finding.fix.texts == {"output:2023": "900"}


def test_rule_that_cannot_run_is_a_finding() -> None:
    filled = sheet(output_2024="0", energy_2024="5", energy_unit="吨标准煤")
    assert filled.cell(Address("intensity", "2024")).text == ""
    finding = found(filled, "T4@2024")
    assert finding.message.startswith(
        "2024年：规则T4因除数为0无法核验（2024年综合能源消费量为5吨标准煤、2024年工业总产值为0万元）"
    )
    type_in(filled, energy_2024="0")
    assert "无法核验" in found(filled, "T4@2024").message


def test_findings_for_reviewers_are_marked_and_never_pop_up() -> None:
    finding = found(sheet(output_2024="1", energy_2024="5000"), "T4@2024")
    assert finding.reviewers_only
    assert not finding.popup


def test_context_is_asked_and_can_change() -> None:
    filled = sheet(unit_name="甲厂")
    assert "T5" not in filled.findings
    effect = filled.set_context(Context(listed_names=("乙厂",)))
    assert [f.id for f in effect.found] == ["T5"]
    assert effect.found[0].message == "甲厂不在名单中。"
    assert filled.set_context(Context(listed_names=("甲厂",))).gone == ("T5",)


SLIPS = [
    # (2022, 2023, 2024, the suspect year or "", the right figure)
    ("12000", "12500", "125000", "2024", "12500"),
    ("12000", "125000", "12500", "2023", "12500"),
    ("125000", "12000", "12500", "2022", "12500"),
    ("1.2", "1.25", "0.0125", "2024", "1.25"),
    ("", "12000", "1200000", "2024", "12000"),
    ("12000", "12500", "13000", "", ""),
    ("100", "1000", "10000", "", ""),
    ("1000", "3000", "9000", "", ""),
    ("0", "10", "100", "2024", "10"),
    ("0", "0", "100", "", ""),
]


@pytest.mark.parametrize(("y1", "y2", "y3", "suspect", "right"), SLIPS)
def test_power_of_ten_is_noticed_and_corrected(y1: str, y2: str, y3: str, suspect: str, right: str) -> None:
    filled = sheet(actual_2022=y1, actual_2023=y2, actual_2024=y3)
    slips = [finding for finding in filled.findings.values() if finding.rule == "slip"]
    assert [finding.id for finding in slips] == ([f"slip@actual:{suspect}"] if suspect else [])
    if suspect:
        assert slips[0].fix is not None
        assert slips[0].fix.texts == {f"actual:{suspect}": right}
        assert "如数据无误，请继续填报" in slips[0].message
        filled.apply([(Address("actual", suspect), right)])
        assert not any(finding.rule == "slip" for finding in filled.findings.values())


def test_rows_with_a_rule_of_their_own_for_slips_are_left_to_it() -> None:
    filled = sheet(output_2022="12000", output_2023="12000", output_2024="120000")
    assert [f.rule for f in filled.findings.values() if "output:2024" in map(str, f.cells)] == ["T3-output"]


def test_explanation_is_bound_to_value_and_unit() -> None:
    filled = sheet(actual_2024="5", energy_2024="3", energy_unit="吨标准煤")
    first = found(filled, "T1@2024").values_hash
    type_in(filled, output_2024="5000")
    assert found(filled, "T1@2024").values_hash == first
    type_in(filled, energy_unit="万吨标准煤")
    second = found(filled, "T1@2024").values_hash
    type_in(filled, energy_unit="吨标准煤", energy_2024="4")
    assert len({first, second, found(filled, "T1@2024").values_hash}) == 3
    type_in(filled, energy_2024="3")
    assert found(filled, "T1@2024").values_hash == first
