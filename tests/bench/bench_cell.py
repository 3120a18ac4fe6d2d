"""(a) One committed cell → durable and acknowledged, beside a bare NiceGUI grid page, in the same run.

``python -m tests.bench.bench_cell [--seconds 10] [--editors 1,50,200,500,1000] [--rounds 3]`` prints a Markdown table. The
servers, the bare page a second time with its garbage collector tuned as ours is, stand side by side with all pages open, and
are measured in turns of ``--seconds``, each editor saving every 2 s. At the end each database must hold exactly what was
acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
from pathlib import Path

from tests.bench import load, sides
from tests.bench.load import Crowd, Outcome
from tests.bench.seed import seed_editors

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
)
LONGER_ALONE = 3  # one editor has little to say in one window


async def compare(
    place: Path, paths: list[str], cookies: list[dict[str, str]], editors: int, seconds: float, rounds: int
) -> list[object]:
    """One line of the table, times in ms."""
    windows: dict[str, list[Outcome]] = {}
    with sides.all_three(place, paths, cookies) as compared:
        async with load.client() as http:
            crowds = [await Crowd(side, http).open(editors) for side in compared]
            with load.undisturbed():
                first = [await crowd.commit_for(INTERVAL, INTERVAL) for crowd in crowds]
                for turn in range(rounds):
                    for crowd in crowds if turn % 2 == 0 else reversed(crowds):
                        windows.setdefault(crowd.side.name, []).append(await crowd.commit_for(seconds, INTERVAL))
            kept = [(crowd.side.saved(), crowd.acknowledged) for crowd in crowds]
            dropped = sum(crowd.dropped for crowd in crowds)
            for crowd in crowds:
                await crowd.close()
    if any(saved != acknowledged for saved, acknowledged in kept):
        raise AssertionError(f"rows in the database and acknowledged: {kept}")
    each = [windows[side.name] for side in compared]
    failures = sum(o.failures for side in (first, *each) for o in side)
    loop = (sum(o.loop for o in side) / sum(len(o.latencies) for o in side) * 1000 for side in each)
    return [
        editors,
        *map(_times, each),
        *(_ratio(each[-1], side) for side in each[:-1]),
        " / ".join(f"{o.quantile(0.95):.1f}" for o in first),
        " / ".join(f"{ms:.2f}" for ms in loop) if editors >= 50 else "–",
        f"{failures}, {dropped}",
        sum(saved for saved, _ in kept),
    ]


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
                longer = seconds * LONGER_ALONE if count == 1 else seconds
                rows.append(asyncio.run(compare(Path(place), paths, cookies, count, longer, rounds)))
            print(rows[-1], flush=True)
    return load.table(rows, HEADS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--editors", default="1,50,200,500,1000")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(run([int(n) for n in options.editors.split(",")], options.seconds, options.rounds))


if __name__ == "__main__":
    main()
