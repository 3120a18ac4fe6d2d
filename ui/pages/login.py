"""登录: a plain HTML form that needs neither script nor socket, and the routes that begin and end a sign-in."""

from __future__ import annotations

import asyncio
from html import escape
from urllib.parse import urlsplit

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from models.enums import Role
from services import demo
from services.accounts import sessions
from services.errors import Refusal, SignedOut
from services.perform import aperform
from services.settings import is_loopback
from ui import act, plain

MOST_TYPED = 200
_CODES = {"throttled": 429}

_CLEAR = """
try { for (const k of Object.keys(sessionStorage)) if (k.startsWith('lvce:sheet:')) sessionStorage.removeItem(k); } catch (e) {}
"""


def routes(app: FastAPI) -> None:
    app.add_api_route("/login", show, methods=["GET"], response_model=None)
    app.add_api_route("/auth/login", sign_in, methods=["POST"], response_model=None)
    app.add_api_route("/auth/demo", switch, methods=["POST"], response_model=None)
    app.add_api_route("/auth/logout", sign_out, methods=["POST"], response_model=None)
    app.add_api_route("/auth/renew", renew, methods=["POST"], response_model=None)


async def show(request: Request) -> Response:
    """The sign-in page; who is signed in goes on to where they wanted."""
    target = _inside(request.query_params.get("next", ""))
    ended = request.query_params.get("ended", "")
    if not ended:
        try:
            await sessions.aresolve(act.house().db, request.cookies.get(act.COOKIE, ""), active=False)
            return RedirectResponse(plain.prefix(request) + target, 303)
        except SignedOut:
            pass
    return await _page(request, target, note="您已退出登录。" if ended else "")


async def sign_in(request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=10)
    username, password = str(form.get("username", ""))[:MOST_TYPED], str(form.get("password", ""))[:MOST_TYPED]
    target = _inside(str(form.get("next", "")))
    before = request.cookies.get(act.COOKIE, "")
    try:
        signed_in = await asyncio.to_thread(
            sessions.sign_in, act.house().db, username, password, _address(request), replaces=before
        )
    except Refusal as refusal:
        status = _CODES.get(refusal.code, 401)
        return await _page(request, target, trouble=refusal.message, username=username, status=status)
    place = "/password" if signed_in.must_change_password else target
    return _with_cookie(request, RedirectResponse(plain.prefix(request) + place, 303), signed_in.token)


async def switch(request: Request) -> Response:
    """角色切换: signs a demo account in at one click. Only in demo mode, only on and from loopback."""
    if not _demo(request):
        raise HTTPException(404)
    form = await request.form(max_files=0, max_fields=10)
    username, target = str(form.get("username", ""))[:MOST_TYPED], _inside(str(form.get("next", "")))
    if username not in {account.username for account in await act.anonymous(demo.accounts)}:
        raise HTTPException(404)
    before = request.cookies.get(act.COOKIE, "")
    try:
        signed_in = await asyncio.to_thread(
            sessions.sign_in, act.house().db, username, demo.PASSWORD, _address(request), replaces=before
        )
    except Refusal as refusal:  # its password was changed, or it was disabled
        return await _page(request, target, trouble=refusal.message, username=username, status=401)
    return _with_cookie(request, RedirectResponse(plain.prefix(request) + target, 303), signed_in.token)


async def sign_out(request: Request) -> Response:
    try:
        actor = await sessions.aresolve(act.house().db, request.cookies.get(act.COOKIE, ""), address=_address(request))
        await aperform(act.house().db, sessions.sign_out, actor)
    except SignedOut:
        pass  # already out
    answer = RedirectResponse(f"{plain.prefix(request)}/login?ended=1", 303)
    answer.delete_cookie(act.COOKIE, path="/")
    return answer


async def renew(request: Request) -> Response:
    """The cookie of a sign-in that was renewed inside an open page; the code works once."""
    token = act.take_renewed((await request.body())[:MOST_TYPED].decode("ascii", "replace"))
    if token is None:
        return PlainTextResponse("登录已失效，请重新登录。", 403)
    return _with_cookie(request, Response(status_code=204), token)


