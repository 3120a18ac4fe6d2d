"""Data for the benches: many units with a filing each and a sign-in each, without hashing a password."""

from __future__ import annotations

import hashlib
import secrets
import tomllib
from datetime import timedelta
from pathlib import Path

from sqlmodel import Session

from models import Campaign, Filing, Organisation, RosterBatch, SignIn
from models.enums import Form, Level, OrgKind, Role, Tier
from services import clock
from services.accounts import sessions
from services.actors import Actor
from services.db import Database
from services.filings import desk, opening
from services.filings.views import CellEdit
from services.schema import migrate
from tests import filing_kit

YEAR = 2025
FULL = Path(__file__).resolve().parents[2] / "assets" / "demo" / "full_forms.toml"


def seed_editors(data_dir: Path, editors: int, *, ready: bool = False) -> tuple[list[str], list[dict[str, str]]]:
    """A fresh data directory with ``editors`` units, each with a full filing and somebody signed in; ``ready``: validated and
    with a stamped scan, so that it can be submitted.

    Returns the paths of their sheets and their cookies.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    db = Database(f"sqlite:///{data_dir / 'lvce.sqlite3'}")
    migrate(db)
    office_id = db.write(_office)
    cells = full_cells()
    paths, cookies = [], []
    for number in range(editors):
        filing_id, token = db.write(_editor, number, office_id, cells, ready)
        paths.append(f"/filing/{filing_id}")
        cookies.append({"lvce_session": token})
    db.close()
    return paths, cookies


def full_cells() -> tuple[CellEdit, ...]:
    """The complete electronics factory of the demo."""
    filing = tomllib.loads(FULL.read_text(encoding="utf-8"))["filing"][0]
    locked = {"unit_name", "credit_code", "address"}
    return tuple(CellEdit(a, text) for a, text in filing["cells"].items() if a not in locked)


def _office(s: Session) -> int:
    now, today = clock.now(), clock.today()
    office = Organisation(
        kind=OrgKind.AUTHORITY, name="广州市工业和信息化局", region_code="440100", tier=Tier.CITY, created_at=now
    )
    s.add(office)
    s.add(
        Campaign(
            year=YEAR,
            form=Form.FACTORY,
            opens_on=today - timedelta(days=30),
            due_on=today + timedelta(days=30),
            locks_on=today + timedelta(days=60),
        )
    )
    s.add(RosterBatch(form=Form.FACTORY, level=Level.NATIONAL, name="第七批", published_on=today - timedelta(days=700)))
    s.flush()
    assert office.id is not None
    return office.id


def _editor(s: Session, number: int, office_id: int, cells: tuple[CellEdit, ...], ready: bool) -> tuple[int, str]:
    now = clock.now()
    unit_id = filing_kit.listed_unit(
        s,
        f"广州第{number}精工制造有限公司",
        f"9144{number:014d}",
        "440106",
        clock.today() - timedelta(days=700),
        address="科韵路18号",
        superior_city_id=office_id,
        contact="陈立",
        telephone="020-83133361",
        mobile="13370120494",
        email="chenli@example.com",
    )
    user_id = filing_kit.person(s, f"u{number}", "陈立", Role.SIGNER, unit_id)
    token = secrets.token_urlsafe(32)
    s.add(
        SignIn(token_hash=hashlib.sha256(token.encode()).hexdigest(), user_id=user_id, created_at=now, last_seen_at=now)
    )
    actor = sessions.actor_of(s, user_id)
    filing_id = opening.open_filing(s, actor, Form.FACTORY, YEAR)
    desk.edit_cells(s, actor, filing_id, cells, source="import")
    if ready:
        _make_ready(s, actor, filing_id)
    return filing_id, token


def _make_ready(s: Session, actor: Actor, filing_id: int) -> None:
    for finding in desk.open_findings(s, filing_id):  # made-up codes have no check digit
        words = "已逐项核对营业执照和排污许可证，填报数据无误。"
        desk.note_finding(s, actor, filing_id, finding.id, finding.values_hash, finding.keep, words)
    found = desk.validate(s, actor, filing_id)
    assert found.passed, found.messages
    filing_kit.stamp(s, actor, filing_id, s.get_one(Filing, filing_id).validated_digest)
