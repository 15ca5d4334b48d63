"""The queue as an administrator meets it: lists, histories, and moves by hand.

States move only as `mail.queue.states` allows: each statement names the states it moves from.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, func, literal, select, update

from mail.errors import NotFound
from mail.queue.states import OPEN, State, from_which, moved
from mail.store.schema import attempt, dsn_sent, queue_message, queue_recipient


@dataclass(frozen=True, slots=True)
class QueuedRow:
    """One recipient as lists show it."""

    id: int
    queue_message_id: int
    account_id: int
    mail_from: str
    rcpt_to: str
    state: str
    reason: str
    attempts: int
    next_attempt_at: int
    expires_at: int
    queued_at: int
    size: int
    message_id: str
    last_code: int
    last_enhanced: str
    last_text: str


_LISTED = (
    queue_recipient.c.id,
    queue_message.c.id,
    queue_message.c.account_id,
    queue_message.c.mail_from,
    queue_recipient.c.rcpt_to,
    queue_recipient.c.state,
    queue_recipient.c.reason,
    queue_recipient.c.attempts,
    queue_recipient.c.next_attempt_at,
    queue_recipient.c.expires_at,
    queue_message.c.created_at,
    queue_message.c.size,
    queue_message.c.message_id,
    queue_recipient.c.last_code,
    queue_recipient.c.last_enhanced,
    queue_recipient.c.last_text,
)


def list_queue(
    connection: Connection,
    *,
    ids: Sequence[int] | None = None,
    states: Sequence[State] = OPEN,
    account_id: int | None = None,
    rcpt_to: str = "",
    mail_from: str = "",
    most: int = 1000,
) -> list[QueuedRow]:
    """By next attempt. `rcpt_to` and `mail_from` match a part; `ids` takes any state."""
    wanted = select(*_LISTED).join_from(
        queue_recipient, queue_message, queue_recipient.c.queue_message_id == queue_message.c.id
    )
    if ids is not None:
        wanted = wanted.where(queue_recipient.c.id.in_(list(ids)))
    else:
        wanted = wanted.where(queue_recipient.c.state.in_([state.value for state in states]))
    if account_id is not None:
        wanted = wanted.where(queue_message.c.account_id == account_id)
    if rcpt_to:
        wanted = wanted.where(queue_recipient.c.rcpt_to.contains(rcpt_to, autoescape=True))
    if mail_from:
        wanted = wanted.where(queue_message.c.mail_from.contains(mail_from, autoescape=True))
    wanted = wanted.order_by(queue_recipient.c.next_attempt_at, queue_recipient.c.id).limit(most)
    found: Iterable[Sequence[Any]] = connection.execute(wanted)
    return [QueuedRow(*values) for values in found]


def show(connection: Connection, recipient_id: int) -> tuple[QueuedRow, list[dict[str, Any]]]:
    """A recipient and its attempts, oldest first. NotFound names the number."""
    rows = list_queue(connection, ids=[recipient_id])
    if not rows:
        raise NotFound(public=f"no queued recipient {recipient_id}; `mailctl queue list` shows those there are")
    wanted = (
        select(attempt).where(attempt.c.queue_recipient_id == recipient_id).order_by(attempt.c.number, attempt.c.id)
    )
    return rows[0], [dict(values) for values in connection.execute(wanted).mappings()]


def _move(tx: Connection, event: str, ids: Sequence[int], **values: Any) -> list[int]:
    """Move those of `ids` the event applies to; returns them."""
    allowed = [state.value for state in from_which(event)]
    (target,) = {moved(state, event) for state in from_which(event)}
    wanted = (
        update(queue_recipient)
        .where(queue_recipient.c.id.in_(list(ids)), queue_recipient.c.state.in_(allowed))
        .values(state=target.value, **values)
        .returning(queue_recipient.c.id)
    )
    return list(tx.execute(wanted).scalars())


def retry(tx: Connection, ids: Sequence[int], now: int) -> list[int]:
    """Make them due now."""
    return _move(tx, "retry", ids, next_attempt_at=now)


def hold(tx: Connection, ids: Sequence[int], reason: str = "administrator") -> list[int]:
    return _move(tx, "hold", ids, reason=reason)


def release(tx: Connection, ids: Sequence[int]) -> list[int]:
    """Held ones run at the time they already have."""
    return _move(tx, "release", ids, reason=literal(""), crashes=0)


def drop(tx: Connection, ids: Sequence[int], now: int) -> list[int]:
    """End them in silence: no DSN."""
    return _move(tx, "drop", ids, ended_at=now, reason="administrator")


def fail(tx: Connection, ids: Sequence[int], now: int, text: str) -> list[int]:
    """Give them up: the delivery worker takes them at once, fails them with these words and tells their senders."""
    return _move(tx, "fail", ids, next_attempt_at=now, reason="fail", last_text=text)


def remove_ended(tx: Connection, before: int, most: int) -> int:
    """Forget recipients that ended before that time, and messages none of whose recipients is left."""
    old = (
        select(queue_recipient.c.id)
        .where(queue_recipient.c.ended_at.is_not(None), queue_recipient.c.ended_at < before)
        .limit(most)
    )
    ids = list(tx.execute(old).scalars())
    if not ids:
        return 0
    for table in (attempt, dsn_sent):
        tx.execute(delete(table).where(table.c.queue_recipient_id.in_(ids)))
    tx.execute(delete(queue_recipient).where(queue_recipient.c.id.in_(ids)))
    left = exists().where(queue_recipient.c.queue_message_id == queue_message.c.id)
    tx.execute(delete(queue_message).where(~left))
    return len(ids)


def counts(connection: Connection) -> dict[str, int]:
    """Recipients by state."""
    wanted = select(queue_recipient.c.state, func.count()).group_by(queue_recipient.c.state)
    return dict(connection.execute(wanted).all())
