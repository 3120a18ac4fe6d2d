"""Two people at once: exactly one wins, the other is told what happened. In threads, and in two processes on one database."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from sqlmodel import Session, select

from models import Cell, Filing, FilingVersion
from models.enums import Action, FilingStatus
from services import audit, events
from services.db import Database
from services.errors import Conflict
from services.filings import desk, moves
from services.filings.views import CellEdit, SheetPatch
from services.reviews import decisions, questions
from tests import filing_kit
from tests.conftest import World
from tests.faults import sound
from tests.faults.rivals import WAYS, Rivals, refusals
from tests.faults.sound import moves_in_log

SHORT = 3  # rounds of each race, each way, on each database
CELL = "gross_output:2024"


@pytest.fixture(params=sorted(WAYS))
def at_once(request: pytest.FixtureRequest, db: Database, world: World) -> Iterator[Rivals]:
    db.write(audit.record, None, "create_admin", "user", world.admin.user_id)
    with WAYS[request.param](db) as found:
        yield found


@pytest.fixture
def rounds(long: bool) -> int:
    return 100 if long else SHORT


def again(db: Database, filing_id: int) -> None:
    """Make room for the next round: the filing is gone, as an administrator's script might do it."""
    sound.check(db)
    db.write(_vacate, filing_id)


def _vacate(s: Session, filing_id: int) -> None:
    """One filing a year and unit: this one becomes another year's."""
    filing = s.get_one(Filing, filing_id)
    filing.year = 1000 + filing_id
    s.add(filing)


@pytest.mark.slow
def test_withdraw_against_forward(db: Database, world: World, at_once: Rivals, rounds: int) -> None:
    won = {"withdraw": 0, "forward": 0}
    for turn in range(rounds):
        filing_id = db.write(filing_kit.submitted, world.signer, number=f"GF-{turn}")
        orders = [(moves.withdraw, world.signer, filing_id), (decisions.forward, world.county, filing_id, "同意")]
        (said,) = refusals(at_once(orders if turn % 2 else orders[::-1]))
        if db.read(filing_kit.status, filing_id) is FilingStatus.DRAFT:
            winner = "withdraw"
            assert "申报单位已取消上报" in said
            assert "黄启明" in said
        else:
            winner = "forward"
            assert "天河区科技工业和信息化局（吴倩）已于2025年3月20日 10:00审核通过并上报，不能再取消上报" in said
        assert db.read(moves_in_log, filing_id) == ["submit", winner]
        won[winner] += 1
        again(db, filing_id)
    print(won)


