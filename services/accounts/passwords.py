"""Passwords (密码): what is allowed, how they are kept. Hashing takes 0.1 s: never inside a transaction or the event loop."""

from __future__ import annotations

import secrets
import threading

from passlib.context import CryptContext

from services.errors import Refusal

MIN_LENGTH = 10
MAX_LENGTH = 128
_CONTEXT = CryptContext(schemes=["argon2"], argon2__type="ID", deprecated="auto")
_AT_ONCE = threading.BoundedSemaphore(2)  # 64 MB each
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$ttA+AzlfdkCiKkUZBYU/D6NXUcXo6aKN4BSVVhFPVSY"
_COMMON = frozenset(
    {"password", "passw0rd", "qwerty", "admin", "abc123", "123456", "888888", "666666", "woaini", "lvce"}
)
# Without 0 O 1 l I: an initial password is read aloud over the telephone.
_LETTERS = "abcdefghijkmnpqrstuvwxyz"
_CAPITALS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DIGITS = "23456789"

RULE_WORDS = f"密码至少 {MIN_LENGTH} 位，同时含有字母和数字，不含用户名，也不是常见密码"


def hashed(password: str) -> str:
    """argon2id, with its parameters and salt."""
    with _AT_ONCE:
        return str(_CONTEXT.hash(password))


def matches(password: str, known: str | None) -> bool:
    """Whether it is the password; for an unknown user (None) it takes as long and is never so."""
    with _AT_ONCE:
        try:
            right = bool(_CONTEXT.verify(password[:MAX_LENGTH], known or _NOBODY))
        except (ValueError, TypeError):
            return False
    return right and known is not None


def check(password: str, *, username: str = "", field: str = "password") -> None:
    """Refuse a weak password, saying what is wrong and what is allowed (密码规则)."""
    wrong = _weakness(password, username)
    if wrong:
        raise Refusal(f"密码{wrong}。{RULE_WORDS}，请重新输入。", field=field)


def initial() -> str:
    """A random initial password of 12 characters that passes ``check`` (初始密码)."""
    letters = [secrets.choice(_LETTERS) for _ in range(6)] + [secrets.choice(_CAPITALS) for _ in range(2)]
    found = letters + [secrets.choice(_DIGITS) for _ in range(4)]
    secrets.SystemRandom().shuffle(found)
    return "".join(found)


def _weakness(password: str, username: str) -> str:
    lower = password.lower()
    if len(password) < MIN_LENGTH:
        return f"只有 {len(password)} 位，太短"
    if len(password) > MAX_LENGTH:
        return f"超过 {MAX_LENGTH} 位，太长"
    if any(ch.isspace() for ch in password):
        return "中有空格"
    if not any(ch.isalpha() for ch in password):
        return "中没有字母"
    if not any(ch.isdigit() for ch in password):
        return "中没有数字"
    if username and username.lower() in lower:
        return "中含有用户名"
    if len(set(lower)) < 5:
        return "重复的字符太多"
    plain = "".join(ch for ch in lower if ch.isalnum())
    if any(plain.strip("0123456789") == word or plain == word * (len(plain) // len(word)) for word in _COMMON):
        return "过于常见"
    return ""
