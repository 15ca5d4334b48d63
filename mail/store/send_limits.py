"""What accounts sent in the last 24 hours, and whether they may send more (mail.accounts.send_limits).

1. Checking and counting is one thing, inside the transaction that queues the message: no two submissions pass on the
   same count, and one that is refused has written nothing.
2. Recipients are counted in steps of five minutes, so that a look reads at most a day's steps of the primary key,
   however much is sent (0.1 ms a submission; with minutes it is 0.3); what is sent at the beginning of a step leaves
   the window that much early.
3. Whom an account ever sent to is kept as hashes, for as long as the account is there.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from mail.accounts.send_limits import DAY_MS, SendLimits, Sent, check
from mail.errors import NotAllowed
from mail.policy.keys import key
from mail.store.rows import among, many, upsert
from mail.store.schema import account, sent_recipient, sent_total

STEP_MS = 300_000

# Made once: building a statement costs as much as running it.
_LIMITS = (account.c.max_outgoing_messages_per_day, account.c.max_first_time_recipients_per_day)
_STANDING = (
    select(
        *_LIMITS,
        func.coalesce(func.sum(sent_total.c.recipients), 0),
        func.coalesce(func.sum(sent_total.c.first_time), 0),
    )
    .join_from(
        account,
        sent_total,
        (sent_total.c.account_id == account.c.id) & (sent_total.c.at > bindparam("since")),
        isouter=True,
    )
    .where(account.c.id == bindparam("of_account"))
    .group_by(account.c.id)
)
_FORGET = delete(sent_total).where(
    sent_total.c.account_id == bindparam("of_account"), sent_total.c.at <= bindparam("until")
)


@lru_cache
def _known(dialect: str) -> Any:
    return select(sent_recipient.c.key).where(
        sent_recipient.c.account_id == bindparam("of_account"), among(dialect, sent_recipient.c.key, "keys")
    )


@lru_cache
def _remember(dialect: str) -> Any:
    return upsert(dialect, sent_recipient).on_conflict_do_nothing()


@lru_cache
def _add(dialect: str) -> Any:
    added = upsert(dialect, sent_total)
    sums = {name: sent_total.c[name] + added.excluded[name] for name in ("recipients", "first_time")}
    return added.on_conflict_do_update(index_elements=sent_total.primary_key, set_=sums).returning(
        sent_total.c.recipients
    )


def count(tx: Connection, account_id: int, recipients: Collection[str], now: int) -> None:
    """Count recipients as sent to. MessageLimit or RecipientLimit when they are too many; then nothing is written."""
    dialect = tx.dialect.name
    keys = {key("sent", one.casefold()) for one in recipients}
    known = tx.execute(_known(dialect), {"of_account": account_id, "keys": many(tx, keys)}).scalars()
    new = keys.difference(known)
    limits, sent = standing(tx, account_id, now)
    check(limits, Sent(sent.recipients + len(recipients), sent.first_time + len(new)))
    if new:
        tx.execute(_remember(dialect), [{"account_id": account_id, "key": one} for one in sorted(new)])
    step = now - now % STEP_MS
    values = {"account_id": account_id, "at": step, "recipients": len(recipients), "first_time": len(new)}
    if tx.execute(_add(dialect), values).scalar_one() == len(recipients):
        # The first of its step clears away what no window sees any more.
        tx.execute(_FORGET, {"of_account": account_id, "until": now - 2 * DAY_MS})


def standing(connection: Connection, account_id: int, now: int) -> tuple[SendLimits, Sent]:
    """An account's limits, and what it sent. NotAllowed when it is gone."""
    row = connection.execute(_STANDING, {"of_account": account_id, "since": now - DAY_MS}).first()
    if row is None:
        raise NotAllowed(f"no account {account_id}")
    messages, first_time, recipients, new = map(int, row)
    return SendLimits(messages, first_time), Sent(recipients, new)


def change_limits(tx: Connection, account_id: int, **limits: int) -> None:
    """Set fields of `SendLimits`; 0 is the default."""
    tx.execute(update(account).where(account.c.id == account_id).values(**limits))
