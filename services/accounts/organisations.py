"""Units (申报单位): registering, being confirmed by their office, and their profile (单位信息).

``register_unit`` takes the database, not a session: it hashes outside the transaction and blocks for 0.1 s.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from models import AuditLine, Filing, Message, Organisation, RosterEntry, User
from models.enums import FileKind, FilingStatus, OrgKind, OrgStatus, Role
from services import audit, clock, events, inbox
from services.accounts import contacts, offices, passwords, sessions, users
from services.accounts.views import Choice, OrganisationView, Picked, ProfileEdit, Registered, RegisterForm
from services.actors import Actor
from services.db import Database
from services.errors import Conflict, NotFound, Refusal
from services.filings import files, opening
from services.forms import names, reference
from services.perform import perform
from services.permissions import Place, Power, allowed, authorize, place_of, reach
from services.register import upkeep

PER_HOUR = 20  # registrations from one network address
SUPERIORS = ("superior_province_id", "superior_city_id", "superior_county_id", "group_id")
# While a review runs, only 取消上报 opens what it rests on.
SUPERIOR_WORDS = (
    "动态管理表正在审核，现在不能更换所在地区、上级主管部门和所属央企。上报到了错误的主管部门的，请先在列表中“取消上报”，"
    "在这里改正后再上报；第一级已经审核、不能取消上报的，请联系审核单位转送或退回。"
)
NAME_WORDS = "动态管理表正在审核，现在不能修改。确需修改的，请先“取消上报”。"
FIXED_WORDS = "统一社会信用代码与名单核对，注册后不能自行修改。确需更正请联系系统管理员。"


# --- registering ----------------------------------------------------------------------------------------------------


def register_unit(db: Database, form: RegisterForm, address: str = "") -> Registered:
    """单位注册: the unit waits for confirmation by its office, its first user is the 负责人. Blocks for a hash."""
    passwords.check(form.password, username=users.check_username(form.username))
    contacts.credit_code(form.credit_code)
    db.read(_check_rate, address)
    password_hash = passwords.hashed(form.password)
    if not form.license_content:
        return db.write(_register, form, password_hash, None, address)
    with files.placing(db, form.license_name, form.license_content, FileKind.LICENSE) as placed:
        return db.write(_register, form, password_hash, placed, address)


def _check_rate(s: Session, address: str) -> None:
    recent = select(func.count()).where(
        AuditLine.action == "register_unit",
        AuditLine.address == address,
        col(AuditLine.at) > clock.now() - timedelta(hours=1),
    )
    if address and s.exec(recent).one() >= PER_HOUR:
        raise Refusal("这个网络地址一小时内注册的单位过多，请稍后再试。")


def _register(
    s: Session, form: RegisterForm, password_hash: str, placed: files.Placed | None, address: str
) -> Registered:
    _check_rate(s, address)  # again: many at once have all passed the first look
    code = contacts.credit_code(form.credit_code)
    name = contacts.name(form.name)
    unit = s.exec(
        select(Organisation).where(Organisation.kind == OrgKind.UNIT, Organisation.credit_code == code)
    ).first()
    if unit is not None and unit.status is not OrgStatus.REFUSED:
        waits = "，正在等待主管部门确认" if unit.status is OrgStatus.PENDING else ""
        raise Conflict(
            f"统一社会信用代码“{code}”已经注册{waits}。忘记用户名或密码请联系本单位负责人或上级主管部门。",
            field="credit_code",
        )
    region_code = contacts.region(form.region_code)
    offices.check_superiors(s, region_code, _picked(form))
    again = unit is not None
    unit = unit or Organisation(kind=OrgKind.UNIT, name=name, credit_code=code, created_at=clock.now())
    unit.status, unit.status_reason, unit.name = OrgStatus.PENDING, "", name
    unit.region_code, unit.address = region_code, contacts.address(form.address)
    unit.superior_province_id, unit.superior_city_id = form.superior_province_id, form.superior_city_id
    unit.superior_county_id, unit.group_id = form.superior_county_id, form.group_id
    _take_contacts(unit, form)
    s.add(unit)
    s.flush()
    assert unit.id is not None
    if again:  # whoever was refused does not keep a way in
        s.execute(update(User).where(col(User.organisation_id) == unit.id).values(enabled=False))
    user_id = users.insert(s, unit, form.username, form.user_name, Role.SIGNER, password_hash)
    actor = replace(sessions.actor_of(s, user_id), address=address)
    if placed is not None:
        unit.license_file_id = files.store(s, actor, None, FileKind.LICENSE, form.license_name, placed).id
        s.add(unit)
    asked = offices.confirmer(s, unit)
    assert asked is not None and asked.id is not None
    inbox.send(s, asked.id, "registration", unit=name, link=_link(unit))
    audit.record(
        s,
        actor,
        "register_unit",
        "organisation",
        unit.id,
        detail=f"注册“{name}”（{code}），待{asked.name}确认",
    )
    return Registered(unit.id, name, sessions.normal_username(form.username), asked.name)


def confirm(s: Session, actor: Actor, organisation_id: int) -> None:
    """确认注册: the unit may sign in; entries of the list with its code become its own."""
    unit = _pending(s, actor, organisation_id)
    unit.status, unit.status_reason = OrgStatus.ACTIVE, ""
    s.add(unit)
    linked = link_entries(s, unit)
    _answered(s, unit)
    inbox.send(s, organisation_id, "registered", result="已确认", reason="可以开始填报。首页列出了接下来要办的事项。")
    audit.record(
        s, actor, "confirm_unit", "organisation", unit.id, detail=f"确认“{unit.name}”的注册，对应名单条目 {linked} 条"
    )


def refuse(s: Session, actor: Actor, organisation_id: int, reason: str) -> None:
    """退回注册, with a reason that the unit reads when it signs in."""
    unit = _pending(s, actor, organisation_id)
    reason = " ".join(reason.split())
    if not 2 <= len(reason) <= 500:
        raise Refusal("请填写不予确认的原因（2 到 500 个字），申报单位登录时会看到。", field="reason")
    unit.status, unit.status_reason = OrgStatus.REFUSED, reason
    s.add(unit)
    _answered(s, unit)
    audit.record(s, actor, "refuse_unit", "organisation", unit.id, detail=f"“{unit.name}”的注册未通过：{reason}")


def _link(unit: Organisation) -> str:
    return f"/organisations/{unit.id}"


def _answered(s: Session, unit: Organisation) -> None:
    """The offices that were asked to confirm need not act any more."""
    waiting = s.exec(
        select(Message).where(
            Message.kind == "registration", Message.link == _link(unit), col(Message.done_at).is_(None)
        )
    ).all()
    for message in waiting:
        message.done_at = clock.now()
        s.add(message)
        events.publish(s, events.InboxChanged(message.organisation_id))


def link_entries(s: Session, unit: Organisation) -> int:
    """Entries of the list with this unit's code, or its name, that belong to nobody yet (名单条目认领); returns how many."""
    known = {names.normalise(name) for name in (unit.name, *former_names(unit))}
    loose = s.exec(select(RosterEntry).where(col(RosterEntry.organisation_id).is_(None))).all()
    mine = [
        entry
        for entry in loose
        if (entry.credit_code and entry.credit_code == unit.credit_code)
        or (not entry.credit_code and names.normalise(entry.listed_name) in known)
    ]
    for entry in mine:
        upkeep.give(entry, unit)
        s.add(entry)
    return len(mine)


