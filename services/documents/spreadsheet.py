"""A bounded reader of uploaded workbooks (xlsx): what a file claims is checked before anything is unpacked, and only the
named sheets are read. Merges, charts, macros and external links are never looked at, styles only for what shows a figure as
a date or a percentage; formulas keep their last value.

``read`` asks a limited child process, which is this module run as ``python -m services.documents.spreadsheet``: on standard
input one JSON line with the names of the sheets and how large they may be, then the workbook, on standard output the cells as JSON.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any, Literal
from xml.sax import SAXException
from xml.sax.handler import ContentHandler

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from services.documents import child
from services.errors import Refusal

MB = 1024 * 1024
MEMORY, CPU_SECONDS, SECONDS = 150 * MB, 5, 20
MAX_RATIO, RATIO_FROM = 200, MB  # packed 200 times smaller is a bomb, from 1 MB on
MAX_STRINGS, MAX_CHARACTERS = 40_000, 2_000_000
MAX_DEPTH = 40
A_CELL = (256, 10, 5)  # bytes, calls and attributes that are parsed for each cell there may be; a form needs a third
_CALLS = (b"<", b"&", b"\n", b"\r")  # each costs the parser one
_LONGEST_FORMAT = 255  # characters, as in Excel
A_LOOK = (250_000, 10_000, 20_000)  # the same of all styles; a form needs a tenth, and beyond it they are not looked at
WHOLE = (
    16 * MB,
    150_000,
    150_000,
)  # the same of everything in it but pictures, for who reads all; a form needs a fifth
_PICTURES = "xl/media/"
_DIGITS = 15  # a spreadsheet keeps no more: 0.30000000000000004 means 0.3

_BROKEN = (
    SAXException,
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    IndexError,
    ValueError,
    NotImplementedError,
    EOFError,
    OSError,
)
_OLE = b"\xd0\xcf\x11\xe0"  # the container of old workbooks, and of those that a password locks
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # an entry of its directory (MS-OFFCRYPTO 2.3.4.4)
_OTHERS = {"xl/workbook.bin": "binary", "content.xml": "ods"}  # what other workbooks have in their place
_PLACE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
# Number formats by their number (ECMA-376 18.8.30, with the Chinese ones), and what is no code in one that is spelt out.
_DATES = frozenset(map(str, (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))))
_PERCENTAGES = frozenset(("9", "10"))
_NO_CODE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)
_DAY_ZERO, _DAY_ZERO_1904, _LAST_DAY = datetime(1899, 12, 30), datetime(1904, 1, 1), 2_957_003

WORDS: Mapping[str, str] = {
    "size": "工作簿超过 {} MB。请去掉其中的图片和用不到的工作表后再试。",
    "xls": "这是旧版 Excel（.xls）或 WPS（.et）格式的文件，只改扩展名不能改变格式。请在 Excel 或 WPS 中打开，另存为“Excel 工作簿（.xlsx）”后再试。",
    "password": "工作簿设有打开密码，系统不能打开。请在 Excel 或 WPS 中用密码打开，清除密码（文件 → 信息 → 保护工作簿 → 用密码进行加密，把密码清空；WPS：文件 → 文档加密），保存后再试。",
    "text": "这是文本或 CSV 文件，只改扩展名不能变成工作簿。请在 Excel 或 WPS 中打开，另存为“Excel 工作簿（.xlsx）”后再试；导入动态管理表的，请把内容填到系统“导出为EXCEL”的文件中。",
    "binary": "这是二进制工作簿（.xlsb），不能读取。请在 Excel 中打开，另存为“Excel 工作簿（.xlsx）”后再试。",
    "ods": "这是 OpenDocument（.ods）表格，不能读取。请在 Excel 或 WPS 中打开，另存为“Excel 工作簿（.xlsx）”后再试。",
    "kind": "这不是 .xlsx 工作簿。请使用系统“导出为EXCEL”的文件，在 Excel 或 WPS 中填写并保存为 .xlsx 后再导入。",
    "broken": "工作簿已损坏或不完整，无法打开。请在 Excel 或 WPS 中重新保存为 .xlsx 后再试。",
    "macros": "工作簿中含有宏，不能接收。请另存为不含宏的“Excel 工作簿（.xlsx）”后再试。",
    "active": "工作簿中夹带了其他文件或控件，不能接收。请删除其中插入的对象和控件，另存为 .xlsx 后再试。",
    "bomb": "工作簿的内容异常庞大或结构异常，没有打开。请把需要的内容复制到新的工作簿（导入时用系统“导出为EXCEL”的文件），保存后再试。",
    "large": "工作表过大（最多 {} 行、{} 列）。请删除表格以外的内容和空行后再导入。",
    "sheet": "工作簿中没有“{}”工作表。请使用系统“导出为EXCEL”的文件，不要改动工作表名称。",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a workbook may be: the file, and what its directory says of its parts. In bytes."""

    file: int
    entries: int
    part: int
    total: int


