"""What happened, told after the commit (提交后的通知). The UI subscribes; services publish and know no listener."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FilingChanged:
    """A filing's status, steps, questions or files changed; open pages of it and lists should look again."""

    filing_id: int


@dataclass(frozen=True, slots=True)
class CellsChanged:
    """Cells or findings of a filing changed; ``patch`` is the very answer the editor got (a ``SheetPatch``)."""

    filing_id: int
    patch: Any
    origin: str  # the editing page, which already has it


@dataclass(frozen=True, slots=True)
class InboxChanged:
    organisation_id: int


@dataclass(frozen=True, slots=True)
class SignInEnded:
    """A sign-in was revoked: its pages must close. ``reason`` is the word the row keeps (signed_out, disabled …); ``engine``
    the one that wrote it, for there may be several databases in a process of tests."""

    sign_in_ids: tuple[int, ...]
    reason: str
    engine: Engine = field(repr=False)


Event = FilingChanged | CellsChanged | InboxChanged | SignInEnded
Told = Event | Callable[[], None]  # for everybody, or one thing to do

_listeners: list[Callable[[Event], None]] = []


def subscribe(listener: Callable[[Event], None]) -> Callable[[], None]:
    """Call ``listener`` (from the writer thread!) after each commit that published; returns the way to stop."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener) if listener in _listeners else None


def publish(s: Session, event: Event) -> None:
    """Tell it once this session's transaction has been committed; never if it was rolled back."""
    s.info.setdefault("events", []).append(event)


def once_committed(s: Session, do: Callable[[], None]) -> None:
    """Do this once this session's transaction has been committed (提交后), in the writer thread and before
    what is published after it is told; never if it was rolled back."""
    s.info.setdefault("events", []).append(do)


def deliver(events: list[Told]) -> None:
    """For ``db`` alone: hand committed events to the listeners; a listener's fault is logged, never the writer's."""
    for event in events:
        if callable(event):
            _safely(event)
            continue
        for listener in tuple(_listeners):
            _safely(listener, event)


def _safely(do: Callable[..., None], *said: Event) -> None:
    try:
        do(*said)
    except Exception:
        log.exception("event listener failed")
