"""The filer's desk (填报): edit cells, keep or explain findings, 暂存, 验证并保存, and the sheet to look at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Dialect, bindparam, delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from models import Cell, CellChange, Filing, FindingNote
from models.enums import Action, FindingLevel, FindingState
from services import audit, clock, events, permissions
from services.actors import Actor
from services.db import connection_of
from services.errors import Conflict, NotFound, Refusal
from services.filings import explanations, standing, working
from services.filings import room as rooms
from services.filings.opening import open_filing as open_filing
from services.filings.prepared import Prepared, prepare
from services.filings.room import Room
from services.filings.sheets import head as head
from services.filings.sheets import sheet as sheet
from services.filings.views import CellEdit, SheetPatch, ValidationResult
from services.filings.working import Note
from services.forms import cells as typed
from services.forms import digest
from services.forms.findings import CellValue, Effect, Finding
from services.forms.template import REMARK_SLOT, UNIT_SLOT, Address, FormTemplate
from services.perform import together

MOST_EDITS = 5_000
SOURCES = frozenset({"typed", "paste", "undo", "redo", "import", "convert"})

NOTHING = Effect({})
Changed = tuple[Address, CellValue, CellValue]  # before, after
OUT_OF_SCOPE = "退回时只要求修改指定的单元格，这一格不在范围内，内容没有写入。如确需修改，请联系退回的主管部门。"
CONVERTS_MORE = "换算单位会改动本次退回范围以外的数值，没有写入。请保留数值只改单位，或联系退回的主管部门。"
OVERTAKEN = "这份动态管理表刚刚被他人改动，本次修改没有写入。请刷新页面，核对后重新填写。"
GONE = "这条提示已经不存在，可能数值刚刚改过。请查看表格中最新的提示。"


@dataclass(frozen=True, slots=True)
class Editing:
    """What somebody typed, pasted or imported (修改); ``seen``: per address the text the editor had before."""

    actor: Actor
    filing_id: int
    edits: Sequence[CellEdit]
    source: str = "typed"
    origin: str = ""
    seen: Mapping[str, str] | None = None


def edit_together(s: Session, several: Sequence[Editing]) -> list[SheetPatch | Refusal]:
    """Several people's edits (一并修改), written with one statement a table: what each comes to, or why it is refused."""
    with rooms.spoilt_by_failure(s, [one.filing_id for one in several]):
        try:
            return _edit(s, several, rooms.enter)
        except _Overtaken:
            if len(several) > 1:
                raise  # each of them is done alone then
        try:  # somebody else wrote since: look at the filing as it is now, once
            return _edit(s, several, rooms.reload)
        except _Overtaken:
            raise Conflict(OVERTAKEN) from None


@together(Editing, edit_together)
def edit_cells(
    s: Session,
    actor: Actor,
    filing_id: int,
    edits: Sequence[CellEdit],
    *,
    source: str = "typed",
    origin: str = "",
    seen: Mapping[str, str] | None = None,
) -> SheetPatch:
    """Write what was typed, pasted or imported (修改单元格) and answer with all that changed by it.

    Where somebody else changed meanwhile what the editor has ``seen``, nothing is overwritten and both texts come back. Bad
    figures are stored as typed; locked, derived and unknown cells and cells outside the scope of a return are refused one by
    one. Raises Refusal when nothing may be edited at all.
    """
    (answer,) = edit_together(s, [Editing(actor, filing_id, edits, source, origin, seen)])
    if isinstance(answer, Refusal):
        raise answer
    return answer


def save_draft(s: Session, actor: Actor, filing_id: int) -> datetime:
    """暂存: everything is saved already; says when, and is never refused for what the figures are."""
    filing, _ = standing.require(s, actor, Action.SAVE_DRAFT, filing_id)
    filing.saved_at = clock.now()
    filing.revision += 1
    s.add(filing)
    audit.record(s, actor, Action.SAVE_DRAFT.value, "filing", filing_id, after=current_digest(s, filing))
    return filing.saved_at


