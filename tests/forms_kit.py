"""A small form for the tests of the engine (测试用小表), and short ways to fill it in."""

from __future__ import annotations

from services.forms import loader
from services.forms.findings import Context, Effect
from services.forms.sheet import Sheet
from services.forms.template import Address, FormTemplate

SMALL = """
form = "green_factory"
year = 2025
title = "测试表"
pledge = "本企业承诺"
[sources]
TEST = "测试依据"
[[part]]
key = "basics"
title = "一、基本信息"
layout = "fields"
source = "TEST"
[[part.section]]
key = "basics"
[[part.section.field]]
key = "unit_name"
label = "工厂名称"
kind = "text"
required = true
locked = true
[[part.section.field]]
key = "sector"
label = "工厂所属行业"
kind = "choice"
choices = ["钢铁", "其它"]
required = true
[[part.section.field]]
key = "sector_other"
label = "其它行业"
kind = "text"
max_length = 10
[[part.section.field]]
key = "mobile"
label = "联系人手机号"
kind = "text"
pattern = '1[3-9]\\d{9}'
pattern_words = "手机号为 11 位数字，以 1 开头"
[[part.section.field]]
key = "functions"
label = "平台功能"
kind = "choices"
choices = ["查询", "对标", "核算"]
[[part.section.field]]
key = "function_count"
label = "平台功能数"
kind = "derived"
unit = "项"
decimals = 0
formula = "count(functions)"
formula_words = "所选功能的个数"
[[part]]
key = "grid"
title = "三、持续改进情况"
layout = "grid"
source = "TEST"
[[part.section]]
key = "energy"
[[part.section.field]]
key = "output"
label = "工业总产值"
kind = "number"
yearly = true
unit = "万元"
required = true
remark = true
usual = ["2000", "10000000"]
usual_source = "建议值"
guidance = "请使用B204-1表数据。"
[[part.section.field]]
key = "energy"
label = "综合能源消费量"
kind = "number"
yearly = true
required = true
remark = true
empty_words = true
units = [{name = "吨标准煤", factor = 1}, {name = "万吨标准煤", factor = 10000}, {name = "其他"}]
[[part.section.field]]
key = "actual"
label = "实际消耗量"
kind = "number"
yearly = true
unit_of = "energy"
[[part.section.field]]
key = "feedstock"
label = "原料用能量"
kind = "derived"
yearly = true
unit_of = "energy"
decimals = 2
formula = "energy - actual"
formula_words = "综合能源消费量 − 实际消耗量"
low = 0
[[part.section.field]]
key = "intensity"
label = "单位产值综合能耗"
kind = "derived"
yearly = true
unit = "kgce/万元"
formula = "energy * 1000 / output"
formula_words = "综合能源消费量 × 1000 ÷ 工业总产值"
usual = ["0.5", "10000"]
usual_source = "建议值"
[[part.section.field]]
key = "intensity_share"
label = "能耗占比"
kind = "derived"
yearly = true
unit = "%"
formula = "intensity / total(intensity) * 100"
formula_words = "占三年之和的比例"
[[part.section.field]]
key = "cost"
label = "三年投资额"
kind = "number"
unit = "万元"
decimals = 2
[[part.section.field]]
key = "cost_rate"
label = "投资占比"
kind = "derived"
unit = "%"
decimals = 2
formula = "cost / total(output) * 100"
formula_words = "投资额 ÷ 三年产值"
[[rule]]
id = "T1"
level = "warning"
expect = "actual <= energy"
names = ["actual", "energy"]
message = "{actual.label}{actual}大于{energy.label}{energy}。"
source = "TEST"
[[rule]]
id = "T2"
level = "error"
expect = 'sector != "其它" or filled(sector_other)'
names = ["sector_other", "sector"]
message = "工厂所属行业选“其它”时，请填写具体行业。"
source = "TEST"
official = "official"
[[rule]]
id = "T3-{k}"
level = "warning"
keep = "explain"
for = {k = ["output", "energy"]}
expect = "abs({k} - {k}__prev) * 2 <= {k}__prev"
message = "{year}年{{k}.label}{{k}}与{last_year}年{{k}__prev}相比变动{= ({k} / {k}__prev - 1) * 100 ; 1}%。"
source = "TEST"
fix = {output = "output / 10"}
fix_words = "按千元换算为万元"
[[rule]]
id = "T4"
level = "note"
expect = "energy / output < 1000"
message = "单耗{= energy / output}。"
source = "TEST"
reviewers_only = true
[[rule]]
id = "T5"
level = "warning"
expect = "listed(unit_name)"
message = "{unit_name}不在名单中。"
source = "TEST"
"""

_templates: dict[str, FormTemplate] = {}


def small(text: str = SMALL) -> FormTemplate:
    """The small form, loaded once."""
    if text not in _templates:
        _templates[text] = loader.loads(text, "小表.toml")
    return _templates[text]


def sheet(context: Context | None = None, **texts: str) -> Sheet:
    """A small sheet; ``output_2024="5"`` types into output:2024, ``energy_unit`` into energy:unit."""
    return Sheet.typed(small(), {address(name): text for name, text in texts.items()}, context)


def address(name: str) -> Address:
    """``output_2024`` → output:2024."""
    key, _, slot = name.rpartition("_")
    return Address(key, slot) if slot.isdigit() or slot in ("unit", "remark") else Address(name)


def type_in(target: Sheet, **texts: str) -> Effect:
    """Type into a sheet."""
    return target.apply([(address(name), text) for name, text in texts.items()])
