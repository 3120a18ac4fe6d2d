"""What people do on the pages around the filing (待办, 单位信息, 注册, 机构, 用户, 审计日志, 下载)."""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from nicegui import app, background_tasks, ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.testing.user_interaction import UserInteraction
from PIL import Image
from sqlmodel import Session, select

from models import Organisation, RosterEntry, User
from models.enums import AuditResult, Form, OrgStatus, Role
from services import audit, policy
from services.accounts import organisations
from services.accounts.views import RegisterForm
from services.db import Database
from services.documents import spreadsheet
from services.errors import Refusal
from services.filings import lists, moves
from services.forms.names import credit_code_valid
from services.register import campaigns
from tests import filing_kit
from tests.conftest import World
from tests.ui_kit import PASSWORD, Visitor, served, until, visitor
from ui import act
from ui.widgets.data_table import DataTable
from ui.widgets.upload import Upload

CODE_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CODE = next(code for last in CODE_LETTERS if credit_code_valid(code := f"91440101MA59NTUX6{last}"))
As = Callable[[str], Coroutine[Any, Any, Visitor]]


@pytest.fixture
async def as_(sqlite_db: Database, sqlite_world: World, tmp_path: Path) -> AsyncIterator[As]:
    """``await as_("county")``: the browser, signed in as that person."""
    async with served(sqlite_db, tmp_path), visitor() as found:

        async def signed_in(username: str) -> Visitor:
            await found.sign_in(username)
            return found

        yield signed_in


def application(world: World) -> RegisterForm:
    return RegisterForm(
        name="广州白云新材料有限公司",
        credit_code=CODE,
        region_code="440106",
        address="天河路 385 号",
        contact="马丽",
        telephone="020-83133361",
        mobile="13800138000",
        email="mali@example.com",
        superior_province_id=world.orgs["province"],
        superior_city_id=world.orgs["city"],
        superior_county_id=world.orgs["county"],
        group_id=None,
        username="baiyun",
        password=PASSWORD,
        user_name="马丽",
    )


def table(guest: Visitor) -> DataTable:
    (found,) = guest.find(DataTable).elements
    return found


def tables(guest: Visitor) -> list[DataTable]:
    """The tables of the page, uppermost first; none while it is being drawn anew."""
    try:
        return sorted(guest.find(DataTable).elements, key=lambda found: found.id)
    except AssertionError:
        return []


def first_rows(guest: Visitor) -> Sequence[Mapping[str, Any]]:
    return next((found.shown for found in tables(guest)), ())


def press(guest: Visitor, row_id: int, word: str) -> None:
    guest.find(DataTable).trigger("act", {"id": row_id, "word": word})


# --- 待办 -------------------------------------------------------------------------------------------------------------


async def test_a_unit_reads_the_deadline_and_its_next_step_first(as_: As) -> None:
    guest = await as_("filer")
    await guest.open("/")
    await guest.should_see("请在2025年4月15日前上报，还有 26 天。")
    await guest.should_see("新增2025年度绿色工厂动态管理表")


async def test_an_office_reads_how_much_waits_for_it(as_: As) -> None:
    guest = await as_("county")
    await guest.open("/")
    for words in ("待我审核", "审核中", "未填报"):
        await guest.should_see(words)


async def test_the_menu_offers_only_what_the_role_may_open(as_: As) -> None:
    guest = await as_("filer")
    await guest.open("/")
    await guest.should_see("单位信息")
    for words in ("审计日志", "机构", "用户"):
        await guest.should_not_see(kind=ui.link, content=words)


# --- 单位信息 -----------------------------------------------------------------------------------------------------------


async def test_a_wrong_figure_in_the_profile_is_said_beside_its_field(as_: As) -> None:
    guest = await as_("filer")
    await guest.open("/profile")
    guest.field("手机号").clear().type("12")
    guest.button("保存单位信息").click()
    (mobile,) = guest.field("手机号").elements
    await until(lambda: mobile.error)
    assert mobile.error is not None and "手机号应为 11 位数字" in mobile.error


async def test_a_unit_saves_its_profile(as_: As, sqlite_db: Database, sqlite_world: World) -> None:
    guest = await as_("filer")
    await guest.open("/profile")
    guest.field("联系人").clear().type("马丽")
    guest.button("保存单位信息").click()
    await guest.should_see("单位信息已保存")
    saved = sqlite_db.read(organisations.profile, sqlite_world.filer)
    assert saved.contact == "马丽"


