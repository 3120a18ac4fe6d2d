"""The small language of rules and formulas (核验表达式): text → checked, compiled, and the cells it reads. Exact decimals.

Only what is listed here exists; everything else is refused when the form is loaded. See ``loader`` for the words people use.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context as DecimalContext
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from models.enums import CellKind
from services.forms import names
from services.forms.findings import CellValue, Context

Type = Literal["number", "text", "truth"]
Scalar = Decimal | str | None
Run = Callable[[Sequence[Scalar], Sequence[CellValue], Context, Sequence[int]], Any]

# 60 digits: the product of two figures of 30 digits is exact, and only a division ever rounds.
EXACT = DecimalContext(prec=60, traps=[DivisionByZero, InvalidOperation, Overflow])

_LONGEST = 2000
_WORDS: Mapping[Type, str] = {"number": "数值", "text": "文字", "truth": "条件（成立或不成立）"}
CHOICE_SEPARATOR = "；"  # between the options of a 多选 cell


class ExpressionError(ValueError):
    """表达式有误: the sentence, the offending word and what is allowed in its place."""

    def __init__(self, message: str, word: str = "", allowed: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.word = word
        self.allowed = tuple(allowed)


class Silence(Exception):
    """无从判断: what the expression needs is not known, so it says nothing."""


class Variable(NamedTuple):
    """A field as expressions see it. ``choices``: the only texts it may be compared with."""

    key: str
    type: Type
    yearly: bool = False
    choices: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    remark: bool = False
    several: bool = False


class Read(NamedTuple):
    """A cell that is read: ``at`` is here (this year), previous, unit, remark, or the position of a year, oldest "0"."""

    key: str
    at: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression. ``run(values, cells, context, indexes)``, indexes parallel to ``reads``; ``needs``: positions
    in ``reads`` that must be filled before it is run. ``by_year``: it is asked for each year."""

    text: str
    type: Type
    run: Run
    reads: tuple[Read, ...]
    needs: tuple[int, ...]
    by_year: bool
    functions: frozenset[str]

    @property
    def keys(self) -> tuple[str, ...]:
        """The field keys it reads, in order of appearance."""
        return tuple(dict.fromkeys(read.key for read in self.reads))


def parse(text: str, scope: Mapping[str, Variable], years: int) -> Expression:
    """Check and compile; raises ``ExpressionError``. ``years``: how many years a yearly field has."""
    if len(text) > _LONGEST:
        raise ExpressionError(f"表达式太长（{len(text)} 字），最多 {_LONGEST} 字", text[:20])
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        at = getattr(problem, "offset", None)
        where = f"，第 {at} 个字符附近" if at else ""
        hint = "；请使用半角的括号、引号和运算符" if any(mark in text for mark in "（）“”＞＜＝＋－×÷，") else ""
        raise ExpressionError(f"表达式“{text}”写法不对{where}{hint}", text) from None
    writer = _Writer(text.strip(), scope, years)
    try:
        part = writer.write(tree)
        run = _compiled(part.code, writer.constants)
    except RecursionError:
        raise ExpressionError("表达式嵌套太深，请拆成几条", text[:20]) from None
    return Expression(
        text=text.strip(),
        type=part.type,
        run=run,
        reads=tuple(writer.reads),
        needs=tuple(sorted(writer.needs)),
        by_year=writer.by_year,
        functions=frozenset(writer.functions),
    )


