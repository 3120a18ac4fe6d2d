"""Workbooks out (导出为EXCEL): the form blank or filled in its official layout, the standards lists, the roster.

Column A of the form holds the key of each row, row 1 what each column is, the hidden sheet ``_ref`` whose form it is: an
import binds by these and never by position (``intake``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.cell_range import MultiCellRange
from openpyxl.worksheet.datavalidation import DataValidation

from models.enums import CellKind
from services.documents import sheets
from services.documents.pdf import unit_of
from services.documents.sheets import Look, Page, letter
from services.documents.snapshot import FilingSnapshot
from services.forms import cells, reference
from services.forms.expressions import CHOICE_SEPARATOR
from services.forms.template import REMARK_SLOT, UNIT_SLOT, FormField, FormTemplate, Part, Section

SCHEMA = "1"  # of the hidden codes; :mod:`services.documents.intake` takes no other
FORM_SHEET, REF_SHEET, LIST_SHEET = "动态管理表", "_ref", "_lists"
EMPTY_HINT = "没有此项填“不涉及”，全年停产填“停产”"

# Columns: A hidden codes, then as in the official form.
CODE, LABEL, PARAMETER, UNIT, FIRST_YEAR = 1, 2, 3, 4, 5
_WIDTHS = {LABEL: 32, PARAMETER: 22, UNIT: 20}
_YEAR_WIDTH, _REMARK_WIDTH, _GUIDANCE_WIDTH = 16, 30, 64
_HEAD_ROW = 5  # heads of the columns: always in view, and above each printed page with the line of whose form it is
_LINE = 13.5  # points of height per line of size 10

_TITLE = Look(bold=True, size=16, align="center", framed=False)
_ABOUT = Look(size=9, colour="566267", framed=False)
_PART = Look(bold=True, size=12, fill="D7E8E0")
_SECTION = Look(bold=True, size=11, fill="E7F3EE")
_HEAD = Look(bold=True, fill="E7F3EE", align="center")
_GROUP = Look(bold=True, fill="F3F8F5", align="center")
_LABEL_LOOK = Look(fill="F7FAF8", align="center")
_QUESTION = Look(fill="F7FAF8")
_FIXED = Look(fill="F0F0F0", align="center")
_LOCKED = Look(fill="F0F0F0")
_DERIVED = Look(fill="F0F0F0", align="right")
_GUIDE = Look(size=9, colour="566267")
_INPUT = Look(fill="FFFBE6", locked=False)
_FIGURE = Look(fill="FFFBE6", locked=False, align="right")
_CHOSEN = Look(fill="FFFBE6", locked=False, align="center")
_PLAIN = Look()


@dataclass(frozen=True, slots=True)
class RosterLine:
    """A row of 绿色工厂名单.xlsx."""

    level: str
    batch: str
    listed_name: str
    credit_code: str
    region: str
    listed_on: date | None


def filled_workbook(snapshot: FilingSnapshot) -> bytes:
    """The form with what has been filled in; drop-downs and checks are the same as in the blank one."""
    return _form_workbook(snapshot, filled=True)


def blank_workbook(snapshot: FilingSnapshot) -> bytes:
    """The form for collecting offline: only what the unit's profile fills is in it."""
    return _form_workbook(snapshot, filled=False)


def energy_limit_workbook() -> bytes:
    """能耗限额标准清单.xlsx."""
    rows = [(str(n), s.number, s.title) for n, s in enumerate(reference.energy_limit_standards(), 1)]
    return list_workbook("能耗限额标准清单", ("序号", "标准号", "标准名称（简称）"), rows, (8, 24, 60))


def water_quota_workbook() -> bytes:
    """取水定额标准清单.xlsx."""
    rows = [(str(n), s.number, s.title) for n, s in enumerate(reference.water_quota_standards(), 1)]
    return list_workbook("取水定额标准清单", ("序号", "标准号", "产品"), rows, (8, 24, 60))


