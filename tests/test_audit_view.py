"""The administrator's view of the log (审计日志查询): filters, pages, exports, and no unit's figures."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from models.enums import Action, AuditResult, Role
from services import audit, clock
from services.accounts import audit_view, organisations, users
from services.accounts.views import AuditQuery, AuditRow
from services.actors import Actor
from services.db import Database
from services.errors import Forbidden, NotFound, Refusal
from services.filings import moves
from services.perform import perform
from services.reviews import questions
from tests import filing_kit
from tests.conftest import SPRING, World

ROOT = Path(__file__).resolve().parents[1]
SECRET = "取水量 48,123 立方米"


@pytest.fixture
def log(db: Database, world: World) -> Database:
    """A filing that was submitted, asked about and sent back, with a refusal; a user created; contacts shown."""
    filing_id = db.write(filing_kit.submitted, world.signer)
    db.write(questions.ask, world.county, filing_id, "", SECRET)
    db.write(filing_kit.sent_back, filing_id, world.county, ("", SECRET))
    with pytest.raises(Refusal):
        perform(db, moves.delete, world.signer, filing_id, "删除")
    users.create(db, world.signer, world.orgs["factory"], "li.na", "李娜", Role.FILER)
    with clock.frozen(SPRING + timedelta(days=1)):
        db.write(organisations.reveal_contacts, world.city, world.orgs["factory"])
    return db


def found(db: Database, actor: Actor, **wanted: object) -> tuple[AuditRow, ...]:
    return db.read(audit_view.page, actor, AuditQuery(**wanted)).rows  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "actions"),
    [
        ({"since": date(2025, 3, 21)}, {"reveal_contacts"}),
        ({"until": date(2025, 3, 20), "action": "reveal_contacts"}, set()),
        ({"person": "吴倩"}, {"ask", "send_back"}),
        ({"person": "county"}, {"ask", "send_back"}),
        ({"organisation": "广州市工业"}, {"reveal_contacts"}),
        ({"organisation": "天河区"}, {"ask", "send_back"}),
        ({"action": "submit"}, {"submit"}),
        ({"result": AuditResult.REFUSED}, {"delete"}),
        ({"subject": "organisation"}, {"reveal_contacts"}),
        ({"target": "gf-2025-440106-00008"}, {"submit", "ask", "send_back", "delete"}),
        ({"target": "李娜"}, {"create_user"}),
        ({"target": "9144011552601815X4"}, {"reveal_contacts"}),
        ({"target": "南粤精工", "subject": "organisation"}, {"reveal_contacts"}),
        ({"search": "新增填报人"}, {"create_user"}),
        ({"search": "100%"}, set()),
        ({"target": "没有这个单位"}, set()),
    ],
)
def test_each_filter_finds_what_it_says(
    log: Database, world: World, wanted: dict[str, object], actions: set[str]
) -> None:
    if "gf-2025" in str(wanted.get("target")):
        wanted = {"target": f"gf-2025-440106-{world.orgs['factory']:05d}"}
    assert {row.action for row in found(log, world.admin, **wanted)} == actions


def test_every_line_says_who_of_which_organisation_did_what_to_what(log: Database, world: World) -> None:
    (line,) = found(log, world.admin, action="send_back")
    assert (line.user_name, line.organisation_name) == ("吴倩（county）", "天河区科技工业和信息化局")
    assert (line.action_caption, line.subject_caption) == ("退回", "动态管理表")
    assert line.target.startswith("GF-2025-440106-")
    assert line.target.endswith(" 广州南粤精工制造有限公司")


def test_the_administrator_reads_no_figures_and_cannot_search_for_them(log: Database, world: World) -> None:
    said = [row.detail for row in found(log, world.admin)]
    assert not any("48,123" in detail or "数据需要核实" in detail for detail in said)
    assert "天河区科技工业和信息化局退回申报单位（内容见该表的办理记录）" in said
    assert found(log, world.admin, search="48,123") == ()
    assert any("第1版，回执" in detail for detail in said)


def test_pages_follow_each_other(db: Database, world: World) -> None:
    def fill(s: Session) -> None:
        for n in range(120):
            audit.record(s, world.city, "sign_in", "user", world.city.user_id, detail=f"第{n}次")

    db.write(fill)
    pages = [db.read(audit_view.page, world.admin, AuditQuery(page=n)) for n in (1, 2, 3, 4)]
    assert [len(page.rows) for page in pages] == [50, 50, 20, 0]
    assert [row.id for page in pages for row in page.rows] == list(range(120, 0, -1))
    assert {page.total for page in pages} == {120}


def test_an_export_is_an_act_in_the_log_itself(log: Database, world: World) -> None:
    query = audit_view.asked({"person": "吴倩", "since": "2025-03-01", "result": "done", "until": "nonsense"})
    rows = log.read(audit_view.exported, world.admin, query)
    assert {row.action for row in rows} == {"ask", "send_back"}
    perform(log, audit_view.start_export, world.admin, query, "xlsx")
    line = found(log, world.admin)[0]
    assert line.action_caption == "导出审计日志"
    assert line.detail == "导出 3 条（xlsx）；条件：自 2025-03-01，人员 吴倩，结果 成功"


def test_an_export_that_is_too_long_says_how_to_go_on(
    log: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_view, "MOST_EXPORTED", 3)
    with pytest.raises(Refusal, match="请缩小时间范围，分几次导出"):
        perform(log, audit_view.start_export, world.admin, AuditQuery(), "csv")


def test_nobody_else_reads_exports_or_checks_it(log: Database, world: World) -> None:
    for name, actor in world.actors.items():
        if name == "admin":
            continue
        for act in (
            lambda actor=actor: log.read(audit_view.page, actor, AuditQuery()),
            lambda actor=actor: log.read(audit_view.exported, actor, AuditQuery()),
            lambda actor=actor: log.write(audit_view.start_export, actor, AuditQuery(), "csv"),
            lambda actor=actor: log.read(audit_view.check, actor),
        ):
            with pytest.raises(Forbidden):
                act()


def test_a_refusal_names_what_was_tried_and_on_what(db: Database, world: World) -> None:
    filing_id = db.write(filing_kit.draft, world.other)
    with pytest.raises(NotFound):
        perform(db, moves.withdraw, world.far, filing_id)
    (line,) = found(db, world.admin)
    assert (line.action_caption, line.subject_caption, line.result) == ("取消上报", "动态管理表", "refused")


def words_of_the_log() -> Iterator[str]:
    """Every word that is written as the action of a line: first arguments of ``audit.record``, names of use cases."""
    for path in [*(ROOT / "services").rglob("*.py"), *(ROOT / "ui").rglob("*.py")]:
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if name == "record" and len(node.args) > 2:
                yield from (
                    n.value for n in ast.walk(node.args[2]) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                )
            elif name in ("perform", "perform_as", "aperform"):
                said = ast.unparse(node.args[0 if name == "perform" and isinstance(node.func, ast.Attribute) else 1])
                if re.fullmatch(r"[\w.]+", said) and said != "use_case":
                    yield said.rpartition(".")[2].lstrip("_")


def test_every_word_of_the_log_is_said_in_chinese() -> None:
    words = set(words_of_the_log()) - {"finding_"}
    assert {"submit", "validate", "reveal_contacts"} <= words | {a.value for a in Action}
    assert {word for word in words if audit_view.caption(word) == "其他操作"} == set()
