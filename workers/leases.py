"""Who holds claims, and whether he lives: a lock file a worker (security §3.6).

A worker keeps RUN/workers/<owner>.lock locked for as long as it lives; the kernel lets go on kill -9, whatever the
clock says. The file says which recipients are being sent at the moment, so that only those count as crashed with it.
"""

import fcntl
import os
import secrets
from pathlib import Path

import orjson

from mail.log import Log
from mail.now import Clock
from mail.store import queue_leases
from mail.store.engine import Store

REAP_SECONDS = 5.0


class Lease:
    """This worker's own lock file."""

    def __init__(self, folder: Path, program: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.owner = f"{program}.{os.getpid()}.{secrets.token_hex(4)}"
        self._path = folder / f"{self.owner}.lock"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._sending: set[int] = set()

    def sending(self, ids: list[int]) -> None:
        self._sending.update(ids)
        self._write()

    def sent(self, ids: list[int]) -> None:
        self._sending.difference_update(ids)
        self._write()

    def _write(self) -> None:
        # Not synced: what matters is that it outlives this process, not the host.
        octets = orjson.dumps(sorted(self._sending))
        os.pwrite(self._file, octets, 0)
        os.ftruncate(self._file, len(octets))

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._file)


class Reaper:
    """Takes back the claims of owners that are dead. Any worker may, at any time."""

    def __init__(self, store: Store, folder: Path, clock: Clock, log: Log) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock
        self._log = log
        self._reaped: float | None = None

    @property
    def due(self) -> bool:
        return self._reaped is None or self._clock.monotonic() - self._reaped >= REAP_SECONDS

    def reap(self) -> int:
        """Returns how many recipients came back. Blocks."""
        self._reaped = self._clock.monotonic()
        dead, in_progress = self._dead()
        now = self._clock.wall_ms()
        with self._store.read() as connection:
            expired = queue_leases.has_expired(connection, now)
        if not dead and not expired:
            return 0
        with self._store.write() as tx:
            taken = queue_leases.reap(tx, dead, now, frozenset(in_progress))
        for owner in dead:
            (self._folder / f"{owner}.lock").unlink(missing_ok=True)
        if taken:
            self._log.warning("claims-reaped", owners=dead, recipients=len(taken))
        return len(taken)

    def _dead(self) -> tuple[list[str], set[int]]:
        """Owners of claims whose lock is free, and what they were sending."""
        with self._store.read() as connection:
            owners = queue_leases.owners(connection)
        dead: list[str] = []
        in_progress: set[int] = set()
        for owner in owners:
            was_sending = _if_dead(self._folder / f"{owner}.lock")
            if was_sending is not None:
                dead.append(owner)
                in_progress |= was_sending
        return dead, in_progress


def _if_dead(path: Path) -> set[int] | None:
    """None while the owner lives, else what it was sending."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return set()
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return set(orjson.loads(os.pread(file, 1 << 20, 0) or b"[]"))
    except BlockingIOError:
        return None
    except (orjson.JSONDecodeError, TypeError):
        return set()
    finally:
        os.close(file)
