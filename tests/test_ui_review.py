"""The review page, the unit's answers, attachments, the stamped scan and the history (审核页, 核实问题, 附件, 盖章件, 历次上报)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from nicegui import ui
from nicegui.elements.upload_files import SmallFileUpload
from sqlmodel import select

from models import AdjustmentOpinion, ChecklistMark, ExpertTask, Filing, Question, ReviewDraft, Stamp, StoredFile
from models.enums import FilingStatus, Grade, Tier
from services.actors import Actor
from services.db import Database
from services.documents import pdf
from services.filings import desk, moves, snapshots
from services.reviews import decisions, opinions, peers, questions
from tests import filing_kit, filling, scans
from tests.conftest import World
from tests.ui_kit import Visitor, served, until, visitor
from ui import act
from ui.widgets.data_table import DataTable
from ui.widgets.differences import Differences
from ui.widgets.form_sheet import FormSheet
from ui.widgets.upload import Upload, Uploads

E = TypeVar("E", bound=ui.element)


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LVCE_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
async def house(sqlite_db: Database, sqlite_world: World, tmp_path: Path) -> AsyncIterator[Database]:
    async with served(sqlite_db, tmp_path):
        yield sqlite_db


@pytest.fixture
def filing(sqlite_db: Database, sqlite_world: World) -> int:
    """Just submitted to the county."""
    return sqlite_db.write(filing_kit.submitted, sqlite_world.signer)


@asynccontextmanager
async def at(path: str, actor: Actor) -> AsyncIterator[Visitor]:
    """A browser of this person on this page."""
    async with visitor() as found:
        await found.sign_in(actor.username)
        await found.open(path)
        yield found


def seen(user: Visitor, kind: type[E]) -> list[E]:
    """Elements of a kind on the page, in the order of their making."""
    return sorted(user.find(kind=kind).elements, key=lambda element: element.id)


def field(user: Visitor, label: str) -> Any:
    """The visible input, text area or select with this label."""
    kinds: tuple[Any, ...] = (ui.input, ui.textarea, ui.select)
    return next(e for kind in kinds for e in elements(user, kind) if e.props.get("label") == label)


def elements(user: Visitor, kind: type[E]) -> list[E]:
    try:
        return seen(user, kind)
    except AssertionError:
        return []


def press(user: Visitor, caption: str, which: int = -1) -> None:
    """Click the button with exactly this caption; of several the last made, which is the one of an open dialog."""
    buttons = [b for b in seen(user, ui.button) if b.text == caption]
    user.find(kind=ui.button).__class__(user, {buttons[which]}, None).click()


def captions(user: Visitor) -> set[str]:
    """What the visible buttons say."""
    return {button.text for button in elements(user, ui.button)}


async def give(user: Visitor, upload: Upload, name: str, content: bytes) -> None:
    with user:
        await upload.handle_uploads([SmallFileUpload(name, "", content)])


def reload(db: Database, filing: int) -> Filing:
    return db.read(lambda s: s.get_one(Filing, filing))


# --- the page ---------------------------------------------------------------------------------------------------------


async def test_it_opens_on_what_matters_and_reads_the_sheet_only_when_somebody_looks_at_it(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        for words in (
            "广州南粤精工制造有限公司",
            "提请注意",
            "重大事项变更",
            "合规性信息",
            "填报数据",
            "审核通过并上报",
            "退回",
        ):
            await user.should_see(words)
        assert not elements(user, FormSheet)
        user.find(kind=ui.tab, content="填报数据").click()
        await until(lambda: elements(user, FormSheet))


async def test_a_unit_may_not_open_the_review_of_its_own_filing(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with visitor() as user:
        await user.sign_in("filer")
        answer = await user.http_client.get(f"/filing/{filing}/review")
        assert answer.status_code == 403


async def test_an_office_elsewhere_is_told_that_there_is_nothing(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with visitor() as user:
        await user.sign_in("far_city")
        answer = await user.http_client.get(f"/filing/{filing}/review")
        assert answer.status_code == 404 and "南粤" not in answer.text


async def test_passing_needs_an_opinion_which_is_asked_for_beside_the_field(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        press(user, "审核通过并上报")
        await user.should_see("请填写审核意见。")
        field(user, "审核意见").value = "材料齐全，同意上报。"
        press(user, "审核通过并上报")
        await until(lambda: reload(house, filing).current_tier is Tier.CITY)
        await until(lambda: "收回" in captions(user) and "审核通过并上报" not in captions(user))


async def test_the_title_says_where_it_stands_after_a_decision(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        await user.should_see("上级主管部门审核中")
        house.write(filing_kit.sent_back, filing, sqlite_world.county)
        await user.should_not_see("上级主管部门审核中", retries=10)


async def test_the_opinion_being_typed_stays_while_the_filing_changes(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        typing = field(user, "审核意见")
        typing.value = "写到一半"
        house.write(questions.ask, sqlite_world.county, filing, "", "请说明产值口径。")
        await user.should_see("请说明产值口径。")
        assert field(user, "审核意见") is typing and typing.value == "写到一半"
        await user.should_see("本级还有 1 个核实问题没有关闭", retries=10)


async def test_a_version_that_came_meanwhile_is_announced_and_nothing_is_decided_on_the_old_one(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        field(user, "审核意见").value = "同意"
        house.write(moves.withdraw, sqlite_world.signer, filing)
        house.write(filing_kit.make_ready, sqlite_world.signer, filing)
        house.write(moves.submit, sqlite_world.signer, filing)
        await user.should_see("上报第2版，本页显示的是第1版", retries=20)
        assert not [b for b in seen(user, ui.button) if b.text == "审核通过并上报" and "disable" not in b.props]
        assert reload(house, filing).current_tier is Tier.COUNTY


async def test_a_withdrawn_filing_says_so_instead_of_failing(house: Database, sqlite_world: World, filing: int) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        house.write(moves.withdraw, sqlite_world.signer, filing)
        await user.should_see("申报单位已取消上报", retries=20)


async def test_ticking_the_checklist_is_kept_with_who_did_it(house: Database, sqlite_world: World, filing: int) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        first = seen(user, ui.checkbox)[0]
        first.value = True
        await until(lambda: house.read(lambda s: len(s.exec(select(ChecklistMark)).all())) == 1)
        await user.should_see("已勾选 1 项", retries=20)
        await user.should_see("吴倩")
        assert seen(user, ui.checkbox)[0] is first and first.value, "drawn once: the focus stays where it was"
        first.value = False
        await until(lambda: house.read(lambda s: not s.exec(select(ChecklistMark)).one().done))
        await until(lambda: not any("吴倩" in e.text for e in seen(user, ui.label) if "lv-tick-by" in e.classes))


async def test_a_tick_that_is_refused_is_not_shown(house: Database, sqlite_world: World, filing: int) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        first = seen(user, ui.checkbox)[0]
        house.write(lambda s: setattr(s.get_one(Filing, filing), "status", FilingStatus.DRAFT))
        first.value = True
        await until(lambda: not first.value)
        assert house.read(lambda s: s.exec(select(ChecklistMark)).all()) == []


# --- questions ----------------------------------------------------------------------------------------------------------


async def test_a_question_on_a_cell_goes_out_with_the_return_and_opens_only_that_cell(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        user.find(kind=ui.tab, content="填报数据").click()
        await until(lambda: elements(user, FormSheet))
        user.find(FormSheet).trigger("pick", {"address": "energy_total:2024"})
        await user.should_see("对“综合能源消费量 2024年”提出核实问题")
        field(user, "核实问题").value = "较上年翻倍，请说明。"
        press(user, "提出问题")
        await user.should_see("待退回时发出 1 个", retries=20)

        press(user, "退回")
        await user.should_see("随退回一并发出的核实问题（1）")
        field(user, "退回原因 *").value = "能源数据须核实。"
        scope = next(r for r in seen(user, ui.radio) if "asked" in r.options)
        scope.value = "asked"
        press(user, "退回")
        await until(lambda: reload(house, filing).status is FilingStatus.RETURNED)
    assert reload(house, filing).return_scope == ["energy_total:2024"]
    asked = house.read(lambda s: s.exec(select(Question)).one())
    assert asked.published and asked.text == "较上年翻倍，请说明。"
    async with at(f"/filing/{filing}", sqlite_world.filer) as user:
        await user.should_see("本次只可修改综合能源消费量（")


async def test_a_return_without_any_question_is_refused_in_the_dialog(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        press(user, "退回")
        await user.should_see("退回原因 *")
        field(user, "退回原因 *").value = "请修改。"
        press(user, "退回")
        await user.should_see("退回须至少提出一个核实问题", retries=20)
        field(user, "再提一个问题（针对整份表，可不填）").value = "请核对产值。"
        press(user, "退回")
        await until(lambda: reload(house, filing).status is FilingStatus.RETURNED)


async def test_a_cell_that_the_form_does_not_have_is_not_asked_about(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        user.find(kind=ui.tab, content="填报数据").click()
        await until(lambda: elements(user, FormSheet))
        user.find(FormSheet).trigger("pick", {"address": "password_hash:2024"})
        await user.should_see("本表没有这个单元格", retries=20)


async def test_the_unit_answers_and_the_asking_office_closes(house: Database, sqlite_world: World, filing: int) -> None:
    house.write(
        decisions.send_back,
        sqlite_world.county,
        filing,
        "请核对产值。",
        new_questions=[("gross_output:2024", "口径？")],
    )
    async with at(f"/filing/{filing}", sqlite_world.filer) as user:
        user.find(kind=ui.tab, content="核实问题").click()
        await user.should_see("还有 1 个没有回答")
        press(user, "保存回答")
        await user.should_see("请填写回答。", retries=20)
        field(user, "回答").value = "与 B204-1 表一致。"
        await user.should_see("未保存，请点击“保存回答”")
        press(user, "保存回答")
        await user.should_see("已全部回答", retries=20)
        await user.should_see("已保存")
    house.write(filing_kit.make_ready, sqlite_world.signer, filing)
    house.write(moves.submit, sqlite_world.signer, filing)
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        await user.should_see("与 B204-1 表一致。")
        press(user, "关闭问题")
        await until(lambda: house.read(lambda s: s.exec(select(Question)).one()).status.value == "closed")
        await user.should_see("全部已关闭", retries=20)


async def test_a_colleagues_answer_arrives_without_touching_what_is_being_typed(
    house: Database, sqlite_world: World, filing: int
) -> None:
    asked = [("gross_output:2024", "产值口径？"), ("", "地址是否变化？")]
    house.write(decisions.send_back, sqlite_world.county, filing, "请核对。", new_questions=asked)
    first, second = (q.id or 0 for q in house.read(lambda s: s.exec(select(Question).order_by(Question.id)).all()))
    async with at(f"/filing/{filing}", sqlite_world.filer) as user:
        areas = [area for area in seen(user, ui.textarea) if area.props.get("label") == "回答"]
        areas[1].value = "正在写"
        house.write(questions.answer, sqlite_world.signer, first, "口径一致。")
        await until(lambda: areas[0].value == "口径一致。")
        assert areas[1].value == "正在写"
        house.write(questions.answer, sqlite_world.signer, second, "没有变化。")
        await user.should_see("已全部回答", retries=20)
        assert areas[1].value == "正在写"


# --- what the upper tiers add ---------------------------------------------------------------------------------------------


async def test_a_city_proposes_an_adjustment_citing_an_article(
    house: Database, sqlite_world: World, filing: int
) -> None:
    house.write(decisions.forward, sqlite_world.county, filing, "同意")
    async with at(f"/filing/{filing}/review", sqlite_world.city) as user:
        press(user, "提出动态调整意见")
        await user.should_see("引用条款")
        next(r for r in seen(user, ui.radio) if "rectify" in r.options).value = "rectify"
        field(user, "理由").value = "现场评估发现计量不全。"
        press(user, "提出意见")
        await user.should_see("提出“整改”意见须引用条款", retries=20)
        tick = next(c for c in seen(user, ui.checkbox) if "第十九条" in c.text)
        tick.value = True
        press(user, "提出意见")
        await until(lambda: house.read(lambda s: s.exec(select(AdjustmentOpinion)).first()))
        await user.should_see("现场评估发现计量不全。", retries=20)


async def test_an_expert_gives_opinion_and_grade_and_sees_no_decision(
    house: Database, sqlite_world: World, filing: int
) -> None:
    house.write(decisions.forward, sqlite_world.county, filing, "同意")
    house.write(opinions.assign_experts, sqlite_world.city, filing, [sqlite_world.expert.user_id])
    async with at(f"/filing/{filing}/review", sqlite_world.expert) as user:
        assert not {"审核通过并上报", "退回", "转送"} & captions(user)
        press(user, "提交专家意见")
        await user.should_see("请选择评审等级。", retries=20)
        seen(user, ui.radio)[0].value = Grade.B
        field(user, "专家意见").value = "能效水平良好。"
        press(user, "提交专家意见")
        await until(lambda: house.read(lambda s: s.exec(select(ExpertTask)).one()).submitted_at)
        await user.should_see("重新提交", retries=20)


# --- attachments and the stamped scan ---------------------------------------------------------------------------------------


async def test_an_attachment_is_kept_under_its_kind_and_removed_after_asking(
    house: Database, sqlite_world: World
) -> None:
    filing = house.write(filing_kit.draft, sqlite_world.filer)
    async with at(f"/filing/{filing}", sqlite_world.filer) as user:
        await user.should_see("单个不超过 20 MB")
        files = next(t for t in seen(user, DataTable) if t.props["label"] == "附件")
        attach, _scan = seen(user, Uploads)
        await give(user, attach, "说明.pdf", pdf.form_pdf(house.read(snapshots.snapshot, sqlite_world.filer, filing)))
        await until(lambda: [row["name"] for row in files.shown] == ["说明.pdf"], 20)
        assert files.shown[0]["kind"] == "情况说明"
        kept = files.shown[0]["id"]
        user.find(kind=DataTable).__class__(user, {files}, None).trigger("act", {"id": kept, "word": "remove"})
        await user.should_see("删除附件“说明.pdf”")
        press(user, "删除")
        await until(lambda: not files.shown)
    assert house.read(lambda s: s.get_one(StoredFile, kept)).removed_at is not None


async def test_what_is_no_document_is_refused_with_what_is_allowed(house: Database, sqlite_world: World) -> None:
    filing = house.write(filing_kit.draft, sqlite_world.filer)
    async with at(f"/filing/{filing}", sqlite_world.filer) as user:
        await give(user, seen(user, Upload)[0], "表.pdf", b"MZ not a document")
        await user.should_see("只接受 PDF、JPG、PNG 和 XLSX 文件", retries=20)


async def test_the_stamp_waits_for_the_validation_and_says_so(house: Database, sqlite_world: World) -> None:
    filing = house.write(lambda s: filing_kit.draft(s, sqlite_world.filer, ready=False))
    async with at(f"/filing/{filing}", sqlite_world.filer) as user:
        await user.should_see("还没有通过验证。请先点击“验证并保存”，通过后导出为PDF")
        assert len(seen(user, Uploads)) == 1, "only attachments can be uploaded"
        house.write(desk.validate, sqlite_world.filer, filing)
        await until(lambda: len(seen(user, Uploads)) == 2)


async def test_a_scan_that_cannot_be_read_is_bound_by_the_code_that_a_person_types(
    house: Database, sqlite_world: World
) -> None:
    filing = house.write(lambda s: filing_kit.draft(s, sqlite_world.filer, ready=False))
    house.write(desk.validate, sqlite_world.filer, filing)
    code = house.read(desk.head, sqlite_world.filer, filing).digest_code
    async with at(f"/filing/{filing}", sqlite_world.filer) as user:
        await give(user, seen(user, Uploads)[1], "扫描件.pdf", scans.blank_pages())
        await user.should_see("没有能自动读到二维码", retries=100)
        field(user, "校验码").value = "AAAAA-AAAAA"
        press(user, "核对校验码")
        await user.should_see("与当前数据的校验码", retries=20)
        field(user, "校验码").value = code.lower()
        press(user, "核对校验码")
        await user.should_see("有效：与当前数据一致", retries=20)
    assert house.read(lambda s: s.exec(select(Stamp)).one()).found_by == "typed"


async def test_our_own_export_is_refused_on_the_spot(house: Database, sqlite_world: World) -> None:
    filing = house.write(lambda s: filing_kit.draft(s, sqlite_world.filer, ready=False))
    house.write(desk.validate, sqlite_world.filer, filing)
    printed = pdf.form_pdf(house.read(snapshots.snapshot, sqlite_world.filer, filing))
    async with at(f"/filing/{filing}", sqlite_world.filer) as user:
        await give(user, seen(user, Uploads)[1], "导出.pdf", printed)
        await user.should_see("上面没有签字和公章", retries=100)
        await user.should_see("还没有上传盖章扫描件。")


# --- the history --------------------------------------------------------------------------------------------------------------


async def test_the_history_keeps_every_version_and_compares_two(
    house: Database, sqlite_world: World, filing: int
) -> None:
    house.write(moves.withdraw, sqlite_world.signer, filing)
    house.write(filing_kit.change, sqlite_world.signer, filing, "gross_output:2024", "60000")
    house.write(filing_kit.make_ready, sqlite_world.signer, filing)
    house.write(moves.submit, sqlite_world.signer, filing)
    for actor in (sqlite_world.filer, sqlite_world.county):
        async with at(f"/filing/{filing}/history", actor) as user:
            table = seen(user, DataTable)[0]
            assert [row["no"] for row in table.shown] == ["第2版", "第1版"]
            changed = seen(user, Differences)[0].shown
            assert [(line.address, line.before, line.after) for line in changed] == [
                ("gross_output:2024", "53,800", "60,000")
            ]
            await user.should_see("取消上报")
            assert captions(user) >= {"回执", "修改对照表", "审核意见表"}


async def test_the_latest_year_stands_beside_the_year_before(house: Database, sqlite_world: World, filing: int) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        user.find(kind=ui.tab, content="与上年对照").click()
        table = next(d for d in seen(user, Differences) if d.props["label"] == "本年与上年逐项对照")
        await until(lambda: table.shown)
        jumped = next(line for line in table.shown if line.address == "energy_total:2024")
        assert (jumped.before, jumped.after, jumped.change) == ("4,120", "9,300", "+125.7%")


# --- what is typed and not sent yet -------------------------------------------------------------------------------------


async def test_an_opinion_that_is_being_typed_stands_there_again_after_a_reload(
    house: Database, sqlite_world: World, filing: int
) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        field(user, "审核意见").set_value("产值与纳税申报一致，")
        await user.should_see("草稿已保存")
        await user.open(f"/filing/{filing}/review")
        assert field(user, "审核意见").value == "产值与纳税申报一致，"


async def test_an_open_sheet_is_locked_when_a_colleague_deletes_the_filing(
    house: Database, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(FormSheet, "run_method", lambda self, *args, **_: calls.append(args))
    draft = filling.opened(house, sqlite_world.filer)
    async with at(f"/filing/{draft}", sqlite_world.filer) as user:
        house.write(moves.delete, sqlite_world.signer, draft, "删除")
        await user.should_see(
            "这份动态管理表已由黄启明于2025年3月20日 10:00删除"
        )  # by whichever part of the page heard it first
        await until(lambda: any(name == "setReadonly" for name, *_ in calls))
    ((locked, reason),) = [args for name, *args in calls if name == "setReadonly"]
    assert locked and "已由黄启明" in reason


async def test_an_open_sheet_offers_what_may_be_done_after_a_colleague_has_acted(
    house: Database, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """上报 and 取消上报 elsewhere: the buttons and the notice go with the right to edit, an open dialog stays."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(FormSheet, "run_method", lambda self, *args, **_: calls.append(args))
    ready = house.write(filing_kit.draft, sqlite_world.signer)

    async def offers(*captions: str, but: tuple[str, ...]) -> None:
        for caption in captions:
            await user.should_see(kind=ui.button, content=caption)
        for caption in but:
            await user.should_not_see(kind=ui.button, content=caption)
        assert bool(banners(user)) is ("取消上报" in captions)

    def banners(user: Visitor) -> list[ui.element]:
        return [element for element in elements(user, ui.element) if "lv-banner" in element.classes]

    filling_in = ("暂存", "验证并保存", "导入EXCEL")
    async with at(f"/filing/{ready}", sqlite_world.filer) as user:
        await offers(*filling_in, but=("取消上报",))
        press(user, "导入EXCEL")
        await user.should_see("选择工作簿")
        house.write(moves.submit, sqlite_world.signer, ready)
        await offers("取消上报", but=filling_in)
        await user.should_see("选择工作簿")
    del calls[:]
    async with at(f"/filing/{ready}", sqlite_world.filer) as user:  # opened while it is under review
        await offers("取消上报", but=filling_in)
        house.write(moves.withdraw, sqlite_world.signer, ready)
        await offers(*filling_in, but=("取消上报",))
    told = {(args[0]["readonly"], args[0]["editable"]) for name, *args in calls if name == "resync"}
    assert told == {(False, None)}, "cells may be edited again"
    async with at(f"/filing/{ready}", sqlite_world.filer) as user:  # what happened while the sign-in was over
        tab = act.tab_of(user.client)
        tab.filings[ready] = []
        house.write(moves.submit, sqlite_world.signer, ready)
        for again in tab.returned:
            with tab.client:
                await again()
        await offers("取消上报", but=filling_in)