def names_in(text: str) -> frozenset[str]:
    """Every bare name in an expression, unchecked: which formulas must be checked before this one."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(node.id.removesuffix(PREVIOUS) for node in ast.walk(tree) if isinstance(node, ast.Name))


PREVIOUS = "__prev"


class _Part(NamedTuple):
    code: str
    type: Type
    choices: tuple[str, ...] = ()


class _Writer:
    """Walks a syntax tree once and writes the code of what it knows; collects reads, needs and constants."""

    def __init__(self, text: str, scope: Mapping[str, Variable], years: int) -> None:
        self.text, self.scope, self.years = text, scope, years
        self.reads: list[Read] = []
        self.needs: set[int] = set()
        self.constants: list[Decimal | str] = []
        self.functions: set[str] = set()
        self.by_year = False

    def write(self, node: ast.expr) -> _Part:
        handler = _NODES.get(type(node))
        if handler is None:
            raise self.wrong(node, "这里不能这样写", _ALLOWED_NODES)
        return handler(self, node)

    def wrong(self, node: ast.AST, why: str, allowed: Iterable[str] = ()) -> ExpressionError:
        word = ast.get_source_segment(self.text, node) or self.text
        close = difflib.get_close_matches(word, list(allowed), 1)
        hint = f"。您是不是想写“{close[0]}”？" if close else ""
        return ExpressionError(f"“{word}”：{why}{hint}", word, allowed)

    def typed(self, node: ast.expr, wanted: Type) -> _Part:
        part = self.write(node)
        if part.type != wanted:
            raise self.wrong(node, f"这里需要{_WORDS[wanted]}，写的却是{_WORDS[part.type]}")
        return part

    def constant(self, value: Decimal | str) -> str:
        self.constants.append(value)
        return f"k[{len(self.constants) - 1}]"

    def position(self, key: str, at: str, *, needed: bool) -> int:
        read = Read(key, at)
        if read not in self.reads:
            self.reads.append(read)
        where = self.reads.index(read)
        if needed:
            self.needs.add(where)
        if at in ("here", "previous") and self.scope[key].yearly:
            self.by_year = True
        return where

    def variable(self, node: ast.expr) -> tuple[Variable, str]:
        """The field a bare name means, and whether of this or of the previous year."""
        if not isinstance(node, ast.Name):
            raise self.wrong(node, "这里只能写指标的 key")
        key = node.id.removesuffix(PREVIOUS)
        variable = self.scope.get(key)
        if variable is None:
            raise self.wrong(node, "没有这个指标", sorted(self.scope))
        if key == node.id:
            return variable, "here"
        if not variable.yearly:
            raise self.wrong(node, f"“{key}”不是分年度填写的指标，没有上一年的数值")
        return variable, "previous"


def _compiled(code: str, constants: Sequence[Decimal | str]) -> Run:
    # ``code`` holds nothing but what _NODES and _FUNCTIONS wrote: no name, attribute or text of the file gets into it.
    names_known = {"__builtins__": {}, "k": tuple(constants), "min": min, "max": max, "abs": abs, **_RUNTIME}
    run: Run = eval(compile(f"lambda v,c,s,i:{code}", "<核验表达式>", "eval"), names_known)
    return run


def _name(w: _Writer, node: Any) -> _Part:
    if node.id in _FUNCTIONS:
        raise w.wrong(node, f"这是函数，要写成 {_FUNCTIONS[node.id].usage}")
    variable, at = w.variable(node)
    return _Part(f"v[i[{w.position(variable.key, at, needed=True)}]]", variable.type, variable.choices)


def _constant(w: _Writer, node: Any) -> _Part:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float | str):
        raise w.wrong(node, "这里只能写数字、带引号的文字或指标的 key")
    if isinstance(node.value, str):
        return _Part(w.constant(node.value), "text")
    try:
        return _Part(w.constant(Decimal(ast.get_source_segment(w.text, node) or "")), "number")
    except InvalidOperation:
        raise w.wrong(node, "请写成普通的十进制数字，例如 0.3") from None


def _binary(w: _Writer, node: Any) -> _Part:
    sign = _ARITHMETIC.get(type(node.op))
    if sign is None:
        raise w.wrong(node, "不认识的运算", ("+", "-", "*", "/"))
    return _Part(f"({w.typed(node.left, 'number').code}{sign}{w.typed(node.right, 'number').code})", "number")


def _unary(w: _Writer, node: Any) -> _Part:
    if isinstance(node.op, ast.Not):
        return _Part(f"(not {w.typed(node.operand, 'truth').code})", "truth")
    if isinstance(node.op, ast.USub):
        return _Part(f"(-{w.typed(node.operand, 'number').code})", "number")
    raise w.wrong(node, "不认识的运算", ("-", "not"))


def _logical(w: _Writer, node: Any) -> _Part:
    word = " and " if isinstance(node.op, ast.And) else " or "
    return _Part(f"({word.join(w.typed(value, 'truth').code for value in node.values)})", "truth")


def _comparison(w: _Writer, node: Any) -> _Part:
    left_node, left = node.left, w.write(node.left)
    written = [left.code]
    for operator, right_node in zip(node.ops, node.comparators, strict=True):
        if isinstance(operator, ast.In | ast.NotIn):
            if not isinstance(right_node, ast.Tuple | ast.List) or left.type != "text":
                raise w.wrong(right_node, 'in 后面要写一组文字，例如 x in ("是", "否")')
            options = [_option(w, item, left.choices) for item in right_node.elts]
            right = _Part(f"({''.join(option + ',' for option in options)})", "text")
        else:
            right = w.write(right_node)
        sign = _COMPARISONS.get(type(operator))
        if sign is None:
            raise w.wrong(node, "不认识的比较", sorted(set(_COMPARISONS.values())))
        if left.type != right.type or left.type == "truth":
            raise w.wrong(node, f"不能拿{_WORDS[left.type]}和{_WORDS[right.type]}比较")
        if left.type == "text" and sign in ("<", "<=", ">", ">="):
            raise w.wrong(node, "文字只能比较是否相同", ("==", "!=", "in", "not in"))
        for one, other in ((left, right_node), (right, left_node)):
            if isinstance(other, ast.Constant) and one.choices:
                _option(w, other, one.choices)
        written += [f" {sign} ", right.code]
        left_node, left = right_node, right
    return _Part(f"({''.join(written)})", "truth")


def _option(w: _Writer, node: ast.expr, choices: tuple[str, ...]) -> str:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        raise w.wrong(node, "这里要写带引号的文字", [f'"{choice}"' for choice in choices])
    if choices and node.value not in choices:
        raise w.wrong(node, "不是这个指标的选项", [f'"{choice}"' for choice in choices])
    return w.constant(node.value)


def _conditional(w: _Writer, node: Any) -> _Part:
    test, yes, no = w.typed(node.test, "truth"), w.write(node.body), w.write(node.orelse)
    if yes.type != no.type:
        raise w.wrong(node, f"两种结果必须同类，现在一个是{_WORDS[yes.type]}，一个是{_WORDS[no.type]}")
    return _Part(f"({yes.code} if {test.code} else {no.code})", yes.type)


def _call(w: _Writer, node: Any) -> _Part:
    if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS:
        raise w.wrong(node.func, "没有这个函数", sorted(_FUNCTIONS))
    function = _FUNCTIONS[node.func.id]
    if node.keywords or not function.least <= len(node.args) <= function.most:
        raise w.wrong(node, f"写法是 {function.usage}")
    w.functions.add(node.func.id)
    return function.write(w, node.args)


_ARITHMETIC: Mapping[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS: Mapping[type, str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_NODES: Mapping[type, Callable[[_Writer, Any], _Part]] = {
    ast.Name: _name,
    ast.Constant: _constant,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _logical,
    ast.Compare: _comparison,
    ast.IfExp: _conditional,
    ast.Call: _call,
}
_ALLOWED_NODES = (
    "指标的 key",
    "数字",
    "带引号的文字",
    "+ - * /",
    "< <= > >= == != in",
    "and or not",
    "A if 条件 else B",
    "函数",
)


# The functions. Each writes its own code; ``needed=False`` reads a cell without asking that it be filled.


def _of_numbers(name: str) -> Callable[[_Writer, list[ast.expr]], _Part]:
    def write(w: _Writer, args: list[ast.expr]) -> _Part:
        return _Part(f"{name}({','.join(w.typed(arg, 'number').code for arg in args)})", "number")

    return write


def _of_kind(name: str) -> Callable[[_Writer, list[ast.expr]], _Part]:
    def write(w: _Writer, args: list[ast.expr]) -> _Part:
        variable, at = w.variable(args[0])
        return _Part(f"{name}(c[i[{w.position(variable.key, at, needed=False)}]])", "truth")

    return write


def _filled(w: _Writer, args: list[ast.expr]) -> _Part:
    variable, at = w.variable(args[0])
    return _Part(f"(v[i[{w.position(variable.key, at, needed=False)}]] is not None)", "truth")


def _or_zero(w: _Writer, args: list[ast.expr]) -> _Part:
    variable, at = _number_variable(w, args[0])
    where = w.position(variable.key, at, needed=False)
    return _Part(f"or_zero(v[i[{where}]], c[i[{where}]])", "number")


def _over_years(name: str) -> Callable[[_Writer, list[ast.expr]], _Part]:
    def write(w: _Writer, args: list[ast.expr]) -> _Part:
        variable, at = _number_variable(w, args[0])
        if not variable.yearly or at != "here":
            raise w.wrong(args[0], f"{name} 只用于分年度填写的指标")
        cells = [f"v[i[{w.position(variable.key, str(y), needed=False)}]]" for y in range(w.years)]
        return _Part(f"{name}({','.join(cells)})", "number")

    return write


def _latest(w: _Writer, args: list[ast.expr]) -> _Part:
    variable, at = w.variable(args[0])
    if not variable.yearly or at != "here":
        raise w.wrong(args[0], "latest 只用于分年度填写的指标")
    where = w.position(variable.key, str(w.years - 1), needed=True)
    return _Part(f"v[i[{where}]]", variable.type, variable.choices)


def _number_variable(w: _Writer, node: ast.expr) -> tuple[Variable, str]:
    variable, at = w.variable(node)
    if variable.type != "number":
        raise w.wrong(node, "这里只能写数值指标的 key")
    return variable, at


def _chosen(w: _Writer, args: list[ast.expr]) -> _Part:
    variable, at = w.variable(args[0])
    if not variable.choices:
        raise w.wrong(args[0], "这个指标没有选项")
    options = "".join(_option(w, arg, variable.choices) + "," for arg in args[1:])
    where = w.position(variable.key, at, needed=False)
    return _Part(f"chosen(v[i[{where}]], ({options}))", "truth")


def _count(w: _Writer, args: list[ast.expr]) -> _Part:
    variable, at = w.variable(args[0])
    if not variable.several:
        raise w.wrong(args[0], "count 只用于多选指标")
    return _Part(f"count(v[i[{w.position(variable.key, at, needed=True)}]])", "number")


def _unit(w: _Writer, args: list[ast.expr]) -> _Part:
    variable, _ = w.variable(args[0])
    if not variable.units:
        raise w.wrong(args[0], "这个指标没有可选的计量单位")
    return _Part(f"v[i[{w.position(variable.key, 'unit', needed=True)}]]", "text", variable.units)


def _has_remark(w: _Writer, args: list[ast.expr]) -> _Part:
    variable, _ = w.variable(args[0])
    if not variable.remark:
        raise w.wrong(args[0], "这个指标没有特殊情况说明")
    return _Part(f"(v[i[{w.position(variable.key, 'remark', needed=False)}]] is not None)", "truth")


def _of_texts(name: str, result: Type, *more: str) -> Callable[[_Writer, list[ast.expr]], _Part]:
    def write(w: _Writer, args: list[ast.expr]) -> _Part:
        texts = [w.typed(arg, "text").code for arg in args]
        return _Part(f"{name}({','.join([*more, *texts])})", result)

    return write


def _same_start(w: _Writer, args: list[ast.expr]) -> _Part:
    texts = [w.typed(arg, "text").code for arg in args[:2]]
    length = args[2]
    if not isinstance(length, ast.Constant) or not isinstance(length.value, int) or not 0 < length.value <= 100:
        raise w.wrong(length, "第三项是比较的字数，写 1 到 100 的整数")
    return _Part(f"same_start({','.join(texts)},{length.value})", "truth")


class Function(NamedTuple):
    """A word of the language: how it is written, how many arguments, and who writes its code."""

    usage: str
    least: int
    most: int
    write: Callable[[_Writer, list[ast.expr]], _Part]


_FUNCTIONS: Mapping[str, Function] = {
    "min": Function("min(a, b, …)", 2, 20, _of_numbers("min")),
    "max": Function("max(a, b, …)", 2, 20, _of_numbers("max")),
    "abs": Function("abs(a)", 1, 1, _of_numbers("abs")),
    "filled": Function("filled(key)", 1, 1, _filled),
    "blank": Function("blank(key)", 1, 1, _of_kind("is_blank")),
    "not_applicable": Function("not_applicable(key)", 1, 1, _of_kind("is_not_applicable")),
    "stopped": Function("stopped(key)", 1, 1, _of_kind("is_stopped")),
    "or_zero": Function("or_zero(key)", 1, 1, _or_zero),
    "total": Function("total(key)", 1, 1, _over_years("total")),
    "latest": Function("latest(key)", 1, 1, _latest),
    "chosen": Function('chosen(key, "选项", …)', 2, 20, _chosen),
    "count": Function("count(key)", 1, 1, _count),
    "unit": Function("unit(key)", 1, 1, _unit),
    "has_remark": Function("has_remark(key)", 1, 1, _has_remark),
    "has_attachment": Function("has_attachment()", 0, 0, _of_texts("has_attachment", "truth", "s")),
    "listed": Function("listed(key)", 1, 1, _of_texts("listed", "truth", "s")),
    "on_roster": Function("on_roster(key)", 1, 1, _of_texts("on_roster", "truth", "s")),
    "valid_credit_code": Function("valid_credit_code(key)", 1, 1, _of_texts("valid_credit_code", "truth")),
    "same_name": Function("same_name(a, b)", 2, 2, _of_texts("same_name", "truth")),
    "same_start": Function("same_start(a, b, 字数)", 3, 3, _same_start),
    "length": Function("length(a)", 1, 1, _of_texts("length", "number")),
}
FUNCTION_NAMES = frozenset(_FUNCTIONS)
CONTEXT_FUNCTIONS = frozenset({"has_attachment", "listed", "on_roster", "valid_credit_code"})


def _total(*figures: Decimal | None) -> Decimal:
    known = [figure for figure in figures if figure is not None]
    if not known:
        raise Silence
    return sum(known, Decimal(0))


def _zero_if_empty(figure: Scalar, cell: CellValue) -> Scalar:
    if figure is None and cell.kind is CellKind.INVALID:
        raise Silence
    return Decimal(0) if figure is None else figure


def _is_listed(context: Context, name: str) -> bool:
    return _is_among(frozenset(context.listed_names), name)


def _is_on_roster(context: Context, name: str) -> bool:
    return _is_among(context.roster_names, name)


def _is_among(known: frozenset[str], name: str) -> bool:
    if not known:
        raise Silence
    return names.normalise(name) in _normalised(known)


@lru_cache(maxsize=16)
def _normalised(known: frozenset[str]) -> frozenset[str]:
    return frozenset(names.normalise(name) for name in known)  # thousands of names, asked at every check


def _starts_alike(a: str, b: str, length: int) -> bool:
    return names.normalise(a)[:length] == names.normalise(b)[:length]


_RUNTIME: Mapping[str, Any] = {
    "total": _total,
    "or_zero": _zero_if_empty,
    "is_blank": lambda cell: cell.kind is CellKind.BLANK,
    "is_not_applicable": lambda cell: cell.kind is CellKind.NOT_APPLICABLE,
    "is_stopped": lambda cell: cell.kind is CellKind.STOPPED,
    "chosen": lambda value, options: value in options,
    "count": lambda value: Decimal(len(value.split(CHOICE_SEPARATOR))),
    "has_attachment": lambda context: context.has_attachment,
    "listed": _is_listed,
    "on_roster": _is_on_roster,
    "valid_credit_code": names.credit_code_valid,
    "same_name": lambda a, b: names.normalise(a) == names.normalise(b),
    "same_start": _starts_alike,
    "length": lambda text: Decimal(len(text)),
}
