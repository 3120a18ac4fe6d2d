"""(a) One committed cell → durable and acknowledged, beside a bare NiceGUI grid page, in the same run.

``python -m tests.bench.bench_cell [--seconds 15] [--editors 1,50,200,500,1000] [--runs 3]`` prints a Markdown table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path

from tests.bench import load
from tests.bench.seed import full_cells, seed_editors
from tests.wire import Message, WirePage

INTERVAL = 2.0


async def commit_bare(page: WirePage, editor: int, turn: int) -> None:
    grid = page.find(lambda e: "aggrid" in e.get("tag", ""))
    row, text = (editor + turn) % 150, f"{editor}.{turn}"
    answer = page.wait_for(lambda m: m[0] == "run_javascript" and f'"{text}"' in m[1]["code"])
    await page.emit(grid, "cellValueChanged", {"data": {"id": row}, "colId": "y2024", "newValue": text})
    await answer


CELLS = ("gross_output", "energy_total", "nh3n_dis", "cod_gen", "water_intake", "sw_gen", "land_area", "so2_dis")


TURNS = 24  # after which an editor comes back to the same cell
FULL = {edit.address: edit.text for edit in full_cells()}


def typed(editor: int, turn: int) -> str:
    return str(20000 + (editor * 7 + turn * 13) % 500)


async def commit_ours(page: WirePage, editor: int, turn: int) -> None:
    sheet = page.find(lambda e: "form_sheet" in e.get("tag", "") or "form_sheet" in str(e.get("component", "")))
    field, year = CELLS[turn % len(CELLS)], 2022 + turn % 3
    seq = turn + 1

    def acknowledged(message: Message) -> bool:
        return message[0] == "run_javascript" and f'"ack":{seq},' in message[1]["code"].replace(" ", "")

    answer = page.wait_for(acknowledged)
    address = f"{field}:{year}"
    before = typed(editor, turn - TURNS) if turn >= TURNS else FULL.get(address, "")
    change = {"a": address, "t": typed(editor, turn), "b": before, "c": False}
    await page.emit(sheet, "cells", {"seq": seq, "source": "typed", "changes": [change]})
    await answer


async def measure(kind: str, editors: int, seconds: float, place: Path) -> load.Outcome:
    port = load.free_port()
    base = f"http://127.0.0.1:{port}"
    if kind == "bare":
        command = [load.python(), "-m", "tests.bench.bare", str(port), str(place / "bare.sqlite3")]
        with load.server(command, port) as process:
            return await load.drive(base, editors, seconds, INTERVAL, ["/"], [], commit_bare, process.pid)
    env = {"LVCE_DATA_DIR": str(place / "data"), "LVCE_PORT": str(port), "LVCE_DEMO": "0", "LVCE_HOST": "127.0.0.1"}
    paths, cookies = seed_editors(place / "data", editors)
    with load.server([load.python(), "main.py"], port, env) as process:
        return await load.drive(base, editors, seconds, INTERVAL, paths, cookies, commit_ours, process.pid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--editors", default="1,50,200,500,1000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", default="")
    options = parser.parse_args()
    rows, raw = [], []
    for editors in map(int, options.editors.split(",")):
        runs: dict[str, list[load.Outcome]] = {"bare": [], "ours": []}
        for _ in range(options.runs):
            for kind in runs:
                with tempfile.TemporaryDirectory() as place:
                    runs[kind].append(asyncio.run(measure(kind, editors, options.seconds, Path(place))))
        p95 = {kind: statistics.median(o.quantile(0.95) for o in outcomes) for kind, outcomes in runs.items()}
        cells = [editors]
        for kind, outcomes in runs.items():
            p50 = statistics.median(o.median for o in outcomes)
            cpu = statistics.median(o.cpu for o in outcomes)
            lost = sum(o.failures + o.dropped for o in outcomes)
            cells.append(f"{p50:.1f} / {p95[kind]:.1f} ({cpu:.0%} CPU, {lost} lost)")
        cells.append(f"{p95['ours'] / p95['bare']:.2f}")
        rows.append(cells)
        raw.append({"editors": editors, "p95": p95})
        print(cells, flush=True)
    print(load.table(rows, ("editors", "bare p50 / p95 ms", "绿册 p50 / p95 ms", "p95 ratio")))
    if options.json:
        Path(options.json).write_text(json.dumps(raw))


if __name__ == "__main__":
    main()
