"""A form file is read strictly (表单加载): every refusal names file, line, word and what is allowed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.enums import Form
from services.forms import layout, lines, loader
from services.forms.loader import TemplateError
from services.forms.sheet import Sheet
from services.forms.template import Address
from tests.forms_kit import SMALL, small


def line_with(text: str, word: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if word in line)


def refused(old: str, new: str) -> TemplateError:
    """Load the small form with one change; the refusal."""
    assert SMALL.count(old) >= 1
    with pytest.raises(TemplateError) as refusal:
        loader.loads(SMALL.replace(old, new, 1), "小表.toml")
    return refusal.value


REFUSALS = [
    # (what is changed, into what, the line that is named, words of the sentence, the offending word)
    ('pattern_words = "手机号', 'patern_words = "手机号', "patern_words", ("不认识的项", "pattern_words"), "patern_words"),
    ("required = true\nlocked", 'required = "是"\nlocked', 'required = "是"', ("required", "true 或 false"), "是"),
    ('layout = "fields"', 'layout = "table"', 'layout = "table"', ("table", "fields、questions、grid、texts"), "table"),
    ('kind = "choices"', 'kind = "list"', 'kind = "list"', ("list", "choices"), "list"),
    ('label = "综合能源消费量"\n', "", 'key = "energy"', ("缺少“label”",), "label"),
    ('key = "mobile"', 'key = "Mobile"', 'key = "Mobile"', ("小写字母",), "Mobile"),
    ('key = "mobile"', 'key = "total"', 'key = "total"', ("函数名",), "total"),
    ('key = "mobile"', 'key = "sector"', "", ("重复",), "sector"),
    ('id = "T2"', 'id = "T1"', "", ("重复",), "T1"),
    ('unit_of = "energy"', 'unit_of = "output"', 'unit_of = "output"', ("不是有 units 的指标",), "output"),
    ('usual_source = "建议值"\nguidance', "guidance", "usual = [", ("usual_source",), "usual"),
    ("usual = [\"2000\"", "usual = [\"99999999999\"", "99999999999", ("前一个数不能大于后一个数",), "99999999999"),
    ('formula = "count(functions)"\n', "", 'key = "function_count"', ("derived 必须有 formula",), "formula"),
    ('"查询", "对标"', '"查询；", "对标"', '"查询；"', ("选项里不能有",), "choices"),
    ("'1[3-9]", "'1[3-9", "'1[3-9", ("正则表达式",), "1[3-9"),
    ('source = "TEST"\n[[part.section]]\nkey = "energy"', '[[part.section]]\nkey = "energy"', 'key = "output"', ("缺少 source",), "source"),
    ('source = "TEST"\nofficial', 'source = "OTHER"\nofficial', 'source = "OTHER"', ("没有名为“OTHER”的来源", "TEST"), "OTHER"),
    ('formula = "energy * 1000 / output"', 'formula = "energy * 1000 / outptu"', "outptu", ("outptu", "output"), "outptu"),
    ('formula = "energy * 1000 / output"', 'formula = "energy ** 2"', "** 2", ("不认识的运算",), "energy ** 2"),
    ('formula = "energy * 1000 / output"', 'formula = "energy（1）"', "（1）", ("半角",), "energy（1）"),
    ('formula = "energy * 1000 / output"', 'formula = "energy > 1"', "energy > 1", ("不能是条件",), "energy > 1"),
    ('formula = "energy * 1000 / output"', 'formula = "intensity_share"', "", ("绕成了圈",), "intensity"),
    ('formula = "cost / total(output) * 100"', 'formula = "cost / output * 100"', "cost / output", ("total(…)",), "cost / output * 100"),
    ('expect = "actual <= energy"', 'expect = "actual + energy"', "actual + energy", ("条件",), "actual + energy"),
    ('expect = "actual <= energy"', 'expect = "actual <= sector"', "<= sector", ("数值", "文字"), "actual <= sector"),
    ('expect = "actual <= energy"', 'expect = "cost__prev <= 1"', "cost__prev", ("不是分年度",), "cost__prev"),
    ('expect = "actual <= energy"', 'expect = "open(actual)"', "open(actual)", ("没有这个函数",), "open"),
    ('expect = "actual <= energy"', 'expect = "actual.real <= 1"', "actual.real", ("不能这样写",), "actual.real"),
    ('sector != "其它"', 'sector != "其他"', 'sector != "其他"', ("不是这个指标的选项", "其它"), '"其他"'),
    ('names = ["actual", "energy"]', 'names = ["actuall"]', "actuall", ("没有指标", "actual"), "actuall"),
    ("大于{energy.label}", "大于{enrgy.label}", "enrgy", ("没有指标“enrgy”",), "enrgy"),
    ("大于{energy.label}", "大于{energy.lable}", "lable", ("不认识“lable”",), "lable"),
    ("大于{energy.label}", "大于{energy.label", "大于{energy.label", ("没有成对",), "{"),
    ('{unit_name}不在名单中', '{year}不在名单中', "{year}不在", ("不分年度",), "year"),
    ('fix_words = "按千元换算为万元"', "", "fix = {", ("fix_words",), "fix_words"),
    ('fix = {output =', 'fix = {intensity =', "fix = {", ("不能填写",), "intensity"),
    ('level = "note"', 'level = "hint"', 'level = "hint"', ("error、warning、note",), "hint"),
    ('label = "三年投资额"', 'label = "{Y-4}年投资额"', "{Y-4}", ("不会被替换", "{Y-1}"), "{Y-4}"),
    ("decimals = 2", "decimals = 11", "decimals = 11", ("最多写 10",), "11"),
    ("low = 0", 'low = "1e999"', "1e999", ("普通大小",), "1e999"),
    ("year = 2025", "year = 25", "year = 25", ("不是年份",), "25"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "words", "word"), REFUSALS, ids=[f"{r[1][:40]}" for r in REFUSALS])
def test_mistake_is_refused_with_its_place(old: str, new: str, line: str, words: tuple[str, ...], word: str) -> None:
    refusal = refused(old, new)
    assert word in refusal.word
    assert str(refusal).startswith(f"小表.toml 第 {refusal.line} 行：")
    assert str(refusal).endswith("。")
    for said in words:
        assert said in str(refusal)
    if line:
        changed = SMALL.replace(old, new, 1).splitlines()
        at = changed[refusal.line - 1]
        assert line in at or line in "\n".join(changed[refusal.line - 1 : refusal.line + 2])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "测试表"', "title = 测试表", "加引号"),
        ('title = "测试表"', 'title = "测试表', "换行"),
        ('title = "测试表"', 'title = "测试表" pledge = "x"', "一行只能写一项"),
        ("year = 2025", "year = 2025\nyear = 2026", "写了两次"),
    ],
)
def test_broken_toml_is_explained_in_chinese(old: str, new: str, words: str) -> None:
    refusal = refused(old, new)
    assert words in str(refusal)
    assert refusal.line in (line_with(SMALL, old), line_with(SMALL, old) + 1)


VALUES = ["1", "-1", "0.5", '""', '"甲"', "true", "[]", "[1]", '["a", "a"]', "[[]]", "{}", '{a = 1}', '[{a = 1}]', "1979-05-27",
          '"{"', '"}"', '"{p}"', '"{=1/0}"', '"{= }"', '"energy"', '"energy__prev"', "nan", "inf", '"1e999999999"', "[{key = 1}]"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_stands_in_the_file_it_loads_or_is_refused_politely(pick: st.DataObject) -> None:
    rows = SMALL.splitlines()
    for _ in range(pick.draw(st.integers(1, 2))):
        number = pick.draw(st.integers(0, len(rows) - 1))
        key, equals, _ = rows[number].partition("=")
        value = pick.draw(st.sampled_from(VALUES))
        rows[number] = (
            f"{key}= {value}" if equals else pick.draw(st.sampled_from(["", "[x]", "[[part]]", "[[rule]]", "[["]))
        )
    try:
        template = loader.loads("\n".join(rows), "小表.toml")
    except TemplateError as refusal:
        assert 1 <= refusal.line <= len(rows) + 1
        assert str(refusal).startswith("小表.toml 第 ")
    else:
        Sheet.typed(template, {Address("output", "2024"): "5000", Address("energy", "2024"): "1"})


def test_allowed_words_are_listed() -> None:
    refusal = refused("guidance =", "guidence =")
    assert "guidance" in refusal.allowed
    assert "您是不是想写“guidance”" in str(refusal)


def test_sources_are_written_out_and_inherited() -> None:
    assert small().fields["output"].source == "测试依据"
    assert small().fields["output"].official == "proposed"


def test_years_repeats_and_families_are_expanded() -> None:
    text = SMALL.replace(
        '[[part.section.field]]\nkey = "cost"',
        """[[part.section.repeat]]
