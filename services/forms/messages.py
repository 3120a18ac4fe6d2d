"""Message templates of rules (提示语模板): text with ``{…}`` → pieces that can be filled in quickly; words in ``loader``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from services.forms import expressions
from services.forms.expressions import PREVIOUS, Expression, ExpressionError, Variable

Aspect = Literal[
    "words", "year", "last_year", "shown", "value", "label", "unit", "formula", "usual", "guidance", "computed"
]

NOTHING = "—"
_MARK = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_ASPECTS: Mapping[str, Aspect] = {
    "label": "label",
    "value": "value",
    "unit": "unit",
    "formula": "formula",
    "usual": "usual",
    "guidance": "guidance",
}
_BRACES = {"{{": "{", "}}": "}"}


class Piece(NamedTuple):
    """One piece: plain words, or what stands for it in the cell ``key`` (``at``: here or previous), or a computed figure."""

    aspect: Aspect
    words: str = ""
    key: str = ""
    at: str = "here"
    expression: Expression | None = None
    decimals: int = 4


def parse(text: str, scope: Mapping[str, Variable], *, by_year: bool) -> tuple[Piece, ...]:
    """Take a message apart; raises ``ExpressionError`` for an unknown mark."""
    pieces: list[Piece] = []
    end = 0
    for mark in _MARK.finditer(text):
        if mark.start() > end:
            pieces.append(Piece("words", text[end : mark.start()]))
        end = mark.end()
        if mark[0] in _BRACES:
            pieces.append(Piece("words", _BRACES[mark[0]]))
        elif mark[1] is None:
            raise ExpressionError(f"“{text[mark.start() : mark.start() + 12]}”处的大括号没有成对", mark[0])
        else:
            pieces.append(_piece(mark[1].strip(), scope, by_year))
    if end < len(text):
        pieces.append(Piece("words", text[end:]))
    return tuple(pieces)


def _piece(mark: str, scope: Mapping[str, Variable], by_year: bool) -> Piece:
    if mark in ("year", "last_year"):
        if not by_year:
            raise ExpressionError(f"这条规则不分年度，不能写“{{{mark}}}”，可以写 {{Y-1}}", mark)
        return Piece("year" if mark == "year" else "last_year")
    if mark.startswith("="):
        return _computed(mark[1:], scope, by_year)
    name, _, aspect = mark.partition(".")
    key = name.removesuffix(PREVIOUS)
    if key not in scope:
        raise ExpressionError(f"“{{{mark}}}”：没有指标“{key}”", key, sorted(scope))
    if aspect and aspect not in _ASPECTS:
        raise ExpressionError(f"“{{{mark}}}”：不认识“{aspect}”", aspect, _ASPECTS)
    if name != key and not (scope[key].yearly and by_year):
        raise ExpressionError(f"“{{{mark}}}”：没有上一年的数值", name)
    return Piece(_ASPECTS[aspect] if aspect else "shown", key=key, at="here" if name == key else "previous")


def _computed(text: str, scope: Mapping[str, Variable], by_year: bool) -> Piece:
    formula, _, decimals = text.partition(";")
    expression = expressions.parse(formula, scope, 3)
    if expression.type == "truth" or (expression.by_year and not by_year):
        raise ExpressionError(f"“{{={text}}}”要算出这条规则所在年度的数值或文字", formula)
    if decimals.strip() and not re.fullmatch(r"[0-9]", decimals.strip()):
        raise ExpressionError(f"“{{={text}}}”分号后面写小数位数，0 到 9", decimals)
    return Piece("computed", expression=expression, decimals=int(decimals) if decimals.strip() else 4)
