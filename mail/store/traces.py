"""The trace: one searchable record for each message and recipient, in or out, taken or refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select

from mail.store.schema import trace

FOUND_MAX = 1000


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


def add(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        tx.execute(insert(trace), list(rows))


def find(
    connection: Connection,
    *,
    address: str = "",
    message_id: str = "",
    cid: str = "",
    since: int = 0,
    until: int | None = None,
    most: int = 100,
) -> list[TraceRow]:
    """Newest first. `address` matches either side of the envelope, `message_id` is without angle brackets."""
    columns: list[ColumnElement[Any]] = [trace.c[name] for name in TraceRow.__dataclass_fields__]
    wanted = select(*columns).where(trace.c.at >= since)
    if until is not None:
        wanted = wanted.where(trace.c.at <= until)
    if address:
        wanted = wanted.where(or_(trace.c.rcpt_to == address, trace.c.mail_from == address))
    if message_id:
        wanted = wanted.where(trace.c.message_id == message_id)
    if cid:
        wanted = wanted.where(trace.c.cid == cid)
    wanted = wanted.order_by(trace.c.at.desc(), trace.c.id.desc()).limit(min(most, FOUND_MAX))
    found: Iterable[Any] = connection.execute(wanted)
    return [TraceRow(*(*row[:-1], orjson.loads(row[-1]))) for row in found]


def remove_before(tx: Connection, at: int, most: int = 5000) -> int:
    """Forget records older than `at`, a bounded number in a transaction; returns how many went."""
    old = select(trace.c.id).where(trace.c.at < at).limit(most).scalar_subquery()
    return int(tx.execute(delete(trace).where(trace.c.id.in_(old))).rowcount)
