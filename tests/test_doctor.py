"""体检: each thing a deployment rests on is looked at; what is wrong is named with what to do, and the exit code tells."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from models.enums import Tier
from services import audit, backup_plan, clock, doctor
from services.app import CannotStart, open_house
from services.db import Database
from services.doctor import Check
from services.errors import Forbidden
from services.settings import Settings
from tests.conftest import SPRING, World

FLOORS = {
    "starlette": (1, 3, 1),
    "python-multipart": (0, 0, 30),
    "pillow": (13,),
    "fpdf2": (2, 8, 9),
    "python-socketio": (5, 16, 2),
    "nicegui": (3, 18),
}


@pytest.fixture
def place(tmp_path: Path, sqlite_db: Database) -> Settings:
    home = tmp_path / "data"
    (home / "files").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    return Settings("127.0.0.1", 8080, home, sqlite_db.url, False, Tier.MINISTRY, None)


def found(db: Database, place: Settings, name: str) -> Check:
    return next(check for check in doctor.examine(db, place) if check.name == name)


def test_an_ordinary_deployment_is_well(sqlite_db: Database, sqlite_world: World, place: Settings) -> None:
    backup_plan.by_hand(sqlite_db, sqlite_world.admin, place)
    checks = doctor.examine(sqlite_db, place)
    assert [check for check in checks if not check.well] == []
    assert all(check.words.endswith("。") for check in checks)


@pytest.mark.parametrize("package", FLOORS)
def test_a_package_below_its_floor_is_named_and_stops_the_start(
    package: str, place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = doctor._version
    below = ".".join(map(str, (*FLOORS[package][:-1], FLOORS[package][-1] - 1)))
    monkeypatch.setattr(doctor, "_version", lambda name: below if name == package else known(name))
    assert [words.split()[0] for words in doctor.outdated_packages()] == [package]
    with pytest.raises(CannotStart, match=package):
        open_house(place)
    floor = ".".join(map(str, FLOORS[package]))
    monkeypatch.setattr(doctor, "_version", lambda name: floor if name == package else known(name))
    assert doctor.outdated_packages() == ()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of a POSIX system")
@pytest.mark.parametrize("which", ["data_dir", "backups_dir"])
def test_a_folder_that_others_can_enter_is_named(sqlite_db: Database, place: Settings, which: str) -> None:
    folder: Path = getattr(place, which)
    folder.mkdir(exist_ok=True, mode=0o700)
    assert found(sqlite_db, place, "文件权限").well
    folder.chmod(0o755)
    check = found(sqlite_db, place, "文件权限")
    assert not check.well and f"chmod 700 {folder}" in check.words


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_named(sqlite_db: Database, place: Settings) -> None:
    (place.files_dir / "one").write_bytes(b"x")
    os.chown(place.files_dir / "one", 12345, 12345)
    assert "属于另一个系统用户" in found(sqlite_db, place, "文件权限").words


def test_a_file_without_a_row_is_a_hint_once_no_upload_can_be_writing_it(sqlite_db: Database, place: Settings) -> None:
    stray = place.files_dir / "ab" / "stray"
    stray.parent.mkdir()
    stray.write_bytes(b"x")
    assert found(sqlite_db, place, "多余文件").verdict == "正常"
    long_ago = stray.stat().st_mtime - 2 * doctor.UNDER_WAY
    os.utime(stray, (long_ago, long_ago))
    check = found(sqlite_db, place, "多余文件")
    assert (check.well, check.verdict) == (True, "提示") and "stray" in check.words


def test_a_clock_that_went_back_is_named(sqlite_db: Database, place: Settings) -> None:
    with clock.frozen(SPRING):
        sqlite_db.write(audit.record, None, "sign_in")
        assert found(sqlite_db, place, "系统时间").well
    with clock.frozen(SPRING - timedelta(hours=1)):
        assert "自动对时" in found(sqlite_db, place, "系统时间").words
    with clock.frozen(datetime(2025, 6, 1, tzinfo=clock.BEIJING)):
        assert not found(sqlite_db, replace(place, clock_file=Path("时间")), "系统时间").well


def test_a_full_disk_and_an_old_backup_are_named(
    sqlite_db: Database, sqlite_world: World, place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(place.data_dir)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage._replace(free=doctor.LEAST_FREE - 1))
    assert not found(sqlite_db, place, "磁盘空间").well
    backup_plan.by_hand(sqlite_db, sqlite_world.admin, place)
    assert found(sqlite_db, place, "备份").well
    with clock.frozen(SPRING + timedelta(hours=37)):
        assert "立即备份" in found(sqlite_db, place, "备份").words


@pytest.mark.parametrize("who", ["filer", "province", "expert"])
def test_only_the_administrator_is_told(sqlite_db: Database, sqlite_world: World, place: Settings, who: str) -> None:
    with pytest.raises(Forbidden):
        doctor.seen_by(sqlite_db, sqlite_world.actors[who], place)
