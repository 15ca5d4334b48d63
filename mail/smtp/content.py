"""The octets after DATA or in BDAT: where the message ends, whether it may be taken, and what is stored of it.

Octets in, cleaned segments out to a sink; no socket. The rules (RFC 5321 §2.3.8, §4.1.1.4, §4.5.2):

1. Only CRLF . CRLF ends DATA (or `.` CRLF as its very first line). Everything is read to that true end, whatever is
   found on the way, so that the session stays in step.
2. A CR without LF, and every look-alike of the end (a line of one dot that a bare LF begins or ends), is SMTP
   smuggling: somewhere a server takes it for the end and what follows for commands. Such a message is not stored.
3. A bare LF elsewhere becomes CRLF before anything looks at the message: what is stored is what was checked.
4. One dot is removed at the start of a line that follows a CRLF, and only there.
5. A NUL, a line over 64 KiB and a message over the limit are refused too; the first fault found names the refusal.

    raw --hold back 4 octets--> segment --count CR LF NUL--> unstuff --> (repair LF) --> sink

The counts are whole-segment searches in C; only a segment with a bare LF near it is looked at more closely, and only
one with a dot at the start of a line is unstuffed. A segment never ends in CR, so no CRLF is cut in two, and three
octets before it are kept, so no look-alike is.
"""

import re
from collections.abc import Callable
from enum import Enum

TERMINATOR = b"\r\n.\r\n"
# RFC 5321 §4.5.3.1.6 allows 998 and CRLF; real mail has longer lines, and IMAP clients cope with these.
LINE_LIMIT = 64 * 1024
# Read to the end for the sake of one reply, but not for ever (security SM-4).
OVERRUN = 2
_HELD = len(TERMINATOR) - 1
_BEFORE = 3
_DOTTED = b"\r\n."

# A line of a single dot where one of the two line ends around it is a bare LF.
_LOOK_ALIKE = re.compile(rb"(?<!\r)\n\.\r?\n|\n\.\n")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_BARE_CR = re.compile(rb"\r(?!\n)")


class Fault(Enum):
    """Why a message is not taken."""

    SMUGGLING = "smuggling"
    NUL = "nul"
    LONG_LINE = "long-line"
    TOO_LARGE = "too-large"


def _has_long_gap(segment: bytes) -> bool:
    """Is there a stretch without LF that half a line of LINE_LIMIT fits in: no longer line comes without one."""
    half = LINE_LIMIT // 2
    return any(segment.find(b"\n", at, at + half) < 0 for at in range(0, len(segment), half))


class Content:
    """The content of one message. Feed it with `receive` (DATA) or `receive_chunk` (BDAT) until `ended`."""

    __slots__ = (
        "_before",
        "_held",
        "_line",
        "_limit",
        "_sink",
        "eightbit",
        "ended",
        "fault",
        "overrun",
        "received",
        "size",
    )

    def __init__(self, sink: Callable[[bytes], None], *, limit: int) -> None:
        self._sink = sink
        self._limit = limit
        self._held = b""
        self._before = b"\r\n"  # the first line follows the CRLF of the command
        self._line = 0
        self.fault: Fault | None = None
        self.eightbit = False
        self.ended = False
        self.overrun = False  # far over the limit: the reader gives up
        self.received = 0
        self.size = 0

    def receive(self, octets: bytes) -> bytes:
        """Take octets of DATA. Once `ended`, what is returned comes after the end of the message."""
        self.received += len(octets)
        raw = self._held + octets if self._held else octets
        if raw.startswith(b".\r\n") and self._before.endswith(b"\r\n"):
            self._finish()
            return raw[3:]
        dotted = raw.find(_DOTTED)
        end = raw.find(TERMINATOR, dotted) if dotted >= 0 else -1
        if end >= 0:
            self._segment(raw[: end + 2])
            self._finish()
            return raw[end + len(TERMINATOR) :]
        self._take_safe(raw, stuffed=dotted >= 0 or raw.startswith(b"."))
        return b""

    def receive_chunk(self, octets: bytes, *, last: bool) -> None:
        """Take octets of BDAT. A dot means nothing here, but the rules for line ends are the same. RFC 3030 §2."""
        self.received += len(octets)
        raw = self._held + octets if self._held else octets
        if not last:
            self._take_safe(raw, stuffed=False)
            return
        if raw:
            self._segment(raw, stuffed=False)
        self._finish()

    def _take_safe(self, raw: bytes, *, stuffed: bool) -> None:
        cut = len(raw) - _HELD
        if cut > 0 and raw[cut - 1] == 0x0D:
            cut -= 1
        if cut <= 0:
            self._held = raw
            return
        self._held = raw[cut:]
        self._segment(raw[:cut], stuffed=stuffed)
        if self.received > OVERRUN * self._limit:
            self.overrun = True

    def _segment(self, segment: bytes, *, stuffed: bool = True) -> None:
        if self.fault is not None:
            return  # only the end matters now
        before = self._before
        line_feeds = segment.count(b"\n")
        self._before = (before + segment[-_BEFORE:])[-_BEFORE:]
        self._measure_lines(segment, line_feeds)
        if _BARE_CR.search(segment) is not None:
            self.fault = Fault.SMUGGLING
        elif b"\0" in segment:
            self.fault = Fault.NUL
        else:
            # Every CR has its LF.
            suspicious = line_feeds != segment.count(b"\r")
            if (suspicious or _BARE_LF.search(before)) and _LOOK_ALIKE.search(before + segment):
                self.fault = Fault.SMUGGLING
        if self.fault is not None:
            return
        if stuffed:
            if segment[0] == 0x2E and before.endswith(b"\r\n"):
                segment = segment[1:]
            segment = segment.replace(b"\r\n.", b"\r\n")
        if suspicious:
            segment = _BARE_LF.sub(b"\r\n", segment)
        self._keep(segment)

    def _measure_lines(self, segment: bytes, line_feeds: int) -> None:
        if not line_feeds:
            self._line += len(segment)
            longest = self._line
        else:
            longest = self._line + segment.find(b"\n")
            self._line = len(segment) - 1 - segment.rfind(b"\n")
            longest = max(longest, self._line)
            if len(segment) > LINE_LIMIT and longest <= LINE_LIMIT and _has_long_gap(segment):
                longest = max(longest, max(map(len, segment.split(b"\n"))))
        if longest > LINE_LIMIT:
            self.fault = self.fault or Fault.LONG_LINE

    def _keep(self, segment: bytes) -> None:
        self.size += len(segment)
        if self.size > self._limit:
            self.fault = Fault.TOO_LARGE
            return
        if not self.eightbit and not segment.isascii():
            self.eightbit = True
        self._sink(segment)

    def _finish(self) -> None:
        self.ended = True
        if self.fault is None and self._before[-1:] == b"\r":
            self.fault = Fault.SMUGGLING
        elif self.fault is None and self.size and self._before[-1:] != b"\n":
            self._keep(b"\r\n")  # BDAT may end without one; no other protocol can carry that
