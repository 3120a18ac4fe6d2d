"""Who may do what (权限): one function decides, one table of data, unknown → no; what one may not see does not exist.

An office sees what lies in its region (行政区划 subtree) or group, what lies on its desk now and what it has decided on (a unit
may have chosen it from elsewhere, an office may have transferred it); a unit sees itself; an expert what was assigned; the
administrator no figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true
from sqlalchemy.orm import aliased, object_session
from sqlmodel import Session, col

from models import ExpertTask, Filing, Organisation, RosterEntry, Step, User
from models.enums import Action, Captioned, FilingStatus, Role, StepStatus
from services import clock
from services.actors import Actor, region_prefix
from services.errors import Forbidden, NotFound
from services.workflow import guards, transitions
from services.workflow.facts import DECIDED, Relation

S = TypeVar("S", bound=Select[*tuple[Any, ...]])

MATRIX: Mapping[Action, Mapping[Role, frozenset[Relation]]] = transitions.matrix()


class Power(Captioned):
    """职权: what an office or the administrator may do beyond single filings."""

    OWN_LIST = "own_list", "查看本单位填报列表"
    REVIEW_LIST = "review_list", "查看审核列表"
    STATISTICS = "statistics", "查看进度和统计、批量导出"
    NUDGE = "nudge", "催报"
    READ_ROSTER = "read_roster", "查看名单"
    IMPORT_ROSTER = "import_roster", "导入名单"
    RUN_CAMPAIGN = "run_campaign", "设置填报安排"
    EXTEND = "extend", "延期"
    READ_ORGANISATIONS = "read_organisations", "查看机构列表"
    READ_PROFILE = "read_profile", "查看单位信息（联系方式隐去）"
    REVEAL_CONTACT = "reveal_contact", "显示联系方式（记入审计日志）"
    EDIT_PROFILE = "edit_profile", "修改单位信息"
    CONFIRM_UNITS = "confirm_units", "确认单位注册"
    MANAGE_ORGANISATIONS = "manage_organisations", "新增机构"
    MANAGE_USERS = "manage_users", "管理用户"
    RESET_PASSWORDS = "reset_passwords", "查看用户、发放重置码"
    RESTORE_LIST = "restore_list", "查看已删除的申报"
    CHANGE_SETTINGS = "change_settings", "系统设置"
    READ_AUDIT = "read_audit", "查看、导出和核对审计日志"
    READ_MATRIX = "read_matrix", "查看权限一览"
    BACK_UP = "back_up", "备份"


_OFFICES = (Role.COUNTY, Role.CITY, Role.PROVINCE, Role.GROUP, Role.MINISTRY)
_ANYWHERE = frozenset(Relation)
_HERE = frozenset({Relation.OWN})
_WITHIN = frozenset({Relation.OWN, Relation.REGION})


def _rows(*parts: tuple[Sequence[Role], frozenset[Relation]]) -> Mapping[Role, frozenset[Relation]]:
    return {role: relations for roles, relations in parts for role in roles}


# Relation is to the organisation (or region) in question: OWN, REGION (lies below), NONE.
POWERS: Mapping[Power, Mapping[Role, frozenset[Relation]]] = {
    Power.MANAGE_USERS: _rows(((Role.ADMIN,), _ANYWHERE), ((Role.SIGNER, *_OFFICES), _HERE)),
    Power.RESET_PASSWORDS: _rows(((Role.ADMIN,), _ANYWHERE), ((Role.SIGNER,), _HERE), (_OFFICES, _WITHIN)),
    Power.MANAGE_ORGANISATIONS: _rows(((Role.ADMIN,), _ANYWHERE)),
    Power.CONFIRM_UNITS: _rows(((Role.ADMIN,), _ANYWHERE), (_OFFICES, frozenset({Relation.REGION}))),
    Power.EDIT_PROFILE: _rows(((Role.ADMIN,), _ANYWHERE), ((Role.FILER, Role.SIGNER, *_OFFICES), _HERE)),
    Power.READ_AUDIT: _rows(((Role.ADMIN,), _ANYWHERE)),
    Power.CHANGE_SETTINGS: _rows(((Role.ADMIN,), _ANYWHERE), ((Role.CITY, Role.PROVINCE, Role.MINISTRY), _WITHIN)),
    Power.BACK_UP: _rows(((Role.ADMIN,), _ANYWHERE)),
    Power.RUN_CAMPAIGN: _rows(((Role.ADMIN,), _ANYWHERE), ((Role.CITY, Role.PROVINCE, Role.MINISTRY), _WITHIN)),
    Power.EXTEND: _rows(((Role.CITY, Role.PROVINCE, Role.GROUP, Role.MINISTRY), frozenset({Relation.REGION}))),
    Power.IMPORT_ROSTER: _rows(((Role.ADMIN,), _ANYWHERE), ((Role.CITY, Role.PROVINCE, Role.MINISTRY), _WITHIN)),
    Power.READ_ROSTER: _rows((tuple(Role), _ANYWHERE)),
    Power.NUDGE: _rows((_OFFICES, frozenset({Relation.REGION}))),
    Power.STATISTICS: _rows((_OFFICES, _WITHIN)),
    Power.REVIEW_LIST: _rows((_OFFICES, _WITHIN), ((Role.EXPERT,), _HERE)),
    Power.OWN_LIST: _rows(((Role.FILER, Role.SIGNER), _HERE)),
    Power.REVEAL_CONTACT: _rows((_OFFICES, _WITHIN), ((Role.FILER, Role.SIGNER), _HERE), ((Role.ADMIN,), _ANYWHERE)),
    Power.RESTORE_LIST: _rows(((Role.ADMIN,), _ANYWHERE)),
    Power.READ_ORGANISATIONS: _rows(((Role.ADMIN,), _ANYWHERE), (_OFFICES, _WITHIN)),
    Power.READ_PROFILE: _rows(((Role.ADMIN,), _ANYWHERE), (_OFFICES, _WITHIN), ((Role.FILER, Role.SIGNER), _HERE)),
    Power.READ_MATRIX: _rows(((Role.ADMIN,), _ANYWHERE)),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is acted upon (办理对象), as far as the permission depends on it."""

    organisation_id: int
    region_code: str
    group_id: int | None
    status: FilingStatus = FilingStatus.DRAFT
    deleted: bool = False
    authority_id: int | None = None  # whose desk it is on
    route: tuple[tuple[int | None, StepStatus], ...] = ()
    experts: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation or a region as the subject of a power."""

    organisation_id: int | None = None
    region_code: str = ""
    group_id: int | None = None


def authorize(actor: Actor, action: Action | Power, subject: Subject | Filing | Place | None = None) -> None:
    """The one decision (授权). Raises NotFound if the actor may not even know of it, Forbidden if it is not for this role."""
    if isinstance(action, Power):
        where = _place_relation(actor, subject) if isinstance(subject, Place) else Relation.OWN
        if where not in POWERS.get(action, {}).get(actor.role, ()):
            raise Forbidden(f"您的角色（{actor.role.caption}）没有这项权限。如确需办理，请联系系统管理员。")
        return
    if not isinstance(action, Action):
        raise Forbidden("没有这项操作。请刷新页面后再试。")
    if subject is None or isinstance(subject, Place):
        if action is Action.OPEN and Relation.OWN in MATRIX[action].get(actor.role, ()):
            return
        raise Forbidden(f"您的角色（{actor.role.caption}）不能{action.caption}。")
    target = as_subject(subject, actor) if isinstance(subject, Filing) else subject
    where = relation(actor, target)
    if where in MATRIX.get(action, {}).get(actor.role, ()) and (not target.deleted or action is Action.RESTORE):
        return
    if where is Relation.NONE:
        if isinstance(subject, Filing) and subject.deleted_at and subject.organisation_id == actor.organisation_id:
            raise NotFound(_deleted(subject, subject.deleted_at))
        raise NotFound
    raise Forbidden(_not_yours(actor, action, where))


def allowed(actor: Actor, action: Action | Power, subject: Subject | Filing | Place | None = None) -> bool:
    """The same as a question."""
    try:
        authorize(actor, action, subject)
    except (Forbidden, NotFound):
        return False
    return True


def _deleted(filing: Filing, at: datetime) -> str:
    """What the unit's own people read of a filing that a colleague deleted (已删除); for others there never was one."""
    s = object_session(filing)
    by = s.get(User, filing.deleted_by_id) if s is not None and filing.deleted_by_id else None
    who = f"由{by.name}" if by else ""
    return f"这份动态管理表已{who}于{guards.moment(clock.local(at))}删除，不能再查看或办理。请从列表重新进入；误删的，请尽快联系系统管理员恢复。"


