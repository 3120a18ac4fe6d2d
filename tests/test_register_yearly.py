"""The yearly campaign comes from the policy file, once, and officials' changes stay (年度填报安排)."""

from __future__ import annotations

from datetime import date

from sqlmodel import Session, select

from models import Campaign, CampaignDate
from models.enums import Form
from services.db import Database
from services.register import campaigns, yearly


def test_the_policy_of_a_year_becomes_its_campaigns(sqlite_db: Database) -> None:
    sqlite_db.write(yearly.install)
    found = sqlite_db.read(campaigns.campaign_of, Form.FACTORY, 2025)
    assert found is not None
    assert (found.opens_on, found.due_on) == (date(2025, 2, 10), date(2025, 4, 15))
    assert "第十八条" in found.source
    regions = sqlite_db.read(
        lambda s: s.exec(select(CampaignDate.region_code).where(CampaignDate.campaign_id == found.id)).all()
    )
    assert "440000" in regions
    window = sqlite_db.read(campaigns.window_of, Form.FACTORY, 2025, "440402", 1)
    assert window is not None
    assert window.due_on == date(2025, 4, 10), "珠海"


def test_a_second_start_leaves_the_officials_dates_alone(sqlite_db: Database) -> None:
    sqlite_db.write(yearly.install)

    def postpone(s: Session) -> None:
        campaign = s.exec(select(Campaign).where(Campaign.form == Form.FACTORY)).one()
        campaign.due_on = date(2025, 4, 30)
        s.add(campaign)

    sqlite_db.write(postpone)
    sqlite_db.write(yearly.install)
    rows = sqlite_db.read(lambda s: s.exec(select(Campaign).where(Campaign.form == Form.FACTORY)).all())
    assert [row.due_on for row in rows] == [date(2025, 4, 30)]
