"""Reading mailboxes: which there are, what they are called, how full they are."""

from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

from mail.store.flags import DELETED
from mail.store.rows import MailboxRow
from mail.store.schema import mailbox, mailbox_keyword, message, subscription

_COLUMNS = (
    mailbox.c.account_id,
    mailbox.c.id,
    mailbox.c.name,
    mailbox.c.special_use,
    mailbox.c.uidvalidity,
    mailbox.c.uidnext,
    mailbox.c.highestmodseq,
    mailbox.c.messages,
    mailbox.c.unseen,
    mailbox.c.deleted,
    mailbox.c.size,
    subscription.c.name.is_not(None),
    mailbox.c.vanished_floor,
)


def _mailboxes() -> Select[Any]:
    subscribed = and_(subscription.c.account_id == mailbox.c.account_id, subscription.c.name == mailbox.c.name)
    return select(*_COLUMNS).select_from(mailbox.outerjoin(subscription, subscribed))


_ALL = _mailboxes()


def _row(values: Any) -> MailboxRow:
    account_id, mailbox_id, name, special_use, *rest = values
    uidvalidity, uidnext, highestmodseq, messages, unseen, deleted, size, subscribed, floor = rest
    return MailboxRow(
        *(account_id, mailbox_id, name, tuple(special_use.split()), uidvalidity, uidnext, highestmodseq),
        *(messages, unseen, deleted, size, bool(subscribed), floor),
    )


def list_mailboxes(connection: Connection, account_id: int) -> list[MailboxRow]:
    """All mailboxes of the account, by name."""
    found = connection.execute(_ALL.where(mailbox.c.account_id == account_id).order_by(mailbox.c.name))
    return [_row(values) for values in found]


def find_mailbox(connection: Connection, account_id: int, name: str) -> MailboxRow | None:
    """The mailbox of that name; `name` as `mail.store.names.checked` gives it."""
    wanted = _ALL.where(mailbox.c.account_id == account_id, mailbox.c.name == name)
    values = connection.execute(wanted).first()
    return _row(values) if values else None


def get_mailbox(connection: Connection, account_id: int, mailbox_id: int) -> MailboxRow | None:
    wanted = _ALL.where(mailbox.c.account_id == account_id, mailbox.c.id == mailbox_id)
    values = connection.execute(wanted).first()
    return _row(values) if values else None


def deleted_sizes(connection: Connection, account_id: int) -> dict[int, int]:
    """By mailbox id: the octets of its messages that carry \\Deleted."""
    marked = message.c.flags.bitwise_and(DELETED) != 0
    wanted = (
        select(message.c.mailbox_id, func.sum(message.c.size))
        .where(message.c.account_id == account_id, marked)
        .group_by(message.c.mailbox_id)
    )
    return {mailbox_id: int(size) for mailbox_id, size in connection.execute(wanted)}


def keywords(connection: Connection, account_id: int, mailbox_id: int) -> frozenset[str]:
    """Every keyword a message of the mailbox ever had."""
    wanted = select(mailbox_keyword.c.keyword).where(
        mailbox_keyword.c.account_id == account_id, mailbox_keyword.c.mailbox_id == mailbox_id
    )
    return frozenset(connection.execute(wanted).scalars())


def subscriptions(connection: Connection, account_id: int) -> frozenset[str]:
    """Subscribed names, those of removed mailboxes included (RFC 9051 §6.3.7)."""
    wanted = select(subscription.c.name).where(subscription.c.account_id == account_id)
    return frozenset(connection.execute(wanted).scalars())
