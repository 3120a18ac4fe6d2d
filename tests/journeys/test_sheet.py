"""The sheet in a real browser (填报表): keyboard, paste, undo, units, pop-ups, findings, lost connections, two people at once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.conftest import clean_env, free_port

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
Y1, Y2, Y3 = "2022", "2023", "2024"
POPUP = '[data-dialog="findings"]'


class Harness:
    """The small server of ``sheet_harness``; may be stopped and started again on the same port with the same filing."""

    def __init__(self, place: Path) -> None:
        self.port = free_port()
        self.place = place
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = clean_env(
            LVCE_SHEET_PORT=str(self.port),
            LVCE_SHEET_STATE=str(self.place / "state.json"),
            NICEGUI_STORAGE_PATH=str(self.place / "nicegui"),
        )
        command = [sys.executable, "-m", "tests.journeys.sheet_harness"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(600):
            try:
                self.get("/log")
                return
            except OSError:
                time.sleep(0.1)  # the server is starting; there is nothing else to wait on
        raise AssertionError("the harness does not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def get(self, path: str, **query: object) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)

    def text(self, address: str) -> str:
        return self.get("/text", a=address)["text"]

    def edits(self) -> list[dict[str, Any]]:
        return [event for event in self.get("/log") if "edits" in event]


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    server = Harness(tmp_path_factory.mktemp("sheet"))
    server.start()
    yield server
    server.stop()


class Sheet:
    """One page with the sheet, and the gestures of a person."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        self.open(url)

    def open(self, url: str) -> None:
        self.page.goto(url)
        self.ready()

    def ready(self) -> None:
        expect(self.page.locator('.lvs-root[data-ready="1"]')).to_be_visible(timeout=20_000)

    def cell(self, address: str) -> Locator:
        return self.page.locator(f'[data-address="{address}"]')

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def settled(self) -> None:
        expect(self.page.locator('.lvs-root[data-pending="0"]')).to_be_visible(timeout=15_000)

    def current(self) -> str:
        return str(self.page.evaluate("document.querySelector('.lvs-current')?.dataset.address ?? ''"))

    def paste(self, text: str) -> None:
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.press("Control+v")

    def clipboard(self) -> str:
        return str(self.page.evaluate("navigator.clipboard.readText()")).replace("\r\n", "\n")


@pytest.fixture
def sheets(harness: Harness, browser: Browser) -> Iterator[Callable[..., Sheet]]:
    """Open pages of a fresh filing: ``sheets()`` empty, ``sheets(fill=1)`` half filled, other arguments go to the page."""
    contexts = []
    opened: list[Sheet] = []

    def build(*, fill: int = 0, fresh: bool = True, size: tuple[int, int] = (1366, 768), **query: object) -> Sheet:
        if fresh:
            harness.get("/reset", fill=fill)
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="zh-CN")
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=harness.url)
        contexts.append(context)
        opened.append(Sheet(context.new_page(), f"{harness.url}/?{urllib.parse.urlencode(query)}"))
        return opened[-1]

    yield build
    for context in contexts:
        context.close()
    assert [
        error for sheet in opened for error in sheet.errors if "WebSocket" not in error and "ERR_" not in error
    ] == []


