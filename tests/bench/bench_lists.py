"""(d) A province's list with 20,000 filings beside the same list with 200, through the page and over the wire.

``python -m tests.bench.bench_lists [--many 20000] [--few 200] [--rounds 15]`` prints a Markdown table of medians in ms: how long
until the page is there, and how long from a click (tab, sort order, search, next page) until the new rows are. Two servers of
ours stand side by side and are asked in turns. ``--explain`` names the statements of one look that took longer than 2 ms, with
SQLite's plan.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, insert
from sqlmodel import Session

from models import Campaign, Filing, FilingVersion, Organisation, RosterBatch, RosterEntry, SignIn, Step
from models.enums import (
    TIERS,
    FilingStatus,
    Form,
    Level,
    OrgKind,
    OrgStatus,
    Role,
    StepStatus,
    Tier,
    VersionStatus,
)
from services import clock
from services.accounts import sessions
from services.db import Database
from services.filings import lists, opening
from services.filings.views import ListQuery
from services.schema import migrate
from tests import filing_kit
from tests.bench import load, sides
from tests.bench.load import Side
from tests.bench.seed import YEAR
from tests.wire import Message, WirePage

COUNTIES = [f"4401{n:02d}" for n in (3, 4, 5, 6, 11, 12, 13, 14, 15, 17, 18)] + [f"44{n:02d}02" for n in range(6, 21)]
SLOW = 0.002
PATH = "/filings/green_factory?tab=all"
FEWEST_MISSING = 60  # more than a page, so that both servers draw as many rows


def fill(s: Session, count: int) -> str:
    """``count`` filings of a province in all states, and a tenth more listed units without one; returns the province's token."""
    now, today = clock.now(), clock.today()
    province = _office(s, "广东省工业和信息化厅", "440000", Tier.PROVINCE)
    cities = [
        _office(s, "广州市工业和信息化局", "440100", Tier.CITY),
        _office(s, "佛山市工业和信息化局", "440600", Tier.CITY),
    ]
    s.add(
        Campaign(
            year=YEAR,
            form=Form.FACTORY,
            opens_on=today - timedelta(days=30),
            due_on=today + timedelta(days=30),
            locks_on=today + timedelta(days=60),
        )
    )
    listed = today - timedelta(days=700)
    s.add(RosterBatch(form=Form.FACTORY, level=Level.NATIONAL, name="第七批", published_on=listed))
    user_id = filing_kit.person(s, "province", "许文", Role.PROVINCE, province)
    over = {"superior_city_id": cities[0], "superior_province_id": province}
    first = filing_kit.listed_unit(s, "广州南粤精工制造有限公司", "9144011552601815X4", COUNTIES[0], listed, **over)
    filer = sessions.actor_of(s, filing_kit.person(s, "filer", "陈立", Role.SIGNER, first))
    template = s.get_one(Filing, opening.open_filing(s, filer, Form.FACTORY, YEAR)).template_digest

    dice = random.Random(1)
    rows: dict[Any, list[dict[str, Any]]] = {Organisation: [], RosterEntry: [], Filing: [], FilingVersion: [], Step: []}
    for n in range(count + max(FEWEST_MISSING, count // 10)):
        unit, code, name = 1000 + n, dice.choice(COUNTIES), f"广东第{n}制造有限公司"
        city = cities[0] if code.startswith("4401") else cities[1]
        common = {"credit_code": f"C{n:017d}", "region_code": code}
        rows[Organisation].append(
            {
                "id": unit,
                "kind": OrgKind.UNIT,
                "status": OrgStatus.ACTIVE,
                "name": name,
                "former_names": "",
                "address": "",
            }
            | {"contact": "", "telephone": "", "mobile": "", "email": "", "status_reason": "", "created_at": now}
            | {"version": 1, "superior_city_id": city, "superior_province_id": province, **common}
        )
        rows[RosterEntry].append(
            {"batch_id": 1, "organisation_id": unit, "form": Form.FACTORY, "level": Level.NATIONAL, "listed_name": name}
            | {"listed_on": listed, "removal_reason": "", **common}
        )
        if n >= count:
            continue
        status = dice.choice(list(FilingStatus))
        version = None if status is FilingStatus.DRAFT else unit
        tier = dice.choice((Tier.CITY, Tier.PROVINCE)) if status is FilingStatus.REVIEW else None
        desk = {Tier.CITY: city, Tier.PROVINCE: province}.get(tier) if tier else None
        rows[Filing].append(
            {
                "id": unit,
                "number": f"N{n}",
                "organisation_id": unit,
                "form": Form.FACTORY,
                "year": YEAR,
                "status": status,
            }
            | {"template_digest": template, "revision": 1, "validated_digest": "", "saved_at": now, "late": False}
            | {"version_no": 1 if version else 0, "current_version_id": version, "return_reason": "", "returned_by": ""}
            | {"current_tier": tier, "current_authority_id": desk, "unit_name": name, "region_code": code}
            | {"submitted_at": now - timedelta(minutes=n) if version else None, "level": Level.NATIONAL}
            | {"risk": dice.randrange(100), "risk_parts": [], "flags": n % 3, "created_at": now, "created_by_id": 1}
        )
        if version is None:
            continue
        rows[FilingVersion].append(
            {"id": version, "filing_id": unit, "no": 1, "status": VersionStatus.SUBMITTED, "digest": "", "cells": {}}
            | {"template_digest": template, "findings": [], "unit_name": name, "credit_code": "", "late": False}
            | {"receipt_number": f"R{n}", "submitted_by_id": 1, "submitted_by_name": "", "submitted_at": now}
        )
        rows[Step].extend(
            {"filing_id": unit, "version_id": version, "position": p, "tier": at, "opinion": "", "decided_by_name": ""}
            | {"authority_id": city, "authority_name": "广州市工业和信息化局"}
            | {"status": StepStatus.REVIEWING if at is tier else StepStatus.WAITING}
            for p, at in enumerate(TIERS)
        )
    for table, lines in rows.items():
        s.execute(insert(table), lines)
    token = secrets.token_urlsafe(32)
    s.add(
        SignIn(token_hash=hashlib.sha256(token.encode()).hexdigest(), user_id=user_id, created_at=now, last_seen_at=now)
    )
    return token


def _office(s: Session, name: str, region: str, tier: Tier) -> int:
    office = Organisation(kind=OrgKind.AUTHORITY, name=name, region_code=region, tier=tier, created_at=clock.now())
    s.add(office)
    s.flush()
    assert office.id is not None
    return office.id


# --- what a person does -----------------------------------------------------------------------------------------------

Look = Callable[[WirePage], Awaitable[None]]


def press(words: str) -> Look:
    """Click the tab that begins with these words."""
    return lambda page: _shown(page, lambda e: _label(e).startswith(words), "click", {})


def sort(key: str) -> Look:
    return lambda page: _shown(page, lambda e: _listens(e, "sort"), "sort", key)


def search(words: str) -> Look:
    return lambda page: _shown(page, lambda e: _label(e).startswith("单位名称"), "update:value", words)


def turn(to: int) -> Look:
    return lambda page: _shown(page, lambda e: "pagination" in e.get("tag", ""), "update:modelValue", to)


LOOKS: tuple[tuple[str, Look], ...] = (
    ("tab 待我审核 (by 风险分)", press("待我审核")),
    ("tab 审核中", press("审核中")),
    ("tab 已退回", press("已退回")),
    ("tab 已办结", press("已办结")),
    ("tab 全部 (by 提交时间)", press("全部")),
    ("全部, page 2", turn(2)),
    ("全部 by 风险分", sort("risk")),
    ("全部 by 单位名称", sort("unit_name")),
    ("全部, search “第123制”", search("第123制")),
    ("tab 未填报, same search", press("未填报")),
    ("tab 未填报", search("")),
)


def _label(element: dict[str, Any]) -> str:
    return str(element.get("props", {}).get("label", ""))


def _draws_rows(message: Message) -> bool:
    """Whether the page is told to draw a table anew."""
    kind, said = message
    return kind == "update" and any(e and "rowsJson" in e.get("props", {}) for key, e in said.items() if key != "_id")


def _counts_rows(message: Message) -> bool:
    """Whether the line under the list is told anew: 共 180 条，第 1–50 条."""
    kind, said = message
    return kind == "update" and any(
        e and str(e.get("text", "")).startswith("共 ") for k, e in said.items() if k != "_id"
    )


def _listens(element: dict[str, Any], kind: str) -> bool:
    return any(listener["type"] == kind for listener in element.get("events", ()))


async def _shown(page: WirePage, test: Callable[[dict[str, Any]], bool], kind: str, argument: Any) -> None:
    """Do it and wait until the page is told to draw the answer; a sort leaves the line under the list as it is."""
    element = page.find(lambda e: test(e) and _listens(e, kind))

    answer = page.wait_for(_draws_rows if kind == "sort" else _counts_rows)
    await page.emit(element, kind, argument)
    await asyncio.wait_for(answer, load.PATIENCE)


async def measure(pair: list[Side], rounds: int) -> dict[str, list[list[float]]]:
    """Per look and side the times in ms."""
    taken: dict[str, list[list[float]]] = {"open the page": [[], []], **{name: [[], []] for name, _ in LOOKS}}
    async with load.client() as http:
        for number in range(rounds + 1):
            for place, side in enumerate(pair):
                started = time.perf_counter()
                page = WirePage(http, side.base)
                page.cookies = dict(side.cookies[0])
                await page.fetch(side.paths[0])
                drawn = page.wait_for(_draws_rows)
                await page.connect()
                await asyncio.wait_for(drawn, load.PATIENCE)
                times = {"open the page": time.perf_counter() - started}
                for name, look in LOOKS:
                    started = time.perf_counter()
                    await look(page)
                    times[name] = time.perf_counter() - started
                await page.close()
                if number:  # the first of each warms up
                    for name, seconds in times.items():
                        taken[name][place].append(seconds * 1000)
    return taken


def run(few: int, many: int, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        pair = []
        for count in (few, many):
            place = Path(home) / str(count)
            place.mkdir()
            db = Database(f"sqlite:///{place / 'lvce.sqlite3'}")
            migrate(db)
            token = db.write(fill, count)
            db.close()
            pair.append(stack.enter_context(sides.ours(place, [PATH], [{"lvce_session": token}])))
        taken = asyncio.run(measure(pair, rounds))
    rows = []
    for name, (small, large) in taken.items():
        medians = statistics.median(small), statistics.median(large)
        rows.append([name, *(f"{median:.1f}" for median in medians), f"{medians[1] / medians[0]:.2f}"])
    total = [sum(statistics.median(side[n]) for side in taken.values()) for n in (0, 1)]
    rows.append(["**all of it**", *(f"{t:.1f}" for t in total), f"**{total[1] / total[0]:.2f}**"])
    return load.table(rows, ("look", f"{few} filings, ms", f"{many:,} filings, ms", "ratio"))


def explain(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        db = Database(f"sqlite:///{Path(place) / 'lvce.sqlite3'}")
        migrate(db)
        token = db.write(fill, count)
        actor = sessions.resolve(db, token)

        @event.listens_for(db._reader, "before_cursor_execute")
        def _start(_c: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
            context.started = time.perf_counter()

        @event.listens_for(db._reader, "after_cursor_execute")
        def _stop(connection: Any, _cursor: Any, statement: str, values: Any, context: Any, _many: bool) -> None:
            taken = time.perf_counter() - context.started
            if taken > SLOW:
                raw = connection.connection.driver_connection
                plan = [row[3] for row in raw.execute("EXPLAIN QUERY PLAN " + statement, values)]
                print(f"  {taken * 1000:.1f} ms {' '.join(statement.split())[:120]} … {plan}")

        for query in (
            ListQuery(Form.FACTORY, YEAR, "mine", sort="risk"),
            ListQuery(Form.FACTORY, YEAR, "all"),
            ListQuery(Form.FACTORY, YEAR, "all", sort="risk"),
            ListQuery(Form.FACTORY, YEAR, "all", sort="unit_name", descending=False),
            ListQuery(Form.FACTORY, YEAR, "all", search="第123制"),
            ListQuery(Form.FACTORY, YEAR, "missing"),
        ):
            print(query)
            read = lists.missing_page if query.tab == "missing" else lists.review_page
            db.read(read, actor, query)  # type: ignore[arg-type]
        db.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=200)
    parser.add_argument("--many", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    if options.explain:
        explain(options.many)
    else:
        print(run(options.few, options.many, options.rounds))


if __name__ == "__main__":
    main()
