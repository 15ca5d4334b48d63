"""Bringing the junk words, and history where it was put off, up to what the owner said: what the job `learn` does.

The words of a message are counted and `arrival.trained` is set in one transaction, by what the row says inside it:
after a crash, or beside a second worker, nothing is counted twice, and nothing is forgotten. Contents never change, so
they are read, and their words are found, before that transaction.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, Select, bindparam, func, select, tuple_

from mail.errors import StorageFault
from mail.store import arrival_rows, history
from mail.store.junk_words import Counted
from mail.store.rows import plain
from mail.store.schema import account, arrival, blob, blob_content

# What is read of one message: its texts stand before what is larger, as a rule.
OCTETS_MAX = 4 << 20
# A transaction counts about so many words: all who write wait for it.
WORDS_AT_ONCE = 2000
CONTENTS_AT_ONCE = 100

# The words of a message, as the numbers `mail.store.junk_words` counts. Must not raise, whatever the octets.
Hashes = Callable[[bytes], Sequence[int]]
Words = dict[str, Sequence[int]]


class Blobs(Protocol):
    """What is needed of `mail.store.blobs.BlobStore`."""

    def read_start(self, folder: str, blob_id: str, most: int) -> bytes: ...


class Content(NamedTuple):
    """Where the octets of a message are that something is to be learnt of."""

    account_id: int
    blob_id: str
    folder: str
    # None: in the file.
    octets: bytes | None


CONTENTS = (
    select(arrival.c.account_id, arrival.c.blob_id, blob.c.folder, blob_content.c.octets)
    .join_from(arrival, blob, blob.c.id == arrival.c.blob_id)
    .outerjoin(blob_content, blob_content.c.blob_id == blob.c.id)
    .where(tuple_(arrival.c.account_id, arrival.c.blob_id) > tuple_(bindparam("account_id"), bindparam("blob_id")))
    .order_by(arrival.c.account_id, arrival.c.blob_id)
    .limit(CONTENTS_AT_ONCE)
)
PENDING = CONTENTS.where(arrival.c.pending)


def load(connection: Connection, wanted: Select[tuple[int, str, str, bytes]], after: tuple[int, str]) -> list[Content]:
    """The next contents of `wanted`, which is CONTENTS or less of it, behind (account, blob id)."""
    found = plain(connection.execute(wanted, {"account_id": after[0], "blob_id": after[1]})).fetchall()
    return [Content(*values) for values in found]


def pending_count(connection: Connection, account_id: int) -> int:
    """Of how many messages of an account something is still to be learnt."""
    wanted = select(func.count()).where(arrival.c.account_id == account_id, arrival.c.pending)
    return int(connection.execute(wanted).scalar_one())


class Reader:
    """Reads contents and finds their words. `unreadable`: blobs that could not be had; `mailctl verify` names them."""

    def __init__(self, blobs: Blobs, hashes: Hashes) -> None:
        self._blobs = blobs
        self._hashes = hashes
        self.unreadable: list[str] = []

    def batches(self, contents: Iterable[Content]) -> Iterator[tuple[int, Words]]:
        """(account, words by blob), each for one transaction."""
        account_id, words, found = 0, 0, Words()
        for one in contents:
            if found and (one.account_id != account_id or words >= WORDS_AT_ONCE):
                yield account_id, found
                words, found = 0, Words()
            account_id = one.account_id
            try:
                octets = one.octets if one.octets is not None else self._read(one)
            except StorageFault:
                self.unreadable.append(one.blob_id)
                continue
            found[one.blob_id] = self._hashes(octets)
            words += len(found[one.blob_id])
        if found:
            yield account_id, found

    def _read(self, one: Content) -> bytes:
        return self._blobs.read_start(one.folder, one.blob_id, OCTETS_MAX)


def lock(tx: Connection, account_id: int) -> bool:
    """Let this account change in this transaction alone, as `Changes.account` does. False: it is gone."""
    return tx.execute(select(account.c.id).where(account.c.id == account_id).with_for_update()).first() is not None


def train(tx: Connection, account_id: int, words: Mapping[str, Sequence[int]]) -> int:
    """Learn what is still to be learnt of these blobs; returns of how many."""
    if not lock(tx, account_id):
        return 0
    rows = arrival_rows.load(tx, account_id, words, pending=True)
    counted = Counted()
    for row in rows:
        counted.move(words[row.blob_id], row.trained, row.now)
        row.trained = row.now
    counted.write(tx, account_id)
    history.file(tx, account_id, arrival_rows.refiled(rows))
    arrival_rows.write(tx, account_id, rows)
    return len(rows)
