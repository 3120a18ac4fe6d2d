"""Findings (核验问题) and what the sheet tells about itself. Values only; how they are found is in ``rules``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.enums import CellKind, FindingLevel
from services.forms.template import Address, Keep


@dataclass(frozen=True, slots=True)
class CellValue:
    """单元格的值: as typed, its kind, and for NUMBER the exact decimal in the canonical unit (plain notation)."""

    text: str
    kind: CellKind
    value: str = ""


@dataclass(frozen=True, slots=True)
class Fix:
    """一键更正: the text to put into each cell, and the words on the button."""

    words: str
    texts: Mapping[str, str]  # str(Address) → new text


@dataclass(frozen=True, slots=True)
class Finding:
    """核验问题. ``id`` is stable: rule id plus the slot it was found in; ``cells`` are the addresses it names, main one first."""

    id: str
    rule: str
    level: FindingLevel
    title: str
    message: str  # the whole sentence: found, expected, where the figure comes from, how to correct it
    cells: tuple[Address, ...]
    values_hash: str  # of the texts of ``cells``: an explanation is bound to it
    keep: Keep = "confirm"
    fix: Fix | None = None
    popup: bool = True  # shown as an official pop-up when it arises
    source: str = ""
    reviewers_only: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What rules may know beyond the sheet (核验背景); everything uncertain is passed in."""

    listed_names: tuple[str, ...] = ()  # names of this unit on the list in force
    roster_names: frozenset[str] = frozenset()  # all names on the list of this form (for 变更前的工厂名称)
    credit_code_check: FindingLevel | None = FindingLevel.WARNING  # 校验位: None switches the check off
    has_attachment: bool = False
    unit_name: str = ""


@dataclass(frozen=True, slots=True)
class PartProgress:
    """填写进度: required cells filled, of how many."""

    part: str
    title: str
    filled: int
    required: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What a set of edits changed (一次修改的结果): cells that now show something else (typed and derived), findings gone and new."""

    cells: Mapping[Address, CellValue]
    gone: tuple[str, ...] = ()
    found: tuple[Finding, ...] = ()
    refused: Mapping[Address, str] = field(default_factory=dict)  # address → Chinese sentence
