"""The fixed vocabularies (枚举) of the domain, each member with its Chinese caption. Importable by every room."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Captioned(StrEnum):
    """A string enum whose members carry the words people see (中文名称)."""

    caption: str

    def __new__(cls, value: str, caption: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.caption = caption or value
        return member


class Role(Captioned):
    """角色."""

    FILER = "filer", "填报人"
    SIGNER = "signer", "负责人"
    COUNTY = "county", "县/区主管部门"
    CITY = "city", "市主管部门"
    PROVINCE = "province", "省主管部门"
    GROUP = "group", "中央企业集团"
    MINISTRY = "ministry", "工业和信息化部"
    EXPERT = "expert", "专家"
    ADMIN = "admin", "系统管理员"


UNIT_ROLES = frozenset({Role.FILER, Role.SIGNER})
AUTHORITY_ROLES = frozenset({Role.COUNTY, Role.CITY, Role.PROVINCE, Role.GROUP, Role.MINISTRY})


class Tier(Captioned):
    """审核层级: the four review columns, lowest first."""

    COUNTY = "county", "县/区审核"
    CITY = "city", "市审核"
    PROVINCE = "province", "省/集团审核"
    MINISTRY = "ministry", "工信部审核"


TIERS = (Tier.COUNTY, Tier.CITY, Tier.PROVINCE, Tier.MINISTRY)


class Form(Captioned):
    """表类: what kind of unit the 动态管理表 is for."""

    FACTORY = "green_factory", "绿色工厂"
    PARK = "green_park", "绿色工业园区"
    SUPPLY_CHAIN = "green_supply_chain", "绿色供应链管理企业"
    PRODUCT = "green_product", "绿色设计产品"


class Level(Captioned):
    """名单层面."""

    NATIONAL = "national", "国家层面"
    PROVINCIAL = "provincial", "省层面"
    MUNICIPAL = "municipal", "市层面"


class RosterChangeKind(Captioned):
    """名单变动的种类."""

    LISTED = "listed", "列入"
    RENAMED = "renamed", "更名"
    CORRECTED = "corrected", "更正"
    REMOVED = "removed", "移出"
    RESTORED = "restored", "恢复"


class OrgKind(Captioned):
    """机构类别."""

    UNIT = "unit", "申报单位"
    AUTHORITY = "authority", "主管部门"
    GROUP = "group", "中央企业集团"
    MINISTRY = "ministry", "工业和信息化部"
    OPERATOR = "operator", "系统运行单位"
    EXPERTS = "experts", "专家库"


class CodeKind(Captioned):
    """一次性代码的用途."""

    RESET = "reset", "重置码"
    RECOVERY = "recovery", "恢复码"


class OrgStatus(Captioned):
    """机构登记状态."""

    PENDING = "pending", "待确认"
    ACTIVE = "active", "已确认"
    REFUSED = "refused", "未通过"


class FilingStatus(Captioned):
    """填报状态."""

    DRAFT = "draft", "填写中"
    REVIEW = "review", "上级主管部门审核中"
    RETURNED = "returned", "已退回"
    DONE = "done", "审核完成"


class VersionStatus(Captioned):
    """版本状态."""

    SUBMITTED = "submitted", "审核中"
    WITHDRAWN = "withdrawn", "已取消上报"
    RETURNED = "returned", "已退回"
    APPROVED = "approved", "审核完成"


class StepStatus(Captioned):
    """某一审核层级的状态."""

    NOT_APPLICABLE = "not_applicable", "-不适用-"
    WAITING = "waiting", "未开始"
    REVIEWING = "reviewing", "审核中"
    FORWARDED = "forwarded", "已上报"
    RETURNED = "returned", "已退回"
    APPROVED = "approved", "审核完成"


class Action(Captioned):
    """可对一份动态管理表采取的动作 (the words on the buttons)."""

    OPEN = "open", "新增动态管理表"
    EDIT = "edit", "编辑动态管理表"
    VIEW = "view", "查看动态管理表"
    SAVE_DRAFT = "save_draft", "暂存"
    VALIDATE = "validate", "验证并保存"
    EXPORT_PDF = "export_pdf", "导出为PDF"
    EXPORT_EXCEL = "export_excel", "导出为EXCEL"
    STAMP = "stamp", "上传盖章扫描件"
    SUBMIT = "submit", "上报"
    RESUBMIT = "resubmit", "重新上报"
    WITHDRAW = "withdraw", "取消上报"
    DELETE = "delete", "删除"
    RESTORE = "restore", "恢复"
    ATTACH = "attach", "上传附件"
    ANSWER = "answer", "回答核实问题"
    ASK = "ask", "提出核实问题"
    CLOSE_QUESTION = "close_question", "关闭核实问题"
    SEND_BACK = "send_back", "退回"
    FORWARD = "forward", "审核通过并上报"
    APPROVE = "approve", "审核完成"
    RECALL = "recall", "收回"
    TRANSFER = "transfer", "转送"
    LETTER = "letter", "上传推荐文件"
    CHECK = "check", "勾选审核清单"
    ASSIGN_EXPERT = "assign_expert", "分配专家"
    EXPERT_OPINION = "expert_opinion", "提交专家意见"
    ASSESS = "assess", "登记现场评估"
    ADJUST = "adjust", "提出动态调整意见"


class CellKind(Captioned):
    """单元格内容的种类; blank, 0, 不涉及 and 停产 are four different things."""

    BLANK = "blank", "空"
    NUMBER = "number", "数值"
    TEXT = "text", "文字"
    NOT_APPLICABLE = "not_applicable", "不涉及"
    STOPPED = "stopped", "停产"
    INVALID = "invalid", "无法识别"


class FindingLevel(Captioned):
    """核验问题的级别."""

    ERROR = "error", "错误"
    WARNING = "warning", "警告"
    NOTE = "note", "提示"


class FindingState(Captioned):
    """核验问题的处理情况."""

    OPEN = "open", "未处理"
    CONFIRMED = "confirmed", "已核实无误"
    EXPLAINED = "explained", "已说明"


class QuestionStatus(Captioned):
    """核实问题状态."""

    OPEN = "open", "待回答"
    ANSWERED = "answered", "已回答"
    CLOSED = "closed", "已关闭"


class FileKind(Captioned):
    """附件类别."""

    STAMPED_SCAN = "stamped_scan", "动态管理表盖章扫描件"
    EXPLANATION = "explanation", "情况说明"
    EVIDENCE = "evidence", "证明材料"
    LICENSE = "license", "营业执照"
    LETTER = "letter", "推荐文件"
    RETURN_FILE = "return_file", "退回附件"
    ASSESSMENT = "assessment", "现场评估材料"
    OTHER = "other", "其他"


class Adjustment(Captioned):
    """动态调整意见."""

    KEEP = "keep", "保留"
    CHANGE = "change", "变更"
    RECTIFY = "rectify", "整改"
    REMOVE = "remove", "移出"


class Grade(Captioned):
    """专家评分等级 (实施细则第十四条)."""

    A = "a", "A"
    B = "b", "B"
    C = "c", "C"


class AuditResult(Captioned):
    """审计结果."""

    DONE = "done", "成功"
    REFUSED = "refused", "拒绝"
