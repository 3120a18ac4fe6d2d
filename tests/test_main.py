"""The command line and the start (命令行, 启动): Chinese words, an exit code that tells, and nothing lost between two homes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from unittest import mock

import pytest
from nicegui.testing.user_simulation import user_simulation
from sqlmodel import Session, select

import main
from models import Filing, User
from models.enums import FileKind, Role
from services import app as lvce
from services import audit, backup, clock, demo, doctor, schema, settings
from services.accounts import sessions
from services.app import CannotStart, open_house
from services.db import Database
from services.errors import Refusal
from services.filings import files as files_service
from tests.demo_kit import at_home
from tests.test_filings_files import PDF

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run one command in a data directory: (exit code, standard output, standard error)."""

    def command(home: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
        with at_home(home, **environment):
            code = main.main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def database(home: Path) -> Database:
    return Database(f"sqlite:///{home / 'lvce.sqlite3'}")


# --- the first administrator ------------------------------------------------------------------------------------------


def test_the_first_administrator_is_made_with_a_password_of_their_own(run: Said, tmp_path: Path) -> None:
    code, out, _ = run(tmp_path / "new", "create-admin", LVCE_ADMIN_PASSWORD="Zhuguan-2025-gz", LVCE_DEMO="0")
    assert (code, out) == (0, "已新增系统管理员 admin。\n")
    db = database(tmp_path / "new")
    assert sessions.sign_in(db, "admin", "Zhuguan-2025-gz").role is Role.ADMIN
    db.close()


@pytest.mark.parametrize(("password", "said"), [("admin", "太短"), ("administrator1", "含有用户名")])
def test_a_weak_password_makes_no_administrator(run: Said, tmp_path: Path, password: str, said: str) -> None:
    code, _, err = run(tmp_path / "new", "create-admin", LVCE_ADMIN_PASSWORD=password, LVCE_DEMO="0")
    assert code == 1
    assert said in err
    db = database(tmp_path / "new")
    assert db.read(lambda s: s.exec(select(User)).all()) == []
    db.close()


def test_a_production_start_without_anybody_says_what_to_do(tmp_path: Path) -> None:
    with at_home(tmp_path / "new", LVCE_DEMO="0"):
        house = open_house(settings.from_env())
        house.close()
    assert "create-admin" in house.notes[0]


def test_a_production_start_takes_the_first_password_from_the_environment(tmp_path: Path) -> None:
    with at_home(tmp_path / "new", LVCE_DEMO="0", LVCE_ADMIN_PASSWORD="Zhuguan-2025-gz"):
        house = open_house(settings.from_env())
        assert sessions.sign_in(house.db, "admin", "Zhuguan-2025-gz").role is Role.ADMIN
        house.close()


# --- the demo ---------------------------------------------------------------------------------------------------------


def test_a_demo_is_not_written_over_anything(run: Said, demo_copy: Path) -> None:
    code, _, err = run(demo_copy, "seed-demo")
    assert code == 1
    assert "已有用户" in err


def test_a_demo_is_not_served_to_the_public(tmp_path: Path, demo_copy: Path) -> None:
    with at_home(tmp_path / "new", LVCE_DEMO="1", LVCE_HOST="0.0.0.0"), pytest.raises(CannotStart, match="本机地址"):
        open_house(settings.from_env())
    with at_home(demo_copy, LVCE_DEMO="0", **BEHIND_PROXY), pytest.raises(CannotStart, match="演示账户"):
        open_house(settings.from_env())


BEHIND_PROXY = {"LVCE_PUBLIC_URL": "https://lvce.example.gov.cn", "LVCE_TRUSTED_PROXY": "127.0.0.1"}


def test_behind_a_public_address_nothing_becomes_a_demo_by_itself(tmp_path: Path) -> None:
    with at_home(tmp_path / "new", **BEHIND_PROXY):
        house = open_house(settings.from_env())
        house.close()
    assert not house.settings.demo


def test_a_weak_configuration_is_not_served_and_every_reason_is_told(tmp_path: Path) -> None:
    weak = {"LVCE_HOST": "0.0.0.0", "LVCE_TRUSTED_PROXY": "0.0.0.0/0", "LVCE_DEMO": "0"}
    with at_home(tmp_path / "new", **weak), pytest.raises(CannotStart) as refused:
        open_house(settings.from_env())
    assert "LVCE_HOST" in str(refused.value)
    assert "LVCE_TRUSTED_PROXY" in str(refused.value)
    with at_home(tmp_path / "new", **weak):
        open_house(settings.from_env(), serving=False).close()  # commands on the machine itself work


def test_a_weak_first_password_is_not_taken_from_the_environment(tmp_path: Path) -> None:
    with (
        at_home(tmp_path / "new", LVCE_DEMO="0", LVCE_ADMIN_PASSWORD="Admin@123456"),
        pytest.raises(Refusal, match="含有用户名"),
    ):
        open_house(settings.from_env())


def test_a_seeded_directory_starts_as_a_demo_and_its_time_goes_on(demo_copy: Path) -> None:
    with at_home(demo_copy):
        house = open_house(settings.from_env())
        try:
            assert house.settings.demo
            assert clock.today().isoformat() == "2025-03-20"
            assert any("lvce-demo-2025" in note for note in house.notes)
        finally:
            house.close()
    assert clock.today().year > 2025


def test_a_demo_that_was_cut_off_is_written_again(demo_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = demo_copy / "demo"
    marker.write_text(marker.read_text(encoding="utf-8").replace("true", "false"), encoding="utf-8")
    seeded: list[int] = []
    monkeypatch.setattr(demo, "seed", lambda _db, number, _canaries: seeded.append(number))
    with at_home(demo_copy, LVCE_DEMO="1"):
        open_house(settings.from_env()).close()
    assert seeded == [demo.SEED]
    assert files(demo_copy) == {}
    assert json.loads(marker.read_text(encoding="utf-8"))["finished"]


def test_somebodys_own_data_do_not_become_a_demo(run: Said, tmp_path: Path) -> None:
    run(tmp_path / "own", "create-admin", LVCE_ADMIN_PASSWORD="Zhuguan-2025-gz", LVCE_DEMO="0")
    with at_home(tmp_path / "own", LVCE_DEMO="1"):
        house = open_house(settings.from_env())
        house.close()
    assert not house.settings.demo


# --- backup and restore -----------------------------------------------------------------------------------------------


def test_a_backup_brings_every_row_and_file_to_another_home(run: Said, demo_copy: Path, tmp_path: Path) -> None:
    code, out, _ = run(demo_copy, "backup", str(tmp_path / "saved"))
    assert code == 0
    assert "已备份" in out
    code, out, err = run(tmp_path / "elsewhere", "restore", str(tmp_path / "saved"))
    assert (code, err) == (0, "")
    here, there = (digests(home) for home in (demo_copy, tmp_path / "elsewhere"))
    assert here == there
    assert files(demo_copy) == files(tmp_path / "elsewhere") != {}
    code, out, _ = run(tmp_path / "elsewhere", "doctor")
    assert code == 0, out
    with at_home(tmp_path / "elsewhere"):
        assert settings.from_env().demo, "a demo stays a demo"


@pytest.mark.parametrize("belongs", [False, True])
def test_a_file_that_vanishes_while_it_is_copied_fails_a_backup_only_if_a_row_speaks_of_it(
    run: Said, demo_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, belongs: bool
) -> None:
    known = sorted(p for p in (demo_copy / "files").rglob("*") if p.is_file())
    victim = known[-1] if belongs else known[-1].with_name("f" * 32)
    victim.touch()
    real = Path.read_bytes

    def vanishing(path: Path) -> bytes:
        if path == victim:
            path.unlink()  # between the list and the copy
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", vanishing)
    code, out, err = run(demo_copy, "backup", str(tmp_path / "saved"))
    assert not victim.exists()
    if belongs:
        assert code == 1 and f"附件 {victim.relative_to(demo_copy)} 不能读取（路径不存在），没有备份。" in err
        assert not (tmp_path / "saved").exists()
    else:
        assert (code, err) == (0, "") and f"{len(known)} 个附件" in out
        assert run(tmp_path / "elsewhere", "restore", str(tmp_path / "saved"))[0] == 0


def test_a_file_that_vanishes_while_the_space_is_counted_is_passed_over(tmp_path: Path) -> None:
    assert backup._size(tmp_path / "gone") == 0


@pytest.mark.slow
def test_the_drill_a_backup_under_writing_comes_back_elsewhere_whole_and_well(
    run: Said, demo_copy: Path, tmp_path: Path
) -> None:
    """备份演练: people save and attach files while another process backs up; what is restored is one moment of it."""
    stop, written = Event(), [0, 0]
    with at_home(demo_copy):
        house = open_house(settings.from_env())

        def rename() -> None:
            while not stop.is_set():
                house.db.write(_rename_all, f"第{written[0]}次")
                written[0] += 1

        def attach() -> None:
            while not stop.is_set():
                house.db.write(_attach, files_service.place("合同.pdf", PDF), demo_copy)
                written[1] += 1

        writers = [Thread(target=rename), Thread(target=attach)]
        for writer in writers:
            writer.start()
        while not min(written) and all(writer.is_alive() for writer in writers):
            stop.wait(0.01)
        before = list(written)
        done = subprocess.run(
            [sys.executable, main.__file__, "backup", str(tmp_path / "saved")],
            capture_output=True,
            text=True,
            check=False,
        )
        under_way = list(written)
        stop.set()
        for writer in writers:
            writer.join()
        house.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert all(now > then for now, then in zip(under_way, before, strict=True)), "somebody wrote meanwhile"
    code, out, err = run(tmp_path / "elsewhere", "restore", str(tmp_path / "saved"))
    assert (code, err) == (0, "")
    manifest = json.loads((tmp_path / "saved" / backup.MANIFEST).read_text(encoding="utf-8"))
    assert digests(tmp_path / "elsewhere") == manifest["tables"]
    restored = files(tmp_path / "elsewhere")
    known = {name: told["sha256"] for name, told in manifest["contents"].items() if name.startswith("files/")}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in restored.items()} == known
    with contextlib.closing(sqlite3.connect(tmp_path / "elsewhere" / "lvce.sqlite3")) as copy:
        assert len(copy.execute("SELECT DISTINCT name FROM app_user").fetchall()) == 1, "all of one write"
        assert copy.execute("SELECT count(*) FROM stored_file WHERE original_name = '合同.pdf'").fetchone()[0] > 0
    code, out, _ = run(tmp_path / "elsewhere", "doctor")
    assert code == 0, out


def _rename_all(s: Session, name: str) -> None:
    for user in s.exec(select(User)).all():
        user.name = name
        s.add(user)


def _attach(s: Session, placed: files_service.Placed, home: Path) -> None:
    filing = s.exec(select(Filing).where(Filing.organisation_id == 1)).first() or s.exec(select(Filing)).first()
    assert filing is not None and filing.id is not None
    user = s.exec(select(User).where(User.organisation_id == filing.organisation_id)).first()
    assert user is not None and user.id is not None
    files_service.add_row(s, sessions.actor_of(s, user.id), None, FileKind.LICENSE, placed)


def test_an_upgrade_of_the_tables_is_preceded_by_a_backup(run: Said, demo_copy: Path, tmp_path: Path) -> None:
    before = digests(demo_copy)
    real = schema.migrate

    def upgraded(db: Database, before: Callable[[], object] | None = None, to: str = "head") -> bool:
        assert before is not None
        before()  # as if the program had brought a new migration
        return real(db, before, to)

    with at_home(demo_copy), mock.patch.object(schema, "migrate", upgraded):
        open_house(settings.from_env(), serving=False).close()
    (made,) = (demo_copy / "backups").iterdir()
    assert made.name.startswith("upgrade-") and made.name.endswith(schema.newest())
    assert backup.check(made)["tables"] == before


def test_a_backup_needs_something_to_back_up_and_opens_nothing_for_writing(
    run: Said, tmp_path: Path, demo_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run(tmp_path / "new", "backup", str(tmp_path / "saved"))
    assert (code, "没有数据库" in err) == (1, True)
    monkeypatch.setattr(lvce, "open_house", lambda *_, **__: 1 / 0)
    before = (demo_copy / "lvce.sqlite3").read_bytes()
    assert run(demo_copy, "backup", str(tmp_path / "saved"))[0] == 0
    assert (demo_copy / "lvce.sqlite3").read_bytes() == before


@pytest.mark.parametrize("victim", ["lvce.sqlite3", "manifest.json", "files"])
def test_a_flipped_byte_is_refused_by_name(run: Said, demo_copy: Path, tmp_path: Path, victim: str) -> None:
    run(demo_copy, "backup", str(tmp_path / "saved"))
    path = tmp_path / "saved" / victim
    if victim == "files":
        path = next(p for p in path.rglob("*") if p.is_file())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, _, err = run(tmp_path / "elsewhere", "restore", str(tmp_path / "saved"))
    assert code == 1
    assert path.name in err
    assert not (tmp_path / "elsewhere" / "lvce.sqlite3").exists()


def test_each_of_50_flipped_bits_is_refused_by_the_name_of_its_file(run: Said, demo_copy: Path, tmp_path: Path) -> None:
    run(demo_copy, "backup", str(tmp_path / "saved"))
    rng = random.Random(20250320)
    kept = sorted(p for p in (tmp_path / "saved").rglob("*") if p.is_file())
    for _ in range(50):
        path = rng.choice(kept)
        content = path.read_bytes()
        place = rng.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :])
        code, _, err = run(tmp_path / "elsewhere", "restore", str(tmp_path / "saved"))
        assert (code, path.name.removesuffix(".sha256").removesuffix(".json") in err) == (1, True), (path, place)
        assert not (tmp_path / "elsewhere" / "lvce.sqlite3").exists()
        path.write_bytes(content)
    assert run(tmp_path / "elsewhere", "restore", str(tmp_path / "saved"))[0] == 0


