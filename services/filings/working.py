"""The working sheet of a filing out of the database (工作表): cells, notes, dates and stamp as the last commit left them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlmodel import Session, col

from models import (
    Cell,
    Filing,
    FindingNote,
    Organisation,
    RosterEntry,
    Stamp,
    StoredFile,
    TemplateCopy,
    User,
)
from models.enums import CellKind, FileKind, FindingLevel, FindingState, Form
from services import clock
from services.errors import NotFound
from services.filings.views import CellView, FindingView
from services.forms import loader
from services.forms.findings import CellValue, Context, Finding
from services.forms.sheet import Sheet
from services.forms.template import REMARK_SLOT, UNIT_SLOT, Address, FormField, FormTemplate

PROOF = (FileKind.EXPLANATION, FileKind.EVIDENCE)


@dataclass(frozen=True, slots=True)
class Note:
    """核验说明 of one finding; it counts only while the finding has the same ``values_hash``."""

    values_hash: str
    state: FindingState
    text: str
    by: str
    at: datetime


@dataclass(slots=True)
class Working:
    """A filing with its sheet. ``sheet`` may be changed by its owner alone; nothing here outlives a rolled back transaction."""

    filing: Filing
    template: FormTemplate
    sheet: Sheet
    notes: dict[str, Note]
    stamp_digest: str  # what the newest stamped scan shows; "": none
    scope: frozenset[Address] | None  # what a return allows to be changed; None: everything


def load(s: Session, filing_id: int) -> Working:
    """Read one filing and build its sheet (载入); raises NotFound."""
    filing = find(s, filing_id)
    template = template_of(s, filing.template_digest)
    sheet = Sheet(template, read_cells(s, filing_id), context(s, filing))
    return Working(
        filing, template, sheet, read_notes(s, filing_id), stamp_digest(s, filing_id), scope_of(template, filing)
    )


def find(s: Session, filing_id: int) -> Filing:
    """The filing that is alive, as the database has it now; raises NotFound."""
    query = select(Filing).where(col(Filing.id) == filing_id, col(Filing.deleted_at).is_(None))
    filing: Filing | None = s.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if filing is None:
        raise NotFound()
    return filing


_templates: dict[str, FormTemplate] = {}


def template_of(s: Session, digest: str) -> FormTemplate:
    """The template a filing was opened with, from its archived copy."""
    if digest not in _templates:
        text = s.execute(select(col(TemplateCopy.source_text)).where(col(TemplateCopy.digest) == digest)).scalar_one()
        _templates[digest] = loader.from_copy(digest, text)
    return _templates[digest]


def read_cells(s: Session, filing_id: int) -> dict[Address, CellValue]:
    query = select(*map(col, (Cell.field, Cell.slot, Cell.text, Cell.kind, Cell.value))).where(
        col(Cell.filing_id) == filing_id
    )
    return {Address(field, slot): CellValue(text, kind, value) for field, slot, text, kind, value in s.execute(query)}


def read_notes(s: Session, filing_id: int) -> dict[str, Note]:
    n = FindingNote
    query = select(*map(col, (n.finding, n.values_hash, n.state, n.text, n.user_name, n.at))).where(
        col(n.filing_id) == filing_id
    )
    return {finding: Note(*rest) for finding, *rest in s.execute(query)}


def thaw_cells(frozen: Mapping[str, Any]) -> dict[Address, CellValue]:
    """The cells of a frozen version as values."""
    return {
        Address.parse(address): CellValue(text, CellKind(kind), value)
        for address, (text, kind, value) in frozen.items()
    }


def user_name(s: Session, user_id: int) -> str:
    return s.execute(select(col(User.name)).where(col(User.id) == user_id)).scalar() or ""


def stamp_digest(s: Session, filing_id: int) -> str:
    query = select(col(Stamp.digest)).where(col(Stamp.filing_id) == filing_id).order_by(col(Stamp.id).desc()).limit(1)
    return s.execute(query).scalar() or ""


def context(s: Session, filing: Filing) -> Context:
    """What the rules may know of this unit (核验背景)."""
    unit = s.get_one(Organisation, filing.organisation_id)
    proof = select(col(StoredFile.id)).where(
        col(StoredFile.filing_id) == filing.id, col(StoredFile.kind).in_(PROOF), col(StoredFile.removed_at).is_(None)
    )
    return Context(
        listed_names=tuple(dict.fromkeys(entry.listed_name for entry in entries_of(s, unit, filing.form))),
        roster_names=roster_names(s, filing.form),
        has_attachment=s.execute(proof.limit(1)).first() is not None,
        unit_name=unit.name,
    )


def entries_of(s: Session, unit: Organisation, form: Form) -> tuple[RosterEntry, ...]:
    """The unit's entries on the list of this form that are in force today (在册条目), newest first."""
    whose = col(RosterEntry.organisation_id) == unit.id
    if unit.credit_code:
        whose = or_(whose, col(RosterEntry.credit_code) == unit.credit_code)
    query = select(RosterEntry).where(whose, col(RosterEntry.form) == form, *_in_force())
    return tuple(s.execute(query.order_by(col(RosterEntry.listed_on).desc(), col(RosterEntry.id).desc())).scalars())