def relation(actor: Actor, subject: Subject) -> Relation:
    """How the actor stands to a filing (关系)."""
    if subject.deleted:
        return Relation.NONE
    if actor.is_unit:
        return Relation.OWN if subject.organisation_id == actor.organisation_id else Relation.NONE
    if actor.role is Role.EXPERT:
        return Relation.ASSIGNED if actor.user_id in subject.experts else Relation.NONE
    if not actor.is_authority:
        return Relation.NONE
    if subject.status is FilingStatus.REVIEW and subject.authority_id == actor.organisation_id:
        return Relation.HANDLING
    own = next((status for authority, status in subject.route if authority == actor.organisation_id), None)
    if subject.status is not FilingStatus.DRAFT and own in DECIDED:
        return Relation.PAST
    if not covers(actor, subject.region_code, subject.group_id):
        return Relation.NONE
    return Relation.REGION if own is None or subject.status is FilingStatus.DRAFT else Relation.UPCOMING


def sees_contacts(where: Relation) -> bool:
    """Whose papers and files bear telephones and addresses in full (联系方式): the unit's, and the offices' that review it."""
    return where in (Relation.OWN, Relation.HANDLING, Relation.PAST, Relation.UPCOMING)


def covers(actor: Actor, region_code: str, group_id: int | None = None) -> bool:
    """Whether something lies in the office's region or group (管辖)."""
    if actor.role is Role.MINISTRY:
        return True
    if actor.role is Role.GROUP:
        return group_id is not None and group_id == actor.organisation_id
    return actor.is_authority and bool(actor.region_code) and region_code.startswith(region_prefix(actor.region_code))


