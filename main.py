"""绿册: serves the application, or runs one command (see README, C1–C3). Everything it needs is in ``LVCE_*``."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import socket
import sqlite3
import sys
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from services import app as lvce
from services import backup, demo, doctor, logs, schema, settings
from services.accounts import audit_view
from services.errors import Refusal, cause_of
from services.settings import Settings


def serve(chosen: Settings) -> int:
    """启动: the address and how to sign in are printed; Ctrl+C ends it."""
    _need_port(chosen)
    os.umask(0o077)  # what is written is for this user alone
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(chosen.data_dir / "nicegui"))
    house = lvce.open_house(chosen, tell=lambda words: print(words, flush=True))
    if "NICEGUI_USER_SIMULATION" not in os.environ:  # a test's log is pytest's
        logs.keep(chosen.data_dir)
    from nicegui import app, ui

    from ui import app as pages

    pages.create(house.db, house.settings)
    app.on_shutdown(house.close)
    host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    print(f"绿册已启动：http://{host}:{chosen.port}", *house.notes, sep="\n", flush=True)
    ui.run(**pages.run_options(house.settings))
    return 0


def _need_port(chosen: Settings) -> None:
    """Say that a port is taken before anything is written."""
    if "NICEGUI_USER_SIMULATION" in os.environ:
        return
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((chosen.host, chosen.port))
    except OSError as error:
        raise lvce.CannotStart(
            f"不能使用 {chosen.host} 的端口 {chosen.port}（{cause_of(error)}）。"
            "请停止占用它的程序，或用 LVCE_PORT 换一个端口；地址由 LVCE_HOST 指定。"
        ) from error


def seed_demo(chosen: Settings, arguments: argparse.Namespace) -> int:
    """写入演示数据."""
    canaries: tuple[str, ...] = ()
    if arguments.canary:
        lines = Path(arguments.canary).read_text(encoding="utf-8").splitlines()
        canaries = tuple(line.strip() for line in lines if line.strip())
    house = lvce.open_house(chosen, serving=False)
    try:
        lvce.seed_demo(chosen, house.db, arguments.seed, canaries)
        listed = house.db.read(demo.account_list, canaries)
    finally:
        house.close()
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(listed, ensure_ascii=False, indent=1), encoding="utf-8")
    print(f"演示数据已写入 {chosen.data_dir}，共 {len(listed)} 个演示账户。", *demo.how_to_sign_in(), sep="\n")
    return 0


def create_admin(chosen: Settings, arguments: argparse.Namespace) -> int:
    """新增系统管理员: the password from LVCE_ADMIN_PASSWORD or typed twice."""
    password = os.environ.get("LVCE_ADMIN_PASSWORD", "")
    if not password:
        password = getpass.getpass("请输入系统管理员的密码：")
        if getpass.getpass("请再输入一次：") != password:
            print("两次输入的密码不一致，没有新增。请重新运行。", file=sys.stderr)
            return 1
    house = lvce.open_house(chosen, serving=False)
    try:
        lvce.create_admin(house.db, arguments.username, password)
    finally:
        house.close()
    print(f"已新增系统管理员 {arguments.username}。")
    return 0


def back_up(chosen: Settings, arguments: argparse.Namespace) -> int:
    """备份."""
    done = backup.back_up(chosen, Path(arguments.directory))
    print(f"已备份到 {done.place}：{done.rows} 行数据，{done.files} 个附件，校验值 {done.rows_digest[:16]}。")
    return 0


def restore(chosen: Settings, arguments: argparse.Namespace) -> int:
    """恢复."""
    done = backup.restore(chosen, Path(arguments.directory))
    print(
        f"已恢复到 {done.place}：{done.rows} 行数据，{done.files} 个附件，与备份的校验值一致（{done.rows_digest[:16]}）。"
    )
    return 0


def verify_audit(chosen: Settings, _: argparse.Namespace) -> int:
    """核对审计日志."""
    house = lvce.open_house(chosen, serving=False)
    try:
        sound, words = house.db.read(audit_view.verdict)
    finally:
        house.close()
    print(words)
    return 0 if sound else 1


def examine(chosen: Settings, arguments: argparse.Namespace) -> int:
    """体检; how far a thorough one is goes to the standard error."""
    tell = (lambda words: print(words, file=sys.stderr, flush=True)) if arguments.thorough else None
    house = lvce.open_house(chosen, serving=False)
    try:
        checks = doctor.examine(house.db, chosen, tell)
    finally:
        house.close()
    for check in checks:
        print(f"[{check.verdict}] {check.name}：{check.words}")
    return 0 if all(check.well for check in checks) else 1


def commands() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="main.py", description="绿册：绿色制造名单动态管理。不带命令时启动网站。")
    known = parser.add_subparsers(dest="command", metavar="命令")

    def command(name: str, words: str, run: object) -> argparse.ArgumentParser:
        found = known.add_parser(name, help=words, description=words)
        found.set_defaults(run=run)
        return found

    seed = command("seed-demo", "向空的数据目录写入演示数据", seed_demo)
    seed.add_argument("--seed", type=int, default=demo.SEED, help="随机种子，相同则数据相同")
    seed.add_argument("--out", default="", help="把演示账户写入这个 JSON 文件")
    seed.add_argument("--canary", default="", help="文本文件，每行一个标记，依次写入各单位的文字和附件")
    admin = command("create-admin", "新增系统管理员（密码取自 LVCE_ADMIN_PASSWORD 或键盘输入）", create_admin)
    admin.add_argument("--username", default=lvce.FIRST_ADMIN, help="用户名")
    command("backup", "备份数据和附件", back_up).add_argument("directory", help="备份到这个新目录")
    command("restore", "把备份恢复到空的数据目录", restore).add_argument("directory", help="备份所在目录")
    command("verify-audit", "核对审计日志", verify_audit)
    look = command("doctor", "检查运行环境和数据", examine)
    look.add_argument("--thorough", action="store_true", help="逐个读出附件，与登记的 SHA-256 核对；附件多时需要几分钟")
    return parser


def main(argv: list[str]) -> int:
    """One command, or the server; 0 if all is well. What goes wrong is said in Chinese on the standard error."""
    arguments = commands().parse_args(argv)
    try:
        chosen = settings.from_env()
        return serve(chosen) if arguments.command is None else arguments.run(chosen, arguments)
    except (Refusal, settings.SettingsError, lvce.CannotStart, backup.BackupError, schema.TooNew) as error:
        print(str(error), file=sys.stderr)
    except OSError as error:
        print(f"不能读写 {error.filename or '文件'}：{cause_of(error)}。请检查路径、权限和磁盘空间。", file=sys.stderr)
    except (DBAPIError, sqlite3.DatabaseError):
        print(_no_database(settings.from_env()), file=sys.stderr)
    except KeyboardInterrupt:
        print("已取消。", file=sys.stderr)
    return 1


def _no_database(chosen: Settings) -> str:
    """What to do when the database does not answer, or not with what it was given (数据库损坏)."""
    if chosen.database_url.startswith("sqlite"):
        return backup.DAMAGED
    return (
        "LVCE_DATABASE_URL 指向的数据库连接不上，或者不接受操作。"
        "请检查数据库服务是否运行，地址、用户和密码是否正确；数据表不完整的，请用最近的备份恢复。"
    )


if __name__ == "__main__":
    # NiceGUI's test fixtures run this file too; the arguments are pytest's then.
    code = main([] if "NICEGUI_USER_SIMULATION" in os.environ else sys.argv[1:])
    if code:
        sys.exit(code)
