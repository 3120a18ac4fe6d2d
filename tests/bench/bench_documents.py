"""Documents beside the peer libraries on the same content, each in a fresh process, with peak memory.

``python -m tests.bench.bench_documents [--only pdf,excel,intake,hostile,scan,zip,summary] [--scans 20] [--forms 200]`` prints
Markdown tables. Peers that are not installed (typst, reportlab) are left out.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.documents import batches, codes, excel, intake, pdf, reader, spreadsheet
from services.documents.batches import BatchView, Ticket, _Batch
from services.documents.snapshot import FilingSnapshot
from services.errors import Refusal
from tests import papers, scans
from tests.bench import load, peers_documents
from tests.scans import Condition

FORMS = 45
ROUNDS = 5
SUMMARY_ROWS, SUMMARY_COLUMNS = 20_000, 20


def forms(count: int) -> list[FilingSnapshot]:
    """Different figures and texts in each, so that no cache of lines helps more than it would in a day's work."""
    random_ = random.Random(3)
    made = []
    for number in range(count):
        edits = {
            str(address): str(round(float(cell.value) * random_.uniform(0.8, 1.2), 2))
            for address, cell in papers.full().cells.items()
            if cell.value and address.slot
        }
        edits["highlights"] = "".join(
            random_.choices("光伏储能余热回收水循环利用清洁生产改造项目投产效益", k=random_.randrange(50, 800))
        )
        made.append(papers.full(edits=edits, number=f"GF-2025-440115-{number:05}"))
    return made


def print_forms(name: str) -> dict[str, Any]:
    """No form twice: typst remembers the last few documents and would hand them out again."""
    return _made(getattr(peers_documents, name)(), forms(FORMS), rounds=1)


def read_workbooks(name: str) -> dict[str, Any]:
    import openpyxl

    made = [_with_errors(excel.filled_workbook(form)) for form in forms(5)]
    unit = papers.full()

    def ours(content: bytes) -> bytes:
        cells = spreadsheet.parse(content, intake.SHEETS)  # what the limited child does, without starting it
        found = intake.understood(cells, unit.template, credit_code=unit.credit_code, unit_name=unit.unit_name)
        return content if found.problems else b""

    def theirs(content: bytes) -> bytes:
        openpyxl.load_workbook(io.BytesIO(content))
        return content

    return _made({"ours": ours, "openpyxl": theirs}[name], made, rounds=ROUNDS)


def hostile(name: str) -> dict[str, Any]:
    from tests import test_documents_intake as cases

    make, _ = cases.HOSTILE[name]
    content = make(excel.filled_workbook(papers.full()))
    before = _peak()
    started = time.perf_counter()
    try:
        cases.in_process(content)
        raise SystemExit(f"{name}: taken")
    except Refusal:
        took = time.perf_counter() - started
    return {"median": took * 1000, "rss": _peak() - before}


CONDITIONS = {
    "grey, seal on signature": Condition(grey=True),
    "colour, seal on signature": Condition(),
    "colour, 骑缝章": Condition(seal="edge"),
    "colour, seal on the code": Condition(seal="code"),
    "grey, seal on the code": Condition(seal="code", grey=True),
    "grey, seals on both codes": Condition(seal="codes", grey=True),
    "black and white": Condition(black_white=True, noise=6),
    "printed at 70 %": Condition(print_scale=0.7),
    "phone photo": Condition(photo=True),
    "JPEG quality 15": Condition(quality=15),
}


def scan_condition(name: str) -> dict[str, Any]:
    """``name``: condition | dpi | how many. A page is read, unread, or wrong."""
    from PIL import Image

    condition_name, dpi, count = name.split("|")
    condition = CONDITIONS[condition_name].but(dpi=int(dpi))
    snapshot = papers.full()
    sheets = scans.rasterise(pdf.form_pdf(snapshot), int(dpi))
    random_ = random.Random(hash(int(dpi)) + len(condition_name))
    read = wrong = 0
    times = []
    for turn in range(int(count)):
        page = turn % len(sheets)
        tilted = condition.but(angle=random_.uniform(-3, 3), turned=turn % 2 == 1)
        picture = scans.scanned(sheets[page], tilted, random_, last=page == len(sheets) - 1)
        picture = Image.open(io.BytesIO(scans.to_jpeg(picture, condition.quality))).convert("RGB")
        started = time.perf_counter()
        found = _read_at_150(picture, int(dpi))
        times.append(time.perf_counter() - started)
        truth = codes.PageCode(snapshot.number, 1, snapshot.digest[:16], page + 1, len(sheets))
        read += truth in found
        wrong += any(code != truth for code in found)
    return {"read": read, "wrong": wrong, "median": statistics.median(times) * 1000, "count": int(count)}


