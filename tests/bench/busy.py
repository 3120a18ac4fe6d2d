"""Our application, with two batches of PDFs at work in it for as long as a file exists: ``python -m tests.bench.busy FILE``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from threading import Thread

from nicegui import app
from sqlmodel import Session, col, select

import main as program
from models import Filing, FilingVersion, User
from models.enums import Action, Role
from services import clock
from services.accounts import sessions
from services.actors import Actor
from services.documents import batches
from services.documents.batches import Owner, Ticket
from services.documents.snapshot import FilingSnapshot
from services.filings import snapshots, standing, working
from ui import act, exports

ENDLESS = 1_000_000
LOOK = 0.05  # seconds between two looks for the file


def main(flag: Path) -> int:
    app.on_startup(lambda: Thread(target=_watch, args=(flag,), daemon=True).start())
    return program.main([])


def _watch(flag: Path) -> None:
    at_work = False
    while True:
        if flag.exists() and not at_work:
            for number in range(batches.AT_ONCE):
                exports.house().start(Owner(number, 0, ""), "bench", "bench.zip", lambda ticket: _print(ticket, flag))
        at_work = flag.exists()
        time.sleep(LOOK)


def _print(ticket: Ticket, flag: Path) -> None:
    batches.forms_zip(ticket, _forms(flag), ENDLESS)


def _forms(flag: Path) -> Iterator[FilingSnapshot]:
    """Frozen versions, as an office exports them; the units of the bench have not submitted, so theirs are made up here."""
    database = act.house().db
    versions = database.read(_versions)
    for actor, version in cycle(versions):
        if not flag.exists():
            return
        yield database.read(_snapshot, actor, version)


def _versions(s: Session) -> list[tuple[Actor, FilingVersion]]:
    query = select(Filing, User.id).where(
        col(Filing.organisation_id) == col(User.organisation_id), col(User.role) == Role.SIGNER
    )
    return [(sessions.actor_of(s, user), _version(s, filing)) for filing, user in s.exec(query) if user]


def _version(s: Session, filing: Filing) -> FilingVersion:
    loaded = working.load(s, filing.id or 0)
    return FilingVersion(
        filing_id=filing.id or 0,
        no=1,
        digest=loaded.sheet.digest(),
        template_digest=filing.template_digest,
        cells={str(a): [cell.text, cell.kind.value, cell.value] for a, cell in loaded.sheet.cells.items()},
        findings=[],
        unit_name=filing.unit_name,
        credit_code="",
        submitted_at=clock.now(),
    )


def _snapshot(s: Session, actor: Actor, version: FilingVersion) -> FilingSnapshot:
    filing, _ = standing.require(s, actor, Action.EXPORT_PDF, version.filing_id)
    return snapshots._frozen(s, actor, filing, version)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
