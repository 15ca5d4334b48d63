"""The queue: rows with leases. Adding, claiming, settling (security §3.6).

1. `next_attempt_at` moves before the attempt, so that a crash while delivering never becomes a tight loop.
2. A claim is held by an owner that keeps a lock file locked; who is dead loses it at once, whatever the clock says.
3. States move only as `mail.queue.states` allows: each statement names the states it moves from.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, insert, select, update

from mail.queue.outcome import DEFERRED, DELIVERED, FAILED, RELEASED, Outcome
from mail.queue.states import OPEN, State, moved
from mail.store import traces
from mail.store.schema import attempt, blob, blob_content, dsn_sent, queue_message, queue_recipient
from mail.store.traces import trace_values

TEXT_MAX = 2000
# For `return_to`: nobody is told.
NOBODY = "-"


@dataclass(frozen=True, slots=True)
class NewRecipient:
    rcpt_to: str
    domain: str
    next_attempt_at: int
    expires_at: int
    orcpt: str = ""
    notify: str = ""
    held: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NewQueueMessage:
    account_id: int
    blob_id: str
    size: int
    mail_from: str
    recipients: tuple[NewRecipient, ...]
    prefix: bytes = b""
    message_id: str = ""
    subject: str = ""
    envid: str = ""
    ret: str = ""
    eightbit: bool = False
    smtputf8: bool = False
    require_tls: bool | None = None
    release_at: int = 0
    future_release: str = ""
    extra: str = "{}"
    cid: str = ""
    return_to: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One recipient to try now, with all that delivering it needs."""

    id: int
    attempt_id: int
    attempts: int
    queue_message_id: int
    account_id: int
    rcpt_to: str
    domain: str
    orcpt: str
    notify: str
    expires_at: int
    queued_at: int
    delay_dsn_sent: bool
    mail_from: str
    blob_id: str
    folder: str
    blob_size: int
    octets: bytes | None
    prefix: bytes
    size: int
    message_id: str
    envid: str
    ret: str
    eightbit: bool
    smtputf8: bool
    require_tls: bool | None
    # The sender asked that it waits until then, in these words (RFC 4865); 0: he did not.
    release_at: int
    future_release: str
    cid: str
    # "fail" when an administrator gave it up: its sender is told by the same way as of any failure.
    reason: str
    last_text: str
    # The reply of the attempt before this one; 0 at the first.
    last_code: int
    # Who is told of a failure, when it is not the account: an address, or NOBODY.
    return_to: str
    last_ip: str = ""  # of the attempt before this one (`queue_leases.last_ips`)


def add(tx: Connection, added: NewQueueMessage, now: int) -> tuple[int, list[int]]:
    """Put a message into the queue, a row a recipient. Its blob row is there. Returns (message id, recipient ids)."""
    fields = {name: getattr(added, name) for name in NewQueueMessage.__dataclass_fields__ if name != "recipients"}
    message_id = tx.execute(
        insert(queue_message).returning(queue_message.c.id), {**fields, "created_at": now}
    ).scalar_one()
    rows = [
        {
            "queue_message_id": message_id,
            "account_id": added.account_id,
            "rcpt_to": one.rcpt_to,
            "domain": one.domain,
            "orcpt": one.orcpt,
            "notify": one.notify,
            "state": (State.HELD if one.held else State.DUE).value,
            "reason": one.reason,
            "next_attempt_at": one.next_attempt_at,
            "expires_at": one.expires_at,
        }
        for one in added.recipients
    ]
    made = tx.execute(insert(queue_recipient).returning(queue_recipient.c.id, sort_by_parameter_order=True), rows)
    return int(message_id), list(made.scalars())


def due_at(connection: Connection, *, not_domains: Collection[str] = ()) -> int | None:
    """When the next recipient is due, those of some domains not counted; None when none waits."""
    wanted = select(func.min(queue_recipient.c.next_attempt_at)).where(queue_recipient.c.state == State.DUE.value)
    if not_domains:
        wanted = wanted.where(queue_recipient.c.domain.not_in(list(not_domains)))
    return connection.execute(wanted).scalar()


def _fair(now: int, most: int, not_domains: Collection[str], locking: bool) -> Select[Any]:
    """The ids of due recipients, taking turns between accounts, oldest first within each."""
    ranked = (
        select(
            queue_recipient.c.id,
            queue_recipient.c.next_attempt_at,
            func.row_number()
            .over(partition_by=queue_recipient.c.account_id, order_by=queue_recipient.c.next_attempt_at)
            .label("turn"),
        )
        .where(
            queue_recipient.c.state == State.DUE.value,
            queue_recipient.c.next_attempt_at <= now,
            queue_recipient.c.domain.not_in(list(not_domains)),
        )
        .subquery()
    )
    chosen = select(ranked.c.id).order_by(ranked.c.turn, ranked.c.next_attempt_at).limit(most)
    if not locking:
        return chosen
    # PostgreSQL locks no rows under a window function: choose, then lock those still free.
    return select(queue_recipient.c.id).where(queue_recipient.c.id.in_(chosen)).with_for_update(skip_locked=True)


