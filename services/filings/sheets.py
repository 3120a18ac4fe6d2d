"""The sheet and its head as a page is told them (填报页): the unit's working sheet, or the frozen one that others see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from models import Filing, FilingVersion, Organisation, Question, Stamp, StoredFile
from models.enums import Action, QuestionStatus
from services import permissions
from services.accounts import contacts
from services.actors import Actor
from services.errors import NotFound
from services.filings import files, opening, room, standing, working
from services.filings.standing import Standing
from services.filings.views import CellView, FilingHead, FindingView, QuestionView, SheetView, StampView
from services.forms import digest, layout, reference
from services.forms.findings import Context
from services.forms.sheet import Sheet
from services.forms.template import REMARK_SLOT, UNIT_SLOT, Address, FormTemplate
from services.workflow import transitions

NOTHING_EDITABLE: frozenset[str] = frozenset()


def head(s: Session, actor: Actor, filing_id: int) -> FilingHead:
    """Everything above the sheet (表头); raises NotFound, or Conflict while the figures are still the unit's own affair."""
    filing, known = standing.require(s, actor, Action.VIEW, filing_id)
    version = None if actor.is_unit else _under_way(s, filing)
    figures = version.digest if version else digest.of(filing.template_digest, working.read_cells(s, filing_id))
    return _head(s, actor, filing, known, figures)


def sheet(s: Session, actor: Actor, filing_id: int) -> SheetView:
    """The whole page (填报页): the unit sees its working sheet, everybody else the version under way."""
    filing, known = standing.require(s, actor, Action.VIEW, filing_id)
    if not actor.is_unit:
        return _frozen(s, actor, filing, known, _under_way(s, filing))
    loaded = working.load(s, filing_id)
    top = _head(s, actor, filing, known, loaded.sheet.digest())
    scope = None if loaded.scope is None else frozenset(map(str, loaded.scope))
    findings = working.finding_views(loaded.sheet, loaded.notes)
    page = _page(s, actor, top, filing, known, loaded.sheet, findings, scope if top.editable else NOTHING_EDITABLE)
    if top.editable:
        permissions.authorize(actor, Action.EDIT, filing)
        room.offer(s, loaded, known.window, actor)
    return page


def frozen(s: Session, actor: Actor, version: FilingVersion) -> SheetView:
    """A frozen version to read; raises NotFound for who may not see its filing."""
    filing, known = standing.require(s, actor, Action.VIEW, version.filing_id)
    return _frozen(s, actor, filing, known, version)


def stamp_view(s: Session, filing_id: int, current: str) -> StampView | None:
    """The newest stamped scan and whether it still shows the current figures."""
    query = (
        select(Stamp, StoredFile)
        .join(StoredFile, col(StoredFile.id) == col(Stamp.file_id))
        .where(col(Stamp.filing_id) == filing_id)
    )
    row = s.execute(query.order_by(col(Stamp.id).desc()).limit(1)).first()
    if row is None:
        return None
    stamp, file = row
    by = working.user_name(s, stamp.bound_by_id)
    return StampView(
        file=files.view(file, by),
        digest_code=digest.code(stamp.digest),
        current=stamp.digest == current,
        found_by=stamp.found_by,
        report=tuple(stamp.report),
        bound_by=by,
        bound_at=stamp.bound_at,
    )


def _under_way(s: Session, filing: Filing) -> FilingVersion:
    version = s.get(FilingVersion, filing.current_version_id or 0)
    if version is None:
        raise NotFound
    return version


def _frozen(s: Session, actor: Actor, filing: Filing, known: Standing, version: FilingVersion) -> SheetView:
    template = working.template_of(s, version.template_digest)
    top = _head(s, actor, filing, known, version.digest, editable=False)
    cells = working.thaw_cells(version.cells)
    findings = tuple(map(_thaw, version.findings))
    shown = tuple(f for f in findings if not (actor.is_unit and f.rule in _reviewers_rules(template)))
    return _page(s, actor, top, filing, known, Sheet(template, cells, Context()), shown, NOTHING_EDITABLE)


