"""Reading the messages of a mailbox: the index every session works from, and what FETCH and SEARCH need beside it."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select

from mail.store.rows import uid_in, uids_value
from mail.store.schema import account, blob, message, vanished


class IndexRow(NamedTuple):
    uid: int
    modseq: int
    flags: int
    keywords: str
    received_at: int
    saved_at: int
    size: int
    blob_id: str


class Content(NamedTuple):
    """Where the octets of a message are: `prefix`, then the blob."""

    uid: int
    prefix: bytes
    blob_id: str
    folder: str
    blob_size: int
    structure: bytes


_INDEX = (
    "SELECT uid, modseq, flags, keywords, received_at, saved_at, size, blob_id FROM message"
    " WHERE account_id = {a} AND mailbox_id = {m}"
)
TEXT_COLUMNS = ("subject", "sender", "recipients", "cc", "bcc")


def _mark(connection: Connection, *values: object) -> tuple[list[str], tuple[object, ...]]:
    """Positional parameter marks in the driver's spelling, for the two hottest reads."""
    return (["?"] if connection.dialect.name == "sqlite" else ["%s"]) * len(values), values


def index(connection: Connection, account_id: int, mailbox_id: int, since_modseq: int = 0) -> list[Any]:
    """Rows in `IndexRow` order as plain tuples, by UID; with `since_modseq`, those changed after it."""
    marks, values = _mark(connection, account_id, mailbox_id)
    statement = _INDEX.format(a=marks[0], m=marks[1])
    if since_modseq:
        more, extra = _mark(connection, since_modseq)
        statement += f" AND modseq > {more[0]}"
        values += extra
    cursor = connection.exec_driver_sql(statement + " ORDER BY uid", values).cursor
    assert cursor is not None
    return list(cursor.fetchall())


def _of(connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int] | None) -> tuple[list[Any], Any]:
    conditions = [message.c.account_id == account_id, message.c.mailbox_id == mailbox_id]
    if uids is None:
        return conditions, {}
    conditions.append(uid_in(connection, message.c.uid))
    return conditions, {"uids": uids_value(connection, uids)}


def summaries(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int] | None
) -> Iterator[tuple[int, bytes, bytes]]:
    """(uid, ENVELOPE text, BODYSTRUCTURE text) by UID; all messages when `uids` is None."""
    conditions, values = _of(connection, account_id, mailbox_id, uids)
    wanted = (
        select(message.c.uid, blob.c.envelope, blob.c.bodystructure)
        .join_from(message, blob, message.c.blob_id == blob.c.id)
        .where(*conditions)
        .order_by(message.c.uid)
    )
    yield from map(tuple, connection.execute(wanted, values))


def contents(connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int]) -> Iterator[Content]:
    """Where the octets of each message are, by UID."""
    conditions, values = _of(connection, account_id, mailbox_id, uids)
    wanted = (
        select(message.c.uid, message.c.prefix, blob.c.id, blob.c.folder, blob.c.size, blob.c.structure)
        .join_from(message, blob, message.c.blob_id == blob.c.id)
        .where(*conditions)
        .order_by(message.c.uid)
    )
    yield from map(Content._make, connection.execute(wanted, values))


def search_texts(connection: Connection, account_id: int, mailbox_id: int, text_column: str, needle: str) -> set[int]:
    """UIDs whose stored text (one of TEXT_COLUMNS, case-folded) contains `needle`, folded by the caller."""
    if text_column not in TEXT_COLUMNS:
        raise ValueError(text_column)
    position = func.instr if connection.dialect.name == "sqlite" else func.strpos
    wanted = (
        select(message.c.uid)
        .join_from(message, blob, message.c.blob_id == blob.c.id)
        .where(
            message.c.account_id == account_id,
            message.c.mailbox_id == mailbox_id,
            position(blob.c[text_column], needle) > 0,
        )
    )
    return set(connection.execute(wanted).scalars())


def sent_dates(connection: Connection, account_id: int, mailbox_id: int) -> list[Row[tuple[int, int | None]]]:
    """(uid, the Date field in milliseconds or None)."""
    wanted = (
        select(message.c.uid, blob.c.sent_at)
        .join_from(message, blob, message.c.blob_id == blob.c.id)
        .where(message.c.account_id == account_id, message.c.mailbox_id == mailbox_id)
        .order_by(message.c.uid)
    )
    return list(connection.execute(wanted))


def vanished_uids(connection: Connection, account_id: int, mailbox_id: int, since_modseq: int) -> list[int]:
    """UIDs expunged after that modseq, ascending (RFC 7162 §3.2.10)."""
    wanted = (
        select(vanished.c.uid)
        .where(
            vanished.c.account_id == account_id,
            vanished.c.mailbox_id == mailbox_id,
            vanished.c.modseq > since_modseq,
        )
        .order_by(vanished.c.uid)
    )
    return list(connection.execute(wanted).scalars())


def modseqs(connection: Connection, account_ids: Sequence[int]) -> dict[int, int]:
    """The highest modseq of each account: what a listener polls when the bus is down."""
    wanted = select(account.c.id, account.c.modseq).where(account.c.id.in_(account_ids))
    return dict(connection.execute(wanted).tuples().all())
