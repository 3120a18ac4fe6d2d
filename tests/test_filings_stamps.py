"""盖章扫描件: bound to the figures whose code it bears; everything else is refused with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from models import AuditLine, Filing, StoredFile
from services.db import Database
from services.documents import pdf
from services.errors import Conflict, Refusal
from services.filings import desk, snapshots, stamps
from services.forms import digest
from tests import scans
from tests.conftest import World
from tests.filing_kit import draft
from tests.filling import type_in


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LVCE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "files"


@pytest.fixture
def filing(sqlite_db: Database, sqlite_world: World) -> int:
    """A small form, validated, not stamped."""
    made = sqlite_db.write(lambda s: draft(s, sqlite_world.filer, ready=False))
    assert sqlite_db.write(desk.validate, sqlite_world.filer, made).passed
    return made


def printed(db: Database, world: World, filing: int) -> bytes:
    return pdf.form_pdf(db.read(snapshots.snapshot, world.filer, filing))


def scanned(db: Database, world: World, filing: int) -> bytes:
    return scans.stamped_pdf(printed(db, world, filing), scans.Condition(dpi=150))


BLANK_PAGES = scans.blank_pages()


def upload(db: Database, world: World, filing: int, content: bytes, typed: str = "") -> stamps.StampCheck:
    return stamps.upload(db, world.filer, filing, "扫描件.pdf", content, typed)


def test_the_scan_of_the_current_figures_is_bound_by_itself(
    sqlite_db: Database, sqlite_world: World, filing: int
) -> None:
    found = upload(sqlite_db, sqlite_world, filing, scanned(sqlite_db, sqlite_world, filing))
    assert (found.refused, found.ask_code) == ("", False)
    head = sqlite_db.read(desk.head, sqlite_world.filer, filing)
    assert head.stamped and head.stamp is not None
    assert (head.stamp.current, head.stamp.found_by, head.stamp.bound_by) == (True, "machine", "陈立")
    assert all("与当前数据一致" in line for line in head.stamp.report)


def test_our_own_export_without_a_seal_is_refused(
    sqlite_db: Database, sqlite_world: World, filing: int, data_dir: Path
) -> None:
    found = upload(sqlite_db, sqlite_world, filing, printed(sqlite_db, sqlite_world, filing))
    assert "没有签字和公章" in found.refused
    assert not sqlite_db.read(desk.head, sqlite_world.filer, filing).stamped
    assert not data_dir.exists(), "a refused scan is not kept"


def test_the_scan_of_older_figures_is_refused_naming_what_differs(
    sqlite_db: Database, sqlite_world: World, filing: int
) -> None:
    old = scanned(sqlite_db, sqlite_world, filing)
    type_in(sqlite_db, sqlite_world.filer, filing, gross_output_2024="53900", energy_total_2024="9100")
    type_in(sqlite_db, sqlite_world.filer, filing, gross_output_2023="1", origin="")
    type_in(sqlite_db, sqlite_world.filer, filing, gross_output_2023="54100")
    sqlite_db.write(desk.validate, sqlite_world.filer, filing)
    found = upload(sqlite_db, sqlite_world, filing, old)
    assert "修改前的数据" in found.refused
    assert "有 2 个单元格不同（工业总产值 2024年、综合能源消费量 2024年）" in found.refused


def test_the_scan_of_another_filing_is_refused_with_both_numbers(
    sqlite_db: Database, sqlite_world: World, filing: int
) -> None:
    theirs = sqlite_db.write(lambda s: draft(s, sqlite_world.other, ready=False))
    sqlite_db.write(desk.validate, sqlite_world.other, theirs)
    content = scans.stamped_pdf(
        pdf.form_pdf(sqlite_db.read(snapshots.snapshot, sqlite_world.other, theirs)), scans.Condition(dpi=150)
    )
    found = upload(sqlite_db, sqlite_world, filing, content)
    numbers = sqlite_db.read(lambda s: [s.get_one(Filing, i).number for i in (filing, theirs)])
    assert all(number in found.refused for number in numbers)


def test_a_draft_cannot_be_stamped_before_it_is_validated(
    sqlite_db: Database, sqlite_world: World, filing: int
) -> None:
    type_in(sqlite_db, sqlite_world.filer, filing, gross_output_2024="53900")
    with pytest.raises(Conflict, match="还没有通过验证"):
        upload(sqlite_db, sqlite_world, filing, BLANK_PAGES)


def test_a_scan_that_no_machine_can_read_asks_for_the_printed_code(
    sqlite_db: Database, sqlite_world: World, filing: int
) -> None:
    found = upload(sqlite_db, sqlite_world, filing, BLANK_PAGES)
    assert found.ask_code and found.placed is not None
    assert not sqlite_db.read(desk.head, sqlite_world.filer, filing).stamped
    for typed, words in (("", "请输入"), ("12", "不是校验码"), ("AAAAA-AAAAA", "不一致")):
        with pytest.raises(Refusal, match=words):
            sqlite_db.write(stamps.bind, sqlite_world.filer, filing, found, typed)
    view = sqlite_db.write(stamps.bind, sqlite_world.filer, filing, found, found.digest_code.lower().replace("-", " "))
    assert (view.current, view.found_by) == (True, "typed")


@pytest.fixture
def many_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small form on more pages than one."""
    monkeypatch.setattr(pdf, "_BOTTOM", 150.0)


