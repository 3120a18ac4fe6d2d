"""The yearly campaign (填报安排) and the dates that bind one unit: its region's own dates, its extension."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true
from sqlmodel import Session, col

from models import Campaign, CampaignDate, Extension, Filing, RosterEntry
from models.enums import Form
from services import clock
from services.actors import region_prefix
from services.permissions import in_region


@dataclass(frozen=True, slots=True)
class Window:
    """填报期: the dates that bind one unit in one campaign; all inclusive."""

    opens_on: date
    due_on: date
    locks_on: date
    extended_until: date | None = None

    @property
    def last_day(self) -> date:
        return max(self.locks_on, self.extended_until) if self.extended_until else self.locks_on

    @property
    def due_day(self) -> date:
        return max(self.due_on, self.extended_until) if self.extended_until else self.due_on

    def is_open(self, today: date) -> bool:
        return self.opens_on <= today <= self.last_day

    def is_late(self, today: date) -> bool:
        """逾期: after the due date, or after the extension where one was granted."""
        return today > self.due_day


def campaign_of(s: Session, form: Form, year: int) -> Campaign | None:
    query = select(Campaign).where(col(Campaign.form) == form, col(Campaign.year) == year)
    return s.execute(query.order_by(col(Campaign.id).desc()).limit(1)).scalar_one_or_none()


def current_year(s: Session, form: Form) -> int:
    """The year whose campaign runs, opened last, or opens next; without any campaign this calendar year."""
    opened = select(col(Campaign.year)).where(col(Campaign.form) == form, col(Campaign.opens_on) <= clock.today())
    year = s.execute(opened.order_by(col(Campaign.opens_on).desc()).limit(1)).scalar()
    if year is None:
        coming = select(col(Campaign.year)).where(col(Campaign.form) == form).order_by(col(Campaign.opens_on)).limit(1)
        year = s.execute(coming).scalar()
    return year or clock.today().year


def window_of(s: Session, form: Form, year: int, region_code: str, organisation_id: int) -> Window | None:
    """The dates of one unit; None where no campaign has been announced."""
    return windows(s, form, year, [(organisation_id, region_code)]).get(organisation_id)


def windows(s: Session, form: Form, year: int, units: Iterable[tuple[int, str]]) -> Mapping[int, Window]:
    """The dates of many units ``(organisation_id, region_code)``, by organisation; empty without a campaign."""
    campaign = campaign_of(s, form, year)
    if campaign is None:
        return {}
    units = list(units)
    local = _local_dates(s, campaign)
    query = select(col(Extension.organisation_id), col(Extension.until)).where(
        col(Extension.campaign_id) == campaign.id
    )
    if len(units) == 1:  # of many, the short list of extensions is read as a whole
        query = query.where(col(Extension.organisation_id) == units[0][0])
    until: dict[int, date] = {}
    for unit, day in s.execute(query):
        until[unit] = max(day, until.get(unit, day))
    found = {}
    for unit, region_code in units:
        near = next((row for prefix, row in local if region_code.startswith(prefix)), None)
        due, locks = (near.due_on, near.locks_on) if near else (campaign.due_on, campaign.locks_on)
        found[unit] = Window(campaign.opens_on, due, locks, until.get(unit))
    return found


def overdue(
    s: Session, form: Form, year: int, table: type[Filing] | type[RosterEntry], today: date
) -> ColumnElement[bool]:
    """逾期 as a condition on rows that have not been filed: the due date of the row's region, or its extension, has passed."""
    campaign = campaign_of(s, form, year)
    if campaign is None:
        return false()
    past: ColumnElement[bool] = true() if today > campaign.due_on else false()
    for prefix, row in reversed(_local_dates(s, campaign)):  # the nearest region speaks last
        inside = in_region(col(table.region_code), row.region_code) if prefix else true()
        past = or_(past, inside) if today > row.due_on else and_(past, not_(inside))
    extended = select(col(Extension.organisation_id)).where(
        col(Extension.campaign_id) == campaign.id, col(Extension.until) >= today
    )
    units = col(table.organisation_id)
    return and_(past, or_(units.is_(None), units.not_in(extended)))


def _local_dates(s: Session, campaign: Campaign) -> Sequence[tuple[str, CampaignDate]]:
    """Local dates, nearest (longest prefix) first."""
    rows = s.execute(select(CampaignDate).where(col(CampaignDate.campaign_id) == campaign.id)).scalars()
    return sorted(((region_prefix(row.region_code), row) for row in rows), key=lambda pair: -len(pair[0]))
