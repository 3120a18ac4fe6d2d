"""Files of a filing or a unit (附件): taken by content, kept under random names outside the application, served after a check.

What lasts (reading a PDF in a child process, writing to the disk) happens in :func:`place`, before any transaction; the row
follows in :func:`store`. A file whose row was never written is an orphan, which ``doctor`` names.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import case, func, select
from sqlmodel import Session, col

from models import Filing, Organisation, StoredFile, User
from models.enums import Action, FileKind
from services import audit, clock, events, permissions, policy, settings
from services.actors import Actor
from services.db import Database
from services.documents import scan, spreadsheet
from services.errors import Forbidden, NotFound, Refusal, Unavailable
from services.filings import standing
from services.filings.standing import Standing
from services.filings.views import FileView
from services.perform import perform
from services.workflow.facts import Relation

MB = 1024 * 1024
LONGEST_NAME = 120
LEAST_FREE = 512 * MB  # left on the disk for the database, whatever the quotas say

# Who stores what: the action that allows it. A stamped scan comes in through ``stamps``, a licence belongs to no filing.
ACTIONS: Mapping[FileKind, Action] = {
    FileKind.EXPLANATION: Action.ATTACH,
    FileKind.EVIDENCE: Action.ATTACH,
    FileKind.OTHER: Action.ATTACH,
    FileKind.STAMPED_SCAN: Action.STAMP,
    FileKind.LETTER: Action.LETTER,
    FileKind.RETURN_FILE: Action.SEND_BACK,
    FileKind.ASSESSMENT: Action.ASSESS,
}
REMOVABLE = frozenset({FileKind.EXPLANATION, FileKind.EVIDENCE, FileKind.OTHER})
NOT_FOR_UNITS = frozenset({FileKind.LETTER, FileKind.ASSESSMENT})
SCANS = frozenset({FileKind.STAMPED_SCAN, FileKind.LETTER, FileKind.RETURN_FILE})  # read on paper: no workbooks
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    scan.PDF: (".pdf",),
    scan.JPEG: (".jpg", ".jpeg"),
    scan.PNG: (".png",),
    scan.XLSX: (".xlsx",),
}
KINDS = "只接受 PDF、JPG、PNG 和 XLSX 文件，单个不超过 20 MB。请转换后再上传。"

_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>:\"/\\|?*\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)  # no file on Windows


@dataclass(frozen=True, slots=True)
class Usage:
    """附件空间: all files, also the removed ones that are kept for the record; bytes."""

    count: int
    size: int
    most: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A file on the disk that has no row yet."""

    stored_name: str
    original_name: str
    media_type: str
    size: int
    sha256: str
    pages: int


def upload(db: Database, actor: Actor, filing_id: int | None, kind: FileKind, name: str, content: bytes) -> FileView:
    """The whole way of an upload (上传): check, place, store. Blocking: off the event loop, and never inside a transaction."""
    db.read(check_upload, actor, filing_id, kind, len(content))
    with placing(db, name, content, kind) as placed:
        return perform(db, store, actor, filing_id, kind, name, placed)


def check_upload(s: Session, actor: Actor, filing_id: int | None, kind: FileKind, size: int) -> None:
    """Refuse what would be refused later, before the file is read: permission, number and quotas."""
    organisation_id = _authorized(s, actor, filing_id, kind)
    if size > scan.MAX_BYTES:
        raise Refusal(scan.WORDS["size"], field="file")
    _need_room(s, organisation_id, filing_id, size)


