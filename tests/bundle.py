"""A whole bundle for a test: `./serve` in a folder of its own, on ports of its own, stopped at the end."""

import contextlib
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PORTS = (25, 80, 143, 465, 587, 993)


def free_offset() -> int:
    """A port offset at which nothing listens. Another start may take it first, so `running_bundle` tries again."""
    for _ in range(100):
        offset = random.randrange(10_000, 30_000, 50)
        with contextlib.ExitStack() as held:
            try:
                for port in PORTS:
                    held.enter_context(socket.create_server(("127.0.0.1", offset + port)))
            except OSError:
                continue
            return offset
    raise RuntimeError("no free range of ports")


@dataclass(frozen=True)
class Bundle:
    folder: Path
    ready: dict[str, str]

    def address(self, service: str) -> tuple[str, int]:
        host, _, port = self.ready[service].rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ready["ca_file"])

    @property
    def supervisor_pid(self) -> int:
        return int((self.folder / "run/supervisord.pid").read_text())

    def programs(self) -> list[tuple[int, str]]:
        """Every living process below supervisord: its pid and its command line."""
        found: list[tuple[int, str]] = []
        waiting = [self.supervisor_pid]
        while waiting:
            parent = waiting.pop()
            for pid in children(parent):
                found.append((pid, command_line(pid)))
                waiting.append(pid)
        return found

    def mailctl(self, *words: str) -> Any:
        """What `mailctl … --json` prints, parsed. CalledProcessError, with its words, when it fails."""
        command = [str(ROOT / "mailctl"), "--dir", str(self.folder), *words, "--json"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise subprocess.CalledProcessError(run.returncode, command, run.stdout, run.stderr + run.stdout)
        return json.loads(run.stdout)

    def supervisorctl(self, *words: str) -> str:
        command = [str(ROOT / ".venv/bin/supervisorctl"), "-c", str(self.folder / "run/supervisord.conf"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("latin-1").strip()
    except OSError:
        return ""


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask until it is so. The interval is a matter of politeness, not of luck: only the deadline decides."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def serve(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(ROOT / "serve"), *words], capture_output=True, text=True, check=False, timeout=120)


@contextlib.contextmanager
def running_bundle(folder: Path, *extra: str) -> Iterator[Bundle]:
    for _ in range(3):
        started = serve("start", "--dir", str(folder), "--port-offset", str(free_offset()), *extra)
        if started.returncode == 0:
            break
        serve("stop", "--dir", str(folder))
    else:
        raise AssertionError(f"./serve start failed:\n{started.stdout}{started.stderr}")
    try:
        yield Bundle(folder, json.loads((folder / "ready.json").read_text()))
    finally:
        stopped = serve("stop", "--dir", str(folder))
        assert stopped.returncode == 0, stopped.stdout + stopped.stderr
