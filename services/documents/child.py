"""The one way to run a limited child process (受限子进程): two at a time, a time limit, nothing but bytes in and out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import BoundedSemaphore

from services.errors import Unavailable

ROOT = Path(__file__).resolve().parents[2]
_two_at_a_time = BoundedSemaphore(2)
# What a child that reads strangers' files gets of our environment: no passwords, no database.
_PASSED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT")


class Failed(Exception):
    """The child died, ran out of its limits, or answered nothing."""


def run(module: str, arguments: tuple[str, ...], content: bytes, seconds: float) -> bytes:
    """Standard output of ``python -m module``; raises :class:`Failed`, or Unavailable while others are being worked on."""
    if not _two_at_a_time.acquire(timeout=seconds):
        raise Unavailable("正在处理的文件较多，这个文件还没有处理。请稍等片刻再试一次。")
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            input=content,
            capture_output=True,
            timeout=seconds,
            env={
                **{name: os.environ[name] for name in _PASSED if name in os.environ},
                "PYTHONPATH": str(ROOT),
                "OMP_NUM_THREADS": "1",
            },
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed from None
    finally:
        _two_at_a_time.release()
    if done.returncode or not done.stdout:
        raise Failed
    return done.stdout


def limit(memory: int, cpu_seconds: int) -> None:
    """For the child itself: bind it to so many bytes and seconds of work."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the time limit of the parent remains
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
