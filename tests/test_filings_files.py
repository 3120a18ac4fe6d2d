"""Files (附件): taken by content, kept under random names, shown to those who may see the filing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import Session

from models import Filing, Setting
from models.enums import FileKind
from services import clock
from services.db import Database
from services.documents import scan
from services.errors import Forbidden, NotFound, Refusal, Unavailable
from services.filings import desk, files
from services.filings.views import FileView
from tests.conftest import World
from tests.filing_kit import submitted
from tests.filling import opened

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\ntrailer<</Root 1 0 R>>\n"
)


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LVCE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "files"


@pytest.fixture
def filing(db: Database, world: World) -> int:
    return opened(db, world.filer)


def workbook(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names or ("[Content_Types].xml", "xl/workbook.xml"):
            archive.writestr(name, "<x/>")
    return out.getvalue()


def attach(db: Database, world: World, filing: int, name: str, content: bytes, who: str = "filer") -> FileView:
    return files.upload(db, world.actors[who], filing, FileKind.EVIDENCE, name, content)


def on_disk(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def test_a_pdf_is_kept_under_a_random_name_and_comes_back_whole(
    db: Database, world: World, filing: int, data_dir: Path
) -> None:
    kept = attach(db, world, filing, "购销合同.pdf", PDF)
    assert (kept.name, kept.media_type, kept.size, kept.pages) == ("购销合同.pdf", scan.PDF, len(PDF), 1)
    view, path = db.read(files.open_file, world.filer, kept.id)
    assert path.read_bytes() == PDF
    assert path.is_relative_to(data_dir) and "购销" not in path.name
    assert view.name == "购销合同.pdf"
    assert [path.name for path in on_disk(data_dir)] == [path.name], "nothing half-written beside it"


def test_a_workbook_is_taken_by_its_directory(db: Database, world: World, filing: int) -> None:
    assert attach(db, world, filing, "台账.xlsx", workbook()).media_type == scan.XLSX


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("空.pdf", b"", "空的"),
        ("程序.pdf", b"MZ\x90\x00" * 100, "只接受 PDF"),
        ("网页.pdf", b"<html><script>alert(1)</script></html>", "只接受 PDF"),
        ("照片.heic", b"\x00\x00\x00\x18ftypheic" + b"\x00" * 50, "HEIC"),
        ("扫描.tiff", b"II*\x00" + b"\x00" * 50, "TIFF"),
        ("坏.pdf", b"%PDF-1.7 nothing here", "损坏"),
        ("坏.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "损坏"),
        ("旧.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "只接受 PDF"),
        ("压缩包.xlsx", workbook("a.txt"), "只接受 PDF"),
        ("宏.xlsx", workbook("[Content_Types].xml", "xl/workbook.xml", "xl/vbaProject.bin"), "宏"),
        ("爬出.xlsx", workbook("[Content_Types].xml", "xl/workbook.xml", "xl/../../evil"), "异常"),
        ("夹带.xlsx", workbook("[Content_Types].xml", "xl/workbook.xml", "xl/embeddings/oleObject1.bin"), "夹带"),
        ("截断.xlsx", workbook()[:-30], "损坏"),
        ("大.pdf", b"%PDF-" + b"0" * scan.MAX_BYTES, "20 MB"),
    ],
)
def test_hostile_and_broken_files_are_refused_in_words_and_leave_nothing(
    sqlite_db: Database, sqlite_world: World, data_dir: Path, name: str, content: bytes, words: str
) -> None:
    filing = opened(sqlite_db, sqlite_world.filer)
    with pytest.raises(Refusal, match=words):
        attach(sqlite_db, sqlite_world, filing, name, content)
    assert list(on_disk(data_dir)) == []
    assert sqlite_db.read(files.listing, sqlite_world.filer, filing) == ()


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("../../etc/passwd.pdf", "passwd.pdf"),
        ("C:\\fakepath\\合同.PDF", "合同.pdf"),
        ("\u202efdp.exe", "fdp.exe.pdf"),
        ("a\x00b\r\nSet-Cookie: x.pdf", "abSet-Cookie x.pdf"),
        ("", "未命名.pdf"),
        ("...", "未命名.pdf"),
        ("很" * 300 + ".pdf", "很" * files.LONGEST_NAME + ".pdf"),
        ("evil.html", "evil.html.pdf"),
        ("CON", "_CON.pdf"),
        ("nul.pdf", "_nul.pdf"),
        ("LPT1 .txt", "_LPT1 .txt.pdf"),
        ("console.pdf", "console.pdf"),
        ("..\\..\\windows\\system.ini", "system.ini.pdf"),
        ("合同.pdf\x00.exe", "合同.pdf.exe.pdf"),
        ("\u202e\u2066\u200f", "未命名.pdf"),
        ("\ud800.pdf", "pdf.pdf"),
    ],
)
def test_names_are_made_harmless(typed: str, shown: str) -> None:
    assert files.clean_name(typed, scan.PDF) == shown


def test_a_file_whose_row_cannot_be_written_is_taken_off_the_disk(
    db: Database, world: World, filing: int, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "add_row", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        attach(db, world, filing, "合同.pdf", PDF)
    assert list(on_disk(data_dir)) == []


def test_a_full_disk_is_said_plainly(
    sqlite_db: Database, sqlite_world: World, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filing = opened(sqlite_db, sqlite_world.filer)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("services.filings.files.os.fsync", full)
    with pytest.raises(Unavailable, match="磁盘"):
        attach(sqlite_db, sqlite_world, filing, "合同.pdf", PDF)
    assert list(on_disk(data_dir)) == []


def cap(s: Session, name: str, value: int) -> None:
    s.add(Setting(name=f"files.{name}", value=value, set_at=clock.now()))


def test_the_number_of_files_is_limited(db: Database, world: World, filing: int) -> None:
    db.write(cap, "per_filing", 1)
    attach(db, world, filing, "一.pdf", PDF)
    with pytest.raises(Refusal, match="最多上传 1 个"):
        attach(db, world, filing, "二.pdf", PDF)


HALF = PDF + b"\n" * (600 * 1024)  # two of them do not fit into a megabyte


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("unit_mb", "本单位的文件已占用"),
        ("unit_kept_mb", "含已删除、留作记录的"),
        ("total_mb", "系统的附件空间（1 MB）已用完"),
    ],
)
def test_the_space_of_a_unit_and_of_the_whole_is_limited(
    db: Database, world: World, filing: int, name: str, said: str
) -> None:
    db.write(cap, name, 1)
    attach(db, world, filing, "一.pdf", HALF)
    with pytest.raises(Refusal, match=said):
        attach(db, world, filing, "二.pdf", HALF)


def test_who_removes_a_file_has_room_again_but_not_for_ever(db: Database, world: World, filing: int) -> None:
    db.write(cap, "unit_mb", 1)
    db.write(cap, "unit_kept_mb", 2)
    for _ in range(3):
        db.write(files.remove, world.filer, attach(db, world, filing, "一.pdf", HALF).id)
    with pytest.raises(Refusal, match="含已删除"):
        attach(db, world, filing, "二.pdf", HALF)


def test_two_uploads_at_once_do_not_pass_the_cap_together(db: Database, world: World, filing: int) -> None:
    db.write(cap, "per_filing", 1)
    placed = [files.place("合同.pdf", PDF) for _ in range(2)]  # both were let in before either was written
    db.write(files.store, world.filer, filing, FileKind.EVIDENCE, "合同.pdf", placed[0])
    with pytest.raises(Refusal, match="最多上传 1 个"):
        db.write(files.store, world.filer, filing, FileKind.EVIDENCE, "合同.pdf", placed[1])


def test_the_last_of_the_disk_is_left_for_the_database(
    sqlite_db: Database, sqlite_world: World, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filing = opened(sqlite_db, sqlite_world.filer)
    monkeypatch.setattr(files, "LEAST_FREE", 1 << 60)
    with pytest.raises(Unavailable, match="磁盘空间不足"):
        attach(sqlite_db, sqlite_world, filing, "合同.pdf", PDF)
    assert list(on_disk(data_dir)) == []


@pytest.mark.parametrize("who", ["other", "far", "county", "city", "ministry", "expert", "admin"])
def test_before_submission_a_file_exists_only_for_its_unit(sqlite_db: Database, sqlite_world: World, who: str) -> None:
    filing = opened(sqlite_db, sqlite_world.filer)
    kept = attach(sqlite_db, sqlite_world, filing, "合同.pdf", PDF)
    with pytest.raises(Refusal):
        sqlite_db.read(files.open_file, sqlite_world.actors[who], kept.id)
    with pytest.raises(Refusal):
        attach(sqlite_db, sqlite_world, filing, "塞进来.pdf", PDF, who=who)
    with pytest.raises(Refusal):
        sqlite_db.write(files.remove, sqlite_world.actors[who], kept.id)


def test_the_recommendation_letter_is_not_for_the_unit(db: Database, world: World) -> None:
    filing = db.write(submitted, world.signer)

    def letter(s: Session) -> int:
        return (
            files.add_row(s, world.city, filing, FileKind.LETTER, files.place("推荐.pdf", PDF, FileKind.LETTER)).id or 0
        )

    kept = db.write(letter)
    assert db.read(files.open_file, world.county, kept)[0].kind == "letter"
    with pytest.raises(NotFound):
        db.read(files.open_file, world.filer, kept)
    assert kept not in [view.id for view in db.read(files.listing, world.filer, filing)]


def test_a_removed_file_is_gone_from_the_list_and_cannot_be_opened(db: Database, world: World, filing: int) -> None:
    kept = attach(db, world, filing, "合同.pdf", PDF)
    assert db.read(files.listing, world.filer, filing)[0].removable
    db.write(files.remove, world.signer, kept.id)
    assert db.read(files.listing, world.filer, filing) == ()
    with pytest.raises(NotFound):
        db.read(files.open_file, world.filer, kept.id)


def test_an_attachment_is_known_to_the_rules_of_an_open_sheet(db: Database, world: World, filing: int) -> None:
    before = db.read(lambda s: s.get_one(Filing, filing).revision)
    attach(db, world, filing, "情况说明.pdf", PDF)
    assert db.read(lambda s: s.get_one(Filing, filing).revision) == before + 1


def test_a_licence_belongs_to_the_unit_and_not_to_a_filing(db: Database, world: World) -> None:
    kept = files.upload(db, world.filer, None, FileKind.LICENSE, "执照.pdf", PDF)
    assert db.read(files.open_file, world.county, kept.id)[0].name == "执照.pdf"
    with pytest.raises(NotFound):
        db.read(files.open_file, world.far_city, kept.id)
    with pytest.raises(Forbidden):
        files.upload(db, world.filer, None, FileKind.EVIDENCE, "合同.pdf", PDF)


def test_a_stamped_scan_does_not_come_in_unread(db: Database, world: World, filing: int) -> None:
    with pytest.raises(Refusal):
        files.upload(db, world.filer, filing, FileKind.STAMPED_SCAN, "扫描件.pdf", PDF)
    assert not db.read(desk.head, world.filer, filing).stamped
