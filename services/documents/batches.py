"""Batches (批量导出): many forms as one zip, a 汇总表 of any length. In the background, two at a time, with progress and cancel.

A batch belongs to a person with the rights of that moment. Its work runs in child processes of low priority, so that pages stay
fast; what is ready lies in a folder for a day. Beside each lies a slip (:meth:`_Batch.note`): after a restart what was ready is
still there, and of what was under way its owner can be told (:attr:`Batches.interrupted`).
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal, TypeVar

from services import clock
from services.documents.child import ROOT, receive
from services.documents.printer import Packer
from services.documents.snapshot import FilingSnapshot
from services.errors import NotFound, Refusal

AT_ONCE = 2
KEPT = timedelta(hours=24)
MOST_WAITING = 4  # of one person
LOOK = 0.2  # seconds between two looks whether a child has answered, or is no longer wanted
_ZIP_TIME = (2025, 1, 1, 0, 0, 0)  # of every entry: the same forms give the same zip
_SLIP = ".slip"
_INTERRUPTED = "系统在导出过程中重新启动，导出中断，没有生成文件。请重新导出。"
_NOT_PRINTED = "有一份表没能生成 PDF，导出没有完成。请重试；仍不成功的，请联系系统管理员。"
_NOT_WRITTEN = "磁盘空间不足或无法写入，导出没有完成。请联系系统管理员后重试。"

Stage = Literal["waiting", "running", "ready", "failed", "cancelled"]
Row = Sequence[str | Decimal | None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Owner:
    """To whom a batch belongs: a person as long as his rights are those with which it was asked for."""

    user_id: int
    organisation_id: int
    role: str
    region_code: str = ""


@dataclass(frozen=True, slots=True)
class BatchView:
    """批量导出 as its owner sees it; ``link``: the page where it was asked for."""

    id: str
    title: str
    file_name: str
    stage: Stage
    done: int
    total: int
    asked_at: datetime
    link: str = ""
    message: str = ""  # why it failed

    @property
    def is_over(self) -> bool:
        return self.stage in ("ready", "failed", "cancelled")


class Cancelled(Exception):
    """The owner does not want it any more."""


@dataclass(slots=True)
class Ticket:
    """What the work of a batch is given: where to write, how to tell how far it is; ``step`` and ``go_on`` raise :class:`Cancelled`."""

    path: Path
    _batch: _Batch

    @property
    def file_name(self) -> str:
        return self._batch.view.file_name

    def expect(self, total: int) -> None:
        self._batch.view = replace(self._batch.view, total=total)

    def go_on(self) -> None:
        if self._batch.stop.is_set():
            raise Cancelled

    def step(self, done: int) -> None:
        self.go_on()
        self._batch.view = replace(self._batch.view, done=done)


@dataclass(slots=True)
class _Batch:
    view: BatchView
    owner: Owner
    path: Path
    stop: Event = field(default_factory=Event)
    interrupted: bool = False  # by the end of a former run

    @property
    def slip(self) -> Path:
        return self.path.with_suffix(_SLIP)

    @property
    def is_old(self) -> bool:
        return self.view.is_over and clock.now() - self.view.asked_at > KEPT

    def note(self) -> None:
        """Write its slip: what a later run must know of it."""
        slip = {**asdict(self.view), "asked_at": self.view.asked_at.isoformat(), "owner": asdict(self.owner)}
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(slip, ensure_ascii=False), encoding="utf-8")
        part.replace(self.slip)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.slip.unlink(missing_ok=True)


Work = Callable[[Ticket], None]
Told = Callable[[BatchView], None]


class Batches:
    """批量导出 of one server. ``folder`` holds what is ready and what is being written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="batch")
        self._lock = Lock()
        self._closing = False
        self._batches = {batch.view.id: batch for batch in self._left()}
        self._clear()

    @property
    def interrupted(self) -> tuple[tuple[Owner, BatchView], ...]:
        """What a former run did not finish, until :meth:`told_of_interrupted`."""
        return tuple((batch.owner, batch.view) for batch in self._batches.values() if batch.interrupted)

    def told_of_interrupted(self) -> None:
        """Their owners know: the next run need not say it again."""
        for _, view in self.interrupted:
            self._batches[view.id].forget()

    def admit(self, owner: Owner) -> None:
        """Raises Refusal if too many batches of this person wait already."""
        waiting = [batch for batch in self._of(owner) if not batch.view.is_over]
        if len(waiting) >= MOST_WAITING:
            raise Refusal(f"您已有 {len(waiting)} 项导出在进行或排队。请等其中一项完成，或取消一项后再导出。")

    def start(
        self, owner: Owner, title: str, file_name: str, work: Work, told: Told | None = None, *, link: str = ""
    ) -> BatchView:
        """Queue a batch; ``told`` is called in the background thread when it is over. Raises Refusal as :meth:`admit`."""
        self.admit(owner)
        id_ = secrets.token_hex(8)
        view = BatchView(id_, title, file_name, "waiting", 0, 0, clock.now(), link)
        batch = _Batch(view, owner, self._folder / id_)
        try:
            batch.note()
        except OSError:
            raise Refusal(_NOT_WRITTEN) from None
        with self._lock:
            self._batches[id_] = batch
        self._threads.submit(self._run, batch, work, told)
        return view

    def mine(self, owner: Owner) -> tuple[BatchView, ...]:
        """Newest first."""
        return tuple(batch.view for batch in reversed(self._of(owner)))

    def look(self, owner: Owner, id_: str) -> BatchView:
        return self._find(owner, id_).view

    def cancel(self, owner: Owner, id_: str) -> BatchView:
        """Stop it, or throw away what is over."""
        batch = self._find(owner, id_)
        with self._lock:
            batch.stop.set()
            at_work = batch.view.stage == "running"
            batch.view = replace(batch.view, stage="cancelled")
        batch.slip.unlink(missing_ok=True)
        if not at_work:  # or who works on it takes away what there is
            batch.path.unlink(missing_ok=True)
        return batch.view

    def result(self, owner: Owner, id_: str) -> tuple[str, Path]:
        """File name and place of what is ready; raises :class:`Refusal` while it is not."""
        batch = self._find(owner, id_)
        if batch.view.stage != "ready":
            raise Refusal("这项导出还没有完成或已取消，暂时不能下载。请在导出列表中查看进度。")
        return batch.view.file_name, batch.path

    def close(self) -> None:
        """End what is under way; its slips stay, so that the next run tells their owners."""
        self._closing = True
        for batch in list(self._batches.values()):
            batch.stop.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, batch: _Batch, work: Work, told: Told | None) -> None:
        if not self._moves(batch, "running"):
            return
        try:
            work(Ticket(batch.path, batch))
            if not self._moves(batch, "ready"):
                raise Cancelled
            batch.note()
        except Cancelled:
            batch.view = replace(batch.view, stage="cancelled")
        except Refusal as refusal:
            batch.view = replace(batch.view, stage="failed", message=refusal.message)
        except OSError:
            batch.view = replace(batch.view, stage="failed", message=_NOT_WRITTEN)
        except Exception:
            batch.view = replace(
                batch.view, stage="failed", message="导出没有完成。请重试；仍不成功的，请联系系统管理员。"
            )
            raise
        finally:
            self._end(batch, told)

    def _moves(self, batch: _Batch, stage: Stage) -> bool:
        """To this stage, unless it was cancelled meanwhile."""
        with self._lock:
            if not batch.stop.is_set():
                batch.view = replace(batch.view, stage=stage, done=batch.view.total)
            return not batch.stop.is_set()

    def _end(self, batch: _Batch, told: Told | None) -> None:
        """Tell, then forget: a batch that nobody could be told of is told of by the next run."""
        if batch.view.stage != "ready":
            batch.path.unlink(missing_ok=True)
        if self._closing and batch.view.stage == "cancelled":
            return  # not by its owner
        if told is not None:
            told(batch.view)
        if batch.view.stage != "ready":
            batch.forget()

    def _left(self) -> list[_Batch]:
        """What a former run left, oldest first."""
        found = [_by_slip(path) for path in self._folder.glob(f"*{_SLIP}")]
        kept = [batch for batch in found if batch is not None and (batch.interrupted or not batch.is_old)]
        return sorted(kept, key=lambda batch: batch.view.asked_at)

    def _clear(self) -> None:
        """Throw away what no slip speaks for: what a former run wrote half, or what was kept long enough."""
        kept = {batch.slip for batch in self._batches.values()}
        kept |= {batch.path for batch in self._batches.values() if not batch.interrupted}
        for path in self._folder.iterdir():
            if path not in kept:
                path.unlink()

    def _of(self, owner: Owner) -> list[_Batch]:
        self._forget_old()
        with self._lock:
            return [batch for batch in self._batches.values() if batch.owner == owner]

    def _find(self, owner: Owner, id_: str) -> _Batch:
        batch = self._batches.get(id_)
        if batch is None or batch.owner != owner:
            raise NotFound
        return batch

    def _forget_old(self) -> None:
        with self._lock:
            for id_, batch in list(self._batches.items()):
                if batch.is_old:
                    batch.forget()
                    del self._batches[id_]


