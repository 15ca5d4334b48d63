"""The database, opened: one writer's gate, readers' snapshots, and errors in the field's words.

1. Every write transaction takes the gate (a `flock` on a side file, fair between processes), then `BEGIN IMMEDIATE`:
   a read that turns into a write fails at once in SQLite, whatever the busy timeout (security §3.5, measured).
2. A store is never used after a fork: it belongs to the process that opened it.
3. Write transactions hold no DNS, network, hashing or file copy; one that lasts over 100 ms is logged by who asked.
4. SQLite 3.7.0 to 3.51.2 can corrupt a WAL database with several writers: we refuse to start on those, save for the
   back-ports 3.44.6 and 3.50.7.
"""

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from mail.errors import Bug, Busy, MailError, StorageFault, StorageFull, WrongVersion

APPLICATION_ID = 0x4D53_5444  # "MSTD"

# security §3.5; the checkpointer alone checkpoints.
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=15000",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA mmap_size=0",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16384",
)

NFS_LIKE = {0x6969: "NFS", 0xFF534D42: "CIFS", 0xFE534D42: "SMB2", 0x65735546: "FUSE"}


def check_sqlite_version(version: tuple[int, ...]) -> None:
    """WrongVersion for a library with the WAL-reset fault."""
    sound = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    if not sound:
        words = ".".join(map(str, version))
        raise WrongVersion(
            public=f"SQLite {words} can corrupt the mail store; 3.51.3 or newer is needed (pysqlite3 wheel)"
        )


def prepare_sqlite_file(path: Path) -> None:
    """Make the folder and an empty database with its final mode: -wal and -shm inherit it (security §3.5.8)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o2770)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        if os.fstat(descriptor).st_size == 0:
            os.fchmod(descriptor, 0o660)
    finally:
        os.close(descriptor)


def _sqlite_engine(path: str, *, read_only: bool, size: int) -> Engine:
    check_sqlite_version(sqlite.sqlite_version_info)
    engine = create_engine(f"sqlite:///{path}", module=sqlite, pool_size=size, max_overflow=4, pool_timeout=30)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(pragma)
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        no_checkpoint_on_close = getattr(sqlite, "SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE", None)
        if no_checkpoint_on_close is not None and hasattr(connection, "setconfig"):
            connection.setconfig(no_checkpoint_on_close, True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: str, *, read_only: bool, size: int) -> Engine:
    options = {"isolation_level": "REPEATABLE READ"} if read_only else {}
    return create_engine(url, pool_size=size, max_overflow=4, pool_pre_ping=True, **options)


class Gate:
    """One writer at a time among threads and processes, in the order they came. The kernel frees it on kill -9."""

    def __init__(self, path: Path | None) -> None:
        self._thread = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660) if path else -1

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        with self._thread:
            if self._file >= 0:
                fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                if self._file >= 0:
                    fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def translated(error: DBAPIError, folder: Path | None) -> MailError:
    """Our word for what the database said."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    detail = f"database: {error.orig}"
    if code is None:
        return StorageFault(detail) if error.connection_invalidated else MailError(detail)
    primary = code & 0xFF
    if primary in (sqlite.SQLITE_BUSY, sqlite.SQLITE_LOCKED):
        return Busy(detail)
    if primary == sqlite.SQLITE_FULL:
        return StorageFull(detail)
    if primary in (sqlite.SQLITE_IOERR, sqlite.SQLITE_CANTOPEN):
        # A full disk can surface as an I/O error (security §3.5.5).
        return StorageFull(detail) if folder and disk_is_full(folder) else StorageFault(detail)
    if primary in (sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB, sqlite.SQLITE_READONLY):
        return StorageFault(detail)
    return MailError(detail)


def disk_is_full(folder: Path) -> bool:
    try:
        room = os.statvfs(folder)
    except OSError as error:
        return error.errno == errno.ENOSPC
    return room.f_bavail * room.f_frsize < 1 << 20 or (room.f_files > 0 and room.f_favail == 0)


class Store:
    """The database of one process. `read()` and `write()` give a connection inside a transaction."""

    def __init__(self, url: str, writer: Engine | None, reader: Engine, gate: Gate, folder: Path | None) -> None:
        self.url = url
        self.sqlite = reader.dialect.name == "sqlite"
        self._writer = writer
        self._reader = reader
        self._gate = gate
        self._folder = folder
        self._pid = os.getpid()

    @classmethod
    def open(cls, url: str, *, lock: Path | None, read_only: bool = False, size: int = 4) -> "Store":
        """Open `sqlite:////path/core.db` or `postgresql+psycopg://…`. WrongVersion when the library is unsafe.

        The schema is not looked at: callers that start a program call `migrate.check` first.
        """
        if url.startswith("sqlite:///"):
            path = url.removeprefix("sqlite:///")
            if not read_only:
                prepare_sqlite_file(Path(path))
            writer = None if read_only else _sqlite_engine(path, read_only=False, size=2)
            reader = _sqlite_engine(path, read_only=True, size=size)
            return cls(url, writer, reader, Gate(None if read_only else lock), Path(path).parent)
        writer = None if read_only else _postgresql_engine(url, read_only=False, size=2)
        reader = _postgresql_engine(url, read_only=True, size=size)
        # The gate is SQLite's need: PostgreSQL orders writers by row locks.
        return cls(url, writer, reader, Gate(None), None)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot. Nothing can be written through it."""
        self._guard()
        with self._translating(), self._reader.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, committed and durable when the block ends, rolled back when it raises."""
        self._guard()
        if self._writer is None:
            raise Bug("write on a store opened read-only")
        with self._translating(), self._held_gate(), self._writer.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _held_gate(self) -> Iterator[None]:
        if self.sqlite:
            with self._gate.held():
                yield
        else:
            yield

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise translated(error, self._folder) from error

    def checkpoint(self, mode: str = "PASSIVE") -> int:
        """Move the WAL into the database; returns the frames still in it. The keeper alone calls this (SQLite)."""
        if not self.sqlite or self._writer is None:
            return 0
        if mode not in ("PASSIVE", "TRUNCATE"):
            raise Bug(f"checkpoint mode {mode}")
        with self._translating():
            connection = self._writer.raw_connection()
            try:
                _busy, frames, moved = connection.cursor().execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            finally:
                connection.close()
        return int(frames) - int(moved)

    def wal_size(self) -> int:
        """Octets of the write-ahead log, 0 where there is none."""
        if not self.sqlite:
            return 0
        try:
            return os.stat(self.url.removeprefix("sqlite:///") + "-wal").st_size
        except FileNotFoundError:
            return 0

    def check_durability(self) -> None:
        """WrongVersion when the server would lose acknowledged mail on power loss (PostgreSQL, security §3.5.10)."""
        if self.sqlite:
            return
        with self.read() as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                value = connection.execute(text(f"SHOW {name}")).scalar_one()
                if value == "off":
                    raise WrongVersion(public=f"PostgreSQL runs with {name}=off; mail could be lost: set it to on")

    def close(self) -> None:
        inherited = os.getpid() != self._pid
        for engine in (self._writer, self._reader):
            if engine is not None:
                engine.dispose(close=not inherited)
        self._gate.close()

    def _guard(self) -> None:
        if os.getpid() != self._pid:
            raise Bug("a store opened before a fork is used after it")
