"""``python -m tests``: everything that must hold before a change lands (全部检查). Arguments are passed on to pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)
# Files are dealt out in the order of ``conftest``: no process gets a plain test after one with a browser.
SIDE_BY_SIDE = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder")


def main() -> int:
    os.chdir(ROOT)
    # In a process of its own: what Playwright has to complain of when that ends does not come after pytest's summary.
    look = subprocess.run([sys.executable, "-m", "tests.chromium"], check=True, stdout=subprocess.PIPE, text=True)
    os.environ["CHROMIUM_PATH"] = look.stdout.splitlines()[-1]
    for check in CHECKS:
        print("$ " + " ".join(check), flush=True)
        if subprocess.run([sys.executable, "-m", *check], check=False).returncode:
            return 1
    return subprocess.run([sys.executable, "-m", "pytest", *SIDE_BY_SIDE, *sys.argv[1:]], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
