"""Whether the disk has room: the reserve below which no mail is taken (security EX-8, c0)."""

import os
import time
from pathlib import Path

from mail.errors import StorageFull

LOOK_SECONDS = 1.0
INODES_PERCENT = 1


class Space:
    """Free octets and inodes of the disk that holds the mail, at most a second old."""

    def __init__(self, path: Path, *, reserve_bytes: int, reserve_percent: int) -> None:
        self._path = path
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
        return self._free > size

    def check(self, size: int) -> None:
        """StorageFull when `size` octets more would go below the reserve."""
        if not self.has(size):
            raise StorageFull(f"{self._free} octets above the reserve, {size} asked")
