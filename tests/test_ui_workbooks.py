"""导入EXCEL on the sheet page and 批量导出 on an office's list, without a browser."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from nicegui import ui
from nicegui.elements.upload_files import SmallFileUpload

from services.db import Database
from services.documents import excel
from services.filings import batches, desk, snapshots
from tests import filing_kit
from tests.conftest import World
from tests.filling import opened, put, type_in
from tests.test_filings_imports import typed_into
from tests.ui_kit import Visitor, served, until, visitor
from ui import exports
from ui.widgets.differences import Differences
from ui.widgets.form_sheet import FormSheet
from ui.widgets.upload import Upload


@pytest.fixture
async def house(sqlite_db: Database, sqlite_world: World, tmp_path: Path) -> AsyncIterator[Database]:
    async with served(sqlite_db, tmp_path):
        yield sqlite_db


@pytest.fixture
async def guest(house: Database) -> AsyncIterator[Visitor]:
    async with visitor() as found:
        yield found


@pytest.fixture
def filing(sqlite_db: Database, sqlite_world: World) -> int:
    filing = opened(sqlite_db, sqlite_world.filer)
    put(sqlite_db, sqlite_world.filer, filing, {"gross_output:2024": "53800", "energy_total:2024": "9300"})
    return filing


def workbook(db: Database, world: World, filing: int, **values: Any) -> bytes:
    return typed_into(excel.filled_workbook(db.read(snapshots.snapshot, world.filer, filing)), **values)


def text(db: Database, world: World, filing: int, address: str) -> str:
    return db.read(desk.sheet, world.filer, filing).cells[address].text


def buttons(guest: Visitor) -> set[str]:
    return {button.text for button in guest.find(kind=ui.button).elements}


async def chosen(guest: Visitor, content: bytes, name: str = "表.xlsx") -> None:
    """Open the dialog and give it a workbook."""
    guest.button("导入EXCEL").click()
    await guest.should_see("请选择本单位2025年度导出并填写的工作簿")
    await given(guest, content, name)


async def given(guest: Visitor, content: bytes, name: str = "表.xlsx") -> None:
    upload = max(guest.find(Upload).elements, key=lambda element: element.id)
    with guest:
        await upload.handle_uploads([SmallFileUpload(name, "", content)])


def sheet(guest: Visitor) -> FormSheet:
    (found,) = guest.find(FormSheet).elements
    return found


async def test_a_workbook_is_looked_at_imported_and_drawn_as_one_step(
    guest: Visitor, house: Database, sqlite_world: World, filing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(FormSheet, "run_method", lambda self, *args, **_: calls.append(args))
    await guest.sign_in("filer")
    await guest.open(f"/filing/{filing}")
    await chosen(guest, workbook(house, sqlite_world, filing, gross_output_2024="60,000", unit_name_unit="别的名字"))
    await guest.should_see("修改 1 处")
    await guest.should_see("未导入或请核对 1 处")
    (table,) = guest.find(Differences).elements
    assert [(one.place, one.before, one.after) for one in table.shown] == [("工业总产值 2024年", "53,800", "60,000")]
    assert text(house, sqlite_world, filing, "gross_output:2024") == "53800"
    guest.button("导入 1 处修改").click()
    await guest.should_see("已导入 1 处修改并保存")
    assert text(house, sqlite_world, filing, "gross_output:2024") == "60,000"
    assert sheet(guest).last_patch["cells"]["gross_output:2024"] == {"t": "60,000", "k": "number"}
    imported = [call for call in calls if call[0] == "imported"]
    assert [call[2] for call in imported] == [
        [{"a": "gross_output:2024", "before": "53800", "after": "60,000", "c": False}]
    ]


async def test_what_is_no_workbook_of_this_unit_is_said_in_the_dialog_which_stays_open(
    guest: Visitor, house: Database, sqlite_world: World, filing: int
) -> None:
    theirs = opened(house, sqlite_world.other)
    await guest.sign_in("filer")
    await guest.open(f"/filing/{filing}")
    await chosen(guest, b"%PDF-1.7", "表.xlsx")
    await guest.should_see("没有导入：这不是 .xlsx 工作簿")
    await given(guest, b"\xd0\xcf\x11\xe0", "表.et")
    await guest.should_see("“表.et”不是可以上传的类型。只接受 XLSX。请在 Excel 或 WPS 中另存为")
    other = excel.filled_workbook(house.read(snapshots.snapshot, sqlite_world.other, theirs))
    await given(guest, other)
    await guest.should_see("没有导入：这是“广州云山纺织有限公司”的工作簿，当前填报单位是“广州南粤精工制造有限公司”")
    await given(guest, workbook(house, sqlite_world, filing))
    await guest.should_see("工作簿与表中的内容一致，没有需要导入的修改。")
    assert not any(caption.startswith("导入 ") for caption in buttons(guest))


async def test_a_colleagues_newer_figure_is_not_overwritten(
    guest: Visitor, house: Database, sqlite_world: World, filing: int
) -> None:
    await guest.sign_in("filer")
    await guest.open(f"/filing/{filing}")
    await chosen(guest, workbook(house, sqlite_world, filing, gross_output_2024=60000, energy_total_2024=9000))
    await guest.should_see("修改 2 处")
    type_in(house, sqlite_world.signer, filing, gross_output_2024="77777")
    guest.button("导入 2 处修改").click()
    await guest.should_see("已导入 1 处；1 处刚刚被他人改过，没有覆盖")
    assert text(house, sqlite_world, filing, "gross_output:2024") == "77777"
    assert sheet(guest).last_patch["conflicts"] == {"gross_output:2024": ["77777", "60000"]}


async def test_the_import_reaches_the_pages_of_colleagues_and_its_own_page_once(
    guest: Visitor, house: Database, sqlite_world: World, filing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str]] = []
    monkeypatch.setattr(FormSheet, "run_method", lambda self, name, *_, **__: calls.append((self.client.id, name)))
    async with visitor() as colleague:
        await colleague.sign_in("signer")
        await colleague.open(f"/filing/{filing}")
        await guest.sign_in("filer")
        await guest.open(f"/filing/{filing}")
        await chosen(guest, workbook(house, sqlite_world, filing, gross_output_2024=60000))
        await guest.should_see("修改 1 处")
        guest.button("导入 1 处修改").click()
        await until(lambda: sheet(colleague).last_patch.get("cells", {}).get("gross_output:2024"))
        await until(lambda: any(client == sheet(guest).client.id for client, _ in calls))
        assert [name for client, name in calls if client == sheet(guest).client.id] == ["imported"]
        assert [name for client, name in calls if client == sheet(colleague).client.id] == ["patch"]


async def test_a_form_that_cannot_be_edited_offers_no_import(
    guest: Visitor, house: Database, sqlite_world: World
) -> None:
    filing = house.write(filing_kit.submitted, sqlite_world.signer)
    await guest.sign_in("filer")
    await guest.open(f"/filing/{filing}")
    await guest.should_see("导出为EXCEL")
    await guest.should_not_see("导入EXCEL")


async def test_blank_cells_are_emptied_only_after_a_tick(
    guest: Visitor, house: Database, sqlite_world: World, filing: int
) -> None:
    await guest.sign_in("filer")
    await guest.open(f"/filing/{filing}")
    await chosen(guest, workbook(house, sqlite_world, filing, gross_output_2024=None))
    await guest.should_see("有 1 格留空、表中已填")
    guest.find(kind=ui.checkbox, content="一并清空").click()
    await guest.should_see("导入 1 处修改")


# --- 批量导出 -----------------------------------------------------------------------------------------------------------


async def test_an_office_exports_its_list_and_fetches_it(guest: Visitor, house: Database, sqlite_world: World) -> None:
    house.write(filing_kit.submitted, sqlite_world.signer)
    await guest.sign_in("county")
    await guest.open("/filings/green_factory?tab=all")
    guest.button("批量导出").click()
    await guest.should_see("当前筛选结果：1 份")
    guest.button("开始导出").click()
    await guest.should_see("导出任务")
    await until(lambda: any(v.stage == "ready" for v in exports.house().mine(batches.owner(sqlite_world.county))), 30)
    await guest.should_see("已生成，请在“导出任务”中下载", retries=100)
    (view,) = exports.house().mine(batches.owner(sqlite_world.county))
    answer = await guest.http_client.get(f"/download/batch/{view.id}")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert len(found.namelist()) == 1
    guest.button("移除").click()
    await guest.should_not_see("移除")
    assert (await guest.http_client.get(f"/download/batch/{view.id}")).status_code == 409


async def test_who_cancels_an_export_is_told_that_it_is(guest: Visitor, house: Database, sqlite_world: World) -> None:
    go_on = threading.Event()
    owner = batches.owner(sqlite_world.county)
    view = exports.house().start(owner, "导出", "表.csv", lambda ticket: go_on.wait(30) and None)
    await guest.sign_in("county")
    await guest.open("/filings/green_factory?tab=all")
    try:
        guest.button("取消导出").click()
        await guest.should_see("已取消导出，没有生成文件。")
        await until(lambda: exports.house().look(owner, view.id).stage == "cancelled")
        await until(lambda: all(one.text != "取消导出" for one in guest.find(kind=ui.button).elements))
    finally:
        go_on.set()


async def test_nobody_else_fetches_an_export(guest: Visitor, house: Database, sqlite_world: World) -> None:
    made = exports.house()

    def work(ticket: Any) -> None:
        ticket.path.write_bytes(b"secret")

    view = made.start(batches.owner(sqlite_world.county), "导出", "表.csv", work)
    await until(lambda: made.look(batches.owner(sqlite_world.county), view.id).is_over)
    await guest.sign_in("city")
    answer = await guest.http_client.get(f"/download/batch/{view.id}")
    assert answer.status_code == 404 and b"secret" not in answer.content
    await guest.sign_in("county")
    answer = await guest.http_client.get(f"/download/batch/{view.id}")
    assert answer.content == b"secret"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%E8%A1%A8.csv")


async def test_a_unit_and_an_expert_are_offered_no_export(guest: Visitor, house: Database, sqlite_world: World) -> None:
    for name in ("filer", "expert"):
        await guest.sign_in(name)
        await guest.open("/filings/green_factory")
        await guest.should_not_see("批量导出")


async def test_the_summary_asks_for_indicators(guest: Visitor, house: Database, sqlite_world: World) -> None:
    house.write(filing_kit.submitted, sqlite_world.signer)
    await guest.sign_in("county")
    await guest.open("/filings/green_factory?tab=all")
    guest.button("批量导出").click()
    await guest.should_see("当前筛选结果：1 份")
    kind = next(radio for radio in guest.find(kind=ui.radio).elements if "summary" in radio.options)
    kind.value = "summary"
    fields = next(one for one in guest.find(kind=ui.select).elements if one.props.get("label") == "指标")
    fields.value = []
    guest.button("开始导出").click()
    await guest.should_see("请至少选择一个指标")
    fields.value = ["gross_output"]
    guest.button("开始导出").click()
    await until(lambda: any(v.stage == "ready" for v in exports.house().mine(batches.owner(sqlite_world.county))), 30)
    (view,) = exports.house().mine(batches.owner(sqlite_world.county))
    answer = await guest.http_client.get(f"/download/batch/{view.id}")
    sheet_ = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert [cell.value for cell in sheet_[1]][-3:] == [f"工业总产值 {year}年（万元）" for year in (2022, 2023, 2024)]
