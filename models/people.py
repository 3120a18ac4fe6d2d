"""Organisations, users and sign-ins (机构, 用户, 登录)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from models.base import enum_type
from models.enums import OrgKind, OrgStatus, Role, Tier


class Region(SQLModel, table=True):
    """行政区划: code of six digits (nine below 东莞, 中山 …), level 1 province … 4 town."""

    code: str = Field(primary_key=True, max_length=9)
    name: str = Field(max_length=60)
    level: int
    parent: str = Field(default="", max_length=9, index=True)


class Organisation(SQLModel, table=True):
    """机构: a unit (申报单位), an authority (主管部门), a central group (集团), the ministry, or the operator of this system."""

    __table_args__ = (Index("ix_organisation_kind_region", "kind", "region_code"),)

    id: int | None = Field(default=None, primary_key=True)
    kind: OrgKind = Field(sa_type=enum_type(OrgKind))
    status: OrgStatus = Field(default=OrgStatus.ACTIVE, sa_type=enum_type(OrgStatus))
    name: str = Field(max_length=200, index=True)
    credit_code: str = Field(default="", max_length=18, index=True)  # 统一社会信用代码
    former_names: str = Field(default="", max_length=1000)  # one a line, newest first
    region_code: str = Field(
        default="", max_length=9, index=True
    )  # the unit's county or city; an authority's own region
    address: str = Field(default="", max_length=300)  # 详细地址
    tier: Tier | None = Field(default=None, sa_type=enum_type(Tier))  # authorities, groups, the ministry
    # 上级主管部门 as the unit chose them in its profile (省, 市, 县), and its 所属央企
    superior_county_id: int | None = Field(default=None, foreign_key="organisation.id")
    superior_city_id: int | None = Field(default=None, foreign_key="organisation.id")
    superior_province_id: int | None = Field(default=None, foreign_key="organisation.id")
    group_id: int | None = Field(default=None, foreign_key="organisation.id", index=True)
    contact: str = Field(default="", max_length=50)
    telephone: str = Field(default="", max_length=30)
    mobile: str = Field(default="", max_length=11)
    email: str = Field(default="", max_length=100)
    license_file_id: int | None = Field(default=None)  # 营业执照
    status_reason: str = Field(default="", max_length=500)
    created_at: datetime
    version: int = Field(default=1)


class User(SQLModel, table=True):
    """用户."""

    __tablename__ = "app_user"  # "user" is a reserved word in PostgreSQL

    id: int | None = Field(default=None, primary_key=True)
    username: str = Field(max_length=60, unique=True)
    password_hash: str = Field(max_length=300)
    name: str = Field(max_length=50)
    role: Role = Field(sa_type=enum_type(Role))
    organisation_id: int = Field(foreign_key="organisation.id", index=True)
    enabled: bool = True
    must_change_password: bool = False
    is_demo: bool = False
    failed_sign_ins: int = 0  # since the last sign-in, to tell the person
    created_at: datetime
    last_sign_in_at: datetime | None = None


class SignIn(SQLModel, table=True):
    """登录会话: only the SHA-256 of the token is stored."""

    __tablename__ = "sign_in"

    id: int | None = Field(default=None, primary_key=True)
    token_hash: str = Field(max_length=64, unique=True)
    user_id: int = Field(foreign_key="app_user.id", index=True)
    created_at: datetime
    last_seen_at: datetime
    address: str = Field(default="", max_length=64)
    ended_at: datetime | None = None
    end_reason: str = Field(default="", max_length=40)
