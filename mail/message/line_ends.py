"""CRLF line ends for a message from a file or a person; what comes by SMTP has them (`mail/smtp/content.py`)."""

import re

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def with_crlf(octets: bytes) -> bytes:
    """Each bare LF and each bare CR becomes CRLF; the same object when there is none."""
    pairs = octets.count(b"\r\n")
    if octets.count(b"\n") == pairs == octets.count(b"\r"):
        return octets
    return _BARE.sub(b"\r\n", octets)
