"""Keeping warnings, 一键更正, 暂存 and 验证并保存: what is said belongs to the values, and validation to the figures."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlmodel import col

from models import AuditLine, Filing, FindingNote
from services import clock
from services.db import Database
from services.errors import Conflict, Forbidden, NotFound, Refusal
from services.filings import desk, explanations
from services.filings.views import FindingView, SheetPatch
from tests.conftest import World
from tests.filling import fill, opened, put, type_in

REASON = "2024年新增一条生产线，产值翻倍，见B204-1表"


@pytest.fixture
def filing(db: Database, world: World) -> int:
    return opened(db, world.filer)


def finding(db: Database, world: World, filing: int, start: str) -> FindingView:
    sheet = db.read(desk.sheet, world.filer, filing)
    return next(f for f in sheet.findings if f.id.startswith(start))


def keep(db: Database, world: World, filing: int, found: FindingView, action: str, text: str = "") -> SheetPatch:
    return db.write(desk.note_finding, world.filer, filing, found.id, found.values_hash, action, text)


def jump(db: Database, world: World, filing: int) -> FindingView:
    """工业总产值 more than half above the year before: a warning that must be explained."""
    type_in(db, world.filer, filing, gross_output_2023="52000", gross_output_2024="90000")
    return finding(db, world, filing, "R08-gross_output@2024")


def test_closing_the_pop_up_confirms_the_figure(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="1")
    usual = _usual(db, world, filing)
    patch = keep(db, world, filing, usual, "confirm")
    assert [(f.state, f.note_by.startswith("陈立 2025-03-20")) for f in patch.found] == [("confirmed", True)]


def test_a_confirmation_is_logged_once(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="1")
    keep(db, world, filing, _usual(db, world, filing), "confirm")
    query = select(col(AuditLine.user_name)).where(col(AuditLine.action) == "finding_confirmed")
    assert db.read(lambda s: s.execute(query).scalars().all()) == ["陈立（filer）"]


def test_keeping_a_warning_lowers_the_count_of_open_ones(db: Database, world: World, filing: int) -> None:
    found = jump(db, world, filing)
    before = put(db, world.filer, filing, {"main_products": "电路板"}).counts
    after = keep(db, world, filing, found, "explain", REASON).counts
    assert after == (before[0], before[1] - 1, before[2])


def test_where_a_reason_is_demanded_a_click_is_not_enough(db: Database, world: World, filing: int) -> None:
    with pytest.raises(Refusal, match="不能只点确认"):
        keep(db, world, filing, jump(db, world, filing), "confirm")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "核实无误",
        "经核实，数据无误。",
        "属实",
        "情况属实！",
        "无",
        "同上",
        "以上数据均核实无误",
        "企业数据属实",
        "。。。。。。。",
        "一一一一一一一",
        "12345678",
    ],
)
def test_a_phrase_that_says_nothing_is_refused_with_what_is_expected(
    db: Database, world: World, filing: int, words: str
) -> None:
    with pytest.raises(Refusal, match="请写明数据为什么是这样"):
        keep(db, world, filing, jump(db, world, filing), "explain", words)


def test_too_few_words_are_refused_with_the_number_that_is_needed(db: Database, world: World, filing: int) -> None:
    with pytest.raises(Refusal, match=f"至少 {explanations.SHORTEST} 个字"):
        keep(db, world, filing, jump(db, world, filing), "explain", "新增产线")


def test_an_error_cannot_be_talked_away(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="-5")
    error = next(f for f in db.read(desk.sheet, world.filer, filing).findings if "gross_output:2024" in f.cells)
    assert error.level == "error"
    with pytest.raises(Refusal, match="需要改正数据"):
        keep(db, world, filing, error, "explain", REASON)


def test_an_explanation_dies_with_its_value(db: Database, world: World, filing: int) -> None:
    keep(db, world, filing, jump(db, world, filing), "explain", REASON)
    patch = type_in(db, world.filer, filing, gross_output_2024="91000")
    assert [(f.id, f.state, f.note) for f in patch.found if f.id.startswith("R08-gross")] == [
        ("R08-gross_output@2024", "open", "")
    ]
    type_in(db, world.filer, filing, gross_output_2024="90000")
    assert finding(db, world, filing, "R08-gross_output@2024").state == "open", "it does not come back either"
    assert db.read(lambda s: s.execute(select(FindingNote)).all()) == []


def test_an_explanation_survives_another_cell(db: Database, world: World, filing: int) -> None:
    keep(db, world, filing, jump(db, world, filing), "explain", REASON)
    type_in(db, world.filer, filing, main_products="电路板")
    kept = finding(db, world, filing, "R08-gross_output@2024")
    assert (kept.state, kept.note) == ("explained", REASON)


def test_an_explanation_for_values_that_have_changed_meanwhile_is_refused(
    db: Database, world: World, filing: int
) -> None:
    found = jump(db, world, filing)
    type_in(db, world.signer, filing, gross_output_2024="95000")
    with pytest.raises(Conflict, match="刚刚改过"):
        keep(db, world, filing, found, "explain", REASON)


def test_the_remark_of_the_row_explains_the_warnings_in_it(db: Database, world: World, filing: int) -> None:
    found = jump(db, world, filing)
    patch = put(db, world.filer, filing, {"gross_output:remark": REASON})
    assert (found.id, "explained", REASON) in [(f.id, f.state, f.note) for f in patch.found]
    patch = put(db, world.filer, filing, {"gross_output:remark": "核实无误"})
    assert (found.id, "open") in [(f.id, f.state) for f in patch.found]


def test_only_the_unit_keeps_its_warnings(db: Database, world: World, filing: int) -> None:
    found = jump(db, world, filing)
    for who in (world.other, world.county, world.admin):
        with pytest.raises((NotFound, Forbidden)):
            db.write(desk.note_finding, who, filing, found.id, found.values_hash, "explain", REASON)


def test_one_click_puts_in_the_offered_figure(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2023="52000", gross_output_2024="541000")
    slip = finding(db, world, filing, "R07-gross_output@2024")
    patch = db.write(desk.apply_fix, world.filer, filing, slip.id)
    assert patch.cells["gross_output:2024"].text == "54100"
    assert slip.id in patch.gone


def test_saving_a_draft_is_never_refused_for_what_the_figures_are(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="约三千")
    assert db.write(desk.save_draft, world.filer, filing) == clock.now()


def test_validation_counts_what_is_left_and_points_to_the_first(db: Database, world: World, filing: int) -> None:
    result = db.write(desk.validate, world.filer, filing)
    assert not result.passed
    assert result.errors == len(result.messages) - result.warnings > 10
    assert result.first == "industry1"


def test_a_warning_that_nobody_kept_stands_in_the_way(db: Database, world: World, filing: int) -> None:
    fill(db, world.filer, filing)
    type_in(db, world.filer, filing, gross_output_2024="990000")
    result = db.write(desk.validate, world.filer, filing)
    assert (result.passed, result.errors) == (False, 0)
    assert result.warnings > 0
    assert result.first.startswith("gross_output")


def test_a_complete_form_passes_and_the_figures_are_bound(db: Database, world: World, filing: int) -> None:
    fill(db, world.filer, filing)
    result = db.write(desk.validate, world.filer, filing)
    assert (result.passed, result.messages) == (True, ())
    head = db.read(desk.head, world.filer, filing)
    assert (head.validated, head.digest_code) == (True, result.digest_code)


def test_retyping_the_same_figure_keeps_the_validation_and_a_real_change_ends_it(
    db: Database, world: World, filing: int
) -> None:
    fill(db, world.filer, filing)
    db.write(desk.validate, world.filer, filing)
    same = db.read(desk.sheet, world.filer, filing).cells["gross_output:2024"].text
    assert type_in(db, world.filer, filing, gross_output_2024=f"{float(same):,}").validated, "1,000 is 1000"
    assert not type_in(db, world.filer, filing, gross_output_2024=str(float(same) + 1)).validated
    assert db.read(lambda s: s.get_one(Filing, filing)).validated_digest == ""


def test_going_back_to_the_validated_figure_does_not_bring_the_validation_back(
    db: Database, world: World, filing: int
) -> None:
    fill(db, world.filer, filing)
    db.write(desk.validate, world.filer, filing)
    same = db.read(desk.sheet, world.filer, filing).cells["gross_output:2024"].text
    type_in(db, world.filer, filing, gross_output_2024="53801")
    assert not type_in(db, world.filer, filing, gross_output_2024=same).validated


def _usual(db: Database, world: World, filing: int) -> FindingView:
    sheet = db.read(desk.sheet, world.filer, filing)
    return next(f for f in sheet.findings if f.rule == "usual" and "gross_output:2024" in f.cells)