def note_finding(
    s: Session, actor: Actor, filing_id: int, finding: str, hash: str, action: str, text: str = "", *, origin: str = ""
) -> SheetPatch:
    """Keep a warning (核实或说明): ``action`` is "confirm" or "explain"; it is bound to the values it was said about."""
    room = _own_room(s, actor, filing_id, rooms.current)
    found = room.sheet.findings.get(finding)
    if found is None or found.reviewers_only:
        raise Conflict(GONE)
    if found.values_hash != hash:
        raise Conflict("相关数值刚刚改过，原来的核实不再适用。请核对新的数值后再确认或说明。")
    state, words = explanations.said(found, action, text)
    note = Note(hash, state, words, actor.name, clock.now())
    said = f"{state.caption}：{found.message}" + (f"（{words}）" if words else "")
    audit.record(s, actor, f"finding_{state.value}", "filing", filing_id, detail=said)
    with rooms.spoilt_by_failure(s, [filing_id]):
        try:
            _advance(s.connection(), [(room, room.validated_digest)], note.at)
        except _Overtaken:
            raise Conflict(GONE) from None
        _put_note(s, actor, room, found, note)
        answer = _patch(room, NOTHING, note.at, room.revision + 1, actor, noted=(found,))
        _keep(s, room, answer, origin)
        return answer


def apply_fix(s: Session, actor: Actor, filing_id: int, finding: str, *, origin: str = "") -> SheetPatch:
    """一键更正: put in the texts that a finding offers."""
    room = _own_room(s, actor, filing_id, rooms.current)
    found = room.sheet.findings.get(finding)
    if found is None or found.fix is None:
        raise Conflict(GONE)
    edits = tuple(CellEdit(address, text) for address, text in found.fix.texts.items())
    return edit_cells(s, actor, filing_id, edits, source="convert", origin=origin)


def validate(s: Session, actor: Actor, filing_id: int) -> ValidationResult:
    """验证并保存: passes when no error is left and every warning was fixed, confirmed or explained; binds the digest."""
    filing, _ = standing.require(s, actor, Action.VALIDATE, filing_id)
    loaded = working.load(s, filing_id)
    waiting = working.open_findings(loaded.sheet, loaded.notes)
    errors = sum(finding.level is FindingLevel.ERROR for finding in waiting)
    figures = loaded.sheet.digest()
    filing.revision += 1
    filing.saved_at = clock.now()
    filing.validated_digest = "" if waiting else figures
    filing.validated_at = None if waiting else filing.saved_at
    s.add(filing)
    said = f"未通过：{errors} 处错误，{len(waiting) - errors} 条警告未处理" if waiting else "通过"
    audit.record(s, actor, Action.VALIDATE.value, "filing", filing_id, detail=said, after=figures)
    events.publish(s, events.FilingChanged(filing_id))
    return ValidationResult(
        passed=not waiting,
        errors=errors,
        warnings=len(waiting) - errors,
        first=str(waiting[0].cells[0]) if waiting and waiting[0].cells else "",
        messages=tuple(finding.message for finding in waiting),
        digest_code="" if waiting else digest.code(figures),
    )


def open_findings(s: Session, filing_id: int) -> tuple[Finding, ...]:
    """What still stands in the way: errors, and warnings nobody has confirmed or explained."""
    loaded = working.load(s, filing_id)
    return working.open_findings(loaded.sheet, loaded.notes)


def current_digest(s: Session, filing: Filing) -> str:
    """The digest of the working figures as they are now."""
    return digest.of(filing.template_digest, working.read_cells(s, filing.id or 0))


# --- one edit ---------------------------------------------------------------------------------------------------------


def _own_room(s: Session, actor: Actor, filing_id: int, enter: Callable[[Session, int], Room]) -> Room:
    """The room, if this person may edit this filing now; permission is asked once a person and room, the rest each time."""
    try:
        room = enter(s, filing_id)
    except NotFound:
        permissions.load(s, actor, Action.EDIT, filing_id)  # says more to those whose filing it was
        raise
    who = actor.user_id, actor.role
    if actor.organisation_id != room.organisation_id or who not in room.cleared:
        permissions.load(s, actor, Action.EDIT, room.filing_id)
        room.cleared.add(who)
    if not room.takes_edits(s):  # the database may know better; if not, it refuses in the workflow's words
        standing.require(s, actor, Action.EDIT, room.filing_id)
        return rooms.reload(s, room.filing_id)
    return room


