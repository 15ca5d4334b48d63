"""SEARCH in the content of a message: TEXT, BODY and HEADER, where the stored columns do not answer.

Text is compared case-folded and decoded: encoded words in headers, transfer encoding and charset in text parts.
"""

import re
from typing import Any

from mail.message.fields import parse_header
from mail.message.text import decode, decode_transfer
from mail.message.words import decode_words

Part = dict[str, Any]

# What octets below 128 may mean else than ASCII: escapes of ISO-2022, shifts of HZ, halves of UTF-16.
_SHIFTED = re.compile(rb"[\x1b~\0]")


def header_contains(header: bytes, field: str, needle: str) -> bool:
    """Is there a field of that lower-case name whose value contains the folded needle; an empty one: is there any."""
    wanted = field.encode("utf-8", "replace")
    for one in parse_header(header).fields:
        if one.name == wanted and (not needle or needle in decode_words(one.value).casefold()):
            return True
    return False


def any_header_contains(header: bytes, needle: str) -> bool:
    """TEXT: anywhere in the header."""
    if needle.isascii() and needle.encode() in header.lower():
        return True
    if header.isascii() and b"=?" not in header and b"\x1b" not in header:
        return False
    return any(needle in decode_words(field.value).casefold() for field in parse_header(header).fields)


def body_contains(octets: bytes, structure: Part, needle: str) -> bool:
    """In any text part; attached messages count with their headers."""
    waiting = [structure]
    while waiting:
        part = waiting.pop()
        waiting += part.get("p", [])
        inner = part.get("m")
        if inner is not None:
            start, end = inner["h"]
            if any_header_contains(octets[start:end], needle):
                return True
            waiting.append(inner)
        elif "p" not in part and str(part["t"]).startswith("text/"):
            start, end = part["b"]
            if _text_contains(octets[start:end], part, needle):
                return True
    return False


def _text_contains(octets: bytes, part: Part, needle: str) -> bool:
    content = decode_transfer(octets, str(part.get("e", "")))
    if content is None:
        content = octets
    if content.isascii() and not _SHIFTED.search(content):
        return needle.isascii() and needle.encode() in content.lower()
    return needle in decode(content, str(part.get("c", ""))).casefold()
