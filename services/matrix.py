"""The permission table for people to read (权限一览): nothing is decided here, it says what ``transitions.TABLE`` and ``POWERS`` say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlmodel import Session

from models.enums import AUTHORITY_ROLES, Action, Captioned, FilingStatus, Role
from services.actors import Actor
from services.permissions import POWERS, Place, Power, authorize
from services.workflow import guards, transitions
from services.workflow.facts import Relation


class Phase(Captioned):
    """阶段: where a filing is, before its beginning and after its deletion included."""

    NONE = "none", "未新增"
    DRAFT = "draft", "填写中"
    REVIEW = "review", "审核中"
    RETURNED = "returned", "已退回"
    DONE = "done", "审核完成"
    DELETED = "deleted", "已删除"


class Section(Captioned):
    """类别."""

    FILINGS = "filings", "动态管理表"
    POWERS = "powers", "其他职权"


# The usual groups by one name.
ROLES: Mapping[frozenset[Role], str] = {
    AUTHORITY_ROLES: "各级主管部门和集团",
    AUTHORITY_ROLES - {Role.COUNTY}: "市级以上主管部门和集团",
    frozenset(Role): "所有角色",
}
LOOKING = frozenset({Relation.HANDLING, Relation.PAST, Relation.UPCOMING, Relation.REGION})
RELATIONS: Mapping[frozenset[Relation], str] = {
    LOOKING: "本辖区或本集团内",
    frozenset({Relation.NONE}): "全部已删除的",
}
# How far a power reaches, in words.
REACHES: Mapping[frozenset[Relation], str] = {
    frozenset(Relation): "全部",
    frozenset({Relation.OWN}): "本机构",
    frozenset({Relation.REGION}): "辖区或集团内的单位",
    frozenset({Relation.OWN, Relation.REGION}): "本机构、辖区或集团内的单位",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """一行: these roles may do this, in these relations, in these phases (empty for a power), if the conditions hold."""

    section: Section
    matter: str
    roles: tuple[Role, ...]
    relations: tuple[Relation, ...]
    reach: str
    phases: frozenset[Phase]
    conditions: tuple[str, ...]

    @property
    def who(self) -> str:
        """The roles in words."""
        return ROLES.get(frozenset(self.roles)) or "、".join(role.caption for role in self.roles)


@dataclass(frozen=True, slots=True)
class Filter:
    """筛选."""

    role: Role | None = None
    relation: Relation | None = None
    phase: Phase | None = None
    search: str = ""


def asked(query: Mapping[str, str]) -> Filter:
    """The filter that an address says (role, relation, phase, search); what is not one of the words filters nothing."""
    return Filter(
        next((role for role in Role if role.value == query.get("role")), None),
        next((relation for relation in Relation if relation.value == query.get("relation")), None),
        next((phase for phase in Phase if phase.value == query.get("phase")), None),
        query.get("search", "")[:50],
    )


def rules(s: Session, actor: Actor, wanted: Filter) -> tuple[Rule, ...]:
    """Every rule that speaks of what is asked for, filings first; roles with the same rights share a row."""
    authorize(actor, Power.READ_MATRIX, Place())
    return tuple(rule for rule in (*_of_filings(), *_of_powers()) if _matches(rule, wanted))


def _of_filings() -> Iterable[Rule]:
    for action in Action:
        by_right: dict[tuple[tuple[Relation, ...], frozenset[Phase], tuple[str, ...]], list[Role]] = {}
        for role in Role:
            for row in transitions.TABLE:
                if row.action is action and role in row.who:
                    right = _ordered(row.who[role]), frozenset(_phases(row)), _conditions(row)
                    by_right.setdefault(right, []).append(role)
        caption = transitions.caption(action)
        for (relations, phases, conditions), roles in by_right.items():
            reach = RELATIONS.get(frozenset(relations)) or "、".join(relation.caption for relation in relations)
            yield Rule(Section.FILINGS, caption, tuple(roles), relations, reach, phases, conditions)


def _of_powers() -> Iterable[Rule]:
    for power in Power:
        by_reach: dict[frozenset[Relation], list[Role]] = {}
        for role in Role:
            if role in POWERS[power]:
                by_reach.setdefault(POWERS[power][role], []).append(role)
        for reach, roles in by_reach.items():
            words = REACHES[reach]
            yield Rule(Section.POWERS, power.caption, tuple(roles), _ordered(reach), words, frozenset(), ())


def _phases(row: transitions.Transition) -> Iterable[Phase]:
    if row.from_deleted:
        return (Phase.DELETED,)
    return (Phase.NONE if status is None else Phase(FilingStatus(status).value) for status in row.sources)


def _conditions(row: transitions.Transition) -> tuple[str, ...]:
    said = (row.when_caption, *(guards.CAPTIONS[guard] for guard in row.guards))
    return tuple(words for words in said if words)


def _ordered(relations: frozenset[Relation]) -> tuple[Relation, ...]:
    return tuple(relation for relation in Relation if relation in relations)


def _matches(rule: Rule, wanted: Filter) -> bool:
    if wanted.phase is not None and wanted.phase not in rule.phases:
        return False
    return (
        (wanted.role is None or wanted.role in rule.roles)
        and (wanted.relation is None or wanted.relation in rule.relations)
        and wanted.search.strip() in rule.matter
    )