def _with_cookie(request: Request, answer: Response, token: str) -> Response:
    secure = request.url.scheme == "https"
    answer.set_cookie(act.COOKIE, token, httponly=True, samesite="lax", secure=secure, path="/")
    return answer


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _inside(target: str) -> str:
    """Where to go afterwards: a path of ours, nothing else."""
    parts = urlsplit(target)
    ours = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if ours and not target.startswith(("/login", "/auth/")) else "/"


def _demo(request: Request) -> bool:
    settings = act.settings()
    return settings.demo and settings.loopback and is_loopback(_address(request))


async def _switcher(request: Request, target: str) -> str:
    """One card a role, the other people of the role folded beneath."""
    by_role: dict[Role, list[demo.DemoAccount]] = {}
    for account in await act.anonymous(demo.accounts):
        by_role.setdefault(account.role, []).append(account)
    first = "".join(_card(accounts[0], account_role=True) for accounts in by_role.values())
    others = "".join(
        f"<details><summary>{escape(role.caption)}，另有 {len(accounts) - 1} 个</summary>"
        f'<div class="lv-demo-cards">{"".join(_card(a) for a in accounts[1:])}</div></details>'
        for role, accounts in by_role.items()
        if len(accounts) > 1
    )
    return f"""<section class="lv-demo" aria-labelledby="lv-demo-title">
<h2 id="lv-demo-title"><span class="lv-chip lv-tone-warning">演示</span>选择角色直接进入</h2>
<p class="lv-muted">单位、人员和数据均为虚构。所有演示用户的密码都是 {escape(demo.PASSWORD)}。</p>
<form method="post" action="{plain.prefix(request)}/auth/demo" class="lv-door-form">
<input type="hidden" name="next" value="{escape(target)}">
<div class="lv-demo-cards">{first}</div>
{others}
</form>
</section>"""


def _card(account: demo.DemoAccount, *, account_role: bool = False) -> str:
    top, under = (
        (account.role.caption, f"{account.place} · {account.name}") if account_role else (account.place, account.name)
    )
    return (
        f'<button class="lv-demo-card" name="username" value="{escape(account.username)}">'
        f"<b>{escape(top)}</b><span>{escape(under)}</span></button>"
    )


async def _page(
    request: Request, target: str, *, trouble: str = "", note: str = "", username: str = "", status: int = 200
) -> Response:
    base = plain.prefix(request)
    said = f'<p class="lv-door-trouble" role="alert">{escape(trouble)}</p>' if trouble else ""
    said += f'<p class="lv-door-note" role="status">{escape(note)}</p>{plain.script(request, _CLEAR)}' if note else ""
    focus_name, focus_word = ("", " autofocus") if username else (" autofocus", "")
    switcher = await _switcher(request, target) if _demo(request) else ""
    body = f"""<div class="lv-door{" lv-door-demo" if switcher else ""}">
<div class="lv-door-side">
<header class="lv-door-name"><h1>绿册</h1><p class="lv-muted">绿色制造名单动态管理</p></header>
<main class="lv-door-box">
{said}
<form method="post" action="{base}/auth/login" class="lv-door-form">
<input type="hidden" name="next" value="{escape(target)}">
<label for="username">用户名<input id="username" name="username" value="{escape(username)}" maxlength="60" autocomplete="username" required{focus_name}></label>
<label for="password">密码<input id="password" name="password" type="password" maxlength="{MOST_TYPED}" autocomplete="current-password" required{focus_word}></label>
<button class="lv-button" type="submit">登录</button>
</form>
<p class="lv-door-links"><a href="{base}/register">单位注册</a></p>
<p class="lv-field-hint">忘记密码请联系本单位负责人或上级主管部门重置。建议使用最新版 Chrome、Edge 或 360 极速模式。</p>
</main>
</div>
{switcher}
</div>"""
    return plain.document(request, "登录", body, status=status)
