"""The review page and what a tier adds to its decision: questions, checklist, experts, assessments, adjustment opinions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import Session, select

from models import Cell, Organisation, Question
from models.enums import Action, Adjustment, CellKind, FileKind, Grade, QuestionStatus
from services import audit, clock
from services.db import Database
from services.errors import Conflict, Forbidden, NotFound, Refusal
from services.filings import moves
from services.reviews import decisions, desk, drafts, guides, opinions, questions
from tests import filing_kit
from tests.conftest import SPRING, World


@pytest.fixture
def db(sqlite_db: Database) -> Database:
    """One kind of database is enough here: what differs between the two is tested with the decisions and the lists."""
    return sqlite_db


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def at_the_city(s: Session, world: World) -> int:
    filing_id = filing_kit.submitted(s, world.signer)
    filing_kit.pass_up(s, filing_id, world.county)
    return filing_id


def with_a_yes(s: Session, world: World) -> int:
    """One compliance answer is 是 and the name is not that of the list."""
    filing_id = filing_kit.draft(s, world.signer, ready=False)
    for field, text in (("compliance_1", "是"), ("name_same", "否")):
        cell = s.get_one(Cell, (filing_id, field, ""))
        cell.text, cell.kind = text, CellKind.TEXT
        s.add(cell)
    filing_kit.make_ready(s, world.signer, filing_id)
    moves.submit(s, world.signer, filing_id)
    return filing_id


def test_the_page_opens_on_what_matters(db: Database, world: World) -> None:
    filing_id = db.write(with_a_yes, world)
    view = db.read(desk.review, world.county, filing_id)
    assert [(flag.kind, flag.grave) for flag in view.flags] == [("compliance", True), ("name", True), ("jump", False)]
    assert [(jump.place, jump.before, jump.after, jump.change) for jump in view.jumps] == [
        ("单位产值综合能耗 2024年", "76.16", "172.86", "+127.0%"),
        ("综合能源消费量 2024年", "4,120", "9,300", "+125.7%"),
    ]
    assert dict(view.risk_parts) == {"合规性信息勾选“是”": 20, "名称与名单不一致": 10, "指标较上年变动超过50%": 2}
    assert view.risk == 32
    assert view.membership[0].document_number == "工信厅节函〔2023〕54号"
    assert [focus.title for focus in view.focuses] == ["重大事项变更", "合规性信息", "填报数据"]
    assert {row.address: row.flagged for row in view.focuses[1].rows} == {"compliance_1": True}


def test_an_intensity_far_above_the_peers_is_flagged(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    assert db.read(desk.review, world.county, filing_id).peers == ()

    def twenty_others(s: Session) -> None:
        for number in range(20):
            unit = s.get_one(Organisation, world.orgs["far"])
            copy = Organisation(**{**unit.model_dump(exclude={"id"}), "name": f"第{number}工厂"})
            s.add(copy)
            s.flush()
            actor = replace(world.far, organisation_id=copy.id or 0)
            other = filing_kit.draft(s, actor, ready=False)
            filing_kit.change(s, actor, other, "energy_total:2024", str(4000 + number))
            filing_kit.make_ready(s, actor, other)
            moves.submit(s, actor, other)

    db.write(twenty_others)
    with clock.frozen(SPRING + timedelta(minutes=11)):
        view = db.read(desk.review, world.county, filing_id)
    assert [(p.place, p.text, p.per_cent, p.peers) for p in view.peers] == [
        ("单位产值综合能耗 2024年", "172.86", 95, 21)
    ]
    assert "高于 95% 的同类单位" in next(flag.text for flag in view.flags if flag.kind == "peers")


def test_the_unit_and_strangers_have_no_review_page(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    with pytest.raises(Forbidden, match="审核页只供主管部门和专家使用"):
        db.read(desk.review, world.signer, filing_id)
    for actor in (world.other, world.far_city, world.admin, world.expert):
        with pytest.raises(NotFound):
            db.read(desk.review, actor, filing_id)


def test_a_draft_is_the_units_own_affair(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.signer)
    with pytest.raises(Conflict, match="申报单位上报以后才能查看内容"):
        db.read(desk.review, world.county, filing_id)


def test_what_changed_since_the_last_version_is_shown_cell_by_cell(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(moves.withdraw, world.signer, filing_id)
    db.write(filing_kit.change, world.signer, filing_id, "energy_total:2024", "4300")
    db.write(filing_kit.make_ready, world.signer, filing_id)
    db.write(moves.submit, world.signer, filing_id)
    view = db.read(desk.review, world.county, filing_id)
    assert [(d.place, d.before, d.after) for d in view.since_last] == [("综合能源消费量 2024年", "9,300", "4,300")]
    assert (view.version.no, view.jumps) == (2, ())


def test_a_question_is_the_offices_own_until_it_is_sent_back(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    question = db.write(questions.ask, world.county, filing_id, "energy_total:2024", "为什么翻倍？")
    db.write(questions.edit, world.county, question, "能耗为什么翻倍？")
    with pytest.raises(NotFound):
        db.write(questions.answer, world.signer, question, "新线投产")
    db.write(decisions.send_back, world.county, filing_id, "请核实")
    with pytest.raises(Conflict):
        db.write(questions.edit, world.county, question, "改")
    db.write(questions.answer, world.signer, question, "新线投产。")
    row = db.read(lambda s: s.get_one(Question, question))
    assert (row.text, row.answer, row.status) == ("能耗为什么翻倍？", "新线投产。", QuestionStatus.ANSWERED)


def test_a_question_that_was_not_sent_is_withdrawn(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    question = db.write(questions.ask, world.county, filing_id, "", "请核实")
    with pytest.raises(Conflict, match="还没有发给申报单位"):
        db.write(questions.close, world.county, question)
    db.write(questions.withdraw, world.county, question)
    assert db.read(lambda s: s.execute(select(Question)).scalars().all()) == []


def test_a_question_names_a_cell_of_the_form(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    for address in ("no_such", "energy_total:1999", "energy_total:unit"):
        with pytest.raises(Refusal, match="本表没有这个单元格"):
            db.write(questions.ask, world.county, filing_id, address, "请核实")


def test_only_the_asking_tier_closes(db: Database, world: World) -> None:
    filing_id = db.write(at_the_city, world)
    db.write(filing_kit.sent_back, filing_id, world.city)
    question = db.read(lambda s: s.execute(select(Question)).scalar_one()).id or 0
    db.write(questions.answer, world.signer, question, "已核实。")
    db.write(moves.submit, world.signer, filing_id)
    with pytest.raises(Conflict, match="这个问题由广州市工业和信息化局提出，只能由其关闭"):
        db.write(questions.close, world.county, question)
    db.write(filing_kit.pass_up, filing_id, world.county)
    with pytest.raises(Conflict, match="本级还有 1 个核实问题没有关闭"):
        db.write(filing_kit.pass_up, filing_id, world.city)
    db.write(questions.close, world.city, question)
    db.write(filing_kit.pass_up, filing_id, world.city)


def test_the_checklist_is_marked_by_the_tier_under_review(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(opinions.mark, world.county, filing_id, "figures-energy", True)
    done = {i.key: i.by for f in db.read(desk.review, world.county, filing_id).focuses for i in f.items if i.done}
    assert done == {"figures-energy": "吴倩"}
    db.write(opinions.mark, world.county, filing_id, "figures-energy", False)
    assert not any(i.done for f in db.read(desk.review, world.county, filing_id).focuses for i in f.items)
    with pytest.raises(Refusal, match="审核清单中没有这一项"):
        db.write(opinions.mark, world.county, filing_id, "no-such", True)


def test_an_expert_reads_what_was_assigned_and_says_so(db: Database, world: World) -> None:
    filing_id = db.write(at_the_city, world)
    assert db.read(opinions.experts, world.city, filing_id) == ((world.expert.user_id, "顾喆"),)
    db.write(opinions.assign_experts, world.city, filing_id, [world.expert.user_id])
    with pytest.raises(Refusal, match="已分配或已停用的专家不能再选"):
        db.write(opinions.assign_experts, world.city, filing_id, [world.expert.user_id])
    db.write(opinions.submit_opinion, world.expert, filing_id, "指标可信。", Grade.B)
    view = db.read(desk.review, world.city, filing_id)
    assert [(e.expert_name, e.grade, e.opinion) for e in view.experts] == [("顾喆", Grade.B, "指标可信。")]
    assert "专家意见 1/1 份" in next(step.notes for step in view.head.steps if step.tier == "city")
    db.write(filing_kit.pass_up, filing_id, world.city)
    with pytest.raises(Conflict, match="分配任务的主管部门已经办结"):
        db.write(opinions.submit_opinion, world.expert, filing_id, "再想想", Grade.C)


def test_a_task_without_an_opinion_is_taken_back(db: Database, world: World) -> None:
    filing_id = db.write(at_the_city, world)
    db.write(opinions.assign_experts, world.city, filing_id, [world.expert.user_id])
    task = db.read(desk.review, world.city, filing_id).experts[0].id
    db.write(opinions.release_expert, world.city, task)
    with pytest.raises(NotFound):
        db.read(desk.review, world.expert, filing_id)


def test_a_county_has_no_letter_to_give(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    file_id = db.write(filing_kit.store, world.county, filing_id, FileKind.LETTER)
    with pytest.raises(Forbidden):
        db.write(opinions.attach_letter, world.county, filing_id, file_id)


def test_a_letter_is_the_offices_own_file_of_that_kind(db: Database, world: World) -> None:
    filing_id = db.write(at_the_city, world)
    for office, kind in ((world.county, FileKind.LETTER), (world.city, FileKind.OTHER)):
        file_id = db.write(filing_kit.store, office, filing_id, kind)
        with pytest.raises(Refusal, match="没有找到这份推荐文件"):
            db.write(opinions.attach_letter, world.city, filing_id, file_id)


def test_a_site_assessment_is_recorded(db: Database, world: World) -> None:
    filing_id = db.write(at_the_city, world)
    record = {
        "people": "郑国华、专家1人",
        "conclusion": "数据属实。",
        "findings": [("energy_total:2024", "新增一条生产线")],
    }
    with pytest.raises(Refusal, match="现场评估日期不能晚于今天"):
        db.write(opinions.record_assessment, world.city, filing_id, visited_on=date(2025, 3, 21), **record)
    db.write(opinions.record_assessment, world.city, filing_id, visited_on=date(2025, 3, 19), **record)
    (seen,) = db.read(desk.review, world.province, filing_id).assessments
    assert seen.findings == (("energy_total:2024", "综合能源消费量 2024年", "新增一条生产线"),)


def test_an_adjustment_cites_an_article_and_takes_its_evidence_along(db: Database, world: World) -> None:
    filing_id = db.write(with_a_yes, world)
    db.write(filing_kit.pass_up, filing_id, world.county)
    with pytest.raises(Refusal, match="须引用条款"):
        db.write(opinions.record_adjustment, world.city, filing_id, Adjustment.REMOVE, [], "停产")
    with pytest.raises(Refusal, match="所选条款不适用于“移出”"):
        db.write(opinions.record_adjustment, world.city, filing_id, Adjustment.REMOVE, ["18-keep"], "停产")
    db.write(opinions.record_adjustment, world.city, filing_id, Adjustment.REMOVE, ["17-1"], "已停产18个月。")
    db.write(opinions.record_adjustment, world.city, filing_id, Adjustment.REMOVE, ["17-1"], "已停产19个月。")
    (seen,) = db.read(desk.review, world.city, filing_id).adjustments
    assert (seen.article, seen.reason) == ("第二十一条（一）、第十七条（一）", "已停产19个月。")
    assert seen.evidence == (("compliance_1", "1.未正常经营生产的", "是"),)


def test_articles_that_the_answers_speak_for_come_first(db: Database, world: World) -> None:
    filing_id = db.write(with_a_yes, world)
    choices = db.read(desk.review, world.county, filing_id).articles
    assert {choice.key for choice in choices if choice.supported} == {"17-1", "23-removed", "23-name"}
    assert [choice.supported for choice in choices[:4]] == [True, True, True, False]


def test_every_article_and_checklist_can_be_read() -> None:
    assert {article.opinion for article in guides.articles().values()} == set(Adjustment)
    assert guides.checklist(filing_kit.TEMPLATE.form, 2030) == guides.checklist(filing_kit.TEMPLATE.form, 2025)


def test_the_unit_sees_the_moves_and_not_what_the_offices_do_among_themselves(db: Database, world: World) -> None:
    filing_id = db.write(at_the_city, world)
    db.write(questions.ask, world.city, filing_id, "", "内部问题")
    told = [line.action for line in db.read(desk.timeline, world.signer, filing_id)]
    assert told == ["审核通过并上报", "上报"]
    assert "提出核实问题" in [line.action for line in db.read(desk.timeline, world.city, filing_id)]


def test_the_history_names_a_scan_without_its_fingerprint(db: Database, world: World) -> None:
    filing_id = db.write(at_the_city, world)

    def stamp(s: Session) -> None:
        detail = f"盖章.pdf（12 页，SHA-256 {'0a' * 32}），二维码自动核对"
        audit.record(s, world.signer, Action.STAMP.value, "filing", filing_id, detail=detail)

    db.write(stamp)
    newest, *_ = db.read(desk.timeline, world.city, filing_id)
    assert newest.detail == "盖章.pdf（12 页），二维码自动核对"


def test_what_a_reviewer_types_is_kept_for_him_alone_until_he_decides(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(drafts.keep, world.county, filing_id, "opinion", "产值与纳税申报")
    db.write(drafts.keep, world.county, filing_id, "opinion", "产值与纳税申报一致")
    db.write(drafts.keep, world.county, filing_id, "return.reason", "")
    assert db.read(desk.review, world.county, filing_id).drafts == {"opinion": "产值与纳税申报一致"}
    assert db.read(desk.review, world.city, filing_id).drafts == {}
    db.write(drafts.keep, world.county, filing_id, "opinion", " ")
    assert db.read(desk.review, world.county, filing_id).drafts == {}
    db.write(drafts.keep, world.county, filing_id, "opinion", "同意")
    db.write(decisions.forward, world.county, filing_id, "同意")
    assert db.read(desk.review, world.county, filing_id).drafts == {}


def test_a_draft_needs_a_box_of_the_review_page_and_a_reader_who_is_no_unit(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    with pytest.raises(Refusal, match="没有可以保存草稿的意见栏"):
        db.write(drafts.keep, world.county, filing_id, "elsewhere", "同意")
    with pytest.raises(Refusal, match="没有可以保存草稿的意见栏"):
        db.write(drafts.keep, world.signer, filing_id, "opinion", "同意")
    with pytest.raises(Refusal, match="最多 20000 字"):
        db.write(drafts.keep, world.county, filing_id, "opinion", "长" * 20_001)
    with pytest.raises(NotFound):
        db.write(drafts.keep, world.far_city, filing_id, "opinion", "同意")
