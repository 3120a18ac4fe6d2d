"""What is kept about what happened: the audit log (审计日志), messages (消息) and settings (设置)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from models.base import Json, enum_type
from models.enums import AuditResult


class AuditLine(SQLModel, table=True):
    """审计日志: append-only; ``chain`` is the SHA-256 over the previous chain value and this line."""

    __tablename__ = "audit_line"
    __table_args__ = (
        Index("ix_audit_line_subject", "subject", "subject_id"),
        Index("ix_audit_line_at", "at"),
        Index("ix_audit_line_user", "user_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    at: datetime
    user_id: int | None = None
    user_name: str = Field(default="", max_length=110)
    address: str = Field(default="", max_length=64)
    action: str = Field(max_length=40, index=True)
    subject: str = Field(default="", max_length=40)
    subject_id: int | None = None
    before_digest: str = Field(default="", max_length=64)
    after_digest: str = Field(default="", max_length=64)
    result: AuditResult = Field(sa_type=enum_type(AuditResult))
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    chain: str = Field(max_length=64)


class AuditSeal(SQLModel, table=True):
    """日志末条: number and chain value of the last line, kept apart from the log, so that a cut-off tail is missed. One row."""

    __tablename__ = "audit_seal"

    id: int = Field(default=1, primary_key=True)
    last: int
    chain: str = Field(max_length=64)


class Message(SQLModel, table=True):
    """站内消息 to an organisation: what its people must do next, or a receipt."""

    __table_args__ = (Index("ix_message_inbox", "organisation_id", "done_at", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    organisation_id: int = Field(foreign_key="organisation.id")
    user_id: int | None = Field(default=None, foreign_key="app_user.id")  # set: only for this person
    filing_id: int | None = Field(default=None, foreign_key="filing.id", index=True)
    kind: str = Field(max_length=40)  # a word of services.inbox.KINDS
    title: str = Field(max_length=200)
    text: str = Field(default="", sa_column=Column(Text, nullable=False))
    link: str = Field(default="", max_length=200)
    must_act: bool = True
    at: datetime
    read_at: datetime | None = None
    done_at: datetime | None = None


class Setting(SQLModel, table=True):
    """设置: dated and sourced; the newest one that is in force wins."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=60, index=True)
    region_code: str = Field(default="", max_length=9)
    value: Any = Field(default=None, sa_column=Column(Json))
    source: str = Field(default="", max_length=200)
    set_by_name: str = Field(default="", max_length=50)
    set_at: datetime
