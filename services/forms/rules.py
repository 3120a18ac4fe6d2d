"""The checks of a form (核验规则): what each cell must be by itself, and the ``[[rule]]`` sentences between cells.

A check is a closure over cell numbers, made once per template; run on a sheet's lists it gives a finding or None.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, DecimalException, DivisionByZero
from typing import Any, NamedTuple

from models.enums import CellKind, FindingLevel
from services.forms import cells as cells_room
from services.forms import messages
from services.forms.cells import decimals_of, figure, grouped, plain, rounded, show, with_unit
from services.forms.expressions import CONTEXT_FUNCTIONS, EXACT, PREVIOUS, Expression, Read, Scalar, Silence
from services.forms.findings import CellValue, Context, Finding, Fix
from services.forms.grid import NOWHERE, Grid
from services.forms.messages import NOTHING, Piece
from services.forms.template import UNIT_SLOT, Address, FormField, Rule

Values = Sequence[Scalar]
Cells = Sequence[CellValue]
Run = Callable[[Values, Cells, Context], Finding | None]
Say = Callable[[Values, Cells, Context], str]

ERROR_TITLE = "校验错误"
USUAL_TITLE = "数值超出范围警告"
REMARK_LENGTH = 500
ASK = "请核实数据准确性，如数据无误，请继续填报。"  # 官方弹窗的结尾 (SEED0)

_EMPTY = (CellKind.BLANK, CellKind.INVALID)
_FEW = 12  # so many options are named in a message, more are left to the drop-down
_SLIP_LEAST, _SLIP_MOST = 0.85, 1.15  # within 15 % of a power of ten
_SLIP_POWERS = (1, 2, 3, 4)


class Check(NamedTuple):
    """One check: ``reads`` are the cells after whose change it is run again."""

    run: Run
    reads: tuple[int, ...]
    asks_context: bool = False


def checks_of(grid: Grid) -> tuple[Check, ...]:
    """Every check of a form, in the order of the form, the rules last."""
    fixed_by_rule = {key.removesuffix(PREVIOUS) for rule in grid.template.rules for key, _ in rule.fix}
    checks: list[Check] = []
    for key, field in grid.template.fields.items():
        made = (_cell_check(grid, field, slot) for slot in grid.template.slots(key))
        checks += [check for check in made if check]
        if field.kind == "number" and field.yearly and field.slip and key not in fixed_by_rule:
            checks.append(_slip_check(grid, field))
        if unit_cell := grid.index.get(Address(key, UNIT_SLOT)):
            checks.append(_unit_check(grid, field, unit_cell))
        if remark := grid.remark_cell(key):
            checks.append(_remark_check(grid, field, remark))
    for rule in grid.template.rules:
        checks += _rule_checks(grid, rule)
    return tuple(checks)


def is_excused(cells: Cells, cell: int, remark: int) -> bool:
    """A blank year before the last is excused by the row's 特殊情况说明 (a factory that did not exist yet)."""
    return bool(remark) and cells[cell].kind is CellKind.BLANK and cells[remark].kind is CellKind.TEXT


def excusing_remark(grid: Grid, field: FormField, slot: str) -> int:
    """The remark cell that may excuse a blank required cell, or NOWHERE."""
    older = field.yearly and slot != str(grid.template.years[-1])
    return grid.remark_cell(field.key) if older else NOWHERE