def test_a_typed_code_is_not_asked_for_while_pages_are_missing(
    sqlite_db: Database, sqlite_world: World, filing: int, many_pages: None
) -> None:
    found = upload(sqlite_db, sqlite_world, filing, scans.blank_pages(1), typed=current_code(sqlite_db, filing))
    assert "不完整" in found.refused and found.refused.endswith("。") and found.placed is None
    assert not sqlite_db.read(desk.head, sqlite_world.filer, filing).stamped


def test_pages_that_were_not_read_beside_others_that_were_need_the_printed_code(
    sqlite_db: Database, sqlite_world: World, filing: int, many_pages: None
) -> None:
    """Or one page of older figures, unreadable, would pass among good ones."""
    pictures = scans.rasterise(printed(sqlite_db, sqlite_world, filing), 150)
    for place in (1, 2):
        pictures[place] = scans.Image.new("RGB", pictures[place].size, "white")
    found = upload(sqlite_db, sqlite_world, filing, scans.to_pdf(pictures, scans.Condition(dpi=150)))
    assert found.ask_code and found.unread == (2, 3)
    assert not sqlite_db.read(desk.head, sqlite_world.filer, filing).stamped
    view = sqlite_db.write(stamps.bind, sqlite_world.filer, filing, found, found.digest_code)
    assert (view.current, view.found_by) == (True, "typed")


def test_photos_of_all_pages_are_bound_as_one_paper(
    sqlite_db: Database, sqlite_world: World, filing: int, many_pages: None
) -> None:
    pictures = scans.rasterise(printed(sqlite_db, sqlite_world, filing), 150)
    photos = [(f"IMG_{n}.jpg", scans.to_jpeg(picture)) for n, picture in enumerate(pictures, 1)]
    found = stamps.upload_photos(sqlite_db, sqlite_world.filer, filing, photos)
    assert (found.refused, found.ask_code) == ("", False)
    stored = sqlite_db.read(lambda s: s.execute(select(StoredFile)).scalar_one())
    assert (stored.pages, stored.media_type) == (len(pictures), "application/pdf")
    assert stored.original_name == f"IMG_1等{len(pictures)}张照片.pdf"


def test_a_typed_code_of_older_figures_is_told_apart_from_a_wrong_one(
    sqlite_db: Database, sqlite_world: World, filing: int
) -> None:
    old = digest.code(sqlite_db.read(lambda s: s.get_one(Filing, filing)).validated_digest)
    type_in(sqlite_db, sqlite_world.filer, filing, gross_output_2024="53900")
    sqlite_db.write(desk.validate, sqlite_world.filer, filing)
    with pytest.raises(Refusal, match=r"修改前的数据.*有 1 个单元格不同"):
        upload(sqlite_db, sqlite_world, filing, BLANK_PAGES, typed=old)


def test_a_change_between_reading_and_binding_is_noticed(sqlite_db: Database, sqlite_world: World, filing: int) -> None:
    found = upload(sqlite_db, sqlite_world, filing, BLANK_PAGES)
    type_in(sqlite_db, sqlite_world.filer, filing, gross_output_2024="53900")
    sqlite_db.write(desk.validate, sqlite_world.filer, filing)
    with pytest.raises(Refusal, match="修改前的数据"):
        sqlite_db.write(stamps.bind, sqlite_world.filer, filing, found, found.digest_code)


def test_a_stamp_holds_exactly_as_long_as_its_figures(sqlite_db: Database, sqlite_world: World, filing: int) -> None:
    upload(sqlite_db, sqlite_world, filing, BLANK_PAGES, typed=current_code(sqlite_db, filing))
    assert type_in(sqlite_db, sqlite_world.filer, filing, gross_output_2024="53,800").stamped
    patch = type_in(sqlite_db, sqlite_world.filer, filing, gross_output_2024="53900")
    assert (patch.validated, patch.stamped) == (False, False)
    patch = type_in(sqlite_db, sqlite_world.filer, filing, gross_output_2024="53800")
    assert (patch.validated, patch.stamped) == (False, True), "the seal is on these very figures again"


def test_binding_is_logged_once_with_the_digest(sqlite_db: Database, sqlite_world: World, filing: int) -> None:
    upload(sqlite_db, sqlite_world, filing, BLANK_PAGES, typed=current_code(sqlite_db, filing))
    lines = sqlite_db.read(
        lambda s: s.execute(select(AuditLine).where(col(AuditLine.action) == "stamp")).scalars().all()
    )
    assert [line.after_digest for line in lines] == [
        sqlite_db.read(lambda s: s.get_one(Filing, filing)).validated_digest
    ]
    assert sqlite_db.read(lambda s: s.execute(select(StoredFile)).scalar_one()).kind == "stamped_scan"


@pytest.mark.parametrize("who", ["other", "county", "admin", "expert"])
def test_only_the_unit_stamps_its_filing(sqlite_db: Database, sqlite_world: World, filing: int, who: str) -> None:
    with pytest.raises(Refusal):
        stamps.upload(sqlite_db, sqlite_world.actors[who], filing, "扫描件.pdf", BLANK_PAGES)


def current_code(db: Database, filing: int) -> str:
    return digest.code(db.read(lambda s: s.get_one(Filing, filing)).validated_digest)
