"""A filled workbook back in (导入EXCEL): whose it is comes first, then what it says, cell by cell, bound by hidden codes.

Nothing is written here: the answer is a list of edits for the same path that typing takes, and of problems with their places.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.enums import CellKind, FindingLevel, Form
from services.documents import child, spreadsheet
from services.documents.excel import FORM_SHEET, REF_SHEET, SCHEMA, layout_of, value_role
from services.documents.sheets import letter
from services.documents.spreadsheet import Cells, RawCell
from services.errors import Refusal
from services.forms import cells
from services.forms.findings import CellValue, Finding
from services.forms.sheet import Sheet
from services.forms.template import REMARK_SLOT, UNIT_SLOT, Address, FormField, FormTemplate

SHEETS = (REF_SHEET, FORM_SHEET)
_SECONDS = 40
_ORDER = (FindingLevel.ERROR, FindingLevel.WARNING, FindingLevel.NOTE)
_WHITE = re.compile(r"[ \t\u00a0\u3000]+")
_ERROR_WORDS = {
    "#DIV/0!": "除数为零",
    "#VALUE!": "参与计算的内容不是数字",
    "#REF!": "引用的单元格已被删除",
    "#NAME?": "公式名称有误",
    "#N/A": "查不到数据",
    "#NUM!": "数字超出范围",
    "#NULL!": "引用区域有误",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A thing the workbook says that is not taken over. ``place`` is where: E25, or "" for the whole."""

    place: str
    message: str
    level: FindingLevel = FindingLevel.ERROR
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """``texts``: every non-blank input cell of the workbook; ``places``: address → E25, for marking errors in the workbook."""

    texts: Mapping[Address, str]
    problems: tuple[Problem, ...]
    places: Mapping[Address, str]
    blanks: tuple[Address, ...]  # input cells that are blank in the workbook


@dataclass(frozen=True, slots=True)
class Change:
    """One cell that would change (预览)."""

    address: Address
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would do: ``edits`` go to ``edit_cells`` as they are; ``found``: findings that would arise."""

    edits: tuple[tuple[Address, str], ...]
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    found: tuple[Finding, ...]


def read(content: bytes, template: FormTemplate, *, credit_code: str, unit_name: str) -> Intake:
    """Read a workbook for this form, year and unit; raises :class:`Refusal` if it is another one's or no workbook of ours."""
    return understood(_sheets(content), template, credit_code=credit_code, unit_name=unit_name)


def understood(found: Mapping[str, Cells], template: FormTemplate, *, credit_code: str, unit_name: str) -> Intake:
    """What the cells of both sheets mean for this form, year and unit (对应)."""
    about = {found[REF_SHEET][r, 1].text: _text_at(found[REF_SHEET], r, 2) for r, c in found[REF_SHEET] if c == 1}
    problems = list(_identity(about, template, credit_code, unit_name))
    sheet = found[FORM_SHEET]
    columns = _columns(sheet, template)
    rows = _rows(sheet, template, columns["key"], problems)
    texts: dict[Address, str] = {}
    places: dict[Address, str] = {}
    blanks: list[Address] = []
    for field, address, column in _inputs(template, columns):
        row = rows.get(field.key)
        if row is None:
            continue
        place = f"{letter(column)}{row}"
        places[address] = place
        cell = sheet.get((row, column))
        text = _taken(cell, field, address, place, problems) if cell else ""
        if text:
            texts[address] = text
        elif text is not None:
            blanks.append(address)
    return Intake(texts, tuple(problems), places, tuple(blanks))


def preview(intake: Intake, sheet: Sheet, *, clear_blank: bool = False) -> Preview:
    """Type the workbook into a copy of ``sheet``: what changes, what is refused, which findings arise.

    Blank cells keep what is there unless ``clear_blank``. Cells that say the same (1,000 and 1000) are no change.
    """
    edits = [(a, t) for a, t in intake.texts.items() if _differs(sheet, a, t, intake)]
    if clear_blank:
        edits += [(a, "") for a in intake.blanks if sheet.cell(a).kind is not CellKind.BLANK]
    trial = sheet.copy()
    effect = trial.apply(edits)
    problems = list(intake.problems)
    for address, sentence in effect.refused.items():
        locked = sheet.template.fields[address.field].locked
        level = FindingLevel.NOTE if locked else FindingLevel.ERROR
        problems.append(Problem(intake.places.get(address, ""), sentence, level, address))
    known = sheet.findings
    arising = tuple(
        finding for id_, finding in trial.findings.items() if known.get(id_) != finding and not finding.reviewers_only
    )
    taken = [(address, text) for address, text in edits if address not in effect.refused]
    changes = tuple(Change(a, sheet.shown(a), trial.shown(a)) for a, _ in taken)
    return Preview(tuple(taken), changes, tuple(problems), arising)


