"""Run a module as ``-m`` would, and write into the file named by ``LVCE_TEST_PEAKS`` the most memory it took, in KB.

``python -m tests.peak MODULE answer``: its ``answer`` to standard input, in this process instead of a copy of a waiting child.
"""

from __future__ import annotations

import importlib
import os
import re
import runpy
import sys
from pathlib import Path

from services.documents import child


def _most() -> str:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return found[1] if found else "0"


if __name__ == "__main__":
    try:
        module, *sys.argv[1:] = sys.argv[1:]
        if sys.argv[1:] == ["answer"]:
            asked = importlib.import_module(module)
            child.limit(asked.MEMORY, asked.CPU_SECONDS)
            sys.stdout.buffer.write(asked.answer(sys.stdin.buffer.read()))
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        Path(os.environ["LVCE_TEST_PEAKS"]).write_text(_most(), encoding="ascii")
