"""Passwords (密码): what is allowed, how they are kept. Hashing takes 0.1 s: never inside a transaction or the event loop.

What is allowed is a profile of ``assets/policy/passwords.toml`` (密码规则), chosen by ``LVCE_PASSWORD_PROFILE``.
"""

from __future__ import annotations

import secrets
import threading
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from passlib.context import CryptContext

from services import settings
from services.errors import Refusal

FILE = Path(__file__).resolve().parents[2] / "assets" / "policy" / "passwords.toml"
KINDS = (("小写字母", str.islower), ("大写字母", str.isupper), ("数字", str.isdigit))  # anything else: 符号
_LONGEST = 128  # of any profile: what is hashed or judged is never longer
_JUDGED = 72  # characters; the estimate of guesses takes no more
_CONTEXT = CryptContext(schemes=["argon2"], argon2__type="ID", deprecated="auto")
_AT_ONCE = threading.BoundedSemaphore(2)  # 64 MB each
# Verified for unknown users: of the same cost as any other.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$ttA+AzlfdkCiKkUZBYU/D6NXUcXo6aKN4BSVVhFPVSY"
# Without 0 O 1 l I: an initial password is read aloud over the telephone.
_LETTERS = "abcdefghijkmnpqrstuvwxyz"
_CAPITALS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DIGITS = "23456789"


@dataclass(frozen=True, slots=True)
class Profile:
    """密码规则; what each value means stands in the file."""

    name: str
    caption: str
    source: str
    least: int
    least_with_code: int
    most: int
    kinds: int
    guesses: float
    age_days: int
    history: int
    proposed: tuple[str, ...]

    def words(self, *, with_code: bool = False) -> str:
        """The rule as people read it (规则说明), without a full stop."""
        said = [f"密码至少 {self.shortest(with_code=with_code)} 位"]
        if self.kinds:
            said.append(f"含有小写字母、大写字母、数字、符号中的至少 {self.kinds} 种，没有空格")
        said.append("不含用户名，也不是容易猜到的常见密码")
        if self.history:
            said.append(f"不与最近 {self.history} 个用过的密码相同")
        if self.age_days:
            said.append(f"每 {self.age_days} 天更换一次")
        return "，".join(said)

    def shortest(self, *, with_code: bool) -> int:
        return self.least_with_code if with_code else self.least


def profile() -> Profile:
    """The rule of this deployment (现行密码规则)."""
    return profiles()[settings.from_env().password_profile]


@lru_cache(maxsize=1)
def profiles() -> dict[str, Profile]:
    """All of the file, by name."""
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))["profile"]
    return {row["name"]: Profile(**{**row, "proposed": tuple(row["proposed"])}) for row in rows}


def hashed(password: str) -> str:
    """argon2id, with its parameters and salt."""
    with _AT_ONCE:
        return str(_CONTEXT.hash(password))


def matches(password: str, known: str | None) -> bool:
    """Whether it is the password; for an unknown user (None) it takes as long and is never so."""
    with _AT_ONCE:
        try:
            right = bool(_CONTEXT.verify(password[:_LONGEST], known or NOBODY))
        except (ValueError, TypeError):
            return False
    return right and known is not None


def check(
    password: str,
    *,
    username: str = "",
    field: str = "password",
    with_code: bool = False,
    known: Sequence[str] = (),
) -> None:
    """Refuse a weak password, saying what is wrong and what is allowed (密码规则). ``with_code``: a 动态口令 is asked for as
    well; ``known``: words a guesser would try first (单位名称 …)."""
    rule = profile()
    wrong = _weakness(rule, password, username, with_code, known)
    if wrong:
        raise Refusal(f"密码{wrong}。{rule.words(with_code=with_code)}，请重新输入。", field=field)


def refuse_used(password: str, former: Sequence[str], *, field: str) -> None:
    """Refuse one of these former passwords (不得重复使用). Blocks for a hash each."""
    if any(matches(password, known) for known in former):
        raise Refusal(
            f"这个密码最近用过，新密码不能与最近 {profile().history} 个用过的密码相同，请换一个。", field=field
        )


def initial() -> str:
    """A random initial password that passes ``check`` (初始密码)."""
    few = max(profile().least, 12) - 6
    found = [secrets.choice(_LETTERS) for _ in range(few)] + [secrets.choice(_CAPITALS) for _ in range(2)]
    found += [secrets.choice(_DIGITS) for _ in range(4)]
    secrets.SystemRandom().shuffle(found)
    return "".join(found)


def _weakness(rule: Profile, password: str, username: str, with_code: bool, known: Sequence[str]) -> str:
    if len(password) < rule.shortest(with_code=with_code):
        return f"只有 {len(password)} 位，太短"
    if len(password) > rule.most:
        return f"超过 {rule.most} 位，太长"
    if rule.kinds and any(ch.isspace() for ch in password):
        return "中有空格"
    if username and username.lower() in password.lower():
        return "中含有用户名"
    if len(kinds := _kinds(password)) < rule.kinds:
        return f"中只有{'和'.join(kinds)}"
    if is_common(password, (username, *known)):
        return "容易被猜到：它是常见密码、键盘上相邻的字符、重复的字符，或由它们稍加变化而来"
    return ""


def _kinds(password: str) -> list[str]:
    """Which of the four kinds of characters stand in it."""
    found = [caption for caption, belongs in KINDS if any(belongs(ch) for ch in password)]
    if any(not any(belongs(ch) for _, belongs in KINDS) for ch in password):
        found.append("符号")
    return found


def is_common(password: str, known: Sequence[str] = ()) -> bool:
    """Whether an informed guesser finds it soon (常见密码)."""
    from zxcvbn import zxcvbn  # its lists of common passwords take a while to load

    judged: dict[str, Any] = zxcvbn(password[:_JUDGED], user_inputs=["lvce", "绿册", *filter(None, known)])
    return float(judged["guesses_log10"]) < profile().guesses