@pytest.mark.parametrize(
    ("who", "path", "caption"),
    [
        ("admin", "/organisations", "新增机构"),
        ("other", "/filing/{draft}", "导入EXCEL"),
        ("county", "/filing/{filing}/review", "对整份表提问"),
        ("county", "/filings/green_factory?tab=all", "批量导出"),
    ],
)
async def test_a_second_click_before_the_dialog_is_there_opens_no_second_one(
    house: Database, sqlite_world: World, filing: int, who: str, path: str, caption: str
) -> None:
    draft = filling.opened(house, sqlite_world.other)
    async with at(path.format(filing=filing, draft=draft), sqlite_world.actors[who]) as user:
        press(user, caption)
        press(user, caption)
        await until(lambda: elements(user, ui.dialog))
        await asyncio.to_thread(house.read, lambda s: None)  # what the second click asked has been answered too
        assert len(elements(user, ui.dialog)) == 1


@pytest.mark.parametrize(
    ("opener", "label"),
    [
        ("退回", "退回原因 *"),
        ("退回", "再提一个问题（针对整份表，可不填）"),
        ("转送", "转送原因 *"),
        ("登记现场评估", "评估人员（姓名、单位）"),
        ("登记现场评估", "现场核实情况"),
        ("登记现场评估", "评估结论"),
        ("提出动态调整意见", "理由"),
        ("对整份表提问", "核实问题"),
    ],
)
async def test_a_dialog_that_was_left_has_its_text_again_when_it_is_opened(
    house: Database, sqlite_world: World, opener: str, label: str
) -> None:
    filing_id = house.write(filing_kit.submitted, sqlite_world.signer)
    house.write(filing_kit.pass_up, filing_id, sqlite_world.county)
    async with at(f"/filing/{filing_id}/review", sqlite_world.city) as user:
        press(user, opener)
        await until(
            lambda: any(e.props.get("label") == label for e in elements(user, ui.textarea) + elements(user, ui.input))
        )
        field(user, label).set_value("还没有写完")
        await until(lambda: house.read(lambda s: len(s.exec(select(ReviewDraft)).all())) == 1)
        for dialog in elements(user, ui.dialog):
            dialog.close()
        await until(lambda: not elements(user, ui.dialog) or all(not d.value for d in elements(user, ui.dialog)))
        await user.open(f"/filing/{filing_id}/review")
        press(user, opener)
        await until(
            lambda: any(e.props.get("label") == label for e in elements(user, ui.textarea) + elements(user, ui.input))
        )
        assert field(user, label).value == "还没有写完"


async def test_a_return_that_was_sent_leaves_no_draft(house: Database, sqlite_world: World, filing: int) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        press(user, "退回")
        await until(lambda: any(e.props.get("label") == "退回原因 *" for e in elements(user, ui.textarea)))
        field(user, "退回原因 *").set_value("用水量与水费单不符")
        field(user, "再提一个问题（针对整份表，可不填）").set_value("请附水费单。")
        await until(lambda: house.read(lambda s: len(s.exec(select(ReviewDraft)).all())) == 2)
        press(user, "退回")
        await until(lambda: reload(house, filing).status is FilingStatus.RETURNED)
        assert house.read(lambda s: s.exec(select(ReviewDraft)).all()) == []


async def test_the_figures_stand_beside_those_of_the_other_units(
    house: Database, sqlite_world: World, filing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        await user.should_not_see("与同类单位比较")
    monkeypatch.setattr(peers, "FEWEST", 1)
    async with at(f"/filing/{filing}/review", sqlite_world.county) as user:
        await user.should_see("与同类单位比较（本表同年度已上报的 1 份）")
        await user.should_see("单位产值综合能耗 2024年")
        await user.should_see("高于 0% 的单位")
