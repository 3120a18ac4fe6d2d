"""The same papers made with other libraries (对照实现), for ``bench_documents``: plain use of each, as its manual shows it."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from services.documents import codes, excel, fonts, layout, pdf, sheets
from services.documents.layout import Row
from services.documents.snapshot import FilingSnapshot

FAMILIES = {fonts.SONG: "Lvce Song", fonts.HEI: "Lvce Hei Bold"}


def without_our_layout() -> None:
    """The peers are given the rows of the form: they break lines themselves, and must not pay for ours."""
    layout.wrap = lambda text, *_: (text,)  # type: ignore[assignment]


def grouped(snapshot: FilingSnapshot) -> Iterator[list[Row]]:
    """Our rows in runs of the same columns: what a table of any library can hold."""
    run: list[Row] = []
    for row in pdf._form_rows(snapshot):
        if run and [(b.x, b.width) for b in run[-1].boxes] != [(b.x, b.width) for b in row.boxes]:
            yield run
            run = []
        run.append(row)
    yield run


def _payload(snapshot: FilingSnapshot, page: int, pages: int) -> str:
    return codes.encode(codes.PageCode(snapshot.number, snapshot.version_no, snapshot.digest[:16], page, pages))


def reportlab_printer() -> Callable[[FilingSnapshot], bytes]:
    from reportlab.lib.colors import Color
    from reportlab.lib.enums import TA_CENTER, TA_LEFT, TA_RIGHT
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Table, TableStyle

    without_our_layout()
    for name in (fonts.SONG, fonts.HEI):
        pdfmetrics.registerFont(TTFont(name, str(fonts.FOLDER / f"{name}.ttf")))
    sides = {"left": TA_LEFT, "centre": TA_CENTER, "right": TA_RIGHT}
    styles: dict[tuple[str, float, str], ParagraphStyle] = {}

    def style(box: Any) -> ParagraphStyle:
        key = (box.face, box.size, box.align)
        if key not in styles:
            styles[key] = ParagraphStyle(
                "s",
                fontName=box.face,
                fontSize=box.size,
                leading=box.size * 1.32,
                alignment=sides[box.align],
                wordWrap="CJK",
            )
        return styles[key]

    def make(snapshot: FilingSnapshot) -> bytes:
        story = []
        for run in grouped(snapshot):
            look: list[Any] = [("GRID", (0, 0), (-1, -1), 0.5, Color(0, 0, 0)), ("VALIGN", (0, 0), (-1, -1), "MIDDLE")]
            cells = []
            for number, row in enumerate(run):
                cells.append([Paragraph(box.text.replace("<", "&lt;"), style(box)) for box in row.boxes])
                look += [
                    ("BACKGROUND", (place, number), (place, number), Color(*box.fill))
                    for place, box in enumerate(row.boxes)
                    if box.fill
                ]
            widths = [box.width * mm for box in run[0].boxes]
            story.append(Table(cells, colWidths=widths, style=TableStyle(look)))

        def furniture(canvas: Any, document: Any) -> None:
            canvas.setFont(fonts.SONG, 9)
            canvas.drawString(15 * mm, 187 * mm, f"填报单位：{snapshot.unit_name}　填报编号：{snapshot.number}")
            canvas.drawString(37 * mm, 12 * mm, f"第 {document.page} 页")
            modules = codes.modules(_payload(snapshot, document.page, 12))
            for left, low, side in ((15, 8, 18), (267, 187, 15)):
                step = side / len(modules) * mm
                path = canvas.beginPath()
                for y, line in enumerate(modules):
                    for x, dark in enumerate(line):
                        if dark == "1":
                            path.rect(left * mm + x * step, (low + side) * mm - (y + 1) * step, step, step)
                canvas.drawPath(path, stroke=0, fill=1)

        out = io.BytesIO()
        document = SimpleDocTemplate(
            out, pagesize=landscape(A4), leftMargin=9 * mm, rightMargin=9 * mm, topMargin=25 * mm, bottomMargin=27 * mm
        )
        document.build(story, onFirstPage=furniture, onLaterPages=furniture)
        return out.getvalue()

    return make


_TYPST = """
#let given = json(bytes(sys.inputs.given))
#set page(paper: "a4", flipped: true, margin: (x: 15mm, top: 27mm, bottom: 29.5mm),
  header: context [#text(size: 9pt, given.about) #h(1fr) #image("qr" + str(counter(page).get().first()) + ".svg", width: 15mm)],
  footer: context [#image("qr" + str(counter(page).get().first()) + ".svg", width: 18mm) #text(size: 9pt)[第 #counter(page).display() 页]])
#set text(font: "Lvce Song", size: 9pt, lang: "zh")
#let side(a) = if a == "centre" { center } else if a == "right" { right } else { left }
#for run in given.runs {
  block(above: 0pt, below: 0pt, table(columns: run.widths.map(w => w * 1mm), stroke: 0.5pt, inset: 1.3mm,
    ..run.cells.map(c => table.cell(align: side(c.at(2)) + horizon, fill: if c.at(3) == none { none } else { rgb(c.at(3)) },
      text(font: c.at(4), size: c.at(1) * 1pt, c.at(0))))))
}
"""


def typst_printer() -> Callable[[FilingSnapshot], bytes]:
    import typst
    import zxingcpp

    without_our_layout()
    folder = Path(tempfile.mkdtemp())
    (folder / "form.typ").write_text(_TYPST, encoding="utf-8")
    compiler = typst.Compiler(
        str(folder / "form.typ"), root=str(folder), font_paths=[str(fonts.FOLDER)], ignore_system_fonts=True
    )

    def make(snapshot: FilingSnapshot) -> bytes:
        for page in range(1, 16):
            code = zxingcpp.create_barcode(_payload(snapshot, page, 12), zxingcpp.BarcodeFormat.QRCode, ec_level="Q")
            (folder / f"qr{page}.svg").write_text(code.to_svg(), encoding="utf-8")
        runs = [
            {
                "widths": [box.width for box in run[0].boxes],
                "cells": [
                    [box.text, box.size, box.align, _hex(box.fill), FAMILIES[box.face]]
                    for row in run
                    for box in row.boxes
                ],
            }
            for run in grouped(snapshot)
        ]
        given = json.dumps({"about": f"填报单位：{snapshot.unit_name}　填报编号：{snapshot.number}", "runs": runs})
        return bytes(compiler.compile(sys_inputs={"given": given}))

    return make


def our_printer() -> Callable[[FilingSnapshot], bytes]:
    return pdf.form_pdf


class _PlainPage(sheets.Page):
    """What most code does with openpyxl: six attributes a cell, ``merge_cells`` a merge."""

    def put(self, row: int, column: int, value: Any, look: sheets.Look) -> None:
        from openpyxl.styles import Alignment, Font, PatternFill, Protection

        cell = self.sheet.cell(row=row, column=column)
        if value not in (None, ""):
            cell.value = value
        cell.font = Font(name=sheets.FONT, size=look.size, bold=look.bold, color=f"FF{look.colour}")
        cell.alignment = Alignment(horizontal=look.align, vertical=look.vertical, wrap_text=look.wrap)
        if look.fill:
            cell.fill = PatternFill("solid", fgColor=f"FF{look.fill}")
        if look.framed:
            cell.border = sheets._FRAME
        cell.protection = Protection(locked=look.locked)
        cell.number_format = look.number

    def span(self, row: int, first: int, last: int, value: Any, look: sheets.Look) -> None:
        for column in range(first, last + 1):
            self.put(row, column, value if column == first else None, look)
        if last > first:
            self.sheet.merge_cells(start_row=row, end_row=row, start_column=first, end_column=last)

    def close(self) -> None:
        pass


def plain_openpyxl() -> Callable[[FilingSnapshot], bytes]:
    excel.Page = _PlainPage  # type: ignore[misc]
    return excel.filled_workbook


def our_workbook() -> Callable[[FilingSnapshot], bytes]:
    return excel.filled_workbook


def _hex(colour: tuple[float, float, float] | None) -> str | None:
    return None if colour is None else "#" + "".join(f"{round(part * 255):02x}" for part in colour)
