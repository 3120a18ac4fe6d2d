"""Who may add, disable and reset whom (用户管理)."""

from __future__ import annotations

import pytest
from sqlmodel import select

from models import AuditLine, User
from models.enums import Role
from services.accounts import audit_view, sessions, users
from services.accounts.views import AuditQuery
from services.db import Database
from services.errors import Conflict, Forbidden, NotFound, Refusal
from services.perform import perform
from tests.conftest import World


def test_a_new_user_gets_an_initial_password_that_must_be_changed(db: Database, world: World) -> None:
    new = users.create(db, world.signer, world.orgs["factory"], "Li.Na", "李娜", Role.FILER)
    signed = sessions.sign_in(db, "li.na", new.password)
    assert signed.must_change_password
    assert sessions.resolve(db, signed.token).role is Role.FILER
    stored = db.read(lambda s: s.get_one(User, new.user_id)).password_hash
    assert new.password not in stored
    assert stored.startswith("$argon2id$")
    details = db.read(lambda s: s.exec(select(AuditLine.detail)).all())
    assert not any(new.password in detail for detail in details)


@pytest.mark.parametrize(
    ("who", "where", "role"),
    [
        ("signer", "factory", Role.SIGNER),
        ("signer", "factory", Role.CITY),
        ("city", "city", Role.PROVINCE),
        ("admin", "factory", Role.ADMIN),
        ("admin", "city", Role.FILER),
    ],
)
def test_nobody_gives_a_role_that_is_not_theirs_to_give(
    db: Database, world: World, who: str, where: str, role: Role
) -> None:
    with pytest.raises(Refusal, match="可以设的角色") as caught:
        users.create(db, world.actors[who], world.orgs[where], "new.user", "新人", role)
    assert caught.value.field == "role"


@pytest.mark.parametrize(
    ("who", "where", "refused"),
    [
        ("filer", "factory", Forbidden),
        ("expert", "expert", Forbidden),
        ("signer", "other", NotFound),
        ("county", "factory", NotFound),
        ("province", "city", NotFound),
    ],
)
def test_nobody_adds_people_to_another_house(
    db: Database, world: World, who: str, where: str, refused: type[Refusal]
) -> None:
    with pytest.raises(refused):
        users.create(db, world.actors[who], world.orgs[where], "new.user", "新人", Role.FILER)


def test_a_name_is_given_once_whatever_its_case(db: Database, world: World) -> None:
    with pytest.raises(Conflict, match="已被使用"):
        users.create(db, world.admin, world.orgs["city"], "ＣＩＴＹ", "新人", Role.CITY)


def test_nobody_disables_themselves_their_equals_or_strangers(db: Database, world: World) -> None:
    with pytest.raises(Forbidden, match="自己"):
        perform(db, users.disable, world.admin, world.admin.user_id)
    second = users.create(db, world.admin, world.orgs["factory"], "second", "副负责人", Role.SIGNER)
    with pytest.raises(Forbidden, match="不能管理"):
        perform(db, users.disable, world.signer, second.user_id)
    with pytest.raises(NotFound):
        perform(db, users.disable, world.signer, world.other.user_id)


def test_the_last_administrator_stays(db: Database, world: World) -> None:
    second = users.create(db, world.admin, world.orgs["admin"], "second", "第二管理员", Role.ADMIN)
    perform(db, users.disable, world.admin, second.user_id)
    actor = db.read(sessions.actor_of, second.user_id)
    with pytest.raises(Refusal, match="最后一个"):
        perform(db, users.disable, actor, world.admin.user_id)
    with pytest.raises(Conflict, match="已经是停用"):
        perform(db, users.disable, world.admin, second.user_id)
    perform(db, users.enable, world.admin, second.user_id)


def test_the_list_of_users_says_what_may_be_done(db: Database, world: World) -> None:
    page = db.read(users.listing, world.signer, world.orgs["factory"])
    assert {row.username: row.can_reset for row in page.rows} == {"filer": True, "signer": False}
    assert db.read(users.listing, world.admin).total == len(world.actors)
    assert db.read(users.listing, world.admin, None, "郑国华").total == 1
    with pytest.raises(Forbidden):
        db.read(users.listing, world.signer)


def test_the_audit_log_is_the_administrators(db: Database, world: World) -> None:
    users.create(db, world.signer, world.orgs["factory"], "li.na", "李娜", Role.FILER)
    with pytest.raises(Refusal):
        users.create(db, world.filer, world.orgs["factory"], "li.na2", "李娜", Role.FILER)
    page = db.read(audit_view.page, world.admin, AuditQuery())
    assert page.total == 2
    assert {row.action_caption for row in page.rows} == {"新增用户"}
    assert page.rows[0].result == "refused"
    assert db.read(audit_view.page, world.admin, AuditQuery(search="李娜")).total == 1
    assert db.read(audit_view.check, world.admin)[0]
    with pytest.raises(Forbidden):
        db.read(audit_view.page, world.province, AuditQuery())


def test_new_users_are_offered_only_where_the_reader_may_add_them(db: Database, world: World) -> None:
    offered = {name: db.read(users.places, world.actors[name]) for name in ("signer", "filer", "county")}
    assert {name: [(p.name, p.roles) for p in found] for name, found in offered.items()} == {
        "signer": [("广州南粤精工制造有限公司", (Role.FILER,))],
        "filer": [],
        "county": [("天河区科技工业和信息化局", (Role.COUNTY,))],
    }
    (found,) = db.read(users.places, world.admin, "9144011552601815x4")
    assert found.roles == (Role.SIGNER, Role.FILER)
    everywhere = db.read(users.places, world.admin)
    assert everywhere[0].roles and Role.FILER not in everywhere[0].roles, "offices come before units"