def roster_workbook(lines: Sequence[RosterLine], title: str = "绿色工厂名单") -> bytes:
    """绿色工厂名单.xlsx."""
    rows = [
        (
            str(n),
            r.level,
            r.batch,
            r.listed_name,
            r.credit_code,
            r.region,
            r.listed_on.isoformat() if r.listed_on else "",
        )
        for n, r in enumerate(lines, 1)
    ]
    heads = ("序号", "名单层面", "批次", "工厂名称", "统一社会信用代码", "所在地区", "列入日期")
    return list_workbook(title, heads, rows, (8, 12, 22, 48, 24, 34, 14))


def roster_template() -> bytes:
    """名单导入模板.xlsx: the heads that an import looks for, and what goes where."""
    made = sheets.book("名单导入模板")
    page = Page(made, "名单")
    for column, (head, width, *_) in enumerate(_TEMPLATE, 1):
        page.put(1, column, head, _HEAD)
        page.sheet.column_dimensions[letter(column)].width = width
        for row in range(2, 52):
            page.put(row, column, None, _INPUT)
    page.sheet.freeze_panes = "A2"
    _print_setup(page.sheet, landscape=True)
    page.close()
    guide = Page(made, "填写说明")
    for column, (head, width) in enumerate((("列", 24), ("是否必填", 12), ("怎么填", 80)), 1):
        guide.put(1, column, head, _HEAD)
        guide.sheet.column_dimensions[letter(column)].width = width
    for row, (head, _, needed, how) in enumerate(_TEMPLATE, 2):
        for column, text in enumerate((head, needed, how), 1):
            guide.put(row, column, text, _PLAIN)
    guide.close()
    return sheets.content(made)


_TEMPLATE = (
    ("序号", 8, "", "不导入，只供核对。"),
    ("单位名称", 44, "必填", "公布的名单上的名称。"),
    ("统一社会信用代码", 24, "", "18 位。填写后能准确对应已注册和以后注册的单位；不知道可以留空，按名称对应。"),
    ("所在地区", 30, "必填", "写成“广东省广州市天河区”的样子。只写到省的，市、县看不到它。"),
    ("所属央企", 26, "", "系统中登记的中央企业集团名称，没有则留空。"),
    ("名单层面", 12, "", "国家、省或市。不填的按导入页面上选的。"),
    ("批次", 26, "", "例如“第九批绿色制造名单”。不填的按导入页面上填的。"),
    ("文号", 26, "", "公布名单的文件号。不填的按导入页面上填的。"),
    ("列入日期", 14, "", "例如 2024-05-01；只知道年份的填年份。不填的按导入页面上的公布日期。"),
)


def list_workbook(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float]) -> bytes:
    """A titled list with a fixed head and a filter; every cell is text."""
    made = sheets.book(title)
    page = Page(made, title[:31])
    page.span(1, 1, len(heads), title, _TITLE)
    for column, (head, width) in enumerate(zip(heads, widths, strict=True), 1):
        page.put(2, column, head, _HEAD)
        page.sheet.column_dimensions[letter(column)].width = width
    for number, row in enumerate(rows, 3):
        for column, text in enumerate(row, 1):
            page.put(number, column, text, _PLAIN)
    page.sheet.row_dimensions[1].height = 30
    page.sheet.freeze_panes = "A3"
    page.sheet.auto_filter.ref = f"A2:{letter(len(heads))}{max(2, len(rows) + 2)}"
    page.sheet.print_title_rows = "1:2"
    _print_setup(page.sheet, landscape=sum(widths) > 100)
    page.close()
    return sheets.content(made)


def layout_of(template: FormTemplate) -> dict[str, int]:
    """Slot or role → column number: what the codes in the hidden row 1 say."""
    years = {str(year): FIRST_YEAR + place for place, year in enumerate(template.years)}
    after = FIRST_YEAR + len(template.years)
    return {"label": LABEL, "parameter": PARAMETER, UNIT_SLOT: UNIT, **years, REMARK_SLOT: after, "guidance": after + 1}


def value_role(part: Part, asked: FormField, template: FormTemplate) -> str:
    """In which column the single value of a row stands: by the layout of its part."""
    first_year = str(template.years[0])
    if part.layout == "questions":
        return REMARK_SLOT if asked.choices else first_year
    return {"fields": UNIT_SLOT, "texts": "label", "grid": first_year}[part.layout]


# The form


