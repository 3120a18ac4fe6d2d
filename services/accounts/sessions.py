"""Signing in and staying signed in (登录与会话). The browser holds a random token, the database only its SHA-256.

``sign_in`` takes the database, not a session: it hashes outside the transaction and blocks for 0.1 s, so pages call it in
a thread. ``resolve`` runs at every event and answers from memory.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import secrets
import threading
from collections.abc import Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    String,
    Transaction,
    bindparam,
    cast,
    delete,
    event,
    func,
    update,
)
from sqlalchemy import select as select_columns
from sqlalchemy.orm import Bundle, aliased
from sqlmodel import Session, SQLModel, col, select

from models import KnownDevice, Organisation, SignIn, User
from models.enums import UNIT_ROLES, AuditResult, OrgStatus, Role
from services import audit, clock, events, settings
from services.accounts import passwords, throttle, totp
from services.accounts.throttle import Knock
from services.accounts.views import SignedIn, SignInRow
from services.actors import Actor
from services.db import Database, connection_of
from services.errors import Refusal, SignedOut
from services.forms.names import HALF_WIDTH

log = logging.getLogger("lvce.sessions")

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
FRESH = timedelta(seconds=15)  # how long an answer from memory is good without asking the database again
AGING = FRESH / 2  # from then on it is asked again, for everybody at once, while memory still answers
ABOUT = timedelta(minutes=5)  # that is for who did something so lately; who comes back later asks for himself
AT_ONCE = 250  # sign-ins in one question
BREATH, ROUND = 0.1, 4.0  # seconds to the next question, in which saves are answered, and to the next round of them
SEEN_EVERY = timedelta(minutes=1)  # how exactly the database knows when somebody was last active

TICKET = timedelta(minutes=5)  # between the password and the 动态口令
ENDED_KEPT = 10_000  # of the sign-ins that this process ended: what was let in before the older ones is long over
DEVICE_KEPT = timedelta(days=180)  # how long a browser is known after its last sign-in

WRONG = "用户名或密码不正确。请检查大小写和输入法后重试；忘记密码请向本单位负责人或上级主管部门索取重置码。"


class SecondStep(Refusal):
    """The password was right, a 动态口令 has to follow; ``ticket`` goes on to ``second_step``."""

    code = "second_step"

    def __init__(self, ticket: str) -> None:
        super().__init__("请输入动态口令。", field="code")
        self.ticket = ticket


@dataclass(frozen=True, slots=True)
class _Ticket:
    """Whose password was right, until the code is told."""

    username: str
    password_hash: str | None  # of the password that was right
    address: str
    device: str
    replaces: str
    at: datetime


@dataclass(slots=True)
class _Known:
    """A sign-in as this process remembers it."""

    actor: Actor
    stamp: str  # of what the actor was made of, see ``_stamp``
    sign_in_id: int
    created_at: datetime
    seen_at: datetime
    written_at: datetime  # the ``seen_at`` that the database has
    checked_at: datetime


@dataclass(slots=True)
class _Memory:
    known: dict[str, _Known] = field(default_factory=dict)
    tickets: dict[str, _Ticket] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    asking: asyncio.Task[None] | None = None  # who asks about everybody from time to time
    waiting: dict[str, asyncio.Future[_Known | None]] = field(default_factory=dict)  # who wants an answer of his own
    answering: asyncio.Task[None] | None = None  # who gets it for them


_memories: WeakKeyDictionary[Database, _Memory] = WeakKeyDictionary()
_ended: WeakKeyDictionary[Engine, dict[int, None]] = WeakKeyDictionary()  # by the writing engine, the oldest first
# By the transaction that ends them, which later jobs may share and which is not committed yet.
_ending: WeakKeyDictionary[Transaction, set[int]] = WeakKeyDictionary()


# --- signing in -----------------------------------------------------------------------------------------------------


def sign_in(
    db: Database, username: str, password: str, address: str = "", *, replaces: str = "", device: str = ""
) -> SignedIn:
    """登录. Blocks for a hash. ``replaces`` is the token the browser had: it ends; ``device`` the mark of its earlier
    sign-ins. Raises Refusal, the same for an unknown user as for a wrong password; code "throttled" when this account must
    wait at this place; SecondStep when a 动态口令 has to follow."""
    username = normal_username(username)
    if not username or not password:
        raise Refusal("请填写用户名和密码。", field="password" if username else "username")
    knock = db.write(throttle.knock, username, address, device)
    if not passwords.matches(password, knock.password_hash):
        db.write(_failed, knock, "密码不正确")
        raise Refusal(WRONG, field="password", code="wrong")
    if knock.with_code:
        db.write(throttle.succeeded, knock.attempt)
        right = _Ticket(username, knock.password_hash, address, device, replaces, clock.now())
        raise SecondStep(_keep_ticket(db, right))
    return _admit(db, knock, device, replaces)


def second_step(db: Database, ticket: str, code: str) -> SignedIn:
    """动态口令 or a recovery code (恢复码), after the password. A wrong one is counted like a wrong password; raises Refusal,
    code "expired" when the password has to be typed again."""
    found = _memory(db).tickets.get(ticket)
    if found is None or not timedelta() <= clock.now() - found.at < TICKET:
        raise Refusal("输入动态口令超时，请重新输入用户名和密码。", code="expired")
    knock = db.write(throttle.knock, found.username, found.address, found.device, "code")
    if knock.user_id is None or not db.write(totp.accept, knock.user_id, code, knock.address):
        db.write(_failed, knock, "动态口令或恢复码不正确")
        raise Refusal(totp.WRONG, field="code", code="wrong")
    _memory(db).tickets.pop(ticket, None)
    return _admit(db, replace(knock, password_hash=found.password_hash), found.device, found.replaces)


def normal_username(typed: str) -> str:
    """用户名 as it is kept: half-width, lower case, no spaces around."""
    return typed.translate(HALF_WIDTH).strip().lower()


def _keep_ticket(db: Database, kept: _Ticket) -> str:
    memory, ticket = _memory(db), secrets.token_urlsafe(24)
    with memory.lock:
        memory.tickets = {key: old for key, old in memory.tickets.items() if kept.at - old.at < TICKET}
        memory.tickets[ticket] = kept
    return ticket


def _failed(s: Session, knock: Knock, what: str) -> None:
    user = s.get(User, knock.user_id) if knock.user_id else None
    if user is not None:
        user.failed_sign_ins += 1
        s.add(user)
    said = f"用户 {user.username} 的{what}" if user else "用户名不存在"
    subject_id = user.id if user else None
    audit.record(s, None, "sign_in", "user", subject_id, detail=said, result=AuditResult.REFUSED, address=knock.address)


def _admit(db: Database, knock: Knock, device: str, replaces: str) -> SignedIn:
    """The door opens, unless the user or the unit is not admitted (放行)."""
    try:
        return db.write(_begin, knock, device, replaces)
    except Refusal as refusal:
        db.write(_not_admitted, knock, refusal.message)
        raise


def _not_admitted(s: Session, knock: Knock, message: str) -> None:
    throttle.succeeded(s, knock.attempt)  # what was guessed was right
    audit.record(
        s, None, "sign_in", "user", knock.user_id, detail=message, result=AuditResult.REFUSED, address=knock.address
    )


def _begin(s: Session, knock: Knock, device: str, replaces: str) -> SignedIn:
    user = s.get_one(User, knock.user_id)
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
    if user.password_hash != knock.password_hash:  # since it was looked at: what it opened has been closed
        raise Refusal("密码刚刚修改过，请用新密码重新登录。", code="expired")
    assert user.id is not None
    now = clock.now()
    throttle.succeeded(s, knock.attempt)
    if replaces:
        _end(s, [row for row in [_by_token(s, replaces)] if row], "rotated")
    if password_expired(user):
        user.must_change_password = True
    token = secrets.token_urlsafe(32)
    row = SignIn(
        token_hash=throttle.digest(token), user_id=user.id, created_at=now, last_seen_at=now, address=knock.address
    )
    s.add(row)
    answer = SignedIn(
        token,
        user.id,
        user.name,
        user.role,
        user.must_change_password,
        user.failed_sign_ins,
        user.last_sign_in_at,
        _known_device(s, user.id, device),
    )
    user.last_sign_in_at = now
    user.failed_sign_ins = 0
    s.add(user)
    s.flush()
    audit.record(s, _actor_now(s, user, place, row, knock.address), "sign_in", "user", user.id, detail="登录")
    return answer


def password_expired(user: User) -> bool:
    """Whether the profile asks for a new password by now (密码到期); demo passwords are public anyway."""
    days = passwords.profile().age_days
    return (
        bool(days) and not user.is_demo and clock.now() - (user.password_set_at or user.created_at) >= timedelta(days)
    )


def _known_device(s: Session, user_id: int, token: str) -> str:
    """The mark by which this browser is known from now on (用过的浏览器). It opens nothing; only ours are taken up."""
    now = clock.now()
    s.execute(delete(KnownDevice).where(col(KnownDevice.seen_at) < now - DEVICE_KEPT))
    rows = s.exec(select(KnownDevice).where(KnownDevice.token_hash == throttle.digest(token))).all() if token else ()
    if not rows:
        token = secrets.token_urlsafe(32)
    row = next((row for row in rows if row.user_id == user_id), None)
    row = row or KnownDevice(user_id=user_id, token_hash=throttle.digest(token), seen_at=now)
    row.seen_at = now
    s.add(row)
    return token


# --- being signed in ------------------------------------------------------------------------------------------------


def resolve(db: Database, token: str, *, address: str = "", active: bool = True) -> Actor:
    """Who holds this token (会话校验); raises SignedOut. ``active=False`` for what no person did (timers), which does not
    keep a sign-in alive. Blocks for a read every 15 s and a write every minute; see ``aresolve``."""
    known = _remembered(db, token, active)
    if known is None:
        known = _learn(db, token, db.read(_read_known, token), active)
    memory = _memory(db)
    if seen := _unwritten(memory):
        db.write(_write_seen, seen)
        _mark_written(memory, seen)
    return _at(known, address)


async def aresolve(db: Database, token: str, *, address: str = "", active: bool = True) -> Actor:
    """The same for the event loop: from memory without waiting, which is nearly always."""
    known = _remembered(db, token, active)
    if known is None:
        known = _learn(db, token, await _asked(db, throttle.digest(token)), active)
    memory = _memory(db)
    if memory.asking is None or memory.asking.done():
        # In nobody's name: it outlives the page whose event came first.
        memory.asking = asyncio.create_task(_keep_asking(db, memory), context=Context())
    return _at(known, address)


def _at(known: _Known, address: str) -> Actor:
    """The actor at the address the event came from, which is nearly always that of the last one."""
    if address and address != known.actor.address:
        known.actor = replace(known.actor, address=address)
    return known.actor


def refuse_ended(s: Session, actor: Actor) -> None:
    """For ``perform``, in the writing thread, where before and after are plain: raises SignedOut for a sign-in that has ended
    since its event was let in. From memory; what another process ends is noticed when its ``FRESH`` is over."""
    connection = connection_of(s)
    if actor.sign_in_id in _ended_by(connection.engine) or (_ending and actor.sign_in_id in _ending_in(connection)):
        raise SignedOut


def touch(db: Database, token: str) -> None:
    """Somebody types or clicks in a page of this sign-in (有操作): remembered, written with the next event that resolves it."""
    known = _memory(db).known.get(throttle.digest(token)) if token else None
    now = clock.now()
    if known is not None and not _stale(known.created_at, known.seen_at, now):
        known.seen_at = now


def is_stale(db: Database, token: str) -> bool | None:
    """Whether idleness or age has ended it, from memory alone; None: memory does not know."""
    known = _memory(db).known.get(throttle.digest(token))
    return None if known is None else bool(_stale(known.created_at, known.seen_at, clock.now()))


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


def end_others(s: Session, actor: Actor) -> int:
    """退出其他登录: every sign-in of the own user but this one; returns how many."""
    ended = end_all(s, actor.user_id, "ended_elsewhere", but=actor.sign_in_id)
    audit.record(s, actor, "end_others", "user", actor.user_id, detail=f"退出其他登录 {ended} 个")
    return ended


def own(s: Session, actor: Actor) -> tuple[SignInRow, ...]:
    """本人的登录, those that still hold, newest first."""
    now = clock.now()
    rows = s.exec(
        select(SignIn)
        .where(SignIn.user_id == actor.user_id, col(SignIn.ended_at).is_(None))
        .where(SignIn.last_seen_at > now - IDLE, SignIn.created_at > now - LONGEST)
        .order_by(col(SignIn.id).desc())
    )
    return tuple(SignInRow(row.created_at, row.last_seen_at, row.address, row.id == actor.sign_in_id) for row in rows)


def actor_of(s: Session, user_id: int) -> Actor:
    """The actor a user is (操作人), without a sign-in: for the command line, the demo and tests."""
    user = s.get_one(User, user_id)
    return _actor_now(s, user, s.get_one(Organisation, user.organisation_id), None, "")


# --- what memory holds ----------------------------------------------------------------------------------------------


def _memory(db: Database) -> _Memory:
    memory = _memories.get(db)
    if memory is None:
        memory = _memories[db] = _Memory()
    return memory


def _forget(told: events.Event) -> None:
    if isinstance(told, events.SignInEnded):
        _keep_ended(told.engine, told.sign_in_ids)
        for memory in tuple(_memories.values()):
            _drop(memory, set(told.sign_in_ids))


def _ended_by(engine: Engine) -> dict[int, None]:
    return _ended.setdefault(engine, {})


def _ending_in(connection: Connection) -> set[int]:
    """Those that this very transaction ends."""
    transaction = connection.get_transaction()
    assert transaction is not None
    return _ending.setdefault(transaction, set())


def _keep_ending(connection: Connection, sign_in_ids: Collection[int]) -> None:
    _ending_in(connection).update(sign_in_ids)


def _keep_ended(engine: Engine, sign_in_ids: Sequence[int]) -> None:
    ended = _ended_by(engine)
    ended.update(dict.fromkeys(sign_in_ids))
    while len(ended) > ENDED_KEPT:
        del ended[next(iter(ended))]


def forget(db: Database, actor: Actor) -> None:
    """Ask the database again at this sign-in's next event: something about its user has changed."""
    _drop(_memory(db), {actor.sign_in_id})


