"""Review (审核): the steps of a version, questions, opinions, experts, on-site assessments, checklist."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from models.base import Json, enum_type
from models.enums import Adjustment, Grade, QuestionStatus, StepStatus, Tier


class Step(SQLModel, table=True):
    """审核步骤: one tier column of one version, in the order of ``position``."""

    __table_args__ = (
        Index("uq_step_version_tier", "version_id", "tier", unique=True),
        Index("ix_step_authority", "authority_id", "status"),
    )

    id: int | None = Field(default=None, primary_key=True)
    filing_id: int = Field(foreign_key="filing.id", index=True)
    version_id: int = Field(foreign_key="filing_version.id", index=True)
    position: int
    tier: Tier = Field(sa_type=enum_type(Tier))
    authority_id: int | None = Field(default=None, foreign_key="organisation.id")
    authority_name: str = Field(default="", max_length=200)
    status: StepStatus = Field(sa_type=enum_type(StepStatus))
    opened_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by_id: int | None = Field(default=None, foreign_key="app_user.id")
    decided_by_name: str = Field(default="", max_length=50)
    opinion: str = Field(default="", max_length=2000)
    letter_file_id: int | None = Field(default=None, foreign_key="stored_file.id")  # 推荐文件


class Question(SQLModel, table=True):
    """核实问题 on a cell (``address``) or, with an empty address, on the whole; shown to the unit once published by 退回."""

    __table_args__ = (Index("ix_question_filing", "filing_id", "status"),)

    id: int | None = Field(default=None, primary_key=True)
    filing_id: int = Field(foreign_key="filing.id")
    version_id: int = Field(foreign_key="filing_version.id")
    tier: Tier = Field(sa_type=enum_type(Tier))
    authority_id: int = Field(foreign_key="organisation.id")
    authority_name: str = Field(max_length=200)
    address: str = Field(default="", max_length=80)
    text: str = Field(max_length=1000)
    status: QuestionStatus = Field(default=QuestionStatus.OPEN, sa_type=enum_type(QuestionStatus))
    published: bool = False
    asked_by_id: int = Field(foreign_key="app_user.id")
    asked_by_name: str = Field(max_length=50)
    asked_at: datetime
    answer: str = Field(default="", max_length=2000)
    answered_by_name: str = Field(default="", max_length=50)
    answered_at: datetime | None = None
    closed_by_name: str = Field(default="", max_length=50)
    closed_at: datetime | None = None


class ExpertTask(SQLModel, table=True):
    """专家评审任务."""

    __tablename__ = "expert_task"

    id: int | None = Field(default=None, primary_key=True)
    filing_id: int = Field(foreign_key="filing.id", index=True)
    version_id: int = Field(foreign_key="filing_version.id")
    step_id: int = Field(foreign_key="step.id", index=True)
    expert_id: int = Field(foreign_key="app_user.id", index=True)
    expert_name: str = Field(max_length=50)
    assigned_by_id: int = Field(foreign_key="app_user.id")
    assigned_at: datetime
    opinion: str = Field(default="", max_length=2000)
    grade: Grade | None = Field(default=None, sa_type=enum_type(Grade))
    submitted_at: datetime | None = None


class SiteAssessment(SQLModel, table=True):
    """现场评估."""

    __tablename__ = "site_assessment"

    id: int | None = Field(default=None, primary_key=True)
    filing_id: int = Field(foreign_key="filing.id", index=True)
    version_id: int = Field(foreign_key="filing_version.id")
    authority_id: int = Field(foreign_key="organisation.id")
    authority_name: str = Field(max_length=200)
    visited_on: date
    people: str = Field(max_length=300)
    findings: list[Any] = Field(default_factory=list, sa_column=Column(Json, nullable=False))  # [[address, text], …]
    conclusion: str = Field(max_length=2000)
    file_ids: list[int] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    recorded_by_name: str = Field(max_length=50)
    recorded_at: datetime


class AdjustmentOpinion(SQLModel, table=True):
    """动态调整意见: one a tier and version, with the article it rests on."""

    __tablename__ = "adjustment_opinion"
    __table_args__ = (Index("uq_adjustment_version_tier", "version_id", "tier", unique=True),)

    id: int | None = Field(default=None, primary_key=True)
    filing_id: int = Field(foreign_key="filing.id", index=True)
    version_id: int = Field(foreign_key="filing_version.id")
    tier: Tier = Field(sa_type=enum_type(Tier))
    authority_name: str = Field(max_length=200)
    opinion: Adjustment = Field(sa_type=enum_type(Adjustment))
    article: str = Field(default="", max_length=100)
    reason: str = Field(default="", max_length=1000)
    evidence: list[Any] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    recorded_by_name: str = Field(max_length=50)
    recorded_at: datetime


class ChecklistMark(SQLModel, table=True):
    """审核清单勾选."""

    __tablename__ = "checklist_mark"

    step_id: int = Field(foreign_key="step.id", primary_key=True)
    item: str = Field(primary_key=True, max_length=40)
    done: bool
    user_name: str = Field(max_length=50)
    at: datetime


class ReviewDraft(SQLModel, table=True):
    """意见草稿: what a reviewer is typing about one version; for nobody else's eyes, gone with the decision."""

    __tablename__ = "review_draft"

    user_id: int = Field(foreign_key="app_user.id", primary_key=True)
    version_id: int = Field(foreign_key="filing_version.id", primary_key=True)
    field: str = Field(primary_key=True, max_length=120)  # which box: opinion, return.reason, ask:energy_total:2024
    text: str
    at: datetime
