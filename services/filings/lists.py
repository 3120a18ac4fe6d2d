"""The list pages (列表): a unit's own filings, an office's region with tabs, filters and server-side paging, and 未填报."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, null, or_, select
from sqlmodel import Session, col

from models import AuditLine, ExpertTask, Filing, FilingVersion, Organisation, RosterEntry
from models.enums import TIERS, Action, FilingStatus, Form, Level, Role, VersionStatus
from services import clock, permissions
from services.actors import Actor
from services.errors import Refusal
from services.filings import standing
from services.filings.standing import Standing
from services.filings.views import ActionView, FilingPage, FilingRow, ListQuery, MissingRow
from services.forms import reference
from services.permissions import Power
from services.register import campaigns
from services.workflow import transitions
from services.workflow.facts import Relation

Statement = TypeVar("Statement", bound=Select[*tuple[Any, ...]])

MOST_ROWS = 200
MOST_KEPT = 200  # answers remembered until anybody acts; one of 未填报 may hold some thousand numbers
# the buttons of a row; all others are on the filing's own page
ROW_ACTIONS = frozenset(
    {
        Action.SUBMIT,
        Action.RESUBMIT,
        Action.WITHDRAW,
        Action.EDIT,
        Action.VIEW,
        Action.DELETE,
        Action.FORWARD,
        Action.APPROVE,
        Action.SEND_BACK,
        Action.RECALL,
        Action.EXPERT_OPINION,
        Action.RESTORE,
    }
)
SORTS: Mapping[str, Any] = {
    "submitted_at": col(Filing.submitted_at),
    "unit_name": col(Filing.unit_name),
    "risk": col(Filing.risk),
    "saved_at": col(Filing.saved_at),
    "deleted_at": col(Filing.deleted_at),
}
TABS = ("mine", "review", "returned", "done", "missing", "all", "deleted")


@dataclass(frozen=True, slots=True)
class MissingPage:
    """未填报: listed units without a filing of the year."""

    rows: tuple[MissingRow, ...]
    total: int


def own_page(s: Session, actor: Actor, form: Form) -> FilingPage:
    """本单位的列表: all years of one form, newest first, with the button for a new one."""
    permissions.authorize(actor, Power.OWN_LIST)
    query = permissions.visible(select(Filing), actor).where(col(Filing.form) == form)
    filings = s.execute(query.order_by(col(Filing.year).desc(), col(Filing.id).desc())).scalars().all()
    known = standing.standings(s, actor, filings)
    facts = standing.open_facts(s, actor, form, campaigns.current_year(s, form))
    opening = transitions.available(facts, actor.role, Relation.OWN)[0]
    unit = s.get_one(Organisation, actor.organisation_id)
    legs = standing.route_of(s, [unit])[actor.organisation_id]
    return FilingPage(
        _rows(s, filings, known),
        len(filings),
        {"all": len(filings)},
        {leg.tier.value: leg.authority.name if leg.authority else "" for leg in legs},
        ActionView(Action.OPEN, opening.caption, opening.enabled, opening.reason),
    )


def review_page(s: Session, actor: Actor, query: ListQuery) -> FilingPage:
    """辖区列表: one page of one tab, with the counts of all tabs. Tab 未填报 has its own function, :func:`missing_page`."""
    permissions.authorize(actor, Power.RESTORE_LIST if query.tab == "deleted" else Power.REVIEW_LIST)
    if query.tab not in TABS or query.sort not in SORTS:
        raise Refusal("没有这个列表页签或排序方式。请从页面上的选项中选择。")
    conditions = _conditions(s, actor, query)
    counts = tab_counts(s, actor, query.form, query.year)
    total = None if _is_narrowed(query) else counts.get(query.tab)
    size = min(max(query.page_size, 1), MOST_ROWS)
    # Ids first: sorting thousands of whole rows would cost far more than fetching the few of this page.
    visible = permissions.visible(select(col(Filing.id)), actor).where(*conditions)
    first = (max(query.page, 1) - 1) * size
    if total is None:  # how many there are is known only once all were looked at: then one look does
        every = s.execute(_sorted(visible, query, ids_only=True)).scalars().all()
        ids, total = every[first : first + size], len(every)
    else:
        ids = s.execute(_sorted(visible, query).limit(size).offset(first)).scalars().all()
    found = {row.id: row for row in s.execute(select(Filing).where(col(Filing.id).in_(ids))).scalars()}
    filings = [found[filing_id] for filing_id in ids]
    known = standing.standings(s, actor, filings)
    rows = _rows(s, filings, known)
    return FilingPage(rows, total, counts, _tier_names(actor, rows))


def everything(s: Session, actor: Actor, query: ListQuery) -> tuple[tuple[int, bool], ...]:
    """All of a tab whatever the page (全部筛选结果), in the order of the list: id, and whether its figures may be read."""
    permissions.authorize(actor, Power.STATISTICS)
    wanted = select(col(Filing.id), col(Filing.status), col(Filing.current_version_id))
    statement = permissions.visible(wanted, actor).where(*_conditions(s, actor, query))
    return tuple(
        (filing_id, status is not FilingStatus.DRAFT and version is not None)
        for filing_id, status, version in s.execute(_sorted(statement, query))
    )


Kept = TypeVar("Kept")
_kept: OrderedDict[tuple[object, ...], tuple[int, date, Any]] = OrderedDict()


def _until_anybody_acts(s: Session, actor: Actor, about: tuple[object, ...], count: Callable[[], Kept]) -> Kept:
    """What ``count`` gave last time, as long as nobody did anything (保留到有人办理).

    Whatever changes a list is an act, and each act is a line of the audit log within its own transaction: while the newest
    line is the same, on the same day, so is the list. Typing in cells is no act and changes none.
    """
    newest, today = s.execute(select(func.max(col(AuditLine.id)))).scalar() or 0, clock.today()
    who = actor.user_id, actor.role, actor.organisation_id, actor.region_code
    key = str(s.get_bind().engine.url), who, about
    known = _kept.get(key)
    if known is None or known[:2] != (newest, today):
        known = _kept[key] = newest, today, count()
        while len(_kept) > MOST_KEPT:
            _kept.pop(next(iter(_kept)), None)
    found: Kept = known[2]
    return found


def tab_counts(s: Session, actor: Actor, form: Form, year: int) -> Mapping[str, int]:
    """How many there are under each tab, whatever the filters; counted once an act."""
    return _until_anybody_acts(s, actor, ("tabs", form, year), lambda: _tab_counts(s, actor, form, year))


def _tab_counts(s: Session, actor: Actor, form: Form, year: int) -> Mapping[str, int]:
    here = (col(Filing.form) == form, col(Filing.year) == year)
    if actor.role is Role.ADMIN:
        deleted = permissions.visible(select(func.count(col(Filing.id))), actor).where(*here)
        return {"deleted": s.execute(deleted).scalar_one()}
    grouped = permissions.visible(select(col(Filing.status), func.count()), actor).where(*here)
    found = dict(s.execute(grouped.group_by(col(Filing.status))).all())
    mine = permissions.visible(select(func.count(col(Filing.id))), actor).where(*here, _mine(actor))
    counts = {
        "mine": s.execute(mine).scalar_one(),
        "review": found.get(FilingStatus.REVIEW, 0),
        "returned": found.get(FilingStatus.RETURNED, 0),
        "done": found.get(FilingStatus.DONE, 0),
        "all": sum(found.values()),
    }
    if actor.is_authority:
        missing = _missing(s, actor, ListQuery(form, year)).subquery()
        counts["missing"] = s.execute(select(func.count()).select_from(missing)).scalar_one()
    return counts


def missing_page(s: Session, actor: Actor, query: ListQuery) -> MissingPage:
    """未填报: units that are on the list in force and have no filing of the year, by region and name."""
    permissions.authorize(actor, Power.STATISTICS)
    about = replace(query, tab="missing", page=1, page_size=0, sort="", descending=False)
    every = _until_anybody_acts(s, actor, ("missing", about), lambda: _unfiled(s, actor, query))
    size = min(max(query.page_size, 1), MOST_ROWS)
    first = (max(query.page, 1) - 1) * size
    picked = dict(every[first : first + size])
    order = col(RosterEntry.region_code), col(RosterEntry.listed_name)
    entries = s.execute(select(RosterEntry).where(col(RosterEntry.id).in_(picked)).order_by(*order)).scalars().all()
    lines = [(entry, picked[entry.id or 0]) for entry in entries]
    units = [(e.organisation_id or -(e.id or 0), e.region_code) for e, _ in lines]
    windows = campaigns.windows(s, query.form, query.year, units)
    today = clock.today()
    rows = []
    for (entry, rank), (key, _) in zip(lines, units, strict=True):
        window = windows.get(key)
        rows.append(
            MissingRow(
                entry.organisation_id,
                entry.listed_name,
                entry.credit_code,
                reference.region_words(entry.region_code),
                _LEVELS[rank].caption,
                window.due_day if window else None,
                window is not None and window.is_late(today),
            )
        )
    return MissingPage(tuple(rows), len(every))


def _unfiled(s: Session, actor: Actor, query: ListQuery) -> tuple[tuple[int, int], ...]:
    """All of 未填报 in the order of the list: the id of an entry and the rank of its level."""
    first = func.min(col(RosterEntry.region_code)), func.min(col(RosterEntry.listed_name))
    return tuple((entry_id, rank) for entry_id, rank in s.execute(_missing(s, actor, query).order_by(*first)))


_LEVELS: Mapping[int, Level] = {3: Level.NATIONAL, 2: Level.PROVINCIAL, 1: Level.MUNICIPAL}
_RANK = case({level: rank for rank, level in _LEVELS.items()}, value=col(RosterEntry.level), else_=0)


def _missing(s: Session, actor: Actor, query: ListQuery) -> Select[*tuple[Any, ...]]:
    """One line a unit: the id of an entry and the highest level it is listed at."""
    campaign = campaigns.campaign_of(s, query.form, query.year)
    begins = campaign.opens_on if campaign else clock.today()
    removed = col(RosterEntry.removed_on)
    filed = exists(literal(1)).where(  # a bare EXISTS reads the whole row; this one stays within the index
        col(Filing.organisation_id) == col(RosterEntry.organisation_id),
        col(Filing.form) == query.form,
        col(Filing.year) == query.year,
        col(Filing.deleted_at).is_(None),
    )
    conditions = [
        permissions.region_scope(actor, RosterEntry),
        col(RosterEntry.form) == query.form,
        col(RosterEntry.listed_on) <= begins,
        or_(removed.is_(None), removed > clock.today()),
        ~filed,
    ]
    if query.region_code:
        conditions.append(permissions.in_region(col(RosterEntry.region_code), query.region_code))
    if query.search.strip():
        like = _like(query.search)
        conditions.append(
            or_(
                col(RosterEntry.listed_name).like(like, escape="\\"),
                col(RosterEntry.credit_code) == query.search.strip(),
            )
        )
    if query.level:
        conditions.append(col(RosterEntry.level) == _chosen(Level, query.level, "名单层面"))
    if query.late:
        conditions.append(campaigns.overdue(s, query.form, query.year, RosterEntry, clock.today()))
    unit = func.coalesce(func.nullif(col(RosterEntry.credit_code), ""), col(RosterEntry.listed_name))
    return (
        select(func.min(col(RosterEntry.id)).label("id"), func.max(_RANK).label("rank"))
        .where(*conditions)
        .group_by(unit)
    )


def _conditions(s: Session, actor: Actor, query: ListQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [col(Filing.form) == query.form, col(Filing.year) == query.year]
    if query.tab == "mine":
        found.append(_mine(actor))
    elif query.tab in ("review", "returned", "done"):
        found.append(col(Filing.status) == FilingStatus(query.tab))
    if query.region_code:
        found.append(permissions.in_region(col(Filing.region_code), query.region_code))
    if query.level:
        found.append(col(Filing.level) == _chosen(Level, query.level, "名单层面"))
    if query.status:
        found.append(col(Filing.status) == _chosen(FilingStatus, query.status, "填报状态"))
    if query.late:
        unfiled = and_(
            col(Filing.status) == FilingStatus.DRAFT,
            campaigns.overdue(s, query.form, query.year, Filing, clock.today()),
        )
        found.append(or_(col(Filing.late), unfiled))
    if query.flagged:
        found.append(col(Filing.flags) > 0)
    if query.search.strip():
        like = _like(query.search)
        units = select(col(Organisation.id)).where(col(Organisation.credit_code) == query.search.strip().upper())
        found.append(
            or_(
                col(Filing.unit_name).like(like, escape="\\"),
                col(Filing.number).like(like, escape="\\"),
                col(Filing.organisation_id).in_(units),
            )
        )
    return found


def _is_narrowed(query: ListQuery) -> bool:
    """Whether filters leave out some of the tab."""
    return bool(query.region_code or query.level or query.status or query.late or query.flagged or query.search.strip())


def _mine(actor: Actor) -> ColumnElement[bool]:
    """待我审核: on this office's desk, or an expert's task that is not done."""
    if actor.role is Role.EXPERT:
        waiting = select(col(ExpertTask.version_id)).where(
            col(ExpertTask.expert_id) == actor.user_id, col(ExpertTask.submitted_at).is_(None)
        )
        return and_(col(Filing.status) == FilingStatus.REVIEW, col(Filing.current_version_id).in_(waiting))
    return and_(col(Filing.current_authority_id) == actor.organisation_id, col(Filing.status) == FilingStatus.REVIEW)


def _sorted(statement: Statement, query: ListQuery, *, ids_only: bool = False) -> Statement:
    """What has no such date goes last either way. ``ids_only``: all ids are wanted; an index in this order would only tempt
    the database away from ``ix_filing_scope``, which spares it the table."""
    column: Any = SORTS[query.sort]
    if ids_only:
        column = func.coalesce(column, null())
    order = column.desc().nulls_last() if query.descending else column.asc().nulls_last()
    return statement.order_by(order, col(Filing.id).desc() if query.descending else col(Filing.id))


def _rows(s: Session, filings: Sequence[Filing], known: Mapping[int, Standing]) -> tuple[FilingRow, ...]:
    under_review = [filing.id for filing in filings if filing.status is FilingStatus.REVIEW and filing.version_no > 1]
    returned = select(col(FilingVersion.filing_id)).where(
        col(FilingVersion.filing_id).in_(under_review), col(FilingVersion.status) == VersionStatus.RETURNED
    )
    again = set(s.execute(returned).scalars()) if under_review else set()
    return tuple(_row(filing, known[filing.id or 0], resubmitted=filing.id in again) for filing in filings)


def _row(filing: Filing, known: Standing, *, resubmitted: bool) -> FilingRow:
    assert filing.id is not None
    window, today = known.window, known.facts.today
    unfiled_late = filing.status is FilingStatus.DRAFT and window is not None and window.is_late(today)
    buttons = [action for action in known.actions if action.action in ROW_ACTIONS]
    if any(action.action is Action.EDIT and action.enabled for action in buttons):
        buttons = [action for action in buttons if action.action is not Action.VIEW]
    return FilingRow(
        id=filing.id,
        number=filing.number,
        unit_name=filing.unit_name,
        year=filing.year,
        form=filing.form,
        region_name=reference.region_words(filing.region_code),
        level=filing.level.caption,
        status=filing.status,
        status_caption=known.status_caption,
        validated=bool(filing.validated_digest),
        late=filing.late or unfiled_late,
        submitted_at=clock.local(filing.submitted_at) if filing.submitted_at else None,
        saved_at=clock.local(filing.saved_at) if filing.saved_at else None,
        steps=known.steps,
        actions=tuple(buttons),
        risk=filing.risk,
        risk_parts=tuple((str(words), int(points)) for words, points in filing.risk_parts),
        flags=filing.flags,
        due_on=window.due_day if window else None,
        deleted_at=clock.local(filing.deleted_at) if filing.deleted_at else None,
        restorable_until=known.facts.restorable_until,
        resubmitted=resubmitted,
    )


def _tier_names(actor: Actor, rows: Sequence[FilingRow]) -> Mapping[str, str]:
    """The authority in the head of a tier column, where all rows of the page have the same."""
    names: dict[str, str] = {}
    for tier in TIERS:
        there = {step.authority_name for row in rows for step in row.steps if step.tier is tier and step.authority_name}
        names[tier.value] = there.pop() if len(there) == 1 else ""
    if actor.tier is not None and actor.is_authority and not names[actor.tier.value]:
        names[actor.tier.value] = actor.organisation_name
    return names


def _like(text: str) -> str:
    plain = text.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{plain}%"


def _chosen(kind: Any, text: str, what: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise Refusal(f"没有“{text[:20]}”这种{what}。请从选项中选择。") from None
