"""The shape of the database (数据库结构): brought up to date at the start, in one transaction, after a backup."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlmodel import SQLModel

import models
from services.db import Database

SCRIPTS = Path(models.__file__).parent / "migrations"


class TooNew(RuntimeError):
    """The database was written by a newer program (数据库版本较新)."""


def migrate(db: Database, before: Callable[[], object] | None = None, to: str = "head") -> bool:
    """Bring the tables to the newest shape; ``before`` (a backup) runs first if there is something to change in a
    database in use; ``to`` stops earlier, to load an old backup. Returns whether anything was done; raises
    :class:`TooNew` for a database of a newer program.
    """
    found = revision(db)
    if found == newest():
        return False
    if found is not None:
        _known(found)
        if before is not None:
            before()
    with db.engine.connect() as connection:
        # A table that SQLite rebuilds would drag its children along; keys are checked before the commit instead.
        _foreign_keys(db, connection, on=False)
        try:
            with connection.begin():
                command.upgrade(_config(connection), to)
                _refuse_orphans(db, connection)
        finally:
            _foreign_keys(db, connection, on=True)
    return True


def revision(db: Database) -> str | None:
    """The revision the database is at; None: empty."""
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    head = ScriptDirectory(str(SCRIPTS)).get_current_head()
    assert head is not None
    return head


def differences(db: Database) -> list[Any]:
    """What the tables and the models do not agree on; empty when all is well."""
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, SQLModel.metadata))


def write_revision(db: Database, message: str, identifier: str) -> None:
    """For developers: write the next migration from what ``differences`` finds (``tests/new_migration.py``)."""
    with db.engine.connect() as connection, connection.begin():
        command.revision(_config(connection), message, autogenerate=True, rev_id=identifier)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _known(found: str) -> None:
    if found not in {script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()}:
        raise TooNew(
            f"数据库的结构版本是 {found}，本程序不认识，可能由更新的版本写入。请使用写入它的程序版本，或恢复备份。"
        )


def _foreign_keys(db: Database, connection: Connection, *, on: bool) -> None:
    if db.is_sqlite:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute(f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}").close()


def _refuse_orphans(db: Database, connection: Connection) -> None:
    if db.is_sqlite:
        orphan = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if orphan is not None:
            raise RuntimeError(f"升级后表 {orphan[0]} 有记录失去关联，升级已撤销，数据库保持原样。")
