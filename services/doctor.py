"""The doctor (体检): looks at everything a deployment rests on, and says in Chinese what is wrong and what to do."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from models import AuditLine, Figure, Filing, FilingVersion, Organisation, StoredFile, User
from models.enums import CellKind, FilingStatus, Role
from services import backup, backup_plan, clock, db, schema
from services.accounts import audit_view
from services.actors import Actor
from services.db import Database
from services.errors import cause_of
from services.filings import files
from services.permissions import Power, authorize
from services.settings import Settings

log = logging.getLogger("lvce.doctor")

FLOORS = {
    "nicegui": (3, 18),
    "starlette": (1, 3, 1),
    "python-multipart": (0, 0, 30),
    "python-socketio": (5, 16, 2),
    "pillow": (13,),
    "fpdf2": (2, 8, 9),
}
LEAST_FREE = 2 * 1024**3
UNDER_WAY = 3600.0  # seconds; a younger file without a row may be an upload that is being written
TOLD_EVERY = 5.0  # seconds between two words of how far a long look is
BEHIND = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Check:
    """一项检查: what was looked at, whether it is well, what was found and what to do. ``note``: well, but worth a look."""

    name: str
    well: bool
    words: str
    note: bool = False

    @property
    def verdict(self) -> str:
        return "提示" if self.well and self.note else "正常" if self.well else "问题"


def examine(
    database: Database, settings: Settings, thorough: Callable[[str], object] | None = None
) -> tuple[Check, ...]:
    """Everything, in the order it is printed; what cannot be looked at does not keep the rest from being looked at.
    ``thorough``: read every file to its end too, which takes minutes, and tell this now and then how far it is."""
    looks: tuple[tuple[str, Callable[[], Iterable[Check]]], ...] = (
        ("组件版本", lambda: (_packages(),)),
        ("数据库连接", lambda: (_connection(database),)),
        ("数据库结构", lambda: (_shape(database),)),
        ("审计日志", lambda: (Check("审计日志", *database.read(audit_view.verdict)),)),
        ("数据内容", lambda: database.read(_contents)),
        ("附件", lambda: database.read(_file_checks, settings)),
        *([("附件内容", lambda: (_file_contents(database, settings, thorough),))] if thorough else ()),
        ("磁盘空间", lambda: tuple(_disk(settings))),
        ("文件权限", lambda: (_rights(settings),)),
        ("系统时间", lambda: (database.read(_time, settings),)),
        ("备份", lambda: (database.read(_backups, settings),)),
    )
    return tuple(check for name, look in looks for check in _looked(name, look))


def _looked(name: str, look: Callable[[], Iterable[Check]]) -> Iterable[Check]:
    try:
        return look()
    except OSError as error:
        words = f"不能读取 {error.filename or '文件'}：{cause_of(error)}。请检查路径、权限和磁盘。"
    except Exception as error:  # a doctor looks at what is ill
        log.warning("%s could not be examined: %s", name, type(error).__name__)
        words = "没有检查完：读到了本系统不会写入的内容，或数据库已损坏。请保留现场，用最近的备份比对或恢复。"
    return (Check(name, False, words),)


def seen_by(database: Database, actor: Actor, settings: Settings) -> tuple[Check, ...]:
    """体检 on the administrator's page."""
    authorize(actor, Power.BACK_UP)
    return examine(database, settings)


def outdated_packages() -> tuple[str, ...]:
    """Packages below the version in which a known hole was closed."""
    return tuple(
        f"{name} {_version(name) or '未安装'}（至少 {'.'.join(map(str, least))}）"
        for name, least in FLOORS.items()
        if _numbers(_version(name)) < least
    )


def _packages() -> Check:
    old = outdated_packages()
    words = "；".join(old) + "。请按 requirements.lock 重新安装。" if old else "均不低于要求。"
    return Check("组件版本", not old, words)


def _connection(database: Database) -> Check:
    if not database.is_sqlite:
        return Check("数据库连接", True, "PostgreSQL 可以连接。")
    try:
        db.check_pragmas(database)
    except RuntimeError as error:
        return Check("数据库连接", False, str(error))
    with database.engine.connect() as connection:
        found = str(connection.exec_driver_sql("PRAGMA quick_check").scalar())
        orphan = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if found != "ok" or orphan is not None:
        what = found if found != "ok" else f"表 {orphan[0]} 有记录失去关联" if orphan is not None else ""
        return Check("数据库连接", False, f"数据库文件有损坏：{what}。请停止程序，用最近的备份恢复。")
    return Check("数据库连接", True, "SQLite 设置正确，文件完好。")


