"""Filings in any state for the tests of workflow and review: a small form, a filled sheet, a stamp, and short ways up and down."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from models import Cell, Filing, Organisation, RosterEntry, Stamp, StoredFile, TemplateCopy, User
from models.enums import CellKind, FileKind, FilingStatus, Form, Level, OrgKind, Role
from services import clock
from services.actors import Actor
from services.filings import moves
from services.forms import digest, loader
from services.forms.findings import CellValue
from services.forms.template import Address
from services.reviews import decisions, opinions

SMALL = """
form = "green_factory"
year = 2025
title = "绿色工厂动态管理表"
pledge = "本企业承诺"
[sources]
TEST = "测试依据"
[[part]]
key = "compliance"
title = "二、合规性信息"
layout = "questions"
source = "TEST"
[[part.section]]
key = "compliance"
[[part.section.field]]
key = "compliance_1"
label = "1.未正常经营生产的"
kind = "yesno"
required = true
[[part.section.field]]
key = "name_same"
label = "7.企业名称与绿色工厂名单是否一致"
kind = "yesno"
required = true
[[part]]
key = "improvement"
title = "三、持续改进情况"
layout = "grid"
source = "TEST"
[[part.section]]
key = "energy"
[[part.section.field]]
key = "gross_output"
label = "工业总产值"
kind = "number"
yearly = true
unit = "万元"
required = true
[[part.section.field]]
key = "energy_total"
label = "综合能源消费量"
kind = "number"
yearly = true
unit = "吨标准煤"
[[part.section.field]]
key = "ei_output"
label = "单位产值综合能耗"
kind = "derived"
yearly = true
unit = "千克标准煤/万元"
decimals = 2
formula = "energy_total * 1000 / gross_output"
formula_words = "综合能源消费量 × 1000 ÷ 工业总产值"
"""
TEMPLATE = loader.loads(SMALL, "测试表")

FIGURES: dict[Address, CellValue] = {
    Address("compliance_1"): CellValue("否", CellKind.TEXT),
    Address("name_same"): CellValue("是", CellKind.TEXT),
} | {
    Address(key, str(year)): CellValue(str(figure), CellKind.NUMBER, str(figure))
    for key, figures in (("gross_output", (52000, 54100, 53800)), ("energy_total", (4100, 4120, 9300)))
    for year, figure in zip((2022, 2023, 2024), figures, strict=True)
}


def listed_unit(s: Session, name: str, credit_code: str, region_code: str, listed_on: date, **profile: Any) -> int:
    """A unit on the first list (名单), with what a profile says besides, such as ``superior_city_id``; returns its id."""
    unit = Organisation(
        kind=OrgKind.UNIT,
        name=name,
        credit_code=credit_code,
        region_code=region_code,
        created_at=clock.now(),
        **profile,
    )
    s.add(unit)
    s.flush()
    assert unit.id is not None
    s.add(entry(unit, listed_on))
    return unit.id


def entry(unit: Organisation, listed_on: date, batch_id: int = 1) -> RosterEntry:
    """The line of the list by which a unit is a 国家级绿色工厂."""
    return RosterEntry(
        batch_id=batch_id,
        organisation_id=unit.id,
        form=Form.FACTORY,
        level=Level.NATIONAL,
        listed_name=unit.name,
        credit_code=unit.credit_code,
        region_code=unit.region_code,
        listed_on=listed_on,
    )


def person(s: Session, username: str, name: str, role: Role, organisation_id: int) -> int:
    """A user whom no password lets in; returns the id."""
    user = User(
        username=username,
        password_hash="-",
        name=name,
        role=role,
        organisation_id=organisation_id,
        created_at=clock.now(),
    )
    s.add(user)
    s.flush()
    assert user.id is not None
    return user.id


def draft(s: Session, actor: Actor, *, number: str = "", year: int = 2025, ready: bool = True) -> int:
    """A filing of the actor's unit in 填写中; ``ready``: validated, with a stamped scan."""
    if s.get(TemplateCopy, TEMPLATE.digest) is None:
        s.add(
            TemplateCopy(
                digest=TEMPLATE.digest,
                form=TEMPLATE.form,
                year=TEMPLATE.year,
                source_text=SMALL,
                first_used_at=clock.now(),
            )
        )
        s.flush()
    unit = s.get_one(Organisation, actor.organisation_id)
    filing = Filing(
        number=number or f"GF-{year}-{unit.region_code}-{actor.organisation_id:05d}",
        organisation_id=actor.organisation_id,
        form=Form.FACTORY,
        year=year,
        template_digest=TEMPLATE.digest,
        unit_name=unit.name,
        region_code=unit.region_code,
        group_id=unit.group_id,
        saved_at=clock.now(),
        created_at=clock.now(),
        created_by_id=actor.user_id,
    )
    s.add(filing)
    s.flush()
    assert filing.id is not None
    s.add_all(
        Cell(filing_id=filing.id, field=a.field, slot=a.slot, text=c.text, kind=c.kind, value=c.value)
        for a, c in FIGURES.items()
    )
    if ready:
        make_ready(s, actor, filing.id)
    return filing.id


