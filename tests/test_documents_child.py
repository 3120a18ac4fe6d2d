"""Files in copies of a child that waits: each meets a fresh one, none hurts the next, what never ends is stopped."""

from __future__ import annotations

import json
import os
import time

import pytest

from services.documents import child
from services.documents.child import Failed

MEMORY, CPU_SECONDS = 300 * 1024 * 1024, 5
LONG = 60  # seconds that nothing here takes
_met: list[str] = []


def answer(content: bytes) -> bytes:
    """What the child does with a file of these tests."""
    asked = content.decode()
    _met.append(asked)
    if asked == "die":
        os.abort()
    if asked == "fail":
        raise ValueError
    if asked == "memory":
        return bytes(MEMORY * 2)
    if asked == "forever":
        time.sleep(LONG)
    return json.dumps([asked, _met, os.getpid(), os.getppid(), dict(os.environ)]).encode()


def ask(content: str, seconds: float = LONG) -> tuple[str, list[str], int, int, dict[str, str]]:
    said: tuple[str, list[str], int, int, dict[str, str]] = json.loads(child.ask(__name__, content.encode(), seconds))
    return said


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_file_meets_a_copy_that_has_seen_no_other() -> None:
    first, second = ask("绿册"), ask("again")
    assert (first[0], first[1]) == ("绿册", ["绿册"]) and second[1] == ["again"]
    assert first[2] != second[2] and first[3] == second[3]  # two copies of the same waiting child
    assert first[3] != os.getpid()


@pytest.mark.parametrize("file", ["die", "fail", "memory"])
def test_a_file_that_kills_its_copy_is_told_and_the_next_is_read(file: str) -> None:
    before = ask("before")
    with pytest.raises(Failed):
        ask(file)
    assert ask("after")[3] == before[3]


def test_a_file_that_never_ends_is_stopped_with_all_that_worked_on_it() -> None:
    waiting = ask("before")[3]
    with pytest.raises(Failed):
        ask("forever", 0.5)
    assert not running(waiting)
    assert ask("after")[3] != waiting


def test_a_waiting_child_that_ended_is_replaced() -> None:
    waiting = ask("before")[3]
    os.kill(waiting, 9)
    for _ in range(2):
        assert ask("after")[3] != waiting


def test_the_child_gets_no_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LVCE_ADMIN_PASSWORD", "geheim")
    child._end_all()
    assert not [name for name in ask("look")[4] if name.startswith("LVCE_")]
