"""Sheets kept in memory while they are being edited (工作副本), so that one cell costs one small transaction.

Only the writing thread enters here; a page that is opened hands over the sheet it has read. A room holds what its last
transaction wrote; it is trusted again only after that transaction was committed. Whatever else happened (a rollback, a
failed commit, another process) shows as a revision that does not fit, and the sheet is read again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select
from sqlmodel import Session, col

from models import Filing
from models.enums import FilingStatus, Form, Role
from services import clock, events
from services.actors import Actor
from services.filings import working
from services.filings.working import Note
from services.forms.sheet import Sheet
from services.forms.template import Address, FormTemplate
from services.register import campaigns
from services.register.campaigns import Window

ROOMS = 1_500  # sheets kept; the least recently edited one goes first
EDITABLE = (FilingStatus.DRAFT, FilingStatus.RETURNED)
DATES_KEPT = timedelta(minutes=1)  # campaign dates and extensions are looked up again after this


@dataclass(slots=True)
class Room:
    """One filing's working copy. Changed only inside a write transaction; dropped when that one fails."""

    filing_id: int
    organisation_id: int
    form: Form
    year: int
    region_code: str
    status: FilingStatus
    revision: int
    validated_digest: str
    saved_at: datetime | None
    template: FormTemplate
    sheet: Sheet
    notes: dict[str, Note]
    stamp_digest: str
    scope: frozenset[Address] | None
    window: Window | None
    dates_read: datetime
    fresh: bool  # read in this very transaction
    pending: object = None  # stands for the transaction whose commit is not known yet
    cleared: set[tuple[int, Role]] = field(default_factory=set)  # people who may edit, asked of ``permissions`` once

    def takes_edits(self, s: Session) -> bool:
        """Whether status and dates let the unit edit now, as far as the room knows; dates are refreshed every minute."""
        now = clock.now()
        if abs(now - self.dates_read) > DATES_KEPT:
            _read_dates(s, self)
        return self.status in EDITABLE and self.window is not None and self.window.is_open(clock.local(now).date())


_rooms: WeakKeyDictionary[Engine, OrderedDict[int, Room]] = WeakKeyDictionary()
_offered: dict[tuple[str, int], Room] = {}  # by database and filing; readers put in, the writing thread takes out
_handing_over = Lock()


def enter(s: Session, filing_id: int) -> Room:
    """The working copy of a filing, from memory where that is known to be committed; raises NotFound."""
    engine = s.get_bind().engine
    rooms = _rooms.setdefault(engine, OrderedDict())
    room = rooms.get(filing_id)
    if room is None:
        room = _taken(engine, filing_id)
        if room is not None:
            _put(rooms, room)
        return room or reload(s, filing_id)
    if room.pending is not None:
        return reload(s, filing_id)
    rooms.move_to_end(filing_id)
    room.fresh = False
    return room


def current(s: Session, filing_id: int) -> Room:
    """The working copy as the database has it now: from memory if no other process wrote since; raises NotFound."""
    room = enter(s, filing_id)
    return room if is_current(s, room) else reload(s, filing_id)


def is_current(s: Session, room: Room) -> bool:
    """Whether nobody wrote since the room was read."""
    query = select(col(Filing.revision)).where(col(Filing.id) == room.filing_id, col(Filing.deleted_at).is_(None))
    return room.fresh or s.execute(query).scalar() == room.revision


def reload(s: Session, filing_id: int) -> Room:
    """Read the filing again, whatever memory says; raises NotFound."""
    leave(s, filing_id)
    loaded = working.load(s, filing_id)
    filing = loaded.filing
    window = campaigns.window_of(s, filing.form, filing.year, filing.region_code, filing.organisation_id)
    return _made(loaded, window, fresh=True)


def offer(s: Session, loaded: working.Working, window: Window | None, editor: Actor) -> None:
    """Hand over the sheet that a page was just drawn from (交接), so that its first edit need not read it again, nor ask again
    whether ``editor`` may edit it.

    Called by readers; ``loaded`` is not theirs any more. A revision that was overtaken meanwhile shows at the first edit.
    """
    assert loaded.filing.id is not None
    room = _made(loaded, window, fresh=False)
    room.cleared.add((editor.user_id, editor.role))
    with _handing_over:
        _offered[str(s.get_bind().engine.url), loaded.filing.id] = room
        while len(_offered) > ROOMS:
            del _offered[next(iter(_offered))]


def _taken(engine: Engine, filing_id: int) -> Room | None:
    with _handing_over:
        return _offered.pop((str(engine.url), filing_id), None)


def _made(loaded: working.Working, window: Window | None, *, fresh: bool) -> Room:
    filing = loaded.filing
    assert filing.id is not None
    return Room(
        filing_id=filing.id,
        organisation_id=filing.organisation_id,
        form=filing.form,
        year=filing.year,
        region_code=filing.region_code,
        status=filing.status,
        revision=filing.revision,
        validated_digest=filing.validated_digest,
        saved_at=filing.saved_at,
        template=loaded.template,
        sheet=loaded.sheet,
        notes=loaded.notes,
        stamp_digest=loaded.stamp_digest,
        scope=loaded.scope,
        window=window,
        dates_read=clock.now(),
        fresh=fresh,
    )


def _read_dates(s: Session, room: Room) -> None:
    """Look the dates up again, for every sheet of this form and year whose dates are getting old, also those that readers have
    handed over: one by one, five hundred of them were most of a second in each minute."""
    engine, now = s.get_bind().engine, clock.now()
    with _handing_over:
        offered = [one for (url, _), one in _offered.items() if url == str(engine.url)]
    others = (one for one in (*_rooms.get(engine, {}).values(), *offered) if one is not room)
    aging = (one for one in others if abs(now - one.dates_read) > DATES_KEPT / 2)
    alike = [room, *(one for one in aging if (one.form, one.year) == (room.form, room.year))]
    found = campaigns.windows(s, room.form, room.year, [(one.organisation_id, one.region_code) for one in alike])
    for one in alike:
        one.window, one.dates_read = found.get(one.organisation_id), now


def keep(s: Session, room: Room) -> None:
    """Remember the room as this transaction leaves it; it is trusted once that is committed."""
    room.pending = step = object()
    _put(_rooms.setdefault(s.get_bind().engine, OrderedDict()), room)

    def settle() -> None:
        if room.pending is step:
            room.pending = None

    events.once_committed(s, settle)


def _put(rooms: OrderedDict[int, Room], room: Room) -> None:
    rooms[room.filing_id] = room
    rooms.move_to_end(room.filing_id)
    if len(rooms) > ROOMS:
        rooms.popitem(last=False)


def leave(s: Session, filing_id: int) -> None:
    """Forget the working copy (丢弃)."""
    engine = s.get_bind().engine
    _taken(engine, filing_id)
    rooms = _rooms.get(engine)
    if rooms is not None:
        rooms.pop(filing_id, None)


@dataclass(frozen=True, slots=True)
class spoilt_by_failure:
    """Forget the working copies if what is done inside fails: the transaction is undone, the copies could not be."""

    s: Session
    filing_ids: Sequence[int]

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            for filing_id in self.filing_ids:
                leave(self.s, filing_id)
