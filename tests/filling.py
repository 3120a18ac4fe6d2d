"""Short ways to fill a sheet through the desk (填报的捷径), for the tests of the filer's use cases."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from models.enums import Form
from services.actors import Actor
from services.db import Database
from services.filings import desk
from services.filings.views import CellEdit, SheetPatch
from services.forms.template import Address

_DEMO = Path(__file__).resolve().parents[1] / "assets" / "demo" / "full_forms.toml"
LOCKED = ("unit_name", "credit_code", "address")


@cache
def complete(key: str = "electronics") -> dict[str, str]:
    """The typed texts of a complete factory form."""
    filings = tomllib.loads(_DEMO.read_text(encoding="utf-8"))["filing"]
    cells: dict[str, str] = next(filing["cells"] for filing in filings if filing["key"] == key)
    return {address: text for address, text in cells.items() if Address.parse(address).field not in LOCKED}


def opened(db: Database, actor: Actor) -> int:
    return db.write(desk.open_filing, actor, Form.FACTORY, 2025)


def type_in(db: Database, actor: Actor, filing: int, origin: str = "", **texts: str) -> SheetPatch:
    """Type by keyword: ``gross_output_2024="3000"`` is the cell gross_output:2024."""
    return put(db, actor, filing, {_address(name): text for name, text in texts.items()}, origin=origin)


def put(
    db: Database,
    actor: Actor,
    filing: int,
    texts: dict[str, str],
    *,
    source: str = "typed",
    origin: str = "",
    seen: dict[str, str] | None = None,
) -> SheetPatch:
    edits = tuple(CellEdit(address, text) for address, text in texts.items())
    return db.write(desk.edit_cells, actor, filing, edits, source=source, origin=origin, seen=seen)


def fill(db: Database, actor: Actor, filing: int) -> None:
    """The whole form, every warning kept with a reason: ready for 验证并保存."""
    put(db, actor, filing, dict(complete()), source="import")
    for finding in db.read(desk.sheet, actor, filing).findings:
        if finding.level == "warning" and finding.state == "open":
            words = "2024年新增一条生产线，见B204-1表"
            db.write(desk.note_finding, actor, filing, finding.id, finding.values_hash, "explain", words)


def _address(name: str) -> str:
    field, _, slot = name.rpartition("_")
    is_slot = slot in ("unit", "remark") or (slot.isdigit() and len(slot) == 4)
    return f"{field}:{slot}" if field and is_slot else name
