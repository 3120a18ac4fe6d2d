"""A page with nothing but the sheet (独立填报页), on a server that keeps one filing in memory: for tests, benches and screenshots.

``python -m tests.journeys.sheet_harness``; port from ``LVCE_SHEET_PORT``; ``LVCE_SHEET_STATE`` names a file in which typed
texts survive a restart. Pages: ``/`` with ``?readonly=1``, ``?pickable=1``, ``?only=a,b`` (scoped return), ``?user=2``.
Test hooks, plain GETs: ``/reset?fill=1``, ``/edit?a=…&t=…`` (somebody else types), ``/fail?times=1`` (the next events are refused),
``/slow?seconds=1``, ``/validate``, ``/log`` (the events so far).
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from fastapi.responses import JSONResponse
from nicegui import Client, app, ui

from models.enums import Form
from services import clock
from services.filings.views import CellEdit, CellView, FindingView, SheetPatch, ValidationResult
from services.forms import layout, loader, reference
from services.forms.findings import CellValue, Finding
from services.forms.sheet import Sheet
from services.forms.template import Address
from ui.widgets import form_sheet
from ui.widgets.form_sheet import CellsEvent, FormSheet, NoteEvent

TEMPLATE = loader.find(Form.FACTORY, 2025)
STATE = Path(os.environ["LVCE_SHEET_STATE"]) if os.environ.get("LVCE_SHEET_STATE") else None
UNIT = {
    "unit_name": "广州南粤精工制造有限公司",
    "credit_code": "9144011552601815X4",
    "address": "广东省广州市天河区科韵路18号",
}
SAMPLE = {
    "gross_output": ("45200", "51830.5", "56012.35"),
    "energy_total": ("8120", "8395.2", "8801"),
    "energy_actual": ("8120", "8395.2", "8801"),
    "renewable_energy": ("310", "402", "655"),
    "cod_gen": ("12.5", "13.1", "12.8"),
    "cod_dis": ("2.1", "2.2", "2"),
    "nh3n_gen": ("1.2", "1.1", "1.3"),
    "nh3n_dis": ("0.3", "0.2", "0.25"),
}


class Desk:
    """The filing in memory, and the pages that show it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.pages: dict[str, FormSheet] = {}
        self.reset({})

    def reset(self, texts: dict[str, str]) -> None:
        self.sheet = Sheet.typed(TEMPLATE, {Address.parse(a): t for a, t in {**UNIT, **texts}.items()})
        self.notes: dict[str, tuple[str, str, str]] = {}
        self.saved_at = None
        self.events: list[Any] = []
        self.fail = 0
        self.slow = 0.0
        self.edits = 0

    def view(self, finding: Finding) -> FindingView:
        digest, state, text = self.notes.get(finding.id, ("", "open", ""))
        kept = digest == finding.values_hash
        return FindingView(
            id=finding.id,
            rule=finding.rule,
            level=finding.level.value,
            title=finding.title,
            message=finding.message,
            cells=tuple(str(cell) for cell in finding.cells),
            values_hash=finding.values_hash,
            keep=finding.keep,
            state=state if kept else "open",
            note=text if kept else "",
            note_by="陈立" if kept else "",
            fix_words=finding.fix.words if finding.fix else "",
            fix_texts=finding.fix.texts if finding.fix else {},
            popup=finding.popup,
            source=finding.source,
        )

    def findings(self) -> tuple[FindingView, ...]:
        return tuple(self.view(finding) for finding in self.sheet.findings.values() if not finding.reviewers_only)

    def patch(self, **changed: Any) -> SheetPatch:
        findings = self.findings()
        values: dict[str, Any] = {
            "cells": {},
            "gone": (),
            "found": (),
            "refused": {},
            "progress": tuple((p.part, p.filled, p.required) for p in self.sheet.progress()),
            "counts": (
                sum(f.level == "error" for f in findings),
                sum(f.level == "warning" and f.state == "open" for f in findings),
                sum(f.level == "note" for f in findings),
            ),
            "saved_at": self.saved_at,
            "revision": self.edits,
            "validated": False,
            "stamped": False,
        }
        return SheetPatch(**{**values, **changed})

    def edit(self, edits: tuple[CellEdit, ...], seen: dict[str, str], by: str) -> SheetPatch:
        conflicts = {}
        wanted = []
        for edit in edits:
            address = Address.parse(edit.address)
            now = self.sheet.cell(address).text
            if now not in (seen.get(edit.address, now), edit.text):
                conflicts[edit.address] = (now, edit.text)
            else:
                wanted.append((address, edit.text, edit.convert))
        effect = self.sheet.apply(wanted)
        self.edits += 1
        self.saved_at = clock.now()
        if STATE:
            STATE.write_text(json.dumps({str(a): c.text for a, c in self.sheet.cells.items()}, ensure_ascii=False))
        return self.patch(
            cells={str(a): cell_view(cell) for a, cell in effect.cells.items()}
            | {a: cell_view(self.sheet.cell(Address.parse(a))) for a in conflicts},
            gone=effect.gone,
            found=tuple(self.view(f) for f in effect.found if not f.reviewers_only),
            refused={str(a): sentence for a, sentence in effect.refused.items()},
            conflicts=conflicts,
            by=by,
        )

    def others(self, me: FormSheet | None, patch: SheetPatch) -> None:
        for page in self.pages.values():
            if page is not me:
                page.push(patch)


def cell_view(cell: CellValue) -> CellView:
    return CellView(cell.text, cell.kind.value)