@dataclass(slots=True)
class _Writer:
    snapshot: FilingSnapshot
    filled: bool
    page: Page
    columns: Mapping[str, int]
    row: int = 0
    checks: dict[tuple[Any, ...], list[str]] = field(default_factory=dict)  # kind of check → cells
    lists: dict[tuple[str, ...], str] = field(default_factory=dict)  # options → name of their list

    @property
    def template(self) -> FormTemplate:
        return self.snapshot.template

    @property
    def last(self) -> int:
        return self.columns["guidance"]

    def next(self, key: str = "", lines: float = 1.6) -> int:
        self.row += 1
        if key:
            self.page.put(self.row, CODE, key, _PLAIN)
        self.page.sheet.row_dimensions[self.row].height = round(max(lines, 1.2) * _LINE + 4, 1)
        return self.row


def _form_workbook(snapshot: FilingSnapshot, *, filled: bool) -> bytes:
    template = snapshot.template
    made = sheets.book(f"{template.title}（{snapshot.year}年）", snapshot.dated)
    writer = _Writer(snapshot, filled, Page(made, FORM_SHEET), layout_of(template))
    _top(writer)
    for part in template.parts:
        writer.page.span(writer.next(lines=1.9), LABEL, writer.last, part.title + _in_brackets(part.note), _PART)
        for section in part.sections:
            _SECTIONS[part.layout](writer, part, section)
    _pledge(writer)
    _finish_form(writer)
    _hidden_lists(made, writer)
    _hidden_identity(made, writer)
    _add_checks(writer)
    writer.page.close()
    made.active = 0
    return sheets.content(made)


def _top(writer: _Writer) -> None:
    page, snapshot = writer.page, writer.snapshot
    writer.next()
    for role, column in writer.columns.items():
        page.put(1, column, role, _PLAIN)
    page.put(1, CODE, "key", _PLAIN)
    page.span(writer.next(lines=2.4), LABEL, writer.last, f"{writer.template.title}（{snapshot.year}年）", _TITLE)
    hint = (
        "只填写浅黄色单元格；灰色为系统带出或计算，不能填写。数字直接填，没有发生填 0；"
        f"{EMPTY_HINT}。填好后在系统中点“导入EXCEL”，不要改动表的行列。"
    )
    page.span(writer.next(), LABEL, writer.last, hint, _ABOUT)
    about = f"填报单位：{snapshot.unit_name}　统一社会信用代码：{snapshot.credit_code}　填报编号：{snapshot.number}"
    page.span(writer.next(), LABEL, writer.last, about, _ABOUT)
    row = writer.next(lines=1.7)
    heads = {"label": "指标名称", "parameter": "指标涉及的参数", UNIT_SLOT: "计量单位"}
    heads |= {str(year): f"{year}年指标值" for year in writer.template.years}
    heads |= {REMARK_SLOT: "特殊情况说明", "guidance": "填写说明"}
    for role, head in heads.items():
        page.put(row, writer.columns[role], head, _HEAD)


def _fields(writer: _Writer, part: Part, section: Section) -> None:
    _section_title(writer, section)
    columns = writer.columns
    for asked in section.fields:
        text = _text(writer, asked)
        width = sum(_widths(writer)[c] for c in range(UNIT, columns[REMARK_SLOT] + 1))
        guide = sheets.lines_needed(_guidance(asked), _GUIDANCE_WIDTH)
        lines = max(sheets.lines_needed(text, width), guide, 3 if asked.kind == "longtext" else 1)
        row = writer.next(asked.key, lines)
        writer.page.span(row, LABEL, PARAMETER, asked.label, _LABEL_LOOK)
        writer.page.span(row, UNIT, columns[REMARK_SLOT], text, _look(asked, _INPUT))
        writer.page.put(row, columns["guidance"], _guidance(asked), _GUIDE)
        _check(writer, asked, f"{letter(UNIT)}{row}")