def _by_slip(path: Path) -> _Batch | None:
    """A batch of a former run: ready as it was, or interrupted. None for a slip of another version of the program."""
    try:
        slip = json.loads(path.read_text(encoding="utf-8"))
        owner = Owner(**slip.pop("owner"))
        view = BatchView(**{**slip, "asked_at": datetime.fromisoformat(slip["asked_at"])})
    except (ValueError, TypeError, KeyError):
        return None
    batch = _Batch(view, owner, path.with_suffix(""))
    if view.stage != "ready" or not batch.path.exists():
        batch.view, batch.interrupted = replace(view, stage="failed", message=_INTERRUPTED), True
    return batch


def forms_zip(ticket: Ticket, snapshots: Iterable[FilingSnapshot], total: int, *, processes: int = AT_ONCE) -> None:
    """All forms as PDFs in one zip, printed by ``processes`` children; the order inside follows the order given."""
    ticket.expect(total)
    names: set[str] = set()
    with ExitStack() as stack:
        target = stack.enter_context(zipfile.ZipFile(ticket.path, "w", zipfile.ZIP_STORED))
        printers = [stack.enter_context(_Printer()) for _ in range(processes)]
        waiting: deque[tuple[str, Future[bytes]]] = deque()  # each child works on one while the next is on its way
        done = 0

        def collect() -> None:
            nonlocal done
            name, form = waiting.popleft()
            target.writestr(zipfile.ZipInfo(name, date_time=_ZIP_TIME), _answered(form, ticket))
            done += 1
            ticket.step(done)

        for number, snapshot in enumerate(snapshots):
            if len(waiting) >= 2 * processes:
                collect()
            waiting.append((_entry_name(snapshot, names), printers[number % processes].print(snapshot)))
        while waiting:
            collect()


