"""IMAP strings: quoted where that can be, a literal where not (RFC 9051 §4.3)."""

import re

# QUOTED-CHAR without what must be escaped: the common case needs one look.
_SAFE = re.compile(rb"[ !#-\[\]-~]*")
_QUOTABLE = re.compile(rb"[ -~]*")
QUOTED_MAX = 2000


def string(octets: bytes) -> bytes:
    if len(octets) <= QUOTED_MAX:
        if _SAFE.fullmatch(octets):
            return b'"' + octets + b'"'
        if _QUOTABLE.fullmatch(octets):
            return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    # NUL is allowed in no IMAP string but a literal8 (RFC 9051 §4.3.1).
    clean = octets.replace(b"\0", b"?")
    return b"{%d}\r\n%s" % (len(clean), clean)


def nstring(octets: bytes | None) -> bytes:
    return b"NIL" if octets is None else string(octets)
