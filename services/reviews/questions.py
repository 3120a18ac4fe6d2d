"""核实问题: a tier asks on a cell or on the whole; 退回 publishes them; the unit answers; only the asking tier closes."""

from __future__ import annotations

from sqlmodel import Session

from models import Filing, Question
from models.enums import Action, QuestionStatus
from services import audit, clock, events
from services.actors import Actor
from services.errors import Conflict, NotFound, Refusal
from services.filings import standing, working
from services.forms.template import Address
from services.reviews import drafts

QUESTION_LENGTH = 1000
ANSWER_LENGTH = 2000


def ask(s: Session, actor: Actor, filing_id: int, address: str, text: str) -> int:
    """提出核实问题; ``address`` "" for the whole. The unit sees it once the filing is sent back. Returns its id."""
    filing, _ = standing.require(s, actor, Action.ASK, filing_id)
    words = _words(text, "核实问题", QUESTION_LENGTH)
    place = _place(s, filing, address)
    assert filing.current_tier is not None and filing.current_version_id is not None
    question = Question(
        filing_id=filing_id,
        version_id=filing.current_version_id,
        tier=filing.current_tier,
        authority_id=actor.organisation_id,
        authority_name=actor.organisation_name,
        address=address,
        text=words,
        asked_by_id=actor.user_id,
        asked_by_name=actor.name,
        asked_at=clock.now(),
    )
    s.add(question)
    s.flush()
    drafts.forget(s, actor, filing, f"ask:{address}")
    _tell(s, actor, Action.ASK, filing_id, f"{place}：{words}")
    assert question.id is not None
    return question.id


def edit(s: Session, actor: Actor, question_id: int, text: str) -> None:
    """修改 a question that the unit has not seen yet."""
    question = _draft(s, actor, question_id)
    question.text = _words(text, "核实问题", QUESTION_LENGTH)
    s.add(question)
    _tell(s, actor, Action.ASK, question.filing_id, f"修改：{question.text}")


def withdraw(s: Session, actor: Actor, question_id: int) -> None:
    """撤销 a question that the unit has not seen yet."""
    question = _draft(s, actor, question_id)
    s.delete(question)
    _tell(s, actor, Action.ASK, question.filing_id, f"撤销：{question.text}")


def answer(s: Session, actor: Actor, question_id: int, text: str) -> None:
    """回答; may be changed until 重新上报."""
    question = _question(s, question_id)
    if not question.published or question.status is QuestionStatus.CLOSED:
        raise NotFound
    if question.status is QuestionStatus.OPEN:
        standing.require(s, actor, Action.ANSWER, question.filing_id)
    else:
        standing.require(s, actor, Action.EDIT, question.filing_id)
    question.answer = _words(text, "回答", ANSWER_LENGTH)
    question.status = QuestionStatus.ANSWERED
    question.answered_by_name, question.answered_at = actor.name, clock.now()
    s.add(question)
    _tell(s, actor, Action.ANSWER, question.filing_id, f"问：{question.text} 答：{question.answer}")


def close(s: Session, actor: Actor, question_id: int) -> None:
    """关闭 by the tier that asked, while the filing is on its desk."""
    question = _question(s, question_id)
    _, known = standing.require(s, actor, Action.CLOSE_QUESTION, question.filing_id)
    if question.tier is not known.facts.own_tier:
        raise Conflict(f"这个问题由{question.authority_name}提出，只能由其关闭。")
    if not question.published:
        raise Conflict("这个问题还没有发给申报单位。不需要时请直接撤销，需要回答时请退回申报单位。")
    if question.status is QuestionStatus.CLOSED:
        raise Conflict(f"这个问题已由{question.closed_by_name}关闭。")
    question.status = QuestionStatus.CLOSED
    question.closed_by_name, question.closed_at = actor.name, clock.now()
    s.add(question)
    _tell(s, actor, Action.CLOSE_QUESTION, question.filing_id, question.text)


def _question(s: Session, question_id: int) -> Question:
    question = s.get(Question, question_id)
    if question is None:
        raise NotFound
    return question


def _draft(s: Session, actor: Actor, question_id: int) -> Question:
    question = _question(s, question_id)
    _, known = standing.require(s, actor, Action.ASK, question.filing_id)
    if question.tier is not known.facts.own_tier or question.published:
        raise Conflict(
            "这个问题已经发给申报单位，不能再修改或撤销。"
            if question.published
            else f"这个问题由{question.authority_name}提出，只能由其修改或撤销。"
        )
    return question


def _place(s: Session, filing: Filing, address: str) -> str:
    """Words for the cell that is asked about; refuses an address the form does not have."""
    if not address:
        return "整份表"
    template = working.template_of(s, filing.template_digest)
    cell = Address.parse(address)
    field = template.fields.get(cell.field)
    if field is None or (cell.slot and cell not in working.slots(template, field)):
        raise Refusal("本表没有这个单元格。请在表中重新选择要提问的单元格。", field="address")
    return working.place_words(template, cell)


def _words(text: str, what: str, longest: int) -> str:
    words = text.strip()
    if not words:
        raise Refusal(f"请填写{what}。", field="text")
    if len(words) > longest:
        raise Refusal(f"{what}最多 {longest} 字，现在是 {len(words)} 字。请精简后再提交。", field="text")
    return words


def _tell(s: Session, actor: Actor, action: Action, filing_id: int, detail: str) -> None:
    audit.record(s, actor, action.value, "filing", filing_id, detail=detail)
    events.publish(s, events.FilingChanged(filing_id))
