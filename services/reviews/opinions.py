"""What a tier adds to its decision (审核材料): 推荐文件, 审核清单, 现场评估, 动态调整意见, 专家评审."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import delete, select
from sqlmodel import Session, col

from models import (
    AdjustmentOpinion,
    ChecklistMark,
    ExpertTask,
    Filing,
    FilingVersion,
    SiteAssessment,
    Step,
    StoredFile,
    User,
)
from models.enums import Action, Adjustment, FileKind, Grade, Role, StepStatus
from services import audit, clock, events, inbox
from services.actors import Actor
from services.errors import Conflict, NotFound, Refusal
from services.filings import standing, working
from services.forms.findings import CellValue
from services.forms.template import Address, FormTemplate
from services.reviews import drafts, guides

ASSESSMENT_DRAFTS = ("assess.people", "assess.lines", "assess.conclusion")


def attach_letter(s: Session, actor: Actor, filing_id: int, file_id: int | None) -> None:
    """推荐文件 of the own step: a file of that kind already stored on this filing by this office; None takes it off."""
    filing, _ = standing.require(s, actor, Action.LETTER, filing_id)
    step = _own_step(s, filing)
    name = "已撤下"
    if file_id is not None:
        name = _own_file(s, actor, filing_id, file_id, FileKind.LETTER).original_name
    step.letter_file_id = file_id
    s.add(step)
    _tell(s, actor, Action.LETTER, filing_id, name)


def mark(s: Session, actor: Actor, filing_id: int, item: str, done: bool) -> None:
    """勾选审核清单 of the own step."""
    filing, _ = standing.require(s, actor, Action.CHECK, filing_id)
    known = {i.key: i for focus in guides.checklist(filing.form, filing.year) for i in focus.items}
    if item not in known:
        raise Refusal("审核清单中没有这一项。请刷新页面后再勾选。", field="item")
    step = _own_step(s, filing)
    s.merge(ChecklistMark(step_id=step.id or 0, item=item, done=done, user_name=actor.name, at=clock.now()))
    _tell(s, actor, Action.CHECK, filing_id, f"{'勾选' if done else '取消勾选'}：{known[item].text}")


def record_assessment(
    s: Session,
    actor: Actor,
    filing_id: int,
    *,
    visited_on: date,
    people: str,
    conclusion: str,
    findings: Sequence[tuple[str, str]] = (),
    file_ids: Sequence[int] = (),
) -> int:
    """登记现场评估; ``findings``: (address, what was found there). Returns its id."""
    filing, _ = standing.require(s, actor, Action.ASSESS, filing_id)
    template = working.template_of(s, filing.template_digest)
    if visited_on > clock.today():
        raise Refusal("现场评估日期不能晚于今天。请填写实际到现场的日期。", field="visited_on")
    for address, _text in findings:
        if Address.parse(address).field not in template.fields:
            raise Refusal("本表没有这个指标。请重新选择现场核实的指标。", field="findings")
    for file_id in file_ids:
        _own_file(s, actor, filing_id, file_id, FileKind.ASSESSMENT)
    assessment = SiteAssessment(
        filing_id=filing_id,
        version_id=filing.current_version_id or 0,
        authority_id=actor.organisation_id,
        authority_name=actor.organisation_name,
        visited_on=visited_on,
        people=_words(people, "评估人员", 300, "people"),
        findings=[[address, _words(text, "现场核实情况", 1000, "findings")] for address, text in findings],
        conclusion=_words(conclusion, "评估结论", 2000, "conclusion"),
        file_ids=list(file_ids),
        recorded_by_name=actor.name,
        recorded_at=clock.now(),
    )
    s.add(assessment)
    s.flush()
    drafts.forget(s, actor, filing, *ASSESSMENT_DRAFTS)
    _tell(s, actor, Action.ASSESS, filing_id, f"{visited_on.isoformat()} {assessment.people}：{assessment.conclusion}")
    return assessment.id or 0


def record_adjustment(
    s: Session, actor: Actor, filing_id: int, opinion: Adjustment, article_keys: Sequence[str], reason: str = ""
) -> None:
    """动态调整意见 of the own tier, citing articles; the answers that support them are taken along as evidence."""
    filing, _ = standing.require(s, actor, Action.ADJUST, filing_id)
    known = guides.articles()
    cited = [known[key] for key in dict.fromkeys(article_keys) if key in known]
    if len(cited) != len(set(article_keys)) or any(article.opinion is not opinion for article in cited):
        raise Refusal(f"所选条款不适用于“{opinion.caption}”。请重新选择引用的条款。", field="article")
    if not cited and opinion is not Adjustment.KEEP:
        raise Refusal(f"提出“{opinion.caption}”意见须引用条款。请选择至少一条。", field="article")
    words = reason.strip() if opinion is Adjustment.KEEP else _words(reason, "理由", 1000, "reason")
    article = "；".join(dict.fromkeys(one.cite for one in cited))
    if len(article) > 100:
        raise Refusal("引用的条款太多。请只选择最直接的几条。", field="article")
    cells = version_cells(s, filing)
    found = {key: answer for one in cited for key, answer in one.evidence.items() if supports(cells, key, answer)}
    s.execute(
        delete(AdjustmentOpinion).where(
            col(AdjustmentOpinion.version_id) == filing.current_version_id,
            col(AdjustmentOpinion.tier) == filing.current_tier,
        )
    )
    assert filing.current_tier is not None
    s.add(
        AdjustmentOpinion(
            filing_id=filing_id,
            version_id=filing.current_version_id or 0,
            tier=filing.current_tier,
            authority_name=actor.organisation_name,
            opinion=opinion,
            article=article,
            reason=words,
            evidence=[[key, cells[Address(key)].text] for key in found],
            recorded_by_name=actor.name,
            recorded_at=clock.now(),
        )
    )
    drafts.forget(s, actor, filing, "adjust.reason")
    _tell(s, actor, Action.ADJUST, filing_id, f"{opinion.caption} {article} {words}".strip())


def experts(s: Session, actor: Actor, filing_id: int) -> tuple[tuple[int, str], ...]:
    """Experts that may be assigned (可分配的专家): (user id, name), without those assigned already."""
    filing, _ = standing.require(s, actor, Action.ASSIGN_EXPERT, filing_id)
    taken = select(col(ExpertTask.expert_id)).where(col(ExpertTask.step_id) == _own_step(s, filing).id)
    query = select(col(User.id), col(User.name)).where(
        col(User.role) == Role.EXPERT, col(User.enabled), col(User.id).not_in(taken)
    )
    return tuple((i, name) for i, name in s.execute(query.order_by(col(User.name))) if i is not None)


def assign_experts(s: Session, actor: Actor, filing_id: int, expert_ids: Sequence[int]) -> None:
    """分配专家 to the own step; each is told."""
    filing, _ = standing.require(s, actor, Action.ASSIGN_EXPERT, filing_id)
    free = dict(experts(s, actor, filing_id))
    if not expert_ids or any(i not in free for i in expert_ids):
        raise Refusal("请选择可以分配的专家；已分配或已停用的专家不能再选。", field="experts")
    step = _own_step(s, filing)
    for expert_id in dict.fromkeys(expert_ids):
        expert = s.get_one(User, expert_id)
        s.add(
            ExpertTask(
                filing_id=filing_id,
                version_id=filing.current_version_id or 0,
                step_id=step.id or 0,
                expert_id=expert_id,
                expert_name=expert.name,
                assigned_by_id=actor.user_id,
                assigned_at=clock.now(),
            )
        )
        inbox.send(
            s,
            expert.organisation_id,
            "expert",
            filing=filing,
            user_id=expert_id,
            from_name=actor.organisation_name,
        )
    _tell(s, actor, Action.ASSIGN_EXPERT, filing_id, "、".join(free[i] for i in dict.fromkeys(expert_ids)))


def release_expert(s: Session, actor: Actor, task_id: int) -> None:
    """撤回 a task that has no opinion yet."""
    task = s.get(ExpertTask, task_id)
    if task is None:
        raise NotFound
    filing, _ = standing.require(s, actor, Action.ASSIGN_EXPERT, task.filing_id)
    if task.step_id != _own_step(s, filing).id or task.submitted_at is not None:
        raise Conflict("这位专家已提交意见，或任务不是本级分配的，不能撤回。")
    inbox.close(s, "expert", filing=filing, user_id=task.expert_id)
    s.delete(task)
    _tell(s, actor, Action.ASSIGN_EXPERT, task.filing_id, f"撤回：{task.expert_name}")


def submit_opinion(s: Session, actor: Actor, filing_id: int, opinion: str, grade: Grade) -> None:
    """提交专家意见 with a grade; may be changed until the tier has decided."""
    filing, _ = standing.require(s, actor, Action.EXPERT_OPINION, filing_id)
    query = (
        select(ExpertTask)
        .join(Step, col(Step.id) == col(ExpertTask.step_id))
        .where(
            col(ExpertTask.expert_id) == actor.user_id,
            col(ExpertTask.version_id) == filing.current_version_id,
            col(Step.status) == StepStatus.REVIEWING,
        )
    )
    task: ExpertTask = s.execute(query).scalar_one()
    task.opinion = _words(opinion, "专家意见", 2000, "opinion")
    task.grade, task.submitted_at = grade, clock.now()
    s.add(task)
    drafts.forget(s, actor, filing, "expert")
    inbox.close(s, "expert", filing=filing, user_id=actor.user_id)
    _tell(s, actor, Action.EXPERT_OPINION, filing_id, f"{grade.caption}：{task.opinion}")


def version_cells(s: Session, filing: Filing) -> Mapping[Address, CellValue]:
    """The cells of the version under way."""
    return working.thaw_cells(s.get_one(FilingVersion, filing.current_version_id).cells)


def supports(cells: Mapping[Address, CellValue], key: str, answer: str) -> bool:
    """Whether what was filled in speaks for an article: this answer, or anything at all where it names none."""
    cell = cells.get(Address(key))
    return cell is not None and bool(cell.text.strip()) and answer in ("", cell.text)


def place(template: FormTemplate, address: str) -> str:
    return working.place_words(template, Address.parse(address)) if address else "整份表"


def _own_step(s: Session, filing: Filing) -> Step:
    query = select(Step).where(col(Step.version_id) == filing.current_version_id, col(Step.tier) == filing.current_tier)
    step: Step = s.execute(query).scalar_one()
    return step


def _own_file(s: Session, actor: Actor, filing_id: int, file_id: int, kind: FileKind) -> StoredFile:
    file = s.get(StoredFile, file_id)
    if (
        file is None
        or file.filing_id != filing_id
        or file.organisation_id != actor.organisation_id
        or file.kind is not kind
        or file.removed_at is not None
    ):
        raise Refusal(f"没有找到这份{kind.caption}。请重新上传后再提交。", field="file")
    return file


def _words(text: str, what: str, longest: int, field: str) -> str:
    words = text.strip()
    if not words:
        raise Refusal(f"请填写{what}。", field=field)
    if len(words) > longest:
        raise Refusal(f"{what}最多 {longest} 字，现在是 {len(words)} 字。请精简后再提交。", field=field)
    return words


def _tell(s: Session, actor: Actor, action: Action, filing_id: int, detail: str) -> None:
    audit.record(s, actor, action.value, "filing", filing_id, detail=detail)
    events.publish(s, events.FilingChanged(filing_id))
