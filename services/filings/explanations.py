"""Keeping a warning (核实与说明): what a person must say to a finding so that it counts."""

from __future__ import annotations

import re

from models.enums import FindingLevel, FindingState
from services.errors import Refusal
from services.forms import cells
from services.forms.findings import Finding

SHORTEST = 6
LONGEST = 500
EXPECTED = "请写明数据为什么是这样、依据什么，例如“2024年3月新增一条生产线，产值翻倍，见B204-1表”。"

# What says nothing, once fillers and punctuation are taken away.
_EMPTY_PHRASES = frozenset(
    (
        *(
            "核实无误",
            "已核实",
            "已核实无误",
            "经核实无误",
            "数据核实无误",
            "经核实数据无误",
            "数据无误",
            "无误",
            "核实过",
        ),
        *(
            "数据准确",
            "数据属实",
            "情况属实",
            "属实",
            "属实无误",
            "真实",
            "真实有效",
            "真实准确",
            "准确",
            "准确无误",
            "正确",
        ),
        *("没有问题", "没问题", "无问题", "数据没有问题", "正常", "情况正常", "数据正常", "属于正常情况", "正常波动"),
        *("无", "没有", "暂无", "无说明", "无特殊情况", "没有特殊情况", "无情况", "情况说明", "说明", "数据真实有效"),
        *(
            "同上",
            "同前",
            "见上",
            "见附件",
            "详见附件",
            "如实填写",
            "按实际填写",
            "按实际情况填写",
            "据实填写",
            "实际情况",
        ),
        *("实际数据", "以实际为准", "确认", "已确认", "确认无误", "数据无误继续填报", "数据真实", "数据真实准确"),
    )
)
_FILLERS = re.compile(r"[\W_]+|以上|上述|该项|此项|本项|的确|确实|均|都|皆|特此|企业|我单位|本单位|我公司|本公司|我司")


def said(finding: Finding, action: str, text: str) -> tuple[FindingState, str]:
    """What the person said → state and words; raises Refusal, naming what is expected, when that is not enough."""
    if finding.level is FindingLevel.ERROR:
        raise Refusal(f"这是错误，需要改正数据，不能以确认或说明代替：{finding.message}", field="text")
    if action not in ("confirm", "explain"):
        raise Refusal("请选择“数据无误，继续填报”，或填写说明。", field="text")
    words = cells.clean(text)
    if len(words) > LONGEST:
        raise Refusal(f"说明最多 {LONGEST} 字，现在是 {len(words)} 字。请精简，或另传说明材料。", field="text")
    if action == "confirm":
        if finding.keep == "explain":
            raise Refusal(f"这条提示不能只点确认，需要说明原因。{EXPECTED}", field="text")
        return FindingState.CONFIRMED, words
    if not words:
        raise Refusal(f"请填写说明。{EXPECTED}", field="text")
    if _is_empty_phrase(words):
        raise Refusal(f"“{words}”没有说明原因。{EXPECTED}", field="text")
    if len(words) < SHORTEST:
        raise Refusal(f"说明太短，至少 {SHORTEST} 个字。{EXPECTED}", field="text")
    return FindingState.EXPLAINED, words


def says_something(words: str) -> bool:
    """Whether an explanation is more than 核实无误 in other words."""
    return len(words) >= SHORTEST and not _is_empty_phrase(words)


def _is_empty_phrase(words: str) -> bool:
    core = _FILLERS.sub("", words)
    return core in _EMPTY_PHRASES or len(set(core)) < 3 or core.isdigit()
