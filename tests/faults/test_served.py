"""The served application killed, starved of disk, locked out of its database and thrown through time (整机故障).

Whatever was acknowledged is there; what was not is said in Chinese and kept in the page; nothing has to be restarted.
"""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import aiohttp
import pytest

from services import clock
from tests.faults import sound
from tests.faults.served import Answer, App, Sheet
from tests.wire_kit import http as http

SHEETS = 10
CELL = "gross_output:2024"
PAGES = ("/", "/filings/green_factory", "/healthz", "/nowhere")
SENTENCE = re.compile(r"^[^A-Za-z]*。$")
CELLS = ("gross_output", "energy_total", "nh3n_dis", "cod_gen", "water_intake", "sw_gen", "land_area", "so2_dis")
ADDRESSES = [f"{name}:{year}" for name in CELLS for year in (2022, 2023, 2024)]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with App(tmp_path_factory.mktemp("served"), SHEETS) as found:
        yield found


async def pages_answer(app: App, http: aiohttp.ClientSession) -> None:
    """Pages still come, or say why not; none of them breaks."""
    for path in PAGES:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in app.cookies[0].items())}
        async with http.get(app.base + path, headers=headers, allow_redirects=False) as answer:
            assert answer.status < 500, (path, answer.status, await answer.text())


def is_said(answer: Answer) -> None:
    """It was not saved, and a Chinese sentence says so."""
    assert not answer.saved
    assert SENTENCE.match(answer.why), answer.why


# --- killed -------------------------------------------------------------------------------------------------------------


async def test_every_cell_that_was_acknowledged_is_there_after_the_application_was_killed(
    app: App, http: aiohttp.ClientSession, long: bool
) -> None:
    kills, answers = (40 if long else 2), 0
    dice = random.Random("kill -9")
    texts = [{address: app.text(unit, address) for address in ADDRESSES} for unit in range(SHEETS)]

    async def fill_in(unit: int, typing: asyncio.Event) -> dict[str, str]:
        """Type until the server is gone; what may have been written without an answer."""
        nonlocal answers
        own = random.Random(f"{unit} {answers}")
        begun: dict[str, str] = {}
        try:
            async with Sheet(app, http, unit) as sheet:
                while True:
                    address, text = own.choice(ADDRESSES), str(own.randrange(1, 10**6))
                    begun = {address: text}
                    answer = await sheet.type(address, text, texts[unit][address])
                    assert answer.saved, answer.why
                    texts[unit][address], begun = text, {}
                    answers += 1
                    typing.set()
        except (ConnectionError, aiohttp.ClientError):
            return begun

    for _ in range(kills):
        typing = [asyncio.Event() for _ in range(SHEETS)]
        people = [asyncio.create_task(fill_in(unit, event)) for unit, event in enumerate(typing)]
        await asyncio.wait_for(asyncio.gather(*(event.wait() for event in typing)), 90)
        await asyncio.wait(people, timeout=dice.uniform(0, 1))  # at whatever moment
        app.kill()
        begun = await asyncio.gather(*people)
        for unit in range(SHEETS):
            for address, text in texts[unit].items():
                found = app.text(unit, address)
                assert found in {text, begun[unit].get(address, text)}, (unit, address, found, text)
                texts[unit][address] = found
        with closing(app.database()) as database:
            sound.check(database)
        await asyncio.to_thread(app.start)
    print(f"killed {kills} times: {answers} cells acknowledged on {SHEETS} sheets, all there")


# --- two pages at once ----------------------------------------------------------------------------------------------


async def test_of_two_pages_on_one_cell_one_saves_and_the_other_reads_both_texts(
    app: App, http: aiohttp.ClientSession, long: bool
) -> None:
    async with Sheet(app, http) as here, Sheet(app, http) as there:
        for turn in range(100 if long else 10):
            before, texts = app.text(0, CELL), (str(35000 + turn), str(36000 + turn))
            pair = await asyncio.gather(
                *(sheet.type(CELL, text, before) for sheet, text in zip((here, there), texts, strict=True))
            )
            stored = app.text(0, CELL)
            assert [answer.saved for answer in pair] == [text == stored for text in texts]
            (refused,) = (answer for answer in pair if not answer.saved)
            assert refused.why == "、".join((stored, *(text for text in texts if text != stored)))
        stale = await here.type(CELL, "37000", before)  # a page that heard nothing of all that
        assert not stale.saved
        assert app.text(0, CELL) == stored


# --- the disk, the lock, the clock --------------------------------------------------------------------------------------


async def test_a_full_disk_is_said_and_what_was_typed_is_taken_once_there_is_room(
    app: App, http: aiohttp.ClientSession
) -> None:
    async with Sheet(app, http) as sheet:
        assert (await sheet.type(CELL, "31001")).saved
        app.limit_files(512)
        try:
            is_said(await sheet.type(CELL, "31002"))
            await pages_answer(app, http)
            is_said(await sheet.type(CELL, "31002"))
        finally:
            app.limit_files(-1)
        assert app.text(0, CELL) == "31001"
        assert (await sheet.type(CELL, "31002")).saved
    assert app.text(0, CELL) == "31002"


async def test_a_locked_database_is_waited_for_and_said(app: App, http: aiohttp.ClientSession, long: bool) -> None:
    """Short: the write waits and is then done. Long: 20 s, after half of which the page is told."""
    async with Sheet(app, http) as sheet:
        assert (await sheet.type(CELL, "32001")).saved
        other = sqlite3.connect(app.file, isolation_level=None)
        with closing(other):
            other.execute("BEGIN IMMEDIATE")
            typing = asyncio.create_task(sheet.type(CELL, "32002"))
            await asyncio.wait([typing], timeout=20 if long else 1)
            await pages_answer(app, http)
            if long:
                is_said(await typing)
            else:
                assert not typing.done()
            other.execute("ROLLBACK")
        if not long:
            assert (await typing).saved
        assert (await sheet.type(CELL, "32003")).saved
    assert app.text(0, CELL) == "32003"


async def test_a_clock_that_jumps_is_survived_in_both_directions(app: App, http: aiohttp.ClientSession) -> None:
    now = clock.local(clock.now())
    async with Sheet(app, http) as sheet:
        for jump, saved in (
            (timedelta(), True),
            (timedelta(hours=2), False),  # everybody has been idle for two hours
            (timedelta(minutes=1), True),
            (timedelta(days=400), False),
            (timedelta(minutes=2), True),
            (-timedelta(days=1), True),
        ):
            app.set_clock((now + jump).isoformat())
            text = str(33000 + jump.days * 24 + jump.seconds // 60)
            answer = await sheet.type(CELL, text)
            assert answer.saved is saved, (jump, answer)
            if not saved:
                is_said(answer)
            await pages_answer(app, http)
            assert (app.text(0, CELL) == text) is saved
    assert "Traceback" not in app.log()
