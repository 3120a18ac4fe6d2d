"""What the filer's and reviewer's pages are told (视图): frozen values, no ORM row; every caption is ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from models.enums import Action, FilingStatus, FindingState, Form, StepStatus, Tier


@dataclass(frozen=True, slots=True)
class CellEdit:
    """One change that a person made (修改): address as text, the text typed; ``convert`` for unit cells: convert the figures."""

    address: str
    text: str
    convert: bool = False


@dataclass(frozen=True, slots=True)
class CellView:
    """单元格: text as shown, kind, ``invalid`` text stays as typed."""

    text: str
    kind: str  # CellKind value


@dataclass(frozen=True, slots=True)
class FindingView:
    """核验问题 with what was said to it."""

    id: str
    rule: str
    level: str  # error, warning, note
    title: str
    message: str
    cells: tuple[str, ...]
    values_hash: str
    keep: str  # confirm, explain
    state: str = FindingState.OPEN.value
    note: str = ""
    note_by: str = ""
    fix_words: str = ""
    fix_texts: Mapping[str, str] = field(default_factory=dict)
    popup: bool = True
    source: str = ""


@dataclass(frozen=True, slots=True)
class SheetPatch:
    """The one answer to one edit, also pushed to other open pages: only what changed."""

    cells: Mapping[str, CellView]
    gone: tuple[str, ...]
    found: tuple[FindingView, ...]
    refused: Mapping[str, str]
    progress: tuple[tuple[str, int, int], ...]  # part key, filled, required
    counts: tuple[int, int, int]  # open errors, open warnings, notes
    saved_at: datetime | None
    revision: int
    validated: bool
    stamped: bool
    conflicts: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # address → (theirs, yours): both shown
    by: str = ""  # whose edit it was, for other pages


@dataclass(frozen=True, slots=True)
class ActionView:
    """A button (按钮): absent if the role never has it, disabled with ``reason`` if it cannot be done now."""

    action: Action
    caption: str
    enabled: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StepView:
    """一个审核层级: the cell of a tier column."""

    tier: Tier
    status: StepStatus
    authority_name: str
    decided_at: datetime | None = None
    notes: tuple[str, ...] = ()  # 推荐文件已上传 ⊙, 专家意见 1/2 份, 未组织专家评审(可选), 未分配专家
    opinion: str = ""
    decided_by: str = ""
    letter_file_id: int | None = None


@dataclass(frozen=True, slots=True)
class FilingRow:
    """A row of a list page (列表行)."""

    id: int
    number: str
    unit_name: str
    year: int
    form: Form
    region_name: str
    level: str
    status: FilingStatus
    status_caption: str  # 填写中, 填写中(已通过验证), 上级主管部门审核中, 已退回, 审核完成
    validated: bool
    late: bool
    submitted_at: datetime | None
    saved_at: datetime | None
    steps: tuple[StepView, ...]
    actions: tuple[ActionView, ...]
    risk: int = 0
    risk_parts: tuple[tuple[str, int], ...] = ()
    flags: int = 0
    due_on: date | None = None
    deleted_at: datetime | None = None
    restorable_until: date | None = None  # of a deleted one
    resubmitted: bool = False  # 已重报


@dataclass(frozen=True, slots=True)
class FilingPage:
    """One page of a list, with the counts of its tabs."""

    rows: tuple[FilingRow, ...]
    total: int
    counts: Mapping[str, int]
    tier_names: Mapping[str, str]  # tier value → authority name in the column head ("" if they differ)
    open_action: ActionView | None = None  # 新增动态管理表


@dataclass(frozen=True, slots=True)
class MissingRow:
    """未填报: a listed unit without a filing."""

    organisation_id: int | None
    unit_name: str
    credit_code: str
    region_name: str
    level: str
    due_on: date | None
    late: bool


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What an authority's list is asked for (筛选); ``tab``: mine, review, returned, done, missing, all, deleted."""

    form: Form
    year: int
    tab: str = "all"
    search: str = ""
    region_code: str = ""
    level: str = ""
    status: str = ""
    late: bool = False
    flagged: bool = False
    sort: str = "submitted_at"  # submitted_at, unit_name, risk, saved_at, deleted_at
    descending: bool = True
    page: int = 1
    page_size: int = 50


@dataclass(frozen=True, slots=True)
class FileView:
    id: int
    kind: str
    kind_caption: str
    name: str
    size: int
    media_type: str
    pages: int
    uploaded_by: str
    uploaded_at: datetime
    removable: bool = False


@dataclass(frozen=True, slots=True)
class QuestionView:
    id: int
    tier: Tier
    authority_name: str
    address: str
    place: str  # words for the cell: 氨氮排放量 2024年, or 整份表
    text: str
    status: str
    published: bool
    asked_by: str
    asked_at: datetime
    answer: str = ""
    answered_by: str = ""
    answered_at: datetime | None = None
    can_answer: bool = False
    can_close: bool = False


@dataclass(frozen=True, slots=True)
class VersionView:
    id: int
    no: int
    status: str
    status_caption: str
    digest_code: str
    receipt_number: str
    submitted_by: str
    submitted_at: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """改动: one cell that differs between two sheets."""

    address: str
    place: str
    part: str
    before: str
    after: str
    unit: str = ""
    change: str = ""  # +12.5%, for numbers


@dataclass(frozen=True, slots=True)
class StampView:
    """盖章扫描件: what is bound now."""

    file: FileView
    digest_code: str
    current: bool
    found_by: str
    report: tuple[str, ...]  # page by page
    bound_by: str
    bound_at: datetime


@dataclass(frozen=True, slots=True)
class FilingHead:
    """Everything above the sheet (表头): who, what, where it stands, what can be done."""

    id: int
    number: str
    organisation_id: int
    unit_name: str
    credit_code: str
    form: Form
    year: int
    status: FilingStatus
    status_caption: str
    validated: bool
    stamped: bool
    revision: int
    digest_code: str
    saved_at: datetime | None
    submitted_at: datetime | None
    due_on: date | None
    locks_on: date | None
    late: bool
    editable: bool
    locked_reason: str  # why it cannot be edited: cause, owner, way out
    return_reason: str
    returned_by: str
    steps: tuple[StepView, ...]
    actions: tuple[ActionView, ...]
    stamp: StampView | None
    version_no: int
    level: str = ""
    region_name: str = ""


@dataclass(frozen=True, slots=True)
class SheetView:
    """The whole sheet page (填报页): head, layout, cells, findings, files, questions. ``layout`` is JSON-ready, see form_sheet."""

    head: FilingHead
    layout: Mapping[str, Any]
    cells: Mapping[str, CellView]
    editable: frozenset[str] | None  # None: every unlocked cell; else only these addresses
    findings: tuple[FindingView, ...]
    progress: tuple[tuple[str, int, int], ...]
    questions: tuple[QuestionView, ...]
    files: tuple[FileView, ...]
    previous: Mapping[str, str]  # last year's accepted figures by address, for the reader


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """结果 of 验证并保存."""

    passed: bool
    errors: int
    warnings: int
    first: str  # address to scroll to
    messages: tuple[str, ...]
    digest_code: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """回执 of a 上报."""

    filing_id: int
    number: str
    filing_number: str
    version_no: int
    digest_code: str
    submitted_at: datetime
    submitted_by: str
    late: bool
    next_authority: str