def _questions(writer: _Writer, part: Part, section: Section) -> None:
    """A question with its choice at the right; a text has the right half of the row."""
    _section_title(writer, section)
    columns, last = writer.columns, writer.columns[REMARK_SLOT]
    for asked in section.fields:
        text = _text(writer, asked)
        first = columns[value_role(part, asked, writer.template)]
        widths = _widths(writer)
        lines = (
            sheets.lines_needed(text, sum(widths[column] for column in range(first, last + 1))),
            sheets.lines_needed(asked.label, sum(widths[column] for column in range(LABEL, first))),
            sheets.lines_needed(_guidance(asked), _GUIDANCE_WIDTH),
            3 if asked.kind == "longtext" else 1.5,
        )
        row = writer.next(asked.key, max(lines))
        writer.page.span(row, LABEL, first - 1, asked.label, _QUESTION)
        writer.page.span(row, first, last, text, _look(asked, _CHOSEN if asked.choices else _INPUT))
        writer.page.put(row, columns["guidance"], _guidance(asked), _GUIDE)
        _check(writer, asked, f"{letter(first)}{row}")


def _texts(writer: _Writer, part: Part, section: Section) -> None:
    _section_title(writer, section, unless=part.title)
    columns = writer.columns
    for asked in section.fields:
        text = _text(writer, asked)
        width = sum(_widths(writer)[c] for c in range(LABEL, columns[REMARK_SLOT] + 1))
        row = writer.next(asked.key, min(30, max(5, sheets.lines_needed(text, width))))
        writer.page.span(
            row, LABEL, columns[REMARK_SLOT], text, _look(asked, Look(fill="FFFBE6", locked=False, vertical="top"))
        )
        writer.page.put(row, columns["guidance"], _guidance(asked), _GUIDE)
        _check(writer, asked, f"{letter(LABEL)}{row}")


def _grid(writer: _Writer, part: Part, section: Section) -> None:
    _section_title(writer, section)
    group = ""
    for asked in section.fields:
        if asked.group and asked.group != group:
            writer.page.span(writer.next(), LABEL, writer.last, asked.group, _GROUP)
        group = asked.group
        _grid_row(writer, asked)


def _grid_row(writer: _Writer, asked: FormField) -> None:
    page, columns, template = writer.page, writer.columns, writer.template
    guidance = _guidance(asked)
    remark = writer.snapshot.value(asked.key, REMARK_SLOT).text if writer.filled else ""
    label_width = _WIDTHS[LABEL] + (0 if asked.parameter else _WIDTHS[PARAMETER])
    row = writer.next(
        asked.key,
        max(
            sheets.lines_needed(asked.label, label_width),
            sheets.lines_needed(asked.parameter, _WIDTHS[PARAMETER]),
            sheets.lines_needed(guidance, _GUIDANCE_WIDTH),
            sheets.lines_needed(remark, _REMARK_WIDTH),
            1.3,
        ),
    )
    if asked.parameter:
        page.put(row, LABEL, asked.label, _LABEL_LOOK)
        page.put(row, PARAMETER, asked.parameter, _LABEL_LOOK)
    else:
        page.span(row, LABEL, PARAMETER, asked.label, _LABEL_LOOK)
    _unit_cell(writer, asked, row)
    slots = template.slots(asked.key)
    first, last = FIRST_YEAR, FIRST_YEAR + len(template.years) - 1
    if asked.yearly:
        for slot in slots:
            page.put(row, columns[slot], _value(writer, asked, slot), _figure_look(writer, asked, slot))
    else:
        page.span(row, first, last, _value(writer, asked, ""), _figure_look(writer, asked, ""))
    if asked.kind != "derived":
        _check(writer, asked, f"{letter(first)}{row}:{letter(last)}{row}" if asked.yearly else f"{letter(first)}{row}")
    page.put(row, columns[REMARK_SLOT], remark, _INPUT if asked.remark else _LOCKED)
    if asked.remark:
        writer.checks.setdefault(("length", 500), []).append(f"{letter(columns[REMARK_SLOT])}{row}")
    page.put(row, columns["guidance"], guidance, _GUIDE)


def _guidance(asked: FormField) -> str:
    """填写说明; no drop-down takes several answers, so what can be chosen stands here."""
    if asked.formula:
        return f"按公式计算：{asked.formula.words}。{asked.guidance}"
    if asked.kind == "choices":
        return f"{asked.guidance}多项之间用“{CHOICE_SEPARATOR}”隔开：{CHOICE_SEPARATOR.join(asked.choices)}。"
    return asked.guidance


