"""Guards (条件): each answers None, or one Chinese sentence with the cause, who can change it, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime

from models.enums import FilingStatus, Role, StepStatus
from services.workflow.facts import Facts, StepFact

Guard = Callable[[Facts, Role], str | None]

_DECISIONS = {
    StepStatus.FORWARDED: "审核通过并上报",
    StepStatus.RETURNED: "退回",
    StepStatus.APPROVED: "审核完成",
}


def day(value: date) -> str:
    """2025年3月18日."""
    return f"{value.year}年{value.month}月{value.day}日"


def moment(value: datetime) -> str:
    """2025年3月18日 10:32."""
    return f"{day(value.date())} {value:%H:%M}"


def decision(step: StepFact) -> str:
    """天河区科技工业和信息化局（吴倩）已于2025年3月18日 10:32审核通过并上报."""
    by = f"（{step.decided_by}）" if step.decided_by else ""
    at = f"已于{moment(step.decided_at)}" if step.decided_at else "已"
    return f"{step.authority_name or step.tier.caption}{by}{at}{_DECISIONS.get(step.status, '办理')}"


def handler(facts: Facts) -> str:
    """Whom to ask: the office that has it now, or the one it goes to first."""
    step = facts.current or next((s for s in facts.applicable if s.authority_name), None)
    return step.authority_name if step and step.authority_name else "上级主管部门"


def listed(facts: Facts, role: Role) -> str | None:
    if facts.listed:
        return None
    return (
        "在现行名单中没有查到本单位，不能新增动态管理表。如单位名称已变更或名单上的名称不同，请联系市主管部门核对名单；"
        "没有列入名单而需要填报的，由市或省主管部门邀请。"
    )


def none_alive(facts: Facts, role: Role) -> str | None:
    if not facts.other_alive:
        return None
    return f"本单位{facts.year}年度的动态管理表已经建立，每年只填一份。请在列表中打开已有的一份。"


def window_open(facts: Facts, role: Role) -> str | None:
    if facts.opens_on is None or facts.locks_on is None:
        return f"{facts.year}年度还没有安排填报。请等待主管部门发布填报安排。"
    if facts.today < facts.opens_on:
        return f"{facts.year}年度的填报从{day(facts.opens_on)}开始，现在还不能办理。请到时再来。"
    if facts.today > facts.locks_on:
        return (
            f"{facts.year}年度的填报已于{day(facts.locks_on)}截止，不再接收。"
            f"确需补报的，请联系{handler(facts)}申请延期，批准后即可继续。"
        )
    return None


def by_signer(facts: Facts, role: Role) -> str | None:
    if role is Role.SIGNER or not facts.signer_named:
        return None
    return "本单位已指定负责人，上报由负责人办理。请通知负责人登录后点击“上报”。"


def superior_chosen(facts: Facts, role: Role) -> str | None:
    if facts.has_superior:
        return None
    return "还没有选择上级主管部门，不知道应上报给谁。请到“单位信息”选择省、市、县上级主管部门（或所属集团）后再上报。"


def validated(facts: Facts, role: Role) -> str | None:
    if facts.validated:
        return None
    return "还没有通过验证。请先点击“验证并保存”，按提示改正标红的单元格，通过后再上报。"


def validated_to_stamp(facts: Facts, role: Role) -> str | None:
    if facts.validated:
        return None
    return "还没有通过验证。请先点击“验证并保存”，通过后导出为PDF、签字盖章，再上传盖章扫描件。"


def stamped(facts: Facts, role: Role) -> str | None:
    if facts.stamped:
        return None
    return "还没有上传与当前内容一致的盖章扫描件。请导出为PDF，法人签字并加盖公章后上传扫描件，再上报。"


def all_answered(facts: Facts, role: Role) -> str | None:
    if not facts.unanswered:
        return None
    return f"还有 {facts.unanswered} 个核实问题没有回答。请在“核实问题”中逐条回答后再重新上报。"


def changed(facts: Facts, role: Role) -> str | None:
    if facts.changed_or_answered:
        return None
    return "退回以后内容没有改动，也没有回答核实问题。请按退回意见修改或回答后再重新上报。"


def something_to_answer(facts: Facts, role: Role) -> str | None:
    return None if facts.unanswered else "没有待回答的核实问题。"


def first_tier_undecided(facts: Facts, role: Role) -> str | None:
    decided = next((step for step in facts.applicable if step.decided), None)
    if decided is None:
        return None
    return f"{decision(decided)}，不能再取消上报。如需修改，请联系{handler(facts)}，由其退回后再修改。"


def questions_closed(facts: Facts, role: Role) -> str | None:
    if not facts.unclosed:
        return None
    return f"本级还有 {facts.unclosed} 个核实问题没有关闭。请查看回答后关闭，或退回申报单位。"


def letter_given(facts: Facts, role: Role) -> str | None:
    if facts.letter_given or not facts.letter_required:
        return None
    return "按评审配置，本级审核通过前须上传推荐文件。请先点击“上传推荐文件”。"


def next_tier_undecided(facts: Facts, role: Role) -> str | None:
    own = facts.own_step
    if own is None or own.status is not StepStatus.FORWARDED:
        return "本级没有已上报的审核意见，不需要收回。"
    following = facts.after(own.tier)
    if following is not None and following.status is StepStatus.REVIEWING:
        return None
    if following is None or not following.decided:
        return "下一级还没有收到，不能收回。请刷新页面查看最新情况。"
    return f"{decision(following)}，不能收回。如需修改，请联系{handler(facts)}退回。"


def task_open(facts: Facts, role: Role) -> str | None:
    return None if facts.task_open else "分配任务的主管部门已经办结，不能再提交专家意见。如需补充，请联系该部门。"


def restorable(facts: Facts, role: Role) -> str | None:
    last = facts.restorable_until
    if last is None:
        return "这份动态管理表没有被删除，不需要恢复。"
    if facts.today > last:
        return f"删除已超过 {facts.restore_days} 天（最晚{day(last)}），不能恢复。请通知申报单位重新填报。"
    if facts.other_alive:
        return "该单位同一年度已另建一份动态管理表，不能恢复。如确需恢复，请先由该单位删除新建的一份。"
    return None


def standing(facts: Facts) -> str:
    """Where it stands now (现状), as the first half of a refusal."""
    if facts.deleted_on is not None:
        return f"这份动态管理表已于{day(facts.deleted_on)}删除"
    match facts.status:
        case None:
            return "还没有新增动态管理表"
        case FilingStatus.DRAFT:
            return (
                "申报单位已取消上报，这份动态管理表正在修改"
                if facts.withdrawn
                else "这份动态管理表正在填写，还没有上报"
            )
        case FilingStatus.REVIEW:
            return f"这份动态管理表正在由{handler(facts)}审核"
        case FilingStatus.RETURNED:
            return f"这份动态管理表已被{facts.returned_by or '主管部门'}退回，正在由申报单位修改"
        case FilingStatus.DONE:
            return "这份动态管理表已经审核完成"


# What each asks for, in a few words (条件).
CAPTIONS: Mapping[Guard, str] = {
    listed: "在现行名单中",
    none_alive: "本年度尚未建立",
    window_open: "在填报期或延期内",
    by_signer: "已指定负责人的由负责人办理",
    superior_chosen: "已选定上级主管部门",
    validated: "已通过验证",
    validated_to_stamp: "已通过验证",
    stamped: "盖章扫描件与数据一致",
    all_answered: "核实问题均已回答",
    changed: "退回后有修改或回答",
    something_to_answer: "有待回答的核实问题",
    first_tier_undecided: "第一级尚未审批",
    questions_closed: "本级核实问题均已关闭",
    letter_given: "按评审配置已上传推荐文件",
    next_tier_undecided: "下一级尚未审批",
    task_open: "分配的部门尚未办结",
    restorable: "删除未超过期限且未另建",
}
