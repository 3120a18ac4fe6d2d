"""Mutated uploads (变异上传): workbooks, PDFs and pictures bent in many ways, each sent through a door that takes files.

``python -m tests.mutations [--count 10000] [--seed 2025] [--workers 2]`` prints figures and exits ≠ 0 on a crash; the suite runs a
short version (``test_mutations.py``). Case ``n`` of a seed is always the same file: ``--only N`` sends that one again, and
``--first N`` goes on from there.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from sqlmodel import Session

from models import Setting
from models.enums import FileKind
from services import clock
from services.db import Database
from services.documents import child, excel, pdf
from services.errors import Refusal
from services.filings import desk, files, imports, stamps
from services.schema import migrate
from tests import papers, scans
from tests.conftest import SPRING, World, build_world
from tests.filing_kit import draft

SEED = 2025
PEAKS = "LVCE_TEST_PEAKS"  # where children write how much memory they took
DOORS = ("import", "attach", "stamp")
UNIT = ("广州云山纺织有限公司", "914406049083016630")  # of ``World``: who imports
NAMES = (
    "动态管理表.xlsx", "扫描件.pdf", "照片.JPG", "../../etc/passwd", "..\\..\\boot.ini", "CON.pdf", "a" * 300 + ".pdf",
    "\u202efdp.exe", "x\x00.pdf", "\r\nSet-Cookie: a=b.pdf", "", ".", "名" * 300, "=cmd|'/c calc'!A0.pdf", "\ud800.pdf", "a/b/c.xlsx",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One upload: ``how`` it was bent, in words for whoever looks for the fault."""

    number: int
    door: str
    how: str
    name: str
    content: bytes


@dataclass(frozen=True)
class Answer:
    """What came of it: taken, refused (with the sentence), or crashed (with the traceback). ``seconds`` by the clock,
    ``work`` of the processor, the child's included; ``peak`` megabytes of the child.
    """

    case: int
    door: str
    how: str
    outcome: str
    words: str
    seconds: float
    work: float
    peak: float


# --- making them ------------------------------------------------------------------------------------------------------


def case(seed: int, number: int) -> Case:
    """The file of one number."""
    chance = random.Random(f"{seed}:{number}")
    door = chance.choices(DOORS, (6, 3, 1))[0]
    kind = "workbook" if door == "import" else chance.choice(("workbook", "pdf", "pdf", "picture"))
    if door == "stamp":
        kind = chance.choice(("pdf", "pdf", "picture"))
    base = chance.choice(_bases()[kind])
    how, bend = chance.choice((*BENDS["bytes"], *BENDS[kind], *BENDS[kind]))
    try:
        content = bend(base, chance)
    except (zipfile.BadZipFile, ValueError, KeyError, IndexError):
        content = base[: len(base) // 2]
    if chance.random() < 0.3:
        second, bend = chance.choice(BENDS["bytes"])
        content, how = bend(content, chance), f"{how}, {second}"
    return Case(number, door, f"{kind}: {how}", chance.choice(NAMES), content[: 21 * 1024 * 1024])


@cache
def _bases() -> dict[str, list[bytes]]:
    import openpyxl
    import pikepdf

    full = replace(papers.full(), unit_name=UNIT[0], credit_code=UNIT[1])
    ours = excel.filled_workbook(full)
    book = openpyxl.load_workbook(io.BytesIO(ours))
    strange = openpyxl.Workbook()
    for row in range(1, 200):
        strange.active.append([f"第{row}行", row, f"=A{row}&B{row}"])
    out, other = io.BytesIO(), io.BytesIO()
    book.save(out)
    strange.save(other)
    form = pdf.form_pdf(full)
    packed = io.BytesIO()
    with pikepdf.open(io.BytesIO(form)) as document:
        document.save(packed, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    stamped = scans.stamped_pdf(form, scans.Condition(dpi=110), pages=[0, 1])
    page = scans.rasterise(form, 110)[0]
    png, progressive = io.BytesIO(), io.BytesIO()
    page.save(png, "PNG")
    page.save(progressive, "JPEG", progressive=True)
    return {
        "workbook": [ours, out.getvalue(), other.getvalue()],
        "pdf": [form, packed.getvalue(), stamped],
        "picture": [scans.to_jpeg(page), png.getvalue(), progressive.getvalue()],
    }


Bend = Callable[[bytes, random.Random], bytes]


def _flipped(content: bytes, chance: random.Random) -> bytes:
    body = bytearray(content)
    for _ in range(chance.choice((1, 3, 20, 200))):
        if body:
            body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body)


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _doubled(content: bytes, chance: random.Random) -> bytes:
    a, b = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:b] + content[a:b] * chance.choice((1, 2, 10)) + content[b:]