def test_a_missing_and_an_extra_file_are_named(run: Said, demo_copy: Path, tmp_path: Path) -> None:
    run(demo_copy, "backup", str(tmp_path / "saved"))
    stray = tmp_path / "saved" / "files" / "stray"
    stray.write_bytes(b"x")
    assert "多出" in run(tmp_path / "elsewhere", "restore", str(tmp_path / "saved"))[2]
    stray.unlink()
    gone = next(p for p in (tmp_path / "saved" / "files").rglob("*") if p.is_file())
    gone.unlink()
    assert gone.name in run(tmp_path / "elsewhere", "restore", str(tmp_path / "saved"))[2]


def test_a_restore_overwrites_nothing(run: Said, demo_copy: Path, tmp_path: Path) -> None:
    run(demo_copy, "backup", str(tmp_path / "saved"))
    assert "不是空的" in run(demo_copy, "restore", str(tmp_path / "saved"))[2]
    assert "不是空的" in run(demo_copy, "backup", str(tmp_path / "saved"))[2]
    assert "不是一份完整的备份" in run(tmp_path / "elsewhere", "restore", str(tmp_path))[2]


@pytest.mark.postgres
def test_a_backup_of_postgresql_comes_back_the_same(
    run: Said, tmp_path: Path, postgres_url: str, postgres_home: tuple[str, str]
) -> None:
    source, target = postgres_home
    code, out, err = run(tmp_path / "one", "seed-demo", LVCE_DATABASE_URL=source)
    assert (code, err) == (0, ""), out
    code, _, err = run(tmp_path / "one", "backup", str(tmp_path / "saved"), LVCE_DATABASE_URL=source)
    assert (code, err) == (0, "")
    code, out, err = run(tmp_path / "two", "restore", str(tmp_path / "saved"), LVCE_DATABASE_URL=target)
    assert (code, err) == (0, "")
    code, out, _ = run(tmp_path / "two", "doctor", LVCE_DATABASE_URL=target)
    assert code == 0, out
    code, _, err = run(tmp_path / "three", "restore", str(tmp_path / "saved"))
    assert "另一种数据库" in err
    code, _, _ = run(
        tmp_path / "two",
        "create-admin",
        "--username",
        "second",
        LVCE_DATABASE_URL=target,
        LVCE_ADMIN_PASSWORD="Zhuguan-2025-gz",
    )
    assert code == 0, "running numbers go on after the restored rows"


