"""Two people and one cell (两人同改一格), whatever they do in whatever order: nobody overwrites what he has not seen."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlmodel import Session, col, select

from models import Cell, CellChange, Filing
from services import clock, events
from services.db import Database
from services.errors import Unavailable
from services.filings import desk, working
from services.filings.views import CellEdit, SheetPatch
from services.forms import cells, digest
from services.forms.template import Address
from tests import filing_kit
from tests.conftest import SPRING, build_world
from tests.faults import faulty
from tests.faults.faulty import Calls, Kind

CELL = "gross_output:2024"
PLACE = Address.parse(CELL)
PEOPLE = st.sampled_from(["filer", "signer"])
TEXTS = st.sampled_from(["1", "2", "1000", "1,000", "", "0", "不涉及", "约三千", "４"])


class OneCell(RuleBasedStateMachine):
    """``tabs``: what each person's page shows; ``stored``: what the cell must hold."""

    def __init__(self, original: Path, place: Path) -> None:
        super().__init__()
        self.file = Path(tempfile.mkdtemp(dir=place)) / "one.sqlite3"  # memory knows a database by its place
        shutil.copy(original, self.file)
        self.db = Database(f"sqlite:///{self.file}")
        self.now = clock.frozen(SPRING)
        self.now.__enter__()
        self.told: list[events.Event] = []
        self.stop = events.subscribe(self.told.append)

    @initialize()
    def open(self) -> None:
        self.world = self.db.write(build_world)
        self.filing: int = self.db.write(filing_kit.draft, self.world.filer)
        self.stored = self.look()
        self.tabs = dict.fromkeys(("filer", "signer"), self.stored)

    @rule(who=PEOPLE, text=TEXTS)
    def type(self, who: str, text: str) -> None:
        """Write over what the own page shows."""
        before, self.told[:] = self.stored, []
        patch = self.edit(who, text)
        meant = self.meant(text)
        if self.tabs[who] != before and before not in (text, meant):
            assert patch.conflicts == {CELL: (before, text)}, "it was overwritten unseen"
            assert self.told == []
        else:
            assert patch.conflicts == {}
            self.stored = meant
        self.tabs[who] = patch.cells[CELL].text
        assert self.tabs[who] == self.stored, "the page shows what is not there"

    @rule(who=PEOPLE, text=TEXTS, twice=st.booleans())
    def type_and_lose_the_answer(self, who: str, text: str, twice: bool) -> None:
        """The page does not hear of it, and sends the same again, once or twice; it shows what it showed."""
        before, seen = self.stored, self.tabs[who]
        for _ in range(1 + twice):
            self.edit(who, text)
        meant = self.meant(text)
        if seen == before or before in (text, meant):
            self.stored = meant

    @rule(who=PEOPLE, text=TEXTS, silent=st.booleans())
    def type_while_the_disk_fails(self, who: str, text: str, silent: bool) -> None:
        """The commit fails, or was made and says it failed: the page keeps its text, and is told the truth next time."""
        calls = Calls(0, Kind.SILENT if silent else Kind.BROKEN, only="COMMIT")
        seen, before = self.tabs[who], self.stored
        with (
            faulty.counting(self.db, self.file.parent / "files", calls),
            pytest.raises(Unavailable, match="没有写入"),
        ):
            self.edit(who, text)
        meant = self.meant(text)
        if silent and (seen == before or before in (text, meant)):
            self.stored = meant

    @rule(who=PEOPLE)
    def look_again(self, who: str) -> None:
        """Reload the page, or take over what the other one wrote."""
        shown = self.db.read(desk.sheet, self.world.actors[who], self.filing).cells.get(CELL)
        self.tabs[who] = shown.text if shown else ""
        assert self.tabs[who] == self.stored

    @rule(who=PEOPLE)
    def validate(self, who: str) -> None:
        self.db.write(desk.validate, self.world.actors[who], self.filing)

    @rule()
    def restart(self) -> None:
        """Nothing that memory knew is left."""
        self.db.close()
        self.db = Database(f"sqlite:///{self.file}")

    @invariant()
    def the_cell_its_last_line_and_the_validation_agree(self) -> None:
        if hasattr(self, "filing"):
            assert self.db.read(self.agrees) == []

    def agrees(self, s: Session) -> list[str]:
        text = s.get_one(Cell, (self.filing, PLACE.field, PLACE.slot)).text
        lines = select(CellChange).where(CellChange.filing_id == self.filing).order_by(col(CellChange.id))
        change = [line.after for line in s.exec(lines)][-1:]
        filing = s.get_one(Filing, self.filing)
        figures = digest.of(filing.template_digest, working.read_cells(s, self.filing))
        wrong = [f"the cell is {text!r}, not {self.stored!r}"] if text != self.stored else []
        wrong += [f"its last line says {change}"] if change and change != [text] else []
        return wrong + ["validated for other figures"] * (filing.validated_digest not in ("", figures))

    def edit(self, who: str, text: str) -> SheetPatch:
        seen = {CELL: self.tabs[who]}
        return self.db.write(
            desk.edit_cells, self.world.actors[who], self.filing, (CellEdit(CELL, text),), seen=seen, origin=who
        )

    def meant(self, text: str) -> str:
        """How the cell keeps what was typed."""
        return cells.parse(filing_kit.TEMPLATE.fields[PLACE.field], PLACE.slot, text).text

    def look(self) -> str:
        return self.db.read(lambda s: s.get_one(Cell, (self.filing, PLACE.field, PLACE.slot)).text)

    def teardown(self) -> None:
        self.stop()
        self.db.close()
        self.now.__exit__(None, None, None)


@pytest.mark.slow
def test_nobody_overwrites_what_he_has_not_seen(sqlite_original: Path, tmp_path: Path, long: bool) -> None:
    run_state_machine_as_test(
        functools.partial(OneCell, sqlite_original, tmp_path),
        settings=settings(
            max_examples=400 if long else 8,
            stateful_step_count=30,
            deadline=None,
            derandomize=not long,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
