"""Signing in and staying signed in (登录与会话). The browser holds a random token, the database only its SHA-256.

``sign_in`` and ``change_password`` take the database, not a session: they hash outside the transaction and block for
0.1 s, so pages call them in a thread. ``resolve`` runs at every event and answers from memory.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import update
from sqlmodel import Session, col, select

from models import Organisation, SignIn, User
from models.enums import UNIT_ROLES, AuditResult, OrgStatus, Role
from services import audit, clock, events
from services.accounts import passwords
from services.accounts.throttle import Throttle
from services.accounts.views import SignedIn
from services.actors import Actor
from services.db import Database
from services.errors import Refusal, SignedOut
from services.forms.names import HALF_WIDTH
from services.perform import perform

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
FRESH = timedelta(seconds=15)  # how long an answer from memory is good without asking the database again
SEEN_EVERY = timedelta(minutes=1)  # how exactly the database knows when somebody was last active

WRONG = "用户名或密码不正确。请检查大小写和输入法后重试；忘记密码请联系本单位负责人或上级主管部门重置。"


@dataclass(slots=True)
class _Known:
    """A sign-in as this process remembers it."""

    actor: Actor
    sign_in_id: int
    created_at: datetime
    seen_at: datetime
    written_at: datetime  # the ``seen_at`` that the database has
    checked_at: datetime


@dataclass(slots=True)
class _Memory:
    known: dict[str, _Known] = field(default_factory=dict)
    throttle: Throttle = field(default_factory=Throttle)
    lock: threading.Lock = field(default_factory=threading.Lock)


_memories: WeakKeyDictionary[Database, _Memory] = WeakKeyDictionary()


# --- signing in -----------------------------------------------------------------------------------------------------


def sign_in(db: Database, username: str, password: str, address: str = "", *, replaces: str = "") -> SignedIn:
    """登录. Blocks for a hash. ``replaces`` is the token the browser had: it ends. Raises Refusal, the same for an
    unknown user as for a wrong password; code "throttled" when this account must wait at this address."""
    username = normal_username(username)
    if not username or not password:
        raise Refusal("请填写用户名和密码。", field="password" if username else "username")
    memory = _memory(db)
    found = db.read(_look, username, address)
    wait = memory.throttle.wait(username, address, clock.now(), known=found.known_here)
    if wait is not None:
        seconds = int(wait.total_seconds()) + 1
        raise Refusal(f"登录失败次数较多，请在 {seconds} 秒后再试。其他人和其他电脑不受影响。", code="throttled")
    if not passwords.matches(password, found.password_hash):
        memory.throttle.failed(username, address, clock.now())
        db.write(_failed, found.user_id, address)
        raise Refusal(WRONG, field="password", code="wrong")
    memory.throttle.succeeded(username, address)
    assert found.user_id is not None
    try:
        return db.write(_begin, found.user_id, address, replaces)
    except Refusal as refusal:
        db.write(_not_admitted, found.user_id, address, refusal.message)
        raise


def normal_username(typed: str) -> str:
    """用户名 as it is kept: half-width, lower case, no spaces around."""
    return typed.translate(HALF_WIDTH).strip().lower()


@dataclass(frozen=True, slots=True)
class _Found:
    user_id: int | None
    password_hash: str | None
    known_here: bool


def _look(s: Session, username: str, address: str) -> _Found:
    user = s.exec(select(User).where(User.username == username)).first()
    if user is None:
        return _Found(None, None, False)
    here = select(SignIn.id).where(SignIn.user_id == user.id, SignIn.address == address).limit(1)
    return _Found(user.id, user.password_hash, s.exec(here).first() is not None)


def _failed(s: Session, user_id: int | None, address: str) -> None:
    user = s.get(User, user_id) if user_id else None
    if user is not None:
        user.failed_sign_ins += 1
        s.add(user)
    # What was typed as a name is not kept: people type passwords there.
    said = f"用户 {user.username} 的密码不正确" if user else "用户名不存在"
    audit.record(s, None, "sign_in", "user", user_id, detail=said, result=AuditResult.REFUSED, address=address)


def _not_admitted(s: Session, user_id: int, address: str, message: str) -> None:
    audit.record(s, None, "sign_in", "user", user_id, detail=message, result=AuditResult.REFUSED, address=address)


def _begin(s: Session, user_id: int, address: str, replaces: str) -> SignedIn:
    user = s.get_one(User, user_id)
    place = s.get_one(Organisation, user.organisation_id)
    if not user.enabled:
        raise Refusal("这个用户已停用，不能登录。请联系本单位负责人或系统管理员。", code="disabled")
    if place.status is OrgStatus.PENDING:
        raise Refusal(
            f"“{place.name}”的注册正在等待主管部门确认，确认后即可登录。如已超过三个工作日，请联系主管部门。",
            code="pending",
        )
    if place.status is OrgStatus.REFUSED:
        raise Refusal(
            f"“{place.name}”的注册未通过，原因：{place.status_reason}。请在注册页用同一统一社会信用代码重新注册。",
            code="refused_registration",
        )
    now = clock.now()
    if replaces:
        _end(s, [row for row in [_by_token(s, replaces)] if row], "rotated")
    token = secrets.token_urlsafe(32)
    row = SignIn(token_hash=_hash(token), user_id=user_id, created_at=now, last_seen_at=now, address=address)
    s.add(row)
    answer = SignedIn(
        token, user_id, user.name, user.role, user.must_change_password, user.failed_sign_ins, user.last_sign_in_at
    )
    user.last_sign_in_at = now
    user.failed_sign_ins = 0
    s.add(user)
    s.flush()
    audit.record(s, _actor(s, user, place, row, address), "sign_in", "user", user_id, detail="登录")
    return answer


# --- being signed in ------------------------------------------------------------------------------------------------


def resolve(db: Database, token: str, *, address: str = "", active: bool = True) -> Actor:
    """Who holds this token (会话校验); raises SignedOut. ``active=False`` for what no person did (timers), which does not
    keep a sign-in alive. Blocks for a read every 15 s and a write every minute; see ``aresolve``."""
    actor = _remembered(db, token, active)
    if actor is None:
        actor = _learn(db, token, db.read(_read_known, token), active)
    if _unwritten(db, token):
        db.write(_seen, *_written(db, token))
    return replace(actor, address=address) if address and address != actor.address else actor


async def aresolve(db: Database, token: str, *, address: str = "", active: bool = True) -> Actor:
    """The same for the event loop: from memory without waiting, which is nearly always."""
    actor = _remembered(db, token, active)
    if actor is None:
        actor = _learn(db, token, await db.aread(_read_known, token), active)
    if _unwritten(db, token):
        await db.awrite(_seen, *_written(db, token))
    return replace(actor, address=address) if address and address != actor.address else actor


def sign_out(s: Session, actor: Actor) -> None:
    """退出登录: this sign-in ends, its other tabs close."""
    row = s.get(SignIn, actor.sign_in_id) if actor.sign_in_id else None
    if row is not None and row.ended_at is None:
        _end(s, [row], "signed_out")
        audit.record(s, actor, "sign_out", "user", actor.user_id, detail="退出登录")


def end_all(s: Session, user_id: int, reason: str, *, but: int | None = None) -> int:
    """End every sign-in of a user (停用, 改密, 重置) but one; returns how many. Writes no audit line of its own."""
    rows = s.exec(select(SignIn).where(SignIn.user_id == user_id, col(SignIn.ended_at).is_(None))).all()
    rows = [row for row in rows if row.id != but]
    _end(s, rows, reason)
    return len(rows)


def actor_of(s: Session, user_id: int) -> Actor:
    """The actor a user is (操作人), without a sign-in: for the command line, the demo and tests."""
    user = s.get_one(User, user_id)
    return _actor(s, user, s.get_one(Organisation, user.organisation_id), None, "")


# --- the own password -----------------------------------------------------------------------------------------------


def change_password(db: Database, actor: Actor, old: str, new: str, repeated: str) -> None:
    """修改密码. Blocks for two hashes. All other sign-ins of this user end."""
    if new != repeated:
        raise Refusal("两次输入的新密码不一致，请重新输入。", field="repeated")
    passwords.check(new, username=actor.username, field="new")
    if new == old:
        raise Refusal("新密码不能与原密码相同，请换一个。", field="new")
    memory = _memory(db)
    now = clock.now()
    key = f"{actor.username}\0change"  # guessing the old one from an open page is slowed down as well
    wait = memory.throttle.wait(key, actor.address, now, known=True)
    if wait is not None:
        raise Refusal(
            f"原密码输错次数较多，请在 {int(wait.total_seconds()) + 1} 秒后再试。", field="old", code="throttled"
        )
    if not passwords.matches(old, db.read(_password_hash, actor.user_id)):
        memory.throttle.failed(key, actor.address, now)
        raise Refusal("原密码不正确，请重新输入。", field="old", code="wrong")
    memory.throttle.succeeded(key, actor.address)
    perform(db, _change, actor, passwords.hashed(new))
    _drop(memory, {actor.sign_in_id})  # what memory holds of it still has to change the password


def _change(s: Session, actor: Actor, password_hash: str) -> None:
    user = s.get_one(User, actor.user_id)
    user.password_hash = password_hash
    user.must_change_password = False
    s.add(user)
    ended = end_all(s, actor.user_id, "password_changed", but=actor.sign_in_id)
    audit.record(s, actor, "change_password", "user", actor.user_id, detail=f"修改密码，结束其他登录 {ended} 个")


def _password_hash(s: Session, user_id: int) -> str | None:
    user = s.get(User, user_id)
    return user.password_hash if user else None


# --- what memory holds ----------------------------------------------------------------------------------------------


def _memory(db: Database) -> _Memory:
    memory = _memories.get(db)
    if memory is None:
        memory = _memories[db] = _Memory()
    return memory


def _forget(event: events.Event) -> None:
    if isinstance(event, events.SignInEnded):
        for memory in tuple(_memories.values()):
            _drop(memory, set(event.sign_in_ids))


def _drop(memory: _Memory, sign_in_ids: set[int | None] | set[int]) -> None:
    with memory.lock:
        memory.known = {key: known for key, known in memory.known.items() if known.sign_in_id not in sign_in_ids}


events.subscribe(_forget)


def _remembered(db: Database, token: str, active: bool) -> Actor | None:
    if not token:
        raise SignedOut
    memory = _memory(db)
    known = memory.known.get(_hash(token))
    if known is None:
        return None
    now = clock.now()
    _refuse_stale(known.created_at, known.seen_at, now)
    if not timedelta() <= now - known.checked_at < FRESH:
        return None
    if active:
        known.seen_at = now
    return known.actor


def _learn(db: Database, token: str, read: _Known | None, active: bool) -> Actor:
    memory, key, now = _memory(db), _hash(token), clock.now()
    with memory.lock:
        before = memory.known.pop(key, None)
        if read is None:
            raise SignedOut
        if before is not None:
            read.seen_at = max(before.seen_at, read.seen_at)
        _refuse_stale(read.created_at, read.seen_at, now)
        if active:
            read.seen_at = now
        memory.known = {k: v for k, v in memory.known.items() if now - v.seen_at < IDLE}
        memory.known[key] = read
    return read.actor


def _refuse_stale(created_at: datetime, seen_at: datetime, now: datetime) -> None:
    if now - seen_at >= IDLE:
        raise SignedOut("您已 30 分钟没有操作，登录已自动退出。没有保存的内容仍保留在本页，重新登录后会自动保存。")
    if now - created_at >= LONGEST:
        raise SignedOut("登录已满 12 小时，请重新登录。没有保存的内容仍保留在本页，重新登录后会自动保存。")


def _unwritten(db: Database, token: str) -> bool:
    known = _memory(db).known.get(_hash(token))
    return known is not None and known.seen_at - known.written_at >= SEEN_EVERY


def _written(db: Database, token: str) -> tuple[int, datetime]:
    known = _memory(db).known[_hash(token)]
    known.written_at = known.seen_at
    return known.sign_in_id, known.seen_at


def _seen(s: Session, sign_in_id: int, at: datetime) -> None:
    s.execute(update(SignIn).where(col(SignIn.id) == sign_in_id).values(last_seen_at=at))


def _read_known(s: Session, token: str) -> _Known | None:
    row = _by_token(s, token)
    if row is None or row.ended_at is not None or row.id is None:
        return None
    user = s.get(User, row.user_id)
    place = s.get(Organisation, user.organisation_id) if user else None
    if user is None or place is None or not user.enabled or place.status is not OrgStatus.ACTIVE:
        return None
    actor = _actor(s, user, place, row, row.address)
    return _Known(actor, row.id, row.created_at, row.last_seen_at, row.last_seen_at, clock.now())


def _actor(s: Session, user: User, place: Organisation, row: SignIn | None, address: str) -> Actor:
    assert user.id is not None and place.id is not None
    signer = False
    if user.role in UNIT_ROLES:
        named = select(User.id).where(
            User.organisation_id == place.id, User.role == Role.SIGNER, col(User.enabled).is_(True)
        )
        signer = s.exec(named.limit(1)).first() is not None
    return Actor(
        user_id=user.id,
        username=user.username,
        name=user.name,
        role=user.role,
        organisation_id=place.id,
        organisation_name=place.name,
        region_code=place.region_code,
        tier=place.tier,
        unit_has_signer=signer,
        sign_in_id=row.id if row else None,
        address=address,
        must_change_password=user.must_change_password,
    )


def _by_token(s: Session, token: str) -> SignIn | None:
    return s.exec(select(SignIn).where(SignIn.token_hash == _hash(token))).first()


def _end(s: Session, rows: Sequence[SignIn], reason: str) -> None:
    alive = [row for row in rows if row.ended_at is None]
    for row in alive:
        row.ended_at = clock.now()
        row.end_reason = reason
        s.add(row)
    if alive:
        events.publish(s, events.SignInEnded(tuple(row.id for row in alive if row.id is not None)))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
