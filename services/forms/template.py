"""A form as data (表单模板): what a TOML file of ``assets/forms`` becomes once ``loader`` has checked it. Frozen, pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from models.enums import FindingLevel, Form

UNIT_SLOT = "unit"
REMARK_SLOT = "remark"

FieldKind = Literal["text", "longtext", "number", "choice", "choices", "yesno", "industry", "region", "derived"]
Official = Literal["official", "standard", "proposed"]  # 官方, 标准, 建议值
Keep = Literal["confirm", "explain"]


class Address(NamedTuple):
    """单元格地址: field key and slot: "" for what is asked once, a year "2024", "unit" or "remark"."""

    field: str
    slot: str = ""

    def __str__(self) -> str:
        return f"{self.field}:{self.slot}" if self.slot else self.field

    @classmethod
    def parse(cls, text: str) -> Address:
        name, _, slot = text.partition(":")
        return cls(name, slot)


@dataclass(frozen=True, slots=True)
class UnitOption:
    """计量单位选项; ``factor`` × figure = figure in the canonical unit; None: not convertible, keep only."""

    name: str
    factor: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Formula:
    """派生公式: text as the file says it, words as people read it, and the field keys it reads."""

    text: str
    words: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FormField:
    """指标 (one row). Slots: years for ``yearly``, else ""; plus "unit" where ``units``, "remark" where ``remark``."""

    key: str
    label: str  # 指标名称
    kind: FieldKind
    part: str
    section: str
    code: str = ""  # row code of the source table, e.g. C1_01
    parameter: str = ""  # 指标涉及的参数
    group: str = ""  # 块标题, e.g. 能源消费情况
    unit: str = ""  # fixed unit; or the canonical one of ``units``
    units: tuple[UnitOption, ...] = ()
    unit_of: str = ""  # takes (and must share) the unit of that field; ``units`` is then a copy of its options
    yearly: bool = False
    slip: bool = True  # a figure ten, hundred … times that of the other years is questioned
    required: bool = False
    remark: bool = False  # has a 特殊情况说明 cell
    decimals: int | None = None
    low: Decimal | None = None  # hard bounds
    high: Decimal | None = None
    usual_low: Decimal | None = None  # 常规范围
    usual_high: Decimal | None = None
    usual_source: str = ""
    empty_words: bool = False  # 不涉及 / 停产 may be typed
    choices: tuple[str, ...] = ()
    reference: str = ""  # choices come from a reference table: industries, energy_limit_standards, …
    max_length: int | None = None
    pattern: str = ""
    pattern_words: str = ""  # what the pattern means, for the refusal
    locked: bool = False  # filled from the unit's profile, read-only here
    personal: bool = False  # 个人信息: a name, telephone … of a person
    formula: Formula | None = None
    guidance: str = ""  # 填写说明
    source: str = ""
    official: Official = "proposed"


@dataclass(frozen=True, slots=True)
class Rule:
    """核验规则 between fields. ``expect`` must hold wherever every cell it reads is filled (for each year if any is yearly)."""

    id: str
    family: str  # the id as the file says it, before ``for`` was expanded: R01-{p}
    level: FindingLevel
    title: str  # title of the pop-up: 数值规则警告, 数值超出范围警告 …
    expect: str
    message: str  # template with {label} {value} … see loader
    names: tuple[str, ...]  # the fields it names, first = where it is shown
    keep: Keep = "confirm"
    source: str = ""
    official: Official = "proposed"
    reviewers_only: bool = False
    fix: tuple[tuple[str, str], ...] = ()  # a one-click conversion: field key (or key__prev) and what to put there
    fix_words: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """小节, e.g. 1、能源低碳化."""

    key: str
    title: str
    fields: tuple[FormField, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """部分, e.g. 三、持续改进情况; ``layout`` says how it is drawn."""

    key: str
    title: str
    layout: Literal["fields", "questions", "grid", "texts"]
    sections: tuple[Section, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class FormTemplate:
    """动态管理表模板 of one form and year. ``digest`` is the SHA-256 of its source text."""

    form: Form
    year: int
    title: str
    years: tuple[int, ...]  # oldest first, e.g. (2022, 2023, 2024)
    parts: tuple[Part, ...]
    fields: Mapping[str, FormField]
    rules: tuple[Rule, ...]
    pledge: str
    digest: str
    source_text: str = field(repr=False, default="")

    def own_unit(self, key: str) -> str:
        """The field whose "unit" slot holds the chosen unit of ``key``; "" where the unit is fixed."""
        field = self.fields[key]
        return field.unit_of or (key if field.units else "")

    def slots(self, key: str) -> tuple[str, ...]:
        """The value slots of a field: its years, or the single empty slot."""
        return tuple(str(y) for y in self.years) if self.fields[key].yearly else ("",)