def _need_room(s: Session, organisation_id: int, filing_id: int | None, size: int) -> None:
    """The caps of a filing, of an organisation and of the whole (配额): policy values ``files.…``."""

    alive = col(StoredFile.removed_at).is_(None)
    mine = col(StoredFile.organisation_id) == organisation_id
    if filing_id is not None:
        here = mine, alive, col(StoredFile.filing_id) == filing_id
        if s.execute(select(func.count()).where(*here)).scalar_one() >= (most := _cap(s, "per_filing")):
            raise Refusal(f"一份表最多上传 {most} 个文件。请先删除不需要的文件，或合并后再上传。", field="file")
    shown, kept, total = s.execute(
        select(
            func.coalesce(func.sum(case((mine & alive, col(StoredFile.size)), else_=0)), 0),
            func.coalesce(func.sum(case((mine, col(StoredFile.size)), else_=0)), 0),
            func.coalesce(func.sum(col(StoredFile.size)), 0),
        )
    ).one()
    if shown + size > (most := _cap(s, "unit_mb")) * MB:
        raise Refusal(
            f"本单位的文件已占用 {shown // MB} MB，加上这个文件将超过 {most} MB。请先删除不需要的文件，或压缩后再上传。",
            field="file",
        )
    if kept + size > (most := _cap(s, "unit_kept_mb")) * MB:
        raise Refusal(
            f"本单位上传过的文件（含已删除、留作记录的）已达 {kept // MB} MB，上限是 {most} MB。请联系系统管理员调整上限。",
            field="file",
        )
    if total + size > (most := _cap(s, "total_mb")) * MB:
        raise Refusal(f"系统的附件空间（{most} MB）已用完，暂时不能上传。请联系系统管理员调整上限。", field="file")


def _cap(s: Session, name: str) -> int:
    return int(policy.value(s, f"files.{name}", year=clock.today().year))


def usage(s: Session, actor: Actor) -> Usage:
    """附件空间, for the administrator."""
    permissions.authorize(actor, permissions.Power.BACK_UP)
    count, size = s.execute(select(func.count(), func.coalesce(func.sum(col(StoredFile.size)), 0))).one()
    return Usage(count, size, _cap(s, "total_mb") * MB)


def place(name: str, content: bytes, kind: FileKind = FileKind.OTHER) -> Placed:
    """Look at the content and write it to the disk under a random name (落盘); raises Refusal for what is not taken."""
    if kind not in SCANS and content.startswith(b"PK\x03\x04"):
        media_type, pages = scan.XLSX, 0
        try:
            spreadsheet.check(content)
        except Refusal as refusal:
            raise Refusal(KINDS, field="file") if refusal.message == spreadsheet.WORDS["kind"] else refusal from None
    else:
        media_type, pages = _inspected(name, content, kind)
    stored_name = secrets.token_hex(16)
    _write(path_of(stored_name), content)
    return Placed(
        stored_name,
        clean_name(name, media_type),
        media_type,
        len(content),
        hashlib.sha256(content).hexdigest(),
        pages,
    )


def store(
    s: Session, actor: Actor, filing_id: int | None, kind: FileKind, name: str, content: bytes | Placed
) -> FileView:
    """Write the row of a file (登记附件). Give it a :class:`Placed`; bytes are placed first, for seeding and tests."""
    if kind is FileKind.STAMPED_SCAN:
        raise Forbidden("盖章扫描件要核对校验码，请在“上传盖章扫描件”中上传。")
    _authorized(s, actor, filing_id, kind)
    placed = content if isinstance(content, Placed) else place(name, content, kind)
    row = add_row(s, actor, filing_id, kind, placed)
    detail = f"{kind.caption}：{placed.original_name}（{placed.size} 字节，SHA-256 {placed.sha256}）"
    if filing_id is None:
        audit.record(s, actor, Action.ATTACH.value, "organisation", actor.organisation_id, detail=detail)
    else:
        audit.record(s, actor, Action.ATTACH.value, "filing", filing_id, detail=detail)
        touch(s, filing_id, kind)
    return view(row, actor.name, removable=kind in REMOVABLE)


def add_row(s: Session, actor: Actor, filing_id: int | None, kind: FileKind, placed: Placed) -> StoredFile:
    """The row alone, for who has asked about the right to it; raises Refusal when there is no room (any more)."""
    _need_room(s, actor.organisation_id, filing_id, placed.size)
    row = StoredFile(
        kind=kind,
        organisation_id=actor.organisation_id,
        filing_id=filing_id,
        original_name=placed.original_name,
        stored_name=placed.stored_name,
        media_type=placed.media_type,
        size=placed.size,
        sha256=placed.sha256,
        pages=placed.pages,
        uploaded_by_id=actor.user_id,
        uploaded_at=clock.now(),
    )
    s.add(row)
    s.flush()
    return row


