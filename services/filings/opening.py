"""新增动态管理表: a new filing, filled with what is known already: profile, list of names, last year's accepted figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from models import Cell, CellChange, Filing, FilingVersion, Organisation, RosterEntry, Serial, TemplateCopy
from models.enums import Action, CellKind, FilingStatus, Form, Level, VersionStatus
from services import audit, clock, events, permissions
from services.actors import Actor
from services.errors import Conflict, Refusal
from services.filings import standing, working
from services.forms import cells as typed
from services.forms import loader, names, reference
from services.forms.findings import CellValue
from services.forms.loader import TemplateError
from services.forms.template import UNIT_SLOT, Address, FormTemplate
from services.register import invitations
from services.workflow import transitions
from services.workflow.facts import Relation

SERIES: Mapping[Form, str] = {Form.FACTORY: "GF", Form.PARK: "GP", Form.SUPPLY_CHAIN: "GS", Form.PRODUCT: "GD"}
LEVELS = (Level.NATIONAL, Level.PROVINCIAL, Level.MUNICIPAL)  # highest first
CONTINUED = ("industry", "choice", "text", "longtext")  # kinds of basic fields that stay as they were a year ago

SAME_NAME, FORMER_NAME = "name_same", "former_name"  # 第7问 and 变更前的名称
PROFILE: Mapping[str, Callable[[Organisation], str]] = {  # field key → what the unit's profile says
    "unit_name": lambda unit: unit.name,
    "credit_code": lambda unit: unit.credit_code,
    "address": lambda unit: " ".join(filter(None, (reference.region_words(unit.region_code), unit.address))),
    "contact": lambda unit: unit.contact,
    "telephone": lambda unit: unit.telephone,
    "mobile": lambda unit: unit.mobile,
    "email": lambda unit: unit.email,
}


def open_filing(s: Session, actor: Actor, form: Form, year: int) -> int:
    """A new filing of the actor's unit, prefilled; returns its id. Raises Conflict with cause and way out."""
    permissions.authorize(actor, Action.OPEN)
    facts = standing.open_facts(s, actor, form, year)
    reason = transitions.refusal(Action.OPEN, facts, actor.role, Relation.OWN)
    if reason is not None:
        raise Conflict(reason)
    unit = s.get_one(Organisation, actor.organisation_id)
    template = _template(form, year)
    _archive(s, template)
    entries = working.entries_of(s, unit, form)
    now = clock.now()
    filing = Filing(
        number=_number(s, form, year, unit.region_code),
        organisation_id=actor.organisation_id,
        form=form,
        year=year,
        template_digest=template.digest,
        unit_name=unit.name,
        region_code=unit.region_code,
        group_id=unit.group_id,
        level=min((entry.level for entry in entries), key=LEVELS.index, default=None)
        or invitations.level_of(s, unit, form, year)
        or Level.NATIONAL,
        saved_at=now,
        created_at=now,
        created_by_id=actor.user_id,
    )
    s.add(filing)
    s.flush()
    assert filing.id is not None
    known = profile_cells(template, unit) | _answers(template, unit, entries) | _last_year(s, template, filing)
    _write(s, actor, filing.id, known, now)
    audit.record(
        s, actor, Action.OPEN, "filing", filing.id, detail=f"{filing.number} {unit.name} {year}年度{form.caption}"
    )
    events.publish(s, events.FilingChanged(filing.id))
    return filing.id


def profile_cells(template: FormTemplate, unit: Organisation) -> dict[Address, CellValue]:
    """What the unit's profile says (注册信息), for the fields of this form that ask for it."""
    return _parsed(template, ((Address(key), said(unit)) for key, said in PROFILE.items()))


def refresh_profile(s: Session, actor: Actor, organisation_id: int) -> None:
    """After a change of the profile: locked cells and the copies for lists follow, in every filing the unit can still edit."""
    unit = s.get_one(Organisation, organisation_id)
    query = select(Filing).where(
        col(Filing.organisation_id) == organisation_id,
        col(Filing.deleted_at).is_(None),
        col(Filing.status).in_((FilingStatus.DRAFT, FilingStatus.RETURNED)),
    )
    for filing in s.execute(query).scalars().all():
        assert filing.id is not None
        template = working.template_of(s, filing.template_digest)
        stored = working.read_cells(s, filing.id)
        new = {
            address: value
            for address, value in profile_cells(template, unit).items()
            if template.fields[address.field].locked and stored.get(address, typed.BLANK) != value
        }
        _write(s, actor, filing.id, new, clock.now(), before=stored)
        filing.unit_name, filing.region_code, filing.group_id = unit.name, unit.region_code, unit.group_id
        filing.revision += 1
        if new:
            filing.validated_digest = ""
        s.add(filing)
        events.publish(s, events.FilingChanged(filing.id))


