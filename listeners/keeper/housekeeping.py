"""What the keeper does between batches: checkpoints, and the sweep of what crashes left behind (security §3.5, §3.2 e).

A file without a row is litter, a row without a file corruption; so the sweep removes a blob's row first, commits, and
unlinks its file then, and only when both are older than an hour.
"""

import os
import threading
import time
from pathlib import Path

from listeners.keeper.committer import Committer
from listeners.keeper.space import ReserveFile
from mail.errors import MailError, StorageFault, StorageFull
from mail.log import Log
from mail.now import Clock
from mail.store import blob_rows
from mail.store.blobs import BlobWriter
from mail.store.changes import changing
from mail.store.engine import Store

TICK_SECONDS = 1.0
WAL_PAGES = 1000
PAGE = 4096
# Passive checkpoints never catch up with steady writers; beyond this the log is begun anew.
WAL_RESTART = 32 << 20
WAL_ALARM = 256 << 20
SWEEP_SECONDS = 600.0
LITTER_SECONDS = 3600.0
SWEEP_MOST = 200


class Housekeeper:
    """Owns one thread."""

    def __init__(
        self,
        store: Store,
        blobs: BlobWriter,
        committer: Committer,
        reserve: ReserveFile,
        *,
        clock: Clock,
        log: Log,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._committer = committer
        self._reserve = reserve
        self._clock = clock
        self._log = log
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping")
        self._wal = Path(store.url.removeprefix("sqlite:///") + "-wal") if store.sqlite else None
        self._wal_before = (0, 0)
        self._alarmed = False

    def after_start(self) -> None:
        """No other keeper lives: everything below tmp/ is litter. Blocks."""
        self._reserve.look()
        removed = self._blobs.sweep_temporary(all_of_them=True)
        if removed:
            self._log.info("swept-temporary", files=removed)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        try:
            self._store.checkpoint("TRUNCATE")
        except MailError as error:
            # The next start finds all of it in the log.
            self._log.warning("checkpoint-failed", error=str(error))

    def _run(self) -> None:
        # The first sweep soon after the start: a crash is why we started, more often than not.
        next_sweep = time.monotonic() + 60.0
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self._committer.leave_refusal()
                self._reserve.look()
                self.checkpoint()
                if time.monotonic() >= next_sweep:
                    next_sweep = time.monotonic() + SWEEP_SECONDS
                    self.sweep()
            except (StorageFull, StorageFault) as error:
                self._committer.storage_failed(error)
            except (MailError, OSError) as error:
                self._log.error("housekeeping-failed", exc=error)

    def checkpoint(self) -> None:
        """PASSIVE when the WAL has grown, TRUNCATE when nothing was written since the last look."""
        size, _ = wal = self._look_at_wal()
        if size > WAL_PAGES * PAGE:
            if wal == self._wal_before:
                self._store.checkpoint("TRUNCATE")
            else:
                self._store.checkpoint("PASSIVE")
                if size > WAL_RESTART:
                    # Little is left to move after the passive one: writers wait that long.
                    self._store.checkpoint("RESTART")
        self._wal_before = wal
        if size > WAL_ALARM and not self._alarmed:
            words = "a reader holds an old snapshot; restart the process that does"
            self._log.warning("wal-large", octets=size, remedy=words)
        self._alarmed = size > WAL_ALARM

    def _look_at_wal(self) -> tuple[int, int]:
        """Size and time of the last write; begun anew, the file keeps its size."""
        if self._wal is None:
            return 0, 0
        try:
            status = os.stat(self._wal)
        except FileNotFoundError:
            return 0, 0
        return status.st_size, status.st_mtime_ns

    def sweep(self) -> None:
        """Old temporary files, blobs nobody names, files without a row."""
        self._blobs.sweep_temporary(all_of_them=False)
        self._sweep_rows()
        self._sweep_files()

    def _sweep_rows(self) -> None:
        before = self._clock.wall_ms() - int(LITTER_SECONDS * 1000)
        while not self._stopping.is_set():
            with self._store.read() as connection:
                found = blob_rows.unreferenced(connection, before, SWEEP_MOST)
            if not found:
                return
            with changing(self._store, None, clock=self._clock) as changes:
                gone = set(blob_rows.remove(changes.tx, [one.id for one in found]))
            for one in found:
                if one.id in gone:
                    self._blobs.remove(one.folder, one.id)
            self._log.info("swept-blobs", blobs=len(gone))
            if len(found) < SWEEP_MOST:
                return

    def _sweep_files(self) -> None:
        old = time.time() - LITTER_SECONDS
        candidates: list[tuple[str, str]] = []
        for folder, blob_id, status in self._blobs.files():
            if self._stopping.is_set():
                return
            if status.st_mtime < old:
                candidates.append((folder, blob_id))
            if len(candidates) >= SWEEP_MOST:
                self._remove_strays(candidates)
                candidates = []
        self._remove_strays(candidates)

    def _remove_strays(self, candidates: list[tuple[str, str]]) -> None:
        if not candidates:
            return
        with self._store.read() as connection:
            known = blob_rows.known(connection, [blob_id for _, blob_id in candidates])
        strays = [(folder, blob_id) for folder, blob_id in candidates if blob_id not in known]
        for folder, blob_id in strays:
            self._blobs.remove(folder, blob_id)
        if strays:
            self._log.info("swept-strays", files=len(strays))
