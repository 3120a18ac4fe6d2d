"""Who sets the dates of a campaign (填报安排): the nation's, a region's own, and extensions for one unit; each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session, col, select

from models import Campaign, CampaignDate, Extension, Organisation, User
from models.enums import Form, OrgKind, OrgStatus, Role
from services import audit, clock, inbox, policy
from services.actors import Actor, region_prefix
from services.errors import Conflict, NotFound, Refusal
from services.forms import loader, reference
from services.permissions import Place, Power, allowed, authorize, reach, region_scope
from services.register import campaigns

LONGEST_DAYS = 366


@dataclass(frozen=True, slots=True)
class RegionDates:
    """地区截止日."""

    region_code: str
    region_name: str
    due_on: date
    locks_on: date
    source: str
    can_edit: bool


@dataclass(frozen=True, slots=True)
class ExtensionRow:
    """一项延期."""

    id: int
    unit_name: str
    region_name: str
    until: date
    reason: str
    granted_by: str
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """填报安排 of one form and year, as far as it concerns the actor."""

    form: Form
    year: int
    opens_on: date
    due_on: date
    locks_on: date
    source: str
    regions: tuple[RegionDates, ...]
    extensions: tuple[ExtensionRow, ...]
    can_edit: bool  # the dates of the whole campaign
    own_region: str  # the region whose dates the actor may set, "" if none
    can_extend: bool
    can_invite: bool
    has_form: bool  # the year's form (表样) is there to be filled


@dataclass(frozen=True, slots=True)
class UnitChoice:
    id: int
    name: str
    credit_code: str


def schedule(s: Session, actor: Actor, form: Form, year: int) -> Schedule:
    """The dates in force; raises NotFound where no campaign has been announced."""
    campaign = _campaign(s, form, year)
    local = s.exec(select(CampaignDate).where(CampaignDate.campaign_id == campaign.id)).all()
    mine = region_prefix(actor.region_code)
    near = [d for d in local if _concerns(region_prefix(d.region_code), mine)]
    return Schedule(
        form,
        year,
        campaign.opens_on,
        campaign.due_on,
        campaign.locks_on,
        campaign.source,
        tuple(_region_dates(actor, row) for row in sorted(near, key=lambda row: row.region_code)),
        _extensions(s, actor, campaign),
        actor.role in (Role.ADMIN, Role.MINISTRY),
        actor.region_code if allowed(actor, Power.RUN_CAMPAIGN, _own(actor)) and actor.region_code else "",
        allowed(actor, Power.EXTEND, Place(region_code=actor.region_code, group_id=actor.organisation_id)),
        allowed(actor, Power.IMPORT_ROSTER, _own(actor)),
        year in loader.years(form),
    )


def years(s: Session, actor: Actor, form: Form) -> tuple[int, ...]:
    """Years with a campaign, newest first (有填报安排的年度)."""
    found = s.exec(select(Campaign.year).where(Campaign.form == form).distinct()).all()
    return tuple(sorted(found, reverse=True))


def announce(
    s: Session, actor: Actor, form: Form, year: int, opens_on: date, due_on: date, locks_on: date, source: str
) -> None:
    """新增年度填报安排: by the administrator or the ministry; one a form and year."""
    authorize(actor, Power.RUN_CAMPAIGN, Place())
    today = clock.today().year
    if not today - 1 <= year <= today + 1:
        raise Refusal(f"年度应在 {today - 1} 到 {today + 1} 之间。", field="year")
    if campaigns.campaign_of(s, form, year) is not None:
        raise Conflict(f"{year}年度{form.caption}的填报安排已经有了，请直接修改日期。", field="year")
    if opens_on >= due_on:
        raise Refusal("开放填报的日期应早于上报截止日。", field="opens_on")
    _check(due_on, locks_on, opens_on)
    source = _source(source)
    campaign = Campaign(form=form, year=year, opens_on=opens_on, due_on=due_on, locks_on=locks_on, source=source)
    s.add(campaign)
    s.flush()
    detail = f"新增{year}年度{form.caption}填报安排（开放 / 截止 / 停止接收）{opens_on} / {due_on} / {locks_on}；依据：{source}"
    audit.record(s, actor, "announce", "campaign", campaign.id, detail=detail)


def set_campaign(
    s: Session, actor: Actor, form: Form, year: int, opens_on: date, due_on: date, locks_on: date, source: str
) -> None:
    """修改全国的填报安排: by the administrator or the ministry."""
    authorize(actor, Power.RUN_CAMPAIGN, Place())
    campaign = _campaign(s, form, year)
    if opens_on >= due_on:
        raise Refusal("开放填报的日期应早于上报截止日。", field="opens_on")
    _check(due_on, locks_on, opens_on)
    source = _source(source)
    before = f"{campaign.opens_on} / {campaign.due_on} / {campaign.locks_on}"
    campaign.opens_on, campaign.due_on, campaign.locks_on, campaign.source = opens_on, due_on, locks_on, source
    s.add(campaign)
    after = f"{opens_on} / {due_on} / {locks_on}"
    detail = f"{year}年度{form.caption}填报安排（开放 / 截止 / 停止接收）由 {before} 改为 {after}；依据：{source}"
    audit.record(s, actor, "set_campaign", "campaign", campaign.id, detail=detail)


def set_region_dates(
    s: Session, actor: Actor, form: Form, year: int, region_code: str, due_on: date, locks_on: date, source: str
) -> None:
    """设置地区截止日: by the office of that region or one above it."""
    if region_code not in reference.regions():
        raise Refusal("请选择地区。", field="region_code")
    authorize(actor, Power.RUN_CAMPAIGN, Place(region_code=region_code))
    campaign = _campaign(s, form, year)
    assert campaign.id is not None
    _check(due_on, locks_on, campaign.opens_on)
    source = _source(source)
    query = select(CampaignDate).where(CampaignDate.campaign_id == campaign.id, CampaignDate.region_code == region_code)
    row = s.exec(query).first()
    before = f"由 {row.due_on} / {row.locks_on} " if row else ""
    row = row or CampaignDate(campaign_id=campaign.id, region_code=region_code, due_on=due_on, locks_on=locks_on)
    row.due_on, row.locks_on, row.source = due_on, locks_on, source
    s.add(row)
    place = reference.region_words(region_code)
    detail = f"{place}{year}年度{form.caption}（截止 / 停止接收）{before}改为 {due_on} / {locks_on}；依据：{source}"
    audit.record(s, actor, "set_region_dates", "campaign", campaign.id, detail=detail)


def extend(s: Session, actor: Actor, form: Form, year: int, organisation_id: int, until: date, reason: str) -> None:
    """延期 for one unit, with a reason; the unit is told."""
    unit = reach(s, actor, Power.EXTEND, organisation_id)
    if unit.kind is not OrgKind.UNIT:
        raise NotFound
    campaign = _campaign(s, form, year)
    assert campaign.id is not None
    if until < clock.today():
        raise Refusal(f"延期的日期不能早于今天（{clock.today()}）。", field="until")
    most = int(policy.value(s, "review.extension.max_days", year=year, region_code=unit.region_code))
    window = campaigns.window_of(s, form, year, unit.region_code, organisation_id)
    locks_on = window.locks_on if window else campaign.locks_on
    if (until - max(locks_on, clock.today())).days > most:
        raise Refusal(f"延期最多到停止接收（{locks_on}）或今天之后 {most} 天。", field="until")
    reason = " ".join(reason.split())
    if not 2 <= len(reason) <= 500:
        raise Refusal("请填写延期原因（2 到 500 个字），会记入审计日志。", field="reason")
    granted = Extension(
        campaign_id=campaign.id,
        organisation_id=organisation_id,
        until=until,
        reason=reason,
        granted_by_id=actor.user_id,
        granted_at=clock.now(),
    )
    s.add(granted)
    inbox.send(
        s,
        organisation_id,
        "extension",
        year=str(year),
        form=form.caption,
        until=f"{until.year}年{until.month}月{until.day}日",
        from_name=actor.organisation_name,
        reason=reason,
        link=f"/filings/{form.value}",
    )
    detail = f"“{unit.name}”{year}年度{form.caption}延期至 {until}；原因：{reason}"
    audit.record(s, actor, "extend", "organisation", organisation_id, detail=detail)


def units(s: Session, actor: Actor, text: str) -> tuple[UnitChoice, ...]:
    """Units of the actor's region or group whose name or code has this text (选择单位), at most 20."""
    text = text.strip()
    if not text:
        return ()
    query = (
        select(Organisation)
        .where(
            Organisation.kind == OrgKind.UNIT,
            Organisation.status == OrgStatus.ACTIVE,
            region_scope(actor, Organisation),
            col(Organisation.name).contains(text, autoescape=True) | (col(Organisation.credit_code) == text.upper()),
        )
        .order_by(col(Organisation.name))
        .limit(20)
    )
    return tuple(UnitChoice(unit.id or 0, unit.name, unit.credit_code) for unit in s.exec(query))


