"""Where the local bundle's things lie, and on which ports it answers."""

import hashlib
import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "imap": 143, "imaps": 993, "web": 80}
DEFAULT_OFFSET = 1000

ACCOUNT = "mailstead"
DOMAIN = "localhost"
PASSWORD = "mailstead-local"
ADMIN_PASSWORD = "mailstead-admin"

# A Unix socket's path has 108 octets (unix(7)); the longest of ours below the run folder needs this many.
SOCKET_ROOM = 108 - len("/metrics/submission.4194304.sock") - 1


@dataclass(frozen=True)
class Places:
    folder: Path

    @property
    def run(self) -> Path:
        """Below the folder, or where its path is too long for sockets, in a private place that `run` links to."""
        if len(str(self.folder / "run")) <= SOCKET_ROOM:
            return self.folder / "run"
        name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"mailstead-{os.getuid()}-{name}"

    def make_run(self) -> None:
        self.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        link = self.folder / "run"
        if self.run != link and not link.is_symlink():
            link.symlink_to(self.run)
        for path in (self.run / "metrics", self.run / "workers"):
            path.mkdir(mode=0o700, exist_ok=True)

    def remove_run(self) -> None:
        """After the last process has ended: nothing is left outside the folder. What lies in it is as good as gone."""
        link = self.folder / "run"
        if self.run != link:
            shutil.rmtree(self.run, ignore_errors=True)
            link.unlink(missing_ok=True)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def settings(self) -> Path:
        return self.folder / "mailstead.toml"

    @property
    def ready(self) -> Path:
        return self.folder / "ready.json"

    @property
    def supervisor_configuration(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def supervisor_output(self) -> Path:
        return self.log / "supervisord.output"

    @property
    def supervisor_pid(self) -> Path:
        return self.run / "supervisord.pid"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def sockets(offset: int) -> dict[str, list[str]]:
    """For each service the addresses it is bound to."""
    hosts = ["127.0.0.1", *(["[::1]"] if has_ipv6() else [])]
    return {name: [f"{host}:{port + offset}" for host in hosts] for name, port in PORTS.items()}
