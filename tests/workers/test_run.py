import os
import signal
import threading
import time
from pathlib import Path

import redis
from rq import Queue

from mail.log import Log
from tests.redis_server import RedisServer
from workers.run import work
from workers.safe_job import SafeJob


class Runner:
    """`work` in this process's main thread, ended by a thread that watches; restores the signal handlers."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log"
        self.descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        self.stop = threading.Event()
        self.ended = threading.Event()

    def run(self, url: str, table: dict, then) -> str:
        before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        watcher = threading.Thread(target=then)
        watcher.start()
        try:
            work(url, "chores", table, self.stop, Log(descriptor=self.descriptor))
        finally:
            for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
                signal.signal(number, handler)
            self.ended.set()
            watcher.join()
            os.close(self.descriptor)
        return self.path.read_text()


def enqueue(server: RedisServer, name: str) -> None:
    with redis.Redis.from_url(server.url, protocol=2) as connection:
        Queue("chores", connection=connection, job_class=SafeJob, serializer="json").enqueue(name, result_ttl=0)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_an_idle_worker_ends_when_it_is_told(redis_server, tmp_path):
    ready = threading.Event()
    enqueue(redis_server, "ready")

    def then() -> None:
        ready.wait(10)
        terminate()

    Runner(tmp_path).run(redis_server.url, {"ready": ready.set}, then)


def test_without_redis_it_waits_quietly_says_so_once_and_ends_when_told(tmp_path):
    runner = Runner(tmp_path)

    def then() -> None:
        while b"redis-down" not in runner.path.read_bytes():
            time.sleep(0.01)
        time.sleep(0.5)
        terminate()

    log = runner.run(f"unix://{tmp_path}/nothing.sock", {}, then)
    assert log.count("redis-down") == 1


def test_a_job_is_taken_again_after_redis_came_back(redis_server, tmp_path):
    ran = threading.Event()
    redis_server.stop()
    runner = Runner(tmp_path)

    def then() -> None:
        while b"redis-down" not in runner.path.read_bytes():
            time.sleep(0.01)
        redis_server.start()
        enqueue(redis_server, "job")
        ran.wait(15)
        terminate()
        # The server ends with the thread that started it.
        runner.ended.wait(15)

    log = runner.run(redis_server.url, {"job": ran.set}, then)
    assert ran.is_set() and log.count("redis-down") == 1 and log.count("redis-up") == 1
