"""A scene for every use case (每个用例一幕): what must be there before, and the one call that is then made to fail.

A scene is a function of a database and the small world; it prepares, and returns the call. The call takes a database, because
it is made on many copies of the prepared one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pyotp
from sqlmodel import Session, select

from models import AuditLine, Message, Organisation, Question, User
from models.enums import Action, Adjustment, FileKind, Form, Grade, Level, OrgKind, Role
from services import backup_plan, clock, inbox, rulings, settings
from services.accounts import audit_view, credentials, offices, organisations, passwords, sessions, users
from services.accounts.views import AuditQuery
from services.actors import Actor
from services.db import Database
from services.documents.batches import Batches
from services.filings import batches, desk, files, imports, moves, opening, snapshots, stamps
from services.filings.stamps import StampCheck
from services.filings.views import CellEdit, ListQuery
from services.perform import perform
from services.register import importing, invitations, schedule, upkeep
from services.reviews import decisions, drafts, opinions, questions
from tests import filing_kit, filling
from tests.conftest import World
from tests.faults.worker import UNREAD
from tests.test_accounts_organisations import edit, form
from tests.test_filings_files import PDF, workbook
from tests.test_filings_imports import seen
from tests.test_register_importing import shown as roster
from tests.test_register_importing import table
from tests.test_register_upkeep import NEW as NEW_ENTRY

Deed = Callable[[Database], Any]
Scene = Callable[[Database, World], Deed]

SCENES: dict[str, Scene] = {}
PASSWORD, NEW = "Nanyue-2025-gd", "Yuexiu-2025-gz"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
REASON = "2024年新增一条生产线，产值翻倍，见B204-1表"
JUMP = {"gross_output:2023": "52000", "gross_output:2024": "90000"}  # a warning that must be explained
SLIP = {"gross_output:2023": "52000", "gross_output:2024": "541000"}  # one that offers another figure


def scene(*names: str) -> Callable[[Scene], Scene]:
    """Register a scene under the use case it calls; a second one of the same use case adds ``#`` and a word."""

    def keep(made: Scene) -> Scene:
        SCENES.update(dict.fromkeys(names, made))
        return made

    return keep


# --- the filer ----------------------------------------------------------------------------------------------------------


@scene("filings.opening.open_filing")
def opens(db: Database, w: World) -> Deed:
    return lambda db: perform(db, opening.open_filing, w.filer, Form.FACTORY, 2025)


@scene("filings.desk.edit_cells")
def edits(db: Database, w: World) -> Deed:
    filing = filling.opened(db, w.filer)
    changes = (CellEdit("gross_output:2024", "3000"), CellEdit("main_products", "电路板"))
    return lambda db: perform(db, desk.edit_cells, w.filer, filing, changes)


@scene("filings.desk.edit_cells#together")
def edit_together(db: Database, w: World) -> Deed:
    """Two units' edits in one go: both or neither."""
    both = [
        desk.Editing(who, filling.opened(db, who), (CellEdit("gross_output:2024", "3000"),))
        for who in (w.filer, w.other)
    ]
    return lambda db: db.write(desk.edit_together, both)


@scene("filings.desk.edit_cells#twice")
def edits_twice(db: Database, w: World) -> Deed:
    """The second time the sheet is taken from memory."""
    filing = filling.opened(db, w.filer)

    def deed(db: Database) -> Any:
        for text in ("2900", "3000"):
            perform(db, desk.edit_cells, w.filer, filing, (CellEdit("gross_output:2024", text),))

    return deed


@scene("filings.desk.note_finding")
def notes(db: Database, w: World) -> Deed:
    filing = filling.opened(db, w.filer)
    found = next(f for f in filling.put(db, w.filer, filing, JUMP).found if f.id.startswith("R08-gross"))
    return lambda db: perform(db, desk.note_finding, w.filer, filing, found.id, found.values_hash, "explain", REASON)


@scene("filings.desk.apply_fix")
def fixes(db: Database, w: World) -> Deed:
    filing = filling.opened(db, w.filer)
    filling.put(db, w.filer, filing, SLIP)
    found = next(f for f in db.read(desk.sheet, w.filer, filing).findings if f.id == "R07-gross_output@2024")
    return lambda db: perform(db, desk.apply_fix, w.filer, filing, found.id)


