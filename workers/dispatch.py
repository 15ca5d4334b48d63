"""Delivering what is due: claims in, connections out, many destinations at once in one event loop.

    claim -> jobs by destination -> connections (1 growing to 10 each) -> verdicts -> Settler -> keeper

A slow destination holds only its own connections, and only so many claims: the rest of its mail stays in the database.
The run ends when nothing is due and nothing is under way, after lingering a moment: mail comes in bursts, and an open
connection is worth keeping for the next message.
"""

import asyncio
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from mail.address import parse_address
from mail.deliver.hosts import simulated
from mail.deliver.outcome import Judged, Verdict, judge
from mail.deliver.plan import Plan, address_order, plan
from mail.errors import MailError
from mail.queue.outcome import RELEASED, Outcome
from mail.queue.tls_result import TlsResult
from mail.smtp.reply_reader import Reply, local_reply
from mail.store import queue, queue_leases
from mail.store.queue import Claimed
from workers.connections import LINGER_SECONDS, LOCAL_ERROR, Connections
from workers.destinations import Destination, Destinations
from workers.services import Services
from workers.settling import Settler
from workers.wakeups import Wakeups

CLAIM_MAX = 200
IN_FLIGHT_MAX = 2000
# How soon the database is looked at again without being asked: after it gave something, and at most.
LOOK_SECONDS = 0.05
LOOK_SECONDS_MAX = 2.0
RENEW_SECONDS = 300.0
LEASE_MS = 900_000
FINISH_SECONDS = 60.0
SETTLE_SECONDS = 10.0


