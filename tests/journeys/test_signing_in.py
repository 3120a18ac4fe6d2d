"""Signing in, idling and coming back in a real browser (登录, 超时, 重新登录): nothing typed is lost, nothing shown is left open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import NOW, House

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Visit = Callable[..., Page]
CELL = '[data-address="gross_output:2024"]'
LAYER = "重新登录，继续当前页面"
# The page has told nobody of typing for so long that it tells of the next key at once.
QUIET = """() => performance.getEntriesByType("resource").filter((e) => e.name.endsWith("/auth/active"))
    .every((e) => performance.now() - e.startTime > 5100)"""


class Clock:
    """The time the application lives by; it goes on from test to test."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.file.read_text())

    def advance(self, minutes: float) -> None:
        beside = self.file.with_suffix(".part")
        beside.write_text((self.now + timedelta(minutes=minutes)).isoformat())
        beside.replace(self.file)


@pytest.fixture
def clock(house: House) -> Iterator[Clock]:
    yield Clock(Path(house.env["LVCE_CLOCK_FILE"]))
    assert datetime.fromisoformat(NOW) <= Clock(Path(house.env["LVCE_CLOCK_FILE"])).now


def open_sheet(page: Page) -> None:
    page.goto("/filings/green_factory")
    page.get_by_role("button", name="编辑动态管理表").first.click()
    expect(page.locator('.lvs-root[data-ready="1"]')).to_be_visible()


def type_figure(page: Page, text: str) -> None:
    """Into the cell, and on to the next one."""
    page.locator(CELL).dblclick()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def shown(text: str) -> re.Pattern[str]:
    return re.compile(f"^{int(text):,}$")


def sign_in(page: Page, account: dict[str, str]) -> None:
    page.get_by_label("用户名", exact=True).fill(account["username"])
    page.get_by_label("密码", exact=True).fill(account["password"])
    page.get_by_role("button", name="登录", exact=True).click()


def close_warnings(page: Page) -> None:
    """The pop-ups about an unusual figure; closing one confirms it."""
    button = page.get_by_role("button", name="数据无误，继续填报")
    while button.count():
        button.first.click()


