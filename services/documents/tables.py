"""A plain table out of an uploaded file (表格): the first sheet of a workbook, or a CSV; every cell is text."""

from __future__ import annotations

import csv
import io

from services.documents import spreadsheet
from services.documents.spreadsheet import Extent
from services.errors import Refusal

LIST = Extent(12_000, 40, 150_000)
MOST_BYTES = 5 * 1024 * 1024
LONGEST_CELL = 500

Row = tuple[int, tuple[str, ...]]  # its number in the file, from 1, and its cells


def read(name: str, content: bytes) -> tuple[Row, ...]:
    """The rows that are not empty; raises :class:`Refusal`. Blocks while a limited child reads a workbook."""
    rows = _csv(content) if name.lower().endswith(".csv") else _sheet(content)
    found = tuple((number, cells) for number, cells in rows if any(cells))
    if not found:
        raise Refusal("文件里没有内容。请检查是否选错了文件，数据应在第一张工作表。", field="file")
    return found


def _sheet(content: bytes) -> list[Row]:
    cells = spreadsheet.read(content, [spreadsheet.FIRST], LIST)[spreadsheet.FIRST]
    width = max((column for _, column in cells), default=0)
    lines: dict[int, list[str]] = {}
    for (row, column), cell in cells.items():
        lines.setdefault(row, [""] * width)[column - 1] = _plain(cell.text)
    return [(row, tuple(lines[row])) for row in sorted(lines)]


def _csv(content: bytes) -> list[Row]:
    if len(content) > MOST_BYTES:
        raise Refusal("文件超过 5 MB。请拆分后分次导入。", field="file")
    text = None
    for encoding in ("utf-8-sig", "gb18030"):  # what Excel and WPS write in Chinese
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    if text is None or "\0" in text:
        raise Refusal("这个 CSV 文件的编码无法识别。请在 Excel 或 WPS 中另存为 .xlsx 后再导入。", field="file")
    rows: list[Row] = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        for cells in reader:
            if reader.line_num > LIST.rows or len(cells) > LIST.columns:
                raise Refusal(f"表格过大（最多 {LIST.rows} 行、{LIST.columns} 列）。请拆分后分次导入。", field="file")
            rows.append((reader.line_num, tuple(_plain(cell) for cell in cells)))
    except csv.Error as error:
        raise Refusal(
            "这个 CSV 文件不完整或引号不配对。请在 Excel 或 WPS 中另存为 .xlsx 后再导入。", field="file"
        ) from error
    return rows


def _plain(text: str) -> str:
    return " ".join(text.split())[:LONGEST_CELL]
