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
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed from None
    finally:
        _two_at_a_time.release()
    if done.returncode or not done.stdout:
        raise Failed
    return done.stdout
