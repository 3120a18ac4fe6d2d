"""What time it is (时钟): the only place that asks. A demo may move it with ``LVCE_CLOCK_FILE``; tests may freeze it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

BEIJING = timezone(timedelta(hours=8), "北京时间")

log = logging.getLogger(__name__)

_frozen: datetime | None = None
_file: Path | None = None
_file_stamp: tuple[int, datetime] | None = None
_shifted: tuple[datetime, float] | None = None  # what time it was at which reading of the steady clock


def now() -> datetime:
    """The present instant, aware, UTC."""
    if _frozen is not None:
        return _frozen
    if _file is not None:
        return _from_file(_file)
    if _shifted is not None:
        return _shifted[0] + timedelta(seconds=time.monotonic() - _shifted[1])
    return datetime.now(UTC)


def today() -> date:
    """Today's date in Beijing, by which deadlines are counted."""
    return now().astimezone(BEIJING).date()


def local(moment: datetime) -> datetime:
    """The same instant on a Beijing wall clock."""
    return moment.astimezone(BEIJING)


def follow(path: Path | None) -> None:
    """Take the time from a file holding an ISO time; only the settings decide whether that is allowed."""
    global _file, _file_stamp
    _file, _file_stamp = path, None


def shift(base: datetime | None) -> None:
    """Let the time run from ``base`` on, as the demo does; None: the real time again."""
    global _shifted
    _shifted = (base.astimezone(UTC), time.monotonic()) if base is not None else None


@contextmanager
def frozen(moment: datetime) -> Iterator[None]:
    """Hold the clock still, for tests and for seeding a demo year."""
    global _frozen
    before, _frozen = _frozen, moment
    try:
        yield
    finally:
        _frozen = before


def _from_file(path: Path) -> datetime:
    """What the file says, or said last: a moment in the real year, while it is written, would end every sign-in."""
    global _file_stamp
    try:
        mtime = path.stat().st_mtime_ns
        if _file_stamp is None or _file_stamp[0] != mtime:
            moment = datetime.fromisoformat(path.read_text(encoding="utf-8").strip())
            _file_stamp = mtime, moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)
    except (OSError, ValueError):
        log.debug("the clock file cannot be read now: being written, as a rule")
    return _file_stamp[1].astimezone(UTC) if _file_stamp is not None else datetime.now(UTC)