async def test_a_closed_page_leaves_neither_itself_nor_a_route_behind(as_: As) -> None:
    guest = await as_("filer")
    routes = len(app.routes)
    await guest.open("/profile")
    (upload,) = guest.find(Upload).elements
    left, element = upload.client, weakref.ref(upload)
    await guest.open("/")
    left.delete()
    del left, upload
    gc.collect()
    assert element() is None
    assert len(app.routes) == routes


async def test_a_unit_uploads_its_licence_and_finds_it_there(
    as_: As, sqlite_db: Database, sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LVCE_DATA_DIR", str(tmp_path))
    guest = await as_("filer")
    await guest.open("/profile")
    await guest.should_see("还没有上传营业执照。")
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(picture, "PNG")
    (upload,) = guest.find(Upload).elements
    await upload.handle_uploads([ui.upload.SmallFileUpload("执照.png", "image/png", picture.getvalue())])
    await guest.should_see("查看已上传的营业执照")
    saved = sqlite_db.read(organisations.profile, sqlite_world.filer)
    answer = await guest.http_client.get(f"/files/{saved.license_file_id}")
    assert answer.content == picture.getvalue()
    assert answer.headers["content-disposition"].startswith("attachment")
    await guest.sign_in("other")
    assert (await guest.http_client.get(f"/files/{saved.license_file_id}")).status_code == 404


async def test_two_people_saving_one_profile_do_not_overwrite_each_other(
    as_: As, sqlite_db: Database, sqlite_world: World
) -> None:
    guest = await as_("filer")
    await guest.open("/profile")

    def touch(s: Session) -> None:
        place = s.get_one(Organisation, sqlite_world.orgs["factory"])
        place.version += 1
        s.add(place)

    sqlite_db.write(touch)
    guest.field("联系人").clear().type("马丽")
    guest.button("保存单位信息").click()
    await guest.should_see("单位信息刚刚被其他人修改")


async def test_a_unit_corrects_its_superior_level_by_level(as_: As, sqlite_db: Database, sqlite_world: World) -> None:
    guest = await as_("filer")
    await guest.open("/profile")
    await guest.should_see(
        "上报后依次由天河区科技工业和信息化局 → 广州市工业和信息化局 → 广东省工业和信息化厅 → 工业和信息化部审核。"
    )
    (city,), (county,) = (guest.find(kind=ui.select, content=f"{w}主管部门").elements for w in ("市", "县/区"))
    assert "不选" not in county.options.values(), "its county cannot be left out"
    city.value = sqlite_world.orgs["far_city"]
    await guest.should_see("佛山市工业和信息化局不在所在地区")
    assert county.value == 0
    guest.button("保存单位信息").click()
    await guest.should_see("单位信息已保存")
    saved = sqlite_db.read(organisations.profile, sqlite_world.filer)
    assert (saved.superior_city and saved.superior_city.name, saved.superior_county) == ("佛山市工业和信息化局", None)


async def test_a_unit_under_review_reads_how_to_correct_its_superior(
    as_: As, sqlite_db: Database, sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LVCE_DATA_DIR", str(tmp_path))
    sqlite_db.write(filing_kit.submitted, sqlite_world.other)
    guest = await as_("other")
    await guest.open("/profile")
    await guest.should_see("请先在列表中“取消上报”")
    await guest.should_see("去列表取消上报")


# --- 修改密码 -----------------------------------------------------------------------------------------------------------


async def test_a_weak_new_password_is_refused_beside_its_field(as_: As) -> None:
    guest = await as_("filer")
    await guest.open("/password")
    guest.field("原密码 *").type(PASSWORD)
    for label in ("新密码 *", "再次输入新密码 *"):
        (field,) = [e for e in guest.find(ui.input).elements if e.props["label"] == label]
        field.value = "123"
    guest.button("修改密码").click()
    await until(lambda: any(e.error for e in guest.find(ui.input).elements))
    assert [e.props["label"] for e in guest.find(ui.input).elements if e.error] == ["新密码 *"]


# --- 注册, 机构 ---------------------------------------------------------------------------------------------------------


async def test_a_registration_names_every_empty_line_at_once(as_: As) -> None:
    guest = await as_("filer")
    await guest.open("/register")
    guest.button("提交注册").click()
    await guest.should_see("提交注册")
    for caption in ("单位名称", "统一社会信用代码", "联系人", "用户名", "密码"):
        (field,) = guest.field(f"{caption} *").elements
        await until(lambda field=field: field.error)
        assert field.error == f"请填写{caption}。"
    province, city = (
        field
        for label in ("省（自治区、直辖市）*", "市 *")
        for field in guest.find(kind=ui.select, content=label).elements
    )
    assert (province.error, city.error) == ("请选择省（自治区、直辖市）。", None)
    province.value = "440000"
    guest.button("提交注册").click()
    await until(lambda: city.error)
    assert (province.error, city.error) == (None, "请选择市。")


async def test_a_registration_says_of_every_wrong_line_at_once_what_is_allowed(as_: As) -> None:
    guest = await as_("filer")
    await guest.open("/register")
    for field in guest.find(ui.input).elements:
        field.value = "x"
    for label, code in (("省（自治区、直辖市）*", "440000"), ("市 *", "440100"), ("县（区）*", "440106")):
        (choice,) = guest.find(kind=ui.select, content=label).elements
        choice.value = code
    guest.button("提交注册").click()
    said = {"统一社会信用代码": "18 位", "手机号": "11 位", "电子邮件": "name@example.com", "用户名": "3 到 60 个字符"}
    for caption, words in said.items():
        (field,) = guest.field(f"{caption} *").elements
        await until(lambda field=field: field.error)
        assert words in field.error


async def test_a_registration_page_says_what_is_wrong_before_it_thanks(as_: As) -> None:
    guest = await as_("filer")
    await guest.open("/register")
    guest.field("统一社会信用代码").type("914401010000000000").trigger("blur")
    guest.button("提交注册").click()
    await until(lambda: any(e.error for e in guest.find(ui.input).elements))


async def test_a_county_confirms_a_unit_that_registered(as_: As, sqlite_db: Database, sqlite_world: World) -> None:
    guest = await as_("county")
    made = organisations.register_unit(sqlite_db, application(sqlite_world))
    await guest.open("/organisations")
    await guest.should_see("有 1 个单位的注册等待确认。")
    first = table(guest).shown[0]
    assert (first["id"], first["actions"][0].caption) == (made.organisation_id, "确认注册")
    await guest.open(f"/organisations/{made.organisation_id}")
    await guest.should_see("138****8000")
    guest.button("确认注册").click()
    await guest.should_see("确认后，广州白云新材料有限公司即可登录填报")
    guest.newest("确认注册").click()
    await until(lambda: _status(sqlite_db, made.organisation_id) is OrgStatus.ACTIVE)


def _status(database: Database, organisation_id: int) -> OrgStatus:
    return database.read(lambda s: s.get_one(Organisation, organisation_id).status)


async def test_showing_a_contact_is_an_act_of_its_own(as_: As, sqlite_world: World) -> None:
    guest = await as_("county")
    await guest.open(f"/organisations/{sqlite_world.orgs['factory']}")
    await guest.should_not_see("13370120494")
    guest.button("显示联系方式").click()
    await guest.should_see("13370120494")


async def test_an_office_does_not_see_a_unit_of_another_region(as_: As, sqlite_world: World) -> None:
    guest = await as_("county")
    answer = await guest.http_client.get(f"/organisations/{sqlite_world.orgs['far']}")
    assert answer.status_code == 404
    assert "佛山" not in answer.text


# --- 用户 -------------------------------------------------------------------------------------------------------------


async def new_filer(as_: As) -> Visitor:
    """The signer's page with 新增填报人 filled in, not sent yet."""
    guest = await as_("signer")
    await guest.open("/users")
    guest.button("新增填报人").click()
    await guest.should_see("姓名 *")
    guest.field("姓名 *").type("马丽")
    guest.field("用户名 *").type("mali")
    return guest


async def test_a_signer_adds_a_filer_and_reads_the_initial_password_once(as_: As, sqlite_db: Database) -> None:
    guest = await new_filer(as_)
    guest.button("新增用户").click()
    await guest.should_see("“马丽”的初始密码，只显示这一次")

    def added(s: Session) -> User | None:
        return s.exec(select(User).where(User.username == "mali")).first()

    user = sqlite_db.read(added)
    assert user is not None and user.must_change_password
    copied = {e.text for e in guest.find(ui.label).elements if "lv-code" in e.classes}
    assert "mali" in copied and len(copied) == 2, "the user name and the password, letter by letter"


async def test_what_a_dialog_waits_for_ends_with_its_page(as_: As) -> None:
    guest = await as_("signer")
    await guest.open("/users")
    before = set(background_tasks.running_tasks)
    guest.button("新增填报人").click()
    await guest.should_see("姓名 *")
    waiting = background_tasks.running_tasks - before
    assert waiting
    (dialog,) = guest.find(ui.dialog).elements
    dialog.client.delete()
    await until(lambda: all(task.done() for task in waiting))


async def test_a_refusal_is_said_also_when_its_dialog_was_closed_meanwhile(
    as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> None:
        asked.set()
        await go_on.wait()
        raise Refusal("用户名“mali”已被使用，请换一个。", field="username")

    guest = await new_filer(as_)
    monkeypatch.setattr(act, "blocking", slow)
    guest.button("新增用户").click()
    await asked.wait()
    (dialog,) = guest.find(ui.dialog).elements
    dialog.delete()  # Esc
    go_on.set()
    await guest.should_see("已被使用，请换一个。")


async def test_the_administrator_chooses_the_organisation_of_a_new_user(as_: As, sqlite_db: Database) -> None:
    guest = await as_("admin")
    await guest.open("/users")
    guest.button("新增用户").click()
    await guest.should_see("姓名 *")
    guest.newest("新增用户").click()
    (place,) = guest.find(kind=ui.select, content="所属机构 *").elements
    await until(lambda: place.error)
    assert place.error == "请先查找并选择所属机构。"
    guest.field("按名称或统一社会信用代码查找所属机构").type("佛山市")
    await until(lambda: place.value)
    (role,) = guest.find(kind=ui.select, content="角色").elements
    assert list(role.options.values()) == ["市主管部门"]
    guest.field("姓名 *").type("冯佩二")
    guest.field("用户名 *").type("foshan2")
    guest.newest("新增用户").click()
    await guest.should_see("“冯佩二”的初始密码，只显示这一次")
    added = sqlite_db.read(lambda s: s.exec(select(User).where(User.username == "foshan2")).one())
    assert added.role is Role.CITY


async def test_a_row_that_offers_nothing_takes_no_forged_click(as_: As, sqlite_world: World) -> None:
    guest = await as_("signer")
    await guest.open("/users")
    own = next(row for row in table(guest).shown if row["username"] == "signer")
    assert own["actions"] == []
    press(guest, own["id"], "disable")
    await guest.should_not_see("停用后")


# --- 系统设置, 填报安排 -------------------------------------------------------------------------------------------------


async def test_the_administrator_changes_a_setting_and_gives_the_source(as_: As, sqlite_db: Database) -> None:
    guest = await as_("admin")
    await guest.open("/policy")
    assert next(row for row in first_rows(guest) if row["id"] == "restore_days")["mark"]["text"] == "建议值"
    first = min(guest.find(DataTable).elements, key=lambda t: t.id)
    UserInteraction(guest, {first}, None).trigger("act", {"id": "restore_days", "word": "change"})
    await guest.should_see("修改后，全部地区都按新的规定")
    (number,) = guest.find(kind=ui.number, content="删除后管理员可恢复的天数").elements
    number.value = 400
    guest.field("依据 *").type("粤工信〔2025〕30号")
    guest.button("保存设置").click()
    await until(lambda: number.error)
    assert number.error == "应在 1 到 365 之间，现在是 400。"
    number.value = 20
    guest.button("保存设置").click()
    await until(lambda: sqlite_db.read(policy.value, "restore_days", year=2025) == 20)
    await until(lambda: any(row["id"] == "restore_days" and row["by"] != "—" for row in first_rows(guest)))


async def test_an_office_reads_which_settings_are_not_its_own(as_: As) -> None:
    guest = await as_("city")
    await guest.open("/policy")
    rows = {row["id"]: row for row in first_rows(guest)}
    assert [a.reason for a in rows["top_tier"]["actions"]] == ["这项对全部地区有效，由系统管理员修改。"]
    assert [a.reason for a in rows["review.letter.city"]["actions"]] == [""]


async def test_a_city_invites_a_unit_that_is_not_listed(as_: As, sqlite_db: Database, sqlite_world: World) -> None:
    def unlist(s: Session) -> None:
        entry = s.exec(select(RosterEntry).where(RosterEntry.organisation_id == sqlite_world.orgs["other"])).one()
        entry.removed_on = date(2025, 3, 1)
        s.add(entry)

    sqlite_db.write(unlist)
    guest = await as_("city")
    await guest.open("/settings")
    guest.button("邀请填报").click()
    await guest.should_see("邀请后，该单位可以填报2025年度绿色工厂动态管理表")
    guest.field("按名称或统一社会信用代码查找单位").type("云山")
    (unit,) = guest.find(kind=ui.select, content="单位 *").elements
    await until(lambda: unit.value)
    guest.area("邀请原因").type("拟列入市级名单")
    guest.newest("邀请填报").click()
    own = lists.own_page
    await until(lambda: sqlite_db.read(own, sqlite_world.other, Form.FACTORY).open_action.enabled)
    await until(lambda: any("撤销邀请" in str(found.shown) for found in tables(guest)))


async def test_the_administrator_announces_the_next_year(as_: As, sqlite_db: Database) -> None:
    guest = await as_("admin")
    await guest.open("/settings")
    guest.button("新增年度").click()
    await guest.should_see("新增后，绿色工厂名单上的单位可以在开放日期起填报")
    guest.field("依据 *").type("粤工信〔2026〕1号")
    guest.newest("新增年度").click()
    await until(lambda: sqlite_db.read(campaigns.campaign_of, Form.FACTORY, 2026))
    await guest.should_see("还没有2026年度绿色工厂的表样")


# --- 审计日志, 下载 ------------------------------------------------------------------------------------------------------


async def test_the_administrator_reads_filters_and_exports_the_audit_log(as_: As) -> None:
    guest = await as_("admin")
    await guest.open("/audit")
    assert table(guest).shown[0]["action"] == "登录"
    guest.button("核对完整性").click()
    await guest.should_see("审计日志完整")
    guest.field("人员姓名或用户名").type("admin")
    await until(lambda: len(table(guest).shown) == 1)
    answer = await guest.http_client.get("/download/audit.csv?person=admin")
    head, *lines = answer.content.decode("utf-8-sig").splitlines()
    assert head.startswith("序号,时间,人员,所在机构")
    assert len(lines) == 2  # the sign-in, and this very export
    assert answer.headers["content-disposition"].startswith("attachment")
    answer = await guest.http_client.get("/download/audit.xlsx?action=export_audit")
    found = spreadsheet.read(answer.content, ["审计日志"])["审计日志"]
    assert any("导出 1 条（csv）；条件：人员 admin" in cell.text for cell in found.values())
    assert (await guest.http_client.get("/download/audit.exe")).status_code == 404


async def test_what_people_typed_is_no_formula_in_the_exported_log(as_: As, sqlite_db: Database) -> None:
    for text in ("=cmd|'/c calc'!A1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"):
        sqlite_db.write(audit.record, None, "sign_in", detail=text)
    guest = await as_("admin")
    answer = await guest.http_client.get("/download/audit.csv")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [row for row in rows if "'=cmd|'/c calc'!A1" in row]
    book = openpyxl.load_workbook(io.BytesIO((await guest.http_client.get("/download/audit.xlsx")).content))
    assert {cell.data_type for row in book.active.iter_rows() for cell in row if cell.value is not None} == {"s"}


async def test_the_administrator_reads_who_may_do_what(as_: As) -> None:
    guest = await as_("admin")
    await guest.open("/permissions")
    await guest.should_see("权限一览")
    first, second = sorted(guest.find(DataTable).elements, key=lambda element: element.id)
    assert {"matter": "恢复", "deleted": "✓"}.items() <= next(r for r in first.shown if r["matter"] == "恢复").items()
    assert any(row["matter"] == "显示联系方式（记入审计日志）" for row in second.shown)
    guest.field("事项").type("恢复")
    await until(lambda: len(first.shown) == 1)
    answer = await guest.http_client.get("/download/permissions.xlsx?role=expert")
    found = spreadsheet.read(answer.content, ["权限一览"])["权限一览"]
    assert "提交专家意见" in {cell.text for cell in found.values()}


async def test_the_administrator_backs_up_plans_and_examines(as_: As, sqlite_db: Database, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    guest = await as_("admin")
    await guest.open("/upkeep")
    await guest.should_see("每天 02:30（北京时间）")
    await guest.should_see("还没有备份过")
    codes = {e.text for e in guest.find(kind=TextElement).elements if e.tag == "code"}
    assert codes == {"LVCE_BACKUP_DIR", "python main.py restore 备份目录"}  # typed letter by letter, and marked as such
    await guest.should_see("0 B，0 个文件（含已删除、留作记录的）")
    guest.button("立即备份").click()
    await guest.should_see("备份完成", retries=600)
    assert len(list((tmp_path / "backups").glob("manual-*/manifest.json"))) == 1
    assert [row["kind"] for row in table(guest).shown] == ["手动"]
    guest.button("修改备份计划").click()
    await guest.should_see("超出份数的旧备份会删除")
    guest.field("每天备份的时间").clear().type("26:00")
    guest.button("保存计划").click()
    await guest.should_see("请填写每天备份的时间")
    guest.field("每天备份的时间").clear().type("03:15")
    guest.button("保存计划").click()
    await guest.should_see("每天 03:15（北京时间）")
    guest.button("开始体检").click()
    await guest.should_see("体检结果", retries=200)


async def test_a_backup_that_failed_is_said_where_the_administrator_begins(
    as_: As, sqlite_db: Database, sqlite_world: World
) -> None:
    said = "自动备份没有完成：磁盘空间不足。"
    sqlite_db.write(audit.record, None, "backup", detail=said, result=AuditResult.REFUSED)
    guest = await as_("admin")
    await guest.open("/")
    await guest.should_see(said)


async def test_the_administrator_restores_what_a_unit_deleted(
    as_: As, sqlite_db: Database, sqlite_world: World
) -> None:
    filing_id = sqlite_db.write(filing_kit.draft, sqlite_world.other, ready=False)
    sqlite_db.write(moves.delete, sqlite_world.other, filing_id, "删除")
    guest = await as_("admin")
    await guest.open("/deleted")
    (row,) = table(guest).shown
    assert (row["unit"], row["until"]) == ("广州云山纺织有限公司", "2025-04-19")
    assert [a.caption for a in row["actions"]] == ["恢复"]
    assert "actions" not in {head.key for head in table(guest).heads}  # the table has that column of itself
    press(guest, filing_id, "restore")
    await guest.should_see("恢复后申报单位可以继续填写。")
    guest.button("恢复").click()
    await guest.should_see("已恢复。")
    await until(lambda: not table(guest).shown)
    (own,) = sqlite_db.read(lists.own_page, sqlite_world.other, Form.FACTORY).rows
    assert (own.id, own.status_caption) == (filing_id, "填写中")


async def test_only_the_administrator_sees_what_was_deleted(as_: As) -> None:
    guest = await as_("province")
    assert (await guest.http_client.get("/deleted")).status_code == 403


@pytest.mark.parametrize(
    ("path", "start"),
    [
        ("/download/energy-limit-standards", b"PK"),
        ("/download/water-quota-standards", b"PK"),
        ("/download/roster/green_factory", b"PK"),
    ],
)
async def test_lists_come_as_attachments(as_: As, path: str, start: bytes) -> None:
    guest = await as_("filer")
    answer = await guest.http_client.get(path)
    assert answer.status_code == 200
    assert answer.content.startswith(start)
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/files/1", "/files/x", "/files/9999999999999999999", "/download/pdf/7", "/download/roster/x"]
)
async def test_what_does_not_exist_is_said_so(as_: As, path: str) -> None:
    guest = await as_("filer")
    answer = await guest.http_client.get(path)
    assert answer.status_code == 404
    assert "没有找到" in answer.text


async def test_industries_are_public_and_kept(as_: As) -> None:
    guest = await as_("filer")
    answer = await guest.http_client.get("/reference/industries.json")
    assert ["1711", "棉纺纱加工"] in answer.json()
    assert answer.headers["cache-control"] == "public, max-age=86400"


async def test_every_page_opens_for_whom_it_is_meant(as_: As) -> None:
    guest = await as_("filer")
    for path in ("/", "/profile", "/password", "/help"):
        await guest.open(path)
    await guest.sign_in("admin")
    for path in ("/", "/organisations", "/users", "/audit", "/help"):
        await guest.open(path)
    assert act.house().tabs


async def test_an_expert_without_a_task_is_not_told_to_widen_the_filters(as_: As) -> None:
    guest = await as_("expert")
    await guest.open("/filings/green_factory")
    await guest.should_see("还没有分配给您的评审任务。")
