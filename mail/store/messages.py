"""Reading the messages of a mailbox: the index every session works from, and what FETCH and SEARCH need beside it."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from mail.errors import Bug
from mail.store.rows import is_one_of, many, plain, storable
from mail.store.schema import account, blob, blob_content, message, vanished


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
    # The blob itself where it is small; None: open `folder`/`blob_id` with `mail.store.blobs`.
    octets: bytes | None


class Stored(NamedTuple):
    """A message that an account has, wherever: the blob alone, without what was put before it."""

    account_id: int
    blob_id: str
    folder: str
    # As in `Content`.
    octets: bytes | None


_INDEX = select(
    message.c.uid,
    message.c.modseq,
    message.c.flags,
    message.c.keywords,
    message.c.received_at,
    message.c.saved_at,
    message.c.size,
    message.c.blob_id,
).where(message.c.account_id == bindparam("account_id"), message.c.mailbox_id == bindparam("mailbox_id"))
_INDEX_BY_UID = _INDEX.order_by(message.c.uid)
# Not ordered here: the planner would walk the whole mailbox by UID rather than the few rows by modseq.
_INDEX_SINCE = _INDEX.where(message.c.modseq > bindparam("since_modseq"))
TEXT_COLUMNS = ("subject", "sender", "recipients", "cc", "bcc")


def index(connection: Connection, account_id: int, mailbox_id: int, since_modseq: int = 0) -> list[Any]:
    """Rows in `IndexRow` order as plain tuples, by UID; with `since_modseq`, those changed after it."""
    values = {"account_id": account_id, "mailbox_id": mailbox_id, "since_modseq": since_modseq}
    rows = list(plain(connection.execute(_INDEX_SINCE if since_modseq else _INDEX_BY_UID, values)).fetchall())
    return sorted(rows) if since_modseq else rows


def _of_mailbox(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int] | None, *columns: Any
) -> Any:
    """`columns` of each message and its blob, by UID; of all messages when `uids` is None."""
    wanted = (
        select(message.c.uid, *columns)
        .join_from(message, blob, message.c.blob_id == blob.c.id)
        .where(message.c.account_id == account_id, message.c.mailbox_id == mailbox_id)
        .order_by(message.c.uid)
    )
    if blob_content.c.octets in columns:
        wanted = wanted.outerjoin(blob_content, blob_content.c.blob_id == blob.c.id)
    if uids is None:
        return plain(connection.execute(wanted))
    among = is_one_of(connection, message.c.uid, "uids")
    return plain(connection.execute(wanted.where(among), {"uids": many(connection, uids)}))


def summaries(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int] | None
) -> Iterator[tuple[int, bytes, bytes]]:
    """(uid, ENVELOPE text, BODYSTRUCTURE text) by UID; all messages when `uids` is None."""
    yield from _of_mailbox(connection, account_id, mailbox_id, uids, blob.c.envelope, blob.c.bodystructure)


def contents(connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int]) -> Iterator[Content]:
    """Where the octets of each message are, by UID."""
    columns = (message.c.prefix, blob.c.id, blob.c.folder, blob.c.size, blob.c.structure, blob_content.c.octets)
    yield from map(Content._make, _of_mailbox(connection, account_id, mailbox_id, uids, *columns))


def stored(
    connection: Connection, *, message_id: str = "", blob_id: str = "", account_id: int | None = None
) -> list[Stored]:
    """Those of any account, or of one, with that Message-ID (without angle brackets) or blob, newest first."""
    which = blob.c.message_id == storable(message_id) if message_id else blob.c.id == blob_id
    wanted = (
        select(message.c.account_id, blob.c.id, blob.c.folder, blob_content.c.octets, blob.c.created_at)
        .join_from(blob, message, message.c.blob_id == blob.c.id)
        .outerjoin(blob_content, blob_content.c.blob_id == blob.c.id)
        .where(which)
        .distinct()
        .order_by(blob.c.created_at.desc(), blob.c.id, message.c.account_id)
    )
    if account_id is not None:
        wanted = wanted.where(message.c.account_id == account_id)
    return [Stored(*row[:-1]) for row in connection.execute(wanted)]


def search_texts(connection: Connection, account_id: int, mailbox_id: int, text_column: str, needle: str) -> set[int]:
    """UIDs whose stored text (one of TEXT_COLUMNS, case-folded) contains `needle`, folded by the caller."""
    if text_column not in TEXT_COLUMNS:
        raise Bug(f"no stored text {text_column}")
    if storable(needle) != needle:
        return set()
    # Not LIKE: that folds case again, has wildcards, and a limit on the length of its pattern.
    place = func.instr if connection.dialect.name == "sqlite" else func.strpos
    wanted = (
        select(message.c.uid)
        .join_from(message, blob, message.c.blob_id == blob.c.id)
        .where(
            message.c.account_id == account_id,
            message.c.mailbox_id == mailbox_id,
            place(blob.c[text_column], needle) > 0,
        )
    )
    return {uid for (uid,) in plain(connection.execute(wanted))}


def sent_days(connection: Connection, account_id: int, mailbox_id: int) -> list[tuple[int, int | None]]:
    """(uid, days since 1970 of the Date field as it is written, or None)."""
    return list(_of_mailbox(connection, account_id, mailbox_id, None, blob.c.sent_day))


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
    return [uid for (uid,) in plain(connection.execute(wanted))]


def modseqs(connection: Connection, account_ids: Sequence[int]) -> dict[int, int]:
    """The highest modseq of each account: what a listener polls when the bus is down."""
    wanted = select(account.c.id, account.c.modseq).where(is_one_of(connection, account.c.id, "ids"))
    return dict(plain(connection.execute(wanted, {"ids": many(connection, account_ids)})).fetchall())