@scene("filings.desk.save_draft")
def saves(db: Database, w: World) -> Deed:
    filing = filling.opened(db, w.filer)
    return lambda db: perform(db, desk.save_draft, w.filer, filing)


@scene("filings.desk.validate")
def validates(db: Database, w: World) -> Deed:
    filing = db.write(filing_kit.draft, w.filer, ready=False)
    return lambda db: perform(db, desk.validate, w.filer, filing)


@scene("filings.imports.confirm_import")
def imports_(db: Database, w: World) -> Deed:
    filing = filling.opened(db, w.filer)
    shown = seen(db, w.filer, filing, gross_output_2024=3000)
    return lambda db: perform(db, imports.confirm_import, w.filer, filing, shown)


@scene("filings.files.upload")
def attaches(db: Database, w: World) -> Deed:
    filing = filling.opened(db, w.filer)
    return lambda db: files.upload(db, w.filer, filing, FileKind.EVIDENCE, "台账.xlsx", workbook())


@scene("filings.files.remove")
def removes(db: Database, w: World) -> Deed:
    filing = filling.opened(db, w.filer)
    kept = files.upload(db, w.filer, filing, FileKind.EVIDENCE, "台账.xlsx", workbook())
    return lambda db: perform(db, files.remove, w.filer, kept.id)


@scene("filings.stamps.upload_photos")
def stamps_(db: Database, w: World) -> Deed:
    filing, code = _validated(db, w)
    assert code

    def deed(db: Database) -> Any:
        """Read, and with the code that a person types, bound; given up if that fails."""
        check = stamps.upload_photos(db, w.filer, filing, [("扫描件.pdf", PDF)])
        assert check.placed is not None
        try:
            return perform(db, stamps.bind, w.filer, filing, check, code)
        except BaseException:
            files.discard(db, check.placed)
            raise

    return deed


@scene("filings.stamps.bind")
def binds(db: Database, w: World) -> Deed:
    filing, code = _validated(db, w)
    placed = files.place("扫描件.pdf", PDF, FileKind.STAMPED_SCAN)
    return lambda db: perform(db, stamps.bind, w.filer, filing, StampCheck("", True, (), code, UNREAD, placed), code)


def _validated(db: Database, w: World) -> tuple[int, str]:
    filing = db.write(filing_kit.draft, w.filer, ready=False)
    return filing, db.write(desk.validate, w.filer, filing).digest_code


@scene("filings.moves.submit")
def submits(db: Database, w: World) -> Deed:
    filing = db.write(filing_kit.draft, w.signer)
    return lambda db: perform(db, moves.submit, w.signer, filing)


@scene("filings.moves.submit#again")
def resubmits(db: Database, w: World) -> Deed:
    filing = _returned(db, w)
    db.write(_answer_all, w)
    return lambda db: perform(db, moves.submit, w.signer, filing)


@scene("filings.moves.withdraw")
def withdraws(db: Database, w: World) -> Deed:
    filing = db.write(filing_kit.submitted, w.signer)
    return lambda db: perform(db, moves.withdraw, w.signer, filing)


@scene("filings.moves.delete")
def deletes(db: Database, w: World) -> Deed:
    filing = filling.opened(db, w.filer)
    files.upload(db, w.filer, filing, FileKind.EVIDENCE, "台账.xlsx", workbook())
    return lambda db: perform(db, moves.delete, w.signer, filing, "删除")


@scene("filings.moves.restore")
def restores(db: Database, w: World) -> Deed:
    filing = db.write(filing_kit.draft, w.signer)
    db.write(moves.delete, w.signer, filing, "删除")
    return lambda db: perform(db, moves.restore, w.admin, filing)


# --- the reviewer -------------------------------------------------------------------------------------------------------


@scene("reviews.decisions.forward")
def forwards(db: Database, w: World) -> Deed:
    filing = db.write(filing_kit.submitted, w.signer)
    return lambda db: perform(db, decisions.forward, w.county, filing, "同意上报。")


@scene("reviews.decisions.bulk_forward")
def forwards_many(db: Database, w: World) -> Deed:
    filings = tuple(db.write(filing_kit.submitted, who) for who in (w.signer, w.other))
    return lambda db: perform(db, decisions.bulk_forward, w.county, filings, "同意上报。")


