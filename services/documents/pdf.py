"""The printed papers (PDF): 动态管理表, 回执, 修改对照表, 审核意见表. The same snapshot gives the same bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from models.enums import CellKind
from services import clock
from services.documents import codes, fonts
from services.documents.layout import PADDING, Box, Row, draw, paginate, row
from services.documents.paper import A4_LANDSCAPE, A4_PORTRAIT, BLACK, POINTS, Colour, Paper
from services.documents.snapshot import FilingSnapshot
from services.filings.views import Receipt
from services.forms import cells, digest
from services.forms.expressions import CHOICE_SEPARATOR
from services.forms.template import REMARK_SLOT, UNIT_SLOT, FormField, Part, Section

DRAFT_MARK = "草稿 未验证"
KEYWORD = "LVCE"  # opens the keywords of every form we print, for archives

_SIDE = 15.0  # mm left and right
_TOP, _BOTTOM = 27.0, 29.5  # both keep 3 mm clear around the codes
# The main code stands in the middle of the foot, where a crooked photo cuts least; the second at the upper right corner.
_MAIN_CODE, _SECOND_CODE, _CODE_EDGE = 18.0, 15.0, 8.0

_HEAD_FILL: Colour = (0.90, 0.94, 0.92)
_GROUP_FILL: Colour = (0.96, 0.975, 0.965)
_DERIVED_FILL: Colour = (0.955, 0.955, 0.955)
_GREY: Colour = (0.35, 0.38, 0.4)
_RED: Colour = (0.70, 0.15, 0.12)

# Widths of the grid, mm; they add up to the 267 between the margins.
_LABEL, _PARAMETER, _UNIT, _YEAR, _REMARK, _GUIDANCE = 38.0, 36.0, 24.0, 22.0, 33.0, 70.0
_WHOLE = A4_LANDSCAPE[0] - 2 * _SIDE
_ASKED = 46.0  # label column of the plain parts
_ANSWER = 44.0  # 是/否 column
_SHORT_TEXT = 100  # characters: two such fields stand side by side
_MOST_OPTIONS = 9  # of a choice that are all printed; longer lists show what was chosen
_TEXT_LEAST = 16.0
_PLEDGE_HEIGHT = 52.0
_CENTRED = 16  # characters of a cell of a list, a time among them; longer ones begin at the left


def form_pdf(snapshot: FilingSnapshot) -> bytes:
    """动态管理表, as people print, sign and stamp it; what changed since the last version is its appendix (修改对照表)."""
    paper = Paper(A4_LANDSCAPE)
    pages = form_pages(snapshot)
    for number, rows in enumerate(pages, 1):
        paper.add_page()
        draw(paper, rows, _TOP)
        _form_furniture(paper, snapshot, number, len(pages))
    code = digest.code(snapshot.digest)
    return paper.finish(
        title=f"{snapshot.unit_name} {snapshot.year}年 {snapshot.template.title}",
        dated=snapshot.dated,
        subject=f"填报编号 {snapshot.number} 校验码 {code}",
        keywords=f"{KEYWORD} {snapshot.number} {snapshot.digest}",
    )


def form_pages(snapshot: FilingSnapshot) -> list[list[Row]]:
    """The rows of each page that :func:`form_pdf` prints."""
    capacity = A4_LANDSCAPE[1] - _TOP - _BOTTOM
    pages = paginate(list(_form_rows(snapshot)), capacity)
    if snapshot.differences:
        pages += paginate(
            [_title(f"附：修改对照表（与{snapshot.compared_with}对照）"), *_change_rows(snapshot)], capacity
        )
    return pages


def receipt_pdf(receipt: Receipt, unit_name: str, form_title: str, year: int) -> bytes:
    """上报回执: one upright page with everything a unit needs to prove what it sent and when."""
    paper = Paper(A4_PORTRAIT)
    paper.add_page()
    _centred(paper, 42, "上 报 回 执", fonts.HEI, 22)
    _centred(paper, 51, f"{form_title}（{year}年）", fonts.SONG, 12)
    lines = (
        ("回执编号", receipt.number),
        ("填报编号", receipt.filing_number),
        ("填报单位", unit_name),
        ("版本", f"第 {receipt.version_no} 版"),
        ("数据校验码", receipt.digest_code),
        ("上报时间", _moment(receipt.submitted_at) + ("（逾期上报）" if receipt.late else "")),
        ("上报人", receipt.submitted_by),
        ("当前审核部门", receipt.next_authority or "—"),
    )
    rows = [
        row(
            (
                Box(30, 42, label, fonts.HEI, 11, "centre", fill=_HEAD_FILL),
                Box(72, 108, value, fonts.SONG, 11),
            ),
            least=11,
        )
        for label, value in lines
    ]
    end = draw(paper, rows, 60)
    note = (
        "本回执由系统自动生成。校验码由上报数据计算得出，与盖章扫描件每页所印校验码一致；"
        "数据如有改动，校验码随之改变。上报后可在列表页查看各级审核进度；"
        "在上级主管部门审核之前可以取消上报，修改后须重新导出、盖章并上报。"
    )
    draw(paper, [row([Box(30, 150, note, fonts.SONG, 9.5, framed=False, colour=_GREY)])], end + 6)
    paper.text(30, 275, "工业绿色发展 · 绿色制造名单动态管理", fonts.SONG, 9, _GREY)
    _page_number(paper, 275, 1, 1, side=30)
    _paper_code(paper, codes.paper(receipt.number, receipt.version_no, receipt.digest_code), side=30)
    return paper.finish(
        title=f"上报回执 {receipt.number}", dated=receipt.submitted_at, subject=f"填报编号 {receipt.filing_number}"
    )


def changes_pdf(snapshot: FilingSnapshot) -> bytes:
    """修改对照表: every cell that differs from the version ``snapshot.compared_with`` names."""
    rows = _change_rows(snapshot)
    if not snapshot.differences:
        none = "没有改动。" if snapshot.compared_with else "这是第一次上报的内容，没有可以对照的上一版。"
        rows.append(row([Box(_SIDE, _WHOLE, none, align="centre")], least=10))
    compared = f"与{snapshot.compared_with}对照" if snapshot.compared_with else ""
    return _table_pdf(snapshot, "修改对照表", compared, rows)


def opinions_pdf(snapshot: FilingSnapshot) -> bytes:
    """审核意见表: what each tier decided, in its own words."""
    widths = (30.0, 52.0, 28.0, 92.0, 30.0, 35.0)
    head = _head(("审核层级", "审核部门", "结论", "审核意见", "审核人", "时间"), widths)
    rows = [head]
    for line in snapshot.opinions:
        said = "\n".join((line.opinion or "—", *line.remarks))
        when = _moment(line.decided_at) if line.decided_at else "—"
        texts = (line.tier, line.authority_name, line.decision, said, line.decided_by or "—", when)
        rows.append(_line(texts, widths, (head,), least=14, breakable=True))
    return _table_pdf(snapshot, "审核意见表", f"第 {snapshot.version_no} 版", rows)


# The form


def _form_rows(snapshot: FilingSnapshot) -> Iterator[Row]:
    for part in snapshot.template.parts:
        yield _title(part.title, 11.5, note=part.note)
        for section in part.sections:
            yield from _LAYOUTS[part.layout](snapshot, part, section)
    if snapshot.notes:
        yield from _notes(snapshot)
    yield _pledge(snapshot)


def _title(text: str, size: float = 10, *, note: str = "") -> Row:
    words = f"{text}（{note}）" if note else text
    return row([Box(_SIDE, _WHOLE, words, fonts.HEI, size, fill=_HEAD_FILL)], least=7.6, keep=True)


def _plain(snapshot: FilingSnapshot, part: Part, section: Section) -> Iterator[Row]:
    """Label and value; two short ones side by side."""
    if section.title:
        yield _title(section.title)
    queue = list(section.fields)
    while queue:
        pair = [queue.pop(0)]
        if _is_short(pair[0]) and queue and _is_short(queue[0]):
            pair.append(queue.pop(0))
        boxes, x = [], _SIDE
        width = _WHOLE / len(pair) - _ASKED
        for field in pair:
            boxes += [
                Box(x, _ASKED, field.label, fonts.SONG, 9, "centre", fill=_GROUP_FILL),
                Box(x + _ASKED, width, _answer(snapshot, field), fonts.SONG, 9.5),
            ]
            x += _ASKED + width
        yield row(boxes, least=7.4)


def _questions(snapshot: FilingSnapshot, part: Part, section: Section) -> Iterator[Row]:
    """A question and its 是/否; texts below their own heading."""
    if section.title:
        yield _title(section.title)
    for field in section.fields:
        if field.kind in ("longtext", "text"):
            yield row([Box(_SIDE, _WHOLE, field.label, fill=_GROUP_FILL)], keep=True)
            yield _long_text(_answer(snapshot, field), least=11)
        else:
            yield row(
                (
                    Box(_SIDE, _WHOLE - _ANSWER, field.label, size=9.5),
                    Box(_SIDE + _WHOLE - _ANSWER, _ANSWER, _answer(snapshot, field), size=9.5, align="centre"),
                ),
                least=7.4,
            )


def _texts(snapshot: FilingSnapshot, part: Part, section: Section) -> Iterator[Row]:
    if section.title and section.title != part.title:
        yield _title(section.title)
    fields = section.fields
    for number, field in enumerate(fields):
        if len(fields) > 1 or field.label not in part.title:
            yield row([Box(_SIDE, _WHOLE, field.label, fill=_GROUP_FILL)], keep=True)
        # the very last text stays with the pledge, so that a stamped page always carries content of the form
        last = part is snapshot.template.parts[-1] and section is part.sections[-1] and number == len(fields) - 1
        yield _long_text(_answer(snapshot, field), least=_TEXT_LEAST, keep=last and not snapshot.notes)


def _long_text(text: str, *, least: float, keep: bool = False) -> Row:
    return row([Box(_SIDE, _WHOLE, text, size=9.5, top=True)], least=least, keep=keep, breakable=True)


def _grid(snapshot: FilingSnapshot, part: Part, section: Section) -> Iterator[Row]:
    """指标 × 年份; the column heads are repeated on every page."""
    years = [f"{year}年指标值" for year in snapshot.template.years]
    head = _head(
        ("指标名称", "指标涉及的参数", "计量单位", *years, "特殊情况说明", "填写说明"),
        (_LABEL, _PARAMETER, _UNIT, *(_YEAR for _ in years), _REMARK, _GUIDANCE),
    )
    if section.title:
        yield _title(section.title)
    yield head
    heads = ((_title(f"{section.title}（续）"),) if section.title else ()) + (head,)
    group = ""
    for place, field in enumerate(section.fields):
        if field.group and field.group != group:
            yield row(
                [Box(_SIDE, _WHOLE, field.group, fonts.HEI, 9, "centre", fill=_GROUP_FILL)], keep=True, heads=heads
            )
        group = field.group
        neighbours = section.fields[max(place - 1, 0) : place] + section.fields[place + 1 : place + 2]
        shared = bool(field.parameter) and any(other.label == field.label for other in neighbours)
        yield row(_grid_boxes(snapshot, field, shared=shared), heads=heads)


def _grid_boxes(snapshot: FilingSnapshot, field: FormField, *, shared: bool) -> list[Box]:
    derived = field.kind == "derived"
    fill = _DERIVED_FILL if derived else None
    boxes, x = [], _SIDE
    if field.parameter:
        run = f"{field.section}:{field.label}" if shared else ""
        boxes.append(Box(x, _LABEL, field.label, size=8.5, align="centre", run=run))
        boxes.append(Box(x + _LABEL, _PARAMETER, field.parameter, size=7.5, align="centre"))
    else:
        boxes.append(Box(x, _LABEL + _PARAMETER, field.label, size=8.5, align="centre"))
    x += _LABEL + _PARAMETER
    boxes.append(Box(x, _UNIT, unit_of(snapshot, field), size=8, align="centre"))
    x += _UNIT
    years = snapshot.template.years
    if field.yearly:
        for year in years:
            boxes.append(_figure_box(snapshot, field, str(year), x, _YEAR, fill))
            x += _YEAR
    else:
        boxes.append(_figure_box(snapshot, field, "", x, _YEAR * len(years), fill))
        x += _YEAR * len(years)
    boxes.append(Box(x, _REMARK, snapshot.value(field.key, REMARK_SLOT).text, size=8))
    words = f"按公式计算：{field.formula.words}" if field.formula else ""
    said = "。".join(text.rstrip("。") for text in (words, field.guidance) if text)
    boxes.append(Box(x + _REMARK, _GUIDANCE, said, size=7, colour=_GREY))
    return boxes


def _figure_box(
    snapshot: FilingSnapshot, field: FormField, slot: str, x: float, width: float, fill: Colour | None
) -> Box:
    value = snapshot.value(field.key, slot)
    number = value.kind is CellKind.NUMBER
    text = _answer(snapshot, field, slot)
    if value.kind is CellKind.INVALID:
        return Box(x, width, f"{text}（无法识别）", size=8, align="centre", colour=_RED)
    if number:  # never on two lines: 1234 and 5 below it would be read as two figures
        return Box(x, width, text, size=_fitting(text, width - 2 * PADDING, 9), align="right", fill=fill)
    return Box(x, width, text, size=9, align="centre", fill=fill)


def _answer(snapshot: FilingSnapshot, field: FormField, slot: str = "") -> str:
    """What stands in the cell; choices as ● and ○ (several: ■ and □), so that the paper shows what could be chosen."""
    value = snapshot.value(field.key, slot)
    options = field.choices or (("是", "否") if field.kind == "yesno" else ())
    if options and len(options) <= _MOST_OPTIONS:
        chosen = set(value.text.split(CHOICE_SEPARATOR)) if field.kind == "choices" else {value.text}
        strays = [text for text in chosen if text and text not in options]
        on, off = ("■", "□") if field.kind == "choices" else ("●", "○")
        return "　".join([*(f"{on if option in chosen else off} {option}" for option in options), *strays])
    return cells.show(value, field, unit_of(snapshot, field))


def unit_of(snapshot: FilingSnapshot, field: FormField) -> str:
    """计量单位 as chosen, or as fixed, or as chosen for the field whose unit this one takes."""
    if field.unit_of:
        return unit_of(snapshot, snapshot.template.fields[field.unit_of])
    return snapshot.value(field.key, UNIT_SLOT).text if field.units else field.unit


def _is_short(field: FormField) -> bool:
    return field.kind == "text" and field.max_length is not None and field.max_length <= _SHORT_TEXT


def _notes(snapshot: FilingSnapshot) -> Iterator[Row]:
    """数据核实说明: the warnings a filer kept, and what was said to each."""
    widths = (12.0, 140.0, 71.0, 44.0)
    head = _head(("序号", "核验提示", "核实情况", "核实人及时间"), widths)
    yield _title("数据核实说明", 10)
    yield head
    for number, note in enumerate(snapshot.notes, 1):
        last = number == len(snapshot.notes)
        texts = (str(number), note.message, note.said, f"{note.by} {clock.local(note.at):%Y-%m-%d}")
        yield _line(texts, widths, (head,), size=8, keep=last)


def _pledge(snapshot: FilingSnapshot) -> Row:
    """真实性承诺, with room for a signature and a round seal of 42 mm."""
    right = _SIDE + _WHOLE - 112
    boxes = (
        Box(_SIDE, _WHOLE, "", run="pledge"),
        Box(_SIDE + 3, _WHOLE - 6, "真实性承诺：", fonts.HEI, 11, top=True, framed=False),
        Box(_SIDE + 3, _WHOLE - 6, f"\n\n　　{snapshot.template.pledge}", fonts.SONG, 10.5, top=True, framed=False),
        Box(right - 95, 95, "\n\n\n法人签字：＿＿＿＿＿＿＿＿＿＿", fonts.SONG, 10.5, framed=False),
        Box(right, 60, "\n\n\n（单位公章）", fonts.SONG, 10.5, "centre", framed=False),
        Box(right + 50, 62, "\n\n\n　　　　年　　　月　　　日", fonts.SONG, 10.5, framed=False),
    )
    return Row(boxes, _PLEDGE_HEIGHT)


_LAYOUTS = {"fields": _plain, "questions": _questions, "grid": _grid, "texts": _texts}


# Around the rows


def _form_furniture(paper: Paper, snapshot: FilingSnapshot, page: int, pages: int) -> None:
    template = snapshot.template
    title = f"{template.title}（{snapshot.year}年）"
    if page == 1:
        _centred(paper, 16, title, fonts.HEI, 18)
    else:
        paper.text(_SIDE, 14, title, fonts.HEI, 10)
    about = f"填报单位：{snapshot.unit_name}　　统一社会信用代码：{snapshot.credit_code}　　填报编号：{snapshot.number}"
    _one_line(paper, 23.2, about, _WHOLE - _SECOND_CODE - 6)
    code = digest.code(snapshot.digest)
    version = snapshot.version_no if snapshot.validated else codes.DRAFT_VERSION
    payload = codes.PageCode(snapshot.number, version, snapshot.digest[:16], page, pages)
    modules = codes.modules(codes.encode(payload))
    foot = paper.height - _CODE_EDGE
    paper.modules((paper.width - _MAIN_CODE) / 2, foot - _MAIN_CODE, _MAIN_CODE, modules)
    paper.modules(paper.width - _SIDE - _SECOND_CODE, _CODE_EDGE, _SECOND_CODE, modules)
    paper.text(_SIDE, foot - 12.5, f"校验码　{code}", fonts.HEI, 13)
    stand = f"第 {snapshot.version_no} 版　数据时间 {_moment(snapshot.dated)}　填报编号 {snapshot.number}"
    paper.text(_SIDE, foot - 6.5, stand, fonts.SONG, 8.5)
    hint = "校验码与二维码由表中数据计算得出；数据修改后须重新导出、签字、盖章。"
    paper.text(_SIDE, foot - 1.5, hint, fonts.SONG, 8, _GREY)
    _page_number(paper, foot - 1.5, page, pages)
    if not snapshot.validated:
        paper.slanted(paper.width / 2, paper.height / 2, DRAFT_MARK, fonts.HEI, 88, 24, _RED)
        _right(paper, foot - 12.5, DRAFT_MARK, fonts.HEI, 11, _RED)


def _table_pdf(snapshot: FilingSnapshot, title: str, words: str, rows: list[Row]) -> bytes:
    paper = Paper(A4_LANDSCAPE)
    pages, code = paginate(rows, paper.height - 32 - 20), digest.code(snapshot.digest)
    for number, placed in enumerate(pages, 1):
        paper.add_page()
        _centred(paper, 16, f"{snapshot.template.title}{title}（{snapshot.year}年）", fonts.HEI, 15)
        about = f"填报单位：{snapshot.unit_name}　　填报编号：{snapshot.number}　　{words}"
        _one_line(paper, 28, about, _WHOLE)
        draw(paper, placed, 32)
        paper.text(_SIDE, 200, f"校验码　{code}", fonts.SONG, 8.5, _GREY)
        _page_number(paper, 200, number, len(pages))
        _paper_code(paper, codes.paper(snapshot.number, snapshot.version_no, code, number, len(pages)))
    return paper.finish(title=f"{snapshot.unit_name} {title}", dated=snapshot.dated, subject=snapshot.number)


def _head(texts: tuple[str, ...], widths: tuple[float, ...]) -> Row:
    boxes, x = [], _SIDE
    for text, width in zip(texts, widths, strict=True):
        boxes.append(Box(x, width, text, fonts.HEI, 8.5, "centre", fill=_HEAD_FILL))
        x += width
    return row(boxes, least=7.4, keep=True, is_head=True)


def _line(
    texts: tuple[str, ...],
    widths: tuple[float, ...],
    heads: tuple[Row, ...],
    *,
    size: float = 9,
    least: float = 7.0,
    keep: bool = False,
    breakable: bool = False,
) -> Row:
    boxes, x = [], _SIDE
    for text, width in zip(texts, widths, strict=True):
        boxes.append(Box(x, width, text, size=size, align="centre" if len(text) <= _CENTRED else "left"))
        x += width
    return row(boxes, least=least, keep=keep, heads=heads, breakable=breakable)


def _change_rows(snapshot: FilingSnapshot) -> list[Row]:
    widths = (12.0, 95.0, 55.0, 55.0, 24.0, 26.0)
    head = _head(("序号", "指标（年份）", "修改前", "修改后", "计量单位", "变化"), widths)
    rows = [head]
    for number, one in enumerate(snapshot.differences, 1):
        texts = (str(number), one.place, one.before or "（空）", one.after or "（空）", one.unit, one.change)
        rows.append(_line(texts, widths, (head,), breakable=True))
    return rows


def _centred(paper: Paper, y: float, text: str, face: str, size: float, colour: Colour = BLACK) -> None:
    words = fonts.drawable(text)
    width = fonts.face(face).width(words) * size / fonts.UNITS_PER_EM / POINTS
    paper.text((paper.width - width) / 2, y, words, face, size, colour)


def _one_line(paper: Paper, y: float, text: str, room: float) -> None:
    """A line that must not run into the code: in a smaller type for a very long name."""
    words = fonts.drawable(text)
    paper.text(_SIDE, y, words, fonts.SONG, _fitting(words, room, 9))


def _fitting(text: str, room: float, size: float) -> float:
    """The type size in which ``text`` is no wider than ``room`` mm."""
    width = fonts.face(fonts.SONG).width(text) * size / fonts.UNITS_PER_EM / POINTS
    return size if width <= room else math.floor(size * room / width * 100) / 100


def _page_number(paper: Paper, y: float, page: int, pages: int, *, side: float = _SIDE) -> None:
    _right(paper, y, f"第 {page} 页 / 共 {pages} 页", fonts.SONG, 9, side=side)


def _right(
    paper: Paper, y: float, words: str, face: str, size: float, colour: Colour = BLACK, *, side: float = _SIDE
) -> None:
    """A line that ends at the right margin."""
    width = fonts.face(face).width(words) * size / fonts.UNITS_PER_EM / POINTS
    paper.text(paper.width - side - width, y, words, face, size, colour)


def _paper_code(paper: Paper, text: str, *, side: float = _SIDE) -> None:
    paper.modules(paper.width - side - _SECOND_CODE, _CODE_EDGE, _SECOND_CODE, codes.modules(text))


def _moment(moment: datetime) -> str:
    return f"{clock.local(moment):%Y-%m-%d %H:%M}"