def _unit_cell(writer: _Writer, asked: FormField, row: int) -> None:
    if asked.units and not asked.unit_of:
        chosen = writer.snapshot.value(asked.key, UNIT_SLOT).text if writer.filled else ""
        writer.page.put(row, UNIT, chosen, _CHOSEN)
        options = tuple(option.name for option in asked.units)
        writer.checks.setdefault(("list", options, "计量单位"), []).append(f"{letter(UNIT)}{row}")
        return
    text = unit_of(writer.snapshot, asked) if writer.filled or not asked.unit_of else ""
    if asked.unit_of and not text:
        text = f"与“{writer.template.fields[asked.unit_of].label}”相同"
    writer.page.put(row, UNIT, text, _FIXED)


def _section_title(writer: _Writer, section: Section, unless: str = "") -> None:
    if section.title and section.title != unless:
        writer.page.span(writer.next(lines=1.7), LABEL, writer.last, section.title, _SECTION)


def _pledge(writer: _Writer) -> None:
    page, last = writer.page, writer.last
    page.span(writer.next(lines=1.9), LABEL, last, "真实性承诺", _PART)
    page.span(writer.next(lines=2.2), LABEL, last, writer.template.pledge, Look(framed=True))
    row = writer.next(lines=5)
    page.span(row, LABEL, UNIT, "法人签字：", Look(size=11))
    page.span(row, FIRST_YEAR, last, "（单位公章）　　　　　　年　　月　　日", Look(size=11, align="center"))
    note = "此表仅供线下收集和导入。签字盖章请使用系统“导出为PDF”的文件：其每页印有校验码和二维码。"
    page.span(writer.next(), LABEL, last, note, _ABOUT)


def _text(writer: _Writer, asked: FormField) -> str:
    """The value of a row outside the grid; locked ones come from the unit's profile and are in the blank form too."""
    return writer.snapshot.value(asked.key).text if writer.filled or asked.locked else ""


def _value(writer: _Writer, asked: FormField, slot: str) -> str | Decimal | None:
    if not writer.filled:
        return None
    value = writer.snapshot.value(asked.key, slot)
    if value.kind is not CellKind.NUMBER:
        return cells.show(value, asked) or None
    typed = cells.figure(value.text, unit_of(writer.snapshot, asked), ratio=cells.is_ratio(asked))
    return Decimal(cells.plain(typed)) if typed is not None else value.text


def _figure_look(writer: _Writer, asked: FormField, slot: str) -> Look:
    if asked.kind == "derived":
        return _DERIVED
    if asked.kind != "number":
        return _CHOSEN
    return _FIGURE


def _look(asked: FormField, look: Look) -> Look:
    return _LOCKED if asked.locked else look


_SECTIONS = {"fields": _fields, "questions": _questions, "texts": _texts, "grid": _grid}


# Checks, hidden sheets, printing


def _check(writer: _Writer, asked: FormField, place: str) -> None:
    if asked.locked:
        return
    options = reference.choices("industries") if asked.kind == "industry" else asked.choices
    if asked.kind == "number":
        writer.checks.setdefault(("number", asked.low, asked.high, asked.empty_words), []).append(place)
    elif options and asked.kind != "choices":
        writer.checks.setdefault(("list", options, asked.label if len(options) > 20 else "选项"), []).append(place)
    elif asked.max_length:
        writer.checks.setdefault(("length", asked.max_length), []).append(place)


def _add_checks(writer: _Writer) -> None:
    for check, places in writer.checks.items():
        made = _CHECKS[check[0]](writer, check, places[0].partition(":")[0])
        made.sqref = MultiCellRange(" ".join(places))
        made.showErrorMessage = True
        writer.page.sheet.add_data_validation(made)


def _list_check(writer: _Writer, check: tuple[Any, ...], first: str) -> DataValidation:
    return DataValidation(
        type="list",
        formula1=writer.lists[check[1]],
        allow_blank=True,
        errorTitle="请从下拉列表中选择",
        error="这一格只能填写下拉列表中的选项，请点单元格右侧的箭头选择。",
    )


