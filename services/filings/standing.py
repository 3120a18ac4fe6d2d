"""Where filings stand (办理情况): the facts that the workflow asks for, read for one filing or for a page of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlmodel import Session, col

from models import AuditLine, ExpertTask, Filing, FilingVersion, Organisation, Question, Stamp, Step
from models.enums import (
    Action,
    AuditResult,
    FilingStatus,
    Form,
    OrgKind,
    OrgStatus,
    QuestionStatus,
    Role,
    StepStatus,
    Tier,
)
from services import clock, permissions, policy
from services.actors import Actor
from services.errors import Conflict, Forbidden, NotFound
from services.filings import working
from services.filings.views import ActionView, StepView
from services.register import campaigns, invitations
from services.register.campaigns import Window
from services.workflow import guards, routes, transitions
from services.workflow.facts import Facts, Relation, StepFact

# what changes where a filing stands, as told to whoever came too late
MOVES = (
    Action.SUBMIT,
    Action.RESUBMIT,
    Action.WITHDRAW,
    Action.FORWARD,
    Action.APPROVE,
    Action.SEND_BACK,
    Action.RECALL,
    Action.TRANSFER,
    Action.DELETE,
    Action.RESTORE,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is known about where one filing stands, for one pair of eyes."""

    facts: Facts
    relation: Relation
    window: Window | None
    steps: tuple[StepView, ...]
    actions: tuple[ActionView, ...]
    status_caption: str


@dataclass(slots=True)
class _Batch:
    """Rows read at once for several filings, by filing id or as said."""

    steps: dict[int, list[Step]] = field(default_factory=lambda: defaultdict(list))
    stamps: dict[int, str] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)  # of the version under way
    questions: dict[int, list[Question]] = field(default_factory=lambda: defaultdict(list))
    tasks: dict[int, list[ExpertTask]] = field(default_factory=lambda: defaultdict(list))  # by step id
    legs: dict[int, tuple[routes.Leg, ...]] = field(default_factory=dict)  # by organisation
    windows: dict[tuple[int, Form, int], Window] = field(default_factory=dict)  # by organisation, form, year
    letters: dict[tuple[Tier, int, str], bool] = field(default_factory=dict)  # 推荐文件 required, by tier, year, region


def standings(s: Session, actor: Actor, filings: Sequence[Filing]) -> Mapping[int, Standing]:
    """Where each of them stands, for ``actor``; a handful of queries however many there are."""
    batch = _read(s, filings)
    found = {}
    for filing in filings:
        assert filing.id is not None
        facts = _facts(s, actor, filing, batch)
        relation = _relation(actor, filing, batch)
        found[filing.id] = Standing(
            facts,
            relation,
            batch.windows.get((filing.organisation_id, filing.form, filing.year)),
            _step_views(filing, batch),
            actions(facts, actor.role, relation),
            caption(filing, facts),
        )
    return found


def standing(s: Session, actor: Actor, filing: Filing) -> Standing:
    """The same for one."""
    assert filing.id is not None
    return standings(s, actor, [filing])[filing.id]


def require(s: Session, actor: Actor, action: Action, filing_id: int) -> tuple[Filing, Standing]:
    """The filing, if ``actor`` may do ``action`` to it now. Raises NotFound, Forbidden, or Conflict with cause and way out."""
    filing = s.get(Filing, filing_id)
    if filing is None:
        raise NotFound
    try:
        permissions.authorize(actor, action, filing)
    except Forbidden:
        if actor.role not in permissions.MATRIX[action]:
            raise  # it never was for this role; otherwise somebody was quicker, and the reader is told who
    known = standing(s, actor, filing)
    reason = transitions.refusal(action, known.facts, actor.role, known.relation)
    if reason is not None:
        moved_on = not transitions.in_place(action, known.facts, actor.role, known.relation)
        raise Conflict(reason + last_act(s, filing_id) if moved_on else reason)
    return filing, known


def last_act(s: Session, filing_id: int) -> str:
    """（最近办理：黄启明，2025年3月20日 10:05，取消上报。）"""
    query = (
        select(AuditLine)
        .where(
            col(AuditLine.subject) == "filing",
            col(AuditLine.subject_id) == filing_id,
            col(AuditLine.result) == AuditResult.DONE,
            col(AuditLine.action).in_([action.value for action in MOVES]),
        )
        .order_by(col(AuditLine.id).desc())
        .limit(1)
    )
    line = s.execute(query).scalar_one_or_none()
    if line is None:
        return ""
    return f"（最近办理：{line.user_name.split('（')[0]}，{guards.moment(clock.local(line.at))}，{Action(line.action).caption}。）"


