"""The tier's decisions (审核决定): 审核通过并上报, 审核完成, 退回, 收回, 转送, and 审核通过 for many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlmodel import Session, col

from models import Filing, FilingVersion, Organisation, Question, Step, StoredFile
from models.enums import (
    Action,
    FileKind,
    FilingStatus,
    OrgKind,
    OrgStatus,
    QuestionStatus,
    StepStatus,
    Tier,
    VersionStatus,
)
from services import clock, inbox, permissions, policy
from services.actors import Actor
from services.errors import Conflict, NotFound, Refusal
from services.filings import moves, standing, working
from services.forms import reference
from services.forms.template import Address
from services.reviews import drafts, questions
from services.workflow import guards, routes, transitions

MOST_AT_ONCE = 200
OPINION_LENGTH = 2000
REASON_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class BulkLine:
    """One line of a bulk pass (批量审核结果)."""

    filing_id: int
    unit_name: str
    done: bool
    message: str


def forward(s: Session, actor: Actor, filing_id: int, opinion: str, *, seen_version: int | None = None) -> None:
    """审核通过并上报 to the next tier. ``seen_version``: the version that was read; another one is not passed unread."""
    filing, known = standing.require(s, actor, Action.FORWARD, filing_id)
    version = _version(s, filing, seen_version)
    step = _own_step(s, filing)
    following = next(fact for fact in [known.facts.after(step.tier)] if fact is not None)
    _decide(step, actor, Action.FORWARD, _words(opinion, "审核意见", OPINION_LENGTH, "opinion"))
    receiver = _step(s, filing, following.tier)
    _open(receiver)
    s.add_all([step, receiver])
    drafts.forget(s, actor, filing)
    moves.move(
        s,
        actor,
        filing,
        Action.FORWARD,
        detail=f"{step.authority_name}审核通过，上报至{receiver.authority_name}：{step.opinion}",
        after=version.digest,
        current_tier=receiver.tier,
        current_authority_id=receiver.authority_id,
    )
    inbox.close(s, "review", "returned_below", "expert", filing=filing)
    inbox.send(s, receiver.authority_id or 0, "review", filing=filing, from_name=step.authority_name)


def approve(s: Session, actor: Actor, filing_id: int, opinion: str, *, seen_version: int | None = None) -> None:
    """审核完成 by the last tier: the version's figures count from now on."""
    filing, _ = standing.require(s, actor, Action.APPROVE, filing_id)
    version = _version(s, filing, seen_version)
    step = _own_step(s, filing)
    _decide(step, actor, Action.APPROVE, _words(opinion, "审核意见", OPINION_LENGTH, "opinion"))
    version.status = VersionStatus.APPROVED
    s.add_all([step, version])
    drafts.forget(s, actor, filing)
    moves.move(
        s,
        actor,
        filing,
        Action.APPROVE,
        detail=f"{step.authority_name}审核完成：{step.opinion}",
        after=version.digest,
        current_tier=None,
        current_authority_id=None,
    )
    inbox.close(s, "review", "returned_below", "expert", "receipt", filing=filing)
    inbox.send(s, filing.organisation_id, "done", filing=filing, from_name=step.authority_name)


