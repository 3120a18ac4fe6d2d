"""Issue 3: 200 tabs, one save each per second for 60 s: times, drops, errors, memory per tab, and after they were closed.

``python -m tests.bench.bench_tabs [--tabs 200] [--seconds 60]`` prints a Markdown table, the bare framework beside it in the
same run. Memory is resident MB of the server: *fresh* after a few visits, *before* when a first crowd as large has come, saved
and gone, *after* when the measured one has gone too: each the least within ``--patience`` seconds of closing (a page lives on
for the 30 s in which it could come back). From *before* to *after* shows what tabs leave behind; from *fresh* to *before* also
what Python holds on to for the next crowd, for it gives memory back by the MB only.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

import aiohttp

from tests.bench import load, sides
from tests.bench.load import Crowd, Editor, Outcome, Side
from tests.bench.seed import seed_editors

INTERVAL = 1.0
VISITS = 20
HEADS = (
    "",
    "p50 / p95 / p99, ms",
    "saves",
    "errors",
    "dropped",
    "MB fresh",
    "MB before",
    "MB with tabs",
    "KB a tab",
    "MB after",
    "left, MB",
)


async def measure(pair: tuple[Side, Side], tabs: int, seconds: float, patience: float) -> list[list[object]]:
    async with load.client() as http:
        fresh, _ = await _passed(pair, http, VISITS, patience)
        before, gone = await _passed(pair, http, tabs, patience)
        started = [side.saved() for side in pair]
        crowds = [await Crowd(side, http).open(tabs) for side in pair]
        for crowd, others in zip(crowds, gone, strict=True):
            for editor, other in zip(crowd.editors, others, strict=True):
                editor.turn, editor.seen = other.turn, other.seen  # who comes back knows what he typed
        with load.undisturbed():
            outcomes = [await crowd.commit_for(seconds, INTERVAL) for crowd in crowds]
        during = [load.resident_mb(side.pid) for side in pair]
        saved = [side.saved() - first for side, first in zip(pair, started, strict=True)]
        dropped = [crowd.dropped for crowd in crowds]
        for crowd in crowds:
            await crowd.close()
        after = await _settled(pair, patience)
    rows = []
    for n, (side, outcome) in enumerate(zip(pair, outcomes, strict=True)):
        if saved[n] != crowds[n].acknowledged:
            raise AssertionError(f"{side.name}: {saved[n]} rows in the database, {crowds[n].acknowledged} acknowledged")
        rows.append(
            [
                *(side.name.replace("lvce", "绿册"), _times(outcome), saved[n], outcome.failures, dropped[n]),
                *(
                    f"{fresh[n]:.0f}",
                    f"{before[n]:.0f}",
                    f"{during[n]:.0f}",
                    f"{(during[n] - before[n]) / tabs * 1024:.0f}",
                ),
                *(f"{after[n]:.0f}", f"{after[n] - before[n]:+.0f}"),
            ]
        )
    return rows


async def _passed(
    pair: tuple[Side, Side], http: aiohttp.ClientSession, count: int, patience: float
) -> tuple[list[float], list[list[Editor]]]:
    """Memory of each when ``count`` tabs have come, saved and gone; and who they were."""
    gone = []
    for side in pair:
        crowd = await Crowd(side, http).open(count)
        await crowd.commit_for(INTERVAL, INTERVAL)
        gone.append(crowd.editors)
        await crowd.close()
    return await _settled(pair, patience), gone


async def _settled(pair: tuple[Side, Side], patience: float) -> list[float]:
    """The least memory of each while nothing is open, within ``patience`` seconds."""
    least = [load.resident_mb(side.pid) for side in pair]
    for _ in range(int(patience)):
        await asyncio.sleep(1)
        least = [min(known, load.resident_mb(side.pid)) for known, side in zip(least, pair, strict=True)]
    return least


def _times(outcome: Outcome) -> str:
    return " / ".join(f"{outcome.quantile(q):.1f}" for q in (0.5, 0.95, 0.99))


def run(tabs: int, seconds: float, patience: float) -> str:
    load.raise_limits()
    with tempfile.TemporaryDirectory() as home:
        paths, cookies = seed_editors(Path(home) / "data", tabs)
        with sides.both(Path(home), paths, cookies) as pair:
            return load.table(asyncio.run(measure(pair, tabs, seconds, patience)), HEADS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tabs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--patience", type=float, default=60)
    options = parser.parse_args()
    print(run(options.tabs, options.seconds, options.patience))


if __name__ == "__main__":
    main()
