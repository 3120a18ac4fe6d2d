"""Users (用户): created, enabled, disabled, given another role. By the administrator for everybody, by a 负责人 for the 填报人 of
the own unit, by an office for its own people; an office also gives reset codes to the people of units below it.

``create`` takes the database, not a session: it hashes outside the transaction and blocks for 0.1 s.
"""

from __future__ import annotations

import re

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from models import Organisation, User
from models.enums import UNIT_ROLES, OrgKind, OrgStatus, Role, Tier
from services import audit, clock, settings
from services.accounts import passwords, sessions
from services.accounts.views import NewPassword, UserPage, UserPlace, UserRow
from services.actors import Actor
from services.db import Database
from services.errors import Conflict, Forbidden, NotFound, Refusal
from services.forms import names
from services.perform import perform
from services.permissions import Place, Power, allowed, authorize, place_of, reach

_USERNAME = re.compile(r"[a-z0-9一-鿿][a-z0-9一-鿿_.@-]{2,59}")
USERNAME_WORDS = "用户名应为 3 到 60 个字符，可用字母、数字、汉字和 _ . @ -，以字母、数字或汉字开头"

_TIER_ROLES = {Tier.COUNTY: Role.COUNTY, Tier.CITY: Role.CITY, Tier.PROVINCE: Role.PROVINCE}
_KIND_ROLES: dict[OrgKind, tuple[Role, ...]] = {
    OrgKind.UNIT: (Role.SIGNER, Role.FILER),
    OrgKind.GROUP: (Role.GROUP,),
    OrgKind.MINISTRY: (Role.MINISTRY,),
    OrgKind.OPERATOR: (Role.ADMIN,),
    OrgKind.EXPERTS: (Role.EXPERT,),
}


def roles_of(place: Organisation) -> tuple[Role, ...]:
    """The roles people of this organisation can have (可设角色)."""
    if place.kind is OrgKind.AUTHORITY:
        return (_TIER_ROLES[place.tier],) if place.tier in _TIER_ROLES else ()
    return _KIND_ROLES[place.kind]


def creatable(actor: Actor, place: Organisation) -> tuple[Role, ...]:
    """The roles this actor may give there: a 负责人 names only 填报人."""
    if not allowed(actor, Power.MANAGE_USERS, place_of(place)):
        return ()
    return tuple(role for role in roles_of(place) if actor.role is not Role.SIGNER or role is Role.FILER)


def create(db: Database, actor: Actor, organisation_id: int, username: str, name: str, role: Role) -> NewPassword:
    """新增用户, with a random initial password shown this once. Blocks for a hash."""
    password = passwords.initial()
    user_id = perform(db, add, actor, organisation_id, username, name, role, passwords.hashed(password))
    return NewPassword(user_id, sessions.normal_username(username), name.strip(), password)


def add(
    s: Session,
    actor: Actor,
    organisation_id: int,
    username: str,
    name: str,
    role: Role,
    password_hash: str,
    must_change: bool = True,
) -> int:
    """Write a user whose password is hashed already (新增用户); returns the id."""
    place = reach(s, actor, Power.MANAGE_USERS, organisation_id)
    _need_creatable(actor, place, role)
    user_id = insert(s, place, username, name, role, password_hash, must_change=must_change)
    audit.record(
        s,
        actor,
        "create_user",
        "user",
        user_id,
        detail=f"在“{place.name}”新增{role.caption}“{name.strip()}”（{sessions.normal_username(username)}）",
    )
    return user_id


def _need_creatable(actor: Actor, place: Organisation, role: Role) -> None:
    if role not in creatable(actor, place):
        may = "、".join(r.caption for r in creatable(actor, place)) or "无"
        raise Refusal(f"您不能在“{place.name}”设“{role.caption}”。可以设的角色：{may}。", field="role")


