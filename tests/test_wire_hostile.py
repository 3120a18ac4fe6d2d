"""Every listener hears what no browser sends (恶意参数): no fault, no word of the inside, nothing written, nobody else's touched.

First what a page listens to when it has been opened, then every dialog that its buttons and the rows of its tables open.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp
import pytest

from services import doctor, settings
from services.db import Database
from tests.demo_kit import House, at_home, serving
from tests.hostile import ANYTHING, UNREADABLE, Mischief
from tests.wire import WirePage
from tests.wire_kit import Served, signed_in
from tests.wire_kit import http as http
from tests.wire_kit import served as served
from ui import act

OF_A_UNIT = ("SHEET", "/filings/green_factory", "/profile", "/password", "/security", "/help")
OF_THE_ADMINISTRATOR = (
    "/users",
    "/organisations",
    "/roster",
    "/roster-import",
    "/settings",
    "/policy",
    "/audit",
    "/permissions",
    "/upkeep",
    "/deleted",
)
MOVING = ("audit_", "sign_in", "delay", "known_device", "app_user", "sqlite_")  # a sign-in writes there by itself


def contents(served: Served) -> dict[str, str]:
    """A digest of every table that holds what people entered."""

    def rows(table: str) -> Iterator[str]:
        yield from map(repr, served._asked(f'SELECT * FROM "{table}" ORDER BY 1'))  # noqa: S608 - its own tables

    tables = [row[0] for row in served._asked("SELECT name FROM sqlite_master WHERE type = 'table'")]
    kept = [name for name in tables if not name.startswith(MOVING)]
    assert "cell" in kept
    return {name: hashlib.sha256("\n".join(rows(name)).encode()).hexdigest() for name in kept}


def faults(said: Sequence[object], database: Path) -> list[str]:
    """What a page said, or the log, that somebody has not foreseen."""
    words = json.dumps(said, ensure_ascii=False, default=str)
    log = (database.parent / "logs" / "lvce.log").read_text(encoding="utf-8")
    return [inside for inside in ("没有预料", "Traceback", "Error:", "SELECT ") if inside in words] + [
        line for line in log.splitlines() if " ERROR " in line or "Traceback" in line
    ]


@pytest.mark.parametrize(
    ("username", "paths"), [("", ("/register",)), ("u0", OF_A_UNIT), ("boss", OF_THE_ADMINISTRATOR)]
)
async def test_what_no_browser_sends_is_no_fault_and_writes_nothing(
    served: Served, http: aiohttp.ClientSession, username: str, paths: tuple[str, ...]
) -> None:
    before, said, heard = contents(served), [], 0
    cookies = {"lvce_session": await signed_in(http, served, username)} if username else {}
    for path in paths:
        page = await opened(http, served, path, cookies)
        asked = [
            (key, event["type"])
            for key, element in page.elements.items()
            for event in element.get("events", ())
            if event["type"] != "click"
        ]
        for key, kind in asked:
            for argument in (*ANYTHING, *UNREADABLE):
                if page.closed.is_set():  # cut off, as it should be
                    said += page.received
                    await page.close()
                    page = await opened(http, served, path, cookies)
                try:
                    await page.emit(key, kind, argument)
                except (ConnectionResetError, aiohttp.ClientConnectionError):
                    await asyncio.wait_for(page.closed.wait(), 5)
                heard += 1
        said += page.received
        await page.close()
    async with http.get(f"{served.base}/healthz") as answer:
        assert answer.status == 200
    assert faults(said, served.database) == []
    assert contents(served) == before
    assert heard > 10 * len(paths)


async def opened(http: aiohttp.ClientSession, served: Served, path: str, cookies: dict[str, str]) -> WirePage:
    page = WirePage(http, served.base)
    page.cookies = dict(cookies)
    return await page.open(path.replace("SHEET", served.paths[0]))


# Who meets which dialogs where, some of them, by the beginning of their titles; FILING is one that waits for this account.
DIALOGS: dict[str, dict[str, tuple[str, ...]]] = {
    "unit01s": {
        "/filings/green_factory": ("上报",),
        "/filing/FILING": ("导入EXCEL", "证明材料"),
        "/users": ("新增填报人",),
    },
    "guzhe": {"/security": ("启用动态口令",)},
    "guangdong": {
        "/filings/green_factory": ("批量导出",),
        "/filing/FILING/review": (
            "转送",
            "退回",
            "填报信息联系人",
            "分配专家评审",
            "登记现场评估",
            "对“整份表”",
            "提出动态",
        ),
        "/settings": ("修改后", "邀请后", "批准后"),
        "/roster/1": ("指定后", "更名后", "更正后", "移出后"),
    },
    "admin": {
        "/policy": ("修改后",),
        "/upkeep": ("系统每天",),
        "/organisations/1": ("更正后", "删除后"),
        "/users": ("新增用户",),
    },
}
ALL_OF_THEM = ("unit01", "unit01s", "guzhe", "tianhe", "guangzhou", "guangdong", "hualing", "gongxinbu", "admin")
ELSEWHERE = "35"  # 福建省, where none but these have anything to do
EVERYWHERE = ("gongxinbu", "admin")


@pytest.mark.slow
async def test_no_dialog_hears_what_no_browser_sends(
    demo_home: Path, tmp_path: Path, http: aiohttp.ClientSession, long: bool
) -> None:
    """Every dialog is opened, lied to and pressed. ``--long``: by one account of each kind, on all pages it can reach."""
    place = Path(shutil.copytree(demo_home, tmp_path / "data"))
    chosen = ALL_OF_THEM if long else tuple(DIALOGS)
    with serving(place, demo_home.parent / "accounts.json") as house:
        untouched = rows_of(house, ELSEWHERE)
        said = await asyncio.gather(*(lied(http, house, one, long=long) for one in chosen if one not in EVERYWHERE))
        assert rows_of(house, ELSEWHERE) == untouched
        said += [await lied(http, house, one, long=long) for one in chosen if one in EVERYWHERE]
        assert faults(said, house.database) == []
    with at_home(place):
        database = Database(f"sqlite:///{house.database}")
        found = doctor.examine(database, settings.from_env())
        database.close()
    assert [one.words for one in found if not one.well and one.name not in ("备份", "系统时间")] == []


async def lied(http: aiohttp.ClientSession, house: House, username: str, *, long: bool) -> list[object]:
    """What the pages said to somebody who went through all of them; every dialog in the table above was met."""
    found = {path.replace("FILING", waiting(house, username)): e for path, e in DIALOGS.get(username, {}).items()}
    mischief = Mischief(http, house.base, username, expected=found)
    await mischief.sign_in(house.accounts[username]["password"])
    for path in found:
        await mischief.press(path)
    if long:
        await mischief.walk([path for path in act.PAGES if "{" not in path], alike=1)
    assert [(path, mischief.missing(path)) for path in found if mischief.missing(path)] == [], mischief.titles
    assert mischief.broken == []
    assert (await mischief.get("/"))[0] == 200  # signed in to the end
    return mischief.said


def waiting(house: House, username: str) -> str:
    """The filing that this account has to do something about."""
    ((organisation,),) = house.ask("SELECT organisation_id FROM app_user WHERE username = ?", username)
    found = house.ask(
        "SELECT id FROM filing WHERE deleted_at IS NULL AND (current_authority_id = ?1 AND status = 'review' "
        "OR organisation_id = ?1) ORDER BY id DESC",
        organisation,
    )
    return str(found[0][0]) if found else ""


def rows_of(house: House, region: str) -> dict[str, list[tuple[object, ...]]]:
    """Whatever the database holds of the units, offices, people and filings of a region."""
    places = f"SELECT id FROM organisation WHERE region_code LIKE '{region}%'"  # noqa: S608 - a constant
    filings = f"SELECT id FROM filing WHERE organisation_id IN ({places})"  # noqa: S608
    wanted = {"filing_id": f"IN ({filings})", "organisation_id": f"IN ({places})", "region_code": f"LIKE '{region}%'"}
    found = {}
    for (table,) in house.ask("SELECT name FROM sqlite_master WHERE type = 'table'"):
        columns = {row[1] for row in house.ask(f'PRAGMA table_info("{table}")')}
        tests = [f"{column} {test}" for column, test in wanted.items() if column in columns]
        if tests and not table.startswith(MOVING[:4]):
            found[table] = house.ask(f'SELECT * FROM "{table}" WHERE {" OR ".join(tests)} ORDER BY 1')  # noqa: S608
    assert len(found["filing"]) > 1
    return found
