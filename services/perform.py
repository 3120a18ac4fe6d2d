"""Doing a use case (执行): one transaction, for who is still signed in then; a refusal is logged and passed on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlmodel import Session

from models.enums import AuditResult
from services import audit
from services.accounts import sessions
from services.actors import Actor
from services.db import Database
from services.errors import Refusal, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

UseCase = Callable[Concatenate[Session, Actor, P], T]


def perform(db: Database, use_case: UseCase[P, T], actor: Actor, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``use_case(session, actor, …)`` in one transaction; raises its :class:`Refusal` after logging it."""
    try:
        return db.write(_done, use_case, actor, *args, **kwargs)
    except Refusal as refusal:
        if not isinstance(refusal, Unavailable):
            db.write(_log_refusal, actor, use_case, refusal, args)
        raise


async def aperform(db: Database, use_case: UseCase[P, T], actor: Actor, *args: P.args, **kwargs: P.kwargs) -> T:
    """The same off the event loop."""
    try:
        return await db.awrite(_done, use_case, actor, *args, **kwargs)
    except Refusal as refusal:
        if not isinstance(refusal, Unavailable):
            await db.awrite(_log_refusal, actor, use_case, refusal, args)
        raise


def _done(s: Session, use_case: UseCase[P, T], actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> T:
    sessions.refuse_ended(s, actor)
    return use_case(s, actor, *args, **kwargs)


def _log_refusal(
    s: Session, actor: Actor, use_case: Callable[..., Any], refusal: Refusal, args: tuple[object, ...]
) -> None:
    """A use case on one thing names it in its first argument: ``filing_id``, ``organisation_id``, ``question_id`` …"""
    names = [name for name in inspect.signature(use_case).parameters if name.endswith("_id")]
    about = args[0] if args else None
    name, number = (names[0].removesuffix("_id"), about) if names and isinstance(about, int) else ("", None)
    action = use_case.__name__.lstrip("_")
    audit.record(s, actor, action, name, number, detail=refusal.message, result=AuditResult.REFUSED)
