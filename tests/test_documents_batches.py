"""Batches: what is asked for comes whole, can be cancelled, belongs to one person, and failing says so."""

from __future__ import annotations

import csv
import io
import subprocess
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import openpyxl
import pytest

from services import clock
from services.documents import batches, pdf
from services.documents.batches import Batches, BatchView, Owner, Ticket
from services.documents.snapshot import FilingSnapshot
from services.errors import NotFound, Refusal
from tests import papers

OWNER, OTHER = Owner(7, 1, "city", "440100"), Owner(8, 1, "city", "440100")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Batches]:
    made = Batches(tmp_path / "batches")
    yield made
    made.close()


class Waiter:
    """Collects what a batch tells when it is over."""

    def __init__(self) -> None:
        self.views: list[BatchView] = []
        self._over = Event()

    def __call__(self, view: BatchView) -> None:
        self.views.append(view)
        self._over.set()

    def wait(self) -> BatchView:
        assert self._over.wait(60)
        return self.views[-1]


def written(desk: Batches, name: str, work: batches.Work) -> Path:
    told = Waiter()
    view = desk.start(OWNER, "导出", name, work, told)
    over = told.wait()
    assert (over.stage, over.message) == ("ready", "")
    return desk.result(OWNER, view.id)[1]


def test_a_zip_holds_every_form_as_it_is_printed_alone(desk: Batches) -> None:
    full = papers.full()
    asked = [replace(full, number=f"GF-2025-440115-{n:05}") for n in range(5)]
    path = written(desk, "表.zip", lambda ticket: batches.forms_zip(ticket, asked, len(asked)))
    with zipfile.ZipFile(path) as found:
        assert found.namelist() == [f"广州南沙晟电电路有限公司_{one.number}.pdf" for one in asked]
        assert found.read(found.namelist()[3]) == pdf.form_pdf(asked[3])


def test_names_in_a_zip_are_safe_and_differ(desk: Batches) -> None:
    full = papers.full()
    asked = [replace(full, unit_name='../a\\b:"*', number="1"), replace(full, unit_name="..ab", number="1")]
    path = written(desk, "表.zip", lambda ticket: batches.forms_zip(ticket, asked, 2))
    with zipfile.ZipFile(path) as found:
        assert found.namelist() == ["ab_1.pdf", "ab_1_2.pdf"]


ROWS = [
    ("广州某厂", Decimal("12.50"), "=1+1"),
    ("佛山某厂", None, "-"),
    ("深圳\x00某厂", Decimal("12345678901234567890"), ""),
]
HEADS, WIDTHS = ("单位名称", "工业总产值（万元）", "说明"), (30, 16, 20)


def test_a_summary_as_workbook_has_numbers_as_numbers_and_no_formula(desk: Batches) -> None:
    path = written(desk, "汇总表.xlsx", lambda t: batches.summary(t, "汇总表", HEADS, WIDTHS, iter(ROWS), 3))
    sheet = openpyxl.load_workbook(io.BytesIO(path.read_bytes())).active
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        list(HEADS),
        ["广州某厂", 12.5, "=1+1"],
        ["佛山某厂", None, "-"],
        ["深圳某厂", "12345678901234567890", None],
    ]
    assert "f" not in {cell.data_type for row in sheet.iter_rows() for cell in row}


@pytest.mark.parametrize(("columns", "pages"), [(3, 1), (40, 5)])
def test_a_summary_is_printed_across_with_its_heads_on_each_page(desk: Batches, columns: int, pages: int) -> None:
    heads, widths = [f"指标{n}" for n in range(columns)], [22] * columns
    path = written(desk, "汇总表.xlsx", lambda t: batches.summary(t, "汇总表", heads, widths, iter([heads]), 1))
    sheet = openpyxl.load_workbook(io.BytesIO(path.read_bytes())).active
    setup = sheet.page_setup
    assert (setup.orientation, setup.fitToWidth, setup.fitToHeight) == ("landscape", pages, 0)
    assert sheet.sheet_properties.pageSetUpPr.fitToPage and sheet.freeze_panes == "C2"
    assert (sheet.print_title_rows, sheet.print_title_cols) == ("$1:$1", "$A:$B")


def test_a_summary_as_csv_opens_in_excel_and_runs_nothing(desk: Batches) -> None:
    path = written(desk, "汇总表.csv", lambda t: batches.summary(t, "汇总表", HEADS, WIDTHS, iter(ROWS), 3))
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows[0] == list(HEADS) and rows[1] == ["广州某厂", "12.50", "'=1+1"] and rows[2] == ["佛山某厂", "", "'-"]


