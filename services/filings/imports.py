"""导入EXCEL: a workbook is read and compared outside any transaction; what a person confirms then goes the way of typing.

``preview`` writes nothing; ``confirm_import`` is one :func:`desk.edit_cells` in one transaction, with the texts that the preview
compared against, so that a cell somebody else changed meanwhile becomes a conflict and is not overwritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlmodel import Session

from models import Organisation
from models.enums import Action, CellKind, FindingLevel
from services import audit
from services.actors import Actor
from services.db import Database
from services.documents import intake
from services.documents.intake import Change, Intake, Preview, Problem
from services.errors import Refusal
from services.filings import desk, standing, versions, working
from services.filings.views import CellEdit, Difference, SheetPatch
from services.filings.working import Working
from services.forms import cells as typed
from services.forms.template import Address, FormTemplate

_ORDER = (FindingLevel.ERROR, FindingLevel.WARNING, FindingLevel.NOTE)


@dataclass(frozen=True, slots=True)
class ImportLine:
    """One line of the preview: ``place`` in the workbook (E25, or ""), ``what`` cell of the form, the whole sentence."""

    level: FindingLevel
    place: str
    what: str
    message: str


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """导入预览: ``changes`` old → new, ``refused``: what is not taken over and why, ``found``: findings that would arise.

    Held by the page until it is confirmed or dropped; nothing of it is on a disk.
    """

    filing_id: int
    name: str
    changes: tuple[Difference, ...]
    refused: tuple[ImportLine, ...]
    found: tuple[ImportLine, ...]
    clearable: int  # cells that are blank in the workbook and filled in the form
    edits: tuple[CellEdit, ...] = field(repr=False)
    seen: Mapping[str, str] = field(repr=False)  # address → the text compared against
    content: bytes = field(repr=False)
    _taken: Intake = field(repr=False)
    _shown: Preview = field(repr=False)
    _template: FormTemplate = field(repr=False)


def preview(
    db: Database, actor: Actor, filing_id: int, name: str, content: bytes, *, clear_blank: bool = False
) -> ImportPreview:
    """What a workbook would change (预览); raises Refusal for another form's, year's or unit's, or no workbook of ours.

    Blocking, some ten milliseconds; the bounded reader refuses a hostile file within 0.2 s. ``clear_blank``: cells that are
    blank in the workbook are emptied in the form too.
    """
    loaded, unit_name, credit_code = db.read(_open, actor, filing_id)
    taken = intake.read(content, loaded.template, credit_code=credit_code, unit_name=unit_name)
    taken = _within_scope(taken, loaded)
    shown = intake.preview(taken, loaded.sheet, clear_blank=clear_blank)
    before, trial = loaded.sheet.cells, loaded.sheet.copy()
    trial.apply(shown.edits)
    addresses = [address for address, _ in shown.edits]
    differences = versions.differences(loaded.template, before, trial.cells)
    filled = sum(loaded.sheet.cell(address).kind is not CellKind.BLANK for address in taken.blanks)
    return ImportPreview(
        filing_id=filing_id,
        name=name,
        changes=tuple(_changes(loaded.template, shown.changes, {one.address: one for one in differences})),
        refused=tuple(_lines(loaded.template, shown.problems)),
        found=tuple(
            ImportLine(
                one.level, taken.places.get(one.cells[0], ""), _words(loaded.template, one.cells[0]), one.message
            )
            for one in sorted(shown.found, key=lambda one: _ORDER.index(one.level))
        ),
        clearable=filled,
        edits=tuple(CellEdit(str(address), text) for address, text in shown.edits),
        seen={str(address): before.get(address, typed.BLANK).text for address in addresses},
        content=content,
        _taken=taken,
        _shown=shown,
        _template=loaded.template,
    )


def confirm_import(s: Session, actor: Actor, filing_id: int, shown: ImportPreview, *, origin: str = "") -> SheetPatch:
    """导入: all changes of the preview at once, as if typed. ``conflicts`` of the answer were changed by somebody else since."""
    if shown.filing_id != filing_id or not shown.edits:
        raise Refusal("没有可以导入的修改。请重新选择工作簿。")
    answer = desk.edit_cells(s, actor, filing_id, shown.edits, source="import", origin=origin, seen=shown.seen)
    written = len(shown.edits) - len(answer.conflicts) - len(answer.refused)
    left = f"，{len(answer.conflicts)} 处因他人刚刚改过而没有写入" if answer.conflicts else ""
    audit.record(s, actor, "import", "filing", filing_id, detail=f"{shown.name}：写入 {written} 处{left}")
    return answer


def marked(db: Database, actor: Actor, shown: ImportPreview) -> bytes:
    """标注问题的工作簿: the same file with fills, comments and a sheet 问题. Blocking, about a second, in a child process."""
    db.read(standing.require, actor, Action.VIEW, shown.filing_id)
    return intake.marked(shown.content, shown._taken, shown._template, shown._shown)


def _open(s: Session, actor: Actor, filing_id: int) -> tuple[Working, str, str]:
    standing.require(s, actor, Action.EDIT, filing_id)
    loaded = working.load(s, filing_id)
    unit = s.get_one(Organisation, loaded.filing.organisation_id)
    return loaded, unit.name, unit.credit_code


def _within_scope(taken: Intake, loaded: Working) -> Intake:
    """After a return only some cells may change (退回修改范围): others that differ are named, those that agree are not."""
    scope = loaded.scope
    if scope is None:
        return taken
    inside = {address: text for address, text in taken.texts.items() if address in scope}
    outside = {address: text for address, text in taken.texts.items() if address not in scope}
    known = working.places(loaded.template)
    differing = intake.preview(replace(taken, texts=outside, problems=(), blanks=()), loaded.sheet).changes
    refused = [
        Problem(taken.places.get(change.address, ""), desk.OUT_OF_SCOPE, FindingLevel.NOTE, change.address)
        for change in differing
        if str(change.address) in known
    ]
    blanks = tuple(address for address in taken.blanks if address in scope)
    return replace(taken, texts=inside, problems=(*taken.problems, *refused), blanks=blanks)


def _changes(
    template: FormTemplate, changes: Iterable[Change], known: Mapping[str, Difference]
) -> Iterable[Difference]:
    """In the order of the form; also what is only spelt in another way (不适用 for 不涉及)."""
    order = {key: place for place, key in enumerate(template.fields)}
    parts = {part.key: part.title for part in template.parts}
    for one in sorted(changes, key=lambda change: order[change.address.field]):
        address, part = str(one.address), parts[template.fields[one.address.field].part]
        spelt = Difference(address, _words(template, one.address), part, one.before, one.after)
        yield known.get(address, spelt)


def _lines(template: FormTemplate, problems: Iterable[Problem]) -> Iterable[ImportLine]:
    for one in sorted(problems, key=lambda one: _ORDER.index(one.level)):
        yield ImportLine(one.level, one.place, _words(template, one.address), one.message)


def _words(template: FormTemplate, address: Address | None) -> str:
    return working.place_words(template, address) if address is not None else ""
