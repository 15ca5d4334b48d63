"""A whole batch of arrivals in one transaction: delivered, submitted and appended messages.

The keeper gathers what waits, makes the blobs durable, and hands them here. Everything of a batch goes out in a handful
of statements. When one arrival makes the batch fail, the keeper calls `arrive` again for each alone, in savepoints.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mail.address import Address
from mail.errors import MailError, NoSuchMailbox
from mail.imap.summary import Summary
from mail.smtp.trace_fields import without_return_path
from mail.store import blob_rows, queue
from mail.store.blob_rows import BlobRow
from mail.store.changes import Changes
from mail.store.mailbox_changes import ensure_mailbox
from mail.store.names import normalized
from mail.store.rows import ArrivalRow, NewMessage, join_keywords
from mail.store.traces import trace_values


@dataclass(frozen=True, slots=True)
class LocalRecipient:
    """One recipient of a delivered message, resolved. Without `arrival` its copy is filed under no key.

    `reason` and `facts` are for the trace, beside the facts of the message.
    """

    address: str
    account_id: int
    mailbox: str
    prefix: bytes
    flags: int = 0
    arrival: ArrivalRow | None = None
    reason: str = "delivered"
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message from port 25, or a DSN of ours, for one or more local recipients."""

    blob: BlobRow
    summary: Summary
    cid: str
    mail_from: str
    received_at: int
    recipients: tuple[LocalRecipient, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    direction: str = "in"


@dataclass(frozen=True, slots=True)
class Appended:
    blob: BlobRow
    summary: Summary
    received_at: int
    flags: int = 0
    keywords: tuple[str, ...] = ()
    prefix: bytes = b""


@dataclass(frozen=True, slots=True)
class Append:
    """IMAP APPEND of one or more messages to one mailbox: all or none."""

    account_id: int
    mailbox: str
    messages: tuple[Appended, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """A message for the queue."""

    blob: BlobRow
    summary: Summary
    message: queue.NewQueueMessage


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a recipient's copy went, or why it could not."""

    address: str
    account_id: int = 0
    mailbox: str = ""
    uid: int = 0
    error: MailError | None = None


def deliver(changes: Changes, delivery: Delivery) -> list[Placed]:
    """A result for each recipient; a full mailbox or a vanished account stops only its own."""
    placed: list[Placed] = []
    rows: list[dict[str, Any]] = []
    seen: set[tuple[int, str]] = set()
    for recipient in delivery.recipients:
        # Two addresses of one mailbox in one transaction are one copy.
        place = (recipient.account_id, recipient.mailbox)
        if place in seen:
            placed.append(Placed(recipient.address, *place))
            continue
        one = _deliver_one(changes, delivery, recipient)
        if one.error is None:
            seen.add(place)
        placed.append(one)
        rows.append(_traced(delivery, recipient, one, changes.now))
    if seen:
        changes.add_blob(blob_rows.blob_values(delivery.blob, delivery.summary), delivery.blob.octets)
    changes.trace_rows += rows
    return placed


def _deliver_one(changes: Changes, delivery: Delivery, recipient: LocalRecipient) -> Placed:
    try:
        state = changes.account(recipient.account_id)
        target = ensure_mailbox(state, recipient.mailbox)
        size = delivery.blob.size + len(recipient.prefix)
        arrival = recipient.arrival or ArrivalRow(target.name, delivery.received_at)
        added = NewMessage(
            delivery.blob.id, size, delivery.received_at, recipient.prefix, recipient.flags, arrival=arrival
        )
        (uid,) = state.add_messages(target.id, [added])
    except MailError as error:
        return Placed(recipient.address, recipient.account_id, recipient.mailbox, error=error)
    return Placed(recipient.address, recipient.account_id, target.name, uid)


def _traced(delivery: Delivery, recipient: LocalRecipient, placed: Placed, now: int) -> dict[str, Any]:
    taken = placed.error is None
    return trace_values(
        at=now,
        cid=delivery.cid,
        direction=delivery.direction,
        account_id=recipient.account_id,
        mail_from=delivery.mail_from,
        rcpt_to=recipient.address,
        message_id=delivery.summary.message_id,
        blob_id=delivery.blob.id if taken else "",
        verdict="accepted" if taken else "refused",
        reason=recipient.reason if taken else type(placed.error).__name__,
        detail=delivery.facts
        | recipient.facts
        | {"mailbox": placed.mailbox, "uid": placed.uid, "size": delivery.blob.size},
    )


def append(changes: Changes, appended: Append) -> tuple[int, int, list[int], int]:
    """(mailbox id, UIDVALIDITY, UIDs, modseq). NoSuchMailbox (the client may create it), OverQuota."""
    state = changes.account(appended.account_id)
    target = state.mailbox_named(normalized(appended.mailbox))
    if target is None:
        raise NoSuchMailbox(appended.mailbox)
    added = [
        NewMessage(
            one.blob.id,
            one.blob.size + len(one.prefix),
            one.received_at,
            one.prefix,
            one.flags,
            tuple(join_keywords(one.keywords).split()),
        )
        for one in appended.messages
    ]
    uids = state.add_messages(target.id, added)
    for one in appended.messages:
        changes.add_blob(blob_rows.blob_values(one.blob, one.summary), one.blob.octets)
    return target.id, target.uidvalidity, uids, state.modseq


def submit(changes: Changes, submission: Submission) -> tuple[int, list[int]]:
    """(queue message id, queue recipient ids)."""
    # The queue's row names the blob's: that one first.
    changes.add_blob(blob_rows.blob_values(submission.blob, submission.summary), submission.blob.octets)
    changes.flush()
    message_id, recipients = queue.add(changes.tx, submission.message, changes.now)
    changes.wake.add("deliver")
    changes.trace_rows += [
        trace_values(
            at=changes.now,
            cid=submission.message.cid,
            direction="out",
            account_id=submission.message.account_id,
            queue_recipient_id=recipient_id,
            mail_from=submission.message.mail_from,
            rcpt_to=recipient.rcpt_to,
            message_id=submission.summary.message_id,
            blob_id=submission.blob.id,
            verdict="accepted",
            reason="queued",
            detail={"queue_message": message_id, "size": submission.blob.size},
        )
        for recipient_id, recipient in zip(recipients, submission.message.recipients, strict=True)
    ]
    return message_id, recipients


@dataclass(frozen=True, slots=True)
class Forward:
    """One message on its way to addresses elsewhere, for an address of ours that leads there.

    `mail_from` is our own (`mail.srs`), or empty. `return_to` is told of failures: the sender, when he is proven
    (security SM-10), else `queue.NOBODY`. `prefix` are the fields we put in front of the copy of `rcpt_to`.
    """

    rcpt_to: str
    addresses: tuple[Address, ...]
    mail_from: str
    return_to: str
    prefix: bytes


def forward(
    changes: Changes,
    delivery: Delivery,
    forwards: Sequence[Forward],
    *,
    account_id: int,
    expires_at: int,
    eightbit: bool = True,
    smtputf8: bool = False,
    require_tls: bool | None = None,
) -> list[int]:
    """Queue the copies of a delivery that go elsewhere, in its transaction; the ids of the queue recipients.

    `delivery` may have no recipients of its own. The account is the one the queue keeps them under.
    """
    changes.add_blob(blob_rows.blob_values(delivery.blob, delivery.summary), delivery.blob.octets)
    changes.flush()
    made: list[int] = []
    for one in forwards:
        message = replace(
            _forwarded(delivery, one, changes.now, account_id, expires_at),
            eightbit=eightbit,
            smtputf8=smtputf8,
            require_tls=require_tls,
        )
        message_id, ids = queue.add(changes.tx, message, changes.now)
        changes.trace_rows += _forward_traces(delivery, one, changes.now, account_id, message_id, ids)
        made += ids
    if made:
        changes.wake.add("deliver")
    return made


def _forwarded(delivery: Delivery, one: Forward, now: int, account_id: int, expires_at: int) -> queue.NewQueueMessage:
    prefix = without_return_path(one.prefix)
    # The next host is asked to be as silent as we are.
    notify = "NEVER" if one.return_to == queue.NOBODY else "FAILURE"
    kind = "rfc822" if one.rcpt_to.isascii() else "utf-8"
    recipients = tuple(
        queue.NewRecipient(str(to), to.domain, now, expires_at, orcpt=f"{kind};{one.rcpt_to}", notify=notify)
        for to in one.addresses
    )
    return queue.NewQueueMessage(
        account_id=account_id,
        blob_id=delivery.blob.id,
        size=delivery.blob.size + len(prefix),
        mail_from=one.mail_from,
        recipients=recipients,
        prefix=prefix,
        message_id=delivery.summary.message_id,
        subject=delivery.summary.subject[:200],
        cid=delivery.cid,
        return_to=one.return_to,
    )


def _forward_traces(
    delivery: Delivery, one: Forward, now: int, account_id: int, message_id: int, ids: list[int]
) -> list[dict[str, Any]]:
    """One for the address of ours, one for each address it leads to."""
    shared: dict[str, Any] = {
        "at": now,
        "cid": delivery.cid,
        "account_id": account_id,
        "message_id": delivery.summary.message_id,
        "blob_id": delivery.blob.id,
        "verdict": "accepted",
        "reason": "forwarded",
    }
    size = {"queue_message": message_id, "size": delivery.blob.size}
    arrived = trace_values(
        direction=delivery.direction,
        mail_from=delivery.mail_from,
        rcpt_to=one.rcpt_to,
        detail=delivery.facts | size,
        **shared,
    )
    return [arrived] + [
        trace_values(
            direction="out",
            mail_from=one.mail_from,
            rcpt_to=str(to),
            queue_recipient_id=recipient_id,
            detail=size | {"for": one.rcpt_to},
            **shared,
        )
        for to, recipient_id in zip(one.addresses, ids, strict=True)
    ]


def arrive(changes: Changes, arrivals: Sequence[Delivery | Append | Submission]) -> list[Any]:
    """What `deliver`, `append` or `submit` gives, for each in order. Raises at the first that cannot be."""
    if len(arrivals) > 1:
        changes.load(_places(arrivals))
    return [_arrive_one(changes, arrival) for arrival in arrivals]


def _places(arrivals: Sequence[Delivery | Append | Submission]) -> Iterator[tuple[int, str]]:
    """The (account id, mailbox name) a batch will use."""
    for arrival in arrivals:
        match arrival:
            case Delivery():
                yield from ((one.account_id, normalized(one.mailbox)) for one in arrival.recipients)
            case Append():
                yield arrival.account_id, normalized(arrival.mailbox)
            case Submission():
                pass


def _arrive_one(changes: Changes, arrival: Delivery | Append | Submission) -> Any:
    match arrival:
        case Delivery():
            return deliver(changes, arrival)
        case Append():
            return append(changes, arrival)
        case Submission():
            return submit(changes, arrival)
