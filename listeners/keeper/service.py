"""The keeper process: the committer, its verbs on a Unix socket, and the store's housekeeping.

It is the only checkpointer of the database, the only writer of blobs, and the only one that removes them.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from listeners.keeper.committer import Committer
from listeners.keeper.crash import CrashPoints
from listeners.keeper.housekeeping import Housekeeper
from listeners.keeper.local_mail import LocalMail
from listeners.keeper.receiving import Receiving
from listeners.keeper.space import ReserveFile, Space
from listeners.keeper.tables import RoutingTables
from listeners.keeper.verbs import Verbs
from listeners.rpc import Request, Server
from mail.address import parse_domain
from mail.errors import Busy, MailError
from mail.receive.judge import Judge
from mail.runtime.stored import StoredWorld, open_stored
from mail.sasl import tickets
from mail.store import status
from mail.store.blobs import BlobWriter

ROUTING_SECONDS = 2.0
# Who changes something says so (the verb `routing`); to find what nobody told us of may cost a fiftieth of our time.
ROUTING_SHARE = 50
HOUR_MS = 3_600_000


def _reserve(world: StoredWorld) -> tuple[ReserveFile, Space]:
    settings = world.settings
    file = ReserveFile(settings.data_dir / "reserve", reserve_bytes=settings.free_space_reserve_bytes, log=world.log)
    space = Space(
        settings.data_dir,
        reserve_bytes=settings.free_space_reserve_bytes,
        reserve_percent=settings.free_space_reserve_percent,
        file=file,
    )
    return file, space


class Keeper:
    """The parts of the process, and their start and end."""

    def __init__(self, world: StoredWorld) -> None:
        settings = world.settings
        self.world = world
        crash = CrashPoints(os.environ)
        self.blobs = BlobWriter(settings.blobs_dir, passed=crash.at)
        self.blobs.prepare()
        self.committer = Committer(world.store, self.blobs, world.bus, clock=world.clock, log=world.log, crash=crash)
        self.tables = RoutingTables(
            world.store,
            settings.routing_file,
            default_account=settings.loopback_account,
            hostname=parse_domain(settings.hostname),
            log=world.log,
        )
        tickets.make_key(settings.srs_key)
        self.srs_key = tickets.load_key(settings.srs_key)
        reserve, space = _reserve(world)
        self.verbs = Verbs(
            self.committer,
            lambda: self.tables.current,
            space,
            clock=world.clock,
            ticket_key=tickets.load_key(settings.ticket_key),
            give_up_ms=settings.queue_give_up_hours * HOUR_MS,
            max_message_bytes=settings.max_message_bytes,
            submissions=world.metrics.counter(
                "mailstead_submission_total", "Messages our users sent, by whatever door, by result.", ("result",)
            ),
        )
        tickets.make_key(settings.subject_pass_key)
        self.receiving = Receiving(
            self.verbs.commit,
            self.verbs.contents,
            Judge(tickets.load_key(settings.subject_pass_key), settings.messages_per_minute),
            self.tables,
            clock=world.clock,
            hostname=settings.hostname,
            srs_key=self.srs_key,
            give_up_ms=settings.queue_give_up_hours * HOUR_MS,
            decisions=world.metrics.counter(
                "mailstead_incoming_total",
                "Decisions about mail from strangers, one a recipient, by reason and action.",
                ("reason", "action"),
            ),
        )
        self.local_mail = LocalMail(
            self.verbs.commit,
            self.verbs.contents,
            self.tables,
            srs_key=self.srs_key,
            give_up_ms=settings.queue_give_up_hours * HOUR_MS,
        )
        self.housekeeper = Housekeeper(
            world.store, self.blobs, self.committer, reserve, clock=world.clock, log=world.log
        )

    async def routing(self, request: Request) -> dict[str, int]:
        return {"generation": await asyncio.to_thread(self.tables.reload)}

    async def status(self, request: Request) -> dict[str, object]:
        def count() -> dict[str, object]:
            with self.world.store.read() as connection:
                return asdict(status.counts(connection, self.world.clock.wall_ms()))

        refusing = self.committer.refusing
        return {
            **await asyncio.to_thread(count),
            "refusing": str(refusing) if refusing else "",
            "batches": self.committer.batches,
            "messages": self.committer.messages,
            "wal_bytes": self.world.store.wal_size(),
        }

    def serve_metrics(self) -> None:
        metrics = self.world.metrics
        metrics.gauge("mailstead_keeper_batches", "Batches committed since the start.").set_function(
            lambda: self.committer.batches
        )
        metrics.gauge("mailstead_keeper_entries", "Entries committed since the start.").set_function(
            lambda: self.committer.messages
        )
        metrics.gauge("mailstead_keeper_refusing", "1 while nothing is taken after a storage fault.").set_function(
            lambda: 0 if self.committer.refusing is None else 1
        )
        metrics.gauge("mailstead_keeper_wal_bytes", "Size of the write-ahead log.").set_function(
            self.world.store.wal_size
        )

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await asyncio.to_thread(self.tables.reload, force=True)
        await asyncio.to_thread(self.housekeeper.after_start)
        self.committer.start()
        self.housekeeper.start()
        self.serve_metrics()
        verbs = {
            **self.verbs.table(),
            "receive": self.receiving.receive,
            "deliver": self.local_mail.deliver,
            "routing": self.routing,
            "status": self.status,
        }
        server = Server(self.world.settings.keeper_socket, verbs, allowed_uids=None, log=self.world.log)
        await server.start()
        self.world.log.info("started")
        pause = ROUTING_SECONDS
        while not stopping.is_set():
            try:
                await asyncio.wait_for(stopping.wait(), pause)
            except TimeoutError:
                pause = max(ROUTING_SECONDS, ROUTING_SHARE * await self._look_at_routing())
        await server.stop()
        await asyncio.to_thread(self.committer.stop)
        await asyncio.to_thread(self.housekeeper.stop)
        self.world.log.info("stopped")

    async def _look_at_routing(self) -> float:
        """How long it took."""
        started = time.monotonic()
        try:
            await asyncio.to_thread(self.tables.reload)
        except (MailError, OSError) as error:
            self.world.log.error("routing-not-written", exc=error)
        return time.monotonic() - started


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Busy when another keeper works on the same mail. The kernel ends the claim of one that dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(public=f"another keeper holds {path}; end it first") from None
        yield
    finally:
        os.close(descriptor)


def main() -> None:
    with open_stored("keeper", checkpointer=True) as world, alone(world.settings.run_dir / "keeper.lock"):
        asyncio.run(Keeper(world).run())
