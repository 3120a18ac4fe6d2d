"""Documents beside the peer libraries on the same content, each in a fresh process, with peak memory.

``python -m tests.bench.bench_documents [--only pdf,excel,…] [--scans 200] [--forms 1000] [--runs 3] [--into FILE]`` prints Markdown
tables, and puts them in the place of the older ones of a file. Peers that are not installed (typst, reportlab) are named and left
out. What is measured:

* ``pdf`` ``excel`` ``intake``: a form, warm, beside the peers; ``pages``: what must hold for every printed page
* ``hostile``: workbooks that are meant to do harm, through the limited child as in the application; memory of what it does
* ``scan``: pages read, by condition and resolution; ``grid``: by resolution, angle and seal; ``wrong``: whole papers that must
  not be taken. Half an hour by two processes (``--processes``); what is found does not depend on how busy the machine is
* ``zip`` ``summary``: batches; ``clicks``: how long a committed cell takes in 40 open sheets while two batches are at work
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from services.documents import batches, codes, excel, fonts, intake, pdf, reader, scan
from services.documents.batches import BatchView, Owner, Ticket, _Batch
from services.documents.snapshot import FilingSnapshot, NoteLine
from services.errors import Refusal
from services.filings.views import Difference
from tests import papers, scans
from tests.bench import load, peers_documents, sides
from tests.bench.seed import seed_editors
from tests.scans import Condition

FORMS = 45
ROUNDS = 5
PAGES_OF = 200
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
        found = intake.read(content, unit.template, credit_code=unit.credit_code, unit_name=unit.unit_name)
        return content if found.problems else b""

    def theirs(content: bytes) -> bytes:
        openpyxl.load_workbook(io.BytesIO(content))
        return content

    return _made({"ours": ours, "openpyxl": theirs}[name], made, rounds=ROUNDS)


def hostile(name: str) -> dict[str, Any]:
    from tests import test_documents_intake as cases

    make, _ = cases.HOSTILE[name]
    content = make(excel.filled_workbook(papers.full()))
    with suppress(Refusal):
        cases.read(b"PK\x03\x04")  # the child waits already, as in the application
    times = [_refused(cases.read, content, name) for _ in range(ROUNDS)]
    before = _resident(reset=True)
    _refused(cases.in_process, content, name)
    return {"median": statistics.median(times) * 1000, "rss": _resident() - before}


def _refused(read: Callable[[bytes], object], content: bytes, name: str) -> float:
    started = time.perf_counter()
    try:
        read(content)
    except Refusal:
        return time.perf_counter() - started
    raise SystemExit(f"{name}: taken")


def pages(_: str) -> dict[str, Any]:
    """Forms of all lengths, notes and appendices: what is on their pages, and whether they come out the same again."""
    random_ = random.Random(11)
    found = {"forms": 0, "pages": 0, "missing": 0, "split": 0, "lonely": 0, "different": 0}
    for number, form in enumerate(forms(PAGES_OF)):
        notes = tuple(
            NoteLine(f"第{n}条：单位产值能耗超出常规范围，请核实。", "已核实无误", "张堃喆", papers.DATED)
            for n in range(random_.choice((0, 0, 1, 5, 12, 13, 14, 40)))
        )
        rows = tuple(
            Difference(f"a{n}:2024", f"指标{n} 2024年", "c", str(n), str(n + 1), "吨", "+1%")
            for n in range(random_.choice((0, 0, 3, 60)))
        )
        snapshot = replace(form, notes=notes, differences=rows, compared_with="第1版", validated=number % 5 != 0)
        content = pdf.form_pdf(snapshot)
        found["different"] += pdf.form_pdf(snapshot) != content
        texts = _texts(content)
        signed = [text for text in texts if "法人签字" in text]
        found["forms"] += 1
        found["pages"] += len(texts)
        found["missing"] += sum(text.count(fonts.MISSING) + text.count("\ufffd") for text in texts)
        found["split"] += len(signed) != 1 or "真实性承诺" not in signed[0] or "（单位公章）" not in signed[0]
        found["lonely"] += not any(words in signed[0] for words in ("五、意见和建议", "核验提示"))
    return found


def _texts(content: bytes) -> list[str]:
    import pypdfium2

    document = pypdfium2.PdfDocument(content)
    found = [page.get_textpage().get_text_range() for page in document]
    document.close()
    return found


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

    condition_name, dpi, count = name.split("|")
    return _read_scans(CONDITIONS[condition_name].but(dpi=int(dpi)), int(count), random.Random(name))


def _read_scans(condition: Condition, count: int, random_: random.Random, *, exact: bool = False) -> dict[str, Any]:
    """Pages of a form through printer, stamp and scanner; tilted by up to 3° and every other upside down, unless ``exact``."""
    from PIL import Image

    snapshot = papers.full()
    sheets = scans.rasterise(pdf.form_pdf(snapshot), condition.dpi)
    read = wrong = 0
    times = []
    for turn in range(count):
        page = turn % len(sheets)
        tilted = condition if exact else condition.but(angle=random_.uniform(-3, 3), turned=turn % 2 == 1)
        picture = scans.scanned(sheets[page], tilted, random_, last=page == len(sheets) - 1)
        picture = Image.open(io.BytesIO(scans.to_jpeg(picture, condition.quality))).convert("RGB")
        started = time.perf_counter()
        found = _read_at_150(picture, condition.dpi)
        times.append(time.perf_counter() - started)
        truth = codes.PageCode(snapshot.number, 1, snapshot.digest[:16], page + 1, len(sheets))
        read += truth in found
        wrong += any(code != truth for code in found)
    return {"read": read, "wrong": wrong, "median": statistics.median(times) * 1000, "count": count}


def _read_at_150(picture: Any, dpi: int) -> list[codes.PageCode]:
    """As ``reader`` does with a page of a PDF: drawn at 150 dpi, and once more finer if nothing was found."""
    for wanted in (reader._DPI, reader._FINE_DPI):
        scale = min(1.0, wanted / dpi) if wanted == reader._DPI else wanted / dpi
        view = picture if scale == 1 else picture.resize((round(picture.width * scale), round(picture.height * scale)))
        if found := reader._codes(view, sweep=True):
            return [code for text in found if (code := codes.decode(text))]
    return []


def scan_grid(name: str) -> dict[str, Any]:
    """``name``: dpi | how many in each cell. Pages in colour by seal and angle, the clock-wise turn in degrees."""
    dpi, count = map(int, name.split("|"))
    found = {}
    for seal in SEALS:
        for angle in ANGLES:
            turned = angle == 180
            condition = Condition(dpi=dpi, seal=seal, angle=0 if turned else angle, turned=turned)
            found[f"seal {seal}, {angle}°"] = _read_scans(condition, count, random.Random(name), exact=True)
    return found


SEALS: tuple[scans.SealPlace, ...] = ("none", "signature", "code", "codes")
ANGLES = (0, 1, 3, 10, 90, 180)


def wrong_papers(name: str) -> dict[str, Any]:
    """``name``: kind | dpi | how many. Whole papers through the limited child and the verdict: how many would be bound."""
    kind, dpi, count = name.split("|")
    snapshot, random_ = papers.full(), random.Random(name)
    older = papers.full(edits={"gross_output:2024": "98631"})
    right, wrong = (
        scans.rasterise(pdf.form_pdf(one), int(dpi))
        for one in (snapshot, {**WRONG, "one older page": older, "older figures": older}.get(kind, snapshot))
    )
    times, verdicts = [], {"bound": 0, "asked": 0, "refused": 0}
    for _ in range(int(count)):
        condition = Condition(
            dpi=int(dpi),
            angle=random_.uniform(-3, 3),
            turned=random_.random() < 0.5,
            grey=random_.random() < 0.5,
            seal=random_.choice(("signature", "code", "codes", "edge")),
        )
        place = random_.randrange(len(right))
        chosen = {
            "one older page": [*right[:place], wrong[place], *right[place + 1 :]],
            "a page missing": [*right[:place], *right[place + 1 :]],
            "a page twice, one missing": [*right[:place], right[place - 1], *right[place + 1 :]],
        }.get(kind, wrong)
        made = [scans.scanned(page, condition, random_, last=page is chosen[-1]) for page in chosen]
        content = pdf.form_pdf(snapshot) if kind == "our own export" else scans.to_pdf(made, condition)
        started = time.perf_counter()
        found = scan.verdict(scan.read(content), number=snapshot.number, digest_hex=snapshot.digest, pages=len(right))
        times.append((time.perf_counter() - started) / len(made))
        verdicts["refused" if found.refused else "asked" if found.ask_code else "bound"] += 1
    return {**verdicts, "count": int(count), "median": statistics.median(times) * 1000}


# Papers that must not be bound by themselves; the last one must.
WRONG: dict[str, FilingSnapshot] = {
    "older figures": papers.full(),
    "one older page": papers.full(),
    "another filing": papers.full(number="GF-2025-440106-00099"),
    "a draft": papers.full(validated=False),
    "a page missing": papers.full(),
    "a page twice, one missing": papers.full(),
    "our own export": papers.full(),
    "the right paper": papers.full(),
}


def clicks(name: str) -> dict[str, Any]:
    """``name``: editors | seconds | rounds. Windows without and with two batches at work, in turns."""
    editors, seconds, rounds = map(int, name.split("|"))
    return asyncio.run(_clicks(editors, seconds, rounds))


async def _clicks(editors: int, seconds: int, rounds: int) -> dict[str, Any]:
    load.raise_limits()
    found: dict[str, list[load.Outcome]] = {"quiet": [], "busy": []}
    with tempfile.TemporaryDirectory() as home:
        flag = Path(home) / "print"
        paths, cookies = seed_editors(Path(home) / "data", editors)
        with sides.ours(Path(home) / "data", paths, cookies, ("-m", "tests.bench.busy", str(flag))) as side:
            async with load.client() as http:
                crowd = await load.Crowd(side, http).open(editors)
                await crowd.commit_for(2, 2)
                with load.undisturbed():
                    for _ in range(rounds):
                        found["quiet"].append(await crowd.commit_for(seconds, 2))
                        flag.touch()
                        await crowd.commit_for(2, 2)  # the children start
                        found["busy"].append(await crowd.commit_for(seconds, 2))
                        flag.unlink()
                        await asyncio.sleep(2)
                await crowd.close()
    return {
        f"{when} {what}": statistics.median(one.quantile(q) for one in windows)
        for when, windows in found.items()
        for what, q in (("p50", 0.5), ("p95", 0.95))
    } | {"failures": sum(one.failures for windows in found.values() for one in windows)}


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
    "pages": pages,
    "hostile": hostile,
    "scan": scan_condition,
    "grid": scan_grid,
    "wrong": wrong_papers,
    "zip": zip_forms,
    "summary": summarise,
    "clicks": clicks,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(MEASURES))
    parser.add_argument("--scans", type=int, default=200, help="of each condition and resolution")
    parser.add_argument("--grid", type=int, default=6, help="scans in each of the 96 cells of the grid")
    parser.add_argument("--papers", type=int, default=8, help="of each kind that must not be taken, and resolution")
    parser.add_argument("--clicks", default="40|8|3", help="editors | seconds | rounds")
    parser.add_argument("--processes", type=int, default=2, help="that draw and read scans")
    parser.add_argument("--into", type=Path, help="renew the tables of this file")
    parser.add_argument("--dpi", default="100,150,200,300")
    parser.add_argument("--forms", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", default="", help="used by the bench itself: measure one thing, print JSON")
    options = parser.parse_args()
    if options.one:
        measure, _, name = options.one.partition(":")
        print(json.dumps(MEASURES[measure](name)))
        return
    from tests.bench.__main__ import machine  # here, so that it takes no memory of what is measured

    dpi = options.dpi.split(",")
    tables: dict[str, Callable[[], str]] = {
        **{measure: partial(_compare, measure, peers, options.runs) for measure, peers in PEERS.items()},
        "pages": _pages_table,
        "hostile": _hostile_table,
        "scan": lambda: _scan_table(options.scans, dpi, options.processes),
        "grid": lambda: _grid_table(options.grid, dpi, options.processes),
        "wrong": lambda: _wrong_table(options.papers, dpi, options.processes),
        "zip": lambda: _zip_table(options.forms),
        "summary": lambda: _summary_table(options.runs),
        "clicks": lambda: _clicks_table(options.clicks),
    }
    wanted = options.only.split(",")
    for name in wanted:
        if name not in tables:
            parser.error(f"--only: {name} is none of {', '.join(tables)}")
    for name in tables:
        if name in wanted:
            found = f"## {name}\n\nMeasured {datetime.now(UTC):%Y-%m-%d} on {machine()}.\n\n{tables[name]()}\n"
            print(f"\n{found}", flush=True)
            if options.into:
                _renew(options.into, name, found, tuple(tables))


PEERS: dict[str, dict[str, str]] = {
    "pdf": {"绿册": "our_printer", "typst": "typst_printer", "reportlab": "reportlab_printer"},
    "excel": {"绿册": "our_workbook", "openpyxl, plain": "plain_openpyxl"},
    "intake": {"绿册": "ours", "openpyxl.load_workbook": "openpyxl"},
}


def _compare(measure: str, peers: dict[str, str], runs: int) -> str:
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
    return _table(measure, rows, ("", "ms a form", "绿册 / this", "first, ms", "KB", "peak MB"))


def _pages_table() -> str:
    one = _fresh("pages:")
    assert one is not None
    heads = ("forms", "pages", "missing glyphs", "split pledges", "lonely pledges", "different when printed again")
    return _table("printed pages", [tuple(map(str, one.values()))], heads)


def _grid_table(count: int, resolutions: list[str], processes: int) -> str:
    found = _side_by_side([f"grid:{dpi}|{count}" for dpi in resolutions], processes)
    read, wrong, total = (
        sum(cell[what] for one in found for cell in one.values()) for what in ("read", "wrong", "count")
    )
    rows = [(cell, *(f"{one[cell]['read']}/{one[cell]['count']}" for one in found)) for cell in found[0]]
    title = f"{total} scans in colour by resolution, angle and seal: {read} read, {wrong} wrong"
    return _table(title, rows, ("", *(f"{dpi} dpi" for dpi in resolutions)))


def _wrong_table(count: int, resolutions: list[str], processes: int) -> str:
    found = iter(_side_by_side([f"wrong:{kind}|{dpi}|{count}" for kind in WRONG for dpi in resolutions], processes))
    rows = []
    for kind in WRONG:
        ones = [next(found) for _ in resolutions]
        said = (f"{one['bound']} / {one['asked']} / {one['refused']}, {one['median']:.0f} ms" for one in ones)
        rows.append((kind, *said))
    heads = ("bound / asks for the code / refused, of all; ms a page", *(f"{dpi} dpi" for dpi in resolutions))
    return _table(f"{count} whole papers of each kind; only the last is to be bound", rows, heads)


def _clicks_table(how: str) -> str:
    one = _fresh(f"clicks:{how}")
    assert one is not None
    row = [f"{one[key]:.1f}" for key in ("quiet p50", "quiet p95", "busy p50", "busy p95")]
    heads = ("p50, ms", "p95, ms", "p50 with two batches at work", "p95 with two batches at work", "lost")
    editors = how.partition("|")[0]
    return _table(f"a committed cell in {editors} open sheets", [(*row, str(one["failures"]))], heads)


def _hostile_table() -> str:
    from tests.test_documents_intake import HOSTILE

    rows = []
    for name in HOSTILE:
        one = _fresh(f"hostile:{name}")
        assert one is not None, name
        rows.append((name, f"{one['median']:.1f}", f"{one['rss']:.1f}"))
    return _table("hostile workbooks, all refused", rows, ("file", "ms", "extra MB"))


def _scan_table(count: int, resolutions: list[str], processes: int) -> str:
    asked = [f"scan:{condition}|{dpi}|{count}" for condition in CONDITIONS for dpi in resolutions]
    found = iter(_side_by_side(asked, processes))
    rows = []
    for condition in CONDITIONS:
        ones = [next(found) for _ in resolutions]
        said = (f"{one['read']}/{one['count']}, {one['wrong']} wrong, {one['median']:.0f} ms" for one in ones)
        rows.append((condition, *said))
    return _table("scans read", rows, ("condition", *(f"{dpi} dpi" for dpi in resolutions)))


def _zip_table(count: int) -> str:
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
    return _table(f"{count} forms", rows, ("", "ms a form", "s", "of serial", "parent peak MB"))


def _summary_table(runs: int) -> str:
    rows = []
    for name in ("xlsx", "csv", "openpyxl"):
        results = [one for _ in range(runs) if (one := _fresh(f"summary:{name}"))]
        middle = {key: statistics.median(one[key] for one in results) for key in results[0]}
        caption = {"xlsx": "绿册 xlsx", "csv": "绿册 csv", "openpyxl": "openpyxl, normal mode"}[name]
        rows.append((caption, f"{middle['median']:.0f}", f"{middle['rss']:.1f}", f"{middle['child']:.0f}"))
    return _table(
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
    return Ticket(path, _Batch(view, Owner(1, 1, ""), path))


def _side_by_side(asked: list[str], processes: int) -> list[dict[str, Any]]:
    """The answers of so many fresh processes at a time, in the order of the questions."""
    with ThreadPoolExecutor(processes) as threads:
        answers = list(threads.map(_fresh, asked))
    missing = [what for what, answer in zip(asked, answers, strict=True) if answer is None]
    if missing:
        raise SystemExit(f"not measured: {', '.join(missing)}")
    return [answer for answer in answers if answer is not None]


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


def _resident(*, reset: bool = False) -> float:
    """The most memory in use since the last reset, in MB."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0


def _table(title: str, rows: list[Any], heads: tuple[str, ...]) -> str:
    return f"**{title}**\n\n{load.table(rows, heads)}\n"


def _renew(path: Path, name: str, found: str, order: tuple[str, ...]) -> None:
    """Put what was found in the place of what ``name`` found before; everything else stays."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = {part.partition("\n")[0]: part.strip() for part in before.split("## ")[1:]}
    sections[name] = found.removeprefix("## ").strip()
    path.write_text("\n".join(f"## {sections[one]}\n" for one in order if one in sections), encoding="utf-8")


if __name__ == "__main__":
    main()
