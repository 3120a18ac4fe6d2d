"""When backups are made and how many are kept (备份计划): every day at a time, by hand, and what to warn of.

The copying itself runs in a process of low priority (``python -m services.backup``), so that nobody who is typing feels it.
Every attempt is a line of the audit log; what is there to be restored is read from the backup folder itself.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from time import time as wall_clock

from sqlmodel import Session, col, select

from models import AuditLine, Setting
from models.enums import AuditResult
from services import audit, backup, clock, policy
from services.actors import Actor
from services.db import Database
from services.documents.child import ROOT
from services.errors import Conflict, Refusal
from services.permissions import Power, authorize
from services.settings import Settings

log = logging.getLogger("lvce.backup")

ACTION = "backup"
KINDS = {backup.DAILY: "自动", backup.MANUAL: "手动", backup.UPGRADE: "升级前"}
OTHER = "命令"
MOST_KEPT = 365
LOOK_EVERY = 30.0  # seconds between two looks at the clock
AGAIN_AFTER = timedelta(hours=1)  # a failed one is tried again
LONGEST = 3600.0  # seconds one may take
OLD_PARTIAL = 24 * 3600.0  # seconds, by the clock of the file system

_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class Plan:
    """备份计划: Beijing time of day ("" for none), how many of each kind are kept."""

    at: str
    keep: int


@dataclass(frozen=True, slots=True)
class BackupView:
    name: str
    kind: str
    made_at: datetime
    rows: int
    files: int
    size: int
    rows_digest: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """最近一次: by the audit log."""

    at: datetime
    well: bool
    words: str


@dataclass(frozen=True, slots=True)
class Overview:
    plan: Plan
    backups: tuple[BackupView, ...]  # newest first
    last: Attempt | None
    warning: str
    next_at: datetime | None


def overview(s: Session, actor: Actor, settings: Settings) -> Overview:
    """备份 as the administrator sees it."""
    authorize(actor, Power.BACK_UP)
    chosen, made = plan(s, settings), listing(settings)
    return Overview(chosen, made, _last(s), warning(s, settings), _next(chosen))


def plan(s: Session, settings: Settings) -> Plan:
    """The plan in force; a demo has none until somebody sets one."""
    year = clock.today().year
    chosen = s.exec(select(Setting.id).where(Setting.name == "backup.at").limit(1)).first() is not None
    at = str(policy.value(s, "backup.at", year=year)) if chosen or not settings.demo else ""
    return Plan(at, int(policy.value(s, "backup.keep", year=year)))


def set_plan(s: Session, actor: Actor, at: str, keep: int, settings: Settings) -> Plan:
    """修改备份计划; ``at`` is HH:MM or "" for none. Raises Refusal with ``field`` at or keep."""
    authorize(actor, Power.BACK_UP)
    at = at.strip()
    if at and _time(at) is None:
        raise Refusal("请填写每天备份的时间，例如 02:30；不需要自动备份的，请留空。", field="at")
    if not 1 <= keep <= MOST_KEPT:
        raise Refusal(f"保留份数应是 1 到 {MOST_KEPT} 之间的整数。", field="keep")
    for name, value in (("backup.at", at), ("backup.keep", keep)):
        s.add(Setting(name=name, value=value, source="系统管理员设置", set_by_name=actor.name, set_at=clock.now()))
    s.flush()
    when = f"每天 {at}" if at else "不自动备份"
    audit.record(s, actor, "set_backup_plan", "system", detail=f"{when}，保留 {keep} 份")
    return plan(s, settings)


def by_hand(db: Database, actor: Actor, settings: Settings) -> BackupView:
    """立即备份. Blocks until it is done; raises Refusal with the reason if it fails."""
    authorize(actor, Power.BACK_UP)
    return make(db, settings, backup.MANUAL, actor)


def make(
    db: Database, settings: Settings, kind: str, actor: Actor | None = None, stop: Event | None = None
) -> BackupView:
    """One backup in a child process, its audit line, and the oldest of its kind thrown away; raises Refusal."""
    if not _one_at_a_time.acquire(blocking=False):
        raise Conflict("正在进行另一次备份，请等它完成后再试。")
    try:
        place = settings.backups_dir / backup.named(kind)
        failure = _copied(settings, place, stop or Event())
        if failure:
            db.write(_record, actor, f"{KINDS[kind]}备份没有完成：{failure}", AuditResult.REFUSED)
            raise Refusal(f"备份没有完成：{failure}")
        view = _view(place)
        assert view is not None
        words = f"{view.kind}备份 {view.name}：{view.rows} 行数据，{view.files} 个附件，校验值 {view.rows_digest[:16]}"
        db.write(_record, actor, words, AuditResult.DONE)
        _prune(settings, kind, db.read(plan, settings).keep)
        return view
    finally:
        _one_at_a_time.release()


def listing(settings: Settings) -> tuple[BackupView, ...]:
    """The backups in the folder, newest first; what has no manifest is none."""
    if not settings.backups_dir.is_dir():
        return ()
    found = [view for path in settings.backups_dir.iterdir() if path.is_dir() and (view := _view(path))]
    return tuple(sorted(found, key=lambda view: view.made_at, reverse=True))


def warning(s: Session, settings: Settings) -> str:
    """What the administrator must know (提醒): the last one failed, the newest is too old, there is none. "" if all is well."""
    if not plan(s, settings).at:
        return "" if settings.demo else "没有设置自动备份。请在“系统维护”中设置每天备份的时间。"
    oldest = timedelta(hours=int(policy.value(s, "backup.oldest_hours", year=clock.today().year)))
    last, made = _last(s), listing(settings)
    if last is not None and not last.well:
        return f"{_said(last.at)}的{last.words}。处理后请点“立即备份”。"
    hours = int(oldest.total_seconds() // 3600)
    if made and clock.now() - made[0].made_at > oldest:
        return f"最近一份备份是{_said(made[0].made_at)}的，已超过 {hours} 小时。请检查服务器在备份时间是否开机，并立即备份。"
    if not made and (began := _began(s)) is not None and clock.now() - began > oldest:
        return f"系统已使用超过 {hours} 小时，还没有备份过。请立即备份，并检查备份计划。"
    return ""


def due(s: Session, settings: Settings) -> bool:
    """Whether the plan asks for a backup now: none was tried since the last time of day that passed, or it failed an hour ago."""
    at = _time(plan(s, settings).at)
    if at is None:
        return False
    now = clock.local(clock.now())
    moment = datetime.combine(now.date(), at, clock.BEIJING)
    if moment > now:
        moment -= timedelta(days=1)
    last = _last(s)
    if last is not None and last.at >= moment:
        return not last.well and now - last.at >= AGAIN_AFTER
    began = _began(s)
    return began is not None and began < moment


class Watch:
    """定时备份: a thread that looks at the clock; ``close`` ends it and a backup under way."""

    def __init__(self, db: Database, settings: Settings, every: float = LOOK_EVERY) -> None:
        self._db, self._settings, self._every = db, settings, every
        self._stop = Event()
        self._thread = Thread(target=self._run, name="backup", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                if self._db.read(due, self._settings):
                    make(self._db, self._settings, backup.DAILY, stop=self._stop)
            except Refusal as refusal:
                log.error("%s", refusal.message)
            except Exception:
                log.exception("scheduled backup failed")


# --- one backup -------------------------------------------------------------------------------------------------------


def _copied(settings: Settings, place: Path, stop: Event) -> str:
    """Why it failed, "" if it did not."""
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LVCE_DATA_DIR": str(settings.data_dir),
        "LVCE_DATABASE_URL": settings.database_url,
    }
    command = [sys.executable, "-m", "services.backup", str(place), clock.now().isoformat()]
    ends = monotonic() + LONGEST
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while True:
            try:
                _, said = child.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                if stop.is_set() or monotonic() > ends:
                    child.terminate()
                    child.communicate()
                    return "程序停止或者备份时间过长，已中断。"
    if child.returncode == 0:
        return ""
    log.error("backup: %s", said.strip()[-2000:])
    return said.strip() if said.startswith(_KNOWN) else "备份程序异常结束。请在“系统维护”中体检，或查看服务器日志。"


_KNOWN = (
    "不能",
    "备份",
    "没有",
    "磁盘",
)  # how the sentences of ``services.backup`` begin; a traceback begins otherwise


def _record(s: Session, actor: Actor | None, words: str, result: AuditResult) -> None:
    audit.record(s, actor, ACTION, "system", detail=words, result=result)


def _prune(settings: Settings, kind: str, keep: int) -> None:
    """Keep the newest of this kind; what a broken-off one left behind goes after a day."""
    mine = sorted(path for path in settings.backups_dir.glob(f"{kind}-*") if _NAME.fullmatch(path.name))
    for path in mine[:-keep]:
        shutil.rmtree(path)
    for path in settings.backups_dir.glob(f"*{backup.PARTIAL}"):
        if wall_clock() - path.stat().st_mtime > OLD_PARTIAL:
            shutil.rmtree(path)


_NAME = re.compile(r"[a-z]+-\d{8}-\d{6}(-\w+)?")


def _view(place: Path) -> BackupView | None:
    try:
        manifest = json.loads((place / backup.MANIFEST).read_text(encoding="utf-8"))
        return BackupView(
            name=place.name,
            kind=KINDS.get(place.name.partition("-")[0], OTHER),
            made_at=datetime.fromisoformat(manifest["made_at"]),
            rows=sum(table["rows"] for table in manifest["tables"].values()),
            files=sum(name.startswith(f"{backup.FILES}/") for name in manifest["contents"]),
            size=sum(known["size"] for known in manifest["contents"].values()),
            rows_digest=manifest["rows_digest"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


# --- what is known of former ones -------------------------------------------------------------------------------------


def _last(s: Session) -> Attempt | None:
    line = s.exec(
        select(AuditLine).where(AuditLine.action == ACTION).order_by(col(AuditLine.id).desc()).limit(1)
    ).first()
    return Attempt(line.at, line.result is AuditResult.DONE, line.detail) if line else None


def _began(s: Session) -> datetime | None:
    """Since when this installation is used."""
    return s.exec(select(AuditLine.at).order_by(col(AuditLine.id)).limit(1)).first()


def _next(chosen: Plan) -> datetime | None:
    at = _time(chosen.at)
    if at is None:
        return None
    now = clock.local(clock.now())
    moment = datetime.combine(now.date(), at, clock.BEIJING)
    return moment if moment > now else moment + timedelta(days=1)


def _time(text: str) -> time | None:
    return time(int(text[:2]), int(text[3:])) if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text) else None


def _said(moment: datetime) -> str:
    local = clock.local(moment)
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M} "
