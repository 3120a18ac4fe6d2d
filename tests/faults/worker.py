"""A process that works until it is killed (被杀进程): several people at once, each saying what begins and what was answered.

It runs in a child; what it says goes through a pipe that outlives it, so that the database can be held against all that was
answered.
"""

from __future__ import annotations

import os
import random
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from sqlmodel import Session, col, select

from models import Filing, Organisation, Question, StoredFile, User
from models.enums import FileKind, FilingStatus, Form, QuestionStatus, Role, Tier
from services import clock
from services.accounts import sessions
from services.actors import Actor
from services.db import Database
from services.documents import scan
from services.documents.scan import PageRead, ScanResult
from services.filings import desk, files, moves, opening, stamps
from services.filings.stamps import StampCheck
from services.filings.views import CellEdit
from services.forms import loader
from services.perform import perform
from services.reviews import decisions, opinions, questions
from tests import filing_kit
from tests.conftest import SPRING, World
from tests.test_filings_files import PDF, workbook

UNREAD = ScanResult(scan.PDF, (PageRead(1, (), True, True),))  # no code was found: a person types it
FORM = loader.find(Form.FACTORY, 2025)  # read once, before the children are forked
CELLS = [str(address) for address in filing_kit.FIGURES if address.slot]


@dataclass(frozen=True, slots=True)
class Said:
    """One line: somebody begins a deed (``answered`` False), or the application answered it. ``facts`` by name."""

    person: str
    deed: str
    answered: bool
    facts: dict[str, Any]


Tell = Callable[..., None]  # deed, answered, facts by name
Person = Callable[[Database, World, random.Random, Tell], None]


def live(url: str, data_dir: str, world: World, seed: str, pipe: Connection) -> None:
    """Work for ever; the entry point of the child."""
    os.environ["LVCE_DATA_DIR"] = data_dir
    scan.inspect = lambda content, name="": (scan.PDF, 1)  # what its own child would answer, at once
    database = Database(url)
    lock = threading.Lock()

    def work(person: str, act: Person) -> None:
        dice = random.Random(f"{seed} {person}")

        def tell(deed: str, answered: bool, **facts: Any) -> None:
            with lock:
                pipe.send(Said(person, deed, answered, facts))

        try:
            while True:
                act(database, world, dice, tell)
        except BaseException:
            tell("gave up", True, why=traceback.format_exc())
            raise

    with clock.frozen(SPRING):
        people = [threading.Thread(target=work, args=pair) for pair in PEOPLE.items()]
        for person in people:
            person.start()
        for person in people:
            person.join()


def typist(db: Database, world: World, dice: random.Random, tell: Tell) -> None:
    """保存: one or several cells at a time, now and then 暂存."""
    filing_id = db.write(_own, world.other)
    texts = {address: str(dice.randrange(1, 10**6)) for address in dice.sample(CELLS, dice.choice((1, 1, 1, 4)))}
    tell("type", False, filing=filing_id, texts=texts)
    perform(db, desk.edit_cells, world.other, filing_id, tuple(CellEdit(a, t) for a, t in texts.items()))
    tell("type", True, filing=filing_id, texts=texts)
    if dice.random() < 0.1:
        perform(db, desk.save_draft, world.other, filing_id)


def filer(db: Database, world: World, dice: random.Random, tell: Tell) -> None:
    """上报, 取消上报, and the offices that pass it on, send it back, complete it; then the next unit, one filing a year."""
    signer = db.read(_newest_signer)
    filing_id = db.write(_own, signer)
    filing = db.read(lambda s: s.get_one(Filing, filing_id))
    if filing.status is FilingStatus.DONE:
        db.write(another_signer)
        return
    if filing.status is FilingStatus.REVIEW:
        assert filing.current_tier is not None
        office = world.actors[filing.current_tier.value]
        for question_id in db.read(_answered, filing_id, filing.current_tier):
            perform(db, questions.close, office, question_id)
        if filing.current_tier is Tier.COUNTY and dice.random() < 0.3:
            deed, to, use_case = "withdraw", "draft", lambda: perform(db, moves.withdraw, signer, filing_id)
        elif dice.random() < 0.2:
            asked = [("", "请核实。")]
            deed, to = "send_back", "returned"
            use_case = lambda: perform(db, decisions.send_back, office, filing_id, "请核实。", new_questions=asked)  # noqa: E731
        elif filing.current_tier is Tier.MINISTRY:
            deed, to, use_case = "approve", "done", lambda: perform(db, decisions.approve, office, filing_id, "同意。")
        else:
            if filing.current_tier is Tier.CITY:
                letter = files.upload(db, office, filing_id, FileKind.LETTER, "推荐文件.pdf", PDF)
                perform(db, opinions.attach_letter, office, filing_id, letter.id)
            deed, to, use_case = (
                "forward",
                "review",
                lambda: perform(db, decisions.forward, office, filing_id, "同意。"),
            )
    else:
        _make_ready(db, signer, filing_id, dice)
        deed, to, use_case = "submit", "review", lambda: perform(db, moves.submit, signer, filing_id)
    tell(deed, False, filing=filing_id, to=to)
    answer = use_case()
    tell(deed, True, filing=filing_id, to=to, receipt=getattr(answer, "number", ""))