class _Overtaken(Exception):
    """A working copy turned out to be out of date; it is spoilt then."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One edit that is made in the working copy and not yet written."""

    number: int  # among those that are done together
    editing: Editing
    room: Room
    changed: Sequence[Changed]
    answer: Callable[[datetime], SheetPatch]  # once it is written


def _edit(s: Session, several: Sequence[Editing], enter: Callable[[Session, int], Room]) -> list[SheetPatch | Refusal]:
    """One attempt; raises _Overtaken."""
    answers: dict[int, SheetPatch | Refusal] = {}
    steps: dict[int, _Step] = {}  # by filing
    for number, editing in enumerate(several):
        if editing.filing_id in steps:  # this one has to see what that one wrote
            answers |= _written(s, steps.values())
            steps = {}
        try:
            begun = _begun(s, number, editing, enter)
        except Refusal as refusal:
            rooms.leave(s, editing.filing_id)
            answers[number] = refusal
            continue
        if isinstance(begun, _Step):
            steps[editing.filing_id] = begun
        else:
            answers[number] = begun
    answers |= _written(s, steps.values())
    return [answers[number] for number in range(len(several))]


def _begun(s: Session, number: int, editing: Editing, enter: Callable[[Session, int], Room]) -> _Step | SheetPatch:
    """Make one edit in the working copy; the answer already if nothing changes by it."""
    if len(editing.edits) > MOST_EDITS:
        raise Refusal(f"一次最多修改 {MOST_EDITS} 个单元格，这次是 {len(editing.edits)} 个。请分几次粘贴或导入。")
    actor = editing.actor
    room = _own_room(s, actor, editing.filing_id, enter)
    form = room.sheet
    wanted, refused, conflicts = _sort(room, editing.edits, editing.seen or {})
    before = {address: form.cells.get(address, typed.BLANK) for address in _touched(room.template, wanted)}
    effect = form.apply(wanted.values()) if wanted else NOTHING
    for address, sentence in effect.refused.items():
        refused[str(address)] = sentence
    changed = [
        (address, old, new) for address, old in before.items() if (new := form.cells.get(address, typed.BLANK)) != old
    ]
    echo = [Address.parse(text) for text in conflicts]
    echo += (address for address in wanted if address not in effect.cells and address not in effect.refused)
    if not changed:
        if not rooms.is_current(s, room):
            raise _Overtaken
        return _patch(room, effect, room.saved_at, room.revision, actor, refused, conflicts, echo)

    def answer(now: datetime) -> SheetPatch:
        if room.notes:
            _bury_notes(s, room, effect)
        explained = _explain_by_remarks(s, actor, room, changed, now)
        return _patch(room, effect, now, room.revision + 1, actor, refused, conflicts, echo, explained)

    return _Step(number, editing, room, changed, answer)


def _written(s: Session, steps: Collection[_Step]) -> dict[int, SheetPatch | Refusal]:
    """Write what the edits of different filings come to; the answers by their numbers."""
    if not steps:
        return {}
    now = clock.now()
    connection = connection_of(s)
    _advance(connection, [(step.room, _still_validated(step.room)) for step in steps], now)
    _write(connection, steps, now)
    answers: dict[int, SheetPatch | Refusal] = {}
    for step in steps:
        answers[step.number] = answer = step.answer(now)
        _keep(s, step.room, answer, step.editing.origin)
    return answers


def _sort(
    room: Room, edits: Sequence[CellEdit], seen: Mapping[str, str]
) -> tuple[dict[Address, tuple[Address, str, bool]], dict[str, str], dict[str, tuple[str, str]]]:
    """Edits → what to write by address, refusals by address, conflicts by address (theirs, yours)."""
    known = working.places(room.template)
    wanted: dict[Address, tuple[Address, str, bool]] = {}
    refused: dict[str, str] = {}
    conflicts: dict[str, tuple[str, str]] = {}
    for edit in edits:
        address = known.get(edit.address)
        if address is None:  # the sheet says why
            address = Address.parse(edit.address)
            wanted[address] = address, edit.text, False
        elif room.scope is not None and address not in room.scope:
            refused[edit.address] = OUT_OF_SCOPE
        elif edit.convert and room.scope is not None and not room.scope.issuperset(_figures(room.template, address)):
            refused[edit.address] = CONVERTS_MORE
        else:
            stored = room.sheet.cells.get(address, typed.BLANK).text
            if edit.address in seen and _overtaken(room, address, seen[edit.address], stored, edit.text):
                conflicts[edit.address] = stored, edit.text
            else:
                wanted[address] = address, edit.text, edit.convert
    return wanted, refused, conflicts


