"""A private Redis for one test: a Unix socket in its own folder, nothing kept on disk."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis


@dataclass
class RedisServer:
    """Tests may stop it and start it again: a broker that comes and goes."""

    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/redis.sock"

    def start(self) -> None:
        socket = self.folder / "redis.sock"
        command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        # If the run is killed the server goes with it.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", *command, "--dir", str(self.folder)], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            (self.folder / "redis.sock").unlink(missing_ok=True)


@contextlib.contextmanager
def running_redis() -> Iterator[RedisServer]:
    # A socket's path has room for 107 octets: not below pytest's long folders.
    server = RedisServer(Path(tempfile.mkdtemp(prefix="redis-")))
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)
