"""The tables come from migrations only, on both databases; a database in use is saved first (数据库迁移)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, MetaData, Table, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

from services import audit, schema
from services.db import Database

NOW = datetime(2025, 3, 20, 2, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    else:
        database = Database(request.getfixturevalue("postgres_url"))
        with database.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    yield database
    database.close()


def write_line(s: Session) -> None:
    audit.record(s, None, "test", detail="第一行")


def test_an_empty_database_gets_exactly_the_models(empty: Database) -> None:
    assert schema.migrate(empty)
    assert schema.differences(empty) == []
    assert schema.revision(empty) == schema.newest()
    names = set(inspect(empty.engine).get_table_names())
    assert names == set(SQLModel.metadata.tables) | {"alembic_version"}


def test_a_second_start_changes_nothing_and_takes_no_backup(empty: Database) -> None:
    schema.migrate(empty)

    def unwanted() -> None:
        raise AssertionError("no backup was needed")

    assert not schema.migrate(empty, before=unwanted)


def test_a_database_of_a_newer_program_is_left_alone(empty: Database) -> None:
    schema.migrate(empty)
    with empty.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(schema.TooNew, match="9999"):
        schema.migrate(empty)


@pytest.mark.parametrize("tampering", ["UPDATE audit_line SET detail = '改'", "DELETE FROM audit_line"])
def test_the_database_itself_refuses_to_change_the_audit_log(empty: Database, tampering: str) -> None:
    schema.migrate(empty)
    empty.write(write_line)
    with pytest.raises(DBAPIError, match="append-only"), empty.engine.begin() as connection:
        connection.execute(text(tampering))
    assert empty.read(audit.verify) == (1, None)


def put(connection: Connection, table_name: str, /, **values: object) -> None:
    """A row as an older program wrote it: reflected, since the models have moved on."""
    table = Table(table_name, MetaData(), autoload_with=connection)
    blank = {str: "", int: 0, bool: False, datetime: NOW, date: NOW.date()}
    needed = {c.name: blank[c.type.python_type] for c in table.columns if not c.nullable and not c.primary_key}
    connection.execute(table.insert().values({**needed, **values}))


def test_what_the_first_program_wrote_lives_on(empty: Database) -> None:
    schema.migrate(empty, to="0001")
    with empty.engine.begin() as connection:
        put(connection, "organisation", id=1, name="系统运行维护", kind="system", status="active")
        put(connection, "app_user", id=1, username="admin", organisation_id=1)
        put(connection, "roster_batch", id=1, name="2022年度绿色制造名单")
        put(connection, "roster_entry", id=1, batch_id=1, listed_name="广州南粤精工电路有限公司")
        put(connection, "audit_line", id=7, action="sign_in", chain="a" * 64)
    assert schema.migrate(empty)
    assert schema.differences(empty) == []
    with empty.engine.connect() as connection:
        assert connection.execute(text("SELECT totp_secret, totp_step FROM app_user")).one() == ("", 0)
        assert connection.execute(text("SELECT version, group_id FROM roster_entry")).one() == (1, None)
        assert connection.execute(text("SELECT last, chain FROM audit_seal")).one() == (7, "a" * 64)
    with pytest.raises(DBAPIError, match="counts on"), empty.engine.begin() as connection:
        connection.execute(text("UPDATE audit_seal SET last = 5"))


def test_a_failed_migration_leaves_no_trace(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("orphan")

    monkeypatch.setattr(schema, "_refuse_orphans", broken)
    with pytest.raises(RuntimeError, match="orphan"):
        schema.migrate(empty)
    assert inspect(empty.engine).get_table_names() == []
