"""The rule language (核验表达式): what it says, and that nothing else gets in."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enums import CellKind
from services.forms import expressions
from services.forms.cells import BLANK
from services.forms.expressions import EXACT, ExpressionError, Silence, Variable
from services.forms.findings import CellValue, Context

SCOPE = {
    "a": Variable("a", "number", yearly=True, remark=True),
    "b": Variable("b", "number", yearly=True),
    "once": Variable("once", "number"),
    "name": Variable("name", "text"),
    "pick": Variable("pick", "text", choices=("是", "否")),
    "many": Variable("many", "text", several=True),
    "mass": Variable("mass", "number", units=("吨", "件")),
}


def said(text: str, context: Context | None = None, **values: str | int | None) -> object:
    """Evaluate with cells ``a``, ``a_previous``, ``a_0`` … given as values; None is blank."""
    expression = expressions.parse(text, SCOPE, 3)
    cells, figures = [], []
    for read in expression.reads:
        name = read.key if read.at == "here" else f"{read.key}_{read.at}"
        value = values.get(name)
        figures.append(Decimal(value) if isinstance(value, int) else None if value in ("停产", "坏") else value)
        kinds = {None: CellKind.BLANK, "停产": CellKind.STOPPED, "坏": CellKind.INVALID}
        cells.append(BLANK if value is None else CellValue(str(value), kinds.get(value, CellKind.TEXT)))  # type: ignore[call-overload]
    with localcontext(EXACT):
        return expression.run(figures, cells, context or Context(), range(len(cells)))


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        ("a + b * 2 - 1", {"a": 1, "b": 3}, Decimal(6)),
        ("(a + b) / 2", {"a": 1, "b": 2}, Decimal("1.5")),
        ("-a", {"a": 1}, Decimal(-1)),
        ("0.1 + 0.2 == 0.3", {}, True),
        ("0 <= a <= 100", {"a": 100}, True),
        ("a >= b and not a == 1", {"a": 1, "b": 0}, False),
        ("a if a > b else b", {"a": 1, "b": 2}, Decimal(2)),
        ("min(a, b, 5) + max(a, b) + abs(a - b)", {"a": 1, "b": 4}, Decimal(8)),
        ("a > a__prev", {"a": 2, "a_previous": 1}, True),
        ("total(a)", {"a_0": 1, "a_1": None, "a_2": 3}, Decimal(4)),
        ("latest(a)", {"a_2": 3}, Decimal(3)),
        ('pick == "是"', {"pick": "是"}, True),
        ('pick in ("是", "否")', {"pick": "否"}, True),
        ('chosen(pick, "是")', {"pick": None}, False),
        ("filled(a) or blank(b)", {"a": None, "b": None}, True),
        ("filled(a)", {"a": 0}, True),
        ("stopped(a)", {"a": "停产"}, True),
        ("blank(a) or not_applicable(a)", {"a": "停产"}, False),
        ("or_zero(a) + or_zero(b)", {"a": "停产", "b": 2}, Decimal(2)),
        ("count(many)", {"many": "甲；乙"}, Decimal(2)),
        ('unit(mass) == "吨"', {"mass_unit": "吨"}, True),
        ("has_remark(a)", {"a_remark": "说明"}, True),
        ('same_name(name, "某某（甲）厂")', {"name": "某某(甲)厂"}, True),
        ('same_start(name, "ABC9", 3)', {"name": "ａｂｃ1"}, True),
        ("length(name)", {"name": "甲乙丙"}, Decimal(3)),
        ("valid_credit_code(name)", {"name": "91110000600037341L"}, True),
        ('"a" == "b"', {}, False),
    ],
)
def test_expression_means(text: str, values: dict[str, str | int | None], result: object) -> None:
    assert said(text, **values) == result


def test_lists_are_asked_without_width_and_stay_silent_when_unknown() -> None:
    known = Context(listed_names=("某某（甲）厂",), roster_names=frozenset({"原厂"}), has_attachment=True)
    assert said("listed(name)", known, name="某某(甲)厂") is True
    assert said("on_roster(name)", known, name="原 厂") is True
    assert said("on_roster(name)", known, name="他厂") is False
    assert said("has_attachment()", known) is True
    for text in ("listed(name)", "on_roster(name)"):
        with pytest.raises(Silence):
            said(text, name="甲")


def test_sum_and_zero_are_silent_without_anything_to_say() -> None:
    with pytest.raises(Silence):
        said("total(a)")
    with pytest.raises(Silence):
        said("or_zero(a)", a="坏")


def test_names_and_needs_are_extracted() -> None:
    expression = expressions.parse("filled(a) and b > a__prev + once", SCOPE, 3)
    assert expression.keys == ("a", "b", "once")
    assert {expression.reads[position].key for position in expression.needs} == {"a", "b", "once"}
    assert {expression.reads[position].at for position in expression.needs} == {"here", "previous"}
    assert expression.by_year
    assert not expressions.parse("total(a) > once", SCOPE, 3).by_year


@pytest.mark.parametrize(
    "text",
    [
        "", "a +", "a = 1", "a; b", "lambda: 1", "[a]", "{a}", "a[0]", "a.b", "f'{a}'", "a if b else once", "a // b", "a % b",
        "a ** b", "a << 1", "~a", "+a", "a is b", "None", "True", "...", "1j", "0x10 + a", "b'x'", "unknown", "a__prev__prev",
        "once__prev", "min(a)", "min(*a)", "min(a, b, key=1)", "filled(a + 1)", "filled()", "total(once)", "total(a__prev)",
        "latest(once)", "count(name)", "unit(a)", 'unit(mass) == "斤"', "has_remark(b)", 'pick == "也许"', '"也许" == pick',
        'pick in ("也许",)', "pick in pick", 'chosen(a, "是")', 'chosen(pick, "也许")', 'pick < "是"', "a == name", "a and b",
        "not a", "(a > b) == (b > a)", "(a > b) + 1", "min", "__import__('os')", "().__class__", "a(1)", "(a)(b)",
        "same_start(name, name, 0)", "same_start(name, name, a)", "or_zero(name)", "has_attachment(a)", "a" * 3000,
        "(" * 500 + "a" + ")" * 500, "-" * 1500 + "a", "yield a", "await a", "a := 1",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        expressions.parse(text, SCOPE, 3)
    assert refusal.value.message


@given(st.text(alphabet="ab_()+-*/<>=!., \"'是否andotfilled0123456789[]{}:;@", max_size=40))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        expressions.parse(text, SCOPE, 3)
    except ExpressionError as refusal:
        assert refusal.message
