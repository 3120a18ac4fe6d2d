"""What happened in the demo's year (演示年度): each plan of ``world.toml`` is a list of steps, and each step is a real use case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlmodel import Session, select

from models import ExpertTask, Filing, Question
from models.enums import Adjustment, FileKind, FilingStatus, Form, Grade, QuestionStatus, Tier
from services import clock, demo_papers
from services.accounts import sessions
from services.actors import Actor
from services.filings import desk, files, moves, opening, snapshots, stamps, standing
from services.filings.views import CellEdit
from services.reviews import decisions, guides, opinions, questions

P = ParamSpec("P")
T = TypeVar("T")

YEAR = 2025
FIRST_DAY = (2, 12)
LATEST = (3, 19)
OPINIONS = {
    Tier.COUNTY: "已核对单位信息和合规性承诺，数据与统计报表一致，同意上报。",
    Tier.CITY: "关键指标符合绿色工厂评价要求，未发现重大变更和合规问题，建议保留，同意上报。",
    Tier.PROVINCE: "同意市级审核意见。",
}
LAST_OPINION = "审核完成。"
EXPLANATION = "2024年二季度新增一条生产线并投产，产量、能耗和取水量同步增加，见B204-1、205-1和205-4表。"


def moment(year: int, month: int, day: int, hour: int = 10, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=clock.BEIJING)


@dataclass(slots=True)
class Play:
    """One unit's year while it is being played, in one transaction."""

    s: Session
    actors: Mapping[str, Actor]
    offices: Mapping[int, str]
    unit: Mapping[str, Any]
    figures: Mapping[str, str]
    canary: str
    filing_id: int = 0

    @property
    def filer(self) -> Actor:
        return self.actors[self.unit["name"]]

    @property
    def signer(self) -> Actor:
        return self.actors[f"{self.unit['name']}/signer"]

    @property
    def filing(self) -> Filing:
        return self.s.get_one(Filing, self.filing_id)

    def reviewer(self) -> Actor:
        """Whoever has it on the desk now."""
        office_id = self.filing.current_authority_id
        assert office_id is not None
        return self.actors[self.offices[office_id]]

    def do(self, act: Callable[Concatenate[Session, Actor, int, P], T], by: Actor, *args: P.args, **kw: P.kwargs) -> T:
        return act(self.s, by, self.filing_id, *args, **kw)

    def type(self, texts: Mapping[str, str], source: str = "typed") -> None:
        edits = [CellEdit(address, text) for address, text in texts.items()]
        self.do(desk.edit_cells, self.filer, edits, source=source, origin="demo")


def play(
    s: Session,
    actors: Mapping[str, Actor],
    offices: Mapping[int, str],
    unit: Mapping[str, Any],
    figures: Mapping[str, str],
    canary: str,
) -> None:
    """Take one unit through its plan, a few days between the steps, none later than the day the demo starts.

    Where the last tier is not the ministry (LVCE_TOP_TIER), a plan ends when that tier has finished."""
    here = Play(s, actors, offices, unit, figures, canary)
    start = sum(map(ord, unit["name"])) % 8
    plan: list[str] = unit["plan"]
    apart = min(4.0, (34 - start) / len(plan))
    for number, word in enumerate(plan):
        if here.filing_id and here.filing.status is FilingStatus.DONE:
            break
        at = moment(YEAR, *FIRST_DAY, 9 + (start + 3 * number) % 8, (start * 7 + number * 11) % 60)
        at = min(at + timedelta(days=start + int(number * apart)), moment(YEAR, *LATEST, 16, number))
        with clock.frozen(moment(YEAR, 3, 17, 11) if word == "late_submit" else at):
            STEPS[word](here)


# --- the unit's steps -----------------------------------------------------------------------------------------------


def _open(here: Play) -> None:
    here.filing_id = opening.open_filing(here.s, here.filer, Form.FACTORY, YEAR)


def _fill(here: Play) -> None:
    _open(here)
    here.type(here.figures, "paste")
    if here.canary:
        here.type({"highlights": f"{here.figures.get('highlights', '')}（{here.canary}）", "suggestions": here.canary})
        content = demo_papers.note(f"证明材料 {here.canary}")
        here.do(_put_file, here.filer, FileKind.EVIDENCE, f"证明材料-{here.canary[:40]}.pdf", content, 1)


