"""Find a Chromium for the browser tests, or install one; ``python -m tests.chromium`` prints its path last."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# libatomic1 is for the Node.js inside Playwright: the barest of Debian's machines lack it.
PACKAGES = ("chromium", "fonts-noto-cjk", "libatomic1")


def find(playwright: Playwright | None = None) -> str | None:
    """The path of a usable browser: ``$CHROMIUM_PATH``, Playwright's own, or one on the PATH."""
    named = os.environ.get("CHROMIUM_PATH", "")
    if named and Path(named).exists():
        return named
    if playwright is None:
        with sync_playwright() as started:
            return find(started)
    own = playwright.chromium.executable_path
    if own and Path(own).exists():
        return own
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def runs() -> bool:
    """Whether Playwright starts here and drives a browser."""
    try:
        with sync_playwright() as playwright:
            path = find(playwright)
            if path is not None:
                playwright.chromium.launch(executable_path=path, args=arguments()).close()
    except Exception as error:  # a driver that lacks a library fails with a bare Exception
        print(f"No browser starts here yet: {error}", file=sys.stderr)
        return False
    return path is not None


def install() -> None:
    """Debian's packages where we may, Playwright's download elsewhere; a Chinese font comes with either."""
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (("update",), ("install", "-y", *PACKAGES)):
            subprocess.run([apt, *step, "-qq"], check=False, env=quiet, stdout=subprocess.DEVNULL)
        if runs():
            return
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


def arguments() -> list[str]:
    """Switches for a quiet, offline browser; no sandbox only where root leaves no choice."""
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    return [*quiet, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else quiet


if __name__ == "__main__":
    if not runs():
        install()
    print(find() or "")
