"""Calls that fail (故障注入): every statement and commit of a database and every file call below a folder is counted, and one of
them can be made to raise, as a full disk, a broken database or a fault of our own would."""

from __future__ import annotations

import errno
import io
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from typing import Any
from unittest import mock

from services.db import Database

STATEMENTS = ("do_execute", "do_execute_no_params", "do_executemany")  # of a dialect: every statement passes here
FILE_CALLS = ("open", "mkdir", "rename", "replace", "unlink", "fsync")


class Kind(Enum):
    """What goes wrong at the call."""

    BROKEN = "broken"  # the database or the disk says so; SQLite has rolled back by itself
    FAULT = "fault"  # an exception of another kind, as a mistake of ours would raise
    SILENT = "silent"  # the call is done, its answer is lost


class Fault(Exception):
    """A mistake of ours, so to speak."""


class Calls:
    """The calls made so far (``only`` those of one name); the one at ``failing`` raises, and none after it."""

    def __init__(self, failing: int | None = None, kind: Kind = Kind.BROKEN, only: str = "") -> None:
        self.names: list[str] = []
        self.failing, self.kind, self.only = failing, kind, only
        self.failed = ""

    def count(self, name: str, call: Callable[[], Any], error: Callable[[], BaseException]) -> Any:
        if self.only and name != self.only:
            return call()
        self.names.append(name)
        if len(self.names) - 1 != self.failing:
            return call()
        self.failed = name
        if self.kind is Kind.SILENT and isinstance(made := call(), io.IOBase):
            made.close()  # nobody else has it
        raise Fault(name) if self.kind is Kind.FAULT else error()


@contextmanager
def counting(db: Database, folder: Path, calls: Calls) -> Iterator[None]:
    """Count (and fail) what is done inside with ``db`` (SQLite) and the files below ``folder``."""

    def counted(real: Callable[..., None]) -> Callable[..., None]:
        def statement(cursor: Any, text: str, *rest: Any) -> None:
            calls.count(text.split(maxsplit=1)[0], lambda: None, lambda: _broken(cursor.connection))
            real(cursor, text, *rest)

        return statement

    with ExitStack() as stack:
        for engine in (db._writer, db._reader):
            for name in STATEMENTS:
                real = getattr(engine.dialect, name)
                stack.enter_context(mock.patch.object(engine.dialect, name, counted(real)))
        commit = db._writer.dialect.do_commit

        def counted_commit(connection: Any) -> None:
            calls.count("COMMIT", lambda: commit(connection), lambda: _broken(connection.driver_connection))

        stack.enter_context(mock.patch.object(db._writer.dialect, "do_commit", counted_commit))
        stack.enter_context(_counted_files(folder, calls))
        yield


def _broken(connection: Any) -> sqlite3.OperationalError:
    """What SQLite says when the disk fails, having rolled the transaction back."""
    connection.rollback()
    return sqlite3.OperationalError("disk I/O error")


@contextmanager
def _counted_files(folder: Path, calls: Calls) -> Iterator[None]:
    inside = str(folder)
    ours: set[int] = set()  # file descriptors below the folder

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(place: Any, *args: Any, **kwargs: Any) -> Any:
            mine = place in ours if isinstance(place, int) else str(place).startswith(inside)
            if not mine:
                return real(place, *args, **kwargs)
            answer = calls.count(name, lambda: real(place, *args, **kwargs), _full)
            if name == "open":
                ours.add(answer)
            return answer

        return call

    def opened(place: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not str(place).startswith(inside) or "r" in mode:
            return real_open(place, mode, *args, **kwargs)
        raw = calls.count("open", lambda: _Counted(place, mode.replace("b", ""), calls), _full)
        ours.add(raw.fileno())
        return io.BufferedWriter(raw)

    real_open = io.open
    patches = [mock.patch.object(os, name, counted(name, getattr(os, name))) for name in FILE_CALLS]
    patches.append(mock.patch.object(io, "open", opened))
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


class _Counted(io.FileIO):
    """A file whose writes are calls too."""

    def __init__(self, place: Any, mode: str, calls: Calls) -> None:
        super().__init__(place, mode)
        self.calls = calls

    def write(self, content: Any) -> int:
        return int(self.calls.count("write", lambda: super(_Counted, self).write(content), _full))


def _full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")
