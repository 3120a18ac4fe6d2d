"""What differs between two fillings of one form (改动): by field key and canonical value, so that no spelling counts."""

from __future__ import annotations

from collections.abc import Mapping

from models.enums import CellKind
from services.forms import program
from services.forms.cells import BLANK
from services.forms.findings import CellValue
from services.forms.template import Address, FormTemplate

Change = tuple[Address, CellValue, CellValue]


def differences(
    template: FormTemplate, before: Mapping[Address, CellValue], after: Mapping[Address, CellValue]
) -> tuple[Change, ...]:
    """(address, before, after) of every cell that says something else, in the order of the form; cells the form does not
    have come last. 1,000 and 1000 are the same, and so are 1 万吨 and 10000 吨 (but the unit cell differs)."""
    known = program.of(template).grid.addresses[1:]
    strange = sorted((before.keys() | after.keys()) - set(known))
    changes = ((a, before.get(a, BLANK), after.get(a, BLANK)) for a in (*known, *strange))
    return tuple(change for change in changes if _meaning(change[1]) != _meaning(change[2]))


def _meaning(cell: CellValue) -> tuple[CellKind, str]:
    if cell.kind is CellKind.NUMBER:
        return cell.kind, cell.value
    return cell.kind, "" if cell.kind in (CellKind.NOT_APPLICABLE, CellKind.STOPPED) else cell.text