def _drop(memory: _Memory, sign_in_ids: set[int | None] | set[int]) -> None:
    with memory.lock:
        memory.known = {key: known for key, known in memory.known.items() if known.sign_in_id not in sign_in_ids}


events.subscribe(_forget)


def _remembered(db: Database, token: str, active: bool) -> _Known | None:
    if not token:
        raise SignedOut
    memory = _memory(db)
    known = memory.known.get(throttle.digest(token))
    if known is None:
        return None
    now = clock.now()
    _refuse_stale(known.created_at, known.seen_at, now)
    if not timedelta() <= now - known.checked_at < FRESH:
        return None
    if active:
        known.seen_at = now
    return known


def _learn(db: Database, token: str, read: _Known | None, active: bool) -> _Known:
    memory, key, now = _memory(db), throttle.digest(token), clock.now()
    with memory.lock:
        before = memory.known.pop(key, None)
        if read is None or read.sign_in_id in _ended_by(db.engine):  # perhaps ended since it was read
            raise SignedOut
        if before is not None:
            read.seen_at = max(before.seen_at, read.seen_at)
        _refuse_stale(read.created_at, read.seen_at, now)
        if active:
            read.seen_at = now
        memory.known[key] = read
    return read


def _refuse_stale(created_at: datetime, seen_at: datetime, now: datetime) -> None:
    if words := _stale(created_at, seen_at, now):
        raise SignedOut(words)