times = 3
required_times = 1
[[part.section.repeat.field]]
key = "p{n}_name"
label = "产品{n}名称（{Y-1}年）"
kind = "text"
required = true
[[part.section.repeat.field]]
key = "p{n}_count"
label = "产品{n}产量"
kind = "number"
[[part.section.field]]
key = "cost\"""",
    )
    template = loader.loads(text, "x")
    keys = [key for key in template.fields if key.startswith("p") or key == "cost"]
    assert keys == ["p1_name", "p1_count", "p2_name", "p2_count", "p3_name", "p3_count", "cost"]
    assert template.fields["p2_name"].label == "产品2名称（2024年）"
    assert [template.fields[f"p{n}_name"].required for n in (1, 2, 3)] == [True, False, False]
    assert [rule.id for rule in template.rules if rule.family == "T3-{k}"] == ["T3-output", "T3-energy"]
    assert template.years == (2022, 2023, 2024)


def test_for_with_tables_fills_in_each_word() -> None:
    rule = """
[[rule]]
id = "T9-{p}"
level = "note"
for = {p = [{key = "energy", most = "3", name = "能耗"}, {key = "actual", most = "4", name = "实耗"}]}
expect = "{p} <= {p.most}"
message = "{p.name}应不大于{p.most}，现为{{p}}。"
source = "TEST"
"""
    rules = {rule.id: rule for rule in loader.loads(SMALL + rule, "x").rules}
    assert rules["T9-actual"].expect == "actual <= 4"
    assert rules["T9-energy"].message == "能耗应不大于3，现为{energy}。"


