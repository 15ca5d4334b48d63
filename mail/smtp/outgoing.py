"""The message as it goes to a peer: the one function every outgoing octet of content passes through.

It refuses bare CR, bare LF and NUL (security SM-2) and ends in exactly one CRLF. For DATA a dot at the start of a line
is doubled (RFC 5321 §4.5.2), and the final dot stands alone.
"""

import os
from collections.abc import Iterator

CHUNK = 256 << 10
FINAL_DOT = b".\r\n"


class UnsendableContent(Exception):
    """The content can never be sent: a bare CR, a bare LF or a NUL is in it."""


def _check(octets: bytes) -> None:
    if b"\0" in octets:
        raise UnsendableContent("NUL in message")
    crlf = octets.count(b"\r\n")
    if octets.count(b"\r") != crlf or octets.count(b"\n") != crlf:
        raise UnsendableContent("bare CR or LF in message")


def checked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The content, its last line ended. UnsendableContent before its last piece is out."""
    held = b""
    at_line_start = True
    for piece in pieces:
        octets = held + piece
        # A line end split between two pieces is looked at whole, with the next.
        cut = len(octets) - 1 if octets.endswith(b"\r") else len(octets)
        octets, held = octets[:cut], octets[cut:]
        if not octets:
            continue
        _check(octets)
        yield octets
        at_line_start = octets.endswith(b"\r\n")
    if held:
        raise UnsendableContent("bare CR or LF in message")
    if not at_line_start:
        yield b"\r\n"


def dot_stuffed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The content ready for DATA, without the final dot. UnsendableContent as `checked`."""
    at_line_start = True
    for octets in checked(pieces):
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
        yield b"." + stuffed if at_line_start and octets.startswith(b".") else stuffed
        at_line_start = octets.endswith(b"\r\n")


def pieces_of(prefix: bytes, descriptor: int, size: int) -> Iterator[bytes]:
    """The prefix and then `size` octets of the descriptor, in chunks."""
    if prefix:
        yield prefix
    at = 0
    while at < size:
        piece = os.pread(descriptor, min(CHUNK, size - at), at)
        if not piece:
            raise OSError(f"blob ends at {at} of {size}")
        at += len(piece)
        yield piece
