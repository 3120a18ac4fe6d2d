"""The audit log as the administrator reads it (审计日志查询): filtered, paged, exported; without what was said about a filing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import Session, col, select

from models import AuditLine, Campaign, Filing, Organisation, User
from models.enums import Action, AuditResult, Form
from services import audit, clock
from services.accounts.views import AuditPage, AuditQuery, AuditRow
from services.actors import Actor
from services.errors import Refusal
from services.permissions import Place, Power, authorize

MOST_EXPORTED = 50_000
PAGE_SIZE = 50

# Words of lines and names of use cases that were refused → Chinese.
CAPTIONS: Mapping[str, str] = {action.value: action.caption for action in Action} | {
    "add": "新增用户",
    "add_entry": "增补名单条目",
    "announce": "新增年度填报安排",
    "apply_fix": "一键更正",
    "assign_entry": "对应名单的单位",
    "assign_experts": "分配专家",
    "attach_letter": "上传推荐文件",
    "backup": "备份",
    "batch_export": "批量导出",
    "bind": "上传盖章扫描件",
    "bulk_forward": "批量审核通过",
    "change": "修改密码",
    "change_password": "修改密码",
    "change_role": "改角色",
    "close": "关闭核实问题",
    "confirm": "确认注册",
    "confirm_import": "导入EXCEL",
    "confirm_unit": "确认注册",
    "correct_entry": "更正名单条目",
    "correct_organisation": "更正机构信息",
    "create_admin": "新增系统管理员",
    "create_office": "新增机构",
    "create_organisation": "新增机构",
    "create_user": "新增用户",
    "disable": "停用用户",
    "disable_user": "停用用户",
    "done": "办结消息",
    "edit_cells": "编辑动态管理表",
    "edit_profile": "修改单位信息",
    "enable": "启用用户",
    "enable_user": "启用用户",
    "end_others": "退出其他登录",
    "enrol": "启用动态口令",
    "enrol_code": "启用动态口令",
    "export_audit": "导出审计日志",
    "extend": "延期",
    "finding_confirmed": "核实无误",
    "finding_explained": "说明",
    "handed_out": "导出动态管理表",
    "import": "导入EXCEL",
    "import_roster": "导入名单",
    "invite": "邀请填报",
    "issue_reset": "生成重置码",
    "issue_reset_code": "生成重置码",
    "leave": "停用动态口令",
    "keep": "保存草稿",
    "mark": "勾选审核清单",
    "note_finding": "核实或说明",
    "open_filing": "新增动态管理表",
    "read": "查阅消息",
    "record_adjustment": "提出动态调整意见",
    "record_assessment": "登记现场评估",
    "refuse": "退回注册",
    "refuse_unit": "退回注册",
    "register_unit": "单位注册",
    "release_expert": "撤回专家任务",
    "remove": "删除附件",
    "remove_entry": "移出名单",
    "remove_file": "删除附件",
    "remove_office": "删除机构",
    "rename_entry": "名单条目更名",
    "renew_recovery": "重新生成恢复码",
    "renew_recovery_codes": "重新生成恢复码",
    "reset": "重置密码",
    "reset_password": "重置密码",
    "reset_value": "设置恢复默认",
    "restore_entry": "恢复名单条目",
    "reveal_contacts": "显示联系方式",
    "seed_demo": "写入演示数据",
    "set_backup_plan": "修改备份计划",
    "set_plan": "修改备份计划",
    "set_campaign": "修改填报安排",
    "set_license": "上传营业执照",
    "set_region_dates": "设置地区截止日",
    "set_value": "修改系统设置",
    "sign_in": "登录",
    "sign_out": "退出登录",
    "start_export": "导出审计日志",
    "stop_code": "停用动态口令",
    "store": "上传附件",
    "submit_opinion": "提交专家意见",
    "take_away": "停用动态口令",
    "update_profile": "修改单位信息",
    "use_recovery_code": "使用恢复码",
    "use_reset_code": "使用重置码",
    "withdraw_invitation": "撤回填报邀请",
}
SUBJECTS: Mapping[str, str] = {
    "filing": "动态管理表",
    "organisation": "机构",
    "user": "用户",
    "campaign": "填报安排",
    "batch": "批量导出",
    "roster_entry": "名单条目",
    "roster_batch": "名单批次",
    "file": "附件",
    "question": "核实问题",
    "task": "专家任务",
    "message": "消息",
    "audit": "审计日志",
    "system": "系统",
}
# An administrator sees no unit's figures: of lines about these only what the system itself said, in the actions below whole,
# else up to the first colon or quotation mark.
ABOUT_FIGURES = frozenset({"filing", "file", "question", "task"})
OPENLY = frozenset(
    {
        Action.OPEN,
        Action.SAVE_DRAFT,
        Action.VALIDATE,
        Action.SUBMIT,
        Action.RESUBMIT,
        Action.WITHDRAW,
        Action.RECALL,
        Action.DELETE,
        Action.RESTORE,
        Action.EXPORT_PDF,
        Action.EXPORT_EXCEL,
    }
)
HEADED = frozenset({Action.FORWARD, Action.APPROVE, Action.SEND_BACK, Action.TRANSFER})
LEFT_OUT = "（内容见该表的办理记录）"
_SAID = re.compile("[：“（]")


def page(s: Session, actor: Actor, query: AuditQuery) -> AuditPage:
    """审计日志, newest first, one page of it."""
    authorize(actor, Power.READ_AUDIT, Place())
    where = _where(query)
    total = s.exec(select(func.count()).select_from(AuditLine).where(*where)).one()
    words = s.exec(select(AuditLine.action).distinct()).all()
    subjects = s.exec(select(AuditLine.subject).distinct()).all()
    return AuditPage(
        _rows(s, where, offset=(max(query.page, 1) - 1) * PAGE_SIZE, limit=PAGE_SIZE),
        total,
        tuple((word, said) for said, word in sorted({caption(word): word for word in words}.items())),
        tuple((word, SUBJECTS[word]) for word in SUBJECTS if word in subjects),
    )


def start_export(s: Session, actor: Actor, query: AuditQuery, ending: str) -> None:
    """导出审计日志: an act of its own in the log. Raises Refusal for more than a workbook takes in reasonable time."""
    authorize(actor, Power.READ_AUDIT, Place())
    total = s.exec(select(func.count()).select_from(AuditLine).where(*_where(query))).one()
    if total > MOST_EXPORTED:
        raise Refusal(f"符合条件的日志有 {total:,} 条，一次最多导出 {MOST_EXPORTED:,} 条。请缩小时间范围，分几次导出。")
    audit.record(s, actor, "export_audit", "audit", detail=f"导出 {total:,} 条（{ending}）；条件：{said(query)}")


def exported(s: Session, actor: Actor, query: AuditQuery) -> tuple[AuditRow, ...]:
    """What is exported (导出内容), newest first."""
    authorize(actor, Power.READ_AUDIT, Place())
    return _rows(s, _where(query), offset=0, limit=MOST_EXPORTED)


def check(s: Session, actor: Actor) -> tuple[bool, str]:
    """核对审计日志 on the page."""
    authorize(actor, Power.READ_AUDIT, Place())
    return verdict(s)


def verdict(s: Session) -> tuple[bool, str]:
    """Whether the chain is whole, and the sentence that says so."""
    sound, broken = audit.verify(s)
    if broken is None:
        return True, f"审计日志完整：共 {sound} 条，逐条校验一致，末条校验值 {audit.last(s)[1][:16]}。"
    return False, f"审计日志有问题：{broken.reason}。此前 {sound} 条一致。请保留现场，用最近的备份比对。"


def caption(action: str) -> str:
    """操作 in Chinese."""
    return CAPTIONS.get(action, "其他操作")


def asked(words: Mapping[str, str]) -> AuditQuery:
    """The filter that an address says; what is no day, result or number there filters nothing."""

    def text(name: str) -> str:
        return words.get(name, "").strip()[:100]

    result = next((result for result in AuditResult if result.value == words.get("result")), None)
    return AuditQuery(
        since=_day(text("since")),
        until=_day(text("until")),
        person=text("person"),
        organisation=text("organisation"),
        action=text("action"),
        result=result,
        subject=text("subject"),
        target=text("target"),
        search=text("search"),
    )


def said(query: AuditQuery) -> str:
    """The filter in words (条件)."""
    parts = (
        ("自", str(query.since or "")),
        ("至", str(query.until or "")),
        ("人员", query.person),
        ("机构", query.organisation),
        ("操作", caption(query.action) if query.action else ""),
        ("结果", query.result.caption if query.result else ""),
        ("对象类别", SUBJECTS.get(query.subject, "")),
        ("对象", query.target),
        ("内容", query.search),
    )
    return "，".join(f"{name} {value}" for name, value in parts if value) or "全部"


def _where(query: AuditQuery) -> list[ColumnElement[bool]]:
    where: list[Any] = []
    if query.since is not None:
        where.append(col(AuditLine.at) >= _midnight(query.since))
    if query.until is not None:
        where.append(col(AuditLine.at) < _midnight(query.until + timedelta(days=1)))
    if query.person:
        where.append(col(AuditLine.user_name).icontains(query.person, autoescape=True))
    if query.organisation:
        people = (
            select(User.id)
            .join(Organisation, col(Organisation.id) == col(User.organisation_id))
            .where(col(Organisation.name).icontains(query.organisation, autoescape=True))
        )
        where.append(col(AuditLine.user_id).in_(people))
    if query.action:
        alike = [word for word in CAPTIONS if caption(word) == caption(query.action)]
        where.append(col(AuditLine.action).in_(alike or [query.action]))
    if query.result is not None:
        where.append(AuditLine.result == query.result)
    if query.subject:
        where.append(AuditLine.subject == query.subject)
    if query.target:
        where.append(_is_about(query.target))
    if query.search:
        whole = or_(
            col(AuditLine.subject).not_in(ABOUT_FIGURES),
            and_(col(AuditLine.action).in_(OPENLY), col(AuditLine.result) == AuditResult.DONE),
        )
        found = col(AuditLine.detail).icontains(query.search, autoescape=True)
        where.append(or_(and_(whole, found), col(AuditLine.address) == query.search))
    return where


def _is_about(text: str) -> ColumnElement[bool]:
    """Lines about what bears this number, name or code."""
    named = {
        "filing": select(Filing.id).where(
            or_(col(Filing.number) == text.upper(), col(Filing.unit_name).icontains(text, autoescape=True))
        ),
        "organisation": select(Organisation.id).where(
            or_(col(Organisation.credit_code) == text.upper(), col(Organisation.name).icontains(text, autoescape=True))
        ),
        "user": select(User.id).where(
            or_(col(User.username) == text.lower(), col(User.name).icontains(text, autoescape=True))
        ),
    }
    return or_(
        *(and_(col(AuditLine.subject) == subject, col(AuditLine.subject_id).in_(ids)) for subject, ids in named.items())
    )


def _rows(s: Session, where: Sequence[ColumnElement[bool]], *, offset: int, limit: int) -> tuple[AuditRow, ...]:
    lines = s.exec(select(AuditLine).where(*where).order_by(col(AuditLine.id).desc()).offset(offset).limit(limit)).all()
    places = _organisations(s, {line.user_id for line in lines if line.user_id is not None})
    names = {subject: _names(s, subject, lines) for subject in ("filing", "organisation", "user", "campaign")}
    return tuple(_row(line, places, names) for line in lines)


def _row(line: AuditLine, places: Mapping[int, str], names: Mapping[str, Mapping[int, str]]) -> AuditRow:
    assert line.id is not None
    known = names.get(line.subject, {}).get(line.subject_id or 0, "")
    number = f"第 {line.subject_id} 号" if line.subject_id is not None else ""
    return AuditRow(
        id=line.id,
        at=clock.local(line.at),
        user_name=line.user_name or "—",
        organisation_name=places.get(line.user_id or 0, ""),
        address=line.address,
        action=line.action,
        action_caption=caption(line.action),
        subject_caption=SUBJECTS.get(line.subject, ""),
        target=known or number,
        result=line.result,
        detail=_shown(line),
        before_digest=line.before_digest,
        after_digest=line.after_digest,
    )


def _shown(line: AuditLine) -> str:
    done = line.result is AuditResult.DONE
    if not line.detail or line.subject not in ABOUT_FIGURES or (done and line.action in OPENLY):
        return line.detail
    if done and line.action not in HEADED:
        return LEFT_OUT
    head = _SAID.split(line.detail, maxsplit=1)[0]
    return head if head == line.detail else f"{head}{LEFT_OUT}"


def _organisations(s: Session, users: Iterable[int]) -> Mapping[int, str]:
    """User id → the organisation's name."""
    query = select(User.id, Organisation.name).join(Organisation, col(Organisation.id) == col(User.organisation_id))
    return {i or 0: name for part in _parts(users) for i, name in s.exec(query.where(col(User.id).in_(part)))}


