"""What must be readable and reachable on an office's small screen (1366×768), on the pages around a filing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import House

pytestmark = pytest.mark.browser

LIST = "/filings/green_factory"


def open_sheet(page: Page) -> None:
    page.goto(LIST)
    page.get_by_role("button", name="编辑动态管理表").first.click()
    expect(page.locator('.lvs-root[data-ready="1"]')).to_be_visible()


def test_every_note_under_a_tier_has_a_line_of_its_own_and_no_column_is_hidden(house: House, visit: Any) -> None:
    page = visit(house.account("CITY", "广州"))
    page.goto(f"{LIST}?tab=all")
    cell = page.locator("[data-column=city]").filter(has_text="推荐文件已上传").first
    for note in ("推荐文件已上传 ⊙", "未组织专家评审(可选)"):
        line = cell.get_by_text(note, exact=True)
        expect(line).to_be_visible()
        assert line.evaluate("box => box.scrollWidth <= box.clientWidth")
    assert page.locator(".lv-tiers-box").evaluate("box => box.scrollWidth <= box.clientWidth")
    expect(page.get_by_role("columnheader", name="风险分")).to_be_in_viewport()


def test_a_refused_button_of_a_row_shows_its_reason_whole(house: House, visit: Any) -> None:
    page = visit(house.account("CITY", "广州"))
    page.goto(f"{LIST}?tab=all")
    refused = page.locator(".lv-actions [data-reason]").first
    refused.hover()
    over = refused.evaluate(
        """button => {
            const tip = getComputedStyle(button, "::after"), at = button.getBoundingClientRect();
            const y = at.bottom + 4 + parseFloat(tip.height) / 2;
            return [20, 60, 100].map((left) => document.elementFromPoint(at.right - left, y) === button);
        }"""
    )
    assert all(over)


def test_the_plus_sign_of_an_upload_says_what_it_takes_and_opens_by_keyboard(house: House, visit: Any) -> None:
    page = visit(house.account("SIGNER"))
    page.goto("/profile")
    plus = page.get_by_role("button", name="上传营业执照（PDF、JPG、PNG，不超过 20 MB）", exact=True)
    plus.focus()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "执照.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"})
    expect(page.locator(".lv-notice")).to_contain_text("文件已损坏或不完整，无法打开。")
    expect(plus).to_be_visible()


def test_notices_cover_no_button_and_the_newest_is_in_sight(house: House, visit: Any) -> None:
    page = visit(house.account("CITY", "广州"))
    page.goto(f"{LIST}?tab=all")
    refused = page.locator(".lv-actions [data-reason]")
    reasons = []
    for row in (0, 1):
        reasons.append(refused.nth(row).get_attribute("data-reason"))
        refused.nth(row).dispatch_event("click")
        expect(page.locator(".lv-notice:visible")).to_contain_text(str(reasons[-1]))
    assert reasons[0] != reasons[1]
    expect(page.locator(".lv-notice:visible")).to_have_count(1)
    notice = page.locator(".lv-notice:visible").bounding_box()
    assert notice is not None
    for button in page.locator("button:visible, a:visible, input:visible").all():
        if button.evaluate("button => button.closest('.lv-notices') !== null"):
            continue
        box = button.bounding_box()
        if box is None or not box["width"]:
            continue
        apart = (
            box["x"] >= notice["x"] + notice["width"]
            or box["x"] + box["width"] <= notice["x"]
            or box["y"] >= notice["y"] + notice["height"]
            or box["y"] + box["height"] <= notice["y"]
        )
        assert apart, button.inner_text()
    page.locator(".lv-notice:visible").get_by_role("button", name="关闭提示").click()
    expect(page.locator(".lv-notice:visible")).to_contain_text(str(reasons[0]))


def test_the_lists_to_fill_the_form_by_are_in_the_top_bar(house: House, visit: Any) -> None:
    page = visit(house.account("FILER", "广州南粤精工"))
    open_sheet(page)
    for name in ("能耗限额标准清单.xlsx", "取水定额标准清单.xlsx", "绿色工厂名单.xlsx"):
        with page.expect_download() as found:
            page.get_by_role("link", name=name, exact=True).click()
        assert found.value.suggested_filename == name
    for name in ("导出为EXCEL", "导入EXCEL", "导出为PDF", "暂存", "验证并保存"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_in_viewport(ratio=1)
    for name in ("表1: 动态管理表", "更多附件"):
        expect(page.get_by_role("tab", name=name, exact=True)).to_be_in_viewport(ratio=1)


def test_signing_out_forgets_what_was_not_saved(house: House, visit: Any) -> None:
    page = visit(house.account("FILER", "广州南粤精工"))
    open_sheet(page)
    page.evaluate(  # the edit stays on its way, everything else works
        """() => {
            const send = window.socket.emit;
            window.socket.emit = (...what) => JSON.stringify(what).includes("changes") || send.apply(window.socket, what);
            addEventListener("beforeunload", () => localStorage.setItem("left behind", window.__sheet.pending));
        }"""
    )
    page.locator('[data-address="land_area:2024"]').click()
    page.keyboard.type("345")
    page.keyboard.press("Enter")
    expect(page.locator(".lvs-root")).to_have_attribute("data-pending", "1")
    page.locator(".lv-person").click()
    page.get_by_text("退出登录").click()
    page.wait_for_url(re.compile("/login\\?ended=signed_out"))
    assert page.evaluate("localStorage.getItem('left behind')") == "0"
    assert "lvce" not in page.evaluate("JSON.stringify(sessionStorage)")


def test_whatever_the_keyboard_reaches_on_a_list_shows_that_it_has_the_focus(house: House, visit: Any) -> None:
    page = visit(house.account("CITY", "广州"))
    page.goto(f"{LIST}?tab=all")
    expect(page.locator("tr[data-unit]").first).to_be_visible()
    seen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        kind, style = page.evaluate(
            "() => { const e = document.activeElement; return [e.tagName, getComputedStyle(e).outlineStyle]; }"
        )
        if kind in ("A", "BUTTON"):
            assert style == "solid", page.evaluate("document.activeElement.outerHTML")
            seen.add(kind)
    assert seen == {"A", "BUTTON"}


def test_a_double_click_opens_one_dialog_that_a_click_beside_it_leaves_open(house: House, visit: Any) -> None:
    page = visit(house.account("FILER", "广州南粤"))
    page.goto(LIST)
    delete = page.get_by_role("button", name="删除", exact=True).first
    asked = page.get_by_role("dialog")
    delete.dblclick()
    expect(asked.get_by_role("textbox").last).to_be_focused()
    page.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    delete.click()
    expect(asked.get_by_role("textbox")).to_be_focused()
    page.mouse.click(20, 400)
    page.keyboard.type("删除")
    expect(asked.get_by_role("textbox")).to_have_value("删除")


def test_the_title_says_no_longer_validated_once_a_figure_has_changed(house: House, visit: Any) -> None:
    page = visit(house.account("FILER", "博罗"))
    open_sheet(page)
    title = page.locator(".lv-title-row")
    expect(title).to_contain_text("填写中(已通过验证)")
    page.locator('[data-address="so2_dis:2024"]').scroll_into_view_if_needed()
    page.locator('[data-address="so2_dis:2024"]').click()
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    expect(title).not_to_contain_text("已通过验证")
    expect(title).to_contain_text("填写中")


def test_a_question_is_asked_on_a_cell_by_the_keyboard_alone(house: House, visit: Any) -> None:
    page = visit(house.account("CITY", "广州"))
    page.goto(LIST)
    page.get_by_role("button", name="审核", exact=True).first.click()
    page.get_by_role("tab", name="填报数据").click()
    expect(page.locator('.lvs-root[data-ready="1"]')).to_be_visible()
    page.locator('button[data-part="improvement"]').focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("对“综合能源消费量合计 2022年”提出核实问题")
    expect(asked.get_by_role("textbox")).to_be_focused()


def test_a_dialog_opens_on_its_first_field(house: House, visit: Any) -> None:
    page = visit(house.account("CITY", "广州"))
    page.goto(LIST)
    page.get_by_role("button", name="审核", exact=True).first.click()
    page.get_by_role("button", name="转送", exact=True).click()
    expect(page.get_by_role("dialog").get_by_label("转送给")).to_be_focused()
