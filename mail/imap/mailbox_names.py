"""Mailbox names between the wire and the store, which judges them (`mail.store.names`).

The store's name is NFC text with `/` between levels, and the inbox is `Inbox` whatever the client writes
(RFC 9051 §5.1). The wire has modified UTF-7 (RFC 3501 §5.1.3) until the client enables IMAP4rev2 or UTF8=ACCEPT, then
UTF-8 (RFC 9051 §5.1, RFC 6855 §3).
"""

import unicodedata
from binascii import Error, a2b_base64, b2a_base64

SEPARATOR = "/"
INBOX = "Inbox"


def decode_utf7(text: bytes) -> str:
    """Modified UTF-7. Raises ValueError for anything that has another spelling: RFC 3501 §5.1.3."""
    parts = text.split(b"&")
    decoded = [parts[0].decode("ascii")]
    for part in parts[1:]:
        shifted, minus, plain = part.partition(b"-")
        if not minus:
            raise ValueError("unfinished modified UTF-7")
        decoded.append(_unshift(shifted) if shifted else "&")
        decoded.append(plain.decode("ascii"))
    name = "".join(decoded)
    if encode_utf7(name) != text:
        raise ValueError("modified UTF-7 with a superfluous shift")
    return name


def _unshift(shifted: bytes) -> str:
    base64 = shifted.replace(b",", b"/")
    try:
        return a2b_base64(base64 + b"=" * (-len(base64) % 4), strict_mode=True).decode("utf-16-be")
    except (Error, UnicodeDecodeError) as error:
        raise ValueError("invalid modified UTF-7") from error


def encode_utf7(name: str) -> bytes:
    encoded: list[bytes] = []
    shifted: list[str] = []

    def unshift() -> None:
        if shifted:
            base64 = b2a_base64("".join(shifted).encode("utf-16-be"), newline=False)
            encoded.append(b"&" + base64.rstrip(b"=").replace(b"/", b",") + b"-")
            shifted.clear()

    for character in name:
        if " " <= character <= "~":
            unshift()
            encoded.append(b"&-" if character == "&" else character.encode())
        else:
            shifted.append(character)
    unshift()
    return b"".join(encoded)


def decode_name(text: bytes, *, utf8: bool) -> str:
    """Wire to text, NFC, without judging it. Raises ValueError."""
    # A client that sends raw UTF-8 without having enabled it means UTF-8: nothing else can be meant.
    name = text.decode("utf-8") if utf8 or not text.isascii() else decode_utf7(text)
    return unicodedata.normalize("NFC", name)


def encode_name(name: str, *, utf8: bool) -> bytes:
    return name.encode() if utf8 else encode_utf7(name)


def as_inbox(name: str) -> str:
    """`inbox` in any case is the inbox, alone or as the first level: RFC 9051 §5.1."""
    first, separator, rest = name.partition(SEPARATOR)
    return INBOX + separator + rest if first.upper() == "INBOX" else name
