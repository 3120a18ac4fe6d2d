"""The yardstick: a bare NiceGUI page with an AG Grid of the form's size, whose handler commits one row durably.

Run as ``python -m tests.bench.bare PORT DATABASE [tuned]``. It has what any sensible version of it would have: one writing
thread, ``synchronous=FULL``, an upsert, the answer painted after the commit. It has no sign-in, no rules and no second reader.
``tuned``: with a garbage collector set up as ours is, which is not how NiceGUI comes.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

from nicegui import app, events, ui

ROWS = 150
YEARS = ("y2022", "y2023", "y2024")

port, path = int(sys.argv[1]), sys.argv[2]
writer = ThreadPoolExecutor(max_workers=1)


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE IF NOT EXISTS cell (page TEXT, row INTEGER, col TEXT, text TEXT, PRIMARY KEY (page, row, col));"
        "CREATE TABLE IF NOT EXISTS submitted (page TEXT PRIMARY KEY)"
    )
    return connection


database = writer.submit(connect).result()


def save(page: str, row: int, col: str, text: str) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.execute(
        "INSERT INTO cell VALUES (?, ?, ?, ?) ON CONFLICT (page, row, col) DO UPDATE SET text = excluded.text",
        (page, row, col, text),
    )
    database.execute("COMMIT")


@ui.page("/")
def page() -> None:
    columns = [
        {"field": "name", "headerName": "指标名称", "pinned": "left"},
        {"field": "parameter", "headerName": "指标涉及的参数"},
        {"field": "unit", "headerName": "单位"},
        *({"field": y, "headerName": f"{y[1:]}年指标值", "editable": True} for y in YEARS),
        {"field": "remark", "headerName": "特殊情况说明", "editable": True},
        {"field": "guidance", "headerName": "填写说明"},
    ]
    rows = [
        {"id": n, "name": f"指标{n}", "parameter": "参数", "unit": "吨", "guidance": "请使用报统计局的报表数据。"}
        | dict.fromkeys(YEARS, "1234.5")
        for n in range(ROWS)
    ]
    grid = ui.aggrid({"columnDefs": columns, "rowData": rows, ":getRowId": "p => String(p.data.id)"}).classes(
        "h-screen"
    )

    async def committed(e: events.GenericEventArguments) -> None:
        args = e.args
        await asyncio.get_running_loop().run_in_executor(
            writer, save, e.client.id, args["data"]["id"], args["colId"], str(args["newValue"])
        )
        grid.run_row_method(str(args["data"]["id"]), "setDataValue", args["colId"], args["newValue"])

    grid.on("cellValueChanged", committed, ["data", "colId", "newValue"])


def submit(page: str) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO submitted VALUES (?) ON CONFLICT DO NOTHING", (page,))
    database.execute("COMMIT")


@ui.page("/submit")
def submit_page() -> None:
    label = ui.label("")

    async def clicked(e: events.ClickEventArguments) -> None:
        await asyncio.get_running_loop().run_in_executor(writer, submit, e.client.id)
        label.set_text("上报成功")

    ui.button("上报", on_click=clicked)


@app.get("/healthz")
def health() -> dict[str, str]:
    return {"status": "ok"}


def tune() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


if sys.argv[3:] == ["tuned"]:
    app.on_startup(tune)
ui.run(host="127.0.0.1", port=port, reload=False, show=False, reconnect_timeout=30, language="zh-CN", title="bare")
