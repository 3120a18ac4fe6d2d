"""What the review page is told (审核视图): what matters first; frozen values, no ORM row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from models.enums import Adjustment, Grade
from services.filings.views import Difference, FileView, FilingHead, FindingView, QuestionView, VersionView


@dataclass(frozen=True, slots=True)
class Membership:
    """在册情况: one entry of the list."""

    level: str
    batch: str
    document_number: str
    listed_name: str
    listed_on: date
    removed_on: date | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """提请注意: ``grave`` are red flags. ``addresses``: cells to jump to."""

    kind: Literal["compliance", "name", "kept", "jump", "peers", "late", "returned", "not_listed"]
    grave: bool
    title: str
    text: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerView:
    """同类百分位: an intensity of the latest year among all submitted filings of this form and year."""

    address: str
    place: str
    text: str
    unit: str
    per_cent: int  # so many per cent of the peers are lower
    peers: int


@dataclass(frozen=True, slots=True)
class CheckView:
    """审核清单的一项 with its mark."""

    key: str
    text: str
    addresses: tuple[str, ...]
    source: str
    done: bool
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FocusRow:
    """One row of a focus: its label and what was filled in, by slot."""

    address: str
    label: str
    texts: tuple[tuple[str, str], ...]  # ("2024年", "53,800") …; ("", "否") for what is asked once
    unit: str = ""
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class FocusView:
    """审核重点, one of three."""

    key: str
    title: str
    items: tuple[CheckView, ...]
    rows: tuple[FocusRow, ...]


@dataclass(frozen=True, slots=True)
class ExpertView:
    """专家评审任务."""

    id: int
    expert_name: str
    assigned_at: datetime
    opinion: str = ""
    grade: Grade | None = None
    submitted_at: datetime | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class AssessmentView:
    """现场评估."""

    id: int
    authority_name: str
    visited_on: date
    people: str
    findings: tuple[tuple[str, str, str], ...]  # address, place, text
    conclusion: str
    files: tuple[int, ...]
    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class AdjustmentView:
    """动态调整意见 of one tier."""

    tier: str
    authority_name: str
    opinion: Adjustment
    article: str
    reason: str
    evidence: tuple[tuple[str, str, str], ...]  # address, place, text
    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class ArticleChoice:
    """条款 that may be cited; ``supported``: the answers in this sheet speak for it."""

    key: str
    opinion: Adjustment
    cite: str
    title: str
    text: str
    supported: bool


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """办理记录."""

    at: datetime
    who: str
    action: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReviewView:
    """审核页. The sheet itself is read with ``versions.view(version_id)``; decisions name ``version_id`` as ``seen_version``."""

    head: FilingHead
    version_id: int
    version: VersionView
    contact: str
    former_names: tuple[str, ...]
    membership: tuple[Membership, ...]
    flags: tuple[Flag, ...]
    risk: int
    risk_parts: tuple[tuple[str, int], ...]
    kept: tuple[FindingView, ...]  # warnings that were kept, explained ones first
    for_reviewers: tuple[FindingView, ...]  # findings that the unit is not shown
    jumps: tuple[Difference, ...]
    focuses: tuple[FocusView, ...]
    since_last: tuple[Difference, ...]
    since_year: tuple[Difference, ...]
    questions: tuple[QuestionView, ...]
    files: tuple[FileView, ...]
    experts: tuple[ExpertView, ...]
    assessments: tuple[AssessmentView, ...]
    adjustments: tuple[AdjustmentView, ...]
    articles: tuple[ArticleChoice, ...]
    timeline: tuple[TimelineLine, ...]
    peers: tuple[PeerView, ...] = ()  # highest first; empty while there are too few peers
    drafts: Mapping[str, str] = field(default_factory=dict)  # what this reader has typed and not sent yet, by box
    below: str = ""  # the tier below that it may be sent back to; "" if there is none
