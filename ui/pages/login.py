"""登录: plain HTML forms that need neither script nor socket (password, 动态口令, 重置码), and the routes behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from html import escape
from typing import ParamSpec, TypeVar
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from models.enums import Role
from services import demo
from services.accounts import credentials, passwords, sessions
from services.accounts.views import SignedIn
from services.errors import Refusal, SignedOut
from services.perform import aperform
from services.settings import is_loopback
from ui import act, again, guard, plain

P = ParamSpec("P")
T = TypeVar("T")

MOST_TYPED = 200
MOST_WAITING = 600  # people at the door at once: at 20 hashes a second half a minute
_CODES = {"throttled": 429, "crowded": 503}
# Of its own: whoever waits for a hash keeps nobody from drawing a PDF or reading a scan.
_DOOR = ThreadPoolExecutor(4, thread_name_prefix="door")
_waiting = 0

ENDED = {
    "signed_out": "您已退出登录。",
    "password_changed": "您的密码已在别处修改，请用新密码登录。",
    "password_reset": "您的密码已用重置码重新设置，请用新密码登录。",
    "disabled": "您的用户已停用，登录已结束。如有疑问，请联系本单位负责人或系统管理员。",
    "role_changed": "您的角色有变动，请重新登录。",
    "code_enrolled": "您已启用动态口令，请重新登录。",
    "code_stopped": "您的动态口令已停用，请重新登录。",
    "ended_elsewhere": "您已在别处退出了这里的登录。",
    "reset": "新密码已设置，请用新密码登录。",
}

_CLEAR = """
try { for (const k of Object.keys(sessionStorage)) if (k.startsWith('lvce:sheet:')) sessionStorage.removeItem(k); } catch (e) {}
"""


def routes(app: FastAPI) -> None:
    app.add_api_route("/login", show, methods=["GET"], response_model=None)
    app.add_api_route("/auth/login", sign_in, methods=["POST"], response_model=None)
    app.add_api_route("/auth/code", second_step, methods=["POST"], response_model=None)
    app.add_api_route("/reset", show_reset, methods=["GET"], response_model=None)
    app.add_api_route("/auth/reset", reset, methods=["POST"], response_model=None)
    app.add_api_route("/auth/demo", switch, methods=["POST"], response_model=None)
    app.add_api_route("/auth/logout", sign_out, methods=["POST"], response_model=None)
    app.add_api_route("/auth/renew", renew, methods=["POST"], response_model=None)
    app.add_api_route("/auth/active", active, methods=["POST"], response_model=None)


# --- at the door ------------------------------------------------------------------------------------------------------


async def show(request: Request) -> Response:
    """The sign-in page; who is signed in goes on to where they wanted."""
    target = _inside(request.query_params.get("next", ""))
    ended = request.query_params.get("ended", "")
    if ended != "signed_out":
        try:
            await sessions.aresolve(act.house().db, guard.cookie(request.scope), active=False)
            return RedirectResponse(plain.prefix(request) + target, 303)
        except SignedOut:
            pass
    note = ENDED.get(ended, "登录已结束，请重新登录。") if ended else ""
    return await _page(request, target, note=note, clear=ended == "signed_out")


async def sign_in(request: Request) -> Response:
    form = await _form(request, "username", "password", "next")
    target = _inside(form["next"])
    return await _enter(request, target, form["username"], form["password"])


async def switch(request: Request) -> Response:
    """角色切换: signs a demo account in at one click. Only in demo mode, only on and from loopback."""
    if not _demo(request):
        raise HTTPException(404)
    form = await _form(request, "username", "next")
    if form["username"] not in {account.username for account in await act.anonymous(demo.accounts)}:
        raise HTTPException(404)
    return await _enter(request, _inside(form["next"]), form["username"], demo.PASSWORD)


async def _enter(request: Request, target: str, username: str, password: str) -> Response:
    """The password is right, or has to be followed by a code, or the page says what is wrong."""
    try:
        signed_in = await _at_the_door(
            sessions.sign_in,
            act.house().db,
            username,
            password,
            _address(request),
            replaces=guard.cookie(request.scope),
            device=guard.cookie(request.scope, guard.DEVICE),
        )
    except sessions.SecondStep as step:
        return _code_page(request, target, step.ticket)
    except Refusal as refusal:
        status = _CODES.get(refusal.code, 401)
        return await _page(request, target, trouble=refusal.message, username=username, status=status)
    return _welcome(request, target, signed_in)


async def second_step(request: Request) -> Response:
    """动态口令 after the password."""
    form = await _form(request, "ticket", "code", "next")
    target = _inside(form["next"])
    try:
        signed_in = await _at_the_door(sessions.second_step, act.house().db, form["ticket"], form["code"])
    except Refusal as refusal:
        if refusal.code in ("wrong", "throttled"):
            status = _CODES.get(refusal.code, 401)
            return _code_page(request, target, form["ticket"], trouble=refusal.message, status=status)
        return await _page(request, target, trouble=refusal.message, status=_CODES.get(refusal.code, 401))
    return _welcome(request, target, signed_in)


async def show_reset(request: Request) -> Response:
    return _reset_page(request)


async def reset(request: Request) -> Response:
    """使用重置码."""
    form = await _form(request, "username", "code", "new", "repeated")
    try:
        await _at_the_door(
            credentials.reset,
            act.house().db,
            form["username"],
            form["code"],
            form["new"],
            form["repeated"],
            _address(request),
            guard.cookie(request.scope, guard.DEVICE),
        )
    except Refusal as refusal:
        status = _CODES.get(refusal.code, 401)
        kept = {"username": form["username"], "code": form["code"]}
        return _reset_page(request, trouble=refusal.message, wrong=refusal.field, status=status, **kept)
    return RedirectResponse(f"{plain.prefix(request)}/login?ended=reset", 303)


async def _at_the_door(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What hashes, off the event loop; so many at once and no more (排队)."""
    global _waiting
    if _waiting >= MOST_WAITING:
        raise Refusal("现在登录的人很多，请一分钟后再试。", code="crowded")
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_DOOR, lambda: work(*args, **kwargs))
    finally:
        _waiting -= 1