def insert(
    s: Session,
    place: Organisation,
    username: str,
    name: str,
    role: Role,
    password_hash: str,
    *,
    must_change: bool = False,
    is_demo: bool = False,
) -> int:
    """Check and write the row; no permission asked, no audit line: the callers of this room do that."""
    username, name = check_username(username), name.strip()
    if not 0 < len(name) <= 50:
        raise Refusal("请填写姓名，最多 50 个字。", field="user_name")
    if s.exec(select(User.id).where(User.username == username)).first() is not None:
        raise Conflict(f"用户名“{username}”已被使用，请换一个，例如加上单位简称。", field="username")
    assert place.id is not None
    user = User(
        username=username,
        password_hash=password_hash,
        name=name,
        role=role,
        organisation_id=place.id,
        must_change_password=must_change,
        is_demo=is_demo,
        created_at=clock.now(),
    )
    s.add(user)
    s.flush()
    assert user.id is not None
    return user.id


def check_username(typed: str) -> str:
    username = sessions.normal_username(typed)
    if not _USERNAME.fullmatch(username):
        raise Refusal(f"用户名“{typed.strip()[:60]}”不符合要求。{USERNAME_WORDS}。", field="username")
    return username


def change_role(s: Session, actor: Actor, user_id: int, role: Role) -> None:
    """改角色: what the user has open closes, the new role counts from the next sign-in."""
    user, place = managed(s, actor, user_id)
    _need_creatable(actor, place, role)
    if user.role is role:
        raise Conflict(f"“{user.name}”的角色已经是{role.caption}，没有改动。")
    before, user.role = user.role, role
    s.add(user)
    ended = sessions.end_all(s, user_id, "role_changed")
    said = f"“{place.name}”{user.name}的角色由{before.caption}改为{role.caption}，结束登录 {ended} 个"
    audit.record(s, actor, "change_role", "user", user_id, detail=said)


def code_required(role: Role) -> bool:
    """Whether this role must use a 动态口令 here."""
    return role in settings.from_env().code_roles


def enable(s: Session, actor: Actor, user_id: int) -> None:
    """启用."""
    _switch(s, actor, user_id, enabled=True)


def disable(s: Session, actor: Actor, user_id: int) -> None:
    """停用: all sign-ins end at once."""
    _switch(s, actor, user_id, enabled=False)


def _switch(s: Session, actor: Actor, user_id: int, *, enabled: bool) -> None:
    user, place = managed(s, actor, user_id)
    if user.enabled == enabled:
        raise Conflict(f"“{user.name}”已经是{'启用' if enabled else '停用'}状态，没有改动。")
    if not enabled and user.role is Role.ADMIN:
        others = select(func.count()).select_from(User).where(User.role == Role.ADMIN, col(User.enabled).is_(True))
        if s.exec(others).one() <= 1:
            raise Refusal("这是最后一个启用的系统管理员，不能停用。请先新增一个系统管理员。")
    user.enabled = enabled
    s.add(user)
    ended = 0 if enabled else sessions.end_all(s, user_id, "disabled")
    audit.record(
        s,
        actor,
        "enable_user" if enabled else "disable_user",
        "user",
        user_id,
        detail=f"{'启用' if enabled else '停用'}“{place.name}”{user.name}"
        + ("" if enabled else f"，结束登录 {ended} 个"),
    )


def listing(s: Session, actor: Actor, organisation_id: int | None = None, search: str = "", page: int = 1) -> UserPage:
    """用户列表, 50 a page: of one organisation, or (administrator only) of all."""
    if organisation_id is None:
        authorize(actor, Power.RESET_PASSWORDS, Place())
    place = reach(s, actor, Power.RESET_PASSWORDS, organisation_id) if organisation_id is not None else None
    query = select(User, Organisation).join(Organisation, col(User.organisation_id) == Organisation.id)
    if place is not None:
        query = query.where(User.organisation_id == place.id)
    if search.strip():
        like = f"%{search.strip()}%"
        query = query.where(
            or_(col(User.username).ilike(like), col(User.name).ilike(like), col(Organisation.name).ilike(like))
        )
    total = s.exec(select(func.count()).select_from(query.subquery())).one()
    rows = s.exec(query.order_by(col(User.id)).offset((max(page, 1) - 1) * 50).limit(50)).all()
    return UserPage(tuple(_row(actor, user, at) for user, at in rows), total)


