"""A template made ready to run (模板编译): cells numbered, formulas in order, checks with what they read. One per digest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from services.forms import grid as grids
from services.forms import rules
from services.forms.expressions import Run
from services.forms.grid import NOWHERE, Grid
from services.forms.rules import Check
from services.forms.template import FormField, FormTemplate

_MOST_KEPT = 32  # forms × years in use at once


class Step(NamedTuple):
    """One derived cell: where it is put, how it is computed, what must be filled first, and the unit it is shown in."""

    cell: int
    run: Run
    numbers: tuple[int, ...]
    needs: tuple[int, ...]
    field: FormField
    unit_cell: int


class Required(NamedTuple):
    """The required cells of a part, each with the remark that may excuse it."""

    part: str
    title: str
    cells: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """``steps_of[n]``/``checks_of[n]``: what must run after cell n changed; steps transitively and in order."""

    grid: Grid
    steps: tuple[Step, ...]
    steps_of: tuple[tuple[int, ...], ...]
    checks: tuple[Check, ...]
    checks_of: tuple[tuple[int, ...], ...]
    context_checks: tuple[int, ...]
    required: tuple[Required, ...]


_programs: OrderedDict[str, Program] = OrderedDict()
_lock = Lock()


def of(template: FormTemplate) -> Program:
    """The program of a template, made at its first use."""
    with _lock:
        program = _programs.get(template.digest)
        if program is None:
            program = _programs[template.digest] = _made(template)
            if len(_programs) > _MOST_KEPT:
                _programs.popitem(last=False)
        else:
            _programs.move_to_end(template.digest)
        return program


def _made(template: FormTemplate) -> Program:
    grid = grids.of(template)
    steps = tuple(_steps(grid))
    checks = rules.checks_of(grid)
    size = len(grid.addresses)
    return Program(
        grid=grid,
        steps=steps,
        steps_of=_after(steps, size),
        checks=checks,
        checks_of=_by_cell((check.reads for check in checks), size),
        context_checks=tuple(number for number, check in enumerate(checks) if check.asks_context),
        required=tuple(_required(grid)),
    )


def _steps(grid: Grid) -> Iterable[Step]:
    for field in grids.in_order(grid.template):
        assert field.formula is not None
        expression = grid.parse(field.formula.text)
        for slot, cell in zip(grid.template.slots(field.key), grid.values_of(field.key), strict=True):
            numbers = tuple(grid.cell_of(read, slot) for read in expression.reads)
            needs = tuple(numbers[position] for position in expression.needs)
            yield Step(cell, expression.run, numbers, needs, field, grid.unit_cells[cell])


def _after(steps: tuple[Step, ...], size: int) -> tuple[tuple[int, ...], ...]:
    """For each cell the steps that depend on it, directly or through other steps, in running order."""
    direct = _by_cell(((*step.numbers, step.unit_cell) for step in steps), size)
    after: list[tuple[int, ...]] = []
    for cell in range(size):
        found: set[int] = set()
        waiting = list(direct[cell])
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting += direct[steps[number].cell]
        after.append(tuple(sorted(found)))
    return tuple(after)


def _by_cell(reads: Iterable[tuple[int, ...]], size: int) -> tuple[tuple[int, ...], ...]:
    table: list[list[int]] = [[] for _ in range(size)]
    for number, cells in enumerate(reads):
        for cell in set(cells) - {NOWHERE}:
            table[cell].append(number)
    return tuple(tuple(numbers) for numbers in table)


def _required(grid: Grid) -> Iterable[Required]:
    for part in grid.template.parts:
        cells = []
        for section in part.sections:
            for field in section.fields:
                if not field.required:
                    continue
                slots = zip(grid.template.slots(field.key), grid.values_of(field.key), strict=True)
                cells += [(cell, rules.excusing_remark(grid, field, slot)) for slot, cell in slots]
        yield Required(part.key, part.title, tuple(cells))
