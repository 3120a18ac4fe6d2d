"""Editing cells (修改单元格): saved at once, refused one by one, two people on one cell, and nothing that was rolled back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event, select, update
from sqlmodel import Session, col

from models import Campaign, Cell, CellChange, Extension, Filing
from models.enums import FilingStatus
from services import clock, events
from services.accounts import sessions
from services.actors import Actor
from services.db import Database
from services.errors import Conflict, NotFound, Refusal, SignedOut
from services.filings import desk, room, sheets, working
from services.filings.views import CellEdit, SheetPatch
from services.perform import aperform
from tests.conftest import World
from tests.filing_kit import draft
from tests.filling import opened, put, type_in


@pytest.fixture
def filing(db: Database, world: World) -> int:
    return opened(db, world.filer)


def stored(db: Database, filing: int, address: str) -> str:
    field, _, slot = address.partition(":")
    row = db.read(lambda s: s.get(Cell, (filing, field, slot)))
    return row.text if row else ""


def revision(db: Database, filing: int) -> int:
    return db.read(lambda s: s.get_one(Filing, filing).revision)


def changes(db: Database, filing: int, field: str) -> list[tuple[str, str, str]]:
    query = select(CellChange).where(col(CellChange.filing_id) == filing, col(CellChange.field) == field)
    rows = db.read(lambda s: s.execute(query.order_by(col(CellChange.id))).scalars().all())
    return [(row.before, row.after, row.source) for row in rows]


def test_a_typed_figure_is_saved_with_its_change_line(db: Database, world: World, filing: int) -> None:
    patch = type_in(db, world.filer, filing, gross_output_2024="3000")
    patch = type_in(db, world.filer, filing, gross_output_2024="3,100.50")
    assert stored(db, filing, "gross_output:2024") == "3,100.50"
    assert patch.cells["gross_output:2024"].text == "3,100.50"
    assert changes(db, filing, "gross_output") == [("", "3000", "typed"), ("3000", "3,100.50", "typed")]
    assert patch.saved_at == clock.now()
    assert patch.revision == revision(db, filing)


def test_what_cannot_be_understood_is_kept_as_typed(db: Database, world: World, filing: int) -> None:
    patch = type_in(db, world.filer, filing, gross_output_2024="约三千")
    assert stored(db, filing, "gross_output:2024") == "约三千"
    assert patch.cells["gross_output:2024"].kind == "invalid"
    assert any("gross_output:2024" in finding.cells and finding.level == "error" for finding in patch.found)


def test_derived_cells_follow_in_the_same_answer(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, energy_total_2024="4120", gross_output_2024="52000")
    patch = type_in(db, world.filer, filing, gross_output_2024="41200")
    assert patch.cells["ei_output:2024"].text == "100"


def test_typing_the_same_again_writes_nothing(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")
    before = revision(db, filing)
    patch = type_in(db, world.filer, filing, gross_output_2024="3000")
    assert revision(db, filing) == before == patch.revision
    assert patch.cells["gross_output:2024"].text == "3000"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("unit_name", "单位注册信息带出"),
        ("ei_output:2024", "自动计算"),
        ("no_such_field:2024", "没有"),
        ("gross_output:1999", "没有"),
        ("gross_output", "没有"),
        ("", "没有"),
        ("gross_output:2024:2024", "没有"),
    ],
)
def test_cells_that_are_not_to_be_typed_into_are_refused_one_by_one(
    db: Database, world: World, filing: int, address: str, words: str
) -> None:
    patch = put(db, world.filer, filing, {address: "1", "gross_output:2024": "3000"})
    assert words in patch.refused[address]
    assert set(patch.refused) == {address}
    assert stored(db, filing, "gross_output:2024") == "3000", "the good cell of the same paste is saved"


def test_control_characters_do_not_reach_the_database(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, main_products="印制\x00电路\ud800板")
    assert stored(db, filing, "main_products") == "印制电路板"


def test_changing_the_unit_converts_the_figures_when_asked(db: Database, world: World, filing: int) -> None:
    put(db, world.filer, filing, {"product1_output:unit": "万吨", "product1_output:2024": "1.5"})
    edit = (CellEdit("product1_output:unit", "吨", convert=True),)
    patch = db.write(desk.edit_cells, world.filer, filing, edits=edit, source="convert")
    assert not patch.refused, patch.refused
    assert stored(db, filing, "product1_output:2024") == "15000"
    assert changes(db, filing, "product1_output")[-1][2] == "convert"


def test_changing_the_unit_alone_keeps_the_figures_and_changes_their_value(
    db: Database, world: World, filing: int
) -> None:
    put(db, world.filer, filing, {"product1_output:unit": "万吨", "product1_output:2024": "1.5"})
    before = db.read(lambda s: s.get_one(Cell, (filing, "product1_output", "2024"))).value
    put(db, world.filer, filing, {"product1_output:unit": "吨"})
    cell = db.read(lambda s: s.get_one(Cell, (filing, "product1_output", "2024")))
    assert cell.text == "1.5"
    assert cell.value != before


def test_two_people_on_one_cell_both_see_both_texts(db: Database, world: World, filing: int) -> None:
    put(db, world.filer, filing, {"gross_output:2024": "3000"}, seen={"gross_output:2024": ""})
    patch = put(db, world.signer, filing, {"gross_output:2024": "4000"}, seen={"gross_output:2024": ""})
    assert patch.conflicts == {"gross_output:2024": ("3000", "4000")}
    assert patch.cells["gross_output:2024"].text == "3000"
    assert stored(db, filing, "gross_output:2024") == "3000"


def test_a_replayed_edit_that_had_arrived_is_no_conflict(db: Database, world: World, filing: int) -> None:
    for _ in range(2):
        patch = put(db, world.filer, filing, {"gross_output:2024": "3000"}, seen={"gross_output:2024": ""})
    assert patch.conflicts == {}
    assert patch.cells["gross_output:2024"].text == "3000"


def test_the_second_of_two_conflicting_edits_wins_once_it_saw_the_first(
    db: Database, world: World, filing: int
) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")
    patch = put(db, world.signer, filing, {"gross_output:2024": "4000"}, seen={"gross_output:2024": "3000"})
    assert patch.conflicts == {}
    assert stored(db, filing, "gross_output:2024") == "4000"


def test_other_open_pages_get_the_same_answer_with_its_author(db: Database, world: World, filing: int) -> None:
    heard: list[events.Event] = []
    stop = events.subscribe(heard.append)
    try:
        patch = type_in(db, world.filer, filing, origin="tab-1", gross_output_2024="3000")
    finally:
        stop()
    told = [e for e in heard if isinstance(e, events.CellsChanged)]
    assert [(e.filing_id, e.origin, e.patch.by) for e in told] == [(filing, "tab-1", "陈立")]
    assert told[0].patch.cells == patch.cells


@pytest.mark.parametrize("who", ["other", "county", "city", "province", "ministry", "expert", "admin"])
def test_nobody_else_may_edit(db: Database, world: World, filing: int, who: str) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")  # a warm room is no way in
    with pytest.raises(Refusal):
        type_in(db, world.actors[who], filing, gross_output_2024="4000")
    assert stored(db, filing, "gross_output:2024") == "3000"


def test_a_filing_that_does_not_exist_is_not_found(db: Database, world: World) -> None:
    with pytest.raises(NotFound):
        type_in(db, world.filer, 999, gross_output_2024="1")


def test_a_deleted_filing_is_gone_for_a_warm_room_too(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")
    db.write(lambda s: s.execute(
        update(Filing).values(deleted_at=clock.now(), revision=Filing.revision + 1)  # type: ignore[arg-type]
    ) and None)  # fmt: skip
    with pytest.raises(NotFound):
        type_in(db, world.filer, filing, gross_output_2024="4000")


def test_editing_while_under_review_names_the_way_out(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")
    db.write(set_filing, filing, status=FilingStatus.REVIEW)
    with pytest.raises(Conflict, match="取消上报"):
        type_in(db, world.filer, filing, gross_output_2024="4000")
    assert stored(db, filing, "gross_output:2024") == "3000"


def test_after_the_lock_date_only_an_extension_lets_edit(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")
    late = datetime(2025, 6, 10, 9, tzinfo=clock.BEIJING)
    with clock.frozen(late):
        with pytest.raises(Conflict, match=r"截止.*延期"):
            type_in(db, world.filer, filing, gross_output_2024="4000")
        db.write(extend, world, late + timedelta(days=3))
        assert not type_in(db, world.filer, filing, gross_output_2024="4000").refused


def test_a_campaign_cut_short_is_noticed_within_a_minute(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")
    db.write(lambda s: s.execute(update(Campaign).values(locks_on=datetime(2025, 3, 1).date())) and None)
    with clock.frozen(clock.now() + timedelta(seconds=61)), pytest.raises(Conflict, match="截止"):
        type_in(db, world.filer, filing, gross_output_2024="4000")


@pytest.mark.parametrize("typed", [True, False], ids=["typed in", "only looked at"])
def test_the_dates_of_all_sheets_in_memory_are_looked_up_together(
    db: Database, world: World, filing: int, typed: bool
) -> None:
    neighbour = opened(db, world.other)
    db.read(sheets.sheet, world.other, neighbour)
    type_in(db, world.filer, filing, gross_output_2024="3000")
    if typed:
        type_in(db, world.other, neighbour, gross_output_2024="3000")
    with clock.frozen(clock.now() + timedelta(seconds=61)):
        type_in(db, world.filer, filing, gross_output_2024="4000")
        rooms = [db.write(room.enter, number) for number in (filing, neighbour)]
        assert {one.dates_read for one in rooms} == {clock.now()}


def test_a_return_opens_only_the_listed_cells_and_what_they_depend_on(db: Database, world: World, filing: int) -> None:
    db.write(set_filing, filing, status=FilingStatus.RETURNED, return_scope=["ei_output:2024", "main_products"])
    texts = {"gross_output:2024": "52000", "energy_total:2024": "4100", "main_products": "电路板"}
    outside = {"gross_output:2023": "1", "contact": "某人"}
    patch = put(db, world.filer, filing, texts | outside)
    assert set(patch.refused) == set(outside)
    assert all("不在范围内" in sentence for sentence in patch.refused.values())
    assert [stored(db, filing, address) for address in texts] == list(texts.values())
    editable = db.read(desk.sheet, world.filer, filing).editable
    assert editable is not None and "gross_output:2024" in editable and "gross_output:2023" not in editable


def test_a_failed_transaction_leaves_no_ghost_in_memory(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")

    def edit_then_fail(s: Session) -> None:
        desk.edit_cells(s, world.filer, filing, (CellEdit("gross_output:2024", "9999"),))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.write(edit_then_fail)
    # Another use case takes the very revision that the failed edit would have had.
    db.write(set_filing, filing)
    patch = put(db, world.filer, filing, {"gross_output:2024": "9999"})
    assert stored(db, filing, "gross_output:2024") == "9999"
    assert changes(db, filing, "gross_output")[-1][:2] == ("3000", "9999")
    assert patch.revision == revision(db, filing)


def test_an_edit_that_breaks_half_way_leaves_no_ghost_either(
    db: Database, world: World, filing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")
    with monkeypatch.context() as broken:
        broken.setattr(desk, "_write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            type_in(db, world.filer, filing, gross_output_2024="9999")
    assert db.write(room.enter, filing).fresh, "the spoilt copy was forgotten"
    assert db.read(working.load, filing).sheet.cells[desk.Address("gross_output", "2024")].text == "3000"


def test_a_commit_that_fails_leaves_no_ghost(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")

    @event.listens_for(db.engine, "commit", once=True)
    def disk_is_full(_: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        type_in(db, world.filer, filing, gross_output_2024="9999")
    db.write(set_filing, filing)  # takes the revision that the lost edit would have had
    type_in(db, world.filer, filing, gross_output_2024="9999")
    assert stored(db, filing, "gross_output:2024") == "9999"
    assert changes(db, filing, "gross_output")[-1][:2] == ("3000", "9999")


def test_another_process_on_the_same_database_is_noticed(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")
    elsewhere = Database(db.url)  # its own engine, so its own rooms: as good as another process
    try:
        put(elsewhere, world.signer, filing, {"gross_output:2024": "4000"})
        patch = put(db, world.filer, filing, {"gross_output:2024": "5000"}, seen={"gross_output:2024": "3000"})
    finally:
        elsewhere.close()
    assert patch.conflicts == {"gross_output:2024": ("4000", "5000")}


def editing(
    actor: Actor, filing: int, text: str, seen: str | None = None, cell: str = "gross_output:2024"
) -> desk.Editing:
    return desk.Editing(actor, filing, (CellEdit(cell, text),), seen=None if seen is None else {cell: seen})


def test_edits_that_wait_together_are_written_together_and_each_is_answered(
    db: Database, world: World, filing: int, said: list[str]
) -> None:
    second, third = opened(db, world.other), opened(db, world.shenzhen)
    for actor, number in ((world.filer, filing), (world.other, second)):
        db.read(sheets.sheet, actor, number)
    del said[:]
    mine, theirs, strange = db.write(
        desk.edit_together,
        [editing(world.filer, filing, "3000"), editing(world.other, second, "4000"), editing(world.far, third, "1")],
    )
    assert said[-3:] == ["UPDATE", "INSERT", "INSERT"], "whoever they are of"
    assert said.count("INSERT") == 2
    assert isinstance(strange, NotFound)
    assert isinstance(mine, SheetPatch)
    assert isinstance(theirs, SheetPatch)
    assert [stored(db, number, "gross_output:2024") for number in (filing, second)] == ["3000", "4000"]
    assert (mine.revision, theirs.revision) == (revision(db, filing), revision(db, second))
    assert changes(db, second, "gross_output") == [("", "4000", "typed")]


def test_of_two_edits_of_one_cell_that_wait_together_the_second_sees_the_first(
    db: Database, world: World, filing: int
) -> None:
    first, second, third = db.write(
        desk.edit_together,
        [
            editing(world.filer, filing, "3000", seen=""),
            editing(world.signer, filing, "4000", seen=""),
            editing(world.signer, filing, "0.5", cell="energy_total:2024"),
        ],
    )
    assert isinstance(first, SheetPatch)
    assert isinstance(second, SheetPatch)
    assert isinstance(third, SheetPatch)
    assert second.conflicts == {"gross_output:2024": ("3000", "4000")}
    assert stored(db, filing, "gross_output:2024") == "3000"
    assert stored(db, filing, "energy_total:2024") == "0.5"
    assert third.revision == revision(db, filing)


async def test_one_sheet_that_was_overtaken_spoils_no_other_edit_of_the_same_moment(
    db: Database, world: World, filing: int
) -> None:
    second = opened(db, world.other)
    before = revision(db, second)
    put(db, world.filer, filing, {"gross_output:2024": "3000"})
    elsewhere = Database(db.url)
    try:
        put(elsewhere, world.signer, filing, {"gross_output:2024": "4000"})
        held, gate = threading.Event(), threading.Event()
        ahead = asyncio.create_task(db.awrite(lambda _: (held.set(), gate.wait(10))))
        await asyncio.to_thread(held.wait, 10)
        edits = (CellEdit("gross_output:2024", "5000"),)
        waiting = [
            asyncio.create_task(aperform(db, desk.edit_cells, world.other, second, edits)),
            asyncio.create_task(
                aperform(db, desk.edit_cells, world.filer, filing, edits, seen={"gross_output:2024": "3000"})
            ),
        ]
        await asyncio.sleep(0)
        gate.set()
        await ahead
        theirs, mine = await asyncio.gather(*waiting)
    finally:
        elsewhere.close()
    assert mine.conflicts == {"gross_output:2024": ("4000", "5000")}
    assert (theirs.conflicts, theirs.revision) == ({}, before + 1)
    assert [stored(db, number, "gross_output:2024") for number in (filing, second)] == ["4000", "5000"]


async def test_who_was_signed_out_meanwhile_is_refused_and_the_others_are_not(
    db: Database, world: World, filing: int
) -> None:
    second = opened(db, world.other)
    held, gate = threading.Event(), threading.Event()
    out = replace(world.filer, sign_in_id=4711)

    def end(s: Session) -> None:
        held.set()
        gate.wait(10)
        sessions._ended_by(s.connection().engine)[4711] = None

    ahead = asyncio.create_task(db.awrite(end))
    await asyncio.to_thread(held.wait, 10)
    edits = (CellEdit("gross_output:2024", "5000"),)
    waiting = [
        asyncio.create_task(aperform(db, desk.edit_cells, out, filing, edits)),
        asyncio.create_task(aperform(db, desk.edit_cells, world.other, second, edits)),
    ]
    await asyncio.sleep(0)
    gate.set()
    await ahead
    mine, theirs = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(mine, SignedOut)
    assert isinstance(theirs, SheetPatch)
    assert [stored(db, number, "gross_output:2024") for number in (filing, second)] == ["", "5000"]


@pytest.fixture
def said(db: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first word of each statement of the writing connection."""
    words: list[str] = []
    dialect = db.engine.dialect

    def listening(real: Callable[..., None]) -> Callable[..., None]:
        def statement(cursor: object, text: str, *rest: object) -> None:
            words.append(text.split(maxsplit=1)[0])
            real(cursor, text, *rest)

        return statement

    monkeypatch.setattr(dialect, "do_execute", listening(dialect.do_execute))
    monkeypatch.setattr(dialect, "do_executemany", listening(dialect.do_executemany))
    return words


