"""Looking after single entries of the list (名单维护): 增补, 更名, 更正, 移出, 恢复, whose they are, and what happened to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session, col, select

from models import Organisation, RosterBatch, RosterChange, RosterEntry
from models.enums import Form, Level, OrgKind, OrgStatus, RosterChangeKind
from services import audit, clock
from services.accounts import contacts
from services.accounts.views import Choice
from services.actors import Actor
from services.errors import Conflict, NotFound, Refusal
from services.forms import names, reference
from services.permissions import Place, Power, allowed, authorize, region_scope
from services.register import entries
from services.register.views import EntryView


@dataclass(frozen=True, slots=True)
class EntryEdit:
    """What an entry says (名单条目的内容)."""

    listed_name: str
    credit_code: str
    region_code: str
    group_id: int | None


@dataclass(frozen=True, slots=True)
class NewEntry:
    """增补: one entry, in a batch that is there or a new one."""

    form: Form
    level: Level
    batch: str
    document_number: str
    listed_on: date
    edit: EntryEdit


@dataclass(frozen=True, slots=True)
class ChangeView:
    """一条变动."""

    kind: RosterChangeKind
    effective_on: date
    document_number: str
    detail: str
    by_name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class EntryCard:
    """One entry in full, with its history, newest first."""

    entry: EntryView
    unit_id: int | None
    group_id: int | None
    group_name: str
    version: int
    can_edit: bool
    history: tuple[ChangeView, ...]


@dataclass(frozen=True, slots=True)
class UnitMatch:
    """A registered unit that an entry may be given to (可对应的单位)."""

    id: int
    name: str
    credit_code: str


def card(s: Session, actor: Actor, entry_id: int) -> EntryCard:
    """One entry (名单条目)."""
    authorize(actor, Power.READ_ROSTER, Place())
    entry = s.get(RosterEntry, entry_id)
    if entry is None:
        raise NotFound
    group = s.get(Organisation, entry.group_id) if entry.group_id else None
    lines = select(RosterChange).where(RosterChange.entry_id == entry_id)
    return EntryCard(
        entries.one(s, entry_id),
        entry.organisation_id,
        entry.group_id,
        group.name if group else "",
        entry.version,
        allowed(actor, Power.IMPORT_ROSTER, Place(region_code=entry.region_code)),
        tuple(
            ChangeView(
                line.kind, line.effective_on, line.document_number, line.detail, line.by_name, clock.local(line.at)
            )
            for line in s.exec(lines.order_by(col(RosterChange.effective_on).desc(), col(RosterChange.id).desc()))
        ),
    )


def add_entry(s: Session, actor: Actor, new: NewEntry) -> int:
    """增补一条 to the list; it goes to the registered unit of that code or name, if there is one."""
    edit = _checked(s, actor, new.edit)
    called = " ".join(new.batch.split())
    if not 2 <= len(called) <= 100:
        raise Refusal("请填写批次名称（2 到 100 个字），例如“第九批绿色制造名单”。", field="batch")
    document, listed_on = _document(new.document_number), _past(new.listed_on, "listed_on", "列入日期")
    _not_listed(s, new.form, new.level, edit)
    batch = entries.batch_of(s, new.form, new.level, called, document, listed_on, edit.region_code)
    entry = RosterEntry(
        batch_id=batch.id or 0,
        form=new.form,
        level=new.level,
        listed_name=edit.listed_name,
        credit_code=edit.credit_code,
        region_code=edit.region_code,
        group_id=edit.group_id,
        listed_on=listed_on,
    )
    unit = _unit_like(s, edit)
    if unit is not None:
        give(entry, unit)
    s.add(entry)
    s.flush()
    assert entry.id is not None
    words = f"{new.level.caption}“{called}”"
    note_change(s, actor, entry, RosterChangeKind.LISTED, listed_on, document, f"增补到{words}")
    audit.record(s, actor, "add_entry", "roster_entry", entry.id, detail=f"“{edit.listed_name}”增补到{words}")
    return entry.id


def correct_entry(s: Session, actor: Actor, entry_id: int, version: int, edit: EntryEdit, source: str) -> None:
    """更正 what was entered wrongly; a change of name by announcement is :func:`rename_entry`."""
    entry = _editable(s, actor, entry_id, version)
    edit = _checked(s, actor, edit)
    said = [
        f"{words}“{before or '空'}”改为“{after or '空'}”"
        for words, before, after in (
            ("名称", entry.listed_name, edit.listed_name),
            ("统一社会信用代码", entry.credit_code, edit.credit_code),
            ("所在地区", reference.region_words(entry.region_code), reference.region_words(edit.region_code)),
            ("所属央企", _name(s, entry.group_id), _name(s, edit.group_id)),
        )
        if before != after
    ]
    if not said:
        raise Refusal("没有改动。请修改后再保存，或点“返回”。")
    _not_listed(s, entry.form, entry.level, edit, but=entry)
    entry.listed_name, entry.credit_code = edit.listed_name, edit.credit_code
    entry.region_code, entry.group_id = edit.region_code, edit.group_id
    if entry.organisation_id is None and (unit := _unit_like(s, edit)):
        give(entry, unit)
    _changed(
        s, actor, entry, RosterChangeKind.CORRECTED, clock.today(), _document(source, needed=True), "；".join(said)
    )


def rename_entry(
    s: Session, actor: Actor, entry_id: int, version: int, name: str, on: date, document_number: str
) -> None:
    """更名 as announced; the former name stays in the history."""
    entry = _editable(s, actor, entry_id, version)
    name = contacts.name(name)
    before = entry.listed_name
    if names.normalise(name) == names.normalise(before):
        raise Refusal("新名称与名单上的相同。请填写更名后的名称。", field="name")
    _past(on, "on", "更名日期")
    _not_listed(s, entry.form, entry.level, EntryEdit(name, "", entry.region_code, None), but=entry)
    document = _document(document_number, needed=True)
    entry.listed_name = name
    _changed(s, actor, entry, RosterChangeKind.RENAMED, on, document, f"“{before}”更名为“{name}”")


def remove_entry(
    s: Session, actor: Actor, entry_id: int, version: int, reason: str, on: date, document_number: str
) -> None:
    """移出名单 as announced."""
    entry = _editable(s, actor, entry_id, version)
    if entry.removed_on is not None:
        raise Conflict(f"“{entry.listed_name}”已于{entry.removed_on}移出名单，不需要再次办理。")
    reason = " ".join(reason.split())
    if not 2 <= len(reason) <= 200:
        raise Refusal("请填写移出的原因（2 到 200 个字），例如所依据的条款。", field="reason")
    if _past(on, "on", "移出日期") <= entry.listed_on:
        raise Refusal(f"移出日期应晚于列入日期（{entry.listed_on}）。", field="on")
    document = _document(document_number, needed=True)
    entry.removed_on, entry.removal_reason = on, reason
    _changed(s, actor, entry, RosterChangeKind.REMOVED, on, document, reason)


def restore_entry(s: Session, actor: Actor, entry_id: int, version: int, reason: str) -> None:
    """恢复 what was removed by mistake."""
    entry = _editable(s, actor, entry_id, version)
    if entry.removed_on is None:
        raise Conflict(f"“{entry.listed_name}”在名单中，不需要恢复。")
    _not_listed(s, entry.form, entry.level, EntryEdit(entry.listed_name, entry.credit_code, "", None), but=entry)
    document = _document(reason, needed=True)
    entry.removed_on, entry.removal_reason = None, ""
    _changed(s, actor, entry, RosterChangeKind.RESTORED, clock.today(), document, "恢复到名单")


def assign_entry(s: Session, actor: Actor, entry_id: int, version: int, unit_id: int | None) -> None:
    """对应单位 by hand, where neither code nor name tells whose it is; None: nobody's."""
    entry = _editable(s, actor, entry_id, version)
    unit = s.get(Organisation, unit_id) if unit_id is not None else None
    if unit_id is not None and (unit is None or unit.kind is not OrgKind.UNIT or unit.status is not OrgStatus.ACTIVE):
        raise NotFound("没有找到这个单位。请从列表中选择已确认注册的单位。")
    if unit_id == entry.organisation_id:
        raise Refusal("没有改动：已经对应这个单位。" if unit else "没有改动：还没有对应的单位。")
    before = _name(s, entry.organisation_id)
    if unit is None:
        entry.organisation_id = None
        said = f"解除与“{before}”的对应"
    else:
        give(entry, unit)
        said = f"对应单位由“{before}”改为“{unit.name}”" if before else f"对应单位“{unit.name}”"
    _changed(s, actor, entry, RosterChangeKind.CORRECTED, clock.today(), "", said)