def _names(s: Session, subject: str, lines: Iterable[AuditLine]) -> Mapping[int, str]:
    """Id → words, for the lines about this kind of thing."""
    found: dict[int, str] = {}
    for part in _parts({line.subject_id for line in lines if line.subject == subject and line.subject_id is not None}):
        match subject:
            case "filing":
                filings = s.exec(select(Filing.id, Filing.number, Filing.unit_name).where(col(Filing.id).in_(part)))
                found |= {i or 0: f"{number} {name}" for i, number, name in filings}
            case "organisation":
                places = s.exec(select(Organisation.id, Organisation.name).where(col(Organisation.id).in_(part)))
                found |= {i or 0: name for i, name in places}
            case "user":
                users = s.exec(select(User.id, User.name, User.username).where(col(User.id).in_(part)))
                found |= {i or 0: f"{name}（{username}）" for i, name, username in users}
            case "campaign":
                campaigns = s.exec(select(Campaign.id, Campaign.year, Campaign.form).where(col(Campaign.id).in_(part)))
                found |= {i or 0: f"{year}年度{Form(form).caption}" for i, year, form in campaigns}
    return found


def _parts(ids: Iterable[int], size: int = 500) -> Iterable[list[int]]:
    """In portions that every database takes as parameters."""
    listed = sorted(ids)
    return (listed[i : i + size] for i in range(0, len(listed), size))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), clock.BEIJING)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