def test_the_first_edit_after_opening_the_page_asks_the_database_nothing(
    db: Database, world: World, filing: int, said: list[str]
) -> None:
    """Neither what stands in the sheet nor whether this person may edit it: it takes the revision and writes."""
    db.read(sheets.sheet, world.filer, filing)
    del said[:]
    patch = type_in(db, world.filer, filing, gross_output_2024="3000")
    assert said[1:] == ["UPDATE", "INSERT", "INSERT"]  # after what opens the transaction
    assert patch.revision == revision(db, filing)


def test_the_second_edit_asks_nothing_either_when_the_first_changed_nothing(
    db: Database, world: World, filing: int, said: list[str]
) -> None:
    db.read(sheets.sheet, world.filer, filing)
    type_in(db, world.filer, filing, gross_output_2024="")
    del said[:]
    type_in(db, world.filer, filing, gross_output_2024="3000")
    assert said[1:] == ["UPDATE", "INSERT", "INSERT"]


def test_a_sheet_that_was_overtaken_since_the_page_was_opened_overwrites_nothing(
    db: Database, world: World, filing: int
) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")
    db.write(room.leave, filing)
    elsewhere = Database(db.url)
    try:
        put(elsewhere, world.signer, filing, {"gross_output:2023": "2000"})  # works on a copy of its own from here on
        db.read(sheets.sheet, world.filer, filing)
        put(elsewhere, world.signer, filing, {"gross_output:2024": "4000"})
        patch = put(db, world.filer, filing, {"gross_output:2024": "5000"}, seen={"gross_output:2024": "3000"})
    finally:
        elsewhere.close()
    assert patch.conflicts == {"gross_output:2024": ("4000", "5000")}
    assert stored(db, filing, "gross_output:2024") == "4000"


