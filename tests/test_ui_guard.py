"""Nobody gets a page, a route or an event without a valid sign-in (门卫)."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest
from nicegui import Client, core, ui
from sqlmodel import Session
from starlette.routing import Route

from models import User
from services import clock
from services.accounts import credentials, passwords, users
from services.db import Database
from tests.conftest import World
from tests.ui_kit import PASSWORD, Visitor, served, until, visitor
from ui import act
from ui.pages import login

OPEN_TO_ALL = {
    "/login",
    "/reset",
    "/auth/active",
    "/auth/code",
    "/auth/login",
    "/auth/logout",
    "/auth/reset",
    "/auth/renew",
    "/auth/demo",
    "/healthz",
    "/static/{path:path}",
    "/reference/industries.json",
    "/favicon.ico",
}


@pytest.fixture
async def guest(sqlite_db: Database, sqlite_world: World, tmp_path: Path) -> AsyncIterator[Visitor]:
    async with served(sqlite_db, tmp_path), visitor() as found:
        yield found


def example(path: str) -> str:
    for name, value in (("{form}", "green_factory"), ("{filing_id}", "1"), ("{version_id}", "1")):
        path = path.replace(name, value)
    return "/".join("1" if part.startswith("{") else part for part in path.split("/"))


async def test_a_page_leads_strangers_to_the_sign_in_page_and_remembers_where_they_wanted_to_go(guest: Visitor) -> None:
    for spec in act.PAGES.values():
        if not spec.public:
            answer = await guest.http_client.get(example(spec.path))
            assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/login"), spec.path
            assert "next=" in answer.headers["location"]


async def test_every_route_is_a_guarded_page_a_guarded_route_or_meant_for_everybody(guest: Visitor) -> None:
    known = set(act.PAGES) | act.GUARDED_ROUTES | OPEN_TO_ALL
    routes = {r.path for r in core.app.routes if isinstance(r, Route) and not r.path.startswith("/_nicegui")}
    assert routes - known == set()
    assert set(Client.page_routes.values()) == set(act.PAGES)
    assert {spec.path for spec in act.PAGES.values() if spec.public} == {"/register"}


async def test_a_download_leads_strangers_to_the_sign_in_page(guest: Visitor) -> None:
    for path in act.GUARDED_ROUTES:
        answer = await guest.http_client.get(example(path))
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/login"), path


async def test_an_answer_that_is_no_page_keeps_nothing_in_memory(guest: Visitor) -> None:
    for path in ("/", "/help", "/nowhere", "/login"):
        await guest.http_client.get(path)
    await guest.sign_in("filer")
    kept = dict(act.house().tabs)
    assert (await guest.http_client.get("/audit")).status_code == 403
    assert act.house().tabs == kept
    assert {tab.client.id for tab in kept.values()} == set(Client.instances)


async def test_a_stranger_cannot_fill_the_memory_with_pages(guest: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(act, "MOST_STRANGERS", 3)
    answers = [await guest.http_client.get("/register") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert act.CROWDED in answers[-1].text
    assert len(act.house().tabs) == 3
    assert (await guest.http_client.get("/login")).status_code == 200
    await guest.sign_in("filer")
    assert (await guest.http_client.get("/help")).status_code == 200


async def test_of_one_sign_in_the_oldest_page_that_nobody_has_come_for_gives_way(
    guest: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await guest.sign_in("filer")
    opened = dict(act.house().tabs)
    monkeypatch.setattr(act, "MOST_PAGES", len(opened) + 2)
    for tab in opened.values():
        tab.awaited = False  # the user is there
    for _ in range(5):
        assert (await guest.http_client.get("/help")).status_code == 200
    assert len(act.house().tabs) == act.MOST_PAGES
    assert set(opened) <= set(act.house().tabs)
    for tab in act.house().tabs.values():
        tab.awaited = False
    assert (await guest.http_client.get("/help")).status_code == 429


async def test_a_wrong_role_reads_why_the_page_is_not_for_it(guest: Visitor) -> None:
    await guest.sign_in("filer")
    answer = await guest.http_client.get("/audit")
    assert answer.status_code == 403
    assert "“审计日志”不对填报人开放" in answer.text


async def test_an_address_that_does_not_exist_answers_in_chinese(guest: Visitor) -> None:
    answer = await guest.http_client.get("/nowhere")
    assert answer.status_code == 404
    assert "没有找到这个页面" in answer.text
    assert "doesn't exist" not in answer.text


async def test_a_page_argument_of_the_wrong_type_is_a_page_that_does_not_exist(guest: Visitor) -> None:
    await guest.sign_in("admin")
    answer = await guest.http_client.get("/organisations/abc")
    assert answer.status_code == 404
    assert "没有找到" in answer.text


async def test_every_answer_carries_the_headers(guest: Visitor) -> None:
    for path in ("/login", "/healthz", "/nowhere", "/static/app.css"):
        headers = (await guest.http_client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "same-origin"
    assert (await guest.http_client.get("/login")).headers["cache-control"] == "no-store"
    assert "max-age=31536000" in (await guest.http_client.get("/static/app.css")).headers["cache-control"]


async def test_health_is_told_without_a_page(guest: Visitor) -> None:
    answer = await guest.http_client.get("/healthz")
    assert answer.json() == {"status": "ok"}
    assert Client.instances == {}


# --- signing in -----------------------------------------------------------------------------------------------------


async def test_a_wrong_password_keeps_the_user_name_and_says_what_to_do(guest: Visitor) -> None:
    answer = await guest.http_client.post("/auth/login", data={"username": "filer", "password": "no"})
    assert answer.status_code == 401
    assert "用户名或密码不正确" in answer.text
    assert 'value="filer"' in answer.text
    assert "set-cookie" not in answer.headers


async def test_signing_in_sets_a_cookie_no_script_can_read_and_goes_on(guest: Visitor) -> None:
    answer = await guest.http_client.post(
        "/auth/login", data={"username": "filer", "password": PASSWORD, "next": "/profile?a=1"}
    )
    assert answer.headers["location"] == "/profile?a=1"
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("lvce_session=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/login", "javascript:x"]
)
async def test_signing_in_never_leads_to_another_site(guest: Visitor, target: str) -> None:
    answer = await guest.http_client.post(
        "/auth/login", data={"username": "filer", "password": PASSWORD, "next": target}
    )
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize("path", ["/auth/login", "/auth/logout", "/auth/renew"])
async def test_a_form_of_another_site_is_refused(guest: Visitor, path: str, headers: dict[str, str]) -> None:
    answer = await guest.http_client.post(path, data={"username": "filer", "password": PASSWORD}, headers=headers)
    assert answer.status_code == 403


async def test_what_was_typed_is_shown_as_text(guest: Visitor) -> None:
    answer = await guest.http_client.post("/auth/login", data={"username": '"><script>x', "password": "no"})
    assert "<script>x" not in answer.text


async def test_signing_out_ends_the_sign_in_on_the_server(guest: Visitor) -> None:
    await guest.sign_in("filer")
    token = guest.http_client.cookies["lvce_session"]
    answer = await guest.http_client.post("/auth/logout")
    assert answer.headers["location"] == "/login?ended=signed_out"
    guest.http_client.cookies.set("lvce_session", token)
    assert (await guest.http_client.get("/")).status_code == 303


async def test_signing_in_again_ends_the_sign_in_the_browser_had(guest: Visitor) -> None:
    await guest.sign_in("filer")
    before = guest.http_client.cookies["lvce_session"]
    await guest.sign_in("filer")
    guest.http_client.cookies.clear()
    guest.http_client.cookies.set("lvce_session", before)
    assert (await guest.http_client.get("/")).status_code == 303


async def test_an_initial_password_must_be_changed_before_anything_else(
    guest: Visitor, sqlite_db: Database, sqlite_world: World
) -> None:
    def must_change(s: Session) -> None:
        user = s.get_one(User, sqlite_world.filer.user_id)
        user.must_change_password = True
        s.add(user)

    sqlite_db.write(must_change)
    await guest.sign_in("filer")
    for path in ("/", "/profile", "/download/energy-limit-standards"):
        assert (await guest.http_client.get(path)).headers["location"] == "/password"
    await guest.open("/password")
    await guest.should_see("您正在使用初始密码")


async def test_passwords_are_hashed_off_the_event_loop_whichever_way_they_come(
    guest: Visitor, sqlite_db: Database, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, threads = threading.get_ident(), []

    def noted(real: Callable[..., Any]) -> Callable[..., Any]:
        def work(*args: Any) -> Any:
            threads.append((real.__name__, threading.get_ident() == loop))
            return real(*args)

        return work

    monkeypatch.setattr(passwords, "matches", noted(passwords.matches))
    monkeypatch.setattr(passwords, "hashed", noted(passwords.hashed))
    await guest.http_client.post("/auth/login", data={"username": "nobody-here", "password": "no"})
    await guest.sign_in("filer")
    await guest.open("/password")
    fields = {str(field.props["label"]): field for field in guest.find(kind=ui.input).elements}
    for label, text in (("原密码 *", PASSWORD), ("新密码 *", "Yuexiu-2025-gz"), ("再次输入新密码 *", "Yuexiu-2025-gz")):
        fields[label].set_value(text)
    guest.button("修改密码").click()
    await guest.should_see("密码已修改。")
    made = await sqlite_db.awrite(credentials.issue_reset, sqlite_world.signer, sqlite_world.filer.user_id)
    form = {"username": "filer", "code": made.code, "new": "Haizhu-2025-gz", "repeated": "Haizhu-2025-gz"}
    assert (await guest.http_client.post("/auth/reset", data=form)).status_code == 303
    assert {name for name, _ in threads} == {"matches", "hashed"}
    assert len(threads) >= 7
    assert not any(on_loop for _, on_loop in threads)


async def test_a_crowd_at_the_door_is_told_so_and_keeps_nobody_inside_waiting(
    guest: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for a hash is bounded; who is signed in reads, and has papers drawn, meanwhile."""
    await guest.sign_in("filer")
    released, begun = threading.Event(), threading.Event()
    right = passwords.matches

    def held(password: str, known: str | None) -> bool:
        begun.set()
        released.wait(10)
        return right(password, known)

    monkeypatch.setattr(passwords, "matches", held)
    monkeypatch.setattr(login, "MOST_WAITING", 8)
    async with visitor() as crowd:
        form = {"username": "signer", "password": PASSWORD}
        knocks = [asyncio.create_task(crowd.http_client.post("/auth/login", data=form)) for _ in range(8)]
        try:
            await until(lambda: begun.is_set() and login._waiting == 8)
            refused = await crowd.http_client.post("/auth/login", data=form)
            assert (refused.status_code, "登录的人很多" in refused.text) == (503, True)
            assert (await guest.http_client.get("/help")).status_code == 200
            assert (await guest.http_client.get("/download/roster-template")).status_code == 200
        finally:
            released.set()
        answers = [answer.status_code for answer in await asyncio.gather(*knocks)]
        assert set(answers) <= {303, 429}
        assert 303 in answers
        assert (await crowd.http_client.post("/auth/login", data=form)).status_code == 303
    assert login._waiting == 0


