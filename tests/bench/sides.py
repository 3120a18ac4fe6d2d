"""The servers that the benches compare (对照双方): a bare NiceGUI page (``bare.py``) and ours, both durable at each commit."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tests.bench import load
from tests.bench.load import Editor, Side
from tests.bench.seed import full_cells
from tests.wire import Message

CELLS = ("gross_output", "energy_total", "nh3n_dis", "cod_gen", "water_intake", "sw_gen", "land_area", "so2_dis")
FULL = {edit.address: edit.text for edit in full_cells()}
ROWS = 150  # of the bare page


@contextmanager
def bare(place: Path, *how: str) -> Iterator[Side]:
    """``how``: nothing, or "tuned"."""
    port, path = load.free_port(), place / f"{'-'.join(('bare', *how))}.sqlite3"
    with load.server([sys.executable, "-m", "tests.bench.bare", str(port), str(path), *how], port) as process:
        yield Side(
            path.stem,
            process.pid,
            f"http://127.0.0.1:{port}",
            ["/"],
            [],
            "cellValueChanged",
            _commit_bare,
            lambda: _count(path, "SELECT count(*) FROM cell"),
        )


@contextmanager
def ours(
    data_dir: Path, paths: list[str], cookies: list[dict[str, str]], command: Sequence[str] = ("main.py",)
) -> Iterator[Side]:
    """Our application, or what ``command`` makes of it, on a data directory that ``seed`` has filled."""
    port = load.free_port()
    env = {"LVCE_DATA_DIR": str(data_dir), "LVCE_PORT": str(port), "LVCE_DEMO": "0", "LVCE_HOST": "127.0.0.1"}
    path = data_dir / "lvce.sqlite3"
    before = _count(path, TYPED)
    with load.server([sys.executable, *command], port, env) as process:
        yield Side(
            "lvce",
            process.pid,
            f"http://127.0.0.1:{port}",
            paths,
            cookies,
            "cells",
            _commit_ours,
            lambda: _count(path, TYPED) - before,
        )


@contextmanager
def both(place: Path, paths: list[str], cookies: list[dict[str, str]]) -> Iterator[tuple[Side, Side]]:
    with ExitStack() as stack:
        yield stack.enter_context(bare(place)), stack.enter_context(ours(place / "data", paths, cookies))


@contextmanager
def all_three(place: Path, paths: list[str], cookies: list[dict[str, str]]) -> Iterator[tuple[Side, Side, Side]]:
    """The bare page as it comes, with a tuned collector, and ours."""
    with ExitStack() as stack:
        both_bare = stack.enter_context(bare(place)), stack.enter_context(bare(place, "tuned"))
        yield *both_bare, stack.enter_context(ours(place / "data", paths, cookies))


TYPED = "SELECT count(*) FROM cell_change WHERE source = 'typed'"


def _count(path: Path, query: str) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return int(database.execute(query).fetchone()[0])


async def _commit_bare(editor: Editor) -> None:
    """Another row each time, so that each commit is a row at the end."""
    text = f"{editor.number}.{editor.turn}"
    row, col = editor.turn % ROWS, f"y{2022 + editor.turn // ROWS}"
    answer = editor.page.wait_for(lambda m: m[0] == "run_javascript" and f'"{text}"' in m[1]["code"])
    await editor.page.emit(editor.element, "cellValueChanged", {"data": {"id": row}, "colId": col, "newValue": text})
    await answer


async def _commit_ours(editor: Editor) -> None:
    """Each commit changes what stands there, so that each is a line of ``cell_change`` at the end."""
    turn, seq = editor.turn, editor.turn + 1
    address = f"{CELLS[turn % len(CELLS)]}:{2022 + turn % 3}"
    text = str(20000 + (editor.number * 7 + turn * 13) % 4999)

    def acknowledged(message: Message) -> bool:
        return message[0] == "run_javascript" and f'"ack":{seq},' in message[1]["code"]

    answer = editor.page.wait_for(acknowledged)
    change = {"a": address, "t": text, "b": editor.seen.get(address, FULL.get(address, "")), "c": False}
    await editor.page.emit(editor.element, "cells", {"seq": seq, "source": "typed", "changes": [change]})
    code = (await answer)["code"]
    patch = json.loads(code[code.index('[{"') : code.rindex("]") + 1])[0]
    if patch["cells"][address]["t"] != text or patch["conflicts"] or patch["refused"]:
        raise AssertionError(f"{address} = {text}: {patch}")
    editor.seen[address] = text
