"""(c) Opening the sheet in a real Chromium, beside a bare NiceGUI page with an AG Grid of the same size.

``python -m tests.bench.bench_open [--runs 9]`` prints a Markdown table of medians in ms, both pages opened in turns. Timed from
the moment the address is entered: until the first figure of the grid stands in the window's document with a height (shown),
until a figure typed by the keyboard into a cell stands in its editor (typed; for this the page has to listen, whatever it
says of itself), and until the server has acknowledged that it is saved (saved). Cold: a browser that was never here. Warm: its
second visit, as everybody's who has just seen the list.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests import chromium
from tests.bench import load, sides
from tests.bench.load import Side
from tests.bench.seed import seed_editors

STEPS = ("shown", "typed", "saved")
VISITS = ("cold", "warm")
WINDOW = {"width": 1440, "height": 900}

# What to look for on each side: a figure of the grid, its cell, the editor that takes the keys, and that it was saved.
FIGURE = {"bare": '.ag-cell[col-id="y2022"]', "lvce": '.ag-cell[data-address="gross_output:2022"]'}
EDITOR = {"bare": ".ag-cell-editor input", "lvce": "textarea.lvs-editor"}
SHOWN = "([cell]) => { const e = document.querySelector(cell); return e && e.innerText.trim() && e.offsetHeight > 0 }"
TYPED = "([editor, text]) => document.querySelector(editor)?.value === text"
SAVED = {
    "bare": "([text]) => window.heard.includes(text)",
    "lvce": "([text]) => window.__sheet.sent > 0 && window.__sheet.pending === 0 && window.__sheet.state === 'saved'",
}
LISTEN = "() => { window.heard = ''; window.socket.onAny((kind, said) => (window.heard += JSON.stringify(said))) }"


def visit(page: Page, side: Side, text: str) -> list[float]:
    """Milliseconds to each of ``STEPS``."""
    times = []
    started = time.perf_counter()

    def until(script: str, *values: str) -> None:
        page.wait_for_function(script, arg=list(values))
        times.append((time.perf_counter() - started) * 1000)

    page.goto(side.base + side.paths[0], wait_until="commit")
    cell = FIGURE[side.name]
    until(SHOWN, cell)
    page.dblclick(cell)
    page.keyboard.press("Control+A")
    page.keyboard.type(text)
    until(TYPED, EDITOR[side.name], text)
    page.evaluate(LISTEN)
    page.keyboard.press("Enter")
    until(SAVED[side.name], text)
    return times


def both_visits(browser: Browser, side: Side, text: int) -> dict[str, list[float]]:
    context = browser.new_context(viewport=WINDOW)  # type: ignore[arg-type]
    for cookie in side.cookies[:1]:
        context.add_cookies([{"name": name, "value": value, "url": side.base} for name, value in cookie.items()])
    page = context.new_page()
    taken = {which: visit(page, side, str(text + n)) for n, which in enumerate(VISITS)}
    context.close()
    return taken


def run(runs: int) -> str:
    taken: dict[tuple[str, str], list[list[float]]] = {(name, v): [] for name in ("bare", "lvce") for v in VISITS}
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        paths, cookies = seed_editors(Path(place) / "data", 1)
        browser = playwright.chromium.launch(executable_path=chromium.find(playwright), args=chromium.arguments())
        with sides.both(Path(place), paths, cookies) as pair:
            for turn in range(runs + 1):
                for side in pair if turn % 2 else reversed(pair):
                    times = both_visits(browser, side, 30_000 + turn * 10)
                    if turn:  # the first of all warms the servers and the disk
                        for which in VISITS:
                            taken[side.name, which].append(times[which])
        browser.close()
    rows = []
    for which in VISITS:
        for step, name in enumerate(STEPS):
            bare, ours = ([times[step] for times in taken[side, which]] for side in ("bare", "lvce"))
            ratio = statistics.median(bare), statistics.median(ours)
            rows.append(
                [
                    f"{which}: {name}",
                    *(f"{m:.0f} ({min(t):.0f}–{max(t):.0f})" for m, t in zip(ratio, (bare, ours), strict=True)),
                    f"{ratio[1] / ratio[0]:.2f}",
                ]
            )
    return load.table(rows, ("visit: until", "bare, ms (least–most)", "绿册, ms (least–most)", "ratio"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    print(run(parser.parse_args().runs))


if __name__ == "__main__":
    main()
