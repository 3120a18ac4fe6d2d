"""The database (数据库): one writing thread, a few readers, and nothing else opens a connection.

Every write is one ``BEGIN IMMEDIATE`` transaction of the single writer. Writes that wait are taken together: each runs in
a savepoint of its own, one commit makes all of them durable, and only then is any caller answered. A use case is a plain
function ``fn(session, actor, …)``; it neither commits nor rolls back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from sqlalchemy import Connection, Engine, Transaction, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session, create_engine

import models as models  # registers every table
from services import events, turns
from services.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")
I = TypeVar("I")  # noqa: E741

BUSY_TIMEOUT_MS = 10_000
GROUP = 64  # at most so many waiting writes share one commit
READERS = 4
WRITER_LOCK = 7_105_001  # any number, the same in every process

ONE = {"pool_size": 1, "max_overflow": 0}  # the writer: whoever else wants the writing engine waits for it
KEPT = 0.25  # seconds without a job until the writer lets go of its connection: taking it each time costs a tenth of a saved cell
MANY = {"pool_size": READERS}
# When the log is moved into the file, which may take a third of a second in which nobody's save is answered: in a pause of so
# many seconds, or else every half minute (a log that need not grow is written faster), if so many jobs are in it; SQLite
# itself moves it when it has so many pages.
PAUSE, OFTEN, UNFILED = 1.0, 30.0, 250
PAGES = 64_000
WRITER = {"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "wal_autocheckpoint": str(PAGES)}
READER = WRITER | {"query_only": "1", "wal_autocheckpoint": "0"}  # it neither writes nor checkpoints
# Of SQLite's messages those that speak of the moment: a lock, the disk, the file.
LACKS = (
    "locked",
    "disk i/o",
    "database or disk is full",
    "no space left",
    "readonly",
    "malformed",
    "unable to open",
    "not a database",
    "no such savepoint",  # an error inside one undid the whole transaction
)
STOPPING = "程序正在停止，这次操作没有写入。请稍后重新打开页面再试，已填写的内容保留在页面上。"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What waits to be written: by ``work`` alone, or among its like by ``many`` (see ``awrite_together``)."""

    work: Callable[[Session], Any]
    future: Future[Any] | _Awaited
    many: Callable[[Session, Sequence[Any]], Sequence[Any]] | None = None
    one: Any = None


Outcome = tuple[Any, BaseException | None]