def touch(s: Session, filing_id: int, kind: FileKind) -> None:
    """Tell open pages; the unit's own files are also known to the rules, so its sheet has to be read again."""
    if kind in REMOVABLE:
        filing = s.get_one(Filing, filing_id)
        filing.revision += 1
        s.add(filing)
        s.flush()
    events.publish(s, events.FilingChanged(filing_id))


def remove(s: Session, actor: Actor, file_id: int) -> None:
    """删除附件: hidden from now on; the content stays as long as the filing, for the log."""
    row = _row(s, file_id)
    if row.filing_id is None or row.kind not in REMOVABLE:
        _may_read(s, actor, row)
        raise Refusal(f"{row.kind.caption}不能单独删除。需要更换的，请重新上传。")
    standing.require(s, actor, Action.ATTACH, row.filing_id)
    if row.organisation_id != actor.organisation_id:
        raise NotFound
    row.removed_at = clock.now()
    s.add(row)
    audit.record(s, actor, "remove_file", "filing", row.filing_id, detail=f"{row.kind.caption}：{row.original_name}")
    touch(s, row.filing_id, row.kind)


def listing(s: Session, actor: Actor, filing_id: int) -> tuple[FileView, ...]:
    """The files of a filing that these eyes may see (附件清单), oldest first; raises NotFound or Forbidden."""
    _, known = standing.require(s, actor, Action.VIEW, filing_id)
    return files_of(s, actor, filing_id, known)


def files_of(s: Session, actor: Actor, filing_id: int, known: Standing) -> tuple[FileView, ...]:
    """The same for who has been found to see the filing."""
    may_attach = any(choice.action is Action.ATTACH and choice.enabled for choice in known.actions)
    query = (
        select(StoredFile, col(User.name))
        .join(User, col(User.id) == col(StoredFile.uploaded_by_id))
        .where(col(StoredFile.filing_id) == filing_id, col(StoredFile.removed_at).is_(None))
        .order_by(col(StoredFile.id))
    )
    return tuple(
        view(row, by, removable=may_attach and row.kind in REMOVABLE and row.organisation_id == actor.organisation_id)
        for row, by in s.execute(query)
        if _for(actor, known.relation, row.kind)
    )


def open_file(s: Session, actor: Actor, file_id: int) -> tuple[FileView, Path]:
    """A file to be sent as an attachment (下载), and where it lies; raises NotFound for what the actor may not see."""
    row = _row(s, file_id)
    _may_read(s, actor, row)
    path = path_of(row.stored_name)
    if not path.is_file():
        raise NotFound(f"文件“{row.original_name}”在服务器上找不到了。请联系系统管理员核对备份。")
    return view(row, s.get_one(User, row.uploaded_by_id).name), path


def view(row: StoredFile, uploaded_by: str, *, removable: bool = False) -> FileView:
    assert row.id is not None
    return FileView(
        id=row.id,
        kind=row.kind.value,
        kind_caption=row.kind.caption,
        name=row.original_name,
        size=row.size,
        media_type=row.media_type,
        pages=row.pages,
        uploaded_by=uploaded_by,
        uploaded_at=row.uploaded_at,
        removable=removable,
    )


def path_of(stored_name: str) -> Path:
    """Where a stored file lies: two levels of folders, so that none grows large."""
    return settings.from_env().files_dir / stored_name[:2] / stored_name[2:4] / stored_name


@contextmanager
def placing(db: Database, name: str, content: bytes, kind: FileKind = FileKind.OTHER) -> Iterator[Placed]:
    """A file on the disk while its row is written (落盘并登记); taken off again if that fails."""
    placed = place(name, content, kind)
    try:
        yield placed
    except BaseException:
        discard(db, placed)
        raise