def claim(
    tx: Connection,
    owner: str,
    now: int,
    most: int,
    *,
    not_domains: Collection[str] = (),
    lease_ms: int = 900_000,
    step_ms: int = 450_000,
) -> list[Claimed]:
    """Lease up to `most` due recipients to `owner` and begin an attempt for each, in this transaction.

    `not_domains`: of those enough wait at the owner already, so that one slow destination does not fill his hands. The
    next attempt is provisionally `step_ms` away; settling sets the true one.
    """
    chosen = _fair(now, most, not_domains, tx.dialect.name == "postgresql")
    leased = tx.execute(
        update(queue_recipient)
        .where(queue_recipient.c.id.in_(chosen), queue_recipient.c.state == State.DUE.value)
        .values(
            state=moved(State.DUE, "claim").value,
            owner=owner,
            lease_until=now + lease_ms,
            attempts=queue_recipient.c.attempts + 1,
            next_attempt_at=now + step_ms,
            phase="start",
        )
        .returning(queue_recipient.c.id, queue_recipient.c.attempts)
    ).all()
    if not leased:
        return []
    rows = [{"queue_recipient_id": one, "number": number, "started_at": now} for one, number in leased]
    begun = tx.execute(insert(attempt).returning(attempt.c.id, sort_by_parameter_order=True), rows).scalars()
    return _claimed(tx, {one: attempt_id for (one, _), attempt_id in zip(leased, begun, strict=True)})


_CLAIMED = (
    queue_recipient.c.id,
    queue_recipient.c.attempts,
    queue_message.c.id,
    queue_message.c.account_id,
    queue_recipient.c.rcpt_to,
    queue_recipient.c.domain,
    queue_recipient.c.orcpt,
    queue_recipient.c.notify,
    queue_recipient.c.expires_at,
    queue_message.c.created_at,
    queue_recipient.c.delay_dsn_sent,
    queue_message.c.mail_from,
    blob.c.id,
    blob.c.folder,
    blob.c.size,
    blob_content.c.octets,
    queue_message.c.prefix,
    queue_message.c.size,
    queue_message.c.message_id,
    queue_message.c.envid,
    queue_message.c.ret,
    queue_message.c.eightbit,
    queue_message.c.smtputf8,
    queue_message.c.require_tls,
    queue_message.c.release_at,
    queue_message.c.future_release,
    queue_message.c.cid,
    queue_recipient.c.reason,
    queue_recipient.c.last_text,
    queue_recipient.c.last_code,
    queue_message.c.return_to,
)


def _claimed(connection: Connection, attempts: dict[int, int]) -> list[Claimed]:
    """`attempts`: the attempt just begun of each recipient."""
    wanted = (
        select(*_CLAIMED)
        .join_from(queue_recipient, queue_message, queue_recipient.c.queue_message_id == queue_message.c.id)
        .join(blob, queue_message.c.blob_id == blob.c.id)
        .outerjoin(blob_content, blob_content.c.blob_id == blob.c.id)
        .where(queue_recipient.c.id.in_(attempts))
        .order_by(queue_recipient.c.id)
    )
    found = connection.execute(wanted).all()
    return [Claimed(one, attempts[one], *rest) for one, *rest in found]


def entering_final_dot(tx: Connection, ids: Sequence[int]) -> None:
    """Note, before the final dot is sent, that from here on a crash leaves the outcome unknown (security §3.6)."""
    tx.execute(update(queue_recipient).where(queue_recipient.c.id.in_(list(ids))).values(phase="data-end"))


_SETTLE = (
    update(queue_recipient)
    .where(queue_recipient.c.id == bindparam("of_id"), queue_recipient.c.state == State.CLAIMED.value)
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in ("state", "next_attempt_at", "attempts", "last_code", "last_enhanced", "last_text", "ended_at")
        }
        | {"owner": "", "phase": "", "reason": "", "crashes": 0, "lease_until": 0}
    )
)
_END_ATTEMPT = (
    update(attempt)
    .where(attempt.c.id == bindparam("of_id"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in ("ended_at", "host", "ip", "tls", "result", "code", "enhanced", "text")
        }
    )
)
_VERDICTS = {DELIVERED: "delivered", DEFERRED: "deferred", FAILED: "failed"}


