"""The list of filings with a column for each review tier (填报列表), as the manual draws it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nicegui import events, ui

from models.enums import TIERS, Action, FilingStatus, StepStatus
from services import clock
from services.filings.views import ActionView, FilingRow, StepView
from ui import act, words
from ui.widgets import notices

COMPONENT = Path(__file__).parents[2] / "assets" / "static" / "tier_table.js"

STEP_KINDS: Mapping[StepStatus, str] = {
    StepStatus.NOT_APPLICABLE: "off",
    StepStatus.WAITING: "off",
    StepStatus.REVIEWING: "now",
    StepStatus.FORWARDED: "done",
    StepStatus.RETURNED: "back",
    StepStatus.APPROVED: "done",
}
DANGEROUS = frozenset({Action.DELETE})
DECISIONS = frozenset({Action.FORWARD, Action.APPROVE, Action.SEND_BACK})  # taken on the review page, after reading
BY_WORD = {action.value: action for action in Action}


@dataclass(frozen=True, slots=True)
class Column:
    """列: ``sort`` is the key the service sorts by; ``tier`` marks a tier column."""

    key: str
    title: str
    sub: str = ""
    sort: str = ""
    tier: str = ""


def columns(tier_names: Mapping[str, str], *, authority: bool) -> tuple[Column, ...]:
    """The manual's columns; an authority also sees the risk score its queue is sorted by."""
    tiers = tuple(Column(t.value, t.caption, tier_names.get(t.value, ""), tier=t.value) for t in TIERS)
    risk = (Column("risk", "风险分", sort="risk"),) if authority else ()
    return (
        Column("submitted", "提交时间", sort="submitted_at"),
        Column("unit", "单位名称", sort="unit_name"),
        Column("status", "填报状态"),
        *tiers,
        *risk,
        Column("actions", "操作"),
    )


class TierTable(ui.element, component=COMPONENT):
    """Shows one page of rows; events: act(id, action), sort(key), picked(ids)."""

    def __init__(
        self,
        *,
        label: str,
        on_act: Callable[[int, Action], Awaitable[None]],
        on_sort: Callable[[str], Any],
        on_picked: Callable[[list[int]], Any] | None = None,
    ) -> None:
        super().__init__()
        self._props.update(rowsJson="[]", columnsJson="[]", label=label, selectable=False, busy=False)
        self._on_act, self._on_sort, self._on_picked = on_act, on_sort, on_picked
        self._ids: frozenset[int] = frozenset()
        self.on("act", act.busy(self._act))  # a second click opens no second dialog
        self.on("sort", self._sort)
        self.on("refused", lambda e: notices.show("warning", str(e.args)[:300]))
        if on_picked:
            self.on("picked", self._picked)

    def show(
        self, rows: Iterable[FilingRow], heads: tuple[Column, ...], *, sort: str, descending: bool, pick: bool = False
    ) -> None:
        """Draw these rows in place of the former ones; ``pick`` offers to choose several."""
        rows = tuple(rows)
        self._ids = frozenset(row.id for row in rows)
        with self._props.suspend_updates():
            self._props["rowsJson"] = json.dumps([_row(row) for row in rows], ensure_ascii=False)
            self._props["columnsJson"] = json.dumps([_head(c) for c in heads], ensure_ascii=False)
            self._props["sort"] = sort
            self._props["selectable"] = pick
            self._props["descending"] = descending
        self.update()

    async def _act(self, e: events.GenericEventArguments) -> None:
        match e.args:
            case {"id": int(filing_id), "action": str(word)} if filing_id in self._ids and word in BY_WORD:
                await self._on_act(filing_id, BY_WORD[word])

    def _sort(self, e: events.GenericEventArguments) -> Any:
        return self._on_sort(e.args) if isinstance(e.args, str) else None

    def _picked(self, e: events.GenericEventArguments) -> Any:
        if self._on_picked and isinstance(e.args, list):
            return self._on_picked([i for i in e.args if isinstance(i, int) and i in self._ids])
        return None


def _head(column: Column) -> dict[str, str]:
    return {"key": column.key, "title": column.title, "sub": column.sub, "sort": column.sort, "tier": column.tier}


def _row(row: FilingRow) -> dict[str, Any]:
    tone, icon = words.TONES[row.status]
    if row.status == FilingStatus.DRAFT and row.validated:
        tone = "accent"
    actions = [a for a in row.actions if a.action != Action.OPEN]
    link = next((a.action for a in actions if a.enabled and a.action in (Action.EDIT, Action.VIEW)), None)
    if any(a.action in DECISIONS for a in actions):
        actions = [ActionView(Action.ASK, "审核"), *(a for a in actions if a.action is not Action.VIEW)]
    return {
        "id": row.id,
        "submitted": clock.local(row.submitted_at).strftime("%Y-%m-%d") if row.submitted_at else "—",
        "submittedAt": clock.local(row.submitted_at).strftime("%H:%M") if row.submitted_at else "",
        "unit": row.unit_name,
        "under": "　".join(filter(None, (f"{row.year}年", *row.region_name.split()[-1:], row.level))),
        "link": link,
        "status": row.status_caption,
        "tone": tone,
        "icon": icon,
        "statusNotes": _notes(row),
        "steps": {step.tier.value: _step(step) for step in row.steps},
        "risk": row.risk,
        "riskWords": "；".join(f"{part} {points}" for part, points in row.risk_parts) or "没有加分项",
        "actions": [_button(a) for a in actions if a.action not in DECISIONS],
    }


def _button(view: ActionView) -> dict[str, Any]:
    return {
        "action": view.action.value,
        "caption": view.caption,
        "reason": "" if view.enabled else view.reason,
        "danger": view.action in DANGEROUS,
    }


def _notes(row: FilingRow) -> list[str]:
    return [
        note
        for note, true in (("逾期", row.late), ("已重报", row.resubmitted), (f"红旗 {row.flags} 处", row.flags > 0))
        if true
    ]


def _step(step: StepView) -> dict[str, object]:
    moment = clock.local(step.decided_at).strftime("%m-%d") if step.decided_at else ""
    return {
        "text": step.status.caption,
        "kind": STEP_KINDS[step.status],
        "when": moment,
        "notes": step.notes,
        "hint": "　".join(filter(None, (step.authority_name, words.moment(step.decided_at, ""), *step.notes))),
    }


__all__ = ["Column", "TierTable", "columns"]
