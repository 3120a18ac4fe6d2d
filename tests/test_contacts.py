"""Telephones, mobiles and e-mails leave the service masked for all but the unit and the offices that review it (联系方式)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from models import Filing, Organisation, User
from models.enums import Action, FileKind, OrgKind, Role
from services import clock, demo, inbox, permissions
from services.accounts import audit_view, contacts, organisations, sessions
from services.accounts.views import AuditQuery
from services.actors import Actor
from services.db import Database
from services.documents import excel, spreadsheet
from services.errors import Forbidden, NotFound, Refusal
from services.filings import batches, files, lists, sheets, snapshots, versions
from services.filings.views import ListQuery
from services.forms.template import Address
from services.perform import perform
from services.reviews import desk
from services.workflow.facts import Relation
from tests.demo_kit import at_home

YEAR, FORM = demo.YEAR, demo.FORM


@dataclass(frozen=True)
class Unit:
    id: int
    filing_id: int
    said: tuple[str, str, str]  # telephone, mobile, e-mail


@pytest.fixture(scope="module")
def house(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    place = Path(shutil.copytree(demo_home, tmp_path_factory.mktemp("contacts") / "data"))
    with at_home(place), clock.frozen(demo.TODAY):
        database = Database(f"sqlite:///{place / 'lvce.sqlite3'}")
        yield database
        database.close()


@pytest.fixture(scope="module")
def people(house: Database) -> dict[str, Actor]:
    def read(s: Session) -> dict[str, Actor]:
        return {user.username: sessions.actor_of(s, user.id or 0) for user in s.exec(select(User)).all()}

    return house.read(read)


@pytest.fixture(scope="module")
def units(house: Database) -> tuple[Unit, ...]:
    """Those whose filing of the year is alive."""

    def read(s: Session) -> tuple[Unit, ...]:
        rows = s.exec(
            select(Organisation, Filing.id)
            .join(Filing, col(Filing.organisation_id) == col(Organisation.id))
            .where(Filing.year == YEAR, col(Filing.deleted_at).is_(None), Organisation.kind == OrgKind.UNIT)
        ).all()
        return tuple(Unit(o.id or 0, f or 0, (o.telephone, o.mobile, o.email)) for o, f in rows)

    return house.read(read)


def asked(house: Database, *query: Any) -> object:
    """What the service answers; a refusal tells nothing."""
    try:
        return house.read(*query)
    except Refusal as refusal:
        return refusal.message


def pages(house: Database, actor: Actor, filing_id: int) -> str:
    """Everything about one filing that goes to a page."""
    return repr(
        [
            asked(house, sheets.sheet, actor, filing_id),
            asked(house, desk.review, actor, filing_id),
            asked(house, versions.list_versions, actor, filing_id),
            asked(house, versions.changes, actor, filing_id),
            asked(house, versions.changes, actor, filing_id, "year"),
            asked(house, versions.year_on_year, actor, filing_id),
            asked(house, files.listing, actor, filing_id),
        ]
    )


def test_a_unit_sees_its_own_contacts(house: Database, people: dict[str, Actor], units: tuple[Unit, ...]) -> None:
    for unit in units[:5]:
        own = next(actor for actor in people.values() if actor.organisation_id == unit.id)
        assert all(said in pages(house, own, unit.filing_id) for said in unit.said)
        assert all(said in repr(house.read(organisations.profile, own)) for said in unit.said)


@pytest.mark.parametrize(
    "who", ["tianhe", "guangzhou", "guangdong", "hualing", "gongxinbu", "guzhe", "admin", "unit03"]
)
def test_no_page_of_anybody_else_shows_them(
    house: Database, people: dict[str, Actor], units: tuple[Unit, ...], who: str
) -> None:
    actor = people[who]
    elsewhere = repr(
        [
            asked(house, inbox.mine, actor),
            asked(house, lists.review_page, actor, ListQuery(FORM, YEAR, tab="all", page_size=200)),
            asked(house, audit_view.page, actor, AuditQuery()),
        ]
    )
    for unit in units:
        if unit.id == actor.organisation_id:
            continue
        shown = (
            elsewhere + pages(house, actor, unit.filing_id) + repr(asked(house, organisations.profile, actor, unit.id))
        )
        assert not [said for said in unit.said if said in shown], (who, unit)


def test_papers_bear_them_for_the_offices_that_review_it_only(
    house: Database, people: dict[str, Actor], units: tuple[Unit, ...]
) -> None:
    seen = set()
    for who in ("tianhe", "guangzhou", "guangdong", "hualing", "gongxinbu", "shenzhen", "foshan"):
        for unit in units:
            where = house.read(relation, people[who], unit.filing_id)
            try:
                found = house.read(snapshots.snapshot, people[who], unit.filing_id)
            except Refusal:
                continue
            shown = [found.cells[Address(field)].text for field in ("telephone", "mobile", "email")]
            plain = where in (Relation.HANDLING, Relation.PAST, Relation.UPCOMING)
            assert (tuple(shown) == unit.said) is plain, (who, where)
            assert plain or shown == [contacts.masked(said) for said in unit.said]
            seen.add(where)
    assert seen >= {Relation.HANDLING, Relation.PAST, Relation.UPCOMING, Relation.REGION}


def relation(s: Session, actor: Actor, filing_id: int) -> Relation:
    return permissions.relation(actor, permissions.as_subject(s.get_one(Filing, filing_id), actor))


def test_a_masked_paper_is_masked_in_the_workbook_too(
    house: Database, people: dict[str, Actor], units: tuple[Unit, ...]
) -> None:
    province = people["guangdong"]
    unit = next(
        u for u in units if house.read(relation, province, u.filing_id) is Relation.REGION and readable(house, u)
    )
    found = house.read(snapshots.snapshot, province, unit.filing_id)
    book = spreadsheet.read(excel.filled_workbook(found), ["动态管理表"])
    texts = {cell.text for cells in book.values() for cell in cells.values()}
    assert contacts.masked(unit.said[1]) in texts
    assert not texts & set(unit.said)


def readable(house: Database, unit: Unit) -> bool:
    return bool(house.read(lambda s: s.get_one(Filing, unit.filing_id).current_version_id))


def test_what_an_office_takes_along_is_a_line_in_the_log(house: Database, people: dict[str, Actor]) -> None:
    filing_id = house.read(on_the_desk_of, people["tianhe"])
    perform(house, snapshots.handed_out, people["tianhe"], filing_id, action=Action.EXPORT_PDF)
    line = house.read(audit_view.page, people["admin"], AuditQuery(action="export_pdf")).rows[0]
    assert line.user_name == "吴倩（tianhe）"
    assert line.after_digest


def on_the_desk_of(s: Session, actor: Actor) -> int:
    return s.exec(select(Filing.id).where(Filing.current_authority_id == actor.organisation_id)).first() or 0


def test_a_summary_of_many_units_has_them_masked(
    house: Database, people: dict[str, Actor], units: tuple[Unit, ...]
) -> None:
    read = house.read(batches._read, people["guangdong"], [unit.filing_id for unit in units])
    assert len(read) > 10
    texts = {cell.text for one in read.values() for cell in one.cells.values()}
    assert not [said for unit in units for said in unit.said if said in texts]


def test_an_expert_reads_no_stamped_scan(house: Database, people: dict[str, Actor], units: tuple[Unit, ...]) -> None:
    expert = people["guzhe"]
    mine = [unit for unit in units if house.read(relation, expert, unit.filing_id) is Relation.ASSIGNED]
    assert mine
    office = people["gongxinbu"]
    for unit in mine:
        scans = [f for f in house.read(files.listing, office, unit.filing_id) if f.kind == FileKind.STAMPED_SCAN.value]
        assert scans, "the offices on its way read it"
        assert not [
            f for f in house.read(files.listing, expert, unit.filing_id) if f.kind == FileKind.STAMPED_SCAN.value
        ]
        with pytest.raises(NotFound):
            house.read(files.open_file, expert, scans[0].id)


@pytest.mark.parametrize("who", ["tianhe", "guangzhou", "guangdong", "gongxinbu", "admin"])
def test_showing_them_is_an_act_in_the_log(
    house: Database, people: dict[str, Actor], units: tuple[Unit, ...], who: str
) -> None:
    actor = people[who]
    unit = next(u for u in units if permissions.allowed(actor, permissions.Power.REVEAL_CONTACT, place(house, u)))
    shown = perform(house, organisations.reveal_contacts, actor, unit.id)
    assert (shown.telephone, shown.mobile, shown.email) == unit.said
    line = house.read(audit_view.page, people["admin"], AuditQuery(action="reveal_contacts")).rows[0]
    assert actor.username in line.user_name


def place(house: Database, unit: Unit) -> permissions.Place:
    return house.read(lambda s: permissions.place_of(s.get_one(Organisation, unit.id)))


def test_nobody_else_is_shown_them(house: Database, people: dict[str, Actor], units: tuple[Unit, ...]) -> None:
    for actor in people.values():
        for unit in units[:6]:
            may = permissions.allowed(actor, permissions.Power.REVEAL_CONTACT, place(house, unit))
            if may:
                continue
            with pytest.raises(Forbidden if actor.role is Role.EXPERT else NotFound):
                house.write(organisations.reveal_contacts, actor, unit.id)