class Dispatcher:
    """One run; made anew for each."""

    def __init__(self, services: Services, wakeups: Wakeups, stop: threading.Event) -> None:
        self._services = services
        self._wakeups = wakeups
        self._stop = stop
        self._destinations = Destinations()
        self._in_flight = 0
        self._tasks: dict[asyncio.Task[None], Destination] = {}
        self._look = asyncio.Event()
        self._connections = Connections(services, self._judge, grown=self._connect, room=self._look.set)
        self._settler = Settler(services, self._settled)
        counter = services.metrics.counter
        self._results = counter("mailstead_deliver_total", "Attempts by result.", ("result",))
        self._lenient = counter("mailstead_deliver_tls_not_required_total", "Attempts under TLS-Required: No.", ())
        self._unknown = counter("mailstead_deliver_unknown_total", "Connections lost after the final dot.", ())

    async def run(self) -> int:
        """Deliver until nothing is due or to stop. Returns how many recipients were claimed."""
        loop = asyncio.get_running_loop()
        settling = loop.create_task(self._settler.run())
        self._wakeups.poked_by(lambda: loop.call_soon_threadsafe(self._look.set))
        try:
            return await self._deliver()
        finally:
            self._wakeups.poked_by(None)
            await self._finish()
            settling.cancel()

    async def _deliver(self) -> int:
        total = 0
        interval = LOOK_SECONDS
        idle_since = renewed = time.monotonic()
        while not self._stop.is_set():
            asked = self._wakeups.asked
            claimed = await self._claim()
            total += len(claimed)
            self._take(claimed)
            if len(claimed) < CLAIM_MAX:
                self._wakeups.answered(asked)
            now = time.monotonic()
            if claimed or self._in_flight:
                idle_since = now
            elif now - idle_since >= LINGER_SECONDS:
                break
            if now - renewed > RENEW_SECONDS:
                renewed = now
                await asyncio.to_thread(self._renew)
            if self._services.reaper.due:
                await asyncio.to_thread(self._services.reaper.reap)
            interval = LOOK_SECONDS if claimed else min(interval * 2, LOOK_SECONDS_MAX, self._longest(now, idle_since))
            if len(claimed) < CLAIM_MAX:
                await self._pause(interval)
        return total

    def _longest(self, now: float, idle_since: float) -> float:
        """While something is under way its end may free room; when nothing is, the lingering has its end."""
        return LOOK_SECONDS_MAX if self._in_flight else max(LOOK_SECONDS, idle_since + LINGER_SECONDS - now)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._look.wait()
        except TimeoutError:
            pass
        self._look.clear()

    async def _claim(self) -> list[Claimed]:
        if self._in_flight >= IN_FLIGHT_MAX or self._destinations.blocked:
            return []
        claimed = await asyncio.to_thread(self._claim_now, self._destinations.full_domains())
        self._in_flight += len(claimed)
        return claimed

    def _claim_now(self, not_domains: list[str]) -> list[Claimed]:
        services = self._services
        now = services.clock.wall_ms()
        with services.store.read() as connection:
            due = queue.due_at(connection, not_domains=not_domains)
        if due is None or due > now:
            return []
        with services.store.write() as tx:
            claimed = queue.claim(tx, services.lease.owner, now, CLAIM_MAX, not_domains=not_domains, lease_ms=LEASE_MS)
        again = [one.id for one in claimed if one.attempts > 1]
        if not again:
            return claimed
        with services.store.read() as connection:
            ips = queue_leases.last_ips(connection, again)
        return [replace(one, last_ip=ips.get(one.id, "")) for one in claimed]

    def _renew(self) -> None:
        services = self._services
        with services.store.write() as tx:
            queue_leases.renew(tx, services.lease.owner, services.clock.wall_ms() + LEASE_MS)

    def _take(self, claimed: list[Claimed]) -> None:
        planned: list[tuple[Plan, Claimed]] = []
        decided: list[Verdict] = []
        for one in claimed:
            reply = given_up(one) or self._simulated(one)
            if reply is not None:
                decided.append(Verdict(one, reply))
            else:
                planned.append((self._plan(one), one))
        if decided:
            self._judge(decided)
        if planned:
            self._destinations.add(planned)
            self._connect()

    def _plan(self, one: Claimed) -> Plan:
        services = self._services
        ipv4_first, ip_first = address_order(one.attempts, one.last_code, one.last_ip)
        return plan(
            one.domain,
            services.routes,
            ours=services.is_local(one.domain),
            ipv4_first=ipv4_first,
            ip_first=ip_first,
            # A notification goes its way all the same (RFC 8689 §5).
            require_tls=one.require_tls if one.mail_from or not one.require_tls else None,
        )

    def _simulated(self, one: Claimed) -> Reply | None:
        if not self._services.simulate_failures:
            return None
        try:
            return simulated(parse_address(one.rcpt_to))
        except MailError:
            return None

    def _connect(self) -> None:
        """Give free connections to those in need, the least served first."""
        room = self._services.connections_max - len(self._tasks)
        while room > 0 and (needy := self._destinations.in_need()):
            for destination in needy[:room]:
                destination.connections += 1
                task = asyncio.get_running_loop().create_task(self._connections.run(destination))
                self._tasks[task] = destination
                task.add_done_callback(self._ended)
            room = self._services.connections_max - len(self._tasks)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        destination = self._tasks.pop(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._services.log.error("connection-failed", exc=error, destination=destination.plan.name)
            self._connections.give_up(destination, LOCAL_ERROR)
        destination.connections -= 1
        self._connect()
        self._look.set()

    def _judge(self, verdicts: list[Verdict], *, unknown: bool = False, tls: Sequence[TlsResult] = ()) -> None:
        services = self._services
        now = services.clock.wall_ms()
        judged = [
            judge(verdict, now, delay_after_ms=services.delay_after_ms, jitter=random.uniform(-1, 1))
            for verdict in verdicts
        ]
        if tls and judged and services.tls_results:
            judged[0] = replace(judged[0], tls=tuple(tls))
        self._lenient.inc(sum(verdict.claimed.require_tls is False for verdict in verdicts))
        if unknown:
            self._unknown.inc()
        for verdict, one in zip(verdicts, judged, strict=True):
            self._results.labels(one.outcome.result).inc()
            services.log.info(
                "attempt",
                cid=verdict.claimed.cid,
                queue_recipient=one.outcome.queue_recipient_id,
                result=one.outcome.result,
                code=one.outcome.code,
                enhanced=one.outcome.enhanced,
                text=one.outcome.text[:200],
                host=one.outcome.host,
                **({"duplicate_possible": True} if unknown else {}),
            )
        self._settler.add(judged)

    def _settled(self, count: int) -> None:
        was_full = self._in_flight >= IN_FLIGHT_MAX
        self._in_flight -= count
        if was_full or self._in_flight == 0:
            self._destinations.forget_idle()
            self._look.set()

    async def _finish(self) -> None:
        """Give back what was not begun, let what was begun end (a final dot up to a minute), settle everything."""
        self._connections.stopping = True
        now = self._services.clock.wall_ms()
        for destination in self._destinations:
            untried = destination.take_all()
            destination.more.set()
            outcomes = [Outcome(one.id, one.attempt_id, RELEASED, now) for one in untried]
            self._settler.add([Judged(outcome, None) for outcome in outcomes])
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=FINISH_SECONDS)
            for task in late:
                task.cancel()
        until = time.monotonic() + SETTLE_SECONDS
        while self._in_flight > 0 and time.monotonic() < until:
            await self._pause(LOOK_SECONDS)


def given_up(one: Claimed) -> Reply | None:
    """An administrator failed it: no attempt, his words."""
    return local_reply(550, "5.0.0", one.last_text) if one.reason == "fail" else None
