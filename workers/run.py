"""What every worker program does: take jobs from its queue in Redis, one after the other, until it is told to end.

RQ brings wake-ups only. When Redis is gone the worker goes on by its own ticks, says so once, and takes jobs again when
Redis is back.
"""

import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

import redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker

from mail.log import Log
from workers.safe_job import SafeJob

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
