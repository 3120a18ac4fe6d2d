"""From 上报 to 审核完成 and back: what every move leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from sqlmodel import Session, col, select

from models import AuditLine, Figure, Filing, FilingVersion, Message, Organisation, Question, Setting, Step
from models.enums import Action, FileKind, FilingStatus, Form, StepStatus, Tier, VersionStatus
from services import audit, clock, inbox
from services.actors import Actor
from services.db import Database
from services.errors import Conflict, Forbidden, NotFound, Refusal
from services.filings import desk, moves, sheets, standing
from services.filings.views import CellEdit
from services.reviews import decisions, questions
from tests import filing_kit
from tests.conftest import World


def filing_of(s: Session, filing_id: int) -> Filing:
    return s.get_one(Filing, filing_id)


def steps_of(s: Session, filing_id: int) -> dict[Tier, StepStatus]:
    version = filing_of(s, filing_id).current_version_id
    rows = s.execute(select(Step).where(col(Step.version_id) == version).order_by(col(Step.position))).scalars()
    return {step.tier: step.status for step in rows}


def open_messages(s: Session, actor: Actor) -> list[str]:
    return [m.kind for m in inbox.mine(s, actor, only_open=True)]


def test_submitting_freezes_a_version_and_writes_the_route(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.signer)
    receipt = db.write(moves.submit, world.signer, filing_id)
    filing = db.read(filing_of, filing_id)
    version = db.read(lambda s: s.get_one(FilingVersion, filing.current_version_id))
    figures = db.read(lambda s: s.execute(select(Figure).where(col(Figure.version_id) == version.id)).scalars().all())
    assert filing.status is FilingStatus.REVIEW
    assert filing.current_authority_id == world.orgs["county"]
    assert (receipt.version_no, receipt.next_authority, receipt.late) == (1, "天河区科技工业和信息化局", False)
    assert version.digest == filing.validated_digest
    assert version.cells["gross_output:2024"] == ["53800", "number", "53800"]
    assert {(f.field, f.slot): f.value for f in figures}["gross_output", "2024"] == "53800"
    assert version.stamp_file_id is not None
    assert db.read(steps_of, filing_id) == {
        Tier.COUNTY: StepStatus.REVIEWING,
        Tier.CITY: StepStatus.WAITING,
        Tier.PROVINCE: StepStatus.WAITING,
        Tier.MINISTRY: StepStatus.WAITING,
    }


def test_a_second_submit_gives_the_same_receipt_and_changes_nothing(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.signer)
    first = db.write(moves.submit, world.signer, filing_id)
    revision = db.read(filing_of, filing_id).revision
    assert db.write(moves.submit, world.signer, filing_id) == first
    assert db.read(filing_of, filing_id).revision == revision


def test_figures_that_changed_since_they_were_validated_are_not_submitted(db: Database, world: World) -> None:
    """The stored mark is not believed: everything is checked again in the same transaction."""
    filing_id = db.write(filing_kit.draft, world.signer)

    def forge(s: Session) -> None:
        figures = filing_of(s, filing_id).validated_digest
        filing_kit.change(s, world.signer, filing_id, "gross_output:2024", "53900")
        filing = filing_of(s, filing_id)
        filing.validated_digest = figures
        s.add(filing)

    db.write(forge)
    with pytest.raises(Conflict, match="上报前重新核验没有通过，还没有上报。内容在验证以后又有改动。"):
        db.write(moves.submit, world.signer, filing_id)
    assert db.read(filing_kit.status, filing_id) is FilingStatus.DRAFT


def test_after_the_due_date_it_is_marked_late(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.signer)
    with clock.frozen(datetime(2025, 4, 16, 0, 5, tzinfo=clock.BEIJING)):
        assert db.write(moves.submit, world.signer, filing_id).late
    assert db.read(filing_of, filing_id).late


def test_on_the_due_date_itself_it_is_not_late(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.signer)
    with clock.frozen(datetime(2025, 4, 15, 23, 59, tzinfo=clock.BEIJING)):
        assert not db.write(moves.submit, world.signer, filing_id).late


def test_a_resubmission_after_the_due_date_is_not_late_if_the_first_was_in_time(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.sent_back, filing_id, world.county)
    with clock.frozen(datetime(2025, 4, 20, 9, 0, tzinfo=clock.BEIJING)):
        question = db.read(lambda s: s.execute(select(Question)).scalar_one())
        db.write(questions.answer, world.signer, question.id or 0, "已核实。")
        assert not db.write(moves.submit, world.signer, filing_id).late


def test_withdrawing_keeps_the_values_and_the_stamp_and_drops_the_route(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(moves.withdraw, world.filer, filing_id)
    filing = db.read(filing_of, filing_id)
    assert (filing.status, filing.current_version_id, filing.current_authority_id) == (FilingStatus.DRAFT, None, None)
    version = db.read(lambda s: s.execute(select(FilingVersion)).scalar_one())
    assert version.status is VersionStatus.WITHDRAWN
    assert db.write(moves.submit, world.signer, filing_id).version_no == 2


def test_after_a_withdrawal_changed_figures_need_a_new_stamp(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(moves.withdraw, world.signer, filing_id)
    db.write(filing_kit.change, world.signer, filing_id, "gross_output:2024", "53900")

    def validate_again(s: Session) -> None:
        filing_kit.make_ready(s, world.signer, filing_id)
        stamp = s.execute(select(filing_kit.Stamp).order_by(col(filing_kit.Stamp.id).desc())).scalars().first()
        s.delete(stamp)

    db.write(validate_again)
    with pytest.raises(Conflict, match="还没有上传与当前内容一致的盖章扫描件"):
        db.write(moves.submit, world.signer, filing_id)


def test_deleting_asks_for_the_word_and_is_gone_for_the_unit(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.signer)
    with pytest.raises(Refusal, match="确认删除请输入“删除”二字，现在输入的是“是”"):
        db.write(moves.delete, world.signer, filing_id, "是")
    db.write(moves.delete, world.signer, filing_id, " 删除 ")
    with pytest.raises(NotFound):
        db.write(moves.submit, world.signer, filing_id)
    line = db.read(
        lambda s: s.execute(select(AuditLine).where(col(AuditLine.action) == Action.DELETE.value)).scalar_one()
    )
    assert (line.user_id, len(line.before_digest)) == (world.signer.user_id, 64)


def test_the_units_own_people_read_who_deleted_it_and_everybody_else_that_it_is_not_there(
    db: Database, world: World
) -> None:
    filing_id = db.write(filing_kit.draft, world.signer)
    db.write(moves.delete, world.signer, filing_id, "删除")
    edit = [CellEdit("gross_output:2024", "1")]
    attempts: list[Callable[[Session, Actor, int], object]] = [
        lambda s, actor, number: moves.delete(s, actor, number, "删除"),
        lambda s, actor, number: desk.edit_cells(s, actor, number, edit),
        sheets.head,
    ]
    said = "这份动态管理表已由黄启明于2025年3月20日 10:00删除，不能再查看或办理。"
    for attempt in attempts:
        with pytest.raises(NotFound, match=said):
            db.write(attempt, world.filer, filing_id)
        for actor in (world.other, world.far_city):
            with pytest.raises(NotFound) as deleted:
                db.write(attempt, actor, filing_id)
            with pytest.raises(NotFound) as never_there:
                db.write(attempt, actor, filing_id + 1000)
            assert deleted.value.message == never_there.value.message


def test_an_administrator_restores_within_thirty_days(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.signer)
    db.write(moves.delete, world.signer, filing_id, "删除")
    with (
        clock.frozen(datetime(2025, 4, 20, 9, 0, tzinfo=clock.BEIJING)),
        pytest.raises(Conflict, match="删除已超过 30 天"),
    ):
        db.write(moves.restore, world.admin, filing_id)
    db.write(moves.restore, world.admin, filing_id)
    assert db.write(moves.submit, world.signer, filing_id).version_no == 1


def test_nobody_else_restores(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.signer)
    db.write(moves.delete, world.signer, filing_id, "删除")
    for actor in (world.signer, world.county, world.ministry):
        with pytest.raises(NotFound):
            db.write(moves.restore, actor, filing_id)


def test_it_climbs_tier_by_tier_to_the_end(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county, world.city, world.province)
    assert db.read(filing_of, filing_id).current_tier is Tier.MINISTRY
    db.write(filing_kit.pass_up, filing_id, world.ministry)
    filing = db.read(filing_of, filing_id)
    assert (filing.status, filing.current_authority_id) == (FilingStatus.DONE, None)
    assert db.read(lambda s: s.get_one(FilingVersion, filing.current_version_id)).status is VersionStatus.APPROVED


def test_the_province_closes_it_where_it_is_the_top_tier(db: Database, world: World) -> None:
    def end_at_province(s: Session) -> None:
        s.add(Setting(name="top_tier", value="province", set_at=clock.now()))

    db.write(end_at_province)
    filing_id = db.write(filing_kit.submitted, world.signer)
    assert db.read(steps_of, filing_id)[Tier.MINISTRY] is StepStatus.NOT_APPLICABLE
    db.write(filing_kit.pass_up, filing_id, world.county, world.city)
    with pytest.raises(Conflict):
        db.write(decisions.forward, world.province, filing_id, "同意")
    db.write(decisions.approve, world.province, filing_id, "同意")
    assert db.read(filing_kit.status, filing_id) is FilingStatus.DONE


def test_shenzhen_goes_from_the_city_to_the_ministry(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.shenzhen)
    assert [status.caption for status in db.read(steps_of, filing_id).values()] == [
        "-不适用-", "审核中", "-不适用-", "未开始",
    ]  # fmt: skip


def test_a_subsidiary_goes_to_its_group(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.subsidiary)
    assert db.read(filing_of, filing_id).current_authority_id == world.orgs["group"]
    db.write(filing_kit.pass_up, filing_id, world.group)
    assert db.read(filing_of, filing_id).current_tier is Tier.MINISTRY


def test_the_city_needs_its_letter(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county)
    with pytest.raises(Conflict, match="本级审核通过前须上传推荐文件"):
        db.write(decisions.forward, world.city, filing_id, "同意")


def test_a_deployment_may_do_without_the_letter(db: Database, world: World) -> None:
    def no_letter(s: Session) -> None:
        s.add(Setting(name="review.letter.city", region_code="440100", value=False, set_at=clock.now()))

    db.write(no_letter)
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county)
    db.write(decisions.forward, world.city, filing_id, "同意")
    assert db.read(filing_of, filing_id).current_tier is Tier.PROVINCE


def test_an_opinion_is_needed(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    with pytest.raises(Refusal, match="请填写审核意见。"):
        db.write(decisions.forward, world.county, filing_id, "  ")


def test_a_version_that_was_not_read_is_not_passed(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    read = db.read(filing_of, filing_id).current_version_id
    db.write(moves.withdraw, world.signer, filing_id)
    db.write(moves.submit, world.signer, filing_id)
    with pytest.raises(Conflict, match="上报了第2版，您看到的是较早的一版"):
        db.write(decisions.forward, world.county, filing_id, "同意", seen_version=read)


def test_sending_back_needs_a_reason_and_something_to_answer(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    with pytest.raises(Refusal, match="请填写退回原因。"):
        db.write(decisions.send_back, world.county, filing_id, "", new_questions=[("", "?")])
    with pytest.raises(Refusal, match="至少提出一个核实问题或上传一份退回附件"):
        db.write(decisions.send_back, world.county, filing_id, "不符")


def test_a_document_alone_is_enough_to_send_back(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    file_id = db.write(filing_kit.store, world.county, filing_id, FileKind.RETURN_FILE)
    db.write(decisions.send_back, world.county, filing_id, "见附件", file_ids=[file_id])
    assert db.read(filing_kit.status, filing_id) is FilingStatus.RETURNED


def test_another_offices_document_is_not(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    file_id = db.write(filing_kit.store, world.city, filing_id, FileKind.RETURN_FILE)
    with pytest.raises(Refusal, match="不属于这份动态管理表"):
        db.write(decisions.send_back, world.county, filing_id, "见附件", file_ids=[file_id])


def test_a_scope_limits_what_may_change(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    question = [("energy_total:2024", "为什么翻倍？")]
    with pytest.raises(Refusal, match="本表没有“no_such:2024”这个单元格"):
        db.write(decisions.send_back, world.county, filing_id, "核实", scope=["no_such:2024"], new_questions=question)
    db.write(decisions.send_back, world.county, filing_id, "核实", scope=["energy_total:2024"], new_questions=question)
    assert db.read(filing_of, filing_id).return_scope == ["energy_total:2024"]


def test_a_city_may_send_it_back_to_the_county(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county)
    db.write(decisions.send_back, world.city, filing_id, "请县里再核", to="below", new_questions=[("", "核实产值")])
    filing = db.read(filing_of, filing_id)
    assert (filing.status, filing.current_tier) == (FilingStatus.REVIEW, Tier.COUNTY)
    assert db.read(steps_of, filing_id)[Tier.CITY] is StepStatus.RETURNED
    db.write(decisions.forward, world.county, filing_id, "已核")
    assert db.read(steps_of, filing_id)[Tier.CITY] is StepStatus.REVIEWING


def test_the_first_tier_has_nobody_below(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    with pytest.raises(Refusal, match="本级是第一个审核层级"):
        db.write(decisions.send_back, world.county, filing_id, "核实", to="below", new_questions=[("", "?")])


def test_a_returned_filing_passes_all_tiers_again(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county)
    db.write(filing_kit.sent_back, filing_id, world.city)
    db.write(filing_kit.change, world.signer, filing_id, "energy_total:2024", "4300")
    with pytest.raises(Conflict, match="还有 1 个核实问题没有回答"):
        db.write(moves.submit, world.signer, filing_id)
    question = db.read(lambda s: s.execute(select(Question)).scalar_one())
    db.write(questions.answer, world.signer, question.id or 0, "已更正。")
    with pytest.raises(Conflict, match="还没有通过验证"):
        db.write(moves.submit, world.signer, filing_id)
    db.write(filing_kit.make_ready, world.signer, filing_id)
    assert db.write(moves.submit, world.signer, filing_id).next_authority == "天河区科技工业和信息化局"


def test_a_setting_lets_it_return_to_the_tier_that_sent_it_back(db: Database, world: World) -> None:
    def to_returning(s: Session) -> None:
        s.add(Setting(name="review.resubmit.route", region_code="440000", value="returning", set_at=clock.now()))

    db.write(to_returning)
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county)
    db.write(filing_kit.sent_back, filing_id, world.city)
    question = db.read(lambda s: s.execute(select(Question)).scalar_one())
    db.write(questions.answer, world.signer, question.id or 0, "已核实。")
    assert db.write(moves.submit, world.signer, filing_id).next_authority == "广州市工业和信息化局"
    assert db.read(steps_of, filing_id)[Tier.COUNTY] is StepStatus.FORWARDED
    # the county decided on an earlier version, so nobody has decided on this one
    db.write(moves.withdraw, world.signer, filing_id)


def test_nothing_changed_and_nothing_answered_is_not_resubmitted(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    file_id = db.write(filing_kit.store, world.county, filing_id, FileKind.RETURN_FILE)
    db.write(decisions.send_back, world.county, filing_id, "见附件", file_ids=[file_id])
    with pytest.raises(Conflict, match="退回以后内容没有改动"):
        db.write(moves.submit, world.signer, filing_id)


def test_a_decision_is_recalled_until_the_next_tier_decides(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county)
    db.write(decisions.recall, world.county, filing_id)
    assert db.read(filing_of, filing_id).current_tier is Tier.COUNTY
    assert db.read(steps_of, filing_id)[Tier.CITY] is StepStatus.WAITING
    db.write(filing_kit.pass_up, filing_id, world.county, world.city)
    with pytest.raises(Conflict, match="广州市工业和信息化局（郑国华）已于2025年3月20日 10:00审核通过并上报，不能收回"):
        db.write(decisions.recall, world.county, filing_id)


def test_after_a_recall_the_unit_may_withdraw_again(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county)
    db.write(decisions.recall, world.county, filing_id)
    db.write(moves.withdraw, world.signer, filing_id)


def test_the_wrong_office_transfers_it_to_the_right_one(db: Database, world: World) -> None:
    """问题4: the unit chose an office that is not its own."""

    def choose_wrongly(s: Session) -> None:
        unit = s.get_one(Organisation, world.orgs["far"])
        unit.superior_city_id = world.orgs["city"]
        s.add(unit)

    db.write(choose_wrongly)
    filing_id = db.write(filing_kit.submitted, world.far)
    offices = dict(db.read(decisions.offices_for_transfer, world.city, filing_id))
    assert offices == {
        world.orgs["far_city"]: "佛山市工业和信息化局",
        world.orgs["shenzhen_city"]: "深圳市工业和信息化局",
    }
    with pytest.raises(Refusal, match="只能转送给另一个市主管部门"):
        db.write(decisions.transfer, world.city, filing_id, world.orgs["province"], "不属本市")
    db.write(decisions.transfer, world.city, filing_id, world.orgs["far_city"], "不属本市")
    assert db.read(filing_of, filing_id).current_authority_id == world.orgs["far_city"]
    with pytest.raises(NotFound):
        db.write(decisions.forward, world.city, filing_id, "同意")
    assert "广州市工业和信息化局转送佛山市工业和信息化局：不属本市" in db.read(_details, filing_id)


def test_an_office_that_passed_what_was_transferred_to_it_may_recall_it(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county)
    db.write(decisions.transfer, world.city, filing_id, world.orgs["far_city"], "该单位由佛山市管理。")
    db.write(filing_kit.pass_up, filing_id, world.far_city)
    db.write(decisions.recall, world.far_city, filing_id)
    assert db.read(filing_of, filing_id).current_authority_id == world.orgs["far_city"]


def test_what_is_transferred_goes_on_to_the_tiers_above_the_new_office(db: Database, world: World) -> None:
    """计划单列市 skip the province, others do not."""
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(filing_kit.pass_up, filing_id, world.county)
    db.write(decisions.transfer, world.city, filing_id, world.orgs["shenzhen_city"], "该单位已迁至深圳。")
    assert db.read(steps_of, filing_id)[Tier.PROVINCE] is StepStatus.NOT_APPLICABLE
    assert any("（省/集团审核改为-不适用-）" in words for words in db.read(_details, filing_id))
    city = replace(world.city, organisation_id=world.orgs["shenzhen_city"], region_code="440300")
    db.write(decisions.transfer, city, filing_id, world.orgs["far_city"], "该单位由佛山市管理。")
    assert db.read(steps_of, filing_id)[Tier.PROVINCE] is StepStatus.WAITING
    db.write(filing_kit.pass_up, filing_id, world.far_city, world.province, world.ministry)
    assert db.read(filing_of, filing_id).status is FilingStatus.DONE


def test_a_groups_subsidiary_stays_with_its_group_wherever_it_is_transferred(db: Database, world: World) -> None:

    def choose_a_city(s: Session) -> None:
        unit = s.get_one(Organisation, world.orgs["subsidiary"])
        unit.superior_city_id = world.orgs["city"]
        s.add(unit)

    db.write(choose_a_city)
    filing_id = db.write(filing_kit.submitted, world.subsidiary)
    db.write(decisions.transfer, world.city, filing_id, world.orgs["shenzhen_city"], "该单位已迁至深圳。")
    assert db.read(steps_of, filing_id)[Tier.PROVINCE] is StepStatus.WAITING


def _details(s: Session, filing_id: int) -> list[str]:
    rows = s.execute(select(AuditLine).where(col(AuditLine.subject_id) == filing_id)).scalars()
    return [row.detail for row in rows]


def test_a_bulk_pass_says_of_each_what_became_of_it(db: Database, world: World) -> None:
    good = db.write(filing_kit.submitted, world.signer)
    open_question = db.write(filing_kit.submitted, world.other)
    elsewhere = db.write(filing_kit.submitted, world.far)
    db.write(questions.ask, world.county, open_question, "", "请核实")
    lines = db.write(decisions.bulk_forward, world.county, [good, open_question, elsewhere, good], "同意")
    assert [(line.unit_name, line.done) for line in lines] == [
        ("广州南粤精工制造有限公司", True),
        ("广州云山纺织有限公司", False),
        ("", False),
    ]
    assert "本级还有 1 个核实问题没有关闭" in lines[1].message
    assert "没有找到" in lines[2].message
    assert db.read(filing_of, good).current_tier is Tier.CITY
    assert db.read(filing_of, open_question).current_tier is Tier.COUNTY


def test_every_move_writes_one_line_in_the_log_and_the_chain_holds(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(decisions.forward, world.county, filing_id, "同意")
    db.write(decisions.recall, world.county, filing_id)
    db.write(filing_kit.sent_back, filing_id, world.county)
    moved = {action.value for action in standing.MOVES}
    lines = db.read(
        lambda s: [row.action for row in s.execute(select(AuditLine).order_by(col(AuditLine.id))).scalars()]
    )
    assert [action for action in lines if action in moved] == ["submit", "forward", "recall", "send_back"]
    assert db.read(audit.verify)[1] is None


def test_whoever_must_act_is_told_and_no_longer_when_it_is_done(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    assert db.read(open_messages, world.county) == ["review"]
    assert db.read(open_messages, world.signer) == ["receipt"]
    db.write(filing_kit.pass_up, filing_id, world.county)
    assert db.read(open_messages, world.county) == []
    assert db.read(open_messages, world.city) == ["review"]
    db.write(filing_kit.sent_back, filing_id, world.city)
    assert db.read(open_messages, world.city) == []
    assert db.read(open_messages, world.signer) == ["returned"]
    assert db.read(inbox.counts, world.signer) == inbox.InboxCounts(to_do=1, unread=1)


def test_a_message_is_read_by_its_own_people_only(db: Database, world: World) -> None:
    db.write(filing_kit.submitted, world.signer)
    message = db.read(lambda s: inbox.mine(s, world.signer)[0])
    with pytest.raises(NotFound):
        db.write(inbox.read, world.other, [message.id])
    db.write(inbox.read, world.filer, [message.id])
    assert db.read(lambda s: s.get_one(Message, message.id)).done_at is not None


def test_the_filer_of_a_unit_with_a_signer_does_not_submit(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.filer)
    with pytest.raises(Conflict, match="本单位已指定负责人"):
        db.write(moves.submit, world.filer, filing_id)


@pytest.mark.parametrize("name", ["filer", "other", "county", "city", "far_city", "ministry", "expert", "admin"])
def test_nobody_but_the_county_decides_what_lies_at_the_county(db: Database, world: World, name: str) -> None:
    filing_id = db.write(filing_kit.submitted, world.signer)
    if name == "county":
        db.write(decisions.forward, world.county, filing_id, "同意")
        return
    with pytest.raises((Conflict, Forbidden, NotFound)):
        db.write(decisions.forward, world.actors[name], filing_id, "同意")


def test_one_unit_one_form_one_year(db: Database, world: World) -> None:
    db.write(filing_kit.draft, world.signer)
    facts = db.read(standing.open_facts, world.signer, Form.FACTORY, 2025)
    assert facts.other_alive
