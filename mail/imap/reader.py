"""Octets in, commands and literals out: the one reader of everything an IMAP client sends.

No socket and no clock: the caller feeds octets with `receive()` and takes events with `next()` until it gives None.

1. Everything is bounded before it is kept (`Limits`). What an announced literal may cost is judged before a single
   octet of it is read: the caller answers `LiteralAnnounced` by `accept()`, `stream()` or `refuse()`.
2. A line ends in CRLF. A bare LF ends it as well, so that we stay in step, but the command is refused.
3. A command is handed out whole, its literals in place (`{5}` CRLF and then the octets), so that the grammar reads
   one run of octets. A streamed literal (APPEND) is handed out in parts and not kept; the rest of its command
   follows as a new piece of text.
4. An idle reader holds no buffer.

RFC 9051 §4.3 (literals), RFC 7888 (non-synchronizing literals), RFC 3516 §4.4 (literal8).
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one command may cost us. Octets, and a count."""

    literal: int
    command: int
    literals: int


# mox's figures; a stranger gets little.
UNAUTHENTICATED = Limits(literal=1024, command=8192, literals=3)
AUTHENTICATED = Limits(literal=100 * 1024, command=1 << 20, literals=1000)

# RFC 7888 §5: a client may send at most this much without waiting, where LITERAL- is the rule.
UNASKED_LITERAL = 4096

# A SASL response in base64: RFC 4616 and RFC 5802 messages stay far below; 12,288 is what RFC 4954 §4 asks for.
RAW_LINE = 12288

# literal = "{" number64 ["+"] "}" CRLF; literal8 = "~{" number64 ["+"] "}" CRLF   (RFC 9051 §9, RFC 7888 §8)
LITERAL = re.compile(rb"(~?)\{([0-9]{1,20})(\+?)\}\r\n\Z")
LITERAL_HEAD = 26


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """One command without its last CRLF; in raw mode one line."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class LiteralAnnounced:
    """A literal is coming, or waits for our go-ahead. `octets` is the command so far, with the `{n}` CRLF."""

    octets: bytes
    size: int
    waits: bool
    binary: bool
    fits: bool


@dataclass(frozen=True, slots=True)
class LiteralPart:
    octets: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class BadLine:
    """The client broke the line protocol. When `fatal`, there is no way to find the next command."""

    why: str
    fatal: bool
    octets: bytes = b""


Event = CommandReceived | LiteralAnnounced | LiteralPart | BadLine


class Reader:
    """See the module. `raw` switches to plain lines: SASL responses (RFC 9051 §6.2.2)."""

    __slots__ = ("_asked", "_buffer", "_command", "_inline", "_literals", "_scanned", "_streaming", "limits", "raw")

    def __init__(self, limits: Limits = UNAUTHENTICATED) -> None:
        self.limits = limits
        self.raw = False
        self._buffer: bytearray | None = None
        self._command = b""  # what came before, when the command goes over several lines
        self._scanned = 0  # octets of the buffer known to hold no LF
        self._literals = 0
        self._asked: LiteralAnnounced | None = None
        self._inline = 0  # octets of an accepted literal still to come
        self._streaming = -1  # octets of a streamed literal still to come; -1: none

    @property
    def pending(self) -> int:
        """Octets received and not yet handed out."""
        return len(self._buffer) if self._buffer else 0

    @property
    def asked(self) -> LiteralAnnounced | None:
        """The announced literal that waits for `accept()`, `stream()` or `refuse()`."""
        return self._asked

    def receive(self, octets: bytes) -> None:
        if self._buffer is None:
            self._buffer = bytearray(octets)
        else:
            self._buffer += octets

    def next(self) -> Event | None:
        if self._asked is not None:
            return None
        if self._streaming >= 0:
            return self._next_part()
        if self._inline and not self._take_inline():
            return None
        return self._next_line()

    def accept(self) -> None:
        """Keep the announced literal as part of the command."""
        announced = self._take_asked()
        self._command = announced.octets
        self._inline = announced.size

    def stream(self) -> None:
        """Hand the announced literal out in parts. What came before it is not kept."""
        announced = self._take_asked()
        self._command = b""
        self._streaming = announced.size

    def refuse(self) -> None:
        """Forget the command. Right only where the client waits for us, for then it does not send the literal."""
        self._take_asked()
        self._forget_command()

    def _take_asked(self) -> LiteralAnnounced:
        announced, self._asked = self._asked, None
        if announced is None:
            raise ValueError("no literal is announced")
        return announced

    def _forget_command(self) -> None:
        self._command = b""
        self._literals = 0

    def _take(self, count: int) -> bytes:
        buffer = self._buffer
        assert buffer is not None
        self._scanned = 0
        if count >= len(buffer):
            self._buffer = None
            return bytes(buffer)
        taken = bytes(buffer[:count])
        del buffer[:count]
        return taken

    def _next_part(self) -> LiteralPart | None:
        if self._streaming == 0:
            self._streaming = -1
            return LiteralPart(b"", True)
        if not self._buffer:
            return None
        part = self._take(self._streaming)
        self._streaming -= len(part)
        if self._streaming:
            return LiteralPart(part, False)
        self._streaming = -1
        return LiteralPart(part, True)

    def _take_inline(self) -> bool:
        if self.pending < self._inline:
            return False
        self._command += self._take(self._inline)
        self._inline = 0
        return True

    def _next_line(self) -> Event | None:
        if not self._buffer:
            return None
        most = RAW_LINE if self.raw else self.limits.command - len(self._command)
        end = self._buffer.find(b"\n", self._scanned, most + 1)
        if end < 0:
            self._scanned = len(self._buffer)
            if len(self._buffer) <= most:
                return None
            self._buffer = None
            self._scanned = 0
            self._forget_command()
            return BadLine("line too long", fatal=True)
        line = self._take(end + 1)
        if line[-2:] != b"\r\n":
            return self._bad("lines must end in CRLF", line)
        if b"\0" in line:
            return self._bad("NUL is not allowed", line)
        if line[-3:-2] == b"}" and not self.raw:
            literal = LITERAL.search(line, max(0, len(line) - LITERAL_HEAD))
            if literal:
                return self._announce(line, literal)
        if not self._command:
            self._literals = 0
            return CommandReceived(line[:-2])
        octets = self._command + line[:-2]
        self._forget_command()
        return CommandReceived(octets)

    def _bad(self, why: str, line: bytes) -> BadLine:
        octets = self._command + line
        self._forget_command()
        return BadLine(why, fatal=False, octets=octets)

    def _announce(self, line: bytes, literal: re.Match[bytes]) -> LiteralAnnounced:
        octets = self._command + line
        size, waits = int(literal[2]), not literal[3]
        self._literals += 1
        limits = self.limits
        fits = (
            size <= limits.literal
            and len(octets) + size <= limits.command
            and self._literals <= limits.literals
            and (waits or size <= UNASKED_LITERAL)
        )
        self._asked = LiteralAnnounced(octets, size, waits, bool(literal[1]), fits)
        return self._asked