def summary(
    ticket: Ticket, title: str, heads: Sequence[str], widths: Sequence[float], rows: Iterable[Row], total: int
) -> None:
    """汇总表 as xlsx, or as csv if the name of the file ends so: spooled here, written by a child."""
    ticket.expect(total)
    suffix = ".csv" if ticket.file_name.endswith(".csv") else ".xlsx"
    spool, target = ticket.path.with_suffix(".spool"), ticket.path.with_suffix(suffix)
    try:
        with spool.open("w", encoding="utf-8") as lines:
            for line in _spooled([title, list(heads), list(widths)], rows):
                lines.write(line)
                ticket.go_on()
        command = [sys.executable, "-m", "services.documents.summary", str(spool), str(target)]
        with (
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child,
            ThreadPoolExecutor(1, thread_name_prefix="summary") as reader,
        ):
            assert child.stdout is not None
            try:
                while line := _answered(reader.submit(child.stdout.readline), ticket):
                    ticket.step(min(int(line), total))
            except BaseException:
                child.kill()
                raise
        if child.returncode:
            raise OSError(child.returncode)
        target.replace(ticket.path)
    finally:
        spool.unlink(missing_ok=True)
        target.unlink(missing_ok=True)


def _answered(asked: Future[T], ticket: Ticket) -> T:
    """What a child answers, as long as it is wanted."""
    while True:
        with suppress(TimeoutError):
            return asked.result(timeout=LOOK)
        ticket.go_on()


class _Printer:
    """One printing child; leaving the block ends it, whatever it is doing. Its answers are read by a thread of their own:
    a child that cannot hand over a form would not take the next snapshot either."""

    def __enter__(self) -> _Printer:
        command = [sys.executable, "-m", "services.documents.printer"]
        self._child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._child.stdin is not None
        self._packer = Packer(self._child.stdin)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="printer")
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        self._reader.shutdown(wait=True, cancel_futures=True)
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def print(self, snapshot: FilingSnapshot) -> Future[bytes]:
        try:
            self._packer.send(snapshot)
        except OSError:
            raise Refusal(_NOT_PRINTED) from None
        return self._reader.submit(self._take)

    def _take(self) -> bytes:
        assert self._child.stdout is not None
        content = receive(self._child.stdout)
        if content is None:
            raise Refusal(_NOT_PRINTED)
        return content


def _entry_name(snapshot: FilingSnapshot, taken: set[str]) -> str:
    """单位名称_填报编号.pdf, without what a file system refuses."""
    base = re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "", f"{snapshot.unit_name}_{snapshot.number}").strip(". ")[:120]
    name, again = f"{base}.pdf", 1
    while name in taken:
        again += 1
        name = f"{base}_{again}.pdf"
    taken.add(name)
    return name


def _spooled(head: list[Any], rows: Iterable[Row]) -> Iterator[str]:
    yield json.dumps(head, ensure_ascii=True) + "\n"
    for row in rows:
        items = [{"n": format(item, "f")} if isinstance(item, Decimal) else item or "" for item in row]
        yield json.dumps(items, ensure_ascii=True) + "\n"
