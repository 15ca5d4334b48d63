"""What a process counts, and the Unix socket it shows it on.

Each process has its own registry and serves it as Prometheus text at RUN/metrics/<program>.<pid>.sock; the web process
merges all of them at /metrics. A process that dies leaves a socket nobody answers: the merger removes it.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)


class Metrics:
    """The registry of one process. Asking for the same name again gives the same metric."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._made: dict[str, Counter | Gauge | Histogram] = {}

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        if name not in self._made:
            self._made[name] = Counter(name, help, labels, registry=self.registry)
        made = self._made[name]
        assert isinstance(made, Counter)
        return made

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        if name not in self._made:
            self._made[name] = Gauge(name, help, labels, registry=self.registry)
        made = self._made[name]
        assert isinstance(made, Gauge)
        return made

    def histogram(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        if name not in self._made:
            self._made[name] = Histogram(name, help, labels, registry=self.registry, buckets=tuple(buckets))
        made = self._made[name]
        assert isinstance(made, Histogram)
        return made

    def text(self) -> bytes:
        return generate_latest(self.registry)


class MetricsServer:
    """Answers every connection on the socket with the whole text, from a thread of its own."""

    def __init__(self, metrics: Metrics, folder: Path, program: str) -> None:
        self._metrics = metrics
        self.path = folder / f"{program}.{os.getpid()}.sock"
        folder.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(self.path))
        os.chmod(self.path, 0o660)
        self._socket.listen(8)
        self._thread = threading.Thread(target=self._answer, name="metrics", daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                connection.sendall(self._metrics.text())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(timeout=2)
        self.path.unlink(missing_ok=True)


def read_all(folder: Path, *, seconds: float = 1.0) -> dict[str, bytes]:
    """The text of every living process, by program and pid; sockets nobody answers are removed."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.sock")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(seconds)
            parts: list[bytes] = []
            try:
                client.connect(str(path))
                while part := client.recv(65536):
                    parts.append(part)
            except (ConnectionRefusedError, FileNotFoundError):
                path.unlink(missing_ok=True)
                continue
            except OSError:
                continue
            found[path.stem] = b"".join(parts)
    return found


def merged(texts: dict[str, bytes]) -> bytes:
    """One exposition of many: every sample gets the program and the pid it came from as labels."""
    samples: dict[str, list[str]] = {}
    heads: dict[str, list[str]] = {}
    for source, text in texts.items():
        program, _, pid = source.rpartition(".")
        labels = f'program="{program}",pid="{pid}"'
        family = ""
        for line in text.decode().splitlines():
            if line.startswith("#"):
                family = line.split(" ", 3)[2]
                if len(heads.setdefault(family, [])) < 2:
                    heads[family].append(line)
            elif line:
                samples.setdefault(family, []).append(_labelled(line, labels))
    lines = [line for family, found in samples.items() for line in (*heads[family], *found)]
    return ("\n".join(lines) + "\n").encode()


def _labelled(line: str, labels: str) -> str:
    name, brace, rest = line.partition("{")
    if brace and " " not in name:
        return f"{name}{{{labels},{rest}"
    name, _, value = line.partition(" ")
    return f"{name}{{{labels}}} {value}"
