"""Every cell of the permission table at the service (权限表逐格): role × action × status × relation, by the real use cases.

The filings are brought into every status and onto every desk by the use cases themselves; who stands how to each of them is
written down here by hand. Then everybody tries everything. What the table allows must work, unless a condition listed here
stands in the way; what it does not allow must be refused, and what one may not see must answer like what is not there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, select

from models import Filing, FilingVersion, Organisation, Question, User
from models.enums import Action, Adjustment, FileKind, FilingStatus, Form, Grade, OrgKind, Role, Tier
from services import clock, permissions
from services.actors import Actor
from services.db import Database
from services.documents import scan
from services.documents.codes import PageCode
from services.documents.scan import PageRead, ScanResult
from services.errors import Conflict, Forbidden, NotFound, Refusal
from services.filings import desk, files, moves, opening, sheets, snapshots, stamps, versions
from services.filings.files import Placed
from services.filings.views import CellEdit
from services.reviews import decisions, guides, opinions, questions
from services.reviews import desk as reviews
from services.workflow import transitions
from services.workflow.facts import Relation
from tests import filing_kit
from tests.conftest import SPRING, World, build_world

OWN, HANDLING, PAST, UPCOMING, REGION, ASSIGNED = (
    Relation.OWN, Relation.HANDLING, Relation.PAST, Relation.UPCOMING, Relation.REGION, Relation.ASSIGNED,
)  # fmt: skip
DRAFT, REVIEW, RETURNED, DONE = FilingStatus.DRAFT, FilingStatus.REVIEW, FilingStatus.RETURNED, FilingStatus.DONE
NOWHERE = 10**9


@dataclass(frozen=True)
class Situation:
    """A filing somewhere on its way, and how everybody stands to it; who is not named has nothing to do with it."""

    build: Callable[[Session, World], int]
    status: FilingStatus
    relations: Mapping[str, Relation]
    deleted: bool = False


# --- ways -------------------------------------------------------------------------------------------------------------


def at_county(s: Session, w: World) -> int:
    return filing_kit.submitted(s, w.signer)


def at_city(s: Session, w: World) -> int:
    """With an expert and the letter that the city needs to pass it on."""
    found = at_county(s, w)
    filing_kit.pass_up(s, found, w.county)
    opinions.assign_experts(s, w.city, found, [w.expert.user_id])
    opinions.attach_letter(s, w.city, found, filing_kit.store(s, w.city, found, FileKind.LETTER))
    return found


def at_province(s: Session, w: World) -> int:
    found = at_city(s, w)
    filing_kit.pass_up(s, found, w.city)
    return found


def at_ministry(s: Session, w: World) -> int:
    found = at_province(s, w)
    filing_kit.pass_up(s, found, w.province)
    return found


def done(s: Session, w: World) -> int:
    found = at_ministry(s, w)
    filing_kit.pass_up(s, found, w.ministry)
    return found


def answered(s: Session, unit: Actor, found: int) -> int:
    """Sent back, answered, changed and validated again: ready to go up once more."""
    for question in s.exec(select(Question).where(Question.filing_id == found)).all():
        questions.answer(s, unit, question.id or 0, "已核对。")
    filing_kit.change(s, unit, found, "energy_total:2024", "9301")
    filing_kit.make_ready(s, unit, found)
    return found


def back_from_county(s: Session, w: World) -> int:
    found = at_county(s, w)
    filing_kit.sent_back(s, found, w.county)
    return answered(s, w.signer, found)


def back_from_city(s: Session, w: World) -> int:
    found = at_city(s, w)
    filing_kit.sent_back(s, found, w.city)
    return answered(s, w.signer, found)


def back_from_ministry(s: Session, w: World) -> int:
    found = at_ministry(s, w)
    filing_kit.sent_back(s, found, w.ministry)
    return answered(s, w.signer, found)


def withdrawn(s: Session, w: World) -> int:
    found = at_county(s, w)
    moves.withdraw(s, w.signer, found)
    return found


def deleted(s: Session, w: World) -> int:
    found = filing_kit.draft(s, w.signer)
    moves.delete(s, w.signer, found, "删除")
    return found


def astray(s: Session, w: World) -> int:
    """Transferred to a city where the unit does not lie."""
    found = at_county(s, w)
    filing_kit.pass_up(s, found, w.county)
    decisions.transfer(s, w.city, found, w.orgs["far_city"], "该单位由佛山市管理。")
    opinions.attach_letter(s, w.far_city, found, filing_kit.store(s, w.far_city, found, FileKind.LETTER))
    return found


def at_group(s: Session, w: World) -> int:
    return filing_kit.submitted(s, w.subsidiary)


def back_from_group(s: Session, w: World) -> int:
    found = at_group(s, w)
    filing_kit.sent_back(s, found, w.group)
    return answered(s, w.subsidiary, found)


def past_group(s: Session, w: World) -> int:
    found = at_group(s, w)
    filing_kit.pass_up(s, found, w.group)
    return found


def done_for_group(s: Session, w: World) -> int:
    found = past_group(s, w)
    filing_kit.pass_up(s, found, w.ministry)
    return found


UNIT = {"filer": OWN, "signer": OWN}
ABOVE = {"county": REGION, "city": REGION, "province": REGION, "ministry": REGION}
SUBSIDIARY = {"subsidiary": OWN, "city": REGION, "province": REGION}

SITUATIONS: Mapping[str, Situation] = {
    "draft": Situation(lambda s, w: filing_kit.draft(s, w.signer), DRAFT, UNIT | ABOVE),
    "withdrawn": Situation(withdrawn, DRAFT, UNIT | ABOVE),
    "at_county": Situation(
        at_county, REVIEW, UNIT | {"county": HANDLING, "city": UPCOMING, "province": UPCOMING, "ministry": UPCOMING}
    ),
    "at_city": Situation(
        at_city,
        REVIEW,
        UNIT | {"county": PAST, "city": HANDLING, "province": UPCOMING, "ministry": UPCOMING, "expert": ASSIGNED},
    ),
    "at_province": Situation(
        at_province,
        REVIEW,
        UNIT | {"county": PAST, "city": PAST, "province": HANDLING, "ministry": UPCOMING, "expert": ASSIGNED},
    ),
    "at_ministry": Situation(
        at_ministry,
        REVIEW,
        UNIT | {"county": PAST, "city": PAST, "province": PAST, "ministry": HANDLING, "expert": ASSIGNED},
    ),
    "astray": Situation(
        astray,
        REVIEW,
        UNIT | {"county": PAST, "city": REGION, "far_city": HANDLING, "province": UPCOMING, "ministry": UPCOMING},
    ),
    "back_from_county": Situation(
        back_from_county,
        RETURNED,
        UNIT | {"county": PAST, "city": UPCOMING, "province": UPCOMING, "ministry": UPCOMING},
    ),
    "back_from_city": Situation(
        back_from_city,
        RETURNED,
        UNIT | {"county": PAST, "city": PAST, "province": UPCOMING, "ministry": UPCOMING, "expert": ASSIGNED},
    ),
    "back_from_ministry": Situation(
        back_from_ministry,
        RETURNED,
        UNIT | {"county": PAST, "city": PAST, "province": PAST, "ministry": PAST, "expert": ASSIGNED},
    ),
    "done": Situation(
        done, DONE, UNIT | {"county": PAST, "city": PAST, "province": PAST, "ministry": PAST, "expert": ASSIGNED}
    ),
    "deleted": Situation(deleted, DRAFT, {}, deleted=True),
    "group_draft": Situation(
        lambda s, w: filing_kit.draft(s, w.subsidiary), DRAFT, SUBSIDIARY | {"group": REGION, "ministry": REGION}
    ),
    "at_group": Situation(at_group, REVIEW, SUBSIDIARY | {"group": HANDLING, "ministry": UPCOMING}),
    "back_from_group": Situation(back_from_group, RETURNED, SUBSIDIARY | {"group": PAST, "ministry": UPCOMING}),
    "past_group": Situation(past_group, REVIEW, SUBSIDIARY | {"group": PAST, "ministry": HANDLING}),
    "done_for_group": Situation(done_for_group, DONE, SUBSIDIARY | {"group": PAST, "ministry": PAST}),
}
NEVER_SUBMITTED = {"draft", "group_draft", "deleted"}  # so nobody could ask anything
LAST = {"at_ministry", "past_group"}  # the tier under review is the last

# Allowed by the table, and yet a condition stands in the way here: who → its words.
HINDERED: Mapping[tuple[str, Action], Mapping[str, str]] = {
    ("draft", Action.SUBMIT): {"filer": "负责人"},
    ("withdrawn", Action.SUBMIT): {"filer": "负责人"},
    ("back_from_county", Action.RESUBMIT): {"filer": "负责人"},
    ("back_from_city", Action.RESUBMIT): {"filer": "负责人"},
    ("back_from_ministry", Action.RESUBMIT): {"filer": "负责人"},
    **{
        (place, Action.WITHDRAW): {"filer": "不能再取消上报", "signer": "不能再取消上报"}
        for place in ("at_city", "at_province", "at_ministry", "astray")
    },
    ("past_group", Action.WITHDRAW): {"subsidiary": "不能再取消上报"},
    ("at_province", Action.RECALL): {"county": "不能收回"},
    ("at_ministry", Action.RECALL): {"county": "不能收回", "city": "不能收回"},
    ("at_province", Action.EXPERT_OPINION): {"expert": "已经办结"},
    ("at_ministry", Action.EXPERT_OPINION): {"expert": "已经办结"},
}


# --- what they try ----------------------------------------------------------------------------------------------------


def look(s: Session, actor: Actor, filing_id: int) -> None:
    """Everything that shows a filing: all of it, or none."""
    ways: list[Callable[[], object]] = [
        lambda: sheets.head(s, actor, filing_id),
        lambda: sheets.sheet(s, actor, filing_id),
        lambda: versions.list_versions(s, actor, filing_id),
        lambda: versions.changes(s, actor, filing_id),
        lambda: versions.year_on_year(s, actor, filing_id),
        lambda: files.listing(s, actor, filing_id),
        lambda: reviews.timeline(s, actor, filing_id),
    ]
    if not actor.is_unit:
        ways.append(lambda: reviews.review(s, actor, filing_id))
    found = [outcome(way) for way in ways]
    assert len({type(one) for one in found}) == 1, found
    if found[0] is not None:
        raise found[0]


def asked(s: Session, actor: Actor, filing_id: int, tier: Tier) -> int:
    """A question that the unit has been asked by this tier, if there is a version to ask about."""
    version = s.exec(select(FilingVersion.id).where(FilingVersion.filing_id == filing_id)).first()
    if version is None:
        return NOWHERE
    question = Question(
        filing_id=filing_id,
        version_id=version,
        tier=tier,
        authority_id=actor.organisation_id,
        authority_name=actor.organisation_name,
        text="请核实。",
        published=True,
        asked_by_id=actor.user_id,
        asked_by_name=actor.name,
        asked_at=clock.now(),
    )
    s.add(question)
    s.flush()
    return question.id or 0


def stamp(s: Session, actor: Actor, filing_id: int) -> None:
    filing = s.get(Filing, filing_id)
    code = PageCode(filing.number, filing.version_no + 1, filing.validated_digest[:16], 1, 1) if filing else None
    read = ScanResult(scan.PDF, (PageRead(1, (code,) if code else (), colour=True, seal=True),))
    stamps.bind(s, actor, filing_id, stamps.StampCheck("", False, (), "", read, PLACED))


def another_office(s: Session, actor: Actor, filing_id: int) -> None:
    filing = s.get(Filing, filing_id)
    place = Organisation(
        kind=OrgKind.AUTHORITY,
        name="别处的主管部门",
        region_code="350000",
        tier=filing.current_tier if filing else Tier.CITY,
        created_at=clock.now(),
    )
    s.add(place)
    s.flush()
    decisions.transfer(s, actor, filing_id, place.id or 0, "上报的主管部门不对。")


def another_expert(s: Session, actor: Actor, filing_id: int) -> None:
    person = User(
        username="expert2",
        password_hash="-",
        name="丁若昀",
        role=Role.EXPERT,
        organisation_id=1,
        created_at=clock.now(),
    )
    s.add(person)
    s.flush()
    opinions.assign_experts(s, actor, filing_id, [person.id or 0])


PLACED = Placed("f" * 32, "证明.pdf", scan.PDF, 1, "0" * 64, 1)
ITEM = guides.checklist(Form.FACTORY, 2025)[0].items[0].key
Try = Callable[[Session, Actor, int], object]
TRIES: Mapping[Action, Try] = {
    Action.EDIT: lambda s, a, f: desk.edit_cells(s, a, f, [CellEdit("gross_output:2024", "53801")]),
    Action.VIEW: look,
    Action.SAVE_DRAFT: desk.save_draft,
    Action.VALIDATE: desk.validate,
    Action.EXPORT_PDF: snapshots.snapshot,
    Action.EXPORT_EXCEL: lambda s, a, f: snapshots.snapshot(s, a, f, action=Action.EXPORT_EXCEL),
    Action.STAMP: stamp,
    Action.SUBMIT: moves.submit,
    Action.RESUBMIT: moves.submit,
    Action.WITHDRAW: moves.withdraw,
    Action.DELETE: lambda s, a, f: moves.delete(s, a, f, "删除"),
    Action.RESTORE: moves.restore,
    Action.ATTACH: lambda s, a, f: files.store(s, a, f, FileKind.EVIDENCE, "证明.pdf", PLACED),
    Action.ANSWER: lambda s, a, f: questions.answer(s, a, asked(s, a, f, Tier.COUNTY), "已核对。"),
    Action.ASK: lambda s, a, f: questions.ask(s, a, f, "", "请核实。"),
    Action.CLOSE_QUESTION: lambda s, a, f: questions.close(s, a, asked(s, a, f, a.tier or Tier.COUNTY)),
    Action.SEND_BACK: lambda s, a, f: decisions.send_back(s, a, f, "请核实。", new_questions=[("", "请核实。")]),
    Action.FORWARD: lambda s, a, f: decisions.forward(s, a, f, "同意。"),
    Action.APPROVE: lambda s, a, f: decisions.approve(s, a, f, "同意。"),
    Action.RECALL: decisions.recall,
    Action.TRANSFER: another_office,
    Action.LETTER: lambda s, a, f: opinions.attach_letter(s, a, f, None),
    Action.CHECK: lambda s, a, f: opinions.mark(s, a, f, ITEM, True),
    Action.ASSIGN_EXPERT: another_expert,
    Action.EXPERT_OPINION: lambda s, a, f: opinions.submit_opinion(s, a, f, "同意。", Grade.B),
    Action.ASSESS: lambda s, a, f: opinions.record_assessment(
        s, a, f, visited_on=clock.today(), people="郑国华", conclusion="一致。"
    ),
    Action.ADJUST: lambda s, a, f: opinions.record_adjustment(s, a, f, Adjustment.KEEP, ["18-keep"]),
}
ON_A_ROW = {Action.ANSWER, Action.CLOSE_QUESTION}  # these name a question, which an unknown filing has none of


def outcome(act: Callable[[], object]) -> Refusal | None:
    """None: it worked."""
    try:
        act()
    except Refusal as refusal:
        return refusal
    return None


def tried(s: Session, act: Try, actor: Actor, filing_id: int) -> Refusal | None:
    """The same, and nothing of it stays."""
    nested = s.begin_nested()
    try:
        return outcome(lambda: act(s, actor, filing_id))
    finally:
        nested.rollback()
        s.expire_all()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, sqlite_original: Path) -> Iterator[tuple[Database, World]]:
    path = tmp_path_factory.mktemp("cells") / "test.sqlite3"
    path.write_bytes(sqlite_original.read_bytes())
    database = Database(f"sqlite:///{path}")
    with clock.frozen(SPRING):
        yield database, database.write(build_world)
    database.close()


@contextmanager
def standing(small: tuple[Database, World], situation: Situation) -> Iterator[tuple[Session, World, int]]:
    """One situation in a transaction that is taken back."""
    database, world = small
    with database.engine.connect() as connection, connection.begin() as transaction:
        with Session(connection, join_transaction_mode="create_savepoint") as s:
            filing_id = situation.build(s, world)
            with clock.frozen(SPRING + timedelta(hours=1)):
                yield s, world, filing_id
        transaction.rollback()


@pytest.mark.parametrize("name", SITUATIONS)
def test_everybody_tries_everything(small: tuple[Database, World], name: str) -> None:
    situation = SITUATIONS[name]
    wrong: list[str] = []
    with standing(small, situation) as (s, world, filing_id):
        for (who, actor), (action, act) in ((p, t) for p in world.actors.items() for t in TRIES.items()):
            relation = situation.relations.get(who, Relation.NONE)
            assert (
                permissions.relation(actor, permissions.as_subject(s.get_one(Filing, filing_id), actor)) is relation
            ), who
            expected = expectation(name, situation, who, actor, action, relation)
            if expected in ("gone", "refused") and met_before(world, name, who):
                continue
            said = tried(s, act, actor, filing_id)
            if expected:
                wrong += [f"{who} {action}: {expected}, not {said!r}"] * (not fits(said, expected))
            if not isinstance(said, NotFound) or action in ON_A_ROW:
                continue
            if situation.deleted and actor.organisation_id == world.orgs["factory"]:
                if "删除，不能再查看或办理" not in said.message:  # its own people may know what became of it
                    wrong.append(f"{who} {action}: not told that it was deleted: {said!r}")
            else:
                unknown = tried(s, act, actor, NOWHERE)
                if type(unknown) is not NotFound or unknown.message != said.message:
                    wrong.append(f"{who} {action}: unlike an unknown filing: {unknown!r}")
    assert wrong == []


def met_before(world: World, name: str, who: str) -> bool:
    """Whether somebody of the same role stood like this to a filing in the same status in an earlier situation."""

    def cells(place: str, person: str) -> tuple[object, ...]:
        there = SITUATIONS[place]
        return world.actors[person].role, there.relations.get(person, Relation.NONE), there.status, there.deleted

    earlier = itertools.takewhile(lambda place: place != name, SITUATIONS)
    return any(cells(place, person) == cells(name, who) for place in earlier for person in world.actors)


def expectation(name: str, situation: Situation, who: str, actor: Actor, action: Action, relation: Relation) -> str:
    """ "works", "gone" (as if it were not there), "refused", or the words of the condition; "" where it does not matter."""
    if action in (Action.SUBMIT, Action.RESUBMIT):
        if relation is OWN and situation.status is REVIEW:
            return ""  # a second click gives the first one's receipt, see test_reviews_decisions
        action = Action.RESUBMIT if situation.status is RETURNED else Action.SUBMIT
    if action in ON_A_ROW and name in NEVER_SUBMITTED:
        return ""
    if not transitions.permitted(action, actor.role, relation, situation.status, deleted=situation.deleted):
        if action is Action.RESTORE and actor.role is Role.ADMIN:
            return "refused"  # not deleted: said so to who may restore
        return "gone" if relation is Relation.NONE else "refused"
    if action in (Action.FORWARD, Action.APPROVE) and (action is Action.APPROVE) != (name in LAST):
        return "refused"
    return HINDERED.get((name, action), {}).get(who, "works")


def fits(said: Refusal | None, expected: str) -> bool:
    match expected:
        case "works":
            return said is None
        case "gone":
            return isinstance(said, NotFound)
        case "refused":
            return isinstance(said, Conflict | Forbidden)
        case _:
            return isinstance(said, Conflict) and expected in said.message


def test_everybody_tries_to_open_a_filing(small: tuple[Database, World]) -> None:
    nothing = Situation(lambda s, w: 0, DRAFT, {})
    with standing(small, nothing) as (s, world, _):
        for actor in world.actors.values():
            said = tried(s, lambda s, a, f: opening.open_filing(s, a, Form.FACTORY, 2025), actor, 0)
            may = transitions.permitted(Action.OPEN, actor.role, OWN, None, deleted=False)
            assert (said is None) is may, actor.username
            assert may or isinstance(said, Forbidden)


def test_no_action_is_left_out() -> None:
    assert set(TRIES) | {Action.OPEN} == set(Action)


def test_every_role_is_met_in_every_relation_and_status_that_the_table_speaks_of(
    small: tuple[Database, World],
) -> None:
    """So that the table has no cell which the situations do not reach."""
    _, world = small
    met = {
        (world.actors[who].role, relation, situation.status)
        for situation in SITUATIONS.values()
        for who, relation in situation.relations.items()
    }
    spoken_of = {
        (role, relation, status)
        for row in transitions.TABLE
        for role, relations in row.who.items()
        for relation in relations
        for status in row.sources
        if status is not None and relation is not Relation.NONE
    }
    assert {cell for cell in spoken_of - met if possible(*cell)} == set()


def possible(role: Role, relation: Relation, status: FilingStatus) -> bool:
    """Not every combination can come about."""
    if relation is UPCOMING and status is DONE:
        return False
    if relation is HANDLING:
        return status is REVIEW
    if role is Role.GROUP:
        return (relation is REGION and status is DRAFT) or relation is PAST  # the group is the first tier of its route
    if role is Role.MINISTRY:
        return not (relation is REGION and status is not DRAFT) and not (relation is PAST and status is REVIEW)
    if role is Role.COUNTY:
        return not (relation is REGION and status is not DRAFT) and relation is not UPCOMING
    return True
