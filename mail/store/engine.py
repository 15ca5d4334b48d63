"""The database, opened: one writer's gate, readers' snapshots, and errors in the field's words.

1. Every write transaction takes the gate (a `flock` on a side file, fair between processes), then `BEGIN IMMEDIATE`:
   a read that turns into a write fails at once in SQLite, whatever the busy timeout (security §3.5, measured).
2. A store is never used after a fork: it belongs to the process that opened it.
3. Write transactions hold no DNS, network, hashing or file copy: everyone else waits.
4. SQLite 3.7.0 to 3.51.2 can corrupt a WAL database with several writers: we refuse to start on those, save for the
   back-ports 3.44.6 and 3.50.7.
5. One process checkpoints: the keeper. A second one beside it, or a copy of a live file, is how databases are damaged.
6. What a driver says becomes one of our errors here; whoever meets `Busy` may repeat the whole transaction.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mail.errors import Bug, Busy, MailError, StorageFault, StorageFull, Unavailable, WrongVersion

APPLICATION_ID = 0x4D53_5444  # "MSTD"

BUSY_TIMEOUT_MS = 15_000

# security §3.5; the checkpointer alone checkpoints.
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA mmap_size=0",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16384",
)

# SQLite's WAL needs shared memory between its users, and our promise needs a sync that reaches the disk.
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "fuse.sshfs"})

# PostgreSQL's SQLSTATE, by its first five or two characters.
_STATES: dict[str, type[MailError]] = {
    "53100": StorageFull,  # disk_full
    "58030": StorageFault,  # io_error
    "XX001": StorageFault,  # data_corrupted
    "XX002": StorageFault,  # index_corrupted
    "40001": Busy,  # serialization_failure
    "40P01": Busy,  # deadlock_detected
    "55P03": Busy,  # lock_not_available
    "57014": Busy,  # query_canceled, by a time limit
    "53": Unavailable,  # out of connections or memory
    "57": Unavailable,  # shutting down
    "08": Unavailable,  # connection lost
}

# The execution option of a transaction that only reads on a connection that may write.
READING = "mailstead_reading"

# security §3.5.10: nobody waits for ever, and no forgotten transaction holds rows.
POSTGRESQL_OPTIONS = (
    "-c statement_timeout=60000 -c lock_timeout=15000 -c idle_in_transaction_session_timeout=60000"
    " -c timezone=UTC -c synchronous_commit=on"
)


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
    # The one that was used last: its cache is the fullest.
    pool = {"pool_size": size, "max_overflow": 4, "pool_timeout": 30, "pool_use_lifo": True}
    engine = create_engine(f"sqlite:///{path}", module=sqlite, **pool)

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
        reading = read_only or READING in connection.get_execution_options()
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def check_file_system(folder: Path, mounts: str | None = None) -> None:
    """WrongVersion on a network file system (security §3.5.9). `mounts` is the text of /proc/self/mounts."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape")
        except OSError:
            return
    kinds: dict[str, str] = {}
    for line in mounts.splitlines():
        _source, point, kind, *_ = line.split(" ")
        kinds[point.replace("\\040", " ")] = kind
    here = folder.resolve()
    kind = next((kinds[str(above)] for above in (here, *here.parents) if str(above) in kinds), "")
    if kind in NETWORK_FILE_SYSTEMS:
        raise WrongVersion(public=f"{folder} is on {kind}: SQLite needs a local disk; use one, or PostgreSQL")


def _postgresql_engine(url: str, *, read_only: bool, size: int) -> Engine:
    return create_engine(
        url,
        pool_size=size,
        max_overflow=4,
        pool_timeout=30,
        pool_pre_ping=True,
        # A writer sees what others committed while it waited for a row, as a SQLite writer behind the gate does.
        isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED",
        connect_args={"options": POSTGRESQL_OPTIONS + (" -c default_transaction_read_only=on" if read_only else "")},
    )


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
    detail = f"database: {error.orig}"
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is None:
        state = getattr(error.orig, "sqlstate", None) or ""
        if error.connection_invalidated and not state:
            state = "08"
        return (_STATES.get(state) or _STATES.get(state[:2]) or MailError)(detail)
    match code & 0xFF:
        case 5 | 6:  # SQLITE_BUSY, SQLITE_LOCKED
            return Busy(detail)
        case 13:  # SQLITE_FULL
            return StorageFull(detail)
        case 10 | 14:  # SQLITE_IOERR, SQLITE_CANTOPEN: how a full disk can surface too (security §3.5.5)
            return StorageFull(detail) if folder and disk_is_full(folder) else StorageFault(detail)
        case 8 | 11 | 26:  # SQLITE_READONLY, SQLITE_CORRUPT, SQLITE_NOTADB
            return StorageFault(detail)
        case _:
            return MailError(detail)


