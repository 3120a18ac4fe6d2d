"""What a document is made from (快照): plain values, so that a child process can be handed one and a rebuild is identical."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from models.enums import CellKind
from services.filings.views import Difference
from services.forms.findings import CellValue
from services.forms.template import Address, FormTemplate

BLANK = CellValue("", CellKind.BLANK)


@dataclass(frozen=True, slots=True)
class NoteLine:
    """A kept warning with what was said to it (数据核实说明)."""

    message: str
    said: str  # 已核实无误, or the explanation
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OpinionLine:
    """One tier's opinion (审核意见)."""

    tier: str  # caption: 市审核 …
    authority_name: str
    decision: str  # 已上报, 审核完成, 已退回
    opinion: str
    decided_by: str
    decided_at: datetime | None
    remarks: tuple[str, ...] = ()  # 推荐文件已上传, 专家评审 …, 动态调整意见 …


@dataclass(frozen=True, slots=True)
class FilingSnapshot:
    """一份动态管理表 as it stands or stood. ``version_no``: the frozen version's, or of the one a 上报 would make now."""

    template: FormTemplate
    cells: Mapping[Address, CellValue]
    derived: Mapping[Address, CellValue]
    number: str  # 填报编号
    unit_name: str
    credit_code: str
    year: int
    digest: str  # hex, of the figures
    version_no: int
    validated: bool
    dated: datetime  # of the figures: submitted, validated or last saved; also the creation time inside the PDF
    submitted_at: datetime | None = None
    notes: tuple[NoteLine, ...] = ()
    differences: tuple[Difference, ...] = ()
    compared_with: str = ""  # words: 第1版（2025年3月18日上报）, 2024年度审核完成的版本
    opinions: tuple[OpinionLine, ...] = ()

    def value(self, field: str, slot: str = "") -> CellValue:
        address = Address(field, slot)
        return self.cells.get(address) or self.derived.get(address) or BLANK