@scene("reviews.decisions.approve")
def approves(db: Database, w: World) -> Deed:
    filing = db.write(filing_kit.submitted, w.signer)
    db.write(filing_kit.pass_up, filing, w.county, w.city, w.province)
    return lambda db: perform(db, decisions.approve, w.ministry, filing, "同意。")


@scene("reviews.decisions.send_back")
def sends_back(db: Database, w: World) -> Deed:
    filing = db.write(filing_kit.submitted, w.signer)
    asked = [("gross_output:2024", "请核实。")]
    return lambda db: perform(db, decisions.send_back, w.county, filing, "请核实。", new_questions=asked)


@scene("reviews.decisions.send_back#to the tier below")
def sends_below(db: Database, w: World) -> Deed:
    filing = _at_the_city(db, w)
    asked = [("", "请核实。")]
    return lambda db: perform(db, decisions.send_back, w.city, filing, "请核实。", to="below", new_questions=asked)


@scene("reviews.decisions.recall")
def recalls(db: Database, w: World) -> Deed:
    filing = _at_the_city(db, w)
    return lambda db: perform(db, decisions.recall, w.county, filing)


@scene("reviews.decisions.transfer")
def transfers(db: Database, w: World) -> Deed:
    filing = _at_the_city(db, w)
    return lambda db: perform(db, decisions.transfer, w.city, filing, w.orgs["far_city"], "单位在佛山。")


@scene("reviews.questions.ask")
def asks(db: Database, w: World) -> Deed:
    filing = db.write(filing_kit.submitted, w.signer)
    return lambda db: perform(db, questions.ask, w.county, filing, "gross_output:2024", "请核实。")


@scene("reviews.questions.edit")
def edits_question(db: Database, w: World) -> Deed:
    question = _asked(db, w)
    return lambda db: perform(db, questions.edit, w.county, question, "请核实产值。")


@scene("reviews.questions.withdraw")
def withdraws_question(db: Database, w: World) -> Deed:
    question = _asked(db, w)
    return lambda db: perform(db, questions.withdraw, w.county, question)


@scene("reviews.questions.answer")
def answers(db: Database, w: World) -> Deed:
    _returned(db, w)
    question = db.read(lambda s: s.exec(select(Question.id)).one())
    assert question is not None
    return lambda db: perform(db, questions.answer, w.filer, question, "已核实。")


@scene("reviews.questions.close")
def closes(db: Database, w: World) -> Deed:
    filing = _returned(db, w)
    db.write(_answer_all, w)
    db.write(moves.submit, w.signer, filing)
    question = db.read(lambda s: s.exec(select(Question.id)).one())
    assert question is not None
    return lambda db: perform(db, questions.close, w.county, question)


def _asked(db: Database, w: World) -> int:
    filing = db.write(filing_kit.submitted, w.signer)
    return db.write(questions.ask, w.county, filing, "", "请核实。")


def _returned(db: Database, w: World) -> int:
    filing = db.write(filing_kit.submitted, w.signer)
    db.write(filing_kit.sent_back, filing, w.county)
    return filing


def _answer_all(s: Session, w: World) -> None:
    for question in s.exec(select(Question.id)).all():
        assert question is not None
        questions.answer(s, w.filer, question, "已核实。")


def _at_the_city(db: Database, w: World) -> int:
    filing = db.write(filing_kit.submitted, w.signer)
    db.write(filing_kit.pass_up, filing, w.county)
    return filing


@scene("reviews.opinions.attach_letter")
def attaches_letter(db: Database, w: World) -> Deed:
    filing = _at_the_city(db, w)
    letter = files.upload(db, w.city, filing, FileKind.LETTER, "推荐文件.pdf", PDF)
    return lambda db: perform(db, opinions.attach_letter, w.city, filing, letter.id)


@scene("reviews.opinions.mark")
def marks(db: Database, w: World) -> Deed:
    filing = _at_the_city(db, w)
    return lambda db: perform(db, opinions.mark, w.city, filing, "figures-energy", True)


