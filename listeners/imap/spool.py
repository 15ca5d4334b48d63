"""Where the octets of an arriving message wait until the keeper takes them: memory, or a file without a name.

1. Up to 1 MiB a command stays in memory and goes to the keeper as a sealed memfd; more goes to an unlinked file.
2. A bare LF is repaired to CRLF here, before anything looks at the message, so that what is stored is what was looked
   at; a literal8 is left as it is, for it may hold binary parts (RFC 3516 §4.4).
3. NUL is noted: only a literal8 may hold it (RFC 9051 §9, CHAR8).
"""

import fcntl
import mmap
import os
import re
import tempfile

from mail.imap.summary import Summary, summarize

IN_MEMORY = 1 << 20
# Looking through more than this is not for the loop (security EX-9).
ON_LOOP = 32 * 1024

BARE_LF = re.compile(rb"(?<!\r)\n")
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Spool:
    __slots__ = ("_descriptor", "_last", "_parts", "binary", "nul", "size")

    def __init__(self, expected: int, *, binary: bool) -> None:
        self.binary = binary
        self.nul = False
        self.size = 0
        self._last = b""
        self._parts: list[bytes] | None = None
        self._descriptor = -1
        if expected <= IN_MEMORY:
            self._parts = []
        else:
            with tempfile.TemporaryFile() as file:
                self._descriptor = os.dup(file.fileno())

    def write(self, octets: bytes) -> None:
        """Raises OSError when the disk is full."""
        if not octets:
            return
        if not self.binary:
            self.nul = self.nul or b"\0" in octets
            octets = self._repaired(octets)
        self.size += len(octets)
        if self._parts is not None:
            self._parts.append(octets)
            return
        rest = memoryview(octets)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _repaired(self, octets: bytes) -> bytes:
        after_cr, self._last = self._last == b"\r", octets[-1:]
        if octets.count(b"\n") == octets.count(b"\r\n") + (after_cr and octets[:1] == b"\n"):
            return octets
        if after_cr and octets[:1] == b"\n":
            return b"\n" + BARE_LF.sub(b"\r\n", octets[1:])
        return BARE_LF.sub(b"\r\n", octets)

    @property
    def small(self) -> bool:
        """`summary` may run on the loop."""
        return self._parts is not None and self.size <= ON_LOOP

    def summary(self) -> Summary:
        """What is stored beside the message."""
        if self._parts is not None:
            if len(self._parts) > 1:
                self._parts = [b"".join(self._parts)]
            return summarize(self._parts[0] if self._parts else b"")
        with mmap.mmap(self._descriptor, self.size, prot=mmap.PROT_READ) as mapped:
            return summarize(mapped)

    def descriptor(self) -> int:
        """To hand to the keeper; still ours to close."""
        if self._parts is not None:
            self._descriptor = os.memfd_create("append", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            rest = memoryview(b"".join(self._parts))
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, SEALS)
            self._parts = None
        return self._descriptor

    def close(self) -> None:
        self._parts = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