def disk_is_full(folder: Path) -> bool:
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < 1 << 20 or (room.f_files > 0 and room.f_favail == 0)


class Store:
    """The database of one process. `read()` and `write()` give a connection inside a transaction."""

    def __init__(
        self, url: str, writer: Engine | None, reader: Engine, gate: Gate, folder: Path | None, checkpointer: bool
    ) -> None:
        self.url = url
        self.sqlite = reader.dialect.name == "sqlite"
        self._writer = writer
        self._reader = reader
        self._gate = gate
        self._folder = folder
        self._checkpointer = checkpointer
        self._pid = os.getpid()

    @classmethod
    def open(
        cls, url: str, *, lock: Path | None, read_only: bool = False, checkpointer: bool = False, size: int = 4
    ) -> "Store":
        """Open `sqlite:////path/core.db` or `postgresql+psycopg://…`; `size` readers at once.

        WrongVersion when the library, the file system or the server's settings would not keep what we promise.
        The schema is not looked at: callers that start a program call `mail.store.revision.check` first.
        """
        if url.startswith("sqlite:///"):
            path = Path(url.removeprefix("sqlite:///"))
            if not read_only:
                prepare_sqlite_file(path)
            check_file_system(path.parent)
            writer = None if read_only else _sqlite_engine(str(path), read_only=False, size=2)
            reader = _sqlite_engine(str(path), read_only=True, size=size)
            return cls(url, writer, reader, Gate(None if read_only else lock), path.parent, checkpointer)
        writer = None if read_only else _postgresql_engine(url, read_only=False, size=2)
        reader = _postgresql_engine(url, read_only=True, size=size)
        # The gate is SQLite's need: PostgreSQL orders writers by row locks.
        store = cls(url, writer, reader, Gate(None), None, checkpointer)
        try:
            store.check_durability()
        except MailError:
            store.close()
            raise
        return store

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot. Nothing can be written through it."""
        self._guard()
        with self._translating(), self._reader.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def read_before_writing(self) -> Iterator[Connection]:
        """As `read`, for one who writes next, again and again. SQLite empties a connection's cache when another one
        commits: on the connection that writes itself, it stays full.
        """
        if self._writer is None or not self.sqlite:
            with self.read() as connection:
                yield connection
            return
        self._guard()
        reading = {READING: True}
        with self._translating(), self._writer.connect() as connection, connection.execution_options(**reading).begin():
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
    def savepoint(self, connection: Connection) -> Iterator[None]:
        """Inside a transaction: what raises in the block is undone alone, and comes out in our words."""
        with self._translating(), connection.begin_nested():
            yield

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
        except PoolTimeout as error:
            raise Busy(f"database: {error}") from error

    def checkpoint(self, mode: str = "PASSIVE") -> int:
        """Move the WAL into the database; returns the frames still in it.

        PASSIVE disturbs nobody, and so never ends while others write. RESTART keeps writers out until all is moved, so
        that the next one begins the log anew; TRUNCATE, for idle times, also empties the file.
        Never waits for readers: what they still need stays for the next call.
        """
        self._guard()
        if not self.sqlite:
            return 0
        if self._writer is None or not self._checkpointer or mode not in ("PASSIVE", "RESTART", "TRUNCATE"):
            raise Bug(f"checkpoint {mode} by one who is not the checkpointer")
        with self._translating(), self._gate.held() if mode != "PASSIVE" else contextlib.nullcontext():
            connection = self._writer.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute("PRAGMA busy_timeout=0")
                _blocked, frames, moved = cursor.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
                cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            finally:
                connection.close()
        return max(int(frames) - int(moved), 0)

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
