"""意见草稿: what a reviewer has typed and not sent yet, kept at the server so that no reload and no Esc loses it.

A draft belongs to one person and one version; only its author reads it. It is no act: nothing is recorded, nobody is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, select
from sqlmodel import Session, col

from models import Filing, ReviewDraft
from models.enums import Action
from services import clock
from services.actors import Actor
from services.errors import Refusal
from services.filings import standing

LONGEST = 20_000
BOXES = ("opinion", "expert", "return.", "transfer.", "assess.", "adjust.", "ask:")  # how the name of a box begins


def keep(s: Session, actor: Actor, filing_id: int, field: str, text: str) -> datetime:
    """Keep what stands in one box now; an empty text is forgotten. Returns when."""
    filing, _ = standing.require(s, actor, Action.VIEW, filing_id)
    if actor.is_unit or filing.current_version_id is None or not field.startswith(BOXES) or len(field) > 120:
        raise Refusal("这里没有可以保存草稿的意见栏。请刷新页面后再填写。")
    if len(text) > LONGEST:
        raise Refusal(f"草稿最多 {LONGEST} 字，现在是 {len(text)} 字。请精简后再填写。")
    now = clock.now()
    if text.strip():
        s.merge(
            ReviewDraft(user_id=actor.user_id, version_id=filing.current_version_id, field=field, text=text, at=now)
        )
    else:
        forget(s, actor, filing, field)
    return now


def kept(s: Session, actor: Actor, filing: Filing) -> Mapping[str, str]:
    """The actor's own drafts about the version under review, by box."""
    query = select(col(ReviewDraft.field), col(ReviewDraft.text)).where(
        col(ReviewDraft.user_id) == actor.user_id, col(ReviewDraft.version_id) == filing.current_version_id
    )
    return {row.field: row.text for row in s.execute(query)}


def forget(s: Session, actor: Actor, filing: Filing, *fields: str) -> None:
    """What was typed has become an act, or was rubbed out; without fields: everything about this version."""
    query = delete(ReviewDraft).where(
        col(ReviewDraft.user_id) == actor.user_id, col(ReviewDraft.version_id) == filing.current_version_id
    )
    s.execute(query.where(col(ReviewDraft.field).in_(fields)) if fields else query)
