"""`python -m workers.deliver`: drains the queue when a job asks for it, and every few seconds by itself, Redis or not.

One thread of the process delivers, in one event loop a run; jobs and ticks ask it to look (workers/wakeups.py). So a
job ends when all that was due is on its way, while a slow destination may go on for as long as its timers allow.
"""

import asyncio
import random
import threading

from mail.errors import MailError
from mail.runtime.stored import StoredWorld, open_stored
from mail.store import queue
from workers.dispatch import FINISH_SECONDS, SETTLE_SECONDS, Dispatcher
from workers.run import work
from workers.services import services_of, sts_of
from workers.sts import Refresher
from workers.wakeups import Wakeups

TICK_SECONDS = 4.0
# A job that waited that long lets the worker breathe; the delivering goes on without it.
JOB_SECONDS = 300.0


class DeliverWork:
    """What the deliver worker keeps between jobs."""

    def __init__(self, world: StoredWorld) -> None:
        self._world = world
        self.stop = threading.Event()
        self._wakeups = Wakeups()
        self._services = services_of(world)
        self._thread = threading.Thread(target=self._live, name="deliver")
        self._refresher = Refresher(world.store, world.clock, world.log, lambda: sts_of(world))

    def start(self) -> None:
        self._thread.start()

    def drain(self) -> bool:
        """The job: have the queue looked at; returns when all that was due is on its way."""
        return self._wakeups.ask(JOB_SECONDS, self.stop)

    def refresh(self) -> bool:
        """The job: begin to fetch MTA-STS policies anew; False when that is under way already."""
        return self._refresher.begin()

    def close(self) -> None:
        """Give back what was not begun, let what was begun end, tell the keeper."""
        self.stop.set()
        self._thread.join(FINISH_SECONDS + SETTLE_SECONDS)
        self._refresher.close()
        self._services.lease.close()

    def _live(self) -> None:
        while not self.stop.is_set():
            try:
                self._tick()
            except MailError as error:
                self._world.log.error("drain-failed", exc=error)
            self._wakeups.wait(TICK_SECONDS + random.uniform(0, 1), self.stop)

    def _tick(self) -> None:
        """One look at the queue, and a run when something is due."""
        asked = self._wakeups.asked
        if self._services.reaper.due:
            self._services.reaper.reap()
        with self._world.store.read() as connection:
            due = queue.due_at(connection)
        if due is not None and due <= self._world.clock.wall_ms():
            asyncio.run(self._run())
        else:
            self._wakeups.answered(asked)

    async def _run(self) -> None:
        try:
            await Dispatcher(self._services, self._wakeups, self.stop).run()
        finally:
            await self._services.keeper.close()


def drain(work: DeliverWork) -> bool:
    """The job itself, as `mail.runtime.jobs` names it."""
    return work.drain()


def refresh(work: DeliverWork) -> bool:
    """The job of MTA-STS policies, as `mail.runtime.jobs` names it."""
    return work.refresh()


def main() -> None:
    with open_stored("deliver") as world:
        working = DeliverWork(world)
        working.start()
        world.log.info("started")
        try:
            jobs = {"deliver": lambda: drain(working), "sts": lambda: refresh(working)}
            work(world.settings.redis, "deliver", jobs, working.stop, world.log)
        finally:
            working.close()
            world.log.info("stopped")


if __name__ == "__main__":
    main()
