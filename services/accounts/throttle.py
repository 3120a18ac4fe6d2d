"""Slowing down guessers (登录限速) without locking anybody out: what fails is counted per account *and* place.

A place is a network address, or a browser that the account's own people have used before (``KnownDevice``): a guesser
elsewhere, or even at the same address, cannot make them wait. An address that tries many accounts must wait only for
accounts that have never signed in from it. Rows in the database: a restart forgets nothing. An attempt is counted as
failed *before* its password is looked at, so that a hundred at once are not a hundred free ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
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


@dataclass(frozen=True, slots=True)
class Knock:
    """An attempt (一次尝试) to get at an account, existing or not; counted as failed until ``succeeded``."""

    account: str
    place: str
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
    account, place = f"{name}/{purpose}".rstrip("/"), _place(address, device_id)
    attempt(s, account, place, known=here)
    return Knock(
        account,
        place,
        address,
        user.id if user else None,
        user.password_hash if user else None,
        bool(user and user.totp_secret),
    )


def attempt(s: Session, account: str, place: str, *, known: bool) -> None:
    """Count an attempt as failed until ``succeeded`` takes it back. Raises Refusal, code "throttled", counting nothing, where
    it has to wait. ``known``: this account's people have signed in from this place before."""
    now = clock.now()
    pair = s.get(Delay, (account, place))
    everybody = None if known else s.get(Delay, (EVERYBODY, place))
    until = pair.until if pair else None
    if everybody and everybody.failures >= ADDRESS_TRIES:
        until = max(until or now, everybody.last_at + ADDRESS_WAIT)
    if until is not None and now < until <= now + LONGEST_WAIT:  # further off: the clock was set back
        seconds = int((until - now).total_seconds()) + 1
        raise Refusal(f"输错次数较多，请在 {seconds} 秒后再试。其他人和其他电脑不受影响。", code="throttled")
    s.execute(delete(Delay).where(col(Delay.last_at) < now - FORGOTTEN))
    counted = _count(s, account, place, ACCOUNT_WINDOW)
    if counted.failures >= FREE_TRIES:
        counted.until = now + min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(counted.failures - FREE_TRIES, 10))
    if not known:
        _count(s, EVERYBODY, place, ADDRESS_WINDOW)


def succeeded(s: Session, account: str, place: str) -> None:
    """It was right (成功): the account's count at this place begins anew, and this attempt is none of the address's."""
    pair, everybody = s.get(Delay, (account, place)), s.get(Delay, (EVERYBODY, place))
    if pair is not None:
        s.delete(pair)
    if everybody is not None and everybody.failures:
        everybody.failures -= 1
        s.add(everybody)


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


def digest(secret: str) -> str:
    """What is kept of a random secret: its SHA-256."""
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
