"""Replies of an SMTP server: octets in, replies out. Pure and bounded (security SM-9).

A line may have 2,048 octets, of which 512 are kept; a reply 100 lines and 64 KiB. What is kept is printable.

reply-line = code ( "-" / SP ) text CRLF; the last of a reply has the space. RFC 5321 §4.2.
"""

import re
from dataclasses import dataclass

# RFC 5321 §4.5.3.1.5 says 512; real servers explain more, and that is no reason not to understand their code.
LINE_MAX = 2048
LINES_MAX = 100
TOTAL_MAX = 64 << 10
KEPT_MAX = 512

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")


class BadReply(Exception):
    """Not SMTP, or more than anybody needs: the connection is of no use any more."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`ours`: nobody said it; it is how we put what happened into SMTP's words."""

    code: int
    lines: tuple[str, ...]
    ours: bool = False

    @property
    def enhanced(self) -> str:
        """The enhanced status code of RFC 2034 §3, or empty."""
        match = _ENHANCED.match(self.lines[0]) if self.lines else None
        return match[1] if match and match[1][0] == str(self.code)[0] else ""

    @property
    def text(self) -> str:
        """All lines, without the enhanced code."""
        enhanced = self.enhanced
        return " ".join(line.removeprefix(enhanced).strip() for line in self.lines).strip()

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def permanent(self) -> bool:
        return self.code >= 500


def local_reply(code: int, enhanced: str, text: str) -> Reply:
    """What we say ourselves where the server had no chance to."""
    return Reply(code, (f"{enhanced} {text}",), ours=True)


class ReplyReader:
    """`receive` returns the replies that became whole; BadReply ends the conversation."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._lines: list[str] = []
        self._code = 0
        self._octets = 0

    @property
    def idle(self) -> bool:
        """Nothing half received."""
        return not self._pending and not self._lines

    def receive(self, octets: bytes) -> list[Reply]:
        self._pending += octets
        found: list[Reply] = []
        while (end := self._pending.find(b"\n")) >= 0:
            line = bytes(self._pending[:end]).removesuffix(b"\r")
            del self._pending[: end + 1]
            reply = self._take(line)
            if reply is not None:
                found.append(reply)
        if len(self._pending) > LINE_MAX:
            raise BadReply("line too long")
        return found

    def _take(self, line: bytes) -> Reply | None:
        match = _LINE.fullmatch(line[:LINE_MAX])
        if match is None or len(line) > LINE_MAX:
            raise BadReply(f"not a reply: {printable(line[:60])}")
        code = int(match[1])
        if self._lines and code != self._code:
            raise BadReply(f"reply changes from {self._code} to {code}")
        self._octets += len(line)
        self._code = code
        self._lines.append(printable((match[3] or b"")[:KEPT_MAX]))
        if len(self._lines) > LINES_MAX or self._octets > TOTAL_MAX:
            raise BadReply("reply too long")
        if match[2] == b"-":
            return None
        reply = Reply(code, tuple(self._lines))
        self._lines, self._octets = [], 0
        return reply


def printable(octets: bytes) -> str:
    """The remote's words, safe to store and to show: no control characters."""
    text = octets.decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else "?" for character in text)
