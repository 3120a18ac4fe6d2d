"""The audit log finds out whoever touches it (审计日志): any change, any gap, and a tail that was cut off."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from models import AuditLine
from models.enums import AuditResult
from services import audit, clock
from services.actors import Actor
from services.db import Database
from tests.conftest import SPRING, World
from tests.test_foundation import DISARM as LINES

SEAL = {
    True: ("DROP TRIGGER audit_seal_no_update", "DROP TRIGGER audit_seal_no_delete"),
    False: ("DROP TRIGGER audit_seal_counts_on ON audit_seal",),
}
TAMPERINGS = 200
LOG = 60

Tamper = Callable[[Connection, random.Random], None]


def write_log(s: Session, actor: Actor) -> None:
    for n in range(LOG):
        with clock.frozen(SPRING + timedelta(minutes=n)):
            audit.record(
                s,
                actor if n % 3 else None,
                ("submit", "forward", "sign_in")[n % 3],
                "filing" if n % 2 else "",
                n if n % 2 else None,
                detail=f"第{n}件",
                before="0" * 64 if n % 5 == 0 else "",
                result=AuditResult.REFUSED if n % 7 == 0 else AuditResult.DONE,
                address="192.0.2.7",
            )


def change_a_value(connection: Connection, rng: random.Random) -> None:
    column = rng.choice(
        [
            "user_id",
            "user_name",
            "address",
            "action",
            "subject",
            "subject_id",
            "before_digest",
            "after_digest",
            "result",
            "detail",
            "chain",
            "at",
        ]
    )
    n = rng.randint(1, LOG)
    value: object = f"{rng.getrandbits(64):x}"
    if column in ("user_id", "subject_id"):
        value = rng.randint(1000, 2000)
    elif column == "result":
        was = connection.execute(text("SELECT result FROM audit_line WHERE id = :n"), {"n": n}).scalar_one()
        value = "refused" if was == "done" else "done"
    elif column == "at":
        connection.execute(
            text("UPDATE audit_line SET at = (SELECT min(l.at) FROM audit_line l WHERE l.id = :o) WHERE id = :n"),
            {"n": n, "o": n % LOG + 1},
        )
        return
    connection.execute(text(f"UPDATE audit_line SET {column} = :v WHERE id = :n"), {"v": value, "n": n})  # noqa: S608


def empty_a_value(connection: Connection, rng: random.Random) -> None:
    connection.execute(text("UPDATE audit_line SET detail = '' WHERE id = :n"), {"n": rng.randint(1, LOG)})


def write_what_nobody_writes(connection: Connection, rng: random.Random) -> None:
    """No result of the list, no date, no text, no number: what the models cannot even read."""
    sqlite = connection.dialect.name == "sqlite"
    column, value = rng.choice(
        [("result", "'forged'"), ("at", "'yesterday'"), ("detail", "x'ff00'"), ("user_id", "'somebody'")]
        if sqlite
        else [("result", "'forged'"), ("at", "'infinity'")]
    )
    connection.execute(text(f"UPDATE audit_line SET {column} = {value} WHERE id = {rng.randint(1, LOG)}"))  # noqa: S608


def cut_the_tail(connection: Connection, rng: random.Random) -> None:
    connection.execute(text("DELETE FROM audit_line WHERE id > :n"), {"n": rng.randint(0, LOG - 1)})


def cut_the_head(connection: Connection, rng: random.Random) -> None:
    connection.execute(text("DELETE FROM audit_line WHERE id <= :n"), {"n": rng.randint(1, LOG)})


def take_lines_out(connection: Connection, rng: random.Random) -> None:
    for n in rng.sample(range(1, LOG + 1), rng.randint(1, 5)):
        connection.execute(text("DELETE FROM audit_line WHERE id = :n"), {"n": n})


def take_one_out_and_close_ranks(connection: Connection, rng: random.Random) -> None:
    gone = rng.randint(1, LOG)
    connection.execute(text("DELETE FROM audit_line WHERE id = :n"), {"n": gone})
    for n in range(gone + 1, LOG + 1):
        connection.execute(text("UPDATE audit_line SET id = id - 1 WHERE id = :n"), {"n": n})


def swap_two(connection: Connection, rng: random.Random) -> None:
    one, other = rng.sample(range(1, LOG + 1), 2)
    for old, new in ((one, -1), (other, one), (-1, other)):
        connection.execute(text("UPDATE audit_line SET id = :new WHERE id = :old"), {"old": old, "new": new})


def forge_one_more(connection: Connection, rng: random.Random) -> None:
    """Written by somebody who knows how the chain is made."""
    with Session(connection) as s:
        last = s.get_one(AuditLine, LOG)
        line = AuditLine(
            id=LOG + 1,
            at=clock.now() + timedelta(seconds=rng.randint(1, 99)),
            action="approve",
            result=AuditResult.DONE,
            chain="",
        )
        line.chain = audit.chained(last.chain, line)
        s.add(line)
        s.flush()


def forge_the_end(connection: Connection, rng: random.Random) -> None:
    """Rewrite the last lines and chain them anew."""
    first = rng.randint(1, LOG)
    with Session(connection) as s:
        previous = s.get_one(AuditLine, first - 1).chain if first > 1 else audit.START
        for n in range(first, LOG + 1):
            line = s.get_one(AuditLine, n)
            line.detail = line.detail if n > first else "改过"
            previous = line.chain = audit.chained(previous, line)
        s.flush()


def move_the_seal(connection: Connection, rng: random.Random) -> None:
    n = rng.choice([*range(LOG), LOG + 1, LOG + 7])
    connection.execute(text("UPDATE audit_seal SET last = :n"), {"n": n})


def break_the_seal(connection: Connection, rng: random.Random) -> None:
    connection.execute(text("UPDATE audit_seal SET chain = :c"), {"c": f"{rng.getrandbits(256):064x}"})


def take_the_seal_away(connection: Connection, rng: random.Random) -> None:
    connection.execute(text("DELETE FROM audit_seal"))


def take_everything_away(connection: Connection, rng: random.Random) -> None:
    connection.execute(text("DELETE FROM audit_line"))
    connection.execute(text("DELETE FROM audit_seal"))


WAYS: tuple[Tamper, ...] = (
    change_a_value,
    change_a_value,
    change_a_value,
    change_a_value,
    empty_a_value,
    write_what_nobody_writes,
    write_what_nobody_writes,
    cut_the_tail,
    cut_the_tail,
    cut_the_head,
    take_lines_out,
    take_one_out_and_close_ranks,
    swap_two,
    forge_one_more,
    forge_the_end,
    move_the_seal,
    break_the_seal,
    take_the_seal_away,
    take_everything_away,
)


def test_each_of_200_random_tamperings_is_found(db: Database, world: World) -> None:
    db.write(write_log, world.city)
    assert db.read(audit.verify) == (LOG, None)
    rng = random.Random(20250320)
    for number in range(TAMPERINGS):
        way = WAYS[number % len(WAYS)]
        with db.engine.connect() as connection, connection.begin() as transaction:
            for statement in (*LINES[db.is_sqlite], *SEAL[db.is_sqlite]):
                connection.execute(text(statement))
            way(connection, rng)
            with Session(connection) as s:
                _, broken = audit.verify(s)
            transaction.rollback()
        assert broken is not None, f"{way.__name__} (number {number}) was not found"
    assert db.read(audit.verify) == (LOG, None)


def test_a_line_that_cannot_be_read_is_named(db: Database, world: World) -> None:
    db.write(write_log, world.city)
    with db.engine.begin() as connection:
        for statement in LINES[db.is_sqlite]:
            connection.execute(text(statement))
        connection.execute(text("UPDATE audit_line SET result = 'forged' WHERE id = 7"))
    assert db.read(audit.verify) == (6, audit.Broken(7, "第 7 条含有不是本系统写入的内容"))


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM audit_seal", "UPDATE audit_seal SET last = last - 1", "UPDATE audit_seal SET last = last + 2"],
)
def test_the_seal_only_counts_on(db: Database, world: World, change: str) -> None:
    db.write(write_log, world.city)
    with pytest.raises(DBAPIError, match="only counts on"), db.engine.begin() as connection:
        connection.execute(text(change))


def test_after_a_cut_the_log_goes_on_with_a_gap_that_stays(db: Database, world: World) -> None:
    """Writing on does not heal what was taken away."""
    db.write(write_log, world.city)
    with db.engine.begin() as connection:
        for statement in LINES[db.is_sqlite]:
            connection.execute(text(statement))
        connection.execute(text("DELETE FROM audit_line WHERE id > :n"), {"n": LOG - 2})
    assert db.read(audit.verify)[1] == audit.Broken(LOG - 1, f"末尾被截去：第 {LOG - 1} 条到第 {LOG} 条缺失")
    db.write(audit.record, world.city, "submit", "filing", 1)
    assert db.read(audit.verify)[1] == audit.Broken(LOG + 1, f"第 {LOG - 1} 条到第 {LOG} 条缺失")


def test_a_line_that_was_rolled_back_leaves_no_gap(db: Database, world: World) -> None:
    class Undone(Exception):
        pass

    def fails(s: Session) -> None:
        audit.record(s, world.city, "submit")
        raise Undone

    db.write(audit.record, world.city, "submit")
    with pytest.raises(Undone):
        db.write(fails)
    db.write(audit.record, world.city, "submit")
    assert db.read(audit.verify) == (2, None)
    assert db.read(audit.last)[0] == 2