def of_organisation(s: Session, actor: Actor, organisation_id: int) -> tuple[EntryView, ...]:
    """The entries in force that are a unit's, or become its own when it is confirmed (名单条目), for who may know the unit."""
    unit = s.get(Organisation, organisation_id)
    if unit is None or unit.kind is not OrgKind.UNIT:
        raise NotFound
    authorize(actor, Power.READ_ROSTER, Place())
    called = (unit.name, *unit.former_names.split("\n"))
    likely = [entry for form in Form for entry in entries.match(s, form, unit.credit_code, called)]
    own = entries.in_hand(s, organisation_id)
    return tuple({entry.id: entry for entry in (*own, *likely)}.values())


def candidates(s: Session, actor: Actor, text: str) -> tuple[UnitMatch, ...]:
    """Confirmed units of the actor's region by name or code (查找单位), at most 20."""
    if not (text := text.strip()):
        return ()
    query = select(Organisation).where(
        Organisation.kind == OrgKind.UNIT,
        Organisation.status == OrgStatus.ACTIVE,
        region_scope(actor, Organisation),
        col(Organisation.name).contains(text, autoescape=True)
        | (col(Organisation.credit_code) == names.normalise_code(text)),
    )
    found = s.exec(query.order_by(col(Organisation.name)).limit(20)).all()
    return tuple(UnitMatch(unit.id or 0, unit.name, unit.credit_code) for unit in found)


