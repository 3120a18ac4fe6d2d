"""The reviewer's desk (审核页): opens on what matters, read from the frozen version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import select
from sqlmodel import Session, col

from models import (
    AdjustmentOpinion,
    AuditLine,
    ChecklistMark,
    ExpertTask,
    Filing,
    FilingVersion,
    Organisation,
    RosterBatch,
    SiteAssessment,
    Step,
)
from models.enums import Action, AuditResult, FilingStatus, VersionStatus
from services import clock
from services.accounts import contacts
from services.actors import Actor
from services.errors import Forbidden, NotFound
from services.filings import files, sheets, standing, versions, working
from services.filings.standing import MOVES, Standing
from services.filings.views import Difference, FilingHead, FindingView
from services.forms.findings import Context
from services.forms.sheet import Sheet
from services.forms.template import Address, FormTemplate
from services.reviews import drafts, guides, opinions, peers, risk
from services.reviews.views import (
    AdjustmentView,
    ArticleChoice,
    AssessmentView,
    CheckView,
    ExpertView,
    Flag,
    FocusRow,
    FocusView,
    Membership,
    PeerView,
    ReviewView,
    TimelineLine,
)

JUMPS_SHOWN = 12
_FINGERPRINT = re.compile(r"，SHA-256 [0-9a-f]{64}")  # for the audit log, not for reading
# what the timeline tells; the unit is told the first ones only
FOR_ALL = (*MOVES, Action.OPEN, Action.VALIDATE, Action.STAMP, Action.ANSWER)
FOR_OFFICES = (
    *FOR_ALL,
    Action.ASK,
    Action.CLOSE_QUESTION,
    Action.LETTER,
    Action.ASSIGN_EXPERT,
    Action.EXPERT_OPINION,
    Action.ASSESS,
    Action.ADJUST,
)


def review(s: Session, actor: Actor, filing_id: int) -> ReviewView:
    """The whole page. Raises NotFound, Forbidden for the unit itself, or Conflict while nothing was submitted."""
    filing, known = standing.require(s, actor, Action.VIEW, filing_id)
    if actor.is_unit:
        raise Forbidden("审核页只供主管部门和专家使用。请在列表中点击“查看动态管理表”。")
    version = s.get(FilingVersion, filing.current_version_id or 0)
    if version is None:
        raise NotFound
    template = working.template_of(s, version.template_digest)
    sheet = Sheet(template, contacts.masked_cells(working.thaw_cells(version.cells)), Context())
    findings = tuple(FindingView(**{**finding, "cells": tuple(finding["cells"])}) for finding in version.findings)
    head = sheets.head(s, actor, filing_id)
    hidden = {rule.id for rule in template.rules if rule.reviewers_only}
    kept = risk.kept(findings)
    jumps = _jumps(template, sheet)
    unit = s.get_one(Organisation, filing.organisation_id)
    membership = _membership(s, unit, filing)
    among = _peers(s, filing, template, sheet)
    flags = _flags(s, filing, template, sheet, kept, jumps, membership, among)
    return ReviewView(
        head=head,
        version_id=version.id or 0,
        version=versions.version_view(version),
        contact=unit.contact,
        former_names=tuple(filter(None, unit.former_names.splitlines())),
        membership=membership,
        flags=flags,
        risk=filing.risk,
        risk_parts=tuple((str(words), int(points)) for words, points in filing.risk_parts),
        kept=kept,
        for_reviewers=tuple(finding for finding in findings if finding.rule in hidden),
        jumps=jumps,
        focuses=_focuses(s, filing, template, sheet, flags),
        since_last=versions.changes(s, actor, filing_id, "last"),
        since_year=versions.changes(s, actor, filing_id, "year"),
        questions=sheets.questions(s, actor, filing, template, head),
        files=files.listing(s, actor, filing_id),
        experts=_experts(s, actor, filing),
        assessments=_assessments(s, filing, template),
        adjustments=_adjustments(s, filing, template),
        articles=_articles(sheet),
        timeline=timeline(s, actor, filing_id),
        peers=among,
        drafts=drafts.kept(s, actor, filing),
        below=_below(known, head),
    )


def timeline(s: Session, actor: Actor, filing_id: int) -> tuple[TimelineLine, ...]:
    """办理记录 from the audit log, newest first; the unit does not see what the offices do among themselves."""
    standing.require(s, actor, Action.VIEW, filing_id)
    shown = FOR_ALL if actor.is_unit else FOR_OFFICES
    query = (
        select(AuditLine)
        .where(
            col(AuditLine.subject) == "filing",
            col(AuditLine.subject_id) == filing_id,
            col(AuditLine.result) == AuditResult.DONE,
            col(AuditLine.action).in_([action.value for action in shown]),
        )
        .order_by(col(AuditLine.id).desc())
    )
    return tuple(
        TimelineLine(
            clock.local(line.at),
            line.user_name.split("（")[0],
            Action(line.action).caption,
            _FINGERPRINT.sub("", line.detail),
        )
        for line in s.execute(query).scalars()
    )


def _flags(
    s: Session,
    filing: Filing,
    template: FormTemplate,
    sheet: Sheet,
    kept: Sequence[FindingView],
    jumps: Sequence[Difference],
    membership: Sequence[Membership],
    among: Sequence[PeerView],
) -> tuple[Flag, ...]:
    """提请注意, grave ones first."""
    found: list[Flag] = []
    yes = risk.said_yes(sheet.cells)
    if yes:
        labels = "；".join(template.fields[address.field].label for address in yes)
        found.append(Flag("compliance", True, f"合规性信息有 {len(yes)} 项为“是”", labels, tuple(map(str, yes))))
    if risk.name_differs(sheet.cells):
        former = sheet.cell(Address("former_name")).text
        found.append(
            Flag(
                "name",
                True,
                "企业名称与名单不一致",
                f"变更前的名称：{former}" if former else "没有填写变更前的名称。",
                (risk.NAME_SAME,),
            )
        )
    if filing.late:
        found.append(Flag("late", True, "逾期上报", "上报时已过截止日。"))
    if not membership:
        found.append(Flag("not_listed", False, "现行名单中没有查到该单位", "可能已改名或被移出，请核对名单。"))
    returned = _times_returned(s, filing)
    if returned:
        found.append(Flag("returned", False, f"曾被退回 {returned} 次", "请先看与上一版相比改了什么。"))
    if kept:
        cells = tuple(dict.fromkeys(cell for finding in kept for cell in finding.cells))
        found.append(Flag("kept", False, f"保留的警告 {len(kept)} 条", "说明见下。", cells))
    if jumps:
        places = "；".join(f"{jump.place} {jump.change}" for jump in jumps[:3])
        found.append(
            Flag("jump", False, f"较上年变动超过50%的指标 {len(jumps)} 个", places, tuple(j.address for j in jumps))
        )
    high = [peer for peer in among if peer.per_cent >= peers.HIGH]
    if high:
        places = "；".join(
            f"{peer.place} {peer.text} {peer.unit}，高于 {peer.per_cent}% 的同类单位" for peer in high[:3]
        )
        found.append(
            Flag("peers", False, f"明显高于同类单位的指标 {len(high)} 个", places, tuple(p.address for p in high))
        )
    return tuple(found)


def _peers(s: Session, filing: Filing, template: FormTemplate, sheet: Sheet) -> tuple[PeerView, ...]:
    cells = {**sheet.cells, **sheet.derived}
    return tuple(
        PeerView(
            str(position.address),
            f"{template.fields[position.address.field].label} {position.address.slot}年",
            sheet.shown(position.address),
            working.unit_words(template, cells, position.address),
            position.per_cent,
            position.peers,
        )
        for position in peers.positions(s, filing, template, sheet)
    )


def _jumps(template: FormTemplate, sheet: Sheet) -> tuple[Difference, ...]:
    """同比突变 as cell differences: last year's figure, this year's, and by how much."""
    cells = {**sheet.cells, **sheet.derived}
    return tuple(
        Difference(
            address=str(jump.address),
            place=working.place_words(template, jump.address),
            part=template.fields[jump.address.field].part,
            before=_grouped(jump.before),
            after=sheet.shown(jump.address),
            unit=working.unit_words(template, cells, jump.address),
            change=f"{(jump.after / jump.before - 1) * 100:+,.1f}%",
        )
        for jump in risk.jumps(template, cells)[:JUMPS_SHOWN]
    )


def _focuses(
    s: Session, filing: Filing, template: FormTemplate, sheet: Sheet, flags: Sequence[Flag]
) -> tuple[FocusView, ...]:
    """The three focuses with the rows they are about, and the marks of the step under review."""
    step = select(col(Step.id)).where(
        col(Step.version_id) == filing.current_version_id, col(Step.tier) == filing.current_tier
    )
    marks = {
        row.item: row
        for row in s.execute(select(ChecklistMark).where(col(ChecklistMark.step_id).in_(step))).scalars()
        if row.done
    }
    flagged = {Address.parse(address).field for flag in flags for address in flag.addresses}
    views = []
    for focus in guides.checklist(filing.form, filing.year):
        items = []
        keys: dict[str, None] = {}
        for item in focus.items:
            known = tuple(key for key in item.fields if key in template.fields)
            keys |= dict.fromkeys(known)
            row = marks.get(item.key)
            by, at = (row.user_name, clock.local(row.at)) if row else ("", None)
            items.append(CheckView(item.key, item.text, known, item.source, row is not None, by, at))
        rows = tuple(_focus_row(template, sheet, key, key in flagged) for key in keys)
        views.append(FocusView(focus.key, focus.title, tuple(items), rows))
    return tuple(views)


def _focus_row(template: FormTemplate, sheet: Sheet, key: str, flagged: bool) -> FocusRow:
    texts = tuple(
        (f"{slot}年" if slot else "", sheet.shown(Address(key, slot)) or "（空）") for slot in template.slots(key)
    )
    return FocusRow(key, template.fields[key].label, texts, sheet.unit(key), flagged)


def _membership(s: Session, unit: Organisation, filing: Filing) -> tuple[Membership, ...]:
    entries = working.entries_of(s, unit, filing.form)
    query = select(RosterBatch).where(col(RosterBatch.id).in_([entry.batch_id for entry in entries]))
    batches = {batch.id: batch for batch in s.execute(query).scalars()}
    return tuple(
        Membership(
            entry.level.caption,
            batches[entry.batch_id].name,
            batches[entry.batch_id].document_number,
            entry.listed_name,
            entry.listed_on,
            entry.removed_on,
        )
        for entry in entries
    )


def _experts(s: Session, actor: Actor, filing: Filing) -> tuple[ExpertView, ...]:
    """Expert tasks of this version; an expert sees the own one only."""
    query = select(ExpertTask).where(col(ExpertTask.version_id) == filing.current_version_id)
    if not actor.is_authority:
        query = query.where(col(ExpertTask.expert_id) == actor.user_id)
    return tuple(
        ExpertView(
            task.id or 0,
            task.expert_name,
            clock.local(task.assigned_at),
            task.opinion,
            task.grade,
            clock.local(task.submitted_at) if task.submitted_at else None,
            task.expert_id == actor.user_id,
        )
        for task in s.execute(query.order_by(col(ExpertTask.id))).scalars()
    )


def _assessments(s: Session, filing: Filing, template: FormTemplate) -> tuple[AssessmentView, ...]:
    query = select(SiteAssessment).where(col(SiteAssessment.filing_id) == filing.id)
    return tuple(
        AssessmentView(
            row.id or 0,
            row.authority_name,
            row.visited_on,
            row.people,
            tuple((address, opinions.place(template, address), text) for address, text in row.findings),
            row.conclusion,
            tuple(row.file_ids),
            row.recorded_by_name,
            clock.local(row.recorded_at),
        )
        for row in s.execute(query.order_by(col(SiteAssessment.id).desc())).scalars()
    )


def _adjustments(s: Session, filing: Filing, template: FormTemplate) -> tuple[AdjustmentView, ...]:
    query = select(AdjustmentOpinion).where(col(AdjustmentOpinion.version_id) == filing.current_version_id)
    return tuple(
        AdjustmentView(
            row.tier.caption,
            row.authority_name,
            row.opinion,
            row.article,
            row.reason,
            tuple((address, opinions.place(template, address), text) for address, text in row.evidence),
            row.recorded_by_name,
            clock.local(row.recorded_at),
        )
        for row in s.execute(query.order_by(col(AdjustmentOpinion.id))).scalars()
    )


def _articles(sheet: Sheet) -> tuple[ArticleChoice, ...]:
    """Articles to choose from, those that the answers speak for first."""
    choices = [
        ArticleChoice(
            one.key,
            one.opinion,
            one.cite,
            one.title,
            one.text,
            any(answer and opinions.supports(sheet.cells, key, answer) for key, answer in one.evidence.items()),
        )
        for one in guides.articles().values()
    ]
    return tuple(sorted(choices, key=lambda choice: not choice.supported))


def _below(known: Standing, head: FilingHead) -> str:
    own = known.facts.own_tier
    if own is None or head.status is not FilingStatus.REVIEW:
        return ""
    step = known.facts.before(own)
    return step.authority_name if step else ""


def _times_returned(s: Session, filing: Filing) -> int:
    query = select(col(FilingVersion.id)).where(
        col(FilingVersion.filing_id) == filing.id,
        col(FilingVersion.status) == VersionStatus.RETURNED,
        col(FilingVersion.id) != filing.current_version_id,
    )
    return len(s.execute(query).all())


def _grouped(figure: Decimal) -> str:
    return f"{figure.normalize():,f}"
