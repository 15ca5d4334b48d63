"""Whether everything the store promises is so (security §3.8): each invariant is counted again from the rows.

`findings` gives violations: each is damage or a fault of ours. `strays` gives litter: files no row names, which a crash
leaves behind and the sweep removes; they are no damage.

Checks run on one snapshot beside a working bundle. Files are looked at later than the rows that name them, so a file
that is missing counts only if its row is still there afterwards.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, select, text

from mail.errors import MailError
from mail.store.engine import Store
from mail.store.invariants import FUNCTIONS, RULES
from mail.store.revision import NEWEST, revision_of
from mail.store.schema import blob, blob_content, metadata

READ_OCTETS = 1 << 20
BLOBS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    kind: str
    subject: str
    what: str


class Blobs(Protocol):
    """What is needed of `mail.store.blobs.BlobStore`."""

    def open(self, folder: str, blob_id: str) -> int: ...

    def stored(self) -> Iterator[tuple[str, str]]: ...


def findings(store: Store, blobs: Blobs, *, hashes: bool = True) -> Iterator[Finding]:
    """Every violation. With `hashes` each blob is read whole; without, its file must be there with its size."""
    with store.read() as connection:
        revision = revision_of(connection)
        if revision != NEWEST:
            yield Finding("schema", "revision", f"{revision}, this release has {NEWEST}")
            return
        for check in (_integrity, _foreign_keys, _schema, _rules):
            yield from check(connection)
    yield from _blob_files(store, blobs, hashes)


def strays(store: Store, blobs: Blobs) -> Iterator[Finding]:
    """Files that no row names."""
    with store.read() as connection:
        known = set(connection.execute(select(blob.c.folder, blob.c.id)))
    suspects = [place for place in blobs.stored() if place not in known]
    # A message that arrived since has its row by now.
    with store.read() as connection:
        for folder, blob_id in suspects:
            if not _still_named(connection, folder, blob_id):
                yield Finding("blob-stray", f"{folder}/{blob_id}", "no row names this file")


def _still_named(connection: Connection, folder: str, blob_id: str) -> bool:
    wanted = select(blob.c.id).where(blob.c.id == blob_id, blob.c.folder == folder)
    return connection.execute(wanted).first() is not None


def _integrity(connection: Connection) -> Iterator[Finding]:
    """The pages of the file itself. PostgreSQL has no such question to ask (its pages carry checksums)."""
    if connection.dialect.name == "sqlite":
        for (what,) in connection.exec_driver_sql("PRAGMA integrity_check"):
            if what != "ok":
                yield Finding("integrity", "core.db", str(what))


def _foreign_keys(connection: Connection) -> Iterator[Finding]:
    if connection.dialect.name == "sqlite":
        for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
            yield Finding("foreign-key", f"{table} row {row}", f"names a {parent} that is not there")


def _schema(connection: Connection) -> Iterator[Finding]:
    """Tables, columns and indexes as this release writes them."""
    context = MigrationContext.configure(connection, opts={"compare_type": False})
    with warnings.catch_warnings():
        # Indexes on expressions: SQLite does not tell them, so they cannot be compared.
        warnings.filterwarnings("ignore", message=".*expression-based index")
        differences = compare_metadata(context, metadata)
    for difference in differences:
        yield Finding("schema", str(difference[0]), " ".join(map(str, difference[1:])))


def _rules(connection: Connection) -> Iterator[Finding]:
    for rule in RULES:
        for subject, what in connection.execute(text(rule.statement)):
            yield Finding(rule.kind, str(subject), rule.words.format(what))
    for function in FUNCTIONS:
        yield from (Finding(*found) for found in function(connection))


def _blob_files(store: Store, blobs: Blobs, hashes: bool) -> Iterator[Finding]:
    check: Callable[[Blobs, Any], Finding | None] = _hashed if hashes else _measured
    after = ""
    while True:
        wanted = (
            select(blob.c.id, blob.c.folder, blob.c.size, blob.c.sha256, blob_content.c.octets)
            .join_from(blob, blob_content, blob_content.c.blob_id == blob.c.id, isouter=True)
            .where(blob.c.id > after)
            .order_by(blob.c.id)
            .limit(BLOBS_AT_ONCE)
        )
        with store.read() as connection:
            rows = connection.execute(wanted).all()
        if not rows:
            return
        wrong = [(row, finding) for row in rows if (finding := check(blobs, row))]
        with store.read() as connection:
            yield from (finding for row, finding in wrong if _still_named(connection, row.folder, row.id))
        after = rows[-1].id


def _in_row(row: Any, *, hashed: bool) -> Finding | None:
    """A small blob: its content lies beside its row, and nowhere else."""
    if row.octets is None:
        return Finding("blob-missing", row.id, "the row says that the content is in the database, and it is not")
    if row.folder:
        return Finding("blob-twice", row.id, "the content is in the database and in a file")
    if len(row.octets) != row.size:
        return Finding("blob-size", row.id, f"{len(row.octets)} octets, its row says {row.size}")
    if hashed and hashlib.sha256(row.octets).digest() != row.sha256:
        return Finding("blob-hash", row.id, f"its row says SHA-256 {row.sha256.hex()}")
    return None


def _measured(blobs: Blobs, row: Any) -> Finding | None:
    if not row.folder or row.octets is not None:
        return _in_row(row, hashed=False)
    subject = f"{row.folder}/{row.id}"
    try:
        descriptor = blobs.open(row.folder, row.id)
    except (MailError, OSError) as error:
        return Finding("blob-missing", subject, str(error))
    try:
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    return None if size == row.size else Finding("blob-size", subject, f"{size} octets, its row says {row.size}")


def _hashed(blobs: Blobs, row: Any) -> Finding | None:
    if not row.folder or row.octets is not None:
        return _in_row(row, hashed=True)
    wrong = _measured(blobs, row)
    if wrong is not None:
        return wrong
    subject = f"{row.folder}/{row.id}"
    try:
        with open(blobs.open(row.folder, row.id), "rb", buffering=0) as file:
            found = hashlib.sha256()
            while octets := file.read(READ_OCTETS):
                found.update(octets)
    except (MailError, OSError) as error:
        return Finding("blob-unreadable", subject, str(error))
    if found.digest() != row.sha256:
        return Finding("blob-hash", subject, f"SHA-256 {found.hexdigest()}, its row says {row.sha256.hex()}")
    return None
