"""Reading an ENVELOPE back: the one place beside a blob where its addresses stand whole (RFC 9051 §7.5.2).

(date subject from sender reply-to to cc bcc in-reply-to message-id), each address (name route localpart domain)
"""

from mail.imap.grammar import BadSyntax, Cursor
from mail.message.addresses import ADDRESSES_MAX
from mail.message.text import decode

Address = tuple[str, str]


def recipients(envelope: bytes) -> list[Address]:
    """(localpart, domain) of To, Cc and Bcc as written, at most 100. Never raises: what is no envelope has none."""
    cursor = Cursor(envelope)
    found: list[Address] = []
    try:
        cursor.expect(b"(")
        for _ in ("date", "subject"):
            cursor.nstring()
            cursor.space()
        for name in ("from", "sender", "reply-to", "to", "cc", "bcc"):
            listed = _addresses(cursor)
            cursor.space()
            if name in ("to", "cc", "bcc"):
                found += listed
    except BadSyntax:
        return []
    return found[:ADDRESSES_MAX]


def _addresses(cursor: Cursor) -> list[Address]:
    """Mailboxes only: the beginning and the end of a group have no domain."""
    found: list[Address] = []
    if cursor.skip(b"NIL"):
        return found
    cursor.expect(b"(")
    while cursor.skip(b"("):
        parts: list[bytes | None] = [cursor.nstring()]
        for _ in ("route", "localpart", "domain"):
            cursor.space()
            parts.append(cursor.nstring())
        cursor.expect(b")")
        localpart, domain = parts[2], parts[3]
        if localpart and domain:
            found.append((decode(localpart), decode(domain)))
    cursor.expect(b")")
    return found
