"""名单导入: a published list (workbook or CSV) is read and judged row by row; what a person confirms is written at once.

``preview`` writes nothing. ``import_roster`` judges the same rows again in its one transaction, so that two people importing one
list do not write it twice. The columns are found by their heads; where a row says nothing the batch of the page holds.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from sqlmodel import Session, col, select

from models import Organisation, RosterBatch, RosterEntry
from models.enums import Form, Level, OrgKind, OrgStatus, RosterChangeKind
from services import audit, clock
from services.actors import Actor
from services.db import Database
from services.documents import tables
from services.errors import Conflict, Refusal
from services.forms import names, reference
from services.permissions import Place, Power, allowed, authorize
from services.register.entries import batch_of, in_force
from services.register.upkeep import give, note_change

HEAD_WITHIN = 10  # the head is one of the first rows: published lists begin with a title
HEADS: Mapping[str, tuple[str, ...]] = {
    "name": ("单位名称", "名称", "工厂名称", "企业名称", "园区名称", "单位", "申报单位", "绿色工厂名称"),
    "credit_code": ("统一社会信用代码", "社会信用代码", "信用代码"),
    "region": ("所在地区", "地区", "所在地", "行政区划"),
    "province": ("省", "省份", "省（区、市）", "省(区,市)"),
    "city": ("市", "地市", "城市", "所在市"),
    "county": ("县", "区", "县（区）", "区县", "县区", "县/区"),
    "group": ("所属央企", "所属集团", "中央企业集团"),
    "level": ("名单层面", "层面", "级别", "名单级别"),
    "batch": ("批次", "批次名称", "名单批次"),
    "document_number": ("文号", "文件号", "公布文号"),
    "listed_on": ("列入日期", "公布日期", "发布日期", "列入年份", "年份"),
}
LEVEL_WORDS = {"国家": Level.NATIONAL, "省": Level.PROVINCIAL, "市": Level.MUNICIPAL}
_HEADS = {names.normalise(head): key for key, heads in HEADS.items() for head in heads}
_DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?")
_YEAR = re.compile(r"(\d{4})年?")
_SERIAL = re.compile(r"\d{5}")  # a day as spreadsheets count them
_NOTE = re.compile(r"(注|说明|备注)[:：]|(合计|总计)")


class Outcome(StrEnum):
    """What becomes of a row."""

    NEW = "new"  # 将列入
    KNOWN = "known"  # 已在名单中
    REFUSED = "refused"  # 不能导入


@dataclass(frozen=True, slots=True)
class BatchForm:
    """批次 as the page says it; a row of the file may say otherwise."""

    form: Form
    level: Level
    name: str
    document_number: str
    published_on: date | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file, as it will be written."""

    number: int
    name: str
    credit_code: str
    region_code: str
    group_id: int | None
    level: Level
    batch: str
    document_number: str
    listed_on: date


@dataclass(frozen=True, slots=True)
class RowView:
    """One line of the preview: ``message`` says why it is refused or what to know about it."""

    number: int
    name: str
    credit_code: str
    region_name: str
    outcome: Outcome
    message: str = ""
    unit_name: str = ""  # the registered unit it belongs to


@dataclass(frozen=True, slots=True)
class RosterPreview:
    """导入预览. Held by the page until it is confirmed or dropped; nothing of it is written anywhere."""

    batch: BatchForm
    file_name: str
    digest: str  # SHA-256 of the file
    rows: tuple[RowView, ...]
    parsed: tuple[Row, ...] = field(repr=False)

    def count(self, outcome: Outcome) -> int:
        return sum(row.outcome is outcome for row in self.rows)


@dataclass(frozen=True, slots=True)
class Imported:
    """导入结果."""

    written: int
    known: int
    refused: int
    linked: int  # of the written ones, those that belong to a registered unit


def preview(db: Database, actor: Actor, batch: BatchForm, name: str, content: bytes) -> RosterPreview:
    """What a file would add to the list (预览). Blocks while the file is read; raises Refusal where it is no list."""
    authorize(actor, Power.IMPORT_ROSTER, Place(actor.organisation_id, actor.region_code))
    batch = replace(batch, name=" ".join(batch.name.split())[:100], document_number=batch.document_number.strip()[:100])
    table = tables.read(name, content)
    columns, start = _columns(table)
    return db.read(_judged, actor, batch, name, hashlib.sha256(content).hexdigest(), table[start:], columns)


