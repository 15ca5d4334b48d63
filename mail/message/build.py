"""Building a header we generate, so that nothing in a value can become another field (security MC-2).

Every value is checked before, and the finished octets are read again by our own parser after: the fields found must be
the fields meant. RFC 5322 §2.2.3 (folding), RFC 2047 (encoded words).
"""

import base64
import re

from mail.errors import Bug, Invalid
from mail.message.fields import parse_header

LINE_MAX = 78
WORD_OCTETS = 45

_NAME = re.compile(r"[!-9;-~]+")
# C0, DEL, C1, and the separators that some reader takes for a line end.
_FORBIDDEN = re.compile("[\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f\u2028\u2029]")
_TOKENS = re.compile(r"\S+\s*")


def checked_text(text: str) -> str:
    """Invalid when the text holds a control character or a line end, whatever it was meant for."""
    if _FORBIDDEN.search(text):
        raise Invalid(public="a header value must not contain control characters or line ends")
    return text


def encode_text(text: str) -> str:
    """Unstructured text in ASCII: as it is, or as encoded words of whole characters."""
    if text.isascii() and "=?" not in text:
        return text
    words: list[str] = []
    held = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(held) + len(octets) > WORD_OCTETS:
            words.append(_word(held))
            held = b""
        held += octets
    return " ".join([*words, _word(held)])


def _word(octets: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(octets).decode()}?="


def fold(name: str, value: str) -> bytes:
    """The field with its CRLF, folded at white space where lines get long."""
    lines = [f"{name}:"]
    for token in _TOKENS.findall(value):
        if len(lines[-1]) + 1 + len(token.rstrip()) > LINE_MAX and lines[-1].strip():
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += (" " if not lines[-1] or lines[-1].endswith(":") else "") + token
    return ("\r\n".join(line.rstrip() for line in lines) + "\r\n").encode()


def build_header(fields: list[tuple[str, str]]) -> bytes:
    """A header without its empty line. Invalid for a name or a value that cannot be one."""
    parts: list[bytes] = []
    for name, value in fields:
        if not _NAME.fullmatch(name):
            raise Invalid(public=f"{name!r} is no header field name")
        parts.append(fold(name, checked_text(value)))
    octets = b"".join(parts)
    found = [field.name for field in parse_header(octets + b"\r\n").fields]
    if found != [name.lower().encode() for name, _ in fields]:
        raise Bug("a generated header reads back otherwise than it was meant")
    return octets
