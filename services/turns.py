"""Locks that processes of one machine respect (进程间的锁): they go with the process that holds them, however it ends."""

from __future__ import annotations

import os
import sys
import time

PAUSE = 0.005  # seconds between two tries

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _unlock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


def take(file: int) -> bool:
    """Try to lock this open file; False if somebody else has it."""
    try:
        _lock(file)
    except OSError:
        return False
    return True


class Turn:
    """Hold the lock inside (轮到自己), again and again, waiting for it so long; entering it raises TimeoutError."""

    def __init__(self, file: int, seconds: float) -> None:
        self.file, self.seconds = file, seconds

    def __enter__(self) -> None:
        if take(self.file):
            return
        end = time.monotonic() + self.seconds
        while not take(self.file):
            if time.monotonic() > end:
                raise TimeoutError("another process does not let go of the database")
            time.sleep(PAUSE)

    def __exit__(self, *_: object) -> None:
        _unlock(self.file)
