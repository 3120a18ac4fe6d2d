"""The list on the page: read, imported after a look, corrected one by one (名单, 导入名单)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from nicegui import ui
from sqlmodel import select

from models import RosterEntry
from services.db import Database
from tests.conftest import World
from tests.test_documents_tables import workbook
from tests.ui_kit import Visitor, served, until, visitor
from ui.widgets.data_table import DataTable
from ui.widgets.upload import Upload

As = Callable[[str], Coroutine[Any, Any, Visitor]]
LIST = workbook(
    ("单位名称", "统一社会信用代码", "所在地区"),
    ("广州白云新材料有限公司", "", "广州市天河区"),
    ("错误代码有限公司", "123", "广州市"),
)


@pytest.fixture
async def as_(sqlite_db: Database, sqlite_world: World, tmp_path: Path) -> AsyncIterator[As]:
    async with served(sqlite_db, tmp_path), visitor() as found:

        async def signed_in(username: str) -> Visitor:
            await found.sign_in(username)
            return found

        yield signed_in


def shown(guest: Visitor) -> list[dict[str, Any]]:
    latest = max(guest.find(DataTable).elements, key=lambda element: element.id)
    return [dict(row) for row in latest.shown]


async def choose(guest: Visitor, name: str, content: bytes) -> None:
    (upload,) = guest.find(Upload).elements
    await upload.handle_uploads([ui.upload.SmallFileUpload(name, "application/octet-stream", content)])


async def test_a_province_imports_a_list_after_a_look_at_every_row(as_: As, sqlite_db: Database) -> None:
    guest = await as_("province")
    await guest.open("/roster-import")
    guest.field("批次名称").type("2024年度省级绿色工厂")
    guest.field("公布日期").type("2024-12-20")
    await choose(guest, "名单.xlsx", LIST)
    await guest.should_see("将列入 1 条，已在名单 0 条（不重复列入），不能导入 1 条。")
    (row,) = shown(guest)
    assert (row["number"], row["outcome"]["text"]) == ("3", "不能导入"), "what is wrong is shown first"

    def names() -> list[str]:
        return sqlite_db.read(lambda s: list(s.exec(select(RosterEntry.listed_name))))

    assert "广州白云新材料有限公司" not in names()
    guest.button("导入 1 条").click()
    await guest.should_see("有 1 行不能导入，会留在外面。")
    guest.newest("导入").click()
    await guest.should_see("已列入 1 条")
    assert "广州白云新材料有限公司" in names()


async def test_a_changed_batch_needs_a_new_look(as_: As) -> None:
    guest = await as_("province")
    await guest.open("/roster-import")
    guest.field("批次名称").type("第一批")
    guest.field("公布日期").type("2024-12-20")
    await choose(guest, "名单.xlsx", LIST)
    await guest.should_see("导入 1 条")
    guest.field("批次名称").clear().type("第二批")
    await guest.should_see("批次已修改，请重新选择文件。")
    await guest.should_not_see("导入 1 条")


async def test_a_file_that_is_no_list_is_said_on_the_page(as_: As) -> None:
    guest = await as_("admin")
    await guest.open("/roster-import")
    await choose(guest, "名单.csv", b"a,b\n1,2\n")
    await guest.should_see("没有读入“名单.csv”：前 10 行里没有找到表头。")


async def test_an_office_reads_the_list_of_its_region_and_the_keeper_removes_an_entry(
    as_: As, sqlite_db: Database
) -> None:
    guest = await as_("county")
    await guest.open("/roster")
    assert {row["name"] for row in shown(guest)} == {"广州南粤精工制造有限公司", "广州云山纺织有限公司"}
    await guest.should_not_see("导入名单")
    entry_id = shown(guest)[0]["id"]
    await guest.open(f"/roster/{entry_id}")
    await guest.should_not_see(kind=ui.button, content="移出")
    await guest.sign_in("city")
    await guest.open(f"/roster/{entry_id}")
    guest.button("移出").click()
    await guest.should_see("这一条仍可按以前的日期查到")
    guest.newest("移出").click()
    (reason,) = guest.field("移出原因 *").elements
    await until(lambda: reason.error)
    guest.field("移出原因 *").type("停产一年以上")
    guest.field("依据 *").type("穗工信函〔2025〕2号")
    guest.newest("移出").click()
    await until(lambda: sqlite_db.read(lambda s: s.get_one(RosterEntry, entry_id)).removed_on)
    await guest.should_see(kind=ui.button, content="恢复")


async def test_an_entry_without_anything_is_told_all_that_is_missing_at_once(as_: As) -> None:
    guest = await as_("province")
    await guest.open("/roster")
    guest.button("增补一条").click()
    await guest.should_see("增补到绿色工厂名单")
    guest.newest("增补").click()
    missing = {"批次 *", "列入日期 *", "名单上的名称 *", "所在地区 *"}

    def named() -> set[str]:
        kinds = (ui.input, ui.select)
        return {e.props["label"] for kind in kinds for e in guest.find(kind=kind).elements if getattr(e, "error", None)}

    await until(named)
    assert named() == missing


async def test_units_and_experts_have_no_page_of_the_list(as_: As) -> None:
    guest = await as_("filer")
    assert (await guest.http_client.get("/roster")).status_code == 403
    assert (await guest.http_client.get("/roster-import")).status_code == 403
    assert (await guest.http_client.get("/download/roster-template")).status_code == 200
