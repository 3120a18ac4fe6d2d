"""What must hold after any fault (无半成品): no half-states between tables, nor between tables and files, and a whole audit log."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select, text
from sqlmodel import Session, col

from models import AuditLine, Cell, CellChange, Filing, FilingVersion, Message, Stamp, Step, StoredFile
from models.enums import Action, AuditResult, FilingStatus, StepStatus, VersionStatus
from services import audit, doctor
from services.db import Database
from services.filings import files, standing, working
from services.forms import digest
from services.workflow import transitions

VERSION_OF = {
    FilingStatus.REVIEW: VersionStatus.SUBMITTED,
    FilingStatus.RETURNED: VersionStatus.RETURNED,
    FilingStatus.DONE: VersionStatus.APPROVED,
}
NO_FILE = "0" * 64  # a row of the kit, whose content is nobody's business
MOVES = {action.value for action in standing.MOVES}


def check(db: Database) -> None:
    """Every invariant of the database and the files beside it; the assertion lists all that is broken."""
    assert (found := db.read(broken)) == [], found
    if db.is_sqlite:
        with db.engine.connect() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
            assert connection.execute(text("PRAGMA foreign_key_check")).first() is None


def broken(s: Session) -> list[str]:
    """What does not fit, in words; nothing when all is well."""
    found = [*_log(s), *_cells(s), *_files(s)]
    for filing in s.execute(select(Filing)).scalars().all():
        words = f"filing {filing.id} ({filing.status.value}, revision {filing.revision})"
        found += [f"{words}: {what}" for what in (*_filing(s, filing), *_messages(s, filing))]
    return found


def moves_in_log(s: Session, filing_id: int) -> list[str]:
    """The moves of a filing as the log tells them, in order."""
    query = select(AuditLine).where(
        col(AuditLine.subject) == "filing",
        col(AuditLine.subject_id) == filing_id,
        col(AuditLine.result) == AuditResult.DONE,
    )
    return [line.action for line in s.execute(query.order_by(col(AuditLine.id))).scalars() if line.action in MOVES]


def strays(folder: Path, known: set[str]) -> list[str]:
    """Files on the disk that no row knows: harmless leftovers of a kill, never of a failure that could be answered."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name not in known]


def stored_names(s: Session) -> set[str]:
    return set(s.execute(select(col(StoredFile.stored_name))).scalars())


def _log(s: Session) -> Iterator[str]:
    if (found := audit.verify(s)[1]) is not None:
        yield f"audit log: {found.reason}"
    figures = doctor._figures(s)
    if not figures.well:
        yield figures.words


def _filing(s: Session, filing: Filing) -> Iterator[str]:
    """The filing, its version, its steps, its messages and the log tell one story."""
    version = s.get(FilingVersion, filing.current_version_id or 0)
    steps = s.execute(select(Step).where(col(Step.version_id) == (version.id if version else 0))).scalars().all()
    reviewing = [(step.tier, step.authority_id) for step in steps if step.status is StepStatus.REVIEWING]
    holder = [(filing.current_tier, filing.current_authority_id)]
    if filing.status is FilingStatus.REVIEW:
        if reviewing != holder:
            yield f"steps under review {reviewing}, but it lies with {holder}"
    elif reviewing or holder != [(None, None)]:
        yield f"nobody reviews it, but steps say {reviewing} and it lies with {holder}"
    expected = VERSION_OF.get(filing.status)
    if (version.status if version else None) is not expected:
        yield f"its version is {version.status.value if version else None}, not {expected}"
    numbers = s.execute(select(col(FilingVersion.no)).where(col(FilingVersion.filing_id) == filing.id)).scalars().all()
    if sorted(numbers) != list(range(1, filing.version_no + 1)):
        yield f"versions {sorted(numbers)}, but the newest is {filing.version_no}"
    assert filing.id is not None
    told = moves_in_log(s, filing.id)
    counted = Counter(told)
    if counted[Action.SUBMIT.value] + counted[Action.RESUBMIT.value] != filing.version_no:
        yield f"the log tells {told}, but there are {filing.version_no} versions"
    ends = [transitions.target(Action(name)) for name in told if Action(name) not in (Action.DELETE, Action.RESTORE)]
    if ends and ends[-1] not in (None, filing.status) and told[-1] != Action.SEND_BACK.value:
        yield f"the log ends in {told[-1]}"
    if (filing.deleted_at is not None) != (told[-1:] == [Action.DELETE.value]):
        yield f"deleted {filing.deleted_at}, but the log ends in {told[-1:]}"


def _messages(s: Session, filing: Filing) -> Iterator[str]:
    """Whoever has it was told last; nobody else is still asked."""
    query = select(Message).where(
        col(Message.filing_id) == filing.id, col(Message.kind).in_(("review", "returned_below"))
    )
    told = s.execute(query.order_by(col(Message.id))).scalars().all()
    waiting = [filing.current_authority_id] if filing.status is FilingStatus.REVIEW and not filing.deleted_at else []
    asked = [message.organisation_id for message in told if message.done_at is None]
    if asked not in ([], waiting):
        yield f"asked to review: {asked}, but it lies with {waiting}"
    if waiting and [message.organisation_id for message in told[-1:]] != waiting:
        yield f"it lies with {waiting}, who was not told"


def _cells(s: Session) -> Iterator[str]:
    """A cell holds what its last change line says; a validated filing holds the figures that were validated."""
    newest = select(func.max(col(CellChange.id))).group_by(
        col(CellChange.filing_id), col(CellChange.field), col(CellChange.slot)
    )
    lines = select(CellChange).where(col(CellChange.id).in_(newest))
    for line in s.execute(lines).scalars():
        cell = s.get(Cell, (line.filing_id, line.field, line.slot))
        if (cell.text if cell else "") != line.after:
            yield f"filing {line.filing_id}, {line.field}:{line.slot} is {cell and cell.text!r}, its last change {line.after!r}"
    for filing in s.execute(select(Filing).where(col(Filing.validated_digest) != "")).scalars():
        if digest.of(filing.template_digest, working.read_cells(s, filing.id or 0)) != filing.validated_digest:
            yield f"filing {filing.id} is validated for other figures"


def _files(s: Session) -> Iterator[str]:
    """Every row has its file, whole; a stamp has its row, of the same filing."""
    for row in s.execute(select(StoredFile).where(col(StoredFile.sha256) != NO_FILE)).scalars():
        path = files.path_of(row.stored_name)
        if not path.is_file():
            yield f"file row {row.id} ({row.original_name}) has no file"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != row.sha256:
            yield f"file row {row.id} ({row.original_name}) has another content"
    query = select(Stamp, StoredFile).join(StoredFile, col(StoredFile.id) == col(Stamp.file_id))
    for stamp, row in s.execute(query):
        if row.filing_id != stamp.filing_id:
            yield f"stamp {stamp.id} shows a file of another filing"
