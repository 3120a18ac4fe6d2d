"""Issue 3: 500 units submit within a minute, each filed exactly once, though every one of them presses twice.

``python -m tests.bench.bench_submit [--units 500] [--seconds 60]`` prints a Markdown table. Each unit opens its list, presses
上报 at a random moment, and twice in the dialog; timed from there to the receipt. The bare framework's page has a button that
commits one row. At the end the database must hold one version, one receipt and one line of the audit log per unit.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.bench import load, sides
from tests.bench.load import Side
from tests.bench.seed import seed_editors
from tests.wire import Message, WirePage

HEADS = ("", "units", "p50 / p95 / most, ms", "errors", "filed exactly once")
LIST = "/filings/green_factory"
SUBMITTED = "上报成功"
QUESTIONS = (
    "SELECT count(*) FROM filing WHERE status = 'review' AND version_no = 1",
    "SELECT count(DISTINCT filing_id) FROM filing_version",
    "SELECT count(*) FROM filing_version",
    "SELECT count(DISTINCT receipt_number) FROM filing_version",
    "SELECT count(*) FROM audit_line WHERE action = 'submit' AND result = 'done'",
)


def _element(message: Message, test: Callable[[dict[str, Any]], bool]) -> tuple[str, dict[str, Any]] | None:
    """The first element of an update that passes ``test``."""
    kind, said = message
    drawn = said.items() if kind == "update" else ()
    return next(((key, e) for key, e in drawn if key != "_id" and e and test(e)), None)


def _is_button(element: dict[str, Any]) -> bool:
    return element.get("props", {}).get("label") == "上报" and bool(element.get("events"))


def _says(message: Message) -> bool:
    return _element(message, lambda e: e.get("text") == SUBMITTED) is not None


async def press_bare(page: WirePage, filing: int) -> float:
    button = page.find(_is_button)
    answer = page.wait_for(_says)
    started = time.perf_counter()
    for _ in range(2):
        await page.emit(button, "click", {})
    await asyncio.wait_for(answer, load.PATIENCE)
    return (time.perf_counter() - started) * 1000


async def press_ours(page: WirePage, filing: int) -> float:
    table = page.find(lambda e: any(event["type"] == "act" for event in e.get("events", ())))
    asked = page.wait_for(lambda m: _element(m, _is_button) is not None)
    await page.emit(table, "act", {"id": filing, "action": "submit"})
    found = _element(("update", await asyncio.wait_for(asked, load.PATIENCE)), _is_button)
    assert found is not None
    page.elements[found[0]] = found[1]
    answer = page.wait_for(_says)
    started = time.perf_counter()
    for _ in range(2):
        await page.emit(found[0], "click", {})
    await asyncio.wait_for(answer, load.PATIENCE)
    return (time.perf_counter() - started) * 1000


async def measure(
    side: Side, units: int, seconds: float, press: Callable[[WirePage, int], Awaitable[float]]
) -> tuple[list[float], int]:
    """Times in ms, and how many got no receipt."""
    gate = asyncio.Semaphore(load.OPEN_AT_ONCE)
    failures = 0
    async with load.client() as http:

        async def opened(number: int) -> WirePage:
            async with gate:
                page = WirePage(http, side.base)
                page.cookies = side.cookies[number] if side.cookies else {}
                return await page.open("/submit" if side.name == "bare" else LIST)

        pages = await asyncio.gather(*map(opened, range(units)))
        await asyncio.sleep(2)  # the lists arrive through the sockets

        async def submits(number: int) -> float:
            nonlocal failures
            await asyncio.sleep(random.random() * seconds)
            try:
                return await press(pages[number], int(side.paths[number % len(side.paths)].rpartition("/")[2] or 0))
            except Exception as error:
                if not failures:
                    print(f"{side.name}: {type(error).__name__} {error}")
                failures += 1
                return float("nan")

        with load.undisturbed():
            times = await asyncio.gather(*map(submits, range(units)))
        await asyncio.gather(*(page.close() for page in pages))
    return [t for t in times if t == t], failures


def run(units: int, seconds: float) -> str:
    load.raise_limits()
    rows = []
    with tempfile.TemporaryDirectory() as home:
        paths, cookies = seed_editors(Path(home) / "data", units, ready=True)
        with sides.both(Path(home), paths, cookies) as pair:
            for side, press in zip(pair, (press_bare, press_ours), strict=True):
                times, failures = asyncio.run(measure(side, units, seconds, press))
                once = (
                    _counts(Path(home) / "bare.sqlite3", ("SELECT count(*) FROM submitted",))
                    if side.name == "bare"
                    else _counts(Path(home) / "data" / "lvce.sqlite3", QUESTIONS)
                )
                if set(once) != {units}:
                    raise AssertionError(f"{side.name}: {once} of {units}")
                ordered = sorted(times)
                p95 = ordered[int(len(ordered) * 0.95)]
                rows.append(
                    [
                        side.name.replace("lvce", "绿册"),
                        units,
                        f"{statistics.median(times):.1f} / {p95:.1f} / {ordered[-1]:.1f}",
                        failures,
                        f"{once[0]} of {units}",
                    ]
                )
    return load.table(rows, HEADS)


def _counts(path: Path, questions: tuple[str, ...]) -> list[int]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return [int(database.execute(question).fetchone()[0]) for question in questions]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    print(run(options.units, options.seconds))


if __name__ == "__main__":
    main()
