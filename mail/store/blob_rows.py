"""The rows beside the blob files. A row is committed after its file is durable, removed before it (rule b)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select

from mail.imap.summary import Summary
from mail.store.blobs import Staged
from mail.store.schema import blob, blob_content, message, queue_message

_ADD = insert(blob)


@dataclass(frozen=True, slots=True)
class BlobRow:
    id: str
    folder: str
    size: int
    sha256: bytes
    created_at: int
    # The content of one that lies in its row; `folder` is empty then.
    octets: bytes | None = None

    @classmethod
    def of(cls, staged: Staged, now: int) -> "BlobRow":
        return cls(staged.id, staged.folder, staged.size, staged.sha256, now, staged.octets)


def blob_values(row: BlobRow, summary: Summary) -> dict[str, Any]:
    """The values of one row for `add`."""
    return {
        "id": row.id,
        "folder": row.folder,
        "size": row.size,
        "sha256": row.sha256,
        "created_at": row.created_at,
        "envelope": summary.envelope,
        "bodystructure": summary.bodystructure,
        "structure": summary.structure,
        "subject": summary.subject,
        "sender": summary.sender,
        "recipients": summary.recipients,
        "cc": summary.cc,
        "bcc": summary.bcc,
        "message_id": summary.message_id,
        "sent_at": summary.sent_at,
        "sent_day": summary.sent_day,
    }


def add(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        tx.execute(_ADD, list(rows))


def known(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Which of these blobs have a row."""
    return set(connection.execute(select(blob.c.id).where(blob.c.id.in_(list(ids)))).scalars())


def contents(connection: Connection, ids: Sequence[str]) -> dict[str, bytes]:
    """The octets of those that lie in their rows."""
    wanted = select(blob_content.c.blob_id, blob_content.c.octets).where(blob_content.c.blob_id.in_(list(ids)))
    return dict(connection.execute(wanted).all())


def unreferenced(connection: Connection, before: int, most: int = 200) -> list[BlobRow]:
    """Blobs older than `before` that no message and no queue row names."""
    wanted = (
        select(blob.c.id, blob.c.folder, blob.c.size, blob.c.sha256, blob.c.created_at)
        .where(
            blob.c.created_at < before,
            ~exists().where(message.c.blob_id == blob.c.id),
            ~exists().where(queue_message.c.blob_id == blob.c.id),
        )
        .limit(most)
    )
    return [BlobRow(*values) for values in connection.execute(wanted)]


def remove(tx: Connection, ids: Sequence[str]) -> list[str]:
    """Remove rows that are still unreferenced; returns those removed, whose files may go after the commit."""
    # The content goes with its row (ON DELETE CASCADE).
    wanted = (
        delete(blob)
        .where(
            blob.c.id.in_(list(ids)),
            ~exists().where(message.c.blob_id == blob.c.id),
            ~exists().where(queue_message.c.blob_id == blob.c.id),
        )
        .returning(blob.c.id)
    )
    return list(tx.execute(wanted).scalars())