@scene("reviews.opinions.record_assessment")
def assesses(db: Database, w: World) -> Deed:
    filing = _at_the_city(db, w)
    said: dict[str, Any] = {"visited_on": date(2025, 3, 19), "people": "郑国华", "conclusion": "属实。"}
    said["findings"] = [("energy_total:2024", "新增一条生产线")]
    return lambda db: perform(db, opinions.record_assessment, w.city, filing, **said)


@scene("reviews.opinions.record_adjustment")
def adjusts(db: Database, w: World) -> Deed:
    filing = _at_the_city(db, w)
    db.write(opinions.record_adjustment, w.city, filing, Adjustment.REMOVE, ["17-1"], "停产18个月。")
    return lambda db: perform(
        db, opinions.record_adjustment, w.city, filing, Adjustment.REMOVE, ["17-1"], "停产19个月。"
    )


@scene("reviews.opinions.assign_experts")
def assigns(db: Database, w: World) -> Deed:
    filing = _at_the_city(db, w)
    return lambda db: perform(db, opinions.assign_experts, w.city, filing, [w.expert.user_id])


@scene("reviews.opinions.release_expert")
def releases(db: Database, w: World) -> Deed:
    _assigned(db, w)
    return lambda db: perform(db, opinions.release_expert, w.city, 1)


@scene("reviews.opinions.submit_opinion")
def opines(db: Database, w: World) -> Deed:
    filing = _assigned(db, w)
    return lambda db: perform(db, opinions.submit_opinion, w.expert, filing, "同意。", Grade.A)


def _assigned(db: Database, w: World) -> int:
    filing = _at_the_city(db, w)
    db.write(opinions.assign_experts, w.city, filing, [w.expert.user_id])
    return filing


@scene("filings.batches.start")
def exports(db: Database, w: World) -> Deed:
    db.write(filing_kit.submitted, w.signer)

    def deed(db: Database) -> Any:
        house = Batches(Path(mkdtemp(dir=settings.from_env().data_dir)))
        logged = db.read(_exports)
        try:
            return batches.start(db, w.city, house, "long", ListQuery(Form.FACTORY, 2025), ending="csv")
        finally:
            house._threads.shutdown()  # the same calls each time: it is not cut off in the middle
            house.close()
            ready = [view for view in house.mine(batches.owner(w.city)) if view.stage == "ready"]
            assert len(ready) <= db.read(_exports) - logged, "something was exported that the log does not know"

    return deed


def _exports(s: Session) -> int:
    return len(s.exec(select(AuditLine.id).where(AuditLine.action == "batch_export")).all())


# --- people, offices, dates, messages -----------------------------------------------------------------------------------


@scene("accounts.sessions.sign_in")
def signs_in(db: Database, w: World) -> Deed:
    db.write(_give_password, w.filer.user_id)
    return lambda db: sessions.sign_in(db, "filer", PASSWORD, "127.0.0.1")


@scene("accounts.sessions.aresolve")
def is_seen(db: Database, w: World) -> Deed:
    db.write(_give_password, w.filer.user_id)
    token = sessions.sign_in(db, "filer", PASSWORD).token

    def deed(db: Database) -> Any:
        with clock.frozen(clock.now() + 2 * sessions.SEEN_EVERY):
            return sessions.resolve(db, token)

    return deed


@scene("accounts.sessions.sign_out")
def signs_out(db: Database, w: World) -> Deed:
    actor = _signed_in(db, w)
    return lambda db: perform(db, sessions.sign_out, actor)


@scene("accounts.sessions.end_others")
def ends_others(db: Database, w: World) -> Deed:
    here, _ = _signed_in(db, w), _signed_in(db, w)
    return lambda db: perform(db, sessions.end_others, here)


@scene("accounts.sessions.second_step")
def takes_the_second_step(db: Database, w: World) -> Deed:
    _enrolled(db, w)

    def deed(db: Database) -> Any:
        with clock.frozen(clock.now() + timedelta(minutes=5)):
            try:
                return sessions.sign_in(db, "filer", PASSWORD)
            except sessions.SecondStep as step:
                return sessions.second_step(db, step.ticket, _shown())

    return deed


@scene("accounts.credentials.change_password")
def changes_password(db: Database, w: World) -> Deed:
    actor = _signed_in(db, w)
    return lambda db: credentials.change_password(db, actor, PASSWORD, NEW, NEW)


