"""Address lists in header fields: To, From and their kin (RFC 5322 §3.4), read as leniently as real mail needs.

    value --tokens--> atoms, quoted strings, comments, < > , ; :  --pieces--> phrase or address --> Mailbox

1. Obsolete forms are read: source routes, comments and white space anywhere, empty members (RFC 5322 §4.4).
2. Two addresses without a comma between them are two: nobody may hide one behind the other.
3. Groups are kept, because ENVELOPE shows them; they do not nest.
4. At most ADDRESSES_MAX addresses of a field and TOKENS_MAX tokens are read (security MC-1); the reader says so.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mail.message.parameters import read_quoted

ADDRESSES_MAX = 100
TOKENS_MAX = 4000

GROUP_START = "group-start"
GROUP_END = "group-end"

_SPACE = re.compile(rb"[ \t\r\n]+")
_ATOM = re.compile(rb'[^"(<>,;:\[ \t\r\n]+')
_IN_COMMENT = re.compile(rb"[\\()]")

# Kinds of tokens; < > , ; and : are their own.
_WORD, _QUOTED, _LITERAL, _COMMENT = b"a", b'"', b"[", b"("
_OPEN, _CLOSE, _COMMA, _SEMICOLON, _COLON = b"<", b">", b",", b";", b":"
# What white space around it does not keep apart from its neighbours (RFC 5322 §4.4).
_GLUE = b".@,:"

_Token = tuple[bytes, bytes, bool]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Octets as written: `name` may hold encoded words. `kind` is empty, or says that a group begins or ends here."""

    name: bytes
    localpart: bytes
    domain: bytes
    route: bytes = b""
    kind: str = ""


@dataclass(slots=True)
class _Reading:
    """What was gathered of one address so far. `address` is what stands in angle brackets, once there are any."""

    words: list[_Token] = field(default_factory=list)
    address: list[_Token] | None = None
    inside: bool = False
    comment: bytes = b""

    def has_at(self) -> bool:
        return any(kind == _WORD and b"@" in text for kind, text, _ in self.words)

    def in_route(self) -> bool:
        """Between brackets, where a comma may be part of a source route."""
        return self.inside and bool(self.address) and self.address is not None and self.address[0][1][:1] == b"@"


def parse_addresses(value: bytes) -> list[Mailbox]:
    """The mailboxes of an address list in order. Never raises; what is no address is left out."""
    return read_addresses(value)[0]


def read_addresses(value: bytes) -> tuple[list[Mailbox], bool]:
    """The mailboxes, and whether all of the value was read."""
    found: list[Mailbox] = []
    reading = _Reading()
    in_group = False
    tokens = itertools.islice(_tokens(value), TOKENS_MAX + 1)
    for count, token in enumerate(tokens):
        if len(found) >= ADDRESSES_MAX or count == TOKENS_MAX:
            return [*found, Mailbox(b"", b"", b"", kind=GROUP_END)] if in_group else found, False
        kind = token[0]
        if kind == _COMMENT:
            reading.comment = token[1]
        elif kind == _CLOSE:
            reading.inside = False
        elif kind == _SEMICOLON or (kind == _COMMA and not reading.in_route()):
            _end(found, reading)
            reading = _Reading()
            if kind == _SEMICOLON and in_group:
                found.append(Mailbox(b"", b"", b"", kind=GROUP_END))
                in_group = False
        elif kind == _COLON and reading.address is None and not reading.has_at():
            if in_group:
                found.append(Mailbox(b"", b"", b"", kind=GROUP_END))
            found.append(Mailbox(b"", _phrase(reading.words), b"", kind=GROUP_START))
            reading, in_group = _Reading(), True
        else:
            reading = _gather(found, reading, token)
    _end(found, reading)
    if in_group:
        found.append(Mailbox(b"", b"", b"", kind=GROUP_END))
    return found, True


def _gather(found: list[Mailbox], reading: _Reading, token: _Token) -> _Reading:
    """Add a token to the address it belongs to, which is a new one after a closed bracket."""
    if reading.address is not None and not reading.inside:
        _end(found, reading)
        reading = _Reading()
    if token[0] == _OPEN:
        reading.address, reading.inside = reading.address or [], True
    elif reading.inside and reading.address is not None:
        reading.address.append(token)
    else:
        reading.words.append(token)
    return reading


def _tokens(value: bytes) -> Iterator[_Token]:
    """(kind, text, was there white space or a comment before it)."""
    at, size = 0, len(value)
    spaced = False
    while at < size:
        atom = _ATOM.match(value, at)
        if atom is not None:
            yield _WORD, atom[0], spaced
            at, spaced = atom.end(), False
            continue
        space = _SPACE.match(value, at)
        if space is not None:
            at, spaced = space.end(), True
            continue
        octet = value[at : at + 1]
        if octet == b'"':
            text, at = read_quoted(value, at)
            yield _QUOTED, text, spaced
        elif octet == b"(":
            text, at = _comment(value, at)
            yield _COMMENT, text, spaced
        elif octet == b"[":
            # A domain literal, which may hold colons.
            close = value.find(b"]", at)
            end = close + 1 if close >= 0 else size
            yield _LITERAL, value[at:end], spaced
            at = end
        else:
            yield octet, octet, spaced
            at += 1
        spaced = octet == b"("


def _comment(value: bytes, at: int) -> tuple[bytes, int]:
    """The content of a comment, and where it ends; nested ones are part of it."""
    depth = 0
    skipped = -1
    for match in _IN_COMMENT.finditer(value, at):
        place = match.start()
        octet = value[place]
        if place == skipped:
            continue
        if octet == 0x5C:
            skipped = place + 1
        elif octet == 0x28:
            depth += 1
        else:
            depth -= 1
            if not depth:
                return value[at + 1 : place], place + 1
    return value[at + 1 :], len(value)


def _end(found: list[Mailbox], reading: _Reading) -> None:
    """Take what was gathered as one mailbox, if it is one."""
    if reading.address is not None:
        name = _phrase(reading.words) or reading.comment
        made = _mailbox(name, reading.address)
    else:
        made = _mailbox(reading.comment, reading.words)
    if made is not None:
        found.append(made)


def _phrase(words: list[_Token]) -> bytes:
    return b"".join(b" " + text if spaced else text for _, text, spaced in words).strip()


def _mailbox(name: bytes, pieces: list[_Token]) -> Mailbox | None:
    text = b""
    at = -1
    glued = True
    for kind, piece, spaced in pieces:
        plain = kind not in (_QUOTED, _LITERAL)
        if spaced and not glued and not (plain and piece[:1] in _GLUE):
            text += b" "
        if plain and b"@" in piece:
            at = len(text) + piece.rindex(b"@")
        glued = plain and piece[-1:] in _GLUE
        text += piece
    start = 0
    if text.startswith(b"@") and 0 < (colon := text.find(b":")) < at:
        # [obs-route] = obs-domain-list ":"
        start = colon + 1
    localpart, domain = (text[start:at], text[at + 1 :]) if at >= 0 else (text, b"")
    if not localpart and not domain:
        return None
    return Mailbox(name.strip(), localpart, domain, text[: max(start - 1, 0)])
