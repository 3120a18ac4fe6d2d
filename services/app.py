"""Putting the parts together (装配) without any page: settings → one process → clock → database → migrations → first start."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from sqlalchemy import func
from sqlmodel import Session, col, select

from models import AuditLine, Filing, Organisation, Region, SignIn, User
from models.enums import OrgKind, Role
from services import audit, backup, backup_plan, clock, db, demo, doctor, safety, schema, turns
from services.accounts import passwords, users
from services.db import Database
from services.errors import Conflict, cause_of
from services.forms import reference
from services.register import yearly
from services.settings import Settings

migrate = schema.migrate

MARKER = "demo"  # its presence in the data directory says that the data are the demo's
OPERATOR = "系统运行维护"
FIRST_ADMIN = "admin"


class CannotStart(RuntimeError):
    """不能启动: a Chinese sentence with what to do."""


@dataclass(slots=True)
class House:
    """The running application below the pages (装配好的程序). ``close`` when done."""

    settings: Settings
    db: Database
    notes: tuple[str, ...]  # what to tell whoever started it
    lock: IO[str] | None
    watch: backup_plan.Watch | None = None  # of a serving house

    def close(self) -> None:
        if self.watch is not None:
            self.watch.close()
        self.db.close()
        clock.shift(None)
        clock.follow(None)
        if self.lock is not None:
            self.lock.close()


@dataclass(frozen=True, slots=True)
class _Marker:
    """What the file ``demo`` says of the data beside it (演示标记)."""

    clock_starts: datetime
    finished: bool


def open_house(settings: Settings, *, serving: bool = True, tell: Callable[[str], object] = lambda _: None) -> House:
    """Open the data directory: alone if ``serving``, the tables brought up to date, a demo written on the first start.
    Raises :class:`CannotStart`."""
    if settings.demo and not settings.loopback:
        raise CannotStart(
            f"演示模式只能在本机地址上启动，现在的地址是 {settings.host}。"
            "请设 LVCE_DEMO=0 作正式使用，或设 LVCE_HOST=127.0.0.1 作演示。"
        )
    if outdated := doctor.outdated_packages():
        raise CannotStart(
            "以下组件的版本过低，存在已知安全问题：" + "；".join(outdated) + "。请按 requirements.lock 重新安装。"
        )
    _make_folders(settings, serving=serving)
    if serving and (weak := safety.weaknesses(settings)):
        raise CannotStart("配置不安全，没有启动：" + "".join(f"\n· {words}" for words in weak))
    lock = _alone(settings.data_dir) if serving else None
    try:
        if serving:
            _clear_unfinished_demo(settings)
        return _opened(settings, serving, lock, tell)
    except BaseException:
        if lock is not None:
            lock.close()
        raise


def _opened(settings: Settings, serving: bool, lock: IO[str] | None, tell: Callable[[str], object]) -> House:
    clock.follow(settings.clock_file)
    database = Database(settings.database_url)
    try:
        db.check_pragmas(database)
        _bring_up_to_date(settings, database, serving)
        notes: tuple[str, ...] = ()
        if serving:
            settings, notes = _first_start(settings, database, tell)
        _set_clock(settings, database, serving)
        return House(settings, database, notes, lock, backup_plan.Watch(database, settings) if serving else None)
    except BaseException:
        database.close()
        raise


def _bring_up_to_date(settings: Settings, database: Database, serving: bool) -> None:
    """Tables and regions. A command may write beside a running server, but never change the tables under it."""
    current = schema.revision(database) == schema.newest()
    lock = None if serving or current else _alone(settings.data_dir, BESIDE_SERVER)
    try:
        schema.migrate(database, before=lambda: backup.before_migration(database, settings))
        database.write(_load_regions)
    finally:
        if lock is not None:
            lock.close()


def _first_start(
    settings: Settings, database: Database, tell: Callable[[str], object]
) -> tuple[Settings, tuple[str, ...]]:
    """A demo, a first administrator, or a hint; refuses demo accounts where strangers can reach them."""
    people, demo_people = database.read(_count_people)
    if settings.demo and people == 0:
        tell("首次启动：正在写入演示数据，约需 20 秒……")
        seed_demo(settings, database, demo.SEED)
    elif settings.demo and demo_people == 0:
        settings = replace(settings, demo=False)  # somebody's own data are not the demo's
    elif demo_people and settings.public:
        raise CannotStart(
            f"数据中有演示账户（密码公开），不能在 {settings.public_url or settings.host} 上启动。正式使用请换一个空的数据目录（LVCE_DATA_DIR）。"
        )
    if settings.demo:
        return settings, demo.how_to_sign_in()
    database.write(yearly.install)
    if people:
        return settings, ()
    password = os.environ.get("LVCE_ADMIN_PASSWORD", "")
    if password:
        create_admin(database, FIRST_ADMIN, password)
        return settings, (f"已按 LVCE_ADMIN_PASSWORD 新增系统管理员，用户名 {FIRST_ADMIN}。",)
    return settings, (
        "还没有任何用户。请另开一个终端，用同样的配置运行 python main.py create-admin 新增系统管理员，不需要停止程序。",
    )


def seed_demo(settings: Settings, database: Database, seed: int, canaries: tuple[str, ...] = ()) -> None:
    """Write the demo and mark the data directory as one (写入演示数据). Raises Conflict if there are people already."""
    if database.read(_count_people)[0]:
        raise Conflict(
            f"数据目录 {settings.data_dir} 里已有用户，演示数据只能写入空的数据目录。请用 LVCE_DATA_DIR 换一个。"
        )
    _mark(settings, seed, finished=False)
    demo.seed(database, seed, canaries)
    _mark(settings, seed, finished=True)


def _mark(settings: Settings, seed: int, *, finished: bool) -> None:
    marker = {"seed": seed, "clock_starts": demo.TODAY.isoformat(), "finished": finished}
    beside = settings.data_dir / f"{MARKER}.part"
    beside.write_text(json.dumps(marker, ensure_ascii=False), encoding="utf-8")
    beside.replace(settings.data_dir / MARKER)


def _marker(settings: Settings) -> _Marker | None:
    path = settings.data_dir / MARKER
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return _Marker(datetime.fromisoformat(said["clock_starts"]), bool(said["finished"]))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise CannotStart(
            f"演示标记文件 {path} 的内容无法识别，可能被改动或已损坏。"
            "请从备份中取回这个文件；不需要这些演示数据的，请换一个空的数据目录（LVCE_DATA_DIR）。"
        ) from None


def _clear_unfinished_demo(settings: Settings) -> None:
    """A first start that was cut off while it wrote the demo: nobody has used those data, begin again."""
    marker = _marker(settings)
    if marker is None or marker.finished:
        return
    path = backup.sqlite_path(settings.database_url)
    if not settings.database_url.startswith("sqlite") or path.parent != settings.data_dir:
        raise CannotStart(
            "上次写入演示数据时中断，数据不完整。请清空 LVCE_DATABASE_URL 指向的数据库和数据目录后重新启动。"
        )
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    shutil.rmtree(settings.files_dir)
    settings.files_dir.mkdir()
    (settings.data_dir / MARKER).unlink()


def create_admin(database: Database, username: str, password: str) -> int:
    """新增系统管理员, from the terminal or the environment; the password is theirs, not an initial one."""
    passwords.check(password, username=username)
    return database.write(_write_admin, username, passwords.hashed(password))


def _write_admin(s: Session, username: str, password_hash: str) -> int:
    place = s.exec(select(Organisation).where(Organisation.kind == OrgKind.OPERATOR)).first()
    if place is None:
        place = Organisation(kind=OrgKind.OPERATOR, name=OPERATOR, created_at=clock.now())
        s.add(place)
        s.flush()
    user_id = users.insert(s, place, username, "系统管理员", Role.ADMIN, password_hash)
    audit.record(s, None, "create_admin", "user", user_id, detail=f"由命令行或环境新增系统管理员 {username}")
    return user_id


def _count_people(s: Session) -> tuple[int, int]:
    everybody = s.exec(select(func.count()).select_from(User)).one()
    return everybody, s.exec(select(func.count()).select_from(User).where(col(User.is_demo).is_(True))).one()


def _load_regions(s: Session) -> None:
    """行政区划 of the reference file, once."""
    if s.exec(select(Region.code).limit(1)).first() is None:
        s.add_all(
            Region(code=r.code, name=r.name, level=r.level, parent=r.parent) for r in reference.regions().values()
        )


def _set_clock(settings: Settings, database: Database, serving: bool) -> None:
    """The demo's time runs from where it was left, whatever the year outside is (演示时钟)."""
    marker = _marker(settings)
    if marker is None:
        return
    latest = marker.clock_starts
    try:
        latest = max(latest, database.read(_latest) + timedelta(seconds=1))
    except (ValueError, TypeError):  # a command goes on: 核对审计日志 and 体检 are there to find where
        if serving:
            raise CannotStart(
                "演示数据中有无法识别的日期（审计日志、填报或登录记录被改动或已损坏），不能确定演示时间，没有启动。"
                "请运行 python main.py verify-audit 和 python main.py doctor 查找；用备份恢复，或换一个空的数据目录（LVCE_DATA_DIR）。"
            ) from None
    clock.shift(latest)


