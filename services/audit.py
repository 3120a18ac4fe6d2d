"""The audit log (审计日志): append-only, each line chained to the one before by SHA-256.

Number and chain value of the last line are kept in a row of their own, the seal: without it nobody would miss a tail that
was cut off. Who owns the machine could rewrite both; the sentence of ``verify-audit`` names the last value to keep elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from models import AuditLine, AuditSeal, User
from models.enums import AuditResult
from services import clock
from services.actors import Actor

START = "0" * 64


@dataclass(frozen=True, slots=True)
class Broken:
    """断链: the first line that does not fit."""

    line_id: int
    reason: str


def record(
    s: Session,
    actor: Actor | None,
    action: str,
    subject: str = "",
    subject_id: int | None = None,
    *,
    detail: str = "",
    before: str = "",
    after: str = "",
    result: AuditResult = AuditResult.DONE,
    address: str = "",
) -> AuditLine:
    """Append one line (审计); part of the caller's transaction, so an action whose line cannot be written fails."""
    line = AuditLine(
        at=clock.now(),
        user_id=actor.user_id if actor else None,
        user_name=f"{actor.name}（{actor.username}）" if actor else "",
        address=actor.address if actor else address,
        action=action,
        subject=subject,
        subject_id=subject_id,
        before_digest=before,
        after_digest=after,
        result=result,
        detail=detail,
        chain="",
    )
    seal = s.get(AuditSeal, 1) or AuditSeal(last=0, chain=START)
    line.id = seal.last + 1  # without gaps, whatever was rolled back
    line.chain = chained(seal.chain, line)
    seal.last, seal.chain = line.id, line.chain
    s.add_all([line, seal])
    s.flush()
    return line


def chained(previous: str, line: AuditLine) -> str:
    """The chain value of ``line`` after ``previous``."""
    content = [
        _utc(line.at),
        line.user_id,
        line.user_name,
        line.address,
        line.action,
        line.subject,
        line.subject_id,
        line.before_digest,
        line.after_digest,
        str(line.result),
        line.detail,
    ]
    return hashlib.sha256((previous + json.dumps(content, ensure_ascii=False)).encode()).hexdigest()


def verify(s: Session) -> tuple[int, Broken | None]:
    """Walk the chain (核对审计日志); returns the number of sound lines and the first broken one."""
    previous, count = START, 0
    query = select(AuditLine).order_by(col(AuditLine.id)).execution_options(yield_per=1000)
    try:
        with closing(s.exec(query)) as lines:
            for line in lines:
                if (broken := _misfit(line, previous, count)) is not None:
                    return count, broken
                previous, count = line.chain, count + 1
    except UNREADABLE:
        return _one_by_one(s, previous, count)
    return count, _unsealed(s, count, previous)


# What comes of a value that no line of ours ever had: no result of the list, no date, no text.
UNREADABLE = (LookupError, TypeError, ValueError, DBAPIError)


def _one_by_one(s: Session, previous: str, count: int) -> tuple[int, Broken | None]:
    """The rest of the chain when some line of it cannot even be read: which one."""
    for number in s.exec(select(AuditLine.id).where(col(AuditLine.id) > count).order_by(col(AuditLine.id))).all():
        assert number is not None
        try:
            line = s.exec(select(AuditLine).where(AuditLine.id == number)).one()
            broken = _misfit(line, previous, count)
        except UNREADABLE:
            broken = Broken(number, f"第 {number} 条含有不是本系统写入的内容")
        if broken is not None:
            return count, broken
        previous, count = line.chain, count + 1
    return count, _unsealed(s, count, previous)


def _misfit(line: AuditLine, previous: str, count: int) -> Broken | None:
    """Why this is not the line that follows ``count`` sound ones."""
    assert line.id is not None
    if line.id != count + 1:
        return Broken(line.id, f"第 {count + 1} 条到第 {line.id - 1} 条缺失")
    if line.chain != chained(previous, line):
        return Broken(line.id, f"第 {line.id} 条的内容与校验值不符")
    return None


def last(s: Session) -> tuple[int, str]:
    """Number and chain value of the last line (末条), to be kept elsewhere too."""
    seal = s.get(AuditSeal, 1)
    return (seal.last, seal.chain) if seal else (0, START)


def _unsealed(s: Session, count: int, chain: str) -> Broken | None:
    """What is wrong with the end of the log; None: it ends where the seal says."""
    sealed, expected = last(s)
    if sealed > count:
        return Broken(count + 1, f"末尾被截去：第 {count + 1} 条到第 {sealed} 条缺失")
    if sealed < count:
        return Broken(sealed + 1, f"第 {sealed + 1} 条到第 {count} 条没有末条记录可对照，可能是后加的")
    if chain != expected:
        return Broken(count, f"第 {count} 条与另存的末条校验值不符")
    if not count and s.exec(select(User.id).limit(1)).first() is not None:
        return Broken(1, "日志是空的，而系统中已有用户")
    return None


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
