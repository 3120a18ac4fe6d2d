"""批量导出 of an office: what lies in its region and was 上报, whole and no more, with a message when it is over."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select
from sqlmodel import col

from models import AuditLine, Message
from models.enums import Form, Role
from services.actors import Actor
from services.db import Database
from services.documents import pdf
from services.documents.batches import Batches, BatchView, Owner, Ticket, Told, Work
from services.errors import Forbidden, NotFound, Refusal
from services.filings import batches, moves, snapshots
from services.filings.views import ListQuery
from tests import filing_kit
from tests.conftest import World

LIST = ListQuery(Form.FACTORY, 2025)


class House(Batches):
    """Batches that a test can wait for: ``over`` once everything was told."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.over, self.begin = Event(), Event()
        self.begin.set()

    def start(
        self, owner: Owner, title: str, file_name: str, work: Work, told: Told | None = None, *, link: str = ""
    ) -> BatchView:
        def held(ticket: Ticket) -> None:
            assert self.begin.wait(60)
            work(ticket)

        def tell(view: BatchView) -> None:
            if told is not None:
                told(view)
            self.over.set()

        return super().start(owner, title, file_name, held, tell, link=link)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "batches")
    yield made
    made.begin.set()
    made.close()


@pytest.fixture
def filings(db: Database, world: World) -> dict[str, int]:
    """Two that were 上报 and one that is still a draft, all in 广州; one more in 佛山."""
    return {
        "factory": db.write(filing_kit.submitted, world.signer),
        "subsidiary": db.write(filing_kit.submitted, world.subsidiary),
        "other": db.write(filing_kit.draft, world.other),
        "far": db.write(filing_kit.submitted, world.far),
    }


def done(house: House, actor: Actor, view: BatchView) -> BatchView:
    assert house.over.wait(60)
    return house.look(batches.owner(actor), view.id)


def content(house: House, actor: Actor, view: BatchView) -> bytes:
    over = done(house, actor, view)
    assert (over.stage, over.message) == ("ready", "")
    return house.result(batches.owner(actor), view.id)[1].read_bytes()


def messages(db: Database) -> list[Message]:
    query = select(Message).where(col(Message.kind).like("batch%"))
    return list(db.read(lambda s: s.execute(query).scalars().all()))


def start(db: Database, actor: Actor, house: House, kind: Any, **options: Any) -> BatchView:
    return batches.start(db, actor, house, kind, options.pop("query", LIST), options.pop("picked", ()), **options)


def test_all_forms_of_the_list_come_as_one_zip_without_drafts_and_other_regions(
    db: Database, world: World, house: House, filings: dict[str, int]
) -> None:
    view = start(db, world.city, house, "pdf")
    with zipfile.ZipFile(io.BytesIO(content(house, world.city, view))) as found:
        assert {name.split("_")[0] for name in found.namelist()} == {
            "广州南粤精工制造有限公司",
            "华岭能源广州炼化有限公司",
        }
        name = next(name for name in found.namelist() if "南粤" in name)
        assert found.read(name) == pdf.form_pdf(db.read(snapshots.snapshot, world.city, filings["factory"]))


def test_only_what_was_chosen_is_exported(db: Database, world: World, house: House, filings: dict[str, int]) -> None:
    view = start(db, world.city, house, "summary", picked=[filings["factory"], filings["far"]], fields=["gross_output"])
    rows = list(openpyxl.load_workbook(io.BytesIO(content(house, world.city, view))).active.iter_rows(values_only=True))
    assert [row[1] for row in rows[1:]] == ["广州南粤精工制造有限公司"]


def test_a_summary_has_a_line_a_unit_with_figures_as_numbers(
    db: Database, world: World, house: House, filings: dict[str, int]
) -> None:
    view = start(db, world.city, house, "summary", fields=["gross_output", "ei_output"])
    heads, *rows = openpyxl.load_workbook(io.BytesIO(content(house, world.city, view))).active.iter_rows(
        values_only=True
    )
    first = dict(zip(heads, next(row for row in rows if "南粤" in str(row[1])), strict=True))
    assert first["工业总产值 2024年（万元）"] == 53800
    assert first["单位产值综合能耗（综合能源消费量合计、工业总产值） 2024年（千克标准煤/万元）"] == 172.86
    assert (first["统一社会信用代码"], first["地区"], first["是否逾期"]) == (
        "9144011552601815X4",
        "广东省 广州市 天河区",
        "否",
    )


def test_the_long_table_has_a_line_a_figure(db: Database, world: World, house: House, filings: dict[str, int]) -> None:
    view = start(db, world.county, house, "long", ending="csv")
    assert view.file_name.endswith(".csv")
    rows = list(csv.DictReader(io.StringIO(content(house, world.county, view).decode("utf-8-sig"))))
    energy = [row for row in rows if row["指标名称"] == "综合能源消费量"]
    assert [(row["年份"], row["数值"], row["填报单位"]) for row in energy] == [
        ("2022", "4100", "吨标准煤"),
        ("2023", "4120", "吨标准煤"),
        ("2024", "9300", "吨标准煤"),
    ]
    assert {row["单位名称"] for row in rows} == {"广州南粤精工制造有限公司"}


