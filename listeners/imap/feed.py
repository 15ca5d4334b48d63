"""What other sessions and processes changed, brought to the sessions that have it selected.

1. An event is a hint: it names a mailbox, and what happened there is read from the store. However many come while one
   reading runs, there is one more reading after it; so nothing is queued for a session but the fact that it is behind.
2. Sessions in IDLE are told at once; the others at their next command.
3. Accounts are followed while a session watches one of their mailboxes, and a minute longer. The modseq of those that
   are not heard of, because Redis is gone or has not answered yet, is read once a second.
4. A session that does not read its socket is skipped, and told the sum when it reads again.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from sqlalchemy import Connection

from listeners.imap.indexes import Indexes, Key
from listeners.serve import in_thread
from mail.errors import MailError
from mail.events import Event
from mail.imap.index import Index
from mail.log import Log
from mail.store import messages

POLL_SECONDS = 1.0
LINGER_ROUNDS = 60
# Sessions told before other work on the loop gets its turn.
TOLD_AT_ONCE = 50


class Watcher(Protocol):
    """A session that has a mailbox selected."""

    idling: str

    def knows(self, index: Index) -> bool: ...
    def announce_idle(self, index: Index | None) -> None: ...


class Following(Protocol):
    """`mail.bus.AsyncBus`."""

    @property
    def followed(self) -> frozenset[int]: ...
    def hears(self, account_id: int) -> bool: ...
    def follow(self, account_id: int) -> None: ...
    def unfollow(self, account_ids: Iterable[int]) -> None: ...


class Feed:
    """`reading(work, *arguments)` runs `work(connection, *arguments)` in a read transaction of the calling thread."""

    def __init__(self, indexes: Indexes, reading: Callable[..., Any], following: Following, log: Log) -> None:
        self._indexes = indexes
        self._reading = reading
        self._following = following
        self._log = log
        self._watchers: dict[Key, set[Watcher]] = {}
        self._stale: set[Key] = set()
        self._task: asyncio.Task[None] | None = None
        self._known: dict[int, int] = {}  # account modseqs at the last poll

    def watch(self, key: Key, session: Watcher) -> None:
        self._watchers.setdefault(key, set()).add(session)
        self._following.follow(key[0])

    def unwatch(self, key: Key, session: Watcher) -> None:
        watchers = self._watchers.get(key)
        if watchers is not None:
            watchers.discard(session)
            if not watchers:
                del self._watchers[key]

    def stale(self, key: Key) -> bool:
        """The process's index of this mailbox may be old."""
        return key in self._stale or not self._following.hears(key[0])

    def on_hearing(self, account_id: int) -> None:
        """From now on it is told what happens to the account. What happened before was not heard."""
        self.look([key for key in self._watchers if key[0] == account_id])

    def on_events(self, account_id: int, events: Iterable[Event]) -> None:
        keys = []
        for event in events:
            key = (account_id, event.mailbox_id)
            if key not in self._watchers or key in self._stale:
                continue
            index = self._indexes.current(key)
            # Our own change, already read: only those who idle beside have to hear.
            if index is None or index.modseq < event.modseq or not self._all_told(key, index):
                keys.append(key)
        self.look(keys)

    def look(self, keys: Iterable[Key]) -> None:
        """Read these mailboxes soon, and tell who idles there."""
        self._stale.update(key for key in keys if key in self._watchers)
        if self._stale and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._read_and_tell())

    def tell(self, key: Key) -> None:
        """This process itself changed the mailbox and its index is read: tell who idles there."""
        index = self._indexes.current(key)
        if index is not None and len(self._watchers.get(key, ())) > 1 and not self._all_told(key, index):
            self.look([key])

    def _all_told(self, key: Key, index: Index) -> bool:
        return all(session.knows(index) for session in self._watchers.get(key, ()) if session.idling)

    async def _read_and_tell(self) -> None:
        try:
            while self._stale:
                keys, self._stale = list(self._stale), set()
                for key, index in (await in_thread(self._reading, self._read, keys)).items():
                    await self._tell_watchers(key, index)
        except MailError as error:
            self._log.warning("imap-feed-failed", exc=error)
        finally:
            self._task = None

    def _read(self, connection: Connection, keys: list[Key]) -> dict[Key, Index | None]:
        return {key: self._indexes.refresh(connection, *key) for key in keys}

    async def _tell_watchers(self, key: Key, index: Index | None) -> None:
        told = 0
        for session in list(self._watchers.get(key, ())):
            if session.idling:
                session.announce_idle(index)
                told += 1
                if told % TOLD_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def poll(self) -> None:
        """Runs for ever: looks where nothing is heard, and lets go of accounts that nobody watched for a while."""
        unwatched: frozenset[int] = frozenset()
        rounds = 0
        while True:
            await asyncio.sleep(POLL_SECONDS)
            rounds += 1
            watched = {account_id for account_id, _ in self._watchers}
            if rounds % LINGER_ROUNDS == 0:
                idle = self._following.followed - watched
                self._following.unfollow(idle & unwatched)
                unwatched = idle
            await self._look_at([one for one in sorted(watched) if not self._following.hears(one)])

    async def _look_at(self, accounts: list[int]) -> None:
        """Read the watched mailboxes of those whose modseq has moved since the last time."""
        if not accounts:
            return
        try:
            found = await in_thread(self._reading, messages.modseqs, accounts)
        except MailError as error:
            self._log.warning("imap-poll-failed", exc=error)
            return
        moved = {account_id for account_id, modseq in found.items() if self._known.get(account_id) != modseq}
        self._known = found
        self.look([key for key in self._watchers if key[0] in moved])
