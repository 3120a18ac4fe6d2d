"""(a) One committed cell → durable and acknowledged, beside a bare NiceGUI grid page, in the same run.

``python -m tests.bench.bench_cell [--seconds 10] [--editors 1,50,200,500,1000] [--rounds 5]`` prints a Markdown table. The
servers, the bare page a second time with its garbage collector tuned as ours is, stand side by side with all pages open, and
are measured in turns of ``--seconds``, each editor saving every 2 s; a round in which the machine itself stood still is measured
again (``stalls.py``), twice as many at most. One editor has little to say in ten seconds: there all three are measured at the
same time, each with its one editor, for five minutes. At the end each database must hold exactly what was acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from tests.bench import load, sides
from tests.bench.load import Crowd, Outcome
from tests.bench.seed import seed_editors
from tests.bench.stalls import TOO_MUCH, Stalls, watched

INTERVAL = 2.0
HEADS = (
    "editors",
    "bare p50 / p95",
    "bare, tuned p50 / p95",
    "绿册 p50 / p95",
    "**p95 ratio**",
    "to the tuned one",
    "first commit p95",
    "event loop per commit",
    "lost, dropped",
    "rows kept",
    "rounds left out",
)
ALONE = 6  # times all the windows of one side: how long one editor is listened to


async def compare(
    place: Path, paths: list[str], cookies: list[dict[str, str]], editors: int, seconds: float, rounds: int
) -> list[object]:
    """One line of the table, times in ms."""
    with sides.all_three(place, paths, cookies) as compared, watched(place) as stalls:
        async with load.client() as http:
            crowds = [await Crowd(side, http).open(editors) for side in compared]
            with load.undisturbed():
                first = [await crowd.commit_for(INTERVAL, INTERVAL) for crowd in crowds]
                if editors == 1:
                    kept, again = [await _at_once(crowds, seconds * rounds * ALONE)], 0
                else:
                    kept, again = await _in_turns(crowds, seconds, rounds, stalls)
            held = [(crowd.side.saved(), crowd.acknowledged) for crowd in crowds]
            dropped = sum(crowd.dropped for crowd in crowds)
            for crowd in crowds:
                await crowd.close()
    if any(saved != acknowledged for saved, acknowledged in held):
        raise AssertionError(f"rows in the database and acknowledged: {held}")
    each = [list(side) for side in zip(*kept, strict=True)]
    failures = sum(crowd.failures for crowd in crowds)
    loop = (sum(o.loop for o in side) / sum(len(o.latencies) for o in side) * 1000 for side in each)
    return [
        editors,
        *map(_times, each),
        *(_ratio(each[-1], side) for side in each[:-1]),
        " / ".join(f"{o.quantile(0.95):.1f}" for o in first),
        " / ".join(f"{ms:.2f}" for ms in loop) if editors >= 50 else "–",
        f"{failures}, {dropped}",
        sum(saved for saved, _ in held),
        again,
    ]


async def _in_turns(
    crowds: list[Crowd], seconds: float, rounds: int, stalls: Stalls
) -> tuple[list[list[Outcome]], int]:
    """So many rounds in which the machine did not stand still, a window of each side in each, and how many were left out."""
    kept: list[list[Outcome]] = []
    left_out: list[list[Outcome]] = []
    while len(kept) < rounds and len(left_out) < rounds:
        found: dict[Crowd, Outcome] = {}
        still = 0.0
        for crowd in crowds if (len(kept) + len(left_out)) % 2 == 0 else reversed(crowds):
            begun = time.monotonic()
            found[crowd] = await crowd.commit_for(seconds, INTERVAL)
            still = max(still, stalls.share(begun, time.monotonic()))
        (left_out if still > TOO_MUCH else kept).append([found[crowd] for crowd in crowds])
    return kept or left_out, len(left_out)


async def _at_once(crowds: list[Crowd], seconds: float) -> list[Outcome]:
    return await asyncio.gather(*(crowd.commit_for(seconds, INTERVAL) for crowd in crowds))


def _times(windows: list[Outcome]) -> str:
    p50, p95 = (statistics.median(o.quantile(q) for o in windows) for q in (0.5, 0.95))
    return f"{p50:.1f} / {p95:.1f}"


def _ratio(ours: list[Outcome], theirs: list[Outcome]) -> str:
    """Of the p95 of windows that followed one another."""
    return f"{statistics.median(a.quantile(0.95) / b.quantile(0.95) for a, b in zip(ours, theirs, strict=True)):.2f}"


def run(editors: list[int], seconds: float, rounds: int) -> str:
    load.raise_limits()
    rows = []
    with tempfile.TemporaryDirectory() as home:
        original = Path(home) / "original"
        paths, cookies = seed_editors(original, max(editors))
        for count in editors:
            with tempfile.TemporaryDirectory(dir=home) as place:
                shutil.copytree(original, Path(place) / "data")
                rows.append(asyncio.run(compare(Path(place), paths, cookies, count, seconds, rounds)))
            print(rows[-1], flush=True)
    return load.table(rows, HEADS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--editors", default="1,50,200,500,1000")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(run([int(n) for n in options.editors.split(",")], options.seconds, options.rounds))


if __name__ == "__main__":
    main()
