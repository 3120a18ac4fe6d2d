"""Policy values (政策参数): what differs by year or region. A setting of the region wins, then its province's, the default
setting, and last the year's file in ``assets/policy``.

Names are dotted: ``restore_days``, ``review.letter.city``, ``review.resubmit.route``, ``top_tier``.
"""

from __future__ import annotations

import tomllib
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
    return defaults(year)[name] if best is None else best[1]


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


def defaults(year: int) -> dict[str, Any]:
    """The values of the year's file, or of the latest earlier one (or the earliest there is)."""
    known = sorted(int(path.stem) for path in FOLDER.glob("[0-9][0-9][0-9][0-9].toml"))
    return _read(max((y for y in known if y <= year), default=known[0]))


@lru_cache(maxsize=8)
def _read(year: int) -> dict[str, Any]:
    content = tomllib.loads((FOLDER / f"{year}.toml").read_text(encoding="utf-8"))
    values = {row["name"]: row["value"] for row in content.get("value", ())}
    review = content["review"]
    for row in review["tier"]:
        values[f"review.letter.{row['tier']}"] = row["letter"]
        values[f"review.experts.{row['tier']}"] = row["experts"]
    values["review.resubmit.route"] = review["resubmit"]["route"]
    values["review.extension.max_days"] = review["extension"]["max_days"]
    return values
