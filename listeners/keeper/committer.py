"""Group commit: everything that waits, in the order of security §3.2, then all replies at once.

    waiting --take all (<= 256)--> read what is to be known for all, and decide   (entries that have something to)
            --> stage and sync the files, in parallel   (c1 c2 c4 c5)
            --> one fsync for the folder (c6) --> one transaction (c7 c8) --> replies (c9) --> unlink tmp, wake (c10)

Messages up to 16 KiB need no file: their content is committed with their row (docs/decisions/small-blobs-in-rows.md).

There is no timer: while one batch commits, the next one gathers. One message that fails must not fail its neighbours:
when the batch's transaction raises, it is rolled back and done again with a savepoint for each.
A sync that fails puts the keeper into the refusing state; only a probe write that succeeds ends it (rule f).
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from listeners.keeper.crash import CrashPoints
from mail.errors import Bug, MailError, StorageFault, StorageFull, Unavailable
from mail.log import Log
from mail.now import Clock
from mail.store.blobs import IN_ROW_MAX, BlobWriter, Staged
from mail.store.changes import Changes, Publisher, changing
from mail.store.engine import Store
from mail.store.experience import Known, Wanted

# Holds the place of a blob whose file is not made yet, or could not be.
PENDING = Staged("", "", 0, b"", "", b"")

BATCH_MAX = 256
SYNC_THREADS = 6
PROBE_SECONDS = 5.0
SLOW_SECONDS = 1.0

# Nothing can be tried again alone after these: the disk is full or failing, or the database has gone.
_WHOLE_BATCH = (StorageFull, StorageFault, Unavailable)


@dataclass(slots=True)
class Content:
    """The octets of one message: a descriptor of this process, and how many."""

    descriptor: int
    size: int


class Decided(Exception):
    """Raised by `decide`: there is nothing to commit, and this is the result."""

    def __init__(self, result: Any) -> None:
        super().__init__("decided")
        self.result = result


class Decision(Protocol):
    """What is decided before anything is made durable: all of a batch ask, what they want is read at once, and then
    each decides by it.
    """

    def ask(self, wanted: Wanted) -> None: ...

    def decide(self, known: Mapping[int, Known]) -> None:
        """It may change the contents of its entry, or raise `Decided`."""


@dataclass(slots=True)
class Entry:
    """One thing to commit: contents to make durable, then `write` inside the transaction.

    `decision`, if there is one, comes before. `write` gets the staged blobs in the order of `contents`; what it returns
    goes to `done`, and so does the MailError that stopped it. One found before anything was changed is returned,
    not raised: then nobody else's rows are written again. `done` is called once, from the committer's thread, after the
    commit.
    """

    contents: list[Content]
    write: Callable[[Changes, list[Staged]], Any]
    done: Callable[[Any], None]
    decision: Decision | None = None
    staged: list[Staged] = field(default_factory=list)
    result: Any = None
    decided: bool = False

    @property
    def failed(self) -> bool:
        return isinstance(self.result, MailError)


class Committer:
    """Owns the writer thread. `submit` may be called from any thread."""

    def __init__(
        self, store: Store, blobs: BlobWriter, publisher: Publisher, *, clock: Clock, log: Log, crash: CrashPoints
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._publisher = publisher
        self._clock = clock
        self._log = log
        self._crash = crash
        self._waiting: list[Entry] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._refusing: MailError | None = None
        self._probed = 0.0
        self._pool = ThreadPoolExecutor(SYNC_THREADS, thread_name_prefix="sync")
        self._thread = threading.Thread(target=self._run, name="committer")
        self.batches = self.messages = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, then end. Blocks."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()
        self._pool.shutdown()

    @property
    def refusing(self) -> MailError | None:
        """Why nothing is taken at the moment; None normally."""
        return self._refusing

    def submit(self, entry: Entry) -> None:
        with self._changed:
            if not self._stopping:
                self._waiting.append(entry)
                self._changed.notify()
                return
        entry.done(Unavailable("the keeper is stopping"))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            if not batch:
                return
            try:
                self._commit(batch)
            except Exception as error:  # noqa: BLE001 - the request: a batch that hurts itself alone, all of it answered
                self._log.error("batch-failed", exc=error)
                for entry in batch:
                    entry.done(Bug(f"{type(error).__name__}: {error}"))

    def _commit(self, batch: list[Entry]) -> None:
        started = time.monotonic()
        self._decide(batch)
        self._crash.at("c1")
        self._make_durable([entry for entry in batch if not entry.failed and not entry.decided])
        standing = [entry for entry in batch if not entry.failed and not entry.decided]
        changes = self._write(standing) if standing else None
        # Before anybody hears of it: who has his answer and asks for the status finds himself counted.
        self.batches += 1
        self.messages += len(batch)
        for entry in batch:
            entry.done(entry.result)
        self._crash.at("c9")
        if changes is not None and (changes.events or changes.wake):
            self._publisher.publish(changes.events, wake=changes.wake)
        for entry in batch:
            self._tidy(entry)
        self._crash.at("c10")
        if time.monotonic() - started > SLOW_SECONDS:
            self._log.warning("commit-slow", seconds=round(time.monotonic() - started, 3), entries=len(batch))

    def _decide(self, batch: list[Entry]) -> None:
        """One that fails, fails alone."""
        deciding = [(entry, entry.decision) for entry in batch if entry.decision is not None]
        if not deciding:
            return
        wanted = Wanted()
        for entry, decision in deciding:
            self._alone(entry, decision.ask, wanted)
        try:
            with self._store.read_before_writing() as connection:
                known = wanted.load(connection)
        except MailError as error:
            self._log.error("reading-failed", exc=error)
            _fail((entry for entry, _ in deciding), error)
            return
        for entry, decision in deciding:
            if not entry.failed:
                self._alone(entry, decision.decide, known)

    def _alone(self, entry: Entry, step: Callable[[Any], None], given: Any) -> None:
        try:
            step(given)
        except Decided as decided:
            entry.result, entry.decided = decided.result, True
        except Exception as error:  # noqa: BLE001 - the request: it fails alone
            entry.result = self._failure(error)

    def _tidy(self, entry: Entry) -> None:
        for staged in entry.staged:
            # After a fault in COMMIT its record may stand in the log and come back at the next start: the file stays,
            # for the sweep to decide.
            if entry.failed and not isinstance(entry.result, StorageFault | Unavailable):
                self._blobs.discard(staged)
            else:
                self._blobs.finish(staged)

    def _make_durable(self, batch: list[Entry]) -> None:
        """c1 to c6 for all contents; entries whose files could not be written hold the error."""
        if self._refusing is not None:
            _fail(batch, self._refusing)
            return
        wanted: list[tuple[Entry, int, Content]] = []
        for entry in batch:
            for place, content in enumerate(entry.contents):
                entry.staged.append(PENDING)
                if content.size > IN_ROW_MAX:
                    wanted.append((entry, place, content))
                    continue
                try:
                    entry.staged[place] = self._blobs.in_row(content.descriptor, content.size)
                except MailError as error:
                    # Its descriptor cannot be read: the sender's fault, not our disk's.
                    entry.result = error
        if wanted:
            self._make_files(wanted)

    def _make_files(self, wanted: list[tuple[Entry, int, Content]]) -> None:
        try:
            folder = self._blobs.current_folder()
        except MailError as error:
            self.storage_failed(error)
            _fail((entry for entry, _, _ in wanted), error)
            return
        if len(wanted) == 1:
            staged = [self._stage(wanted[0][2], folder)]
        else:
            staged = list(self._pool.map(self._stage, [content for _, _, content in wanted], [folder] * len(wanted)))
        for (entry, place, _), one in zip(wanted, staged, strict=True):
            if isinstance(one, MailError):
                entry.result = one
            else:
                entry.staged[place] = one
        self._crash.at("c5")
        try:
            self._blobs.sync_folder(folder)
        except MailError as error:
            self.storage_failed(error)
            _fail((entry for entry, _, _ in wanted), error)
        self._crash.at("c6")

    def _stage(self, content: Content, folder: str) -> Staged | MailError:
        try:
            return self._blobs.stage(content.descriptor, content.size, folder)
        except MailError as error:
            self.storage_failed(error)
            return error

    def _write(self, entries: list[Entry]) -> Changes | None:
        """c7 and c8: one transaction for all; if that fails, one with a savepoint for each. None: nothing committed."""
        try:
            with changing(self._store, None, clock=self._clock) as changes:
                for entry in entries:
                    entry.result = entry.write(changes, entry.staged)
                changes.flush()
                self._crash.at("c7")
        except _WHOLE_BATCH as error:
            self.storage_failed(error)
            _fail(entries, error)
            return None
        except Exception as error:  # noqa: BLE001 - the request: a bad one must not take the writer with it
            if len(entries) == 1:
                entries[0].result = self._failure(error)
                return None
            return self._write_apart(entries)
        self._crash.at("c8")
        return changes

    def _write_apart(self, entries: list[Entry]) -> Changes | None:
        try:
            with changing(self._store, None, clock=self._clock) as changes:
                for entry in entries:
                    self._write_one(changes, entry)
        except MailError as error:
            self.storage_failed(error)
            _fail(entries, error)
            return None
        return changes

    def _write_one(self, changes: Changes, entry: Entry) -> None:
        """Inside a savepoint. What was gathered for the neighbours is flushed first, so that it stays."""
        changes.flush()
        events = len(changes.events)
        try:
            with self._store.savepoint(changes.tx):
                entry.result = entry.write(changes, entry.staged)
                changes.flush()
        except _WHOLE_BATCH:
            raise
        except Exception as error:  # noqa: BLE001 - the request: it fails alone
            entry.result = self._failure(error)
            changes.forget(events)

    def _failure(self, error: Exception) -> MailError:
        """What its sender is told. Refusals are normal; what we did not foresee is logged."""
        if type(error) is MailError or isinstance(error, Bug) or not isinstance(error, MailError):
            self._log.error("commit-failed", exc=error)
        return error if isinstance(error, MailError) else Bug(f"{type(error).__name__}: {error}")

    def storage_failed(self, error: MailError) -> None:
        """A shortage is told to those it meets; a fault stops everything until a probe succeeds (rule f)."""
        if isinstance(error, StorageFault) and self._refusing is None:
            self._refusing = error
            self._probed = time.monotonic()
            words = "no mail is taken until a probe write succeeds; look at the disk and the kernel log"
            self._log.critical("storage-fault", exc=error, remedy=words)
        elif isinstance(error, StorageFull):
            self._log.error("storage-full", exc=error, remedy="free space or add disk; senders will try again")

    def leave_refusal(self) -> None:
        """Probe, when it is time. Asked by the housekeeping: while we refuse, nobody sends anything."""
        if self._refusing is None or time.monotonic() - self._probed < PROBE_SECONDS:
            return
        self._probed = time.monotonic()
        try:
            self._blobs.probe()
        except MailError as error:
            self._log.error("storage-still-faulty", exc=error)
            return
        self._refusing = None
        self._log.info("storage-well")


def _fail(entries: Iterable[Entry], error: MailError) -> None:
    for entry in entries:
        # One of its own for each: an exception keeps the stack of everyone who raised it.
        entry.result = type(error)(str(error), public=error.public)
