"""What reviewers go by (审核依据): the checklist of a form and year, and the articles an adjustment opinion may cite."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from models.enums import Adjustment, Form

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "reference"


@dataclass(frozen=True, slots=True)
class Item:
    """审核清单的一项; ``fields`` are the rows it is about."""

    key: str
    text: str
    fields: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Focus:
    """审核重点: 重大事项变更, 合规性信息, 填报数据."""

    key: str
    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Article:
    """可引用的条款; ``evidence``: field key → the answer that supports it ("": any)."""

    key: str
    opinion: Adjustment
    cite: str
    title: str
    text: str
    evidence: Mapping[str, str]


def checklist(form: Form, year: int) -> tuple[Focus, ...]:
    """审核清单 of the year, or of the latest earlier one; without one of this form, of the factory form: the focuses are the same."""
    lists = _checklists()
    for wanted in (form, Form.FACTORY):
        years = sorted(y for f, y in lists if f is wanted)
        if years:
            return lists[wanted, max((y for y in years if y <= year), default=years[0])]
    return ()


@lru_cache(maxsize=1)
def articles() -> Mapping[str, Article]:
    """条款, by key."""
    content = tomllib.loads((FOLDER / "adjustment_articles.toml").read_text(encoding="utf-8"))
    return {
        row["key"]: Article(
            row["key"],
            Adjustment(row["opinion"]),
            row["cite"],
            row["title"],
            row["text"],
            {item["field"]: item.get("answer", "") for item in row["evidence"]},
        )
        for row in content["article"]
    }


@lru_cache(maxsize=1)
def _checklists() -> Mapping[tuple[Form, int], tuple[Focus, ...]]:
    content = tomllib.loads((FOLDER / "checklist.toml").read_text(encoding="utf-8"))
    return {
        (Form(one["form"]), one["year"]): tuple(
            Focus(
                focus["key"],
                focus["title"],
                tuple(Item(i["key"], i["text"], tuple(i["fields"]), i["source"]) for i in focus["item"]),
            )
            for focus in one["focus"]
        )
        for one in content["checklist"]
    }
