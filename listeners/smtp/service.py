"""What all SMTP sessions of a process share: who is asked, what is allowed, and the one look at the time."""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from listeners.smtp.connection import Connection
from listeners.smtp.refusals import Refusals
from mail.accounts.snapshot import Routing
from mail.errors import MailError
from mail.log import Log
from mail.metrics import Counted
from mail.now import Clock
from mail.rpc import Client
from mail.smtp.limits import Patience
from mail.smtp.replies import Reply

if TYPE_CHECKING:
    import ssl

SPACE_SECONDS = 1.0
TICK_SECONDS = 1.0
STALL_SECONDS = 0.2
DRAIN_SECONDS = 60.0
SHUTTING_DOWN = Reply(421, "4.3.2", "Service shutting down")


@dataclass(kw_only=True)
class Service:
    hostname: str
    max_message_bytes: int
    recipients_max: int
    patience: Patience
    spool_folder: Path
    tls: "ssl.SSLContext | None"
    plaintext_login: bool
    simulate_failures: bool
    routing: Routing
    keeper: Client
    auth: Client
    clock: Clock
    log: Log
    messages: Counted
    sessions: set[Connection] = field(default_factory=set)
    refusals: Refusals = field(init=False)
    draining: bool = False
    _space_looked: float = -SPACE_SECONDS
    _has_space: bool = True

    def __post_init__(self) -> None:
        self.refusals = Refusals(self.keeper, self.log)

    async def has_space(self, size: int) -> bool:
        """Has the disk room above its reserve; asked of the keeper at most once a second."""
        now = self.clock.monotonic()
        if now - self._space_looked >= SPACE_SECONDS:
            self._space_looked = now
            try:
                self._has_space = bool((await self.keeper.call("space", {"size": size}))["ok"])
            except MailError:
                # It will be asked again, and the message itself, before anything is acknowledged.
                self._has_space = True
        return self._has_space

    async def keep_time(self) -> None:
        """Until cancelled: every deadline of every session, once a second."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as beside:
            beside.create_task(self._tell_refusals())
            while True:
                before = loop.time()
                await asyncio.sleep(TICK_SECONDS)
                now = loop.time()
                if now - before - TICK_SECONDS > STALL_SECONDS:
                    # Security EX-9: something kept the loop from its work.
                    self.log.warning("smtp-loop-stalled", ms=int(1000 * (now - before - TICK_SECONDS)))
                for session in list(self.sessions):
                    session.look_at_time(now)

    async def _tell_refusals(self) -> None:
        """By itself: a keeper that is away takes seconds to find out, and deadlines do not wait for it."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await self.refusals.flush()

    async def drain(self) -> None:
        """Those between messages are told at once, those in one may finish it (security §3.10)."""
        self.draining = True
        for session in list(self.sessions):
            if session.waiting_for_command:
                session.say_goodbye(SHUTTING_DOWN)
        until = self.clock.monotonic() + DRAIN_SECONDS
        while self.sessions and self.clock.monotonic() < until:
            await asyncio.sleep(0.05 + random.uniform(0, 0.05))
        for session in list(self.sessions):
            session.say_goodbye(SHUTTING_DOWN)
        await self.refusals.flush()
