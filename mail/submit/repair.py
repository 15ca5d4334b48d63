"""What we add to the header of a user's message and take out of it, before it is signed: the one place. Pure.

    out    Bcc and Resent-Bcc            nobody is to see who got a blind copy (RFC 5322 §3.6.3)
           Delivered-To, X-Mailstead-…,  ours to write (security MA-5); X-Mailstead-Extra-… is the user's and stays
           Authentication-Results of us
           an empty Date or Message-ID   as if there were none
    in     From, Date, Message-ID        where they are missing (RFC 6409 §8.2, §8.3), in front of the rest

What the keeper stores, what is signed and what is sent is the same octets: nobody repairs anything after this.
"""

import re
import secrets

from mail.address import Address
from mail.message.dates import render_date
from mail.message.fields import Header
from mail.message.relayed import without_forged

_BLIND = frozenset({b"bcc", b"resent-bcc"})
_ONCE = (b"date", b"message-id")
# Where a field ends: at a line that does not begin with white space.
_FIELD_END = re.compile(rb"(?<=\r\n)(?![ \t])")


def repaired(block: bytes, header: Header, *, mail_from: Address | None, hostname: str, now: int) -> bytes | None:
    """The header that takes the place of `block`, which is all of it but its empty line; None when it is right."""
    empty = {name for name in _ONCE if (value := header.first(name)) is not None and not value}
    names = {field.name for field in header.fields}
    out = (names & _BLIND) | empty
    kept = without_forged(block, hostname)
    if out:
        kept = b"".join(field for field in _FIELD_END.split(kept) if _name(field) not in out)
    added = _missing(names - empty, mail_from, hostname, now)
    if not added and kept == block:
        return None
    return added + kept


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].lower()


def _missing(names: set[bytes], mail_from: Address | None, hostname: str, now: int) -> bytes:
    lines: list[str] = []
    if b"from" not in names and mail_from is not None:
        lines.append(f"From: <{mail_from}>")
    if b"date" not in names:
        lines.append(f"Date: {render_date(now)}")
    if b"message-id" not in names:
        lines.append(f"Message-ID: <{secrets.token_hex(16)}@{hostname}>")
    return "".join(line + "\r\n" for line in lines).encode()
