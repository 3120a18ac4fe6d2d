"""Who may do what, and who sees what: one decision, one table, one scope."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlmodel import Session, SQLModel, col, select

from models import Filing, Organisation, Region
from models.enums import Action, FilingStatus, Role, StepStatus
from services import clock, permissions
from services.actors import Actor
from services.db import Database
from services.errors import Forbidden, NotFound
from services.permissions import MATRIX, POWERS, Place, Power, Subject
from services.reviews import decisions, opinions
from services.workflow.facts import Relation
from tests import filing_kit
from tests.conftest import SPRING, World, build_world

EVERYBODY = (
    "filer", "signer", "other", "far", "subsidiary", "shenzhen", "county", "city", "far_city", "province", "group", "ministry",
    "expert", "admin",
)  # fmt: skip


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The small world without its database: who is who is all that these tests ask."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('people') / 'test.sqlite3'}")
    SQLModel.metadata.create_all(database.engine)
    with clock.frozen(SPRING):
        built = database.write(build_world)
    database.close()
    return built


def subject(world: World, **changes: object) -> Subject:
    """A filing of ``factory`` under review by the city."""
    orgs = world.orgs
    route = (
        (orgs["county"], StepStatus.FORWARDED),
        (orgs["city"], StepStatus.REVIEWING),
        (orgs["province"], StepStatus.WAITING),
        (orgs["ministry"], StepStatus.WAITING),
    )
    base = Subject(
        orgs["factory"],
        "440106",
        None,
        FilingStatus.REVIEW,
        authority_id=orgs["city"],
        route=route,
        experts=frozenset(),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_each_person_stands_in_one_relation_to_a_filing(people: World) -> None:
    expected = {
        "filer": Relation.OWN,
        "signer": Relation.OWN,
        "county": Relation.PAST,
        "city": Relation.HANDLING,
        "province": Relation.UPCOMING,
        "ministry": Relation.UPCOMING,
    }
    target = subject(people)
    for name in EVERYBODY:
        assert permissions.relation(people.actors[name], target) is expected.get(name, Relation.NONE), name


def test_an_office_above_that_is_not_on_the_route_sees_its_region(people: World) -> None:
    target = subject(people, route=((people.orgs["county"], StepStatus.REVIEWING),), authority_id=people.orgs["county"])
    assert permissions.relation(people.city, target) is Relation.REGION
    assert permissions.relation(people.far_city, target) is Relation.NONE


def test_a_group_sees_its_subsidiaries_and_nobody_elses(people: World) -> None:
    own = subject(people, group_id=people.orgs["group"], route=(), authority_id=None)
    assert permissions.relation(people.group, own) is Relation.REGION
    assert permissions.relation(people.group, subject(people)) is Relation.NONE


def test_an_office_outside_the_region_sees_what_lies_on_its_desk_and_what_it_decided(people: World) -> None:
    wrong = subject(people, authority_id=people.orgs["far_city"])
    assert permissions.relation(people.far_city, wrong) is Relation.HANDLING
    elsewhere = replace(wrong, authority_id=people.orgs["city"])
    assert permissions.relation(people.far_city, elsewhere) is Relation.NONE
    for status, seen in (
        (StepStatus.WAITING, Relation.NONE),
        (StepStatus.FORWARDED, Relation.PAST),
        (StepStatus.RETURNED, Relation.PAST),
    ):
        route = ((people.orgs["far_city"], status), (people.orgs["province"], StepStatus.REVIEWING))
        assert permissions.relation(people.far_city, replace(elsewhere, route=route)) is seen
        withdrawn = replace(elsewhere, route=route, status=FilingStatus.DRAFT, authority_id=None)
        assert permissions.relation(people.far_city, withdrawn) is Relation.NONE


def test_an_expert_sees_what_was_assigned(people: World) -> None:
    mine = subject(people, experts=frozenset({people.expert.user_id}))
    assert permissions.relation(people.expert, mine) is Relation.ASSIGNED
    assert permissions.relation(people.expert, subject(people)) is Relation.NONE


def test_a_deleted_filing_is_nobodys(people: World) -> None:
    for name in EVERYBODY:
        assert permissions.relation(people.actors[name], subject(people, deleted=True)) is Relation.NONE


def test_before_it_is_submitted_no_office_is_on_its_route(people: World) -> None:
    draft = subject(people, status=FilingStatus.DRAFT, authority_id=None)
    assert permissions.relation(people.county, draft) is Relation.REGION


@pytest.mark.parametrize("action", list(Action), ids=lambda a: a.value)
def test_the_decision_is_the_matrix_and_nothing_else(people: World, action: Action) -> None:
    """Every role in every relation that it can stand in."""
    targets = {
        Relation.OWN: subject(people),
        Relation.HANDLING: subject(people),
        Relation.ASSIGNED: subject(people, experts=frozenset({people.expert.user_id})),
        Relation.NONE: subject(people, organisation_id=0, region_code="110101"),
        Relation.REGION: subject(people, route=(), authority_id=None),
    }
    for name in EVERYBODY:
        for target in targets.values():
            actor = people.actors[name]
            relation = permissions.relation(actor, target)
            expected = relation in MATRIX[action].get(actor.role, frozenset())
            assert permissions.allowed(actor, action, target) is expected, (name, relation)


def test_what_one_may_not_see_does_not_exist(people: World) -> None:
    with pytest.raises(NotFound, match="没有找到这项内容"):
        permissions.authorize(people.far_city, Action.VIEW, subject(people))
    with pytest.raises(NotFound):
        permissions.authorize(people.other, Action.EDIT, subject(people))
    with pytest.raises(NotFound):
        permissions.authorize(people.admin, Action.VIEW, subject(people))


def test_what_one_sees_but_may_not_do_is_said_so(people: World) -> None:
    with pytest.raises(Forbidden, match="您的角色（县/区主管部门）不能编辑动态管理表。"):
        permissions.authorize(people.county, Action.EDIT, subject(people))
    with pytest.raises(Forbidden, match="现在不在本级审核"):
        permissions.authorize(people.province, Action.FORWARD, subject(people))


def test_a_missing_filing_and_a_hidden_one_answer_alike(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.other)
    said = set()
    for wanted in (filing_id, filing_id + 1000):
        with pytest.raises(NotFound) as refused:
            db.read(permissions.load, world.signer, Action.VIEW, wanted)
        said.add(refused.value.message)
    assert len(said) == 1


def test_what_nobody_has_thought_of_is_not_allowed(people: World) -> None:
    assert not permissions.allowed(people.ministry, "publish", subject(people))  # type: ignore[arg-type]
    assert not permissions.allowed(people.ministry, Action.VIEW)
    assert not permissions.allowed(
        replace(people.city, region_code=""), Action.VIEW, subject(people, authority_id=None)
    )


def fill(s: Session, world: World) -> dict[str, int]:
    """Five filings in the five places, one deleted, one with an expert."""
    found = {
        "factory": filing_kit.submitted(s, world.signer),
        "other": filing_kit.draft(s, world.other),
        "far": filing_kit.submitted(s, world.far),
        "subsidiary": filing_kit.submitted(s, world.subsidiary),
        "shenzhen": filing_kit.submitted(s, world.shenzhen),
        "last_year": filing_kit.draft(s, world.signer, year=2024),
    }
    gone = s.get_one(Filing, found["last_year"])
    gone.deleted_at = gone.created_at
    s.add(gone)
    filing_kit.pass_up(s, found["factory"], world.county)
    decisions.transfer(s, world.far_city, found["far"], world.orgs["city"], "该单位由广州市管理。")
    filing_kit.pass_up(s, found["far"], world.city)
    opinions.assign_experts(s, world.city, found["factory"], [world.expert.user_id])
    return found


def test_everybody_sees_exactly_what_the_relation_allows(db: Database, world: World) -> None:
    """``visible`` in SQL and ``relation`` in Python are two ways to say the same."""
    filings = db.write(fill, world)
    expected = {
        "filer": {"factory"},
        "signer": {"factory"},
        "other": {"other"},
        "far": {"far"},
        "subsidiary": {"subsidiary"},
        "shenzhen": {"shenzhen"},
        "county": {"factory", "other"},
        "city": {"factory", "other", "subsidiary", "far"},
        "far_city": {"far"},
        "province": {"factory", "other", "far", "subsidiary", "shenzhen"},
        "group": {"subsidiary"},
        "ministry": {"factory", "other", "far", "subsidiary", "shenzhen"},
        "expert": {"factory"},
        "admin": {"last_year"},
    }

    def seen(s: Session, actor: Actor) -> tuple[set[int], set[int]]:
        by_sql = {f.id or 0 for f in s.execute(permissions.visible(select(Filing), actor)).scalars()}
        every = s.execute(select(Filing)).scalars().all()
        by_relation = {
            f.id or 0
            for f in every
            if permissions.relation(actor, permissions.as_subject(f, actor)) is not Relation.NONE
        }
        return by_sql, by_relation

    for name in EVERYBODY:
        by_sql, by_relation = db.read(seen, world.actors[name])
        assert by_sql == {filings[key] for key in expected[name]}, name
        assert by_relation == (set() if name == "admin" else by_sql), name


@pytest.mark.parametrize(
    ("office", "inside", "outside"),
    [
        ("440000", ["440000", "440106", "441900003"], ["450102", "430102", "110101"]),
        ("440900", ["440900", "440902", "440981"], ["441000", "440802"]),
        ("441900", ["441900", "441900003"], ["442000001", "441802"]),
        ("440106", ["440106", "440106001"], ["440107", "440105"]),
    ],
)
def test_a_region_is_its_subtree_in_sql_as_in_python(
    db: Database, office: str, inside: list[str], outside: list[str]
) -> None:
    def fill(s: Session) -> None:
        s.add_all(Region(code=code, name=code, level=1) for code in inside + outside)

    db.write(fill)
    found = db.read(
        lambda s: s.execute(select(Region.code).where(permissions.in_region(col(Region.code), office))).scalars().all()
    )
    assert sorted(found) == sorted(inside)


def test_every_power_belongs_to_somebody() -> None:
    assert set(POWERS) == set(Power)
    assert all(POWERS[power] for power in Power)


@pytest.mark.parametrize(
    ("name", "power", "place", "may"),
    [
        ("admin", Power.MANAGE_USERS, "far", True),
        ("county", Power.MANAGE_USERS, "factory", False),
        ("county", Power.MANAGE_USERS, "county", True),
        ("filer", Power.MANAGE_USERS, "factory", False),
        ("county", Power.CONFIRM_UNITS, "factory", True),
        ("county", Power.CONFIRM_UNITS, "far", False),
        ("far_city", Power.CONFIRM_UNITS, "far", True),
        ("group", Power.NUDGE, "subsidiary", True),
        ("group", Power.NUDGE, "factory", False),
        ("county", Power.EXTEND, "factory", False),
        ("city", Power.EXTEND, "factory", True),
        ("signer", Power.EDIT_PROFILE, "factory", True),
        ("signer", Power.EDIT_PROFILE, "other", False),
        ("city", Power.STATISTICS, "city", True),
        ("filer", Power.STATISTICS, "factory", False),
    ],
)
def test_a_power_reaches_as_far_as_the_region(
    sqlite_db: Database, sqlite_world: World, name: str, power: Power, place: str, may: bool
) -> None:
    def reach(s: Session) -> Place:
        org = s.get_one(Organisation, sqlite_world.orgs[place])
        return Place(org.id, org.region_code, org.group_id)

    assert permissions.allowed(sqlite_world.actors[name], power, sqlite_db.read(reach)) is may


def test_only_the_administrator_reads_the_log_and_sees_no_figures(people: World) -> None:
    for name in EVERYBODY:
        assert permissions.allowed(people.actors[name], Power.READ_AUDIT) is (name == "admin")
    assert not any(Role.ADMIN in who for action, who in MATRIX.items() if action is not Action.RESTORE)
