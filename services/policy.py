"""Policy values (政策参数): what differs by year or region. A setting of the region wins, then its province's, the default
setting, and last the year's file in ``assets/policy``.

Names are dotted: ``restore_days``, ``review.letter.city``, ``review.resubmit.route``, ``top_tier``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from models import Setting
from models.enums import Tier
from services import settings
from services.actors import region_prefix

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "policy"


def value(s: Session, name: str, *, year: int, region_code: str = "") -> Any:
    """The value in force for a region; raises KeyError for a name that neither the settings nor the file know."""
    best: tuple[int, Any] | None = None
    rows = s.execute(select(Setting).where(col(Setting.name) == name).order_by(col(Setting.id))).scalars()
    for row in rows:  # of equally near ones the newest wins
        prefix = region_prefix(row.region_code)
        if region_code.startswith(prefix) and (best is None or len(prefix) >= best[0]):
            best = len(prefix), row.value
    return stated(year)[name].value if best is None else best[1]


def letter_required(s: Session, tier: Tier, *, year: int, region_code: str = "") -> bool:
    """评审配置: whether this tier must upload a 推荐文件 before it passes a filing on."""
    return bool(value(s, f"review.letter.{tier.value}", year=year, region_code=region_code))


def top_tier(s: Session) -> Tier:
    """最高审核层级 of this deployment: the setting, else the environment."""
    row = s.execute(
        select(col(Setting.value)).where(col(Setting.name) == "top_tier").order_by(col(Setting.id).desc()).limit(1)
    )
    chosen = row.scalar()
    return Tier(chosen) if chosen else settings.from_env().top_tier


@dataclass(frozen=True, slots=True)
class Stated:
    """What the year's file says of one value: its words, where it comes from, and whether that is official or ours (建议值)."""

    words: str
    value: Any
    source: str
    official: bool


def stated(year: int) -> dict[str, Stated]:
    """Every value of the year's file by its dotted name."""
    return _read(_file_year(year))


def _file_year(year: int) -> int:
    known = sorted(int(path.stem) for path in FOLDER.glob("[0-9][0-9][0-9][0-9].toml"))
    return max((y for y in known if y <= year), default=known[0])


@lru_cache(maxsize=8)
def _read(year: int) -> dict[str, Stated]:
    content = tomllib.loads((FOLDER / f"{year}.toml").read_text(encoding="utf-8"))

    def one(row: Mapping[str, Any], words: str, value: Any) -> Stated:
        return Stated(words, value, row["source"], row["official"] == "official")

    found = {row["name"]: one(row, row["words"], row["value"]) for row in content.get("value", ())}
    review = content["review"]
    for row in review["tier"]:
        tier = Tier(row["tier"])
        found[f"review.letter.{tier}"] = one(row, f"{tier.caption}通过前必须上传推荐文件", row["letter"])
    route, extension = review["resubmit"], review["extension"]
    found["review.resubmit.route"] = one(route, "退回后重新上报，从哪一级开始审核", route["route"])
    found["review.extension.max_days"] = one(extension, "延期最多的天数（天）", extension["max_days"])
    return found
