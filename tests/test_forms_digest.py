"""The digest and what differs (数据指纹, 改动)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enums import CellKind
from services.forms import diff, digest
from services.forms.findings import CellValue
from services.forms.template import Address
from tests.forms_kit import sheet, small, type_in

CELLS = st.dictionaries(
    st.builds(Address, st.sampled_from(["a", "b", "c"]), st.sampled_from(["", "2023", "2024", "unit"])),
    st.builds(lambda n: CellValue(str(n), CellKind.NUMBER, str(n)), st.integers()),
)


@given(CELLS, st.randoms())
def test_digest_does_not_depend_on_the_order(cells: dict[Address, CellValue], rng: random.Random) -> None:
    shuffled = list(cells.items())
    rng.shuffle(shuffled)
    assert digest.of("t", cells) == digest.of("t", dict(shuffled))


def test_digest_follows_the_meaning_not_the_spelling() -> None:
    first = sheet(output_2024="1,200", energy_2024="不涉及").digest()
    assert sheet(output_2024="１２００.0", energy_2024="不适用").digest() == first
    assert sheet(output_2024="1200", energy_2024="停产").digest() != first
    assert sheet(output_2024="1200.1", energy_2024="不涉及").digest() != first
    assert sheet(output_2023="1200", energy_2024="不涉及").digest() != first


def test_digest_returns_when_the_change_is_taken_back() -> None:
    filled = sheet(output_2024="1200")
    before = filled.digest()
    type_in(filled, output_2024="5", energy_unit="吨标准煤")
    assert filled.digest() != before
    type_in(filled, output_2024="1200", energy_unit="")
    assert filled.digest() == before


def test_digest_belongs_to_the_template() -> None:
    cells = sheet(output_2024="1").cells
    assert digest.of("one", cells) != digest.of("two", cells)


@given(st.binary(min_size=32, max_size=32))
def test_code_can_be_typed_back_however_it_looks(raw: bytes) -> None:
    code = digest.code(raw.hex())
    assert len(code) == 11
    assert not set("ILOU") & set(code)
    assert digest.normalise_code(code) == code
    assert digest.normalise_code(code.lower().replace("-", " ")) == code
    assert digest.normalise_code(code.replace("0", "O").replace("1", "l")) == code


@pytest.mark.parametrize("typed", ["", "ABC", "ABCDE-FGHJ", "ABCDE-FGHJKX", "甲乙丙丁戊己庚辛壬癸", "*****-*****"])
def test_what_cannot_be_a_code_is_none(typed: str) -> None:
    assert digest.normalise_code(typed) == ""


def test_differences_are_by_key_and_without_noise() -> None:
    before = sheet(output_2024="1,000", energy_2024="1", energy_unit="万吨标准煤", energy_2023="不涉及")
    after = sheet(output_2024="1000.0", energy_2024="10000", energy_unit="吨标准煤", energy_2023="不适用", cost="5")
    changes = diff.differences(small(), before.cells, after.cells)
    assert [str(address) for address, _, _ in changes] == ["energy:unit", "cost"]
    assert changes[1][1].kind == CellKind.BLANK
    assert changes[1][2].text == "5"


def test_differences_tell_zero_from_blank_and_name_cells_of_another_year() -> None:
    before = sheet(output_2024="0").cells
    strange = {Address("gone", "2024"): CellValue("1", CellKind.NUMBER, "1")}
    changes = diff.differences(small(), before, strange)
    assert [str(address) for address, _, _ in changes] == ["output:2024", "gone:2024"]
