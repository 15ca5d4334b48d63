"""What all IMAP connections of one process share: the store, the cache of indexes, the change feed, the deadlines."""

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from listeners.imap.connection import Connection
from listeners.imap.feed import Feed, Following
from listeners.imap.indexes import Indexes, Key
from mail.bus import Bus
from mail.log import Log
from mail.metrics import Metrics
from mail.now import Clock
from mail.rpc import Client
from mail.store.blobs import BlobStore
from mail.store.changes import changing
from mail.store.engine import Store

T = TypeVar("T")

TICK_SECONDS = 1.0
STALL_SECONDS = 0.2

# Security §3.10: reconnecting clients must not come all at once.
DRAIN_SECONDS = 10.0
DRAIN_SECONDS_EACH = 0.02
# A running command may finish; then we close whatever it does.
DRAIN_GRACE = 15.0


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the host decides about this listener."""

    hostname: str
    version: str
    max_message_bytes: int
    plaintext_login: bool
    tls: ssl.SSLContext | None


class Service:
    def __init__(
        self,
        *,
        terms: Terms,
        store: Store,
        blobs: BlobStore,
        bus: Bus,
        keeper: Client,
        auth: Client,
        clock: Clock,
        following: Following,
        log: Log,
        metrics: Metrics,
    ) -> None:
        self.terms = terms
        self.store = store
        self.blobs = blobs
        self.bus = bus
        self.keeper = keeper
        self.auth = auth
        self.clock = clock
        self.log = log
        self.indexes = Indexes()
        self.feed = Feed(self.indexes, self.reading, following, log)
        self.connections: set[Connection] = set()
        self.draining = False
        self.open_connections = metrics.gauge("mailstead_imap_connections", "Open IMAP connections.")
        self.commands = metrics.counter(
            "mailstead_imap_commands_total", "IMAP commands by outcome.", ("verb", "status")
        )
        self.logins = metrics.counter("mailstead_imap_logins_total", "IMAP logins by outcome.", ("result",))
        self.failures = metrics.counter("mailstead_imap_failures_total", "Conversations that ended by our fault.")

    # In a store thread.

    def reading(self, work: Callable[..., T], *arguments: Any) -> T:
        """`work(connection, *arguments)` inside one snapshot."""
        with self.store.read() as connection:
            return work(connection, *arguments)

    def changing(self, key: Key | None, work: Callable[..., T], *arguments: Any) -> T:
        """`work(changes, *arguments)` inside one transaction; then the index of `key` is read anew."""
        with changing(self.store, self.bus, clock=self.clock) as changes:
            result = work(changes, *arguments)
        if key is not None:
            with self.store.read() as connection:
                self.indexes.refresh(connection, *key)
        return result

    # On the loop.

    def opened(self, connection: Connection) -> None:
        self.connections.add(connection)
        self.open_connections.inc()

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self.open_connections.dec()

    async def keep_time(self) -> None:
        """The one timer of all connections."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            if now - before - TICK_SECONDS > STALL_SECONDS:
                # Security EX-9: something kept the loop from its work.
                self.log.warning("imap-loop-stalled", ms=int(1000 * (now - before - TICK_SECONDS)))
            before = now
            for connection in [connection for connection in self.connections if connection.deadline < now]:
                if connection.conversation is not None:
                    connection.conversation.expired()

    async def drain(self) -> None:
        """Say BYE to everyone, spread out; running commands finish first."""
        loop = asyncio.get_running_loop()
        self.draining = True
        begun = loop.time()
        spread = min(DRAIN_SECONDS, DRAIN_SECONDS_EACH * len(self.connections))
        turns = sorted((random.uniform(0, spread), number) for number in range(len(self.connections)))
        for (moment, _), connection in zip(turns, list(self.connections), strict=True):
            await asyncio.sleep(max(0.0, begun + moment - loop.time()))
            if connection.conversation is not None:
                connection.conversation.drain()
        deadline = loop.time() + DRAIN_GRACE
        while self.connections and loop.time() < deadline:
            await asyncio.sleep(0.05)
        for connection in list(self.connections):
            connection.abort()