def test_unchanged_text_is_never_acknowledged_from_a_stale_copy(db: Database, world: World, filing: int) -> None:
    type_in(db, world.filer, filing, gross_output_2024="3000")
    elsewhere = Database(db.url)
    try:
        put(elsewhere, world.signer, filing, {"gross_output:2024": "4000"})
        put(db, world.filer, filing, {"gross_output:2024": "3000"})
    finally:
        elsewhere.close()
    assert stored(db, filing, "gross_output:2024") == "3000"


def test_many_people_typing_at_once_lose_nothing(db: Database, world: World, filing: int) -> None:
    addresses = [f"{key}:{year}" for key in ("gross_output", "energy_total", "energy_actual", "renewable_energy")
                 for year in (2022, 2023, 2024)]  # fmt: skip
    work = [(address, str(round_ * 100 + n)) for round_ in range(1, 6) for n, address in enumerate(addresses)]

    def save(item: tuple[str, str]) -> SheetPatch:
        return put(db, (world.filer, world.signer)[len(item[1]) % 2], filing, {item[0]: item[1]})

    before = revision(db, filing)
    with ThreadPoolExecutor(16) as people:
        answers = list(people.map(save, work))
    assert revision(db, filing) == before + len(work)
    assert sorted(answer.revision for answer in answers) == list(range(before + 1, before + len(work) + 1))
    for address in addresses:
        lines = changes(db, filing, address.partition(":")[0])
        assert stored(db, filing, address) in {after for _, after, _ in lines}
    loaded = db.read(working.load, filing).sheet
    last = max(answers, key=lambda answer: answer.revision)
    assert working.counts(loaded, {}) == last.counts
    assert working.progress(loaded) == last.progress


