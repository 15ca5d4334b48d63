"""The header of an arriving message: how often it has been relayed, and fields that only we may write.

MA-5: `Return-Path`, `Delivered-To`, our `X-Mailstead-…` and an `Authentication-Results` that names us are ours to add.
Found in what a stranger sends they are forged, or left from an earlier delivery, and are cut out before the message is
stored; every other octet stays. RFC 8601 §5, RFC 5321 §4.4.
"""

import mmap
import re
from itertools import islice

# What is looked at; a header that is longer is kept as it came and shown as truncated (security MC-1).
HEADER_LIMIT = 512 * 1024
# RFC 5321 §6.3 wants at least 100.
RECEIVED_LIMIT = 100

_OURS = (b"return-path", b"delivered-to", b"x-mailstead-", b"authentication-results")
# A field: its name, and everything up to a line that does not begin with white space.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r\n]*\r\n[ \t])*[^\r\n]*\r\n)")
_COMMENT = re.compile(rb"\([^()]*\)")


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
    fields = (match[2] for match in _FIELD.finditer(header) if match[1].lower() == b"delivered-to")
    return frozenset(value.decode("utf-8", "replace").strip(" \t\r\n<>") for value in islice(fields, RECEIVED_LIMIT))


def without_forged(header: bytes, hostname: str) -> bytes:
    """The header less the fields that are ours to write; the same object when there are none."""
    folded = b"\n" + header.lower()
    if not any(b"\n" + name in folded for name in _OURS):
        return header
    kept: list[bytes] = []
    position = 0
    while position < len(header):
        match = _FIELD.match(header, position)
        if match is None:  # no field: keep the line as it is
            end = header.find(b"\r\n", position)
            end = len(header) if end < 0 else end + 2
            kept.append(header[position:end])
        else:
            end = match.end()
            if not _is_ours(match[1].lower(), match[2], hostname):
                kept.append(match[0])
        position = end
    return b"".join(kept)


def _is_ours(name: bytes, value: bytes, hostname: str) -> bool:
    if name == b"authentication-results":
        return _authserv_id(value) == hostname.lower().encode()
    return name in _OURS or name.startswith(b"x-mailstead-")


def _authserv_id(value: bytes) -> bytes:
    """The first word that is no comment. RFC 8601 §2.2: [CFWS] authserv-id [ CFWS authres-version ]."""
    text = value[:1024].replace(b"\r\n", b" ")
    while (shorter := _COMMENT.sub(b" ", text)) != text:
        text = shorter
    words = text.replace(b";", b" ; ").split()
    return words[0].strip(b'"').lower().rstrip(b".") if words else b""