def import_roster(s: Session, actor: Actor, shown: RosterPreview) -> Imported:
    """导入: every row of the preview that can be, in one transaction; what can not stays out."""
    authorize(actor, Power.IMPORT_ROSTER, Place(actor.organisation_id, actor.region_code))
    known = _Known(s, shown.batch.form)
    fresh = [(row, known.judge(actor, row)) for row in shown.parsed]
    writable = [row for row, view in fresh if view.outcome is Outcome.NEW]
    if len(writable) != shown.count(Outcome.NEW):
        raise Conflict("预览之后名单有了变化（可能有人刚刚导入过）。没有写入，请重新选择文件预览。")
    if not writable:
        raise Refusal("没有可以导入的行。请按预览中的说明修改文件后重新选择。")
    form = shown.batch.form
    batches = {
        (row.level, row.batch): batch_of(
            s, form, row.level, row.batch, row.document_number, row.listed_on, row.region_code
        )
        for row in writable
    }
    linked = 0
    for row in writable:
        unit = known.unit_of(row)
        linked += unit is not None
        entry = RosterEntry(
            batch_id=batches[row.level, row.batch].id or 0,
            form=form,
            level=row.level,
            listed_name=row.name,
            credit_code=row.credit_code,
            region_code=row.region_code,
            group_id=row.group_id,
            listed_on=row.listed_on,
        )
        if unit is not None:
            give(entry, unit)
        s.add(entry)
        s.flush()
        note_change(
            s,
            actor,
            entry,
            RosterChangeKind.LISTED,
            row.listed_on,
            row.document_number,
            f"由文件“{shown.file_name}”导入",
        )
    done = Imported(len(writable), shown.count(Outcome.KNOWN), shown.count(Outcome.REFUSED), linked)
    words = "、".join(f"{level.caption}{name}" for level, name in batches)
    audit.record(
        s,
        actor,
        "import_roster",
        "roster_batch",
        next(iter(batches.values())).id,
        detail=f"导入{shown.batch.form.caption}名单（{words}）：列入 {done.written} 条，已在名单 {done.known} 条，"
        f"未接收 {done.refused} 条；文件“{shown.file_name}”",
        after=shown.digest,
    )
    return done


# --- reading --------------------------------------------------------------------------------------------------------


def _columns(table: Sequence[tables.Row]) -> tuple[dict[str, int], int]:
    """Where each column stands, and the index of the first row below the head."""
    for index, (_, cells) in enumerate(table[:HEAD_WITHIN]):
        found: dict[str, int] = {}
        for column, text in enumerate(cells):
            key = _HEADS.get(names.normalise(text.rstrip("*＊")))
            if key is not None:
                found.setdefault(key, column)
        if "name" in found and ({"region", "province", "city", "county"} & set(found)):
            return found, index + 1
    raise Refusal(
        f"前 {HEAD_WITHIN} 行里没有找到表头。表头至少要有“单位名称”和“所在地区”（或“省”“市”“县”）两列，可下载模板对照。",
        field="file",
    )


def _judged(
    s: Session,
    actor: Actor,
    batch: BatchForm,
    file_name: str,
    digest: str,
    table: Sequence[tables.Row],
    columns: Mapping[str, int],
) -> RosterPreview:
    query = select(Organisation.id, Organisation.name).where(Organisation.kind == OrgKind.GROUP)
    groups = {
        names.normalise(name): i or 0 for i, name in s.exec(query.where(Organisation.status == OrgStatus.ACTIVE)).all()
    }
    known = _Known(s, batch.form)
    parsed: list[Row] = []
    views: list[RowView] = []
    for number, cells in table:
        said = {key: cells[column] if column < len(cells) else "" for key, column in columns.items()}
        if _is_note(said, cells):
            continue
        try:
            row, message = _row(actor, batch, number, said, groups)
        except Refusal as refusal:
            views.append(_refused(number, said, refusal.message))
            continue
        view = known.judge(actor, row)
        if message and view.outcome is Outcome.NEW:
            view = replace(view, message="；".join(filter(None, (view.message, message))))
        parsed.append(row)
        views.append(view)
    if not views:
        raise Refusal("表头下面没有单位。请检查是否选错了文件。", field="file")
    return RosterPreview(batch, file_name[-200:], digest, tuple(views), tuple(parsed))


def _is_note(said: Mapping[str, str], cells: Sequence[str]) -> bool:
    """A line under the table: 注：…, 合计, or nothing in the columns we read."""
    return (
        not any(said.values())
        or (not said["name"] and _NOTE.match("".join(cells)) is not None)
        or bool(_NOTE.match(said["name"]))
    )


def _row(
    actor: Actor, batch: BatchForm, number: int, said: Mapping[str, str], groups: Mapping[str, int]
) -> tuple[Row, str]:
    """One row, and what to know about it; raises Refusal with the reason and what to do."""
    message = []
    name = said["name"]
    if not 2 <= len(name) <= 200 or any(ch in name for ch in "<>{}\\"):
        raise Refusal("单位名称应为 2 到 200 个字，不能含有 < > { } \\。")
    code = names.normalise_code(said.get("credit_code", ""))
    if code and not names.credit_code_valid(code):
        raise Refusal(f"统一社会信用代码“{code[:30]}”应为 18 位且校验位正确，请对照营业执照改正；不知道的可以留空。")
    where = said.get("region") or "".join(said.get(part, "") for part in ("province", "city", "county"))
    region = reference.find_region(where, actor.region_code[:2].ljust(6, "0") if actor.region_code else "")
    if not region:
        raise Refusal(f"所在地区“{where[:40]}”认不出来。请写成“广东省广州市天河区”的样子。")
    if reference.regions()[region].level == 1:
        message.append("只写到省，市、县的列表里看不到它，单位注册后按其所在地区补全")
    group_id = groups.get(names.normalise(said.get("group", "")))
    if said.get("group") and group_id is None:
        message.append(f"没有登记“{said['group'][:40]}”这个集团，按没有所属央企导入")
    level = batch.level
    if said.get("level"):
        level = next((lv for word, lv in LEVEL_WORDS.items() if said["level"].startswith(word)), None) or _unknown(
            f"名单层面“{said['level'][:20]}”应为国家、省或市。"
        )
    on = batch.published_on
    if said.get("listed_on"):
        on, guessed = _day(said["listed_on"])
        if guessed:
            message.append("只有年份，列入日期按该年12月31日")
    if on is None:
        raise Refusal("没有列入日期。请在页面上填写公布日期，或在这一行的“列入日期”填写，例如 2024-05-01。")
    if on > clock.today():
        raise Refusal(f"列入日期 {on} 晚于今天。请检查年份。")
    called = said.get("batch", "") or batch.name
    if not called:
        raise Refusal("没有批次。请在页面上填写批次名称，或在这一行的“批次”填写。")
    document = (said.get("document_number", "") or batch.document_number)[:100]
    return Row(number, name, code, region, group_id, level, called[:100], document, on), "；".join(message)


