"""One filing, from its first cell to the last tier (从第一格到最后一级), as the people concerned live it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Download, Locator, Page, expect

from tests.journeys.conftest import House
from tests.scans import stamped_pdf

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FULL = Path(__file__).resolve().parents[2] / "assets" / "demo" / "full_forms.toml"
POPUP = '[data-dialog="findings"]'

Visit = Callable[..., Page]


class Desk:
    """A page with the gestures of a person at the sheet."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def ready(self) -> None:
        expect(self.page.locator('.lvs-root[data-ready="1"]')).to_be_visible()

    def cell(self, address: str) -> Locator:
        return self.page.locator(f'[data-address="{address}"]')

    def saved(self) -> None:
        expect(self.page.locator('.lvs-root[data-pending="0"]')).to_be_visible()
        expect(self.page.locator(".lvs-saved")).to_have_attribute("data-saved", "saved")

    def part(self, key: str) -> None:
        self.page.locator(f'button[data-part="{key}"]').click()

    def type(self, address: str, text: str) -> None:
        """Type into a grid cell, as in a sheet: click, type, Enter."""
        self.cell(address).scroll_into_view_if_needed()
        self.cell(address).click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def paste(self, address: str, text: str) -> None:
        self.cell(address).scroll_into_view_if_needed()
        self.cell(address).click()
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.page.keyboard.press("Control+v")

    def popup(self, title: str) -> Locator:
        found = self.page.locator(POPUP)
        expect(found).to_contain_text(title)
        return found

    def keep_all(self) -> None:
        """Close every pop-up that says the figures should be checked: 数据无误，继续填报."""
        self.saved()
        while self.page.locator(POPUP).count():
            self.page.locator(POPUP).get_by_role("button", name="数据无误，继续填报").click()
            self.saved()


def full_form() -> dict[str, str]:
    filing: dict[str, Any] = tomllib.loads(FULL.read_text(encoding="utf-8"))["filing"][0]
    return dict(filing["cells"])


def fill_basics(desk: Desk, texts: dict[str, str]) -> None:
    """Everything outside the grid, where it is not there yet."""
    page = desk.page
    for address, text in texts.items():
        field = desk.cell(address)
        if ":" in address or field.count() != 1 or field.get_attribute("role") == "gridcell":
            continue
        tag = field.evaluate("e => e.tagName")
        if tag == "SELECT":
            field.select_option(label=text)
        elif field.get_attribute("role") == "radiogroup" or tag == "FIELDSET":
            field.get_by_label(text, exact=True).click()
            expect(field.get_by_label(text, exact=True)).to_be_checked()
        elif tag in ("INPUT", "TEXTAREA") and field.is_editable():
            if field.get_attribute("role") == "combobox":
                field.fill(text.split()[0])
                page.get_by_role("listbox").get_by_role("option").first.click()
            else:
                field.fill(text)
                field.press("Tab")
    desk.keep_all()


def paste_figures(desk: Desk, texts: dict[str, str]) -> None:
    """The figures of three years in one block, as copied from a workbook: rows in the order of the sheet."""
    keys: list[str] = desk.page.evaluate(
        "[...document.querySelectorAll('.ag-center-cols-container .ag-row')].filter(r => r.querySelector('.ag-cell'))"
        ".sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index')).map(r => r.getAttribute('row-id'))"
    )
    first = next(key for key in keys if f"{key}:2022" in texts)
    lines = []
    for key in keys[keys.index(first) :]:
        years = [texts.get(f"{key}:{year}", "") for year in (2022, 2023, 2024)]
        lines.append("\t".join(years if any(years) else [texts.get(key, ""), "", ""]))
    desk.paste(f"{first}:2022", "\n".join(lines))


def seal(download: Download, place: Path) -> Path:
    """Sign, stamp and scan: the downloaded PDF rasterised, with a red round seal on its last page."""
    original = place / "form.pdf"
    download.save_as(original)
    scan = place / f"scan-{original.stat().st_size}.pdf"
    scan.write_bytes(stamped_pdf(original.read_bytes()))
    return scan


def export_pdf(page: Page) -> Download:
    with page.expect_download() as download:
        page.get_by_role("button", name="导出为PDF").first.click()
    return download.value


def upload_scan(page: Page, scan: Path) -> None:
    page.get_by_role("tab", name="盖章扫描件").click()
    page.locator("input[type=file]").last.set_input_files(scan)


def row(page: Page, unit: str, year: int = 2025) -> Locator:
    return page.locator(f'tr[data-unit="{unit}"]').filter(has_text=f"{year}年")


