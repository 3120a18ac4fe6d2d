"""A unit registers, is confirmed by its office, and looks after its profile (注册, 确认, 单位信息)."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from PIL import Image
from sqlmodel import Session, col, select

from models import AuditLine, Filing, Message, Organisation, RosterBatch, RosterEntry, Setting, TemplateCopy
from models.enums import FilingStatus, Form, Level, OrgKind, OrgStatus, Role, Tier
from services import audit, clock
from services.accounts import offices, organisations, passwords, sessions
from services.accounts.views import OrganisationQuery, OrganisationView, Picked, ProfileEdit, RegisterForm
from services.db import Database
from services.errors import Conflict, Forbidden, NotFound, Refusal
from services.filings import files, standing
from services.perform import perform
from tests.conftest import World

CODE = "91110000600037341L"


def form(world: World, **changes: object) -> RegisterForm:
    return replace(
        RegisterForm(
            name="广州白云新材料有限公司",
            credit_code=CODE,
            region_code="440106",
            address="五山路1号",
            contact="王岚",
            telephone="020-83133361",
            mobile="13800138000",
            email="wanglan@example.com",
            superior_province_id=world.orgs["province"],
            superior_city_id=world.orgs["city"],
            superior_county_id=world.orgs["county"],
            group_id=None,
            username="Baiyun.Wang",
            password="Huangpu-2025-bw",
            user_name="王岚",
        ),
        **changes,
    )


def edit(view: OrganisationView, **changes: object) -> ProfileEdit:
    def chosen(choice: object) -> int | None:
        return getattr(choice, "id", None)

    return replace(
        ProfileEdit(
            view.name,
            view.region_code,
            view.address,
            view.contact,
            view.telephone,
            view.mobile,
            view.email,
            chosen(view.superior_province),
            chosen(view.superior_city),
            chosen(view.superior_county),
            chosen(view.group),
        ),
        **changes,
    )


def put_under_review(s: Session, world: World) -> None:
    s.add(TemplateCopy(digest="0" * 64, form=Form.FACTORY, year=2025, source_text="", first_used_at=clock.now()))
    s.flush()
    s.add(
        Filing(
            number="GF-2025-440106-00001",
            organisation_id=world.orgs["factory"],
            form=Form.FACTORY,
            year=2025,
            template_digest="0" * 64,
            status=FilingStatus.REVIEW,
            unit_name="广州南粤精工制造有限公司",
            created_at=clock.now(),
            created_by_id=world.filer.user_id,
        )
    )


# --- registering ----------------------------------------------------------------------------------------------------


def test_a_unit_registers_waits_and_is_confirmed_by_its_county(db: Database, world: World) -> None:
    registered = organisations.register_unit(db, form(world), "10.0.0.7")
    assert registered.confirmed_by == "天河区科技工业和信息化局"
    with pytest.raises(Refusal, match="等待主管部门确认"):
        sessions.sign_in(db, "baiyun.wang", "Huangpu-2025-bw")
    asked = db.read(lambda s: s.exec(select(Message)).one())
    assert (asked.organisation_id, asked.must_act, asked.done_at) == (world.orgs["county"], True, None)

    perform(db, organisations.confirm, world.county, registered.organisation_id)

    signed = sessions.sign_in(db, "baiyun.wang", "Huangpu-2025-bw")
    assert signed.role is Role.SIGNER
    asked = db.read(lambda s: s.get_one(Message, asked.id))
    assert asked.done_at is not None
    actions = db.read(lambda s: s.exec(select(AuditLine.action).order_by(col(AuditLine.id))).all())
    assert list(actions) == ["register_unit", "sign_in", "confirm_unit", "sign_in"]


def test_confirmation_hands_over_the_entries_of_the_list(db: Database, world: World) -> None:
    def list_it(s: Session) -> None:
        batch = RosterBatch(form=Form.FACTORY, level=Level.MUNICIPAL, name="市级第一批", published_on=date(2024, 5, 1))
        s.add(batch)
        s.flush()
        for name, code in (("广州白云新材料公司", CODE), ("广州白云新材料有限公司", ""), ("别的公司", "")):
            s.add(
                RosterEntry(
                    batch_id=batch.id or 0,
                    form=Form.FACTORY,
                    level=Level.MUNICIPAL,
                    listed_name=name,
                    credit_code=code,
                    listed_on=batch.published_on,
                )
            )

    db.write(list_it)
    registered = organisations.register_unit(db, form(world))
    perform(db, organisations.confirm, world.city, registered.organisation_id)
    mine = db.read(
        lambda s: s.exec(
            select(RosterEntry.listed_name).where(RosterEntry.organisation_id == registered.organisation_id)
        ).all()
    )
    assert sorted(mine) == ["广州白云新材料公司", "广州白云新材料有限公司"]


def test_a_refused_unit_reads_why_and_may_register_again(db: Database, world: World) -> None:
    registered = organisations.register_unit(db, form(world))
    perform(db, organisations.refuse, world.county, registered.organisation_id, "营业执照不清楚，请重新上传")
    with pytest.raises(Refusal, match="营业执照不清楚"):
        sessions.sign_in(db, "baiyun.wang", "Huangpu-2025-bw")
    again = organisations.register_unit(db, form(world, username="baiyun2", password="Huangpu-2025-cc"))
    assert again.organisation_id == registered.organisation_id
    perform(db, organisations.confirm, world.county, again.organisation_id)
    sessions.sign_in(db, "baiyun2", "Huangpu-2025-cc")
    with pytest.raises(Refusal):  # whoever registered first stays outside
        sessions.sign_in(db, "baiyun.wang", "Huangpu-2025-bw")


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"credit_code": "123456789123456789"}, "credit_code", "校验位"),
        ({"credit_code": "12345"}, "credit_code", "18 位"),
        ({"credit_code": "9144011552601815X4"}, "credit_code", "已经注册"),
        ({"name": "<b>"}, "name", "全称"),
        ({"region_code": "440100"}, "region_code", "县（区）"),
        ({"region_code": "999999"}, "region_code", "请选择"),
        ({"mobile": "123"}, "mobile", "11 位"),
        ({"email": "a@b"}, "email", "不完整"),
        ({"telephone": "打这个"}, "telephone", "电话"),
        ({"username": "a"}, "username", "3 到 60"),
        ({"username": "filer"}, "username", "已被使用"),
        ({"password": "short"}, "password", "至少 10 位"),
        (
            {
                "region_code": "510104",
                **dict.fromkeys(("superior_province_id", "superior_city_id", "superior_county_id")),
            },
            "superior_city_id",
            "还没有登记的主管部门",
        ),
    ],
)
def test_a_registration_says_which_field_is_wrong(
    db: Database, world: World, changes: dict[str, object], field: str, said: str
) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        organisations.register_unit(db, form(world, **changes))
    assert caught.value.field == field


def test_a_unit_cannot_go_past_its_county_though_there_is_one(db: Database, world: World) -> None:
    with pytest.raises(Refusal, match="所在地区的是“天河区科技工业和信息化局”") as caught:
        organisations.register_unit(db, form(world, superior_county_id=None))
    assert caught.value.field == "superior_county_id"
    for field in ("superior_province_id", "superior_city_id"):
        with pytest.raises(Refusal) as caught:
            organisations.register_unit(db, form(world, **{field: None}))
        assert caught.value.field == field


def test_a_subsidiary_may_go_to_its_group_alone(db: Database, world: World) -> None:
    alone = {"superior_province_id": None, "superior_city_id": None, "superior_county_id": None}
    registered = organisations.register_unit(db, form(world, **alone, group_id=world.orgs["group"]))
    assert registered.confirmed_by == "华岭能源集团有限公司"


def test_where_there_is_no_county_office_the_city_is_the_first(db: Database, world: World) -> None:
    registered = organisations.register_unit(db, form(world, region_code="440112", superior_county_id=None))
    assert registered.confirmed_by == "广州市工业和信息化局"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"superior_city_id": "far_city"}, "superior_county_id"),  # a county of another city
        ({"superior_county_id": "city"}, "superior_county_id"),  # a city is no county
        ({"superior_city_id": "shenzhen_city", "superior_county_id": None}, "superior_province_id"),
        ({"group_id": "city"}, "group_id"),
    ],
)
def test_offices_that_do_not_belong_together_are_refused(
    db: Database, world: World, changes: dict[str, str | None], field: str
) -> None:
    ids = {key: world.orgs[name] if name else None for key, name in changes.items()}
    with pytest.raises(Refusal) as caught:
        organisations.register_unit(db, form(world, **ids))
    assert caught.value.field == field


def test_the_business_licence_comes_along_and_only_the_right_people_read_it(
    db: Database, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LVCE_DATA_DIR", str(tmp_path))
    picture = io.BytesIO()
    Image.new("RGB", (600, 400), "white").save(picture, "PNG")
    registered = organisations.register_unit(
        db, form(world, license_name="营业执照.png", license_content=picture.getvalue())
    )
    view = db.read(organisations.profile, world.county, registered.organisation_id)
    assert view.license_file_id is not None
    shown, path = db.read(files.open_file, world.county, view.license_file_id)
    assert shown.name == "营业执照.png"
    assert path.read_bytes() == picture.getvalue()
    with pytest.raises(NotFound):
        db.read(files.open_file, world.other, view.license_file_id)


def test_a_registration_that_fails_leaves_no_file(
    db: Database, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LVCE_DATA_DIR", str(tmp_path))
    picture = io.BytesIO()
    Image.new("RGB", (600, 400), "white").save(picture, "PNG")
    with pytest.raises(Refusal):
        organisations.register_unit(
            db, form(world, mobile="1", license_name="a.png", license_content=picture.getvalue())
        )
    assert not [p for p in (tmp_path / "files").rglob("*") if p.is_file()]


def test_one_address_cannot_flood_the_offices_with_registrations(db: Database, world: World) -> None:
    def pile(s: Session) -> None:
        for _ in range(organisations.PER_HOUR):
            audit.record(s, None, "register_unit", address="203.0.113.9")

    db.write(pile)
    with pytest.raises(Refusal, match="稍后再试"):
        organisations.register_unit(db, form(world), "203.0.113.9")
    organisations.register_unit(db, form(world), "10.0.0.7")


def test_registrations_that_come_all_at_once_are_counted_too(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pile(s: Session) -> None:
        for _ in range(organisations.PER_HOUR):
            audit.record(s, None, "register_unit", address="203.0.113.9")

    def hashed(_: str) -> str:
        db.write(pile)  # those that were counted while this one was at its hash
        return "-"

    monkeypatch.setattr(passwords, "hashed", hashed)
    with pytest.raises(Refusal, match="稍后再试"):
        organisations.register_unit(db, form(world), "203.0.113.9")


def test_only_the_office_above_confirms_and_only_once(db: Database, world: World) -> None:
    registered = organisations.register_unit(db, form(world))
    for stranger in (world.far_city, world.group, world.other):
        with pytest.raises(Refusal):
            perform(db, organisations.confirm, stranger, registered.organisation_id)
    perform(db, organisations.confirm, world.county, registered.organisation_id)
    with pytest.raises(Conflict, match="不需要再次办理"):
        perform(db, organisations.confirm, world.city, registered.organisation_id)


# --- choosing the superior --------------------------------------------------------------------------------------------


def test_a_region_proposes_its_own_offices(db: Database, world: World) -> None:
    offered = db.read(offices.superiors, "440106")
    orgs = world.orgs
    assert offered.picked == Picked(orgs["province"], orgs["city"], orgs["county"])
    assert offered.required == {Tier.PROVINCE, Tier.CITY, Tier.COUNTY}
    assert offered.path == (
        "天河区科技工业和信息化局",
        "广州市工业和信息化局",
        "广东省工业和信息化厅",
        "工业和信息化部",
    )
    assert [c.name for c in offered.groups] == ["华岭能源集团有限公司"]


def test_the_way_that_is_announced_ends_at_the_last_tier_of_the_deployment(db: Database, world: World) -> None:
    def ends(s: Session, last: str) -> tuple[str, ...]:
        s.add(Setting(name="top_tier", value=last, set_at=clock.now()))
        s.flush()
        return offices.superiors(s, "440106").path

    assert db.write(ends, "city") == ("天河区科技工业和信息化局", "广州市工业和信息化局")
    assert db.write(ends, "province")[-1] == "广东省工业和信息化厅"


def test_offices_of_other_regions_are_chosen_level_by_level(db: Database, world: World) -> None:
    orgs = world.orgs
    offered = db.read(offices.superiors, "440106", Picked(orgs["province"]), (Tier.CITY, Tier.COUNTY))
    assert offered.picked == Picked(orgs["province"], orgs["city"], orgs["county"])
    assert {c.id for c in offered.city} == {orgs["city"], orgs["far_city"], orgs["shenzhen_city"]}
    offered = db.read(offices.superiors, "440106", Picked(orgs["province"], orgs["far_city"]), (Tier.COUNTY,))
    assert (offered.county, offered.picked.county_id) == ((), None)
    assert (offered.elsewhere, offered.required) == (("佛山市工业和信息化局",), {Tier.CITY})


def test_a_separate_city_offers_no_province(db: Database, world: World) -> None:
    orgs = world.orgs
    offered = db.read(offices.superiors, "440305")
    assert (offered.picked, offered.required) == (Picked(city_id=orgs["shenzhen_city"]), {Tier.CITY})
    assert "计划单列市" in offered.note
    back = db.read(offices.superiors, "440305", Picked(orgs["province"]), (Tier.CITY, Tier.COUNTY))
    assert back.picked == Picked(orgs["province"]), "its people can still get at the province's other cities"


# --- the profile ----------------------------------------------------------------------------------------------------


def test_a_unit_edits_its_profile_and_keeps_its_former_name(db: Database, world: World) -> None:
    view = db.read(organisations.profile, world.filer)
    assert not view.masked
    assert view.can_edit
    changed = perform(
        db,
        organisations.update_profile,
        world.filer,
        edit(view, name="广州南粤精工股份有限公司", mobile="１３９００００００００"),
        view.version,
    )
    assert changed.former_names == ("广州南粤精工制造有限公司",)
    assert changed.mobile == "13900000000"
    assert changed.version == view.version + 1


def test_two_people_in_one_profile_do_not_overwrite_each_other(db: Database, world: World) -> None:
    view = db.read(organisations.profile, world.filer)
    perform(db, organisations.update_profile, world.filer, edit(view, contact="陈立群"), view.version)
    with pytest.raises(Conflict, match="刚刚被其他人修改"):
        perform(db, organisations.update_profile, world.signer, edit(view, contact="黄启明"), view.version)
    assert db.read(organisations.profile, world.filer).contact == "陈立群"


def test_a_unit_corrects_a_wrong_superior_itself(db: Database, world: World) -> None:
    view = db.read(organisations.profile, world.filer)
    right = edit(view, superior_city_id=world.orgs["far_city"], superior_county_id=None)
    changed = perform(db, organisations.update_profile, world.filer, right, view.version)
    assert changed.superior_city is not None and changed.superior_city.name == "佛山市工业和信息化局"
    facts = db.read(standing.open_facts, world.filer, Form.FACTORY, 2025)
    assert [step.authority_name for step in facts.applicable][:2] == ["佛山市工业和信息化局", "广东省工业和信息化厅"]


def test_the_superior_changes_only_after_the_filing_is_withdrawn(db: Database, world: World) -> None:
    db.write(put_under_review, world)
    view = db.read(organisations.profile, world.filer)
    assert "取消上报" in view.locked["superior_county_id"]
    with pytest.raises(Refusal, match="取消上报"):
        perform(db, organisations.update_profile, world.filer, edit(view, superior_county_id=None), view.version)
    perform(db, organisations.update_profile, world.filer, edit(view, contact="陈立群"), view.version)


def test_contacts_are_masked_until_somebody_asks_and_is_logged(db: Database, world: World) -> None:
    unit = world.orgs["factory"]
    masked = db.read(organisations.profile, world.county, unit)
    assert (masked.telephone, masked.mobile, masked.email) == ("020-****3361", "133****0494", "c***@example.com")
    plain = perform(db, organisations.reveal_contacts, world.county, unit)
    assert plain.mobile == "13370120494"
    last = db.read(lambda s: s.exec(select(AuditLine).where(AuditLine.action == "reveal_contacts")).one())
    assert last.user_id == world.county.user_id


def test_a_profile_elsewhere_does_not_exist(db: Database, world: World) -> None:
    for stranger in (world.other, world.far_city, world.group, world.expert):
        with pytest.raises(NotFound):
            db.read(organisations.profile, stranger, world.orgs["factory"])
        with pytest.raises(Forbidden if stranger is world.expert else NotFound):
            perform(db, organisations.reveal_contacts, stranger, world.orgs["factory"])


# --- offices ----------------------------------------------------------------------------------------------------------


def test_the_tree_hangs_together_by_region(db: Database, world: World) -> None:
    (top,) = db.read(offices.tree, world.admin)
    assert top.name == "工业和信息化部"
    province = next(n for n in top.children if n.tier is Tier.PROVINCE and n.region_name == "广东省")
    guangzhou = next(n for n in province.children if n.name.startswith("广州"))
    assert [n.name for n in guangzhou.children] == ["天河区科技工业和信息化局"]
    assert guangzhou.children[0].units == 2
    (mine,) = db.read(offices.tree, world.city)
    assert mine.name == "广州市工业和信息化局"
    with pytest.raises(Forbidden):
        db.read(offices.tree, world.filer)


def test_the_list_of_units_stops_at_the_border(db: Database, world: World) -> None:
    page = db.read(offices.listing, world.city, OrganisationQuery())
    assert {row.name for row in page.rows} == {
        "广州南粤精工制造有限公司",
        "广州云山纺织有限公司",
        "华岭能源广州炼化有限公司",
    }
    assert db.read(offices.listing, world.city, OrganisationQuery(search="云山")).total == 1
    assert db.read(offices.listing, world.admin, OrganisationQuery()).total > 10


def test_the_administrator_adds_an_office_whose_tier_follows_from_its_region(db: Database, world: World) -> None:
    place_id = perform(db, offices.create_office, world.admin, OrgKind.AUTHORITY, "黄埔区工业和信息化局", "440112")
    place = db.read(lambda s: s.get_one(Organisation, place_id))
    assert (place.tier, place.status) == (Tier.COUNTY, OrgStatus.ACTIVE)
    with pytest.raises(Conflict):
        perform(db, offices.create_office, world.admin, OrgKind.AUTHORITY, "黄埔区工业和信息化局", "440112")
    with pytest.raises(Forbidden):
        perform(db, offices.create_office, world.province, OrgKind.AUTHORITY, "黄埔区工业局", "440112")


def test_the_administrator_corrects_what_nobody_else_can(db: Database, world: World) -> None:
    unit, version = world.orgs["other"], 1
    perform(db, organisations.correct_organisation, world.admin, unit, version, "广州云山纺织有限公司", CODE)
    place = db.read(lambda s: s.get_one(Organisation, unit))
    assert (place.credit_code, place.version) == (CODE, 2)
    office = world.orgs["far_city"]
    perform(db, organisations.correct_organisation, world.admin, office, 1, "佛山市工信局", "")
    assert db.read(lambda s: s.get_one(Organisation, office)).name == "佛山市工信局"
    for args, said in (
        ((unit, 1, "甲乙公司", CODE), "刚刚被其他人修改"),
        ((unit, 2, "广州云山纺织有限公司", "9144011552601815X4"), "已属于另一个机构"),
        ((unit, 2, "广州云山纺织有限公司", CODE), "没有改动"),
        ((office, 2, "广州市工业和信息化局", ""), "不能重复"),
    ):
        with pytest.raises(Refusal, match=said):
            perform(db, organisations.correct_organisation, world.admin, *args)
    with pytest.raises(Forbidden):
        perform(db, organisations.correct_organisation, world.province, unit, 2, "甲乙公司", CODE)


def test_an_office_entered_by_mistake_goes_as_long_as_nobody_rests_on_it(db: Database, world: World) -> None:
    place_id = perform(db, offices.create_office, world.admin, OrgKind.AUTHORITY, "错误的局", "440112")
    perform(db, offices.remove_office, world.admin, place_id)
    assert db.read(lambda s: s.get(Organisation, place_id)) is None
    with pytest.raises(Refusal, match="已有用户"):
        perform(db, offices.remove_office, world.admin, world.orgs["county"])
    with pytest.raises(Refusal, match="选它为上级"):
        perform(db, offices.remove_office, world.admin, world.orgs["shenzhen_city"])
    with pytest.raises(NotFound):
        perform(db, offices.remove_office, world.admin, world.orgs["factory"])


def test_a_new_deployment_sees_how_far_it_has_come(db: Database, world: World) -> None:
    assert db.read(offices.beginnings, world.admin) == {"offices": 5, "people": 6, "entries": 5, "units": 5}
    with pytest.raises(Forbidden):
        db.read(offices.beginnings, world.province)


def test_the_administrator_does_not_read_where_a_unit_works(db: Database, world: World) -> None:
    unit = world.orgs["other"]
    assert perform(db, organisations.profile, world.county, unit).address
    assert perform(db, organisations.profile, world.admin, unit).address == ""