def open_facts(s: Session, actor: Actor, form: Form, year: int) -> Facts:
    """The facts for 新增动态管理表: there is no filing yet, or there is one already."""
    unit = s.get_one(Organisation, actor.organisation_id)
    alive = select(col(Filing.id)).where(
        col(Filing.organisation_id) == unit.id,
        col(Filing.form) == form,
        col(Filing.year) == year,
        col(Filing.deleted_at).is_(None),
    )
    window = campaigns.window_of(s, form, year, unit.region_code, actor.organisation_id)
    return Facts(
        status=None,
        today=clock.today(),
        year=year,
        listed=bool(working.entries_of(s, unit, form)) or invitations.level_of(s, unit, form, year) is not None,
        other_alive=s.execute(alive).first() is not None,
        opens_on=window.opens_on if window else None,
        due_on=window.due_day if window else None,
        locks_on=window.last_day if window else None,
        signer_named=actor.unit_has_signer,
        steps=routes.planned(route_of(s, [unit])[actor.organisation_id]),
    )


def actions(facts: Facts, role: Role, relation: Relation) -> tuple[ActionView, ...]:
    """The buttons of a filing (按钮)."""
    return tuple(
        ActionView(Action(choice.action), choice.caption, choice.enabled, choice.reason)
        for choice in transitions.available(facts, role, relation)
    )


def caption(filing: Filing, facts: Facts) -> str:
    """填报状态 as the manual says it; a returned one counts as validated again only once it was changed."""
    validated = bool(filing.validated_digest)
    if filing.status is FilingStatus.RETURNED:
        validated = validated and facts.changed_or_answered
    return transitions.status_caption(
        filing.status, validated=validated, at_ministry=filing.current_tier is Tier.MINISTRY
    )


def route_of(s: Session, units: Iterable[Organisation]) -> Mapping[int, tuple[routes.Leg, ...]]:
    """The route that each unit's profile leads to today (审核路径), by organisation."""
    units = list(units)
    named = {
        i
        for unit in units
        for i in (unit.superior_county_id, unit.superior_city_id, unit.superior_province_id, unit.group_id)
        if i is not None
    }
    query = select(col(Organisation.id), col(Organisation.name), col(Organisation.region_code))
    known = {
        i: routes.Superior(i, name, code) for i, name, code in s.execute(query.where(col(Organisation.id).in_(named)))
    }
    ministry = s.execute(
        query.where(col(Organisation.kind) == OrgKind.MINISTRY, col(Organisation.status) == OrgStatus.ACTIVE).limit(1)
    ).first()
    top = policy.top_tier(s)
    found = {}
    for unit in units:
        assert unit.id is not None
        found[unit.id] = routes.route(
            routes.Chosen(
                unit.region_code,
                county=known.get(unit.superior_county_id or 0),
                city=known.get(unit.superior_city_id or 0),
                province=known.get(unit.superior_province_id or 0),
                group=known.get(unit.group_id or 0),
                ministry=routes.Superior(*ministry) if ministry else None,
            ),
            top,
        )
    return found


def step_fact(step: Step) -> StepFact:
    return StepFact(
        step.tier,
        step.status,
        step.authority_name,
        step.authority_id,
        clock.local(step.decided_at) if step.decided_at else None,
        step.decided_by_name,
        fresh=step.opened_at is not None,
    )


def _read(s: Session, filings: Sequence[Filing]) -> _Batch:
    batch = _Batch()
    ids = [filing.id for filing in filings]
    versions = [f.current_version_id for f in filings if f.current_version_id is not None]
    if versions:
        for step in s.execute(
            select(Step).where(col(Step.version_id).in_(versions)).order_by(col(Step.position))
        ).scalars():
            batch.steps[step.filing_id].append(step)
        for task in s.execute(select(ExpertTask).where(col(ExpertTask.version_id).in_(versions))).scalars():
            batch.tasks[task.step_id].append(task)
        asked = select(Question).where(col(Question.filing_id).in_(ids), col(Question.status) != QuestionStatus.CLOSED)
        for question in s.execute(asked).scalars():
            batch.questions[question.filing_id].append(question)
    returned = [f.current_version_id for f in filings if f.status is FilingStatus.RETURNED]
    if returned:
        query = select(col(FilingVersion.filing_id), col(FilingVersion.digest)).where(
            col(FilingVersion.id).in_(returned)
        )
        batch.digests = dict(s.execute(query).all())
    at_home = [f.id for f in filings if f.status not in (FilingStatus.REVIEW, FilingStatus.DONE)]
    if at_home:
        newest = select(func.max(col(Stamp.id))).where(col(Stamp.filing_id).in_(at_home)).group_by(col(Stamp.filing_id))
        bound = select(col(Stamp.filing_id), col(Stamp.digest)).where(col(Stamp.id).in_(newest))
        batch.stamps = dict(s.execute(bound).all())
        homes = {f.organisation_id for f in filings if f.status not in (FilingStatus.REVIEW, FilingStatus.DONE)}
        units = s.execute(select(Organisation).where(col(Organisation.id).in_(homes))).scalars().all()
        batch.legs = dict(route_of(s, units))
    kinds = {(f.form, f.year) for f in filings}
    for form, year in kinds:
        some = [(f.organisation_id, f.region_code) for f in filings if (f.form, f.year) == (form, year)]
        for unit, window in campaigns.windows(s, form, year, some).items():
            batch.windows[unit, form, year] = window
    return batch


