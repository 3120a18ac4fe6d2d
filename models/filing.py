"""One filing (一份动态管理表): its working cells, frozen versions, stamps and files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Text, text
from sqlmodel import Field, SQLModel

from models.base import Json, enum_type
from models.enums import CellKind, FileKind, FilingStatus, FindingState, Form, Level, Tier, VersionStatus


class TemplateCopy(SQLModel, table=True):
    """表单模板存档: the text of a template in use, by digest; a filing renders and validates with it for ever."""

    __tablename__ = "template_copy"

    digest: str = Field(primary_key=True, max_length=64)
    form: Form = Field(sa_type=enum_type(Form))
    year: int
    source_text: str = Field(sa_column=Column(Text, nullable=False))
    first_used_at: datetime


class Filing(SQLModel, table=True):
    """动态管理表: unit × form × year, at most one alive. ``revision`` grows with every write and is what races are decided by."""

    __table_args__ = (
        Index(
            "uq_filing_alive",
            "organisation_id",
            "form",
            "year",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        # Covering, with deleted_at among the columns: SQLite reads the table again behind a partial index.
        # Whatever a list filters, searches or sorts by: 20,000 filings are looked through without touching the table.
        Index(
            "ix_filing_scope",
            *("form", "year", "deleted_at", "region_code", "status", "current_authority_id"),
            *("risk", "submitted_at", "unit_name", "number", "organisation_id", "level", "flags", "late"),
        ),
        Index("ix_filing_submitted", "form", "year", "deleted_at", "submitted_at"),
        Index("ix_filing_unit", "organisation_id", "form", "year", "deleted_at"),
        # 待我审核 by risk, as it opens, is read off this one in order.
        Index("ix_filing_authority", "current_authority_id", "status", "form", "year", "deleted_at", "risk"),
    )

    id: int | None = Field(default=None, primary_key=True)
    number: str = Field(max_length=40, unique=True)  # 填报编号, e.g. GF-2025-440106-00012
    organisation_id: int = Field(foreign_key="organisation.id")
    form: Form = Field(sa_type=enum_type(Form))
    year: int
    template_digest: str = Field(foreign_key="template_copy.digest", max_length=64)
    status: FilingStatus = Field(default=FilingStatus.DRAFT, sa_type=enum_type(FilingStatus))
    revision: int = 1
    validated_digest: str = Field(default="", max_length=64)  # empty: not validated as it stands
    validated_at: datetime | None = None
    saved_at: datetime | None = None
    version_no: int = 0  # of the newest frozen version
    current_version_id: int | None = None  # the version under review, returned or done
    current_tier: Tier | None = Field(default=None, sa_type=enum_type(Tier))
    current_authority_id: int | None = Field(default=None, foreign_key="organisation.id")
    submitted_at: datetime | None = None
    late: bool = False
    return_scope: list[str] | None = Field(default=None, sa_column=Column(Json))  # addresses that may change; None: all
    return_reason: str = Field(default="", max_length=1000)
    returned_by: str = Field(default="", max_length=200)
    # Copies for lists: written with the filing, refreshed when the unit's profile changes before 上报.
    unit_name: str = Field(max_length=200, index=True)
    region_code: str = Field(default="", max_length=9, index=True)
    group_id: int | None = Field(default=None, foreign_key="organisation.id", index=True)
    level: Level = Field(default=Level.NATIONAL, sa_type=enum_type(Level))
    risk: int = 0  # 风险分 of the frozen version
    risk_parts: list[list[Any]] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    flags: int = 0  # number of red flags (红旗)
    created_at: datetime
    created_by_id: int = Field(foreign_key="app_user.id")
    deleted_at: datetime | None = None
    deleted_by_id: int | None = Field(default=None, foreign_key="app_user.id")


class Cell(SQLModel, table=True):
    """单元格: ``field`` × ``slot``; slot is "" (not yearly), "2024", "unit" or "remark". ``text`` is as typed, ``value`` exact."""

    filing_id: int = Field(foreign_key="filing.id", primary_key=True)
    field: str = Field(primary_key=True, max_length=60)
    slot: str = Field(default="", primary_key=True, max_length=8)
    text: str = Field(sa_column=Column(Text, nullable=False))
    kind: CellKind = Field(sa_type=enum_type(CellKind))
    value: str = Field(default="", max_length=60)  # exact decimal in the canonical unit, only for NUMBER


class CellChange(SQLModel, table=True):
    """改动记录: one line a changed cell."""

    __tablename__ = "cell_change"
    __table_args__ = (Index("ix_cell_change_filing", "filing_id", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    filing_id: int = Field(foreign_key="filing.id")
    field: str = Field(max_length=60)
    slot: str = Field(default="", max_length=8)
    before: str = Field(sa_column=Column(Text, nullable=False))
    after: str = Field(sa_column=Column(Text, nullable=False))
    source: str = Field(default="typed", max_length=16)  # typed, paste, undo, import, prefill, convert
    user_id: int
    at: datetime


class FindingNote(SQLModel, table=True):
    """核验说明: what a person said to a finding; it belongs to the values (``values_hash``) and dies with them."""

    __tablename__ = "finding_note"

    filing_id: int = Field(foreign_key="filing.id", primary_key=True)
    finding: str = Field(primary_key=True, max_length=120)  # Finding.id
    values_hash: str = Field(max_length=64)
    state: FindingState = Field(sa_type=enum_type(FindingState))
    text: str = Field(default="", max_length=500)
    user_id: int
    user_name: str = Field(max_length=50)
    at: datetime


class FilingVersion(SQLModel, table=True):
    """版本: what one 上报 froze; never changed but for its status."""

    __tablename__ = "filing_version"
    __table_args__ = (Index("uq_filing_version_no", "filing_id", "no", unique=True),)

    id: int | None = Field(default=None, primary_key=True)
    filing_id: int = Field(foreign_key="filing.id", index=True)
    no: int
    status: VersionStatus = Field(default=VersionStatus.SUBMITTED, sa_type=enum_type(VersionStatus))
    digest: str = Field(max_length=64)
    template_digest: str = Field(max_length=64)
    cells: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))  # {address: [text, kind, value]}
    findings: list[Any] = Field(sa_column=Column(Json, nullable=False))
    unit_name: str = Field(max_length=200)
    credit_code: str = Field(default="", max_length=18)
    receipt_number: str = Field(max_length=40, unique=True)  # 回执编号
    stamp_file_id: int | None = None
    submitted_by_id: int = Field(foreign_key="app_user.id")
    submitted_by_name: str = Field(max_length=50)
    submitted_at: datetime
    late: bool = False


class Figure(SQLModel, table=True):
    """指标值投影: numbers of frozen versions, for sums over thousands of filings; ``doctor`` proves it equals the versions."""

    version_id: int = Field(foreign_key="filing_version.id", primary_key=True)
    field: str = Field(primary_key=True, max_length=60)
    slot: str = Field(primary_key=True, max_length=8)
    value: str = Field(max_length=60)


class StoredFile(SQLModel, table=True):
    """文件: content lies in the data directory under a random name; the original name is only shown."""

    __tablename__ = "stored_file"

    id: int | None = Field(default=None, primary_key=True)
    kind: FileKind = Field(sa_type=enum_type(FileKind))
    organisation_id: int = Field(foreign_key="organisation.id", index=True)
    filing_id: int | None = Field(default=None, foreign_key="filing.id", index=True)
    original_name: str = Field(max_length=255)
    stored_name: str = Field(max_length=64, unique=True)
    media_type: str = Field(max_length=100)
    size: int
    sha256: str = Field(max_length=64)
    pages: int = 0
    uploaded_by_id: int = Field(foreign_key="app_user.id")
    uploaded_at: datetime
    removed_at: datetime | None = None


class Stamp(SQLModel, table=True):
    """盖章扫描件: bound to the digest of the figures it shows."""

    id: int | None = Field(default=None, primary_key=True)
    filing_id: int = Field(foreign_key="filing.id", index=True)
    file_id: int = Field(foreign_key="stored_file.id")
    digest: str = Field(max_length=64)
    found_by: str = Field(max_length=16)  # machine, typed
    report: list[Any] = Field(default_factory=list, sa_column=Column(Json, nullable=False))  # page by page, as shown
    bound_by_id: int = Field(foreign_key="app_user.id")
    bound_at: datetime


class Serial(SQLModel, table=True):
    """编号流水: the last running number given per form, year and region."""

    __tablename__ = "serial"

    series: str = Field(primary_key=True, max_length=40)
    last: int = 0
