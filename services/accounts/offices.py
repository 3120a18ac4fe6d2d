"""Offices (主管部门) and the whole of organisations: whom a unit may choose, the tree, the list, new offices."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from models import Message, Organisation, RosterEntry, Step, User
from models.enums import AUTHORITY_ROLES, OrgKind, OrgStatus, Role, Tier
from services import audit, clock, policy
from services.accounts import contacts
from services.accounts.views import (
    Choice,
    OrganisationPage,
    OrganisationQuery,
    OrganisationRow,
    Picked,
    Superiors,
    TreeNode,
)
from services.actors import Actor
from services.errors import Conflict, NotFound, Refusal
from services.forms import names, reference
from services.permissions import Place, Power, allowed, authorize, in_region, place_of, region_scope
from services.workflow.routes import Chosen, Superior, has_superior, over, route, separate

_LEVELS = {Tier.PROVINCE: 1, Tier.CITY: 2, Tier.COUNTY: 3}
_TIERS = (Tier.PROVINCE, Tier.CITY, Tier.COUNTY)
NOBODY = Picked()


def superiors(s: Session, region_code: str, picked: Picked = NOBODY, fill: Collection[Tier] = _TIERS) -> Superiors:
    """上级主管部门选择 of a unit in this region, in cascade (省 → 市 → 县/区), and all central groups (所属央企).

    Levels of ``fill`` that nobody is picked for get the region's own office, where it may be chosen. A level is required
    where the way would lead past an office; only a group's unit may leave levels out.
    """
    offices = _active(s, Organisation.kind == OrgKind.AUTHORITY)
    groups = _active(s, Organisation.kind == OrgKind.GROUP)
    above = {office.id: frozenset(reference.lineage(office.region_code)) for office in offices}
    seats = {t: frozenset(o.region_code for o in offices if o.tier is t) for t in _TIERS}
    chain = reference.lineage(region_code)
    home = over(offices, chain)

    def under(office: Organisation, higher: Organisation | None, tier: Tier) -> bool:
        """Whether ``higher`` (or nobody) is what this office has above it at that tier."""
        if higher is not None:
            return higher.region_code in above[office.id]
        return not seats[tier] & above[office.id]

    def taken(tier: Tier, choices: Sequence[Organisation], wanted: int | None) -> Organisation | None:
        own = home.get(tier)
        if wanted is None and tier in fill and own in choices and not (picked.province_id and _separate(own)):
            return own
        return next((o for o in choices if o.id == wanted), None)

    provinces = [o for o in offices if o.tier is Tier.PROVINCE]
    province = taken(Tier.PROVINCE, provinces, picked.province_id)
    all_cities = [o for o in offices if o.tier is Tier.CITY]
    cities = [o for o in all_cities if under(o, province, Tier.PROVINCE) or (province is None and _separate(o))]
    city = taken(Tier.CITY, cities, picked.city_id)
    if _separate(city):
        province = None
    counties = [
        o
        for o in offices
        if o.tier is Tier.COUNTY
        and under(o, city, Tier.CITY)
        and (city is not None or under(o, province, Tier.PROVINCE))
    ]
    county = taken(Tier.COUNTY, counties, picked.county_id)
    group = next((g for g in groups if g.id == picked.group_id), None)
    chosen = {Tier.PROVINCE: province, Tier.CITY: city, Tier.COUNTY: county}
    elsewhere = [o for o in (county, city, province) if o is not None and o.region_code not in chain]
    required = set()
    if group is None:
        required = {t for t in _TIERS if t in home and not elsewhere}
        if province is not None and cities:
            required.add(Tier.CITY)
        if any(_separate(o) for o in (city, None if elsewhere else home.get(Tier.CITY))):
            required.discard(Tier.PROVINCE)
    return Superiors(
        tuple(map(_choice, provinces)),
        tuple(map(_choice, cities)),
        tuple(map(_choice, counties)),
        tuple(map(_choice, groups)),
        Picked(*(o.id if o else None for o in (*chosen.values(), group))),
        frozenset(required),
        _path(s, region_code, county, city, province, group),
        tuple(o.name for o in elsewhere),
        f"{separate(city.region_code)}是计划单列市，市审核后直接报工业和信息化部。" if city and _separate(city) else "",
    )


def _path(
    s: Session,
    region_code: str,
    county: Organisation | None,
    city: Organisation | None,
    province: Organisation | None,
    group: Organisation | None,
) -> tuple[str, ...]:
    """Who reviews, in this order, up to the last tier of this deployment; nobody if the ministry alone is left."""
    ministry = next(iter(_active(s, Organisation.kind == OrgKind.MINISTRY)), None)
    chosen = Chosen(region_code, *(_superior(o) for o in (county, city, province, group, ministry)))
    legs = route(chosen, policy.top_tier(s))
    return tuple(leg.authority.name for leg in legs if leg.authority) if has_superior(legs) else ()


def _superior(office: Organisation | None) -> Superior | None:
    return Superior(office.id or 0, office.name, office.region_code) if office else None


def _separate(office: Organisation | None) -> bool:
    return office is not None and bool(separate(office.region_code))


def check_superiors(s: Session, region_code: str, picked: Picked) -> None:
    """Each chosen office must be one that may be chosen, none may be skipped, and there must be one (上级主管部门)."""
    offered = superiors(s, region_code, picked, fill=())
    for field, tier, choices in (
        ("province_id", Tier.PROVINCE, offered.province),
        ("city_id", Tier.CITY, offered.city),
        ("county_id", Tier.COUNTY, offered.county),
        ("group_id", None, offered.groups),
    ):
        wanted, kept = getattr(picked, field), getattr(offered.picked, field)
        name = f"superior_{field}" if tier else field
        words = _WORDS[tier]
        if wanted is not None and kept is None:
            if tier is Tier.PROVINCE and offered.note:
                raise Refusal(f"{offered.note}省主管部门请选“不选”。", field=name)
            may = "、".join(choice.name for choice in choices[:8]) + ("等" if len(choices) > 8 else "")
            raise Refusal(
                f"所选的{words}不在上一级主管部门之下，或者已经停用。可选：{may or '无（请不选）'}。", field=name
            )
        if tier in offered.required and kept is None:
            own = home_office(s, region_code, tier)
            who = f"，所在地区的是“{own.name}”" if own else ""
            raise Refusal(
                f"请选择{words}{who}。有{words}的地区，动态管理表要经它审核，不能越过；只有选了所属央企的单位可以不选。",
                field=name,
            )
    if not offered.path:
        raise Refusal(
            "所在地区还没有登记的主管部门。请联系当地工业和信息化主管部门，由系统管理员登记后再办理；"
            "由其他地区主管的，请在上级主管部门中选择。",
            field="superior_city_id",
        )


_WORDS = {Tier.PROVINCE: "省主管部门", Tier.CITY: "市主管部门", Tier.COUNTY: "县/区主管部门", None: "所属央企"}


def home_office(s: Session, region_code: str, tier: Tier) -> Choice | None:
    """The office of that tier in whose region a place lies."""
    here = col(Organisation.region_code).in_(reference.lineage(region_code))
    found = _active(s, Organisation.kind == OrgKind.AUTHORITY, Organisation.tier == tier, here)
    return _choice(found[0]) if found else None


def tree(s: Session, actor: Actor) -> tuple[TreeNode, ...]:
    """机构树: offices by region, groups and the ministry, as far as the actor may see."""
    authorize(actor, Power.READ_ORGANISATIONS)
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
        above = [code for code in reference.lineage(office.region_code)[:-1] if code in by_region]
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
    authorize(actor, Power.READ_ORGANISATIONS)
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
    chosen = confirmer(s, unit)
    return allowed(actor, Power.CONFIRM_UNITS, place_of(unit)) or (
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


def remove_office(s: Session, actor: Actor, organisation_id: int) -> None:
    """删除 an office that was entered by mistake: nobody works there, nobody has chosen it, nothing was decided by it."""
    authorize(actor, Power.MANAGE_ORGANISATIONS, Place())
    place = s.get(Organisation, organisation_id)
    if place is None or place.kind is OrgKind.UNIT:
        raise NotFound
    above = (Organisation.superior_county_id, Organisation.superior_city_id, Organisation.superior_province_id)
    used: tuple[tuple[Any, str], ...] = (
        (select(User.id).where(User.organisation_id == organisation_id), "已有用户"),
        (
            select(Organisation.id).where(
                or_(*(col(column) == organisation_id for column in (*above, Organisation.group_id)))
            ),
            "已有单位选它为上级主管部门或所属央企",
        ),
        (select(Step.id).where(Step.authority_id == organisation_id), "已办理过审核"),
        (select(Message.id).where(Message.organisation_id == organisation_id), "已收到过待办"),
        (select(RosterEntry.id).where(RosterEntry.group_id == organisation_id), "名单中有它的下属单位"),
    )
    for query, words in used:
        if s.exec(query.limit(1)).first() is not None:
            raise Refusal(f"“{place.name}”{words}，不能删除。名称写错的请用“更正”。")
    s.delete(place)
    audit.record(
        s, actor, "remove_office", "organisation", organisation_id, detail=f"删除{place.kind.caption}“{place.name}”"
    )


def beginnings(s: Session, actor: Actor) -> Mapping[str, int]:
    """How far a new deployment has come (启用进度): offices, their people, entries of the list, registered units."""
    authorize(actor, Power.MANAGE_ORGANISATIONS, Place())
    counted = {
        "offices": select(func.count(col(Organisation.id))).where(Organisation.kind == OrgKind.AUTHORITY),
        "people": select(func.count(col(User.id))).where(col(User.role).in_(AUTHORITY_ROLES)),
        "entries": select(func.count(col(RosterEntry.id))),
        "units": select(func.count(col(Organisation.id))).where(Organisation.kind == OrgKind.UNIT),
    }
    return {name: s.exec(query).one() for name, query in counted.items()}


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
    return sum(n for code, n in units.items() if region_code in reference.lineage(code))


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
