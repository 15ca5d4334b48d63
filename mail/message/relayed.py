"""The header of a message that came from elsewhere: how often it was relayed, and fields that only we may write.

MA-5: `Return-Path`, `Delivered-To`, our `X-Mailstead-…` (but the sender's own `X-Mailstead-Extra-…`) and an
`Authentication-Results` that names us are ours to add. Found in what a stranger sends they are forged, or left from an
earlier delivery, and are cut out before the message is stored; every other octet stays. RFC 8601 §5, RFC 5321 §4.4.
"""

import mmap
import re
from itertools import islice

from mail.address import parse_domain
from mail.errors import BadAddress

# What is looked at; a header that is longer is kept as it came and shown as truncated (security MC-1).
HEADER_LIMIT = 512 * 1024
# RFC 5321 §6.3 wants at least 100.
RECEIVED_LIMIT = 100

_OURS = (b"return-path", b"delivered-to", b"x-mailstead-", b"authentication-results")
# A user's own words about his message, which say nothing to us on arrival (features-1 §1e).
_EXTRA = b"x-mailstead-extra-"
# Where a field ends: at a line that does not begin with white space.
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
# The first word of an Authentication-Results value: token or quoted-string (RFC 2045 §5.1, RFC 5322 §3.2.4).
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"|([^\s()<>@,;:\\"/\[\]?=]+)', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
# A piece of a comment: what opens, closes or escapes.
_IN_COMMENT = re.compile(rb"\\.|[()]", re.DOTALL)


def header_end(octets: bytes | mmap.mmap) -> int:
    """How many octets of the message are its header, the last CRLF of it included."""
    if octets[:2] == b"\r\n":
        return 0
    end = octets.find(b"\r\n\r\n", 0, HEADER_LIMIT)
    return end + 2 if end >= 0 else min(len(octets), HEADER_LIMIT)


def received_count(header: bytes) -> int:
    folded = header.lower()
    return folded.count(b"\nreceived:") + folded.startswith(b"received:")


def delivered_to(header: bytes) -> frozenset[str]:
    """The addresses this message was delivered to before, as its Delivered-To fields have them. Look before they are
    cut out: it is by them that a message in a loop is known (security SM-11).
    """
    if b"delivered-to:" not in header.lower():
        return frozenset()
    fields = (one.partition(b":") for one in _FIELD_END.split(header))
    values = (value for name, _, value in fields if name.rstrip(b" \t").lower() == b"delivered-to")
    return frozenset(value.decode("utf-8", "replace").strip(" \t\r\n<>") for value in islice(values, RECEIVED_LIMIT))


def without_forged(header: bytes, hostname: str) -> bytes:
    """The header less the fields that are ours to write; the same object when there are none."""
    folded = b"\n" + header.lower()
    if not any(b"\n" + name in folded for name in _OURS):
        return header
    kept: list[bytes] = []
    position = 0
    for end in _FIELD_END.finditer(header):
        field = header[position : end.end()]
        if not _is_ours(field, hostname):
            kept.append(field)
        position = end.end()
    if not _is_ours(header[position:], hostname):
        kept.append(header[position:])
    made = b"".join(kept)
    return header if len(made) == len(header) else made


def _is_ours(field: bytes, hostname: str) -> bool:
    name, _, value = field.partition(b":")
    name = name.rstrip(b" \t").lower()
    if name == b"authentication-results":
        return _authserv_id(value) in (hostname.lower(), None)
    return name in _OURS or (name.startswith(b"x-mailstead-") and not name.startswith(_EXTRA))


def _authserv_id(value: bytes) -> str | None:
    """[CFWS] authserv-id [ CFWS authres-version ] (RFC 8601 §2.2). None when there is none: what one reader cannot make
    out another may take for our name.
    """
    word = _WORD.match(value, _after_comments(value))
    if word is None:
        return None
    text = (word[2] if word[1] is None else _QUOTED_PAIR.sub(rb"\1", word[1])).decode("utf-8", "replace").strip()
    try:
        return parse_domain(text, strict=False)
    except BadAddress:
        return text.lower()


def _after_comments(value: bytes) -> int:
    """Where the first word begins, after comments and white space (RFC 5322 §3.2.2)."""
    at = 0
    while True:
        while value[at : at + 1].isspace():
            at += 1
        if value[at : at + 1] != b"(":
            return at
        depth = 0
        for piece in _IN_COMMENT.finditer(value, at):
            depth += {b"(": 1, b")": -1}.get(piece[0], 0)
            if not depth:
                at = piece.end()
                break
        else:
            return len(value)
