"""Doing a use case (执行): one transaction, for who is still signed in then; a refusal is logged and passed on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from sqlmodel import Session

from models.enums import AuditResult
from services import audit
from services.accounts import sessions
from services.actors import Actor
from services.db import Database
from services.errors import Refusal, SignedOut, Unavailable

P = ParamSpec("P")
T = TypeVar("T")
I = TypeVar("I")  # noqa: E741

UseCase = Callable[Concatenate[Session, Actor, P], T]
# Use cases of which several are cheaper at once: what makes one of them of its arguments, and what does them all.
_together: dict[Callable[..., Any], tuple[Callable[..., Any], Callable[[Session, Sequence[Any]], Sequence[Any]]]] = {}


def together(
    make: Callable[..., I], many: Callable[[Session, Sequence[I]], Sequence[T | Refusal]]
) -> Callable[[UseCase[P, T]], UseCase[P, T]]:
    """Say of a use case that those which wait at the same time may be done at once (合并执行): ``make(actor, …)`` takes its
    arguments, ``many`` does what they make; see ``Database.awrite_together``."""

    def those_signed_in(s: Session, calls: Sequence[tuple[Actor, I]]) -> list[T | Refusal]:
        over = [_ended(s, actor) for actor, _ in calls]
        done = iter(many(s, [one for (_, one), ended in zip(calls, over, strict=True) if ended is None]))
        return [next(done) if ended is None else ended for ended in over]

    def marked(use_case: UseCase[P, T]) -> UseCase[P, T]:
        _together[use_case] = make, those_signed_in
        return use_case

    return marked


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
        if use_case in _together:
            make, many = _together[use_case]
            return cast(T, await db.awrite_together(many, (actor, make(actor, *args, **kwargs))))
        return await db.awrite(_done, use_case, actor, *args, **kwargs)
    except Refusal as refusal:
        if not isinstance(refusal, Unavailable):
            await db.awrite(_log_refusal, actor, use_case, refusal, args)
        raise


def _done(s: Session, use_case: UseCase[P, T], actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> T:
    sessions.refuse_ended(s, actor)
    return use_case(s, actor, *args, **kwargs)


def _ended(s: Session, actor: Actor) -> SignedOut | None:
    try:
        sessions.refuse_ended(s, actor)
    except SignedOut as ended:
        return ended
    return None


def _log_refusal(
    s: Session, actor: Actor, use_case: Callable[..., Any], refusal: Refusal, args: tuple[object, ...]
) -> None:
    """A use case on one thing names it in its first argument: ``filing_id``, ``organisation_id``, ``question_id`` …"""
    names = [name for name in inspect.signature(use_case).parameters if name.endswith("_id")]
    about = args[0] if args else None
    name, number = (names[0].removesuffix("_id"), about) if names and isinstance(about, int) else ("", None)
    action = use_case.__name__.lstrip("_")
    audit.record(s, actor, action, name, number, detail=refusal.message, result=AuditResult.REFUSED)