def _stale(created_at: datetime, seen_at: datetime, now: datetime) -> str:
    """Why it has ended by itself, "" if it has not."""
    if now - seen_at >= IDLE:
        return "您已 30 分钟没有操作，登录已自动退出。没有保存的内容仍保留在本页，重新登录后会自动保存。"
    if now - created_at >= LONGEST:
        return "登录已满 12 小时，请重新登录。没有保存的内容仍保留在本页，重新登录后会自动保存。"
    return ""


def _unwritten(memory: _Memory) -> dict[int, datetime]:
    """Who was active since longer than the database knows, by sign-in."""
    known = tuple(memory.known.values())
    return {one.sign_in_id: one.seen_at for one in known if one.seen_at - one.written_at >= SEEN_EVERY}


def _mark_written(memory: _Memory, seen: Mapping[int, datetime]) -> None:
    for known in tuple(memory.known.values()):
        known.written_at = seen.get(known.sign_in_id, known.written_at)


def _write_seen(s: Session, seen: Mapping[int, datetime]) -> None:
    table: Any = SignIn.__table__  # type: ignore[attr-defined]
    statement = update(table).where(table.c.id == bindparam("of")).values(last_seen_at=bindparam("at"))
    s.connection().execute(statement, [{"of": sign_in_id, "at": at} for sign_in_id, at in seen.items()])


