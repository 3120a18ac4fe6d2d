"""Offices (主管部门) and the whole of organisations: whom a unit may choose, the tree, the list, new offices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from models import Organisation, User
from models.enums import AUTHORITY_ROLES, OrgKind, OrgStatus, Role, Tier
from services import audit, clock
from services.accounts import contacts
from services.accounts.views import Choice, OrganisationPage, OrganisationQuery, OrganisationRow, Superiors, TreeNode
from services.actors import Actor
from services.errors import Conflict, Forbidden, Refusal
from services.forms import names, reference
from services.permissions import Place, Power, allowed, authorize, in_region, region_scope
from services.workflow.routes import SEPARATE_CITIES

_LEVELS = {Tier.PROVINCE: 1, Tier.CITY: 2, Tier.COUNTY: 3}
_TIERS = (Tier.PROVINCE, Tier.CITY, Tier.COUNTY)


def superiors(s: Session, region_code: str) -> Superiors:
    """The offices that a unit in this region may choose (上级主管部门选择), and all central groups (所属央企)."""
    chain = lineage(region_code)
    separate = region_code[:4] in SEPARATE_CITIES
    offices = _active(s, Organisation.kind == OrgKind.AUTHORITY, col(Organisation.region_code).in_(chain))
    found = {tier: tuple(_choice(o) for o in offices if o.tier is tier) for tier in _TIERS}
    return Superiors(
        () if separate else found[Tier.PROVINCE],
        found[Tier.CITY],
        found[Tier.COUNTY],
        tuple(_choice(o) for o in _active(s, Organisation.kind == OrgKind.GROUP)),
        f"{SEPARATE_CITIES[region_code[:4]]}是计划单列市，市审核后直接报工业和信息化部。" if separate else "",
    )


def lineage(region_code: str) -> tuple[str, ...]:
    """A region and all above it, province first."""
    chain: list[str] = []
    found = reference.regions().get(region_code)
    while found is not None:
        chain.append(found.code)
        found = reference.regions().get(found.parent)
    return tuple(reversed(chain))


def check_superiors(
    s: Session,
    region_code: str,
    *,
    province_id: int | None,
    city_id: int | None,
    county_id: int | None,
    group_id: int | None,
) -> None:
    """Each chosen office must be one that may be chosen, and there must be at least one (上级主管部门)."""
    offered = superiors(s, region_code)
    for chosen, choices, field, words in (
        (province_id, offered.province, "superior_province_id", "省主管部门"),
        (city_id, offered.city, "superior_city_id", "市主管部门"),
        (county_id, offered.county, "superior_county_id", "县/区主管部门"),
        (group_id, offered.groups, "group_id", "所属央企"),
    ):
        if chosen is not None and chosen not in {choice.id for choice in choices}:
            may = "、".join(choice.name for choice in choices) or "无（请留空）"
            raise Refusal(f"{words}不是所在地区可以选择的。可选：{may}。", field=field)
    if province_id is None and city_id is None and county_id is None and group_id is None:
        raise Refusal(
            "请至少选择一个上级主管部门（省、市、县）或所属央企，动态管理表由它审核。", field="superior_city_id"
        )


def tree(s: Session, actor: Actor) -> tuple[TreeNode, ...]:
    """机构树: offices by region, groups and the ministry, as far as the actor may see."""
    if actor.role is not Role.ADMIN and actor.role not in AUTHORITY_ROLES:
        raise Forbidden("机构树供主管部门和系统管理员查看。本单位的信息请在“单位信息”中查看。")
    offices = list(_active(s, Organisation.kind == OrgKind.AUTHORITY, _seen(actor)))
    units: dict[str, int] = dict(
        s.exec(
            select(Organisation.region_code, func.count())
            .where(Organisation.kind == OrgKind.UNIT, Organisation.status == OrgStatus.ACTIVE, _seen(actor))
            .group_by(Organisation.region_code)
        ).all()
    )
    by_region = {office.region_code: office for office in offices}
    below: dict[str, list[Organisation]] = {}
    for office in offices:
        above = [code for code in lineage(office.region_code)[:-1] if code in by_region]
        below.setdefault(above[-1] if above else "", []).append(office)

    def node(office: Organisation) -> TreeNode:
        children = tuple(node(child) for child in below.get(office.region_code, ()))
        return _node(office, _count(units, office.region_code), children)

    roots = [node(office) for office in below.get("", ())]
    if actor.role in (Role.ADMIN, Role.MINISTRY, Role.GROUP):
        groups = _active(s, Organisation.kind == OrgKind.GROUP)
        roots += [
            _node(group, _subsidiaries(s, group))
            for group in groups
            if actor.role is not Role.GROUP or _is(actor, group)
        ]
    if actor.role in (Role.ADMIN, Role.MINISTRY):
        top = _active(s, Organisation.kind == OrgKind.MINISTRY)
        roots = [_node(m, sum(units.values()), tuple(roots)) for m in top[:1]] or roots
    return tuple(roots)


def listing(s: Session, actor: Actor, query: OrganisationQuery) -> OrganisationPage:
    """机构列表: the administrator's of all, an office's of the units below it; those that wait for confirmation first."""
    if actor.role is not Role.ADMIN and not actor.is_authority:
        raise Forbidden("机构列表供主管部门和系统管理员查看。本单位的信息请在“单位信息”中查看。")
    where: list[Any] = [_seen(actor)]
    if actor.role is not Role.ADMIN:
        where.append(Organisation.kind == OrgKind.UNIT)
    pending = s.exec(
        select(func.count()).select_from(Organisation).where(*where, Organisation.status == OrgStatus.PENDING)
    ).one()
    if query.kind is not None:
        where.append(Organisation.kind == query.kind)
    if query.status is not None:
        where.append(Organisation.status == query.status)
    if query.region_code:
        where.append(in_region(col(Organisation.region_code), query.region_code))
    if text := query.search.strip():
        like = f"%{text}%"
        where.append(
            or_(col(Organisation.name).ilike(like), col(Organisation.credit_code) == names.normalise_code(text))
        )
    total = s.exec(select(func.count()).select_from(Organisation).where(*where)).one()
    first = (col(Organisation.status) != OrgStatus.PENDING, col(Organisation.region_code), col(Organisation.id))
    size = min(max(query.page_size, 1), 200)
    rows = s.exec(
        select(Organisation).where(*where).order_by(*first).offset((max(query.page, 1) - 1) * size).limit(size)
    ).all()
    users: dict[int, int] = dict(
        s.exec(
            select(User.organisation_id, func.count())
            .where(col(User.organisation_id).in_([row.id for row in rows]))
            .group_by(col(User.organisation_id))
        ).all()
    )
    return OrganisationPage(tuple(_row(s, actor, place, users) for place in rows), total, pending)


def confirmer(s: Session, unit: Organisation) -> Organisation | None:
    """Who confirms a unit's registration (确认单位): the nearest office it chose, else its group."""
    for chosen in (unit.superior_county_id, unit.superior_city_id, unit.superior_province_id, unit.group_id):
        if chosen is not None:
            return s.get(Organisation, chosen)
    return None


