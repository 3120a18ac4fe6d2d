"""动态口令: the second step of signing in (RFC 6238: 30 seconds, six digits, SHA-1, as every authenticator app has it), and ten
recovery codes (恢复码) for whoever has lost the telephone. No code works twice. Who may change it: ``credentials``."""

from __future__ import annotations

import hmac

import pyotp
from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from models import SpareCode, User
from models.enums import CodeKind
from services import audit, clock
from services.accounts import spare_codes
from services.forms.names import HALF_WIDTH

ISSUER = "绿册"
STEP_SECONDS = 30
DRIFT = 1  # steps before and after that are taken: telephones are not exact
RECOVERY_CODES = 10
WRONG = "动态口令或恢复码不正确，或已经用过。请输入手机上现在显示的 6 位数字，或一个没有用过的恢复码。"


def new_secret() -> str:
    """160 bits, base32 (密钥)."""
    return pyotp.random_base32()


def address(secret: str, username: str) -> str:
    """What the QR code says to the authenticator app (otpauth://…)."""
    return pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=username, issuer_name=ISSUER)


def step_of(secret: str, code: str, *, after: int) -> int | None:
    """The step this code belongs to, if it is one of now and later than ``after``; None otherwise."""
    typed = "".join(code.translate(HALF_WIDTH).split())
    if not (typed.isascii() and typed.isdigit() and len(typed) == 6):
        return None
    present = int(clock.now().timestamp()) // STEP_SECONDS
    generator = pyotp.TOTP(secret, interval=STEP_SECONDS)
    for step in range(present - DRIFT, present + DRIFT + 1):
        if step > after and hmac.compare_digest(generator.at(step * STEP_SECONDS), typed):
            return step
    return None


def accept(s: Session, user_id: int, code: str, address: str = "") -> bool:
    """Whether this code is right now; it never is again (核对动态口令)."""
    user = s.get_one(User, user_id)
    if not user.totp_secret:
        return False
    step = step_of(user.totp_secret, code, after=user.totp_step)
    if step is not None:
        user.totp_step = step
        s.add(user)
        return True
    if spare_codes.use(s, user_id, CodeKind.RECOVERY, code):
        left = f"用恢复码登录，还剩 {recovery_left(s, user_id)} 个"
        audit.record(s, None, "use_recovery_code", "user", user_id, detail=left, address=address)
        return True
    return False


def start(s: Session, user: User, secret: str, step: int) -> tuple[str, ...]:
    """Begin to ask for codes (启用); returns the recovery codes, shown this once."""
    user.totp_secret, user.totp_step = secret, step
    s.add(user)
    return renew_recovery(s, user)


def stop(s: Session, user: User) -> None:
    """Ask for codes no more (停用)."""
    user.totp_secret, user.totp_step = "", 0
    s.add(user)
    s.execute(delete(SpareCode).where(col(SpareCode.user_id) == user.id, col(SpareCode.kind) == CodeKind.RECOVERY))


def renew_recovery(s: Session, user: User) -> tuple[str, ...]:
    """Ten new recovery codes (恢复码); the old ones are worth nothing any more."""
    assert user.id is not None
    s.execute(delete(SpareCode).where(col(SpareCode.user_id) == user.id, col(SpareCode.kind) == CodeKind.RECOVERY))
    return tuple(spare_codes.make(s, user.id, CodeKind.RECOVERY, made_by=user.name) for _ in range(RECOVERY_CODES))


def recovery_left(s: Session, user_id: int) -> int:
    unused = select(func.count()).where(
        SpareCode.user_id == user_id, SpareCode.kind == CodeKind.RECOVERY, col(SpareCode.used_at).is_(None)
    )
    return s.exec(unused).one()
