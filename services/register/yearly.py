"""What a year's policy file says of the campaign (年度填报安排), written into the tables once; officials may change it there."""

from __future__ import annotations

import tomllib
from typing import Any

from sqlmodel import Session, select

from models import Campaign, CampaignDate
from models.enums import Form
from services.policy import FOLDER


def install(s: Session) -> None:
    """Write the campaigns of every policy file whose year is not in the tables yet (填报安排)."""
    for path in sorted(FOLDER.glob("[0-9][0-9][0-9][0-9].toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        if s.exec(select(Campaign.id).where(Campaign.year == content["year"]).limit(1)).first() is None:
            write(s, content["year"], content)


def write(s: Session, year: int, content: dict[str, Any]) -> None:
    """The campaigns of one year, shifted to it if the file is another year's."""
    move = year - content["year"]
    for block in content["campaign"]:
        for form in block["forms"]:
            campaign = Campaign(
                year=year,
                form=Form(form),
                opens_on=_moved(block["opens_on"], move),
                due_on=_moved(block["due_on"], move),
                locks_on=_moved(block["locks_on"], move),
                source=block["due_source"][:200],
            )
            s.add(campaign)
            s.flush()
            assert campaign.id is not None
            for row in content.get("region_date", ()):
                s.add(
                    CampaignDate(
                        campaign_id=campaign.id,
                        region_code=row["region_code"],
                        due_on=_moved(row["due_on"], move),
                        locks_on=_moved(row["locks_on"], move),
                        source=row["source"][:200],
                    )
                )


def _moved(day: Any, years: int) -> Any:
    return day.replace(year=day.year + years)
