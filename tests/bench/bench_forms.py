"""How long the pure engine takes: load, open, check and edit one full form, and what a sheet keeps in memory.

python -m tests.bench.bench_forms [rounds]
"""

from __future__ import annotations

import random
import sys
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

_DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo" / "full_forms.toml"
_SHEETS = 50


def main(rounds: int = 300) -> None:
    started = time.perf_counter()
    template = loader.find(Form.FACTORY, 2025)
    Sheet(template)
    print(f"load and compile the form  {(time.perf_counter() - started) * 1000:8.1f} ms, once per process")

    filing = tomllib.loads(_DEMO.read_text(encoding="utf-8"))["filing"][0]
    texts = {Address.parse(address): text for address, text in filing["cells"].items()}
    sheet = Sheet.typed(template, texts)
    checks = len(sheet._program.checks)
    print(f"{len(sheet.cells)} cells, {len(sheet.derived)} derived, {checks} checks, {len(sheet.findings)} findings")

    rng = random.Random(1)
    figures = [address for address in sheet.cells if template.fields[address.field].kind == "number" and address.slot]
    cells = dict(sheet.cells)

    def check_all() -> None:
        with localcontext(EXACT):
            sheet._check(range(checks))

    def edit() -> None:
        sheet.apply([(rng.choice(figures), str(rng.randint(1, 99_999) / 10))])

    measure("type everything (import)", lambda: Sheet.typed(template, texts), rounds)
    measure("open a stored sheet", lambda: Sheet(template, cells), rounds)
    measure("check everything", check_all, rounds)
    measure("digest", sheet.digest, rounds)
    measure("edit one figure", edit, rounds * 10)
    measure(
        "edit the one most depends on",
        lambda: sheet.apply([(Address("gross_output", "2024"), str(rng.random())[:6])]),
        rounds,
    )

    tracemalloc.start()
    kept = [Sheet(template, dict(cells)) for _ in range(_SHEETS)]
    size = tracemalloc.get_traced_memory()[0] / len(kept) / 1024
    print(f"one more sheet in memory   {size:8.0f} KB")


def measure(name: str, job: Callable[[], object], rounds: int) -> None:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        job()
        times.append((time.perf_counter() - started) * 1000)
    times.sort()
    print(f"{name:<28} p50 {times[rounds // 2]:7.3f} ms   p95 {times[int(rounds * 0.95)]:7.3f} ms")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
