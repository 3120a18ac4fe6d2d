"""How things are said in Chinese (措辞) where neither an enum's caption nor a template says it: dates, sizes, the menu."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from models.enums import FilingStatus, FindingLevel, OrgStatus, QuestionStatus, StepStatus
from services import clock

# status → (tone, icon): nothing is told by colour alone. Tones: plain, accent, note, warning, error, off.
TONES: Mapping[str, tuple[str, str]] = {
    FilingStatus.DRAFT: ("plain", "edit"),
    FilingStatus.REVIEW: ("note", "schedule"),
    FilingStatus.RETURNED: ("warning", "undo"),
    FilingStatus.DONE: ("accent", "check"),
}
STEP_TONES: Mapping[str, tuple[str, str]] = {
    StepStatus.NOT_APPLICABLE: ("off", ""),
    StepStatus.WAITING: ("off", "more_horiz"),
    StepStatus.REVIEWING: ("note", "schedule"),
    StepStatus.FORWARDED: ("accent", "check"),
    StepStatus.RETURNED: ("warning", "undo"),
    StepStatus.APPROVED: ("accent", "check"),
}
ORG_TONES: Mapping[str, tuple[str, str]] = {
    OrgStatus.PENDING: ("warning", "schedule"),
    OrgStatus.ACTIVE: ("accent", "check"),
    OrgStatus.REFUSED: ("error", "close"),
}
FINDING_TONES: Mapping[str, tuple[str, str]] = {
    FindingLevel.ERROR: ("error", "error"),
    FindingLevel.WARNING: ("warning", "warning"),
    FindingLevel.NOTE: ("note", "info"),
}
QUESTION_TONES: Mapping[str, tuple[str, str]] = {
    QuestionStatus.OPEN: ("warning", "help"),
    QuestionStatus.ANSWERED: ("note", "reply"),
    QuestionStatus.CLOSED: ("off", "check"),
}


def day(value: date | datetime | None, empty: str = "—") -> str:
    """2025年3月18日, for running text."""
    if value is None:
        return empty
    found = _local(value)
    return f"{found.year}年{found.month}月{found.day}日"


def short_day(value: date | datetime | None, empty: str = "—") -> str:
    """2025-03-18, for tables."""
    return empty if value is None else f"{_local(value):%Y-%m-%d}"


def moment(value: datetime | None, empty: str = "—") -> str:
    """2025-03-18 10:32, for tables."""
    return empty if value is None else f"{_local(value):%Y-%m-%d %H:%M}"


def time(value: datetime | None, empty: str = "") -> str:
    """10:32:05, for the saved mark."""
    return empty if value is None else f"{_local(value):%H:%M:%S}"


def days_left(until: date) -> str:
    """还有 12 天 / 今天截止 / 已过 3 天."""
    left = (until - clock.today()).days
    if left == 0:
        return "今天截止"
    return f"还有 {left} 天" if left > 0 else f"已过 {-left} 天"


def size(count: int) -> str:
    """File size: 1.2 MB, 50 GB."""
    if count < 1024:
        return f"{count} B"
    if count < 1024**2:
        return f"{count / 1024:.0f} KB"
    return f"{count / 1024**2:.1f} MB" if count < 1024**3 else f"{count / 1024**3:.1f} GB"


def _local(value: date | datetime) -> date | datetime:
    return clock.local(value) if isinstance(value, datetime) else value