# --- signed in --------------------------------------------------------------------------------------------------------


async def sign_out(request: Request) -> Response:
    try:
        actor = await sessions.aresolve(act.house().db, guard.cookie(request.scope), address=_address(request))
        await aperform(act.house().db, sessions.sign_out, actor)
    except SignedOut:
        pass  # already out
    answer = RedirectResponse(f"{plain.prefix(request)}/login?ended=signed_out", 303)
    name, secure = guard.cookie_name(request.scope, guard.SESSION), guard.secure(request.scope)
    answer.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")
    return answer


async def renew(request: Request) -> Response:
    """The cookies of a sign-in that was renewed inside an open page; the code works once."""
    signed_in = again.take((await request.body())[:MOST_TYPED].decode("ascii", "replace"))
    if signed_in is None:
        return PlainTextResponse("登录已失效，请重新登录。", 403)
    return _with_cookies(request, Response(status_code=204), signed_in)


async def active(request: Request) -> Response:
    """Somebody types in one of our pages (有操作): that keeps the sign-in alive, also before anything is sent."""
    with suppress(SignedOut):  # the page itself will say so
        await sessions.aresolve(act.house().db, guard.cookie(request.scope), address=_address(request))
    return Response(status_code=204)


def _welcome(request: Request, target: str, signed_in: SignedIn) -> Response:
    place = "/password" if signed_in.must_change_password else target
    return _with_cookies(request, RedirectResponse(plain.prefix(request) + place, 303), signed_in)


def _with_cookies(request: Request, answer: Response, signed_in: SignedIn) -> Response:
    lasting = int(sessions.DEVICE_KEPT.total_seconds())
    for name, value, age in ((guard.SESSION, signed_in.token, None), (guard.DEVICE, signed_in.device, lasting)):
        answer.set_cookie(
            guard.cookie_name(request.scope, name),
            value,
            max_age=age,
            httponly=True,
            samesite="lax",
            secure=guard.secure(request.scope),
            path="/",
        )
    return answer


