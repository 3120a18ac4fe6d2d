"""Run a module as ``-m`` would, and write into the file named by ``LVCE_TEST_PEAKS`` the most memory it took, in KB."""

from __future__ import annotations

import os
import re
import runpy
import sys
from pathlib import Path


def _most() -> str:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return found[1] if found else "0"


if __name__ == "__main__":
    try:
        module, *sys.argv[1:] = sys.argv[1:]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        Path(os.environ["LVCE_TEST_PEAKS"]).write_text(_most(), encoding="ascii")
