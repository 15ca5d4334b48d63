"""A private PostgreSQL for a test run: its own folder, its own Unix socket, gone with the run."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

# No TCP, small memory; fsync and synchronous_commit stay on, as the store demands them.
SETTINGS = ("listen_addresses=", "shared_buffers=16MB", "max_connections=40", "autovacuum=off", "logging_collector=off")


def binaries() -> Path | None:
    """The folder with initdb and postgres of the newest version Debian has put here."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def unprivileged() -> pwd.struct_passwd | None:
    """Whom to run as when we are root, which PostgreSQL refuses to be."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("neither postgres nor nobody is a user here")


@contextlib.contextmanager
def running_cluster(bin_folder: Path) -> Iterator[Path]:
    """Start a cluster; gives the folder of its socket. Its superuser is `test`, without a password."""
    owner = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        drop = [] if owner is None else [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        # If the run is killed the server goes with it.
        started = ["setpriv", *drop, "--pdeathsig=QUIT"]
        initdb = [
            bin_folder / "initdb",
            "-D",
            folder / "cluster",
            "-A",
            "trust",
            "-U",
            "test",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run([*started, *initdb, "--locale=C.UTF-8"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        settings = [part for setting in SETTINGS for part in ("-c", setting)]
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen(
                [*started, bin_folder / "postgres", "-D", folder / "cluster", "-k", folder, *settings],
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            _wait_until_ready(folder, server)
            yield folder
        finally:
            # Fast shutdown: it waits for nobody.
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def url(folder: Path, database: str) -> str:
    return f"postgresql+psycopg://test@/{database}?host={folder}"


def run_alone(folder: Path, statement: str) -> None:
    """One statement that no transaction may hold, as CREATE DATABASE."""
    engine = create_engine(url(folder, "postgres"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def _wait_until_ready(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            return run_alone(folder, "SELECT 1")
        except OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text()) from None
            time.sleep(0.02)
