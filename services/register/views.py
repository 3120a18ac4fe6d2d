"""What pages are told about the list (名单视图)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from models.enums import Form, Level


@dataclass(frozen=True, slots=True)
class EntryView:
    """名单条目 with its batch; ``removed_on`` set: it has left the list."""

    id: int
    form: Form
    level: Level
    listed_name: str
    unit_name: str  # as the unit is called today, "" if it has not registered
    credit_code: str
    region_code: str
    region_name: str
    batch: str
    document_number: str
    listed_on: date
    removed_on: date | None
    removal_reason: str


@dataclass(frozen=True, slots=True)
class EntryPage:
    rows: tuple[EntryView, ...]
    total: int


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """筛选 of the list; ``on`` is the day it is looked at."""

    form: Form
    on: date | None = None  # None: today
    level: Level | None = None
    region_code: str = ""
    search: str = ""
    removed: bool = False  # also those that have left
    page: int = 1
    page_size: int = 50