def _hole(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + content[at + chance.choice((1, 100, 5000)) :]


def _zeros(content: bytes, chance: random.Random) -> bytes:
    at, length = chance.randrange(len(content) + 1), chance.choice((4, 512, 8192))
    return content[:at] + b"\0" * length + content[at + length :]


def _spliced(content: bytes, chance: random.Random) -> bytes:
    other = chance.choice([base for bases in _bases().values() for base in bases])
    return content[: chance.randrange(len(content) + 1)] + other[chance.randrange(len(other)) :]


def _led(content: bytes, chance: random.Random) -> bytes:
    return chance.choice((b"\xef\xbb\xbf", b"\n" * 900, b"%PDF-1.7\n", b"PK\x03\x04", b"\xff\xd8\xff", b"MZ")) + content


ODD_XML = (
    "<", ">", "&", '"', "\x01", "9e999", "-1", "𠀀", "", "A1", "&lt;", "_xD800_", "_x0000_", "1e400", "NaN", "1" * 400, "XFD1048576",
    "<x>" * 60, "</row>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "&b;", "]]>", "<![CDATA[x]]>", "<?x y?>", 't="s"', 't="e"', "<f>1/0</f>",
)  # fmt: skip


def _part(content: bytes, chance: random.Random, change: Callable[[str, random.Random], str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        victim = chance.choice([n for n in names if "sheet" in n or "workbook" in n or "shared" in n])
        for name in names:
            body = old.read(name)
            new.writestr(name, change(body.decode(), chance) if name == victim else body)
    return out.getvalue()


def _odd_piece(xml: str, chance: random.Random) -> str:
    for _ in range(chance.choice((1, 1, 5))):
        at = chance.randrange(len(xml) + 1)
        xml = xml[:at] + chance.choice(ODD_XML) + xml[at + chance.randrange(6) :]
    return xml


def _odd_value(xml: str, chance: random.Random) -> str:
    found = list(re.finditer(r'"[^"<>]*"|>[^<>]+<', xml))
    for hit in sorted(chance.sample(found, min(len(found), chance.choice((1, 4)))), key=lambda one: -one.start()):
        odd = chance.choice(ODD_XML).replace("<", "").replace('"', "")
        xml = xml[: hit.start() + 1] + odd + xml[hit.end() - 1 :]
    return xml


def _shuffled(xml: str, chance: random.Random) -> str:
    rows = re.findall(r"<row .*?</row>", xml, re.S)
    chance.shuffle(rows)
    return re.sub(r"<sheetData>.*</sheetData>", lambda _: f"<sheetData>{''.join(rows)}</sheetData>", xml, flags=re.S)


def _heaped(xml: str, chance: random.Random) -> str:
    heap = chance.choice(
        (
            "".join(f'<row r="{r}">' + "<c><v>1</v></c>" * 60 + "</row>" for r in range(1, 2100)),
            '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
            '<row r="1"><c r="A1" t="inlineStr"><is><t>' + "长" * 3_000_000 + "</t></is></c></row>",
            "<row>" + "<c/>" * 500_000 + "</row>",
        )
    )
    return re.sub(r"<sheetData>.*</sheetData>", lambda _: f"<sheetData>{heap}</sheetData>", xml, flags=re.S)


def _more_parts(content: bytes, chance: random.Random) -> bytes:
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as parts, _quiet():
        for _ in range(chance.choice((1, 2, 300))):
            name = chance.choice(
                ("../x", "/x", "xl/vbaProject.bin", "xl/workbook.xml", "XL/WORKBOOK.XML", "xl/embeddings/a.bin", "a\\b", "名.xml", "x" * 300)
            )  # fmt: skip
            parts.writestr(name, b"\0" * chance.choice((1, 100, 3_000_000)))
    return out.getvalue()


def _lying_directory(content: bytes, chance: random.Random) -> bytes:
    """Sizes, methods and offsets in the directory of the zip that are not those of its parts."""
    body, at = bytearray(content), content.find(b"PK\x01\x02")
    while at >= 0:
        if chance.random() < 0.4:
            start, end = chance.choice(((8, 10), (10, 12), (20, 24), (24, 28), (28, 30), (42, 46)))
            body[at + start : at + end] = chance.randbytes(end - start)
        at = content.find(b"PK\x01\x02", at + 4)
    return bytes(body)


ODD_PDF = (
    b"0", b"-1", b"99999999999", b"1e9", b"/Pages", b"null", b"[", b">>", b"<<", b"(", b"R", b"obj", b"endobj", b"stream",
    b"/FlateDecode", b"/DCTDecode", b"/LZWDecode", b"/JBIG2Decode", b"/OpenAction<</S/JavaScript/JS(1)>>", b"/AA 1 0 R", b"/Encrypt 1 0 R",
    b"/EmbeddedFiles 2 0 R", b"/J#61vaScript", b"2 0 R", b"1 0 R",
)  # fmt: skip


def _odd_tokens(content: bytes, chance: random.Random) -> bytes:
    found = list(re.finditer(rb"(?<=[\s/\[])[A-Za-z0-9.-]{1,14}(?=[\s/\]>])", content))
    for hit in sorted(chance.sample(found, min(len(found), chance.choice((1, 3, 12)))), key=lambda one: -one.start()):
        content = content[: hit.start()] + chance.choice(ODD_PDF) + content[hit.end() :]
    return content


def _odd_objects(content: bytes, chance: random.Random) -> bytes:
    """A PDF that is whole, with odd things where others belong."""
    import pikepdf

    with pikepdf.open(io.BytesIO(content)) as document:
        page: Any = document.pages[chance.randrange(len(document.pages))].obj
        act = pikepdf.Dictionary(
            S=pikepdf.Name(chance.choice(("/JavaScript", "/Launch", "/URI", "/GoTo"))), JS="app.alert(1)"
        )
        chance.choice(
            (
                lambda: document.Root.__setattr__("OpenAction", document.make_indirect(act)),
                lambda: page.__setattr__("AA", pikepdf.Dictionary(O=act)),
                lambda: document.attachments.__setitem__("a.exe", b"MZ"),
                lambda: page.__setattr__("MediaBox", pikepdf.Array([0, 0, chance.choice((0, -5, 10**9)), 842])),
                lambda: page.__setattr__("Parent", page),
                lambda: document.Root.Pages.Kids.append(document.Root.Pages),
                lambda: document.pages.extend([document.pages[0]] * 80),
                lambda: page.__setattr__("Contents", document.make_stream(b"q " * 200_000)),
                lambda: page.__setattr__("Rotate", 33),
                lambda: page.__delitem__("/MediaBox"),
                lambda: page.__setattr__("Annots", pikepdf.Array([page] * 500)),
            )
        )()
        out = io.BytesIO()
        locked = pikepdf.Encryption(owner="x", user=chance.choice(("", "y"))) if chance.random() < 0.1 else False
        document.save(out, encryption=locked)
    return out.getvalue()


def _odd_sizes(content: bytes, chance: random.Random) -> bytes:
    """Width and height of a picture as they are not."""
    at = 16 if content.startswith(b"\x89PNG") else max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2")) + 5
    size = chance.choice((b"\x00\x00", b"\xff\xff", chance.randbytes(2)))
    end = at + (8 if content.startswith(b"\x89PNG") else 4)
    return content[:at] + (size * 4)[: end - at] + content[end:]


def _huge(_: bytes, chance: random.Random) -> bytes:
    from PIL import Image

    mode, side = chance.choice((("1", 9000), ("L", 7000), ("RGB", 6000), ("RGBA", 5000), ("L", 20_000)))
    out = io.BytesIO()
    Image.new(mode, (side, side)).save(out, "PNG")
    return out.getvalue()


def _segments(content: bytes, chance: random.Random) -> bytes:
    """Pieces of a JPEG or PNG in another order, some twice."""
    mark = b"\xff" if content.startswith(b"\xff\xd8") else b"IDAT"
    pieces = content.split(mark)
    a, b = chance.randrange(len(pieces)), chance.randrange(len(pieces))
    pieces[a], pieces[b] = pieces[b], pieces[a]
    return mark.join(pieces)


BENDS: dict[str, tuple[tuple[str, Bend], ...]] = {
    "bytes": (
        ("flipped", _flipped),
        ("cut", _cut),
        ("doubled", _doubled),
        ("hole", _hole),
        ("zeros", _zeros),
        ("spliced", _spliced),
        ("led by something", _led),
        ("as it is", lambda content, _: content),
    ),
    "workbook": (
        ("odd pieces of XML", lambda content, chance: _part(content, chance, _odd_piece)),
        ("odd values", lambda content, chance: _part(content, chance, _odd_value)),
        ("rows shuffled", lambda content, chance: _part(content, chance, _shuffled)),
        ("heaped", lambda content, chance: _part(content, chance, _heaped)),
        ("more parts", _more_parts),
        ("lying directory", _lying_directory),
    ),
    "pdf": (("odd tokens", _odd_tokens), ("odd objects", _odd_objects)),
    "picture": (("odd sizes", _odd_sizes), ("huge", _huge), ("segments", _segments)),
}


@contextmanager
def _quiet() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the duplicate names that are wanted here
        yield


# --- sending them -----------------------------------------------------------------------------------------------------


class Desk:
    """A unit with a filing to import into and one that waits for its stamped scan."""

    def __init__(self, db: Database, world: World) -> None:
        self.db, self.who = db, world.filer
        self.waiting = db.write(lambda s: draft(s, world.filer, ready=False))
        db.write(desk.validate, world.filer, self.waiting)
        self.filing = db.write(lambda s: draft(s, world.other, ready=False))
        self.other = world.other
        db.write(_no_caps)

    def send(self, one: Case) -> Answer:
        peaks = Path(os.environ[PEAKS])
        peaks.write_text("0", encoding="ascii")
        started, worked = time.perf_counter(), _worked()
        try:
            outcome, words = "taken", self._through(one)
        except Refusal as refusal:
            outcome, words = "refused", refusal.message
        except Exception:
            outcome, words = "crashed", traceback.format_exc()
        took, work = time.perf_counter() - started, _worked() - worked
        peak = int(peaks.read_text(encoding="ascii")) / 1024
        return Answer(one.number, one.door, one.how, outcome, words, took, work, peak)

    def _through(self, one: Case) -> str:
        if one.door == "import":
            shown = imports.preview(self.db, self.other, self.filing, one.name, one.content)
            if shown.refused or shown.found:
                imports.marked(self.db, self.other, shown)
            return f"{len(shown.edits)} edits"
        if one.door == "attach":
            stored = files.upload(self.db, self.other, self.filing, FileKind.EVIDENCE, one.name, one.content)
            self.db.write(files.remove, self.other, stored.id)
            return stored.name
        found = stamps.upload(self.db, self.who, self.waiting, one.name, one.content)
        return found.refused or "read"


def _worked() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _no_caps(s: Session) -> None:
    for name in ("per_filing", "unit_mb", "unit_kept_mb", "total_mb"):
        s.add(Setting(name=f"files.{name}", value=10**9, set_at=clock.now()))


@contextmanager
def at_desk(place: Path) -> Iterator[Desk]:
    """The desk in a data directory of its own; every child tells how much memory it took."""
    real = subprocess.run

    def telling(command: list[str], **options: Any) -> Any:
        if command[1] == "-m" and command[2].startswith("services."):
            command = [*command[:2], "tests.peak", *command[2:]]
        return real(command, **options)

    def alone(module: str, content: bytes, seconds: float) -> bytes:
        return child.run("tests.peak", (module, "answer"), content, seconds)

    told = {"LVCE_DATA_DIR": str(place), PEAKS: str(place / "peak")}
    place.mkdir(parents=True, exist_ok=True)
    with (
        mock.patch.dict(os.environ, told),
        mock.patch.object(child, "_PASSED", (*child._PASSED, PEAKS)),
        mock.patch.object(subprocess, "run", telling),
        mock.patch.object(child, "ask", alone),
        clock.frozen(SPRING),
    ):
        db = Database(f"sqlite:///{place / 'lvce.sqlite3'}")
        try:
            migrate(db)
            yield Desk(db, db.write(build_world))
        finally:
            db.close()


def sent(seed: int, numbers: range) -> list[Answer]:
    """Some of the cases, one after the other."""
    place = Path(tempfile.mkdtemp(prefix="lvce-mutations-"))
    try:
        with at_desk(place) as desk_:
            return [desk_.send(case(seed, number)) for number in numbers]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int, default=-1)
    asked = parser.parse_args(argv)
    if asked.only >= 0:
        for one in sent(asked.seed, range(asked.only, asked.only + 1)):
            print(one)
        return 0
    end = asked.first + asked.count
    blocks = [range(at, min(at + 50, end)) for at in range(asked.first, end, 50)]
    answers: list[Answer] = []
    with ProcessPoolExecutor(asked.workers) as pool:
        try:
            for number, found in enumerate(pool.map(sent, [asked.seed] * len(blocks), blocks), 1):
                answers.extend(found)
                if number % 5 == 0:
                    print(
                        f"{len(answers)} sent, {sum(one.outcome == 'crashed' for one in answers)} crashed", flush=True
                    )
        except KeyboardInterrupt:  # what was sent until then is told all the same
            pool.shutdown(cancel_futures=True)
    return summary(answers)


def summary(answers: list[Answer]) -> int:
    for door in DOORS:
        mine = [one for one in answers if one.door == door]
        if mine:
            counts = Counter(one.outcome for one in mine)
            print(
                f"{door}: {len(mine)}; taken {counts['taken']}, refused {counts['refused']}, crashed {counts['crashed']}; "
                f"seconds {_spread([one.seconds for one in mine])}; of the processor {_spread([one.work for one in mine])}; "
                f"most memory of a child {max(one.peak for one in mine):.0f} MB"
            )
    print(
        f"memory of a worker, the tests themselves with it: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB"
    )
    for one in sorted(answers, key=lambda one: -one.work)[:5]:
        print(
            f"slow: case {one.case} ({one.door}, {one.how}) {one.work:.2f} s, {one.seconds:.2f} s by the clock: {one.words[:60]}"
        )
    for one in sorted(answers, key=lambda one: -one.peak)[:5]:
        print(f"large: case {one.case} ({one.door}, {one.how}) {one.peak:.0f} MB: {one.words[:60]}")
    crashed = [one for one in answers if one.outcome == "crashed"]
    for one in crashed[:10]:
        print(f"CRASHED: case {one.case} ({one.door}, {one.how})\n{one.words}")
    return 1 if crashed else 0


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    return (
        f"median {ordered[len(ordered) // 2]:.2f}, p99 {ordered[int(len(ordered) * 0.99)]:.2f}, most {ordered[-1]:.2f}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