def as_subject(filing: Filing, actor: Actor, steps: Sequence[Step] | None = None) -> Subject:
    """The subject of a filing row; reads the steps or expert tasks only where this actor's relation depends on them."""
    route: tuple[tuple[int | None, StepStatus], ...] = ()
    experts: frozenset[int] = frozenset()
    s = object_session(filing)
    if actor.is_authority and filing.current_version_id is not None:
        if steps is None and s is not None:
            steps = s.execute(select(Step).where(col(Step.version_id) == filing.current_version_id)).scalars().all()
        route = tuple((step.authority_id, step.status) for step in steps or ())
    if actor.role is Role.EXPERT and s is not None:
        mine = select(col(ExpertTask.id)).where(
            col(ExpertTask.version_id) == filing.current_version_id, col(ExpertTask.expert_id) == actor.user_id
        )
        if s.execute(mine.limit(1)).first() is not None:
            experts = frozenset({actor.user_id})
    return Subject(
        filing.organisation_id,
        filing.region_code,
        filing.group_id,
        filing.status,
        filing.deleted_at is not None,
        filing.current_authority_id,
        route,
        experts,
    )


def reach(s: Session, actor: Actor, power: Power, organisation_id: int) -> Organisation:
    """The organisation, if the actor may use ``power`` on it (管辖的机构). Forbidden for a role without that power, NotFound for
    what is out of reach: the same as for what is not there.
    """
    if actor.role not in POWERS[power]:
        authorize(actor, power, Place())
    place = s.get(Organisation, organisation_id)
    if place is None or not allowed(actor, power, place_of(place)):
        raise NotFound
    return place


def place_of(organisation: Organisation) -> Place:
    return Place(organisation.id, organisation.region_code, organisation.group_id)