# --- the profile ----------------------------------------------------------------------------------------------------


def profile(s: Session, actor: Actor, organisation_id: int | None = None) -> OrganisationView:
    """单位信息: the own one, or one below the actor's office; contacts are masked for all but the unit itself."""
    place = _found(s, actor, organisation_id if organisation_id is not None else actor.organisation_id)
    return _view(s, actor, place, plain=place.id == actor.organisation_id)


def reveal_contacts(s: Session, actor: Actor, organisation_id: int) -> OrganisationView:
    """显示联系方式: an act of its own in the audit log."""
    place = reach(s, actor, Power.REVEAL_CONTACT, organisation_id)
    audit.record(s, actor, "reveal_contacts", "organisation", organisation_id, detail=f"查看“{place.name}”的联系方式")
    return _view(s, actor, place, plain=True)


def update_profile(
    s: Session, actor: Actor, edit: ProfileEdit, version: int, organisation_id: int | None = None
) -> OrganisationView:
    """修改单位信息. ``version`` is that of the view it was edited in; somebody else's change in between is a Conflict."""
    place = reach(
        s, actor, Power.EDIT_PROFILE, organisation_id if organisation_id is not None else actor.organisation_id
    )
    assert place.id is not None
    if place.version != version:
        raise Conflict("单位信息刚刚被其他人修改，您的修改没有保存。请刷新页面核对后再改。")
    changed = _changes(place, edit)
    if place.kind is OrgKind.UNIT:
        locked = _locked(s, place)
        for field in changed:
            if field in locked:
                raise Refusal(locked[field], field=field)
        if any(field in changed for field in (*SUPERIORS, "region_code")):
            offices.check_superiors(s, contacts.region(edit.region_code), _picked(edit))
    elif {"name", "region_code", *SUPERIORS} & set(changed):
        raise Refusal("主管部门的名称和地区由系统管理员维护，请联系系统管理员。", field=changed[0])
    if changed:
        _apply(place, edit)
        place.version += 1
        s.add(place)
        s.flush()
        if place.kind is OrgKind.UNIT:
            opening.refresh_profile(s, actor, place.id)
        words = "、".join(FIELD_WORDS[field] for field in changed)
        audit.record(s, actor, "edit_profile", "organisation", place.id, detail=f"修改“{place.name}”的{words}")
    return _view(s, actor, place, plain=place.id == actor.organisation_id)


