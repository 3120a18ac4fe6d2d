"""How long one committed cell takes (edit_cells alone), against a bare handler that commits one row.

python -m tests.bench.bench_edit [edits]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.dialects.sqlite import insert
from sqlmodel import Session, SQLModel

from models import Cell
from models.enums import CellKind, Form
from services import clock
from services.db import Database
from services.filings import desk
from services.filings.views import CellEdit
from tests.conftest import SPRING, build_world


def main(edits: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as place, clock.frozen(SPRING):
        db = Database(f"sqlite:///{Path(place) / 'bench.sqlite3'}")
        SQLModel.metadata.create_all(db.engine)
        world = db.write(build_world)
        filing = db.write(desk.open_filing, world.filer, Form.FACTORY, 2025)
        keys = ("gross_output", "energy_total", "energy_actual", "renewable_energy")
        years = ("2022", "2023", "2024")
        cells = [f"{key}:{year}" for key in keys for year in years]

        statement = insert(Cell.__table__)  # type: ignore[attr-defined]
        statement = statement.on_conflict_do_update(
            index_elements=["filing_id", "field", "slot"], set_={"text": statement.excluded.text}
        )

        def bare(n: int) -> Callable[[Session], None]:
            row = {
                "filing_id": filing,
                "field": "bench",
                "slot": "",
                "text": str(n),
                "kind": CellKind.NUMBER,
                "value": "",
            }
            return lambda s: s.connection().execute(statement, [row]) and None

        def edit(n: int) -> Callable[[Session], object]:
            edits = [CellEdit(cells[n % len(cells)], str(3000 + n))]
            return lambda s: desk.edit_cells(s, world.filer, filing, edits, origin="bench")

        for name, job in (("bare", bare), ("edit_cells", edit), ("bare", bare), ("edit_cells", edit)):
            run(db, name, job, edits)
        db.close()


def run(db: Database, name: str, job: Callable[[int], Callable[[Session], object]], times: int) -> None:
    took = []
    cpu = time.process_time()
    for n in range(times):
        start = time.perf_counter()
        db.write(job(n))
        took.append((time.perf_counter() - start) * 1e6)
    cpu = (time.process_time() - cpu) / times * 1e6
    took.sort()
    print(f"{name:>12}: p50 {took[times // 2]:6.0f} µs  p95 {took[times * 95 // 100]:6.0f} µs  CPU {cpu:6.0f} µs")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
