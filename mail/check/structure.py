"""What we see in a message: the structure IMAP shows, each part with its place, and what is wrong with it.

For diagnosis by hand and by program; nothing is stored. Parts are named as IMAP names sections (RFC 9051 §6.4.5), a
multipart by the TEXT it is of its message; offsets are into the message with CRLF line ends.
"""

from collections.abc import Iterator
from typing import Any

from mail.imap.bodystructure import addressed
from mail.imap.summary import summarize
from mail.message.display import shown, spoofed
from mail.message.line_ends import with_crlf
from mail.message.parameters import parse_valued
from mail.message.scan import Part, scan
from mail.message.text import decode
from mail.message.words import decode_words

# Of one value; what is longer is no help to anybody.
SHOWN_MAX = 2000


def structure(octets: bytes) -> dict[str, Any]:
    """Values for JSON. Bare LFs are taken for line ends first. Never raises, whatever the octets."""
    octets = with_crlf(octets)
    scanned = scan(octets)
    summary = summarize(octets, scanned)
    people, _ = addressed(scanned.root)
    return {
        "size": len(octets),
        "envelope": _text(summary.envelope),
        "bodystructure": _text(summary.bodystructure),
        "parts": [_described(part, path) for path, part in _numbered(scanned.root)],
        "defects": list(summary.defects),
        "subject": _words(scanned.root.first(b"subject")),
        "from": [_person(one.name, one.localpart, one.domain) for one in people.get(b"from", []) if not one.kind],
        "message_id": summary.message_id,
        "sent_at": summary.sent_at,
    }


def _text(octets: bytes) -> str:
    """IMAP text; encoded again in the charset it fits, lengths of literals hold."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _numbered(root: Part) -> Iterator[tuple[str, Part]]:
    """(section, part), in the order of the message."""
    waiting = [(_of_message(root, ""), root, "")]
    while waiting:
        path, part, prefix = waiting.pop()
        yield path, part
        if part.message is not None:
            inside = f"{path}."
            waiting.append((_of_message(part.message, inside), part.message, inside))
        numbered = [(f"{prefix}{number}", child) for number, child in enumerate(part.children, 1)]
        waiting.extend((number, child, f"{number}.") for number, child in reversed(numbered))


def _of_message(part: Part, prefix: str) -> str:
    return f"{prefix}TEXT" if part.children else f"{prefix}1"


def _described(part: Part, path: str) -> dict[str, Any]:
    declared = part.first(b"content-disposition")
    disposition = parse_valued(declared) if declared else None
    filename = disposition.text(b"filename") if disposition else None
    if filename is None:
        filename = part.content_type.text(b"name")
    boundary = part.content_type.joined(b"boundary") if part.children else None
    return {
        "path": path,
        "type": _text(part.content_type.value),
        "size": part.end - part.body,
        "encoding": _text(part.encoding[:SHOWN_MAX]) or "7bit",
        "charset": part.content_type.text(b"charset"),
        "boundary": _text(boundary[0]) if boundary else None,
        "offsets": {"header": part.start, "body": part.body, "end": part.end},
        "disposition": _text(disposition.value[:SHOWN_MAX]) if disposition else None,
        "filename": shown(filename[:SHOWN_MAX]) if filename is not None else None,
    }


def _words(value: bytes | None) -> str | None:
    return None if value is None else shown(decode_words(value))[:SHOWN_MAX]


def _person(name: bytes, localpart: bytes, domain: bytes) -> dict[str, Any]:
    address = decode(localpart + b"@" + domain)
    decoded = decode_words(name)
    return {
        "name": shown(decoded)[:SHOWN_MAX],
        "address": shown(address)[:SHOWN_MAX],
        "spoofed": spoofed(decoded, address),
    }