def _read_at_150(picture: Any, dpi: int) -> list[codes.PageCode]:
    """As ``reader`` does with a page of a PDF: drawn at 150 dpi, and once more finer if nothing was found."""
    for wanted in (reader._DPI, reader._FINE_DPI):
        scale = min(1.0, wanted / dpi) if wanted == reader._DPI else wanted / dpi
        view = picture if scale == 1 else picture.resize((round(picture.width * scale), round(picture.height * scale)))
        if found := reader._codes(view, sweep=True):
            return [code for text in found if (code := codes.decode(text))]
    return []


def zip_forms(name: str) -> dict[str, Any]:
    processes, count = map(int, name.split("|"))
    nine = forms(9)
    endless = (replace(nine[n % 9], number=f"GF-2025-440115-{n:05}") for n in range(count))
    with tempfile.TemporaryDirectory() as folder:
        ticket = _ticket(Path(folder) / "forms", "forms.zip")
        started = time.perf_counter()
        if processes:
            batches.forms_zip(ticket, endless, count, processes=processes)
        else:
            for snapshot in endless:
                pdf.form_pdf(snapshot)
        took = time.perf_counter() - started
    return {"median": took / count * 1000, "rss": _peak(), "total": took}


def summarise(name: str) -> dict[str, Any]:
    from openpyxl import Workbook

    heads = [f"指标{n}" for n in range(SUMMARY_COLUMNS)]
    rows = _summary_rows()
    before = _peak()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if name == "openpyxl":
            book = Workbook()
            for row in ([*heads], *rows):
                book.active.append(row)
            book.save(Path(folder) / "a.xlsx")
        else:
            batches.summary(
                _ticket(Path(folder) / "a", f"a.{name}"), "汇总表", heads, [12] * SUMMARY_COLUMNS, rows, SUMMARY_ROWS
            )
    took = time.perf_counter() - started
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"median": took * 1000, "rss": _peak() - before, "child": children}