def test_a_cancelled_batch_stops_and_leaves_nothing(desk: Batches, tmp_path: Path) -> None:
    begun, go_on = Event(), Event()

    def work(ticket: Ticket) -> None:
        ticket.path.write_bytes(b"half")
        begun.set()
        assert go_on.wait(30)
        ticket.step(1)

    told = Waiter()
    view = desk.start(OWNER, "导出", "a.zip", work, told)
    assert begun.wait(30)
    desk.cancel(OWNER, view.id)
    assert desk.look(OWNER, view.id).stage == "cancelled", "at once, whenever the work notices"
    go_on.set()
    assert told.wait().stage == "cancelled"
    assert list((tmp_path / "batches").iterdir()) == []
    with pytest.raises(Refusal, match="不能下载"):
        desk.result(OWNER, view.id)


def test_a_batch_cancelled_after_its_last_step_is_not_ready(desk: Batches, tmp_path: Path) -> None:
    begun, go_on = Event(), Event()

    def work(ticket: Ticket) -> None:
        ticket.path.write_bytes(b"whole")
        begun.set()
        assert go_on.wait(30)

    told = Waiter()
    view = desk.start(OWNER, "导出", "a.zip", work, told)
    assert begun.wait(30)
    desk.cancel(OWNER, view.id)
    go_on.set()
    assert told.wait().stage == "cancelled"
    assert list((tmp_path / "batches").iterdir()) == []


def test_a_cancelled_zip_ends_its_children(desk: Batches) -> None:
    told, asked = Waiter(), Event()

    def endless() -> Iterator[FilingSnapshot]:
        assert asked.wait(30)
        desk.cancel(OWNER, view.id)
        while True:
            yield papers.full()

    view = desk.start(OWNER, "导出", "a.zip", lambda ticket: batches.forms_zip(ticket, endless(), 10_000), told)
    asked.set()
    assert told.wait().stage == "cancelled"