def send_back(
    s: Session,
    actor: Actor,
    filing_id: int,
    reason: str,
    *,
    to: Literal["unit", "below"] = "unit",
    scope: Sequence[str] | None = None,
    new_questions: Sequence[tuple[str, str]] = (),
    file_ids: Sequence[int] = (),
    seen_version: int | None = None,
) -> None:
    """退回 to the unit (questions published together, ``scope`` limits what may change) or to the tier below.

    ``new_questions``: (address or "", text), asked in the same act; ``file_ids``: 退回附件 already stored on this filing.
    """
    filing, known = standing.require(s, actor, Action.SEND_BACK, filing_id)
    version = _version(s, filing, seen_version)
    words = _words(reason, "退回原因", REASON_LENGTH, "reason")
    step = _own_step(s, filing)
    for address, text in new_questions:
        questions.ask(s, actor, filing_id, address, text)
    asked = [q for q in _own_questions(s, filing, step.tier) if not q.published and q.status is QuestionStatus.OPEN]
    files = _return_files(s, actor, filing, file_ids)
    if not asked and not files:
        raise Refusal(
            "退回须至少提出一个核实问题或上传一份退回附件，让对方知道要改什么。请补充后再退回。", field="questions"
        )
    below = known.facts.before(step.tier) if to == "below" else None
    if to == "below" and below is None:
        raise Refusal("本级是第一个审核层级，没有下一级可退。请选择退回申报单位。", field="to")
    limits = None if scope is None else _scope(s, filing, scope)
    _decide(step, actor, Action.SEND_BACK, words)
    s.add(step)
    drafts.forget(s, actor, filing)
    detail = f"{step.authority_name}退回{'申报单位' if below is None else below.authority_name}：{words}（核实问题 {len(asked)} 个，附件 {len(files)} 份）"
    if below is not None:
        receiver = _step(s, filing, below.tier)
        _open(receiver)
        s.add(receiver)
        moves.move(
            s,
            actor,
            filing,
            Action.SEND_BACK,
            to=FilingStatus.REVIEW,
            detail=detail,
            before=version.digest,
            current_tier=receiver.tier,
            current_authority_id=receiver.authority_id,
        )
        inbox.close(s, "review", "returned_below", "expert", filing=filing)
        inbox.send(
            s, receiver.authority_id or 0, "returned_below", filing=filing, from_name=step.authority_name, reason=words
        )
        return
    for question in asked:
        question.published = True
        question.version_id = version.id or 0
    version.status = VersionStatus.RETURNED
    s.add_all([*asked, version])
    moves.move(
        s,
        actor,
        filing,
        Action.SEND_BACK,
        detail=detail,
        before=version.digest,
        current_tier=None,
        current_authority_id=None,
        return_scope=limits,
        return_reason=words,
        returned_by=step.authority_name,
    )
    inbox.close(s, "review", "returned_below", "expert", "receipt", filing=filing)
    inbox.send(
        s, filing.organisation_id, "returned", filing=filing, from_name=step.authority_name, reason=words.rstrip("。")
    )


def recall(s: Session, actor: Actor, filing_id: int) -> None:
    """收回 what was passed on, while the next tier has not decided."""
    filing, known = standing.require(s, actor, Action.RECALL, filing_id)
    own = known.facts.own_step
    following = known.facts.after(own.tier) if own else None
    assert own is not None and following is not None
    step, next_step = _step(s, filing, own.tier), _step(s, filing, following.tier)
    _open(step)
    next_step.status, next_step.opened_at = StepStatus.WAITING, None
    s.add_all([step, next_step])
    moves.move(
        s,
        actor,
        filing,
        Action.RECALL,
        detail=f"{step.authority_name}从{next_step.authority_name}收回",
        current_tier=step.tier,
        current_authority_id=step.authority_id,
    )
    inbox.close(s, "review", "expert", filing=filing)
    inbox.send(s, step.authority_id or 0, "review", filing=filing, from_name=filing.unit_name)


def transfer(s: Session, actor: Actor, filing_id: int, authority_id: int, reason: str) -> None:
    """转送 to the right office of the same tier (上报的主管部门不对), with the tiers above it from there on; the unit's profile
    is not touched.
    """
    filing, _ = standing.require(s, actor, Action.TRANSFER, filing_id)
    words = _words(reason, "转送原因", REASON_LENGTH, "reason")
    step = _own_step(s, filing)
    office = s.get(Organisation, authority_id)
    if (
        office is None
        or office.tier is not step.tier
        or office.status is not OrgStatus.ACTIVE
        or office.id == step.authority_id
    ):
        raise Refusal(
            f"只能转送给另一个{step.tier.caption.removesuffix('审核')}主管部门。请从列表中重新选择。", field="authority"
        )
    before = step.authority_name
    step.authority_id, step.authority_name, step.opened_at = office.id, office.name, clock.now()
    s.add(step)
    onward = _lead_on(s, step, office)
    drafts.forget(s, actor, filing)
    moves.move(
        s,
        actor,
        filing,
        Action.TRANSFER,
        detail=f"{before}转送{office.name}{onward}：{words}",
        current_authority_id=office.id,
    )
    inbox.close(s, "review", "returned_below", "expert", filing=filing)
    inbox.send(s, office.id or 0, "review", filing=filing, from_name=f"{before}转送，申报单位")


