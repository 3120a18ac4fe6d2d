"""When the machine itself stood still (停顿): a process that writes a page durably ten times a second, and notes what took long.

A window of a bench in which it did for a twentieth of the time says nothing about a p95: it is measured again, whoever's turn
it was.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.1  # seconds from one page to the next
LONG = 0.01  # seconds a page may take; on a quiet disk it takes half a thousandth
TOO_MUCH = 0.05  # of the time


@dataclass(frozen=True, slots=True)
class Stalls:
    """What the process has noted: a line for each page that took long, when it was begun and how long it took."""

    notes: Path

    def share(self, start: float, end: float) -> float:
        """The part of the time between two readings of the monotonic clock in which a page would have taken long."""
        lines = (line.split() for line in self.notes.read_text().splitlines())
        slow = sum(max(float(took), EVERY) for begun, took in lines if start - EVERY <= float(begun) < end)
        return slow / (end - start)


@contextmanager
def watched(place: Path) -> Iterator[Stalls]:
    """Watch the disk of ``place`` and the processor."""
    notes = place / "stalls"
    notes.touch()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.stalls", str(notes)])
    try:
        yield Stalls(notes)
    finally:
        process.kill()
        process.wait()


def _watch(notes: Path) -> None:
    page = os.open(notes.with_suffix(".page"), os.O_RDWR | os.O_CREAT, 0o600)
    with notes.open("a") as lines:
        while True:
            begun = time.monotonic()
            os.pwrite(page, b"." * 4096, 0)
            os.fsync(page)
            time.sleep(EVERY)
            took = time.monotonic() - begun - EVERY
            if took > LONG:
                print(begun, took, file=lines, flush=True)


if __name__ == "__main__":
    _watch(Path(sys.argv[1]))