def discard(db: Database, placed: Placed) -> None:
    """Take a placed file off the disk, unless its row is there after all: the answer to a commit can get lost.

    Where the database or the disk cannot say or do it now, the file stays as an orphan, which harms nobody.
    """
    with suppress(Unavailable, OSError):
        if not db.read(has_row, placed):
            path_of(placed.stored_name).unlink(missing_ok=True)


def has_row(s: Session, placed: Placed) -> bool:
    """Whether this file has been registered (已登记)."""
    query = select(col(StoredFile.id)).where(col(StoredFile.stored_name) == placed.stored_name)
    return s.execute(query).first() is not None


def clean_name(name: str, media_type: str) -> str:
    """A file name to show and to offer for download: no path, no control or direction marks, the suffix of its content."""
    plain = _UNSAFE.sub("", re.split(r"[/\\]", name)[-1]).strip(" .") or "未命名"
    plain = f"_{plain}" if _DEVICES.match(plain) else plain
    suffixes = SUFFIXES[media_type]
    stem, dot, suffix = plain.rpartition(".")
    if dot and f".{suffix.lower()}" in suffixes:
        return f"{stem[:LONGEST_NAME]}.{suffix.lower()}"
    return plain[:LONGEST_NAME] + suffixes[0]


def _authorized(s: Session, actor: Actor, filing_id: int | None, kind: FileKind) -> int:
    """Whose file it will be; raises if the actor may not add it now."""
    if filing_id is None:
        if kind is not FileKind.LICENSE:
            raise Forbidden(f"{kind.caption}只能在动态管理表中上传。")
        permissions.authorize(
            actor, permissions.Power.EDIT_PROFILE, permissions.Place(organisation_id=actor.organisation_id)
        )
    elif kind not in ACTIONS:
        raise Forbidden(f"{kind.caption}请在“单位信息”中上传。")
    else:
        standing.require(s, actor, ACTIONS[kind], filing_id)
    return actor.organisation_id


def _for(actor: Actor, where: Relation, kind: FileKind) -> bool:
    """Whether files of this kind are for these eyes; a stamped scan shows the contacts in full."""
    if actor.is_unit:
        return kind not in NOT_FOR_UNITS
    return kind is not FileKind.STAMPED_SCAN or permissions.sees_contacts(where)


def _may_read(s: Session, actor: Actor, row: StoredFile) -> None:
    if row.filing_id is not None:
        _, known = standing.require(s, actor, Action.VIEW, row.filing_id)
        if not _for(actor, known.relation, row.kind):
            raise NotFound
        return
    place = permissions.place_of(s.get_one(Organisation, row.organisation_id))
    if not any(permissions.allowed(actor, power, place) for power in _LICENSE_READERS):
        raise NotFound


_LICENSE_READERS = (permissions.Power.EDIT_PROFILE, permissions.Power.CONFIRM_UNITS)


def _row(s: Session, file_id: int) -> StoredFile:
    row = s.get(StoredFile, file_id)
    if row is None or row.removed_at is not None:
        raise NotFound
    return row


def _inspected(name: str, content: bytes, kind: FileKind) -> tuple[str, int]:
    try:
        return scan.inspect(content, name)
    except Refusal as refusal:
        if kind not in SCANS and refusal.message == scan.WORDS["kind"]:
            raise Refusal(KINDS, field="file") from None
        raise


def _write(path: Path, content: bytes) -> None:
    """Durable before it is known: written beside, flushed to the disk, then renamed; its folders too, or nothing is left."""
    beside = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if shutil.disk_usage(path.parent).free < LEAST_FREE + len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with beside.open("xb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        beside.rename(path)
        for folder in path.parents[:3]:  # both levels may be new
            _flush(folder)
    except OSError as error:
        for left in (beside, path):
            with suppress(OSError):
                left.unlink(missing_ok=True)
        raise Unavailable("文件没有保存：服务器磁盘空间不足或不可写。请稍后再传，并告知系统管理员。") from error


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
