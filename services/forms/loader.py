"""A TOML file of ``assets/forms`` → ``FormTemplate`` (表单加载), strictly: anything unknown is refused with file, line,
the offending word and what is allowed.

The file
========
In every text ``{Y}`` ``{Y-1}`` ``{Y-2}`` ``{Y-3}`` stand for the form's year and the years before it. Decimals may be
written as ``0.3`` or ``"0.3"``; both are exact. A key may hold a-z, 0-9 and _, starts with a letter, has no ``__``.

Top level: ``form`` (green_factory …), ``year``, ``title``, ``pledge``; all required.
``[sources]``: short name = words. A ``source`` starts with a short name and may go on: ``"SEED0 二(二)3"``.

``[[part]]``: ``key`` ``title`` ``layout`` (fields | questions | grid | texts), optional ``note``.
``[[part.section]]``: ``key``, optional ``title``. Part and section may carry ``source`` and ``official`` as defaults
for their fields.
``[[part.section.field]]`` (in file order):

===============  =====================================================================================================
key label kind   required. kind: text longtext number choice choices yesno industry region derived
code parameter group guidance note       words; ``guidance`` is the 填写说明, ``group`` the 块标题
yearly           true: asked for each of the three years (slots "2022" …), else once (slot "")
unit             fixed unit; with ``units`` the canonical one (an option whose factor is 1; that one if left out)
units            the drop-down: ``["吨", "万吨"]`` or ``[{name = "吨", factor = 1}, {name = "万吨", factor = 10000}]``;
                 factor × figure = figure in the canonical unit; without factor an option cannot be converted
unit_of          key of a field with ``units`` whose chosen unit (and options) this field shares
required remark locked empty_words       true / false. remark: the row has a 特殊情况说明 cell. empty_words: 不涉及 and
                 停产 may be typed. locked: filled from the profile
personal         true: says who or how to reach a person (姓名, 电话 …); the browser never keeps it beyond the page
decimals         most decimals that may be typed (default 4 for numbers); for derived: rounded to (default 4)
low high         hard bounds (error), in the canonical unit. ``low`` is 0 for numbers unless given; ``low = ""``: none
usual            ``["2000", "10000000"]``, either may be ""; needs ``usual_source`` (starts with 建议值 or a source)
slip             false: do not question a figure that is 10, 100 … times that of the other years
choices          for choice, choices (default 是 否 for yesno); no option may hold ； ; or |
reference        energy_limit_standards | water_quota_standards: its rows are offered before ``choices``
max_length       of a text (default 200, longtext 1000)
pattern          regular expression the whole text must match, with ``pattern_words`` saying what is right
formula          for derived, with ``formula_words``; derived needs both
source official  where the row comes from; official | standard | proposed (default)
===============  =====================================================================================================

``[[part.section.repeat]]``: ``times = 3`` and ``[[part.section.repeat.field]]``: each field once for n = 1 … times,
``{n}`` replaced in every text. ``required_times`` (default: times): ``required`` only for the first so many.

``[[rule]]``: ``id`` ``level`` (error | warning | note) ``expect`` ``message`` ``source`` are required; ``names`` (keys,
the first is where it is shown; ``key__prev`` allowed; default: what ``expect`` reads), ``title`` (default by level),
``keep`` (confirm | explain), ``official``, ``reviewers_only``, ``fix = {gross_output = "gross_output / 10"}`` (value in
the canonical unit; key or key__prev) with ``fix_words``.
``for = {p = ["cod", "nh3n"]}`` makes one rule for each value (each combination of several lists), ``{p}`` replaced in
every text; ``for = {p = [{key = "cod", name = "化学需氧量", most = "3"}]}`` gives ``{p}`` (its key) ``{p.name}`` ``{p.most}``.

Expressions
===========
Keys, ``key__prev`` (the year before; the first year then says nothing), numbers, "texts", ``+ - * / ( )``,
``< <= > >= == != in ("a", "b")``, ``and or not``, ``A if condition else B``, and

``min(a,b) max(a,b) abs(a)``; ``filled(key) blank(key) not_applicable(key) stopped(key)``; ``or_zero(key)`` (empty, 不涉及
and 停产 count as 0); ``total(key)`` (sum of the years that have a figure) ``latest(key)`` (last year) of yearly fields;
``chosen(key, "是")`` (false while empty); ``count(key)`` (options ticked); ``unit(key)`` (the chosen unit);
``has_remark(key)``; ``has_attachment()``; ``listed(key)`` (is among the names of this unit on the list) ``on_roster(key)``
(is any name on the list) — both say nothing when the list is not known; ``valid_credit_code(key)`` (the level of such a
rule is the setting 校验位); ``same_name(a,b)`` ``same_start(a,b,18)`` ``length(a)``.

A text may only be compared with options the field has. A rule or formula that reads yearly fields is asked for each
year; a formula of a field asked once reads yearly fields through total() and latest(). It speaks only when all cells it
reads are filled, except those inside filled, blank, not_applicable, stopped, or_zero, chosen, has_remark and total. A
division by zero leaves a derived cell empty; in a rule it is a finding (a rule that cannot run never passes), so write
``x <= 3 * y`` rather than ``x / y <= 3``.

Messages
========
``{year}`` ``{last_year}``; ``{key}`` value with unit, ``{key__prev}`` that of the year before (of a yearly field in a rule
asked once: ``{key}`` is the last year's); ``{key.label}`` ``{key.value}`` (without unit) ``{key.unit}`` ``{key.formula}``
``{key.usual}`` ``{key.guidance}``; ``{= expression}`` a computed figure, ``{= expression ; 1}`` with one decimal (without: 4);
— stands for what is empty. If {year} does not occur, "2024年：" is put in front. ``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from models.enums import FindingLevel, Form
from services.forms import expressions, lines, messages, reference
from services.forms.cells import DERIVED_DECIMALS
from services.forms.expressions import PREVIOUS, Expression, ExpressionError, Variable
from services.forms.template import (
    FieldKind,
    FormField,
    FormTemplate,
    Formula,
    Keep,
    Official,
    Part,
    Rule,
    Section,
    UnitOption,
)

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "forms"

_KEY = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_RESERVED = expressions.FUNCTION_NAMES | {"and", "or", "not", "if", "else", "in", "is", "for", "year", "last_year"}
_YEAR_MARK = re.compile(r"\{Y(?:-([123]))?\}")
_LARGEST = 20  # digits of a bound or factor
_MOST_DECIMALS = 10
_LAYOUTS = ("fields", "questions", "grid", "texts")
_LEFT_OVER = re.compile(r"\{[^{}]*\}")
_RULE_TITLES = {
    FindingLevel.ERROR: "校验错误",
    FindingLevel.WARNING: "数值规则警告",
    FindingLevel.NOTE: "提示",
}
_TEXT_KINDS = ("text", "longtext", "region")
_DEFAULT_LENGTH = {"text": 200, "longtext": 1000, "region": 200}
_CHOICE_MARKS = "；;|"


class TemplateError(Exception):
    """表单文件有误: file, line, the offending word and what is allowed, as one Chinese sentence."""

    def __init__(self, file: str, line: int, message: str, word: str = "", allowed: Iterable[str] = ()) -> None:
        self.file, self.line, self.message, self.word, self.allowed = file, line, message, word, tuple(allowed)
        choice = f"。这里可以用：{'、'.join(self.allowed[:60])}" if self.allowed else ""
        super().__init__(f"{file} 第 {line} 行：{message}{choice}。")


def load(path: Path) -> FormTemplate:
    """Read one file; raises ``TemplateError``."""
    return loads(path.read_text(encoding="utf-8-sig"), path.name)


def loads(text: str, name: str) -> FormTemplate:
    """A form from its text; ``name`` is what refusals call the file."""
    return _Reader(text, name).template()


@cache
def find(form: Form, year: int) -> FormTemplate:
    """动态管理表 of a form and year as it ships; ``KeyError`` if there is none."""
    path = FOLDER / str(year) / f"{form.value}.toml"
    if not path.is_file():
        raise KeyError(f"没有{year}年度的{form.caption}动态管理表模板")
    return load(path)


def forms_of(year: int) -> tuple[Form, ...]:
    """The forms that exist for a year."""
    return tuple(form for form in Form if (FOLDER / str(year) / f"{form.value}.toml").is_file())


def years(form: Form) -> tuple[int, ...]:
    """The years for which a form exists, oldest first."""
    found = (path.parent.name for path in FOLDER.glob(f"*/{form.value}.toml"))
    return tuple(sorted(int(name) for name in found if name.isdecimal()))


@lru_cache(maxsize=64)
def from_copy(digest: str, text: str) -> FormTemplate:
    """A form from the copy kept beside a version; its text must still have that digest."""
    if digest_of(text) != digest:
        raise TemplateError(f"模板副本 {digest[:12]}", 1, "内容与登记的摘要不符，可能已被改动")
    return loads(text, f"模板副本 {digest[:12]}")


def digest_of(text: str) -> str:
    """SHA-256 of a template's text."""
    return hashlib.sha256(text.encode()).hexdigest()


