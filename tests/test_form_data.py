"""The shipped form of the green factory (绿色工厂动态管理表): all rows, words of the manual, sources, rules with their examples."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from models.enums import Adjustment, FindingLevel, Form, Tier
from services.forms import loader, names, reference
from services.forms.findings import Context, Finding
from services.forms.sheet import Sheet
from services.forms.template import Address, FormField, FormTemplate, Rule

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "assets"
CASES = Path(__file__).parent / "cases"
FACTORY = loader.find(Form.FACTORY, 2025)

# The seven questions as the filing manual prints them (填报说明, 二、合规性信息).
QUESTIONS = {
    "compliance_1": "1.未正常经营生产的（工商注销、连续停产12个月以上、被市场监督管理部门列入经营异常名单且未被移出等）",
    "compliance_2": "2.2024年至今是否发生安全（含网络安全、数据安全）、质量、环境污染等事故以及偷漏税等违法违规行为",
    "compliance_3": "3.2024年至今是否在国务院及有关部委相关督查工作中被发现存在严重问题",
    "compliance_4": "4.2024年至今是否被列入工业节能监察整改名单且未按要求完成整改",
    "compliance_5": "5.2024年至今企业是否被列为失信被执行人",
    "compliance_6": "6.2024年至今是否因投资、并购或其他原因造成实际生产经营范围、生产地址或组织边界与列入绿色制造名单时相比发生重大变更",
    "compliance_note": "1-6中相关情况说明（以上1-6勾选“是”的单位请在此处对相关情况进行说明，全选否的单位无需填写）",
    "name_same": "7.企业名称与绿色工厂名单是否一致（国家层面绿色工厂名单可在本页上方下载查看）",
    "former_name": "变更前的工厂名称（与本页上方下载绿色工厂名单名称不一致的填写）",
}
# The rows of part three that the manual shows: label, fixed unit, words of the 填写说明.
SHOWN_ROWS = {
    "gross_output": (
        "工业总产值",
        "万元",
        "请使用报统计局B204-1《工业产销总值及主要产品产量表》中数据。注意B204-1表中单位为千元。",
    ),
    "energy_total": ("综合能源消费量合计", "", "请使用报统计局《能源购进、消费与库存》（205-1表）数据"),
    "energy_actual": ("实际消耗的各种能源实物量合计", "", "该指标等于综合能源消费量减去原料用能量。"),
    "renewable_energy": (
        "工厂可再生能源消耗量",
        "吨标准煤",
        "可再生能源指能够在较短时间内通过自然过程不断补充和再生的能源",
    ),
    "nh3n_gen": ("氨氮产生量", "吨", ""),
    "nh3n_dis": ("氨氮排放量", "吨", ""),
}


@cache
def toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def typed(cells: dict[str, str], context: Context | None = None, template: FormTemplate = FACTORY) -> Sheet:
    """A sheet of the factory form from address = text."""
    addresses = {Address.parse(address): text for address, text in cells.items()}
    for address in addresses:
        field = FACTORY.fields[address.field]
        assert address.slot in (*FACTORY.slots(address.field), "unit", "remark"), address
        assert address.slot != "unit" or field.units, address
        assert address.slot != "remark" or field.remark, address
    return Sheet.typed(template, addresses, context)


def context_of(table: dict[str, Any]) -> Context:
    """`[…context]` of an example."""
    level = table.get("credit_code_check", "warning")
    return Context(
        listed_names=tuple(table.get("listed_names", ())),
        roster_names=frozenset(table.get("roster_names", ())),
        credit_code_check=FindingLevel(level) if level else None,
        has_attachment=table.get("has_attachment", False),
    )


def codes() -> list[tuple[str, str]]:
    with (CASES / "codes_2025.csv").open(encoding="utf-8", newline="") as file:
        return [(row["code"], row["where"]) for row in csv.DictReader(file)]


RULE_CASES = toml(CASES / "rules_green_factory.toml")["case"]
FILINGS = toml(ASSETS / "demo" / "full_forms.toml")["filing"]


def named(example: dict[str, Any]) -> str:
    return f"{example['rule']}: {example['name']}"


def test_every_row_of_the_source_table_is_asked_for() -> None:
    asked = {field.code for field in FACTORY.fields.values()}
    wanted = {code for code, where in codes() if where == "cells"}
    assert len(codes()) == 115
    assert asked == wanted


def test_rows_that_are_no_cells_are_kept_elsewhere() -> None:
    elsewhere = {code: where for code, where in codes() if where != "cells"}
    assert elsewhere == {"A_01": "year", "F_01": "pledge", "F_02": "files", "F_03": "files"}
    assert FACTORY.year == 2025
    assert "本企业承诺，已对本表内容进行了全面审核，信息真实有效，若存在弄虚作假，愿承担相应责任" in FACTORY.pledge


def test_the_five_parts_and_the_three_years_are_those_of_the_manual() -> None:
    assert [part.title for part in FACTORY.parts] == [
        "一、基本信息", "二、合规性信息", "三、持续改进情况", "四、亮点工作", "五、意见和建议",
    ]  # fmt: skip
    assert FACTORY.years == (2022, 2023, 2024)
    sections = [section.title for part in FACTORY.parts if part.key == "improvement" for section in part.sections]
    assert sections == [
        "1、能源低碳化", "2、生产洁净化", "3、废物资源化", "4、用地集约化", "5、原料无害化", "6、绿色低碳改造与产品",
    ]  # fmt: skip


@pytest.mark.parametrize(("key", "words"), QUESTIONS.items())
def test_compliance_questions_are_word_for_word(key: str, words: str) -> None:
    assert FACTORY.fields[key].label == words


@pytest.mark.parametrize("key", SHOWN_ROWS)
def test_rows_shown_in_the_manual_have_its_label_unit_and_guidance(key: str) -> None:
    label, unit, guidance = SHOWN_ROWS[key]
    field = FACTORY.fields[key]
    assert (field.label, field.official) == (label, "official")
    assert field.guidance.startswith(guidance)
    assert field.unit == unit
    assert field.yearly
    assert field.remark


def test_energy_rows_share_one_unit() -> None:
    assert [option.name for option in FACTORY.fields["energy_total"].units] == [
        "吨标准煤（当量值）",
        "吨标准煤（等价值）",
    ]
    assert FACTORY.fields["energy_actual"].unit_of == "energy_total"
    sheet = typed({"energy_total:unit": "吨标准煤（等价值）", "energy_total:2024": "100", "energy_actual:2024": "90"})
    assert sheet.unit("feedstock_energy") == "吨标准煤（等价值）"
    assert sheet.cell(Address("feedstock_energy", "2024")).value == "10"


@pytest.mark.parametrize("field", FACTORY.fields.values(), ids=lambda field: field.key)
def test_every_row_says_where_it_comes_from_and_how_to_fill_it(field: FormField) -> None:
    assert field.source
    assert field.guidance.endswith("。")
    assert field.official in ("official", "standard", "proposed")
    if field.usual_low is not None or field.usual_high is not None:
        assert field.usual_source
    if field.kind == "derived":
        assert field.formula and field.formula.words


def test_only_what_the_manual_shows_is_called_official() -> None:
    official = {f.key for f in FACTORY.fields.values() if f.official == "official" and f.part == "improvement"}
    standards = {f"product{n}_{kind}_standard" for n in (1, 2, 3) for kind in ("energy", "water")}  # 两份标准清单
    assert official == SHOWN_ROWS.keys() | {"nh3n_int"} | standards


def test_every_rule_has_a_source_and_speaks_in_whole_sentences() -> None:
    for rule in FACTORY.rules:
        assert rule.source, rule.id
        assert rule.message.endswith("。"), rule.id
        assert rule.official in ("official", "standard", "proposed"), rule.id
        if rule.title in ("数值规则警告", "数值超出范围警告"):
            assert "请" in rule.message, rule.id


def test_every_rule_has_an_example_that_passes_and_one_that_does_not() -> None:
    passes = {example["rule"] for example in RULE_CASES if not example["finds"]}
    fails = {example["rule"] for example in RULE_CASES if example["finds"]}
    ids = {rule.id for rule in FACTORY.rules}
    assert passes == ids
    assert fails == ids


def found_by(example: dict[str, Any], template: FormTemplate = FACTORY) -> list[Finding]:
    sheet = typed(example["cells"], context_of(example.get("context", {})), template)
    return [finding for finding in sheet.findings.values() if finding.rule == example["rule"]]


@pytest.mark.parametrize("example", RULE_CASES, ids=named)
def test_rule_example(example: dict[str, Any]) -> None:
    assert (example["form"], example["year"]) == (FACTORY.form.value, FACTORY.year)
    found = found_by(example)
    assert [finding.id for finding in found] == example["finds"]
    for words in example.get("says", ()):
        assert all(words in finding.message for finding in found), [finding.message for finding in found]
    for finding in found:
        assert "—" not in finding.message.replace("——", ""), finding.message  # no empty cell is quoted
        assert "{" not in finding.message, finding.message


_NEIGHBOURS = {">=": ">", "<=": "<", ">": ">=", "<": "<=", "==": "!=", "!=": "=="}


def slightly_wrong(expect: str) -> Iterator[str]:
    """The condition with one number 2 % off, one comparison moved by its border, or one `and` for `or`."""
    for mark in re.finditer(r'(?<![\w"])(?<!, )\d+(?:\.\d+)?(?![\w"])', expect):
        number = Decimal(mark[0])
        for near in (number * Decimal("0.98"), number * Decimal("1.02")) if number else (1,):
            yield expect[: mark.start()] + str(near) + expect[mark.end() :]
    for mark in re.finditer(r"[<>=!]=|[<>]", expect):
        yield expect[: mark.start()] + _NEIGHBOURS[mark[0]] + expect[mark.end() :]
    for mark in re.finditer(" and | or ", expect):
        yield expect[: mark.start()] + (" or " if mark[0] == " and " else " and ") + expect[mark.end() :]


@pytest.mark.slow
@pytest.mark.parametrize("rule", FACTORY.rules, ids=lambda rule: rule.id)
def test_every_number_and_comparison_of_a_rule_is_pinned_by_an_example(rule: Rule) -> None:
    examples = [example for example in RULE_CASES if example["rule"] == rule.id]
    for expect in slightly_wrong(rule.expect):
        other = replace(FACTORY, rules=(replace(rule, expect=expect),), digest=f"{rule.id}: {expect}")
        assert any([f.id for f in found_by(example, other)] != example["finds"] for example in examples), expect


def test_gross_output_of_one_raises_the_pop_up_of_the_manual() -> None:
    findings = typed({"gross_output:2022": "1"}).findings.values()
    (finding,) = [f for f in findings if f.rule == "usual"]
    assert finding.title == "数值超出范围警告"
    assert "该值超出常规范围，请核实数据准确性，如数据无误，请继续填报" in finding.message
    assert "千元" in finding.message


def test_nh3n_three_below_five_raises_one_pop_up_of_the_manual() -> None:
    sheet = typed({"nh3n_gen:2022": "3", "nh3n_dis:2022": "5", "gross_output:2022": "1"})
    (finding,) = [f for f in sheet.findings.values() if f.title == "数值规则警告"]
    assert finding.message.startswith(
        "氨氮产生量小于氨氮排放量或单位产值氨氮排放量数据超出常规范围，"
        "请核实相关数据（氨氮产生量、氨氮排放量、工业总产值）准确性，如数据无误，请继续填报。"
    )


def test_thousands_typed_for_ten_thousands_are_corrected_by_one_click() -> None:
    sheet = typed({"gross_output:2023": "91275.6", "gross_output:2024": "986301.2"})
    fix = sheet.findings["R07-gross_output@2024"].fix
    assert fix is not None
    assert fix.texts == {"gross_output:2024": "98630.12"}
    sheet.apply((Address.parse(address), text) for address, text in fix.texts.items())
    assert not [finding for finding in sheet.findings.values() if finding.rule.startswith("R07")]


@pytest.mark.parametrize("filing", FILINGS, ids=lambda filing: filing["key"])
def test_complete_filings_have_nothing_to_complain_about(filing: dict[str, Any]) -> None:
    sheet = typed(filing["cells"], context_of(filing["context"]))
    assert {finding.id: finding.message for finding in sheet.findings.values()} == {}
    assert all(part.filled == part.required for part in sheet.progress())
    assert names.credit_code_valid(filing["cells"]["credit_code"])
    assert reference.sector_of(filing["cells"]["industry1"][:4]) == filing["cells"]["sector"]


@pytest.mark.parametrize("key", [f.key for f in FACTORY.fields.values() if f.required])
def test_leaving_out_a_required_row_is_an_error(key: str) -> None:
    cells = {address: text for address, text in FILINGS[0]["cells"].items() if Address.parse(address).field != key}
    sheet = typed(cells, context_of(FILINGS[0]["context"]))
    missing = [finding for finding in sheet.findings.values() if finding.rule == "required"]
    assert {finding.cells[0].field for finding in missing} == {key}
    assert {finding.level for finding in missing} == {FindingLevel.ERROR}


def test_a_blank_form_asks_for_nothing_but_the_required_rows() -> None:
    assert {finding.rule for finding in typed({}).findings.values()} == {"required"}


def test_energy_grade_is_read_off_the_limits_and_skips_levels_the_standard_leaves_out() -> None:
    limits = {"product1_output:unit": "吨", "product1_output:2024": "1000", "product1_limit_3": "520"}
    graded = {
        "380": ("1级", {"product1_limit_1": "380", "product1_limit_2": "450"}),
        "381": ("2级", {"product1_limit_1": "380", "product1_limit_2": "450"}),
        "451": ("3级", {"product1_limit_1": "380", "product1_limit_2": "450"}),
        "521": ("未达3级", {"product1_limit_1": "380", "product1_limit_2": "450"}),
        "100": ("3级", {}),
    }
    for energy, (grade, more) in graded.items():
        sheet = typed({**limits, **more, "product1_energy:2024": energy})
        assert sheet.cell(Address("product1_energy_grade", "2024")).text == grade


def test_policy_values_are_dated_sourced_and_marked() -> None:
    policy = toml(ASSETS / "policy" / "2025.toml")
    for block in (*policy["region_date"], *policy["date"], *policy["value"], *policy["review"]["tier"]):
        assert block["source"], block
        assert block["official"] in ("official", "proposed"), block
    (campaign,) = policy["campaign"]
    assert campaign["forms"] == [form.value for form in Form]
    assert campaign["opens_on"] < campaign["due_on"] < campaign["locks_on"]
    regions = reference.regions()
    for block in policy["region_date"]:
        assert regions[block["region_code"]].name == block["region_name"]
        assert block["due_on"] <= block["locks_on"]
    assert [tier["tier"] for tier in policy["review"]["tier"]] == [tier.value for tier in Tier]
    assert [tier["tier"] for tier in policy["review"]["tier"] if tier["letter"]] == ["city"]


def test_checklist_and_articles_point_to_rows_that_exist() -> None:
    (checklist,) = toml(ASSETS / "reference" / "checklist.toml")["checklist"]
    assert [focus["title"] for focus in checklist["focus"]] == ["重大事项变更", "合规性信息", "填报数据"]
    items = [item for focus in checklist["focus"] for item in focus["item"]]
    articles = toml(ASSETS / "reference" / "adjustment_articles.toml")["article"]
    named_fields = {key for item in items for key in item["fields"]}
    named_fields |= {evidence["field"] for article in articles for evidence in article["evidence"]}
    assert named_fields <= FACTORY.fields.keys()
    assert len({item["key"] for item in items}) == len(items)
    assert max(len(item["key"]) for item in items) <= 40
    assert len({article["key"] for article in articles}) == len(articles)
    assert {article["opinion"] for article in articles} == {opinion.value for opinion in Adjustment}
    assert max(len(article["cite"]) for article in articles) <= 100
