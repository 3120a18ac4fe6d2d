"""Settings of a deployment (部署设置), read once from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from models.enums import Role, Tier

PASSWORD_PROFILES = ("mlps2", "nist")


class SettingsError(ValueError):
    """配置有误: a Chinese sentence naming the variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    host: str
    port: int
    data_dir: Path
    database_url: str
    demo: bool
    top_tier: Tier
    clock_file: Path | None
    public_url: str = ""  # 对外地址: what people type, when a proxy stands in front, e.g. https://lvce.example.gov.cn
    allowed_hosts: tuple[str, ...] = ()  # names in the Host header besides this machine's own and IP addresses
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks whose X-Forwarded-* headers are believed
    password_profile: str = "mlps2"  # 密码规则, a name in assets/policy/passwords.toml
    code_roles: frozenset[Role] = frozenset()  # 必须使用动态口令的角色
    backup_dir: Path | None = None  # 备份目录, best on another disk

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def public(self) -> bool:
        """Whether people on other machines come here, directly or through a proxy."""
        return not self.loopback or not is_loopback(urlsplit(self.public_url).hostname or "localhost")

    @property
    def files_dir(self) -> Path:
        return self.data_dir / "files"

    @property
    def backups_dir(self) -> Path:
        return self.backup_dir or self.data_dir / "backups"


def from_env(env: Mapping[str, str] = os.environ) -> Settings:
    """Read ``LVCE_*``; raises :class:`SettingsError` with the variable's name and what is allowed."""
    host = env.get("LVCE_HOST", "127.0.0.1").strip() or "127.0.0.1"
    data_dir = Path(env.get("LVCE_DATA_DIR", "data")).expanduser().resolve()
    database_url = env.get("LVCE_DATABASE_URL", "").strip() or f"sqlite:///{data_dir / 'lvce.sqlite3'}"
    if database_url.startswith(("postgres://", "postgresql://")):
        database_url = "postgresql+psycopg://" + database_url.split("://", 1)[1]
    empty = not data_dir.exists() or not any(data_dir.iterdir())
    demo = env.get("LVCE_DEMO", "").strip()
    if demo not in ("", "0", "1"):
        raise SettingsError(f"LVCE_DEMO 只能是 0 或 1，现在是“{demo}”。")
    clock_file = env.get("LVCE_CLOCK_FILE", "").strip()
    public_url = _public_url(env.get("LVCE_PUBLIC_URL", ""))
    backup_dir = env.get("LVCE_BACKUP_DIR", "").strip()
    return Settings(
        host=host,
        port=_port(env.get("LVCE_PORT", "8080")),
        data_dir=data_dir,
        database_url=database_url,
        demo=demo == "1" if demo else is_loopback(host) and not public_url and (empty or (data_dir / "demo").exists()),
        top_tier=_tier(env.get("LVCE_TOP_TIER", Tier.MINISTRY.value)),
        clock_file=Path(clock_file) if clock_file and is_loopback(host) else None,
        public_url=public_url,
        allowed_hosts=tuple(_host_name(name) for name in _listed(env.get("LVCE_ALLOWED_HOSTS", ""))),
        trusted_proxies=tuple(_network(place) for place in _listed(env.get("LVCE_TRUSTED_PROXY", ""))),
        password_profile=_profile(env.get("LVCE_PASSWORD_PROFILE", "mlps2")),
        code_roles=frozenset(_role(word) for word in _listed(env.get("LVCE_CODE_ROLES", ""))),
        backup_dir=Path(backup_dir).expanduser().resolve() if backup_dir else None,
    )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise SettingsError(f"LVCE_PORT 应是 1 到 65535 之间的整数，现在是“{text}”。")


def _tier(text: str) -> Tier:
    allowed = (Tier.MINISTRY, Tier.PROVINCE, Tier.CITY)
    for tier in allowed:
        if text.strip().lower() == tier.value:
            return tier
    raise SettingsError(f"LVCE_TOP_TIER 只能是 {'、'.join(t.value for t in allowed)}，现在是“{text}”。")


def _profile(text: str) -> str:
    if text.strip().lower() in PASSWORD_PROFILES:
        return text.strip().lower()
    raise SettingsError(f"LVCE_PASSWORD_PROFILE 只能是 {'、'.join(PASSWORD_PROFILES)}，现在是“{text}”。")


def _role(text: str) -> Role:
    try:
        return Role(text.lower())
    except ValueError:
        known = "、".join(f"{role.value}（{role.caption}）" for role in Role)
        raise SettingsError(f"LVCE_CODE_ROLES 应是用逗号隔开的角色，可用 {known}，现在含有“{text}”。") from None


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.replace("，", ",").split(",") if part.strip()]


def _public_url(text: str) -> str:
    url = text.strip().rstrip("/")
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        sound = sound and "@" not in parts.netloc and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound:
        raise SettingsError(f"LVCE_PUBLIC_URL 应是完整的网址，例如 https://lvce.example.gov.cn，现在是“{text}”。")
    return url


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?", text):
        raise SettingsError(
            f"LVCE_ALLOWED_HOSTS 应是用逗号隔开的域名（不带 http:// 和端口），例如 lvce.example.gov.cn，现在含有“{text}”。"
        )
    return text.lower()


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise SettingsError(
            f"LVCE_TRUSTED_PROXY 应是用逗号隔开的 IP 地址或网段，例如 127.0.0.1 或 10.0.0.0/24，现在含有“{text}”。"
        ) from None
