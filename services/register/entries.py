"""The list of green manufacturers (名单): who is on it as of a day, by whatever name (名单查询, 名称匹配)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import Session, col, select

from models import Organisation, RosterBatch, RosterEntry
from models.enums import Form, Level
from services import clock
from services.actors import Actor
from services.forms import names, reference
from services.permissions import Place, Power, authorize, in_region
from services.register.views import EntryPage, EntryQuery, EntryView

ORDER = {Level.NATIONAL: 0, Level.PROVINCIAL: 1, Level.MUNICIPAL: 2}


def in_force(on: date) -> ColumnElement[bool]:
    """Entries that are on the list at the end of that day (在册)."""
    return and_(
        col(RosterEntry.listed_on) <= on, or_(col(RosterEntry.removed_on).is_(None), col(RosterEntry.removed_on) > on)
    )


def of_unit(s: Session, actor: Actor, form: Form | None = None, on: date | None = None) -> tuple[EntryView, ...]:
    """The actor's own entries (本单位名单条目), highest level first."""
    unit = s.get_one(Organisation, actor.organisation_id)
    mine: ColumnElement[bool] = col(RosterEntry.organisation_id) == unit.id
    if unit.credit_code:
        mine = or_(mine, col(RosterEntry.credit_code) == unit.credit_code)
    where = [mine, in_force(on or clock.today())]
    if form is not None:
        where.append(col(RosterEntry.form) == form)
    return tuple(sorted(_views(s, where), key=lambda entry: (ORDER[entry.level], -entry.listed_on.toordinal())))


def in_hand(s: Session, organisation_id: int) -> tuple[EntryView, ...]:
    """The entries that belong to one unit today."""
    return tuple(_views(s, [col(RosterEntry.organisation_id) == organisation_id, in_force(clock.today())]))


def page(s: Session, actor: Actor, query: EntryQuery) -> EntryPage:
    """名单 as of a day, filtered, in the order of region and name; public facts, so everybody signed in may read it."""
    authorize(actor, Power.READ_ROSTER, Place())
    where = _where(query)
    total = s.exec(select(func.count()).select_from(RosterEntry).where(*where)).one()
    size = min(max(query.page_size, 1), 200)
    return EntryPage(tuple(_views(s, where, offset=(max(query.page, 1) - 1) * size, limit=size)), total)


def download_rows(s: Session, actor: Actor, form: Form, on: date | None = None) -> tuple[EntryView, ...]:
    """Every row of 绿色工厂名单.xlsx (国家层面 first), for checking names against it."""
    authorize(actor, Power.READ_ROSTER, Place())
    rows = _views(s, _where(EntryQuery(form, on=on)))
    return tuple(sorted(rows, key=lambda entry: (ORDER[entry.level], entry.region_code, entry.listed_on, entry.id)))


def match(
    s: Session, form: Form, credit_code: str, called: Iterable[str], on: date | None = None, *, loosely: bool = False
) -> tuple[EntryView, ...]:
    """Entries that are this unit: by code, or by any of its names, brackets and spaces aside (名称匹配).

    ``loosely``: a name without a code may be that of an entry with one.
    """
    known = {names.normalise(name) for name in called if name}
    code = names.normalise_code(credit_code)
    where = [col(RosterEntry.form) == form, in_force(on or clock.today())]
    return tuple(
        entry
        for entry in _views(s, where)
        if (code and entry.credit_code == code)
        or (names.normalise(entry.listed_name) in known and (entry.credit_code in ("", code) or (loosely and not code)))
    )


def one(s: Session, entry_id: int) -> EntryView:
    """One entry, in force or not."""
    return next(iter(_views(s, [col(RosterEntry.id) == entry_id])))


def batch_of(
    s: Session, form: Form, level: Level, name: str, document_number: str, published_on: date, region_code: str
) -> RosterBatch:
    """The batch of that name and level (批次), made if it is new; ``region_code`` lies where it was published."""
    query = select(RosterBatch).where(RosterBatch.form == form, RosterBatch.level == level, RosterBatch.name == name)
    found = s.exec(query).first()
    if found is None:
        issuer = {
            Level.NATIONAL: "",
            Level.PROVINCIAL: f"{region_code[:2]}0000",
            Level.MUNICIPAL: f"{region_code[:4]}00",
        }
        found = RosterBatch(
            form=form,
            level=level,
            name=name,
            document_number=document_number,
            published_on=published_on,
            region_code=issuer[level],
        )
        s.add(found)
        s.flush()
    return found


def nearer(one: str, other: str) -> str:
    """The more exact of two regions where ``other`` lies in ``one``, else ``one``."""
    return other if one in reference.lineage(other) else one


def _where(query: EntryQuery) -> list[ColumnElement[bool]]:
    on = query.on or clock.today()
    where = [col(RosterEntry.form) == query.form]
    where.append(col(RosterEntry.listed_on) <= on if query.removed else in_force(on))
    if query.level is not None:
        where.append(col(RosterEntry.level) == query.level)
    if query.region_code:
        where.append(in_region(col(RosterEntry.region_code), query.region_code))
    if text := query.search.strip():
        where.append(
            or_(
                col(RosterEntry.listed_name).ilike(f"%{text}%"),
                col(RosterEntry.credit_code) == names.normalise_code(text),
            )
        )
    return where


def _views(
    s: Session, where: list[ColumnElement[bool]], *, offset: int = 0, limit: int | None = None
) -> Iterable[EntryView]:
    query: Any = (
        select(RosterEntry, RosterBatch, Organisation.name)
        .join(RosterBatch, col(RosterBatch.id) == col(RosterEntry.batch_id))
        .join(Organisation, col(Organisation.id) == col(RosterEntry.organisation_id), isouter=True)
        .where(*where)
        .order_by(col(RosterEntry.region_code), col(RosterEntry.listed_name), col(RosterEntry.id))
        .offset(offset)
    )
    if limit is not None:
        query = query.limit(limit)
    for entry, batch, unit_name in s.exec(query).all():
        yield EntryView(
            id=entry.id,
            form=entry.form,
            level=entry.level,
            listed_name=entry.listed_name,
            unit_name=unit_name or "",
            credit_code=entry.credit_code,
            region_code=entry.region_code,
            region_name=reference.region_words(entry.region_code),
            batch=batch.name,
            document_number=batch.document_number,
            listed_on=entry.listed_on,
            removed_on=entry.removed_on,
            removal_reason=entry.removal_reason,
        )
