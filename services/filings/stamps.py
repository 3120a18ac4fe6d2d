"""The stamped scan (盖章扫描件): bound to the very figures whose code is printed on its pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlmodel import Session, col

from models import AuditLine, CellChange, Filing, FilingVersion, Stamp
from models.enums import Action, FileKind
from services import audit, clock, events
from services.actors import Actor
from services.db import Database
from services.documents import pdf, scan
from services.documents.scan import ScanResult
from services.errors import Conflict, Refusal
from services.filings import files, sheets, snapshots, standing, versions, working
from services.filings.files import Placed
from services.filings.views import StampView
from services.forms import cells as typed
from services.forms import digest
from services.forms.template import Address
from services.perform import perform

MACHINE, TYPED = "machine", "typed"
NAMED = 3  # differing cells that are named, the others are counted


@dataclass(frozen=True, slots=True)
class StampCheck:
    """盖章件核对: what was found. ``refused``: not taken, and why; ``ask_code``: a person must type the printed code."""

    refused: str
    ask_code: bool
    lines: tuple[str, ...]  # page by page
    digest_code: str  # of the figures as they stand: what the pages must show
    scan: ScanResult
    placed: Placed | None = None  # the file on the disk, ready to be bound; None if refused
    pages: int = 0  # of the form as printed now

    @property
    def unread(self) -> tuple[int, ...]:
        """The pages on which no code was found: a person reads the one printed there."""
        return tuple(page.page for page in self.scan.pages if not page.codes)


def upload_photos(db: Database, actor: Actor, filing_id: int, photos: Sequence[tuple[str, bytes]]) -> StampCheck:
    """Photos of the pages, a file each, or one scan (拍照上传): put together into one PDF, then as :func:`upload`."""
    size = sum(len(content) for _, content in photos)
    db.read(files.check_upload, actor, filing_id, FileKind.STAMPED_SCAN, size)
    return upload(db, actor, filing_id, *scan.joined(photos))


def upload(db: Database, actor: Actor, filing_id: int, name: str, content: bytes, typed_code: str = "") -> StampCheck:
    """The whole way of a scan (上传盖章扫描件): read it in a child process, judge it, keep it, bind it unless a person is needed.

    Blocking: off the event loop, and never inside a transaction. With ``ask_code`` nothing is bound yet: ask for the
    printed code and call :func:`bind` with this very answer, or :func:`files.discard` its file.
    """
    db.read(files.check_upload, actor, filing_id, FileKind.STAMPED_SCAN, len(content))
    result = scan.read(content, name)
    pages = 0 if any(page.codes for page in result.pages) else db.read(_pages_now, actor, filing_id)
    found = db.read(judge, actor, filing_id, result, pages)
    if found.refused:
        return found
    found = replace(found, placed=files.place(name, content, FileKind.STAMPED_SCAN))
    if found.ask_code and not typed_code:
        return found
    try:
        perform(db, bind, actor, filing_id, found, typed_code)
    except BaseException:
        if found.placed is not None:
            files.discard(db, found.placed)
        raise
    return found


def _pages_now(s: Session, actor: Actor, filing_id: int) -> int:
    return len(pdf.form_pages(snapshots.snapshot(s, actor, filing_id)))


def judge(s: Session, actor: Actor, filing_id: int, result: ScanResult, pages: int = 0) -> StampCheck:
    """Whether what was read belongs to the figures as they stand; ``pages``: as for ``scan.verdict``."""
    filing, _ = standing.require(s, actor, Action.STAMP, filing_id)
    current = filing.validated_digest
    verdict = scan.verdict(result, number=filing.number, digest_hex=current, pages=pages)
    refused = verdict.refused
    if refused and (older := _older(result, filing.number, current)):
        refused += _since(s, filing, older)
    return StampCheck(refused, verdict.ask_code, verdict.lines, digest.code(current), result, pages=pages)


def bind(s: Session, actor: Actor, filing_id: int, found: StampCheck, typed_code: str = "") -> StampView:
    """Bind a scan to the figures as they stand (绑定). Raises Refusal for a wrong or missing code, Conflict if they changed."""
    filing, _ = standing.require(s, actor, Action.STAMP, filing_id)
    again = judge(s, actor, filing_id, found.scan, found.pages)
    if again.refused:
        raise Conflict(again.refused)
    if found.placed is None:
        raise Refusal("这个扫描件没有保存，请重新上传。", field="file")
    if files.has_row(s, found.placed):  # it was bound, and the answer got lost
        return _bound(s, filing)
    if again.ask_code:
        _check_typed(s, filing, typed_code)
    row = files.add_row(s, actor, filing_id, FileKind.STAMPED_SCAN, found.placed)
    assert row.id is not None
    stamp = Stamp(
        filing_id=filing_id,
        file_id=row.id,
        digest=filing.validated_digest,
        found_by=TYPED if again.ask_code else MACHINE,
        report=list(again.lines),
        bound_by_id=actor.user_id,
        bound_at=clock.now(),
    )
    s.add(stamp)
    filing.revision += 1
    s.add(filing)
    s.flush()
    how = f"人工核对校验码 {again.digest_code}" if again.ask_code else "二维码自动核对"
    audit.record(
        s,
        actor,
        Action.STAMP.value,
        "filing",
        filing_id,
        detail=f"{row.original_name}（{row.pages} 页，SHA-256 {row.sha256}），{how}",
        after=stamp.digest,
    )
    events.publish(s, events.FilingChanged(filing_id))
    return _bound(s, filing)


def _bound(s: Session, filing: Filing) -> StampView:
    view = sheets.stamp_view(s, filing.id or 0, filing.validated_digest)
    assert view is not None
    return view


def _check_typed(s: Session, filing: Filing, typed_code: str) -> None:
    """The fallback: a person reads the code at the foot of the page and types it."""
    if not typed_code.strip():
        raise Refusal(
            "有页面没有读到二维码，请输入每页页脚印的校验码（形如 XXXXX-XXXXX），核对后再提交。", field="code"
        )
    code = digest.normalise_code(typed_code)
    if not code:
        raise Refusal(f"“{typed_code.strip()[:30]}”不是校验码。校验码是 10 位字母和数字，印在每页页脚。", field="code")
    current = digest.code(filing.validated_digest)
    if code == current:
        return
    older = next((d for d in _known_digests(s, filing) if digest.code(d) == code), "")
    if older:
        raise Refusal(
            f"校验码 {code} 是修改前的数据，当前数据的校验码是 {current}。{_since(s, filing, older[:16])}"
            "请重新导出 PDF，签字盖章后再上传。",
            field="code",
        )
    raise Refusal(
        f"校验码 {code} 与当前数据的校验码 {current} 不一致。请核对页脚，或重新导出 PDF、盖章后上传。", field="code"
    )


def _older(result: ScanResult, number: str, current: str) -> str:
    """The first digest on the pages that is this filing's but not the current one; its first 16 digits."""
    codes = (code for page in result.pages for code in page.codes)
    return next((code.digest16 for code in codes if code.number == number and code.digest16 != current[:16]), "")


