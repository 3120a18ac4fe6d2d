"""A bounded reader of uploaded workbooks (xlsx): what a file claims is checked before anything is unpacked, and only the
named sheets are read. Styles, merges, charts, macros and external links are never looked at; formulas keep their last value.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any, Literal
from xml.parsers import expat

from services.errors import Refusal

MAX_BYTES = 5 * 1024 * 1024
MAX_ENTRIES = 200
MAX_PART = 24 * 1024 * 1024
MAX_TOTAL = 40 * 1024 * 1024
MAX_RATIO, RATIO_FROM = 200, 1024 * 1024  # packed 200 times smaller is a bomb, from 1 MB on
MAX_ROWS, MAX_COLUMNS, MAX_CELLS = 2000, 64, 12_000
MAX_STRINGS, MAX_CHARACTERS = 40_000, 2_000_000
MAX_DEPTH = 40
_CHUNK = 64 * 1024
_DIGITS = 15  # a spreadsheet keeps no more: 0.30000000000000004 means 0.3

_BROKEN = (
    expat.ExpatError,
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    IndexError,
    ValueError,
    NotImplementedError,
    EOFError,
    OSError,
)
_PLACE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")

WORDS: Mapping[str, str] = {
    "size": "工作簿超过 5 MB。请只导入系统导出的动态管理表，去掉其中的图片和其他工作表后再试。",
    "xls": "这是旧版 .xls 文件，或是加了密码的工作簿。请另存为不加密的“Excel 工作簿（.xlsx）”后再导入。",
    "kind": "这不是 .xlsx 工作簿。请使用系统“导出为EXCEL”的文件，在 Excel 或 WPS 中填写并保存为 .xlsx 后再导入。",
    "broken": "工作簿已损坏或不完整，无法打开。请在 Excel 或 WPS 中重新保存为 .xlsx 后再导入。",
    "macros": "工作簿中含有宏，不能接收。请另存为不含宏的“Excel 工作簿（.xlsx）”后再导入。",
    "bomb": "工作簿的内容异常庞大或结构异常，没有打开。请在系统中重新“导出为EXCEL”，把填写内容复制过去后再导入。",
    "large": f"工作表过大（最多 {MAX_ROWS} 行、{MAX_COLUMNS} 列）。请只保留系统导出的动态管理表，删除表外的内容后再导入。",
    "sheet": "工作簿中没有“{}”工作表。请使用系统“导出为EXCEL”的文件，不要改动工作表名称。",
}


@dataclass(frozen=True, slots=True)
class RawCell:
    """A cell as the file has it. ``formula``: its text is the value a spreadsheet last calculated, "" if none is stored."""

    text: str
    kind: Literal["text", "number", "bool", "error"] = "text"
    formula: bool = False


Cells = dict[tuple[int, int], RawCell]  # (row, column) from 1


def check(content: bytes) -> None:
    """Whether a file is a workbook that may be kept or read; raises :class:`Refusal`."""
    _opened(content).close()


def read(content: bytes, names: Iterable[str]) -> dict[str, Cells]:
    """The cells of the named sheets; raises :class:`Refusal` with a sentence. 5 ms for a form, at most 0.2 s for anything."""
    with _opened(content) as parts:
        try:
            places = _sheet_places(parts)
            strings: list[str] | None = None
            found = {}
            for name in names:
                if name not in places:
                    raise Refusal(WORDS["sheet"].format(name), field="file")
                if strings is None:
                    strings = _shared_strings(parts)
                found[name] = _sheet(parts, places[name], strings)
            return found
        except _BROKEN:
            raise _refusal("broken") from None


def _refusal(word: str) -> Refusal:
    return Refusal(WORDS[word], field="file")


def _opened(content: bytes) -> zipfile.ZipFile:
    if len(content) > MAX_BYTES:
        raise _refusal("size")
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise _refusal("xls")
    if not content.startswith(b"PK\x03\x04"):
        raise _refusal("kind")
    try:
        parts = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN:
        raise _refusal("broken") from None
    try:
        _check_directory(parts)
    except Refusal:
        parts.close()
        raise
    return parts


def _check_directory(parts: zipfile.ZipFile) -> None:
    entries = parts.infolist()
    names = [entry.filename for entry in entries]
    folded = [name.casefold() for name in names]
    if len(entries) > MAX_ENTRIES or len(set(folded)) != len(folded):
        raise _refusal("bomb")
    if any(name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts for name in names):
        raise _refusal("bomb")
    if any(entry.flag_bits & 1 for entry in entries):
        raise _refusal("xls")
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise _refusal("broken")
    if any(entry.file_size > MAX_PART for entry in entries) or sum(e.file_size for e in entries) > MAX_TOTAL:
        raise _refusal("bomb")
    if any(e.file_size > RATIO_FROM and e.file_size > MAX_RATIO * max(1, e.compress_size) for e in entries):
        raise _refusal("bomb")
    if "xl/workbook.xml" not in folded:
        raise _refusal("kind")
    if any(name.endswith("vbaproject.bin") for name in folded):
        raise _refusal("macros")


def _parse(parts: zipfile.ZipFile, name: str, start: Any, end: Any = None, text: Any = None) -> None:
    """Feed one part to expat, at most ``MAX_PART`` bytes whatever the directory said; no DTD, no depth."""
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    depth = 0

    def opening(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise _refusal("bomb")
        start(tag.rpartition("}")[2], attributes)

    def closing(tag: str) -> None:
        nonlocal depth
        depth -= 1
        if end:
            end(tag.rpartition("}")[2])

    def forbidden(*_: object) -> None:
        raise _refusal("bomb")

    parser.StartElementHandler, parser.EndElementHandler = opening, closing
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = forbidden
    if text:
        parser.CharacterDataHandler = text
    with parts.open(name) as stream:
        taken = 0
        while chunk := stream.read(_CHUNK):
            taken += len(chunk)
            if taken > MAX_PART:
                raise _refusal("bomb")
            parser.Parse(chunk, False)
        parser.Parse(b"", True)


def _sheet_places(parts: zipfile.ZipFile) -> dict[str, str]:
    """Sheet name → part of the archive."""
    links: dict[str, str] = {}
    names: dict[str, str] = {}

    def link(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "")
            links[attributes.get("Id", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"

    def sheet(tag: str, attributes: dict[str, str]) -> None:
        if tag == "sheet":
            key = next((value for name, value in attributes.items() if name.rpartition("}")[2] == "id"), "")
            names[attributes.get("name", "")] = key

    _parse(parts, "xl/_rels/workbook.xml.rels", link)
    _parse(parts, "xl/workbook.xml", sheet)
    return {name: links[key] for name, key in names.items() if key in links}


def _shared_strings(parts: zipfile.ZipFile) -> list[str]:
    name = next((n for n in parts.namelist() if n.casefold() == "xl/sharedstrings.xml"), "")
    strings: list[str] = []
    if not name:
        return strings
    pieces: list[str] = []
    inside, phonetic, size = False, False, 0

    def start(tag: str, _: dict[str, str]) -> None:
        nonlocal inside, phonetic
        if tag == "si":
            pieces.clear()
        elif tag == "t":
            inside = not phonetic
        elif tag == "rPh":
            phonetic = True

    def end(tag: str) -> None:
        nonlocal inside, phonetic, size
        if tag == "t":
            inside = False
        elif tag == "rPh":
            phonetic = False
        elif tag == "si":
            strings.append(_unescaped("".join(pieces)))
            size += len(strings[-1])
            if len(strings) > MAX_STRINGS or size > MAX_CHARACTERS:
                raise _refusal("bomb")

    def text(piece: str) -> None:
        if inside:
            pieces.append(piece)

    _parse(parts, name, start, end, text)
    return strings


def _sheet(parts: zipfile.ZipFile, name: str, strings: list[str]) -> Cells:
    cells: Cells = {}
    row = column = size = 0
    kind = ""
    formula = False
    gather: list[str] | None = None
    value: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, kind, formula, gather
        if tag == "c":
            row, column = _place(attributes.get("r"), row, column + 1)
            if row > MAX_ROWS or column > MAX_COLUMNS or len(cells) >= MAX_CELLS:
                raise _refusal("large")
            kind, formula = attributes.get("t", "n"), False
            value.clear()
        elif tag == "row":
            number = attributes.get("r", "")
            row, column = (int(number) if number.isascii() and number.isdigit() and len(number) < 8 else row + 1), 0
            if row > MAX_ROWS:
                raise _refusal("large")
        elif tag in ("v", "t"):
            gather = value
        elif tag == "f":
            formula = True

    def end(tag: str) -> None:
        nonlocal gather
        if tag in ("v", "t"):
            gather = None
        elif tag == "c" and (value or formula):
            cells[row, column] = _cell("".join(value), kind, formula, strings)

    def text(piece: str) -> None:
        nonlocal size
        if gather is not None:
            gather.append(piece)
            size += len(piece)
            if size > MAX_CHARACTERS:
                raise _refusal("bomb")

    _parse(parts, name, start, end, text)
    return cells


def _cell(value: str, kind: str, formula: bool, strings: list[str]) -> RawCell:
    if kind == "s":
        return RawCell(strings[_index(value)] if value else "", "text", formula)
    if kind in ("inlineStr", "str"):
        return RawCell(_unescaped(value), "text", formula)
    if kind == "b":
        return RawCell("TRUE" if value.strip() == "1" else "FALSE", "bool", formula)
    if kind == "e":
        return RawCell(value.strip(), "error", formula)
    if kind == "n" and value:
        return RawCell(_number(value), "number", formula)
    return RawCell(value, "text", formula)


def _index(value: str) -> int:
    number = int(value)
    if number < 0:
        raise IndexError(value)
    return number


def _number(value: str) -> str:
    """A stored double as people mean it: 15 significant digits, plain notation."""
    try:
        number = Decimal(value.strip())
    except InvalidOperation:
        return value
    if not number.is_finite() or abs(number.adjusted()) > 30:
        return value
    if len(number.as_tuple().digits) > _DIGITS:
        number = Decimal(f"{number:.{_DIGITS - 1}E}")
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _place(reference: str | None, row: int, column: int) -> tuple[int, int]:
    if reference is None:
        return max(1, row), column
    found = _PLACE.fullmatch(reference)
    if not found:
        raise ValueError(reference)
    number = 0
    for letter in found[1]:
        number = number * 26 + ord(letter) - 64
    return int(found[2]), number


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text
