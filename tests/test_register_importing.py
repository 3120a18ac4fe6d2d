"""A published list comes in: read by its heads, judged row by row, written at once or not at all (名单导入)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from sqlmodel import Session, col, select

from models import AuditLine, Organisation, RosterBatch, RosterChange, RosterEntry, User
from models.enums import Form, Level, RosterChangeKind
from services.accounts import organisations, sessions
from services.actors import Actor
from services.db import Database
from services.documents import excel
from services.errors import Conflict, Forbidden, Refusal
from services.filings import lists, opening
from services.filings.views import ListQuery
from services.forms import reference
from services.perform import perform
from services.register import entries, importing
from services.register.importing import BatchForm, Outcome, RosterPreview
from services.register.views import EntryQuery
from tests.conftest import World
from tests.test_accounts_organisations import form as registration
from tests.test_documents_tables import workbook

BATCH = BatchForm(
    Form.FACTORY, Level.PROVINCIAL, "2024年度省级绿色工厂", "粤工信节能函〔2024〕88号", date(2024, 12, 20)
)
HEAD = ("序号", "单位名称", "统一社会信用代码", "所在地区", "所属央企", "名单层面", "批次", "文号", "列入日期")


def table(*rows: tuple[object, ...], head: tuple[str, ...] = HEAD) -> bytes:
    return workbook(("附件1",), ("绿色工厂名单",), head, *rows)


def shown(db: Database, actor: Actor, content: bytes, batch: BatchForm = BATCH) -> RosterPreview:
    return importing.preview(db, actor, batch, "名单.xlsx", content)


def count(db: Database) -> int:
    return len(db.read(lambda s: s.exec(select(RosterEntry.id)).all()))


def test_a_list_is_previewed_then_written_with_its_history(db: Database, world: World) -> None:
    content = table(
        (1, "广州白云新材料有限公司", "", "广东省广州市天河区"),
        (2, "华岭能源佛山有限公司", "", "佛山", "华岭能源集团有限公司"),
        (None, "注：以上排名不分先后"),
    )
    before = count(db)
    preview = shown(db, world.admin, content)
    assert [row.outcome for row in preview.rows] == [Outcome.NEW, Outcome.NEW]
    assert count(db) == before, "a preview writes nothing"
    done = perform(db, importing.import_roster, world.admin, preview)
    assert (done.written, done.known, done.refused, done.linked) == (2, 0, 0, 0)

    def look(s: Session) -> tuple[RosterEntry, RosterBatch, RosterChange]:
        entry = s.exec(select(RosterEntry).where(RosterEntry.listed_name == "华岭能源佛山有限公司")).one()
        line = s.exec(select(RosterChange).where(RosterChange.entry_id == entry.id)).one()
        return entry, s.get_one(RosterBatch, entry.batch_id), line

    entry, batch, line = db.read(look)
    assert (entry.region_code, entry.level, entry.listed_on) == ("440600", Level.PROVINCIAL, date(2024, 12, 20))
    assert entry.group_id == world.orgs["group"]
    assert (batch.name, batch.region_code) == ("2024年度省级绿色工厂", "440000")
    assert (line.kind, line.document_number) == (RosterChangeKind.LISTED, "粤工信节能函〔2024〕88号")
    said = db.read(lambda s: s.exec(select(AuditLine).where(AuditLine.action == "import_roster")).one())
    assert "列入 2 条" in said.detail and said.after_digest == preview.digest


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((1, "甲"), "单位名称"),
        ((1, "甲乙有限公司", "123", "广州市"), "18 位"),
        ((1, "甲乙有限公司", "", "火星"), "认不出来"),
        ((1, "甲乙有限公司", "", "广州市", "", "县级"), "国家、省或市"),
        ((1, "甲乙有限公司", "", "广州市", "", "", "", "", "去年"), "认不出来"),
        ((1, "甲乙有限公司", "", "广州市", "", "", "", "", "2024-13-01"), "认不出来"),
        ((1, "甲乙有限公司", "", "广州市", "", "", "", "", "2031-01-01"), "晚于今天"),
    ],
)
def test_a_row_that_cannot_be_says_why(db: Database, world: World, row: tuple[object, ...], said: str) -> None:
    (found,) = shown(db, world.admin, table(row)).rows
    assert found.outcome is Outcome.REFUSED
    assert said in found.message
    assert found.number == 4, "the line of the file, as the spreadsheet counts it"


def test_a_row_needs_a_batch_and_a_day_from_somewhere(db: Database, world: World) -> None:
    bare = replace(BATCH, name="", published_on=None)
    content = table(
        (1, "甲乙有限公司", "", "广州市"), (2, "丙丁有限公司", "", "广州市", "", "市级", "市第一批", "", 2023)
    )
    first, second = shown(db, world.admin, content, bare).rows
    assert (first.outcome, second.outcome) == (Outcome.REFUSED, Outcome.NEW)
    assert "12月31日" in second.message


def test_what_is_on_the_list_already_is_not_listed_twice(db: Database, world: World) -> None:
    content = table(
        (1, "广州南粤精工制造有限公司", "", "广州市天河区", "", "国家级"),
        (2, "甲乙有限公司", "", "广州市"),
        (3, "甲乙 有限公司", "", "广州市"),
    )
    preview = shown(db, world.admin, content)
    assert [row.outcome for row in preview.rows] == [Outcome.KNOWN, Outcome.NEW, Outcome.REFUSED]
    assert "第七批绿色制造名单" in preview.rows[0].message
    perform(db, importing.import_roster, world.admin, preview)
    with pytest.raises(Conflict, match="重新选择文件预览"):
        perform(db, importing.import_roster, world.admin, preview)
    again = shown(db, world.admin, content)
    assert again.count(Outcome.NEW) == 0
    with pytest.raises(Refusal, match="没有可以导入的行"):
        perform(db, importing.import_roster, world.admin, again)


def test_rows_find_their_registered_units_by_code_former_name_and_brackets(db: Database, world: World) -> None:
    view = db.read(organisations.profile, world.other)

    def rename(s: Session) -> None:
        unit = s.get_one(Organisation, world.orgs["other"])
        unit.former_names = "广州云山（集团）纺织厂"
        s.add(unit)

    db.write(rename)
    content = table(
        (1, "南粤精工", "9144011552601815X4", "广东"),
        (2, "广州云山(集团)纺织厂", "", "广东省"),
        (3, "佛山禅城陶瓷有限公司", "91110000600037341L", "佛山市"),
    )
    preview = shown(db, world.admin, content)
    assert [row.unit_name for row in preview.rows] == ["广州南粤精工制造有限公司", view.name, ""]
    assert "同名而代码不同" in preview.rows[2].message
    perform(db, importing.import_roster, world.admin, preview)
    mine = db.read(entries.of_unit, world.filer, Form.FACTORY)
    assert [(e.level, e.region_code) for e in mine] == [(Level.NATIONAL, "440106"), (Level.PROVINCIAL, "440106")]


def test_an_office_imports_for_its_own_region_only(db: Database, world: World) -> None:
    content = table(
        (1, "甲乙有限公司", "", "广州市"), (2, "丙丁有限公司", "", "佛山市"), (3, "戊己有限公司", "", "广东省")
    )
    preview = shown(db, world.city, content)
    assert [row.outcome for row in preview.rows] == [Outcome.NEW, Outcome.REFUSED, Outcome.REFUSED]
    assert "不在您的辖区" in preview.rows[1].message
    assert shown(db, world.province, content).count(Outcome.NEW) == 3
    for stranger in (world.county, world.filer, world.group, world.expert):
        with pytest.raises(Forbidden):
            shown(db, stranger, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (workbook(("甲", "乙"), ("1", "2")), "没有找到表头"),
        (workbook(("单位名称", "所在地区")), "没有单位"),
    ],
)
def test_a_file_that_is_no_list_is_refused(db: Database, world: World, content: bytes, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        shown(db, world.admin, content)


def test_our_own_list_and_our_template_can_be_read_back(db: Database, world: World) -> None:
    rows = db.read(entries.download_rows, world.admin, Form.FACTORY)
    lines = [
        excel.RosterLine(r.level.caption, r.batch, r.listed_name, r.credit_code, r.region_name, r.listed_on)
        for r in rows
    ]
    preview = shown(db, world.admin, excel.roster_workbook(lines))
    assert {row.outcome for row in preview.rows} == {Outcome.KNOWN}
    with pytest.raises(Refusal, match="没有单位"):
        shown(db, world.admin, excel.roster_template())


def test_who_is_missing_follows_the_imported_list_and_the_unit_can_begin(db: Database, world: World) -> None:
    content = table((1, "广州白云新材料有限公司", "", "广东省"))
    perform(db, importing.import_roster, world.province, shown(db, world.province, content))
    query = ListQuery(Form.FACTORY, 2025, tab="missing", search="白云")
    assert db.read(lists.missing_page, world.county, query).total == 0, "the list only says the province"
    made = organisations.register_unit(db, registration(world))
    perform(db, organisations.confirm, world.county, made.organisation_id)
    (row,) = db.read(lists.missing_page, world.county, query).rows
    assert (row.unit_name, row.organisation_id) == ("广州白云新材料有限公司", made.organisation_id)

    def as_unit(s: Session) -> Actor:
        user = s.exec(select(User).where(col(User.username) == "baiyun.wang")).one()
        return sessions.actor_of(s, user.id or 0)

    opening_id = perform(db, opening.open_filing, db.read(as_unit), Form.FACTORY, 2025)
    assert opening_id
    assert db.read(lists.missing_page, world.county, query).total == 0


def test_a_group_sees_its_unregistered_subsidiary_as_missing(db: Database, world: World) -> None:
    content = table((1, "华岭能源佛山有限公司", "", "佛山市", "华岭能源集团有限公司"))
    perform(db, importing.import_roster, world.admin, shown(db, world.admin, content))
    query = ListQuery(Form.FACTORY, 2025, tab="missing", search="佛山")
    assert db.read(lists.missing_page, world.group, query).total == 1


def test_the_list_can_be_seen_as_of_a_day(db: Database, world: World) -> None:
    content = table((1, "甲乙有限公司", "", "广州市"))
    perform(db, importing.import_roster, world.admin, shown(db, world.admin, content))
    on = {
        day: db.read(entries.page, world.county, EntryQuery(Form.FACTORY, day, search="甲乙")).total
        for day in (date(2024, 12, 19), date(2024, 12, 20))
    }
    assert on == {date(2024, 12, 19): 0, date(2024, 12, 20): 1}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("广东省广州市天河区", "440106"),
        ("广东 / 佛山 / 南海", "440605"),
        ("深圳", "440300"),
        ("广西", "450000"),
        ("北京市海淀区", "110108"),
        ("湖北省潜江市", "429005"),
        ("东莞市", "441900"),
        ("鼓楼区", ""),  # there are several
        ("火星", ""),
    ],
)
def test_regions_are_read_as_people_write_them(text: str, code: str) -> None:
    assert reference.find_region(text) == code


def test_a_region_is_looked_for_at_home_first() -> None:
    assert reference.find_region("鼓楼区", "350000") == "350102"