def last_accepted(s: Session, filing: Filing) -> FilingVersion | None:
    """The version of the year before that was accepted (上年度审核完成的版本)."""
    query = (
        select(FilingVersion)
        .join(Filing, col(Filing.current_version_id) == col(FilingVersion.id))
        .where(
            col(Filing.organisation_id) == filing.organisation_id,
            col(Filing.form) == filing.form,
            col(Filing.year) == filing.year - 1,
            col(Filing.deleted_at).is_(None),
            col(FilingVersion.status) == VersionStatus.APPROVED,
        )
        .order_by(col(FilingVersion.id).desc())
        .limit(1)
    )
    return s.execute(query).scalar_one_or_none()


def _template(form: Form, year: int) -> FormTemplate:
    try:
        return loader.find(form, year)
    except (TemplateError, FileNotFoundError, KeyError) as error:
        raise Refusal(f"{year}年度{form.caption}动态管理表的模板尚未发布，暂时不能新增。请联系系统管理员。") from error


def _archive(s: Session, template: FormTemplate) -> None:
    if s.get(TemplateCopy, template.digest) is None:
        s.add(
            TemplateCopy(
                digest=template.digest,
                form=template.form,
                year=template.year,
                source_text=template.source_text,
                first_used_at=clock.now(),
            )
        )
        s.flush()


def _number(s: Session, form: Form, year: int, region_code: str) -> str:
    """填报编号: GF-2025-440106-00012, counted per form, year and region."""
    series = f"{SERIES[form]}-{year}-{region_code or '000000'}"
    serial = s.get(Serial, series) or Serial(series=series)
    serial.last += 1
    s.add(serial)
    s.flush()
    return f"{series}-{serial.last:05d}"


def _answers(template: FormTemplate, unit: Organisation, entries: Iterable[RosterEntry]) -> dict[Address, CellValue]:
    """第7问 from the list: the same name (brackets and spaces aside) → 是; another → 否 and the name on the list."""
    listed = [entry.listed_name for entry in entries]
    if not listed:
        return {}
    if names.normalise(unit.name) in map(names.normalise, listed):
        return _parsed(template, [(Address(SAME_NAME), "是")])
    return _parsed(template, [(Address(SAME_NAME), "否"), (Address(FORMER_NAME), listed[0])])


def _last_year(s: Session, template: FormTemplate, filing: Filing) -> dict[Address, CellValue]:
    """The two older columns with their units, and the basic facts, as accepted a year ago; nothing where a unit differs."""
    version = last_accepted(s, filing)
    if version is None:
        return {}
    old = working.template_of(s, version.template_digest)
    said = {Address.parse(address): text for address, (text, *_) in version.cells.items() if text}
    texts: list[tuple[Address, str]] = []
    basics = template.parts[0].key
    for key, field in template.fields.items():
        before = old.fields.get(key)
        if before is None or field.locked or before.kind != field.kind or field.kind == "derived":
            continue
        if field.yearly:
            unit = said.get(Address(template.own_unit(key), UNIT_SLOT), "")
            allowed = {option.name for option in template.fields[template.own_unit(key)].units} if unit else {""}
            if unit not in allowed or (not unit and before.unit != field.unit):
                continue
            years = [
                (Address(key, str(y)), said[Address(key, str(y))])
                for y in template.years
                if Address(key, str(y)) in said
            ]
            texts += years
            if years and unit:
                texts.append((Address(template.own_unit(key), UNIT_SLOT), unit))
        elif field.part == basics and field.kind in CONTINUED and Address(key) in said and key not in PROFILE:
            texts.append((Address(key), said[Address(key)]))
    return _parsed(template, texts)


def _parsed(template: FormTemplate, texts: Iterable[tuple[Address, str]]) -> dict[Address, CellValue]:
    """Texts → values, for the fields that this form has; units first, because figures are read in them."""
    wanted = {address: text for address, text in texts if text and address.field in template.fields}
    found: dict[Address, CellValue] = {}
    for address, text in sorted(wanted.items(), key=lambda pair: pair[0].slot != UNIT_SLOT):
        unit = found.get(Address(template.own_unit(address.field), UNIT_SLOT), typed.BLANK).text
        found[address] = typed.parse(template.fields[address.field], address.slot, text, unit)
    return {address: value for address, value in found.items() if value.kind is not CellKind.BLANK}


def _write(
    s: Session,
    actor: Actor,
    filing_id: int,
    values: Mapping[Address, CellValue],
    now: datetime,
    before: Mapping[Address, CellValue] | None = None,
) -> None:
    """Store prefilled cells with their change lines; ``before`` None: a new filing, where nothing stands yet."""
    store = s.add if before is None else s.merge
    for address, value in values.items():
        store(
            Cell(
                filing_id=filing_id,
                field=address.field,
                slot=address.slot,
                text=value.text,
                kind=value.kind,
                value=value.value,
            )
        )
        s.add(
            CellChange(
                filing_id=filing_id,
                field=address.field,
                slot=address.slot,
                before=(before or {}).get(address, typed.BLANK).text,
                after=value.text,
                source="prefill",
                user_id=actor.user_id,
                at=now,
            )
        )
    s.flush()