@pytest.mark.slow
def test_ten_submits_at_once_make_one_version(db: Database, world: World, at_once: Rivals, rounds: int) -> None:
    for turn in range(max(1, rounds // 10)):
        filing_id = db.write(filing_kit.draft, world.signer, number=f"GF-{turn}")
        receipts = at_once([(moves.submit, world.signer, filing_id)] * 10)
        assert len(set(receipts)) == 1
        assert refusals(receipts) == []
        assert db.read(moves_in_log, filing_id) == ["submit"]
        again(db, filing_id)


@pytest.mark.slow
def test_send_back_against_recall(db: Database, world: World, at_once: Rivals, rounds: int) -> None:
    back = functools.partial(decisions.send_back, new_questions=[("", "请核实")])
    for turn in range(rounds):
        filing_id = db.write(filing_kit.submitted, world.signer, number=f"GF-{turn}")
        db.write(filing_kit.pass_up, filing_id, world.county)
        orders = [(back, world.city, filing_id, "核实"), (decisions.recall, world.county, filing_id)]
        (said,) = refusals(at_once(orders if turn % 2 else orders[::-1]))
        if db.read(filing_kit.status, filing_id) is FilingStatus.RETURNED:
            assert "已被广州市工业和信息化局退回" in said
            assert "郑国华" in said
        else:
            assert "正在由天河区科技工业和信息化局审核" in said
            assert "吴倩" in said
        again(db, filing_id)


def test_two_reviewers_of_one_office_decide_once(db: Database, world: World, at_once: Rivals) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    said = refusals(at_once([(decisions.forward, world.county, filing_id, "同意")] * 5))
    assert len(said) == 4
    assert all("正在由广州市工业和信息化局审核" in words for words in said)
    assert db.read(moves_in_log, filing_id) == ["submit", "forward"]
    sound.check(db)


def test_a_second_delete_finds_nothing(db: Database, world: World, at_once: Rivals) -> None:
    filing_id = db.write(filing_kit.draft, world.signer)
    assert len(refusals(at_once([(moves.delete, world.signer, filing_id, "删除")] * 2))) == 1
    assert db.read(moves_in_log, filing_id) == ["delete"]
    sound.check(db)


def test_a_delete_against_a_submit(db: Database, world: World, at_once: Rivals, rounds: int) -> None:
    for turn in range(rounds):
        filing_id = db.write(filing_kit.draft, world.signer, number=f"GF-{turn}")
        orders = [(moves.delete, world.signer, filing_id, "删除"), (moves.submit, world.signer, filing_id)]
        assert len(refusals(at_once(orders if turn % 2 else orders[::-1]))) == 1
        filing = db.read(lambda s, of: s.get_one(Filing, of), filing_id)
        assert (filing.deleted_at is None) == (filing.status is FilingStatus.REVIEW)
        again(db, filing_id)


def test_what_is_validated_is_what_is_there_however_an_edit_falls(
    db: Database, world: World, at_once: Rivals, rounds: int
) -> None:
    filing_id = db.write(filing_kit.draft, world.filer)
    for turn in range(rounds):
        orders = [
            (desk.edit_cells, world.filer, filing_id, (CellEdit(CELL, str(50000 + turn)),)),
            (desk.validate, world.signer, filing_id),
        ]
        edited, result = at_once(orders)
        assert isinstance(edited, SheetPatch)
        valid = db.read(lambda s: s.get_one(Filing, filing_id).validated_digest) != ""
        assert not valid or result.passed
        assert db.read(text_of, filing_id) == str(50000 + turn)
        sound.check(db)


def test_of_two_people_on_one_cell_one_is_asked(db: Database, world: World, at_once: Rivals, rounds: int) -> None:
    filing_id = db.write(filing_kit.draft, world.filer)
    for turn in range(rounds):
        before = db.read(text_of, filing_id)
        write = functools.partial(desk.edit_cells, seen={CELL: before})
        people = {world.filer: f"{51000 + turn}", world.signer: f"{52000 + turn}"}
        answers = at_once([(write, who, filing_id, (CellEdit(CELL, text),)) for who, text in people.items()])
        stored = db.read(text_of, filing_id)
        assert stored in people.values()
        for answer, typed in zip(answers, people.values(), strict=True):
            assert answer.conflicts == ({} if typed == stored else {CELL: (stored, typed)})
        sound.check(db)


def text_of(s: Session, filing_id: int) -> str:
    return s.get_one(Cell, (filing_id, *CELL.split(":"))).text


# --- stale pages --------------------------------------------------------------------------------------------------------


def test_a_decision_on_a_version_that_was_replaced_is_not_taken(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    seen = db.read(lambda s: s.exec(select(FilingVersion.id)).one())
    db.write(moves.withdraw, world.signer, filing_id)
    db.write(moves.submit, world.signer, filing_id)
    for decide in (decisions.forward, functools.partial(decisions.send_back, new_questions=[("", "请核实")])):
        with pytest.raises(Conflict, match="第2版，您看到的是较早的一版"):
            db.write(decide, world.county, filing_id, "同意", seen_version=seen)
    assert db.read(moves_in_log, filing_id) == ["submit", "withdraw", "submit"]


def test_an_answer_against_a_closing_leaves_one_of_them(db: Database, world: World) -> None:
    """A stale tab of the unit answers after it was resubmitted by a colleague."""
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.sent_back, filing_id, world.county)
    db.write(questions.answer, world.filer, 1, "已核实。")
    db.write(moves.submit, world.signer, filing_id)
    with pytest.raises(Conflict, match="正在由天河区科技工业和信息化局审核"):
        db.write(questions.answer, world.filer, 1, "改一改")


def test_a_row_that_is_not_the_one_that_was_read_is_not_moved(sqlite_db: Database, sqlite_world: World) -> None:
    """The compare-and-swap itself: somebody wrote between the reading and the writing."""
    db, world = sqlite_db, sqlite_world
    filing_id = db.write(filing_kit.submitted, world.signer)

    def stale(s: Session) -> None:
        filing = s.get_one(Filing, filing_id)
        s.connection().exec_driver_sql(f"UPDATE filing SET revision = revision + 1 WHERE id = {filing_id}")  # noqa: S608
        moves.move(s, world.signer, filing, Action.WITHDRAW, detail="")

    with pytest.raises(Conflict, match="刚刚被他人办理"):
        db.write(stale)
    assert db.read(filing_kit.status, filing_id) is FilingStatus.REVIEW


def test_a_move_whose_line_cannot_be_written_did_not_happen(
    sqlite_db: Database, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, world = sqlite_db, sqlite_world
    filing_id = db.write(filing_kit.submitted, world.signer)

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError("disk full")

    told: list[events.Event] = []
    stop = events.subscribe(told.append)
    monkeypatch.setattr(moves.audit, "record", full)
    with pytest.raises(OSError, match="disk full"):
        db.write(decisions.forward, world.county, filing_id, "同意")
    stop()
    sound.check(db)
    assert db.read(lambda s: s.get_one(Filing, filing_id)).current_authority_id == world.orgs["county"]
    assert told == []