READ = Bounds(5 * MB, 200, 24 * MB, 40 * MB)  # what we read ourselves
KEPT = Bounds(20 * MB, 1000, 100 * MB, 200 * MB)  # what is only kept, with pictures inside


@dataclass(frozen=True, slots=True)
class Extent:
    """How large a sheet may be."""

    rows: int
    columns: int
    cells: int


FORM = Extent(2000, 64, 6_000)
FIRST = ""  # as a name: the first sheet, whatever it is called
Look = Literal["plain", "date", "date 1904", "percentage"]  # how a style shows a figure


@dataclass(frozen=True, slots=True)
class RawCell:
    """A cell as people see it: 2024-05-01 and 12%, not 45413 and 0.12. ``formula``: the text is the value a spreadsheet last
    calculated, "" if none is stored.
    """

    text: str
    kind: Literal["text", "number", "bool", "error"] = "text"
    formula: bool = False


Cells = dict[tuple[int, int], RawCell]  # (row, column) from 1


def check(content: bytes, bounds: Bounds = KEPT) -> None:
    """Whether a file is a workbook that may be kept: its directory alone is looked at. Raises :class:`Refusal`."""
    _opened(content, bounds).close()


def weigh(content: bytes) -> None:
    """Whether a library that reads all of a workbook may have it: its parts are counted, none is parsed. Unpacks them, so
    only for a limited child; raises :class:`Refusal`."""
    with _opened(content, READ) as archive:
        parts = _Parts(archive, *WHOLE)
        for name in archive.namelist():
            if not name.startswith(_PICTURES):
                parts.take(name)


def read(content: bytes, names: Iterable[str], extent: Extent = FORM) -> dict[str, Cells]:
    """The cells of the named sheets, read in a limited child process (受限子进程); raises :class:`Refusal` with a sentence."""
    check(content, READ)
    order = json.dumps([list(names), astuple(extent)]).encode() + b"\n" + content
    try:
        answer = json.loads(child.ask("services.documents.spreadsheet", order, SECONDS))
    except child.Failed:
        raise _refusal("bomb") from None
    if "refused" in answer:
        raise Refusal(answer["refused"], field="file")
    return {
        name: {(row, column): RawCell(text, kind, formula) for row, column, text, kind, formula in cells}
        for name, cells in answer["sheets"].items()
    }


def answer(order: bytes) -> bytes:
    """For the child: one JSON line with sheets and extent, then the workbook → the cells, or a refusal, as JSON."""
    head, _, content = order.partition(b"\n")
    names, extent = json.loads(head)
    try:
        found = parse(content, names, Extent(*extent))
    except Refusal as refusal:
        return json.dumps({"refused": refusal.message}).encode()
    sheets = {
        name: [(*place, cell.text, cell.kind, cell.formula) for place, cell in cells.items()]
        for name, cells in found.items()
    }
    return json.dumps({"sheets": sheets}).encode()


def parse(content: bytes, names: Iterable[str], extent: Extent = FORM) -> dict[str, Cells]:
    """What the child does; raises :class:`Refusal`."""
    with _opened(content, READ) as archive:
        parts = _Parts(archive, *(each * extent.cells for each in A_CELL))
        try:
            places, from_1904 = _sheet_places(parts)
            strings: list[str] | None = None
            looks = _looks(archive)
            if from_1904:
                looks = ["date 1904" if look == "date" else look for look in looks]
            found = {}
            for name in names:
                place = next(iter(places.values()), None) if name == FIRST else places.get(name)
                if place is None:
                    raise Refusal(WORDS["sheet"].format(name), field="file")
                if strings is None:
                    strings = _shared_strings(parts)
                found[name] = _sheet(parts, place, strings, looks, extent)
            return found
        except DefusedXmlException:
            raise _refusal("bomb") from None
        except _BROKEN:
            raise _refusal("broken") from None


def _refusal(word: str) -> Refusal:
    return Refusal(WORDS[word], field="file")