def holders(*powers: Power) -> frozenset[Role]:
    """The roles that have one of these powers anywhere (有权的角色): who may open the page for it."""
    return frozenset(role for power in powers for role in POWERS[power])


def load(s: Session, actor: Actor, action: Action, filing_id: int) -> Filing:
    """The filing, if the actor may do ``action`` to it; NotFound or Forbidden otherwise. Where it stands is not asked here."""
    filing = s.get(Filing, filing_id)
    if filing is None:
        raise NotFound
    authorize(actor, action, filing)
    return filing


def visible(statement: S, actor: Actor) -> S:
    """The only scope (可见范围) for statements over ``Filing``; the administrator gets the deleted ones and no others."""
    return statement.where(scope(actor))


def scope(actor: Actor) -> ColumnElement[bool]:
    alive = col(Filing.deleted_at).is_(None)
    if actor.role is Role.ADMIN:
        return col(Filing.deleted_at).is_not(None)
    if actor.is_unit:
        return and_(alive, col(Filing.organisation_id) == actor.organisation_id)
    if actor.role is Role.EXPERT:
        mine = select(col(ExpertTask.version_id)).where(col(ExpertTask.expert_id) == actor.user_id)
        return and_(alive, col(Filing.current_version_id).in_(mine))
    if actor.role is Role.MINISTRY:
        return alive
    if actor.is_authority:
        on_desk = col(Filing.current_authority_id) == actor.organisation_id
        return and_(alive, or_(_within(actor, Filing), on_desk, col(Filing.id).in_(_decided_elsewhere(actor))))
    return false()


def _decided_elsewhere(actor: Actor) -> Select[int]:
    """Filings outside the region or group whose newest version this office has decided on; few, by an index of steps."""
    filing = aliased(Filing)
    return (
        select(col(Step.filing_id))
        .join(filing, col(filing.current_version_id) == col(Step.version_id))
        .where(
            col(Step.authority_id) == actor.organisation_id,
            col(Step.status).in_(DECIDED),
            col(filing.status) != FilingStatus.DRAFT,
            _within(actor, filing).is_not(true()),  # also where the filing has no group
        )
    )


def region_scope(actor: Actor, table: type[Filing] | type[Organisation] | type[RosterEntry]) -> ColumnElement[bool]:
    """The office's own region or group over units or list entries (辖区范围); a group needs a table with ``group_id``."""
    if actor.role in (Role.MINISTRY, Role.ADMIN):
        return true()
    if not actor.is_authority:
        return false()
    return _within(actor, table)


def _within(actor: Actor, table: Any) -> ColumnElement[bool]:
    if actor.role is Role.GROUP:
        if table is RosterEntry:
            units = select(col(Organisation.id)).where(col(Organisation.group_id) == actor.organisation_id)
            return or_(col(RosterEntry.organisation_id).in_(units), col(RosterEntry.group_id) == actor.organisation_id)
        return col(table.group_id) == actor.organisation_id
    if not actor.region_code:
        return false()
    return in_region(col(table.region_code), actor.region_code)


def in_region(column: Any, region_code: str) -> ColumnElement[bool]:
    """A region and all below it, as a range that an index can follow."""
    prefix = region_prefix(region_code)
    if not prefix:
        return true()
    return and_(column >= prefix, column < f"{int(prefix) + 1:0{len(prefix)}d}")  # digits sort alike in every collation


def _place_relation(actor: Actor, place: Place) -> Relation:
    if place.organisation_id is not None and place.organisation_id == actor.organisation_id:
        return Relation.OWN
    if covers(actor, place.region_code, place.group_id):
        return Relation.REGION
    return Relation.NONE


def _not_yours(actor: Actor, action: Action, where: Relation) -> str:
    role_has = MATRIX.get(action, {}).get(actor.role)
    if not role_has:
        return f"您的角色（{actor.role.caption}）不能{action.caption}。"
    if where in (Relation.PAST, Relation.UPCOMING, Relation.REGION):
        return f"这份动态管理表现在不在本级审核，不能{action.caption}。请刷新页面查看现在由谁办理。"
    return f"现在不能{action.caption}。请刷新页面查看最新情况。"