def test_an_idle_sheet_is_covered_and_what_was_typed_is_saved_after_signing_in_again(
    house: House, visit: Visit, clock: Clock
) -> None:
    account = house.account("FILER")
    page = visit(account)
    open_sheet(page)
    address = page.url
    with house.silent():
        clock.advance(31)
        type_figure(page, "60123")
    expect(page.get_by_role("dialog", name=LAYER)).to_be_visible()
    backdrop = page.locator(".lv-again .q-dialog__backdrop")
    expect(backdrop).to_have_css("opacity", "1")  # nothing of the figures is seen behind it
    expect(backdrop).to_have_css("background-color", re.compile(r"^rgb\("))
    page.get_by_label("密码", exact=True).fill("wrong-password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").get_by_text("用户名或密码不正确")).to_be_visible()
    page.get_by_label("密码", exact=True).fill(account["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=LAYER)).to_have_count(0)
    assert page.url == address
    expect(page.locator(".lvs-root")).to_have_attribute("data-pending", "0")
    close_warnings(page)
    page.reload()  # by the new cookie
    expect(page.locator(CELL)).to_have_text(shown("60123"))


def test_who_reloads_instead_comes_back_to_the_very_page_with_what_was_typed(
    house: House, visit: Visit, clock: Clock
) -> None:
    account = house.account("FILER")
    page = visit(account)
    page.on("dialog", lambda dialog: dialog.accept())  # 有内容没有保存
    open_sheet(page)
    address = page.url
    with house.silent():
        clock.advance(31)
        type_figure(page, "61234")
    expect(page.get_by_role("dialog", name=LAYER)).to_be_visible()
    page.reload()
    expect(page).to_have_url(re.compile(r"/login\?next="))
    sign_in(page, account)
    expect(page).to_have_url(address)
    expect(page.locator('.lvs-root[data-ready="1"][data-pending="0"]')).to_be_visible()
    expect(page.locator(CELL)).to_have_text(shown("61234"))
    close_warnings(page)
    expect(page.locator(".lvs-saved")).to_have_attribute("data-saved", "saved")


def test_typing_is_activity_also_before_it_is_committed(house: House, visit: Visit, clock: Clock) -> None:
    page = visit(house.account("FILER"))
    open_sheet(page)
    page.locator(CELL).dblclick()
    page.keyboard.press("ControlOrMeta+A")
    for digit in "624":
        clock.advance(20)
        with page.expect_response("**/auth/active") as told:
            page.wait_for_function(QUIET)
            page.keyboard.type(digit)
        assert told.value.status == 204
    page.keyboard.press("Enter")
    expect(page.locator(".lvs-root")).to_have_attribute("data-pending", "0")
    expect(page.get_by_role("dialog", name=LAYER)).to_have_count(0)


def test_all_tabs_of_a_browser_are_covered_and_uncovered_together(house: House, visit: Visit, clock: Clock) -> None:
    account = house.account("CITY")
    first = visit(account)
    second = first.context.new_page()
    second.goto("/organisations")
    search = second.get_by_label("名称或统一社会信用代码")
    search.fill("广州")
    clock.advance(31)
    for page in (first, second):
        expect(page.get_by_role("dialog", name=LAYER)).to_be_visible()
    first.get_by_label("密码", exact=True).fill(account["password"])
    first.get_by_role("button", name="登录", exact=True).click()
    for page in (first, second):
        expect(page.get_by_role("dialog", name=LAYER)).to_have_count(0)
    expect(search).to_have_value("广州")
    second.get_by_role("button", name="查看").first.click()
    expect(second).to_have_url(re.compile("/organisations/"))


def test_a_second_step_is_set_up_and_used_by_keyboard(house: House, visit: Visit, clock: Clock) -> None:
    account = house.account("COUNTY")
    page = visit(account)
    page.goto("/security")
    page.get_by_role("button", name="启用动态口令").click()
    secret = page.locator(".lv-code").first.inner_text().replace(" ", "")
    expect(page.get_by_alt_text("动态口令二维码")).to_be_visible()
    page.get_by_label("动态口令", exact=True).fill("000000")
    page.get_by_label("密码", exact=True).fill(account["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_text("动态口令不正确。请输入手机上现在显示的 6 位数字")).to_be_visible()
    page.get_by_label("动态口令", exact=True).fill(pyotp.TOTP(secret).at(clock.now))
    page.get_by_role("button", name="启用", exact=True).click()
    expect(page.get_by_text("10 个恢复码，只显示这一次")).to_be_visible()
    recovery = page.locator(".lv-codes .lv-code").all_inner_texts()
    assert len(set(recovery)) == 10
    page.get_by_role("button", name="我已保存").click()
    expect(page.get_by_text("已启用。恢复码还剩 10 个。")).to_be_visible()

    page.locator(".lv-person").click()
    page.get_by_text("退出登录").click()
    expect(page.get_by_text("您已退出登录。")).to_be_visible()
    clock.advance(2)
    page.keyboard.type(account["username"])
    page.keyboard.press("Tab")
    page.keyboard.type(account["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="动态口令")).to_be_visible()
    expect(page.get_by_role("navigation", name="主菜单")).to_have_count(0)
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("动态口令或恢复码不正确")
    page.keyboard.type(pyotp.TOTP(secret).at(clock.now))
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="主菜单")).to_be_visible()

    clock.advance(31)  # the same in the open page, this time without the telephone
    expect(page.get_by_role("dialog", name=LAYER)).to_be_visible()
    page.get_by_label("密码", exact=True).fill(account["password"])
    page.keyboard.press("Enter")
    page.get_by_label("动态口令", exact=True).fill(recovery[0])
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=LAYER)).to_have_count(0)
    page.goto("/security")
    expect(page.get_by_text("已启用。恢复码还剩 9 个。")).to_be_visible()


def test_a_forgotten_password_is_set_anew_with_a_code_from_the_office_above(house: House, visit: Visit) -> None:
    county, filer = house.account("COUNTY", "黄埔"), None
    office = visit(county)
    office.goto("/organisations")
    office.get_by_role("button", name="查看").first.click()
    office.get_by_role("link", name="查看这个机构的用户").click()
    row = office.get_by_role("row").filter(has_text="填报人").first
    username = row.get_by_role("cell").nth(1).inner_text()
    filer = next(a for a in house.accounts if a["username"] == username)
    row.get_by_role("button", name="重置码").click()
    office.get_by_role("button", name="生成重置码").click()
    code = office.get_by_text(re.compile(r"^[2-9A-Z]{4}(-[2-9A-Z]{4}){3}$")).inner_text()

    page = visit(filer)
    page.goto("/reset")
    page.get_by_label("用户名", exact=True).fill(username)
    page.get_by_label("重置码", exact=True).fill(code.lower())
    for label in ("新密码", "再次输入新密码"):
        page.get_by_label(label, exact=True).fill("Huangpu-2025-bw")
    page.keyboard.press("Enter")
    expect(page.get_by_text("新密码已设置，请用新密码登录。")).to_be_visible()
    sign_in(page, filer)
    expect(page.get_by_role("alert")).to_contain_text("用户名或密码不正确")
    sign_in(page, {**filer, "password": "Huangpu-2025-bw"})
    expect(page.get_by_role("navigation", name="主菜单")).to_be_visible()