def settle(tx: Connection, outcomes: Sequence[Outcome], now: int) -> list[tuple[Outcome, str, int]]:
    """Move each claimed recipient on, end its attempt, write its trace.

    An outcome for a recipient that is no longer claimed (its lease was reaped) changes nothing. Returns the DSNs that
    are owed now and were not sent before: (outcome, kind, place of its message); the caller stores those messages in
    this same transaction.
    """
    held = _held(tx, [one.queue_recipient_id for one in outcomes])
    standing = [one for one in outcomes if one.queue_recipient_id in held]
    if not standing:
        return []
    tx.execute(_SETTLE, [_settled(one, held[one.queue_recipient_id][0]) for one in standing])
    tx.execute(
        _END_ATTEMPT,
        [
            {
                "of_id": one.attempt_id,
                "new_ended_at": one.ended_at,
                "new_host": one.host,
                "new_ip": one.ip,
                "new_tls": one.tls,
                "new_result": one.result,
                "new_code": one.code,
                "new_enhanced": one.enhanced,
                "new_text": one.text[:TEXT_MAX],
            }
            for one in standing
        ],
    )
    traces.add(
        tx, [_outcome_trace(one, held[one.queue_recipient_id], now) for one in standing if one.result in _VERDICTS]
    )
    return _owed(tx, standing, now)


def _held(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    """id: (attempts, account id, mail_from, rcpt_to, message_id, cid, blob id) of those still claimed."""
    wanted = (
        select(
            queue_recipient.c.id,
            queue_recipient.c.attempts,
            queue_message.c.account_id,
            queue_message.c.mail_from,
            queue_recipient.c.rcpt_to,
            queue_message.c.message_id,
            queue_message.c.cid,
            queue_message.c.blob_id,
        )
        .join_from(queue_recipient, queue_message, queue_recipient.c.queue_message_id == queue_message.c.id)
        .where(queue_recipient.c.id.in_(list(ids)), queue_recipient.c.state == State.CLAIMED.value)
    )
    return {one: tuple(rest) for one, *rest in connection.execute(wanted)}


def _settled(one: Outcome, attempts: int) -> dict[str, Any]:
    state = moved(State.CLAIMED, one.result)
    return {
        "of_id": one.queue_recipient_id,
        "new_state": state.value,
        # Given back untried: the attempt does not count.
        "new_attempts": attempts - 1 if one.result == RELEASED else attempts,
        "new_next_attempt_at": one.next_attempt_at or one.ended_at,
        "new_last_code": one.code,
        "new_last_enhanced": one.enhanced,
        "new_last_text": one.text[:TEXT_MAX],
        "new_ended_at": None if state in OPEN else one.ended_at,
    }


def _outcome_trace(one: Outcome, row: tuple[Any, ...], now: int) -> dict[str, Any]:
    attempts, account_id, mail_from, rcpt_to, message_id, cid, blob_id = row
    return trace_values(
        at=now,
        cid=cid,
        direction="out",
        account_id=account_id,
        queue_recipient_id=one.queue_recipient_id,
        mail_from=mail_from,
        rcpt_to=rcpt_to,
        message_id=message_id,
        blob_id=blob_id,
        verdict=_VERDICTS[one.result],
        reason=f"remote-{one.code}" if one.code else "no-answer",
        detail={
            "attempt": attempts,
            "host": one.host,
            "ip": one.ip,
            "tls": one.tls,
            "code": one.code,
            "enhanced": one.enhanced,
            "text": one.text[:TEXT_MAX],
            "next_attempt_at": one.next_attempt_at,
        },
    )


def _owed(tx: Connection, outcomes: Sequence[Outcome], now: int) -> list[tuple[Outcome, str, int]]:
    owed = [(one, kind, place) for one in outcomes for kind, place in one.dsns]
    if not owed:
        return []
    ids = [one.queue_recipient_id for one, _, _ in owed]
    sent = set(
        tx.execute(select(dsn_sent.c.queue_recipient_id, dsn_sent.c.kind).where(dsn_sent.c.queue_recipient_id.in_(ids)))
    )
    new = [(one, kind, place) for one, kind, place in owed if (one.queue_recipient_id, kind) not in sent]
    told = _told_already(tx, [one.queue_recipient_id for one, _, _ in new])
    if new:
        rows = [{"queue_recipient_id": one.queue_recipient_id, "kind": kind, "sent_at": now} for one, kind, _ in new]
        tx.execute(insert(dsn_sent), rows)
        delayed = [one.queue_recipient_id for one, kind, _ in new if kind == "delayed"]
        if delayed:
            tx.execute(update(queue_recipient).where(queue_recipient.c.id.in_(delayed)).values(delay_dsn_sent=True))
    return [(one, kind, place) for one, kind, place in new if one.queue_recipient_id not in told]


def _told_already(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Of forwarded messages, those whose sender heard of another member before: to him it was one recipient, and he is
    told once (security SM-10).
    """
    this, other = queue_recipient.alias(), queue_recipient.alias()
    wanted = (
        select(this.c.id)
        .join_from(this, queue_message, this.c.queue_message_id == queue_message.c.id)
        .join(other, other.c.queue_message_id == queue_message.c.id)
        .join(dsn_sent, dsn_sent.c.queue_recipient_id == other.c.id)
        .where(this.c.id.in_(ids), queue_message.c.return_to.not_in(("", NOBODY)))
    )
    return set(connection.execute(wanted).scalars()) if ids else set()
