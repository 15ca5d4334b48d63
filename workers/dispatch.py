"""Delivering what is due: claims in, connections out, many destinations at once in one event loop.

    claim -> jobs by destination -> connections (1 growing to 10 each) -> verdicts -> Settler -> keeper

A slow destination holds only its own connections. The loop ends when nothing is due and nothing is under way, after
lingering a moment: mail comes in bursts, and an open connection is worth keeping for the next message.
"""

import asyncio
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from mail.address import parse_address
from mail.deliver.attempt import Attempted, Job, attempt
from mail.deliver.dial import Dialed, Dialer, NoHostAnswered
from mail.deliver.hosts import Host, Unroutable, find_hosts, simulated
from mail.deliver.outcome import Verdict, judge
from mail.deliver.plan import Plan, Routes, plan
from mail.dns.resolver import Resolver
from mail.errors import MailError
from mail.log import Log
from mail.metrics import Metrics
from mail.now import Clock
from mail.queue.outcome import RELEASED, Outcome
from mail.rpc import Client
from mail.smtp.client import local_reply
from mail.smtp.reply_reader import Reply
from mail.store import queue, queue_leases
from mail.store.blobs import BlobStore
from mail.store.engine import Store
from mail.store.queue import Claimed
from workers.leases import Lease
from workers.settling import FinalDots, Settler, released

CLAIM_MAX = 200
IN_FLIGHT_MAX = 1000
RECIPIENTS_MAX = 100
CONNECTIONS_PER_DESTINATION = 10
MESSAGES_PER_CONNECTION = 100
LINGER_SECONDS = 1.0
LOOK_SECONDS = 0.02
RENEW_SECONDS = 300.0
SMTP_PORT = 25


@dataclass(slots=True)
class Destination:
    plan: Plan
    domain: str
    jobs: deque[Job] = field(default_factory=deque)
    connections: int = 0
    idle: int = 0
    limit: int = 1
    more: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Services:
    """What a dispatcher works with."""

    store: Store
    blobs: BlobStore
    keeper: Client
    resolver: Resolver
    dialer: Dialer
    routes: Routes
    lease: Lease
    clock: Clock
    log: Log
    metrics: Metrics
    hostname: str
    delay_after_ms: int
    connections_max: int = 50
    simulate_failures: bool = False
    port: int = SMTP_PORT