@pytest.fixture
def postgres_home(postgres_url: str) -> Iterator[tuple[str, str]]:
    """Two empty databases on the server."""
    from tests.conftest import _maintain, _named

    names = ("home_one", "home_two")
    for name in names:
        _maintain(postgres_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        _maintain(postgres_url, f"CREATE DATABASE {name}")
    yield _named(postgres_url, names[0]), _named(postgres_url, names[1])
    for name in names:
        _maintain(postgres_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


# --- beside a running server ------------------------------------------------------------------------------------------


def test_an_administrator_is_made_while_the_server_writes(run: Said, tmp_path: Path) -> None:
    home = tmp_path / "data"
    with at_home(home, LVCE_DEMO="0"):
        house = open_house(settings.from_env())
        stop = threading.Event()

        def write_on() -> None:
            while not stop.is_set():
                house.db.write(lambda s: audit.record(s, None, "sign_in"))

        busy = threading.Thread(target=write_on)
        busy.start()
        try:
            for name in ("first", "second", "third"):
                code, _, err = run(
                    home, "create-admin", "--username", name, LVCE_ADMIN_PASSWORD="Zhuguan-2025-gz", LVCE_DEMO="0"
                )
                assert (code, err) == (0, "")
        finally:
            stop.set()
            busy.join()
        try:
            assert sessions.sign_in(house.db, "third", "Zhuguan-2025-gz").role is Role.ADMIN
            assert house.db.read(audit.verify)[1] is None, "one chain, whoever wrote"
        finally:
            house.close()


def test_a_command_never_changes_the_tables_under_a_running_server(
    run: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "data"
    with at_home(home, LVCE_DEMO="0"):
        house = open_house(settings.from_env())
        try:
            monkeypatch.setattr(schema, "newest", lambda: "a later one")
            code, _, err = run(home, "create-admin", LVCE_ADMIN_PASSWORD="Zhuguan-2025-gz", LVCE_DEMO="0")
            assert code == 1
            assert "请先停止网站" in err
            assert not (home / "backups").exists()
            assert run(home, "backup", str(tmp_path / "saved"), LVCE_DEMO="0")[0] == 0, "it only reads"
        finally:
            house.close()


# --- looking after it -------------------------------------------------------------------------------------------------


def damage(home: Path, *statements: str) -> None:
    """Do to the database what nobody may (损坏数据)."""
    with contextlib.closing(sqlite3.connect(home / "lvce.sqlite3")) as raw:
        for statement in statements:
            raw.execute(statement)
        raw.commit()


def test_tampering_with_the_audit_log_is_found(run: Said, demo_copy: Path) -> None:
    assert run(demo_copy, "verify-audit")[0] == 0
    damage(demo_copy, "DROP TRIGGER audit_line_no_update", "UPDATE audit_line SET detail = '改过' WHERE id = 100")
    code, out, _ = run(demo_copy, "verify-audit")
    assert code == 1
    assert "第 100 条" in out


def test_a_demo_with_a_date_that_is_none_is_not_served_and_the_commands_find_it(run: Said, demo_copy: Path) -> None:
    damage(demo_copy, "DROP TRIGGER audit_line_no_update", "UPDATE audit_line SET at = '昨天' WHERE id = 100")
    code, out, err = run(demo_copy, "verify-audit")
    assert (code, err) == (1, "") and "第 100 条" in out
    code, out, err = run(demo_copy, "doctor")
    assert (code, err) == (1, "") and "[问题] 审计日志：" in out
    with at_home(demo_copy), pytest.raises(CannotStart, match=r"无法识别的日期.*verify-audit.*LVCE_DATA_DIR"):
        open_house(settings.from_env())


@pytest.mark.parametrize("words", ["", "[]", '{"clock_starts": "昨天", "finished": true}'])
def test_a_mark_of_a_demo_that_says_nothing_is_named(run: Said, demo_copy: Path, words: str) -> None:
    (demo_copy / "demo").write_text(words, encoding="utf-8")
    code, _, err = run(demo_copy, "doctor")
    assert code == 1 and f"演示标记文件 {demo_copy / 'demo'} 的内容无法识别" in err
    with at_home(demo_copy), pytest.raises(CannotStart, match="无法识别"):
        open_house(settings.from_env())


def test_the_doctor_names_what_is_ill(run: Said, demo_copy: Path) -> None:
    next(p for p in (demo_copy / "files").rglob("*") if p.is_file()).unlink()
    damage(demo_copy, "UPDATE figure SET value = '1' WHERE rowid = (SELECT min(rowid) FROM figure)")
    demo_copy.chmod(0o755)
    code, out, _ = run(demo_copy, "doctor")
    assert code == 1
    ill = [line.removeprefix("[问题] ").split("：")[0] for line in out.splitlines() if line.startswith("[问题]")]
    assert ill == ["统计数据", "附件", *(["文件权限"] if os.name == "posix" else [])]


def test_a_thorough_doctor_reads_every_file_and_says_which_backup_has_a_broken_one(
    run: Said, demo_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(demo_copy, "backup", str(demo_copy / "backups" / "manual-1"))[0] == 0
    monkeypatch.setattr(doctor, "TOLD_EVERY", 0.0)
    code, out, err = run(demo_copy, "doctor", "--thorough")
    assert code == 0 and "都与登记的 SHA-256 一致" in out
    changed, gone, new = sorted(p for p in (demo_copy / "files").rglob("*") if p.is_file())[:3]
    total = len(files(demo_copy))
    assert f"{total:,} / {total:,}" in err
    content = changed.read_bytes()
    changed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # of the same size
    whole = gone.read_bytes()
    gone.unlink()
    with contextlib.closing(sqlite3.connect(demo_copy / "lvce.sqlite3")) as raw:
        raw.execute("UPDATE stored_file SET sha256 = 'x' WHERE stored_name = ?", (new.name,))  # in no backup
        raw.commit()
        named = dict(
            raw.execute(
                "SELECT stored_name, f.number || ' 的“' || original_name || '”' FROM stored_file"
                " JOIN filing f ON f.id = filing_id"
            ).fetchall()
        )
    code, out, _ = run(demo_copy, "doctor", "--thorough")
    said = {path: next(line for line in out.splitlines() if path.name in line) for path in (changed, gone, new)}
    assert code == 1 and "3 个附件缺失、不能读取或内容已变" in out
    for path, fault in ((changed, "内容已变"), (gone, "缺失"), (new, "内容已变")):
        assert named[path.name] in said[path] and fault in said[path]
    assert str(demo_copy / "backups" / "manual-1") in said[gone] and f"复制到 {gone}。" in said[gone]
    assert "没有完好的一份" in said[new] and "manual-1" not in said[new]
    kept = demo_copy / "backups" / "manual-1" / gone.relative_to(demo_copy)
    assert kept.read_bytes() == whole  # where it was said to be
    shutil.copy(kept, gone)
    assert "2 个附件" in run(demo_copy, "doctor", "--thorough")[1]


def test_the_doctor_looks_at_the_rest_where_something_cannot_be_read(run: Said, demo_copy: Path) -> None:
    damage(
        demo_copy,
        "UPDATE filing_version SET cells = 'no JSON' WHERE id = 1",
        "UPDATE stored_file SET size = 1 WHERE id = 1",
    )
    code, out, err = run(demo_copy, "doctor")
    assert code == 1
    ill = [line.removeprefix("[问题] ").split("：")[0] for line in out.splitlines() if line.startswith("[问题]")]
    assert ill == ["数据内容", "附件"]
    assert "Traceback" not in out + err


def cut_short(database: Path) -> None:
    with database.open("r+b") as file:
        file.truncate(300_000)


def overwrite(database: Path) -> None:
    database.write_bytes(b"\x00\xff" * 50_000)


def lose_a_table(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as raw:
        raw.execute("DROP TABLE audit_line")


@pytest.mark.parametrize(
    ("damage", "command"),
    [
        (cut_short, "doctor"),
        (overwrite, "verify-audit"),
        (cut_short, "backup"),
        (lose_a_table, "doctor"),
        (overwrite, ""),
    ],
)
def test_a_damaged_database_is_answered_with_what_to_do(
    run: Said, demo_copy: Path, tmp_path: Path, damage: Callable[[Path], None], command: str
) -> None:
    damage(demo_copy / "lvce.sqlite3")
    arguments = [command, str(tmp_path / "saved")] if command == "backup" else [command] if command else []
    code, out, err = run(demo_copy, *arguments, LVCE_PORT=str(free_port()))
    assert (code, out) == (1, "")
    assert err.startswith("不能读取数据库")
    assert "用最近的备份恢复" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("environment", "said"), [({"LVCE_PORT": "tea"}, "LVCE_PORT"), ({"LVCE_TOP_TIER": "moon"}, "LVCE_TOP_TIER")]
)
def test_a_wrong_setting_is_named(run: Said, tmp_path: Path, environment: dict[str, str], said: str) -> None:
    code, _, err = run(tmp_path / "new", "doctor", **environment)
    assert code == 1
    assert said in err


# --- serving ----------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def environment(home: Path, port: int) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "NICEGUI", "LVCE_"))}
    return {**kept, "LVCE_DATA_DIR": str(home), "LVCE_PORT": str(port), "PYTHONUNBUFFERED": "1"}


def test_a_port_in_use_is_said_before_anything_is_written(run: Said, tmp_path: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        code, _, err = run(tmp_path / "new", LVCE_PORT=str(taken.getsockname()[1]))
    assert code == 1
    assert "LVCE_PORT" in err
    assert not (tmp_path / "new").exists()


async def test_niceguis_own_test_client_runs_the_same_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with at_home(tmp_path / "new", LVCE_DEMO="0", LVCE_ADMIN_PASSWORD="Zhuguan-2025-gz"):
        async with user_simulation(main_file=main.__file__) as visitor:
            answer = await visitor.http_client.get("/login")
            assert answer.status_code == 200
            assert "用户名" in answer.text
            assert (await visitor.http_client.get("/healthz")).json() == {"status": "ok"}
        open_house(settings.from_env()).close()  # the first one let go of the directory
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.slow
def test_one_process_serves_a_directory_and_a_second_is_told(demo_copy: Path) -> None:
    port = free_port()
    command = [sys.executable, str(Path(main.__file__))]
    with subprocess.Popen(
        command, env=environment(demo_copy, port), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            assert server.stdout is not None
            said = server.stdout.readline()
            assert said == f"绿册已启动：http://127.0.0.1:{port}\n", said + server.stdout.read()
            assert json.loads(healthy(port, server)) == {"status": "ok"}
            second = subprocess.run(
                command,
                env=environment(demo_copy, free_port()),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert second.returncode == 1
            assert "已有一个程序正在使用" in second.stderr
        finally:
            server.terminate()
            server.wait(timeout=30)


def healthy(port: int, server: subprocess.Popen[str]) -> str:
    """The answer of /healthz, as soon as there is one."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while True:
        try:
            with opener.open(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.05)


def digests(home: Path) -> dict[str, object]:
    db = database(home)
    try:
        with db.engine.connect() as connection:
            return dict(backup.table_digests(connection))
    finally:
        db.close()


def files(home: Path) -> dict[str, bytes]:
    return {str(p.relative_to(home)): p.read_bytes() for p in (home / "files").rglob("*") if p.is_file()}
