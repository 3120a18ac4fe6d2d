"""The running log (运行日志): warnings and faults, on the standard error and in files that turn over.

What people typed is no business of it. SQL parameters are never in an error (``db.make_engine``); telephones, e-mails, secrets
and session tokens that come in by some message all the same are struck out here. Who did what is in the audit log.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

FOLDER, NAME = "logs", "lvce.log"
MOST_BYTES, KEPT = 10 * 1024 * 1024, 9  # a file, and how many older ones

_STRUCK = (
    (re.compile(r"DETAIL: .*"), "DETAIL: <略>"),  # PostgreSQL quotes the row there
    (re.compile(r"(?<![\dA-Za-z])1[3-9]\d{9}(?!\d)"), "<手机>"),
    (re.compile(r"(?<!\d)0\d{2,3}[- ]\d{7,8}(?!\d)"), "<电话>"),
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"), "<邮箱>"),
    (re.compile(r"://[^/\s:@]+:[^/\s@]+@"), "://<账户>@"),
    (
        re.compile(
            r"(?i)((?:__host-)?lvce_session|password|passwd|token|secret|cookie|密码|口令)(['\"]?\s*[:=：]\s*)\S+"
        ),
        r"\1\2<略>",
    ),
)


class Discreet(logging.Formatter):
    """One record, its traceback included, without what must not be written down."""

    def format(self, record: logging.LogRecord) -> str:
        return struck(super().format(record))


def struck(text: str) -> str:
    """``text`` without contacts and secrets (脱敏)."""
    for pattern, instead in _STRUCK:
        text = pattern.sub(instead, text)
    return text


def keep(data_dir: Path) -> None:
    """Write warnings and faults of everything into ``logs`` of the data directory too; called once, by who serves."""
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    file = RotatingFileHandler(folder / NAME, maxBytes=MOST_BYTES, backupCount=KEPT, encoding="utf-8")
    if os.name == "posix":
        (folder / NAME).chmod(0o600)
    root = logging.getLogger()
    for handler in (file, logging.StreamHandler(sys.stderr)):
        handler.setLevel(logging.WARNING)
        handler.setFormatter(Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)
