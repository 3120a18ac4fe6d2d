"""Pages without a websocket (静态页面): sign-in, refusals and faults. They work when everything else does not."""

from __future__ import annotations

import re
from html import escape

from fastapi import Request
from fastapi.responses import HTMLResponse

from ui import guard, theme

_PREFIX = re.compile(r"(/[\w.~-]+)*")

_BACK = """
document.getElementById("back").addEventListener("click", e => { e.preventDefault(); history.back(); });
"""

TITLES = {
    403: "这个页面不对您开放",
    404: "没有找到这个页面",
    409: "现在不能打开",
    413: "内容太大",
    429: "打开的页面太多",
    500: "系统遇到了问题",
    503: "现在比较忙",
}


def prefix(request: Request) -> str:
    """The path under which a proxy serves us (子路径), "" if none; anything that is not a plain path counts as none."""
    said = request.headers.get("X-Forwarded-Prefix", "").rstrip("/")
    return said if _PREFIX.fullmatch(said) else ""


def document(request: Request, title: str, body: str, *, status: int = 200, kind: str = "") -> HTMLResponse:
    """A whole page; ``body`` is HTML of ours, in which everything from outside has been escaped."""
    base = prefix(request)
    return HTMLResponse(
        f"""<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · 绿册</title>
<link rel="icon" href="{base}/static/icon.svg?v={theme.VERSION}" type="image/svg+xml">
<link rel="stylesheet" href="{base}/static/app.css?v={theme.VERSION}">
</head>
<body class="lv-plain {escape(kind)}">
{body}
</body>
</html>""",
        status_code=status,
        headers={"Cache-Control": "no-store"},
    )


def script(request: Request, code: str) -> str:
    """A script of ours, marked so that the browser runs it (脚本); nothing from outside may be in it."""
    return f'<script nonce="{guard.nonce(request.scope)}">{code}</script>'


def refused(request: Request, status: int, message: str) -> HTMLResponse:
    """A page that cannot be shown, and what to do (拒绝页)."""
    return _message(request, status, message)


def broken(request: Request, number: str) -> HTMLResponse:
    """An unexpected fault under its number (故障页)."""
    return _message(
        request,
        500,
        f"这不是您的操作造成的，问题编号 {number}。已保存的内容不受影响。请返回后重试；如再次出现，请把编号告诉系统管理员。",
    )


def _message(request: Request, status: int, message: str) -> HTMLResponse:
    base, title = prefix(request), TITLES.get(status, "无法完成")
    body = f"""<main class="lv-message">
<p class="lv-message-code">{status}</p>
<h1>{escape(title)}</h1>
<p>{escape(message)}</p>
<p class="lv-message-actions"><a class="lv-button" href="{base}/">回到待办</a>
<a href="{base}/" id="back">返回上一页</a></p>
</main>{script(request, _BACK)}"""
    return document(request, title, body, status=status)
