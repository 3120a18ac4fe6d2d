"""The audit log as the administrator reads it (审计日志查询)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from models import AuditLine
from models.enums import Action
from services import audit, clock
from services.accounts.views import AuditPage, AuditQuery, AuditRow
from services.actors import Actor
from services.permissions import Place, Power, authorize

CAPTIONS = {action.value: action.caption for action in Action} | {
    "sign_in": "登录",
    "sign_out": "退出登录",
    "change_password": "修改密码",
    "issue_reset_code": "生成重置码",
    "use_reset_code": "使用重置码",
    "enrol_code": "启用动态口令",
    "stop_code": "停用动态口令",
    "renew_recovery_codes": "重新生成恢复码",
    "use_recovery_code": "使用恢复码",
    "end_others": "退出其他登录",
    "change_role": "改角色",
    "create_user": "新增用户",
    "enable_user": "启用用户",
    "disable_user": "停用用户",
    "register_unit": "单位注册",
    "confirm_unit": "确认注册",
    "refuse_unit": "退回注册",
    "create_organisation": "新增机构",
    "edit_profile": "修改单位信息",
    "reveal_contacts": "显示联系方式",
    "seed_demo": "写入演示数据",
    "create_admin": "新增系统管理员",
    "backup": "备份",
    "restore": "恢复备份",
    "set_campaign": "修改填报安排",
    "set_region_dates": "设置地区截止日",
    "extend": "延期",
    "import": "导入EXCEL",
    "batch_export": "批量导出",
    "confirm_import": "导入EXCEL",
}


def page(s: Session, actor: Actor, query: AuditQuery) -> AuditPage:
    """审计日志, newest first."""
    authorize(actor, Power.READ_AUDIT, Place())
    where: list[Any] = []
    if query.action:
        where.append(AuditLine.action == query.action)
    if query.result is not None:
        where.append(AuditLine.result == query.result)
    if query.since is not None:
        where.append(col(AuditLine.at) >= query.since)
    if query.until is not None:
        where.append(col(AuditLine.at) < query.until)
    if query.subject:
        where.append(AuditLine.subject == query.subject)
    if query.subject_id is not None:
        where.append(AuditLine.subject_id == query.subject_id)
    if text := query.search.strip():
        like = f"%{text}%"
        where.append(
            or_(col(AuditLine.user_name).ilike(like), col(AuditLine.detail).ilike(like), col(AuditLine.address) == text)
        )
    total = s.exec(select(func.count()).select_from(AuditLine).where(*where)).one()
    size = min(max(query.page_size, 1), 200)
    lines = s.exec(
        select(AuditLine)
        .where(*where)
        .order_by(col(AuditLine.id).desc())
        .offset((max(query.page, 1) - 1) * size)
        .limit(size)
    ).all()
    words = sorted(s.exec(select(AuditLine.action).distinct()).all())
    return AuditPage(tuple(map(_row, lines)), total, tuple((word, CAPTIONS.get(word, word)) for word in words))


def check(s: Session, actor: Actor) -> str:
    """核对审计日志 on the page: one sentence."""
    authorize(actor, Power.READ_AUDIT, Place())
    return verdict(s)[1]


def verdict(s: Session) -> tuple[bool, str]:
    """Whether the chain is whole, and the sentence that says so."""
    sound, broken = audit.verify(s)
    if broken is None:
        return True, f"审计日志完整：共 {sound} 条，逐条校验一致，末条校验值 {audit.last(s)[1][:16]}。"
    return False, f"审计日志有问题：{broken.reason}。此前 {sound} 条一致。请保留现场，用最近的备份比对。"


def _row(line: AuditLine) -> AuditRow:
    assert line.id is not None
    return AuditRow(
        id=line.id,
        at=clock.local(line.at),
        user_name=line.user_name or "—",
        address=line.address,
        action=line.action,
        action_caption=CAPTIONS.get(line.action, line.action),
        subject=line.subject,
        subject_id=line.subject_id,
        result=line.result,
        detail=line.detail,
        before_digest=line.before_digest,
        after_digest=line.after_digest,
    )
