"""From a click to a use case and back (从点击到用例): what is shown when it works, is refused, breaks, or the sign-in is over."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from nicegui import outbox, ui
from sqlmodel import Session, select

from models import AuditLine, Message
from models.enums import Form
from services import clock, events
from services.actors import Actor
from services.db import Database
from services.errors import Refusal
from services.filings import desk, opening
from services.filings import room as rooms
from services.filings.views import CellEdit
from tests.conftest import SPRING, World
from tests.ui_kit import PASSWORD, Visitor, served, until, visitor
from ui import act, again, shell
from ui.widgets import notices

AFTER_LUNCH = SPRING + timedelta(minutes=31)


@pytest.fixture
async def guest(
    sqlite_db: Database, sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Visitor]:
    """Signed in as the filer, with one more page that tries things out."""
    monkeypatch.setitem(act.PAGES, "/trial", act.Page("/trial", "试验", None, False, trial))
    async with served(sqlite_db, tmp_path), visitor() as found:
        await found.sign_in("filer")
        yield found


async def trial(actor: Actor) -> None:
    """A page with one button for each way a click can end."""

    async def refuse() -> None:
        await act.perform(refused)

    async def fail() -> None:
        await act.perform(broken)

    async def succeed() -> None:
        act.done(await act.perform(greeted))

    def fail_at_once() -> None:
        raise ValueError("a secret of the server")

    with shell.frame(actor, title="试验", path="/trial"):
        ui.button("拒绝", on_click=refuse)
        ui.button("出错", on_click=fail)
        ui.button("立即出错", on_click=fail_at_once)
        ui.button("成功", on_click=succeed)
        ui.input("意见")


def refused(s: Session, actor: Actor) -> None:
    raise Refusal("产值不能为空，请填写后再上报。")


def broken(s: Session, actor: Actor) -> None:
    raise ValueError("a secret of the server")


def greeted(s: Session, actor: Actor) -> str:
    return f"{actor.name}，办好了"


async def test_a_refusal_is_shown_as_it_is_and_stays(guest: Visitor) -> None:
    await guest.open("/trial")
    guest.find("拒绝").click()
    await guest.should_see("产值不能为空，请填写后再上报。")
    assert notices.SECONDS.get("error") is None


async def test_a_refusal_is_in_the_audit_log(guest: Visitor, sqlite_db: Database) -> None:
    await guest.open("/trial")
    guest.find("拒绝").click()
    await guest.should_see("产值不能为空，请填写后再上报。")

    def details(s: Session) -> list[str]:
        return list(s.exec(select(AuditLine.detail)).all())

    assert "产值不能为空，请填写后再上报。" in sqlite_db.read(details)


@pytest.mark.parametrize("button", ["出错", "立即出错"])
async def test_a_fault_shows_a_number_that_the_log_has_and_nothing_of_the_fault(
    guest: Visitor, button: str, caplog: pytest.LogCaptureFixture
) -> None:
    await guest.open("/trial")
    with caplog.at_level(logging.ERROR):
        guest.find(button).click()
        await guest.should_see("出现了没有预料到的问题")
    await guest.should_not_see("secret")
    (line,) = [record for record in caplog.records if record.name == "lvce.ui"]
    number = re.match(r"E-20250320-[2-9A-Z]{4}", line.getMessage())
    assert number is not None
    await guest.should_see(number.group())
    assert line.exc_info is not None


async def test_a_page_that_is_not_ready_in_time_says_so_in_chinese(
    guest: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def held(*_: object) -> None:
        await asyncio.Event().wait()

    kept = dict(act.house().tabs)
    monkeypatch.setattr(act, "PAGE_SECONDS", 0.01)
    monkeypatch.setattr(act, "read", held)
    answer = await guest.http_client.get("/filings/green_factory")
    assert (answer.status_code, act.SLOW in answer.text) == (503, True)
    assert act.house().tabs == kept


async def test_a_success_is_said(guest: Visitor) -> None:
    await guest.open("/trial")
    guest.find("成功").click()
    await guest.should_see("陈立，办好了")


async def test_never_more_than_three_notices_and_no_two_alike(guest: Visitor) -> None:
    client = await guest.open("/trial")
    with client:
        for words in ("一", "二", "二", "三", "四"):
            notices.show("error", words)
    with client:
        stack = notices._stack(client)
    assert [card.words for card in stack] == ["二", "三", "四"]  # type: ignore[attr-defined]


async def test_an_ended_sign_in_keeps_the_page_and_asks_to_sign_in_again(guest: Visitor) -> None:
    await guest.open("/trial")
    guest.find("意见").type("写了一半")
    with clock.frozen(AFTER_LUNCH):
        guest.find("成功").click()
        await guest.should_see("重新登录，继续当前页面")
    await guest.should_see("写了一半")
    await guest.should_not_see("陈立，办好了")


async def test_signing_in_again_lets_the_page_go_on_with_a_cookie_that_is_fetched_once(guest: Visitor) -> None:
    await guest.open("/trial")
    here = act.tab_of(guest.client)
    before = here.token
    returned: list[int] = []
    here.returned.append(lambda: returned.append(1))
    with clock.frozen(AFTER_LUNCH):
        guest.find("成功").click()
        await guest.should_see("重新登录，继续当前页面")
        guest.field("密码").type(PASSWORD)
        guest.button("登录").click()
        await until(lambda: returned)
        await guest.should_see("已重新登录，可以继续。")
        assert here.token != before
        (code,) = again._renewed
        answer = await guest.http_client.post("/auth/renew", content=code)
        assert (answer.status_code, "lvce_session=" in answer.headers["set-cookie"]) == (204, True)
        assert (await guest.http_client.post("/auth/renew", content=code)).status_code == 403
        guest.find("成功").click()
        await guest.should_see("陈立，办好了")


async def test_signing_in_again_with_a_wrong_password_keeps_asking(guest: Visitor) -> None:
    await guest.open("/trial")
    with clock.frozen(AFTER_LUNCH):
        guest.find("成功").click()
        await guest.should_see("重新登录，继续当前页面")
        guest.field("密码").type("wrong")
        guest.button("登录").click()
        await guest.should_see("用户名或密码不正确")
    assert again._renewed == {}


async def test_a_page_hears_of_messages_without_asking(
    guest: Visitor, sqlite_db: Database, sqlite_world: World
) -> None:
    await guest.open("/")
    await guest.should_see("没有待办事项")

    def told(s: Session) -> None:
        s.add(
            Message(
                organisation_id=sqlite_world.orgs["factory"],
                kind="nudge",
                title="催报：2025年度绿色工厂动态管理表",
                text="请尽快上报。",
                at=clock.now(),
            )
        )
        events.publish(s, events.InboxChanged(sqlite_world.orgs["factory"]))

    await sqlite_db.awrite(told)
    await guest.should_see("催报：2025年度绿色工厂动态管理表")
    await guest.should_see("标为已办")
    guest.find("标为已办").click()
    await guest.should_see("没有待办事项")


async def test_what_others_do_does_not_keep_a_sign_in_alive(
    guest: Visitor, sqlite_db: Database, sqlite_world: World
) -> None:
    client = await guest.open("/trial")
    heard: list[str] = []

    async def listen(_: object) -> None:
        heard.append(await act.read(greeted))

    with client:
        act.watch_filing(1, listen)

    def tell(s: Session) -> None:
        events.publish(s, events.FilingChanged(1))

    with clock.frozen(SPRING + timedelta(minutes=20)):
        await sqlite_db.awrite(tell)
        await until(lambda: heard)
    with clock.frozen(AFTER_LUNCH):
        guest.find("成功").click()
        await guest.should_see("重新登录，继续当前页面")


async def test_a_page_watches_one_filing_and_no_other(guest: Visitor, sqlite_db: Database, sqlite_world: World) -> None:
    client = await guest.open("/trial")
    mine = await sqlite_db.awrite(opening.open_filing, sqlite_world.filer, Form.FACTORY, 2025)
    heard: list[int] = []
    with client:
        act.watch_filing(mine, lambda event: heard.append(event.filing_id))

    def tell(s: Session, filing_id: int) -> None:
        events.publish(s, events.FilingChanged(filing_id))

    await sqlite_db.awrite(tell, mine + 1)
    await sqlite_db.awrite(tell, mine)
    await until(lambda: heard)
    assert heard == [mine]
    client.delete()
    assert act.house().by_filing == {}
    assert client.id not in act.house().tabs


async def test_the_working_copy_goes_with_the_last_page_that_shows_the_filing(
    guest: Visitor, sqlite_db: Database, sqlite_world: World
) -> None:
    filing_id = await sqlite_db.awrite(opening.open_filing, sqlite_world.filer, Form.FACTORY, 2025)
    pages = [await guest.open("/trial"), await guest.open("/trial")]
    for client in pages:
        with client:
            act.watch_filing(filing_id, lambda event: None)
    edit = CellEdit("gross_output:2024", "12000")
    await sqlite_db.awrite(desk.edit_cells, sqlite_world.filer, filing_id, [edit])

    def kept(s: Session) -> bool:
        return rooms.enter(s, filing_id).fresh is False

    pages[0].delete()
    assert await sqlite_db.awrite(kept)
    pages[1].delete()
    assert not await sqlite_db.awrite(kept)


async def test_a_second_click_while_the_first_is_under_way_does_nothing() -> None:
    started: list[int] = []
    gate = asyncio.Event()

    async def slow() -> None:
        started.append(1)
        await gate.wait()

    click = act.busy(slow)
    first = asyncio.create_task(click())  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await click()
    gate.set()
    await first
    assert started == [1]
    gate.set()
    await click()
    assert started == [1, 1]


async def test_what_is_shown_last_is_what_was_read_last() -> None:
    """The first reading is slow: without turns it would end last, and the page would show the oldest."""
    gates = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
    read, shown = iter(range(3)), []

    async def refresh() -> None:
        mine = next(read)
        await gates[mine].wait()
        shown.append(mine)

    drawn = act.in_turn(refresh)
    asked = [asyncio.create_task(drawn()) for _ in range(3)]  # type: ignore[arg-type]
    gates[1].set()
    await asyncio.sleep(0)
    assert shown == []
    gates[0].set()
    await asyncio.gather(*asked)
    assert shown == [0, 1]  # of the two that waited one was enough


async def test_a_page_hears_one_event_after_the_other_also_after_a_refusal(
    guest: Visitor, sqlite_db: Database, sqlite_world: World
) -> None:
    client = await guest.open("/trial")
    begun, heard = [], []
    gate = asyncio.Event()

    async def listen(event: events.FilingChanged) -> None:
        begun.append(event)
        await gate.wait()
        if len(begun) == 1:
            raise Refusal("这份动态管理表已删除。")
        heard.append(event)

    with client:
        act.watch_filing(1, listen)
    for _ in range(3):
        await sqlite_db.awrite(lambda s: events.publish(s, events.FilingChanged(1)))
    await until(lambda: begun)
    assert len(begun) == 1
    gate.set()
    await guest.should_see("这份动态管理表已删除。")
    await until(lambda: heard)
    await until(lambda: not act.tab_of(client).hearing)
    assert len(begun) == 2  # two alike that waited are one


async def test_what_sends_to_a_page_waits_without_looking_and_ends_with_the_page(guest: Visitor) -> None:
    client = await guest.open("/trial")

    def sending() -> bool:
        return any(task.get_name() == f"outbox loop {client.id}" for task in asyncio.all_tasks())

    assert sending()
    assert await outbox.asyncio.wait_for(asyncio.sleep(0, "told"), timeout=0) == "told"  # type: ignore[attr-defined]
    client.delete()
    await until(lambda: not sending())
