"""邀请填报: a unit that is not on the list may fill one form in one year, because an office that keeps the list asked it to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from models import Filing, Invitation, Organisation, User
from models.enums import Form, Level, OrgKind, OrgStatus
from services import audit, clock, inbox
from services.actors import Actor
from services.errors import Conflict, NotFound, Refusal
from services.forms import reference
from services.permissions import Place, Power, authorize, region_scope
from services.register import campaigns, entries


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """一项邀请. ``kept``: why it cannot be taken back, "" if it can."""

    id: int
    unit_name: str
    region_name: str
    level: Level
    reason: str
    invited_by: str
    invited_at: datetime
    kept: str


def level_of(s: Session, unit: Organisation, form: Form, year: int) -> Level | None:
    """As what an invited unit files; None where it is not invited."""
    query = select(Invitation).where(
        Invitation.organisation_id == unit.id, Invitation.form == form, Invitation.year == year
    )
    found = s.exec(query).first()
    return found.level if found else None


def invite(s: Session, actor: Actor, form: Form, year: int, organisation_id: int, level: Level, reason: str) -> None:
    """邀请 a confirmed unit of the office's region; the unit is told."""
    unit = s.get(Organisation, organisation_id)
    if unit is None or unit.kind is not OrgKind.UNIT or unit.status is not OrgStatus.ACTIVE:
        raise NotFound("没有找到这个单位。请从列表中选择已确认注册的单位。")
    authorize(actor, Power.IMPORT_ROSTER, Place(unit.id, unit.region_code, unit.group_id))
    if campaigns.campaign_of(s, form, year) is None:
        raise NotFound(f"还没有{year}年度{form.caption}的填报安排。")
    if entries.match(s, form, unit.credit_code, (unit.name,)):
        raise Refusal(f"“{unit.name}”已在名单中，可以直接填报，不需要邀请。", field="organisation_id")
    if level_of(s, unit, form, year) is not None:
        raise Conflict(f"“{unit.name}”{year}年度已经邀请过。", field="organisation_id")
    reason = " ".join(reason.split())
    if not 2 <= len(reason) <= 500:
        raise Refusal("请填写邀请的原因（2 到 500 个字），单位会看到。", field="reason")
    s.add(
        Invitation(
            organisation_id=organisation_id,
            form=form,
            year=year,
            level=level,
            reason=reason,
            invited_by_id=actor.user_id,
            invited_at=clock.now(),
        )
    )
    inbox.send(
        s,
        organisation_id,
        "invited",
        year=str(year),
        form=form.caption,
        from_name=actor.organisation_name,
        reason=reason,
        link=f"/filings/{form.value}",
    )
    detail = f"邀请“{unit.name}”填报{year}年度{form.caption}（按{level.caption}）；原因：{reason}"
    audit.record(s, actor, "invite", "organisation", organisation_id, detail=detail)


def withdraw_invitation(s: Session, actor: Actor, invitation_id: int) -> None:
    """撤销邀请, as long as the unit has not begun."""
    found = s.get(Invitation, invitation_id)
    if found is None:
        raise NotFound("这项邀请已经撤销。请刷新页面查看。")
    unit = s.get_one(Organisation, found.organisation_id)
    authorize(actor, Power.IMPORT_ROSTER, Place(unit.id, unit.region_code, unit.group_id))
    if why := _begun(s, found):
        raise Conflict(why)
    s.delete(found)
    detail = f"撤销对“{unit.name}”填报{found.year}年度{found.form.caption}的邀请"
    audit.record(s, actor, "withdraw_invitation", "organisation", unit.id, detail=detail)


def listing(s: Session, actor: Actor, form: Form, year: int) -> tuple[InvitationRow, ...]:
    """Invitations of the actor's region (邀请填报的单位), newest first."""
    query = (
        select(Invitation, Organisation, User.name)
        .join(Organisation, col(Invitation.organisation_id) == Organisation.id)
        .join(User, col(Invitation.invited_by_id) == User.id)
        .where(Invitation.form == form, Invitation.year == year, region_scope(actor, Organisation))
        .order_by(col(Invitation.id).desc())
        .limit(200)
    )
    return tuple(
        InvitationRow(
            row.id or 0,
            unit.name,
            reference.region_words(unit.region_code),
            row.level,
            row.reason,
            by,
            clock.local(row.invited_at),
            _begun(s, row),
        )
        for row, unit, by in s.exec(query)
    )


def _begun(s: Session, invitation: Invitation) -> str:
    begun = select(Filing.id).where(
        Filing.organisation_id == invitation.organisation_id,
        Filing.form == invitation.form,
        Filing.year == invitation.year,
        col(Filing.deleted_at).is_(None),
    )
    return "单位已经开始填报，不能撤销邀请。" if s.exec(begun).first() is not None else ""