class _Slot(NamedTuple):
    """One permitted key of a table: how its value is read, and whether it must be there."""

    read: Callable[[Any], Any]
    required: bool = False


class _Wrong(ValueError):
    """A value of the wrong kind; the sentence says what is right."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("要写成带引号的文字")
    return value.strip()


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("只能写 true 或 false")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _Wrong("要写成不小于 0 的整数")
    return value


def _decimals(value: Any) -> int:
    places = _whole(value)
    if places > _MOST_DECIMALS:
        raise _Wrong(f"最多写 {_MOST_DECIMALS}")
    return places


def _number(value: Any) -> Decimal | None:
    if value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise _Wrong('要写成数字，例如 0.3 或 "0.3"')
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _Wrong('要写成数字，例如 0.3 或 "0.3"') from None
    if (
        not number.is_finite()
        or (number and abs(number.adjusted()) > _LARGEST)
        or len(number.as_tuple().digits) > _LARGEST
    ):
        raise _Wrong(f"要写成普通大小的数字，最多{_LARGEST}位")
    return number


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise _Wrong('要写成一组带引号的文字，例如 ["是", "否"]')
    texts = tuple(item.strip() for item in value)
    if len(set(texts)) != len(texts):
        raise _Wrong("里面有重复的项")
    return texts


def _pair(value: Any) -> tuple[Decimal | None, Decimal | None]:
    if not isinstance(value, list) or len(value) != 2:
        raise _Wrong('要写成两个数，例如 ["2000", "10000000"]，没有下限或上限的写 ""')
    low, high = _number(value[0]), _number(value[1])
    if low is not None and high is not None and low > high:
        raise _Wrong("前一个数不能大于后一个数")
    return low, high


def _options(value: Any) -> tuple[UnitOption, ...]:
    if not isinstance(value, list) or not value:
        raise _Wrong('要写成一组单位，例如 ["吨", "万吨"] 或 [{name = "吨", factor = 1}]')
    options = []
    for item in value:
        name = item if isinstance(item, str) else item.get("name") if isinstance(item, dict) else None
        if (
            not isinstance(name, str)
            or not name.strip()
            or (isinstance(item, dict) and item.keys() - {"name", "factor"})
        ):
            raise _Wrong("每个单位要有 name，可以有 factor，不能有别的项")
        factor = _number(item.get("factor", "")) if isinstance(item, dict) else None
        if factor is not None and factor <= 0:
            raise _Wrong("factor 必须大于 0")
        options.append(UnitOption(name.strip(), factor))
    if len({option.name for option in options}) != len(options):
        raise _Wrong("里面有重复的单位")
    return tuple(options)


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong("要写成 [名称] 下的若干项")
    return value


def _tables(value: Any) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _Wrong("要写成用双方括号 [[…]] 开头的若干段")
    return value


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        text = _text(value)
        if text not in allowed:
            raise _Wrong(f"“{text}”不可用。这里可以用：{'、'.join(allowed)}")
        return text

    return read


_OFFICIAL = _Slot(_one_of(*get_args(Official)))
_TOP = {
    "form": _Slot(_one_of(*(form.value for form in Form)), True),
    "year": _Slot(_whole, True),
    "title": _Slot(_text, True),
    "pledge": _Slot(_text, True),
    "sources": _Slot(_table, True),
    "part": _Slot(_tables, True),
    "rule": _Slot(_tables),
}
_PART = {
    "key": _Slot(_text, True),
    "title": _Slot(_text, True),
    "layout": _Slot(_one_of(*_LAYOUTS), True),
    "note": _Slot(_text),
    "source": _Slot(_text),
    "official": _OFFICIAL,
    "section": _Slot(_tables, True),
}
_SECTION = {
    "key": _Slot(_text, True),
    "title": _Slot(_text),
    "source": _Slot(_text),
    "official": _OFFICIAL,
    "field": _Slot(_tables),
    "repeat": _Slot(_tables),
}
_REPEAT = {"times": _Slot(_whole, True), "required_times": _Slot(_whole), "field": _Slot(_tables, True)}
_FIELD = {
    "key": _Slot(_text, True),
    "label": _Slot(_text, True),
    "kind": _Slot(_one_of(*get_args(FieldKind)), True),
    **dict.fromkeys(("code", "parameter", "group", "guidance", "unit", "unit_of", "usual_source"), _Slot(_text)),
    **dict.fromkeys(("pattern", "pattern_words", "formula", "formula_words", "source"), _Slot(_text)),
    **dict.fromkeys(("yearly", "required", "remark", "locked", "empty_words", "personal", "slip"), _Slot(_flag)),
    **dict.fromkeys(("low", "high"), _Slot(_number)),
    "decimals": _Slot(_decimals),
    "max_length": _Slot(_whole),
    "units": _Slot(_options),
    "usual": _Slot(_pair),
    "choices": _Slot(_texts),
    "reference": _Slot(_one_of(*(name for name in reference.LISTS if name != "industries"))),
    "official": _OFFICIAL,
}
_RULE = {
    **dict.fromkeys(("id", "expect", "message", "source"), _Slot(_text, True)),
    "level": _Slot(_one_of(*(level.value for level in FindingLevel)), True),
    "keep": _Slot(_one_of(*get_args(Keep))),
    **dict.fromkeys(("title", "fix_words"), _Slot(_text)),
    "names": _Slot(_texts),
    "official": _OFFICIAL,
    "reviewers_only": _Slot(_flag),
    "fix": _Slot(_table),
    "for": _Slot(_table),
}


class _Reader:
    """Reads one file; knows where each thing stands."""

    def __init__(self, text: str, name: str) -> None:
        self.source_text, self.name = text, name
        self.places = lines.locate(text)
        self.sources: Mapping[str, str] = {}
        self.fields: dict[str, FormField] = {}
        self.paths: dict[str, lines.Path] = {}
        self.scope: dict[str, Variable] = {}

    def template(self) -> FormTemplate:
        top = self.table(self.parsed(), _TOP, ())
        year, form = top["year"], Form(top["form"])
        if not 2000 <= year <= 2100:
            raise self.wrong(("year",), f"“{year}”不是年份", str(year))
        top = _with_years(top, year)
        self.sources = {key: self.value(_text, value, ("sources", key)) for key, value in top["sources"].items()}
        parts = tuple(self.part(part, ("part", i)) for i, part in enumerate(top["part"]))
        self.distinct((part.key, ("part", i)) for i, part in enumerate(parts))
        self.share_units()
        self.describe_fields()
        rules = tuple(rule for i, table in enumerate(top.get("rule", ())) for rule in self.rules(table, ("rule", i)))
        self.distinct((rule.id, path) for rule, path in zip(rules, self.rule_paths(top.get("rule", ())), strict=True))
        return FormTemplate(
            form=form,
            year=year,
            title=top["title"],
            years=(year - 3, year - 2, year - 1),
            parts=tuple(self.settled(part) for part in parts),
            fields=dict(self.fields),
            rules=rules,
            pledge=top["pledge"],
            digest=digest_of(self.source_text),
            source_text=self.source_text,
        )

    # Reading tables

    def parsed(self) -> Mapping[str, Any]:
        try:
            return tomllib.loads(self.source_text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as problem:
            at = re.search(r"line (\d+), column (\d+)", str(problem))
            line = int(at[1]) if at else self.source_text.count("\n") + 1
            column = f"第 {at[2]} 列附近" if at else "结尾处"
            raise TemplateError(self.name, line, f"{column}不符合 TOML 写法（{_toml_words(str(problem))}）") from None

    def table(self, table: Mapping[str, Any], slots: Mapping[str, _Slot], path: lines.Path) -> dict[str, Any]:
        for key in table:
            if key not in slots:
                close = difflib.get_close_matches(key, slots, 1)
                hint = f"，您是不是想写“{close[0]}”" if close else ""
                raise self.wrong((*path, key), f"不认识的项“{key}”{hint}", key, slots)
        for key, slot in slots.items():
            if slot.required and (key not in table or table[key] == ""):
                raise self.wrong(path, f"缺少“{key}”，这一项必须填写", key)
        return {key: self.value(slots[key].read, value, (*path, key)) for key, value in table.items()}

    def value(self, read: Callable[[Any], Any], value: Any, path: lines.Path) -> Any:
        try:
            return read(value)
        except _Wrong as problem:
            raise self.wrong(path, f"“{path[-1]}”{problem}", str(value)[:60]) from None

    def wrong(self, path: lines.Path, message: str, word: str = "", allowed: Iterable[str] = ()) -> TemplateError:
        return TemplateError(self.name, lines.line_of(self.places, path), message, word, allowed)

    def distinct(self, keys: Iterable[tuple[str, lines.Path]]) -> None:
        seen: dict[str, lines.Path] = {}
        for key, path in keys:
            if key in seen:
                first = lines.line_of(self.places, seen[key])
                raise self.wrong(path, f"“{key}”重复，第 {first} 行已经有了", key)
            seen[key] = path

    def sourced(self, words: str, path: lines.Path) -> str:
        """A source with its short name written out."""
        short = re.split(r"[\s；;，,：:（(]", words, maxsplit=1)[0]
        if short not in self.sources:
            raise self.wrong(path, f"没有名为“{short}”的来源", short, self.sources)
        return self.sources[short] + words[len(short) :]

    # Parts and fields

    def part(self, raw: Mapping[str, Any], path: lines.Path) -> Part:
        table = self.table(raw, _PART, path)
        defaults: dict[str, Any] = {key: table[key] for key in ("source", "official") if key in table}
        sections = tuple(
            self.section(section, table["key"], defaults, (*path, "section", i))
            for i, section in enumerate(table["section"])
        )
        self.distinct((section.key, (*path, "section", i)) for i, section in enumerate(sections))
        return Part(table["key"], table["title"], table["layout"], sections, table.get("note", ""))

    def section(self, raw: Mapping[str, Any], part: str, defaults: Mapping[str, Any], path: lines.Path) -> Section:
        table = self.table(raw, _SECTION, path)
        defaults = {**defaults, **{key: table[key] for key in ("source", "official") if key in table}}
        rows: list[tuple[Mapping[str, Any], lines.Path]] = []
        for i, field in enumerate(table.get("field", ())):
            rows.append((field, (*path, "field", i)))
        for i, repeat in enumerate(table.get("repeat", ())):
            rows += self.repeated(repeat, (*path, "repeat", i))
        # Repeats stand where they are written; the parser alone would put them after all fields.
        rows.sort(key=lambda row: lines.line_of(self.places, row[1][: len(path) + 2]))
        keys = [self.field({**defaults, **row}, part, table["key"], where) for row, where in rows]
        return Section(table["key"], table.get("title", ""), tuple(self.fields[key] for key in keys))

    def repeated(self, raw: Mapping[str, Any], path: lines.Path) -> list[tuple[Mapping[str, Any], lines.Path]]:
        table = self.table(raw, _REPEAT, path)
        if not 1 <= table["times"] <= 20:
            raise self.wrong((*path, "times"), "times 只能写 1 到 20", str(table["times"]))
        required_times = table.get("required_times", table["times"])
        rows: list[tuple[Mapping[str, Any], lines.Path]] = []
        for n in range(1, table["times"] + 1):
            for i, field in enumerate(table["field"]):
                row = dict(_replaced(field, {"n": str(n)}))
                if n > required_times:
                    row["required"] = False
                rows.append((row, (*path, "field", i)))
        return rows

    def field(self, raw: Mapping[str, Any], part: str, section: str, path: lines.Path) -> str:
        table = self.table(raw, _FIELD, path)
        key, kind = cast(str, table.pop("key")), cast(FieldKind, table.pop("kind"))
        if not _KEY.fullmatch(key) or key in _RESERVED:
            message = f"“{key}”不能作为指标的 key：只用小写字母、数字和单个下划线，且不能是函数名"
            raise self.wrong((*path, "key"), message, key)
        if key in self.paths:
            first = lines.line_of(self.places, self.paths[key])
            raise self.wrong((*path, "key"), f"指标“{key}”重复，第 {first} 行已经有了", key)
        for name, value in table.items():
            if isinstance(value, str) and name != "pattern" and (mark := _LEFT_OVER.search(value)):
                raise self.wrong((*path, name), f"“{mark[0]}”不会被替换", mark[0], ("{Y}", "{Y-1}", "{Y-2}", "{Y-3}"))
        self.check_field(table, kind, path)
        usual_low, usual_high = table.pop("usual", (None, None))
        formula_words = table.pop("formula_words", "")
        if "source" not in table:
            raise self.wrong(path, f"指标“{key}”缺少 source（可以写在指标、小节或部分上）", "source", self.sources)
        table["source"] = self.sourced(table["source"], (*path, "source"))
        if usual_source := table.get("usual_source"):
            table["usual_source"] = self.usual_sourced(usual_source)
        self.fields[key] = FormField(
            key=key,
            kind=kind,
            part=part,
            section=section,
            usual_low=usual_low,
            usual_high=usual_high,
            **self.defaulted(table, kind, formula_words),
        )
        self.paths[key] = path
        return key

    def usual_sourced(self, words: str) -> str:
        short = re.split(r"[\s；;，,：:（(]", words, maxsplit=1)[0]
        return self.sources.get(short, short) + words[len(short) :]

    def check_field(self, table: Mapping[str, Any], kind: str, path: lines.Path) -> None:
        numeric = kind in ("number", "derived")
        needs = (
            ("units" in table and not numeric, "units", "只有 number 和 derived 可以有 units"),
            ("units" in table and "unit_of" in table, "unit_of", "units 和 unit_of 只能写一个"),
            ("choices" in table and kind not in ("choice", "choices", "yesno"), "choices", f"{kind} 不能有 choices"),
            ("reference" in table and kind != "choice", "reference", "只有 choice 可以有 reference"),
            (
                kind in ("choice", "choices") and not table.get("choices") and not table.get("reference"),
                "choices",
                f"{kind} 必须写 choices 或 reference",
            ),
            (
                any(mark in c for c in table.get("choices", ()) for mark in _CHOICE_MARKS),
                "choices",
                "选项里不能有“；”“;”或“|”",
            ),
            ((kind == "derived") != ("formula" in table), "formula", "derived 必须有 formula，其他种类不能有"),
            (
                "formula" in table and not table.get("formula_words"),
                "formula_words",
                "有 formula 就必须写 formula_words",
            ),
            (
                bool(table.get("pattern")) != bool(table.get("pattern_words")),
                "pattern",
                "pattern 和 pattern_words 要一起写",
            ),
            ("pattern" in table and kind not in _TEXT_KINDS, "pattern", "只有文字指标可以有 pattern"),
            ("usual" in table and not table.get("usual_source"), "usual", "有 usual 就必须写 usual_source"),
            ("max_length" in table and kind not in _TEXT_KINDS, "max_length", "只有文字指标可以有 max_length"),
            (kind == "derived" and table.get("required"), "required", "derived 由公式计算，不能 required"),
        )
        for broken, key, words in needs:
            if broken:
                raise self.wrong((*path, key), words, key)
        for key in ("decimals", "low", "high", "usual", "empty_words", "slip", "unit_of"):
            if key in table and not numeric:
                raise self.wrong((*path, key), f"只有 number 和 derived 可以有 {key}", key)
        try:
            re.compile(table.get("pattern", ""))
        except re.error:
            raise self.wrong((*path, "pattern"), "不是正确的正则表达式", table["pattern"]) from None

    def defaulted(self, table: dict[str, Any], kind: FieldKind, formula_words: str) -> dict[str, Any]:
        if kind == "number":
            table.setdefault("decimals", 4)
            table.setdefault("low", Decimal(0))
        if kind == "derived":
            table.setdefault("decimals", DERIVED_DECIMALS)
            table["formula"] = Formula(table["formula"], formula_words, ())
        if kind == "yesno":
            table.setdefault("choices", ("是", "否"))
        if kind in _DEFAULT_LENGTH:
            table.setdefault("max_length", _DEFAULT_LENGTH[kind])
        if listing := table.get("reference"):
            table["choices"] = (*reference.choices(listing), *table.get("choices", ()))
        if "units" in table and not table.get("unit"):
            table["unit"] = next((option.name for option in table["units"] if option.factor == 1), "")
        return table

    def share_units(self) -> None:
        for key, field in self.fields.items():
            path = self.paths[key]
            if field.units and field.unit and field.unit not in {o.name for o in field.units if o.factor == 1}:
                allowed = [option.name for option in field.units if option.factor == 1]
                raise self.wrong(
                    (*path, "unit"), f"“{field.unit}”不是 units 中 factor 为 1 的单位", field.unit, allowed
                )
            if not field.unit_of:
                continue
            master = self.fields.get(field.unit_of)
            if master is None or not master.units or master.unit_of:
                allowed = [f.key for f in self.fields.values() if f.units and not f.unit_of]
                raise self.wrong((*path, "unit_of"), f"“{field.unit_of}”不是有 units 的指标", field.unit_of, allowed)
            self.fields[key] = replace(field, units=master.units, unit=master.unit)

    def settled(self, part: Part) -> Part:
        """The part with the fields as they are after units and formulas were looked up."""
        sections = (
            Section(section.key, section.title, tuple(self.fields[field.key] for field in section.fields))
            for section in part.sections
        )
        return Part(part.key, part.title, part.layout, tuple(sections), part.note)

    # Expressions

    def describe_fields(self) -> None:
        """Fill the scope, formulas in the order in which they need each other."""
        for key, field in self.fields.items():
            if field.kind != "derived":
                self.scope[key] = variable_of(field)
        waiting = {key: field for key, field in self.fields.items() if field.formula}
        while waiting:
            ready = [k for k, f in waiting.items() if not expressions.names_in(_formula(f).text) & waiting.keys()]
            if not ready:
                key = next(iter(waiting))
                raise self.wrong((*self.paths[key], "formula"), f"公式互相引用，绕成了圈：{'、'.join(waiting)}", key)
            for key in ready:
                self.describe_formula(waiting.pop(key))

    def describe_formula(self, field: FormField) -> None:
        path = (*self.paths[field.key], "formula")
        formula = _formula(field)
        expression = self.expression(formula.text, path)
        if expression.type == "truth":
            raise self.wrong(path, "公式要算出数值或文字，不能是条件", formula.text)
        if expression.by_year and not field.yearly:
            raise self.wrong(path, f"“{field.key}”不分年度，公式读分年度指标时要用 total(…) 或 latest(…)", formula.text)
        if expression.functions & expressions.CONTEXT_FUNCTIONS:
            raise self.wrong(path, "公式只能由本表的指标算出", formula.text)
        self.fields[field.key] = replace(field, formula=Formula(formula.text, formula.words, expression.keys))
        self.scope[field.key] = variable_of(field, expression.type)

    def expression(self, text: str, path: lines.Path) -> Expression:
        try:
            return expressions.parse(text, self.scope, 3)
        except ExpressionError as problem:
            raise self.wrong(path, f"表达式“{text}”有误：{problem.message}", problem.word, problem.allowed) from None

    # Rules

    def rule_paths(self, raw: Iterable[Mapping[str, Any]]) -> list[lines.Path]:
        return [("rule", i) for i, table in enumerate(raw) for _ in _combinations(table.get("for", {}))]

    def rules(self, raw: Mapping[str, Any], path: lines.Path) -> list[Rule]:
        self.table(raw, _RULE, path)
        try:
            combinations = _combinations(raw.get("for", {}))
        except _Wrong as problem:
            raise self.wrong((*path, "for"), f"“for”{problem}", "for") from None
        return [self.rule(_replaced(raw, words), raw["id"], path) for words in combinations]

    def rule(self, raw: Mapping[str, Any], family: str, path: lines.Path) -> Rule:
        table = self.table(raw, _RULE, path)
        expression = self.expression(table["expect"], (*path, "expect"))
        if expression.type != "truth":
            raise self.wrong((*path, "expect"), "expect 要写成一个条件，例如 a >= b", table["expect"])
        names = table.get("names") or expression.keys
        if not names:
            raise self.wrong(path, "规则没有涉及任何指标，请写 names", table["id"])
        for name in (*names, *table.get("fix", {})):
            self.known(name, (*path, "names" if name in names else "fix"))
        level = FindingLevel(table["level"])
        rule = Rule(
            id=table["id"],
            family=family,
            level=level,
            title=table.get("title") or _RULE_TITLES[level],
            expect=table["expect"],
            message=table["message"],
            names=tuple(names),
            keep=table.get("keep", "confirm"),
            source=self.sourced(table["source"], (*path, "source")),
            official=table.get("official", "proposed"),
            reviewers_only=table.get("reviewers_only", False),
            fix=self.fix(table, expression, path),
            fix_words=table.get("fix_words", ""),
        )
        try:
            messages.parse(rule.message, self.scope, by_year=expression.by_year)
        except ExpressionError as problem:
            message = f"message 有误：{problem.message}"
            raise self.wrong((*path, "message"), message, problem.word, problem.allowed) from None
        return rule

    def fix(self, table: Mapping[str, Any], expression: Expression, path: lines.Path) -> tuple[tuple[str, str], ...]:
        fixes = []
        for key, text in table.get("fix", {}).items():
            text = self.value(_text, text, (*path, "fix"))
            amount = self.expression(text, (*path, "fix"))
            field = self.fields[key.removesuffix(PREVIOUS)]
            if amount.type != self.scope[field.key].type or field.kind == "derived" or field.locked:
                raise self.wrong((*path, "fix"), f"不能用“{text}”更正“{key}”：种类不同，或者这个指标不能填写", key)
            if (amount.by_year or key != field.key) and not expression.by_year:
                raise self.wrong((*path, "fix"), "不分年度的规则不能按年度更正", key)
            fixes.append((key, text))
        if bool(fixes) != bool(table.get("fix_words")):
            raise self.wrong((*path, "fix"), "fix 和 fix_words 要一起写", "fix_words")
        return tuple(fixes)

    def known(self, name: str, path: lines.Path) -> None:
        field = self.fields.get(name.removesuffix(PREVIOUS))
        if field is None or (name != field.key and not field.yearly):
            close = difflib.get_close_matches(name, self.fields, 1)
            hint = f"，您是不是想写“{close[0]}”" if close else ""
            raise self.wrong(path, f"没有指标“{name}”{hint}", name, self.fields)


def variable_of(field: FormField, derived: expressions.Type = "number") -> Variable:
    """A field as expressions see it."""
    numeric: expressions.Type = "number" if field.kind == "number" else "text"
    return Variable(
        key=field.key,
        type=derived if field.kind == "derived" else numeric,
        yearly=field.yearly,
        choices=field.choices if field.kind != "choices" else (),
        units=tuple(option.name for option in field.units) if not field.unit_of else (),
        remark=field.remark,
        several=field.kind == "choices",
    )


def _formula(field: FormField) -> Formula:
    assert field.formula is not None
    return field.formula


def _with_years(value: Any, year: int) -> Any:
    def words(text: str) -> str:
        return _YEAR_MARK.sub(lambda mark: str(year - int(mark[1] or 0)), text)

    return _mapped(value, words)


def _replaced(value: Mapping[str, Any], words: Mapping[str, str]) -> Mapping[str, Any]:
    def put(text: str) -> str:
        for mark, word in words.items():
            text = text.replace("{" + mark + "}", word)
        return text

    replaced: Mapping[str, Any] = _mapped({key: item for key, item in value.items() if key != "for"}, put)
    return replaced


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return value


def _combinations(loops: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every combination of the values of ``for``, each as mark → word."""
    axes = []
    for name, values in loops.items():
        if not isinstance(values, list) or not values:
            raise _Wrong('要写成 {p = ["a", "b"]} 或 {p = [{key = "a", name = "…"}]}')
        axes.append([_marks(name, value) for value in values])
    return [{k: w for marks in chosen for k, w in marks.items()} for chosen in itertools.product(*axes)]


def _marks(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        if "key" not in value:
            raise _Wrong("里的每一项要有 key")
        return {name if key == "key" else f"{name}.{key}": str(word) for key, word in value.items()}
    return {name: str(value)}


_TOML_WORDS = (
    ("Cannot overwrite", "同一项写了两次"),
    ("Cannot declare", "同一段写了两次"),
    ("Expected newline", "一行只能写一项"),
    ("Unterminated", "引号没有成对"),
    ("Invalid value", "等号后面的内容无法识别，文字要加引号"),
    ("Illegal character", "文字里有不能直接写的字符，换行请用三个引号"),
    ("Expected '='", "项目名后面要有等号"),
    ("Unclosed", "括号没有成对"),
    ("Invalid statement", "这一行无法识别"),
)


def _toml_words(problem: str) -> str:
    return next((words for start, words in _TOML_WORDS if problem.startswith(start)), "请检查引号、括号和等号")