def open_sheet(page: Page, unit: str) -> Desk:
    page.goto("/filings/green_factory")
    row(page, unit).get_by_role("button", name="编辑动态管理表").click()
    desk = Desk(page)
    desk.ready()
    return desk


def validate(desk: Desk) -> None:
    desk.saved()
    desk.page.get_by_role("button", name="验证并保存").click()
    desk.page.wait_for_url("**/filings/green_factory*")


def submit(page: Page, unit: str, caption: str = "上报") -> None:
    page.goto("/filings/green_factory")
    row(page, unit).get_by_role("button", name=caption, exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="上报", exact=True).click()
    expect(page.get_by_text("上报成功")).to_be_visible()
    page.get_by_role("button", name="完成").click()


def review(page: Page, unit: str) -> None:
    page.goto("/filings/green_factory")
    row(page, unit).get_by_role("button", name="审核", exact=True).click()
    expect(page.get_by_role("heading", name=unit)).to_be_visible()


def pass_on(page: Page, unit: str, verb: str, letter: Path | None = None) -> None:
    review(page, unit)
    if letter is not None:
        page.locator("input[type=file]").first.set_input_files(letter)
        expect(page.get_by_role("button", name=verb, exact=True)).to_be_enabled()
    page.get_by_label("审核意见").fill("经审核，填报数据与统计报表一致，同意。")
    page.get_by_role("button", name=verb, exact=True).click()
    if verb != "审核通过并上报":
        page.get_by_role("dialog").get_by_role("button", name="审核完成", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="审核")).to_be_visible()


def test_a_factory_fills_stamps_and_submits_and_every_tier_passes_it(
    house: House, visit: Visit, tmp_path: Path
) -> None:
    unit = "广州天河晨光微电子有限公司"
    texts = full_form()

    # A new filing; the official examples of both pop-ups.
    page = visit(house.account("FILER", unit))
    page.goto("/filings/green_factory")
    page.get_by_role("button", name="新增动态管理表").click()
    desk = Desk(page)
    desk.ready()
    desk.part("improvement")
    desk.type("gross_output:2024", "1")
    desk.popup("数值超出范围警告").get_by_role("button", name="返回修改").click()
    page.keyboard.press("Escape")
    desk.type("nh3n_gen:2024", "3")
    desk.keep_all()
    desk.type("nh3n_dis:2024", "5")
    expect(desk.popup("数值规则警告")).to_contain_text("氨氮产生量小于氨氮排放量")
    page.keyboard.press("Escape")  # as in the manual, closing it confirms the figure

    # The whole form: a block pasted, the rest typed; one question is left open, so the validation fails.
    paste_figures(desk, texts)
    desk.keep_all()
    for address, text in texts.items():
        if address.endswith(":unit"):
            desk.type(address, text)
    desk.keep_all()
    fill_basics(desk, {key: text for key, text in texts.items() if key != "compliance_3"})
    page.get_by_role("button", name="验证并保存").click()
    failure = page.locator('[data-dialog="failure"]')
    expect(failure).to_contain_text("错误")
    page.keyboard.press("Escape")
    fill_basics(desk, {"compliance_3": "否"})
    validate(desk)
    expect(row(page, unit)).to_contain_text("填写中(已通过验证)")
    blocked = row(page, unit).get_by_role("button", name="上报", exact=True)
    expect(blocked).to_have_attribute("aria-disabled", "true")

    # Print, seal, scan, upload, submit.
    desk = open_sheet(page, unit)
    scan = seal(export_pdf(page), tmp_path)
    upload_scan(page, scan)
    expect(page.get_by_text("有效：与当前数据一致")).to_be_visible(timeout=60_000)
    submit(page, unit)
    expect(row(page, unit)).to_contain_text("上级主管部门审核中")

    # County, then the city with its 推荐文件.
    letter = tmp_path / "推荐文件.pdf"
    letter.write_bytes(scan.read_bytes())
    pass_on(visit(house.account("COUNTY", "天河")), unit, "审核通过并上报")
    city = visit(house.account("CITY", "广州"))
    pass_on(city, unit, "审核通过并上报", letter)
    city.goto("/filings/green_factory?tab=all")
    expect(row(city, unit).locator('[data-column="city"]')).to_contain_text("已上报")

    # The province asks about one cell and sends it back.
    province = visit(house.account("PROVINCE", "广东"))
    review(province, unit)
    province.get_by_role("tab", name="填报数据").click()
    office = Desk(province)
    office.ready()
    office.part("improvement")
    office.cell("water_intake:2024").scroll_into_view_if_needed()
    office.cell("water_intake:2024").click()
    province.get_by_role("button", name="对此格提出核实问题").click()
    asking = province.get_by_role("dialog")
    asking.get_by_role("textbox").fill("2024年取水量与水费单据是否一致？请核实并说明。")
    asking.get_by_role("button", name="提出问题").click()
    expect(province.get_by_text("已提出，退回时一并发给申报单位。")).to_be_visible()
    province.get_by_role("button", name="退回", exact=True).click()
    sending = province.get_by_role("dialog")
    sending.get_by_label("退回原因").fill("请核实取水量后重新上报。")
    sending.get_by_role("button", name="退回", exact=True).click()
    expect(province.get_by_role("status").filter(has_text="退回")).to_be_visible()

    # The unit answers, corrects the cell, prints, seals and submits again.
    page.goto("/")
    expect(page.get_by_text("请核实取水量").first).to_be_visible()
    desk = open_sheet(page, unit)
    page.get_by_role("tab", name="核实问题").click()
    page.get_by_label("回答").fill("经核对，原填报漏计一处取水口，已更正。")
    page.get_by_role("button", name="保存回答").click()
    expect(page.get_by_text("已回答").first).to_be_visible()
    page.get_by_role("tab", name="表1").click()
    desk.part("improvement")
    corrected = str(round(float(texts["water_intake:2024"].replace(",", "")) * 1.02))
    desk.type("water_intake:2024", corrected)
    desk.keep_all()
    validate(desk)
    open_sheet(page, unit)
    upload_scan(page, scan)
    expect(page.get_by_role("alert").filter(has_text="没有接收")).to_contain_text("1 个单元格不同", timeout=60_000)
    fresh = seal(export_pdf(page), tmp_path)
    upload_scan(page, fresh)
    expect(page.get_by_text("有效：与当前数据一致")).to_be_visible(timeout=60_000)
    submit(page, unit, "重新上报")

    # All tiers again; the ministry completes it.
    pass_on(visit(house.account("COUNTY", "天河")), unit, "审核通过并上报")
    pass_on(city, unit, "审核通过并上报", letter)
    review(province, unit)
    province.get_by_role("tab", name="核实问题").click()
    province.get_by_role("button", name="关闭问题").click()
    expect(province.get_by_text("已关闭").first).to_be_visible()
    pass_on(province, unit, "审核通过并上报")
    pass_on(visit(house.account("MINISTRY")), unit, "审核通过（审核完成）")
    page.goto("/filings/green_factory")
    expect(row(page, unit)).to_contain_text("审核完成")