def _overtaken(room: Room, address: Address, theirs: str, stored: str, text: str) -> bool:
    """Whether the stored text is neither what the editor saw nor what the editor wants."""
    if stored in (theirs, text):
        return False
    field = room.template.fields[address.field]
    return all(typed.parse(field, address.slot, said).text != stored for said in (theirs, text))


def _touched(template: FormTemplate, wanted: Iterable[Address]) -> Iterable[Address]:
    """The cells whose stored value may change: those written to, and the figures counted in a unit that is written to."""
    units = [address for address in wanted if address.slot == UNIT_SLOT]
    return (*wanted, *(figure for unit in units for figure in _figures(template, unit))) if units else wanted


def _figures(template: FormTemplate, unit: Address) -> tuple[Address, ...]:
    """The cells that are counted in a chosen unit."""
    rows = [key for key, field in template.fields.items() if template.own_unit(key) == unit.field and not field.formula]
    return tuple(Address(row, slot) for row in rows for slot in template.slots(row))


def _still_validated(room: Room) -> str:
    """The validated digest if the figures, after the edit, still are the ones that were validated."""
    if room.validated_digest and room.sheet.digest() != room.validated_digest:
        return ""
    return room.validated_digest


def _advance(connection: Connection, several: Sequence[tuple[Room, str]], now: datetime) -> None:
    """Take the next revision of each, with the validated digest it has from then on; raises _Overtaken if somebody else did."""
    taken = [
        {"of": room.filing_id, "was": room.revision, "next": room.revision + 1, "now": now, "valid": validated_digest}
        for room, validated_digest in several
    ]
    for room, validated_digest in several:
        room.validated_digest = validated_digest
    if _statements(connection.dialect).advance.run(connection, *taken) != len(taken):
        raise _Overtaken


def _write(connection: Connection, steps: Collection[_Step], now: datetime) -> None:
    changed = [(step, *one) for step in steps for one in step.changed]
    cells = (
        {
            "filing_id": step.room.filing_id,
            "field": address.field,
            "slot": address.slot,
            "text": new.text,
            "kind": new.kind,
            "value": new.value,
        }
        for step, address, _, new in changed
    )
    lines = [
        {
            "filing_id": step.room.filing_id,
            "field": address.field,
            "slot": address.slot,
            "before": old.text,
            "after": new.text,
            "source": step.editing.source if step.editing.source in SOURCES else "typed",
            "user_id": step.editing.actor.user_id,
            "at": now,
        }
        for step, address, old, new in changed
        if old.text != new.text
    ]
    statements = _statements(connection.dialect)
    statements.put.run(connection, *cells)
    if lines:
        statements.log.run(connection, *lines)


def _bury_notes(s: Session, room: Room, effect: Effect) -> None:
    """An explanation dies with the values it was given for."""
    dead = [finding for finding in effect.gone if finding in room.notes]
    dead += [f.id for f in effect.found if f.id in room.notes and room.notes[f.id].values_hash != f.values_hash]
    _forget_notes(s, room, dead)


def _explain_by_remarks(
    s: Session, actor: Actor, room: Room, changed: Sequence[Changed], now: datetime
) -> tuple[Finding, ...]:
    """特殊情况说明 explains the warnings that stand in its row, for the values they have now; returns those findings."""
    remarks = {address.field: (old.text, new.text) for address, old, new in changed if address.slot == REMARK_SLOT}
    if not remarks:
        return ()
    found = []
    for finding in room.sheet.findings.values():
        if not finding.cells or finding.cells[0].field not in remarks or finding.level is not FindingLevel.WARNING:
            continue
        old, new = remarks[finding.cells[0].field]
        said = room.notes.get(finding.id)
        if said is not None and said.text != old:
            continue
        if explanations.says_something(new):
            _put_note(s, actor, room, finding, Note(finding.values_hash, FindingState.EXPLAINED, new, actor.name, now))
        elif said is not None and said.state is FindingState.EXPLAINED:
            _forget_notes(s, room, [finding.id])
        else:
            continue
        found.append(finding)
    return tuple(found)


