"""The demo shows every role, every state and every kind of finding, and is the same for the same seed (演示数据)."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import Session, col, select

import main
from models import (
    AdjustmentOpinion,
    ChecklistMark,
    ExpertTask,
    Filing,
    FindingNote,
    Organisation,
    Question,
    RosterEntry,
    SiteAssessment,
    Step,
    StoredFile,
    User,
)
from models.enums import (
    TIERS,
    Adjustment,
    FilingStatus,
    FindingLevel,
    FindingState,
    Form,
    OrgKind,
    OrgStatus,
    Role,
    StepStatus,
    Tier,
)
from services import audit, clock, demo, doctor, settings
from services.accounts import sessions
from services.app import House, open_house
from services.filings import desk, opening, working
from services.forms import names
from tests.demo_kit import CANARIES, at_home


@pytest.fixture(scope="module")
def house(demo_home: Path) -> Iterator[House]:
    with at_home(demo_home):
        opened = open_house(settings.from_env(), serving=False)
        yield opened
        opened.close()


def filings(house: House, year: int = 2025) -> list[Filing]:
    return list(house.db.read(lambda s: s.exec(select(Filing).where(Filing.year == year)).all()))


def test_there_is_a_place_for_every_role(house: House) -> None:
    places = house.db.read(lambda s: s.exec(select(Organisation)).all())
    offices = [place for place in places if place.kind is OrgKind.AUTHORITY]
    tiers = Counter(place.tier for place in offices)
    assert tiers[Tier.PROVINCE] == 2
    assert tiers[Tier.COUNTY] >= 6
    assert len([o for o in offices if o.tier is Tier.CITY and o.region_code.startswith("44")]) == 21
    kinds = Counter(place.kind for place in places)
    assert kinds[OrgKind.UNIT] >= 36
    assert (kinds[OrgKind.GROUP], kinds[OrgKind.MINISTRY], kinds[OrgKind.OPERATOR]) == (1, 1, 1)
    roles = set(house.db.read(lambda s: s.exec(select(User.role)).all()))
    assert roles == set(Role)
    assert all(place.status is OrgStatus.ACTIVE for place in places)


def test_every_unit_has_a_sound_code_and_stands_on_the_list(house: House) -> None:
    units = house.db.read(lambda s: s.exec(select(Organisation).where(Organisation.kind == OrgKind.UNIT)).all())
    assert all(names.credit_code_valid(unit.credit_code) for unit in units)
    assert len({unit.credit_code for unit in units}) == len(units)
    listed = set(house.db.read(lambda s: s.exec(select(RosterEntry.organisation_id)).all()))
    assert {unit.id for unit in units} <= listed


def test_filings_stand_in_every_state_and_on_every_desk(house: House) -> None:
    found = filings(house)
    alive = [filing for filing in found if filing.deleted_at is None]
    assert {filing.status for filing in alive} == set(FilingStatus)
    assert {f.current_tier for f in alive if f.status is FilingStatus.REVIEW} == set(Tier)
    assert any(filing.deleted_at for filing in found)
    assert any(filing.late for filing in alive)
    assert any(filing.flags for filing in alive)
    assert any(filing.return_scope for filing in alive)
    assert any(filing.version_no == 2 for filing in alive)
    drafts = [filing for filing in alive if filing.status is FilingStatus.DRAFT]
    assert any(filing.validated_digest for filing in drafts)
    assert any(filing.version_no for filing in drafts), "one was withdrawn"
    assert {step.status for step in house.db.read(lambda s: s.exec(select(Step)).all())} == set(StepStatus)


def test_units_without_a_filing_are_left_to_try(house: House) -> None:
    busy = {filing.organisation_id for filing in filings(house)}

    def free(s: Session) -> int:
        listed = s.exec(select(RosterEntry.organisation_id).where(RosterEntry.form == Form.FACTORY)).all()
        return len({unit for unit in listed if unit not in busy})

    assert house.db.read(free) >= 10


def test_every_kind_of_finding_and_of_answer_is_there(house: House) -> None:
    def levels(s: Session) -> set[FindingLevel]:
        drafts = Filing.year == 2025, Filing.status == FilingStatus.DRAFT, col(Filing.deleted_at).is_(None)
        ids = s.exec(select(Filing.id).where(*drafts)).all()
        return {f.level for i in ids for f in working.load(s, i or 0).sheet.findings.values()}

    assert {FindingLevel.ERROR, FindingLevel.WARNING} <= house.db.read(levels)
    states = set(house.db.read(lambda s: s.exec(select(FindingNote.state)).all()))
    assert FindingState.EXPLAINED in states
    questions = {question.status for question in house.db.read(lambda s: s.exec(select(Question)).all())}
    assert len(questions) >= 2


def test_experts_visits_and_opinions_can_be_seen(house: House) -> None:
    tasks = house.db.read(lambda s: s.exec(select(ExpertTask)).all())
    assert {task.submitted_at is None for task in tasks} == {True, False}
    opinions = set(house.db.read(lambda s: s.exec(select(AdjustmentOpinion.opinion)).all()))
    assert opinions == {Adjustment.KEEP, Adjustment.CHANGE}
    assert house.db.read(lambda s: s.exec(select(SiteAssessment)).all())
    assert house.db.read(lambda s: s.exec(select(ChecklistMark)).all())


def test_the_first_unit_shows_the_official_slips(house: House) -> None:
    def rules(s: Session) -> set[str]:
        first = s.exec(
            select(Filing.id).where(Filing.unit_name == "广州南粤精工电路有限公司", Filing.year == 2025)
        ).one()
        return {finding.rule for finding in desk.open_findings(s, first or 0)}

    found = house.db.read(rules)
    assert {"R01-nh3n", "R07-gross_output", "R03", "R09"} <= found
    assert {"required", "number"} & found


def test_a_new_filing_begins_with_last_years_figures(house: House) -> None:
    unit = house.db.read(lambda s: s.exec(select(User).where(User.username == "unit29s")).one().id)
    actor = house.db.read(sessions.actor_of, unit or 0)

    class Undone(Exception):
        pass

    def look(s: Session) -> dict[str, str]:
        filing_id = opening.open_filing(s, actor, Form.FACTORY, 2025)
        cells = {str(a): c.text for a, c in working.read_cells(s, filing_id).items()}
        raise Undone(cells)

    with clock.frozen(demo.TODAY), pytest.raises(Undone) as caught:
        house.db.write(look)
    cells = caught.value.args[0]
    assert cells["gross_output:2023"]
    assert cells["gross_output:2022"]
    assert not cells.get("gross_output:2024")
    assert cells["unit_name"] == "广州黄埔蓝海电路有限公司"


def test_the_accounts_file_lists_every_role_and_place_and_each_can_sign_in(house: House, demo_home: Path) -> None:
    listed = json.loads((demo_home.parent / "accounts.json").read_text(encoding="utf-8"))
    assert {row["role"] for row in listed} == {role.name for role in Role}
    assert all({"role", "place", "username", "password"} <= set(row) for row in listed)
    by_role = {row["role"]: row for row in listed}
    for row in by_role.values():
        signed = sessions.sign_in(house.db, row["username"], row["password"])
        assert signed.role.name == row["role"]


def test_each_unit_carries_its_own_canary_in_text_and_paper(house: House, demo_home: Path) -> None:
    listed = json.loads((demo_home.parent / "accounts.json").read_text(encoding="utf-8"))
    canary = {row["place"]: row["canary"] for row in listed if "canary" in row}
    assert len(set(canary.values())) == len(canary), "each unit has one of its own"
    assert set(canary.values()) <= set(CANARIES)
    units = house.db.read(lambda s: s.exec(select(Organisation).where(Organisation.kind == OrgKind.UNIT)).all())
    assert all(canary[unit.name] in unit.address for unit in units)
    stored = house.db.read(lambda s: s.exec(select(StoredFile)).all())
    carried = {mark for mark in CANARIES for file in stored if mark in file.original_name}
    assert carried <= set(canary.values())
    assert len(carried) > 20, "all who have filled in their form"


def test_nothing_in_it_needs_a_doctor(house: House) -> None:
    assert [check.name for check in doctor.examine(house.db, house.settings) if not check.well] == []
    count, broken = house.db.read(audit.verify)
    assert broken is None
    assert count > 150


def test_the_demo_clock_goes_on_from_where_it_was(house: House) -> None:
    assert clock.today().year == 2025
    assert clock.today().month == 3


def test_the_same_seed_gives_the_same_codes() -> None:
    drawn = [[demo.made_up_code(random.Random(seed), "440106") for _ in range(3)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


@pytest.mark.parametrize(("last", "closed_by"), [("province", Tier.PROVINCE), ("city", Tier.CITY)])
def test_the_demo_ends_at_the_last_tier_of_the_deployment(tmp_path: Path, last: str, closed_by: Tier) -> None:
    with at_home(tmp_path / "data", LVCE_TOP_TIER=last):
        assert main.main(["seed-demo"]) == 0
        opened = open_house(settings.from_env(), serving=False)
        try:
            steps = opened.db.read(lambda s: s.exec(select(Step)).all())
        finally:
            opened.close()
    assert closed_by in {step.tier for step in steps if step.status is StepStatus.APPROVED}
    beyond = {step.status for step in steps if TIERS.index(step.tier) > TIERS.index(closed_by)}
    assert beyond == {StepStatus.NOT_APPLICABLE}
