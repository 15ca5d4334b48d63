"""Whether the disk has room: the reserve below which no mail is taken (security EX-8, c0), and the file that stands in
for the room deletes need on a disk that others have filled (security §3.7).
"""

import os
import threading
import time
from pathlib import Path

from mail.errors import StorageFull
from mail.log import Log

LOOK_SECONDS = 1.0
INODES_PERCENT = 1
RESERVE_FILE_MAX = 64 << 20


class ReserveFile:
    """Takes room while there is plenty, and gives it back when the disk is full: then a delete can still be written.

    Its room is for deletes alone: while it is away, no mail is taken.
    """

    def __init__(self, path: Path, *, reserve_bytes: int, log: Log) -> None:
        self._path = path
        self._log = log
        room = os.statvfs(path.parent)
        self.size = min(RESERVE_FILE_MAX, reserve_bytes // 16, room.f_blocks * room.f_frsize // 16)
        self._lock = threading.Lock()
        self.away = False

    def look(self) -> None:
        """Make it when there is four times its size, give it back below a quarter of it. Blocks."""
        room = os.statvfs(self._path.parent)
        free = room.f_bavail * room.f_frsize
        there = self._path.exists()
        if there and free < self.size // 4:
            self.give_back()
        elif not there and self.size and free > 4 * self.size:
            self._make()
        else:
            self.away = self.size > 0 and not there

    def _make(self) -> None:
        with self._lock:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self.size)
            except OSError as error:
                self._log.warning("reserve-file", error=str(error))
                self._path.unlink()
            finally:
                os.close(descriptor)
            self.away = False

    def give_back(self) -> None:
        """The disk is full: what is left is for deletes."""
        with self._lock:
            if not self.size or not self._path.exists():
                return
            self.away = True
            self._path.unlink(missing_ok=True)
        self._log.critical("disk-full", remedy="free space: no mail is taken, deletes still work", given_back=self.size)


class Space:
    """Free octets and inodes of the disk that holds the mail, at most a second old."""

    def __init__(self, path: Path, *, reserve_bytes: int, reserve_percent: int, file: ReserveFile) -> None:
        self._path = path
        self._file = file
        self._reserve_bytes = reserve_bytes
        self._reserve_percent = reserve_percent
        self._looked = 0.0
        self._free = 0

    def _look(self) -> None:
        now = time.monotonic()
        if self._looked and now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        room = os.statvfs(self._path)
        whole = room.f_blocks * room.f_frsize
        reserve = max(self._reserve_bytes, whole * self._reserve_percent // 100)
        # A reserve larger than a tenth of the disk would make a small disk refuse for ever.
        free = room.f_bavail * room.f_frsize - min(reserve, whole // 10)
        out_of_inodes = room.f_files > 0 and room.f_favail * 100 < room.f_files * INODES_PERCENT
        self._free = 0 if out_of_inodes else free

    def has(self, size: int) -> bool:
        self._look()
        return self._free > size and not self._file.away

    def check(self, size: int) -> None:
        """StorageFull when `size` octets more would go below the reserve."""
        if not self.has(size):
            raise StorageFull(f"{self._free} octets above the reserve, {size} asked")
