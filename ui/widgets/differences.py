"""What differs between two sheets, cell by cell (对照): old beside new, grouped by part, filtered by how much."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from nicegui import events, ui

from services.filings.views import Difference

COMPONENT = Path(__file__).parents[2] / "assets" / "static" / "differences.js"
LONG = 24  # characters; longer texts are shown one under the other


class Differences(ui.element, component=COMPONENT):
    """对照表. ``on_jump(address)`` hears only of cells that were shown."""

    def __init__(self, *, label: str, empty: str, on_jump: Callable[[str], Any] | None = None) -> None:
        super().__init__()
        self._props.update(
            rowsJson="[]", label=label, before="原值", after="现值", empty=empty, jumps=on_jump is not None
        )
        self._on_jump = on_jump
        self.shown: tuple[Difference, ...] = ()
        self.on("jump", self._jump)

    def show(self, differences: Sequence[Difference], *, before: str, after: str) -> None:
        """Draw these in place of the former ones; ``before`` and ``after`` name the two sheets."""
        self.shown = tuple(differences)
        with self._props.suspend_updates():
            self._props["rowsJson"] = json.dumps([_row(line) for line in self.shown], ensure_ascii=False)
            self._props["before"], self._props["after"] = before, after
        self.update()

    def _jump(self, e: events.GenericEventArguments) -> Any:
        known = isinstance(e.args, str) and any(line.address == e.args for line in self.shown)
        return self._on_jump(e.args) if self._on_jump and known else None


def _row(line: Difference) -> dict[str, Any]:
    figure = bool(line.unit or line.change)
    return {
        "address": line.address,
        "place": line.place,
        "part": line.part or "其他",
        "before": line.before,
        "after": line.after,
        "unit": line.unit,
        "change": line.change,
        "size": _size(line.change),
        "figure": figure,
        "long": not figure and max(len(line.before), len(line.after)) > LONG,
    }


def _size(change: str) -> float:
    """+1,234.5% → 1234.5; 0 where there is no percentage."""
    try:
        return float(abs(Decimal(change.rstrip("%").replace(",", ""))))
    except InvalidOperation:
        return 0.0