def marked(content: bytes, intake: Intake, template: FormTemplate, seen: Preview) -> bytes:
    """The same workbook with its problems in place: fill, comment, and a sheet 问题 with links (退回标注后的工作簿)."""
    marks = [
        [problem.place, problem.level.value, _label(template, problem.address), problem.message]
        for problem in sorted(seen.problems, key=lambda one: _ORDER.index(one.level))
    ]
    for finding in sorted(seen.found, key=lambda one: _ORDER.index(one.level)):
        main = finding.cells[0]
        place = intake.places.get(main, "")
        marks.append([place, finding.level.value, _label(template, main), finding.message])
    order = json.dumps({"sheet": FORM_SHEET, "marks": marks}).encode()
    try:
        return child.run("services.documents.marker", (), order + b"\n" + content, _SECONDS)
    except child.Failed:
        raise Refusal(
            "没能在原表中标出问题：各工作表合计超过约 3 万个单元格，或者格式过于复杂（例如合并了大片单元格）。"
            "系统中的数据没有改动。请删去自己增加的工作表和格式后再试；仍不行的，请在系统中重新“导出为EXCEL”，"
            "把填写内容复制过去后再导入。",
            field="file",
        ) from None


def _label(template: FormTemplate, address: Address | None) -> str:
    if address is None or address.field not in template.fields:
        return ""
    return f"{template.fields[address.field].label}{_slot_words(address)}"


def _sheets(content: bytes) -> dict[str, Cells]:
    try:
        return spreadsheet.read(content, SHEETS)
    except Refusal as refusal:
        if refusal.message == spreadsheet.WORDS["sheet"].format(REF_SHEET):
            raise Refusal(
                "这个工作簿不是从本系统导出的动态管理表，认不出是哪个单位、哪一年的表。"
                "请先点“导出为EXCEL”，在导出的文件中填写后再导入。",
                field="file",
            ) from None
        raise


def _identity(about: Mapping[str, str], template: FormTemplate, credit_code: str, unit_name: str) -> Iterable[Problem]:
    form, year = about.get("form", ""), about.get("year", "")
    if about.get("schema", "") != SCHEMA:
        raise Refusal(
            "这个工作簿的隐藏编码不是本系统现在使用的版本（可能由其他版本的系统导出，或编码被改动），不能保证逐项对应。"
            "请重新“导出为EXCEL”，把填写内容复制到新文件的浅黄色单元格后再导入。",
            field="file",
        )
    if form != template.form.value:
        known = {one.value: one.caption for one in Form}
        raise Refusal(
            f"这是“{known.get(form, form or '其他')}”的工作簿，当前填报的是“{template.form.caption}”动态管理表。"
            "请选择本表导出的工作簿。",
            field="file",
        )
    if year != str(template.year):
        raise Refusal(
            f"这是 {year or '其他'} 年度的工作簿，当前填报的是 {template.year} 年度。请选择 {template.year} 年度导出的工作簿。",
            field="file",
        )
    if about.get("credit_code", "") != credit_code:
        other = about.get("unit_name") or about.get("credit_code") or "其他单位"
        if other == unit_name:
            raise Refusal(
                f"工作簿中本单位的统一社会信用代码是 {about.get('credit_code') or '空白'}，现在登记的是 {credit_code}。"
                "信用代码更正过的，请重新“导出为EXCEL”，把填写内容复制过去后再导入。",
                field="file",
            )
        raise Refusal(f"这是“{other}”的工作簿，当前填报单位是“{unit_name}”。请选择本单位导出的工作簿。", field="file")
    if about.get("template", "") != template.digest:
        yield Problem("", "工作簿导出后，表的版本有更新。已按指标逐项对应导入，请逐项核对。", FindingLevel.NOTE)


def _columns(sheet: Cells, template: FormTemplate) -> dict[str, int]:
    """Role → column, from the hidden first row: a column put in between shifts nothing."""
    found = {cell.text: column for (row, column), cell in sheet.items() if row == 1}
    wanted = ("key", *layout_of(template))
    if any(role not in found for role in wanted):
        raise Refusal(
            "工作簿第一行的隐藏编码被删除或改动，无法对应指标。请重新“导出为EXCEL”，把内容复制到新文件的浅黄色单元格后再导入。",
            field="file",
        )
    return found


