"""Structured field values: tokens, quoted strings, comments, and `type/subtype; name=value` (RFC 2045 §5.1)."""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mail.message.text import decode
from mail.message.words import decode_words

PARAMETERS_MAX = 100

_SPECIALS = re.compile(rb'[\\"()]')


def without_comments(value: bytes) -> bytes:
    """The value with `(comments)` outside quoted strings made one space each. RFC 5322 §3.2.2; nesting is counted."""
    if b"(" not in value:
        return value
    kept: list[bytes] = []
    depth = start = 0
    quoted = False
    skipped = -1
    for match in _SPECIALS.finditer(value):
        at = match.start()
        if at == skipped:
            continue
        octet = value[at]
        if octet == 0x5C:
            if quoted or depth:
                skipped = at + 1
        elif octet == 0x22:
            if not depth:
                quoted = not quoted
        elif quoted:
            continue
        elif octet == 0x28:
            if not depth:
                kept.append(value[start:at])
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                kept.append(b" ")
                start = at + 1
    if not depth:
        kept.append(value[start:])
    return b"".join(kept)


def read_quoted(value: bytes, at: int) -> tuple[bytes, int]:
    """The content of the quoted string that begins at `at`, and where it ends. One without an end runs to the end."""
    start = at + 1
    parts: list[bytes] = []
    while True:
        close = value.find(b'"', start)
        escape = value.find(b"\\", start, close if close >= 0 else len(value))
        if escape >= 0:
            parts.append(value[start:escape] + value[escape + 1 : escape + 2])
            start = escape + 2
            if start >= len(value):
                return b"".join(parts), len(value)
            continue
        end = close if close >= 0 else len(value)
        parts.append(value[start:end])
        return b"".join(parts), min(end + 1, len(value))


@dataclass(frozen=True, slots=True)
class Valued:
    """A main value, lower case, and its parameters in order as written, names lower case."""

    value: bytes
    parameters: tuple[tuple[bytes, bytes], ...]

    def get(self, name: bytes) -> bytes | None:
        for one, value in self.parameters:
            if one == name:
                return value
        return None

    def joined(self, name: bytes) -> tuple[bytes, str] | None:
        """The octets and the charset of a parameter that may be extended or cut in pieces (RFC 2231 §3 and §4)."""
        whole = self.get(name + b"*")
        if whole is not None:
            return _extended(whole)
        pieces: list[bytes] = []
        charset = ""
        values = dict(self.parameters)
        for number in range(PARAMETERS_MAX):
            place = b"%s*%d" % (name, number)
            piece = values.get(place + b"*")
            if piece is None:
                piece = values.get(place)
                if piece is None:
                    break
            elif number:
                piece = unquote_to_bytes(piece)
            else:
                piece, charset = _extended(piece)
            pieces.append(piece)
        if pieces:
            return b"".join(pieces), charset
        plain = self.get(name)
        return None if plain is None else (plain, "")

    def text(self, name: bytes) -> str | None:
        """For people. Encoded words are decoded too: RFC 2047 §5 forbids them here, and many programs write them."""
        found = self.joined(name)
        if found is None:
            return None
        octets, charset = found
        return decode(octets, charset) if charset else decode_words(octets)


def _extended(value: bytes) -> tuple[bytes, str]:
    """charset'language'text, percent-encoded."""
    charset, quote, rest = value.partition(b"'")
    _, second, text = rest.partition(b"'")
    if not (quote and second):
        return unquote_to_bytes(value), ""
    return unquote_to_bytes(text), charset[:40].decode("latin-1")


def parse_valued(text: bytes) -> Valued:
    """`value; name=value; name="value"`. What makes no sense is skipped; PARAMETERS_MAX places are looked at."""
    text = without_comments(text)
    main, _, _ = text.partition(b";")
    at = len(main) + 1
    found: dict[bytes, bytes] = {}
    for _ in range(PARAMETERS_MAX):
        equals = text.find(b"=", at)
        if equals < 0:
            break
        semicolon = text.find(b";", at, equals)
        if semicolon >= 0:
            at = semicolon + 1
            continue
        name = text[at:equals].strip(b" \t").lower()
        at = equals + 1
        while text[at : at + 1] in (b" ", b"\t"):
            at += 1
        if text[at : at + 1] == b'"':
            value, at = read_quoted(text, at)
            end = text.find(b";", at)
        else:
            end = text.find(b";", at)
            value = text[at : end if end >= 0 else len(text)].strip(b" \t")
        at = end + 1 if end >= 0 else len(text)
        if name:
            found.setdefault(name, value)
    return Valued(main.strip(b" \t").lower(), tuple(found.items()))
