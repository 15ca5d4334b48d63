"""The whole way of a message without processes: a store, the keeper's own verbs, and what the delivery worker needs.

The keeper runs in this process, on the clock of the test; the network is a sink on loopback.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from listeners.keeper.committer import Committer
from listeners.keeper.crash import CrashPoints
from listeners.keeper.local_mail import LocalMail
from listeners.keeper.tables import RoutingTables
from listeners.keeper.verbs import Verbs
from listeners.rpc import Request
from mail import srs
from mail.deliver.dial import Dialer, verifying_context
from mail.deliver.hosts import Finder
from mail.deliver.plan import Routes
from mail.deliver.sts import StsPolicies
from mail.dns.fake import FakeResolver
from mail.dns.resolver import Resolver
from mail.errors import Unavailable
from mail.fetch import Fetcher
from mail.imap.summary import summarize
from mail.log import Log
from mail.metrics import Metrics
from mail.now import SetClock
from mail.sasl import tickets
from mail.smtp.client import Timers
from mail.store import accounts, mailboxes, messages, queue_admin, send_limits
from mail.store.blobs import BlobWriter
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.queue_admin import QueuedRow
from workers.dispatch import Dispatcher
from workers.leases import Lease, Reaper
from workers.services import Services
from workers.sts import StoredPolicies
from workers.wakeups import Wakeups

KEY = b"k" * 32
DAY_MS = 86_400_000
CONTENT = b"From: a@us.test\r\nTo: b@them.test\r\nSubject: hello\r\nMessage-ID: <1@us.test>\r\n\r\n.body\r\n"
QUICK = Timers(connect=1, greeting=1, command=1, data_start=1, data_block=1, data_end=1, handshake=1)


class Room:
    """A disk that is never full."""

    def check(self, size: int) -> None:
        pass

    def has(self, size: int) -> bool:
        return True


class PostOffice:
    """`call` is the keeper's client; `down` makes it unreachable; `calls` counts its verbs."""

    def __init__(self, store: Store, folder: Path, clock: SetClock, log: Log) -> None:
        self.store = store
        self.clock = clock
        self.log = log
        self.folder = folder
        self.blobs = BlobWriter(folder / "blobs")
        self.blobs.prepare()
        self.metrics = Metrics()
        self.down = False
        self.calls: list[str] = []
        self.committer = Committer(store, self.blobs, self, clock=clock, log=log, crash=CrashPoints({}))
        with changing(store, None, clock=clock) as changes:
            accounts.add_domain(changes.tx, "us.test", changes.now)
            self.account_id = accounts.add_account(changes, "a")
            # Tests of the queue send as much as they like.
            send_limits.change_limits(
                changes.tx,
                self.account_id,
                max_outgoing_messages_per_day=10**9,
                max_first_time_recipients_per_day=10**9,
            )
            accounts.add_address(changes.tx, "a@us.test", self.account_id, changes.now)
        self.tables = tables = RoutingTables(
            store, folder / "routing/routing.json", default_account="", hostname="mx.us.test", log=log
        )
        tables.reload()
        verbs = Verbs(
            self.committer,
            lambda: tables.current,
            Room(),  # type: ignore[arg-type]
            clock=clock,
            ticket_key=KEY,
            give_up_ms=5 * DAY_MS,
            max_message_bytes=100 << 20,
            submissions=self.metrics.counter("submission_total", "", ("result",)),
        )
        local_mail = LocalMail(
            verbs.commit, verbs.contents, tables, srs_key=b"s" * srs.KEY_OCTETS, give_up_ms=5 * DAY_MS
        )
        self._verbs = {**verbs.table(), "deliver": local_mail.deliver}

    def publish(self, happened: object, *, wake: object = ()) -> None:
        """The bus: nobody listens here."""

    async def call(self, verb: str, args: dict[str, Any], fds: Sequence[int] = ()) -> dict[str, Any]:
        self.calls.append(verb)
        if self.down:
            raise Unavailable("the keeper is down")
        # As it would come over the socket: nothing of ours is shared.
        request = Request(verb, orjson.loads(orjson.dumps(args)), [os.dup(one) for one in fds], uid=0, pid=0)
        try:
            return await self._verbs[verb](request)
        finally:
            request.close_descriptors()

    async def submit(self, *to: str, content: bytes = CONTENT, mail_from: str = "a@us.test", **more: Any) -> list[int]:
        """Queue a message; the ids of its recipients. `notify` and the like are for all of them."""
        each = {name: more.pop(name) for name in ("notify", "orcpt") if name in more}
        descriptor = os.memfd_create("message")
        os.write(descriptor, content)
        arguments = {
            "cid": "c1d",
            "ticket": tickets.make(KEY, self.account_id, "smtp", self.clock.wall_ms()),
            "account_id": self.account_id,
            "mail_from": mail_from,
            "size": len(content),
            "summary": summarize(content).as_json(),
            "recipients": [{"address": one, **each} for one in to],
            **more,
        }
        try:
            return list((await self.call("submit", arguments, (descriptor,)))["recipients"])
        finally:
            os.close(descriptor)

    def services(self, port: int, **given: Any) -> Services:
        """Everything goes to the sink at `port`, unless other routes or names are given."""
        resolver = given.pop("resolver", FakeResolver())
        dialer = Dialer("us.test", timers=given.pop("timers", QUICK))
        fields: dict[str, Any] = {
            "store": self.store,
            "blobs": self.blobs,
            "keeper": self,
            "finder": Finder(resolver, "us.test", lambda ip: False),
            "dialer": dialer,
            "sts": self.sts(resolver),
            "routes": Routes(loopback=("127.0.0.1", port)),
            "lease": Lease(self.folder / "workers", "deliver"),
            "reaper": Reaper(self.store, self.folder / "workers", self.clock, self.log),
            "clock": self.clock,
            "log": self.log,
            "metrics": self.metrics,
            "hostname": "us.test",
            "delay_after_ms": 4 * 3_600_000,
            "is_local": lambda domain: domain == "us.test",
            "port": port,
        }
        return Services(**{**fields, **given})

    def sts(self, resolver: Resolver, *, ca_file: Path | None = None, port: int = 443) -> StsPolicies:
        """MTA-STS by this resolver, from policy servers at `port` here that `ca_file` vouches for."""
        names = frozenset({"mta-sts.them.test"})
        fetcher = Fetcher(
            resolver, lambda ip: False, verifying_context(ca_file and str(ca_file)), names, frozenset({port})
        )
        return StsPolicies(resolver, fetcher, StoredPolicies(self.store), self.clock, port)

    async def deliver(self, port: int, **given: Any) -> int:
        """One run of the dispatcher; how many recipients it claimed."""
        services = self.services(port, **given)
        try:
            return await Dispatcher(services, Wakeups(), threading.Event()).run()
        finally:
            services.lease.close()

    def row(self, recipient_id: int) -> QueuedRow:
        with self.store.read() as connection:
            return queue_admin.show(connection, recipient_id)[0]

    def attempts(self, recipient_id: int) -> list[dict[str, Any]]:
        with self.store.read() as connection:
            return queue_admin.show(connection, recipient_id)[1]

    def inbox(self, name: str = "Inbox") -> list[bytes]:
        """The messages in the sender's Inbox, or in another of his mailboxes."""
        with self.store.read() as connection:
            found = mailboxes.find_mailbox(connection, self.account_id, name)
            if found is None:
                return []
            uids = [row[0] for row in messages.index(connection, self.account_id, found.id)]
            contents = list(messages.contents(connection, self.account_id, found.id, uids))
        return [
            one.prefix + (one.octets if one.octets is not None else self.blobs.read(one.folder, one.blob_id))
            for one in contents
        ]


@contextlib.contextmanager
def open_post_office(store: Store, folder: Path, clock: SetClock) -> Iterator[PostOffice]:
    """Its log goes to `folder / "log"`."""
    descriptor = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    office = PostOffice(store, folder, clock, Log(descriptor=descriptor))
    office.committer.start()
    try:
        yield office
    finally:
        office.committer.stop()
        os.close(descriptor)