_names: dict[tuple[str, Form], tuple[tuple[object, ...], frozenset[str]]] = {}


def roster_names(s: Session, form: Form) -> frozenset[str]:
    """Every name on the list of this form today; read again only when a few sums over the list say that it changed."""
    rows = (col(RosterEntry.form) == form, *_in_force())
    sums = func.count(), func.sum(col(RosterEntry.id)), func.sum(func.length(col(RosterEntry.listed_name)))
    stamp = clock.today(), *s.execute(select(*sums).where(*rows)).one()
    key = str(s.connection().engine.url), form
    known = _names.get(key)
    if known is None or known[0] != stamp:
        names = s.execute(select(col(RosterEntry.listed_name)).where(*rows)).scalars()
        known = _names[key] = stamp, frozenset(names)
    return known[1]


def note_of(finding: Finding, notes: Mapping[str, Note]) -> Note | None:
    """What was said to this finding with these very values."""
    note = notes.get(finding.id)
    return note if note is not None and note.values_hash == finding.values_hash else None


def open_findings(sheet: Sheet, notes: Mapping[str, Note]) -> tuple[Finding, ...]:
    """What still stands in the way of 验证并保存: errors, and warnings nobody has confirmed or explained; in sheet order."""
    return tuple(
        finding
        for finding in sheet.findings.values()
        if not finding.reviewers_only
        and (
            finding.level is FindingLevel.ERROR
            or (finding.level is FindingLevel.WARNING and note_of(finding, notes) is None)
        )
    )


def counts(sheet: Sheet, notes: Mapping[str, Note]) -> tuple[int, int, int]:
    """Open errors, open warnings, notes (错误, 警告, 提示) as the unit sees them."""
    errors = warnings = hints = 0
    for finding in sheet.found:
        if finding.reviewers_only:
            continue
        level = finding.level
        if level is FindingLevel.ERROR:
            errors += 1
        elif level is FindingLevel.NOTE:
            hints += 1
        elif finding.id not in notes or notes[finding.id].values_hash != finding.values_hash:
            warnings += 1
    return errors, warnings, hints


def progress(sheet: Sheet) -> tuple[tuple[str, int, int], ...]:
    """填写进度: part key, required cells filled, of how many."""
    return tuple((part.part, part.filled, part.required) for part in sheet.progress())


def finding_view(finding: Finding, note: Note | None) -> FindingView:
    fix = finding.fix
    return FindingView(
        id=finding.id,
        rule=finding.rule,
        level=finding.level,
        title=finding.title,
        message=finding.message,
        cells=tuple(map(str, finding.cells)),
        values_hash=finding.values_hash,
        keep=finding.keep,
        state=note.state if note else FindingState.OPEN,
        note=note.text if note else "",
        note_by=f"{note.by} {clock.local(note.at):%Y-%m-%d %H:%M}" if note else "",
        fix_words=fix.words if fix else "",
        fix_texts=fix.texts if fix else {},
        popup=finding.popup,
        source=finding.source,
    )


