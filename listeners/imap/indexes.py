"""The process's one cache of mailbox indexes, brought up to date by modseq.

Sessions of one mailbox share one `Index`. The store decides: `refresh` reads the mailbox's HIGHESTMODSEQ and then only
what changed since. Methods that take a connection run in a store thread; the others are safe anywhere.
"""

from collections import OrderedDict
from threading import Lock

from sqlalchemy import Connection

from mail.imap.index import Index, Stand, advanced, loaded
from mail.store import mailboxes, messages

Key = tuple[int, int]  # account, mailbox

# About 50 octets a row: 20 MB at most.
MOST_ROWS = 400_000


class Indexes:
    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._entries: OrderedDict[Key, Index] = OrderedDict()
        self._most_rows = most_rows
        self._rows = 0
        self._lock = Lock()

    def current(self, key: Key) -> Index | None:
        """The newest state this process has seen."""
        with self._lock:
            index = self._entries.get(key)
            if index is not None:
                self._entries.move_to_end(key)
            return index

    def refresh(self, connection: Connection, account_id: int, mailbox_id: int) -> Index | None:
        """The state of this transaction, or a newer one. None: the mailbox is gone."""
        key = (account_id, mailbox_id)
        row = mailboxes.get_mailbox(connection, account_id, mailbox_id)
        if row is None:
            self.forget(key)
            return None
        old = self.current(key)
        if old is not None and old.uidvalidity == row.uidvalidity and old.modseq >= row.highestmodseq:
            return old
        stand = Stand(
            row.highestmodseq, row.uidvalidity, row.uidnext, mailboxes.keywords(connection, account_id, mailbox_id)
        )
        new = None
        # Older expunges are no longer listed one by one, so only a full read is exact.
        if old is not None and old.uidvalidity == row.uidvalidity and old.modseq >= row.vanished_floor:
            rows = messages.index(connection, account_id, mailbox_id, old.modseq)
            new = advanced(old, rows, messages.vanished_uids(connection, account_id, mailbox_id, old.modseq), stand)
        if new is None:
            new = loaded(messages.index(connection, account_id, mailbox_id), stand)
        return self._keep(key, new)

    def forget(self, key: Key) -> None:
        with self._lock:
            index = self._entries.pop(key, None)
            if index is not None:
                self._rows -= len(index)

    def _keep(self, key: Key, new: Index) -> Index:
        with self._lock:
            old = self._entries.get(key)
            # Two threads may read at once; what a session has seen never goes back.
            if old is not None and old.uidvalidity == new.uidvalidity and old.modseq > new.modseq:
                return old
            if old is not None:
                self._rows -= len(old)
            self._entries[key] = new
            self._entries.move_to_end(key)
            self._rows += len(new)
            while self._rows > self._most_rows and len(self._entries) > 1:
                _, dropped = self._entries.popitem(last=False)
                self._rows -= len(dropped)
            return new