def _head(
    s: Session, actor: Actor, filing: Filing, known: Standing, figures: str, *, editable: bool = True
) -> FilingHead:
    assert filing.id is not None
    unit = s.get_one(Organisation, filing.organisation_id)
    stamp = stamp_view(s, filing.id, figures)
    why_not = transitions.refusal(Action.EDIT, known.facts, actor.role, known.relation) if actor.is_unit else ""
    return FilingHead(
        id=filing.id,
        number=filing.number,
        organisation_id=filing.organisation_id,
        unit_name=filing.unit_name,
        credit_code=unit.credit_code,
        form=filing.form,
        year=filing.year,
        status=filing.status,
        status_caption=known.status_caption,
        validated=bool(filing.validated_digest),
        stamped=stamp is not None and stamp.current,
        revision=filing.revision,
        digest_code=digest.code(figures),
        saved_at=filing.saved_at,
        submitted_at=filing.submitted_at,
        due_on=known.window.due_day if known.window else None,
        locks_on=known.window.last_day if known.window else None,
        late=filing.late,
        editable=editable and actor.is_unit and why_not is None,
        locked_reason=why_not or "",
        return_reason=filing.return_reason,
        returned_by=filing.returned_by,
        steps=known.steps,
        actions=known.actions,
        stamp=stamp,
        version_no=filing.version_no,
        level=filing.level.caption,
        region_name=reference.region_words(filing.region_code),
    )


def _page(
    s: Session,
    actor: Actor,
    top: FilingHead,
    filing: Filing,
    known: Standing,
    sheet: Sheet,
    findings: tuple[FindingView, ...],
    editable: frozenset[str] | None,
) -> SheetView:
    cells = {**sheet.cells, **sheet.derived}
    previous = _previous(s, filing, sheet.template)
    if not actor.is_unit:  # an office asks for the contacts, which is an act of its own
        cells, previous = contacts.masked_cells(cells), {**previous, **_masked(previous)}
    return SheetView(
        head=top,
        layout=layout_of(sheet.template),
        cells={str(address): CellView(value.text, value.kind.value) for address, value in cells.items()},
        editable=editable,
        findings=findings,
        progress=working.progress(sheet),
        questions=questions(s, actor, filing, sheet.template, top),
        files=files.files_of(s, actor, top.id, known),
        previous=previous,
    )


_layouts: dict[str, Mapping[str, Any]] = {}


def layout_of(template: FormTemplate) -> Mapping[str, Any]:
    """The empty form as the component draws it, made once; not to be changed."""
    if template.digest not in _layouts:
        _layouts[template.digest] = layout.of(template)
    return _layouts[template.digest]


def questions(
    s: Session, actor: Actor, filing: Filing, template: FormTemplate, top: FilingHead
) -> tuple[QuestionView, ...]:
    """核实问题, oldest first: the unit sees what was published, the offices and experts all of them."""
    query = select(Question).where(col(Question.filing_id) == filing.id).order_by(col(Question.id))
    if actor.is_unit:
        query = query.where(col(Question.published).is_(True))
    enabled = {choice.action for choice in top.actions if choice.enabled}
    return tuple(
        QuestionView(
            id=row.id or 0,
            tier=row.tier,
            authority_name=row.authority_name,
            address=row.address,
            place=working.place_words(template, Address.parse(row.address)) if row.address else "整份表",
            text=row.text,
            status=row.status.value,
            published=row.published,
            asked_by="" if actor.is_unit else row.asked_by_name,
            asked_at=row.asked_at,
            answer=row.answer,
            answered_by=row.answered_by_name,
            answered_at=row.answered_at,
            can_answer=row.status is not QuestionStatus.CLOSED and Action.ANSWER in enabled,
            can_close=row.status is not QuestionStatus.CLOSED
            and row.authority_id == actor.organisation_id
            and Action.CLOSE_QUESTION in enabled,
        )
        for row in s.execute(query).scalars()
    )


def _previous(s: Session, filing: Filing, template: FormTemplate) -> Mapping[str, str]:
    """Last year's accepted texts, for the cells that this form has too."""
    version = opening.last_accepted(s, filing)
    if version is None:
        return {}
    known = {
        str(Address(key, slot)) for key in template.fields for slot in (*template.slots(key), UNIT_SLOT, REMARK_SLOT)
    }
    return {address: cell[0] for address, cell in version.cells.items() if address in known}


def _masked(texts: Mapping[str, str]) -> dict[str, str]:
    return {field: contacts.masked(texts[field]) for field in contacts.FIELDS if field in texts}


def _reviewers_rules(template: FormTemplate) -> frozenset[str]:
    return frozenset(rule.id for rule in template.rules if rule.reviewers_only)


def _thaw(finding: Mapping[str, Any]) -> FindingView:
    return FindingView(**{**finding, "cells": tuple(finding["cells"])})