async def test_a_role_that_must_use_a_code_sets_it_up_before_anything_else(
    guest: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LVCE_CODE_ROLES", "admin")
    await guest.sign_in("admin")
    for path in ("/", "/users", "/audit", "/password"):
        assert (await guest.http_client.get(path)).headers["location"] == "/security"
    await guest.open("/security")
    await guest.should_see("系统管理员必须使用动态口令。请先启用，然后继续。")
    guest.button("启用动态口令").click()
    await guest.should_see("1. 用手机验证器（支持 TOTP 的应用）扫描下面的二维码。")
    secret = next(iter(guest.find(kind=ui.label, marker="secret").elements)).text.replace(" ", "")
    guest.field("动态口令").type(pyotp.TOTP(secret).at(clock.now()))
    guest.field("密码").type(PASSWORD)
    guest.newest("启用").click()
    await guest.should_see("10 个恢复码，只显示这一次")
    assert (await guest.http_client.get("/users")).status_code == 200


async def test_disabling_a_user_closes_the_pages_that_are_open(
    guest: Visitor, sqlite_db: Database, sqlite_world: World
) -> None:
    await guest.sign_in("filer")
    client = await guest.open("/profile")
    opened: list[str] = []
    client.open = lambda target, new_tab=False: opened.append(str(target))  # type: ignore[method-assign]
    await sqlite_db.awrite(users.disable, sqlite_world.signer, sqlite_world.filer.user_id)
    await until(lambda: opened)
    assert opened == ["/login?ended=disabled&next=/profile"]
    assert "您的用户已停用" in (await guest.http_client.get(opened[0])).text


async def test_a_new_password_closes_the_pages_that_are_open(
    guest: Visitor, sqlite_db: Database, sqlite_world: World
) -> None:
    await guest.sign_in("filer")
    client = await guest.open("/profile")
    opened: list[str] = []
    client.open = lambda target, new_tab=False: opened.append(str(target))  # type: ignore[method-assign]
    made = await sqlite_db.awrite(credentials.issue_reset, sqlite_world.signer, sqlite_world.filer.user_id)
    form = {"username": "filer", "code": made.code, "new": "Yuexiu-2025-gz", "repeated": "Yuexiu-2025-gz"}
    answer = await guest.http_client.post("/auth/reset", data=form)
    assert answer.headers["location"] == "/login?ended=reset"
    await until(lambda: opened)
    assert opened == ["/login?ended=password_reset&next=/profile"]


async def test_a_fault_is_answered_with_its_number_and_the_headers(
    guest: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    async def boom() -> None:
        raise RuntimeError("secret words")

    core.app.add_api_route("/boom", boom)
    answer = await guest.http_client.get("/boom")
    assert answer.status_code == 500
    number = re.search(r"E-\d{8}-\w{4}", answer.text)
    assert number
    assert number[0] in caplog.text
    assert "secret words" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"
    assert "nonce-" in answer.headers["content-security-policy"]


# --- the demo -------------------------------------------------------------------------------------------------------


async def test_roles_are_switched_at_one_click_only_in_the_demo(
    guest: Visitor, sqlite_db: Database, sqlite_world: World, tmp_path: Path
) -> None:
    assert (await guest.http_client.post("/auth/demo", data={"username": "filer"})).status_code == 404
    assert "选择角色" not in (await guest.http_client.get("/login")).text


async def test_the_demo_lets_nobody_in_who_is_not_a_demo_account(
    sqlite_db: Database, sqlite_world: World, tmp_path: Path
) -> None:
    async with served(sqlite_db, tmp_path, demo=True), visitor() as found:
        assert "选择角色" in (await found.http_client.get("/login")).text
        assert (await found.http_client.post("/auth/demo", data={"username": "filer"})).status_code == 404
