"""Limited child processes (受限子进程): two at a time, a time limit, nothing but bytes in and out.

:func:`run` starts a program for one file. :func:`ask` is for what must be quick: a child that has imported its module already
waits, and splits off a limited copy of itself for each file, so that no file meets what another has left behind.
Run as ``python -m services.documents.child MODULE`` this is that waiting child; MODULE has ``answer``, MEMORY and CPU_SECONDS.
"""

from __future__ import annotations

import atexit
import os
import signal
import struct
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import BoundedSemaphore, Event, Timer
from typing import IO, TYPE_CHECKING, Any

from services.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_two_at_a_time = BoundedSemaphore(2)
# What a child that reads strangers' files gets of our environment: no passwords, no database.
_PASSED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT")
_LENGTH = struct.Struct("<Q")
_waiting: defaultdict[str, list[_Warm]] = defaultdict(list)


class Failed(Exception):
    """The child died, ran out of its limits, or answered nothing."""


class _Gone(Failed):
    """The waiting child was ended by somebody else."""


def run(module: str, arguments: tuple[str, ...], content: bytes, seconds: float) -> bytes:
    """Standard output of ``python -m module``; raises :class:`Failed`, or Unavailable while others are being worked on."""
    with _turn(seconds):
        try:
            done = subprocess.run(
                [sys.executable, "-m", module, *arguments],
                input=content,
                capture_output=True,
                timeout=seconds,
                env=_environment(),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed from None
    if done.returncode or not done.stdout:
        raise Failed
    return done.stdout


def ask(module: str, content: bytes, seconds: float) -> bytes:
    """What ``answer`` of the module makes of a file, in a copy of a child that waits for files; raises as :func:`run`."""
    with _turn(seconds):
        waiting = _waiting[module]
        warm = waiting.pop() if waiting else _Warm(module)
        try:
            answer = warm.ask(content, seconds)
        except _Gone:
            warm = _Warm(module)
            answer = warm.ask(content, seconds)
        waiting.append(warm)
    if not answer:
        raise Failed
    return answer


def limit(memory: int, cpu_seconds: int) -> None:
    """For the child itself: bind it to so many bytes and seconds of work."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the time limit of the parent remains
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))


def send(stream: IO[bytes], body: bytes) -> None:
    """One message, its length first."""
    stream.write(_LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next message; None when the other side has closed."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


class _Warm:
    """A child that waits (预热子进程), in a process group of its own: it ends together with the copy at work."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.documents.child", module],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def ask(self, content: bytes, seconds: float) -> bytes:
        """The answer, b"" if the copy died of the file; raises :class:`Failed` after which this child is ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = Event()

        def stop() -> None:
            late.set()
            self._kill()

        timer = Timer(seconds, stop)
        timer.start()
        try:
            send(self._process.stdin, content)
            answer = receive(self._process.stdout)
        except OSError:
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            self.end()
            raise Failed if late.is_set() else _Gone
        return answer

    def end(self) -> None:
        self._kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _kill(self) -> None:
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()


@atexit.register
def _end_all() -> None:
    for waiting in _waiting.values():
        while waiting:
            waiting.pop().end()


@contextmanager
def _turn(seconds: float) -> Iterator[None]:
    if not _two_at_a_time.acquire(timeout=seconds):
        raise Unavailable("正在处理的文件较多，这个文件还没有处理。请稍等片刻再试一次。")
    try:
        yield
    finally:
        _two_at_a_time.release()


def _environment() -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return {**passed, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


# --- the waiting child ------------------------------------------------------------------------------------------------


def main(name: str) -> int:
    module = import_module(name)
    while (content := receive(sys.stdin.buffer)) is not None:
        send(sys.stdout.buffer, _split(module, content))
    return 0


def _split(module: Any, content: bytes) -> bytes:
    """What a copy of this process makes of the file; b"" if it dies of it."""
    if not hasattr(os, "fork"):  # Windows: no copies, and no limits but the parent's
        return bytes(module.answer(content))
    ours, theirs = os.pipe()
    copy = os.fork()
    if not copy:
        status = 1
        try:
            limit(module.MEMORY, module.CPU_SECONDS)
            with os.fdopen(theirs, "wb") as out:
                out.write(module.answer(content))
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    with os.fdopen(ours, "rb") as stream:
        answer = stream.read()
    _, status = os.waitpid(copy, 0)
    return b"" if status else answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
