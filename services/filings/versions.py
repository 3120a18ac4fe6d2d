"""Frozen versions (版本): the list, one of them as a sheet, and what changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

from sqlalchemy import select
from sqlmodel import Session, col

from models import Filing, FilingVersion
from models.enums import Action, CellKind, FilingStatus
from services import clock
from services.accounts import contacts
from services.actors import Actor
from services.errors import NotFound
from services.filings import opening, sheets, standing, working
from services.filings.views import Difference, SheetView, VersionView
from services.forms import cells as typed
from services.forms import diff, digest
from services.forms.findings import CellValue, Context
from services.forms.sheet import Sheet
from services.forms.template import REMARK_SLOT, UNIT_SLOT, Address, FormTemplate

Against = Literal["last", "year"] | int
Cells = Mapping[Address, CellValue]


def list_versions(s: Session, actor: Actor, filing_id: int) -> tuple[VersionView, ...]:
    """Every version that was submitted, newest first (历次上报)."""
    standing.require(s, actor, Action.VIEW, filing_id)
    query = (
        select(FilingVersion).where(col(FilingVersion.filing_id) == filing_id).order_by(col(FilingVersion.no).desc())
    )
    return tuple(map(version_view, s.execute(query).scalars()))


def version_view(version: FilingVersion) -> VersionView:
    assert version.id is not None
    return VersionView(
        id=version.id,
        no=version.no,
        status=version.status.value,
        status_caption=version.status.caption,
        digest_code=digest.code(version.digest),
        receipt_number=version.receipt_number,
        submitted_by=version.submitted_by_name,
        submitted_at=version.submitted_at,
        late=version.late,
    )


def view(s: Session, actor: Actor, version_id: int) -> SheetView:
    """One frozen version as a sheet to read."""
    version = s.get(FilingVersion, version_id)
    if version is None:
        raise NotFound
    return sheets.frozen(s, actor, version)


def changes(s: Session, actor: Actor, filing_id: int, against: Against = "last") -> tuple[Difference, ...]:
    """What these eyes see now against the version before, last year's accepted one, or version number so and so; by cell.

    The unit's own sheet, while it is being filled in, is compared with its newest version. Raises NotFound for a version
    number that does not exist; without anything to compare with, nothing differs.
    """
    filing, _ = standing.require(s, actor, Action.VIEW, filing_id)
    template, now, other = compared(s, actor, filing, against)
    if other is None:
        return ()
    return _told(
        actor,
        differences(template, working.thaw_cells(other.cells), now, working.template_of(s, other.template_digest)),
    )


def between(s: Session, actor: Actor, filing_id: int, before: int, after: int) -> tuple[Difference, ...]:
    """One submitted version against another, by their numbers (两版对照); raises NotFound for a number that is not there."""
    filing, _ = standing.require(s, actor, Action.VIEW, filing_id)
    query = select(FilingVersion).where(col(FilingVersion.filing_id) == filing.id)
    found = {version.no: version for version in s.execute(query).scalars()}
    if before not in found or after not in found:
        raise NotFound("没有这一版。请从版本列表中选择。")
    old, new = found[before], found[after]
    template = working.template_of(s, new.template_digest)
    return _told(
        actor,
        differences(
            template,
            working.thaw_cells(old.cells),
            working.thaw_cells(new.cells),
            working.template_of(s, old.template_digest),
        ),
    )


def year_on_year(s: Session, actor: Actor, filing_id: int) -> tuple[Difference, ...]:
    """The latest year beside the year before, row by row, in the version under way (本年与上年逐项对照)."""
    filing, _ = standing.require(s, actor, Action.VIEW, filing_id)
    version = s.get(FilingVersion, filing.current_version_id or 0)
    if version is None:
        return ()
    template = working.template_of(s, version.template_digest)
    sheet = Sheet(template, working.thaw_cells(version.cells), Context())
    cells = {**sheet.cells, **sheet.derived}
    units = {address: cell for address, cell in cells.items() if address.slot == UNIT_SLOT}
    earlier, latest = (
        {Address(a.field, str(template.years[-1])): cell for a, cell in cells.items() if a.slot == str(year)}
        for year in template.years[-2:]
    )
    return differences(template, {**earlier, **units}, {**latest, **units})


def compared(
    s: Session, actor: Actor, filing: Filing, against: Against
) -> tuple[FormTemplate, Cells, FilingVersion | None]:
    """The cells to be compared and the version they are compared with."""
    assert filing.id is not None
    template = working.template_of(s, filing.template_digest)
    at_work = actor.is_unit and filing.status in (FilingStatus.DRAFT, FilingStatus.RETURNED)
    shown = None if at_work else s.get(FilingVersion, filing.current_version_id or 0)
    now = working.read_cells(s, filing.id) if shown is None else working.thaw_cells(shown.cells)
    if against == "year":
        return template, now, opening.last_accepted(s, filing)
    versions = select(FilingVersion).where(col(FilingVersion.filing_id) == filing.id)
    if against == "last":
        if shown is not None:
            versions = versions.where(col(FilingVersion.no) < shown.no)
        return template, now, s.execute(versions.order_by(col(FilingVersion.no).desc()).limit(1)).scalar_one_or_none()
    other = s.execute(versions.where(col(FilingVersion.no) == against)).scalar_one_or_none()
    if other is None:
        raise NotFound(f"没有第 {against} 版。请从版本列表中选择。")
    return template, now, other


def compared_words(s: Session, version: FilingVersion, filing: Filing) -> str:
    """What it is compared with, in words: 第1版（2025年3月18日上报）, 2024年度审核完成的版本."""
    if version.filing_id != filing.id:
        return f"{s.get_one(Filing, version.filing_id).year}年度审核完成的版本"
    at = clock.local(version.submitted_at)
    return f"第{version.no}版（{at.year}年{at.month}月{at.day}日上报）"


def _told(actor: Actor, found: tuple[Difference, ...]) -> tuple[Difference, ...]:
    return found if actor.is_unit else contacts.masked_differences(found)


def differences(
    template: FormTemplate, before: Cells, after: Cells, old: FormTemplate | None = None
) -> tuple[Difference, ...]:
    """Cells that say something else, with their places in words. From another year's form only what both forms ask for."""
    if old is not None and old.digest != template.digest:
        common = _common(old, template)
        before, after = _only(before, common), _only(after, common)
    parts = {part.key: part.title for part in template.parts}
    return tuple(
        Difference(
            address=str(address),
            place=working.place_words(template, address),
            part=parts.get(template.fields[address.field].part, "") if address.field in template.fields else "",
            before=_shown(template, before, address, was),
            after=_shown(template, after, address, now),
            unit=working.unit_words(template, after, address),
            change=_percent(was, now),
        )
        for address, was, now in diff.differences(template, before, after)
    )


def _common(old: FormTemplate, new: FormTemplate) -> frozenset[Address]:
    fields = [key for key, field in new.fields.items() if key in old.fields and old.fields[key].unit == field.unit]
    return frozenset(
        Address(key, slot)
        for key in fields
        for slot in (*(set(new.slots(key)) & set(old.slots(key))), UNIT_SLOT, REMARK_SLOT)
    )


def _only(cells: Cells, addresses: Iterable[Address]) -> dict[Address, CellValue]:
    return {address: cells[address] for address in addresses if address in cells}


def _shown(template: FormTemplate, cells: Cells, address: Address, value: CellValue) -> str:
    field = template.fields.get(address.field)
    if field is None or address.slot in (UNIT_SLOT, REMARK_SLOT):
        return value.text
    return typed.show(value, field, working.unit_words(template, cells, address))


def _percent(was: CellValue, now: CellValue) -> str:
    """+12.5% from one figure to another; "" where that means nothing."""
    if was.kind is not CellKind.NUMBER or now.kind is not CellKind.NUMBER:
        return ""
    before, after = Decimal(was.value), Decimal(now.value)
    if not before or before == after:
        return ""
    return f"{(after - before) / abs(before) * 100:+,.1f}%"