def may_confirm(s: Session, actor: Actor, unit: Organisation) -> bool:
    """The office that confirms, any office above it in the region, and the administrator."""
    if unit.kind is not OrgKind.UNIT or unit.status is not OrgStatus.PENDING:
        return False
    place = Place(unit.id, unit.region_code, unit.group_id)
    chosen = confirmer(s, unit)
    return allowed(actor, Power.CONFIRM_UNITS, place) or (
        actor.is_authority and chosen is not None and chosen.id == actor.organisation_id
    )


def create_office(s: Session, actor: Actor, kind: OrgKind, name: str, region_code: str = "") -> int:
    """新增主管部门, 集团 …: by the administrator; its tier follows from the region."""
    authorize(actor, Power.MANAGE_ORGANISATIONS, Place())
    if kind is OrgKind.UNIT:
        raise Refusal("申报单位请由单位自己注册，再由主管部门确认。", field="kind")
    name = contacts.name(name)
    tier: Tier | None = {OrgKind.GROUP: Tier.PROVINCE, OrgKind.MINISTRY: Tier.MINISTRY}.get(kind)
    if kind is OrgKind.AUTHORITY:
        region = reference.regions().get(region_code)
        tier = next((t for t, level in _LEVELS.items() if region and level == region.level), None)
        if region is None or tier is None:
            raise Refusal("请选择主管部门所在的省、市或县（区）。", field="region_code")
    if _active(s, Organisation.kind == kind, Organisation.name == name):
        raise Conflict(f"“{name}”已经存在，不能重复新增。", field="name")
    place = Organisation(kind=kind, name=name, region_code=region_code, tier=tier, created_at=clock.now())
    s.add(place)
    s.flush()
    assert place.id is not None
    audit.record(s, actor, "create_organisation", "organisation", place.id, detail=f"新增{kind.caption}“{name}”")
    return place.id


def _seen(actor: Actor) -> Any:
    return region_scope(actor, Organisation)


def _active(s: Session, *where: Any) -> tuple[Organisation, ...]:
    query = select(Organisation).where(Organisation.status == OrgStatus.ACTIVE, *where)
    return tuple(s.exec(query.order_by(col(Organisation.region_code), col(Organisation.id))).all())


def _choice(place: Organisation) -> Choice:
    assert place.id is not None
    return Choice(place.id, place.name)


def _node(place: Organisation, units: int, children: Iterable[TreeNode] = ()) -> TreeNode:
    assert place.id is not None
    return TreeNode(place.id, place.name, reference.region_words(place.region_code), place.tier, units, tuple(children))


def _count(units: dict[str, int], region_code: str) -> int:
    return sum(n for code, n in units.items() if region_code in lineage(code))


def _subsidiaries(s: Session, group: Organisation) -> int:
    query = select(func.count()).where(Organisation.group_id == group.id, Organisation.status == OrgStatus.ACTIVE)
    return s.exec(query).one()


def _is(actor: Actor, place: Organisation) -> bool:
    return place.id == actor.organisation_id


def _row(s: Session, actor: Actor, place: Organisation, users: dict[int, int]) -> OrganisationRow:
    assert place.id is not None
    pending = place.status is OrgStatus.PENDING
    chosen = confirmer(s, place) if pending else None
    return OrganisationRow(
        id=place.id,
        name=place.name,
        kind=place.kind,
        tier=place.tier,
        status=place.status,
        status_caption=place.status.caption,
        credit_code=place.credit_code,
        region_code=place.region_code,
        region_name=reference.region_words(place.region_code),
        users=users.get(place.id, 0),
        confirmed_by=chosen.name if chosen else "",
        can_confirm=pending and may_confirm(s, actor, place),
    )
