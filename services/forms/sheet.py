"""One unit's form while it is filled in (填报表): typed cells, derived cells, findings; an edit runs only what depends on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, DecimalException, localcontext
from typing import Self

from models.enums import CellKind
from services.forms import cells as cells_room
from services.forms import digest, program, rules
from services.forms.cells import BLANK
from services.forms.expressions import EXACT, Scalar, Silence
from services.forms.findings import CellValue, Context, Effect, Finding, PartProgress
from services.forms.program import Program, Step
from services.forms.template import REMARK_SLOT, UNIT_SLOT, Address, FormTemplate

Edit = tuple[Address, str] | tuple[Address, str, bool]  # the flag: convert the figures of the row (unit cells)

LONGEST_TEXT = 20_000  # longer than any field allows; more is not kept at all


class Sheet:
    """填报表 of one filing. ``cells`` and ``derived`` hold only what is not blank; both are live and read-only to others."""

    __slots__ = ("_all", "_found", "_program", "_progress", "_values", "cells", "context", "derived", "template")

    def __init__(
        self, template: FormTemplate, cells: Mapping[Address, CellValue] | None = None, context: Context | None = None
    ) -> None:
        """``cells`` that are no cell of this form, or derived, are left out."""
        self.template = template
        self.context = context or Context()
        self.cells: dict[Address, CellValue] = {}
        self.derived: dict[Address, CellValue] = {}
        self._program: Program = program.of(template)
        size = len(self._program.grid.addresses)
        self._all: list[CellValue] = [BLANK] * size
        self._values: list[Scalar] = [None] * size
        self._found: dict[int, Finding] = {}
        self._progress: tuple[PartProgress, ...] | None = None  # until a cell of another kind, or a remark, comes
        index = self._program.grid.index
        for address, cell in (cells or {}).items():
            number = index.get(address)
            if number and cell.kind is not CellKind.BLANK and template.fields[address.field].kind != "derived":
                self._put(number, cell)
        with localcontext(EXACT):
            for step in self._program.steps:
                self._derive(step)
            self._check(range(len(self._program.checks)))

    @classmethod
    def typed(cls, template: FormTemplate, texts: Mapping[Address, str], context: Context | None = None) -> Self:
        """A sheet from typed texts (an import, an example), locked cells included."""
        sheet = cls(template, {}, context)
        sheet.apply(texts.items(), locked_too=True)
        return sheet

    @property
    def findings(self) -> dict[str, Finding]:
        """Every finding by id in the order of the form; those for reviewers only are among them."""
        found = self._found
        return {found[number].id: found[number] for number in sorted(found)}

    @property
    def found(self) -> Collection[Finding]:
        """Every finding in no order, for who counts them at each edit."""
        return self._found.values()

    def cell(self, address: Address) -> CellValue:
        """What a cell holds, typed or derived; blank for an unknown address."""
        return self._all[self._program.grid.index.get(address, 0)]

    def unit(self, key: str) -> str:
        """The unit in which a field is filled in: the chosen one, or the fixed one."""
        owner = self.template.own_unit(key)
        return self.cell(Address(owner, UNIT_SLOT)).text if owner else self.template.fields[key].unit

    def shown(self, address: Address) -> str:
        """A cell for reading: thousands separated, 不涉及 and 停产 in the official word."""
        field = self.template.fields[address.field]
        return cells_room.show(self.cell(address), field, self.unit(address.field))

    def remark(self, finding: Finding) -> str:
        """特殊情况说明 of the row a finding is shown in: it may serve as the explanation."""
        return self.cell(Address(finding.cells[0].field, REMARK_SLOT)).text

    def digest(self) -> str:
        """数据指纹: SHA-256 over the template and all typed cells."""
        return digest.of(self.template.digest, self.cells)

    def copy(self) -> Sheet:
        """An independent sheet with the same cells (for a preview of an import)."""
        twin = object.__new__(Sheet)
        twin.template, twin.context, twin._program = self.template, self.context, self._program
        twin.cells, twin.derived = dict(self.cells), dict(self.derived)
        twin._all, twin._values, twin._found = list(self._all), list(self._values), dict(self._found)
        twin._progress = self._progress
        return twin

    def progress(self) -> tuple[PartProgress, ...]:
        """填写进度 by part. A cell with an unreadable figure is not filled; one excused by its remark is."""
        if self._progress is None:
            self._progress = tuple(
                PartProgress(part, title, sum(self._is_answered(*one) for one in required), len(required))
                for part, title, required in self._program.required
            )
        return self._progress

    def apply(self, edits: Iterable[Edit], *, locked_too: bool = False) -> Effect:
        """Type into cells; the last edit of a cell counts. Bad figures are kept as findings; what is no cell to type in is
        refused with a sentence. ``locked_too``: also what comes from the unit's profile."""
        refused: dict[Address, str] = {}
        before: dict[int, CellValue] = {}
        retyped: set[int] = set()
        with localcontext(EXACT):
            # Units first: a converted row must not convert the figures typed in the same paste.
            for edit in sorted(edits, key=lambda edit: edit[0].slot != UNIT_SLOT):
                address, text, convert = edit if len(edit) == 3 else (*edit, False)
                number = self._program.grid.index.get(address, 0)
                if sentence := self._why_not(address, number, text, locked_too):
                    refused[address] = sentence
                elif address.slot == UNIT_SLOT:
                    if sentence := self._retype_unit(number, text, convert, before):
                        refused[address] = sentence
                else:
                    self._type(number, text, before)
                if address not in refused and self._all[number].text != text:
                    retyped.add(number)
            changed = {number for number, cell in before.items() if self._all[number] != cell}
            for ordinal in sorted({o for number in changed for o in self._program.steps_of[number]}):
                step = self._program.steps[ordinal]
                if self._derive(step):
                    changed.add(step.cell)
            gone, found = self._check({c for number in changed for c in self._program.checks_of[number]})
        addresses = self._program.grid.addresses
        shown = {addresses[number]: self._all[number] for number in sorted(changed | retyped)}
        return Effect(shown, gone, found, refused)

    def set_context(self, context: Context) -> Effect:
        """Other background (the list changed, a file was attached): run again what asks for it."""
        self.context = context
        with localcontext(EXACT):
            gone, found = self._check(self._program.context_checks)
        return Effect({}, gone, found)

    def _why_not(self, address: Address, number: int, text: str, locked_too: bool) -> str:
        if not number:
            return f"本表没有“{str(address)[:40]}”这个单元格，内容没有写入。请刷新页面后重试。"
        field = self.template.fields[address.field]
        if field.formula is not None and address.slot != REMARK_SLOT:
            return f"“{field.label}”由公式自动计算（{field.formula.words}），不能直接填写。请修改公式里的数据。"
        if field.locked and not locked_too:
            return f"“{field.label}”由单位注册信息带出，不能在表中修改。如需更正，请到“单位信息”中修改。"
        if len(text) > LONGEST_TEXT:
            of_what = "的特殊情况说明" if address.slot == REMARK_SLOT else "的内容"
            return f"“{field.label}”{of_what}有 {len(text)} 字，超过 {LONGEST_TEXT} 字，没有写入。请精简，或在“更多附件”中上传。"
        return ""

    def _type(self, number: int, text: str, before: dict[int, CellValue]) -> None:
        grid = self._program.grid
        address = grid.addresses[number]
        unit_cell = grid.unit_cells[number]
        unit = self._all[unit_cell].text if unit_cell else ""
        before.setdefault(number, self._all[number])
        self._put(number, cells_room.parse(self.template.fields[address.field], address.slot, text, unit))

    def _retype_unit(self, number: int, text: str, convert: bool, before: dict[int, CellValue]) -> str:
        """Change a row's unit, its figures kept as typed or converted; a sentence if that cannot be converted."""
        grid = self._program.grid
        field = grid.field(number)
        old = self._all[number].text
        new = cells_room.parse(field, UNIT_SLOT, text)
        if convert and new.text != old and new.text not in cells_room.convertible(field, old):
            return (
                f"“{field.label}”的单位“{old or '（未选择）'}”和“{new.text or '（空）'}”之间没有固定的换算关系，"
                "单位和数值都没有改动。请选择保留数值，或先改单位再重新填写数值。"
            )
        before.setdefault(number, self._all[number])
        self._put(number, new)
        for cell in grid.governed.get(number, ()):
            typed = self._all[cell].text
            if typed:
                converted = cells_room.convert(typed, old, new.text, grid.field(cell)) if convert else None
                self._type(cell, typed if converted is None else converted, before)
        return ""

    def _put(self, number: int, cell: CellValue) -> None:
        address = self._program.grid.addresses[number]
        if cell.kind is not self._all[number].kind or address.slot == REMARK_SLOT:
            self._progress = None
        self._all[number] = cell
        if cell.kind is CellKind.NUMBER:
            self._values[number] = Decimal(cell.value)
        else:
            self._values[number] = cell.text if cell.kind is CellKind.TEXT else None
        if cell.kind is CellKind.BLANK:
            self.cells.pop(address, None)
        else:
            self.cells[address] = cell

    def _derive(self, step: Step) -> bool:
        """Compute one derived cell again; whether it shows something else now."""
        cell = self._computed(step)
        if cell == self._all[step.cell]:
            return False
        address = self._program.grid.addresses[step.cell]
        self._all[step.cell] = cell
        if cell.kind is CellKind.BLANK:
            self._values[step.cell] = None
            del self.derived[address]
            return True
        self._values[step.cell] = Decimal(cell.value) if cell.kind is CellKind.NUMBER else cell.text
        self.derived[address] = cell
        return True

    def _computed(self, step: Step) -> CellValue:
        for number in step.needs:
            if self._values[number] is None:
                return BLANK
        try:
            value = step.run(self._values, self._all, self.context, step.numbers)
            if isinstance(value, Decimal):
                unit = self._all[step.unit_cell].text if step.unit_cell else ""
                return cells_room.derived(step.field, value, unit)
        except (Silence, DecimalException):
            return BLANK  # division by zero: there is no such figure
        return CellValue(value, CellKind.TEXT)

    def _check(self, numbers: Iterable[int]) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
        """Run checks; the ids that are gone and the findings that are new or say something else."""
        gone: list[str] = []
        found: list[Finding] = []
        for number in sorted(numbers):
            finding = self._program.checks[number].run(self._values, self._all, self.context)
            old = self._found.get(number)
            if finding is None:
                if old is not None:
                    del self._found[number]
                    gone.append(old.id)
                continue
            if old is not None and old.id != finding.id:
                gone.append(old.id)
            if finding != old:
                self._found[number] = finding
                found.append(finding)
        return tuple(gone), tuple(found)

    def _is_answered(self, cell: int, remark: int) -> bool:
        kind = self._all[cell].kind
        if kind is CellKind.BLANK:
            return rules.is_excused(self._all, cell, remark)
        return kind is not CellKind.INVALID
