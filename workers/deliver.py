"""The deliver job: drain the queue. A wake-up runs it, and so does a tick every five seconds, Redis or not."""

import asyncio
import random
import threading

from mail.deliver.dial import Dialer
from mail.deliver.plan import Login, Routes, host_and_port
from mail.dns.live import LiveResolver
from mail.errors import MailError
from mail.rpc import Client
from mail.runtime.stored import StoredWorld
from workers import leases
from workers.dispatch import Dispatcher, Services
from workers.leases import Lease

# Another run follows at once when more is due; a run that never ended could not be waited for.
RUN_SECONDS = 300.0
TICK_SECONDS = 4.0
HOUR_MS = 3_600_000


class DeliverWork:
    """What the deliver worker keeps between jobs. `drain` may be called from several threads: one runs at a time."""

    def __init__(self, world: StoredWorld) -> None:
        self._world = world
        self._running = threading.Lock()
        self._again = threading.Event()
        self.stop = threading.Event()
        self._lease = Lease(world.settings.workers_dir, world.program)
        self._dialer = Dialer(world.settings.hostname)
        self._routes = routes_of(world)

    def drain(self) -> int:
        """Deliver until nothing is due; returns how many recipients were claimed. Wakes the running one, if any."""
        self._again.set()
        claimed = 0
        while self._again.is_set() and not self.stop.is_set():
            if not self._running.acquire(blocking=False):
                return claimed
            try:
                self._again.clear()
                claimed += asyncio.run(self._run())
            finally:
                self._running.release()
        return claimed

    async def _run(self) -> int:
        world, settings = self._world, self._world.settings
        await asyncio.to_thread(leases.reap, world.store, settings.workers_dir, world.clock.wall_ms(), world.log)
        keeper = Client(settings.keeper_socket)
        services = Services(
            store=world.store,
            blobs=world.blobs,
            keeper=keeper,
            resolver=LiveResolver(settings.resolver),
            dialer=self._dialer,
            routes=self._routes,
            lease=self._lease,
            clock=world.clock,
            log=world.log,
            metrics=world.metrics,
            hostname=settings.hostname,
            delay_after_ms=settings.queue_delay_notice_hours * HOUR_MS,
            connections_max=settings.deliver_concurrency,
            simulate_failures=settings.simulate_failures,
        )
        try:
            return await Dispatcher(services).run(self.stop, RUN_SECONDS)
        finally:
            await keeper.close()

    def tick(self) -> None:
        """Drain now and then though nobody woke us, until `stop`: a lost wake-up costs seconds, never mail."""
        while not self.stop.wait(TICK_SECONDS + random.uniform(0, 1)):
            try:
                self.drain()
            except MailError as error:
                self._world.log.error("drain-failed", exc=error)

    def close(self) -> None:
        self._lease.close()


def routes_of(world: StoredWorld) -> Routes:
    """The settings of the way out as values. ValueError names the one that cannot be read."""
    settings = world.settings
    login = None
    if settings.smarthost_username:
        with open(settings.smarthost_password_file, encoding="utf-8") as file:
            login = Login(settings.smarthost_username, file.read().strip())
    return Routes(
        loopback=host_and_port(settings.loopback, 25),
        smarthost=host_and_port(settings.smarthost, 587),
        smarthost_login=login,
        private_destinations=settings.private_destinations,
    )


def drain(work: DeliverWork) -> int:
    """The job itself, as `mail.runtime.jobs` names it."""
    return work.drain()
