"""Address lists in header fields: To, From and their kin (RFC 5322 §3.4), read as leniently as real mail needs.

At most 100 addresses of a field are read (security MC-1); groups are kept, because ENVELOPE shows them.
"""

from dataclasses import dataclass

from mail.message.parameters import read_quoted

ADDRESSES_MAX = 100

GROUP_START = "group-start"
GROUP_END = "group-end"


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
    """What was gathered of one address so far."""

    words: list[bytes]
    comment: bytes = b""
    angle: bytes | None = None


def parse_addresses(value: bytes) -> list[Mailbox]:
    """The mailboxes of an address list in order. Never raises; what is no address is left out."""
    found: list[Mailbox] = []
    reading = _Reading([])
    in_group = False
    at = 0
    while at < len(value) and len(found) < ADDRESSES_MAX:
        octet = value[at : at + 1]
        if octet == b'"':
            word, end = read_quoted(value, at)
            # Where an @ follows, it is a localpart; elsewhere a phrase.
            reading.words.append(b'"' + word if value[end : end + 1] == b"@" else word)
            at = end
        elif octet == b"(":
            reading.comment, at = _comment(value, at)
        elif octet == b"<":
            close = value.find(b">", at)
            close = close if close >= 0 else len(value)
            reading.angle = value[at + 1 : close]
            at = close + 1
        elif octet in (b",", b";"):
            _end(found, reading)
            if octet == b";" and in_group:
                found.append(Mailbox(b"", b"", b"", kind=GROUP_END))
                in_group = False
            reading = _Reading([])
            at += 1
        elif octet == b":" and reading.angle is None and b"@" not in b"".join(reading.words):
            found.append(Mailbox(b"", b" ".join(reading.words).strip(), b"", kind=GROUP_START))
            reading, in_group = _Reading([]), True
            at += 1
        elif octet in b" \t\r\n":
            at += 1
        else:
            # A colon that begins no group is an octet of its word.
            end = _atom_end(value, at + 1)
            _add_word(
                reading, value[at:end], joined=at > 0 and value[at - 1 : at] not in (b" ", b"\t", b"\r", b"\n", b")")
            )
            at = end
    if at >= len(value):
        _end(found, reading)
    if in_group:
        found.append(Mailbox(b"", b"", b"", kind=GROUP_END))
    return found


def _atom_end(value: bytes, at: int) -> int:
    while at < len(value) and value[at] not in b'"(<,;: \t\r\n':
        at += 1
    return at


def _add_word(reading: _Reading, word: bytes, *, joined: bool) -> None:
    if joined and reading.words and reading.angle is None:
        reading.words[-1] += word
    else:
        reading.words.append(word)


def _comment(value: bytes, at: int) -> tuple[bytes, int]:
    """The content of a comment, and where it ends; nested ones are part of it."""
    depth = 0
    start = at + 1
    while at < len(value):
        octet = value[at]
        if octet == 0x5C:
            at += 1
        elif octet == 0x28:
            depth += 1
        elif octet == 0x29:
            depth -= 1
            if not depth:
                return value[start:at], at + 1
        at += 1
    return value[start:], len(value)


def _end(found: list[Mailbox], reading: _Reading) -> None:
    """Take what was gathered as one mailbox, if it is one."""
    if reading.angle is not None:
        route, address = b"", reading.angle.strip()
        if address.startswith(b"@") and b":" in address:
            route, _, address = address.partition(b":")
        name = b" ".join(word.removeprefix(b'"') for word in reading.words)
        made = _mailbox(name, address, route)
    elif reading.words:
        made = _mailbox(reading.comment, b"".join(reading.words), b"")
    else:
        return
    if made is not None:
        found.append(made)


def _mailbox(name: bytes, address: bytes, route: bytes) -> Mailbox | None:
    localpart, at, domain = address.rpartition(b"@")
    if not at:
        localpart, domain = address, b""
    localpart = localpart.strip()
    if localpart.startswith(b'"'):
        localpart = read_quoted(localpart, 0)[0] if localpart.endswith(b'"') and len(localpart) > 1 else localpart[1:]
    domain = domain.strip()
    if not localpart and not domain:
        return None
    return Mailbox(name.strip(), localpart, domain, route)
