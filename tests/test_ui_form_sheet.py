"""What the sheet component accepts from a browser, and how answers are written for it (填报表组件)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services import clock
from services.filings.views import CellEdit, CellView, FindingView, SheetPatch
from ui.widgets import form_sheet
from ui.widgets.form_sheet import CellsEvent, NoteEvent

CHANGE = {"a": "gross_output:2024", "t": "45200", "b": "", "c": False}


def test_an_action_on_cells_is_read_with_what_the_person_saw() -> None:
    event = form_sheet.cells_event(
        {"seq": 3, "source": "paste", "changes": [CHANGE, {**CHANGE, "a": "x:unit", "c": True}]}
    )
    assert event == CellsEvent(
        edits=(CellEdit("gross_output:2024", "45200"), CellEdit("x:unit", "45200", convert=True)),
        source="paste",
        seen={"gross_output:2024": "", "x:unit": ""},
    )


@pytest.mark.parametrize(
    "args",
    [
        None,
        [],
        "cells",
        {},
        {"seq": 1, "source": "typed"},
        {"seq": 1, "source": "typed", "changes": []},
        {"seq": 1, "source": "typed", "changes": {"a": "x"}},
        {"seq": 1, "source": "hacked", "changes": [CHANGE]},
        {"seq": True, "source": "typed", "changes": [CHANGE]},
        {"seq": -1, "source": "typed", "changes": [CHANGE]},
        {"seq": "1", "source": "typed", "changes": [CHANGE]},
        {"seq": 1, "source": ["typed"], "changes": [CHANGE]},
        {"seq": 1, "source": "typed", "changes": [None]},
        {"seq": 1, "source": "typed", "changes": [{"a": 7, "t": "1"}]},
        {"seq": 1, "source": "typed", "changes": [{"a": "x", "t": 1}]},
        {"seq": 1, "source": "typed", "changes": [{"a": "x", "t": "1", "b": None}]},
        {"seq": 1, "source": "typed", "changes": [{"a": "x" * 201, "t": "1"}]},
        {"seq": 1, "source": "typed", "changes": [{"a": "x", "t": "1" * (form_sheet.MAX_TEXT + 1)}]},
        {"seq": 1, "source": "typed", "changes": [CHANGE] * (form_sheet.MAX_CHANGES + 1)},
    ],
)
def test_an_action_of_another_shape_is_ignored(args: Any) -> None:
    assert form_sheet.cells_event(args) is None


def test_an_answer_to_a_warning_is_read() -> None:
    args = {"seq": 4, "finding": "usual@gross_output:2024", "hash": "ab", "action": "explain", "text": "试生产"}
    assert form_sheet.note_event(args) == NoteEvent("usual@gross_output:2024", "ab", "explain", "试生产")


@pytest.mark.parametrize(
    "args",
    [None, {}, {"action": "delete"}, {"action": "confirm", "finding": 5}, {"action": "explain", "text": "长" * 2001}],
)
def test_an_answer_of_another_shape_is_ignored(args: Any) -> None:
    assert form_sheet.note_event(args) is None


@pytest.mark.parametrize(
    ("args", "finding"), [({"finding": "R07@2024"}, "R07@2024"), ({}, None), ({"finding": {}}, None), (3, None)]
)
def test_a_fix_names_its_finding(args: Any, finding: str | None) -> None:
    assert form_sheet.fix_event(args) == finding


def test_a_patch_is_written_as_the_browser_reads_it() -> None:
    finding = FindingView(
        id="R01@2024",
        rule="R01",
        level="warning",
        title="数值规则警告",
        message="…",
        cells=("nh3n_gen:2024",),
        values_hash="ab",
        keep="confirm",
    )
    patch = SheetPatch(
        cells={"nh3n_gen:2024": CellView("5", "number")},
        gone=("required@x",),
        found=(finding,),
        refused={},
        progress=(("improvement", 1, 2),),
        counts=(0, 1, 0),
        saved_at=datetime(2025, 3, 20, 2, 32, 5, tzinfo=UTC),
        revision=9,
        validated=False,
        stamped=False,
        conflicts={"x:2024": ("1", "2")},
        by="陈立",
    )
    with clock.frozen(datetime(2025, 3, 20, 2, 33, tzinfo=UTC)):
        written = form_sheet.patch_dict(patch, ack=7)
    assert json.loads(json.dumps(written)) == written
    assert written["ack"] == 7
    assert written["savedAt"] == "10:32:05"
    assert written["cells"] == {"nh3n_gen:2024": {"t": "5", "k": "number"}}
    assert written["found"][0]["hash"] == "ab"
    assert written["conflicts"] == {"x:2024": ["1", "2"]}


def test_pages_of_one_form_share_one_layout_text() -> None:
    layout = {"form": "green_factory", "parts": []}
    assert form_sheet.layout_json(layout) is form_sheet.layout_json(dict(layout))


def test_the_saved_mark_names_the_day_of_an_older_save() -> None:
    with clock.frozen(datetime(2025, 3, 20, 2, 0, tzinfo=UTC)):
        assert form_sheet._time(datetime(2025, 3, 20, 1, 30, 5, tzinfo=UTC)) == "09:30:05"
        assert form_sheet._time(datetime(2025, 3, 18, 1, 30, 5, tzinfo=UTC)) == "2025-03-18 09:30:05"
        assert form_sheet._time(None) == ""
