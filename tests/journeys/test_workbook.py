"""A workbook out, filled in at a desk, and in again (导出为EXCEL, 导入EXCEL), and an office's exports (批量导出)."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from playwright.sync_api import Download, Locator, Page, expect

from services.documents import excel
from tests.journeys.conftest import House

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Visit = Callable[..., Page]
UNIT = "广州南粤精工电路有限公司"


def kept(download: Download, folder: Path) -> Path:
    path = folder / download.suggested_filename
    download.save_as(path)
    return path


def fill_in(path: Path, cells: dict[tuple[str, str], Any]) -> None:
    """Type into the workbook, by indicator and column."""
    book = openpyxl.load_workbook(path)
    sheet = book[excel.FORM_SHEET]
    rows = {sheet.cell(r, 1).value: r for r in range(2, sheet.max_row + 1)}
    columns = {sheet.cell(1, c).value: c for c in range(1, sheet.max_column + 1)}
    for (key, role), value in cells.items():
        sheet.cell(rows[key], columns[role]).value = value
    book.save(path)


def cell(page: Page, address: str) -> Locator:
    return page.locator(f'[data-address="{address}"]')


def saved(page: Page) -> None:
    expect(page.locator('.lvs-root[data-pending="0"]')).to_be_visible()
    expect(page.locator(".lvs-saved")).to_have_attribute("data-saved", "saved")


def test_a_workbook_goes_out_is_filled_in_and_comes_back_as_one_step(
    house: House, visit: Visit, tmp_path: Path
) -> None:
    page = visit(house.account("FILER", UNIT))
    page.goto("/filings/green_factory")
    page.locator(f'tr[data-unit="{UNIT}"]').get_by_role("button", name="编辑动态管理表").first.click()
    expect(page.locator('.lvs-root[data-ready="1"]')).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="导出为EXCEL").click()
    path = kept(download.value, tmp_path)
    page.locator('button[data-part="improvement"]').click()
    before = cell(page, "gross_output:2024").inner_text()
    highlights = page.locator('[data-address="highlights"]').input_value()
    fill_in(
        path,
        {
            ("gross_output", "2024"): "９８，７６５．４",
            ("water_intake", "2024"): "约12万",
            ("highlights", "label"): "第一条\n第二条",
            ("unit_name", "unit"): "别的名字",
        },
    )

    # Nothing is written before it was looked at.
    page.get_by_role("button", name="导入EXCEL").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").set_input_files(path)
    changes = dialog.get_by_role("table", name="导入将作的修改")
    expect(changes.locator('[data-address="gross_output:2024"]')).to_contain_text(before)
    expect(changes.locator('[data-address="gross_output:2024"]')).to_contain_text("98,765.4")
    expect(changes.locator("[data-address]")).to_have_count(3)
    dialog.get_by_role("tab", name="未导入或请核对（1）").click()
    expect(dialog.get_by_role("table", name="未导入或请核对的内容")).to_contain_text("单位注册信息")
    dialog.get_by_role("tab", name="核验问题").click()
    expect(dialog.get_by_role("table", name="导入后将出现的核验问题")).to_contain_text("“约12万”无法识别为数字")
    expect(cell(page, "gross_output:2024")).to_have_text(before)
    with page.expect_download() as download:
        dialog.get_by_role("button", name="下载标注问题的工作簿").click()
    marked = openpyxl.load_workbook(kept(download.value, tmp_path))
    assert "问题" in marked.sheetnames

    # All at once, saved, and one step back.
    dialog.get_by_role("button", name="导入 3 处修改").click()
    expect(page.get_by_text("已导入 3 处修改并保存")).to_be_visible()
    expect(cell(page, "gross_output:2024")).to_have_text("98,765.4")
    expect(cell(page, "water_intake:2024")).to_have_attribute("data-mark", "error")
    expect(page.locator('[data-address="highlights"]')).to_have_value("第一条\n第二条")
    saved(page)
    page.keyboard.press("Control+z")
    expect(cell(page, "gross_output:2024")).to_have_text(before)
    expect(page.locator('[data-address="highlights"]')).to_have_value(highlights)
    saved(page)
    page.keyboard.press("Control+y")
    expect(cell(page, "gross_output:2024")).to_have_text("98,765.4")
    saved(page)
    page.reload()
    expect(page.locator('.lvs-root[data-ready="1"]')).to_be_visible()
    expect(cell(page, "gross_output:2024")).to_have_text("98,765.4")


def test_two_people_and_a_workbook(house: House, visit: Visit, tmp_path: Path) -> None:
    """What a colleague types while the preview is open is shown beside the workbook's figure, and not overwritten."""
    page = visit(house.account("FILER", UNIT))
    page.goto("/filings/green_factory")
    page.locator(f'tr[data-unit="{UNIT}"]').get_by_role("button", name="编辑动态管理表").first.click()
    expect(page.locator('.lvs-root[data-ready="1"]')).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="导出为EXCEL").click()
    path = kept(download.value, tmp_path)
    fill_in(path, {("gross_output", "2024"): 91000, ("gross_output", "2023"): 90000})
    page.get_by_role("button", name="导入EXCEL").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").set_input_files(path)
    expect(dialog.get_by_role("button", name="导入 2 处修改")).to_be_visible()

    colleague = visit(house.account("FILER", UNIT))
    colleague.goto(page.url)
    expect(colleague.locator('.lvs-root[data-ready="1"]')).to_be_visible()
    colleague.locator('button[data-part="improvement"]').click()
    cell(colleague, "gross_output:2024").click()
    colleague.keyboard.type("92000")
    colleague.keyboard.press("Enter")
    saved(colleague)

    dialog.get_by_role("button", name="导入 2 处修改").click()
    conflict = page.locator('[data-dialog="conflict"]')
    expect(conflict).to_contain_text("92000")
    expect(conflict).to_contain_text("91000")
    expect(cell(colleague, "gross_output:2023")).to_have_text("90,000")
    expect(cell(colleague, "gross_output:2024")).to_have_text("92,000")
    conflict.get_by_role("button", name="采用我填的数值").click()
    expect(cell(colleague, "gross_output:2024")).to_have_text("91,000")


def test_an_office_exports_its_list_while_it_goes_on_working(house: House, visit: Visit, tmp_path: Path) -> None:
    page = visit(house.account("CITY", "广州"))
    page.goto("/filings/green_factory?tab=all")
    page.get_by_role("button", name="批量导出").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="动态管理表PDF").click()
    dialog.get_by_role("button", name="开始导出").click()
    task = page.locator(".lv-batch").first
    expect(task).to_contain_text("动态管理表PDF")
    page.get_by_role("tab", name="已办结").click()
    expect(task).to_have_attribute("data-stage", "ready", timeout=60_000)
    with page.expect_download() as download:
        task.get_by_role("button", name="下载").click()
    with zipfile.ZipFile(kept(download.value, tmp_path)) as found:
        assert found.namelist() and all(name.endswith(".pdf") for name in found.namelist())
    page.goto("/")
    expect(page.get_by_text("导出完成：2025年度绿色工厂动态管理表PDF")).to_be_visible()
