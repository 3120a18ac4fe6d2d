"""Moving a filing (流转): the only writer of ``Filing.status``. Compare-and-swap on (status, revision), side rows, audit line,
then the event that tells open pages; all in the caller's one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from sqlalchemy import CursorResult, func, select, update
from sqlmodel import Session, col

from models import Figure, Filing, FilingVersion, Organisation, Stamp, Step
from models.enums import (
    TIERS,
    Action,
    CellKind,
    FilingStatus,
    StepStatus,
    VersionStatus,
)
from services import audit, clock, events, inbox, permissions, policy
from services.actors import Actor
from services.errors import Conflict, NotFound, Refusal
from services.filings import standing, working
from services.filings.views import Receipt
from services.forms import digest
from services.reviews import risk
from services.workflow import routes, transitions
from services.workflow.facts import StepFact

DELETE_WORD = "删除"  # what a person types to confirm; 删除的申报不能找回
RAN_AHEAD = "这份动态管理表刚刚被他人办理，本次操作没有生效。请刷新页面查看最新情况。"


def submit(s: Session, actor: Actor, filing_id: int) -> Receipt:
    """上报 or 重新上报: checks everything again, freezes a version, writes the route. A second click gives the same receipt."""
    filing = permissions.load(s, actor, Action.SUBMIT, filing_id)
    if filing.status is FilingStatus.REVIEW and (receipt := _own_receipt(s, actor, filing)) is not None:
        return receipt
    again = filing.status is FilingStatus.RETURNED
    action = Action.RESUBMIT if again else Action.SUBMIT
    filing, known = standing.require(s, actor, action, filing_id)
    loaded = working.load(s, filing_id)
    figures = loaded.sheet.digest()
    waiting = working.open_findings(loaded.sheet, loaded.notes)
    if figures != filing.validated_digest or waiting:
        first = f"第一处：{waiting[0].message}" if waiting else "内容在验证以后又有改动。"
        raise Conflict(f"上报前重新核验没有通过，还没有上报。{first}请返回编辑，重新点击“验证并保存”后再上报。")
    unit = s.get_one(Organisation, filing.organisation_id)
    late = filing.late if again else known.window is not None and known.window.is_late(clock.today())
    version = _freeze(s, actor, filing, unit, loaded, figures, late=late)
    legs = standing.route_of(s, [unit])[filing.organisation_id]
    last = known.facts.steps if again else ()
    first_step = _write_route(s, actor, filing, version, legs, last)
    findings = working.finding_views(loaded.sheet, loaded.notes, for_reviewers=True)
    danger = risk.assess(
        loaded.template, loaded.sheet.cells, findings, late=late, times_returned=_times_returned(s, filing_id)
    )
    move(
        s,
        actor,
        filing,
        action,
        detail=f"第{version.no}版，回执{version.receipt_number}，上报至{first_step.authority_name}"
        + ("（逾期）" if late else ""),
        after=figures,
        version_no=version.no,
        current_version_id=version.id,
        current_tier=first_step.tier,
        current_authority_id=first_step.authority_id,
        submitted_at=version.submitted_at,
        late=late,
        return_scope=None,
        return_reason="",
        returned_by="",
        unit_name=unit.name,
        region_code=unit.region_code,
        group_id=unit.group_id,
        risk=danger.score,
        risk_parts=[list(part) for part in danger.parts],
        flags=danger.flags,
    )
    inbox.close(s, "returned", "nudge", filing=filing, organisation_id=filing.organisation_id)
    inbox.send(
        s,
        filing.organisation_id,
        "receipt",
        filing=filing,
        number=version.receipt_number,
        to_name=first_step.authority_name,
    )
    assert first_step.authority_id is not None
    inbox.send(s, first_step.authority_id, "review", filing=filing, from_name=unit.name)
    return _receipt(filing, version, first_step.authority_name)


def receipt(s: Session, actor: Actor, filing_id: int) -> Receipt:
    """回执 of the version under way, to look at or print again."""
    filing = permissions.load(s, actor, Action.VIEW, filing_id)
    version = s.get(FilingVersion, filing.current_version_id or 0)
    if version is None:
        raise NotFound("这份动态管理表还没有上报，没有回执。请先上报。")
    return _receipt(filing, version, _first_authority(s, version))


def withdraw(s: Session, actor: Actor, filing_id: int) -> None:
    """取消上报, until the first tier has decided: the values stay, the route is dropped, all tiers again."""
    filing, _ = standing.require(s, actor, Action.WITHDRAW, filing_id)
    version = s.get_one(FilingVersion, filing.current_version_id)
    version.status = VersionStatus.WITHDRAWN
    s.add(version)
    move(
        s,
        actor,
        filing,
        Action.WITHDRAW,
        detail=f"第{version.no}版已取消上报",
        before=version.digest,
        current_version_id=None,
        current_tier=None,
        current_authority_id=None,
        submitted_at=None,
        late=False,
        risk=0,
        risk_parts=[],
        flags=0,
    )
    inbox.close(s, "review", "receipt", filing=filing)


def delete(s: Session, actor: Actor, filing_id: int, typed: str) -> None:
    """删除, confirmed by typing 删除; gone for the unit, an administrator can restore it for 30 days."""
    filing, _ = standing.require(s, actor, Action.DELETE, filing_id)
    if typed.strip() != DELETE_WORD:
        raise Refusal(
            f"删除的申报不能找回。确认删除请输入“{DELETE_WORD}”二字，现在输入的是“{typed.strip()[:20]}”。",
            field="confirm",
        )
    figures = digest.of(filing.template_digest, working.read_cells(s, filing_id))
    move(
        s,
        actor,
        filing,
        Action.DELETE,
        detail=f"{filing.unit_name} {filing.number}",
        before=figures,
        deleted_at=clock.now(),
        deleted_by_id=actor.user_id,
    )
    inbox.close(s, *inbox.KINDS, filing=filing)


def restore(s: Session, actor: Actor, filing_id: int) -> None:
    """恢复 a deleted filing (ADMIN), within 30 days and while the unit has not begun another."""
    filing, _ = standing.require(s, actor, Action.RESTORE, filing_id)
    figures = digest.of(filing.template_digest, working.read_cells(s, filing_id))
    move(
        s,
        actor,
        filing,
        Action.RESTORE,
        detail=f"{filing.unit_name} {filing.number}",
        after=figures,
        deleted_at=None,
        deleted_by_id=None,
    )


def move(
    s: Session,
    actor: Actor,
    filing: Filing,
    action: Action,
    *,
    detail: str,
    to: FilingStatus | None = None,
    before: str = "",
    after: str = "",
    **changes: Any,
) -> None:
    """The one write of a status, to where the table says (or ``to``, where an action has two ends). Raises Conflict if the
    row is not the one that was read; the caller has checked the guards.
    """
    to = to or transitions.target(action) or filing.status
    seen = filing.status, filing.revision
    s.flush()
    statement = (
        update(Filing)
        .where(col(Filing.id) == filing.id, col(Filing.status) == seen[0], col(Filing.revision) == seen[1])
        .values(status=to, revision=seen[1] + 1, **changes)
        .execution_options(synchronize_session=False)
    )
    if cast("CursorResult[Any]", s.execute(statement)).rowcount != 1:
        raise Conflict(RAN_AHEAD)
    s.refresh(filing)
    assert filing.id is not None
    audit.record(s, actor, action.value, "filing", filing.id, detail=detail, before=before, after=after)
    events.publish(s, events.FilingChanged(filing.id))


def _freeze(
    s: Session,
    actor: Actor,
    filing: Filing,
    unit: Organisation,
    loaded: working.Working,
    figures: str,
    *,
    late: bool,
) -> FilingVersion:
    """Freeze what is being submitted (冻结版本), with its numbers projected for sums."""
    filled = {a: cell for a, cell in loaded.sheet.cells.items() if cell.kind is not CellKind.BLANK}
    findings = working.finding_views(loaded.sheet, loaded.notes, for_reviewers=True)
    stamp = select(col(Stamp.file_id)).where(col(Stamp.filing_id) == filing.id, col(Stamp.digest) == figures)
    no = filing.version_no + 1
    version = FilingVersion(
        filing_id=filing.id or 0,
        no=no,
        digest=figures,
        template_digest=filing.template_digest,
        cells={str(a): [cell.text, cell.kind.value, cell.value] for a, cell in filled.items()},
        findings=[asdict(finding) for finding in findings],
        unit_name=unit.name,
        credit_code=unit.credit_code,
        receipt_number=f"HZ-{filing.number}-{no:02d}",
        stamp_file_id=s.execute(stamp.order_by(col(Stamp.id).desc()).limit(1)).scalar(),
        submitted_by_id=actor.user_id,
        submitted_by_name=actor.name,
        submitted_at=clock.now(),
        late=late,
    )
    s.add(version)
    s.flush()
    assert version.id is not None
    s.add_all(
        Figure(version_id=version.id, field=a.field, slot=a.slot, value=cell.value)
        for a, cell in filled.items()
        if cell.kind is CellKind.NUMBER
    )
    return version


def _write_route(
    s: Session,
    actor: Actor,
    filing: Filing,
    version: FilingVersion,
    legs: Sequence[routes.Leg],
    last: Sequence[StepFact],
) -> Step:
    """Write the steps of a version (审核路径); returns the one that receives it."""
    route = policy.value(s, "review.resubmit.route", year=filing.year, region_code=filing.region_code)
    entry = routes.entry(legs, last, "returning" if route == "returning" else "first")
    earlier = {step.tier: step for step in _steps_of(s, filing.current_version_id)} if last else {}
    received = None
    for position, leg in enumerate(legs):
        step = Step(
            filing_id=filing.id or 0,
            version_id=version.id or 0,
            position=position,
            tier=leg.tier,
            authority_id=leg.authority.id if leg.authority else None,
            authority_name=leg.authority.name if leg.authority else "",
            status=StepStatus.WAITING if leg.applies else StepStatus.NOT_APPLICABLE,
        )
        if leg.tier is entry:
            step.status, step.opened_at, received = StepStatus.REVIEWING, clock.now(), step
        elif leg.applies and TIERS.index(leg.tier) < TIERS.index(
            entry
        ):  # this tier has passed it and is not asked again
            passed = earlier[leg.tier]
            step.status, step.decided_at, step.opinion = StepStatus.FORWARDED, passed.decided_at, passed.opinion
            step.decided_by_id, step.decided_by_name = passed.decided_by_id, passed.decided_by_name
            step.letter_file_id = passed.letter_file_id
        s.add(step)
    s.flush()
    assert received is not None
    return received


def _steps_of(s: Session, version_id: int | None) -> Sequence[Step]:
    return s.execute(select(Step).where(col(Step.version_id) == version_id)).scalars().all()


def _times_returned(s: Session, filing_id: int) -> int:
    query = select(func.count(col(FilingVersion.id))).where(
        col(FilingVersion.filing_id) == filing_id, col(FilingVersion.status) == VersionStatus.RETURNED
    )
    return int(s.execute(query).scalar_one())


def _own_receipt(s: Session, actor: Actor, filing: Filing) -> Receipt | None:
    """The receipt that this very person got for the version under review."""
    version = s.get_one(FilingVersion, filing.current_version_id)
    return _receipt(filing, version, _first_authority(s, version)) if version.submitted_by_id == actor.user_id else None


def _first_authority(s: Session, version: FilingVersion) -> str:
    query = select(col(Step.authority_name)).where(
        col(Step.version_id) == version.id, col(Step.opened_at).is_not(None), col(Step.authority_id).is_not(None)
    )
    return s.execute(query.order_by(col(Step.position)).limit(1)).scalar() or ""


def _receipt(filing: Filing, version: FilingVersion, next_authority: str) -> Receipt:
    return Receipt(
        filing.id or 0,
        version.receipt_number,
        filing.number,
        version.no,
        digest.code(version.digest),
        clock.local(version.submitted_at),
        version.submitted_by_name,
        version.late,
        next_authority,
    )