def places(s: Session, actor: Actor, search: str = "", organisation_id: int | None = None) -> tuple[UserPlace, ...]:
    """Where the actor may add a user (可新增用户的机构), at most 20, offices first; others by name or code."""
    query = select(Organisation).where(Organisation.status == OrgStatus.ACTIVE)
    if actor.role is not Role.ADMIN or organisation_id is not None:
        query = query.where(Organisation.id == (organisation_id or actor.organisation_id))
    if text := search.strip():
        named = col(Organisation.name).contains(text, autoescape=True)
        query = query.where(or_(named, col(Organisation.credit_code) == names.normalise_code(text)))
    found = s.exec(
        query.order_by(col(Organisation.kind) == OrgKind.UNIT, col(Organisation.region_code)).limit(20)
    ).all()
    offered = ((place, creatable(actor, place)) for place in found)
    return tuple(UserPlace(place.id or 0, place.name, roles) for place, roles in offered if roles)


def _row(actor: Actor, user: User, place: Organisation) -> UserRow:
    assert user.id is not None and place.id is not None
    manageable = allowed(actor, Power.MANAGE_USERS, place_of(place)) and not _why_not(actor, user, place)
    return UserRow(
        id=user.id,
        username=user.username,
        name=user.name,
        role=user.role,
        organisation_id=place.id,
        organisation_name=place.name,
        enabled=user.enabled,
        must_change_password=user.must_change_password,
        created_at=user.created_at,
        last_sign_in_at=user.last_sign_in_at,
        failed_sign_ins=user.failed_sign_ins,
        with_code=bool(user.totp_secret),
        can_switch=manageable,
        can_reset=user.enabled and (manageable or _below(actor, user, place)),
        can_take_code=manageable and bool(user.totp_secret),
        roles=tuple(r for r in creatable(actor, place) if r is not user.role) if manageable else (),
    )


def managed(s: Session, actor: Actor, user_id: int) -> tuple[User, Organisation]:
    """A user this actor may manage; NotFound or Forbidden otherwise (可管理的用户)."""
    user = s.get(User, user_id)
    place = s.get(Organisation, user.organisation_id) if user else None
    if user is None or place is None or not allowed(actor, Power.MANAGE_USERS, place_of(place)):
        raise NotFound
    if why := _why_not(actor, user, place):
        raise Forbidden(why)
    return user, place


def resettable(s: Session, actor: Actor, user_id: int) -> tuple[User, Organisation]:
    """A user for whom this actor may make a reset code (可生成重置码的用户)."""
    user = s.get(User, user_id)
    place = s.get(Organisation, user.organisation_id) if user else None
    if user is None or place is None or not _below(actor, user, place):
        user, place = managed(s, actor, user_id)
    if not user.enabled:
        raise Refusal(f"“{user.name}”已停用，不能登录。请先启用，再生成重置码。")
    return user, place


def _below(actor: Actor, user: User, place: Organisation) -> bool:
    """Somebody of a unit that this office looks after."""
    return user.role in UNIT_ROLES and actor.is_authority and allowed(actor, Power.RESET_PASSWORDS, place_of(place))


def _why_not(actor: Actor, user: User, place: Organisation) -> str:
    if user.id == actor.user_id:
        return "不能停用自己、改自己的角色或给自己生成重置码。修改密码请用右上角菜单中的“修改密码”。"
    if user.role not in creatable(actor, place):
        return f"您不能管理{user.role.caption}“{user.name}”，请联系系统管理员。"
    return ""
