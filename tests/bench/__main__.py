"""``python -m tests.bench [--quick]``: every measurement that the README shows (全部测量), written there and to ``results.md``.

All of it takes about half an hour on two cores, the quick one some five minutes; the quick one writes nothing. The machine
should have nothing else to do: each table stands beside a bare NiceGUI page or a small list in the same run, so ratios bear
some noise, milliseconds do not.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench import bench_cell, bench_forms, bench_lists, bench_open, bench_submit, bench_tabs, load

RESULTS = Path(__file__).with_name("results.md")
README = load.ROOT / "README.md"
BETWEEN = "<!-- measured -->", "<!-- /measured -->"
PACKAGES = ("nicegui", "sqlmodel", "sqlalchemy", "uvicorn")

Bench = Callable[[bool], str]
BENCHES: tuple[tuple[str, str, Bench], ...] = (
    (
        "One committed cell",
        "Each editor saves one cell every 2 s; from the event to the answer, which comes after the commit (`synchronous=FULL` on "
        "all sides), with the findings. Times in ms; of the first commits and the event loop for bare / tuned / 绿册. Goal: p95 at "
        "most twice the bare page's, nothing lost up to 1,000. Medians of the rounds; one in which the machine itself stood still is "
        "measured again, and counted. One editor is listened to on all sides at once.",
        lambda quick: bench_cell.run(
            [1, 50] if quick else [1, 50, 200, 500, 1000], 4 if quick else 10, 2 if quick else 5
        ),
    ),
    (
        "The rules",
        "Without pages and database, in ms. Goal: all rules of a full form within 2 ms.",
        lambda quick: bench_forms.run(50 if quick else 300),
    ),
    (
        "Opening the sheet",
        "In a real Chromium, from the address to the first figure shown, the first figure typed, the first figure saved; a bare "
        "page with an AG Grid of 150 rows beside it. Goal: at most 1.5 times.",
        lambda quick: bench_open.run(3 if quick else 11),
    ),
    (
        "A list of 20,000",
        "A province's list, over the wire, from the click to the rows. Goal: at most 1.3 times a list of 200.",
        lambda quick: bench_lists.run(200, 20_000, 5 if quick else 15),
    ),
    (
        "200 tabs",
        "One save each per second for a minute. Goal: nothing lost, memory back to within 15 MB.",
        lambda quick: bench_tabs.run(30 if quick else 200, 5 if quick else 60, 10 if quick else 50),
    ),
    (
        "500 units submit within a minute",
        "Each presses 上报 twice; from there to the receipt. Goal: each filed exactly once.",
        lambda quick: bench_submit.run(30 if quick else 500, 5 if quick else 60),
    ),
)


def machine() -> str:
    """What was measured on, without its name."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{os.cpu_count()} cores ({cpu}), {platform.system()}, Python {platform.python_version()}, {packages}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="words of a title")
    options = parser.parse_args()
    started = time.monotonic()
    parts = []
    for title, words, bench in BENCHES:
        if options.only.lower() in title.lower():
            begun = time.monotonic()
            parts.append(f"### {title}\n\n{words}\n\n{bench(options.quick)}\n")
            print(f"{parts[-1]}\n({time.monotonic() - begun:.0f} s)\n", flush=True)
    busy = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    head = f"Measured {datetime.now(UTC):%Y-%m-%d} in {(time.monotonic() - started) / 60:.0f} minutes on {machine()}; load average at the end {busy}.\n"
    if not options.quick and not options.only:
        write(head + "\n" + "\n".join(parts))
    print(head)


def write(results: str) -> None:
    """Into a file of their own, and into the README."""
    RESULTS.write_text(results, encoding="utf-8")
    before, _, rest = README.read_text(encoding="utf-8").partition(BETWEEN[0])
    _, _, after = rest.partition(BETWEEN[1])
    README.write_text(f"{before}{BETWEEN[0]}\n{results}\n{BETWEEN[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