def _campaign(s: Session, form: Form, year: int) -> Campaign:
    campaign = campaigns.campaign_of(s, form, year)
    if campaign is None:
        raise NotFound(f"还没有{year}年度{form.caption}的填报安排。")
    return campaign


def _own(actor: Actor) -> Place:
    return Place(actor.organisation_id, actor.region_code)


def _concerns(there: str, mine: str) -> bool:
    """Whether one region lies in the other."""
    return there.startswith(mine) or mine.startswith(there)


def _region_dates(actor: Actor, row: CampaignDate) -> RegionDates:
    can_edit = allowed(actor, Power.RUN_CAMPAIGN, Place(region_code=row.region_code))
    name = reference.region_words(row.region_code)
    return RegionDates(row.region_code, name, row.due_on, row.locks_on, row.source, can_edit)


def _extensions(s: Session, actor: Actor, campaign: Campaign) -> tuple[ExtensionRow, ...]:
    query = (
        select(Extension, Organisation, User.name)
        .join(Organisation, col(Extension.organisation_id) == Organisation.id)
        .join(User, col(Extension.granted_by_id) == User.id)
        .where(Extension.campaign_id == campaign.id, region_scope(actor, Organisation))
        .order_by(col(Extension.id).desc())
        .limit(200)
    )
    return tuple(
        ExtensionRow(
            row.id or 0,
            unit.name,
            reference.region_words(unit.region_code),
            row.until,
            row.reason,
            by,
            clock.local(row.granted_at),
        )
        for row, unit, by in s.exec(query)
    )


def _check(due_on: date, locks_on: date, opens_on: date) -> None:
    if due_on <= opens_on:
        raise Refusal(f"上报截止日应晚于开放填报的日期（{opens_on}）。", field="due_on")
    if locks_on < due_on:
        raise Refusal("停止接收的日期不能早于上报截止日；两者之间上报的标记为逾期。", field="locks_on")
    if (locks_on - opens_on).days > LONGEST_DAYS:
        raise Refusal("停止接收的日期不能晚于开放填报之后一年。", field="locks_on")


def _source(text: str) -> str:
    found = " ".join(text.split())
    if not 2 <= len(found) <= 200:
        raise Refusal("请填写依据（文件名称和文号，2 到 200 个字）。", field="source")
    return found
