"""Every address of the application, for every role, over the wire (地址权限); a new one without its line here fails.

The table below is written by hand: who may open what. What carries a number is asked for with a number that is not for these
eyes and with one that is not there: status, headers and words must be the same.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from nicegui import core
from sqlmodel import Session, select

from models import RosterEntry
from models.enums import FileKind, Role
from services.db import Database
from tests import filing_kit
from tests.conftest import World
from tests.ui_kit import Visitor, served, visitor
from ui import act

UNITS = frozenset({Role.FILER, Role.SIGNER})
OFFICES = frozenset({Role.COUNTY, Role.CITY, Role.PROVINCE, Role.GROUP, Role.MINISTRY})
EVERYBODY = frozenset(Role)
ADMIN = frozenset({Role.ADMIN})
RUNNING = frozenset({Role.ADMIN, Role.CITY, Role.PROVINCE, Role.GROUP, Role.MINISTRY})

# Pages and plain addresses for people who are signed in: who gets past the door.
SIGNED_IN: Mapping[str, frozenset[Role]] = {
    "/": EVERYBODY,
    "/help": EVERYBODY,
    "/password": EVERYBODY,
    "/security": EVERYBODY,
    "/filings/{form}": EVERYBODY - ADMIN,
    "/filing/{filing_id}": UNITS,
    "/filing/{filing_id}/history": UNITS | OFFICES,
    "/filing/{filing_id}/review": OFFICES | {Role.EXPERT},
    "/profile": UNITS,
    "/organisations": OFFICES | ADMIN,
    "/organisations/{organisation_id}": OFFICES | ADMIN,
    "/users": OFFICES | ADMIN | {Role.SIGNER},
    "/settings": RUNNING,
    "/policy": RUNNING - {Role.GROUP},
    "/deleted": ADMIN,
    "/permissions": ADMIN,
    "/audit": ADMIN,
    "/upkeep": ADMIN,
    "/roster": OFFICES | ADMIN,
    "/roster/{entry_id}": OFFICES | ADMIN,
    "/roster-import": RUNNING - {Role.GROUP},
    "/files/{file_id}": EVERYBODY,
    "/download/energy-limit-standards": EVERYBODY,
    "/download/water-quota-standards": EVERYBODY,
    "/download/roster/{form}": EVERYBODY,
    "/download/roster-template": EVERYBODY,
    "/download/blank/{filing_id}": EVERYBODY,
    "/download/excel/{filing_id}": EVERYBODY,
    "/download/pdf/{filing_id}": EVERYBODY,
    "/download/changes/{filing_id}": EVERYBODY,
    "/download/opinions/{filing_id}": EVERYBODY,
    "/download/receipt/{filing_id}": EVERYBODY,
    "/download/audit.{ending}": ADMIN,
    "/download/permissions.xlsx": ADMIN,
    "/download/batch/{batch_id}": EVERYBODY,
}
PUBLIC = {
    "/favicon.ico",
    "/login",
    "/register",
    "/reset",
    "/healthz",
    "/reference/industries.json",
    "/auth/login",
    "/auth/code",
    "/auth/reset",
    "/auth/demo",
    "/auth/logout",
    "/auth/renew",
    "/auth/active",
}

As = Callable[[str], Coroutine[Any, Any, Visitor]]
# One person of each role, and what of the small world is nothing to them.
PEOPLE = ("filer", "signer", "county", "city", "province", "group", "ministry", "expert", "admin")
FOREIGN: Mapping[str, Mapping[str, str]] = {  # kind of number → who → whose
    "filing": dict.fromkeys(("filer", "signer", "county", "group", "expert", "admin"), "far") | {"city": "far"},
    "file": dict.fromkeys(("filer", "signer", "county", "group", "expert", "admin", "city"), "far"),
    "organisation": dict.fromkeys(("county", "city", "group"), "far"),
}
NOWHERE = 999_999


@pytest.fixture
async def house(
    sqlite_db: Database, sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[As]:
    """``await house("county")``: a browser of that person, signed in."""
    monkeypatch.setenv("LVCE_DATA_DIR", str(tmp_path))
    found: dict[str, Visitor] = {}
    async with served(sqlite_db, tmp_path), AsyncExitStack() as stack:

        async def signed_in(name: str) -> Visitor:
            if name not in found:
                found[name] = await stack.enter_async_context(visitor())
                await found[name].sign_in(name)
            return found[name]

        yield signed_in


@pytest.fixture
def numbers(sqlite_db: Database, sqlite_world: World) -> dict[tuple[str, str], int]:
    """(kind, unit) → its number: a submitted filing with a file, the organisation, its entry in the list."""

    def fill(s: Session) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for unit, actor in (("factory", sqlite_world.signer), ("far", sqlite_world.far)):
            found["filing", unit] = filing_kit.submitted(s, actor)
            found["file", unit] = filing_kit.store(s, actor, found["filing", unit], FileKind.EVIDENCE)
            found["organisation", unit] = sqlite_world.orgs[unit]
            entry = select(RosterEntry.id).where(RosterEntry.organisation_id == sqlite_world.orgs[unit])
            found["entry", unit] = s.exec(entry).one() or 0
        return found

    return sqlite_db.write(fill)


def filled_in(path: str, numbers: Mapping[tuple[str, str], int], unit: str) -> str:
    """The address with the numbers of this unit."""
    for kind in ("filing", "file", "organisation", "entry"):
        path = path.replace(f"{{{kind}_id}}", str(numbers[kind, unit]))
    return path.replace("{form}", "green_factory").replace("{ending}", "csv").replace("{batch_id}", "x" * 16)


async def test_every_address_has_its_line_in_the_table(house: As) -> None:
    known = {
        str(getattr(route, "path", ""))
        for route in core.app.routes
        if not str(getattr(route, "path", "")).startswith(("/_nicegui", "/static"))
    }
    assert known - {""} == set(SIGNED_IN) | PUBLIC
    assert {path for path, page in act.PAGES.items() if not page.public} | act.GUARDED_ROUTES == set(SIGNED_IN)


async def test_each_role_gets_past_the_doors_that_are_its_own_and_no_others(
    house: As, numbers: dict[tuple[str, str], int], sqlite_world: World
) -> None:
    wrong = []
    for path, roles in SIGNED_IN.items():
        address = filled_in(path, numbers, "factory")
        for name in PEOPLE:
            answer = await (await house(name)).http_client.get(address)
            role = sqlite_world.actors[name].role
            allowed = {200, 404, 403, 409} if "_id}" in path else {200}  # the service decides about the number
            if role in roles and (
                answer.status_code not in allowed or ("不对" in answer.text and "开放" in answer.text)
            ):
                wrong.append(f"{name} {path}: {answer.status_code}")
            if role not in roles and answer.status_code != 403:
                wrong.append(f"{name} {path}: {answer.status_code}, not 403")
    assert wrong == []


async def test_without_a_sign_in_every_door_leads_to_it(house: As, numbers: dict[tuple[str, str], int]) -> None:
    async with visitor() as stranger:
        for path in SIGNED_IN:
            answer = await stranger.http_client.get(filled_in(path, numbers, "factory"))
            assert (answer.status_code, answer.headers["location"][:12]) == (303, "/login?next="), path
            assert answer.text == "", path


async def test_what_is_not_for_these_eyes_answers_like_what_is_not_there(
    house: As, numbers: dict[tuple[str, str], int]
) -> None:
    asked = 0
    for path in SIGNED_IN:
        kind = next((kind for kind in FOREIGN if f"{{{kind}_id}}" in path), "")
        for name, unit in FOREIGN.get(kind, {}).items():
            guest = await house(name)
            foreign, nowhere = numbers[kind, unit], NOWHERE
            answers = [
                await guest.http_client.get(path.replace(f"{{{kind}_id}}", str(number)))
                for number in (foreign, nowhere)
            ]
            said = [(a.status_code, plain(a.text), plain(str(sorted(a.headers.items())))) for a in answers]
            assert said[0] == said[1], (name, path)
            assert said[0][0] in (403, 404), (name, path)
            asked += 1
    assert asked > 60


async def test_a_version_of_somebody_elses_filing_answers_like_none(
    house: As, numbers: dict[tuple[str, str], int]
) -> None:
    own = f"/download/pdf/{numbers['filing', 'factory']}?version="
    guest = await house("signer")
    answers = [await guest.http_client.get(own + version) for version in ("2", "999999")]
    assert [a.status_code for a in answers] == [404, 404]  # 2 is the one of ``far``
    assert plain(answers[0].text) == plain(answers[1].text)


def plain(text: str) -> str:
    """Without what is new in every answer: the mark of our scripts, lengths and dates."""
    return re.sub(r"nonce[=-]\"?[\w-]+|'date', '[^']*'|\d{2}:\d{2}:\d{2}", "", text)
