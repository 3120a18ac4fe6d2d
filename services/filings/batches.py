"""批量导出 of an office: all forms of a selection as one zip, a 汇总表 with a line a unit, a 明细表 with a line a figure.

The selection is fixed when it is asked for; each form is read later, one at a time and with the rights its reader has then.
Only what was 上报 is exported: the version under way, never the working figures of a unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from sqlalchemy import select
from sqlmodel import Session, col

from models import Filing, FilingVersion, User
from models.enums import CellKind, FilingStatus, Form
from services import audit, clock, inbox, permissions
from services.accounts import contacts
from services.actors import Actor
from services.db import Database
from services.documents import batches
from services.documents.batches import Batches, BatchView, Owner, Row
from services.documents.snapshot import FilingSnapshot
from services.errors import Refusal, Unavailable
from services.filings import lists, snapshots, working
from services.filings.views import ListQuery
from services.forms import loader, reference
from services.forms.cells import BLANK, factor_of
from services.forms.findings import CellValue, Context
from services.forms.sheet import Sheet
from services.forms.template import REMARK_SLOT, UNIT_SLOT, Address, FormField, FormTemplate

Kind = Literal["pdf", "summary", "long"]
Ending = Literal["xlsx", "csv"]

MOST_FORMS = 3_000  # of one zip: about 500 MB, and a minute of two children
MOST_ROWS = 1_000_000  # of one sheet of a workbook
MOST_COLUMNS = 200
AT_A_TIME = 200  # versions read in one go
KINDS: Mapping[str, str] = {"pdf": "动态管理表PDF", "summary": "指标汇总表", "long": "指标明细表"}
_ABOUT = ("填报编号", "单位名称", "统一社会信用代码", "地区", "名单层面", "填报状态", "上报时间", "是否逾期")
_ABOUT_WIDTHS = (24, 36, 22, 28, 12, 16, 18, 10)
_LONG = ("部分", "指标名称", "指标涉及的参数", "年份", "填报内容", "填报单位", "数值", "数值的单位", "特殊情况说明")
_LONG_WIDTHS = (20, 30, 24, 10, 24, 18, 18, 18, 36)


@dataclass(frozen=True, slots=True)
class Selection:
    """所选: how many are exported, and how many of the list are not because they have not been 上报."""

    ids: tuple[int, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Indicator:
    """A row of the form that can become columns of the 汇总表 (可选指标)."""

    key: str
    part: str
    words: str


def indicators(form: Form, year: int) -> tuple[Indicator, ...]:
    """What the 汇总表 of this form and year can be asked for, in the order of the form."""
    template = loader.find(form, year)
    return tuple(
        Indicator(field.key, part.title, working.place_words(template, Address(field.key)))
        for part in template.parts
        for section in part.sections
        for field in section.fields
        if field.kind != "longtext" and not field.locked
    )


def usual(form: Form, year: int) -> tuple[str, ...]:
    """The indicators that are chosen to begin with: the required figures."""
    fields = loader.find(form, year).fields.values()
    return tuple(one.key for one in fields if one.yearly and one.kind == "number" and one.required)


def select_filings(s: Session, actor: Actor, query: ListQuery, picked: Sequence[int] = ()) -> Selection:
    """The filings of a list (所选 or 筛选结果), as far as this office may read their figures."""
    if query.tab == "missing":
        raise Refusal("未填报的单位没有可以导出的表。请换到“全部”或其他页签后再导出。")
    chosen = frozenset(picked)
    found = [row for row in lists.everything(s, actor, query) if not chosen or row[0] in chosen]
    ids = tuple(filing_id for filing_id, readable in found if readable)
    return Selection(ids, len(found) - len(ids))


def owner(actor: Actor) -> Owner:
    """To whom a batch of this person belongs."""
    return Owner(actor.user_id, actor.organisation_id, actor.role.value, actor.region_code)


def start(
    db: Database,
    actor: Actor,
    house: Batches,
    kind: Kind,
    query: ListQuery,
    picked: Sequence[int] = (),
    *,
    ending: Ending = "xlsx",
    fields: Sequence[str] = (),
) -> BatchView:
    """Ask for a batch (批量导出); it is done in the background, and its owner gets a message when it is over.

    Raises Refusal for nothing to export, too much, unknown indicators, or too many batches of one person.
    """
    chosen = db.read(select_filings, actor, query, picked)
    if not chosen.ids:
        raise Refusal("所选范围内没有已上报的动态管理表，没有可以导出的内容。申报单位上报以后才能导出。")
    job = _Job(db, actor, chosen.ids, loader.find(query.form, query.year), tuple(fields))
    work = _WORK[kind](job)
    title = f"{query.year}年度{query.form.caption}{KINDS[kind]}（{len(chosen.ids):,} 份）"
    suffix = "zip" if kind == "pdf" else ending
    name = f"{query.year}年度{query.form.caption}{KINDS[kind]}{clock.local(clock.now()):%m%d%H%M}.{suffix}"
    house.admit(owner(actor))
    db.write(_record, actor, title, name)  # first: nothing leaves without its line in the log
    page = f"/filings/{query.form.value}"
    return house.start(owner(actor), title, name, work, lambda over: _over(job, over), link=page)


def tell_interrupted(db: Database, house: Batches) -> None:
    """After a restart: tell whoever waits for an export that was under way (导出中断)."""
    if house.interrupted:
        db.write(_tell_all, house.interrupted)
        house.told_of_interrupted()


@dataclass(frozen=True, slots=True)
class _Job:
    """What a batch works on. ``gone``: filings that were withdrawn or moved away while it ran."""

    db: Database
    actor: Actor
    ids: tuple[int, ...]
    template: FormTemplate
    fields: tuple[str, ...]
    gone: set[int] = field(default_factory=set)


def _record(s: Session, actor: Actor, title: str, name: str) -> None:
    audit.record(s, actor, "batch_export", "batch", detail=f"{title}，文件 {name}")


def _over(job: _Job, over: BatchView) -> None:
    """Tell who asked, unless he cancelled it himself. Called in the thread of the batch."""
    if over.stage != "cancelled":
        left = f"有 {len(job.gone)} 份在导出期间被取消上报或移出本级管辖，不含在内。" if job.gone else ""
        job.db.write(_tell, owner(job.actor), over, left)


def _tell_all(s: Session, interrupted: Sequence[tuple[Owner, BatchView]]) -> None:
    for whose, view in interrupted:
        if s.get(User, whose.user_id) is not None:  # the folder may have stayed when the database was replaced
            _tell(s, whose, view)


def _tell(s: Session, whose: Owner, view: BatchView, left: str = "") -> None:
    kind, said = ("batch_ready", _READY) if view.stage == "ready" else ("batch_failed", view.message)
    inbox.send(
        s, whose.organisation_id, kind, user_id=whose.user_id, link=view.link, title=view.title, said=said + left
    )


_READY = "文件已生成，请在24小时内到列表页的“导出任务”中下载。"


# --- the three kinds --------------------------------------------------------------------------------------------------


def _forms(job: _Job) -> batches.Work:
    if len(job.ids) > MOST_FORMS:
        raise Refusal(f"一次最多导出 {MOST_FORMS:,} 份PDF，这次是 {len(job.ids):,} 份。请按地区或状态筛选后分次导出。")
    return lambda ticket: batches.forms_zip(ticket, _snapshots(job), len(job.ids))


def _summary(job: _Job) -> batches.Work:
    template, wanted = job.template, set(job.fields)
    if not wanted or not wanted <= template.fields.keys():
        raise Refusal("请至少选择一个指标；可选的指标以页面上的清单为准。", field="fields")
    columns = [address for key in template.fields if key in wanted for address in _columns(template, key)]
    if len(columns) > MOST_COLUMNS:
        raise Refusal(
            f"所选指标共 {len(columns)} 列，超过 {MOST_COLUMNS} 列。请减少指标，或导出指标明细表。", field="fields"
        )
    heads = (*_ABOUT, *(_head(template, address) for address in columns))
    widths = (*_ABOUT_WIDTHS, *(18 for _ in columns))
    computed = any(template.fields[address.field].formula for address in columns)

    def lines(one: _One) -> Iterator[Row]:
        yield (*one.about, *(_value(one, address) for address in columns))

    return lambda ticket: batches.summary(
        ticket, KINDS["summary"], heads, widths, _rows(job, lines, computed=computed), len(job.ids)
    )


def _long(job: _Job) -> batches.Work:
    a_form = sum(len(job.template.slots(key)) for key in job.template.fields)
    if len(job.ids) * a_form > MOST_ROWS:
        raise Refusal(
            f"明细表一次最多导出 {MOST_ROWS // a_form:,} 份，这次是 {len(job.ids):,} 份。请按地区或状态筛选后分次导出。"
        )
    heads, widths = (*_ABOUT, *_LONG), (*_ABOUT_WIDTHS, *_LONG_WIDTHS)
    return lambda ticket: batches.summary(
        ticket, KINDS["long"], heads, widths, _rows(job, _figures, computed=True), len(job.ids) * a_form
    )


def _figures(one: _One) -> Iterator[Row]:
    """Every filled cell of a filing, a line each, in the order of its form."""
    parts = {part.key: part.title for part in one.template.parts}
    for asked in one.template.fields.values():
        remark = one.cells.get(Address(asked.key, REMARK_SLOT), BLANK).text
        for slot in one.template.slots(asked.key):
            address = Address(asked.key, slot)
            cell = one.cells.get(address, BLANK)
            if cell.kind is CellKind.BLANK:
                continue
            typed_in = working.unit_words(one.template, one.cells, address)
            counted = (Decimal(cell.value), _unit(one, asked)) if cell.kind is CellKind.NUMBER else (None, "")
            yield (
                *one.about,
                parts[asked.part],
                asked.label,
                asked.parameter,
                slot,
                cell.text,
                typed_in,
                *counted,
                remark,
            )


_WORK: Mapping[Kind, Callable[[_Job], batches.Work]] = {"pdf": _forms, "summary": _summary, "long": _long}


# --- one filing after the other ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _One:
    """One exported filing: what it is called and what it says."""

    template: FormTemplate
    cells: Mapping[Address, CellValue]
    about: tuple[str, ...]


def _snapshots(job: _Job) -> Iterator[FilingSnapshot]:
    for filing_id in job.ids:
        try:
            yield job.db.read(snapshots.snapshot, job.actor, filing_id)
        except Unavailable:
            raise
        except Refusal:
            job.gone.add(filing_id)
    _check_any_left(job)


def _rows(job: _Job, lines: Callable[[_One], Iterator[Row]], *, computed: bool) -> Iterator[Row]:
    """The lines of all filings, a few hundred filings in memory at a time; ``computed``: with the derived figures."""
    for begin in range(0, len(job.ids), AT_A_TIME):
        ids = job.ids[begin : begin + AT_A_TIME]
        found = job.db.read(_read, job.actor, ids)
        job.gone.update(set(ids) - found.keys())
        for filing_id in ids:
            if filing_id not in found:
                continue
            one = found[filing_id]
            if computed:
                derived = Sheet(one.template, one.cells, Context()).derived
                one = replace(one, cells={**one.cells, **derived})
            yield from lines(one)
    _check_any_left(job)


def _check_any_left(job: _Job) -> None:
    if len(job.gone) == len(job.ids):
        raise Refusal("所选的表都已被取消上报或移出本级管辖，没有可以导出的内容。请刷新列表后重新选择。")


def _read(s: Session, actor: Actor, ids: Sequence[int]) -> Mapping[int, _One]:
    query = (
        permissions.visible(select(Filing, FilingVersion), actor)
        .join(FilingVersion, col(FilingVersion.id) == col(Filing.current_version_id))
        .where(col(Filing.id).in_(ids), col(Filing.status) != FilingStatus.DRAFT)
    )
    return {
        filing.id: _One(
            working.template_of(s, version.template_digest),
            contacts.masked_cells(working.thaw_cells(version.cells)),
            _about(filing, version),
        )
        for filing, version in s.execute(query)
    }


def _about(filing: Filing, version: FilingVersion) -> tuple[str, ...]:
    return (
        filing.number,
        version.unit_name,
        version.credit_code,
        reference.region_words(filing.region_code),
        filing.level.caption,
        filing.status.caption,
        f"{clock.local(version.submitted_at):%Y-%m-%d %H:%M}",
        "逾期" if version.late else "否",
    )


def _columns(template: FormTemplate, key: str) -> tuple[Address, ...]:
    """A row of the form as columns; where units choose their unit, one more says in which the figures are."""
    unit = (Address(key, UNIT_SLOT),) if template.own_unit(key) else ()
    return (*unit, *(Address(key, slot) for slot in template.slots(key)))


def _head(template: FormTemplate, address: Address) -> str:
    """工业总产值 2024年（万元）."""
    asked = template.fields[address.field]
    fixed = asked.kind in ("number", "derived") and not template.own_unit(asked.key)
    return working.place_words(template, address) + (f"（{asked.unit}）" if fixed and asked.unit else "")


def _value(one: _One, address: Address) -> str | Decimal | None:
    """Figures in the canonical unit, so that a column can be summed; everything else as it was filled in."""
    asked = one.template.fields.get(address.field)
    if asked is not None and address.slot == UNIT_SLOT:
        return _unit(one, asked)
    cell = one.cells.get(address, BLANK)
    return Decimal(cell.value) if cell.kind is CellKind.NUMBER else cell.text


def _unit(one: _One, asked: FormField) -> str:
    """The unit the canonical value counts in: 吨 where 万吨 was chosen, 件 where that cannot be converted."""
    owner = one.template.own_unit(asked.key)
    if not owner:
        return asked.unit
    chosen = one.cells.get(Address(owner, UNIT_SLOT), BLANK).text
    return chosen if factor_of(asked, chosen) is None else asked.unit