def _latest(s: Session) -> datetime:
    moments = [
        s.exec(select(func.max(column))).one() for column in (AuditLine.at, Filing.saved_at, SignIn.last_seen_at)
    ]
    return max((m for m in moments if m is not None), default=demo.TODAY)


def _make_folders(settings: Settings, *, serving: bool) -> None:
    """For this user alone; a command leaves the rights of an old directory as they are, or 体检 could not name them."""
    ours = serving or not settings.files_dir.exists()
    for place in (settings.data_dir, settings.files_dir):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStart(
                f"不能建立数据目录 {place}：{cause_of(error)}。请检查上级目录的权限和磁盘空间。"
            ) from error
    if not os.access(settings.data_dir, os.W_OK):
        raise CannotStart(f"数据目录 {settings.data_dir} 不可写。请检查权限。")
    if ours:
        settings.data_dir.chmod(0o700)


ALREADY_SERVED = "已有一个程序正在使用数据目录 {}。请先停止它，或用 LVCE_DATA_DIR 和 LVCE_PORT 另开一处。"
BESIDE_SERVER = "数据目录 {} 的数据库需要先升级，而网站还在运行旧的程序。请先停止网站，再运行这条命令，或直接启动新的程序。没有任何改动。"


def _alone(data_dir: Path, otherwise: str = ALREADY_SERVED) -> IO[str]:
    """One serving process per data directory; the lock goes with the process, however it ends."""
    handle = (data_dir / "lvce.lock").open("a+", encoding="utf-8")
    if not turns.take(handle.fileno()):
        handle.close()
        raise CannotStart(otherwise.format(data_dir))
    return handle