@scene("accounts.credentials.issue_reset")
def issues_reset_code(db: Database, w: World) -> Deed:
    return lambda db: perform(db, credentials.issue_reset, w.admin, w.filer.user_id)


@scene("accounts.credentials.reset")
def uses_reset_code(db: Database, w: World) -> Deed:
    code = db.write(credentials.issue_reset, w.admin, w.filer.user_id).code
    return lambda db: credentials.reset(db, "filer", code, NEW, NEW)


@scene("accounts.credentials.enrol")
def enrols(db: Database, w: World) -> Deed:
    actor = _signed_in(db, w)
    return lambda db: credentials.enrol(db, actor, PASSWORD, SECRET, _shown())


@scene("accounts.credentials.renew_recovery")
def renews_recovery_codes(db: Database, w: World) -> Deed:
    actor = _enrolled(db, w)
    return lambda db: credentials.renew_recovery(db, actor, PASSWORD)


@scene("accounts.credentials.leave")
def stops_the_second_step(db: Database, w: World) -> Deed:
    actor = _enrolled(db, w)
    return lambda db: credentials.leave(db, actor, PASSWORD)


@scene("accounts.credentials.take_away")
def takes_the_second_step_away(db: Database, w: World) -> Deed:
    _enrolled(db, w)
    return lambda db: perform(db, credentials.take_away, w.admin, w.filer.user_id)


@scene("accounts.users.change_role")
def changes_role(db: Database, w: World) -> Deed:
    return lambda db: perform(db, users.change_role, w.admin, w.filer.user_id, Role.SIGNER)


def _signed_in(db: Database, w: World) -> Actor:
    db.write(_give_password, w.filer.user_id)
    return sessions.resolve(db, sessions.sign_in(db, "filer", PASSWORD).token)


def _enrolled(db: Database, w: World) -> Actor:
    actor = _signed_in(db, w)
    credentials.enrol(db, actor, PASSWORD, SECRET, _shown())
    return actor


def _shown() -> str:
    """What the telephone shows now."""
    return str(pyotp.TOTP(SECRET).at(clock.now()))


def _give_password(s: Session, user_id: int) -> None:
    user = s.get_one(User, user_id)
    user.password_hash = passwords.hashed(PASSWORD)
    s.add(user)


@scene("accounts.users.create")
def creates_user(db: Database, w: World) -> Deed:
    return lambda db: users.create(db, w.admin, w.orgs["factory"], "chen.li", "陈立", Role.FILER)


@scene("accounts.users.disable")
def disables(db: Database, w: World) -> Deed:
    _signed_in(db, w)
    return lambda db: perform(db, users.disable, w.admin, w.filer.user_id)


@scene("accounts.users.enable")
def enables(db: Database, w: World) -> Deed:
    db.write(users.disable, w.admin, w.filer.user_id)
    return lambda db: perform(db, users.enable, w.admin, w.filer.user_id)


@scene("accounts.organisations.register_unit")
def registers(db: Database, w: World) -> Deed:
    said = form(w, license_name="执照.pdf", license_content=PDF)
    return lambda db: organisations.register_unit(db, said, "127.0.0.1")


@scene("accounts.organisations.confirm")
def confirms(db: Database, w: World) -> Deed:
    made = organisations.register_unit(db, form(w))
    return lambda db: perform(db, organisations.confirm, w.county, made.organisation_id)


@scene("accounts.organisations.refuse")
def refuses(db: Database, w: World) -> Deed:
    made = organisations.register_unit(db, form(w))
    return lambda db: perform(db, organisations.refuse, w.county, made.organisation_id, "营业执照不清楚。")


@scene("accounts.organisations.reveal_contacts")
def reveals(db: Database, w: World) -> Deed:
    return lambda db: perform(db, organisations.reveal_contacts, w.county, w.orgs["factory"])


@scene("accounts.organisations.update_profile")
def updates_profile(db: Database, w: World) -> Deed:
    filling.opened(db, w.filer)
    view = db.read(organisations.profile, w.filer)
    return lambda db: perform(db, organisations.update_profile, w.filer, edit(view, contact="王岚"), view.version)


@scene("accounts.organisations.set_license")
def sets_license(db: Database, w: World) -> Deed:
    return lambda db: organisations.set_license(db, w.filer, "执照.pdf", PDF)


