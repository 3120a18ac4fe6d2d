"""Single entries of the list, their history, and units that are invited (名单维护, 邀请填报)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from sqlmodel import Session, select

from models import Filing, Message, RosterEntry
from models.enums import Form, Level, RosterChangeKind
from services.actors import Actor
from services.db import Database
from services.errors import Conflict, Forbidden, NotFound, Refusal
from services.filings import lists, opening
from services.perform import perform
from services.register import entries, invitations, upkeep
from services.register.upkeep import EntryCard, EntryEdit, NewEntry
from services.register.views import EntryQuery
from tests.conftest import World

NEW = NewEntry(
    Form.FACTORY,
    Level.MUNICIPAL,
    "2024年度市级绿色工厂",
    "穗工信函〔2024〕7号",
    date(2024, 11, 1),
    EntryEdit("广州白云新材料有限公司", "", "440112", None),
)


def listed(db: Database, world: World, actor: Actor | None = None, new: NewEntry = NEW) -> EntryCard:
    entry_id = perform(db, upkeep.add_entry, actor or world.city, new)
    return db.read(upkeep.card, world.county, entry_id)


def entry_of(db: Database, world: World, name: str) -> EntryCard:
    def first(s: Session) -> int:
        return s.exec(select(RosterEntry).where(RosterEntry.organisation_id == world.orgs[name])).one().id or 0

    return db.read(upkeep.card, world.province, db.read(first))


def test_an_entry_is_added_renamed_removed_and_restored_each_with_its_document(db: Database, world: World) -> None:
    card = listed(db, world)
    assert (card.entry.batch, card.unit_id, card.can_edit) == ("2024年度市级绿色工厂", None, False)
    perform(
        db,
        upkeep.rename_entry,
        world.city,
        card.entry.id,
        1,
        "广州白云新材料股份有限公司",
        date(2025, 1, 8),
        "穗工信函〔2025〕1号",
    )
    perform(
        db,
        upkeep.remove_entry,
        world.city,
        card.entry.id,
        2,
        "第二十一条（二）",
        date(2025, 3, 1),
        "穗工信函〔2025〕2号",
    )
    assert db.read(entries.page, world.county, EntryQuery(Form.FACTORY, search="白云")).total == 0
    then = db.read(entries.page, world.county, EntryQuery(Form.FACTORY, date(2025, 2, 1), search="白云"))
    assert then.total == 1, "it was there on that day"
    perform(db, upkeep.restore_entry, world.city, card.entry.id, 3, "穗工信函〔2025〕3号")
    card = db.read(upkeep.card, world.city, card.entry.id)
    assert card.entry.removed_on is None and card.can_edit
    assert [(line.kind, line.document_number) for line in card.history] == [
        (RosterChangeKind.RESTORED, "穗工信函〔2025〕3号"),
        (RosterChangeKind.REMOVED, "穗工信函〔2025〕2号"),
        (RosterChangeKind.RENAMED, "穗工信函〔2025〕1号"),
        (RosterChangeKind.LISTED, "穗工信函〔2024〕7号"),
    ]
    assert "“广州白云新材料有限公司”更名为" in card.history[2].detail


def test_a_correction_says_what_was_there_before(db: Database, world: World) -> None:
    card = entry_of(db, world, "other")
    edit = EntryEdit("广州云山纺织有限公司", "914406049083016630", "440112", world.orgs["group"])
    perform(db, upkeep.correct_entry, world.city, card.entry.id, card.version, edit, "工作联系单")
    after = db.read(upkeep.card, world.city, card.entry.id)
    assert (after.entry.region_code, after.group_name) == ("440112", "华岭能源集团有限公司")
    assert "“广东省 广州市 天河区”改为“广东省 广州市 黄埔区”" in after.history[0].detail
    with pytest.raises(Conflict, match="刚刚被其他人修改"):
        perform(db, upkeep.correct_entry, world.city, card.entry.id, card.version, edit, "工作联系单")
    with pytest.raises(Refusal, match="没有改动"):
        perform(db, upkeep.correct_entry, world.city, card.entry.id, after.version, edit, "工作联系单")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"batch": ""}, "batch"),
        ({"listed_on": date(2026, 1, 1)}, "listed_on"),
        ({"document_number": "长" * 101}, "document_number"),
        ({"edit": EntryEdit("甲", "", "440112", None)}, "name"),
        ({"edit": EntryEdit("甲乙有限公司", "1", "440112", None)}, "credit_code"),
        ({"edit": EntryEdit("甲乙有限公司", "", "x", None)}, "region_code"),
        ({"edit": EntryEdit("甲乙有限公司", "", "440112", 1)}, "group_id"),
        ({"level": Level.NATIONAL, "edit": EntryEdit("广州云山纺织有限公司", "", "440106", None)}, "name"),
    ],
)
def test_an_entry_that_cannot_be_says_which_field_is_wrong(
    db: Database, world: World, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(Refusal) as caught:
        perform(db, upkeep.add_entry, world.city, replace(NEW, **changes))
    assert caught.value.field == field


def test_only_who_keeps_the_list_of_a_region_changes_it(db: Database, world: World) -> None:
    for stranger in (world.county, world.far_city, world.group, world.filer, world.expert):
        with pytest.raises(Forbidden):
            perform(db, upkeep.add_entry, stranger, NEW)
    card = entry_of(db, world, "other")
    for act in (
        lambda actor: perform(db, upkeep.remove_entry, actor, card.entry.id, 1, "原因", date(2025, 3, 1), "文号"),
        lambda actor: perform(db, upkeep.assign_entry, actor, card.entry.id, 1, None),
    ):
        with pytest.raises(Forbidden):
            act(world.far_city)


def test_an_entry_under_another_name_is_given_to_its_unit_by_hand(db: Database, world: World) -> None:
    card = listed(db, world)
    (found,) = db.read(upkeep.candidates, world.city, "云山")
    perform(db, upkeep.assign_entry, world.city, card.entry.id, card.version, found.id)
    mine = db.read(entries.of_unit, world.other, Form.FACTORY)
    assert [entry.listed_name for entry in mine] == ["广州云山纺织有限公司", "广州白云新材料有限公司"]
    perform(db, upkeep.assign_entry, world.city, card.entry.id, 2, None)
    assert len(db.read(entries.of_unit, world.other, Form.FACTORY)) == 1
    with pytest.raises(NotFound):
        perform(db, upkeep.assign_entry, world.city, card.entry.id, 3, world.orgs["county"])


# --- invitations ------------------------------------------------------------------------------------------------------


@pytest.fixture
def unlisted(db: Database, world: World) -> World:
    """``other`` has left the list."""
    card = entry_of(db, world, "other")
    perform(db, upkeep.remove_entry, world.city, card.entry.id, 1, "停产", date(2025, 3, 1), "穗工信函〔2025〕2号")
    return world


def test_a_unit_that_is_not_listed_begins_only_when_it_is_invited(db: Database, unlisted: World) -> None:
    world = unlisted
    action = db.read(lists.own_page, world.other, Form.FACTORY).open_action
    assert action is not None and "由市或省主管部门邀请" in action.reason
    invite = (Form.FACTORY, 2025, world.orgs["other"], Level.MUNICIPAL, "拟列入市级名单")
    perform(db, invitations.invite, world.city, *invite)
    (row,) = db.read(invitations.listing, world.city, Form.FACTORY, 2025)
    assert (row.unit_name, row.kept) == ("广州云山纺织有限公司", "")
    told = db.read(lambda s: s.exec(select(Message).where(Message.kind == "invited")).one())
    assert told.organisation_id == world.orgs["other"]
    filing_id = perform(db, opening.open_filing, world.other, Form.FACTORY, 2025)
    assert db.read(lambda s: s.get_one(Filing, filing_id).level) is Level.MUNICIPAL
    with pytest.raises(Conflict, match="已经开始填报"):
        perform(db, invitations.withdraw_invitation, world.city, row.id)


def test_an_invitation_is_taken_back_before_the_unit_begins(db: Database, unlisted: World) -> None:
    world = unlisted
    perform(db, invitations.invite, world.city, Form.FACTORY, 2025, world.orgs["other"], Level.MUNICIPAL, "拟列入")
    (row,) = db.read(invitations.listing, world.city, Form.FACTORY, 2025)
    with pytest.raises(Forbidden):
        perform(db, invitations.withdraw_invitation, world.far_city, row.id)
    perform(db, invitations.withdraw_invitation, world.city, row.id)
    with pytest.raises(Conflict, match="没有查到本单位"):
        perform(db, opening.open_filing, world.other, Form.FACTORY, 2025)


def test_whom_an_office_cannot_invite(db: Database, unlisted: World) -> None:
    world = unlisted
    args = (Form.FACTORY, 2025)
    with pytest.raises(Refusal, match="已在名单中"):
        perform(db, invitations.invite, world.city, *args, world.orgs["factory"], Level.MUNICIPAL, "拟列入")
    with pytest.raises(Forbidden):
        perform(db, invitations.invite, world.far_city, *args, world.orgs["other"], Level.MUNICIPAL, "拟列入")
    with pytest.raises(Refusal, match="原因"):
        perform(db, invitations.invite, world.city, *args, world.orgs["other"], Level.MUNICIPAL, "")
    perform(db, invitations.invite, world.city, *args, world.orgs["other"], Level.MUNICIPAL, "拟列入")
    with pytest.raises(Conflict, match="已经邀请过"):
        perform(db, invitations.invite, world.province, *args, world.orgs["other"], Level.MUNICIPAL, "拟列入")