async def _keep_asking(db: Database, memory: _Memory) -> None:
    """Ask about everybody in good time, as long as there is anybody: nobody's event has to wait for an answer then."""
    while memory.known:
        await asyncio.sleep(ROUND)
        try:
            await ask_about_all(db)
        except Exception as error:  # the database is away, say: then each event asks by itself
            log.warning("the database could not be asked about sign-ins: %s", type(error).__name__)


async def ask_about_all(db: Database) -> None:
    """Renew what memory holds of those who are at work (统一核对), and write down when they were."""
    memory, now = _memory(db), clock.now()
    with memory.lock:
        memory.known = {key: known for key, known in memory.known.items() if now - known.seen_at < IDLE}
        everybody = tuple(memory.known.items())
    aging = [key for key, known in everybody if _is_aging(known) and now - known.seen_at < ABOUT]
    for start in range(0, len(aging), AT_ONCE):
        if start:
            await asyncio.sleep(BREATH)
        asked = {key: known for key in aging[start : start + AT_ONCE] if (known := memory.known.get(key)) is not None}
        asked_at, same = clock.now(), await db.aread(_read_stamps, asked)
        changed = [key for key, known in asked.items() if known.stamp not in same]
        found = await db.aread(_read_all, col(SignIn.token_hash).in_(changed)) if changed else {}
        with memory.lock:
            for key, known in asked.items():
                if memory.known.get(key) is not known:
                    continue  # it was ended, or asked again, meanwhile
                if known.stamp in same:
                    known.checked_at = asked_at
                else:
                    _take(memory, key, known, found.get(key))
    if seen := _unwritten(memory):
        await db.awrite(_write_seen, seen)
        _mark_written(memory, seen)


