"""The pictures of the README (界面截图): ``python -m tests.screenshots`` starts the application with the demo and takes them anew.

They go to ``tests/screenshots``, with few colours, so that each stays under :data:`MOST` bytes.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from services import demo as demo_data
from tests import chromium
from tests.journeys.conftest import NOW, ROOT, House, clean_env, free_port

FOLDER = Path(__file__).resolve().parent / "screenshots"
MOST = 300_000  # bytes of one picture
COLOURS = 256
PASSWORD = demo_data.PASSWORD
LAPTOP = {"width": 1366, "height": 768}  # the office computer the pages are made for
WIDE = {"width": 1600, "height": 900}

UNIT_WITH_SLIPS = "广州南粤精工电路有限公司"  # its filing shows every kind of finding
UNIT_IN_REVIEW = "江门新会信义电路有限公司"  # with something to notice


def sheet(page: Page) -> None:
    """填报页: part three with the findings beside it."""
    page.goto("/filings/green_factory?year=2025")
    page.get_by_role("row").filter(has_text=UNIT_WITH_SLIPS).get_by_role("button", name="编辑动态管理表").click()
    expect(page.locator('.lvs-root[data-ready="1"]')).to_be_visible()
    page.locator("button[data-part]").nth(2).click()
    expect(page.locator('[data-address="gross_output:2024"]')).to_be_visible()
    panel = page.get_by_role("complementary", name="核验问题")
    if not panel.is_visible():
        page.get_by_role("button", name="核验问题").first.click()
    expect(panel).to_be_visible()
    page.locator('[data-address="re_self_kwh:2024"]').click()  # its guidance and findings are then told below


def filings(page: Page) -> None:
    """列表页: what a city sees, with a column for each tier."""
    page.goto("/filings/green_factory?year=2025")
    page.get_by_role("tab", name="全部").click()
    expect(page.get_by_role("row").filter(has_text="广州黄埔晶瑞")).to_be_visible()


def review(page: Page) -> None:
    """审核页: what matters first, the decision at the right."""
    page.goto("/filings/green_factory?year=2025")
    page.get_by_role("row").filter(has_text=UNIT_IN_REVIEW).get_by_role("button", name="审核", exact=True).click()
    expect(page.get_by_role("heading", name=UNIT_IN_REVIEW)).to_be_visible()


# file name → whose eyes, how large the window, what to open
SHOTS: dict[str, tuple[str, dict[str, int], Callable[[Page], None]]] = {
    "sheet.png": ("unit01", WIDE, sheet),
    "list.png": ("guangzhou", LAPTOP, filings),
    "review.png": ("jiangmen", LAPTOP, review),
}


@contextmanager
def demo() -> Iterator[str]:
    """A served demo; gives its address."""
    with tempfile.TemporaryDirectory(prefix="lvce-shots-") as place:
        home, port = Path(place), free_port()
        (home / "clock").write_text(NOW, encoding="utf-8")
        env = clean_env(
            LVCE_DATA_DIR=str(home / "data"),
            LVCE_PORT=str(port),
            LVCE_DEMO="1",
            LVCE_CLOCK_FILE=str(home / "clock"),
        )
        out = home / "accounts.json"
        subprocess.run([sys.executable, "main.py", "seed-demo", "--out", str(out)], cwd=ROOT, env=env, check=True)
        house = House(f"http://127.0.0.1:{port}", home / "data", json.loads(out.read_text(encoding="utf-8")), env)
        try:
            house.start()
            yield house.base
        finally:
            house.stop()


def taken(browser: Browser, base: str, name: str) -> bytes:
    """One picture, as the browser gives it."""
    username, size, opened = SHOTS[name]
    context = browser.new_context(base_url=base, locale="zh-CN", viewport=size, reduced_motion="reduce")
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("用户名", exact=True).fill(username)
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="登录", exact=True).click()
    expect(page.get_by_role("navigation", name="主菜单")).to_be_visible()
    opened(page)
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    found = page.screenshot(animations="disabled")
    context.close()
    return found


def small(picture: bytes) -> bytes:
    """The same with a palette: an interface has few colours."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as opened:
        opened.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def main(names: list[str]) -> int:
    """Take those named, or all."""
    with demo() as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(playwright), args=chromium.arguments())
        for name in names or SHOTS:
            picture = small(taken(browser, base, name))
            assert len(picture) <= MOST, f"{name}: {len(picture)} bytes"
            (FOLDER / name).write_bytes(picture)
            print(f"{name}: {len(picture) // 1024} KB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