def _rows(sheet: Cells, template: FormTemplate, column: int, problems: list[Problem]) -> dict[str, int]:
    """Field key → row, from the hidden first column; rows put in between or moved are found again."""
    rows: dict[str, int] = {}
    for (row, at), cell in sorted(sheet.items()):
        key = cell.text.strip()
        if at != column or row == 1 or not key:
            continue
        if key not in template.fields:
            problems.append(Problem(f"A{row}", f"第 {row} 行的指标编码“{key[:40]}”不在本表中，这一行没有导入。"))
        elif key in rows:
            label = template.fields[key].label
            problems.append(
                Problem(
                    f"A{row}", f"指标“{label}”重复出现在第 {rows[key]} 行和第 {row} 行，只导入了第 {rows[key]} 行。"
                )
            )
        else:
            rows[key] = row
    gone = [f"“{field.label}”" for key, field in template.fields.items() if key not in rows and not _is_output(field)]
    if gone:
        more = f"等 {len(gone)} 项" if len(gone) > 5 else ""
        problems.append(Problem("", f"工作簿中找不到指标{'、'.join(gone[:5])}{more}的行，这些指标保持原值。"))
    return rows


def _inputs(template: FormTemplate, columns: Mapping[str, int]) -> Iterable[tuple[FormField, Address, int]]:
    """Every cell that a workbook can fill, units before figures."""
    found: list[tuple[FormField, Address, int]] = []
    for part in template.parts:
        for field in (one for section in part.sections for one in section.fields):
            if field.kind == "derived":
                continue
            if field.units and not field.unit_of:
                found.append((field, Address(field.key, UNIT_SLOT), columns[UNIT_SLOT]))
            found += [
                (field, Address(field.key, slot), columns[slot or value_role(part, field, template)])
                for slot in template.slots(field.key)
            ]
            if field.remark:
                found.append((field, Address(field.key, REMARK_SLOT), columns[REMARK_SLOT]))
    return sorted(found, key=lambda one: one[1].slot != UNIT_SLOT)


def _taken(cell: RawCell, field: FormField, address: Address, place: str, problems: list[Problem]) -> str | None:
    """The text to type, "" for a blank cell, None (with a problem) for what cannot be read."""
    where = f"“{field.label}”{_slot_words(address)}"
    if cell.kind == "error" or cell.text in _ERROR_WORDS:
        why = _ERROR_WORDS.get(cell.text, "公式出错")
        problems.append(
            Problem(
                place, f"{where}是公式错误 {cell.text}（{why}），没有导入。请改正公式或直接填写数字。", address=address
            )
        )
        return None
    if cell.formula and not cell.text.strip():
        problems.append(
            Problem(
                place,
                f"{where}是公式，文件中没有保存计算结果，没有导入。请在 Excel 或 WPS 中打开并保存一次，或改为直接填写内容。",
                address=address,
            )
        )
        return None
    if cell.kind == "bool":
        problems.append(
            Problem(
                place, f"{where}是逻辑值 {cell.text}，没有导入。请从下拉列表选择，或直接填写内容。", address=address
            )
        )
        return None
    if cell.formula:
        problems.append(
            Problem(
                place,
                f"{where}是公式，已按文件中保存的结果“{cell.text[:40]}”导入，请核对。",
                FindingLevel.NOTE,
                address,
            )
        )
    text = cells.clean(cell.text)
    many_lines = field.kind == "longtext" or address.slot == REMARK_SLOT
    return text if many_lines else _WHITE.sub(" ", text.replace("\n", " ")).strip()


def _differs(sheet: Sheet, address: Address, text: str, intake: Intake) -> bool:
    now, then = sheet.cell(address), _parsed(sheet, address, text, intake)
    if now.kind is CellKind.NUMBER and then.kind is CellKind.NUMBER:
        return now.value != then.value
    return (now.kind, now.text) != (then.kind, then.text)


def _parsed(sheet: Sheet, address: Address, text: str, intake: Intake) -> CellValue:
    """What the text will mean in the unit that the workbook chooses for its row."""
    field = sheet.template.fields[address.field]
    owner = sheet.template.own_unit(address.field)
    chosen = intake.texts.get(Address(owner, UNIT_SLOT), "") if owner else ""
    return cells.parse(field, address.slot, text, chosen or sheet.unit(address.field))


def _slot_words(address: Address) -> str:
    words = {UNIT_SLOT: "的计量单位", REMARK_SLOT: "的特殊情况说明", "": ""}
    return words.get(address.slot, f"{address.slot}年")


def _is_output(field: FormField) -> bool:
    return field.kind == "derived" or field.locked


def _text_at(sheet: Cells, row: int, column: int) -> str:
    cell = sheet.get((row, column))
    return cell.text if cell else ""
