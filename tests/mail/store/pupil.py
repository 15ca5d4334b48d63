"""An account that learns: messages come, are flagged and moved, and the job counts their words."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import func, select

from mail.imap.summary import summarize
from mail.store import arrivals, junk_words, message_changes, training
from mail.store.arrivals import Append, Appended, Delivery, LocalRecipient
from mail.store.blob_rows import BlobRow
from mail.store.history import Past, load_history
from mail.store.junk_words import Totals
from mail.store.messages import IndexRow, index
from mail.store.rows import ArrivalRow
from mail.store.schema import arrival
from mail.store.training import Reader
from tests.mail.store.blobs_in_rows import NoFiles
from tests.mail.store.test_changes import World

RECEIVED = 1000
KEY = 7


def hashes(octets: bytes) -> list[int]:
    """The words of a body, as numbers."""
    return [number(word) for word in octets.partition(b"\r\n\r\n")[2].split()]


def number(word: bytes) -> int:
    return int.from_bytes(hashlib.sha256(word).digest()[:8], signed=True)


class RowsOnly(NoFiles):
    def read_start(self, folder: str, blob_id: str, most: int) -> bytes:
        raise AssertionError("what is small lies in rows")


class Pupil(World):
    """Mailboxes are named, messages are told by their UIDs."""

    def _written(self, text: str) -> tuple[BlobRow, bytes]:
        self._blobs += 1
        octets = f"Subject: x\r\nTo: Bob <bob@mail.b.example>\r\n\r\n{text}\r\n".encode()
        # The 64 bits that history keeps are the first ones.
        blob_id = f"{self._blobs:016x}{'0' * 16}"
        return BlobRow(blob_id, "", len(octets), hashlib.sha256(octets).digest(), 1, octets), octets

    def deliver(
        self, text: str, name: str = "Inbox", *, keys: Sequence[int] = (KEY,), flags: int = 0, rejected: bool = False
    ) -> int:
        """Filed under `keys`, and received one millisecond after the one before."""
        row, octets = self._written(text)
        came = ArrivalRow("Inbox", RECEIVED + self._blobs, tuple(keys), 5, rejected)
        recipient = LocalRecipient("ann@a.example", self.account, name, b"", flags, came)
        with self.change() as state:
            delivery = Delivery(row, summarize(octets), "c", "", RECEIVED, (recipient,))
            (placed,) = arrivals.deliver(state.changes, delivery)
        return placed.uid

    def append(self, text: str, name: str = "Inbox", flags: int = 0) -> int:
        row, octets = self._written(text)
        with self.change() as state:
            appended = Append(self.account, name, (Appended(row, summarize(octets), RECEIVED, flags),))
            (uid,) = arrivals.append(state.changes, appended)[2]
        return uid

    def flag(self, name: str, *uids: int, add: int = 0, remove: int = 0) -> None:
        with self.change() as state:
            message_changes.store_flags(state, self.mailbox(name).id, uids, add=add, remove=remove)

    def move(self, source: str, target: str, *uids: int) -> list[int]:
        with self.change() as state:
            moved = message_changes.move(state, self.mailbox(source).id, uids, self.mailbox(target).id)
        return [new for _, new in moved]

    def copy(self, source: str, target: str, *uids: int) -> list[int]:
        with self.change() as state:
            copied = message_changes.copy(state, self.mailbox(source).id, uids, self.mailbox(target).id)
        return [new for _, new in copied]

    def expunge(self, name: str, *uids: int) -> None:
        with self.change() as state:
            message_changes.expunge(state, self.mailbox(name).id, uids)

    def rows(self, name: str) -> list[IndexRow]:
        with self.store.read() as connection:
            return [IndexRow(*row) for row in index(connection, self.account, self.mailbox(name).id)]

    def flags(self, name: str, uid: int) -> int:
        return {row.uid: row.flags for row in self.rows(name)}[uid]

    def learn(self) -> int:
        """The job, once; returns of how many messages it learnt."""
        with self.store.read() as connection:
            contents = training.load(connection, training.PENDING, (0, ""))
        done = 0
        for account_id, words in Reader(RowsOnly(), hashes).batches(contents):
            with self.store.write() as tx:
                done += training.train(tx, account_id, words)
        return done

    def totals(self) -> Totals:
        with self.store.read() as connection:
            return junk_words.totals(connection, self.account)

    def word(self, word: str) -> tuple[int, int]:
        """(ham, spam)"""
        wanted = number(word.encode())
        with self.store.read() as connection:
            return junk_words.counts(connection, self.account, [wanted]).get(wanted, (0, 0))

    def history(self, key: int = KEY) -> list[Past]:
        with self.store.read() as connection:
            return load_history(connection, self.account, [key]).get(key, [])

    def arrivals(self) -> int:
        """How many rows there are."""
        with self.store.read() as connection:
            return int(connection.execute(select(func.count()).select_from(arrival)).scalar_one())
