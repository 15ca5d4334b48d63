"""How much there is, and what waits: for `mailctl status`, `/healthz` and the metrics."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, select

from mail.store.schema import account, address, attempt, domain, mailbox, outbox, queue_message, queue_recipient, trace


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything but `accounts` comes from counters or small tables: cheap to ask every few seconds."""

    domains: int
    accounts: int
    addresses: int
    mailboxes: int
    messages: int
    size: int
    queue: dict[str, int]
    queue_due: int
    queue_oldest_at: int | None
    outbox: int


@dataclass(frozen=True, slots=True)
class Tallies:
    """What takes a walk over whole tables: for a person who asks, not for a poll."""

    queue_messages: int
    attempts: int
    traces: int


def _rows(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def counts(connection: Connection, now: int) -> Counts:
    """`queue` counts recipients by state; `queue_due` are those whose time has come, `queue_oldest_at` the first."""
    held = select(func.count(), func.coalesce(func.sum(mailbox.c.messages), 0)).select_from(mailbox)
    mailboxes, messages = connection.execute(held).one()
    states = select(queue_recipient.c.state, func.count()).group_by(queue_recipient.c.state)
    due = select(func.count(), func.min(queue_recipient.c.next_attempt_at)).where(
        queue_recipient.c.state == "due", queue_recipient.c.next_attempt_at <= now
    )
    waiting, oldest = connection.execute(due).one()
    return Counts(
        domains=_rows(connection, domain),
        accounts=_rows(connection, account),
        addresses=_rows(connection, address),
        mailboxes=int(mailboxes),
        messages=int(messages),
        size=int(connection.execute(select(func.coalesce(func.sum(account.c.size), 0))).scalar_one()),
        queue={state: int(number) for state, number in connection.execute(states)},
        queue_due=int(waiting),
        queue_oldest_at=None if oldest is None else int(oldest),
        outbox=_rows(connection, outbox),
    )


def tallies(connection: Connection) -> Tallies:
    return Tallies(_rows(connection, queue_message), _rows(connection, attempt), _rows(connection, trace))


def alive(connection: Connection) -> dict[str, Any]:
    """The engine's own word that it answers."""
    if connection.dialect.name == "sqlite":
        version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
    else:
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    return {"engine": connection.dialect.name, "version": str(version)}
