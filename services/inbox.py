"""Messages (站内消息): to an office or unit when it must act, with what to do next, and one receipt; closed when it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlmodel import Session, col

from models import Filing, Message
from services import clock, events
from services.actors import Actor
from services.errors import NotFound


@dataclass(frozen=True, slots=True)
class Kind:
    """消息种类. ``{unit} {year} {form}`` come from the filing, the rest from the sender."""

    title: str
    text: str
    must_act: bool = True


KINDS: Mapping[str, Kind] = {
    "review": Kind("待审核：{unit} {year}年度{form}动态管理表", "{from_name}已上报。请在审核列表的“待我审核”中办理。"),
    "returned": Kind(
        "已退回：{year}年度{form}动态管理表",
        "{from_name}退回，原因：{reason}。请按意见修改或回答核实问题，重新验证、盖章后点击“重新上报”。",
    ),
    "returned_below": Kind(
        "上级退回：{unit} {year}年度{form}动态管理表",
        "{from_name}退回本级，原因：{reason}。请重新审核后上报，或退回申报单位。",
    ),
    "receipt": Kind(
        "上报回执：{year}年度{form}动态管理表",
        "回执编号{number}，已上报至{to_name}。可在列表中查看审核进度。",
        must_act=False,
    ),
    "done": Kind("审核完成：{year}年度{form}动态管理表", "{from_name}已审核完成，不需要再办理。", must_act=False),
    "expert": Kind("待评审：{unit} {year}年度{form}动态管理表", "{from_name}请您评审。请查看内容后提交意见和等级。"),
    "nudge": Kind("催报：{year}年度{form}动态管理表", "{from_name}提醒：请在{due}前完成填报并上报。"),
    "invited": Kind(
        "邀请填报：{year}年度{form}动态管理表",
        "{from_name}邀请本单位填报，原因：{reason}。请在列表中点击“新增动态管理表”。",
    ),
    "registration": Kind("待确认：{unit}注册", "请核对单位信息和营业执照后确认，或说明原因不予通过。"),
    "extension": Kind(
        "已延期：{year}年度{form}动态管理表", "{from_name}同意延期至{until}，原因：{reason}。", must_act=False
    ),
    "registered": Kind("注册结果：{result}", "{reason}", must_act=False),
    "reset_code": Kind(
        "已为{user_name}生成重置码",
        "{by}为本单位{user_name}生成了登录密码的重置码，24 小时内有效。如不是本人要求，请立即联系该部门。",
        must_act=False,
    ),
    "batch_ready": Kind("导出完成：{title}", "{said}", must_act=False),
    "batch_failed": Kind("导出没有完成：{title}", "{said}", must_act=False),
}


@dataclass(frozen=True, slots=True)
class MessageView:
    """一条消息."""

    id: int
    kind: str
    title: str
    text: str
    filing_id: int | None
    link: str
    must_act: bool
    at: datetime
    read: bool
    done: bool


@dataclass(frozen=True, slots=True)
class InboxCounts:
    """待办与未读."""

    to_do: int
    unread: int


def send(
    s: Session,
    organisation_id: int,
    kind: str,
    *,
    filing: Filing | None = None,
    user_id: int | None = None,
    link: str = "",
    **words: str,
) -> None:
    """Tell an organisation, or one person of it. An open message of the same kind about the same filing is replaced."""
    template = KINDS[kind]
    if filing is not None:
        words = {"unit": filing.unit_name, "year": str(filing.year), "form": filing.form.caption} | words
        close(s, kind, filing=filing, organisation_id=organisation_id, user_id=user_id)
    s.add(
        Message(
            organisation_id=organisation_id,
            user_id=user_id,
            filing_id=filing.id if filing else None,
            kind=kind,
            title=template.title.format_map(words)[:200],
            text=template.text.format_map(words),
            link=link,
            must_act=template.must_act,
            at=clock.now(),
        )
    )
    events.publish(s, events.InboxChanged(organisation_id))


def close(
    s: Session,
    *kinds: str,
    filing: Filing,
    organisation_id: int | None = None,
    user_id: int | None = None,
) -> None:
    """What the open messages asked for has been done (办结), or is no longer to be done."""
    open_ones = [col(Message.filing_id) == filing.id, col(Message.kind).in_(kinds), col(Message.done_at).is_(None)]
    if organisation_id is not None:
        open_ones.append(col(Message.organisation_id) == organisation_id)
    if user_id is not None:
        open_ones.append(col(Message.user_id) == user_id)
    receivers = s.execute(select(col(Message.organisation_id)).where(*open_ones).distinct()).scalars().all()
    if receivers:
        s.execute(update(Message).where(*open_ones).values(done_at=clock.now()))
    for receiver in receivers:
        events.publish(s, events.InboxChanged(receiver))


def mine(s: Session, actor: Actor, *, only_open: bool = False, limit: int = 200) -> tuple[MessageView, ...]:
    """My messages (我的消息): to do first, then newest first."""
    query = select(Message).where(_to(actor))
    if only_open:
        query = query.where(col(Message.done_at).is_(None))
    to_do = and_(col(Message.must_act), col(Message.done_at).is_(None))
    query = query.order_by(to_do.desc(), col(Message.id).desc()).limit(limit)
    return tuple(map(_view, s.execute(query).scalars()))


def counts(s: Session, actor: Actor) -> InboxCounts:
    """The figures at the bell (待办数, 未读数)."""
    open_ones = select(
        func.count(col(Message.id)).filter(col(Message.must_act)),
        func.count(col(Message.id)).filter(col(Message.read_at).is_(None)),
    ).where(_to(actor), col(Message.done_at).is_(None))
    to_do, unread = s.execute(open_ones).one()
    return InboxCounts(to_do, unread)


def read(s: Session, actor: Actor, ids: Sequence[int]) -> None:
    """已读; a message that asks for nothing is done with it."""
    for message_id in ids:
        message = _own(s, actor, message_id)
        message.read_at = message.read_at or clock.now()
        if not message.must_act:
            message.done_at = message.done_at or clock.now()
        s.add(message)
    events.publish(s, events.InboxChanged(actor.organisation_id))


def done(s: Session, actor: Actor, message_id: int) -> None:
    """办结 by hand, for what the system cannot see being done."""
    message = _own(s, actor, message_id)
    message.read_at = message.read_at or clock.now()
    message.done_at = message.done_at or clock.now()
    s.add(message)
    events.publish(s, events.InboxChanged(actor.organisation_id))


def _own(s: Session, actor: Actor, message_id: int) -> Message:
    query = select(Message).where(col(Message.id) == message_id, _to(actor))
    message: Message | None = s.execute(query).scalar_one_or_none()
    if message is None:
        raise NotFound("没有找到这条消息。请刷新后再试。")
    return message


def _to(actor: Actor) -> ColumnElement[bool]:
    return and_(
        col(Message.organisation_id) == actor.organisation_id,
        or_(col(Message.user_id).is_(None), col(Message.user_id) == actor.user_id),
    )


def _view(message: Message) -> MessageView:
    assert message.id is not None
    return MessageView(
        message.id,
        message.kind,
        message.title,
        message.text,
        message.filing_id,
        message.link,
        message.must_act,
        clock.local(message.at),
        message.read_at is not None,
        message.done_at is not None,
    )