@dataclass(frozen=True, slots=True)
class _Place:
    """A cell and how it is spoken of: 2024年工业总产值."""

    grid: Grid
    field: FormField
    slot: str
    cell: int
    unit_cell: int

    @property
    def words(self) -> str:
        return f"{self.slot}年{self.field.label}" if self.slot.isdigit() else self.field.label

    def unit(self, cells: Cells) -> str:
        return cells[self.unit_cell].text if self.unit_cell else self.field.unit

    def shown(self, cells: Cells) -> str:
        """The figure with its unit, as typed; — for nothing."""
        cell = cells[self.cell]
        unit = self.unit(cells)
        text = show(cell, self.field, unit) or NOTHING
        return with_unit(text, unit) if cell.kind is CellKind.NUMBER else text

    def amount(self, value: Decimal, cells: Cells) -> str:
        """A canonical amount in the unit that is typed in this row."""
        return with_unit(grouped(self.typed(value, cells)), self.unit(cells))

    def typed(self, value: Decimal, cells: Cells) -> Decimal:
        factor = cells_room.factor_of(self.field, self.unit(cells))
        return value if factor is None else rounded(EXACT.divide(value, factor), None)

    def usual(self, cells: Cells) -> str:
        low, high = self.field.usual_low, self.field.usual_high
        if low is None or high is None:
            bound = low if high is None else high
            return "" if bound is None else f"{'不低于' if high is None else '不高于'}{self.amount(bound, cells)}"
        return f"{self.amount(low, cells)}至{self.amount(high, cells)}"

    def finding(self, cells: Cells, rule: str, level: FindingLevel, message: str, **more: object) -> Finding:
        return _finding(
            self.grid, cells, f"{rule}@{self.grid.addresses[self.cell]}", rule, level, message, (self.cell,), **more
        )


def _place(grid: Grid, cell: int) -> _Place:
    return _Place(grid, grid.field(cell), grid.addresses[cell].slot, cell, grid.unit_cells[cell])


def _finding(
    grid: Grid,
    cells: Cells,
    identity: str,
    rule: str,
    level: FindingLevel,
    message: str,
    where: tuple[int, ...],
    **more: object,
) -> Finding:
    said: dict[str, Any] = {
        "title": ERROR_TITLE if level is FindingLevel.ERROR else USUAL_TITLE,
        "cells": tuple([grid.addresses[cell] for cell in where]),
        "values_hash": _hash(grid, cells, where),
        "popup": level is FindingLevel.WARNING,
        **more,
    }
    return Finding(id=identity, rule=rule, level=level, message=message, **said)


def _hash(grid: Grid, cells: Cells, where: tuple[int, ...]) -> str:
    """What an explanation is bound to: the texts of the cells and their units."""
    # The unit of an empty cell says nothing: choosing it must not stir the finding.
    said = [
        f"{text}\x1e{cells[grid.unit_cells[cell]].text if text else ''}"
        for cell in where
        for text in (cells[cell].text,)
    ]
    return hashlib.blake2b("\x1f".join(said).encode(), digest_size=8).hexdigest()


# What a cell must be by itself


def _cell_check(grid: Grid, field: FormField, slot: str) -> Check | None:
    place = _place(grid, grid.index[Address(field.key, slot)])
    if field.kind == "derived":
        return _derived_check(grid, place) if _has_bounds(field) else None
    remark = excusing_remark(grid, field, slot)
    judge = _judge_number if field.kind == "number" else _judge_text(field)
    at, required = place.cell, field.required

    def run(values: Values, cells: Cells, context: Context) -> Finding | None:
        cell = cells[at]
        if cell.kind is CellKind.BLANK:
            return _missing(place, cells, remark) if required else None
        return judge(place, cell, values[at], cells)

    return Check(run, tuple({at, place.unit_cell, remark} - {NOWHERE}))


def _has_bounds(field: FormField) -> bool:
    return any(bound is not None for bound in (field.low, field.high, field.usual_low, field.usual_high))


def _missing(place: _Place, cells: Cells, remark: int) -> Finding:
    if is_excused(cells, place.cell, remark):
        said = cells[remark].text
        message = (
            f"{place.words}没有填写，本行“特殊情况说明”写的是：{said[:60]}{'…' if len(said) > 60 else ''}。"
            "如该年确实没有数据（例如尚未投产），请确认；否则请补填。"
        )
        where = (place.cell, remark)
        return _finding(
            place.grid, cells, f"required@{place.grid.addresses[place.cell]}", "required", FindingLevel.WARNING, message,
            where, title="缺少数据确认", popup=False,
        )  # fmt: skip
    hint = _how_to_fill(place.field)
    later = "；该年尚未投产的，请在本行“特殊情况说明”中写明原因" if remark else ""
    return place.finding(cells, "required", FindingLevel.ERROR, f"{place.words}没有填写，这是必填项。{hint}{later}。")


