"""What a process counts, and the Unix socket it shows it on.

Each process has its own registry and serves it as Prometheus text (exposition format 0.0.4) at
RUN/metrics/<program>.<pid>.sock; the web process merges all of them at /metrics. A process that dies leaves a socket
nobody answers: the merger removes it. Why no library: docs/decisions/own-metrics.md.
"""

import contextlib
import os
import resource
import socket
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from mail.errors import Bug

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)

_lock = threading.Lock()


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _sample(name: str, labels: str, value: float) -> str:
    return f"{name}{{{labels}}} {_number(value)}" if labels else f"{name} {_number(value)}"


class Value:
    """One number that goes up, and as a gauge down."""

    __slots__ = ("_ask", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._ask: Callable[[], float] | None = None

    def inc(self, amount: float = 1.0) -> None:
        with _lock:
            self._value += amount

    def dec(self, amount: float = 1.0) -> None:
        with _lock:
            self._value -= amount

    def set(self, value: float) -> None:
        self._value = value

    def set_function(self, ask: Callable[[], float]) -> None:
        """Ask for the value whenever somebody looks."""
        self._ask = ask

    def samples(self, name: str, labels: str) -> Iterator[str]:
        yield _sample(name, labels, self._value if self._ask is None else self._ask())


class Distribution:
    """Counts of observations by upper bound."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        with _lock:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value

    def samples(self, name: str, labels: str) -> Iterator[str]:
        comma = "," if labels else ""
        below = 0
        for bound, count in zip((*map(repr, self._bounds), "+Inf"), self._counts, strict=True):
            below += count
            yield _sample(f"{name}_bucket", f'{labels}{comma}le="{bound}"', below)
        yield _sample(f"{name}_count", labels, below)
        yield _sample(f"{name}_sum", labels, self._sum)


T = TypeVar("T", bound=Value | Distribution)


class Family(Generic[T]):
    """A metric with its words, and one child for each set of label values; without labels there is one."""

    def __init__(self, name: str, help: str, kind: str, names: Sequence[str], make: Callable[[], T]) -> None:
        self.name = name
        self._head = f"# HELP {name} {help}\n# TYPE {name} {kind}"
        self._names = tuple(names)
        self._make = make
        self._children: dict[tuple[str, ...], T] = {}
        if not names:
            self.labels()

    def labels(self, *values: object, **named: object) -> T:
        key = tuple(map(str, values or (named[name] for name in self._names)))
        if key not in self._children:
            if len(key) != len(self._names):
                raise Bug(f"metric {self.name} has the labels {self._names}")
            with _lock:
                self._children.setdefault(key, self._make())
        return self._children[key]

    def lines(self) -> Iterator[str]:
        yield self._head
        for key, child in list(self._children.items()):
            labels = ",".join(f'{name}="{_quoted(value)}"' for name, value in zip(self._names, key, strict=True))
            yield from child.samples(self.name, labels)


class Counted(Family[Value]):
    """A counter or a gauge. Without labels it is its own only child."""

    def inc(self, amount: float = 1.0) -> None:
        self.labels().inc(amount)

    def dec(self, amount: float = 1.0) -> None:
        self.labels().dec(amount)

    def set(self, value: float) -> None:
        self.labels().set(value)

    def set_function(self, ask: Callable[[], float]) -> None:
        self.labels().set_function(ask)


class Histogram(Family[Distribution]):
    def observe(self, value: float) -> None:
        self.labels().observe(value)


class Metrics:
    """The registry of one process. Asking for the same name again gives the same metric."""

    def __init__(self) -> None:
        self._made: dict[str, Counted | Histogram] = {}
        usage = self.counter("process_cpu_seconds_total", "Processor time of this process.")
        usage.set_function(lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
        resident = self.gauge("process_resident_memory_bytes", "Resident memory of this process.")
        resident.set_function(_resident)
        self.gauge("process_open_fds", "Open descriptors.").set_function(lambda: len(os.listdir("/proc/self/fd")))

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counted:
        return self._counted(name, help, "counter", labels)

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Counted:
        return self._counted(name, help, "gauge", labels)

    def _counted(self, name: str, help: str, kind: str, labels: Sequence[str]) -> Counted:
        made = self._made.setdefault(name, Counted(name, help, kind, labels, Value))
        assert isinstance(made, Counted)
        return made

    def histogram(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        bounds = tuple(buckets)
        made = self._made.setdefault(name, Histogram(name, help, "histogram", labels, lambda: Distribution(bounds)))
        assert isinstance(made, Histogram)
        return made

    def text(self) -> bytes:
        lines = [line for family in list(self._made.values()) for line in family.lines()]
        return ("\n".join(lines) + "\n").encode()


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


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