def _lead_on(s: Session, step: Step, office: Organisation) -> str:
    """Let the tiers above be those over ``office`` (其后的审核路径); a group and the ministry stay. What changed, in words."""
    lineage = reference.lineage(office.region_code)
    seats = select(Organisation).where(
        col(Organisation.status) == OrgStatus.ACTIVE, col(Organisation.region_code).in_(lineage)
    )
    over = routes.over(s.execute(seats.order_by(col(Organisation.id))).scalars(), lineage)
    named = {tier: routes.Superior(one.id or 0, one.name, one.region_code) for tier, one in over.items()}
    chosen = routes.Chosen(office.region_code, *map(named.get, (Tier.COUNTY, Tier.CITY, Tier.PROVINCE)))
    legs = {leg.tier: leg.authority for leg in routes.route(chosen, policy.top_tier(s))}
    query = select(Step).where(col(Step.version_id) == step.version_id, col(Step.position) > step.position)
    steps: Sequence[Step] = s.execute(query.order_by(col(Step.position))).scalars().all()
    changed = []
    for later in steps:
        known = s.get(Organisation, later.authority_id) if later.authority_id else None
        if later.tier is Tier.MINISTRY or (known is not None and known.kind is OrgKind.GROUP):
            continue
        right = legs[later.tier]
        if (right.id if right else None) == later.authority_id:
            continue
        later.authority_id, later.authority_name = (right.id, right.name) if right else (None, "")
        later.status = StepStatus.WAITING if right else StepStatus.NOT_APPLICABLE
        later.opened_at, later.decided_at, later.decided_by_id, later.decided_by_name = None, None, None, ""
        s.add(later)
        changed.append(f"{later.tier.caption}改为{right.name if right else '-不适用-'}")
    return f"（{'，'.join(changed)}）" if changed else ""


def offices_for_transfer(s: Session, actor: Actor, filing_id: int) -> tuple[tuple[int, str], ...]:
    """Offices that a filing may be transferred to (可转送的部门): (id, name), same tier."""
    filing, _ = standing.require(s, actor, Action.TRANSFER, filing_id)
    query = select(col(Organisation.id), col(Organisation.name)).where(
        col(Organisation.tier) == filing.current_tier,
        col(Organisation.status) == OrgStatus.ACTIVE,
        col(Organisation.id) != actor.organisation_id,
    )
    return tuple((i, name) for i, name in s.execute(query.order_by(col(Organisation.region_code))))


def bulk_forward(s: Session, actor: Actor, filing_ids: Sequence[int], opinion: str) -> tuple[BulkLine, ...]:
    """批量审核通过: each by itself; one that cannot pass keeps no other from passing, and says why."""
    if len(filing_ids) > MOST_AT_ONCE:
        raise Refusal(f"一次最多审核通过 {MOST_AT_ONCE} 份，这次选了 {len(filing_ids)} 份。请分批办理。")
    _words(opinion, "审核意见", OPINION_LENGTH, "opinion")
    lines = []
    for filing_id in dict.fromkeys(filing_ids):
        name = ""
        try:
            with s.begin_nested():
                filing = s.get(Filing, filing_id)
                name = filing.unit_name if filing and permissions.allowed(actor, Action.VIEW, filing) else ""
                last = filing is not None and _is_last(s, filing)
                (approve if last else forward)(s, actor, filing_id, opinion)
        except Refusal as refusal:
            lines.append(BulkLine(filing_id, name, False, refusal.message))
        else:
            lines.append(BulkLine(filing_id, name, True, "审核完成" if last else "已审核通过并上报"))
    return tuple(lines)


