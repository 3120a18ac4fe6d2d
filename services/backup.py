"""Backup and restore (备份与恢复): all rows and all files as of one moment, each file with its SHA-256; a changed byte is named.

SQLite is copied by its online backup, PostgreSQL is read row by row as JSON lines in one snapshot; both while others write,
by connections that only read. ``python -m services.backup DIR [MOMENT]`` does it in a process of low priority for
``services.backup_plan``: one line of JSON on the standard output, or the reason on the standard error.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, inspect, text
from sqlalchemy.exc import DBAPIError

from services import clock, schema
from services import settings as environment
from services.db import Database, make_engine
from services.errors import cause_of
from services.settings import Settings

MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
DATABASE = "lvce.sqlite3"
ROWS = "rows"
FILES = "files"
PARTIAL = ".partial"
DAILY, MANUAL, UPGRADE = "daily", "manual", "upgrade"
MB = 1 << 20
DAMAGED = (
    "不能读取数据库：文件已损坏，或数据表不完整。请停止程序，把数据目录另存一份保留现场，"
    "再用最近的备份恢复到空的数据目录（python main.py restore）。"
)


class BackupError(RuntimeError):
    """备份或恢复不能完成: a Chinese sentence with what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """结果: how much was saved or restored, and the digest over all rows."""

    place: Path
    rows: int
    files: int
    rows_digest: str


def main(arguments: list[str]) -> int:
    """The child of ``backup_plan``: leaves the processor to others."""
    if hasattr(os, "nice"):
        os.nice(10)
    place, moment = arguments
    try:
        with clock.frozen(datetime.fromisoformat(moment)):
            done = back_up(environment.from_env(), Path(place))
    except BackupError as error:
        sys.stderr.write(str(error))
        return 1
    except OSError as error:
        sys.stderr.write(
            f"不能写入备份目录（{cause_of(error)}）。请检查环境变量 LVCE_BACKUP_DIR 所指目录的权限和磁盘空间。"
        )
        return 1
    except (DBAPIError, sqlite3.DatabaseError):
        sys.stderr.write(DAMAGED)
        return 1
    sys.stdout.write(json.dumps({**asdict(done), "place": str(done.place)}))
    return 0


def back_up(settings: Settings, place: Path) -> Outcome:
    """Write a backup into an empty or new folder (备份). Safe while the application runs."""
    place = place.expanduser().resolve()
    if place.exists() and any(place.iterdir()):
        raise BackupError(f"备份目录 {place} 不是空的。请换一个新的目录，以免覆盖以前的备份。")
    if settings.files_dir in (place, *place.parents):
        raise BackupError("备份目录不能放在附件目录里面。请换到数据目录以外，最好是另一块磁盘。")
    sqlite = settings.database_url.startswith("sqlite")
    if sqlite and not sqlite_path(settings.database_url).is_file():
        raise BackupError("没有可以备份的数据：数据目录里没有数据库。请检查 LVCE_DATA_DIR。")
    _need_space(settings, place)
    partial = place.with_name(place.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial.mkdir(mode=0o700)
    revision, digests, registered = (_copy_sqlite if sqlite else _dump_rows)(settings, partial)
    count = _copy_files(settings.files_dir, partial / FILES, registered)
    listed = {str(p.relative_to(partial)): _described(p) for p in sorted(partial.rglob("*")) if p.is_file()}
    rows_digest = _over(digests)
    manifest = {
        "made_at": clock.now().isoformat(),
        "database": "sqlite" if sqlite else "postgresql",
        "revision": revision,
        "tables": digests,
        "rows_digest": rows_digest,
        "contents": listed,
    }
    content = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True).encode()
    (partial / MANIFEST).write_bytes(content)
    (partial / SEAL).write_text(hashlib.sha256(content).hexdigest(), encoding="ascii")
    for path in partial.rglob("*"):
        if path.is_file():
            _flush(path)
    if place.exists():
        place.rmdir()
    partial.rename(place)
    return Outcome(place, sum(t["rows"] for t in digests.values()), count, rows_digest)


def before_migration(db: Database, settings: Settings) -> Outcome:
    """升级前备份, among the others."""
    return back_up(settings, settings.backups_dir / f"{named(UPGRADE)}-{schema.revision(db)}")


def named(kind: str) -> str:
    """A name for a backup made now: its kind and when."""
    return f"{kind}-{clock.local(clock.now()):%Y%m%d-%H%M%S}"


