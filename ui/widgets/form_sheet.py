"""FormSheet (动态管理表): the whole form as one custom element; the browser half is in ``assets/static/form_sheet``.

One event per action of the person, one answer. A page gives handlers that return the answer; the widget acknowledges it::

    sheet = FormSheet(sheet_json(view, user_id=actor.user_id), layout_json(view.layout), on_cells=edit, on_note=note, on_fix=fix)
    async def edit(e: CellsEvent) -> SheetPatch | None: ...   # None: refused, already told; the typed texts stay 未保存
    sheet.push(patch)             # somebody else's edit, from another page

Handlers of one page run one after the other, in the order in which the person acted. A handler that raises, or returns None
or a sentence, leaves the edits in the browser; the saved mark says 未保存 with that sentence (a Refusal's own) and offers
重试. An edit may arrive twice (replay after a lost connection): the text it wants to write is then already there, which is
not a conflict.

Selectors for tests (all stable):
  ``[data-address="gross_output:2024"]``  the input, textarea, select or radio group of a field, or the grid cell
                                          (units ``key:unit``, remarks ``key:remark``, fields asked once ``key``)
  ``.lvs-root[data-ready="1"]``           drawn; ``[data-pending="0"]`` everything acknowledged
  ``.lvs-saved``                          saved mark, ``data-saved`` = saved, saving, offline, failed
  ``[data-mark]`` on a cell or field      error, warning, kept, need, note; ``data-kind`` the kind of the cell
  ``[data-dialog]``                       findings, unit, conflict, failure; ``[data-finding="R01-nh3n@2024"]`` in panel and pop-up
  ``.lvs-panel``, ``.lvs-panel-button``   findings panel and the button that opens it
  ``[data-part="basics"]``                part (section) and its button in the navigation
  ``window.__sheet``                      ready, sent, acked, pending, patches, state
Grid cells: click or focus, then type; Enter, Tab, F2, Escape as in a sheet; the open editor is ``.lvs-editor``.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

import nicegui.elements.aggrid  # noqa: F401  (registers the AG Grid bundle for the import map)
from nicegui import json as wire_json
from nicegui import ui
from nicegui.awaitable_response import AwaitableResponse, NullResponse
from nicegui.dependencies import register_esm

from services import clock
from services.errors import Refusal
from services.filings.views import CellEdit, FindingView, SheetPatch, SheetView, ValidationResult

MODULES = Path(__file__).parents[2] / "assets" / "static" / "form_sheet"
MAX_CHANGES = 5000  # cells in one action
MAX_TEXT = 4_000  # characters in one cell (LONGEST_TEXT in model.js)
SOURCES = ("typed", "paste", "undo", "redo", "convert")  # a tuple: what comes may not be hashable
NOT_SAVED = "服务器暂时没有收下，已填内容保留在本页，请稍后重试。"

# The import-map name of our modules; its address changes with the newest file, so that browsers may cache it for ever.
register_esm("lvce-sheet", MODULES, max_time=max(path.stat().st_mtime for path in MODULES.iterdir()))


@dataclass(frozen=True, slots=True)
class CellsEvent:
    """One action on cells (修改): ``seen`` is what the person saw in each cell before."""

    edits: tuple[CellEdit, ...]
    source: str
    seen: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """An answer to a warning: ``action`` is confirm (数据无误) or explain; it is bound to the hash of the values."""

    finding: str
    hash: str
    action: str
    text: str


Answer = Awaitable[SheetPatch | str | None]
E = TypeVar("E")


class FormSheet(ui.element, component=MODULES / "form_sheet.js"):
    """动态管理表. ``last_patch`` is the last answer sent to this page."""

    def __init__(
        self,
        sheet: str,
        layout: str,
        *,
        on_cells: Callable[[CellsEvent], Answer] | None = None,
        on_note: Callable[[NoteEvent], Answer] | None = None,
        on_fix: Callable[[str], Answer] | None = None,
        on_pick: Callable[[str], Awaitable[None]] | None = None,
        on_jump: Callable[[str], Awaitable[None]] | None = None,
        on_save: Callable[[], Awaitable[None]] | None = None,
        on_ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        # Strings, not dicts: NiceGUI would wrap a dict into observable copies for every client.
        self._props["layoutJson"] = layout
        self._props["sheetJson"] = sheet
        self.last_patch: dict[str, Any] = {}
        self._order = asyncio.Lock()
        if on_cells is not None:
            self.on("cells", lambda e: self._answer(e.args, cells_event, on_cells))
        if on_note is not None:
            self.on("note", lambda e: self._answer(e.args, note_event, on_note))
        if on_fix is not None:
            self.on("fix", lambda e: self._answer(e.args, fix_event, on_fix))
        if on_pick is not None:
            self.on("pick", lambda e: _one_word(e.args, "address", on_pick))
        if on_jump is not None:
            self.on("jump", lambda e: _one_word(e.args, "address", on_jump))
        if on_save is not None:
            self.on("save", lambda _: on_save())
        if on_ready is not None:
            self.on("ready", lambda _: on_ready())

    async def _answer(self, args: Any, read: Callable[[Any], E | None], handler: Callable[[E], Answer]) -> None:
        """Check the shape, run the handler in turn, acknowledge. Malformed events are ignored: no page of ours sends them."""
        event = read(args)
        if event is None:
            return
        seq = _whole(args.get("seq"))
        async with self._order:
            try:
                answer = await handler(event)
            except Exception as error:
                self.patch({"nack": seq, "why": error.message if isinstance(error, Refusal) else NOT_SAVED})
                raise
        if isinstance(answer, SheetPatch):
            self.push(answer, ack=seq)
        else:
            self.patch({"nack": seq, "why": answer or NOT_SAVED})

    def push(self, patch: SheetPatch, *, ack: int | None = None) -> None:
        """Send what changed; without ``ack`` it is somebody else's edit."""
        self.patch(patch_dict(patch, ack=ack))

    def imported(self, patch: SheetPatch, seen: Mapping[str, str]) -> None:
        """Show what an import wrote (导入EXCEL) as one step that 撤销 takes back; ``seen``: the texts it replaced."""
        written = seen.keys() & patch.cells.keys() - patch.conflicts.keys() - patch.refused.keys()
        changes = [{"a": a, "before": seen[a], "after": patch.cells[a].text, "c": False} for a in seen if a in written]
        self.last_patch = patch_dict(patch)
        self.run_method("imported", self.last_patch, changes)

    def run_method(self, name: str, *args: Any, timeout: float = 1) -> AwaitableResponse:
        """Call a method of the component (告知), none of which answers: so there is no task that waits whether somebody asks."""
        if self._is_safe_to_interact():
            code = f"return runMethod({self.id}, {wire_json.dumps(name)}, {wire_json.dumps(args)})"
            self.client.outbox.enqueue_message("run_javascript", {"code": code}, self.client.id)
        return NullResponse()

    def patch(self, patch: dict[str, Any]) -> None:
        self.last_patch = patch
        self.run_method("patch", patch)

    def saved(self, moment: datetime) -> None:
        """暂存: the saved mark says when."""
        self.patch({"savedAt": _time(moment)})

    def focus_cell(self, address: str) -> None:
        self.run_method("focusCell", address)

    def show_failure(self, result: ValidationResult) -> None:
        """校验错误: the counts, the first ten messages, a jump to each."""
        self.run_method(
            "showFailure",
            {
                "errors": result.errors,
                "warnings": result.warnings,
                "first": result.first,
                "messages": list(result.messages),
            },
        )

    def set_readonly(self, readonly: bool, reason: str = "") -> None:
        self.run_method("setReadonly", readonly, reason)

    def set_marks(self, *, questions: Sequence[str] | None = None, changed: Sequence[str] | None = None) -> None:
        """Badges of cells with 核实问题 (an address once per question), and cells that differ from the last version."""
        self.run_method(
            "setMarks",
            {
                "questions": None if questions is None else list(questions),
                "changed": None if changed is None else list(changed),
            },
        )

    def resync(self, sheet: str) -> None:
        """Replace everything but the layout with ``sheet_json`` of a fresh view (import, withdrawal)."""
        self.run_method("resync", json.loads(sheet))


