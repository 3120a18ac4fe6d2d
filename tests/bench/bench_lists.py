"""How long an office waits for its list (列表耗时): ``python -m tests.bench.bench_lists [filings]``, 20,000 by default.

Prints the best and the median of 20 reads, a page of 50 rows with the counts of all tabs, and the statements that took
longer than 2 ms with the plan that SQLite chose.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, insert
from sqlmodel import Session, SQLModel

from models import Filing, FilingVersion, Organisation, RosterEntry, Step
from models.enums import TIERS, FilingStatus, Form, Level, OrgKind, OrgStatus, StepStatus, Tier, VersionStatus
from services import clock
from services.db import Database
from services.filings import lists
from services.filings.views import ListQuery
from tests import filing_kit
from tests.conftest import SPRING, World, build_world

COUNTIES = [f"4401{n:02d}" for n in (3, 4, 5, 6, 11, 12, 13, 14, 15, 17, 18)] + [f"44{n:02d}02" for n in range(6, 21)]
SLOW = 0.002


def fill(s: Session, world: World, count: int) -> None:
    """``count`` listed units of the province; nine in ten have a filing, in all states."""
    filing_kit.draft(s, world.signer)
    dice, now = random.Random(1), clock.now()
    rows: dict[Any, list[dict[str, Any]]] = {Organisation: [], RosterEntry: [], Filing: [], FilingVersion: [], Step: []}
    for n in range(count):
        unit, code, name = 1000 + n, dice.choice(COUNTIES), f"广东第{n}制造有限公司"
        city = world.orgs["city"] if code.startswith("4401") else world.orgs["far_city"]
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
            | {"version": 1, "superior_city_id": city, "superior_province_id": world.orgs["province"], **common}
        )
        rows[RosterEntry].append(
            {"batch_id": 1, "organisation_id": unit, "form": Form.FACTORY, "level": Level.NATIONAL, "listed_name": name}
            | {"listed_on": date(2023, 3, 24), "removal_reason": "", **common}
        )
        if n % 10 == 0:
            continue
        status = dice.choice(list(FilingStatus))
        version = None if status is FilingStatus.DRAFT else unit
        under_review = status is FilingStatus.REVIEW
        rows[Filing].append(
            {
                "id": unit,
                "number": f"N{n}",
                "organisation_id": unit,
                "form": Form.FACTORY,
                "year": 2025,
                "status": status,
            }
            | {"template_digest": filing_kit.TEMPLATE.digest, "revision": 1, "validated_digest": "", "saved_at": now}
            | {"version_no": 1 if version else 0, "current_version_id": version, "late": False, "return_reason": ""}
            | {
                "current_tier": Tier.CITY if under_review else None,
                "current_authority_id": city if under_review else None,
            }
            | {"submitted_at": now - timedelta(minutes=n) if version else None, "returned_by": "", "unit_name": name}
            | {"region_code": code, "level": Level.NATIONAL, "risk": n % 100, "risk_parts": [], "flags": n % 3}
            | {"created_at": now, "created_by_id": 1}
        )
        if version is None:
            continue
        rows[FilingVersion].append(
            {"id": version, "filing_id": unit, "no": 1, "status": VersionStatus.SUBMITTED, "digest": "", "cells": {}}
            | {"template_digest": filing_kit.TEMPLATE.digest, "findings": [], "unit_name": name, "credit_code": ""}
            | {
                "receipt_number": f"R{n}",
                "submitted_by_id": 1,
                "submitted_by_name": "",
                "submitted_at": now,
                "late": False,
            }
        )
        rows[Step].extend(
            {"filing_id": unit, "version_id": version, "position": p, "tier": tier, "authority_id": city, "opinion": ""}
            | {"authority_name": "广州市工业和信息化局", "decided_by_name": ""}
            | {"status": StepStatus.REVIEWING if under_review and tier is Tier.CITY else StepStatus.WAITING}
            for p, tier in enumerate(TIERS)
        )
    for table, lines in rows.items():
        s.execute(insert(table), lines)


def measure(name: str, read: Callable[[], Any]) -> None:
    read()
    taken = []
    for _ in range(20):
        start = time.perf_counter()
        answer = read()
        taken.append((time.perf_counter() - start) * 1000)
    print(f"{name:36} {min(taken):7.1f} {statistics.median(taken):7.1f} ms   {answer.total}")


def explain_slow_ones(db: Database) -> None:
    @event.listens_for(db._reader, "before_cursor_execute")
    def _start(_c: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.started = time.perf_counter()

    @event.listens_for(db._reader, "after_cursor_execute")
    def _stop(connection: Any, _cursor: Any, statement: str, values: Any, context: Any, _many: bool) -> None:
        taken = time.perf_counter() - context.started
        if taken > SLOW:
            raw = connection.connection.driver_connection
            plan = [row[3] for row in raw.execute("EXPLAIN QUERY PLAN " + statement, values)]
            print(f"  {taken * 1000:.1f} ms {' '.join(statement.split())[:80]} … {plan}")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as place, clock.frozen(SPRING):
        db = Database(f"sqlite:///{Path(place) / 'bench.sqlite3'}")
        SQLModel.metadata.create_all(db.engine)
        world = db.write(build_world)
        db.write(fill, world, count)
        query = ListQuery(Form.FACTORY, 2025)
        print(f"{count} listed units; best and median of 20")
        for who in ("county", "city", "province", "ministry"):
            actor = world.actors[who]
            for tab in ("all", "mine"):
                asked = ListQuery(Form.FACTORY, 2025, tab)
                measure(f"{who} {tab}", lambda a=actor, q=asked: db.read(lists.review_page, a, q))
            measure(f"{who} missing", lambda a=actor: db.read(lists.missing_page, a, query))
        for name, asked in (
            ("search", ListQuery(Form.FACTORY, 2025, search="第1234")),
            ("by risk", ListQuery(Form.FACTORY, 2025, sort="risk")),
            ("page 300", ListQuery(Form.FACTORY, 2025, page=300)),
        ):
            measure(f"province {name}", lambda q=asked: db.read(lists.review_page, world.province, q))
        print("statements that took longer, for one page of the province:")
        explain_slow_ones(db)
        db.read(lists.review_page, world.province, query)
        db.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
