"""The trace: one searchable record for each message and recipient, in or out, taken or refused.

Addresses stand there as clients wrote them (`mail.address`: the domain in lower case); they are searched without regard
to case, and with what is written behind a separator where none was asked for (`mail.store.trace_keys`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, tuple_

from mail.store.engine import Store
from mail.store.schema import trace
from mail.store.trace_keys import key_of, keys

FOUND_MAX = 1000
# What `decisions` holds in memory, and reads in one transaction.
PAGE = 500


@dataclass(frozen=True, slots=True)
class TraceRow:
    id: int
    at: int
    cid: str
    direction: str
    account_id: int | None
    queue_recipient_id: int | None
    mail_from: str
    rcpt_to: str
    message_id: str
    blob_id: str
    verdict: str
    reason: str
    detail: dict[str, Any]


def trace_values(
    *,
    at: int,
    cid: str,
    direction: str,
    mail_from: str,
    rcpt_to: str,
    verdict: str,
    reason: str,
    account_id: int | None = None,
    queue_recipient_id: int | None = None,
    message_id: str = "",
    blob_id: str = "",
    detail: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The values of one row for `add`."""
    return {
        "at": at,
        "cid": cid,
        "direction": direction,
        "account_id": account_id,
        "queue_recipient_id": queue_recipient_id,
        "mail_from": mail_from,
        "rcpt_to": rcpt_to,
        "message_id": message_id,
        "blob_id": blob_id,
        "verdict": verdict,
        "reason": reason,
        "detail": orjson.dumps(detail or {}).decode(),
    }


_ADD = insert(trace)


def add(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    found = keys(tx, {one[side] for one in rows for side in ("rcpt_to", "mail_from")})
    tx.execute(
        _ADD, [one | {"rcpt_key": found.get(one["rcpt_to"]), "sender_key": found.get(one["mail_from"])} for one in rows]
    )


_COLUMNS = [trace.c[name] for name in TraceRow.__dataclass_fields__]


def find(
    connection: Connection,
    *,
    address: str = "",
    message_id: str = "",
    cid: str = "",
    verdict: str = "",
    reason: str = "",
    account_id: int | None = None,
    since: int = 0,
    until: int | None = None,
    most: int = 100,
) -> list[TraceRow]:
    """The newest `most` that are all that is given, newest first.

    `address` matches either side of the envelope, whatever its case and, unless it has one itself, what stands behind a
    separator; `message_id` is without angle brackets.
    """
    most = min(most, FOUND_MAX)
    conditions: list[ColumnElement[bool]] = [trace.c.at >= since]
    if until is not None:
        conditions.append(trace.c.at <= until)
    if account_id is not None:
        conditions.append(trace.c.account_id == account_id)
    words = {"message_id": message_id, "cid": cid, "verdict": verdict, "reason": reason}
    conditions += [trace.c[name] == wanted for name, wanted in words.items() if wanted]
    if not address:
        return _read(connection, conditions, most)
    # Several searches, each by its index: with OR every record would be looked at.
    sides = [func.lower(side) == func.lower(address) for side in (trace.c.rcpt_to, trace.c.mail_from)]
    key = key_of(connection, address)
    if key:
        sides += [trace.c.rcpt_key == key, trace.c.sender_key == key]
    found = {row.id: row for side in sides for row in _read(connection, [*conditions, side], most)}
    return sorted(found.values(), key=lambda row: (row.at, row.id), reverse=True)[:most]


def _read(connection: Connection, conditions: Sequence[ColumnElement[bool]], most: int) -> list[TraceRow]:
    wanted = select(*_COLUMNS).where(*conditions).order_by(trace.c.at.desc(), trace.c.id.desc()).limit(most)
    return [TraceRow(*(*row[:-1], orjson.loads(row[-1]))) for row in connection.execute(wanted)]


def decisions(store: Store, *, account_id: int | None = None, since: int = 0) -> Iterator[TraceRow]:
    """Everything that came in, newest first, as far as it was there at the first look.

    Read in pages, each in a transaction of its own: whoever takes long over them keeps no log from being emptied.
    """
    always = [trace.c.direction == "in", trace.c.at >= since]
    if account_id is not None:
        always.append(trace.c.account_id == account_id)
    before: list[ColumnElement[bool]] = []
    while True:
        with store.read() as connection:
            page = _read(connection, [*always, *before], PAGE)
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1]
        before = [trace.c.at <= last.at, tuple_(trace.c.at, trace.c.id) < tuple_(last.at, last.id)]


def remove_before(tx: Connection, at: int, most: int = 5000) -> int:
    """Forget records older than `at`, a bounded number in a transaction; returns how many went."""
    old = select(trace.c.id).where(trace.c.at < at).limit(most).scalar_subquery()
    return int(tx.execute(delete(trace).where(trace.c.id.in_(old))).rowcount)
