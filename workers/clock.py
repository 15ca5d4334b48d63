"""`python -m workers.clock`: the one scheduler, and the only one that puts jobs into RQ.

Processes that commit work publish `wake:job:<name>`; the clock turns that into a job, one at a time of a kind in the
queue, and does the same by itself every so often. What it forgets, the workers' own ticks find.
"""

import contextlib
import signal
import threading
import time

import redis
from redis.exceptions import RedisError
from rq import Queue

from mail.bus import job_channel
from mail.log import Log
from mail.runtime.jobs import JOBS
from mail.runtime.world import open_world
from workers.safe_job import SafeJob

CHANNELS = job_channel("*")
JOB_TIMEOUT = 900
FAILURES_KEPT = 3600
WAIT_MAX = 5.0


class Scheduler:
    def __init__(self, redis_url: str, log: Log) -> None:
        self._url = redis_url
        self._log = log
        self._next = dict.fromkeys(JOBS, 0.0)
        self.stop = threading.Event()

    def run(self) -> None:
        """Until `stop`."""
        wait = 0.2
        down = False
        while not self.stop.is_set():
            try:
                with redis.Redis.from_url(self._url, protocol=2, socket_timeout=30) as connection:
                    self._serve(connection)
                down, wait = False, 0.2
            except (RedisError, OSError) as error:
                if not down:
                    self._log.warning("redis-down", error=str(error), remedy="workers go on by their own ticks")
                down = True
                self.stop.wait(wait)
                wait = min(wait * 2, WAIT_MAX)

    def _serve(self, connection: "redis.Redis") -> None:
        with connection.pubsub() as subscribed:
            subscribed.psubscribe(CHANNELS)
            while not self.stop.is_set():
                heard = subscribed.get_message(timeout=0.5)
                if heard is not None and heard["type"] == "pmessage":
                    name = heard["channel"].rpartition(b":")[2].decode("ascii", "replace")
                    if name in JOBS:
                        self._enqueue(connection, name)
                self._tick(connection)

    def _tick(self, connection: "redis.Redis") -> None:
        now = time.monotonic()
        for name, job in JOBS.items():
            if now >= self._next[name]:
                self._enqueue(connection, name)
                self._next[name] = now + job.every_seconds

    def _enqueue(self, connection: "redis.Redis", name: str) -> None:
        """One waiting job of a kind is enough; one that runs already may be about to end, so it does not count."""
        self._next[name] = time.monotonic() + JOBS[name].every_seconds
        queue = Queue(JOBS[name].queue, connection=connection, job_class=SafeJob, serializer="json")
        if connection.llen(queue.key):
            return
        queue.enqueue(name, result_ttl=0, failure_ttl=FAILURES_KEPT, job_timeout=JOB_TIMEOUT)


def main() -> None:
    with open_world("clock") as world:
        scheduler = Scheduler(world.settings.redis, world.log)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: scheduler.stop.set())
        world.log.info("started")
        with contextlib.suppress(KeyboardInterrupt):
            scheduler.run()
        world.log.info("stopped")


if __name__ == "__main__":
    main()