def _shape(database: Database) -> Check:
    found, newest = schema.revision(database), schema.newest()
    if found != newest:
        return Check("数据库结构", False, f"结构版本是 {found}，程序需要 {newest}。请启动一次程序，会先备份再升级。")
    if differences := schema.differences(database):
        return Check("数据库结构", False, f"表结构与程序有 {len(differences)} 处不同。请用与数据对应的程序版本。")
    return Check("数据库结构", True, f"版本 {found}，与程序一致。")


def _contents(s: Session) -> tuple[Check, ...]:
    lost = s.exec(
        select(func.count()).where(Filing.status == FilingStatus.REVIEW, col(Filing.current_version_id).is_(None))
    ).one()
    admins = s.exec(select(func.count()).where(User.role == Role.ADMIN, col(User.enabled).is_(True))).one()
    return (
        _figures(s),
        Check(
            "审核版本",
            not lost,
            f"有 {lost} 份审核中的动态管理表没有对应版本。请联系开发者并保留现场。"
            if lost
            else "审核中的动态管理表都有冻结版本。",
        ),
        Check(
            "系统管理员",
            admins > 0,
            f"有 {admins} 个启用的系统管理员。"
            if admins
            else "没有启用的系统管理员。请运行 python main.py create-admin。",
        ),
    )


def _figures(s: Session) -> Check:
    """The projection equals the frozen versions, figure by figure."""
    wrong: list[str] = []
    total = 0
    for found in s.exec(select(FilingVersion).execution_options(yield_per=100)):
        total += 1
        said = {address: value for address, (_, kind, value) in found.cells.items() if kind == CellKind.NUMBER.value}
        rows = s.exec(select(Figure.field, Figure.slot, Figure.value).where(Figure.version_id == found.id)).all()
        if said != {f"{field}:{slot}" if slot else field: value for field, slot, value in rows}:
            wrong.append(found.receipt_number)
    if wrong:
        words = f"{len(wrong)} 个版本的统计数据与冻结版本不一致，例如回执 {wrong[0]}。统计结果不可用，请联系开发者。"
        return Check("统计数据", False, words)
    return Check("统计数据", True, f"{total} 个版本的统计数据与冻结内容一致。")


def _file_checks(s: Session, settings: Settings) -> tuple[Check, ...]:
    rows = {row.stored_name: row for row in s.exec(select(StoredFile)).all()}
    missing = [row.original_name for name, row in rows.items() if not _whole(files.path_of(name), row.size)]
    now = time.time()
    stray = [
        p
        for p in settings.files_dir.rglob("*")
        if p.is_file() and p.name not in rows and now - p.stat().st_mtime > UNDER_WAY
    ]
    return (
        Check(
            "附件",
            not missing,
            f"{len(missing)} 个附件在磁盘上缺失或大小不符，例如“{missing[0]}”。"
            "请运行 python main.py doctor --thorough，会逐个列出并指明从哪份备份取回。"
            if missing
            else f"{len(rows)} 个附件齐全。",
        ),
        Check(
            "多余文件",
            True,
            f"{len(stray)} 个文件没有登记，例如 {stray[0].relative_to(settings.data_dir)}。多为上传中断留下，不影响使用；"
            "备份以后可以删除。"
            if stray
            else "没有多余的文件。",
            note=bool(stray),
        ),
    )


def _file_contents(database: Database, settings: Settings, tell: Callable[[str], object]) -> Check:
    """Every file beside its SHA-256 (逐个核对); which newest backup has a broken one whole."""
    rows = database.read(_stored)
    broken: dict[tuple[str, str], str] = {}
    told = time.monotonic()
    for number, (whose, row) in enumerate(rows, 1):
        path = files.path_of(row.stored_name)
        if fault := _fault(path, row.sha256):
            place = path.relative_to(settings.files_dir).as_posix()
            broken[f"{backup.FILES}/{place}", row.sha256] = f"{whose}“{row.original_name}”{fault}"
        if time.monotonic() - told >= TOLD_EVERY:
            told = time.monotonic()
            tell(f"正在核对附件内容：{number:,} / {len(rows):,}")
    if not broken:
        return Check("附件内容", True, f"{len(rows):,} 个附件的内容都与登记的 SHA-256 一致。")
    kept = _kept(settings)
    lines = (
        f"\n· {said}；"
        + (
            f"{kept[key]} 中有完好的一份，请把其中的 {key[0]} 复制到 {settings.data_dir / key[0]}。"
            if key in kept
            else f"{settings.backups_dir} 的备份里没有完好的一份，请在别处保存的备份里找 {key[0]}，没有的请单位重新上传。"
        )
        for key, said in broken.items()
    )
    words = f"{len(broken):,} 个附件缺失、不能读取或内容已变（与登记的 SHA-256 不符）：{''.join(lines)}"
    return Check("附件内容", False, f"{words}\n复制后用运行服务的用户再运行一次 python main.py doctor --thorough。")