@scene("accounts.offices.create_office")
def creates_office(db: Database, w: World) -> Deed:
    name = "广州市海珠区科技工业商务和信息化局"
    return lambda db: perform(db, offices.create_office, w.admin, OrgKind.AUTHORITY, name, "440105")


@scene("register.schedule.set_campaign")
def sets_campaign(db: Database, w: World) -> Deed:
    days = date(2025, 2, 10), date(2025, 4, 20), date(2025, 5, 31)
    return lambda db: perform(db, schedule.set_campaign, w.ministry, Form.FACTORY, 2025, *days, "工信厅通知")


@scene("register.schedule.set_region_dates")
def sets_region_dates(db: Database, w: World) -> Deed:
    days = date(2025, 4, 10), date(2025, 5, 20)
    return lambda db: perform(db, schedule.set_region_dates, w.city, Form.FACTORY, 2025, "440100", *days, "穗工信通知")


@scene("register.schedule.extend")
def extends(db: Database, w: World) -> Deed:
    unit, day = w.orgs["factory"], date(2025, 6, 10)
    return lambda db: perform(db, schedule.extend, w.city, Form.FACTORY, 2025, unit, day, "停电检修。")


@scene("inbox.read")
def reads_message(db: Database, w: World) -> Deed:
    message = _message(db, w)
    return lambda db: perform(db, inbox.read, w.county, (message,))


@scene("inbox.done")
def is_done_with_message(db: Database, w: World) -> Deed:
    message = _message(db, w)
    return lambda db: perform(db, inbox.done, w.county, message)


def _message(db: Database, w: World) -> int:
    db.write(filing_kit.submitted, w.signer)
    found = db.read(lambda s: s.exec(select(Message.id).where(Message.organisation_id == w.orgs["county"])).one())
    assert found is not None
    return found


# --- the list, the rulings, the upkeep ------------------------------------------------------------------------------------


@scene("register.importing.import_roster")
def imports_roster(db: Database, w: World) -> Deed:
    previewed = roster(db, w.admin, table((1, "广州白云新材料有限公司", "", "广东省广州市天河区")))
    return lambda db: perform(db, importing.import_roster, w.admin, previewed)


@scene("register.upkeep.add_entry")
def adds_entry(db: Database, w: World) -> Deed:
    return lambda db: perform(db, upkeep.add_entry, w.city, NEW_ENTRY)


@scene("register.upkeep.correct_entry")
def corrects_entry(db: Database, w: World) -> Deed:
    entry = db.write(upkeep.add_entry, w.city, NEW_ENTRY)
    better = replace(NEW_ENTRY.edit, listed_name="广州白云新型材料有限公司")
    return lambda db: perform(db, upkeep.correct_entry, w.city, entry, 1, better, "工作联系单")


@scene("register.upkeep.rename_entry")
def renames_entry(db: Database, w: World) -> Deed:
    entry = db.write(upkeep.add_entry, w.city, NEW_ENTRY)
    said = "广州白云新型材料有限公司", date(2025, 3, 1), "穗工信函〔2025〕1号"
    return lambda db: perform(db, upkeep.rename_entry, w.city, entry, 1, *said)


@scene("register.upkeep.remove_entry")
def removes_entry(db: Database, w: World) -> Deed:
    entry = db.write(upkeep.add_entry, w.city, NEW_ENTRY)
    return lambda db: perform(db, upkeep.remove_entry, w.city, entry, 1, *REMOVED)


@scene("register.upkeep.restore_entry")
def restores_entry(db: Database, w: World) -> Deed:
    entry = db.write(upkeep.add_entry, w.city, NEW_ENTRY)
    db.write(upkeep.remove_entry, w.city, entry, 1, *REMOVED)
    return lambda db: perform(db, upkeep.restore_entry, w.city, entry, 2, "穗工信函〔2025〕3号")


@scene("register.upkeep.assign_entry")
def assigns_entry(db: Database, w: World) -> Deed:
    entry = db.write(upkeep.add_entry, w.city, NEW_ENTRY)
    return lambda db: perform(db, upkeep.assign_entry, w.city, entry, 1, w.orgs["other"])


REMOVED = "停产", date(2025, 3, 1), "穗工信函〔2025〕2号"