async def _form(request: Request, *names: str) -> dict[str, str]:
    """These fields as they were typed, none longer than anybody types."""
    form = await request.form(max_files=0, max_fields=10)
    return {name: str(form.get(name, ""))[:MOST_TYPED] for name in names}


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _inside(target: str) -> str:
    """Where to go afterwards: a path of ours, nothing else."""
    parts = urlsplit(target)
    ours = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if ours and not target.startswith(("/login", "/auth/", "/reset")) else "/"


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
    request: Request,
    target: str,
    *,
    trouble: str = "",
    note: str = "",
    username: str = "",
    status: int = 200,
    clear: bool = False,
) -> Response:
    base = plain.prefix(request)
    focus_name, focus_word = ("", " autofocus") if username else (" autofocus", "")
    switcher = await _switcher(request, target) if _demo(request) else ""
    box = f"""{_said(trouble, note)}{plain.script(request, _CLEAR) if clear else ""}
<form method="post" action="{base}/auth/login" class="lv-door-form">
<input type="hidden" name="next" value="{escape(target)}">
<label for="username">用户名<input id="username" name="username" value="{escape(username)}" maxlength="60" autocomplete="username" required{focus_name}></label>
<label for="password">密码<input id="password" name="password" type="password" maxlength="{MOST_TYPED}" autocomplete="current-password" required{focus_word}></label>
<button class="lv-button" type="submit">登录</button>
</form>
<p class="lv-door-links"><a href="{base}/register">单位注册</a><a href="{base}/reset">使用重置码</a></p>
<p class="lv-field-hint">忘记密码请向本单位负责人或上级主管部门索取重置码。建议使用最新版 Chrome、Edge 或 360 极速模式。</p>"""
    return plain.document(request, "登录", _door(box, switcher), status=status)


def _code_page(request: Request, target: str, ticket: str, *, trouble: str = "", status: int = 200) -> Response:
    base = plain.prefix(request)
    box = f"""<h2 class="lv-door-title">动态口令</h2>
{_said(trouble)}
<form method="post" action="{base}/auth/code" class="lv-door-form">
<input type="hidden" name="next" value="{escape(target)}">
<input type="hidden" name="ticket" value="{escape(ticket)}">
<label for="code">动态口令<input id="code" name="code" maxlength="20" autocomplete="one-time-code" autocapitalize="characters" spellcheck="false" required autofocus></label>
<p class="lv-field-hint">请输入手机验证器上现在显示的 6 位数字。手机不在身边时，可以输入一个没有用过的恢复码。</p>
<button class="lv-button" type="submit">登录</button>
</form>
<p class="lv-door-links"><a href="{base}/login?next={quote(target)}">返回，重新输入密码</a></p>"""
    return plain.document(request, "动态口令", _door(box), status=status)


def _reset_page(
    request: Request, *, username: str = "", code: str = "", trouble: str = "", wrong: str = "", status: int = 200
) -> Response:
    base = plain.prefix(request)
    focus = dict.fromkeys(("username", "code", "new", "repeated"), "")
    focus[wrong if wrong in focus else "username"] = " autofocus"
    rule = (
        f'<p class="lv-field-hint">{escape(passwords.profile().words())}。</p>' if wrong != "new" else ""
    )  # said above
    box = f"""<h2 class="lv-door-title">使用重置码</h2>
{_said(trouble)}
<form method="post" action="{base}/auth/reset" class="lv-door-form">
<label for="username">用户名<input id="username" name="username" value="{escape(username)}" maxlength="60" autocomplete="username" required{focus["username"]}></label>
<label for="code">重置码<input id="code" name="code" value="{escape(code)}" maxlength="40" autocomplete="off" autocapitalize="characters" spellcheck="false" required{focus["code"]}></label>
<label for="new">新密码<input id="new" name="new" type="password" maxlength="{MOST_TYPED}" autocomplete="new-password" required{focus["new"]}></label>
{rule}
<label for="repeated">再次输入新密码<input id="repeated" name="repeated" type="password" maxlength="{MOST_TYPED}" autocomplete="new-password" required{focus["repeated"]}></label>
<button class="lv-button" type="submit">设置新密码</button>
</form>
<p class="lv-door-links"><a href="{base}/login">返回登录</a></p>
<p class="lv-field-hint">重置码由本单位负责人、上级主管部门或系统管理员生成，24 小时内有效，只能用一次。设置后，其他电脑和页面上的登录会自动退出。</p>"""
    return plain.document(request, "使用重置码", _door(box), status=status)


def _said(trouble: str, note: str = "") -> str:
    said = f'<p class="lv-door-trouble" role="alert">{escape(trouble)}</p>' if trouble else ""
    return said + (f'<p class="lv-door-note" role="status">{escape(note)}</p>' if note else "")


def _door(box: str, beside: str = "") -> str:
    """The frame of all of them (门面)."""
    return f"""<div class="lv-door{" lv-door-demo" if beside else ""}">
<div class="lv-door-side">
<header class="lv-door-name"><h1>绿册</h1><p class="lv-muted">绿色制造名单动态管理</p></header>
<main class="lv-door-box">
{box}
</main>
</div>
{beside}
</div>"""
