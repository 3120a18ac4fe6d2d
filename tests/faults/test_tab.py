"""What was typed while the server died is sent again by the tab (断线重传), in a real browser."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.faults.served import App

CELL = "gross_output:2024"

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with App(tmp_path_factory.mktemp("served"), 1) as found:
        yield found


def test_what_was_not_acknowledged_is_sent_again_by_the_tab_after_a_kill(
    app: App, browser: Browser, long: bool
) -> None:
    context = browser.new_context(base_url=app.base, locale="zh-CN", viewport={"width": 1366, "height": 768})
    context.add_cookies([{"name": name, "value": value, "url": app.base} for name, value in app.cookies[0].items()])
    page = context.new_page()
    page.goto(app.paths[0])
    sheet = page.locator(".lvs-root")
    for turn in range(5 if long else 1):
        expect(sheet).to_have_attribute("data-ready", "1", timeout=60_000)
        expect(sheet).to_have_attribute("data-pending", "0", timeout=60_000)
        app.signal(signal.SIGSTOP)  # it hears nothing any more
        text = str(34001 + turn)
        page.locator(f'[data-address="{CELL}"]').click()
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        expect(sheet).not_to_have_attribute("data-pending", "0")
        expect(page.locator(".lvs-saved")).not_to_have_attribute("data-saved", "saved")
        app.kill()
        assert app.text(0, CELL) != text
        app.start()
        expect(sheet).to_have_attribute("data-pending", "0", timeout=90_000)
        expect(page.locator(".lvs-saved")).to_have_attribute("data-saved", "saved")
        assert app.text(0, CELL) == text
    context.close()
