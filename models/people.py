"""Organisations, users and sign-ins (机构, 用户, 登录)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from models.base import enum_type
from models.enums import CodeKind, OrgKind, OrgStatus, Role, Tier


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
    password_set_at: datetime | None = None  # None: when the user was created
    totp_secret: str = Field(default="", max_length=64)  # 动态口令 (RFC 6238), base32; empty: not in use
    totp_step: int = 0  # the last step that was accepted, so that no code works twice


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


class PastPassword(SQLModel, table=True):
    """用过的密码: hashes of a user's former passwords, as many as the password profile looks back."""

    __tablename__ = "past_password"

    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="app_user.id", index=True)
    password_hash: str = Field(max_length=300)
    ended_at: datetime


class SpareCode(SQLModel, table=True):
    """一次性代码: a reset code (重置码) or a recovery code (恢复码); only its SHA-256 is stored."""

    __tablename__ = "spare_code"

    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="app_user.id", index=True)
    kind: CodeKind = Field(sa_type=enum_type(CodeKind))
    code_hash: str = Field(max_length=64, unique=True)
    made_at: datetime
    made_by_name: str = Field(default="", max_length=110)
    expires_at: datetime | None = None
    used_at: datetime | None = None


class KnownDevice(SQLModel, table=True):
    """用过的浏览器: somebody signed in here before, so guessers elsewhere cannot make them wait; SHA-256 of its cookie."""

    __tablename__ = "known_device"
    __table_args__ = (UniqueConstraint("user_id", "token_hash"),)  # people may share a browser

    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="app_user.id")
    token_hash: str = Field(max_length=64)
    seen_at: datetime


class Delay(SQLModel, table=True):
    """登录限速: wrong guesses of one account at one place, or of all accounts at it. Forgotten when long past."""

    account: str = Field(primary_key=True, max_length=30)
    place: str = Field(primary_key=True, max_length=80)
    failures: int = 0
    first_at: datetime
    last_at: datetime
    until: datetime | None = None
