"""运行日志: faults with their number, turned over; never what people typed, their contacts, passwords or sessions."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services import logs
from services.db import Database
from tests.wire_kit import CELL, PASSWORD, Served, page_of, serve, sheet_of
from tests.wire_kit import http as http

SECRETS = ("13912345678", "020-83133361", "chenli@example.com", "Spring-2025-lvce")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The log of a serving process, in this one."""
    root = logging.getLogger()
    before = list(root.handlers)
    logs.keep(tmp_path)
    yield tmp_path / "logs" / "lvce.log"
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
        handler.close()


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("电话 13912345678。", "电话 <手机>。"),
        ("call 020-83133361 now", "call <电话> now"),
        ("to chen.li@example.com", "to <邮箱>"),
        ("postgresql://lvce:geheim@db/lvce", "postgresql://<账户>@db/lvce"),
        ("Cookie: lvce_session=abc; x", "Cookie: <略> x"),
        ("password='a b'", "password=<略> b'"),
        ("密码：abc", "密码：<略>"),
        ("第 9144011552601815 行", "第 9144011552601815 行"),
    ],
)
def test_contacts_and_secrets_are_struck_out(said: str, written: str) -> None:
    assert logs.struck(said) == written


def test_a_fault_is_written_with_its_traceback_but_without_contacts(log: Path) -> None:
    try:
        raise ValueError("13912345678")
    except ValueError:
        logging.getLogger("lvce.ui").exception("E-20250320-7F3K %s", "chenli@example.com")
    written = log.read_text(encoding="utf-8")
    assert "E-20250320-7F3K" in written and "Traceback" in written and "ValueError" in written
    assert [secret for secret in SECRETS if secret in written] == []


def test_only_warnings_and_worse_are_kept(log: Path) -> None:
    logging.getLogger("lvce.wire").info("a page says hello")
    assert log.read_text(encoding="utf-8") == ""


@pytest.mark.skipif(os.name != "posix", reason="permissions of a POSIX system")
def test_nobody_else_reads_it(log: Path) -> None:
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_files_turn_over_and_the_oldest_go(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = (h for h in logging.getLogger().handlers if isinstance(h, logs.RotatingFileHandler))
    file.maxBytes, file.backupCount = 2000, 3
    for number in range(200):
        logging.getLogger("lvce").warning("line %s %s", number, "x" * 80)
    files = sorted(path.name for path in log.parent.iterdir())
    assert files == ["lvce.log", "lvce.log.1", "lvce.log.2", "lvce.log.3"]
    assert all(path.stat().st_size <= 2000 for path in log.parent.iterdir())


def test_an_error_of_the_database_says_nothing_of_the_values(db: Database) -> None:
    with pytest.raises(DBAPIError) as refused:
        db.write(lambda s: s.execute(text("INSERT INTO no_such_table VALUES (:v)"), {"v": "13912345678"}))
    assert "no_such_table" in str(refused.value) and "13912345678" not in str(refused.value)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    yield from serve(tmp_path)


@pytest.mark.slow
async def test_a_served_application_that_breaks_tells_its_log_and_no_secrets(
    served: Served, http: aiohttp.ClientSession
) -> None:
    wrong = {"username": "u0", "password": "Wrong-2025-lvce-13912345678"}
    said = {"Origin": served.base}
    async with http.post(f"{served.base}/auth/login", data=wrong, headers=said, allow_redirects=False):
        pass
    async with await page_of(http, served, 0).open(served.paths[0]) as page:
        connection = sqlite3.connect(served.database, timeout=30)
        connection.execute("ALTER TABLE cell_change RENAME TO gone")
        connection.commit()
        connection.close()
        answer = page.wait_for(lambda message: "没有预料到" in str(message))
        change = {"a": ":".join(CELL), "t": "13912345678", "b": served.cell(0), "c": False}
        await page.emit(sheet_of(page), "cells", {"seq": 1, "source": "typed", "changes": [change]})
        await answer
    written = (served.database.parent / "logs" / "lvce.log").read_text(encoding="utf-8")
    assert "E-2" in written and "cell_change" in written
    tokens = [cookie["lvce_session"] for cookie in served.cookies]
    assert [secret for secret in (*SECRETS, PASSWORD, wrong["password"], *tokens) if secret in written] == []