MEASURES: dict[str, Callable[[str], dict[str, Any]]] = {
    "pdf": print_forms,
    "excel": print_forms,
    "intake": read_workbooks,
    "hostile": hostile,
    "scan": scan_condition,
    "zip": zip_forms,
    "summary": summarise,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(MEASURES))
    parser.add_argument("--scans", type=int, default=20)
    parser.add_argument("--dpi", default="100,150,200,300")
    parser.add_argument("--forms", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", default="", help="used by the bench itself: measure one thing, print JSON")
    options = parser.parse_args()
    if options.one:
        measure, _, name = options.one.partition(":")
        print(json.dumps(MEASURES[measure](name)))
        return
    wanted = options.only.split(",")
    for measure, peers in PEERS.items():
        if measure in wanted:
            _compare(measure, peers, options.runs)
    if "hostile" in wanted:
        _hostile_table()
    if "scan" in wanted:
        _scan_table(options.scans, options.dpi.split(","))
    if "zip" in wanted:
        _zip_table(options.forms)
    if "summary" in wanted:
        _summary_table(options.runs)


PEERS: dict[str, dict[str, str]] = {
    "pdf": {"绿册": "our_printer", "typst": "typst_printer", "reportlab": "reportlab_printer"},
    "excel": {"绿册": "our_workbook", "openpyxl, plain": "plain_openpyxl"},
    "intake": {"绿册": "ours", "openpyxl.load_workbook": "openpyxl"},
}


def _compare(measure: str, peers: dict[str, str], runs: int) -> None:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
    for _ in range(runs):
        for name, how in peers.items():
            if one := _fresh(f"{measure}:{how}"):
                found[name].append(one)
    rows = []
    ours = statistics.median(one["median"] for one in found["绿册"])
    for name, results in found.items():
        if results:
            middle = {key: statistics.median(one[key] for one in results) for key in results[0]}
            rows.append(
                (
                    name,
                    f"{middle['median']:.1f}",
                    f"{ours / middle['median']:.2f}",
                    f"{middle['first']:.0f}",
                    f"{middle['size']:.0f}",
                    f"{middle['rss']:.0f}",
                )
            )
    _print(measure, rows, ("", "ms a form", "绿册 / this", "first, ms", "KB", "peak MB"))


def _hostile_table() -> None:
    from tests.test_documents_intake import HOSTILE

    rows = []
    for name in HOSTILE:
        one = _fresh(f"hostile:{name}")
        assert one is not None, name
        rows.append((name, f"{one['median']:.1f}", f"{one['rss']:.1f}"))
    _print("hostile workbooks, all refused", rows, ("file", "ms", "extra MB"))


def _scan_table(count: int, resolutions: list[str]) -> None:
    rows = []
    for condition in CONDITIONS:
        cells: list[str] = [condition]
        for dpi in resolutions:
            one = _fresh(f"scan:{condition}|{dpi}|{count}")
            assert one is not None, condition
            cells.append(f"{one['read']}/{one['count']}, {one['wrong']} wrong, {one['median']:.0f} ms")
        rows.append(cells)
        print(cells, flush=True)
    _print("scans read", rows, ("condition", *(f"{dpi} dpi" for dpi in resolutions)))


def _zip_table(count: int) -> None:
    found = {
        name: _fresh(f"zip:{processes}|{count}") for name, processes in (("serial, no zip", 0), ("two processes", 2))
    }
    serial = found["serial, no zip"]
    assert serial is not None
    rows = [
        (
            name,
            f"{one['median']:.1f}",
            f"{one['total']:.1f}",
            f"{one['median'] / serial['median']:.2f}",
            f"{one['rss']:.0f}",
        )
        for name, one in found.items()
        if one
    ]
    _print(f"{count} forms", rows, ("", "ms a form", "s", "of serial", "parent peak MB"))


def _summary_table(runs: int) -> None:
    rows = []
    for name in ("xlsx", "csv", "openpyxl"):
        results = [one for _ in range(runs) if (one := _fresh(f"summary:{name}"))]
        middle = {key: statistics.median(one[key] for one in results) for key in results[0]}
        caption = {"xlsx": "绿册 xlsx", "csv": "绿册 csv", "openpyxl": "openpyxl, normal mode"}[name]
        rows.append((caption, f"{middle['median']:.0f}", f"{middle['rss']:.1f}", f"{middle['child']:.0f}"))
    _print(
        f"{SUMMARY_ROWS:,} × {SUMMARY_COLUMNS} 汇总表",
        rows,
        ("", "ms", "extra MB in the server", "peak MB of the child, imports included"),
    )


def _made(make: Callable[[Any], bytes], things: list[Any], *, rounds: int) -> dict[str, Any]:
    started = time.perf_counter()
    first = make(things[0])
    first_took = time.perf_counter() - started
    times = []
    for _ in range(rounds):
        for thing in things[1:]:
            started = time.perf_counter()
            make(thing)
            times.append(time.perf_counter() - started)
    return {
        "median": statistics.median(times) * 1000,
        "first": first_took * 1000,
        "size": len(first) / 1024,
        "rss": _peak(),
    }


def _with_errors(content: bytes) -> bytes:
    """The workbook as a clerk sends it: twenty cells wrong."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book[excel.FORM_SHEET]
    rows = [
        row
        for row in range(30, sheet.max_row)
        if sheet.cell(row, 1).value and isinstance(sheet.cell(row, 6).value, int | float)
    ]
    for row, wrong in zip(rows[:20], ("约12万", "=1/0", True, "—") * 5, strict=True):
        sheet.cell(row, 6).value = wrong
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _summary_rows() -> Iterator[list[Any]]:
    for number in range(SUMMARY_ROWS):
        yield [f"单位{number}有限公司", *(Decimal(number * 7 + column) / 100 for column in range(SUMMARY_COLUMNS - 1))]


def _ticket(path: Path, file_name: str) -> Ticket:
    from services import clock

    view = BatchView("bench", "bench", file_name, "running", 0, 0, clock.now())
    return Ticket(path, _Batch(view, 1, path))


def _fresh(what: str) -> dict[str, Any] | None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_documents", "--one", what],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [""]
        print(f"{what}: {last[0]}", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _print(title: str, rows: list[Any], heads: tuple[str, ...]) -> None:
    print(f"\n**{title}**\n\n{load.table(rows, heads)}", flush=True)


if __name__ == "__main__":
    main()
