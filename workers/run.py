"""`python -m workers.run deliver|chores`: an RQ worker on its queue, and its own eye on the database.

RQ brings wake-ups only. When Redis is gone the worker goes on by its ticks, says so once, and takes jobs again when
Redis is back.
"""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker

from mail.log import Log
from mail.runtime.jobs import JOBS
from mail.runtime.stored import open_stored
from workers.deliver import DeliverWork, drain
from workers.safe_job import SafeJob
from workers.upkeep import UpkeepWork, tidy

WORKER_TTL = 60
WAIT_MAX = 5.0


class OurWorker(SimpleWorker):
    """Runs jobs in this process, allow-listed, and passes a request to stop on to the job that runs."""

    stop: threading.Event

    def handle_warm_shutdown_request(self) -> None:
        self.stop.set()


def work(redis_url: str, queue: str, table: dict[str, Callable[[], Any]], stop: threading.Event, log: Log) -> None:
    """Take jobs until `stop` is set or the process is told to end."""
    SafeJob.table = table
    # RQ logs in colours to standard error unless a handler is there; our own lines say what matters.
    logging.getLogger("rq.worker").addHandler(logging.NullHandler())
    logging.getLogger("rq.worker").propagate = False
    wait = 0.2
    down = False
    while not stop.is_set():
        signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
        signal.signal(signal.SIGINT, lambda number, frame: stop.set())
        try:
            connection = redis.Redis.from_url(redis_url, protocol=2)
            connection.ping()
            if down:
                log.info("redis-up")
            down, wait = False, 0.2
            _take_jobs(connection, queue, stop)
        except (RedisError, OSError) as error:
            if not down:
                log.warning("redis-down", error=str(error), remedy="mail goes on by ticks; look at the redis program")
            down = True
            stop.wait(wait)
            wait = min(wait * 2, WAIT_MAX)


def _take_jobs(connection: "redis.Redis", queue: str, stop: threading.Event) -> None:
    queues = [Queue(queue, connection=connection, job_class=SafeJob, serializer="json")]
    worker = OurWorker(
        queues,
        connection=connection,
        job_class=SafeJob,
        serializer="json",
        worker_ttl=WORKER_TTL,
        default_result_ttl=0,
        log_job_description=False,
    )
    worker.stop = stop
    worker.work(logging_level="CRITICAL")
    # It ended without Redis being lost: it was told to.
    if worker._stop_requested or worker.shutdown_requested_date:
        stop.set()


def deliver() -> None:
    with open_stored("deliver") as world:
        working = DeliverWork(world)
        working.start()
        world.log.info("started")
        try:
            work(world.settings.redis, "deliver", {"deliver": lambda: drain(working)}, working.stop, world.log)
        finally:
            working.close()
            world.log.info("stopped")


def chores() -> None:
    with open_stored("chores") as world:
        working = UpkeepWork(world)
        stop = threading.Event()
        world.log.info("started")
        work(world.settings.redis, "chores", {"upkeep": lambda: tidy(working)}, stop, world.log)
        world.log.info("stopped")


PROGRAMS: dict[str, Callable[[], None]] = {"deliver": deliver, "chores": chores}
assert {job.queue for job in JOBS.values()} == PROGRAMS.keys()


def main() -> None:
    PROGRAMS[sys.argv[1]]()


if __name__ == "__main__":
    main()