def _opened(content: bytes, bounds: Bounds) -> zipfile.ZipFile:
    if len(content) > bounds.file:
        raise Refusal(WORDS["size"].format(bounds.file // MB), field="file")
    if content.startswith(_OLE):
        raise _refusal("password" if _ENCRYPTED in content else "xls")
    if not content.startswith(b"PK\x03\x04"):
        raise _refusal("text" if _is_table_as_text(content) else "kind")
    try:
        parts = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN:
        raise _refusal("broken") from None
    try:
        _check_directory(parts, bounds)
    except Refusal:
        parts.close()
        raise
    return parts


def _is_table_as_text(content: bytes) -> bool:
    """A line of text with a comma or a tab: a CSV, in one of the two ways in which it is written in Chinese."""
    head = content[:4096].lstrip()
    line = head.partition(b"\n")[0]
    if head.startswith((b"<", b"%PDF-", b"{")) or b"\0" in head or not (b"," in line or b"\t" in line):
        return False
    return any(_reads_as(head, encoding) for encoding in ("utf-8-sig", "gb18030"))


def _reads_as(content: bytes, encoding: str) -> bool:
    try:
        getincrementaldecoder(encoding)().decode(content)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True


def _check_directory(parts: zipfile.ZipFile, bounds: Bounds) -> None:
    entries = parts.infolist()
    names = [entry.filename for entry in entries]
    folded = [name.casefold() for name in names]
    if len(entries) > bounds.entries or len(set(folded)) != len(folded):
        raise _refusal("bomb")
    if any(name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts for name in names):
        raise _refusal("bomb")
    if any(entry.flag_bits & 1 for entry in entries):
        raise _refusal("password")
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise _refusal("broken")
    if any(e.file_size > bounds.part for e in entries) or sum(e.file_size for e in entries) > bounds.total:
        raise _refusal("bomb")
    if any(e.file_size > RATIO_FROM and e.file_size > MAX_RATIO * max(1, e.compress_size) for e in entries):
        raise _refusal("bomb")
    if "xl/workbook.xml" not in folded:
        raise _refusal(next((word for name, word in _OTHERS.items() if name in folded), "kind"))
    if any("vbaproject" in name or name.startswith("xl/macrosheets/") for name in folded):
        raise _refusal("macros")
    if any(name.startswith(("xl/embeddings/", "xl/activex/")) for name in folded):
        raise _refusal("active")


@dataclass(slots=True)
class _Parts:
    """The parts of one workbook, and how much of them may still be parsed: what costs time is counted before it is spent."""

    archive: zipfile.ZipFile
    size: int  # bytes
    calls: int
    attributes: int

    def parse(self, name: str, start: Any, end: Any = None, text: Any = None) -> None:
        """Feed one part to the parser; ``start(name, attributes)`` and ``end(name)`` get names without prefix."""
        parser = _Parser(start, end, text)
        parser.feed(self.take(name))
        parser.close()

    def take(self, name: str) -> bytes:
        """One part unpacked, whatever the directory said of its size; raises :class:`Refusal` for too much of it."""
        with self.archive.open(name) as stream:
            xml = stream.read(self.size + 1)
        self.size -= len(xml)
        self.calls -= sum(map(xml.count, _CALLS))
        self.attributes -= xml.count(b"=")
        if min(self.size, self.calls, self.attributes) < 0:
            raise _refusal("bomb")
        return xml


class _Parser(DefusedExpatParser):  # type: ignore[misc]  # it has no types
    """No DTD, no entities, no depth beyond ``MAX_DEPTH``. It passes over xml.sax, which would double the time."""

    def __init__(self, start: Any, end: Any, text: Any) -> None:
        super().__init__(forbid_dtd=True)
        handler = ContentHandler()
        if text:
            handler.characters = text  # type: ignore[method-assign]
        self.setContentHandler(handler)
        self._start, self._end, self._open, self._local = start, end, 0, _Local()

    def start_element(self, name: str, attrs: dict[str, str]) -> None:
        self._open += 1
        if self._open > MAX_DEPTH:
            raise _refusal("bomb")
        self._start(self._local[name], attrs)

    def end_element(self, name: str) -> None:
        self._open -= 1
        if self._end:
            self._end(self._local[name])


class _Local(dict[str, str]):
    """x:row → row."""

    def __missing__(self, name: str) -> str:
        self[name] = local = name.rpartition(":")[2]
        return local


def _sheet_places(parts: _Parts) -> tuple[dict[str, str], bool]:
    """Sheet name → part of the archive, and whether days are counted from 1904, as old Macs did."""
    links: dict[str, str] = {}
    names: dict[str, str] = {}
    from_1904 = False

    def link(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "")
            links[attributes.get("Id", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"

    def sheet(tag: str, attributes: dict[str, str]) -> None:
        nonlocal from_1904
        if tag == "workbookPr":
            from_1904 = attributes.get("date1904") in ("1", "true")
        elif tag == "sheet":
            key = next((value for name, value in attributes.items() if name.rpartition(":")[2] == "id"), "")
            names[attributes.get("name", "")] = key

    parts.parse("xl/_rels/workbook.xml.rels", link)
    parts.parse("xl/workbook.xml", sheet)
    return {name: links[key] for name, key in names.items() if key in links}, from_1904


def _shared_strings(parts: _Parts) -> list[str]:
    name = next((n for n in parts.archive.namelist() if n.casefold() == "xl/sharedstrings.xml"), "")
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

    parts.parse(name, start, end, text)
    return strings


def _looks(archive: zipfile.ZipFile) -> list[Look]:
    """How each style shows a figure; nothing where the styles are broken or without end."""
    codes: dict[str, str] = {}
    used: list[str] = []
    inside = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        if tag == "numFmt":
            codes.setdefault(attributes.get("numFmtId", ""), attributes.get("formatCode", "")[:_LONGEST_FORMAT])
        elif tag == "cellXfs":
            inside = True
        elif tag == "xf" and inside:
            used.append(attributes.get("numFmtId", ""))

    def end(tag: str) -> None:
        nonlocal inside
        inside = inside and tag != "cellXfs"

    try:
        _Parts(archive, *A_LOOK).parse("xl/styles.xml", start, end)
    except (Refusal, DefusedXmlException, *_BROKEN):
        return []
    known = {number: _look(number, codes.get(number, "")) for number in set(used)}
    return [known[number] for number in used]


def _look(number: str, code: str) -> Look:
    shown = _NO_CODE.sub("", code)
    if number in _DATES or re.search("[ymdhs]", shown, re.IGNORECASE):
        return "date"
    return "percentage" if number in _PERCENTAGES or "%" in shown else "plain"


def _sheet(parts: _Parts, name: str, strings: list[str], looks: list[Look], extent: Extent) -> Cells:
    cells: Cells = {}
    row = column = size = 0
    kind = ""
    look: Look = "plain"
    formula = False
    gather: list[str] | None = None
    value: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, kind, look, formula, gather
        if tag == "c":
            row, column = _place(attributes.get("r"), row, column + 1)
            if row > extent.rows or column > extent.columns or len(cells) >= extent.cells:
                raise Refusal(WORDS["large"].format(extent.rows, extent.columns), field="file")
            kind, formula = attributes.get("t", "n"), False
            style = attributes.get("s", "0")
            look = looks[int(style)] if style.isascii() and style.isdigit() and int(style) < len(looks) else "plain"
            value.clear()
        elif tag == "row":
            number = attributes.get("r", "")
            row, column = (int(number) if number.isascii() and number.isdigit() and len(number) < 8 else row + 1), 0
            if row > extent.rows:
                raise Refusal(WORDS["large"].format(extent.rows, extent.columns), field="file")
        elif tag in ("v", "t"):
            gather = value
        elif tag == "f":
            formula = True

    def end(tag: str) -> None:
        nonlocal gather
        if tag in ("v", "t"):
            gather = None
        elif tag == "c" and (value or formula):
            cells[row, column] = _cell("".join(value), kind, look, formula, strings)

    def text(piece: str) -> None:
        nonlocal size
        if gather is not None:
            gather.append(piece)
            size += len(piece)
            if size > MAX_CHARACTERS:
                raise _refusal("bomb")

    parts.parse(name, start, end, text)
    return cells


def _cell(value: str, kind: str, look: Look, formula: bool, strings: list[str]) -> RawCell:
    if kind == "s":
        return RawCell(strings[_index(value)] if value else "", "text", formula)
    if kind in ("inlineStr", "str"):
        return RawCell(_unescaped(value), "text", formula)
    if kind == "b":
        return RawCell("TRUE" if value.strip() == "1" else "FALSE", "bool", formula)
    if kind == "e":
        return RawCell(value.strip(), "error", formula)
    if kind == "n" and value:
        return RawCell(_SHOWN[look](_number(value)), "number", formula)
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


def _day(number: str, zero: datetime = _DAY_ZERO) -> str:
    """45413 → 2024-05-01, 0.5 → 12:00."""
    try:
        days = float(number)
    except ValueError:
        return number
    if not 0 <= days < _LAST_DAY:
        return number
    moment = zero + timedelta(seconds=round(days * 86_400))
    time = "" if days == int(days) else f"{moment:%H:%M}"
    return " ".join(part for part in (f"{moment:%Y-%m-%d}" if days >= 1 else "", time) if part) or number


def _percentage(number: str) -> str:
    """0.125 → 12.5%."""
    try:
        return f"{_number(str(Decimal(number) * 100))}%"
    except InvalidOperation:
        return number


_SHOWN: Mapping[Look, Callable[[str], str]] = {
    "plain": str,
    "date": _day,
    "date 1904": lambda number: _day(number, _DAY_ZERO_1904),
    "percentage": _percentage,
}


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
    if "_x" not in text:
        return text
    meant = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return meant.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # half a character is none