def _is_last(s: Session, filing: Filing) -> bool:
    """Whether the step under review is the last that applies."""
    query = select(col(Step.tier)).where(
        col(Step.version_id) == filing.current_version_id, col(Step.status) != StepStatus.NOT_APPLICABLE
    )
    return s.execute(query.order_by(col(Step.position).desc()).limit(1)).scalar() is filing.current_tier


def _version(s: Session, filing: Filing, seen: int | None) -> FilingVersion:
    version = s.get_one(FilingVersion, filing.current_version_id)
    if seen is not None and seen != version.id:
        at = guards.moment(clock.local(version.submitted_at))
        raise Conflict(f"申报单位已于{at}上报了第{version.no}版，您看到的是较早的一版。请刷新页面，查看改动后再办理。")
    return version


def _step(s: Session, filing: Filing, tier: Tier) -> Step:
    query = select(Step).where(col(Step.version_id) == filing.current_version_id, col(Step.tier) == tier)
    step: Step = s.execute(query).scalar_one()
    return step


def _own_step(s: Session, filing: Filing) -> Step:
    if filing.current_tier is None:
        raise NotFound
    return _step(s, filing, filing.current_tier)


def _decide(step: Step, actor: Actor, action: Action, opinion: str) -> None:
    step.status, step.opinion, step.decided_at = transitions.STEP_AFTER[action], opinion, clock.now()
    step.decided_by_id, step.decided_by_name = actor.user_id, actor.name


def _open(step: Step) -> None:
    """It is this tier's turn, for the first time or again; its earlier opinion stays to be read."""
    step.status, step.opened_at = StepStatus.REVIEWING, clock.now()
    step.decided_at, step.decided_by_id, step.decided_by_name = None, None, ""


def _own_questions(s: Session, filing: Filing, tier: Tier) -> Sequence[Question]:
    query = select(Question).where(col(Question.filing_id) == filing.id, col(Question.tier) == tier)
    return s.execute(query.order_by(col(Question.id))).scalars().all()


def _return_files(s: Session, actor: Actor, filing: Filing, file_ids: Sequence[int]) -> Sequence[StoredFile]:
    query = select(StoredFile).where(
        col(StoredFile.id).in_(file_ids),
        col(StoredFile.filing_id) == filing.id,
        col(StoredFile.kind) == FileKind.RETURN_FILE,
        col(StoredFile.organisation_id) == actor.organisation_id,
        col(StoredFile.removed_at).is_(None),
    )
    files = s.execute(query).scalars().all()
    if len(files) != len(set(file_ids)):
        raise Refusal("有的退回附件已不存在或不属于这份动态管理表。请重新上传后再退回。", field="files")
    return files


def _scope(s: Session, filing: Filing, scope: Sequence[str]) -> list[str]:
    """退回修改范围: known addresses or whole rows of this form, at least one."""
    template = working.template_of(s, filing.template_digest)
    if not scope:
        raise Refusal("限定修改范围时请至少选择一个单元格；不限定请选择“可修改全部内容”。", field="scope")
    for text in scope:
        if Address.parse(text).field not in template.fields:
            raise Refusal(f"本表没有“{text[:40]}”这个单元格。请重新选择可以修改的范围。", field="scope")
    return list(dict.fromkeys(scope))


def _words(text: str, what: str, longest: int, field: str) -> str:
    words = text.strip()
    if not words:
        raise Refusal(f"请填写{what}。", field=field)
    if len(words) > longest:
        raise Refusal(f"{what}最多 {longest} 字，现在是 {len(words)} 字。请精简后再提交。", field=field)
    return words