def set_license(db: Database, actor: Actor, name: str, content: bytes) -> OrganisationView:
    """上传营业执照, of the own unit. Blocks while the file is looked at."""
    db.read(files.check_upload, actor, None, FileKind.LICENSE, len(content))
    with files.placing(db, name, content, FileKind.LICENSE) as placed:
        return perform(db, _set_license, actor, name, placed)


def _set_license(s: Session, actor: Actor, name: str, placed: files.Placed) -> OrganisationView:
    place = _found(s, actor, actor.organisation_id)
    place.license_file_id = files.store(s, actor, None, FileKind.LICENSE, name, placed).id
    place.version += 1
    s.add(place)
    audit.record(s, actor, "edit_profile", "organisation", place.id, detail=f"更换“{place.name}”的营业执照")
    return _view(s, actor, place, plain=True)


def correct_organisation(
    s: Session, actor: Actor, organisation_id: int, version: int, name: str, credit_code: str
) -> None:
    """更正机构名称和统一社会信用代码, by the administrator: what a unit or an office cannot change itself."""
    authorize(actor, Power.MANAGE_ORGANISATIONS, Place())
    place = s.get(Organisation, organisation_id)
    if place is None:
        raise NotFound
    if place.version != version:
        raise Conflict("这个机构的信息刚刚被其他人修改，您的修改没有保存。请刷新页面核对后再改。")
    unit = place.kind is OrgKind.UNIT
    code = contacts.credit_code(credit_code) if unit else place.credit_code
    name = contacts.name(name)
    if (name, code) == (place.name, place.credit_code):
        raise Refusal("没有改动。请修改后再保存，或点“返回”。")
    if unit and (why := _locked(s, place).get("name")):
        raise Refusal(why.replace("请先“取消上报”", "请先由该单位“取消上报”"))
    same = Organisation.credit_code == code if unit else Organisation.name == name
    others = select(Organisation.id).where(Organisation.kind == place.kind, Organisation.id != organisation_id, same)
    if s.exec(others).first() is not None:
        what = f"统一社会信用代码“{code}”" if unit else f"“{name}”"
        raise Conflict(f"{what}已属于另一个机构，不能重复。", field="credit_code" if unit else "name")
    before = f"{place.name} {place.credit_code}".strip()
    if unit and name != place.name:
        place.former_names = "\n".join((place.name, *former_names(place)))[:1000]
    place.name, place.credit_code = name, code
    place.version += 1
    s.add(place)
    s.flush()
    if unit:
        opening.refresh_profile(s, actor, organisation_id)
        link_entries(s, place)
    detail = f"“{before}”更正为“{f'{name} {code}'.strip()}”"
    audit.record(s, actor, "correct_organisation", "organisation", organisation_id, detail=detail)


FIELD_WORDS = {
    "name": "单位名称",
    "region_code": "所在地区",
    "address": "详细地址",
    "contact": "联系人",
    "telephone": "联系电话",
    "mobile": "手机号",
    "email": "电子邮件",
    "superior_province_id": "省主管部门",
    "superior_city_id": "市主管部门",
    "superior_county_id": "县/区主管部门",
    "group_id": "所属央企",
}
_CHECKS = {
    "name": contacts.name,
    "region_code": contacts.region,
    "address": contacts.address,
    "contact": contacts.contact,
    "telephone": contacts.telephone,
    "mobile": contacts.mobile,
    "email": contacts.email,
}