def test_shared_unit_brings_its_options_and_canonical_unit() -> None:
    actual = small().fields["actual"]
    assert [option.name for option in actual.units] == ["吨标准煤", "万吨标准煤", "其他"]
    assert actual.unit == "吨标准煤"
    assert small().own_unit("actual") == "energy"
    assert small().own_unit("output") == ""


def test_line_finder_is_not_fooled_by_strings_and_arrays() -> None:
    text = 'a = """\n[[x]]\nb = 1\n"""\n[[x]]\nk = [\n "b = 2", # [\n "]",\n]\n[[x]]\nk = 1\n[[x.y]]\nz = 2\n'
    places = lines.locate(text)
    assert places[("a",)] == 1
    assert places[("x", 0)] == 5
    assert places[("x", 0, "k")] == 6
    assert places[("x", 1, "k")] == 11
    assert places[("x", 1, "y", 0, "z")] == 13
    assert lines.line_of(places, ("x", 1, "y", 0, "unknown")) == 12
    assert ("b",) not in places


def test_copy_must_have_its_digest() -> None:
    digest = small().digest
    assert loader.from_copy(digest, SMALL) == small()
    with pytest.raises(TemplateError, match="摘要不符"):
        loader.from_copy(digest, SMALL + "\n# 改动")


@pytest.mark.parametrize(("form", "year"), [(form, year) for form in Form for year in loader.years(form)])
def test_shipped_forms_load(form: Form, year: int) -> None:
    template = loader.find(form, year)
    assert (template.form, template.year) == (form, year)
    assert form in loader.forms_of(year)
    assert loader.find(form, year) is template
    drawn = layout.of(template)
    rows = [row for part in drawn["parts"] for section in part["sections"] for row in section["rows"]]
    assert [row["key"] for row in rows] == list(template.fields)


def test_form_that_does_not_exist_is_named() -> None:
    with pytest.raises(KeyError, match="1999年度的绿色工厂"):
        loader.find(Form.FACTORY, 1999)
