"""新增动态管理表: who may, what is filled in already, and that nobody gets two."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import delete, select
from sqlmodel import Session, col

from models import AuditLine, Cell, CellChange, Filing, FilingVersion, Organisation, RosterEntry, TemplateCopy
from models.enums import FilingStatus, Form, VersionStatus
from services import clock
from services.actors import Actor
from services.db import Database
from services.errors import Conflict, Forbidden
from services.filings import desk, opening
from services.forms import loader
from tests.conftest import World
from tests.filling import opened


def text(db: Database, filing: int, field: str, slot: str = "") -> str | None:
    return db.read(lambda s: s.execute(
        select(col(Cell.text)).where(col(Cell.filing_id) == filing, col(Cell.field) == field, col(Cell.slot) == slot)
    ).scalar())  # fmt: skip


def test_a_new_filing_knows_what_the_profile_says(db: Database, world: World) -> None:
    filing = opened(db, world.filer)
    assert text(db, filing, "unit_name") == "广州南粤精工制造有限公司"
    assert text(db, filing, "credit_code") == "9144011552601815X4"
    assert text(db, filing, "address") == "广东省 广州市 天河区 科韵路18号"
    assert text(db, filing, "mobile") == "13370120494"


def test_numbers_run_on_within_a_county(db: Database, world: World) -> None:
    filings = [opened(db, world.filer), opened(db, world.other)]
    numbers = db.read(lambda s: [s.get_one(Filing, filing).number for filing in filings])
    assert numbers == ["GF-2025-440106-00001", "GF-2025-440106-00002"]


def test_the_template_is_kept_with_the_filing(db: Database, world: World) -> None:
    filing = opened(db, world.filer)

    def copies(s: Session) -> tuple[str, str]:
        digest = s.get_one(Filing, filing).template_digest
        return digest, s.get_one(TemplateCopy, digest).source_text

    digest, source = db.read(copies)
    assert digest == loader.digest_of(source)


def test_opening_writes_one_audit_line_and_a_change_line_per_prefilled_cell(db: Database, world: World) -> None:
    filing = opened(db, world.filer)

    def written(s: Session) -> tuple[list[str], set[str], int, int]:
        lines = s.execute(select(col(AuditLine.action)).where(col(AuditLine.subject_id) == filing)).scalars().all()
        changes = s.execute(select(CellChange).where(col(CellChange.filing_id) == filing)).scalars().all()
        cells = s.execute(select(Cell).where(col(Cell.filing_id) == filing)).scalars().all()
        return list(lines), {change.source for change in changes}, len(changes), len(cells)

    lines, sources, changes, cells = db.read(written)
    assert (lines, sources) == (["open"], {"prefill"})
    assert changes == cells > 5


def test_only_one_filing_a_year_may_be_alive(db: Database, world: World) -> None:
    opened(db, world.filer)
    with pytest.raises(Conflict, match="每年只填一份"):
        opened(db, world.signer)


def test_a_unit_that_is_not_on_the_list_is_told_whom_to_ask(db: Database, world: World) -> None:
    db.write(lambda s: s.execute(delete(RosterEntry)))
    with pytest.raises(Conflict, match="名单中没有查到本单位"):
        opened(db, world.filer)


@pytest.mark.parametrize(("day", "words"), [(date(2025, 1, 5), "2025年2月10日开始"), (date(2025, 6, 1), "截止")])
def test_outside_the_campaign_nothing_is_opened(db: Database, world: World, day: date, words: str) -> None:
    moment = datetime(day.year, day.month, day.day, 10, tzinfo=clock.BEIJING)
    with clock.frozen(moment), pytest.raises(Conflict, match=words):
        opened(db, world.filer)


@pytest.mark.parametrize("who", ["county", "province", "expert", "admin"])
def test_only_units_open_filings(db: Database, world: World, who: str) -> None:
    with pytest.raises(Forbidden):
        opened(db, world.actors[who])


def test_question_seven_is_answered_from_the_list(db: Database, world: World) -> None:
    assert text(db, opened(db, world.filer), "name_same") == "是"


def test_brackets_and_spaces_do_not_make_another_name(db: Database, world: World) -> None:
    rename_on_list(db, world, "广州云山（集团） 有限公司", "广州云山(集团)有限公司")
    assert text(db, opened(db, world.other), "name_same") == "是"


def test_a_unit_listed_under_a_former_name_gets_it_filled_in(db: Database, world: World) -> None:
    rename_on_list(db, world, "广州云山新材料有限公司", "广州云山纺织厂")
    filing = opened(db, world.other)
    assert text(db, filing, "name_same") == "否"
    assert text(db, filing, "former_name") == "广州云山纺织厂"


def test_the_older_columns_come_from_last_years_accepted_version(db: Database, world: World) -> None:
    cells = {
        "gross_output:2021": ["1", "number", "1"],
        "gross_output:2022": ["52,000", "number", "52000"],
        "gross_output:2023": ["54100", "number", "54100"],
        "energy_total:2023": ["4120", "number", "4120"],
        "energy_total:unit": ["吨标准煤（等价值）", "text", ""],
        "industry1": ["3982 电子电路制造", "text", ""],
        "contact": ["旧联系人", "text", ""],
        "compliance_1": ["否", "text", ""],
    }
    db.write(accepted_last_year, world.filer, cells)
    filing = opened(db, world.filer)
    assert text(db, filing, "gross_output", "2022") == "52,000"
    assert text(db, filing, "gross_output", "2023") == "54100"
    assert text(db, filing, "gross_output", "2021") is None
    assert text(db, filing, "energy_total", "unit") == "吨标准煤（等价值）"
    assert text(db, filing, "industry1") == "3982 电子电路制造"
    assert text(db, filing, "contact") == "陈立", "the profile is newer than last year's form"
    assert text(db, filing, "compliance_1") is None, "a promise is made anew each year"
    assert db.read(desk.sheet, world.filer, filing).previous["gross_output:2023"] == "54100"


def test_a_version_still_under_review_fills_nothing(db: Database, world: World) -> None:
    cells = {"gross_output:2023": ["54100", "number", "54100"]}
    db.write(accepted_last_year, world.filer, cells, VersionStatus.SUBMITTED)
    assert text(db, opened(db, world.filer), "gross_output", "2023") is None


def test_a_changed_profile_reaches_the_locked_cells_and_unbinds_the_validation(db: Database, world: World) -> None:
    filing = opened(db, world.filer)

    def move_house(s: Session) -> None:
        unit = s.get_one(Organisation, world.orgs["factory"])
        unit.name, unit.address = "广州南粤精工科技有限公司", "科韵路20号"
        s.add(unit)
        s.get_one(Filing, filing).validated_digest = "a" * 64
        opening.refresh_profile(s, world.filer, world.orgs["factory"])

    db.write(move_house)
    assert text(db, filing, "address") == "广东省 广州市 天河区 科韵路20号"
    row = db.read(lambda s: s.get_one(Filing, filing))
    assert (row.unit_name, row.validated_digest) == ("广州南粤精工科技有限公司", "")


def rename_on_list(db: Database, world: World, name: str, listed: str) -> None:
    def rename(s: Session) -> None:
        unit = s.get_one(Organisation, world.orgs["other"])
        unit.name = name
        entry = s.execute(select(RosterEntry).where(col(RosterEntry.organisation_id) == unit.id)).scalar_one()
        entry.listed_name = listed
        s.add_all([unit, entry])

    db.write(rename)


def accepted_last_year(
    s: Session, actor: Actor, cells: dict[str, list[str]], status: VersionStatus = VersionStatus.APPROVED
) -> None:
    """A filing of 2024 in this year's form, done a year ago."""
    now = clock.now() - timedelta(days=365)
    template = loader.find(Form.FACTORY, 2025)
    opening._archive(s, template)
    filing = Filing(
        number="GF-2024-440106-00001", organisation_id=actor.organisation_id, form=Form.FACTORY, year=2024,
        template_digest=template.digest, status=FilingStatus.DONE, unit_name=actor.organisation_name,
        created_at=now, created_by_id=actor.user_id,
    )  # fmt: skip
    s.add(filing)
    s.flush()
    assert filing.id is not None
    version = FilingVersion(
        filing_id=filing.id, no=1, status=status, digest="b" * 64, template_digest=template.digest, cells=cells,
        findings=[], unit_name=actor.organisation_name, receipt_number="HZ-1", submitted_by_id=actor.user_id,
        submitted_by_name=actor.name, submitted_at=now,
    )  # fmt: skip
    s.add(version)
    s.flush()
    filing.current_version_id = version.id
    s.add(filing)