def restore(settings: Settings, place: Path) -> Outcome:
    """Bring a backup back into an empty data directory and database (恢复); every digest is checked before and after."""
    place = place.expanduser().resolve()
    manifest = check(place)
    _need_empty(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    sqlite = settings.database_url.startswith("sqlite")
    if sqlite != (manifest["database"] == "sqlite"):
        raise BackupError(
            f"这份备份来自 {manifest['database']}，而 LVCE_DATABASE_URL 指向另一种数据库。请改为同一种数据库后再恢复。"
        )
    if sqlite:
        shutil.copyfile(place / DATABASE, sqlite_path(settings.database_url))
    db = Database(settings.database_url)
    try:
        if not sqlite:
            _load_rows(db, place, manifest)
        with db.engine.connect() as connection:
            digests = table_digests(connection)
        if _over(digests) != manifest["rows_digest"]:
            raise BackupError("恢复后的数据与备份的校验值不一致，请不要使用。请换一份备份，并检查磁盘。")
        if (place / FILES).exists():
            shutil.copytree(place / FILES, settings.files_dir, dirs_exist_ok=True)
        schema.migrate(db)
    finally:
        db.close()
    for name in ("demo",):
        if (place / name).exists():
            shutil.copyfile(place / name, settings.data_dir / name)
    files = sum(1 for name in manifest["contents"] if name.startswith(f"{FILES}/"))
    return Outcome(settings.data_dir, sum(t["rows"] for t in digests.values()), files, manifest["rows_digest"])


def check(place: Path) -> dict[str, Any]:
    """The manifest of a backup whose every byte is as it was written; raises BackupError naming what is not."""
    if not (place / MANIFEST).is_file():
        raise BackupError(f"{place} 里没有 {MANIFEST}，不是一份完整的备份。")
    content = (place / MANIFEST).read_bytes()
    seal = (place / SEAL).read_text(encoding="ascii", errors="replace").strip() if (place / SEAL).is_file() else ""
    if hashlib.sha256(content).hexdigest() != seal:
        raise BackupError(f"备份清单 {MANIFEST} 与其校验值不符，文件已损坏或被改动。请换一份备份。")
    manifest: dict[str, Any] = json.loads(content)
    found = {str(p.relative_to(place)) for p in place.rglob("*") if p.is_file()} - {MANIFEST, SEAL}
    if missing := sorted(set(manifest["contents"]) - found):
        raise BackupError(f"备份缺少 {len(missing)} 个文件，例如 {missing[0]}。请换一份备份。")
    if extra := sorted(found - set(manifest["contents"])):
        raise BackupError(f"备份中多出清单以外的文件，例如 {extra[0]}。请换一份备份，或查明来源。")
    for name, known in manifest["contents"].items():
        if _described(place / name) != known:
            raise BackupError(f"备份中的文件 {name} 与清单的校验值不符，已损坏或被改动。请换一份备份。")
    return manifest


def table_digests(connection: Connection) -> dict[str, dict[str, Any]]:
    """Rows and SHA-256 of every table, in the order of its primary key; the same on every copy of the same rows."""
    found: dict[str, dict[str, Any]] = {}
    for table in _tables(connection):
        digest, count = hashlib.sha256(), 0
        for line in _lines(connection, table):
            digest.update(line.encode() + b"\n")
            count += 1
        found[table.name] = {"rows": count, "sha256": digest.hexdigest()}
    return found


def sqlite_path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


# --- making one -----------------------------------------------------------------------------------------------------


# Revision of the tables; table → rows and SHA-256; names of the files that the rows speak of.
Copied = tuple[str | None, dict[str, dict[str, Any]], frozenset[str]]


def _copy_sqlite(settings: Settings, place: Path) -> Copied:
    source = sqlite3.connect(f"file:{sqlite_path(settings.database_url)}?mode=ro", uri=True, timeout=30)
    target = sqlite3.connect(place / DATABASE)
    try:
        source.backup(target)  # in one step: the copy is of one moment
        target.execute("PRAGMA journal_mode = DELETE").close()
    finally:
        target.close()
        source.close()
    engine = make_engine(f"sqlite:///{place / DATABASE}", readonly=True)
    try:
        with engine.connect() as connection:
            copied = _revision(connection), table_digests(connection), _registered(connection)
    finally:
        engine.dispose()
    _settle(place / DATABASE)
    return copied


def _settle(path: Path) -> None:
    """One file and nothing beside it: the copy was opened in WAL mode to be read."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE").close()
    connection.close()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _dump_rows(settings: Settings, place: Path) -> Copied:
    (place / ROWS).mkdir()
    found: dict[str, dict[str, Any]] = {}
    engine = make_engine(settings.database_url, readonly=True)  # the writing one would make writers wait
    try:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            revision, registered = _revision(connection), _registered(connection)
            for table in _tables(connection):
                digest, count = hashlib.sha256(), 0
                with (place / ROWS / f"{table.name}.jsonl").open("w", encoding="utf-8", newline="\n") as target:
                    for line in _lines(connection, table):
                        target.write(line + "\n")
                        digest.update(line.encode() + b"\n")
                        count += 1
                found[table.name] = {"rows": count, "sha256": digest.hexdigest()}
    finally:
        engine.dispose()
    return revision, found, registered


def _registered(connection: Connection) -> frozenset[str]:
    if not inspect(connection).has_table("stored_file"):
        return frozenset()
    return frozenset(connection.exec_driver_sql("SELECT stored_name FROM stored_file").scalars())


def _copy_files(source: Path, target: Path, registered: frozenset[str]) -> int:
    """Every file that is there. An upload that was refused meanwhile, or a stray one, may vanish; what has a row may not."""
    target.mkdir()
    count = 0
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix != ".part":
            try:
                content = path.read_bytes()
            except OSError as error:
                if path.name in registered:
                    raise BackupError(
                        f"附件 {path.relative_to(source.parent)} 不能读取（{cause_of(error)}），没有备份。"
                        "请运行 python main.py doctor --thorough 查明是哪份表的附件，从以前的备份中取回后再备份。"
                    ) from error
                continue
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
            count += 1
    marker = source.parent / "demo"
    if marker.is_file():
        shutil.copyfile(marker, target.parent / "demo")
    return count


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def _lines(connection: Connection, table: Table) -> Iterator[str]:
    """Every row of a table as one line of JSON, by primary key, whatever the models say of it today."""
    order = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
    name = f'"{table.name}"'
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"SELECT * FROM {name} ORDER BY {order}")  # noqa: S608
        keys = list(rows.keys())
        for row in rows.yield_per(2000):
            yield json.dumps(dict(zip(keys, row, strict=True)), ensure_ascii=False, sort_keys=True)
    else:
        collated = ", ".join(
            f'"{c.name}" COLLATE "C"' if _is_text(c) else f'"{c.name}"' for c in table.primary_key.columns
        )
        query = f"SELECT row_to_json(t)::text FROM {name} t ORDER BY {collated}"  # noqa: S608
        for (line,) in connection.exec_driver_sql(query).yield_per(2000):
            yield line


def _is_text(column: Any) -> bool:
    return column.type.python_type is str


# --- bringing one back ----------------------------------------------------------------------------------------------


def _load_rows(db: Database, place: Path, manifest: dict[str, Any]) -> None:
    schema.migrate(db, to=manifest["revision"])
    with db.engine.begin() as connection:
        keys = [
            (table, key["name"])
            for table in inspect(connection).get_table_names()
            for key in inspect(connection).get_foreign_keys(table)
        ]
        for table, key in keys:  # rows may point forward until all are there
            connection.execute(text(f'ALTER TABLE "{table}" ALTER CONSTRAINT "{key}" DEFERRABLE INITIALLY DEFERRED'))
        for found in _tables(connection):
            _load_table(connection, found, place / ROWS / f"{found.name}.jsonl")
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        for table, key in keys:
            connection.execute(text(f'ALTER TABLE "{table}" ALTER CONSTRAINT "{key}" NOT DEFERRABLE'))


def _load_table(connection: Connection, table: Table, source: Path) -> None:
    name = f'"{table.name}"'
    insert = text(f"INSERT INTO {name} SELECT * FROM json_populate_record(NULL::{name}, CAST(:line AS json))")  # noqa: S608
    with source.open(encoding="utf-8") as lines:
        batch: list[dict[str, str]] = []
        for line in lines:
            batch.append({"line": line})
            if len(batch) == 1000:
                connection.execute(insert, batch)
                batch = []
        if batch:
            connection.execute(insert, batch)
    for column in table.columns:
        sequence = connection.execute(
            text("SELECT pg_get_serial_sequence(:t, :c)"), {"t": name, "c": column.name}
        ).scalar()
        if sequence:
            most = f'SELECT setval(:q, greatest((SELECT coalesce(max("{column.name}"), 0) FROM {name}), 1))'  # noqa: S608
            connection.execute(text(most), {"q": sequence})


def _need_empty(settings: Settings) -> None:
    # What stands in the way of a restore; the lock of this very command does not.
    kept = [p for p in settings.data_dir.iterdir() if p.name != "lvce.lock"] if settings.data_dir.exists() else []
    if any(p.is_file() or any(q.is_file() for q in p.rglob("*")) for p in kept):
        raise BackupError(
            f"数据目录 {settings.data_dir} 不是空的，恢复会覆盖其中的数据。请用 LVCE_DATA_DIR 指定一个空目录。"
        )
    if not settings.database_url.startswith("sqlite"):
        engine = make_engine(settings.database_url, readonly=True)
        try:
            if inspect(engine).get_table_names():
                raise BackupError("LVCE_DATABASE_URL 指向的数据库里已有数据表。请指定一个空的数据库。")
        finally:
            engine.dispose()


def _need_space(settings: Settings, place: Path) -> None:
    size = sum(_size(path) for path in settings.files_dir.rglob("*"))
    if settings.database_url.startswith("sqlite"):
        size += sqlite_path(settings.database_url).stat().st_size
    above = next(p for p in (place, *place.parents) if p.exists())
    if shutil.disk_usage(above).free < size * 1.1:
        raise BackupError(f"磁盘空间不足：备份约需 {size // MB + 1} MB。请清理备份目录所在磁盘，或换一块磁盘。")


def _size(path: Path) -> int:
    """In bytes; 0 for a file that is gone since it was listed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _flush(path: Path) -> None:
    """On the disk before the backup is called one."""
    with path.open("rb+") as written:
        os.fsync(written.fileno())


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as source:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(source, "sha256").hexdigest()}


def _over(digests: dict[str, dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