def test_whatever_happens_at_once_a_validated_filing_holds_the_figures_that_were_validated(
    db: Database, world: World
) -> None:
    filing = db.write(lambda s: draft(s, world.filer, ready=False))
    elsewhere = Database(db.url)

    def work(n: int) -> None:
        where = (db, elsewhere)[n % 2]
        if n % 3:
            put(where, world.filer, filing, {"gross_output:2024": str(50000 + n)})
        else:
            where.write(desk.validate, world.signer, filing)

    try:
        with ThreadPoolExecutor(8) as people:
            list(people.map(work, range(60)))
    finally:
        elsewhere.close()
    row, figures = db.read(lambda s: (s.get_one(Filing, filing), working.load(s, filing).sheet.digest()))
    assert row.validated_digest in ("", figures)
    assert row.revision >= 60


def test_too_many_cells_at_once_are_refused_in_words(db: Database, world: World, filing: int) -> None:
    edits = tuple(CellEdit("gross_output:2024", "1") for _ in range(desk.MOST_EDITS + 1))
    with pytest.raises(Refusal, match="一次最多修改"):
        db.write(desk.edit_cells, world.filer, filing, edits)


def set_filing(s: Session, filing: int, **values: object) -> None:
    row = s.get_one(Filing, filing)
    for name, value in values.items():
        setattr(row, name, value)
    row.revision += 1
    s.add(row)


def extend(s: Session, world: World, until: datetime) -> None:
    campaign = s.execute(select(Campaign).where(col(Campaign.year) == 2025)).scalar_one()
    s.add(Extension(campaign_id=campaign.id or 0, organisation_id=world.orgs["factory"], until=until.date(),
                    reason="停电检修", granted_by_id=world.city.user_id, granted_at=clock.now()))  # fmt: skip