async def _asked(db: Database, key: str) -> _Known | None:
    """What the database knows of one sign-in now. Whoever comes while a question is under way is answered by the next one,
    with all others who came: after a lunch break of five hundred units it was a question for each."""
    memory = _memory(db)
    answer = memory.waiting.get(key)
    if answer is None:
        answer = memory.waiting[key] = asyncio.get_running_loop().create_future()
    if memory.answering is None:
        memory.answering = asyncio.create_task(_answer_waiting(db, memory))
    return await asyncio.shield(answer)  # one who leaves does not take the answer from the others


async def _answer_waiting(db: Database, memory: _Memory) -> None:
    try:
        while memory.waiting:
            asked = dict(islice(memory.waiting.items(), AT_ONCE))
            for key in asked:
                del memory.waiting[key]  # who asks from now on wants to know what is true then
            try:
                found = await db.aread(_read_all, col(SignIn.token_hash).in_(asked))
            except Exception as error:
                for answer in asked.values():
                    answer.set_exception(error)
            else:
                for key, answer in asked.items():
                    answer.set_result(found.get(key))
    finally:
        memory.answering = None


def _take(memory: _Memory, key: str, known: _Known, found: _Known | None) -> None:
    if found is None:
        del memory.known[key]
    else:
        known.actor, known.stamp, known.checked_at = found.actor, found.stamp, found.checked_at


def _is_aging(known: _Known) -> bool:
    return not timedelta() <= clock.now() - known.checked_at < AGING


def _read_known(s: Session, token: str) -> _Known | None:
    key = throttle.digest(token)
    return _read_all(s, col(SignIn.token_hash) == key).get(key)


def _columns(table: type[SQLModel], *names: str) -> Bundle[Any]:
    return Bundle(table.__name__, *(getattr(table, name) for name in names))


# What an actor is made of, as plain rows: whole objects of a thousand sign-ins kept the event loop waiting.
_SIGN_IN = _columns(SignIn, "id", "token_hash", "address", "created_at", "last_seen_at")
_USER = _columns(User, "id", "username", "name", "role", "must_change_password", "totp_secret")
_PLACE = _columns(Organisation, "id", "name", "region_code", "tier")