def _number_check(writer: _Writer, check: tuple[Any, ...], first: str) -> DataValidation:
    _, low, high, empty_words = check
    least = low if low is not None else Decimal("-1E+15")
    most = high if high is not None else Decimal("1E+15")
    words = f"请填写不小于 {low} 的数字" if low is not None else "请填写数字"
    if high is not None:
        words += f"、不大于 {high}"
    if empty_words:
        formula = f'OR(AND(ISNUMBER({first}),{first}>={least:f},{first}<={most:f}),{first}="不涉及",{first}="停产")'
        return DataValidation(
            type="custom",
            formula1=formula,
            allow_blank=True,
            errorTitle="请检查填写的内容",
            error=f"{words}；{EMPTY_HINT}。",
        )
    return DataValidation(
        type="decimal",
        operator="between",
        formula1=f"{least:f}",
        formula2=f"{most:f}",
        allow_blank=True,
        errorTitle="请检查填写的内容",
        error=f"{words}。",
    )


def _length_check(writer: _Writer, check: tuple[Any, ...], first: str) -> DataValidation:
    return DataValidation(
        type="textLength",
        operator="lessThanOrEqual",
        formula1=str(check[1]),
        allow_blank=True,
        errorTitle="文字过长",
        error=f"这一格最多 {check[1]} 个字，请精简后再填。",
    )


_CHECKS = {"list": _list_check, "number": _number_check, "length": _length_check}


def _hidden_lists(made: Any, writer: _Writer) -> None:
    page = Page(made, LIST_SHEET)
    for check in writer.checks:
        if check[0] != "list" or check[1] in writer.lists:
            continue
        column = len(writer.lists) + 1
        for row, option in enumerate(check[1], 1):
            page.put(row, column, option, _PLAIN)
        name = f"lvce_list_{column}"
        place = f"{LIST_SHEET}!${letter(column)}$1:${letter(column)}${len(check[1])}"
        made.defined_names[name] = DefinedName(name, attr_text=place)
        writer.lists[check[1]] = name
    page.sheet.sheet_state = "veryHidden"
    page.close()


def _hidden_identity(made: Any, writer: _Writer) -> None:
    snapshot = writer.snapshot
    page = Page(made, REF_SHEET)
    about = {
        "schema": SCHEMA,
        "form": snapshot.template.form.value,
        "year": str(snapshot.year),
        "template": snapshot.template.digest,
        "credit_code": snapshot.credit_code,
        "unit_name": snapshot.unit_name,
        "number": snapshot.number,
        "digest": snapshot.digest if writer.filled else "",
    }
    for row, (name, text) in enumerate(about.items(), 1):
        page.put(row, 1, name, _PLAIN)
        page.put(row, 2, text, _PLAIN)
    page.sheet.sheet_state = "veryHidden"
    page.close()


def _widths(writer: _Writer) -> dict[int, float]:
    years = {writer.columns[str(year)]: float(_YEAR_WIDTH) for year in writer.template.years}
    edges = {writer.columns[REMARK_SLOT]: float(_REMARK_WIDTH), writer.columns["guidance"]: float(_GUIDANCE_WIDTH)}
    return {**_WIDTHS, **years, **edges}


def _finish_form(writer: _Writer) -> None:
    sheet = writer.page.sheet
    for column, width in _widths(writer).items():
        sheet.column_dimensions[letter(column)].width = width
    sheet.column_dimensions["A"].hidden = True
    sheet.row_dimensions[1].hidden = True
    sheet.freeze_panes = f"C{_HEAD_ROW + 1}"
    sheet.sheet_view.showGridLines = False
    sheet.protection.sheet = True
    sheet.protection.formatColumns = sheet.protection.formatRows = False
    sheet.print_area = f"B2:{letter(writer.last)}{writer.row}"
    sheet.print_title_rows = f"{_HEAD_ROW - 1}:{_HEAD_ROW}"
    sheet.oddFooter.left.text = f"填报编号 {writer.snapshot.number}"
    sheet.oddFooter.right.text = "第 &P 页 / 共 &N 页"
    _print_setup(sheet, landscape=True)


def _print_setup(sheet: Any, *, landscape: bool) -> None:
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.orientation = "landscape" if landscape else "portrait"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    sheet.page_margins.top, sheet.page_margins.bottom = 0.6, 0.75
    sheet.page_margins.footer = 0.35


def _in_brackets(note: str) -> str:
    return f"（{note}）" if note else ""
