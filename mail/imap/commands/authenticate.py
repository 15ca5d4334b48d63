"""AUTHENTICATE, with an initial response. RFC 9051 §6.2.2, RFC 4959."""

from binascii import Error, a2b_base64
from dataclasses import dataclass, field

from mail.imap.grammar import BadSyntax, Cursor


@dataclass(frozen=True, slots=True)
class Authenticate:
    mechanism: str
    initial: bytes | None = field(repr=False)


def parse(cursor: Cursor, uid: bool = False) -> Authenticate:
    cursor.space()
    mechanism = cursor.word()
    if not cursor.skip(b" "):
        return Authenticate(mechanism, None)
    rest, cursor.place = cursor.octets[cursor.place :], len(cursor.octets)
    # RFC 4959 §3: "=" is an empty initial response.
    return Authenticate(mechanism, b"" if rest == b"=" else decode(rest))


def decode(text: bytes) -> bytes:
    """base64 = *(4base64-char) [base64-terminal]; anything else is refused, padding in the middle too."""
    try:
        return a2b_base64(text, strict_mode=True)
    except Error:
        raise BadSyntax("invalid base64") from None