def layout_json(layout: Mapping[str, Any]) -> str:
    """The layout of ``services.forms.layout.of`` as text; the same text object for every page of one form and year."""
    return _shared(json.dumps(layout, ensure_ascii=False, separators=(",", ":"), sort_keys=True))


def rows(layout: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every row of a layout, in the order of the form."""
    return (row for part in layout["parts"] for section in part["sections"] for row in section["rows"])


@functools.lru_cache(maxsize=32)
def _shared(text: str) -> str:
    return text


def sheet_json(
    view: SheetView,
    *,
    user_id: int,
    readonly: bool | None = None,
    pickable: bool = False,
    changed: Sequence[str] = (),
    strict: bool = False,
) -> str:
    """Everything but the layout, as the component reads it. ``pickable``: the reader may ask a question on a cell."""
    locked = not view.head.editable if readonly is None else readonly
    open_errors = sum(f.level == "error" for f in view.findings)
    open_warnings = sum(f.level == "warning" and f.state == "open" for f in view.findings)
    return json.dumps(
        {
            "filingId": view.head.id,
            "userId": user_id,
            "cells": {address: {"t": cell.text, "k": cell.kind} for address, cell in view.cells.items()},
            "editable": None if view.editable is None else sorted(view.editable),
            "findings": [finding_dict(finding) for finding in view.findings],
            "progress": [list(line) for line in view.progress],
            "counts": [open_errors, open_warnings, sum(f.level == "note" for f in view.findings)],
            "savedAt": _time(view.head.saved_at),
            "revision": view.head.revision,
            "readonly": locked,
            "readonlyReason": view.head.locked_reason,
            "pickable": pickable,
            "questions": [question.address for question in view.questions if question.address],
            "changed": list(changed),
            "previous": dict(view.previous),
            "strict": strict,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def patch_dict(patch: SheetPatch, *, ack: int | None = None) -> dict[str, Any]:
    """A patch as the component reads it."""
    return {
        "ack": ack,
        "cells": {address: {"t": cell.text, "k": cell.kind} for address, cell in patch.cells.items()},
        "gone": list(patch.gone),
        "found": [finding_dict(finding) for finding in patch.found],
        "refused": dict(patch.refused),
        "conflicts": {address: list(pair) for address, pair in patch.conflicts.items()},
        "progress": [list(line) for line in patch.progress],
        "counts": list(patch.counts),
        "savedAt": _time(patch.saved_at),
        "revision": patch.revision,
        "validated": patch.validated,
        "stamped": patch.stamped,
        "by": patch.by,
    }


def finding_dict(finding: FindingView) -> dict[str, Any]:
    """A finding as the component reads it."""
    return {
        "id": finding.id,
        "rule": finding.rule,
        "level": finding.level,
        "title": finding.title,
        "message": finding.message,
        "cells": list(finding.cells),
        "hash": finding.values_hash,
        "keep": finding.keep,
        "state": finding.state,
        "note": finding.note,
        "noteBy": finding.note_by,
        "fixWords": finding.fix_words,
        "fixTexts": dict(finding.fix_texts),
        "popup": finding.popup,
        "source": finding.source,
    }


def cells_event(args: Any) -> CellsEvent | None:
    """Read a ``cells`` event; None if its shape is not ours (every argument from a browser is hostile)."""
    if not isinstance(args, dict) or _whole(args.get("seq")) is None or args.get("source") not in SOURCES:
        return None
    changes = args.get("changes")
    if not isinstance(changes, list) or not 0 < len(changes) <= MAX_CHANGES:
        return None
    edits = []
    seen = {}
    for change in changes:
        if not isinstance(change, dict):
            return None
        address, text, before = change.get("a"), change.get("t"), change.get("b", "")
        if not _word(address, 200) or not _word(text, MAX_TEXT) or not _word(before, MAX_TEXT):
            return None
        edits.append(CellEdit(address=address, text=text, convert=change.get("c") is True))
        seen[address] = before
    return CellsEvent(edits=tuple(edits), source=args["source"], seen=seen)


def note_event(args: Any) -> NoteEvent | None:
    """Read a ``note`` event; None if its shape is not ours."""
    if not isinstance(args, dict) or args.get("action") not in ("confirm", "explain"):
        return None
    if not all(_word(args.get(key, ""), most) for key, most in (("finding", 300), ("hash", 200), ("text", 2000))):
        return None
    return NoteEvent(
        finding=args.get("finding", ""), hash=args.get("hash", ""), action=args["action"], text=args.get("text", "")
    )


def fix_event(args: Any) -> str | None:
    """Read a ``fix`` event: the id of the finding; None if its shape is not ours."""
    return args["finding"] if isinstance(args, dict) and _word(args.get("finding"), 300) else None


async def _one_word(args: Any, key: str, handler: Callable[[str], Awaitable[None]]) -> None:
    if isinstance(args, dict) and _word(args.get(key), 200):
        await handler(args[key])


def _word(value: Any, most: int) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= most


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _time(moment: datetime | None) -> str:
    """已保存 when: the time today, with its date on any other day."""
    if moment is None:
        return ""
    at = clock.local(moment).replace(tzinfo=None)
    said = at.isoformat(" ", "seconds")  # strftime looks for the system's own time zone each time
    return said[-8:] if at.date() == clock.today() else said