def _stamp() -> ColumnElement[str]:
    """A sign-in and all that its actor is made of, as one text (印记): while it stays the same, so does the actor."""
    colleague = aliased(User)
    signer = (
        select_columns(func.count())
        .where(col(colleague.organisation_id) == col(User.organisation_id))
        .where(col(colleague.role) == Role.SIGNER, col(colleague.enabled).is_(True))
        .correlate(User)
        .scalar_subquery()
    )
    # The hash of the token makes it nobody else's, whatever people are called; the secret has no business in memory.
    parts = (
        SignIn.token_hash, User.id, User.username, User.name, User.role, User.must_change_password,
        func.length(col(User.totp_secret)), *_PLACE.exprs, signer,
    )  # fmt: skip
    texts = (func.coalesce(cast(part, String), "") for part in parts)
    return functools.reduce(lambda before, part: before.concat("\x1f").concat(part), texts)


_STAMP = _stamp()


def _holding(found: Select[Any], whose: ColumnElement[bool]) -> Select[Any]:
    """Of those of these sign-ins that hold."""
    return (
        found.select_from(SignIn)
        .join(User, col(User.id) == col(SignIn.user_id))
        .join(Organisation, col(Organisation.id) == col(User.organisation_id))
        .where(whose, col(SignIn.ended_at).is_(None), col(User.enabled).is_(True))
        .where(col(Organisation.status) == OrgStatus.ACTIVE)
    )


def _read_stamps(s: Session, keys: Collection[str]) -> frozenset[str]:
    """The stamps of those of these sign-ins that hold. In one row: the event loop waits at each row that another thread reads."""
    query = _holding(select_columns(func.aggregate_strings(_STAMP, "\n")), col(SignIn.token_hash).in_(keys))
    return frozenset((s.execute(query).scalar() or "").split("\n"))


def _read_all(s: Session, whose: ColumnElement[bool]) -> dict[str, _Known]:
    """Those of these sign-ins that hold, by the hash of their token."""
    now = clock.now()  # before the question: what is committed during it must not count as known
    rows: Sequence[Any] = s.execute(_holding(select_columns(_SIGN_IN, _USER, _PLACE, _STAMP), whose)).all()
    signed = _with_signer(s, {place.id for _, user, place, _ in rows if user.role in UNIT_ROLES})
    roles = settings.from_env().code_roles
    return {
        row.token_hash: _Known(
            _actor(user, place, row, row.address, signer=place.id in signed, code_roles=roles),
            stamp,
            row.id or 0,
            row.created_at,
            row.last_seen_at,
            row.last_seen_at,
            now,
        )
        for row, user, place, stamp in rows
    }


def _with_signer(s: Session, units: Collection[int | None]) -> frozenset[int]:
    """Which of these units have somebody who may submit (负责人)."""
    if not units:
        return frozenset()
    named = select(User.organisation_id).where(
        col(User.organisation_id).in_(units), User.role == Role.SIGNER, col(User.enabled).is_(True)
    )
    return frozenset(s.exec(named).all())


def _actor_now(s: Session, user: User, place: Organisation, row: SignIn | None, address: str) -> Actor:
    signer = user.role in UNIT_ROLES and bool(_with_signer(s, {place.id}))
    return _actor(user, place, row, address, signer=signer, code_roles=settings.from_env().code_roles)


def _actor(
    user: User, place: Organisation, row: SignIn | None, address: str, *, signer: bool, code_roles: frozenset[Role]
) -> Actor:
    assert user.id is not None and place.id is not None
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
        must_set_code=user.role in code_roles and not user.totp_secret,
    )


def _by_token(s: Session, token: str) -> SignIn | None:
    return s.exec(select(SignIn).where(SignIn.token_hash == throttle.digest(token))).first()


def _end(s: Session, rows: Sequence[SignIn], reason: str) -> None:
    alive = [row for row in rows if row.ended_at is None]
    for row in alive:
        row.ended_at = clock.now()
        row.end_reason = reason
        s.add(row)
    if alive:
        ids, connection = tuple(row.id for row in alive if row.id is not None), connection_of(s)
        # The job is done; the commit, which it may share with later ones, follows, and then the event is delivered.
        event.listen(s, "after_commit", lambda _: _keep_ending(connection, ids), once=True)
        events.publish(s, events.SignInEnded(ids, reason, connection.engine))