def _put_note(s: Session, actor: Actor, room: Room, finding: Finding, note: Note) -> None:
    s.merge(
        FindingNote(
            filing_id=room.filing_id,
            finding=finding.id,
            values_hash=note.values_hash,
            state=note.state,
            text=note.text,
            user_id=actor.user_id,
            user_name=note.by,
            at=note.at,
        )
    )
    s.flush()
    room.notes[finding.id] = note


def _forget_notes(s: Session, room: Room, findings: Sequence[str]) -> None:
    if not findings:
        return
    whose = col(FindingNote.filing_id) == room.filing_id, col(FindingNote.finding).in_(findings)
    s.connection().execute(delete(FindingNote).where(*whose))
    for finding in findings:
        room.notes.pop(finding, None)


def _patch(
    room: Room,
    effect: Effect,
    saved_at: datetime | None,
    revision: int,
    actor: Actor,
    refused: Mapping[str, str] | None = None,
    conflicts: Mapping[str, tuple[str, str]] | None = None,
    echo: Iterable[Address] = (),
    noted: tuple[Finding, ...] = (),
) -> SheetPatch:
    cells = {str(address): working.cell_view(value) for address, value in effect.cells.items()}
    for address in echo:
        cells[str(address)] = working.cell_view(room.sheet.cells.get(address, typed.BLANK))
    return SheetPatch(
        cells=cells,
        gone=effect.gone,
        found=tuple(
            working.finding_view(finding, working.note_of(finding, room.notes))
            for finding in {f.id: f for f in (*effect.found, *noted)}.values()
            if not finding.reviewers_only
        ),
        refused=refused or {},
        progress=working.progress(room.sheet),
        counts=working.counts(room.sheet, room.notes),
        saved_at=saved_at,
        revision=revision,
        validated=bool(room.validated_digest),
        stamped=bool(room.stamp_digest) and room.sheet.digest() == room.stamp_digest,
        conflicts=conflicts or {},
        by=actor.name,
    )


def _keep(s: Session, room: Room, answer: SheetPatch, origin: str) -> None:
    room.revision, room.saved_at = answer.revision, answer.saved_at
    told = replace(answer, refused={}, conflicts={}) if answer.refused or answer.conflicts else answer
    rooms.keep(s, room)
    events.publish(s, events.CellsChanged(room.filing_id, told, origin))


@dataclass(frozen=True, slots=True)
class _Statements:
    advance: Prepared
    put: Prepared
    log: Prepared


_prepared: dict[str, _Statements] = {}


def _statements(dialect: Dialect) -> _Statements:
    if dialect.name not in _prepared:
        _prepared[dialect.name] = _prepare(dialect)
    return _prepared[dialect.name]


def _prepare(dialect: Dialect) -> _Statements:
    filing, cell, change = (cast(Any, table).__table__ for table in (Filing, Cell, CellChange))
    advance = (
        update(filing)
        .where(filing.c.id == bindparam("of"), filing.c.revision == bindparam("was"), filing.c.deleted_at.is_(None))
        .values(revision=bindparam("next"), saved_at=bindparam("now"), validated_digest=bindparam("valid"))
    )
    put = (postgresql if dialect.name == "postgresql" else sqlite).insert(cell)
    upsert = put.on_conflict_do_update(
        index_elements=["filing_id", "field", "slot"],
        set_={"text": put.excluded.text, "kind": put.excluded.kind, "value": put.excluded.value},
    )
    return _Statements(
        prepare(advance, dialect),
        prepare(upsert, dialect, ("filing_id", "field", "slot", "text", "kind", "value")),
        prepare(
            change.insert().inline(),
            dialect,
            ("filing_id", "field", "slot", "before", "after", "source", "user_id", "at"),
        ),
    )
