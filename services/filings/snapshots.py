"""What PDF and Excel are made from (快照): a filing as it stands for these eyes, or one of its versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from models import AdjustmentOpinion, ExpertTask, Filing, FilingVersion, Organisation, Step
from models.enums import Action, FilingStatus, FindingState, StepStatus, Tier
from services import audit, clock, permissions
from services.accounts import contacts
from services.actors import Actor
from services.documents.snapshot import FilingSnapshot, NoteLine, OpinionLine
from services.errors import NotFound
from services.filings import standing, versions, working
from services.forms.findings import Context
from services.forms.sheet import Sheet

DECIDED = (StepStatus.FORWARDED, StepStatus.RETURNED, StepStatus.APPROVED)


def snapshot(
    s: Session,
    actor: Actor,
    filing_id: int,
    version_id: int | None = None,
    *,
    action: Action = Action.EXPORT_PDF,
) -> FilingSnapshot:
    """The figures to print or export: the unit's working ones, or those of a version; others see the version under way.

    Raises NotFound for a version that is not of this filing, and for who may not export it.
    """
    filing, known = standing.require(s, actor, action, filing_id)
    if version_id is None and not actor.is_unit:
        version_id = filing.current_version_id
    if version_id is None:
        return _working(s, actor, filing)
    version = s.get(FilingVersion, version_id)
    if version is None or version.filing_id != filing_id:
        raise NotFound
    found = _frozen(s, actor, filing, version)
    if permissions.sees_contacts(known.relation):
        return found
    return replace(
        found,
        cells=contacts.masked_cells(found.cells),
        differences=contacts.masked_differences(found.differences),
    )


def handed_out(
    s: Session, actor: Actor, filing_id: int, version_id: int | None = None, *, action: Action
) -> FilingSnapshot:
    """The same for an office, which gets the contacts with it: a line in the log (导出)."""
    found = snapshot(s, actor, filing_id, version_id, action=action)
    audit.record(s, actor, action.value, "filing", filing_id, detail=f"第{found.version_no}版", after=found.digest)
    return found


def _working(s: Session, actor: Actor, filing: Filing) -> FilingSnapshot:
    assert filing.id is not None
    loaded = working.load(s, filing.id)
    unit = s.get_one(Organisation, filing.organisation_id)
    editable = filing.status in (FilingStatus.DRAFT, FilingStatus.RETURNED)
    notes = (
        NoteLine(finding.message, note.text or note.state.caption, note.by, note.at)
        for finding in loaded.sheet.findings.values()
        if not finding.reviewers_only and (note := working.note_of(finding, loaded.notes)) is not None
    )
    _, cells, other = versions.compared(s, actor, filing, "last")
    differences = (
        versions.differences(loaded.template, working.thaw_cells(other.cells), cells) if other is not None else ()
    )
    return FilingSnapshot(
        template=loaded.template,
        cells=dict(loaded.sheet.cells),
        derived=dict(loaded.sheet.derived),
        number=filing.number,
        unit_name=unit.name if editable else filing.unit_name,
        credit_code=unit.credit_code,
        year=filing.year,
        digest=loaded.sheet.digest(),
        version_no=filing.version_no + 1 if editable else filing.version_no,
        validated=bool(filing.validated_digest),
        dated=filing.submitted_at or filing.validated_at or filing.saved_at or filing.created_at,
        submitted_at=filing.submitted_at,
        notes=tuple(notes),
        differences=differences,
        compared_with=versions.compared_words(s, other, filing) if other is not None else "",
        opinions=_opinions(s, actor, filing.current_version_id),
    )


def _frozen(s: Session, actor: Actor, filing: Filing, version: FilingVersion) -> FilingSnapshot:
    template = working.template_of(s, version.template_digest)
    cells = working.thaw_cells(version.cells)
    query = select(FilingVersion).where(col(FilingVersion.filing_id) == filing.id, col(FilingVersion.no) < version.no)
    other = s.execute(query.order_by(col(FilingVersion.no).desc()).limit(1)).scalar_one_or_none()
    return FilingSnapshot(
        template=template,
        cells=cells,
        derived=dict(Sheet(template, cells, Context()).derived),
        number=filing.number,
        unit_name=version.unit_name,
        credit_code=version.credit_code,
        year=filing.year,
        digest=version.digest,
        version_no=version.no,
        validated=True,
        dated=version.submitted_at,
        submitted_at=version.submitted_at,
        notes=tuple(_kept(version.findings)),
        differences=versions.differences(template, working.thaw_cells(other.cells), cells) if other else (),
        compared_with=versions.compared_words(s, other, filing) if other else "",
        opinions=_opinions(s, actor, version.id),
    )


def _kept(findings: Iterable[Mapping[str, Any]]) -> Iterable[NoteLine]:
    """The kept warnings of a frozen version, with what was said to them."""
    for finding in findings:
        if finding["state"] != FindingState.OPEN.value:
            by, day, time = str(finding["note_by"]).rsplit(" ", 2)
            at = datetime.fromisoformat(f"{day} {time}").replace(tzinfo=clock.BEIJING)
            yield NoteLine(finding["message"], finding["note"] or FindingState(finding["state"]).caption, by, at)


def _opinions(s: Session, actor: Actor, version_id: int | None) -> tuple[OpinionLine, ...]:
    """What the tiers decided about a version (审核意见); 动态调整意见 are for offices only."""
    if version_id is None:
        return ()
    steps = s.execute(select(Step).where(col(Step.version_id) == version_id).order_by(col(Step.position))).scalars()
    advice = {} if actor.is_unit else _advice(s, version_id)
    return tuple(
        OpinionLine(
            tier=step.tier.caption,
            authority_name=step.authority_name,
            decision=step.status.caption,
            opinion=step.opinion,
            decided_by=step.decided_by_name,
            decided_at=step.decided_at,
            remarks=(
                *(("推荐文件已上传",) if step.letter_file_id is not None else ()),
                *_experts(s, step, named=not actor.is_unit),
                *advice.get(step.tier, ()),
            ),
        )
        for step in steps.all()
        if step.status in DECIDED
    )


def _advice(s: Session, version_id: int) -> Mapping[Tier, tuple[str, ...]]:
    found = {}
    for row in s.execute(select(AdjustmentOpinion).where(col(AdjustmentOpinion.version_id) == version_id)).scalars():
        article = f"（{row.article}）" if row.article else ""
        found[row.tier] = (f"动态调整意见：{row.opinion.caption}{article}{'，' if row.reason else ''}{row.reason}",)
    return found


def _experts(s: Session, step: Step, *, named: bool) -> tuple[str, ...]:
    query = select(ExpertTask).where(col(ExpertTask.step_id) == step.id, col(ExpertTask.submitted_at).is_not(None))
    tasks = s.execute(query.order_by(col(ExpertTask.id))).scalars().all()
    if not named:
        return (f"专家评审意见 {len(tasks)} 份",) if tasks else ()
    return tuple(
        f"专家{task.expert_name}：{f'等级 {task.grade.caption}，' if task.grade else ''}{task.opinion}"
        for task in tasks
    )