class Dispatcher:
    """One run; made anew for each."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._destinations: dict[str, Destination] = {}
        self._in_flight = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._final_dots = FinalDots(services.keeper)
        self._settler = Settler(
            services.keeper, services.blobs, services.hostname, services.clock, services.log, self._settled
        )
        self._results = services.metrics.counter("mailstead_deliver_total", "Attempts by result.", ("result",))
        self.stopping = False

    def _settled(self, count: int) -> None:
        self._in_flight -= count
        self._changed.set()

    async def run(self, stop: threading.Event, seconds: float) -> int:
        """Deliver until nothing is due, `stop` is set or the time is up. Returns how many recipients were claimed."""
        settling = asyncio.get_running_loop().create_task(self._settler.run())
        until = time.monotonic() + seconds
        try:
            return await self._deliver(stop, until)
        finally:
            self.stopping = True
            await self._finish()
            settling.cancel()

    async def _deliver(self, stop: threading.Event, until: float) -> int:
        total = 0
        idle_since = renewed = time.monotonic()
        while not stop.is_set() and time.monotonic() < until:
            claimed: list[Claimed] = []
            if self._in_flight < IN_FLIGHT_MAX:
                claimed = await asyncio.to_thread(self._claim)
            total += len(claimed)
            self._in_flight += len(claimed)
            self._take(claimed)
            now = time.monotonic()
            if claimed or self._in_flight:
                idle_since = now
            elif now - idle_since >= LINGER_SECONDS:
                break
            if now - renewed > RENEW_SECONDS:
                renewed = now
                await asyncio.to_thread(self._renew)
            if len(claimed) < CLAIM_MAX:
                await self._pause()
        return total

    async def _pause(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _claim(self) -> list[Claimed]:
        services = self._services
        now = services.clock.wall_ms()
        with services.store.read() as connection:
            due = queue.due_at(connection)
        if due is None or due > now:
            return []
        with services.store.write() as tx:
            return queue.claim(tx, services.lease.owner, now, CLAIM_MAX)

    def _renew(self) -> None:
        services = self._services
        with services.store.write() as tx:
            queue_leases.renew(tx, services.lease.owner, services.clock.wall_ms() + 900_000)

    def _take(self, claimed: list[Claimed]) -> None:
        """Sort claims into jobs: those of one message that go the same way travel together."""
        grouped: dict[tuple[str, int], list[Claimed]] = {}
        for one in claimed:
            reply = given_up(one) or self._simulated(one)
            if reply is not None:
                self._judge([Verdict(one, reply)])
                continue
            chosen = plan(one.domain, self._services.routes)
            if chosen.name not in self._destinations:
                self._destinations[chosen.name] = Destination(chosen, one.domain)
            grouped.setdefault((chosen.name, one.queue_message_id), []).append(one)
        for (name, _), members in grouped.items():
            destination = self._destinations[name]
            for first in range(0, len(members), RECIPIENTS_MAX):
                destination.jobs.append(Job(tuple(members[first : first + RECIPIENTS_MAX])))
            destination.more.set()
            self._connect_if_useful(destination)

    def _simulated(self, one: Claimed) -> Reply | None:
        if not self._services.simulate_failures:
            return None
        try:
            return simulated(parse_address(one.rcpt_to))
        except MailError:
            return None

    def _connect_if_useful(self, destination: Destination) -> None:
        wanted = len(destination.jobs) > destination.idle and destination.connections < destination.limit
        if wanted and len(self._connections) < self._services.connections_max:
            destination.connections += 1
            task = asyncio.get_running_loop().create_task(self._connection(destination))
            self._connections.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._connections.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._services.log.error("connection-failed", exc=task.exception())
        # A place is free: whoever waits for one may have it.
        for destination in self._destinations.values():
            if destination.jobs:
                self._connect_if_useful(destination)
        self._changed.set()

    async def _connection(self, destination: Destination) -> None:
        try:
            dialed = await self._dial(destination)
            if dialed is not None:
                try:
                    await self._converse(destination, dialed)
                finally:
                    await dialed.client.quit()
        finally:
            destination.connections -= 1

    async def _dial(self, destination: Destination) -> Dialed | None:
        """A conversation begun, or None when nobody would: all that waited for it is judged by that."""
        services, chosen = self._services, destination.plan
        try:
            if chosen.fixed is not None:
                hosts, port = await self._fixed(chosen.fixed)
            else:
                hosts = await find_hosts(services.resolver, destination.domain, private_allowed=chosen.private_allowed)
                port = services.port
            return await services.dialer.dial(chosen, hosts, port)
        except Unroutable as error:
            reply, host, ip = error.reply, "", ""
        except NoHostAnswered as error:
            words = f"no server of {destination.domain} could be reached: {error}"
            refused = error.refused
            reply = refused.reply if refused is not None else local_reply(451, "4.4.1", words)
            host, ip = error.host, error.ip
        destination.limit = 1
        if destination.connections > 1:
            # Others are connected: they go on with what waits.
            return None
        waiting = [one for job in destination.jobs for one in job.recipients]
        destination.jobs.clear()
        self._judge([Verdict(one, reply, host, ip) for one in waiting])
        return None

    async def _fixed(self, where: tuple[str, int]) -> tuple[list[Host], int]:
        host, port = where
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
        ips = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        return [Host(host, ips)], port

    async def _converse(self, destination: Destination, dialed: Dialed) -> None:
        while dialed.client.usable and dialed.client.messages < MESSAGES_PER_CONNECTION:
            if not destination.jobs and not await self._wait_for_more(destination):
                return
            if not destination.jobs:
                continue
            job = destination.jobs.popleft()
            await self._attempt(destination, dialed, job)

    async def _wait_for_more(self, destination: Destination) -> bool:
        """Keep the connection a moment for what comes next."""
        if self.stopping:
            return False
        destination.more.clear()
        destination.idle += 1
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                await destination.more.wait()
            return True
        except TimeoutError:
            return False
        finally:
            destination.idle -= 1

    async def _attempt(self, destination: Destination, dialed: Dialed, job: Job) -> None:
        services = self._services
        ids = [one.id for one in job.recipients]
        services.lease.sending(ids)
        try:
            attempted = await attempt(dialed, job, services.blobs, self._final_dots.entering)
        except MailError as error:
            # Our own blob cannot be read: temporary for the sender, loud for the administrator.
            services.log.error("blob-unreadable", exc=error, queue_message=job.first.queue_message_id)
            attempted = Attempted([Verdict(one, local_reply(451, "4.3.0", "local error")) for one in job.recipients])
        self._judge(attempted.verdicts, unknown=attempted.unknown)
        services.lease.sent(ids)
        if attempted.again:
            destination.jobs.appendleft(Job(attempted.again))
        if any(verdict.reply.positive for verdict in attempted.verdicts):
            destination.limit = min(destination.limit + 1, CONNECTIONS_PER_DESTINATION)
            self._connect_if_useful(destination)

    def _judge(self, verdicts: list[Verdict], *, unknown: bool = False) -> None:
        services = self._services
        now = services.clock.wall_ms()
        judged = [
            judge(verdict, now, delay_after_ms=services.delay_after_ms, jitter=random.uniform(-1, 1))
            for verdict in verdicts
        ]
        for one in judged:
            self._results.labels(one.outcome.result).inc()
            services.log.info(
                "attempt",
                queue_recipient=one.outcome.queue_recipient_id,
                result=one.outcome.result,
                code=one.outcome.code,
                enhanced=one.outcome.enhanced,
                text=one.outcome.text[:200],
                host=one.outcome.host,
                outcome_unknown=unknown,
            )
        self._settler.add(judged)

    async def _finish(self) -> None:
        """Give back what was not begun, let what was begun end (a final dot up to a minute), settle everything."""
        now = self._services.clock.wall_ms()
        for destination in self._destinations.values():
            waiting = [one for job in destination.jobs for one in job.recipients]
            destination.jobs.clear()
            destination.more.set()
            self._settler.add([released(Outcome(one.id, one.attempt_id, RELEASED, now)) for one in waiting])
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=60)
            for task in late:
                task.cancel()
        until = time.monotonic() + 30
        while self._in_flight > 0 and time.monotonic() < until:
            await self._pause()


def given_up(one: Claimed) -> Reply | None:
    """An administrator failed it: no attempt, his words."""
    return local_reply(550, "5.0.0", one.last_text) if one.reason == "fail" else None
