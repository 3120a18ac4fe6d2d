"""Statements prepared once per kind of database (预编译语句), for the one path where every saved cell passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.expression import ClauseElement

from services.db import say

Process = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The text of a statement and how its values are brought into the form the driver wants: a tenth of Core's cost."""

    text: str
    values: tuple[tuple[str, Process | None], ...]  # in the order of the text
    positional: bool

    def run(self, connection: Connection, *rows: Mapping[str, Any]) -> int:
        """Execute for one row or several; returns the number of rows that were met, where the driver tells."""
        ready: Any = [[row[name] if how is None else how(row[name]) for name, how in self.values] for row in rows]
        if not self.positional:
            ready = [{name: value for (name, _), value in zip(self.values, one, strict=True)} for one in ready]
        return say(connection, self.text, ready)


def prepare(statement: ClauseElement, dialect: Dialect, columns: Sequence[str] | None = None) -> Prepared:
    """Compile ``statement`` for a dialect; ``columns``: those that an insert writes."""
    compiled: Any = statement.compile(dialect=dialect, column_keys=None if columns is None else list(columns))
    order = compiled.positiontup
    names = tuple(compiled.binds if order is None else order)
    values = tuple((name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names)
    return Prepared(str(compiled), values, order is not None)