def former_names(place: Organisation) -> tuple[str, ...]:
    """曾用名, newest first."""
    return tuple(filter(None, place.former_names.split("\n")))


def _changes(place: Organisation, edit: ProfileEdit) -> list[str]:
    return [field for field in FIELD_WORDS if getattr(edit, field) != getattr(place, field)]


def _apply(place: Organisation, edit: ProfileEdit) -> None:
    """Write what changed, each value checked; an unchanged one is left alone even if today's check would refuse it."""
    for field in _changes(place, edit):
        value = getattr(edit, field)
        if field in _CHECKS:
            value = _CHECKS[field](value)
        if field == "name":
            kept = [place.name, *(name for name in former_names(place) if name not in (place.name, value))]
            place.former_names = "\n".join(kept)[:1000]
        setattr(place, field, value)


def _take_contacts(unit: Organisation, form: RegisterForm) -> None:
    unit.contact = contacts.contact(form.contact)
    unit.telephone = contacts.telephone(form.telephone)
    unit.mobile = contacts.mobile(form.mobile)
    unit.email = contacts.email(form.email)


def _picked(said: RegisterForm | ProfileEdit) -> Picked:
    return Picked(said.superior_province_id, said.superior_city_id, said.superior_county_id, said.group_id)


def _locked(s: Session, unit: Organisation) -> dict[str, str]:
    """The fields that cannot be changed now, each with cause and way out."""
    locked = {"credit_code": FIXED_WORDS}
    under_review = s.exec(
        select(Filing.id)
        .where(
            Filing.organisation_id == unit.id,
            Filing.status == FilingStatus.REVIEW,
            col(Filing.deleted_at).is_(None),
        )
        .limit(1)
    ).first()
    if under_review is not None:
        locked |= dict.fromkeys(("region_code", *SUPERIORS), SUPERIOR_WORDS)
        locked |= dict.fromkeys(("name", "address"), NAME_WORDS)
    return locked


def _pending(s: Session, actor: Actor, organisation_id: int) -> Organisation:
    unit = s.get(Organisation, organisation_id)
    asked = offices.confirmer(s, unit) if unit is not None else None
    if unit is None or asked is None or asked.id != actor.organisation_id:
        unit = reach(s, actor, Power.CONFIRM_UNITS, organisation_id)
    if unit.kind is not OrgKind.UNIT:
        raise NotFound
    if unit.status is not OrgStatus.PENDING:
        raise Conflict(f"“{unit.name}”的注册{unit.status.caption}，不需要再次办理。")
    return unit


def _found(s: Session, actor: Actor, organisation_id: int) -> Organisation:
    place = s.get(Organisation, organisation_id)
    if place is None:
        raise NotFound
    if not allowed(actor, Power.READ_PROFILE, place_of(place)) and not offices.may_confirm(s, actor, place):
        raise NotFound
    return place


def _view(s: Session, actor: Actor, place: Organisation, *, plain: bool) -> OrganisationView:
    assert place.id is not None
    telephone, mobile, email = contacts.contacts_of(place, plain=plain)
    pending = place.status is OrgStatus.PENDING
    asked = offices.confirmer(s, place) if pending else None

    def chosen(organisation_id: int | None) -> Choice | None:
        office = s.get(Organisation, organisation_id) if organisation_id is not None else None
        return Choice(office.id or 0, office.name) if office else None

    return OrganisationView(
        id=place.id,
        kind=place.kind,
        status=place.status,
        status_caption=place.status.caption,
        status_reason=place.status_reason,
        name=place.name,
        credit_code=place.credit_code,
        former_names=former_names(place),
        region_code=place.region_code,
        region_name=reference.region_words(place.region_code),
        address="" if place.kind is OrgKind.UNIT and actor.role is Role.ADMIN else place.address,
        tier=place.tier,
        contact=place.contact,
        telephone=telephone,
        mobile=mobile,
        email=email,
        masked=not plain,
        superior_province=chosen(place.superior_province_id),
        superior_city=chosen(place.superior_city_id),
        superior_county=chosen(place.superior_county_id),
        group=chosen(place.group_id),
        license_file_id=place.license_file_id,
        version=place.version,
        locked=_locked(s, place) if place.kind is OrgKind.UNIT else {},
        can_edit=allowed(actor, Power.EDIT_PROFILE, place_of(place)),
        can_confirm=pending and offices.may_confirm(s, actor, place),
        confirmed_by=asked.name if asked else "",
    )