def _how_to_fill(field: FormField) -> str:
    if field.locked:
        return "这一项由单位注册信息带出，请先在“单位信息”中补全"
    if field.kind == "number":
        empty = "，没有此项的填“不涉及”，全年停产的填“停产”" if field.empty_words else ""
        return f"请按填写说明补填，没有发生的填0{empty}"
    return "请从选项中选择" if field.choices or field.kind == "industry" else "请补填"


def _judge_number(place: _Place, cell: CellValue, value: Scalar, cells: Cells) -> Finding | None:
    field = place.field
    if cell.kind is CellKind.INVALID:
        why = cells_room.why_unreadable(field, cell.text)
        message = f"{place.words}填写的“{_short(cell.text)}”无法识别为数字，已按原样保留。{why}"
        return place.finding(cells, "number", FindingLevel.ERROR, message)
    if not isinstance(value, Decimal):
        return None
    if (field.low is not None and value < field.low) or (field.high is not None and value > field.high):
        return _out_of_bounds(place, value, cells)
    if field.decimals is not None and "." in cell.text and (finding := _too_fine(place, cell, cells)):
        return finding
    return _unusual(place, value, cells, (place.cell,))


def _out_of_bounds(place: _Place, value: Decimal, cells: Cells) -> Finding:
    low, high = place.field.low, place.field.high
    if low is not None and value < low:
        allowed = "不能是负数" if not low else f"不能小于{place.amount(low, cells)}"
    else:
        assert high is not None
        allowed = f"不能大于{place.amount(high, cells)}"
    message = f"{place.words}为{place.shown(cells)}，{allowed}。请核对数值、正负号和计量单位后更正。"
    return place.finding(cells, "bounds", FindingLevel.ERROR, message)


def _too_fine(place: _Place, cell: CellValue, cells: Cells) -> Finding | None:
    most = place.field.decimals or 0
    if cell.text == cell.value and len(cell.text) - cell.text.index(".") - 1 <= most:
        return None
    typed = figure(cell.text, place.unit(cells), ratio=cells_room.is_ratio(place.field))
    if typed is None or decimals_of(typed) <= most:
        return None
    right = plain(rounded(typed, most))
    allowed = f"最多{most}位" if most else "这一项只能填整数"
    message = f"{place.words}为{place.shown(cells)}，有{decimals_of(typed)}位小数，{allowed}。请四舍五入为{right}。"
    fix = Fix(f"四舍五入为{right}", {str(place.grid.addresses[place.cell]): right})
    return place.finding(cells, "decimals", FindingLevel.ERROR, message, fix=fix)


def _unusual(place: _Place, value: Decimal, cells: Cells, where: tuple[int, ...]) -> Finding | None:
    field = place.field
    low, high = field.usual_low, field.usual_high
    if (low is None or value >= low) and (high is None or value <= high):
        return None
    drawn = f"取数依据：{field.guidance.rstrip('。')}。" if field.guidance and not field.formula else ""
    if field.formula:
        drawn = f"计算公式：{field.formula.words}。"
    found = f"{place.words}为{place.shown(cells)}，常规范围为{place.usual(cells)}（{field.usual_source}）。"
    message = f"{found}{drawn}该值超出常规范围，{ASK}"
    return _finding(
        place.grid, cells, f"usual@{place.grid.addresses[place.cell]}", "usual", FindingLevel.WARNING, message, where,
        source=field.usual_source,
    )  # fmt: skip


def _derived_check(grid: Grid, place: _Place) -> Check:
    assert place.field.formula is not None
    expression = grid.parse(place.field.formula.text)
    inputs = tuple(dict.fromkeys(grid.cell_of(read, place.slot) for read in expression.reads))
    where = (place.cell, *(cell for cell in inputs if cell))
    at, field = place.cell, place.field

    def run(values: Values, cells: Cells, context: Context) -> Finding | None:
        value = values[at]
        if not isinstance(value, Decimal):
            return None
        if (field.low is not None and value < field.low) or (field.high is not None and value > field.high):
            finding = _out_of_bounds(place, value, cells)
            named = "、".join(dict.fromkeys(grid.field(cell).label for cell in where[1:]))
            message = f"{finding.message[: finding.message.index('请核对')]}它由{named}算出，请核对这些数据后更正。"
            return replace(
                finding,
                message=message,
                cells=tuple(grid.addresses[c] for c in where),
                values_hash=_hash(grid, cells, where),
            )
        return _unusual(place, value, cells, where)

    return Check(run, tuple({*where, *(grid.unit_cells[cell] for cell in where)} - {NOWHERE}))