def _facts(s: Session, actor: Actor, filing: Filing, batch: _Batch) -> Facts:
    assert filing.id is not None
    steps = batch.steps.get(filing.id, [])
    legs = batch.legs.get(filing.organisation_id, ())
    window = batch.windows.get((filing.organisation_id, filing.form, filing.year))
    own = (
        next((step for step in steps if step.authority_id == actor.organisation_id), None)
        if actor.is_authority
        else None
    )
    questions = batch.questions.get(filing.id, [])
    returned = filing.status is FilingStatus.RETURNED
    answered = any(
        q.published and q.status is QuestionStatus.ANSWERED
        for q in questions
        if q.version_id == filing.current_version_id
    )
    mine = [task for step in steps for task in batch.tasks.get(step.id or 0, ()) if task.expert_id == actor.user_id]
    reviewing = {step.id for step in steps if step.status is StepStatus.REVIEWING}
    return Facts(
        status=filing.status,
        today=clock.today(),
        year=filing.year,
        deleted_on=clock.local(filing.deleted_at).date() if filing.deleted_at else None,
        other_alive=_other_alive(s, filing) if filing.deleted_at else False,
        opens_on=window.opens_on if window else None,
        due_on=window.due_day if window else None,
        locks_on=window.last_day if window else None,
        validated=bool(filing.validated_digest),
        stamped=bool(filing.validated_digest) and batch.stamps.get(filing.id) == filing.validated_digest,
        has_superior=routes.has_superior(legs),
        signer_named=actor.unit_has_signer,
        restore_days=policy.value(s, "restore_days", year=filing.year) if filing.deleted_at else 0,
        withdrawn=filing.status is FilingStatus.DRAFT and filing.version_no > 0,
        returned_by=filing.returned_by,
        steps=tuple(map(step_fact, steps)) if steps else routes.planned(legs),
        own_tier=own.tier if own else None,
        unanswered=sum(q.published and q.status is QuestionStatus.OPEN for q in questions) if returned else 0,
        changed_or_answered=returned and (answered or filing.validated_digest != batch.digests.get(filing.id)),
        unclosed=sum(q.tier is own.tier for q in questions) if own else 0,
        letter_required=_letter_required(s, own, filing, batch),
        letter_given=own is not None and own.letter_file_id is not None,
        task_open=any(task.step_id in reviewing for task in mine),
    )


def _letter_required(s: Session, own: Step | None, filing: Filing, batch: _Batch) -> bool:
    if own is None or own.status is not StepStatus.REVIEWING:
        return False
    key = own.tier, filing.year, filing.region_code
    if key not in batch.letters:
        batch.letters[key] = policy.letter_required(s, own.tier, year=filing.year, region_code=filing.region_code)
    return batch.letters[key]


def _other_alive(s: Session, filing: Filing) -> bool:
    query = select(col(Filing.id)).where(
        col(Filing.organisation_id) == filing.organisation_id,
        col(Filing.form) == filing.form,
        col(Filing.year) == filing.year,
        col(Filing.deleted_at).is_(None),
        col(Filing.id) != filing.id,
    )
    return s.execute(query).first() is not None


def _relation(actor: Actor, filing: Filing, batch: _Batch) -> Relation:
    steps = batch.steps.get(filing.id or 0, [])
    tasks = [task for step in steps for task in batch.tasks.get(step.id or 0, ())]
    return permissions.relation(
        actor,
        permissions.Subject(
            filing.organisation_id,
            filing.region_code,
            filing.group_id,
            filing.status,
            filing.deleted_at is not None,
            filing.current_authority_id,
            tuple((step.authority_id, step.status) for step in steps),
            frozenset(task.expert_id for task in tasks),
        ),
    )


def _step_views(filing: Filing, batch: _Batch) -> tuple[StepView, ...]:
    steps = batch.steps.get(filing.id or 0)
    if not steps:
        planned = routes.planned(batch.legs.get(filing.organisation_id, ()))
        return tuple(StepView(step.tier, step.status, step.authority_name) for step in planned)
    return tuple(
        StepView(
            step.tier,
            step.status,
            step.authority_name,
            clock.local(step.decided_at) if step.decided_at else None,
            _notes(step, batch.tasks.get(step.id or 0, [])),
            step.opinion,
            step.decided_by_name,
            step.letter_file_id,
        )
        for step in steps
    )


def _notes(step: Step, tasks: Sequence[ExpertTask]) -> tuple[str, ...]:
    """What stands under the step's status, in the manual's words."""
    if step.status in (StepStatus.NOT_APPLICABLE, StepStatus.WAITING) or step.tier is Tier.COUNTY:
        return ()
    letter = ("推荐文件已上传 ⊙",) if step.letter_file_id else ()
    if tasks:
        given = sum(task.submitted_at is not None for task in tasks)
        return (*letter, f"专家意见 {given}/{len(tasks)} 份")
    return (*letter, "未分配专家" if step.tier is Tier.MINISTRY else "未组织专家评审(可选)")
