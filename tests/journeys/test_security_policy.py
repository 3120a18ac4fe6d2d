"""A browser that enforces the security policy has nothing to object to (内容安全策略), on any page of any role."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import House

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATHS = {
    "FILER": ("/", "/filings/green_factory", "/profile", "/help", "/password", "/security"),
    "CITY": ("/", "/filings/green_factory", "/organisations"),
    "ADMIN": ("/users", "/organisations", "/settings", "/audit"),
}


@pytest.mark.parametrize("role", sorted(PATHS))
def test_no_page_breaks_the_policy(house: House, visit: Callable[..., Page], role: str) -> None:
    page = visit(house.account(role))
    objections: list[str] = []
    page.on("console", lambda said: objections.append(said.text) if said.type == "error" else None)
    for path in PATHS[role]:
        page.goto(path)
        page.wait_for_load_state("networkidle")
        expect(page.get_by_role("navigation", name="主菜单")).to_be_visible()
    assert objections == []


def test_the_sheet_its_editor_and_its_dialogs_break_nothing(house: House, visit: Callable[..., Page]) -> None:
    page = visit(house.account("FILER"))
    objections: list[str] = []
    page.on("console", lambda said: objections.append(said.text) if said.type == "error" else None)
    page.goto("/filings/green_factory")
    page.get_by_role("button", name="编辑动态管理表").first.click()
    expect(page.locator('.lvs-root[data-ready="1"]')).to_be_visible()
    for part in ("basics", "compliance", "improvement"):
        page.locator(f'button[data-part="{part}"]').click()
    cell = page.locator('[data-address="gross_output:2024"]')
    cell.dblclick()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="数据无误，继续填报").first.click()
    expect(page.locator(".lvs-saved")).to_have_attribute("data-saved", "saved")
    assert objections == []


def test_the_way_back_from_a_page_that_does_not_exist_works(house: House, visit: Callable[..., Page]) -> None:
    page = visit(house.account("FILER"))
    page.goto("/help")
    page.goto("/nowhere")
    page.get_by_text("返回上一页").click()
    page.wait_for_url("**/help")