def test_typing_and_enter_go_down_the_column_and_the_server_has_every_figure(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("45200")
    sheet.press("Enter")
    assert sheet.current() == f"energy_total:{Y1}"
    sheet.type("8120")
    sheet.press("Tab")
    assert sheet.current() == f"energy_total:{Y2}"
    sheet.press("Shift+Tab", "Shift+Enter")
    assert sheet.current() == f"gross_output:{Y1}"
    sheet.settled()
    assert harness.text(f"gross_output:{Y1}") == "45200"
    assert harness.text(f"energy_total:{Y1}") == "8120"
    expect(sheet.cell(f"gross_output:{Y1}")).to_have_text("45,200")
    expect(sheet.cell(f"ei_output:{Y1}")).to_contain_text("179.646")
    expect(sheet.page.locator(".lvs-saved")).to_have_text(re.compile(r"^已保存 \d\d:\d\d:\d\d$"))


def test_tab_at_the_row_end_goes_to_the_next_row_and_over_derived_cells(sheets: Any) -> None:
    sheet = sheets()
    sheet.cell(f"renewable_energy:{Y3}").click()
    sheet.press("Tab")
    assert sheet.current() == "renewable_energy:remark"
    sheet.press("Tab")
    assert sheet.current() == f"re_self_kwh:{Y1}"


def test_escape_takes_the_text_back_and_f2_keeps_it(sheets: Any, harness: Harness) -> None:
    sheet = sheets(fill=1)
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("9")
    sheet.press("Escape")
    expect(sheet.cell(f"gross_output:{Y1}")).to_have_text("45,200")
    sheet.press("F2")
    expect(sheet.page.locator(".lvs-editor")).to_have_value("45200")
    sheet.type("0")
    sheet.press("Enter")
    sheet.settled()
    assert harness.text(f"gross_output:{Y1}") == "452000"


def test_double_click_opens_the_editor_with_its_label(sheets: Any) -> None:
    sheet = sheets(fill=1)
    sheet.cell(f"gross_output:{Y2}").dblclick()
    expect(sheet.page.get_by_role("textbox", name=f"工业总产值 {Y2}年")).to_have_value("51830.5")


def test_a_block_is_pasted_in_one_event_and_locked_cells_are_refused_one_by_one(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell(f"renewable_energy:{Y1}").click()
    # three rows: input, derived (原料用能量), derived; Excel adds a blank row at the end
    sheet.paste('310\t402\t"655"\r\n1\t2\t3\r\n\t\t4\r\n\r\n')
    sheet.settled()
    assert [len(event["edits"]) for event in harness.edits()] == [3]
    assert harness.edits()[0]["source"] == "paste"
    notice = sheet.page.locator(".lvs-notice")
    expect(notice).to_contain_text("已粘贴 3 格；4 处未粘贴")
    expect(notice).to_contain_text("原料用能量")
    expect(notice.locator("li")).to_have_count(4)
    assert harness.text(f"renewable_energy:{Y3}") == "655"
    sheet.press("Control+z")
    expect(notice).to_have_count(0)  # it told of what is taken back
    sheet.settled()
    assert harness.text(f"renewable_energy:{Y3}") == ""


def test_undo_and_redo_take_a_paste_back_and_forth_as_one_step(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("1")
    sheet.press("Enter")
    sheet.cell(f"cod_gen:{Y1}").click()
    sheet.paste("12.5\t13.1\t12.8\n2.1\t2.2\t2")
    sheet.settled()
    assert harness.text(f"cod_dis:{Y3}") == "2"
    sheet.press("Control+z")
    sheet.settled()
    assert [harness.text(f"cod_{what}:{year}") for what in ("gen", "dis") for year in (Y1, Y2, Y3)] == [""] * 6
    assert harness.text(f"gross_output:{Y1}") == "1"
    sheet.press("Control+y")
    sheet.settled()
    assert harness.text(f"cod_dis:{Y3}") == "2"
    assert [event["source"] for event in harness.edits()][-2:] == ["undo", "redo"]


def test_undo_reaches_over_the_grid_and_the_plain_inputs(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    contact = sheet.page.get_by_label("填报信息联系人")
    contact.fill("陈立")
    contact.press("Tab")
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("45200")
    sheet.press("Enter", "Control+z")
    sheet.settled()
    assert (harness.text("contact"), harness.text(f"gross_output:{Y1}")) == ("陈立", "")
    sheet.press("Control+z")
    sheet.settled()
    assert harness.text("contact") == ""
    expect(contact).to_have_value("")
    expect(contact).to_be_focused()
    sheet.press("Control+y", "Control+y")
    sheet.settled()
    assert (harness.text("contact"), harness.text(f"gross_output:{Y1}")) == ("陈立", "45200")


def test_one_value_fills_a_range_and_a_range_is_copied_and_cleared(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.press("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown")
    sheet.paste("7")
    sheet.settled()
    assert len(harness.edits()) == 1
    assert harness.text(f"energy_total:{Y3}") == "7"
    sheet.press("Control+c")
    assert sheet.clipboard() == "7\t7\t7\n7\t7\t7"
    sheet.press("Control+x")
    sheet.settled()
    assert harness.text(f"energy_total:{Y3}") == ""
    sheet.press("Control+z", "Delete")
    sheet.settled()
    assert harness.text(f"gross_output:{Y2}") == ""


def test_a_range_is_dragged_with_the_mouse(sheets: Any) -> None:
    sheet = sheets(fill=1)
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.cell(f"gross_output:{Y1}").hover()
    sheet.page.mouse.down()
    sheet.cell(f"energy_total:{Y2}").hover()
    sheet.page.mouse.up()
    sheet.press("Control+c")
    assert sheet.clipboard() == "45200\t51830.5\n8120\t8395.2"


def test_a_pasted_title_row_meets_the_title_row_of_the_sheet(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell(f"gec:{Y1}").click()
    sheet.paste("10\t20\t30\n主要产品1\n轴承\n100\t110\t120")
    sheet.settled()
    assert harness.text("product1_name") == "轴承"
    assert harness.text(f"product1_output:{Y3}") == "120"


def test_chinese_is_composed_into_a_cell_that_was_not_open(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell("gross_output:remark").click()
    wire = sheet.page.context.new_cdp_session(sheet.page)
    for kind in ("rawKeyDown", "keyUp"):
        wire.send(
            "Input.dispatchKeyEvent", {"type": kind, "key": "Process", "code": "KeyT", "windowsVirtualKeyCode": 229}
        )
    wire.send("Input.imeSetComposition", {"text": "停", "selectionStart": 1, "selectionEnd": 1})
    wire.send("Input.insertText", {"text": "停产检修"})
    expect(sheet.page.locator(".lvs-editor")).to_have_value("停产检修")
    sheet.press("Enter")
    sheet.settled()
    assert harness.text("gross_output:remark") == "停产检修"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("１，２３４．５", "1,234.5"), ("3 456.70", "3,456.70"), ("1.2e3", "1,200"), ("12e-3", "0.012"), ("-0.5", "-0.5")],
)
def test_a_figure_is_shown_with_separators_however_it_was_typed(
    sheets: Any, harness: Harness, typed: str, shown: str
) -> None:
    sheet = sheets()
    cell = sheet.cell("gross_output:2023")
    cell.click()
    sheet.type(typed)
    sheet.page.keyboard.press("Enter")
    expect(cell).to_have_text(shown)


def test_what_cannot_be_read_stays_as_typed_and_red(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    cell = sheet.cell(f"gross_output:{Y1}")
    cell.click()
    sheet.type("约三千")
    sheet.press("Enter")
    sheet.settled()
    expect(cell).to_have_text("约三千")
    expect(cell).to_have_attribute("data-mark", "error")
    expect(cell).to_have_attribute("aria-invalid", "true")
    assert "错误：" in (cell.get_attribute("aria-description") or "")


@pytest.mark.parametrize(("answer", "figure"), [("换算数值", "0.5"), ("保留数值", "5000")])
def test_another_unit_asks_whether_to_convert_the_figures(
    sheets: Any, harness: Harness, answer: str, figure: str
) -> None:
    sheet = sheets()
    sheet.cell("product1_output:unit").dblclick()
    sheet.page.get_by_role("option", name="吨", exact=True).click()
    sheet.cell(f"product1_output:{Y1}").click()
    sheet.type("5000")
    sheet.press("Enter")
    sheet.settled()
    sheet.cell("product1_output:unit").click()
    sheet.press("Alt+ArrowDown")
    sheet.page.get_by_role("option", name="万吨", exact=True).click()
    sheet.page.get_by_role("button", name=answer).click()
    sheet.settled()
    assert harness.text("product1_output:unit") == "万吨"
    assert harness.text(f"product1_output:{Y1}") == figure
    sheet.press("Control+z")
    sheet.settled()
    assert harness.text("product1_output:unit") == "吨"
    assert harness.text(f"product1_output:{Y1}") == "5000"


def test_a_unit_change_that_is_not_answered_changes_nothing(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell("product1_output:unit").click()
    sheet.type("万吨")
    sheet.press("Enter")
    sheet.cell(f"product1_output:{Y1}").click()
    sheet.type("5")
    sheet.press("Enter")
    sheet.settled()
    sheet.cell("product1_output:unit").click()
    sheet.press("F2")
    sheet.page.get_by_role("option", name="吨", exact=True).click()
    sheet.page.get_by_role("dialog").get_by_role("button", name="取消").click()
    expect(sheet.cell("product1_output:unit")).to_have_text("万吨")
    assert harness.text("product1_output:unit") == "万吨"


@pytest.mark.parametrize("way", ["Escape", "×", "数据无误，继续填报"])
def test_closing_the_official_pop_up_confirms_the_figure_and_typing_flows_on(
    sheets: Any, harness: Harness, way: str
) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("1")
    sheet.press("Enter")
    popup = sheet.page.locator(POPUP)
    expect(popup).to_be_visible()
    expect(sheet.page.get_by_role("dialog", name="数值超出范围警告")).to_be_visible()
    expect(popup).to_be_focused()
    if way == "Escape":
        sheet.press("Escape")
    elif way == "×":
        popup.get_by_role("button", name="关闭").click()
    else:
        popup.get_by_role("button", name=way).click()
    expect(popup).to_have_count(0)
    sheet.settled()
    assert [event["action"] for event in harness.get("/log") if "note" in event] == ["confirm"]
    expect(sheet.cell(f"gross_output:{Y1}")).to_have_attribute("data-mark", "kept")
    sheet.type("8120")
    sheet.press("Enter")
    sheet.settled()
    assert harness.text(f"energy_total:{Y1}") == "8120"


def test_a_figure_typed_while_the_pop_up_is_open_is_not_lost(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("1")
    sheet.press("Enter")
    expect(sheet.page.locator(POPUP)).to_be_focused()
    sheet.type("8120")
    sheet.press("Enter")
    sheet.settled()
    assert harness.text(f"energy_total:{Y1}") == "8120"
    expect(sheet.page.locator(POPUP)).to_be_visible()


# How many of these cells the pop-up covers, and whether it covers the current one.
COVERED = """(addresses) => {
  const a = document.querySelector('[data-dialog="findings"]').getBoundingClientRect();
  const cells = [...addresses.map((one) => document.querySelector(`[data-address="${one}"]`)), document.querySelector(".lvs-current")];
  return cells.map((cell) => cell.getBoundingClientRect())
    .filter((b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).length;
}"""


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)], ids=lambda size: f"{size[0]}")
@pytest.mark.parametrize("key", ["Enter", "Tab"])
def test_the_pop_up_leaves_the_figure_just_typed_and_the_next_cell_in_sight(
    sheets: Any, size: tuple[int, int], key: str
) -> None:
    sheet = sheets(size=size)
    typed = f"gross_output:{Y2}"
    sheet.cell(typed).click()
    sheet.type("1")
    sheet.press(key)
    expect(sheet.page.locator(POPUP)).to_be_focused()
    assert sheet.page.evaluate(COVERED, [typed]) == 0
    for way in ("ArrowDown", "ArrowLeft", "ArrowDown", "ArrowRight", "ArrowRight"):  # and the person goes on under it
        sheet.press(way)
        sheet.page.wait_for_function(f"() => ({COVERED})([]) === 0")
    expect(sheet.page.locator(POPUP)).to_be_visible()


# Once the pop-up has followed its cell.
APART = """() => {
  const [a, b] = [".lvs-notice", ".lvs-dialog"].map((name) => document.querySelector(name).getBoundingClientRect());
  return a.left >= b.right || b.left >= a.right || a.top >= b.bottom || b.top >= a.bottom;
}"""


def test_a_pop_up_leaves_the_notice_of_a_paste_in_sight(sheets: Any) -> None:
    sheet = sheets()
    derived = sheet.cell(f"co2_total:{Y3}")  # at the right, near the end of the window
    derived.scroll_into_view_if_needed()
    sheet.cell(f"co2_scope2:{Y3}").click()
    sheet.paste("0.001\r\n5")
    notice = sheet.page.locator(".lvs-notice")
    expect(notice).to_contain_text("1 处未粘贴")
    sheet.cell(f"gross_output:{Y3}").click()
    sheet.type("1")
    sheet.press("Enter")
    expect(sheet.page.locator(POPUP)).to_be_visible()
    for row in ("gross_output", "energy_total", "renewable_energy", "ei_output"):
        sheet.cell(f"{row}:{Y3}").evaluate("e => e.scrollIntoView({block: 'end'})")
        expect(notice).to_be_visible()
        sheet.page.wait_for_function(APART)


def test_the_grid_is_reached_by_the_keyboard_alone(sheets: Any) -> None:
    sheet = sheets()
    sheet.page.locator('[data-part="improvement"]').first.focus()
    sheet.press("Enter")
    assert sheet.current() == f"gross_output:{Y1}"
    sheet.type("45200")
    sheet.press("Enter")
    sheet.settled()
    sheet.open(sheet.page.url)
    sheet.page.locator('textarea[data-address="highlights"]').focus()
    sheet.press("Shift+Tab")
    assert sheet.current() == f"gross_output:{Y1}"
    sheet.press("Shift+Tab")
    expect(sheet.cell("former_name")).to_be_focused()
    sheet.press("Tab")
    expect(sheet.cell(f"gross_output:{Y1}").locator("textarea")).to_be_focused()


def test_tab_stays_in_the_pop_up_and_escape_leads_back_to_the_sheet(sheets: Any) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("1")
    sheet.press("Enter")
    popup = sheet.page.locator(POPUP)
    expect(popup).to_be_focused()
    sheet.press("Shift+Tab")
    expect(popup.get_by_role("button", name="数据无误，继续填报")).to_be_focused()
    sheet.press("Tab")
    expect(popup.get_by_role("button", name="关闭")).to_be_focused()
    sheet.press("Escape")
    expect(popup).to_have_count(0)
    expect(sheet.page.locator(":focus")).to_have_count(1)


def test_back_to_the_cell_opens_it_for_correction(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("1")
    sheet.press("Enter")
    sheet.page.get_by_role("button", name="返回修改").click()
    expect(sheet.page.locator(".lvs-editor")).to_have_value("1")
    sheet.press("Control+a")
    sheet.type("45200")
    sheet.press("Enter")
    sheet.settled()
    assert harness.text(f"gross_output:{Y1}") == "45200"
    expect(sheet.cell(f"gross_output:{Y1}")).not_to_have_attribute("data-mark", "warning")


def test_a_paste_with_many_warnings_shows_one_pop_up(sheets: Any) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.paste("1\t2\t3")
    expect(sheet.page.locator(POPUP)).to_have_count(1)
    expect(sheet.page.locator(f"{POPUP} [data-finding]").nth(2)).to_be_attached()


def test_a_pop_up_that_takes_a_newer_warning_in_moves_beside_its_cell(sheets: Any) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("1")
    sheet.press("Enter")
    sheet.page.locator(POPUP).wait_for()
    sheet.cell(f"gross_output:{Y3}").click()
    sheet.type("2")
    sheet.press("Enter")
    expect(sheet.page.locator(f"{POPUP} [data-finding]").nth(1)).to_be_attached()
    sheet.page.get_by_role("button", name="返回修改").click()
    expect(sheet.page.locator(".lvs-editor")).to_have_value("2")


def test_the_panel_counts_jumps_and_takes_an_explanation(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y2}").click()
    sheet.type("1")
    sheet.press("Enter")
    sheet.page.locator(POPUP).wait_for()
    sheet.page.get_by_role("button", name="返回修改").click()
    sheet.press("Escape")
    sheet.page.locator(".lvs-panel-button").click()
    place = sheet.page.get_by_role("button", name=f"转到 工业总产值 {Y2}年")
    item = sheet.page.locator(".lvs-panel [data-finding]").filter(has=place)
    expect(item).to_have_attribute("data-state", "open")
    item.get_by_role("textbox").fill("核实无误")
    item.get_by_role("button", name="保存说明").click()
    expect(sheet.page.locator(".lvs-notice")).to_contain_text("不能只写")
    item.get_by_role("textbox").fill("当年仅试生产一个月")
    item.get_by_role("button", name="保存说明").click()
    sheet.settled()
    sheet.page.get_by_text("已核实或已说明的警告（1）").click()
    expect(item).to_have_attribute("data-state", "explained")
    expect(item).to_contain_text("已说明：当年仅试生产一个月（陈立）")
    item.locator(".lvs-place").click()
    assert sheet.current() == f"gross_output:{Y2}"


def test_the_panel_is_open_on_a_wide_screen_and_a_button_on_a_small_one(sheets: Any) -> None:
    wide = sheets(size=(1920, 1080))
    expect(wide.page.locator(".lvs-panel")).to_be_visible()
    small = sheets()
    expect(small.page.locator(".lvs-panel")).to_have_count(0)
    expect(small.page.locator(".lvs-panel-button")).to_contain_text("错误")
    for sheet in (wide, small):
        assert sheet.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_failed_validation_lists_the_first_ten_and_jumps(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    harness.get("/validate")
    dialog = sheet.page.locator('[data-dialog="failure"]')
    expect(dialog).to_be_visible()
    expect(dialog.locator("li")).to_have_count(10)
    dialog.locator("li .lvs-link").first.click()
    expect(sheet.cell("industry1")).to_be_focused()
    expect(sheet.cell("industry1")).to_have_attribute("aria-invalid", "true")


def test_plain_inputs_have_their_labels_and_commit_at_once(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    page = sheet.page
    page.get_by_label("工厂所属行业", exact=True).select_option("机械")
    page.get_by_role("radiogroup", name="3.2024年至今是否在国务院").get_by_label("否").check()
    industry = page.get_by_role("combobox", name="主营行业1")
    industry.fill("汽车零部件")
    page.get_by_role("option", name="3670 汽车零部件及配件制造").click()
    page.get_by_role("textbox", name="邮件").fill("chenli@example.com")
    page.get_by_role("textbox", name="邮件").press("Enter")
    sheet.settled()
    assert harness.text("sector") == "机械"
    assert harness.text("compliance_3") == "否"
    assert harness.text("industry1") == "3670 汽车零部件及配件制造"
    assert harness.text("email") == "chenli@example.com"
    expect(page.get_by_label("工厂名称", exact=True)).not_to_be_editable()


def test_text_longer_than_its_field_is_kept_and_marked_and_never_cut(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    area = sheet.page.get_by_label("特殊情况说明", exact=True).first
    area.fill("绿" * 620)
    area.blur()
    sheet.settled()
    assert harness.text("industry_remark") == "绿" * 620
    expect(sheet.page.get_by_text("620 / 500 字，超出 120 字")).to_be_visible()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.paste("绿" * 4_001)
    expect(sheet.page.get_by_text("一格最多 4000 字")).to_be_visible()
    sheet.settled()
    assert harness.text(f"gross_output:{Y1}") == ""


def test_an_industry_is_found_by_its_code_and_the_keyboard(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    industry = sheet.page.get_by_role("combobox", name="主营行业2")
    industry.press_sequentially("3670")
    expect(sheet.page.locator(".lvs-options [role=option]")).to_have_count(1)
    industry.press("Enter")
    sheet.settled()
    assert harness.text("industry2") == "3670 汽车零部件及配件制造"


def test_edits_made_while_the_connection_is_down_arrive_when_it_is_back(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.page.evaluate("window.socket.io.reconnection(false); window.socket.io.engine.close()")
    saved = sheet.page.locator(".lvs-saved")
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("45200")
    sheet.press("Enter")
    expect(saved).to_have_text("未保存（连接中断，恢复后自动保存）")
    assert harness.text(f"gross_output:{Y1}") == ""
    sheet.page.evaluate("window.socket.io.reconnection(true); window.socket.connect()")
    sheet.settled()
    assert harness.text(f"gross_output:{Y1}") == "45200"
    expect(saved).to_have_attribute("data-saved", "saved")


def test_nothing_committed_is_lost_when_the_server_is_restarted(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("45200")
    sheet.press("Enter")
    sheet.settled()
    sheet.page.evaluate("window.beforeRestart = true")
    harness.stop()
    expect(sheet.page.locator("#popup")).to_have_attribute("aria-hidden", "false")
    sheet.type("8120")
    sheet.press("Enter")
    sheet.type("77")  # still in the editor
    harness.start()
    # NiceGUI reloads the page: the server does not know it any more.
    sheet.page.wait_for_function("!window.beforeRestart", timeout=30_000)
    sheet.ready()
    sheet.settled()
    assert harness.text(f"gross_output:{Y1}") == "45200"
    assert harness.text(f"energy_total:{Y1}") == "8120"
    expect(sheet.page.locator(".lvs-editor")).to_have_value("77")


def test_a_refused_save_says_why_keeps_the_text_and_can_be_tried_again(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    harness.get("/fail", times=1)
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("45200")
    sheet.press("Enter")
    expect(sheet.page.locator(".lvs-saved")).to_have_text("未保存：磁盘空间不足，请联系系统管理员。")
    expect(sheet.cell(f"gross_output:{Y1}")).to_have_text("45,200")
    sheet.page.get_by_role("button", name="重试").click()
    sheet.settled()
    assert harness.text(f"gross_output:{Y1}") == "45200"


def test_logout_forgets_what_was_not_saved(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    harness.get("/slow", seconds=30)
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("45200")
    sheet.press("Enter")
    expect(sheet.page.locator(".lvs-saved")).to_have_text("保存中…")
    assert sheet.page.evaluate("Object.keys(sessionStorage).filter(k => k.startsWith('lvce:sheet:')).length") == 1
    sheet.page.evaluate("window.dispatchEvent(new Event('lvce:logout'))")
    assert sheet.page.evaluate("Object.keys(sessionStorage).filter(k => k.startsWith('lvce:sheet:')).length") == 0


def test_personal_texts_outlive_a_lost_connection_and_are_never_written_down(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.page.evaluate("window.socket.io.reconnection(false); window.socket.io.engine.close()")
    mobile = sheet.cell("mobile")
    mobile.fill("13800138000")
    mobile.press("Enter")
    sheet.cell("contact").fill("何小燕")  # committed and still being typed: both only in memory
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("45200")
    sheet.press("Enter")
    kept = sheet.page.evaluate("JSON.stringify(sessionStorage)")
    assert "45200" in kept
    assert "13800138000" not in kept
    assert "何小燕" not in kept
    sheet.page.evaluate("window.socket.io.reconnection(true); window.socket.connect()")
    sheet.settled()
    assert harness.text("mobile") == "13800138000"
    assert harness.text("contact") == "何小燕"


def test_a_reload_tells_which_personal_texts_were_not_saved(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    harness.get("/fail", times=3)
    sheet.cell("mobile").fill("13800138000")
    sheet.cell("mobile").press("Enter")
    expect(sheet.page.locator(".lvs-saved")).to_have_attribute("data-saved", "failed")
    harness.get("/fail", times=0)
    sheet.page.on("dialog", lambda asked: asked.accept())  # 要离开此网站吗？
    sheet.page.reload()
    sheet.ready()
    notice = sheet.page.locator(".lvs-notice")
    expect(notice).to_contain_text("没有保存")
    expect(notice).to_contain_text("联系人手机号")
    assert harness.text("mobile") == ""
    sheet.page.reload()
    sheet.ready()
    expect(sheet.page.locator(".lvs-notice")).to_have_count(0)


@pytest.mark.parametrize("width", [1920, 1366, 1180, 860])
def test_names_parameters_and_units_are_never_cut(sheets: Any, width: int) -> None:
    sheet = sheets(fill=1, size=(width, 768))
    cut = sheet.page.evaluate(
        """() => [...document.querySelectorAll(".lvs-grid :is(.lvs-label, .lvs-unit) .lvs-value, .ag-header-cell-text")]
            .filter((one) => {
                const text = document.createRange();
                text.selectNodeContents(one);
                const cell = one.closest(".ag-cell, .ag-header-cell").getBoundingClientRect();
                return [...text.getClientRects()].some((line) => {
                    const middle = (line.top + line.bottom) / 2; // a line is 15 px high, whatever the face says
                    return middle - 7 < cell.top - 1 || middle + 7 > cell.bottom + 1 || line.right > cell.right + 1;
                });
            }).map((one) => one.textContent)"""
    )
    assert cut == []


def test_a_narrower_sheet_keeps_the_cell_its_editor_and_its_place(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    cell = sheet.cell(f"water_intake:{Y2}")
    cell.click()
    sheet.page.set_viewport_size({"width": 1000, "height": 768})
    expect(sheet.page.get_by_role("columnheader", name="填写说明")).to_have_count(0)
    expect(cell).to_have_class(re.compile("lvs-current"))
    expect(cell).to_be_in_viewport()
    sheet.type("88")
    sheet.page.set_viewport_size({"width": 1366, "height": 768})
    expect(sheet.page.locator(".lvs-editor")).to_have_value("88")
    sheet.press("Enter")
    expect(sheet.page.get_by_role("columnheader", name="填写说明")).to_have_count(1)
    sheet.settled()
    assert harness.text(f"water_intake:{Y2}") == "88"


def test_the_line_under_the_sheet_shows_whole_lines_and_all_of_them_on_demand(sheets: Any) -> None:
    sheet = sheets(fill=1)
    sheet.cell(f"energy_total:{Y1}").click()
    text = sheet.page.locator(".lvs-bar-text")
    more = sheet.page.locator(".lvs-bar-more")
    expect(more).to_be_hidden()
    sheet.cell(f"energy_actual:{Y1}").click()
    sheet.type("99999")
    sheet.press("Enter")
    sheet.page.locator(POPUP).wait_for()
    sheet.press("Escape")
    sheet.settled()
    sheet.cell(f"energy_actual:{Y1}").click()
    expect(more).to_have_text("展开全部")
    scroller = sheet.page.locator(".lvs-scroller")
    before = scroller.bounding_box()
    assert text.evaluate("box => box.clientHeight % 20") == 0
    sheet.press("Shift+F2")
    assert text.evaluate("box => box.scrollHeight <= box.clientHeight")
    assert scroller.bounding_box() == before  # it lies over the sheet, nothing moved
    sheet.press("Escape")
    expect(more).to_have_text("展开全部")


def test_the_tooltip_of_a_marked_cell_is_one_line(sheets: Any) -> None:
    sheet = sheets()
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.type("1")
    sheet.press("Enter")
    sheet.page.locator(POPUP).wait_for()
    sheet.press("Escape")
    sheet.settled()
    sheet.page.mouse.move(0, 0)
    sheet.cell(f"gross_output:{Y1}").hover()
    tip = sheet.page.get_by_role("tooltip")
    expect(tip).to_contain_text("已核实")
    box = tip.bounding_box()
    assert box is not None
    assert box["height"] <= 32


def test_two_people_see_each_others_cells_arrive(sheets: Any, harness: Harness) -> None:
    one = sheets()
    two = sheets(fresh=False, user=2)
    one.cell(f"gross_output:{Y1}").click()
    one.type("45200")
    one.press("Enter")
    expect(two.cell(f"gross_output:{Y1}")).to_have_text("45,200")
    two.cell(f"energy_total:{Y1}").click()
    two.type("81")
    harness.get("/edit", a=f"gross_output:{Y2}", t="51830")
    expect(two.cell(f"gross_output:{Y2}")).to_have_text("51,830")
    expect(two.page.locator(".lvs-editor")).to_have_value("81")
    two.type("20")
    two.press("Enter")
    expect(one.cell(f"energy_total:{Y1}")).to_have_text("8,120")


@pytest.mark.parametrize(("answer", "winner"), [("采用对方的数值", "111"), ("采用我填的数值", "222")])
def test_a_conflict_shows_both_values_and_lets_choose(sheets: Any, harness: Harness, answer: str, winner: str) -> None:
    sheet = sheets()
    sheet.page.evaluate("window.socket.io.reconnection(false); window.socket.io.engine.close()")
    sheet.cell(f"gec:{Y1}").click()
    sheet.type("222")
    sheet.press("Enter")
    harness.get("/edit", a=f"gec:{Y1}", t="111")
    sheet.page.evaluate("window.socket.io.reconnection(true); window.socket.connect()")
    dialog = sheet.page.locator('[data-dialog="conflict"]')
    expect(dialog).to_contain_text("111")
    expect(dialog).to_contain_text("222")
    dialog.get_by_role("button", name=answer).click()
    sheet.settled()
    expect(sheet.cell(f"gec:{Y1}")).to_have_text(winner)
    assert harness.text(f"gec:{Y1}") == winner


def test_a_cell_that_changed_while_it_was_being_typed_in_is_a_conflict(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    sheet.cell(f"gec:{Y1}").click()
    sheet.type("222")
    harness.get("/edit", a=f"gec:{Y1}", t="111")
    expect(sheet.cell(f"gec:{Y1}")).to_contain_text("111")
    sheet.press("Enter")
    dialog = sheet.page.locator('[data-dialog="conflict"]')
    expect(dialog).to_contain_text("111")
    expect(dialog).to_contain_text("222")
    assert harness.text(f"gec:{Y1}") == "111"


def test_a_reader_selects_and_copies_but_changes_nothing(sheets: Any, harness: Harness) -> None:
    sheet = sheets(fill=1, readonly=1, pickable=1)
    sheet.cell(f"gross_output:{Y3}").click()
    sheet.type("9")
    sheet.press("Delete", "F2")
    sheet.paste("1")
    sheet.press("Control+c")
    assert sheet.clipboard() == "56012.35"
    expect(sheet.page.locator(".lvs-editor")).to_have_count(0)
    expect(sheet.page.get_by_label("填报信息联系人")).not_to_be_editable()
    expect(sheet.cell(f"gross_output:{Y3}")).to_have_attribute("data-questions", "2")
    sheet.page.get_by_role("button", name="对此格提出核实问题").click()
    expect(sheet.cell(f"energy_total:{Y2}")).to_have_class(re.compile("lvs-changed"))
    sheet.page.wait_for_function("window.__sheet.pending === 0")
    assert harness.edits() == []
    assert {"pick": f"gross_output:{Y3}"} in harness.get("/log")


def test_a_scoped_return_opens_only_the_cells_named(sheets: Any, harness: Harness) -> None:
    sheet = sheets(fill=1, only=f"gross_output:{Y3},contact")
    sheet.cell(f"gross_output:{Y2}").click()
    sheet.type("1")
    expect(sheet.page.locator(".lvs-notice")).to_contain_text("本次退回只开放")
    sheet.press("Tab")
    assert sheet.current() == f"gross_output:{Y3}"
    sheet.type("56000")
    sheet.press("Enter")
    sheet.settled()
    assert harness.text(f"gross_output:{Y3}") == "56000"
    assert harness.text(f"gross_output:{Y2}") == "51830.5"


def test_text_is_drawn_as_text(sheets: Any, harness: Harness) -> None:
    sheet = sheets()
    evil = "<img src=x onerror=window.hit=1>"
    harness.get("/edit", a="product1_name", t=evil)
    harness.get("/edit", a="contact", t=evil)
    harness.get("/edit", a=f"gross_output:{Y1}", t=evil)
    expect(sheet.cell("product1_name")).to_have_text(evil)
    sheet.cell(f"gross_output:{Y1}").click()
    sheet.page.locator(".lvs-panel-button").click()
    expect(sheet.page.locator(".lvs-panel")).to_contain_text("工业总产值")
    assert sheet.page.evaluate("window.hit") is None
