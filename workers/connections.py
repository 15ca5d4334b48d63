"""One connection's life: find a host, dial, send what waits for the destination, linger, say goodbye.

A host that does not answer decides for everything that waits for its destination: the next in line would learn no more.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence

from mail.deliver import local
from mail.deliver.attempt import Attempted, Job, attempt
from mail.deliver.dial import Dialed, NoHostAnswered
from mail.deliver.hosts import Host, Unroutable
from mail.deliver.outcome import Verdict
from mail.deliver.policies import DomainPolicies, lookup_policies
from mail.queue.tls_result import TlsResult
from mail.smtp.reply_reader import Reply, local_reply
from workers.destinations import Destination
from workers.services import Services
from workers.settling import FinalDots

MESSAGES_MAX = 100
LINGER_SECONDS = 1.0
LOOKUP_SECONDS = 60.0
# features B09: of one session, however busy.
SESSION_SECONDS = 1800.0
LOCAL_ERROR = local_reply(451, "4.3.0", "local error")

Judge = Callable[..., None]
Send = Callable[[Job], Awaitable[Attempted]]


class Connections:
    """Runs connections; verdicts go to `judge(verdicts, unknown=…, tls=…)`. `grown` is told that a destination may have
    another connection, `room` that more may be claimed for one that was full.
    """

    def __init__(
        self, services: Services, judge: Judge, *, grown: Callable[[], None], room: Callable[[], None]
    ) -> None:
        self._services = services
        self._judge = judge
        self._grown = grown
        self._room = room
        self._final_dots = FinalDots(services.keeper)
        self.stopping = False

    async def run(self, destination: Destination) -> None:
        """Serve a destination over one connection."""
        if destination.plan.local:
            await self._serve(destination, self._store, lambda: True)
            return
        dialed = await self._dial(destination)
        if dialed is None:
            return
        client = dialed.client
        destination.tls += dialed.results

        async def send(job: Job) -> Attempted:
            return await attempt(dialed, job, self._services.blobs, self._final_dots.entering)

        loop = asyncio.get_running_loop()
        until = loop.time() + SESSION_SECONDS

        def usable() -> bool:
            return client.usable and client.messages < MESSAGES_MAX and loop.time() < until

        try:
            await self._serve(destination, send, usable)
        finally:
            await client.quit()

    def give_up(
        self, destination: Destination, reply: Reply, host: str = "", ip: str = "", tls: Sequence[TlsResult] = ()
    ) -> None:
        """Judge all that waits, unless other connections go on with it."""
        destination.went_wrong()
        destination.tls += tls
        if destination.connections <= 1:
            verdicts = [Verdict(one, reply, host, ip) for one in destination.take_all()]
            self._judge(verdicts, tls=destination.take_tls(verdicts))

    async def _dial(self, destination: Destination) -> Dialed | None:
        services, plan = self._services, destination.plan
        policies: DomainPolicies | None = None
        try:
            if plan.fixed is not None:
                hosts, port = await _fixed(plan.fixed)
            else:
                async with asyncio.timeout(LOOKUP_SECONDS):
                    hosts = await services.finder.find(
                        destination.domain,
                        private_allowed=plan.private_allowed,
                        ipv4_first=plan.ipv4_first,
                        ip_first=plan.ip_first,
                    )
                port = services.port
                policies = await lookup_policies(services.sts, plan, destination.domain)
            return await services.dialer.dial(plan, hosts, port, policies)
        except Unroutable as error:
            self.give_up(destination, error.reply)
        except NoHostAnswered as error:
            self.give_up(destination, error.reply, error.host, error.ip, error.results)
        except TimeoutError:
            words = f"the DNS takes too long for the mail exchangers of {destination.domain}"
            self.give_up(destination, local_reply(451, "4.4.3", words))
        except OSError as error:
            self.give_up(destination, local_reply(451, "4.4.1", f"{plan.name}: {error.strerror or error}"))
        return None

    async def _serve(self, destination: Destination, send: Send, usable: Callable[[], bool]) -> None:
        while usable():
            if not destination.jobs and not await self._wait_for_more(destination):
                return
            if destination.jobs:
                was_full = destination.full
                job = destination.take()
                if was_full and not destination.full:
                    self._room()
                await self._attempt(destination, job, send)

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

    async def _attempt(self, destination: Destination, job: Job, send: Send) -> None:
        services = self._services
        ids = [one.id for one in job.recipients]
        services.lease.sending(ids)
        try:
            attempted = await send(job)
        except Exception as error:  # noqa: BLE001 -- the job: one message must not stop its destination
            services.log.error("attempt-failed", exc=error, queue_message=job.first.queue_message_id)
            attempted = Attempted([Verdict(one, LOCAL_ERROR) for one in job.recipients])
        services.lease.sent(ids)
        tls = destination.take_tls(attempted.verdicts)
        self._judge(attempted.verdicts, unknown=attempted.unknown, tls=tls)
        if attempted.again:
            destination.put_back(attempted.again)
        if any(verdict.reply.positive for verdict in attempted.verdicts):
            destination.went_well()
            # This connection is free for the next job itself.
            destination.idle += 1
            self._grown()
            destination.idle -= 1
        elif any(verdict.reply.ours or not verdict.reply.permanent for verdict in attempted.verdicts):
            # Not now, from everybody: fewer connections ask again.
            destination.went_wrong()

    async def _store(self, job: Job) -> Attempted:
        """Mail for accounts of ours."""
        services = self._services
        made = await asyncio.to_thread(local.copied, job, services.blobs, services.hostname)
        try:
            await self._final_dots.entering([one.id for one in job.recipients])
            now = services.clock.wall_ms()
            return Attempted(await local.deliver(job, made, services.keeper.call, now=now))
        finally:
            os.close(made.descriptor)


async def _fixed(where: tuple[str, int]) -> tuple[list[Host], int]:
    host, port = where
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    return [Host(host, tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))], port
