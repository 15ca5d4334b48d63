"""What the decision about an arriving message comes to, in one transaction: copies, rejects, forwards, trace, reports.

Everything a message leaves behind is written with it or not at all: where it went and why, for each recipient; what its
domain is to be told; and the copy of an earlier refusal that is not needed any more.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from mail.errors import MailError, NoSuchAddress, OverQuota
from mail.policy.settlement import JUNK_MAILBOX
from mail.policy.verdict import REJECT
from mail.store import arrivals, blob_rows, evaluations, rejects
from mail.store.arrivals import Delivery, Forward, LocalRecipient, Placed
from mail.store.changes import Changes
from mail.store.evaluations import Evaluation
from mail.store.mailbox_changes import ensure_mailbox
from mail.store.rejects import Room
from mail.store.rows import NewMessage
from mail.store.traces import trace_values


@dataclass(frozen=True, slots=True)
class Kept:
    """A copy of what a recipient did not take, for the owner's Rejects; `keep_all`: they are never cleaned up.
    `refused`: its sender was told so; else he heard that it was taken, as another recipient took it.
    """

    recipient: LocalRecipient
    keep_all: bool
    refused: bool = True


@dataclass(frozen=True, slots=True)
class Receipt:
    """`delivery` has the recipients that get a copy, or none. `rejects_of`: by account, where an earlier refusal of the
    same message may lie. `traces` are of those that get nothing and keep nothing.
    """

    delivery: Delivery
    kept: tuple[Kept, ...] = ()
    rejects_of: dict[int, str] | None = None
    forwards: tuple[Forward, ...] = ()
    forwarder: int = 0  # the account the queue keeps forwarded copies under
    forwards_expire_at: int = 0
    smtputf8: bool = False
    require_tls: bool | None = None
    traces: tuple[dict[str, Any], ...] = ()
    evaluations: tuple[Evaluation, ...] = ()


def obstacle(changes: Changes, receipt: Receipt) -> MailError | None:
    """What would stop `receive`, as far as it can be known before anything is changed: an account that is gone, or has
    no room any more because others wrote since it was judged.
    """
    delivery = receipt.delivery
    wanted = Counter(account_id for account_id, _ in {(one.account_id, one.mailbox) for one in delivery.recipients})
    try:
        for account_id, copies in wanted.items():
            if not changes.account(account_id).has_room(copies * delivery.blob.size):
                return OverQuota(f"account {account_id} was filled after it was asked")
    except NoSuchAddress as error:
        return error
    return None


def receive(changes: Changes, receipt: Receipt) -> list[Placed]:
    """A result for each recipient of the delivery. Raises what stops any of them: then nobody has it, and nothing was
    promised to the sender.
    """
    delivery = receipt.delivery
    _forget_rejects(changes, receipt)
    placed = arrivals.deliver(changes, delivery) if delivery.recipients else []
    for result in placed:
        if result.error is not None:
            raise result.error
    for one in receipt.kept:
        _keep(changes, delivery, one)
    if receipt.forwards:
        arrivals.forward(
            changes,
            delivery,
            receipt.forwards,
            account_id=receipt.forwarder,
            expires_at=receipt.forwards_expire_at,
            smtputf8=receipt.smtputf8,
            require_tls=receipt.require_tls,
        )
    changes.trace_rows += receipt.traces
    changes.evaluation_rows += evaluations.values(receipt.evaluations, changes.now)
    return placed


def _forget_rejects(changes: Changes, receipt: Receipt) -> None:
    for account_id, name in (receipt.rejects_of or {}).items():
        rejects.remove(changes.account(account_id), name, receipt.delivery.summary.message_id)


def _keep(changes: Changes, delivery: Delivery, one: Kept) -> None:
    """The copy and its record. Refused is refused: that it finds no room changes nothing about it."""
    recipient = one.recipient
    room, mailbox, uid = _put(changes, delivery, one)
    told: dict[str, Any] = {"kept_in": mailbox, "uid": uid}
    if room is Room.TAKEN:
        told["copy"] = "it was there already"
    elif room is Room.NONE:
        told = {"action": REJECT, "no_copy": "there was no room for it"}
    taken = room is not Room.NONE and not one.refused
    changes.trace_rows.append(
        trace_values(
            at=changes.now,
            cid=delivery.cid,
            direction=delivery.direction,
            account_id=recipient.account_id,
            mail_from=delivery.mail_from,
            rcpt_to=recipient.address,
            message_id=delivery.summary.message_id,
            blob_id=delivery.blob.id if uid else "",
            verdict="accepted" if taken else "refused",
            reason=recipient.reason,
            detail=delivery.facts
            | recipient.facts
            | told
            | {"mailbox": mailbox if taken else "", "size": delivery.blob.size},
        )
    )


def _put(changes: Changes, delivery: Delivery, one: Kept) -> tuple[Room, str, int]:
    """What room there was, where, and the UID of a copy that was put there."""
    recipient = one.recipient
    state, mailbox = changes.account(recipient.account_id), recipient.mailbox
    try:
        message_id = delivery.summary.message_id
        room = rejects.make_room(state, mailbox, delivery.blob, message_id, keep_all=one.keep_all)
        if room is Room.NONE and not one.refused:
            # Its sender heard that it was taken: a full Rejects is no reason to lose it.
            mailbox = JUNK_MAILBOX
        elif room is not Room.FREE:
            return room, mailbox, 0
        target = ensure_mailbox(state, mailbox)
        size = delivery.blob.size + len(recipient.prefix)
        added = NewMessage(
            delivery.blob.id,
            size,
            delivery.received_at,
            recipient.prefix,
            recipient.flags,
            arrival=recipient.arrival,
        )
        (uid,) = state.add_messages(target.id, [added])
    except OverQuota:
        return Room.NONE, mailbox, 0
    changes.add_blob(blob_rows.blob_values(delivery.blob, delivery.summary), delivery.blob.octets)
    return Room.FREE, mailbox, uid
