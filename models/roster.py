"""The list itself (名单), the yearly campaign (填报安排) and the dates that bind (截止日, 延期)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from models.base import enum_type
from models.enums import Form, Level, RosterChangeKind


class RosterBatch(SQLModel, table=True):
    """批次: one published list, with its document number and date."""

    __tablename__ = "roster_batch"

    id: int | None = Field(default=None, primary_key=True)
    form: Form = Field(sa_type=enum_type(Form))
    level: Level = Field(sa_type=enum_type(Level))
    name: str = Field(max_length=100)
    document_number: str = Field(default="", max_length=100)
    published_on: date
    region_code: str = Field(default="", max_length=9)  # issuing region; empty for the nation


class RosterEntry(SQLModel, table=True):
    """名单条目: unit × form × level × batch; removed_on is set when it leaves the list."""

    __tablename__ = "roster_entry"
    __table_args__ = (
        Index("ix_roster_entry_form_region", "form", "region_code", "listed_on", "removed_on", "organisation_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    batch_id: int = Field(foreign_key="roster_batch.id", index=True)
    organisation_id: int | None = Field(default=None, foreign_key="organisation.id", index=True)
    form: Form = Field(sa_type=enum_type(Form))
    level: Level = Field(sa_type=enum_type(Level))
    listed_name: str = Field(max_length=200, index=True)
    credit_code: str = Field(default="", max_length=18)
    region_code: str = Field(default="", max_length=9)
    group_id: int | None = Field(default=None, foreign_key="organisation.id")  # 所属央企 as the list says it
    listed_on: date
    removed_on: date | None = None
    removal_reason: str = Field(default="", max_length=200)
    version: int = Field(default=1)


class RosterChange(SQLModel, table=True):
    """名单变动: what happened to an entry (列入, 更名, 更正, 移出 …), on which day and by which document."""

    __tablename__ = "roster_change"

    id: int | None = Field(default=None, primary_key=True)
    entry_id: int = Field(foreign_key="roster_entry.id", index=True)
    kind: RosterChangeKind = Field(sa_type=enum_type(RosterChangeKind))
    effective_on: date
    document_number: str = Field(default="", max_length=100)
    detail: str = Field(default="", max_length=1000)
    by_name: str = Field(default="", max_length=50)
    at: datetime


class Invitation(SQLModel, table=True):
    """邀请填报: a unit that is not on the list may fill one form in one year."""

    __table_args__ = (UniqueConstraint("organisation_id", "form", "year"),)

    id: int | None = Field(default=None, primary_key=True)
    organisation_id: int = Field(foreign_key="organisation.id", index=True)
    form: Form = Field(sa_type=enum_type(Form))
    year: int
    level: Level = Field(sa_type=enum_type(Level))  # as what it is filed
    reason: str = Field(max_length=500)
    invited_by_id: int = Field(foreign_key="app_user.id")
    invited_at: datetime


class Campaign(SQLModel, table=True):
    """填报安排: one form in one year. Local dates by tier and region live in ``CampaignDate``."""

    id: int | None = Field(default=None, primary_key=True)
    year: int
    form: Form = Field(sa_type=enum_type(Form))
    opens_on: date
    due_on: date  # 上报截止日; later is 逾期
    locks_on: date  # after this day nothing is taken any more
    source: str = Field(default="", max_length=200)


class CampaignDate(SQLModel, table=True):
    """地区截止日: a region (and what lies below it) that asks for an earlier or later date."""

    __tablename__ = "campaign_date"

    id: int | None = Field(default=None, primary_key=True)
    campaign_id: int = Field(foreign_key="campaign.id", index=True)
    region_code: str = Field(max_length=9)
    due_on: date
    locks_on: date
    source: str = Field(default="", max_length=200)


class Extension(SQLModel, table=True):
    """延期: granted to one unit, with a reason."""

    id: int | None = Field(default=None, primary_key=True)
    campaign_id: int = Field(foreign_key="campaign.id", index=True)
    organisation_id: int = Field(foreign_key="organisation.id", index=True)
    until: date
    reason: str = Field(max_length=500)
    granted_by_id: int = Field(foreign_key="app_user.id")
    granted_at: datetime