def attacher(db: Database, world: World, dice: random.Random, tell: Tell) -> None:
    """附件: uploads and removals, and 删除 of a whole filing with its attachments, then 新增."""
    actor = world.far
    filing_id = db.read(_alive, actor.organisation_id)
    if filing_id is None:
        tell("open", False)
        tell("open", True, filing=perform(db, opening.open_filing, actor, Form.FACTORY, 2025))
        return
    kept = db.read(_kept_files, filing_id)
    chance = dice.random()
    if kept and chance < 0.15:
        tell("delete", False, filing=filing_id)
        perform(db, moves.delete, actor, filing_id, "删除")
        tell("delete", True, filing=filing_id)
    elif kept and chance < 0.4:
        file_id = dice.choice(kept)
        tell("remove", False, file=file_id)
        perform(db, files.remove, actor, file_id)
        tell("remove", True, file=file_id)
    else:
        content = workbook("[Content_Types].xml", "xl/workbook.xml", f"xl/{dice.random()}.xml")
        tell("attach", False)
        tell("attach", True, file=files.upload(db, actor, filing_id, FileKind.EVIDENCE, "台账.xlsx", content).id)


PEOPLE: dict[str, Person] = {"typist": typist, "filer": filer, "attacher": attacher}


def _make_ready(db: Database, signer: Actor, filing_id: int, dice: random.Random) -> None:
    """Whatever stands between the unit and 上报: answers, a figure, 验证并保存, a stamped scan."""
    for question_id in db.read(_unanswered, filing_id):
        perform(db, questions.answer, signer, question_id, "已核实。")
    edit = CellEdit(dice.choice(CELLS), str(dice.randrange(1, 10**6)))
    perform(db, desk.edit_cells, signer, filing_id, (edit,))
    shown = db.read(desk.open_findings, filing_id)
    for finding in shown:
        words = "2024年新增一条生产线，见B204-1表"
        perform(db, desk.note_finding, signer, filing_id, finding.id, finding.values_hash, "explain", words)
    code = perform(db, desk.validate, signer, filing_id).digest_code
    placed = files.place("扫描件.pdf", PDF, FileKind.STAMPED_SCAN)
    perform(db, stamps.bind, signer, filing_id, StampCheck("", True, (), code, UNREAD, placed), code)


def _own(s: Session, actor: Actor) -> int:
    return _alive(s, actor.organisation_id) or filing_kit.draft(s, actor, ready=False)


def _alive(s: Session, organisation_id: int) -> int | None:
    return s.exec(
        select(Filing.id).where(Filing.organisation_id == organisation_id, col(Filing.deleted_at).is_(None))
    ).first()


def _kept_files(s: Session, filing_id: int) -> Sequence[int]:
    query = select(StoredFile.id).where(StoredFile.filing_id == filing_id, col(StoredFile.removed_at).is_(None))
    return [found for found in s.exec(query) if found is not None]


def _unanswered(s: Session, filing_id: int) -> Sequence[int]:
    query = select(Question.id).where(Question.filing_id == filing_id, Question.status == QuestionStatus.OPEN)
    return [found for found in s.exec(query) if found is not None]


def _answered(s: Session, filing_id: int, tier: Tier) -> Sequence[int]:
    query = select(Question.id).where(
        Question.filing_id == filing_id, Question.tier == tier, Question.status == QuestionStatus.ANSWERED
    )
    return [found for found in s.exec(query) if found is not None]


def _newest_signer(s: Session) -> Actor:
    newest = s.exec(
        select(User.id).where(col(User.username).startswith("signer")).order_by(col(User.id).desc())
    ).first()
    assert newest is not None
    return sessions.actor_of(s, newest)


def another_signer(s: Session) -> None:
    """The next listed unit of the same county, with a 负责人."""
    before = s.get_one(Organisation, _newest_signer(s).organisation_id)
    assert before.id is not None
    number = before.id + 1000
    unit_id = filing_kit.listed_unit(
        s,
        f"广州第{number}精工制造有限公司",
        f"9144{number:014d}",
        before.region_code,
        clock.today(),
        superior_county_id=before.superior_county_id,
        superior_city_id=before.superior_city_id,
        superior_province_id=before.superior_province_id,
    )
    filing_kit.person(s, f"signer{number}", "黄启明", Role.SIGNER, unit_id)
