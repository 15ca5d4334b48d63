"""What the decision about an arriving message comes to, in one transaction: copies, rejects, forwards, trace, reports.

Everything a message leaves behind is written with it or not at all: where it went and why, for each recipient; what its
domain is to be told; and the copy of an earlier refusal that is not needed any more.
"""

from dataclasses import dataclass
from typing import Any

from mail.errors import OverQuota
from mail.store import arrivals, blob_rows, evaluations, rejects
from mail.store.arrivals import Delivery, Forward, LocalRecipient, Placed
from mail.store.changes import Changes
from mail.store.evaluations import Evaluation
from mail.store.mailbox_changes import ensure_mailbox
from mail.store.rows import NewMessage


@dataclass(frozen=True, slots=True)
class Kept:
    """A copy of what a recipient did not take, for the owner's Rejects; `keep_all`: they are never cleaned up."""

    recipient: LocalRecipient
    keep_all: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """`delivery` has the recipients that get a copy, or none. `rejects_of`: by account, where an earlier refusal of the
    same message may lie. `traces` are of those that get nothing.
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
    """Refused is refused: that its copy finds no room changes nothing about it."""
    recipient = one.recipient
    try:
        state = changes.account(recipient.account_id)
        message_id = delivery.summary.message_id
        if not rejects.make_room(state, recipient.mailbox, delivery.blob, message_id, keep_all=one.keep_all):
            return
        target = ensure_mailbox(state, recipient.mailbox)
        size = delivery.blob.size + len(recipient.prefix)
        added = NewMessage(
            delivery.blob.id,
            size,
            delivery.received_at,
            recipient.prefix,
            recipient.flags,
            arrival=recipient.arrival,
        )
        state.add_messages(target.id, [added])
    except OverQuota:
        return
    changes.add_blob(blob_rows.blob_values(delivery.blob, delivery.summary), delivery.blob.octets)
