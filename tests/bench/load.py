"""Editors by the hundred: pages opened over the wire, one cell committed every few seconds each, and the answers timed.

Both servers of a comparison stand side by side and are measured in turns, so that a noisy minute of the machine falls on both.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.wire import WirePage

ROOT = Path(__file__).resolve().parents[2]
OPEN_AT_ONCE = 8
PATIENCE = 20.0  # seconds until an answer counts as lost


@dataclass(slots=True)
class Editor:
    """One open page and the person before it. ``seen``: the text last shown, by cell."""

    page: WirePage
    number: int
    element: str
    turn: int = 0
    seen: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Side:
    """One of the two servers: where its pages are, what a commit is there, and how many its database holds."""

    name: str
    pid: int
    base: str
    paths: Sequence[str]
    cookies: Sequence[dict[str, str]]
    listens: str  # the event type of the element that takes commits
    commit: Callable[
        [Editor], Awaitable[None]
    ]  # returns when the answer has come; raises when it is not what was typed
    saved: Callable[[], int]


@dataclass(slots=True)
class Outcome:
    """What one window gave: latencies in ms, failures, processor seconds of the process and of its event loop."""

    latencies: list[float] = field(default_factory=list)
    failures: int = 0
    cpu: float = 0.0
    loop: float = 0.0
    seconds: float = 0.0

    def quantile(self, q: float) -> float:
        if not self.latencies:
            return float("nan")
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))]

    @property
    def median(self) -> float:
        return statistics.median(self.latencies) if self.latencies else float("nan")


class Crowd:
    """The editors of one side, with their sockets open."""

    def __init__(self, side: Side, http: aiohttp.ClientSession) -> None:
        self.side = side
        self.http = http
        self.editors: list[Editor] = []
        self.acknowledged = self.failures = 0

    async def open(self, count: int) -> Self:
        gate = asyncio.Semaphore(OPEN_AT_ONCE)
        self.editors = await asyncio.gather(*(self._opened(n, gate) for n in range(count)))
        return self

    async def _opened(self, number: int, gate: asyncio.Semaphore) -> Editor:
        side = self.side
        async with gate:
            page = WirePage(self.http, side.base)
            page.cookies = side.cookies[number % len(side.cookies)] if side.cookies else {}
            await page.open(side.paths[number % len(side.paths)])
        element = page.find(lambda e: any(event["type"] == side.listens for event in e.get("events", ())))
        page.html, page.elements = "", {element: page.elements[element]}  # a thousand trees are work for the collector
        return Editor(page, number, element)

    async def commit_for(self, seconds: float, interval: float) -> Outcome:
        """Everybody commits at a random moment of each ``interval``, for ``seconds``."""
        outcome = Outcome()
        before, started = (cpu_seconds(self.side.pid), loop_seconds(self.side.pid)), time.perf_counter()
        end = started + seconds

        async def edit(editor: Editor) -> None:
            await asyncio.sleep(random.random() * interval)
            while (begun := time.perf_counter()) < end:
                try:
                    await asyncio.wait_for(self.side.commit(editor), PATIENCE)
                    outcome.latencies.append((time.perf_counter() - begun) * 1000)
                    self.acknowledged += 1
                except Exception as error:
                    outcome.failures += 1
                    self.failures += 1
                    if outcome.failures == 1:
                        print(f"{self.side.name}: {type(error).__name__} {error}", file=sys.stderr)
                editor.turn += 1
                await asyncio.sleep(max(0.0, interval - (time.perf_counter() - begun)))

        await asyncio.gather(*map(edit, self.editors))
        outcome.seconds = time.perf_counter() - started
        outcome.cpu = cpu_seconds(self.side.pid) - before[0]
        outcome.loop = loop_seconds(self.side.pid) - before[1]
        return outcome

    @property
    def dropped(self) -> int:
        return sum(editor.page.closed.is_set() for editor in self.editors)

    async def close(self) -> None:
        await asyncio.gather(*(editor.page.close() for editor in self.editors))
        self.editors = []


def client() -> aiohttp.ClientSession:
    """Fresh connections, as many as it takes."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60))


@contextmanager
def undisturbed() -> Iterator[None]:
    """No collection of our own garbage while others are timed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def raise_limits() -> None:
    """A thousand pages on each side are a few thousand sockets; the servers inherit this."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16_384 if hard == resource.RLIM_INFINITY else min(hard, 16_384)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), hard))


@contextmanager
def server(command: Sequence[str], port: int, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A server process on loopback, waited for and ended by its id."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "NICEGUI", "LVCE_"))}
    process = subprocess.Popen(
        command, cwd=ROOT, env={**clean, **(env or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"server did not start: {command}") from None
                time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    return _ticks(Path(f"/proc/{pid}/stat"))


def loop_seconds(pid: int) -> float:
    """Processor time of its first thread, which runs the event loop."""
    return _ticks(Path(f"/proc/{pid}/task/{pid}/stat"))


def _ticks(path: Path) -> float:
    parts = path.read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def table(rows: Sequence[Sequence[Any]], heads: Sequence[str]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines)