@scene("register.invitations.invite")
def invites(db: Database, w: World) -> Deed:
    unit = db.write(_newcomer, w)
    return lambda db: perform(
        db, invitations.invite, w.city, Form.FACTORY, 2025, unit, Level.MUNICIPAL, "市级培育对象。"
    )


@scene("register.invitations.withdraw_invitation")
def withdraws_invitation(db: Database, w: World) -> Deed:
    unit = db.write(_newcomer, w)
    db.write(invitations.invite, w.city, Form.FACTORY, 2025, unit, Level.MUNICIPAL, "市级培育对象。")
    return lambda db: perform(db, invitations.withdraw_invitation, w.city, 1)


def _newcomer(s: Session, w: World) -> int:
    """A confirmed unit that is on no list."""
    made = Organisation(
        kind=OrgKind.UNIT,
        name="广州白云新材料有限公司",
        credit_code="91110000600037341L",
        region_code="440106",
        superior_city_id=w.orgs["city"],
        created_at=clock.now(),
    )
    s.add(made)
    s.flush()
    assert made.id is not None
    return made.id


@scene("register.schedule.announce")
def announces(db: Database, w: World) -> Deed:
    days = date(2026, 2, 10), date(2026, 4, 15), date(2026, 5, 31)
    return lambda db: perform(db, schedule.announce, w.ministry, Form.FACTORY, 2026, *days, "工信厅通知")


@scene("rulings.set_value")
def rules(db: Database, w: World) -> Deed:
    return lambda db: perform(db, rulings.set_value, w.admin, "restore_days", 20, "工作通知")


@scene("rulings.reset_value")
def resets(db: Database, w: World) -> Deed:
    db.write(rulings.set_value, w.admin, "restore_days", 20, "工作通知")
    return lambda db: perform(db, rulings.reset_value, w.admin, "restore_days")


@scene("backup_plan.set_plan")
def plans_backups(db: Database, w: World) -> Deed:
    return lambda db: perform(db, backup_plan.set_plan, w.admin, "02:30", 7, settings.from_env())


@scene("accounts.audit_view.start_export")
def exports_the_log(db: Database, w: World) -> Deed:
    return lambda db: perform(db, audit_view.start_export, w.admin, AuditQuery(), "xlsx")


@scene("accounts.organisations.correct_organisation")
def corrects_organisation(db: Database, w: World) -> Deed:
    said = w.orgs["factory"], 1, "广州南粤精工电路有限公司", "9144011552601815X4"
    return lambda db: perform(db, organisations.correct_organisation, w.admin, *said)


@scene("accounts.offices.remove_office")
def removes_office(db: Database, w: World) -> Deed:
    name = "广州市海珠区科技工业商务和信息化局"
    office = db.write(offices.create_office, w.admin, OrgKind.AUTHORITY, name, "440105")
    return lambda db: perform(db, offices.remove_office, w.admin, office)


@scene("reviews.drafts.keep")
def keeps_draft(db: Database, w: World) -> Deed:
    filing = db.write(filing_kit.submitted, w.signer)
    return lambda db: perform(db, drafts.keep, w.county, filing, drafts.BOXES[0], "产值与纳税申报一致，")


@scene("filings.snapshots.handed_out")
def hands_out(db: Database, w: World) -> Deed:
    filing = db.write(filing_kit.submitted, w.signer)
    return lambda db: perform(db, snapshots.handed_out, w.county, filing, action=Action.EXPORT_PDF)


ELSEWHERE = frozenset({"backup_plan.by_hand"})  # a child process of its own: tests/test_backup_plan.py
READS = frozenset(  # what writes nothing into the database
    {
        "filings.files.discard",
        "filings.room.leave",
        "accounts.audit_view.exported",
        "accounts.sessions.touch",
        "backup_plan.warning",
        "doctor.seen_by",
        "matrix.rules",
        "policy.value",
        "register.importing.preview",
        "accounts.sessions.is_stale",
        "filings.desk.head",
        "filings.files.open_file",
        "filings.imports.marked",
        "filings.imports.preview",
        "filings.moves.receipt",
        "filings.snapshots.snapshot",
        "register.campaigns.current_year",
        "register.campaigns.window_of",
        "register.entries.download_rows",
    }
)
