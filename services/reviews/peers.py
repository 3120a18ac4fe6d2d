"""同类单位: where a unit's intensities stand among all filings of the same form and year that were submitted."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlmodel import Session, col

from models import Figure, Filing
from models.enums import CellKind, FilingStatus, Form
from services import clock
from services.forms.sheet import Sheet
from services.forms.template import Address, FormTemplate

FEWEST = 20  # 建议值: with fewer peers a position says nothing
HIGH = 95  # 建议值: per cent from which a position is worth a flag
KEPT_FOR = timedelta(minutes=10)  # the others' figures are read again after this

# An intensity is one indicator, times a constant, over another: energy_total * 1000 / gross_output.
_INTENSITY = re.compile(r"(\w+) \* (\d+) / (\w+)")


@dataclass(frozen=True, slots=True)
class Position:
    """How many per cent of the peers have a lower figure (同类百分位)."""

    address: Address
    value: Decimal
    per_cent: int
    peers: int


_known: dict[tuple[str, Form, int, str], tuple[datetime, Mapping[str, list[float]]]] = {}


def positions(s: Session, filing: Filing, template: FormTemplate, sheet: Sheet) -> tuple[Position, ...]:
    """Every intensity of the latest year that this sheet has, highest position first; empty with too few peers."""
    year = str(template.years[-1])
    others = _distributions(s, filing.form, filing.year, template)
    found = []
    for key in _intensities(template):
        cell = sheet.cell(Address(key, year))
        ranked = others.get(key, [])
        if cell.kind is CellKind.NUMBER and len(ranked) >= FEWEST:
            value = Decimal(cell.value)
            lower = min(
                bisect_left(ranked, float(value)), len(ranked) - 1
            )  # itself is one of them; the sheet's is rounded
            found.append(Position(Address(key, year), value, lower * 100 // len(ranked), len(ranked)))
    return tuple(sorted(found, key=lambda position: -position.per_cent))


def _intensities(template: FormTemplate) -> Mapping[str, tuple[str, int, str]]:
    """Derived field → (numerator, factor, denominator), where both are typed in."""
    found = {}
    for field in template.fields.values():
        match = _INTENSITY.fullmatch(field.formula.text) if field.formula and field.yearly else None
        if match and all(template.fields[name].kind == "number" for name in (match[1], match[3])):
            found[field.key] = match[1], int(match[2]), match[3]
    return found


def _distributions(s: Session, form: Form, year: int, template: FormTemplate) -> Mapping[str, list[float]]:
    """The peers' intensities, sorted, by derived field; kept for a while, since one filing more or less changes little."""
    key = str(s.connection().engine.url), form, year, template.digest
    known = _known.get(key)
    if known is None or abs(clock.now() - known[0]) > KEPT_FOR:
        known = _known[key] = clock.now(), _read(s, form, year, template)
    return known[1]


def _read(s: Session, form: Form, year: int, template: FormTemplate) -> Mapping[str, list[float]]:
    intensities = _intensities(template)
    names = {name for top, _, bottom in intensities.values() for name in (top, bottom)}
    query = (
        select(col(Figure.version_id), col(Figure.field), col(Figure.value))
        .join(Filing, col(Filing.current_version_id) == col(Figure.version_id))
        .where(
            col(Filing.form) == form,
            col(Filing.year) == year,
            col(Filing.deleted_at).is_(None),
            col(Filing.status).in_((FilingStatus.REVIEW, FilingStatus.DONE)),
            col(Figure.slot) == str(template.years[-1]),
            col(Figure.field).in_(names),
        )
    )
    figures: dict[int, dict[str, float]] = defaultdict(dict)
    for version, field, value in s.execute(query):
        figures[version][field] = float(value)
    return {
        key: sorted(own[top] * factor / own[bottom] for own in figures.values() if top in own and own.get(bottom))
        for key, (top, factor, bottom) in intensities.items()
    }