def _judge_text(field: FormField) -> Callable[[_Place, CellValue, Scalar, Cells], Finding | None]:
    pattern = re.compile(field.pattern) if field.pattern else None

    def judge(place: _Place, cell: CellValue, value: Scalar, cells: Cells) -> Finding | None:
        if cell.kind is CellKind.INVALID:
            options = f"可选：{'、'.join(field.choices)}" if 0 < len(field.choices) <= _FEW else "请从下拉列表中选择"
            message = f"{place.words}填写的“{_short(cell.text)}”不在可选项中，已按原样保留。{options}。"
            return place.finding(cells, "choice", FindingLevel.ERROR, message)
        if field.max_length is not None and len(cell.text) > field.max_length:
            return _too_long(place, cell, cells, place.words, field.max_length)
        if pattern is not None and not pattern.fullmatch(cell.text):
            message = f"{place.words}填写的“{_short(cell.text)}”格式不正确：{field.pattern_words.rstrip('。')}。"
            return place.finding(cells, "pattern", FindingLevel.ERROR, message)
        return None

    return judge


def _too_long(place: _Place, cell: CellValue, cells: Cells, words: str, most: int) -> Finding:
    length = len(cell.text)
    message = f"{words}共{length}字，最多{most}字，请删减{length - most}字；内容较多的可在“更多附件”中上传。"
    return place.finding(cells, "length", FindingLevel.ERROR, message)


def _remark_check(grid: Grid, field: FormField, remark: int) -> Check:
    place = _place(grid, remark)

    def run(values: Values, cells: Cells, context: Context) -> Finding | None:
        cell = cells[remark]
        if len(cell.text) <= REMARK_LENGTH:
            return None
        return _too_long(place, cell, cells, f"{field.label}的特殊情况说明", REMARK_LENGTH)

    return Check(run, (remark,))


def _unit_check(grid: Grid, field: FormField, unit_cell: int) -> Check:
    place = _place(grid, unit_cell)
    figures = grid.governed[unit_cell]
    options = "、".join(option.name for option in field.units)

    def run(values: Values, cells: Cells, context: Context) -> Finding | None:
        cell = cells[unit_cell]
        if cell.kind is CellKind.INVALID:
            message = f"{field.label}的计量单位“{_short(cell.text)}”不在可选项中，已按原样保留。可选：{options}。"
            return place.finding(cells, "choice", FindingLevel.ERROR, message)
        if cell.kind is not CellKind.BLANK or not any(
            cells[n].kind in (CellKind.NUMBER, CellKind.INVALID) for n in figures
        ):
            return None
        message = f"{field.label}已填写数值，但没有选择计量单位。请在“单位”一栏选择：{options}。三个年度使用同一单位。"
        return place.finding(cells, "unit", FindingLevel.ERROR, message)

    return Check(run, (unit_cell, *figures))


def _slip_check(grid: Grid, field: FormField) -> Check:
    """十倍、百倍之差: one year stands alone by a power of ten, as when 千元 were typed for 万元."""
    row = tuple(_place(grid, cell) for cell in grid.values_of(field.key))
    where = tuple(place.cell for place in row)

    def run(values: Values, cells: Cells, context: Context) -> Finding | None:
        known = [
            (place, float(value)) for place in row if isinstance(value := values[place.cell], Decimal) and value > 0
        ]
        if len(known) < 2:
            return None
        amounts = [amount for _, amount in known]
        if max(amounts) < 8 * min(amounts):
            return None
        suspects = known if len(known) > 2 else known[-1:]
        for place, amount in suspects:
            others = [(other, value) for other, value in known if other is not place]
            powers = {_power_of_ten(amount / value) for _, value in others}
            if len(powers) == 1 and (power := powers.pop()):
                return _slip(place, power, [other for other, _ in others], cells)
        return None

    return Check(run, tuple({*where, *(place.unit_cell for place in row)} - {NOWHERE}))


