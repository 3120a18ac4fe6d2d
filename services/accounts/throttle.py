"""Slowing down guessers (登录限速) without locking a unit out: what fails is counted per account *and* network address.

A guesser elsewhere cannot make an account's own people wait; one address that tries many accounts must wait only for
accounts that have never signed in from it. Kept in memory: a restart forgets it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FREE_TRIES = 5
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
ADDRESS_TRIES = 30
ADDRESS_WINDOW = timedelta(minutes=10)
ADDRESS_WAIT = timedelta(minutes=1)
KEPT = 20_000  # pairs remembered at most


@dataclass(slots=True)
class _Pair:
    failures: int = 0
    until: datetime | None = None


@dataclass(slots=True)
class Throttle:
    """限速器 of one serving process; safe to use from several threads."""

    _pairs: dict[tuple[str, str], _Pair] = field(default_factory=dict)
    _addresses: dict[str, list[datetime]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, username: str, address: str, now: datetime, *, known: bool) -> timedelta | None:
        """How long this account must wait at this address; ``known``: it has signed in from here before."""
        with self._lock:
            pair = self._pairs.get((username, address))
            if pair and pair.until and pair.until > now:
                return pair.until - now
            recent = self._recent(address, now)
            if not known and len(recent) >= ADDRESS_TRIES and recent[-1] + ADDRESS_WAIT > now:
                return recent[-1] + ADDRESS_WAIT - now
            return None

    def failed(self, username: str, address: str, now: datetime) -> None:
        with self._lock:
            pair = self._pairs.pop((username, address), None) or _Pair()
            pair.failures += 1
            if pair.failures >= FREE_TRIES:
                pair.until = now + min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(pair.failures - FREE_TRIES, 10))
            self._pairs[username, address] = pair
            while len(self._pairs) > KEPT:
                del self._pairs[next(iter(self._pairs))]
            self._addresses[address] = [*self._recent(address, now), now][-ADDRESS_TRIES:]
            while len(self._addresses) > KEPT:
                del self._addresses[next(iter(self._addresses))]

    def succeeded(self, username: str, address: str) -> None:
        with self._lock:
            self._pairs.pop((username, address), None)

    def _recent(self, address: str, now: datetime) -> list[datetime]:
        return [moment for moment in self._addresses.get(address, ()) if now - ADDRESS_WINDOW < moment <= now]
