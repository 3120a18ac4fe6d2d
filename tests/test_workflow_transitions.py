"""The workflow table against the expectations that were written by hand (cases/transitions.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from models.enums import TIERS, Action, FilingStatus, Role, StepStatus, Tier
from services.workflow import transitions
from services.workflow.facts import Facts, Relation, StepFact

CASES = tomllib.loads((Path(__file__).parent / "cases" / "transitions.toml").read_text(encoding="utf-8"))
STATUSES = ("none", "draft", "validated", "review", "returned", "done", "deleted")
OFFICES = {
    Tier.COUNTY: ("天河区科技工业和信息化局", "吴倩"),
    Tier.CITY: ("广州市工业和信息化局", "郑国华"),
    Tier.PROVINCE: ("广东省工业和信息化厅", "许文"),
    Tier.MINISTRY: ("工业和信息化部", "方堃"),
}
TIER_OF = {
    Role.COUNTY: Tier.COUNTY,
    Role.CITY: Tier.CITY,
    Role.PROVINCE: Tier.PROVINCE,
    Role.GROUP: Tier.PROVINCE,
    Role.MINISTRY: Tier.MINISTRY,
}
DECIDED = datetime(2025, 3, 21, 9, 5)
PEOPLE = [(role, relation) for role in Role for relation in Relation]


def route(words: list[str]) -> tuple[StepFact, ...]:
    steps = []
    for number, (tier, word) in enumerate(zip(TIERS, words, strict=True), start=1):
        name, person = OFFICES[tier]
        status = StepStatus.FORWARDED if word == "taken_over" else StepStatus(word)
        decided = status in (StepStatus.FORWARDED, StepStatus.RETURNED, StepStatus.APPROVED)
        steps.append(
            StepFact(
                tier,
                status,
                name,
                number,
                DECIDED if decided else None,
                person if decided else "",
                word != "taken_over",
            )
        )
    return tuple(steps)


def review_route(role: Role, relation: Relation) -> list[str]:
    """The route as it must look for this role to stand in this relation."""
    own = TIERS.index(TIER_OF.get(role, Tier.COUNTY))
    if relation is Relation.PAST and own == 3:
        return ["forwarded", "forwarded", "reviewing", "returned"]
    now = {Relation.PAST: own + 1, Relation.UPCOMING: own - 1}.get(relation, own)
    return ["forwarded"] * now + (["reviewing"] if now >= 0 else []) + ["waiting"] * (3 - max(now, -1))


def facts_for(status: str, role: Role, relation: Relation) -> Facts:
    """The happy case: nothing but the status, the role and the relation could stand in the way."""
    base = Facts(
        status=None,
        today=date(2025, 3, 20),
        year=2025,
        opens_on=date(2025, 2, 10),
        due_on=date(2025, 4, 15),
        locks_on=date(2025, 5, 31),
        own_tier=TIER_OF.get(role),
        task_open=True,
    )
    if status == "none":
        return base
    planned = route(["waiting"] * 4)
    match status:
        case "draft" | "deleted":
            deleted = date(2025, 3, 20) if status == "deleted" else None
            return replace(base, status=FilingStatus.DRAFT, steps=planned, deleted_on=deleted)
        case "validated":
            return replace(base, status=FilingStatus.DRAFT, steps=planned, validated=True, stamped=True)
        case "review":
            return replace(base, status=FilingStatus.REVIEW, steps=route(review_route(role, relation)))
        case "returned":
            return replace(
                base,
                status=FilingStatus.RETURNED,
                steps=route(["forwarded", "returned", "waiting", "waiting"]),
                returned_by="广州市工业和信息化局",
                validated=True,
                stamped=True,
                changed_or_answered=True,
            )
        case _:
            return replace(
                base, status=FilingStatus.DONE, steps=route(["forwarded", "forwarded", "forwarded", "approved"])
            )


def named(names: list[str]) -> set[tuple[Role, Relation]]:
    people = (person for name in names for person in CASES["people"][name])
    return {(Role(role), Relation(relation)) for role, _, relation in (person.partition(":") for person in people)}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("action", list(Action), ids=lambda a: a.value)
def test_every_role_in_every_relation_finds_what_the_table_of_expectations_says(action: Action, status: str) -> None:
    case: dict[str, Any] = CASES.get(action.value, {}).get(status, {})
    may, may_not_now = named(case.get("yes", [])), named(case.get("no", []))
    for role, relation in PEOPLE:
        facts = facts_for(status, role, relation)
        found = [choice for choice in transitions.available(facts, role, relation) if choice.action == action]
        who = f"{role.value}:{relation.value}"
        refusal = transitions.refusal(action, facts, role, relation)
        if (role, relation) in may:
            assert [choice.enabled for choice in found] == [True], who
            assert refusal is None, who
        elif (role, relation) in may_not_now:
            assert [choice.enabled for choice in found] == [False], who
            assert case["because"] in found[0].reason, who
            assert refusal == found[0].reason, who
        else:
            assert found == [], who
            assert refusal and refusal.endswith("。"), who


@pytest.mark.parametrize("case", CASES["guard"], ids=lambda case: case["name"])
def test_a_refusal_says_the_cause_who_can_change_it_and_the_way_out(case: dict[str, Any]) -> None:
    role, relation = Role(case.get("role", "signer")), Relation(case.get("relation", "own"))
    if role in TIER_OF and "relation" not in case:
        relation = Relation.HANDLING
    facts = replace(facts_for(case["status"], role, relation), **case.get("facts", {}))
    if "route" in case:
        facts = replace(facts, steps=route(case["route"]))
    assert (transitions.refusal(Action(case["action"]), facts, role, relation) or "") == case["says"]


def test_every_action_is_in_the_table_with_a_caption_and_somebody_who_may() -> None:
    for action in Action:
        rows = [row for row in transitions.TABLE if row.action is action]
        assert rows, action
        assert transitions.caption(action)
        assert any(relations for row in rows for relations in row.who.values()), action


def test_every_action_has_an_expectation() -> None:
    assert {action.value for action in Action} == set(CASES) - {"people", "guard"}


def test_every_guard_of_the_table_is_seen_to_refuse() -> None:
    """A guard that no case can make speak is no guard."""
    spoken = {case["says"] for case in CASES["guard"]} | {
        case["because"]
        for rows in CASES.values()
        if isinstance(rows, dict)
        for case in rows.values()
        if "because" in case
    }
    silent = [
        guard.__name__
        for row in transitions.TABLE
        for guard in row.guards
        if not any(said for said in spoken if said and _can_say(guard, row.action, said))
    ]
    assert silent == []


def _can_say(guard: Any, action: Action, said: str) -> bool:
    for facts, role in _all_cases():
        reason = guard(facts, role)
        if reason and said in reason:
            return True
    return False


def _all_cases() -> Iterator[tuple[Facts, Role]]:
    for status in STATUSES:
        yield facts_for(status, Role.SIGNER, Relation.OWN), Role.SIGNER
    for case in CASES["guard"]:
        role = Role(case.get("role", "signer"))
        relation = Relation(case.get("relation", "handling" if role in TIER_OF else "own"))
        facts = replace(facts_for(case["status"], role, relation), **case.get("facts", {}))
        yield (replace(facts, steps=route(case["route"])) if "route" in case else facts), role
    yield facts_for("review", Role.MINISTRY, Relation.PAST), Role.MINISTRY


@pytest.mark.parametrize(
    ("status", "validated", "at_ministry", "words"),
    [
        (FilingStatus.DRAFT, False, False, "填写中"),
        (FilingStatus.DRAFT, True, False, "填写中(已通过验证)"),
        (FilingStatus.REVIEW, True, False, "上级主管部门审核中"),
        (FilingStatus.REVIEW, True, True, "工信部审核"),
        (FilingStatus.RETURNED, False, False, "已退回"),
        (FilingStatus.RETURNED, True, False, "已退回(已通过验证)"),
        (FilingStatus.DONE, True, False, "审核完成"),
    ],
)
def test_the_status_is_said_in_the_manuals_words(
    status: FilingStatus, validated: bool, at_ministry: bool, words: str
) -> None:
    assert transitions.status_caption(status, validated=validated, at_ministry=at_ministry) == words
