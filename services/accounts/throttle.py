"""Slowing down guessers (登录限速) without locking anybody out: what fails is counted per account *and* place.

A place is a network address, or a browser that the account's own people have used before (``KnownDevice``): a guesser
elsewhere, or even at the same address, cannot make them wait. An address that tries many accounts must wait only for
accounts that have never signed in from it, and only for what fails: a county's training room is one address too. Rows in
the database: a restart forgets nothing. An attempt is counted as failed *before* its password is looked at, so that a
hundred at once are not a hundred free ones.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import delete
from sqlmodel import Session, col, select

from models import Delay, KnownDevice, SignIn, User
from services import clock
from services.errors import Refusal

FREE_TRIES = 5
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
ACCOUNT_WINDOW = timedelta(days=1)
ADDRESS_TRIES = 30
ADDRESS_WINDOW = timedelta(minutes=10)
ADDRESS_WAIT = timedelta(minutes=1)
FORGOTTEN = timedelta(hours=1)  # after the last attempt
EVERYBODY = "*"
CROWD = "这个网络上输错用户名或密码的次数较多，第一次在这里登录的用户请在 {} 秒后再试。以前在这里登录过的用户不受影响。"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt (一次尝试), counted as failed until ``succeeded``."""

    account: str
    place: str
    at: datetime
    before: datetime | None  # the address's attempt before this one; None: this one is not counted as the address's


@dataclass(frozen=True, slots=True)
class Knock:
    """An attempt to get at an account, existing or not (敲门)."""

    attempt: Attempt
    address: str
    user_id: int | None
    password_hash: str | None
    with_code: bool  # a 动态口令 is asked for after the password


def knock(s: Session, username: str, address: str, device: str = "", purpose: str = "") -> Knock:
    """Somebody tries a name (尝试); raises Refusal, code "throttled", where it has to wait. ``device`` is the mark of a
    browser, ``purpose`` tells what is guessed besides passwords: each is counted by itself."""
    user = s.exec(select(User).where(User.username == username)).first()
    device_id, here = None, False
    if user is not None:
        if device:
            marked = select(KnownDevice.id).where(
                KnownDevice.user_id == user.id, KnownDevice.token_hash == digest(device)
            )
            device_id = s.exec(marked).first()
        earlier = select(SignIn.id).where(SignIn.user_id == user.id, SignIn.address == address).limit(1)
        here = device_id is not None or s.exec(earlier).first() is not None
    # What was typed as a name is not kept but for 16 bits of its hash: people type passwords there.
    name = f"u{user.id}" if user else f"x{digest(username)[:4]}"
    account = f"{name}/{purpose}".rstrip("/")
    return Knock(
        attempt(s, account, _place(address, device_id), known=here),
        address,
        user.id if user else None,
        user.password_hash if user else None,
        bool(user and user.totp_secret),
    )


def attempt(s: Session, account: str, place: str, *, known: bool) -> Attempt:
    """Count an attempt as failed until ``succeeded`` takes it back. Raises Refusal, code "throttled", counting nothing, where
    it has to wait. ``known``: this account's people have signed in from this place before."""
    now = clock.now()
    pair = s.get(Delay, (account, place))
    everybody = None if known else s.get(Delay, (EVERYBODY, place))
    _wait(now, pair.until if pair else None, "输错次数较多，请在 {} 秒后再试。其他用户不受影响。")
    if everybody and everybody.failures >= ADDRESS_TRIES:
        _wait(now, everybody.last_at + ADDRESS_WAIT, CROWD)
    s.execute(delete(Delay).where(col(Delay.last_at) < now - FORGOTTEN))
    counted = _count(s, account, place, ACCOUNT_WINDOW)
    if counted.failures >= FREE_TRIES:
        counted.until = now + min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(counted.failures - FREE_TRIES, 10))
    if known:
        return Attempt(account, place, now, None)
    before = everybody.last_at if everybody else now
    _count(s, EVERYBODY, place, ADDRESS_WINDOW)
    return Attempt(account, place, now, before)


def succeeded(s: Session, made: Attempt) -> None:
    """It was right (成功): the account's count at this place begins anew, and the address is as if it had not been made."""
    pair, everybody = s.get(Delay, (made.account, made.place)), s.get(Delay, (EVERYBODY, made.place))
    if pair is not None:
        s.delete(pair)
    if made.before is not None and everybody is not None and everybody.failures:
        everybody.failures -= 1
        if everybody.last_at == made.at:
            everybody.last_at = made.before
        s.add(everybody)


def _wait(now: datetime, until: datetime | None, sentence: str) -> None:
    if until is not None and now < until <= now + LONGEST_WAIT:  # further off: the clock was set back
        raise Refusal(sentence.format(int((until - now).total_seconds()) + 1), code="throttled")


def _count(s: Session, account: str, place: str, window: timedelta) -> Delay:
    now = clock.now()
    row = s.get(Delay, (account, place))
    if row is None:
        row = Delay(account=account, place=place, failures=0, first_at=now, last_at=now)
    elif not timedelta() <= now - row.first_at < window:
        row.failures, row.first_at = 0, now
    row.failures += 1
    row.last_at = now
    s.add(row)
    return row


@functools.lru_cache(maxsize=4096)
def digest(secret: str) -> str:
    """What is kept of a random secret: its SHA-256. Remembered, for every event of a page asks for that of its sign-in."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _place(address: str, device_id: int | None) -> str:
    """A known browser, else the address; of IPv6 the network, in which everybody has addresses without number."""
    if device_id is not None:
        return f"d{device_id}"
    try:
        found = ip_address(address)
    except ValueError:
        return address[:80]
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else address
