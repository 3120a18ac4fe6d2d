"""Every rule with its examples (核验规则的例子): files an official can read and extend, ``tests/cases/rules_*.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from models.enums import FindingLevel, Form
from services.forms import grid, loader
from services.forms.findings import Context
from services.forms.sheet import Sheet
from services.forms.template import Address, FormTemplate, Rule

CHECK_LEVELS = {level.value: level for level in FindingLevel} | {"": None}  # "": the check is switched off
CASE_KEYS = {"rule", "name", "form", "year", "cells", "context", "finds", "says"}


def read_cases() -> Iterable[tuple[str, Mapping[str, Any]]]:
    for path in sorted((Path(__file__).parent / "cases").glob("rules_*.toml")):
        for case in tomllib.loads(path.read_text(encoding="utf-8"))["case"]:
            yield path.name, case


CASES = list(read_cases())
FORMS = [(form, year) for form in Form for year in loader.years(form)]


def filled(case: Mapping[str, Any]) -> Sheet:
    template = loader.find(Form(case["form"]), case["year"])
    texts = {Address.parse(address): text for address, text in case["cells"].items()}
    sheet = Sheet.typed(template, {}, background(case.get("context", {})))
    effect = sheet.apply(texts.items(), locked_too=True)
    assert not effect.refused, f"没有写入：{effect.refused}"
    return sheet


def background(words: Mapping[str, Any]) -> Context:
    readers = {
        "listed_names": tuple,
        "roster_names": frozenset,
        "credit_code_check": CHECK_LEVELS.__getitem__,
        "has_attachment": bool,
        "unit_name": str,
    }
    return Context(**{key: readers[key](value) for key, value in words.items()})


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[f"{c['rule']}: {c['name']}" for _, c in CASES])
def test_example_finds_exactly_what_it_says(case: Mapping[str, Any]) -> None:
    assert case.keys() <= CASE_KEYS
    sheet = filled(case)
    found = {finding.id: finding for finding in sheet.findings.values() if finding.rule == case["rule"]}
    assert sorted(found) == sorted(case["finds"])
    for words in case.get("says", ()):
        assert all(words in finding.message for finding in found.values())
    for finding in found.values():
        assert finding.message.rstrip("）").endswith("。")
        assert "{" not in finding.message


@pytest.mark.parametrize(("form", "year"), FORMS)
def test_every_rule_has_an_example_that_passes_and_one_that_fails(form: Form, year: int) -> None:
    template = loader.find(form, year)
    families = {rule.family for rule in template.rules}
    own = [case for _, case in CASES if (case["form"], case["year"]) == (form.value, year)]
    rules = {rule.id: rule for rule in template.rules}
    failing = {rules[case["rule"]].family for case in own if case["rule"] in rules and case["finds"]}
    passing = {
        rules[case["rule"]].family
        for case in own
        if case["rule"] in rules and not case["finds"] and speaks(rules[case["rule"]], filled(case))
    }
    assert families - failing == set(), "没有不通过的例子"
    assert families - passing == set(), "没有通过的例子（规则涉及的单元格都要填写）"


def speaks(rule: Rule, sheet: Sheet) -> bool:
    """Whether all cells a rule needs are filled in some year: a blank sheet is no example of passing."""
    template: FormTemplate = sheet.template
    numbered = grid.of(template)
    expression = numbered.parse(rule.expect)
    slots = [str(year) for year in template.years] if expression.by_year else [""]
    needs = [expression.reads[position] for position in expression.needs]
    for slot in slots:
        cells = [numbered.addresses[numbered.cell_of(read, slot)] for read in needs]
        if all(sheet.cell(cell).text for cell in cells):
            return True
    return False


def test_examples_name_rules_that_exist() -> None:
    for name, case in CASES:
        template = loader.find(Form(case["form"]), case["year"])
        known = {rule.id for rule in template.rules} | {"required", "number", "decimals", "bounds", "usual", "unit"}
        assert case["rule"] in known | {"choice", "length", "pattern", "slip"}, name
