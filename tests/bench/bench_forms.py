"""(b) How long the pure engine takes: load, open, check and edit one full form, and what a sheet keeps in memory.

``python -m tests.bench.bench_forms [--rounds 300]`` prints a Markdown table.
"""

from __future__ import annotations

import argparse
import random
import time
import tomllib
import tracemalloc
from collections.abc import Callable
from decimal import localcontext
from pathlib import Path

from models.enums import Form
from services.forms import loader
from services.forms.expressions import EXACT
from services.forms.sheet import Sheet
from services.forms.template import Address
from tests.bench import load

_DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo" / "full_forms.toml"
_SHEETS = 50


def run(rounds: int) -> str:
    started = time.perf_counter()
    template = loader.find(Form.FACTORY, 2025)
    Sheet(template)
    loading = (time.perf_counter() - started) * 1000

    filing = tomllib.loads(_DEMO.read_text(encoding="utf-8"))["filing"][0]
    texts = {Address.parse(address): text for address, text in filing["cells"].items()}
    sheet = Sheet.typed(template, texts)
    checks = len(sheet._program.checks)

    rng = random.Random(1)
    figures = [address for address in sheet.cells if template.fields[address.field].kind == "number" and address.slot]
    cells = dict(sheet.cells)

    def check_all() -> None:
        with localcontext(EXACT):
            sheet._check(range(checks))

    def edit() -> None:
        sheet.apply([(rng.choice(figures), str(rng.randint(1, 99_999) / 10))])

    def edit_most() -> None:
        sheet.apply([(Address("gross_output", "2024"), str(rng.random())[:6])])

    full = f"{len(sheet.cells)} cells, {len(sheet.derived)} derived, {checks} checks"
    rows: list[list[object]] = [
        [f"**all rules of a full form** ({full})", *measure(check_all, rounds)],
        ["open a stored sheet, with all rules", *measure(lambda: Sheet(template, cells), rounds)],
        ["type everything (import), with all rules", *measure(lambda: Sheet.typed(template, texts), rounds)],
        ["edit one figure", *measure(edit, rounds * 10)],
        ["edit the one most depends on", *measure(edit_most, rounds)],
        ["digest", *measure(sheet.digest, rounds)],
        ["load and compile the form, once per process", f"{loading:.0f}", "–"],
    ]
    tracemalloc.start()
    kept = [Sheet(template, dict(cells)) for _ in range(_SHEETS)]
    size = tracemalloc.get_traced_memory()[0] / len(kept) / 1024
    tracemalloc.stop()
    rows.append([f"(one more sheet in memory: {size:.0f} KB)", "", ""])
    return load.table(rows, ("the rules", "p50, ms", "p95, ms"))


def measure(job: Callable[[], object], rounds: int) -> tuple[str, str]:
    """Median and p95 in ms."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        job()
        times.append((time.perf_counter() - started) * 1000)
    times.sort()
    return f"{times[rounds // 2]:.3f}", f"{times[int(rounds * 0.95)]:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    print(run(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
