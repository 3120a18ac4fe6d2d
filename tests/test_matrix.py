"""The permission table that the administrator reads is the one that decides (权限一览)."""

from __future__ import annotations

import itertools
from typing import cast

import pytest
from sqlmodel import Session

from models.enums import Action, FilingStatus, Role
from services import matrix, permissions
from services.errors import Forbidden
from services.matrix import Filter, Phase, Rule, Section
from services.permissions import POWERS, Power
from services.workflow import guards, transitions
from services.workflow.facts import Relation
from tests.conftest import World
from tests.test_permissions import people as people

NOBODY = cast("Session", None)  # what is only read from the tables needs no database


@pytest.fixture
def rules(people: World) -> tuple[Rule, ...]:
    return matrix.rules(NOBODY, people.admin, Filter())


def phase_of(status: FilingStatus | None) -> Phase:
    return Phase.NONE if status is None else Phase(status.value)


def test_every_cell_of_the_workflow_is_shown_as_it_decides(rules: tuple[Rule, ...]) -> None:
    """Role × action × relation × status: a tick exactly where ``permitted`` says yes."""
    ticks = {
        (action, role, relation, phase)
        for action in Action
        for rule in rules
        if rule.section is Section.FILINGS and rule.matter == transitions.caption(action)
        for role in rule.roles
        for relation in rule.relations
        for phase in rule.phases
    }
    statuses = (None, *FilingStatus)
    for action, role, relation, status in itertools.product(Action, Role, Relation, statuses):
        cell = action, role, relation, phase_of(status)
        assert (cell in ticks) is transitions.permitted(action, role, relation, status, deleted=False), cell
    for action, role, relation in itertools.product(Action, Role, Relation):
        deleted = any(transitions.permitted(action, role, relation, status, deleted=True) for status in FilingStatus)
        assert ((action, role, relation, Phase.DELETED) in ticks) is deleted
    shown = {rule.matter for rule in rules if rule.section is Section.FILINGS}
    assert shown == set(map(transitions.caption, Action))


def test_every_power_is_shown_with_how_far_it_reaches(rules: tuple[Rule, ...]) -> None:
    shown = {
        (rule.matter, role, relation)
        for rule in rules
        if rule.section is Section.POWERS
        for role in rule.roles
        for relation in rule.relations
    }
    decides = {
        (power.caption, role, relation)
        for power in Power
        for role, relations in POWERS[power].items()
        for relation in relations
    }
    assert shown == decides
    assert len({power.caption for power in Power}) == len(Power)


def test_every_condition_has_words() -> None:
    used = {guard for row in transitions.TABLE for guard in row.guards}
    assert used == set(guards.CAPTIONS)


@pytest.mark.parametrize(
    ("wanted", "matters"),
    [
        (Filter(phase=Phase.DELETED), {"恢复"}),
        (Filter(phase=Phase.NONE), {"新增动态管理表"}),
        (Filter(role=Role.EXPERT, relation=Relation.ASSIGNED, phase=Phase.REVIEW), {"查看动态管理表", "提交专家意见"}),
        (Filter(role=Role.COUNTY, relation=Relation.PAST, phase=Phase.DONE), {"查看动态管理表", "导出为PDF", "导出为EXCEL"}),
        (Filter(search="核对审计"), {"查看、导出和核对审计日志"}),
        (Filter(role=Role.ADMIN, phase=Phase.DRAFT), set()),
    ],
)  # fmt: skip
def test_filters_leave_what_they_say(people: World, wanted: Filter, matters: set[str]) -> None:
    assert {rule.matter for rule in matrix.rules(NOBODY, people.admin, wanted)} == matters


def test_what_an_address_asks_for_is_read_or_ignored() -> None:
    said = {"role": "county", "phase": "done", "relation": "past", "search": "导出"}
    assert matrix.asked(said) == Filter(Role.COUNTY, Relation.PAST, Phase.DONE, "导出")
    assert matrix.asked({"role": "root", "phase": "<", "search": "x" * 99}) == Filter(search="x" * 50)


def test_only_the_administrator_reads_it(people: World) -> None:
    for name, actor in people.actors.items():
        if name != "admin":
            with pytest.raises(Forbidden):
                matrix.rules(NOBODY, actor, Filter())


def test_who_has_a_power_opens_its_page() -> None:
    assert permissions.holders(Power.READ_AUDIT) == {Role.ADMIN}
    assert permissions.holders(Power.RUN_CAMPAIGN, Power.EXTEND) == {
        Role.ADMIN, Role.CITY, Role.PROVINCE, Role.GROUP, Role.MINISTRY
    }  # fmt: skip