def _unknown(words: str) -> Level:
    raise Refusal(words)


def _day(text: str) -> tuple[date, bool]:
    """A day as people and spreadsheets write it, and whether only the year was said."""
    try:
        if found := _DAY.fullmatch(text):
            return date(*map(int, found.groups())), False
        if found := _YEAR.fullmatch(text):
            return date(int(found[1]), 12, 31), True
        if _SERIAL.fullmatch(text):
            return date(1899, 12, 30) + timedelta(days=int(text)), False
    except ValueError:
        pass
    raise Refusal(f"列入日期“{text[:20]}”认不出来。请写成 2024-05-01 的样子。")


def _refused(number: int, said: Mapping[str, str], message: str) -> RowView:
    where = said.get("region") or " ".join(said.get(part, "") for part in ("province", "city", "county")).strip()
    return RowView(number, said["name"], said.get("credit_code", ""), where, Outcome.REFUSED, message)


# --- judging --------------------------------------------------------------------------------------------------------


class _Known:
    """What the list and the registered units hold already, and what earlier rows of the file have added (已有)."""

    def __init__(self, s: Session, form: Form) -> None:
        query = select(Organisation).where(Organisation.kind == OrgKind.UNIT)
        units = s.exec(query.where(Organisation.status == OrgStatus.ACTIVE)).all()
        self._by_code = {unit.credit_code: unit for unit in units if unit.credit_code}
        self._by_name = {
            names.normalise(name): unit
            for unit in units
            for name in (*unit.former_names.split("\n"), unit.name)
            if name
        }
        listed = select(RosterEntry, RosterBatch.name).join(RosterBatch, col(RosterBatch.id) == RosterEntry.batch_id)
        on_list = s.exec(listed.where(RosterEntry.form == form, in_force(clock.today()))).all()
        self._listed: dict[tuple[Level, str], str] = {}
        for entry, batch in on_list:
            for key in (entry.credit_code, names.normalise(entry.listed_name)):
                if key:
                    self._listed[entry.level, key] = batch
        self._lines: Counter[tuple[Level, str]] = Counter()

    def unit_of(self, row: Row) -> Organisation | None:
        """The registered unit a row speaks of (名称和代码匹配): by code, else by name unless the codes differ."""
        if row.credit_code in self._by_code:
            return self._by_code[row.credit_code]
        named = self._by_name.get(names.normalise(row.name))
        return named if named and row.credit_code in ("", named.credit_code) else None

    def judge(self, actor: Actor, row: Row) -> RowView:
        """Whether the row can be written; the first of two equal rows of one file wins."""

        def view(outcome: Outcome, message: str = "", unit: str = "") -> RowView:
            return RowView(
                row.number, row.name, row.credit_code, reference.region_words(row.region_code), outcome, message, unit
            )

        if not allowed(actor, Power.IMPORT_ROSTER, Place(region_code=row.region_code)):
            return view(
                Outcome.REFUSED, f"不在您的辖区（{reference.region_words(actor.region_code)}），由其主管部门导入。"
            )
        keys = [(row.level, key) for key in (row.credit_code, names.normalise(row.name)) if key]
        if any(self._lines[key] for key in keys):
            return view(Outcome.REFUSED, "文件里前面已有同一单位。请只留一行。")
        listed = next((self._listed[key] for key in keys if key in self._listed), None)
        self._lines.update(keys)
        if listed is not None:
            return view(Outcome.KNOWN, f"已在{row.level.caption}“{listed}”在册，不重复列入。")
        unit = self.unit_of(row)
        other = self._by_name.get(names.normalise(row.name))
        if unit is None and other is not None:
            return view(
                Outcome.NEW,
                f"与已注册的“{other.name}”同名而代码不同（{other.credit_code}），不会自动对应，请核对。",
            )
        return view(
            Outcome.NEW,
            "" if unit is None or unit.name == row.name else f"对应“{unit.name}”",
            unit.name if unit else "",
        )