def _power_of_ten(ratio: float) -> int:
    """k where the ratio is within 15 % of 10^k, k = ±1 … ±4; else 0."""
    for power in _SLIP_POWERS:
        if _SLIP_LEAST <= ratio / 10**power <= _SLIP_MOST:
            return power
        if _SLIP_LEAST <= ratio * 10**power <= _SLIP_MOST:
            return -power
    return 0


def _slip(place: _Place, power: int, others: list[_Place], cells: Cells) -> Finding:
    times = f"{10 ** abs(power):,}"
    relation = f"{times}倍" if power > 0 else f"{times}分之一"
    beside = "、".join(f"{other.slot}年{other.shown(cells)}" for other in others)
    typed = figure(cells[place.cell].text, place.unit(cells))
    fix = None
    if typed is not None:
        right = plain(rounded(typed.scaleb(-power, EXACT), place.field.decimals))
        fix = Fix(
            f"更正为{with_unit(grouped(Decimal(right)), place.unit(cells))}",
            {str(place.grid.addresses[place.cell]): right},
        )
    message = (
        f"{place.words}为{place.shown(cells)}，约为其他年份（{beside}）的{relation}，"
        f"可能是计量单位换算或小数点有误。该值超出常规范围，{ASK}"
    )
    where = (place.cell, *(other.cell for other in others))
    return _finding(
        place.grid, cells, f"slip@{place.grid.addresses[place.cell]}", "slip", FindingLevel.WARNING, message, where,
        fix=fix, source="建议值：与其他年份相差 10、100、1,000 或 10,000 倍（±15%）",
    )  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:30]}…"


# What must hold between cells


def _rule_checks(grid: Grid, rule: Rule) -> Iterable[Check]:
    expression = grid.parse(rule.expect)
    pieces = messages.parse(rule.message, grid.scope, by_year=expression.by_year)
    if expression.by_year and not any(piece.aspect == "year" for piece in pieces):
        pieces = (Piece("year"), Piece("words", "年："), *pieces)
    fixes = tuple((key, grid.parse(text)) for key, text in rule.fix)
    for slot in (str(year) for year in grid.template.years) if expression.by_year else ("",):
        if check := _rule_check(grid, rule, expression, pieces, fixes, slot):
            yield check


def _rule_check(
    grid: Grid,
    rule: Rule,
    expression: Expression,
    pieces: tuple[Piece, ...],
    fixes: tuple[tuple[str, Expression], ...],
    slot: str,
) -> Check | None:
    numbers = tuple(grid.cell_of(read, slot) for read in expression.reads)
    needs = tuple(numbers[position] for position in expression.needs)
    if NOWHERE in needs:
        return None  # it asks for the year before the first: it can never speak
    where = tuple(dict.fromkeys(cell for name in rule.names if (cell := grid.cell_of(_named(name), slot))))
    if not where:
        return None
    holds = expression.run
    addresses = tuple(grid.addresses[cell] for cell in where)
    said = tuple(_sayer(grid, piece, slot) for piece in pieces)
    identity = f"{rule.id}@{slot}" if slot else rule.id
    by_setting = "valid_credit_code" in expression.functions
    source = f"{rule.source}（建议值，非官方规定）" if rule.official == "proposed" else rule.source

    def run(values: Values, cells: Cells, context: Context) -> Finding | None:
        for cell in needs:
            if values[cell] is None:
                return None
        level = context.credit_code_check if by_setting else rule.level
        if level is None:
            return None
        fix: Fix | None = None
        try:
            if holds(values, cells, context, numbers):
                return None
            message = "".join([s if isinstance(s, str) else s(values, cells, context) for s in said])
            fix = _fix(grid, rule, fixes, slot, values, cells, context)
        except Silence:
            return None
        except Exception as problem:
            # A rule that cannot run is a finding, never a pass.
            message = _cannot_run(grid, rule, slot, where, cells, problem)
        return Finding(
            id=identity,
            rule=rule.id,
            level=level,
            title=rule.title,
            message=message,
            cells=addresses,
            values_hash=_hash(grid, cells, where),
            keep=rule.keep,
            fix=fix,
            popup=level is FindingLevel.WARNING and not rule.reviewers_only,
            source=source,
            reviewers_only=rule.reviewers_only,
        )

    shown = {cell for piece in pieces for cell in _reads_of(grid, piece, slot)}
    fixed = {grid.cell_of(read, slot) for _, amount in fixes for read in amount.reads}
    fixed |= {grid.cell_of(_named(key), slot) for key, _ in fixes}
    cells_read = {*numbers, *where, *shown, *fixed}
    reads = (cells_read | {grid.unit_cells[cell] for cell in cells_read}) - {NOWHERE}
    return Check(run, tuple(reads), bool(expression.functions & CONTEXT_FUNCTIONS))


