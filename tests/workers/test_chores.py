"""The chores worker as it runs: on a database of its own, with a real Redis."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from rq import Queue

from tests.bundle import ROOT
from tests.faults.keeper import KeeperFolder
from tests.redis_server import RedisServer
from workers.safe_job import SafeJob

pytestmark = pytest.mark.faults


def test_the_worker_tidies_when_a_job_says_so_and_ends_when_told(redis_server: RedisServer, tmp_path: Path):
    place = KeeperFolder.make(tmp_path / "b")
    settings = place.folder / "mailstead.toml"
    settings.write_text(settings.read_text() + f'redis_url = "{redis_server.url}"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.chores"], cwd=ROOT, env={**os.environ, "MAILSTEAD_SETTINGS": str(settings)}
    )
    try:
        with redis.Redis.from_url(redis_server.url, protocol=2) as connection:
            queue = Queue("chores", connection=connection, job_class=SafeJob, serializer="json")
            job = queue.enqueue("upkeep", result_ttl=-1)
            deadline = time.monotonic() + 20
            while not job.is_finished:
                assert time.monotonic() < deadline and process.poll() is None and not job.is_failed
                time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