def test_a_zip_that_waits_for_its_first_form_is_cancelled_too(
    desk: Batches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never: Future[bytes] = Future()
    monkeypatch.setattr(batches._Printer, "print", lambda self, snapshot: never)
    told, asked = Waiter(), Event()

    def one() -> Iterator[FilingSnapshot]:
        yield papers.full()
        asked.set()

    view = desk.start(OWNER, "导出", "a.zip", lambda ticket: batches.forms_zip(ticket, one(), 1), told)
    assert asked.wait(30)
    desk.cancel(OWNER, view.id)
    assert told.wait().stage == "cancelled"
    assert list((tmp_path / "batches").iterdir()) == []


def test_a_summary_asks_for_no_further_row_once_it_is_cancelled(desk: Batches, tmp_path: Path) -> None:
    told, asked, taken = Waiter(), Event(), []

    def endless() -> Iterator[batches.Row]:
        assert asked.wait(30)
        while True:
            taken.append(1)
            if len(taken) == 3:
                desk.cancel(OWNER, view.id)
            yield ("广州某厂", Decimal("12.50"), "")

    def work(ticket: Ticket) -> None:
        batches.summary(ticket, "汇总", HEADS, (10, 10, 10), endless(), 20_000)

    view = desk.start(OWNER, "导出", "a.csv", work, told)
    asked.set()
    assert told.wait().stage == "cancelled"
    assert len(taken) == 3
    assert list((tmp_path / "batches").iterdir()) == []


def test_a_summary_whose_child_says_nothing_more_is_cancelled_too(
    desk: Batches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It packs the workbook, say; here it waits for what never comes."""
    told, at_work, real = Waiter(), Event(), subprocess.Popen
    children: list[subprocess.Popen[str]] = []

    def silent(command: list[str], **options: Any) -> subprocess.Popen[str]:
        waits = "import sys; print(500, flush=True); sys.stdin.read()"
        children.append(real([command[0], "-c", waits], stdin=subprocess.PIPE, **options))
        return children[-1]

    def step(ticket: Ticket, done: int) -> None:
        assert done == 3
        at_work.set()

    def work(ticket: Ticket) -> None:
        batches.summary(ticket, "汇总", HEADS, (10, 10, 10), [("广州某厂", None, "")] * 3, 3)

    monkeypatch.setattr(batches.subprocess, "Popen", silent)
    monkeypatch.setattr(Ticket, "step", step)
    view = desk.start(OWNER, "导出", "a.xlsx", work, told)
    assert at_work.wait(30)
    desk.cancel(OWNER, view.id)
    assert told.wait().stage == "cancelled"
    assert children[0].returncode not in (0, None)
    assert list((tmp_path / "batches").iterdir()) == []


def test_two_run_at_a_time_and_a_person_may_queue_only_a_few(desk: Batches) -> None:
    go_on, running = Event(), []

    def work(ticket: Ticket) -> None:
        running.append(1)
        assert go_on.wait(30)
        ticket.path.write_bytes(b"x")

    told = [Waiter() for _ in range(batches.MOST_WAITING)]
    for one in told:
        desk.start(OWNER, "导出", "a.zip", work, one)
    with pytest.raises(Refusal, match="排队"):
        desk.start(OWNER, "导出", "a.zip", work)
    assert len(running) <= batches.AT_ONCE
    go_on.set()
    assert [one.wait().stage for one in told] == ["ready"] * batches.MOST_WAITING


def test_a_failed_batch_says_what_to_do(desk: Batches) -> None:
    def work(ticket: Ticket) -> None:
        raise OSError("No space left on device: /secret/path")

    told = Waiter()
    desk.start(OWNER, "导出", "a.zip", work, told)
    over = told.wait()
    assert over.stage == "failed" and over.message.endswith("。") and "secret" not in over.message
    assert desk.cancel(OWNER, over.id).stage == "cancelled", "移除"


def test_nobody_else_sees_cancels_or_fetches_it(desk: Batches) -> None:
    told = Waiter()
    view = desk.start(OWNER, "导出", "a.zip", lambda ticket: ticket.path.write_bytes(b"x") and None, told)
    told.wait()
    assert desk.mine(OTHER) == () and [one.id for one in desk.mine(OWNER)] == [view.id]
    for ask in (desk.look, desk.cancel, desk.result):
        with pytest.raises(NotFound):
            ask(OTHER, view.id)


def test_old_results_are_thrown_away(desk: Batches, tmp_path: Path) -> None:
    told = Waiter()
    view = desk.start(OWNER, "导出", "a.zip", lambda ticket: ticket.path.write_bytes(b"x") and None, told)
    told.wait()
    with clock.frozen(view.asked_at + batches.KEPT + timedelta(minutes=1)):
        desk.start(OWNER, "导出", "b.zip", lambda ticket: None, again := Waiter())
        again.wait()
    with pytest.raises(NotFound):
        desk.look(OWNER, view.id)


def test_a_restart_clears_what_was_left_half_done(tmp_path: Path) -> None:
    folder = tmp_path / "batches"
    folder.mkdir()
    (folder / "old.spool").write_text("x")
    (folder / "other.slip").write_text('{"title": "of another version"}')
    Batches(folder).close()
    assert list(folder.iterdir()) == []


def test_what_is_ready_outlives_a_restart_for_its_day(desk: Batches, tmp_path: Path) -> None:
    folder, told = tmp_path / "batches", Waiter()
    view = desk.start(
        OWNER, "导出", "表.zip", lambda ticket: ticket.path.write_bytes(b"x") and None, told, link="/filings"
    )
    over = told.wait()
    desk.close()
    again = Batches(folder)
    assert again.mine(OWNER) == (over,) and again.mine(OTHER) == () and again.interrupted == ()
    name, path = again.result(OWNER, view.id)
    assert (name, path.read_bytes()) == ("表.zip", b"x")
    again.close()
    with clock.frozen(view.asked_at + batches.KEPT + timedelta(minutes=1)):
        Batches(folder).close()
    assert list(folder.iterdir()) == []


def test_what_was_under_way_is_interrupted_by_a_restart_and_said_until_told(desk: Batches, tmp_path: Path) -> None:
    folder, begun = tmp_path / "batches", Event()

    def work(ticket: Ticket) -> None:
        ticket.path.write_bytes(b"half")
        begun.set()
        while True:
            ticket.step(1)

    views = [desk.start(OWNER, "导出", f"{n}.zip", work, Waiter()) for n in range(batches.AT_ONCE + 1)]
    assert begun.wait(30)
    desk.cancel(OWNER, views[0].id)
    desk.close()
    assert {path.suffix for path in folder.iterdir()} == {".slip"}, "nothing half is left"
    for _ in range(2):  # a run that ends before it could tell
        again = Batches(folder)
        assert [(whose, view.id) for whose, view in again.interrupted] == [(OWNER, view.id) for view in views[1:]]
        again.close()
    assert again.look(OWNER, views[1].id).stage == "failed" and "请重新导出" in again.look(OWNER, views[1].id).message
    again.told_of_interrupted()
    assert list(folder.iterdir()) == []
