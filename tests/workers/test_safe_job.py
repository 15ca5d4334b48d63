"""The real RQ and the real Redis: what gets into the queue from elsewhere is refused, and the worker lives."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.job import Job

from mail.log import Log
from tests.redis_server import RedisServer
from workers.run import work
from workers.safe_job import RefusedJob, SafeJob


@pytest.fixture
def connection(redis_server: RedisServer) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_server.url, protocol=2) as made:
        yield made


def queue(connection: "redis.Redis", **more: Any) -> Queue:
    return Queue("chores", connection=connection, **{"job_class": SafeJob, "serializer": "json", **more})


def work_off(server: RedisServer, connection: "redis.Redis", folder: Path, table: dict[str, Callable[[], Any]]) -> None:
    """Run a worker in this process until a last job of ours ends it, as a TERM would."""
    done: list[str] = []

    def last() -> None:
        done.append("last")
        os.kill(os.getpid(), signal.SIGTERM)

    queue(connection).enqueue("last", result_ttl=0)
    descriptor = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    stop = threading.Event()
    try:
        work(server.url, "chores", {**table, "last": last}, stop, Log(descriptor=descriptor))
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
        os.close(descriptor)
    assert done == ["last"] and stop.is_set()


def test_a_job_of_the_table_runs(redis_server, connection, tmp_path):
    ran: list[int] = []
    queue(connection).enqueue("good", result_ttl=0)
    work_off(redis_server, connection, tmp_path, {"good": lambda: ran.append(1)})
    assert ran == [1]


def test_a_forged_job_is_refused_and_the_worker_lives(redis_server, connection, tmp_path):
    """Security IN-1: RQ alone would run it."""
    ran: list[int] = []
    marker = tmp_path / "forged"
    plain = queue(connection, job_class=Job)
    forged = [
        plain.enqueue("os.system", f"touch {marker}"),
        plain.enqueue("subprocess.run", ["touch", str(marker)]),
        plain.enqueue("builtins.exec", f"open({str(marker)!r}, 'w')"),
        plain.enqueue("good", 1),
    ]
    queue(connection).enqueue("good", result_ttl=0)
    work_off(redis_server, connection, tmp_path, {"good": lambda: ran.append(1)})
    assert ran == [1] and not marker.exists()
    assert {job.get_status().value for job in forged} == {"failed"}


def test_forged_callbacks_are_not_called(redis_server, connection, tmp_path):
    marker = tmp_path / "forged"
    job = queue(connection).enqueue("good", result_ttl=0)
    for name in ("success_callback_name", "failure_callback_name", "stopped_callback_name"):
        connection.hset(job.key, name, "os.system")
    work_off(redis_server, connection, tmp_path, {"good": lambda: None})
    assert not marker.exists()
    refetched = SafeJob("x", connection=connection)
    assert refetched.success_callback is refetched.failure_callback is refetched.stopped_callback is None


def test_a_pickled_job_is_never_unpickled(redis_server, connection, tmp_path):
    marker = tmp_path / "forged"
    Queue("chores", connection=connection, serializer="pickle").enqueue("os.system", f"touch {marker}")
    work_off(redis_server, connection, tmp_path, {})
    assert not marker.exists()


def test_a_job_that_fails_does_not_end_the_worker(redis_server, connection, tmp_path):
    def bad() -> None:
        raise RuntimeError("bad")

    queue(connection).enqueue("bad", result_ttl=0)
    work_off(redis_server, connection, tmp_path, {"bad": bad})


@pytest.mark.parametrize("spoiled", [{"args": (1,)}, {"kwargs": {"a": 1}}, {"func_name": "os.system"}])
def test_what_our_jobs_never_carry_is_refused(spoiled, connection):
    job = SafeJob.create(
        "good", connection=connection, serializer="json", **{k: v for k, v in spoiled.items() if k != "func_name"}
    )
    SafeJob.table = {"good": lambda: None}
    if "func_name" in spoiled:
        job._func_name = spoiled["func_name"]
    with pytest.raises(RefusedJob):
        _ = job.func