def _named(name: str) -> Read:
    key = name.removesuffix(PREVIOUS)
    return Read(key, "here" if key == name else "previous")


def _reads_of(grid: Grid, piece: Piece, slot: str) -> Iterable[int]:
    if piece.expression is not None:
        return (grid.cell_of(read, slot) for read in piece.expression.reads)
    return (grid.cell_of(Read(piece.key, piece.at), slot),) if piece.key else ()


def _sayer(grid: Grid, piece: Piece, slot: str) -> str | Say:
    """One piece of a message: its words where they are known beforehand, else what looks them up in the sheet."""
    if piece.aspect in ("words", "year", "last_year"):
        return piece.words if piece.aspect == "words" else str(int(slot) - (piece.aspect == "last_year"))
    if piece.expression is not None:
        return _computed(grid, piece.expression, piece.decimals, slot)
    field = grid.template.fields[piece.key]
    if piece.aspect in ("label", "guidance", "formula"):
        formula = field.formula.words if field.formula else ""
        return {"label": field.label, "guidance": field.guidance, "formula": formula}[piece.aspect]
    cell = grid.cell_of(Read(piece.key, piece.at), slot)
    if not cell:
        return NOTHING
    place = _place(grid, cell)
    say: Mapping[str, Callable[[Cells], str]] = {
        "shown": place.shown,
        "unit": place.unit,
        "usual": place.usual,
        "value": lambda cells: show(cells[cell], field, place.unit(cells)) or NOTHING,
    }
    words = say[piece.aspect]
    return lambda values, cells, context: words(cells)


def _computed(grid: Grid, expression: Expression, decimals: int, slot: str) -> Say:
    numbers = tuple(grid.cell_of(read, slot) for read in expression.reads)
    needs = tuple(numbers[position] for position in expression.needs)

    def say(values: Values, cells: Cells, context: Context) -> str:
        if any(values[cell] is None for cell in needs):
            return NOTHING
        try:
            result = expression.run(values, cells, context, numbers)
        except (Silence, DecimalException):
            return NOTHING
        return grouped(rounded(result, decimals)) if isinstance(result, Decimal) else str(result)

    return say


def _fix(
    grid: Grid,
    rule: Rule,
    fixes: tuple[tuple[str, Expression], ...],
    slot: str,
    values: Values,
    cells: Cells,
    context: Context,
) -> Fix | None:
    texts: dict[str, str] = {}
    for key, expression in fixes:
        cell = grid.cell_of(_named(key), slot)
        numbers = tuple(grid.cell_of(read, slot) for read in expression.reads)
        if not cell or any(values[numbers[position]] is None for position in expression.needs):
            return None
        amount = expression.run(values, cells, context, numbers)
        place = _place(grid, cell)
        if isinstance(amount, Decimal):
            amount = plain(rounded(place.typed(amount, cells), place.field.decimals))
        texts[str(grid.addresses[cell])] = str(amount)
    return Fix(rule.fix_words, texts) if texts else None


def _cannot_run(grid: Grid, rule: Rule, slot: str, where: tuple[int, ...], cells: Cells, problem: Exception) -> str:
    shown = "、".join(f"{_place(grid, cell).words}为{_place(grid, cell).shown(cells)}" for cell in where)
    by_zero = isinstance(problem, DivisionByZero) or "DivisionUndefined" in str(problem)
    why = "除数为0" if by_zero else "数值无法参与计算"
    prefix = f"{slot}年：" if slot else ""
    return f"{prefix}规则{rule.id}因{why}无法核验（{shown}）。请核实这些数据，如数据无误，请继续填报。"