def _stored(s: Session) -> list[tuple[str, StoredFile]]:
    """Every file with the 填报编号 of its form, or the name of its unit."""
    query = (
        select_columns(col(Filing.number), col(Organisation.name), StoredFile)
        .select_from(StoredFile)
        .join(Organisation, col(Organisation.id) == col(StoredFile.organisation_id))
        .outerjoin(Filing, col(Filing.id) == col(StoredFile.filing_id))
        .order_by(col(StoredFile.id))
    )
    return [(f"填报编号 {number} 的" if number else f"{name} 的", row) for number, name, row in s.execute(query)]


def _fault(path: Path, sha256: str) -> str:
    try:
        with path.open("rb") as file:
            return "" if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else "内容已变"
    except FileNotFoundError:
        return "缺失"
    except OSError as error:
        return f"不能读取（{cause_of(error)}）"


def _kept(settings: Settings) -> dict[tuple[str, str], Path]:
    """Which newest backup has this file with this SHA-256."""
    found: dict[tuple[str, str], Path] = {}
    for view in reversed(backup_plan.listing(settings)):
        place = settings.backups_dir / view.name
        contents = json.loads((place / backup.MANIFEST).read_text(encoding="utf-8"))["contents"]
        found |= {(name, known["sha256"]): place for name, known in contents.items()}
    return found


def _whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _disk(settings: Settings) -> Iterator[Check]:
    places = {"磁盘空间": settings.data_dir}
    if settings.backup_dir is not None and settings.backup_dir.is_dir():
        places["备份磁盘空间"] = settings.backup_dir
    for name, place in places.items():
        free = shutil.disk_usage(place).free
        words = f"剩余 {free // 1024**2} MB。"
        if free < LEAST_FREE:
            words += f"少于 {LEAST_FREE // 1024**2} MB，请尽快清理磁盘。"
        yield Check(name, free >= LEAST_FREE, words)


def _rights(settings: Settings) -> Check:
    """Nobody else of the machine can enter, and everything is this program's own."""
    if os.name != "posix":
        return Check("文件权限", True, "请确认只有运行本程序的用户能打开数据目录。", note=True)
    for place in (settings.data_dir, settings.backups_dir):
        if not place.is_dir():
            continue
        mode = stat.S_IMODE(place.stat().st_mode)
        if mode & 0o077:
            return Check(
                "文件权限", False, f"{place} 的权限是 {mode:o}，其他系统用户可以进入。请运行 chmod 700 {place}。"
            )
        strange = next((p for p in (place, *place.rglob("*")) if p.lstat().st_uid != os.geteuid()), None)
        if strange is not None:
            return Check(
                "文件权限",
                False,
                f"{strange} 属于另一个系统用户，程序可能写不了。请用运行服务的用户检查，或运行 chown -R 改回。",
            )
    return Check("文件权限", True, "只有本程序的用户可以进入，文件都属于它。")


def _time(s: Session, settings: Settings) -> Check:
    """Deadlines, sign-ins and backups go by the clock."""
    last = s.exec(select(func.max(AuditLine.at))).one()
    if last is not None and last - clock.now() > BEHIND:
        return Check(
            "系统时间",
            False,
            f"现在是 {clock.local(clock.now()):%Y-%m-%d %H:%M}，早于最后一条记录的 {clock.local(last):%Y-%m-%d %H:%M}。"
            "请核对服务器时间，开启自动对时（NTP）。",
        )
    if settings.clock_file is not None and not settings.demo:
        return Check("系统时间", False, "时间取自 LVCE_CLOCK_FILE，正式使用时请去掉这个设置。")
    return Check("系统时间", True, f"{clock.local(clock.now()):%Y-%m-%d %H:%M}（北京时间）。")


def _backups(s: Session, settings: Settings) -> Check:
    if words := backup_plan.warning(s, settings):
        return Check("备份", False, words)
    made = backup_plan.listing(settings)
    newest = f"，最近一份是 {clock.local(made[0].made_at):%Y-%m-%d %H:%M}" if made else ""
    return Check("备份", True, f"有 {len(made)} 份备份{newest}。")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _numbers(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split("."):
        digits = "".join(ch for ch in part if ch.isdigit())
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)
