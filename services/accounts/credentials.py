"""What proves who somebody is, and how it changes (登录凭据): the own password, reset codes, 动态口令.

Functions that take the database hash outside the transaction and block: pages call them in a thread.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete
from sqlmodel import Session, col, select

from models import Organisation, PastPassword, SpareCode, User
from models.enums import AuditResult, CodeKind
from services import audit, clock, inbox
from services.accounts import passwords, sessions, spare_codes, throttle, totp, users
from services.accounts.throttle import Knock
from services.accounts.views import ResetCode, Safety
from services.actors import Actor
from services.db import Database
from services.errors import Forbidden, Refusal
from services.perform import perform

RESET_LASTS = timedelta(hours=24)  # 建议值: a working day to reach the person by telephone
WRONG_RESET = (
    "用户名或重置码不正确，或者重置码已经用过、已过期。请核对后重试；重置码 24 小时内有效，只能用一次，"
    "如已失效请向本单位负责人或上级主管部门重新索取。"
)


# --- the own password -----------------------------------------------------------------------------------------------


def change_password(db: Database, actor: Actor, old: str, new: str, repeated: str) -> None:
    """修改密码. Blocks for several hashes. All other sign-ins of this user end."""
    if new != repeated:
        raise Refusal("两次输入的新密码不一致，请重新输入。", field="repeated")
    user, place = db.read(_read, actor.user_id)
    _check(new, user, place)
    if new == old:
        raise Refusal("新密码不能与原密码相同，请换一个。", field="new")
    _confirm(db, actor, old, field="old", caption="原密码")
    passwords.refuse_used(new, db.read(_former, actor.user_id), field="new")
    perform(db, _change, actor, passwords.hashed(new))
    sessions.forget(db, actor)  # what memory holds of it still has to change the password


def _change(s: Session, actor: Actor, password_hash: str) -> None:
    _set_password(s, s.get_one(User, actor.user_id), password_hash)
    ended = sessions.end_all(s, actor.user_id, "password_changed", but=actor.sign_in_id)
    audit.record(s, actor, "change_password", "user", actor.user_id, detail=f"修改密码，结束其他登录 {ended} 个")


def _set_password(s: Session, user: User, password_hash: str) -> None:
    """The new hash in, the old one among the former ones, as many as the profile looks back."""
    assert user.id is not None
    now = clock.now()
    s.add(PastPassword(user_id=user.id, password_hash=user.password_hash, ended_at=now))
    user.password_hash, user.password_set_at = password_hash, now
    user.must_change_password, user.failed_sign_ins = False, 0
    s.add(user)
    s.flush()
    past = s.exec(
        select(PastPassword.id).where(PastPassword.user_id == user.id).order_by(col(PastPassword.id).desc())
    ).all()
    s.execute(delete(PastPassword).where(col(PastPassword.id).in_(past[max(passwords.profile().history - 1, 0) :])))


def _former(s: Session, user_id: int) -> list[str]:
    """The hashes that may not come back: the present one and those before it."""
    most = passwords.profile().history
    past = select(PastPassword.password_hash).where(PastPassword.user_id == user_id)
    found = s.exec(past.order_by(col(PastPassword.id).desc()).limit(max(most - 1, 0))).all()
    return [s.get_one(User, user_id).password_hash, *found][:most]


def _check(new: str, user: User, place: Organisation) -> None:
    passwords.check(
        new,
        username=user.username,
        field="new",
        with_code=bool(user.totp_secret),
        known=(user.name, place.name, place.credit_code),
    )


def _confirm(db: Database, actor: Actor, password: str, *, field: str = "password", caption: str = "密码") -> None:
    """Whoever sits at an open page must know the password (再次确认); guessing is slowed down there as well."""
    account = f"u{actor.user_id}/change"
    made = db.write(throttle.attempt, account, actor.address, known=True)
    if not passwords.matches(password, db.read(_read, actor.user_id)[0].password_hash):
        raise Refusal(f"{caption}不正确，请重新输入。", field=field, code="wrong")
    db.write(throttle.succeeded, made)


def _read(s: Session, user_id: int) -> tuple[User, Organisation]:
    user = s.get_one(User, user_id)
    return user, s.get_one(Organisation, user.organisation_id)


# --- reset codes ----------------------------------------------------------------------------------------------------


def issue_reset(s: Session, actor: Actor, user_id: int) -> ResetCode:
    """生成重置码: for somebody who has forgotten the password; an earlier one is worth nothing any more. The present password
    stays until the code is used."""
    user, place = users.resettable(s, actor, user_id)
    earlier = (
        col(SpareCode.user_id) == user_id,
        col(SpareCode.kind) == CodeKind.RESET,
        col(SpareCode.used_at).is_(None),
    )
    s.execute(delete(SpareCode).where(*earlier))
    by = f"{actor.organisation_name} {actor.name}"
    code = spare_codes.make(s, user_id, CodeKind.RESET, made_by=by, lasts=RESET_LASTS)
    assert place.id is not None
    if place.id != actor.organisation_id:
        inbox.send(s, place.id, "reset_code", user_name=user.name, by=by)
    said = f"为“{place.name}”{user.name}生成重置码"
    audit.record(s, actor, "issue_reset_code", "user", user_id, detail=said)
    return ResetCode(user.username, user.name, code, clock.now() + RESET_LASTS)


def reset(db: Database, username: str, code: str, new: str, repeated: str, address: str = "", device: str = "") -> None:
    """使用重置码: a new password by the code. Blocks for several hashes. All sign-ins of this user end, a 动态口令 stays.
    Raises Refusal, the same for an unknown user as for a wrong code."""
    username = sessions.normal_username(username)
    if not username or not code.strip():
        raise Refusal("请填写用户名和重置码。", field="code" if username else "username")
    if new != repeated:
        raise Refusal("两次输入的新密码不一致，请重新输入。", field="repeated")
    passwords.check(new, username=username, field="new", with_code=True)  # what holds for everybody
    knock = db.write(throttle.knock, username, address, device, "reset")
    if knock.user_id is None or not db.read(_fits, knock.user_id, code):
        passwords.matches(new, None)  # takes as long as it does for who exists
        db.write(_wrong_reset, knock)
        raise Refusal(WRONG_RESET, field="code", code="wrong")
    user, place = db.read(_read, knock.user_id)
    _check(new, user, place)
    passwords.refuse_used(new, db.read(_former, knock.user_id), field="new")
    if not db.write(_use_reset, knock, code, passwords.hashed(new)):
        raise Refusal(WRONG_RESET, field="code", code="wrong")


def _fits(s: Session, user_id: int, code: str) -> bool:
    return s.get_one(User, user_id).enabled and spare_codes.find(s, user_id, CodeKind.RESET, code) is not None


def _use_reset(s: Session, knock: Knock, code: str, password_hash: str) -> bool:
    """One transaction: of two at once only one finds the code unused."""
    assert knock.user_id is not None
    if not spare_codes.use(s, knock.user_id, CodeKind.RESET, code):
        return False
    throttle.succeeded(s, knock.attempt)
    user = s.get_one(User, knock.user_id)
    _set_password(s, user, password_hash)
    ended = sessions.end_all(s, knock.user_id, "password_reset")
    said = f"用户 {user.username} 用重置码设置了新密码，结束登录 {ended} 个"
    audit.record(s, None, "use_reset_code", "user", user.id, detail=said, address=knock.address)
    return True


def _wrong_reset(s: Session, knock: Knock) -> None:
    said = "重置码不正确、已用过或已过期" if knock.user_id else "用户名不存在"
    audit.record(
        s,
        None,
        "use_reset_code",
        "user",
        knock.user_id,
        detail=said,
        result=AuditResult.REFUSED,
        address=knock.address,
    )


# --- 动态口令 ---------------------------------------------------------------------------------------------------------


def safety(s: Session, actor: Actor) -> Safety:
    """登录安全 as the person sees it."""
    user = s.get_one(User, actor.user_id)
    since, days = user.password_set_at or user.created_at, passwords.profile().age_days
    return Safety(
        password_since=since,
        password_until=since + timedelta(days) if days and not user.is_demo else None,
        password_expired=sessions.password_expired(user),
        with_code=bool(user.totp_secret),
        code_required=users.code_required(user.role),
        recovery_left=totp.recovery_left(s, actor.user_id),
        sign_ins=sessions.own(s, actor),
    )


def enrol(db: Database, actor: Actor, password: str, secret: str, code: str) -> tuple[str, ...]:
    """启用动态口令, once the app shows the right code; returns the recovery codes. All other sign-ins end."""
    _confirm(db, actor, password)
    codes = perform(db, _enrol, actor, secret, code)
    sessions.forget(db, actor)
    return codes


def _enrol(s: Session, actor: Actor, secret: str, code: str) -> tuple[str, ...]:
    user = s.get_one(User, actor.user_id)
    if user.totp_secret:
        raise Refusal("动态口令已经启用。如要换手机，请先停用再重新启用。", field="code")
    step = totp.step_of(secret, code, after=0)
    if step is None:
        raise Refusal(
            "动态口令不正确。请输入手机上现在显示的 6 位数字；如一直不对，请把手机时间设为自动校准。", field="code"
        )
    codes = totp.start(s, user, secret, step)
    ended = sessions.end_all(s, actor.user_id, "code_enrolled", but=actor.sign_in_id)
    audit.record(s, actor, "enrol_code", "user", actor.user_id, detail=f"启用动态口令，结束其他登录 {ended} 个")
    return codes


def renew_recovery(db: Database, actor: Actor, password: str) -> tuple[str, ...]:
    """重新生成恢复码; the old ones are worth nothing any more."""
    _confirm(db, actor, password)
    return perform(db, _renew_recovery, actor)


def _renew_recovery(s: Session, actor: Actor) -> tuple[str, ...]:
    user = s.get_one(User, actor.user_id)
    if not user.totp_secret:
        raise Refusal("动态口令没有启用，不需要恢复码。")
    audit.record(s, actor, "renew_recovery_codes", "user", actor.user_id, detail="重新生成恢复码")
    return totp.renew_recovery(s, user)


def leave(db: Database, actor: Actor, password: str) -> None:
    """停用动态口令 by oneself."""
    user, place = db.read(_read, actor.user_id)
    if users.code_required(user.role):
        raise Forbidden(f"{user.role.caption}必须使用动态口令，不能停用。如要换手机，请联系系统管理员停用后重新启用。")
    _confirm(db, actor, password)
    try:
        passwords.check(password, username=user.username, known=(user.name, place.name, place.credit_code))
        short = False
    except Refusal:  # good enough only together with a code
        short = True
    perform(db, _leave, actor, short)
    sessions.forget(db, actor)


def _leave(s: Session, actor: Actor, short: bool) -> None:
    user = s.get_one(User, actor.user_id)
    totp.stop(s, user)
    user.must_change_password = user.must_change_password or short
    audit.record(s, actor, "stop_code", "user", actor.user_id, detail="停用自己的动态口令")


def take_away(s: Session, actor: Actor, user_id: int) -> None:
    """停用他人的动态口令: who has lost telephone and recovery codes signs in with the password alone, and enrols anew."""
    user, place = users.managed(s, actor, user_id)
    if not user.totp_secret:
        raise Refusal(f"“{user.name}”没有启用动态口令，不需要停用。")
    totp.stop(s, user)
    ended = sessions.end_all(s, user_id, "code_stopped")
    said = f"停用“{place.name}”{user.name}的动态口令，结束登录 {ended} 个"
    audit.record(s, actor, "stop_code", "user", user_id, detail=said)