def test_who_asked_gets_a_message_and_nobody_else(
    db: Database, world: World, house: House, filings: dict[str, int]
) -> None:
    content(house, world.city, start(db, world.city, house, "long"))
    (message,) = messages(db)
    assert (message.user_id, message.link) == (world.city.user_id, "/filings/green_factory")
    assert message.title == "导出完成：2025年度绿色工厂指标明细表（2 份）"
    lines = select(col(AuditLine.detail)).where(col(AuditLine.action) == "batch_export")
    (line,) = db.read(lambda s: s.execute(lines).scalars().all())
    assert "2025年度绿色工厂指标明细表（2 份）" in line


@pytest.mark.parametrize("kind", ["pdf", "long"])
def test_a_filing_withdrawn_meanwhile_is_left_out_and_said(
    db: Database, world: World, house: House, filings: dict[str, int], kind: str
) -> None:
    house.begin.clear()
    view = start(db, world.city, house, kind, ending="csv")
    db.write(moves.withdraw, world.signer, filings["factory"])
    house.begin.set()
    made = content(house, world.city, view)
    if kind == "pdf":
        with zipfile.ZipFile(io.BytesIO(made)) as found:
            assert len(found.namelist()) == 1
    else:
        assert "南粤" not in made.decode("utf-8-sig")
    assert "有 1 份在导出期间被取消上报" in messages(db)[0].text


def test_where_nothing_is_left_the_export_fails_and_says_so(
    db: Database, world: World, house: House, filings: dict[str, int]
) -> None:
    house.begin.clear()
    view = start(db, world.county, house, "pdf")
    db.write(moves.withdraw, world.signer, filings["factory"])
    house.begin.set()
    over = done(house, world.county, view)
    assert over.stage == "failed" and "没有可以导出的内容" in over.message
    assert messages(db)[0].title.startswith("导出没有完成")


def test_a_cancelled_export_sends_no_message(db: Database, world: World, house: House, filings: dict[str, int]) -> None:
    house.begin.clear()
    view = start(db, world.city, house, "long")
    house.cancel(batches.owner(world.city), view.id)
    house.begin.set()
    assert done(house, world.city, view).stage == "cancelled"
    assert messages(db) == []
    with pytest.raises(NotFound):
        house.result(batches.owner(world.county), view.id)


def test_whoever_waits_for_an_export_is_told_of_a_restart_once(
    db: Database, world: World, house: House, filings: dict[str, int], tmp_path: Path
) -> None:
    house.begin.clear()
    start(db, world.city, house, "long")
    again = Batches(tmp_path / "batches")  # as after a cut of the power: the old one was never closed
    batches.tell_interrupted(db, again)
    batches.tell_interrupted(db, Batches(tmp_path / "batches"))
    (message,) = messages(db)
    assert (message.user_id, message.link) == (world.city.user_id, "/filings/green_factory")
    assert message.title == "导出没有完成：2025年度绿色工厂指标明细表（2 份）"
    assert "重新启动" in message.text and message.text.endswith("请重新导出。")
    house.cancel(batches.owner(world.city), house.mine(batches.owner(world.city))[0].id)


def test_what_was_made_with_rights_that_are_gone_is_not_given_out(
    db: Database, world: World, house: House, filings: dict[str, int]
) -> None:
    view = start(db, world.city, house, "pdf")
    assert content(house, world.city, view)
    for now in (replace(world.city, role=Role.ADMIN), replace(world.city, region_code=world.county.region_code)):
        assert house.mine(batches.owner(now)) == ()
        with pytest.raises(NotFound):
            house.result(batches.owner(now), view.id)


def test_a_unit_exports_no_list_and_an_office_nothing_that_is_not_there(
    db: Database, world: World, house: House, filings: dict[str, int]
) -> None:
    with pytest.raises(Forbidden):
        start(db, world.signer, house, "long")
    with pytest.raises(Forbidden):
        start(db, world.expert, house, "long")
    with pytest.raises(Refusal, match="没有已上报"):
        start(
            db,
            world.group,
            house,
            "pdf",
            query=ListQuery(Form.FACTORY, 2024),
        )
    with pytest.raises(Refusal, match="未填报"):
        start(db, world.city, house, "pdf", query=ListQuery(Form.FACTORY, 2025, tab="missing"))


@pytest.mark.parametrize("fields", [[], ["no_such_field"], ["gross_output", "__class__"]])
def test_unknown_indicators_are_refused(
    db: Database, world: World, house: House, filings: dict[str, int], fields: list[str]
) -> None:
    with pytest.raises(Refusal, match="指标"):
        start(db, world.city, house, "summary", fields=fields)


def test_more_than_one_sheet_or_zip_holds_is_refused(
    db: Database, world: World, house: House, filings: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_FORMS", 1)
    monkeypatch.setattr(batches, "MOST_ROWS", 400)
    monkeypatch.setattr(batches, "MOST_COLUMNS", 2)
    for kind, words in (("pdf", "最多导出 1 份PDF"), ("long", "明细表一次最多"), ("summary", "超过 2 列")):
        with pytest.raises(Refusal, match=words):
            start(db, world.city, house, kind, fields=["gross_output"])


def test_figures_in_a_unit_that_was_chosen_say_which(db: Database, world: World) -> None:
    usual = batches.usual(Form.FACTORY, 2025)
    assert "gross_output" in usual and "energy_total" in usual
    known = {one.key for one in batches.indicators(Form.FACTORY, 2025)}
    assert set(usual) <= known