def make_ready(s: Session, actor: Actor, filing_id: int) -> str:
    """Validated and stamped as it stands; returns the digest."""
    s.flush()
    filing = s.get_one(Filing, filing_id)
    cells = {
        Address(c.field, c.slot): CellValue(c.text, c.kind, c.value)
        for c in s.execute(select(Cell).where(col(Cell.filing_id) == filing_id)).scalars()
    }
    figures = digest.of(TEMPLATE.digest, cells)
    filing.validated_digest = figures
    filing.revision += 1
    stamp(s, actor, filing_id, figures)
    s.add(filing)
    s.flush()
    return figures


def stamp(s: Session, actor: Actor, filing_id: int, figures: str) -> None:
    """A stamped scan of these figures (盖章扫描件), read by the machine."""
    s.add(
        Stamp(
            filing_id=filing_id,
            file_id=store(s, actor, filing_id, FileKind.STAMPED_SCAN),
            digest=figures,
            found_by="machine",
            bound_by_id=actor.user_id,
            bound_at=clock.now(),
        )
    )


def store(s: Session, actor: Actor, filing_id: int, kind: FileKind) -> int:
    """A file row; its content is nobody's business here."""
    count = s.execute(select(func.count(col(StoredFile.id)))).scalar_one()
    row = StoredFile(
        kind=kind,
        organisation_id=actor.organisation_id,
        filing_id=filing_id,
        original_name=f"{kind.caption}.pdf",
        stored_name=f"{count:064d}",
        media_type="application/pdf",
        size=1,
        sha256="0" * 64,
        uploaded_by_id=actor.user_id,
        uploaded_at=clock.now(),
    )
    s.add(row)
    s.flush()
    assert row.id is not None
    return row.id


def change(s: Session, actor: Actor, filing_id: int, address: str, text: str) -> None:
    """Type one figure, as the desk would: the validation is gone."""
    place = Address.parse(address)
    cell = s.get_one(Cell, (filing_id, place.field, place.slot))
    cell.text = cell.value = text
    filing = s.get_one(Filing, filing_id)
    filing.validated_digest = ""
    filing.revision += 1
    s.add_all([cell, filing])
    s.flush()


def submitted(s: Session, actor: Actor, **values: str) -> int:
    """A filing that was just 上报."""
    filing_id = draft(s, actor, **values)
    moves.submit(s, actor, filing_id)
    return filing_id


def status(s: Session, filing_id: int) -> FilingStatus:
    return s.get_one(Filing, filing_id).status


def pass_up(s: Session, filing_id: int, *offices: Actor) -> None:
    """审核通过 by these offices one after the other, with the letter where it is required."""
    for office in offices:
        if office.role is Role.CITY:
            opinions.attach_letter(s, office, filing_id, store(s, office, filing_id, FileKind.LETTER))
        (decisions.approve if office.role is Role.MINISTRY else decisions.forward)(s, office, filing_id, "同意上报。")


def sent_back(s: Session, filing_id: int, office: Actor, *questions: tuple[str, str]) -> None:
    """退回 to the unit with these questions, or with one on the whole."""
    asked = questions or (("", "请核实。"),)
    decisions.send_back(s, office, filing_id, "数据需要核实。", new_questions=asked)
