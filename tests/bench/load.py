"""Editors by the hundred: open pages over the wire, commit one cell every ``interval`` seconds each, and time the answers."""

from __future__ import annotations

import asyncio
import os
import random
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
from typing import Any

import aiohttp

from tests.wire import WirePage

ROOT = Path(__file__).resolve().parents[2]

Commit = Callable[[WirePage, int, int], Awaitable[None]]  # page, editor, turn → returns when acknowledged


@dataclass
class Outcome:
    """What a run gave: latencies in ms, failures, pages that lost their socket, seconds of server CPU a second."""

    latencies: list[float] = field(default_factory=list)
    failures: int = 0
    dropped: int = 0
    cpu: float = 0.0
    memory: float = 0.0  # resident MB at the end

    def quantile(self, q: float) -> float:
        if not self.latencies:
            return float("nan")
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))]

    @property
    def median(self) -> float:
        return statistics.median(self.latencies) if self.latencies else float("nan")


@contextmanager
def server(command: Sequence[str], port: int, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, waited for at ``/healthz`` and ended by its id."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "NICEGUI", "LVCE_"))}
    process = subprocess.Popen(
        command, cwd=ROOT, env={**clean, **(env or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
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
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def drive(
    base: str,
    editors: int,
    seconds: float,
    interval: float,
    paths: Sequence[str],
    cookies: Sequence[dict[str, str]],
    commit: Commit,
    pid: int,
) -> Outcome:
    """Open ``editors`` pages, let them settle, then commit at a random phase every ``interval`` for ``seconds``."""
    outcome = Outcome()
    gate = asyncio.Semaphore(8)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:

        async def opened(n: int) -> WirePage:
            async with gate:
                page = WirePage(http, base)
                page.cookies = cookies[n % len(cookies)] if cookies else {}
                return await page.open(paths[n % len(paths)])

        pages = await asyncio.gather(*(opened(n) for n in range(editors)))
        await asyncio.sleep(2)
        before, started = cpu_seconds(pid), time.perf_counter()
        end = started + seconds

        async def edit(n: int) -> None:
            await asyncio.sleep(random.random() * interval)
            turn = 0
            while time.perf_counter() < end:
                t = time.perf_counter()
                try:
                    await asyncio.wait_for(commit(pages[n], n, turn), 20)
                    outcome.latencies.append((time.perf_counter() - t) * 1000)
                except Exception:
                    outcome.failures += 1
                turn += 1
                await asyncio.sleep(max(0.0, interval - (time.perf_counter() - t)))

        await asyncio.gather(*(edit(n) for n in range(editors)))
        outcome.cpu = (cpu_seconds(pid) - before) / (time.perf_counter() - started)
        outcome.memory = resident_mb(pid)
        outcome.dropped = sum(page.closed.is_set() for page in pages)
        await asyncio.gather(*(page.close() for page in pages))
    return outcome


def table(rows: Sequence[Sequence[Any]], heads: Sequence[str]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines)


def python() -> str:
    return sys.executable
