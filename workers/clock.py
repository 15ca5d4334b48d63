"""`python -m workers.clock`: the one scheduler, and the only one that puts jobs into RQ.

Processes that commit work publish `wake:job:<name>`; the clock turns that into a job, one at a time of a kind in the
queue, and does the same by itself every so often. What it forgets, the workers' own ticks find.
"""

import contextlib
import signal
import threading

import redis
from redis.client import PubSub
from redis.exceptions import RedisError
from rq import Queue

from mail.bus import job_channel
from mail.log import Log
from mail.now import Clock
from mail.runtime.jobs import JOBS
from mail.runtime.world import open_world
from workers.health import Health
from workers.safe_job import SafeJob

CHANNELS = job_channel("*")
JOB_TIMEOUT = 900
FAILURES_KEPT = 3600
WAIT_MAX = 5.0
IDLE_SECONDS = 1.0


class Scheduler:
    """When each job is due: by its own period, or sooner because somebody woke it."""

    def __init__(self, redis_url: str, clock: Clock, health: Health, log: Log) -> None:
        self._url = redis_url
        self._clock = clock
        self._health = health
        self._log = log
        self._due = dict.fromkeys(JOBS, 0.0)
        self._enqueued = {name: -job.gather_seconds for name, job in JOBS.items()}
        self.stop = threading.Event()

    def run(self) -> None:
        """Until `stop`."""
        wait = 0.2
        down = False
        while not self.stop.is_set():
            try:
                with redis.Redis.from_url(self._url, protocol=2, socket_timeout=30) as connection:
                    connection.ping()
                    if down:
                        self._log.info("redis-up")
                    down, wait = False, 0.2
                    self._serve(connection)
            except (RedisError, OSError) as error:
                if not down:
                    self._log.warning("redis-down", error=str(error), remedy="workers go on by their own ticks")
                down = True
                self._health.alive(redis=False)
                self.stop.wait(wait)
                wait = min(wait * 2, WAIT_MAX)

    def _serve(self, connection: "redis.Redis") -> None:
        with connection.pubsub() as subscribed:
            subscribed.psubscribe(CHANNELS)
            while not self.stop.is_set():
                self._listen(subscribed)
                self._enqueue_due(connection)
                self._health.alive(redis=True)

    def _listen(self, subscribed: PubSub) -> None:
        """Everything that was said, waiting at most until a job is due."""
        wait = min(min(self._due.values()) - self._clock.monotonic(), IDLE_SECONDS)
        heard = subscribed.get_message(timeout=max(0.0, wait))
        while heard is not None:
            if heard["type"] == "pmessage":
                self.woken(heard["channel"].rpartition(b":")[2].decode("ascii", "replace"))
            heard = subscribed.get_message(timeout=0.0)

    def woken(self, name: str) -> None:
        """A job was asked for: at once, or when the last one of its kind is a moment ago."""
        if name in JOBS:
            self._due[name] = min(self._due[name], self._enqueued[name] + JOBS[name].gather_seconds)

    def due(self) -> list[str]:
        """Jobs to put in now."""
        now = self._clock.monotonic()
        return [name for name in JOBS if self._due[name] <= now]

    def _enqueue_due(self, connection: "redis.Redis") -> None:
        for name in self.due():
            now = self._clock.monotonic()
            self._enqueued[name] = now
            self._due[name] = now + JOBS[name].every_seconds
            enqueue(connection, name)


def enqueue(connection: "redis.Redis", name: str) -> bool:
    """Put the job in, unless one of its kind waits already. One that runs does not count: it may be about to end."""
    queue = Queue(JOBS[name].queue, connection=connection, job_class=SafeJob, serializer="json")
    if connection.llen(queue.key) and any(job.func_name == name for job in queue.get_jobs()):
        return False
    queue.enqueue(name, result_ttl=0, failure_ttl=FAILURES_KEPT, job_timeout=JOB_TIMEOUT)
    return True


def main() -> None:
    with open_world("clock") as world:
        health = Health(world.settings.run_dir, "clock", world.clock)
        scheduler = Scheduler(world.settings.redis, world.clock, health, world.log)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: scheduler.stop.set())
        world.log.info("started")
        with contextlib.suppress(KeyboardInterrupt):
            scheduler.run()
        world.log.info("stopped")


if __name__ == "__main__":
    main()
