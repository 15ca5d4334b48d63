"""Where a message waits between its first octet and the keeper: never in a named file, never whole in our memory.

    octets --over 64 KiB--> memfd --over 1 MiB--> unlinked file on disk

What is small stays a list of octets until the end, which costs no system call. The descriptor that goes to the keeper
is sealed when it is a memfd, so what the keeper reads is what was checked.
"""

import fcntl
import mmap
import os
from pathlib import Path

MEMORY_OCTETS = 64 * 1024
MEMFD_OCTETS = 1024 * 1024
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Spool:
    """`write` until the end, `octets` to look at it, `seal` for the keeper; `close` in any case."""

    __slots__ = ("_descriptor", "_folder", "_on_disk", "_parts", "size")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: list[bytes] = []
        self._descriptor = -1
        self._on_disk = False
        self.size = 0

    def write(self, octets: bytes) -> None:
        """Raises OSError when the disk is full."""
        self.size += len(octets)
        if self._descriptor < 0:
            self._parts.append(octets)
            if self.size > MEMORY_OCTETS:
                self._to_memfd()
            return
        if not self._on_disk and self.size > MEMFD_OCTETS:
            self._to_disk()
        _write_all(self._descriptor, octets)

    def octets(self) -> bytes | mmap.mmap:
        """The whole message: as it is, or mapped when it is in a file (close the map)."""
        if self._descriptor < 0:
            if len(self._parts) > 1:
                self._parts = [b"".join(self._parts)]
            return self._parts[0] if self._parts else b""
        return mmap.mmap(self._descriptor, self.size, prot=mmap.PROT_READ)

    def replace_start(self, length: int, start: bytes) -> None:
        """Put `start` in the place of the first `length` octets. For the few messages with forged fields."""
        whole = self.octets()
        changed = Spool(self._folder)
        try:
            changed.write(start)
            for position in range(length, self.size, MEMORY_OCTETS):
                changed.write(whole[position : position + MEMORY_OCTETS])
        finally:
            if isinstance(whole, mmap.mmap):
                whole.close()
        self.close()
        self._parts, self._descriptor = changed._parts, changed._descriptor
        self._on_disk, self.size = changed._on_disk, changed.size

    def seal(self) -> int:
        """The descriptor of the whole message, ours until `close`. Nothing may be written after."""
        if self._descriptor < 0:
            self._to_memfd()
        if not self._on_disk:
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, _SEALS)
        return self._descriptor

    def close(self) -> None:
        self._parts = []
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _to_memfd(self) -> None:
        self._descriptor = os.memfd_create("message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        for part in self._parts:
            _write_all(self._descriptor, part)
        self._parts = []

    def _to_disk(self) -> None:
        # O_TMPFILE: no name to clean up, whatever happens to us.
        target = os.open(self._folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            length = os.fstat(self._descriptor).st_size
            offset = 0
            while offset < length:
                offset += os.sendfile(target, self._descriptor, offset, length - offset)
        except OSError:
            os.close(target)
            raise
        os.close(self._descriptor)
        self._descriptor, self._on_disk = target, True


def _write_all(descriptor: int, octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view) :]