class _Awaited:
    """An answer that the event loop waits for (待答), told to it in one step."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future = self.loop.create_future()

    def set_running_or_notify_cancel(self) -> bool:
        return not self.future.cancelled()

    def set_result(self, value: Any) -> None:
        self._tell(self.future.set_result, value)

    def set_exception(self, error: BaseException) -> None:
        self._tell(self.future.set_exception, error)

    def _tell(self, say: Callable[[Any], None], what: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(lambda: None if self.future.done() else say(what))
        except RuntimeError:  # the loop has ended, and who waited with it
            log.debug("an answer came when the program had ended")


class Database:
    """One database of one process. ``close()`` waits for what is under way."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._writer = make_engine(url, readonly=False)
        self._reader = make_engine(url, readonly=True)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # Be the only writer of the file among all processes, until the checkpoint after the commit is over too.
        self._turns = _beside(url) if self.is_sqlite else None
        self._turn: AbstractContextManager[None] = (
            nullcontext() if self._turns is None else turns.Turn(self._turns, BUSY_TIMEOUT_MS / 1000)
        )
        self._gate = threading.Lock()
        self._closed = False
        self._kept: Connection | None = None  # the writing thread's, see ``_begun``
        self._unfiled, self._filed_at = 0, time.monotonic()  # jobs in the log, and since when
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read")
        self._thread = threading.Thread(target=self._write_loop, name="db-write", daemon=True)
        self._thread.start()

    @property
    def engine(self) -> Engine:
        """The writing engine, for migrations, backup and tests; the application goes through ``write``."""
        return self._writer

    @property
    def reading_engine(self) -> Engine:
        """The engine of the readers, for tests and for the checks at the start."""
        return self._reader

    def write(self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn`` in a transaction of its own, committed when this returns; raises what ``fn`` raised, with nothing written."""
        future: Future[T] = Future()
        self._submit(future, lambda s: fn(s, *args, **kwargs))
        return future.result()

    async def awrite(self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for the event loop, which stays free meanwhile."""
        awaited = _Awaited()
        self._submit(awaited, lambda s: fn(s, *args, **kwargs))
        return cast(T, await awaited.future)

    async def awrite_together(self, many: Callable[[Session, Sequence[I]], Sequence[T | Exception]], one: I) -> T:
        """The same for what costs less done together (合并写入): those that wait with the same ``many`` are handed to it at once.
        It answers for each in order, with the exception of whom it refuses and has written nothing for; when it raises, each
        is done alone."""

        def alone(s: Session) -> T:
            (answer,) = many(s, (one,))
            if isinstance(answer, Exception):
                raise answer
            return answer

        awaited = _Awaited()
        self._submit(awaited, alone, many, one)
        return cast(T, await awaited.future)

    def post(self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> None:
        """The same for what nobody waits for: its failure matters to no one, nor that it is left out at the end."""
        with suppress(Unavailable):
            self._submit(Future(), lambda s: fn(s, *args, **kwargs))

    def read(self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn`` on a consistent snapshot; whatever it tries to write is refused or dropped."""
        try:
            with Session(self._reader, expire_on_commit=False) as s:
                return fn(s, *args, **kwargs)
        except (DBAPIError, PoolTimeout) as error:
            raise _told(error) from error

    async def aread(self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: self.read(fn, *args, **kwargs))

    def close(self) -> None:
        with self._gate:
            self._closed = True
            self._jobs.put(None)
        self._thread.join(timeout=30)
        self._readers.shutdown()
        self._reader.dispose()
        self._writer.dispose()
        if self._turns is not None:
            os.close(self._turns)

    def _submit(
        self,
        future: Future[Any] | _Awaited,
        work: Callable[[Session], Any],
        many: Callable[[Session, Sequence[Any]], Sequence[Any]] | None = None,
        one: Any = None,
    ) -> None:
        with self._gate:  # what comes after the last job would wait for ever
            if self._closed:
                raise Unavailable(STOPPING)
            self._jobs.put(_Job(work, future, many, one))

    def _write_loop(self) -> None:
        while (first := self._next()) is not None:
            group = [first]
            stop = False
            while len(group) < GROUP:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    stop = True
                    break
                group.append(job)
            # From here on nobody can take back what he asked for; an answer to a cancelled future would end this thread.
            self._run_group([job for job in group if job.future.set_running_or_notify_cancel()])
            self._unfiled += len(group)
            if stop:
                break
            if self._is_due(OFTEN):
                self._file()
        self._let_go()

    def _next(self) -> _Job | None:
        """The next job, however long it takes to come; None: it was the last."""
        with suppress(queue.Empty):
            return self._jobs.get(timeout=KEPT)
        if self._is_due():
            with suppress(queue.Empty):
                return self._jobs.get(timeout=PAUSE)
            self._file()
        self._let_go()
        return self._jobs.get()

    def _is_due(self, seconds: float = 0.0) -> bool:
        """Whether the log is worth moving, and was last moved so long ago."""
        return self.is_sqlite and self._unfiled >= UNFILED and time.monotonic() - self._filed_at >= seconds

    def _file(self) -> None:
        """Move the log into the file (检查点)."""
        self._unfiled, self._filed_at = 0, time.monotonic()
        try:
            with self._turn:
                say(self._connection(), "PRAGMA wal_checkpoint")
        except Exception:  # it stays in the log, and is safe there
            log.warning("checkpoint failed", exc_info=True)

    def _run_group(self, group: list[_Job]) -> None:
        if not group:
            return
        try:
            with self._turn:
                transaction = self._begun()
                try:
                    answers, happened = self._done(transaction.connection, group)
                    transaction.commit()
                except BaseException:
                    with suppress(Exception):
                        transaction.close()
                    self._let_go()
                    raise
        except BaseException as error:  # the transaction is gone: nobody's work was written
            for job in group:
                job.future.set_exception(_told(error))
            return
        events.deliver(happened)  # before the answers: who is told "signed out" finds it so at the next request
        for job, (value, failure) in zip(group, answers, strict=True):
            if failure is None:
                job.future.set_result(value)
            else:
                job.future.set_exception(failure)

    def _done(self, connection: Connection, group: list[_Job]) -> tuple[list[Outcome], list[events.Told]]:
        """What the jobs come to, in order, and what to tell once they are committed."""
        if len(group) == 1:
            value, happened = _do(connection, group[0].work)
            if not _is_open(connection):
                raise Unavailable()
            return [(value, None)], happened
        answers: list[Outcome] = []
        happened = []
        for _, alike in groupby(group, key=lambda job: job.many or job):
            answers += self._run_alike(connection, list(alike), happened)
        return answers, happened

    def _begun(self) -> Transaction:
        """A transaction on the writer's connection (写连接), which is kept for the next; one that has failed is not."""
        try:
            return self._connection().begin()
        except DBAPIError as error:
            self._let_go()
            if not error.connection_invalidated:
                raise
        return self._connection().begin()  # the server had gone since, and may be back

    def _connection(self) -> Connection:
        if self._kept is None:
            self._kept = self._writer.connect()
        return self._kept

    def _let_go(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            with suppress(Exception):
                kept.close()

    def _run_alike(self, connection: Connection, jobs: Sequence[_Job], happened: list[events.Told]) -> list[Outcome]:
        """Do jobs that may be done together in one savepoint; where that fails, and otherwise, each in its own."""
        many = jobs[0].many
        if many is not None and len(jobs) > 1:
            several = [job.one for job in jobs]
            found, failure = self._try(connection, lambda s: many(s, several), happened)
            if failure is None:
                return [(None, one) if isinstance(one, Exception) else (one, None) for one in found]
        return [self._try(connection, job.work, happened) for job in jobs]

    def _try(self, connection: Connection, work: Callable[[Session], Any], happened: list[events.Told]) -> Outcome:
        """Do one job in a savepoint, beside others in the same transaction."""
        value: Any = None
        failure: BaseException | None = None
        point = connection.begin_nested()
        try:
            value, told = _do(connection, work)
            point.commit()
            happened += told
        except BaseException as error:
            failure = error
            if point.is_active:
                point.rollback()  # where that fails too, the whole group does
        if not _is_open(connection):
            raise Unavailable() from failure
        return value, None if failure is None else _told(failure)


def _do(connection: Connection, work: Callable[[Session], T]) -> tuple[T, list[events.Told]]:
    """Do one job in the transaction or savepoint that is open: its answer, and what to tell once it is committed."""
    s = _Session(connection)
    try:
        value = work(s)
        if s.is_used and s.in_transaction():
            s.commit()
    finally:
        if s.is_used:
            s.close()
    return value, s.info.get("events", [])


class _Session(Session):
    """A session of the writing thread (写会话). It is made ready when something asks for more than its connection: where all is
    said straight to that one (``connection_of``), as a saved cell does, it costs nothing."""

    def __init__(self, connection: Connection) -> None:
        self.given = connection

    def __getattr__(self, name: str) -> Any:
        if self.is_used:
            raise AttributeError(name)
        super().__init__(self.given, expire_on_commit=False, join_transaction_mode="rollback_only")
        return getattr(self, name)

    @property
    def is_used(self) -> bool:
        return "hash_key" in vars(self)  # what SQLAlchemy knows it by

    def get_bind(self, *_: Any, **__: Any) -> Connection:
        return self.given


def make_engine(url: str, *, readonly: bool) -> Engine:
    """An engine with the pragmas that durability rests on; see README "Decisions" for the journal mode."""
    if not url.startswith("sqlite"):
        return _postgres_engine(url, readonly=readonly)
    engine = create_engine(
        url,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
        hide_parameters=True,  # no error, and so no log, says what people typed
        **(MANY if readonly else ONE),
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            *(("query_only = ON", "wal_autocheckpoint = 0") if readonly else (f"wal_autocheckpoint = {PAGES}",)),
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    _say_plainly(engine, begin="BEGIN" if readonly else "BEGIN IMMEDIATE")
    return engine


def _postgres_engine(url: str, *, readonly: bool) -> Engine:
    engine = create_engine(url, pool_pre_ping=True, hide_parameters=True, **(MANY if readonly else ONE))
    # What SQLite does by BEGIN IMMEDIATE: one writer at a time, in whatever process.
    turn = f"SELECT pg_advisory_xact_lock({WRITER_LOCK})"
    _say_plainly(engine, begin="SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY" if readonly else turn)
    return engine


def _say_plainly(engine: Engine, *, begin: str) -> None:
    """Open transactions with the words ``begin``, and say savepoints straight to the driver: SQLAlchemy compiles each anew,
    for its name, which was a quarter of what a saved cell cost."""
    dialect: Any = engine.dialect

    def opens(driver: Any) -> None:
        cursor = driver.cursor()
        dialect.do_execute(cursor, begin, ())
        cursor.close()

    def says(words: str) -> Callable[[Connection, str], None]:
        def said(connection: Connection, name: str) -> None:
            say(connection, f"{words} {name}")

        return said

    dialect.do_begin = opens
    dialect.do_savepoint = says("SAVEPOINT")
    dialect.do_release_savepoint = says("RELEASE SAVEPOINT")
    dialect.do_rollback_to_savepoint = says("ROLLBACK TO SAVEPOINT")


def connection_of(s: Session) -> Connection:
    """The connection of a writing session, for what is said straight to it (直接执行): the session itself then need not join the
    transaction; what is written belongs to the job all the same."""
    connection = s.get_bind()
    assert isinstance(connection, Connection)
    return connection


def say(connection: Connection, words: str, rows: Sequence[Any] = ((),)) -> int:
    """Say one statement straight to the driver (直接执行), for one row of values or several; returns how many rows were met,
    where the driver tells. A tenth of what Core costs; what the driver raises becomes what Core would have made of it."""
    dialect, driver = connection.dialect, connection.connection.dbapi_connection
    assert driver is not None
    cursor: Any = driver.cursor()
    try:
        if len(rows) == 1:
            dialect.do_execute(cursor, words, rows[0])
        else:
            dialect.do_executemany(cursor, words, rows)
        return int(cursor.rowcount)
    except dialect.loaded_dbapi.Error as error:
        gone = dialect.is_disconnect(error, driver, cursor)
        raise DBAPIError.instance(
            words, None, error, dialect.loaded_dbapi.Error, connection_invalidated=gone, dialect=dialect
        ) from error
    finally:
        cursor.close()


def check_pragmas(db: Database) -> None:
    """Refuse to run on SQLite connections that would not keep their promises (启动自检)."""
    if not db.is_sqlite:
        return
    for engine, expected in ((db.engine, WRITER), (db.reading_engine, READER)):
        with engine.connect() as connection:
            found = {p: str(connection.execute(text(f"PRAGMA {p}")).scalar()) for p in expected}
        if found != expected:
            raise RuntimeError(f"SQLite 设置不符合要求：应为 {expected}，实际为 {found}。请检查数据目录所在磁盘。")


def _beside(url: str) -> int:
    """The open file whose lock is the turn to write."""
    return os.open(url.removeprefix("sqlite:///") + "-turn", os.O_RDWR | os.O_CREAT, 0o600)


def _told(error: BaseException) -> BaseException:
    """What the caller gets: "busy" for a database that cannot now; a fault of ours stays one, with a number of its own."""
    if isinstance(error, DBAPIError) and not _is_lack(error):
        return error
    if not isinstance(error, (DBAPIError, PoolTimeout, TimeoutError)):
        return error
    log.warning("database unavailable: %s", getattr(error, "orig", None) or error)
    return Unavailable()


def _is_lack(error: DBAPIError) -> bool:
    """Whether the database could not do it now, rather than would never."""
    if error.connection_invalidated:
        return True
    if isinstance(error, OperationalError) and not isinstance(error.orig, sqlite3.Error):
        return True  # PostgreSQL is away, or lacks something; SQLite calls a missing column so too
    message = str(error.orig).lower()
    return any(word in message for word in LACKS)


def _is_open(connection: Connection) -> bool:
    """Whether the transaction can still be committed: on a full or failing disk SQLite undoes all of it by itself."""
    if connection.invalidated:
        return False
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        return bool(driver.in_transaction)
    return bool(driver.info.transaction_status.name == "INTRANS")
