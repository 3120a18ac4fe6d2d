"""Two people at once: exactly one wins, the other is told what happened. In threads, and in two processes on one file."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import Session, col, select

from models import AuditLine, Filing, FilingVersion, Step
from models.enums import Action, FilingStatus, StepStatus
from services import clock, events
from services.actors import Actor
from services.db import Database
from services.errors import Conflict, Refusal
from services.filings import moves, standing
from services.reviews import decisions, questions
from tests import filing_kit
from tests.conftest import SPRING, World

ROUNDS = 12
UseCase = Callable[..., Any]


def at_once(*deeds: Callable[[], object]) -> list[object]:
    """Do all at the same moment; each answers with what it returned or refused."""
    gate = threading.Barrier(len(deeds))
    answers: list[object] = [None] * len(deeds)

    def run(number: int, deed: Callable[[], object]) -> None:
        gate.wait()
        try:
            answers[number] = deed()
        except Refusal as refusal:
            answers[number] = refusal

    threads = [threading.Thread(target=run, args=(number, deed)) for number, deed in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def refusals(answers: list[object]) -> list[str]:
    return [answer.message for answer in answers if isinstance(answer, Refusal)]


def consistent(s: Session, filing_id: int) -> None:
    """Whatever won, the filing, its version and its steps tell one story, and the log tells it once."""
    filing = s.get_one(Filing, filing_id)
    version = s.get(FilingVersion, filing.current_version_id or 0)
    steps = s.execute(select(Step).where(col(Step.version_id) == (version.id if version else 0))).scalars().all()
    reviewing = [step for step in steps if step.status is StepStatus.REVIEWING]
    if filing.status is FilingStatus.REVIEW:
        assert [(step.tier, step.authority_id) for step in reviewing] == [
            (filing.current_tier, filing.current_authority_id)
        ]
    else:
        assert reviewing == []
        assert (filing.current_tier, filing.current_authority_id) == (None, None)
    if filing.status is FilingStatus.DRAFT:
        assert version is None


def moves_in_log(s: Session, filing_id: int) -> list[str]:
    rows = s.execute(select(AuditLine).where(col(AuditLine.subject_id) == filing_id).order_by(col(AuditLine.id)))
    return [line.action for line in rows.scalars() if line.action in {action.value for action in standing.MOVES}]


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_withdraw_against_forward(sqlite_db: Database, sqlite_world: World, turn: int) -> None:
    db, world = sqlite_db, sqlite_world
    filing_id = db.write(filing_kit.submitted, world.signer)
    deeds = [
        lambda: db.write(moves.withdraw, world.signer, filing_id),
        lambda: db.write(decisions.forward, world.county, filing_id, "同意"),
    ]
    said = refusals(at_once(*(deeds if turn % 2 else deeds[::-1])))
    db.read(consistent, filing_id)
    if db.read(filing_kit.status, filing_id) is FilingStatus.DRAFT:
        assert len(said) == 1
        assert "申报单位已取消上报" in said[0]
        assert "黄启明" in said[0]
        assert db.read(moves_in_log, filing_id) == ["submit", "withdraw"]
    else:
        assert len(said) == 1
        assert "天河区科技工业和信息化局（吴倩）已于2025年3月20日 10:00审核通过并上报，不能再取消上报" in said[0]
        assert db.read(moves_in_log, filing_id) == ["submit", "forward"]


def test_ten_submits_at_once_make_one_version(sqlite_db: Database, sqlite_world: World) -> None:
    db, world = sqlite_db, sqlite_world
    filing_id = db.write(filing_kit.draft, world.signer)
    receipts = at_once(*[lambda: db.write(moves.submit, world.signer, filing_id)] * 10)
    assert len(set(receipts)) == 1
    assert refusals(receipts) == []
    assert db.read(moves_in_log, filing_id) == ["submit"]


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_send_back_against_recall(sqlite_db: Database, sqlite_world: World, turn: int) -> None:
    db, world = sqlite_db, sqlite_world
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county)
    deeds = [
        lambda: db.write(decisions.send_back, world.city, filing_id, "核实", new_questions=[("", "请核实")]),
        lambda: db.write(decisions.recall, world.county, filing_id),
    ]
    said = refusals(at_once(*(deeds if turn % 2 else deeds[::-1])))
    db.read(consistent, filing_id)
    assert len(said) == 1
    if db.read(filing_kit.status, filing_id) is FilingStatus.RETURNED:
        assert "已被广州市工业和信息化局退回" in said[0]
        assert "郑国华" in said[0]
    else:
        assert "正在由天河区科技工业和信息化局审核" in said[0]
        assert "吴倩" in said[0]


def test_two_reviewers_of_one_office_decide_once(sqlite_db: Database, sqlite_world: World) -> None:
    db, world = sqlite_db, sqlite_world
    filing_id = db.write(filing_kit.submitted, world.signer)
    answers = at_once(*[lambda: db.write(decisions.forward, world.county, filing_id, "同意")] * 5)
    assert len(refusals(answers)) == 4
    assert all("正在由广州市工业和信息化局审核" in said for said in refusals(answers))
    assert db.read(moves_in_log, filing_id) == ["submit", "forward"]


def test_a_second_delete_finds_nothing(sqlite_db: Database, sqlite_world: World) -> None:
    db, world = sqlite_db, sqlite_world
    filing_id = db.write(filing_kit.draft, world.signer)
    answers = at_once(*[lambda: db.write(moves.delete, world.signer, filing_id, "删除")] * 2)
    assert len(refusals(answers)) == 1
    assert db.read(moves_in_log, filing_id) == ["delete"]


def test_a_delete_against_a_submit(sqlite_db: Database, sqlite_world: World) -> None:
    db, world = sqlite_db, sqlite_world
    filing_id = db.write(filing_kit.draft, world.signer)
    answers = at_once(
        lambda: db.write(moves.delete, world.signer, filing_id, "删除"),
        lambda: db.write(moves.submit, world.signer, filing_id),
    )
    assert len(refusals(answers)) == 1
    filing = db.read(lambda s: s.get_one(Filing, filing_id))
    assert (filing.deleted_at is None) == (filing.status is FilingStatus.REVIEW)


def test_an_answer_against_a_closing_leaves_one_of_them(sqlite_db: Database, sqlite_world: World) -> None:
    """A stale tab of the unit answers after it was resubmitted by a colleague."""
    db, world = sqlite_db, sqlite_world
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
    db.read(consistent, filing_id)
    assert db.read(lambda s: s.get_one(Filing, filing_id)).current_authority_id == world.orgs["county"]
    assert told == []


def _in_a_process(url: str, ready: Any, go: Any, answers: Any, deed: UseCase, actor: Actor, *args: object) -> None:
    """One of two processes: opens the file, waits for the other, does its deed."""
    database = Database(url)
    with clock.frozen(SPRING):
        ready.release()
        go.wait()
        try:
            database.write(deed, actor, *args)
            answers.put((deed.__name__, ""))
        except Refusal as refusal:
            answers.put((deed.__name__, refusal.message))
    database.close()


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(3))
def test_two_processes_on_one_file(sqlite_db: Database, sqlite_world: World, turn: int) -> None:
    world = sqlite_world
    filing_id = sqlite_db.write(filing_kit.submitted, world.signer)
    spawn = multiprocessing.get_context("spawn")
    ready, go, answers = spawn.Semaphore(0), spawn.Event(), spawn.Queue()
    deeds: list[tuple[Any, ...]] = [
        (moves.withdraw, world.signer, filing_id),
        (decisions.forward, world.county, filing_id, "同意"),
    ]
    people = [spawn.Process(target=_in_a_process, args=(sqlite_db.url, ready, go, answers, *deed)) for deed in deeds]
    for person in people:
        person.start()
    for _ in people:
        assert ready.acquire(timeout=60)
    go.set()
    said = dict(answers.get(timeout=60) for _ in people)
    for person in people:
        person.join(timeout=60)
    sqlite_db.read(consistent, filing_id)
    winner = "withdraw" if sqlite_db.read(filing_kit.status, filing_id) is FilingStatus.DRAFT else "forward"
    assert said[winner] == ""
    assert said["forward" if winner == "withdraw" else "withdraw"] != ""
    assert sqlite_db.read(moves_in_log, filing_id) == ["submit", winner]
