"""What time it is (时钟): the only place that asks. A demo may move it with ``LVCE_CLOCK_FILE``; tests may freeze it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

BEIJING = timezone(timedelta(hours=8), "北京时间")

_frozen: datetime | None = None
_file: Path | None = None
_file_stamp: tuple[int, datetime] | None = None


def now() -> datetime:
    """The present instant, aware, UTC."""
    if _frozen is not None:
        return _frozen
    if _file is not None:
        return _from_file(_file)
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
    global _file_stamp
    try:
        mtime = path.stat().st_mtime_ns
        if _file_stamp is None or _file_stamp[0] != mtime:
            moment = datetime.fromisoformat(path.read_text(encoding="utf-8").strip())
            _file_stamp = mtime, moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)
        return _file_stamp[1].astimezone(UTC)
    except (OSError, ValueError):
        return datetime.now(UTC)
