"""The look (界面样式): tokens live in ``assets/static/app.css``; here they reach the page and Quasar."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from fastapi import Request
from nicegui import app, ui

from ui import guard

STATIC = Path(__file__).parents[1] / "assets" / "static"
ICON = STATIC / "icon.svg"
SHEETS = ("app.css", "filings.css", "documents.css")
ACTIVE = "active.js"  # tells that somebody types

# Quasar's names for the same colours; the CSS variables of app.css are what our own rules use.
COLOURS = {
    "primary": "#1e6b52",
    "secondary": "#566267",
    "accent": "#1e6b52",
    "dark": "#1f2a2e",
    "positive": "#1e6b52",
    "negative": "#b3261e",
    "warning": "#8a5a00",
    "info": "#24527a",
}

_COLLAPSED = (
    "try{if(localStorage.getItem('lvce:menu')==='0')document.documentElement.classList.add('lv-narrow')}catch(e){}"
)


def version() -> str:
    """Changes with the style sheets, so that browsers may keep them for a year."""
    return hashlib.sha256(b"".join((STATIC / name).read_bytes() for name in (*SHEETS, ACTIVE))).hexdigest()[:12]


VERSION = version()


def install() -> None:
    """Set Quasar's colours and what its elements look like everywhere (全局默认)."""
    app.colors(**COLOURS)
    ui.button.default_props("unelevated no-caps")
    for element in (ui.input, ui.select, ui.textarea, ui.number):
        element.default_props("outlined dense")
    ui.select.default_props("options-dense")
    ui.checkbox.default_props("dense")
    ui.radio.default_props("dense")
    ui.separator.default_classes("lv-separator")


def apply(request: Request, *, signed_in: bool) -> None:
    """Link the style sheets to this page (每页引用), and what keeps a sign-in alive."""
    said = request.headers.get("X-Forwarded-Prefix", "").rstrip("/")
    base = said if re.fullmatch(r"(/[\w.~-]+)*", said) else ""
    links = "".join(f'<link rel="stylesheet" href="{base}/static/{name}?v={VERSION}">' for name in SHEETS)
    mark = guard.nonce(request.scope)
    if signed_in:
        links += f'<script type="module" nonce="{mark}" src="{base}/static/{ACTIVE}?v={VERSION}"></script>'
    ui.add_head_html(f'{links}<script nonce="{mark}">{_COLLAPSED}</script>')