def _fill_half(here: Play) -> None:
    _open(here)
    asked = list(here.figures.items())
    here.type(dict(asked[: len(asked) * 3 // 5]))


def _slips(here: Play) -> None:
    """Every kind of finding at once: a power of ten, discharge above generation, words for figures, gaps, impossible sums."""
    said = here.figures
    here.type(
        {
            "gross_output:2024": str(round(float(said["gross_output:2024"]) * 10, 2)),
            "nh3n_gen:2024": "3",
            "nh3n_dis:2024": "5",
            "cod_dis:2024": "约20吨",
            "so2_dis:2024": "",
            "sw_use:2024": str(round(float(said["sw_gen:2024"]) * 1.2, 2)),
            "energy_actual:2024": str(round(float(said["energy_total:2024"]) * 1.1, 2)),
            "compliance_3": "",
            "land_area:2024": "停产",
            "water_intake:2024": "-5",
        }
    )


def _warn(here: Play) -> None:
    here.type(
        {"water_intake:2024": str(round(float(here.figures["water_intake:2024"]) * 1.9, 2)), "nh3n_gen:2024": "0.5"}
    )


def _keep(here: Play) -> None:
    """Figures that jump for a reason, each explained where its rule demands it."""
    here.type({"water_intake:2024": str(round(float(here.figures["water_intake:2024"]) * 1.7, 2))})
    _say_why(here)


def _say_why(here: Play) -> None:
    for finding in desk.open_findings(here.s, here.filing_id):
        if finding.level == "warning":
            act, text = ("confirm", "") if finding.keep == "confirm" else ("explain", EXPLANATION)
            here.do(desk.note_finding, here.filer, finding.id, finding.values_hash, act, text)


def _compliance(here: Play) -> None:
    here.type(
        {
            "compliance_6": "是",
            "compliance_note": "2024年9月厂区东侧二期厂房投产，生产地址增加一处，组织边界相应扩大，已办理环评和变更登记。",
        }
    )
    content = demo_papers.note("变更登记通知书（演示）")
    here.do(_put_file, here.filer, FileKind.EXPLANATION, "变更登记通知书.pdf", content, 1)


def _renamed(here: Play) -> None:
    content = demo_papers.note("企业名称变更核准通知书（演示）")
    here.do(_put_file, here.filer, FileKind.EVIDENCE, "名称变更核准通知书.pdf", content, 1)


def _validate(here: Play) -> None:
    _say_why(here)
    result = here.do(desk.validate, here.filer)
    if not result.passed:
        raise RuntimeError(f"{here.unit['name']}: {result.messages}")


def _stamp(here: Play) -> None:
    """The printed form with a seal on its last page; read by nobody, because its codes are known."""
    snapshot = snapshots.snapshot(here.s, here.filer, here.filing_id)
    content, result = demo_papers.stamped(snapshot)
    found = stamps.judge(here.s, here.filer, here.filing_id, result)
    placed = demo_papers.placed("动态管理表盖章扫描件.pdf", content, len(result.pages))
    here.do(stamps.bind, here.filer, stamps.StampCheck("", False, found.lines, found.digest_code, result, placed))


def _submit(here: Play) -> None:
    here.do(moves.submit, here.signer)


def _withdraw(here: Play) -> None:
    here.do(moves.withdraw, here.filer)


def _change(here: Play) -> None:
    here.type({"retrofit_cost": "1966.5"})


def _delete(here: Play) -> None:
    here.do(moves.delete, here.filer, moves.DELETE_WORD)


def _answer(here: Play) -> None:
    here.type({"ww_dis:2024": str(round(float(here.figures["ww_dis:2024"]) * 0.99, 2))})
    asked = here.s.exec(
        select(Question.id).where(Question.filing_id == here.filing_id, Question.status == QuestionStatus.OPEN)
    ).all()
    for question_id in asked:
        text = "已与生态环境统计基101表核对，原填数据含清下水，现按外排废水量更正。"
        questions.answer(here.s, here.filer, question_id or 0, text)


# --- the offices' steps -----------------------------------------------------------------------------------------------


def _pass(here: Play) -> None:
    """审核通过并上报, by the last tier of this deployment 审核完成."""
    by = here.reviewer()
    facts = standing.standing(here.s, by, here.filing).facts
    if facts.current is facts.applicable[-1]:
        here.do(decisions.approve, by, LAST_OPINION)
    else:
        here.do(decisions.forward, by, OPINIONS[by.tier or Tier.CITY])


def _letter(here: Play) -> None:
    by = here.reviewer()
    content = demo_papers.note(f"关于{here.unit['name']}绿色工厂动态管理的推荐意见（演示）")
    name = f"推荐文件-{here.unit['name']}.pdf"
    file_id = here.do(_put_file, by, FileKind.LETTER, name, content, 1)
    here.do(opinions.attach_letter, by, file_id)


def _return_unit(here: Play) -> None:
    here.do(
        decisions.send_back,
        here.reviewer(),
        "废水排放量与生态环境统计数据不一致，请核实。",
        new_questions=(
            ("ww_dis:2024", "2024年废水排放量与基101表相差较大，请说明口径。"),
            ("", "请确认2024年是否有生产地址变化。"),
        ),
    )


def _return_scope(here: Play) -> None:
    here.do(
        decisions.send_back,
        here.reviewer(),
        "可再生能源消耗量的绿电部分缺少依据，请核实后修改，其余内容不必改动。",
        scope=("renewable_energy:2024", "re_trade_kwh:2024", "renewable_energy:remark"),
        new_questions=(("re_trade_kwh:2024", "请说明2024年市场化购入绿电的合同和结算凭证。"),),
    )


def _return_below(here: Play) -> None:
    here.do(
        decisions.send_back,
        here.reviewer(),
        "请市级核实取水量大幅增加的原因，并补充现场核实情况。",
        to="below",
        new_questions=(("water_intake:2024", "取水量同比增加较多，是否已现场核实？"),),
    )


def _put_file(s: Session, actor: Actor, filing_id: int, kind: FileKind, name: str, content: bytes, pages: int) -> int:
    return files.store(s, actor, filing_id, kind, name, demo_papers.placed(name, content, pages)).id


def _experts(here: Play) -> None:
    by = here.reviewer()
    ids = [user_id for user_id, _ in opinions.experts(here.s, by, here.filing_id)[-2:]]
    here.do(opinions.assign_experts, by, ids)


def _expert_done(here: Play) -> None:
    task = here.s.exec(select(ExpertTask).where(ExpertTask.filing_id == here.filing_id)).first()
    assert task is not None
    expert = sessions.actor_of(here.s, task.expert_id)
    said = "指标体系完整，能源和水资源数据与行业水平相符，废水回用改造成效明显，建议继续保留。"
    here.do(opinions.submit_opinion, expert, said, Grade.B)


def _check(here: Play) -> None:
    by = here.reviewer()
    for focus in guides.checklist(Form.FACTORY, YEAR):
        for item in focus.items[:2]:
            here.do(opinions.mark, by, item.key, True)


def _assess(here: Play) -> None:
    here.do(
        opinions.record_assessment,
        here.reviewer(),
        visited_on=clock.today(),
        people="郑国华、第三方专家顾喆",
        findings=[
            ("water_intake:2024", "核对水表和缴费凭证，与填报一致。"),
            ("land_area:2024", "现场与不动产权证一致。"),
        ],
        conclusion="现场核实的关键指标与填报一致，符合绿色工厂评价要求。",
    )


def _keep_listed(here: Play) -> None:
    here.do(opinions.record_adjustment, here.reviewer(), Adjustment.KEEP, ["18-keep"])


def _change_listed(here: Play) -> None:
    reason = "二期厂房投产，生产地址增加一处，已核对环评和变更登记，变更后仍符合绿色工厂评价要求。"
    here.do(opinions.record_adjustment, here.reviewer(), Adjustment.CHANGE, ["23-address"], reason)


STEPS: Mapping[str, Callable[[Play], None]] = {
    "open": _open,
    "fill": _fill,
    "fill_half": _fill_half,
    "slips": _slips,
    "warn": _warn,
    "keep": _keep,
    "compliance": _compliance,
    "renamed": _renamed,
    "validate": _validate,
    "stamp": _stamp,
    "submit": _submit,
    "late_submit": _submit,
    "resubmit": _submit,
    "withdraw": _withdraw,
    "change": _change,
    "delete": _delete,
    "answer": _answer,
    "pass": _pass,
    "letter": _letter,
    "experts": _experts,
    "expert_done": _expert_done,
    "check": _check,
    "assess": _assess,
    "keep_listed": _keep_listed,
    "change_listed": _change_listed,
    "return_unit": _return_unit,
    "return_scope": _return_scope,
    "return_below": _return_below,
}
