"""Every cell of a form with a number (单元格编号): made once per template, so that a sheet is two flat lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.forms import expressions, loader
from services.forms.expressions import Expression, Read, Variable
from services.forms.template import REMARK_SLOT, UNIT_SLOT, Address, FormField, FormTemplate

NOWHERE = 0  # the number of the cell that is always blank, e.g. the year before the first


@dataclass(frozen=True, slots=True)
class Grid:
    """``addresses[n]`` is cell n; ``unit_cells[n]`` the cell with its chosen unit (or NOWHERE); ``governed``: the reverse, for typed cells."""

    template: FormTemplate
    addresses: tuple[Address, ...]
    index: Mapping[Address, int]
    unit_cells: tuple[int, ...]
    governed: Mapping[int, tuple[int, ...]]
    scope: Mapping[str, Variable]

    def field(self, cell: int) -> FormField:
        return self.template.fields[self.addresses[cell].field]

    def values_of(self, key: str) -> tuple[int, ...]:
        """The value cells of a field, oldest year first."""
        return tuple(self.index[Address(key, slot)] for slot in self.template.slots(key))

    def cell_of(self, read: Read, slot: str) -> int:
        """The cell an expression means when it is asked for ``slot`` (a year or "")."""
        template = self.template
        if read.at == "unit":
            return self.index.get(Address(template.own_unit(read.key), UNIT_SLOT), NOWHERE)
        if read.at == "remark":
            return self.index.get(Address(read.key, REMARK_SLOT), NOWHERE)
        if not template.fields[read.key].yearly:
            return self.index[Address(read.key)]
        if read.at.isdigit():
            return self.values_of(read.key)[int(read.at)]
        year = int(slot or template.years[-1]) - (read.at == "previous")
        return self.index.get(Address(read.key, str(year)), NOWHERE)

    def remark_cell(self, key: str) -> int:
        return self.index.get(Address(key, REMARK_SLOT), NOWHERE)

    def parse(self, text: str) -> Expression:
        """An expression the loader has already accepted."""
        return expressions.parse(text, self.scope, len(self.template.years))


def of(template: FormTemplate) -> Grid:
    """Number the cells: value slots, unit and remark of every field, in the order of the form."""
    addresses = [Address("")]
    for key, field in template.fields.items():
        addresses += [Address(key, slot) for slot in template.slots(key)]
        if field.units and not field.unit_of:
            addresses.append(Address(key, UNIT_SLOT))
        if field.remark:
            addresses.append(Address(key, REMARK_SLOT))
    index = {address: number for number, address in enumerate(addresses)}
    unit_cells = tuple(_unit_cell(template, address, index) for address in addresses)
    governed: dict[int, list[int]] = {}
    for cell, unit in enumerate(unit_cells):
        if unit and template.fields[addresses[cell].field].formula is None:
            governed.setdefault(unit, []).append(cell)
    return Grid(
        template=template,
        addresses=tuple(addresses),
        index=index,
        unit_cells=unit_cells,
        governed={unit: tuple(cells) for unit, cells in governed.items()},
        scope=_scope(template),
    )


def _unit_cell(template: FormTemplate, address: Address, index: Mapping[Address, int]) -> int:
    if not address.field or address.slot in (UNIT_SLOT, REMARK_SLOT):
        return NOWHERE
    return index.get(Address(template.own_unit(address.field), UNIT_SLOT), NOWHERE)


def _scope(template: FormTemplate) -> Mapping[str, Variable]:
    scope = {key: loader.variable_of(field) for key, field in template.fields.items()}
    for field in in_order(template):
        assert field.formula is not None
        kind = expressions.parse(field.formula.text, scope, len(template.years)).type
        scope[field.key] = loader.variable_of(field, kind)
    return scope


def in_order(template: FormTemplate) -> tuple[FormField, ...]:
    """The derived fields, each after those it reads (the loader has refused circles)."""
    done: dict[str, FormField] = {}

    def visit(field: FormField) -> None:
        if field.key in done or field.formula is None:
            return
        for key in field.formula.names:
            visit(template.fields[key])
        done[field.key] = field

    for field in template.fields.values():
        visit(field)
    return tuple(done.values())
