"""People who act at the same moment (同时办理): in threads of one process, or in two processes on one database."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from services import clock
from services.db import Database
from services.errors import Refusal
from tests.conftest import SPRING

Order = tuple[Any, ...]  # a use case, who does it, and the rest of its arguments
Rivals = Callable[[Sequence[Order]], list[Any]]  # what each got: the answer, or the Refusal


@contextmanager
def in_threads(db: Database) -> Iterator[Rivals]:
    """All of them in this process, whose writer may take them into one commit."""

    def at_once(orders: Sequence[Order]) -> list[Any]:
        gate = threading.Barrier(len(orders))
        answers: list[Any] = [None] * len(orders)

        def run(number: int, order: Order) -> None:
            gate.wait()
            answers[number] = _done(db, order)

        threads = [threading.Thread(target=run, args=pair) for pair in enumerate(orders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    yield at_once


@contextmanager
def in_processes(db: Database) -> Iterator[Rivals]:
    """By turns in two processes of their own, each with its own connections."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["tests.faults.worker"])
    gate = forks.Barrier(2)
    with ExitStack() as stack:
        pipes = []
        for _ in range(2):
            ours, theirs = forks.Pipe()
            process = forks.Process(target=_serve, args=(db.url, theirs, gate))
            process.start()
            pipes.append(stack.enter_context(ours))
            stack.callback(process.join)
            stack.callback(ours.send, [])

        def at_once(orders: Sequence[Order]) -> list[Any]:
            for number, pipe in enumerate(pipes):
                pipe.send(list(orders[number::2]))
            answers: list[Any] = [None] * len(orders)
            for number, pipe in enumerate(pipes):
                answers[number::2] = pipe.recv()
            return answers

        yield at_once


def refusals(answers: list[Any]) -> list[str]:
    return [answer.message for answer in answers if isinstance(answer, Refusal)]


def _serve(url: str, pipe: Connection, gate: Any) -> None:
    """One of the two processes."""
    database = Database(url)
    with clock.frozen(SPRING):
        while orders := pipe.recv():
            gate.wait()
            pipe.send([_done(database, order) for order in orders])
    database.close()


def _done(db: Database, order: Order) -> Any:
    use_case, *args = order
    try:
        return db.write(use_case, *args)
    except Refusal as refusal:
        return refusal


WAYS = {"threads": in_threads, "processes": in_processes}
