"""The workflow as one table (流转表): who may do what from where, what it leads to, and what must hold.

``who`` is at the same time the permission matrix: role × action × relation; what is not in it is not allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from models.enums import Action, FilingStatus, Role, StepStatus
from services.workflow import guards as g
from services.workflow.facts import Choice, Facts, Relation

Who = Mapping[Role, frozenset[Relation]]


@dataclass(frozen=True, slots=True)
class Transition:
    """One row. ``to`` None: the status stays. ``when`` decides between rows that exclude each other (absent otherwise)."""

    action: Action
    who: Who
    sources: frozenset[FilingStatus | None]
    to: FilingStatus | None = None
    guards: tuple[g.Guard, ...] = ()
    caption: str = ""
    when: Callable[[Facts], bool] = field(default=lambda facts: True)
    when_caption: str = ""
    way_out: str = "请刷新页面查看最新情况。"  # for whoever asks for it from another status
    way_out_done: str = ""  # instead of it, once the review is over
    from_deleted: bool = False


DRAFT, REVIEW, RETURNED, DONE = FilingStatus.DRAFT, FilingStatus.REVIEW, FilingStatus.RETURNED, FilingStatus.DONE
ALIVE: frozenset[FilingStatus | None] = frozenset({DRAFT, REVIEW, RETURNED, DONE})


def _one(*statuses: FilingStatus | None) -> frozenset[FilingStatus | None]:
    return frozenset(statuses)


def _each(roles: tuple[Role, ...], *relations: Relation) -> Who:
    return {role: frozenset(relations) for role in roles}


_UNIT = _each((Role.FILER, Role.SIGNER), Relation.OWN)
_OFFICES = (Role.COUNTY, Role.CITY, Role.PROVINCE, Role.GROUP, Role.MINISTRY)
_UPPER = (Role.CITY, Role.PROVINCE, Role.GROUP, Role.MINISTRY)
_HANDLERS = _each(_OFFICES, Relation.HANDLING)
_UPPER_HANDLERS = _each(_UPPER, Relation.HANDLING)
_LOOKERS = _each(_OFFICES, Relation.HANDLING, Relation.PAST, Relation.UPCOMING, Relation.REGION)
_EXPERT = _each((Role.EXPERT,), Relation.ASSIGNED)

_TO_UNIT = "如需修改，请先“取消上报”；上级已经审批的，请联系该部门退回。"
_TO_UNIT_DONE = (
    "审核完成的内容已经定稿，不能再取消上报，也不再退回。发现数据有误的，请告知负责审核的主管部门，"
    "并在填报下一年度动态管理表时改正相应年份的指标值。"
)
_WAIT = "现在轮不到本级办理，请刷新页面查看最新情况。"


def _last(facts: Facts) -> bool:
    return facts.current is not None and facts.after(facts.current.tier) is None


def _not_last(facts: Facts) -> bool:
    return not _last(facts)


def _work(action: Action, *guards: g.Guard) -> Transition:
    """What the unit does with its sheet while it has it (填写)."""
    return Transition(action, _UNIT, _one(DRAFT, RETURNED), None, guards, way_out=_TO_UNIT, way_out_done=_TO_UNIT_DONE)


# Order is the order of the buttons.
TABLE: tuple[Transition, ...] = (
    Transition(
        Action.OPEN, _UNIT, _one(None), DRAFT, (g.none_alive, g.window_open, g.listed), way_out="每年只填一份。"
    ),
    Transition(
        Action.SUBMIT,
        _UNIT,
        _one(DRAFT),
        REVIEW,
        (g.window_open, g.validated, g.stamped, g.superior_chosen, g.by_signer),
        way_out="不需要再次上报，请在列表中查看审核进度。",
    ),
    Transition(
        Action.RESUBMIT,
        _UNIT,
        _one(RETURNED),
        REVIEW,
        (g.window_open, g.all_answered, g.changed, g.validated, g.stamped, g.superior_chosen, g.by_signer),
        way_out="不需要重新上报，请在列表中查看审核进度。",
    ),
    Transition(Action.WITHDRAW, _UNIT, _one(REVIEW), DRAFT, (g.first_tier_undecided,), way_out="没有可以取消的上报。"),
    _work(Action.EDIT, g.window_open),
    _work(Action.SAVE_DRAFT),
    _work(Action.VALIDATE, g.window_open),
    _work(Action.STAMP, g.window_open, g.validated_to_stamp),
    _work(Action.ATTACH, g.window_open),
    Transition(
        Action.ANSWER, _UNIT, _one(RETURNED), None, (g.window_open, g.something_to_answer), way_out="现在不需要回答。"
    ),
    Transition(
        Action.FORWARD,
        _HANDLERS,
        _one(REVIEW),
        None,
        (g.questions_closed, g.letter_given),
        when=_not_last,
        when_caption="本级以上还有审核层级",
        way_out=_WAIT,
    ),
    Transition(
        Action.APPROVE,
        _HANDLERS,
        _one(REVIEW),
        DONE,
        (g.questions_closed, g.letter_given),
        caption="审核通过（审核完成）",
        when=_last,
        when_caption="本级是最后一级",
        way_out=_WAIT,
    ),
    Transition(Action.SEND_BACK, _HANDLERS, _one(REVIEW), RETURNED, way_out=_WAIT),
    Transition(
        Action.RECALL,
        _each(_OFFICES, Relation.PAST),
        _one(REVIEW),
        None,
        (g.next_tier_undecided,),
        way_out="没有可以收回的审核意见。",
    ),
    Transition(Action.ASK, _HANDLERS, _one(REVIEW), way_out=_WAIT),
    Transition(Action.CLOSE_QUESTION, _HANDLERS, _one(REVIEW), way_out=_WAIT),
    Transition(Action.CHECK, _HANDLERS, _one(REVIEW), way_out=_WAIT),
    Transition(Action.LETTER, _UPPER_HANDLERS, _one(REVIEW), way_out=_WAIT),
    Transition(Action.ASSESS, _UPPER_HANDLERS, _one(REVIEW), way_out=_WAIT),
    Transition(Action.ADJUST, _UPPER_HANDLERS, _one(REVIEW), way_out=_WAIT),
    Transition(Action.ASSIGN_EXPERT, _UPPER_HANDLERS, _one(REVIEW), way_out=_WAIT),
    Transition(Action.TRANSFER, _HANDLERS, _one(REVIEW), way_out=_WAIT),
    Transition(Action.EXPERT_OPINION, _EXPERT, _one(REVIEW), None, (g.task_open,), way_out="不能再提交专家意见。"),
    Transition(Action.VIEW, _UNIT, ALIVE),
    Transition(
        Action.VIEW, {**_LOOKERS, **_EXPERT}, _one(REVIEW, RETURNED, DONE), way_out="申报单位上报以后才能查看内容。"
    ),
    Transition(Action.EXPORT_PDF, _UNIT, ALIVE),
    Transition(Action.EXPORT_PDF, _LOOKERS, _one(REVIEW, RETURNED, DONE), way_out="申报单位上报以后才能导出。"),
    Transition(Action.EXPORT_EXCEL, _UNIT, ALIVE),
    Transition(Action.EXPORT_EXCEL, _LOOKERS, _one(REVIEW, RETURNED, DONE), way_out="申报单位上报以后才能导出。"),
    Transition(
        Action.DELETE, _UNIT, _one(DRAFT), None, way_out="只有填写中的动态管理表可以删除；审核中的请先取消上报。"
    ),
    Transition(
        Action.RESTORE,
        _each((Role.ADMIN,), Relation.NONE),
        ALIVE,
        None,
        (g.restorable,),
        from_deleted=True,
        way_out="没有被删除，不需要恢复。",
    ),
)


def matrix() -> Mapping[Action, Who]:
    """Role × action × relation (权限矩阵), merged from the rows of the table."""
    merged: dict[Action, dict[Role, frozenset[Relation]]] = {}
    for row in TABLE:
        for role, relations in row.who.items():
            roles = merged.setdefault(row.action, {})
            roles[role] = roles.get(role, frozenset()) | relations
    return merged


def permitted(action: Action, role: Role, relation: Relation, status: FilingStatus | None, *, deleted: bool) -> bool:
    """One cell of the matrix role × action × status × relation (权限表的一格); what must hold besides is left to the guards."""
    return any(
        row.action is action
        and relation in row.who.get(role, ())
        and status in row.sources
        and deleted == row.from_deleted
        for row in TABLE
    )


def available(facts: Facts, role: Role, relation: Relation) -> tuple[Choice, ...]:
    """The buttons for ``role`` in ``relation`` (可办事项): absent, enabled, or disabled with the reason."""
    choices = []
    for row in TABLE:
        if relation not in row.who.get(role, ()) or not _in_place(row, facts) or not row.when(facts):
            continue
        reason = next((reason for guard in row.guards if (reason := guard(facts, role))), "")
        choices.append(Choice(row.action, row.caption or row.action.caption, not reason, reason))
    return tuple(choices)


def refusal(action: Action, facts: Facts, role: Role, relation: Relation) -> str | None:
    """Why ``action`` cannot be done now; None: it can. Always a whole sentence with a way out."""
    rows = [row for row in TABLE if row.action is action]
    mine = [row for row in rows if relation in row.who.get(role, ())]
    fitting = [row for row in mine if _in_place(row, facts)]
    if not fitting:
        row = (mine or rows)[0]
        way_out = (facts.status is DONE and row.way_out_done) or row.way_out
        return f"{g.standing(facts)}，不能{action.caption}。{way_out}"
    if not fitting[0].when(facts):
        return f"{g.standing(facts)}，现在不能{action.caption}。请刷新页面查看最新情况。"
    return next((reason for guard in fitting[0].guards if (reason := guard(facts, role))), None)


def in_place(action: Action, facts: Facts, role: Role, relation: Relation) -> bool:
    """Whether it is this person's turn at all; if not, somebody else has moved the filing on."""
    return any(
        row.action is action and relation in row.who.get(role, ()) and _in_place(row, facts) and row.when(facts)
        for row in TABLE
    )


def target(action: Action) -> FilingStatus | None:
    """The status that ``action`` leads to; None: it stays."""
    return next(row.to for row in TABLE if row.action is action)


def caption(action: Action) -> str:
    """The words on the button."""
    return next(row.caption or action.caption for row in TABLE if row.action is action)


def status_caption(status: FilingStatus, *, validated: bool, at_ministry: bool = False) -> str:
    """填报状态 in the manual's words."""
    if status is REVIEW and at_ministry:
        return "工信部审核"
    if validated and status in (DRAFT, RETURNED):
        return f"{status.caption}(已通过验证)"
    return status.caption


def _in_place(row: Transition, facts: Facts) -> bool:
    return facts.status in row.sources and (facts.deleted_on is not None) == row.from_deleted


STEP_AFTER: Mapping[Action, StepStatus] = {
    Action.FORWARD: StepStatus.FORWARDED,
    Action.APPROVE: StepStatus.APPROVED,
    Action.SEND_BACK: StepStatus.RETURNED,
}
"""What each decision makes of the tier's own step."""
