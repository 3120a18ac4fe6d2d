"""Weak configurations (不安全的配置): what the application refuses to be served with, and what to set instead."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

from sqlalchemy import make_url

from services.accounts import passwords
from services.settings import Settings

MOST_PROXIES = 2**16  # addresses: whoever has one of them may say where a request comes from
LEAST_SECRET = 12  # characters of the database's password, which machines type


def weaknesses(settings: Settings) -> tuple[str, ...]:
    """Every reason not to serve like this, a Chinese sentence each; none: sound."""
    return tuple(_found(settings))


def _found(settings: Settings) -> Iterator[str]:
    if not settings.loopback and not (settings.trusted_proxies and settings.public_url.startswith("https://")):
        yield (
            f"LVCE_HOST 是 {settings.host}，其他电脑可以直接访问，而连接没有加密，密码会被旁人看到。"
            "请在前面架设 HTTPS 反向代理，并设 LVCE_TRUSTED_PROXY（代理的地址）和 LVCE_PUBLIC_URL（https:// 开头的网址）；"
            "只在本机使用的，请设 LVCE_HOST=127.0.0.1。"
        )
    elif settings.public and not settings.trusted_proxies:
        yield (
            f"LVCE_PUBLIC_URL 是 {settings.public_url}，却没有设 LVCE_TRUSTED_PROXY：程序看不出连接是否加密、来自哪里，"
            "登录凭据得不到保护，所有人像是同一台电脑。请把它设为反向代理的地址，代理在本机的是 127.0.0.1。"
        )
    if settings.public and settings.public_url.startswith("http://"):
        yield f"LVCE_PUBLIC_URL 是 {settings.public_url}，连接没有加密。请为反向代理配置证书，并改为 https:// 开头的网址。"
    for place in settings.trusted_proxies:
        if ip_network(place).num_addresses > MOST_PROXIES:
            yield (
                f"LVCE_TRUSTED_PROXY 中的 {place} 范围太大，其中任何一台电脑都可以冒充别人的地址。"
                "请只写反向代理自己的地址，例如 127.0.0.1。"
            )
    if settings.public and settings.demo:
        yield (
            "演示账户的密码是公开的，不能通过 LVCE_PUBLIC_URL 提供给别人。"
            "正式使用请设 LVCE_DEMO=0；只作演示的，请去掉 LVCE_PUBLIC_URL。"
        )
    if settings.public and settings.clock_file:
        yield "LVCE_CLOCK_FILE 会改变系统时间，只能用于演示和测试。正式使用请去掉它。"
    yield from _database(settings)
    yield from _open_to_others(settings)


def _database(settings: Settings) -> Iterator[str]:
    """A password in the address of a database server that strangers would try; a demo has nothing to take."""
    url = make_url(settings.database_url)
    if (
        not settings.demo
        and url.password
        and (len(str(url.password)) < LEAST_SECRET or passwords.is_common(str(url.password), (url.username or "",)))
    ):
        yield (
            f"LVCE_DATABASE_URL 中的数据库密码过于简单。请在数据库中换一个至少 {LEAST_SECRET} 位的随机密码，"
            "再改这个变量。"
        )


def _open_to_others(settings: Settings) -> Iterator[str]:
    """Files with hashes and 动态口令 keys in them are for this program's user alone."""
    if os.name != "posix":
        return
    url = make_url(settings.database_url)
    database = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
    if settings.data_dir.exists() and _mode(settings.data_dir) & 0o077:
        yield (
            f"数据目录 {settings.data_dir} 的权限是 {_mode(settings.data_dir):o}，其他系统用户可以读取。"
            f"请运行 chmod 700 {settings.data_dir}；所在磁盘不支持权限的，请换一处。"
        )
    if (
        database is not None
        and database.exists()
        and settings.data_dir not in database.parents
        and _mode(database) & 0o077
    ):
        yield (
            f"数据库文件 {database} 的权限是 {_mode(database):o}，其他系统用户可以读取其中的密码散列。"
            f"请运行 chmod 600 {database}。"
        )


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
