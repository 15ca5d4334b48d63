import os
import threading
import time
from pathlib import Path

import orjson
import redis
from rq import Queue

from mail.bus import job_channel
from mail.log import Log
from mail.now import SetClock, SystemClock
from mail.runtime.jobs import JOBS
from tests.redis_server import RedisServer
from workers.clock import Scheduler, enqueue
from workers.health import Health
from workers.safe_job import SafeJob


def scheduler(folder: Path, clock, url: str = "unix:///nowhere") -> Scheduler:
    descriptor = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    return Scheduler(url, clock, Health(folder, "clock", clock), Log(descriptor=descriptor))


def test_everything_is_due_at_the_start_and_then_by_its_period(tmp_path):
    clock = SetClock()
    made = scheduler(tmp_path, clock)
    assert made.due() == list(JOBS)
    for name in JOBS:
        made._enqueued[name] = clock.monotonic()
        made._due[name] = clock.monotonic() + JOBS[name].every_seconds
    assert made.due() == []
    clock.move(JOBS["deliver"].every_seconds)
    assert made.due() == ["deliver"]


def test_a_wake_up_makes_its_job_due_at_once_and_many_make_it_due_once(tmp_path):
    clock = SetClock(passed=100.0)
    made = scheduler(tmp_path, clock)
    made._due = dict.fromkeys(JOBS, 1000.0)
    made.woken("deliver")
    assert made.due() == ["deliver"]
    made._enqueued["deliver"], made._due["deliver"] = 100.0, 1000.0
    for _ in range(50):
        made.woken("deliver")
    assert made.due() == []
    clock.move(JOBS["deliver"].gather_seconds)
    assert made.due() == ["deliver"]


def test_wake_ups_for_what_is_no_job_are_left_out(tmp_path):
    made = scheduler(tmp_path, SetClock())
    made.woken("os.system")
    assert set(made._due) == set(JOBS)


def test_one_waiting_job_of_a_kind_is_enough(redis_server):
    with redis.Redis.from_url(redis_server.url, protocol=2) as connection:
        assert enqueue(connection, "deliver")
        assert not enqueue(connection, "deliver")
        # One queue, two kinds: neither stands in for the other.
        assert enqueue(connection, "learn") and enqueue(connection, "upkeep")
        assert not enqueue(connection, "learn") and not enqueue(connection, "upkeep")
        (job_id,) = Queue("deliver", connection=connection, serializer="json").job_ids
        job = SafeJob.fetch(job_id, connection=connection, serializer="json")
        assert job.func_name == "deliver" and not job.args and job.result_ttl == 0


def waiting(server: RedisServer, name: str) -> int:
    with redis.Redis.from_url(server.url, protocol=2) as connection:
        return int(connection.llen(Queue(name, connection=connection).key))


def until(true, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_clock_enqueues_ticks_hears_and_outlives_redis(redis_server: RedisServer, tmp_path):
    made = scheduler(tmp_path, SystemClock(), redis_server.url)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        until(lambda: waiting(redis_server, "deliver") == 2 and waiting(redis_server, "chores") == 2)
        with redis.Redis.from_url(redis_server.url, protocol=2) as connection:
            connection.flushall()
            until(lambda: connection.publish(job_channel("deliver"), b"1") == 1)
            until(lambda: waiting(redis_server, "deliver") == 1)
        until(lambda: orjson.loads((tmp_path / "health/clock.json").read_bytes())["redis"] is True)
        redis_server.stop()
        until(lambda: orjson.loads((tmp_path / "health/clock.json").read_bytes())["redis"] is False)
        redis_server.start()
        with redis.Redis.from_url(redis_server.url, protocol=2) as connection:
            connection.flushall()
            until(lambda: connection.publish(job_channel("deliver"), b"1") == 1)
            until(lambda: waiting(redis_server, "deliver") == 1)
    finally:
        made.stop.set()
        thread.join(10)
    log = (tmp_path / "log").read_text()
    assert log.count("redis-down") == 1 and log.count("redis-up") == 1