def groups(s: Session, actor: Actor) -> tuple[Choice, ...]:
    """所属央企 to choose from."""
    query = select(Organisation).where(Organisation.kind == OrgKind.GROUP, Organisation.status == OrgStatus.ACTIVE)
    return tuple(Choice(group.id or 0, group.name) for group in s.exec(query.order_by(col(Organisation.name))))


def batches(s: Session, actor: Actor, form: Form) -> tuple[str, ...]:
    """Names of the batches there are (批次), newest first."""
    query = select(RosterBatch.name).where(RosterBatch.form == form).order_by(col(RosterBatch.published_on).desc())
    return tuple(dict.fromkeys(s.exec(query)))


def give(entry: RosterEntry, unit: Organisation) -> None:
    """Make an entry a unit's own; where the list only says a province, the unit's region is more exact."""
    entry.organisation_id = unit.id
    entry.region_code = entries.nearer(entry.region_code, unit.region_code)
    entry.group_id = entry.group_id or unit.group_id


def note_change(
    s: Session, actor: Actor, entry: RosterEntry, kind: RosterChangeKind, on: date, document_number: str, detail: str
) -> None:
    """A line in the entry's history (名单变动)."""
    assert entry.id is not None
    s.add(
        RosterChange(
            entry_id=entry.id,
            kind=kind,
            effective_on=on,
            document_number=document_number,
            detail=detail[:1000],
            by_name=actor.name,
            at=clock.now(),
        )
    )


def _changed(
    s: Session, actor: Actor, entry: RosterEntry, kind: RosterChangeKind, on: date, document: str, detail: str
) -> None:
    """The line in the history and in the audit log, whose words are those of the use case."""
    entry.version += 1
    s.add(entry)
    note_change(s, actor, entry, kind, on, document, detail)
    words = f"名单{kind.caption}“{entry.listed_name}”：{detail}" + (f"；依据：{document}" if document else "")
    audit.record(s, actor, _ACTS[kind], "roster_entry", entry.id, detail=words)


_ACTS = {
    RosterChangeKind.CORRECTED: "correct_entry",
    RosterChangeKind.RENAMED: "rename_entry",
    RosterChangeKind.REMOVED: "remove_entry",
    RosterChangeKind.RESTORED: "restore_entry",
}


def _editable(s: Session, actor: Actor, entry_id: int, version: int) -> RosterEntry:
    entry = s.get(RosterEntry, entry_id)
    if entry is None:
        raise NotFound
    authorize(actor, Power.IMPORT_ROSTER, Place(region_code=entry.region_code))
    if entry.version != version:
        raise Conflict("这一条刚刚被其他人修改，您的修改没有保存。请刷新页面核对后再改。")
    return entry


def _checked(s: Session, actor: Actor, edit: EntryEdit) -> EntryEdit:
    name = contacts.name(edit.listed_name)
    code = contacts.credit_code(edit.credit_code) if edit.credit_code.strip() else ""
    if edit.region_code not in reference.regions():
        raise Refusal("请选择所在地区。", field="region_code")
    authorize(actor, Power.IMPORT_ROSTER, Place(region_code=edit.region_code))
    group = s.get(Organisation, edit.group_id) if edit.group_id else None
    if edit.group_id and (group is None or group.kind is not OrgKind.GROUP):
        raise Refusal("请从列表中选择所属央企，没有则不选。", field="group_id")
    return EntryEdit(name, code, edit.region_code, edit.group_id or None)


def _not_listed(s: Session, form: Form, level: Level, edit: EntryEdit, but: RosterEntry | None = None) -> None:
    called = (edit.listed_name,)
    for found in entries.match(s, form, edit.credit_code, called, loosely=True):
        if found.level is level and (but is None or found.id != but.id):
            raise Conflict(f"“{found.listed_name}”已在{level.caption}“{found.batch}”在册，不能重复列入。", field="name")


def _unit_like(s: Session, edit: EntryEdit) -> Organisation | None:
    units = select(Organisation).where(Organisation.kind == OrgKind.UNIT, Organisation.status == OrgStatus.ACTIVE)
    if edit.credit_code:
        return s.exec(units.where(Organisation.credit_code == edit.credit_code)).first()
    return s.exec(units.where(Organisation.name == edit.listed_name)).first()


def _name(s: Session, organisation_id: int | None) -> str:
    found = s.get(Organisation, organisation_id) if organisation_id is not None else None
    return found.name if found else ""


def _document(text: str, *, needed: bool = False) -> str:
    found = " ".join(text.split())
    if needed and len(found) < 2:
        raise Refusal("请填写依据（文件名称或文号）。", field="document_number")
    if len(found) > 100:
        raise Refusal("依据最多 100 个字，请只写文件名称或文号。", field="document_number")
    return found


def _past(on: date, field: str, words: str) -> date:
    if on > clock.today():
        raise Refusal(f"{words}不能晚于今天（{clock.today()}）。", field=field)
    return on