def test_a_withdrawn_filing_needs_a_new_stamp_once_it_was_changed(house: House, visit: Visit, tmp_path: Path) -> None:
    unit = "广州云山纺织染整有限公司"
    page = visit(house.account("FILER", unit))
    page.goto("/filings/green_factory")
    row(page, unit).get_by_role("button", name="取消上报").click()
    page.get_by_role("dialog").get_by_role("button", name="取消上报").click()
    expect(row(page, unit)).to_contain_text("填写中(已通过验证)")
    desk = open_sheet(page, unit)
    old_scan = seal(export_pdf(page), tmp_path)
    desk.part("improvement")
    desk.type("renewable_energy:2024", "12.5")
    desk.keep_all()
    validate(desk)
    open_sheet(page, unit)
    upload_scan(page, old_scan)
    expect(page.get_by_role("alert").filter(has_text="没有接收")).to_contain_text("1 个单元格不同", timeout=60_000)
    page.goto("/filings/green_factory")
    blocked = row(page, unit).get_by_role("button", name="上报", exact=True)
    expect(blocked).to_have_attribute("aria-disabled", "true")


def test_a_filing_is_deleted_only_by_typing_the_word(house: House, visit: Visit) -> None:
    unit = "广州南粤精工电路有限公司"
    page = visit(house.account("FILER", unit))
    page.goto("/filings/green_factory")
    row(page, unit).get_by_role("button", name="删除").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("好的")
    dialog.get_by_role("button", name="删除", exact=True).click()
    expect(dialog).to_contain_text("请输入“删除”二字")
    dialog.get_by_role("textbox").fill("删除")
    dialog.get_by_role("button", name="删除", exact=True).click()
    expect(row(page, unit)).to_have_count(0)
    expect(page.get_by_role("button", name="新增动态管理表")).to_be_enabled()
