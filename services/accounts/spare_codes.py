"""One-use codes (一次性代码): reset codes (重置码) and recovery codes (恢复码). Drawn at random, shown once, kept as a hash."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlmodel import Session, col, select

from models import SpareCode
from models.enums import CodeKind
from services import clock
from services.accounts import throttle
from services.forms.names import HALF_WIDTH

LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # read aloud over the telephone: no 0 O 1 I L
GROUPS = {CodeKind.RESET: 4, CodeKind.RECOVERY: 3}  # of four letters: 79 and 59 bits


def make(s: Session, user_id: int, kind: CodeKind, *, made_by: str, lasts: timedelta | None = None) -> str:
    """A new code, ``XXXX-XXXX-…``; the row keeps its hash."""
    code = "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(GROUPS[kind]))
    now = clock.now()
    s.add(
        SpareCode(
            user_id=user_id,
            kind=kind,
            code_hash=_kept(user_id, code),
            made_at=now,
            made_by_name=made_by,
            expires_at=now + lasts if lasts else None,
        )
    )
    return code


def find(s: Session, user_id: int, kind: CodeKind, typed: str) -> SpareCode | None:
    """The unused code of this user that this is, if it has not expired."""
    row = s.exec(
        select(SpareCode).where(
            SpareCode.user_id == user_id,
            SpareCode.kind == kind,
            SpareCode.code_hash == _kept(user_id, typed),
            col(SpareCode.used_at).is_(None),
        )
    ).first()
    return row if row is not None and (row.expires_at is None or clock.now() < row.expires_at) else None


def use(s: Session, user_id: int, kind: CodeKind, typed: str) -> bool:
    """Whether there is such a code; it is used up by that (用掉)."""
    row = find(s, user_id, kind, typed)
    if row is None:
        return False
    row.used_at = clock.now()
    s.add(row)
    s.flush()
    return True


def _kept(user_id: int, typed: str) -> str:
    """The hash of a code as it is meant, however it was typed: small letters, spaces, full-width, dashes or none."""
    plain = "".join(ch for ch in typed.translate(HALF_WIDTH).upper() if ch in LETTERS)
    return throttle.digest(f"{user_id}:{plain}")
