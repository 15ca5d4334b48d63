"""Removing an account, with everything that is kept under it.

What concerns others stays: messages it forwards for others and the reports about our domains go to the first account
that is left. An alias that would lose its last member stops the removal.
"""

from sqlalchemy import Connection, delete, func, select, update

from mail.store import accounts
from mail.store.schema import (
    account,
    address,
    arrival,
    attempt,
    dsn_sent,
    history,
    junk_total,
    junk_word,
    mailbox,
    mailbox_keyword,
    message,
    outbox,
    queue_message,
    queue_recipient,
    ruleset,
    sent_recipient,
    sent_to,
    sent_total,
    subscription,
    vanished,
)

# Children first.
_OWNED = (
    arrival,
    history,
    sent_to,
    sent_total,
    sent_recipient,
    junk_word,
    junk_total,
    ruleset,
    message,
    vanished,
    mailbox_keyword,
    subscription,
    mailbox,
    address,
)


def remove_account(tx: Connection, account_id: int) -> None:
    """Its mail, mailboxes, addresses, memberships, rules, history, waiting messages, and itself."""
    heir = tx.execute(select(func.min(account.c.id)).where(account.c.id != account_id)).scalar()
    if heir is not None:
        _hand_over(tx, account_id, heir)
    going = [one.address for one in accounts.list_addresses(tx, account_id=account_id)]
    accounts.leave_aliases(tx, going)
    _end_queue(tx, account_id)
    for table in _OWNED:
        # The negative: junk words that are being counted anew.
        tx.execute(delete(table).where(table.c.account_id.in_((account_id, -account_id))))
    tx.execute(delete(outbox).where(outbox.c.account_id == account_id))
    tx.execute(delete(account).where(account.c.id == account_id))


def _hand_over(tx: Connection, account_id: int, heir: int) -> None:
    reports = (address.c.account_id == account_id) & (address.c.kind != "")
    tx.execute(update(address).where(reports).values(account_id=heir))
    forwarded = (queue_message.c.account_id == account_id) & (queue_message.c.return_to != "")
    ids = select(queue_message.c.id).where(forwarded)
    of_forwarded = queue_recipient.c.queue_message_id.in_(ids)
    tx.execute(update(queue_recipient).where(of_forwarded).values(account_id=heir))
    tx.execute(update(queue_message).where(forwarded).values(account_id=heir))


def _end_queue(tx: Connection, account_id: int) -> None:
    """Nobody is left to be told of what does not arrive."""
    ids = select(queue_recipient.c.id).where(queue_recipient.c.account_id == account_id)
    for table in (attempt, dsn_sent):
        tx.execute(delete(table).where(table.c.queue_recipient_id.in_(ids)))
    tx.execute(delete(queue_recipient).where(queue_recipient.c.account_id == account_id))
    tx.execute(delete(queue_message).where(queue_message.c.account_id == account_id))
