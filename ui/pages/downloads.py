"""Downloads (下载): stored files and what is drawn on demand. Always as attachments, always after the service has agreed."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Sequence
from typing import ParamSpec
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from models.enums import Action, Form
from services import clock, matrix
from services.accounts import audit_view
from services.accounts.views import AuditRow
from services.actors import Actor
from services.documents import excel, harmless, pdf, scan
from services.documents.snapshot import FilingSnapshot
from services.errors import NotFound
from services.filings import batches, desk, files, moves, snapshots
from services.forms import reference
from services.register import entries
from ui import act, exports

P = ParamSpec("P")

PDF = "application/pdf"
XLSX = scan.XLSX
BATCH_TYPES = {"zip": "application/zip", "xlsx": XLSX, "csv": "text/csv; charset=utf-8"}
DAY = 24 * 3600
AUDIT_HEADS = (
    "序号",
    "时间",
    "人员",
    "所在机构",
    "网络地址",
    "操作",
    "结果",
    "对象类别",
    "对象",
    "内容",
    "前摘要",
    "后摘要",
)
AUDIT_WIDTHS = (8, 20, 22, 32, 16, 18, 8, 14, 40, 60, 20, 20)

_drawing = asyncio.Semaphore(2)  # CPU-heavy: at most two at a time


def routes(app: FastAPI) -> None:
    for path, handler in GUARDED.items():
        act.guarded_route(app, path, handler)
    app.add_api_route("/reference/industries.json", industries, methods=["GET"])


async def stored(request: Request, actor: Actor) -> Response:
    """GET /files/{id}: one stored file."""
    found, path = await act.read_as(actor, files.open_file, _number(request, "file_id"))
    return FileResponse(path, media_type=found.media_type, headers=_attachment(found.name))


async def energy_limits(request: Request, actor: Actor) -> Response:
    return _sent(await _drawn(excel.energy_limit_workbook), XLSX, "能耗限额标准清单.xlsx")


async def water_quotas(request: Request, actor: Actor) -> Response:
    return _sent(await _drawn(excel.water_quota_workbook), XLSX, "取水定额标准清单.xlsx")


async def roster(request: Request, actor: Actor) -> Response:
    form = next((f for f in Form if f.value == request.path_params["form"]), None)
    if form is None:
        raise NotFound
    rows = await act.read_as(actor, entries.download_rows, form)
    lines = [
        excel.RosterLine(r.level.caption, r.batch, r.listed_name, r.credit_code, r.region_name, r.listed_on)
        for r in rows
    ]
    title = f"{form.caption}名单"
    return _sent(await _drawn(excel.roster_workbook, lines, title), XLSX, f"{title}.xlsx")


async def roster_template(request: Request, actor: Actor) -> Response:
    return _sent(await _drawn(excel.roster_template), XLSX, "名单导入模板.xlsx")


async def blank(request: Request, actor: Actor) -> Response:
    """空白表, for collecting figures offline."""
    snapshot = await _snapshot(request, actor, Action.EXPORT_EXCEL)
    name = f"{snapshot.template.year}年度{snapshot.template.title}（空白表）.xlsx"
    return _sent(await _drawn(excel.blank_workbook, snapshot), XLSX, name)


async def filled(request: Request, actor: Actor) -> Response:
    """导出为EXCEL; ``?version=`` for a frozen version."""
    snapshot = await _snapshot(request, actor, Action.EXPORT_EXCEL)
    name = f"{snapshot.unit_name}{snapshot.template.year}年度{snapshot.template.title}.xlsx"
    return _sent(await _drawn(excel.filled_workbook, snapshot), XLSX, name)


async def printed(request: Request, actor: Actor) -> Response:
    """导出为PDF."""
    snapshot = await _snapshot(request, actor, Action.EXPORT_PDF)
    name = f"{snapshot.unit_name}{snapshot.template.year}年度{snapshot.template.title}.pdf"
    return _sent(await _drawn(pdf.form_pdf, snapshot), PDF, name)


async def changes(request: Request, actor: Actor) -> Response:
    snapshot = await _snapshot(request, actor, Action.EXPORT_PDF)
    return _sent(await _drawn(pdf.changes_pdf, snapshot), PDF, f"{snapshot.unit_name}修改对照表.pdf")


async def opinions(request: Request, actor: Actor) -> Response:
    snapshot = await _snapshot(request, actor, Action.EXPORT_PDF)
    return _sent(await _drawn(pdf.opinions_pdf, snapshot), PDF, f"{snapshot.unit_name}审核意见表.pdf")


async def receipt(request: Request, actor: Actor) -> Response:
    """上报回执."""
    filing_id = _number(request, "filing_id")
    head = await act.read_as(actor, desk.head, filing_id)
    found = await act.read_as(actor, moves.receipt, filing_id)
    title = f"{head.form.caption}动态管理表"
    drawn = await _drawn(pdf.receipt_pdf, found, head.unit_name, title, head.year)
    return _sent(drawn, PDF, f"{head.unit_name}上报回执{found.number}.pdf")


async def audit_log(request: Request, actor: Actor) -> Response:
    """审计日志 as a workbook or CSV: what the filters of the page show, newest first."""
    ending = request.path_params["ending"]
    if ending not in ("xlsx", "csv"):
        raise NotFound
    query = audit_view.asked(request.query_params)
    await act.perform_as(actor, audit_view.start_export, query, ending)
    rows = await act.read_as(actor, audit_view.exported, query)
    lines = [_audit_cells(row) for row in rows]
    name = f"审计日志{clock.today():%Y%m%d}.{ending}"
    if ending == "csv":
        return _sent(await _drawn(_csv, AUDIT_HEADS, lines), "text/csv; charset=utf-8", name)
    return _sent(await _drawn(excel.list_workbook, "审计日志", AUDIT_HEADS, lines, AUDIT_WIDTHS), XLSX, name)


async def permissions(request: Request, actor: Actor) -> Response:
    """权限一览.xlsx: what the filters of the page show."""
    found = await act.read_as(actor, matrix.rules, matrix.asked(request.query_params))
    rows = [
        (
            rule.section.caption,
            rule.matter,
            rule.who,
            rule.reach,
            *("✓" if phase in rule.phases else "" for phase in matrix.Phase),
            "；".join(rule.conditions),
        )
        for rule in found
    ]
    heads = ("类别", "事项", "角色", "关系或范围", *(phase.caption for phase in matrix.Phase), "还须满足")
    widths = (12, 26, 44, 44, *(10 for _ in matrix.Phase), 60)
    return _sent(await _drawn(excel.list_workbook, "权限一览", heads, rows, widths), XLSX, "权限一览.xlsx")


async def batch(request: Request, actor: Actor) -> Response:
    """What a 批量导出 has made; only for who asked for it."""
    name, path = exports.house().result(batches.owner(actor), request.path_params["batch_id"])
    return FileResponse(path, media_type=BATCH_TYPES[name.rpartition(".")[2]], headers=_attachment(name))


async def industries() -> JSONResponse:
    """GB/T 4754 classes for the drop-down of the sheet: a public list, so no sign-in and kept for a day."""
    return JSONResponse(reference.industries(), headers={"Cache-Control": f"public, max-age={DAY}"})


GUARDED = {
    "/files/{file_id}": stored,
    "/download/energy-limit-standards": energy_limits,
    "/download/water-quota-standards": water_quotas,
    "/download/roster/{form}": roster,
    "/download/roster-template": roster_template,
    "/download/blank/{filing_id}": blank,
    "/download/excel/{filing_id}": filled,
    "/download/pdf/{filing_id}": printed,
    "/download/changes/{filing_id}": changes,
    "/download/opinions/{filing_id}": opinions,
    "/download/receipt/{filing_id}": receipt,
    "/download/audit.{ending}": audit_log,
    "/download/permissions.xlsx": permissions,
    "/download/batch/{batch_id}": batch,
}


async def _snapshot(request: Request, actor: Actor, action: Action) -> FilingSnapshot:
    """``?version=`` for a frozen version. What offices take along is a line in the log."""
    filing_id, version = _number(request, "filing_id"), _version(request)
    if actor.is_unit:
        return await act.read_as(actor, snapshots.snapshot, filing_id, version, action=action)
    return await act.perform_as(actor, snapshots.handed_out, filing_id, version, action=action)


async def _drawn(draw: Callable[P, bytes], *args: P.args, **kwargs: P.kwargs) -> bytes:
    async with _drawing:
        return await asyncio.to_thread(draw, *args, **kwargs)


def _number(request: Request, name: str) -> int:
    text = request.path_params[name]
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise NotFound
    return int(text)


def _version(request: Request) -> int | None:
    text = request.query_params.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _sent(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers=_attachment(name))


def _attachment(name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _csv(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows(map(harmless.csv_cell, line) for line in lines)
    return out.getvalue().encode("utf-8-sig")  # with the mark that lets Excel and WPS see it is UTF-8


def _audit_cells(row: AuditRow) -> tuple[str, ...]:
    return (
        str(row.id),
        f"{clock.local(row.at):%Y-%m-%d %H:%M:%S}",
        row.user_name,
        row.organisation_name,
        row.address,
        row.action_caption,
        row.result.caption,
        row.subject_caption,
        row.target,
        row.detail,
        row.before_digest,
        row.after_digest,
    )