def finding_views(sheet: Sheet, notes: Mapping[str, Note], *, for_reviewers: bool = False) -> tuple[FindingView, ...]:
    """Every finding with what was said to it, in sheet order; the unit is not told what is for reviewers only."""
    shown = (f for f in sheet.findings.values() if for_reviewers or not f.reviewers_only)
    return tuple(finding_view(f, note_of(f, notes)) for f in shown)


def cell_view(value: CellValue) -> CellView:
    return CellView(value.text, value.kind)


def places(template: FormTemplate) -> Mapping[str, Address]:
    """Every cell a person may type into, by its address as text; locked and derived ones are not here."""
    known = _places.get(template.digest)
    if known is None:
        known = _places[template.digest] = {
            str(address): address
            for field in template.fields.values()
            if not field.locked
            for address in slots(template, field)
            if not (field.kind == "derived" and address.slot != REMARK_SLOT)
        }
    return known


_places: dict[str, dict[str, Address]] = {}


def slots(template: FormTemplate, field: FormField) -> tuple[Address, ...]:
    """Every cell of a row: its values, its unit, its remark."""
    extra = ((UNIT_SLOT,) if field.units and not field.unit_of else ()) + ((REMARK_SLOT,) if field.remark else ())
    return tuple(Address(field.key, slot) for slot in (*template.slots(field.key), *extra))


def scope_of(template: FormTemplate, filing: Filing) -> frozenset[Address] | None:
    return None if filing.return_scope is None else expand_scope(template, filing.return_scope)


def expand_scope(template: FormTemplate, addresses: Iterable[str]) -> frozenset[Address]:
    """退回修改范围: the listed cells, their units and remarks, and for a derived cell everything it is computed from."""
    waiting = [Address.parse(text) for text in addresses]
    found: set[Address] = set()
    while waiting:
        address = waiting.pop()
        field = template.fields.get(address.field)
        if address in found or field is None:
            continue
        row = slots(template, field)
        if address not in row:  # a whole row was listed
            waiting.extend(row)
            continue
        found.add(address)
        found.update(place for place in row if place.slot in (UNIT_SLOT, REMARK_SLOT))
        if field.unit_of:
            found.add(Address(field.unit_of, UNIT_SLOT))
        if field.formula:
            previous = str(int(address.slot) - 1) if address.slot.isdigit() else address.slot
            for name in field.formula.names:
                yearly = template.fields[name].yearly
                waiting.append(Address(name, address.slot if yearly else ""))
                if yearly and "__prev" in field.formula.text and int(previous) in template.years:
                    waiting.append(Address(name, previous))
    return frozenset(found)


def place_words(template: FormTemplate, address: Address) -> str:
    """单元格的说法: 氨氮排放量 2024年, 工业总产值 计量单位."""
    field = template.fields.get(address.field)
    if field is None:
        return str(address)
    said = {"": "", UNIT_SLOT: " 计量单位", REMARK_SLOT: " 特殊情况说明"}
    label = f"{field.label}（{field.parameter}）" if field.parameter else field.label
    return label + said.get(address.slot, f" {address.slot}年")


def unit_words(template: FormTemplate, cells: Mapping[Address, CellValue], address: Address) -> str:
    """The unit a figure is shown in: the chosen one, else the fixed one."""
    field = template.fields.get(address.field)
    if field is None or address.slot in (UNIT_SLOT, REMARK_SLOT) or field.kind not in ("number", "derived"):
        return ""
    chosen = cells.get(Address(field.unit_of or field.key, UNIT_SLOT))
    return chosen.text if chosen is not None and chosen.kind is not CellKind.BLANK else field.unit


def _in_force() -> tuple[ColumnElement[bool], ...]:
    today = clock.today()
    removed = col(RosterEntry.removed_on)
    return col(RosterEntry.listed_on) <= today, or_(removed.is_(None), removed > today)