def _since(s: Session, filing: Filing, digest16: str) -> str:
    """How many cells differ from the figures that were printed, in words; "" if that cannot be told any more."""
    places = _changed_since(s, filing, digest16)
    if not places:
        return ""
    named = "、".join(places[:NAMED])
    return f"与扫描件相比，现在有 {len(places)} 个单元格不同（{named}{' 等' if len(places) > NAMED else ''}）。"


def _changed_since(s: Session, filing: Filing, digest16: str) -> tuple[str, ...]:
    """Places that differ from the figures with that digest: from the frozen version, or from the changes since it was validated."""
    template = working.template_of(s, filing.template_digest)
    cells = working.read_cells(s, filing.id or 0)
    version = s.execute(
        select(FilingVersion)
        .where(col(FilingVersion.filing_id) == filing.id, col(FilingVersion.digest).startswith(digest16))
        .limit(1)
    ).scalar_one_or_none()
    if version is not None:
        found = versions.differences(template, working.thaw_cells(version.cells), cells)
        return tuple(difference.place for difference in found)
    at = s.execute(
        select(func.max(col(AuditLine.at))).where(
            col(AuditLine.subject) == "filing",
            col(AuditLine.subject_id) == filing.id,
            col(AuditLine.action) == Action.VALIDATE.value,
            col(AuditLine.after_digest).startswith(digest16),
        )
    ).scalar()
    if at is None:
        return ()
    changes = (
        select(*map(col, (CellChange.field, CellChange.slot, CellChange.before)))
        .where(col(CellChange.filing_id) == filing.id, col(CellChange.at) >= at)
        .order_by(col(CellChange.id))
    )
    first: dict[Address, str] = {}
    for field, slot, before in s.execute(changes):
        first.setdefault(Address(field, slot), before)
    return tuple(
        working.place_words(template, address)
        for address, before in first.items()
        if cells.get(address, typed.BLANK).text != before
    )


def _known_digests(s: Session, filing: Filing) -> tuple[str, ...]:
    """Every digest these figures once had when they were validated."""
    query = select(col(AuditLine.after_digest)).where(
        col(AuditLine.subject) == "filing",
        col(AuditLine.subject_id) == filing.id,
        col(AuditLine.action) == Action.VALIDATE.value,
    )
    return tuple(dict.fromkeys(d for d in s.execute(query).scalars() if d))
