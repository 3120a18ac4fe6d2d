"""The audit log (审计日志): append-only, each line chained to the one before by SHA-256."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import Session, col, select

from models import AuditLine
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
    last = s.exec(select(AuditLine.id, AuditLine.chain).order_by(col(AuditLine.id).desc()).limit(1)).first()
    line.id = (last[0] or 0) + 1 if last else 1  # without gaps, whatever was rolled back
    line.chain = chained(last[1] if last else START, line)
    s.add(line)
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
    previous, expected, count = START, 0, 0
    query = select(AuditLine).order_by(col(AuditLine.id)).execution_options(yield_per=1000)
    with closing(s.exec(query)) as lines:
        for line in lines:
            assert line.id is not None
            if expected and line.id != expected:
                return count, Broken(line.id, f"第 {expected} 条到第 {line.id - 1} 条缺失")
            if line.chain != chained(previous, line):
                return count, Broken(line.id, f"第 {line.id} 条的内容与校验值不符")
            previous, expected, count = line.chain, line.id + 1, count + 1
    return count, None


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
