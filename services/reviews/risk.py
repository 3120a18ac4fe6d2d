"""风险分: a queue is sorted by it and its parts are shown. Points are ours (建议值), none is official."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from models.enums import CellKind, FindingState
from services.filings.views import FindingView
from services.forms.findings import CellValue
from services.forms.template import Address, FormTemplate

COMPLIANCE = tuple(f"compliance_{n}" for n in range(1, 7))  # 合规性信息 1–6
NAME_SAME = "name_same"  # 第7问
JUMP_UP, JUMP_DOWN = Decimal("1.5"), Decimal("0.5")  # 建议值: more than half up or down on the year before
JUMPS_COUNTED = 5

# (name, points for one, at most), 建议值
POINTS: Mapping[str, tuple[str, int, int]] = {
    "compliance": ("合规性信息勾选“是”", 20, 60),
    "name": ("名称与名单不一致", 10, 10),
    "explained": ("保留的警告", 5, 30),
    "jump": ("指标较上年变动超过50%", 2, 10),
    "late": ("逾期上报", 10, 10),
    "returned": ("曾被退回", 5, 15),
}


@dataclass(frozen=True, slots=True)
class Jump:
    """同比突变: a figure that is much more or less than the year before."""

    address: Address
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Risk:
    """``parts``: words and points; ``flags``: how many red flags there are."""

    score: int
    parts: tuple[tuple[str, int], ...]
    flags: int


def assess(
    template: FormTemplate,
    cells: Mapping[Address, CellValue],
    findings: Sequence[FindingView],
    *,
    late: bool,
    times_returned: int,
) -> Risk:
    """The risk score of a version with its parts (风险分)."""
    counted = {
        "compliance": len(said_yes(cells)),
        "name": int(name_differs(cells)),
        "explained": len(kept(findings)),
        "jump": min(len(jumps(template, cells)), JUMPS_COUNTED),
        "late": int(late),
        "returned": times_returned,
    }
    parts = []
    for key, count in counted.items():
        words, points, most = POINTS[key]
        if count:
            parts.append((f"{words} ×{count}" if count > 1 else words, min(points * count, most)))
    flags = counted["compliance"] + counted["name"] + counted["late"]
    return Risk(sum(points for _, points in parts), tuple(parts), flags)


def said_yes(cells: Mapping[Address, CellValue]) -> tuple[Address, ...]:
    """合规性信息 1–6 answered 是."""
    return tuple(a for key in COMPLIANCE if (a := Address(key)) in cells and cells[a].text == "是")


def name_differs(cells: Mapping[Address, CellValue]) -> bool:
    """第7问 answered 否: the name is not that of the list."""
    answer = cells.get(Address(NAME_SAME))
    return answer is not None and answer.text == "否"


def kept(findings: Sequence[FindingView]) -> tuple[FindingView, ...]:
    """Warnings that were kept, explained ones first (保留的警告)."""
    said = [f for f in findings if f.level == "warning" and f.state != FindingState.OPEN.value]
    return tuple(sorted(said, key=lambda f: f.state != FindingState.EXPLAINED.value))


def jumps(template: FormTemplate, cells: Mapping[Address, CellValue]) -> tuple[Jump, ...]:
    """Figures of the latest year that differ by more than half from the year before (同比突变), largest first."""
    if len(template.years) < 2:
        return ()
    last, year = str(template.years[-2]), str(template.years[-1])
    found = []
    for field in template.fields.values():
        if not field.yearly:
            continue
        before, after = _figure(cells, field.key, last), _figure(cells, field.key, year)
        if before and after is not None and not JUMP_DOWN <= after / before <= JUMP_UP:
            found.append(Jump(Address(field.key, year), before, after))
    return tuple(sorted(found, key=lambda jump: -abs(jump.after / jump.before - 1)))


def _figure(cells: Mapping[Address, CellValue], key: str, slot: str) -> Decimal | None:
    cell = cells.get(Address(key, slot))
    return Decimal(cell.value) if cell is not None and cell.kind is CellKind.NUMBER and cell.value else None
