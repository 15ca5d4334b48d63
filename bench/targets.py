"""What a driver measures: a bundle it starts itself, or a running server named on the command line.

A target on the command line is `name=host:port,pid=1+2,key=value…`; the keys are those the driver's `--help` lists.
Without a `--target` the driver starts `./serve` in a temporary folder, with logins in clear allowed on loopback, and
stops it at the end.
"""

import argparse
import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass
class Target:
    name: str
    host: str
    port: int
    pids: list[int] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)


def parse_target(text: str) -> Target:
    name, _, rest = text.partition("=")
    where, *pairs = rest.split(",")
    host, _, port = where.rpartition(":")
    options = dict(pair.split("=", 1) for pair in pairs)
    pids = [int(pid) for pid in options.pop("pid", "").split("+") if pid]
    return Target(name, host, int(port), pids, options)


@dataclass(frozen=True)
class Bundle:
    """A running bundle: what `ready.json` says, and the process whose tree is all of ours."""

    folder: Path
    ready: dict[str, str]
    pid: int

    def target(self, service: str, **options: str) -> Target:
        host, _, port = self.ready[service].rpartition(":")
        login = {"user": self.ready["account"], "pw": self.ready["password"]}
        return Target("mailstead", host.strip("[]"), int(port), [self.pid], login | options)


@contextlib.contextmanager
def running_bundle(port_offset: int, *extra: str) -> Iterator[Bundle]:
    with tempfile.TemporaryDirectory(prefix="mailstead-bench-") as folder:
        where = ["--dir", folder]
        start = ["./serve", "start", *where, "--port-offset", str(port_offset), "--plaintext-login", *extra]
        subprocess.run(start, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        try:
            pid = int((Path(folder) / "run/supervisord.pid").read_text())
            yield Bundle(Path(folder), json.loads((Path(folder) / "ready.json").read_text()), pid)
        finally:
            subprocess.run(["./serve", "stop", *where], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def chosen(arguments: argparse.Namespace, service: str, *extra: str, **options: str) -> Iterator[list[Target]]:
    """The targets given, or a bundle of our own."""
    if arguments.target:
        yield arguments.target
        return
    with running_bundle(arguments.port_offset, *extra) as bundle:
        yield [bundle.target(service, **options)]


def parser(doc: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--target", action="append", type=parse_target, default=[])
    made.add_argument("--port-offset", type=int, default=21000)
    made.add_argument("--runs", type=int, default=3)
    return made