def sample() -> dict[str, str]:
    texts = {
        f"{key}:{year}": text for key, row in SAMPLE.items() for year, text in zip(TEMPLATE.years, row, strict=True)
    }
    return texts | {"energy_total:unit": "吨标准煤（等价值）", "main_products": "精密轴承、减速机", "sector": "机械"}


DESK = Desk()
if STATE and STATE.exists():
    DESK.reset(json.loads(STATE.read_text()))


@ui.page("/")
def page(client: Client, readonly: int = 0, pickable: int = 0, only: str = "", user: int = 1) -> None:
    ui.query("body").style("margin:0;background:#f5f7f6")
    ui.query(".nicegui-content").classes("p-4 gap-2")
    ui.label("绿色工厂动态管理表（独立填报页）").style("font-size:20px;font-weight:600;height:60px")
    sheet = FormSheet(
        sheet_text(readonly=bool(readonly), pickable=bool(pickable), only=only, user=user),
        form_sheet.layout_json(layout.of(TEMPLATE)),
        on_cells=lambda e: edited(sheet, e, user),
        on_note=noted,
        on_fix=lambda finding: fixed(sheet, finding),
        on_pick=picked,
    )
    DESK.pages[client.id] = sheet
    client.on_delete(lambda: DESK.pages.pop(client.id, None))


def sheet_text(*, readonly: bool, pickable: bool, only: str, user: int) -> str:
    patch = DESK.patch()
    cells = {**DESK.sheet.cells, **DESK.sheet.derived}
    return json.dumps(
        {
            "filingId": 1,
            "userId": user,
            "cells": {str(a): {"t": c.text, "k": c.kind.value} for a, c in cells.items()},
            "editable": only.split(",") if only else None,
            "findings": [form_sheet.finding_dict(f) for f in DESK.findings()],
            "progress": patch.progress,
            "counts": patch.counts,
            "savedAt": "",
            "revision": DESK.edits,
            "readonly": readonly,
            "readonlyReason": "当前为查看状态，不能修改。",
            "pickable": pickable,
            "questions": ["gross_output:2024", "gross_output:2024", "contact"] if pickable else [],
            "changed": ["energy_total:2023", "main_products"] if pickable else [],
            "previous": {"gross_output:2023": "50000"},
        },
        ensure_ascii=False,
    )


async def edited(sheet: FormSheet, event: CellsEvent, user: int) -> SheetPatch | str:
    DESK.events.append({"source": event.source, "edits": [[e.address, e.text, e.convert] for e in event.edits]})
    if DESK.fail:
        DESK.fail -= 1
        return "磁盘空间不足，请联系系统管理员。"
    await asyncio.sleep(DESK.slow)
    async with DESK.lock:
        patch = DESK.edit(event.edits, dict(event.seen), f"用户{user}")
        DESK.others(sheet, patch)
    return patch


async def noted(event: NoteEvent) -> SheetPatch:
    DESK.events.append({"note": event.finding, "action": event.action, "text": event.text})
    finding = DESK.sheet.findings[event.finding]
    if event.action == "explain" and event.text.strip() in ("核实无误", "无误"):
        return DESK.patch(refused={str(finding.cells[0]): "请写明具体原因，不能只写“核实无误”。"})
    DESK.notes[event.finding] = (event.hash, "explained" if event.action == "explain" else "confirmed", event.text)
    return DESK.patch(found=(DESK.view(finding),))


async def fixed(sheet: FormSheet, finding: str) -> SheetPatch:
    DESK.events.append({"fix": finding})
    fix = DESK.sheet.findings[finding].fix
    patch = DESK.edit(tuple(CellEdit(a, t) for a, t in (fix.texts if fix else {}).items()), {}, "")
    DESK.others(sheet, patch)
    return patch


async def picked(address: str) -> None:
    DESK.events.append({"pick": address})


@app.get("/reference/{name}.json")
def reference_table(name: str) -> JSONResponse:
    return JSONResponse(
        [list(row[:2]) for row in reference.LISTS[name]()], headers={"Cache-Control": "public, max-age=86400"}
    )


@app.get("/reset")
def reset(fill: int = 0) -> dict[str, int]:
    DESK.reset(sample() if fill else {})
    return {"findings": len(DESK.findings())}


@app.get("/edit")
async def edit(a: str, t: str) -> dict[str, int]:
    DESK.others(None, DESK.edit((CellEdit(a, t),), {}, "何小燕"))
    return {"pages": len(DESK.pages)}


@app.get("/fail")
def fail(times: int = 1) -> dict[str, int]:
    DESK.fail = times
    return {"times": times}


@app.get("/slow")
def slow(seconds: float) -> dict[str, float]:
    DESK.slow = seconds
    return {"seconds": seconds}


@app.get("/validate")
async def validate() -> dict[str, int]:
    errors, warnings, _ = DESK.patch().counts
    for page in DESK.pages.values():
        page.show_failure(ValidationResult(passed=False, errors=errors, warnings=warnings, first="", messages=()))
    return {"errors": errors}


@app.get("/log")
def events() -> list[Any]:
    return DESK.events


@app.get("/text")
def text(a: str) -> dict[str, str]:
    return {"text": DESK.sheet.cell(Address.parse(a)).text}


if __name__ in {"__main__", "__mp_main__"}:
    ui.run(
        host="127.0.0.1",
        port=int(os.environ.get("LVCE_SHEET_PORT", "8970")),
        reload=False,
        show=False,
        language="zh-CN",
        reconnect_timeout=30,
        title="独立填报页",
    )
