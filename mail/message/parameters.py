"""Structured field values: tokens, quoted strings, comments, and `type/subtype; name=value` (RFC 2045 §5.1)."""

from dataclasses import dataclass

PARAMETERS_MAX = 100
COMMENT_DEPTH_MAX = 100


def without_comments(value: bytes) -> bytes:
    """The value with `(comments)` outside quoted strings made one space each. RFC 5322 §3.2.2; nesting is counted."""
    if b"(" not in value:
        return value
    kept = bytearray()
    depth = at = 0
    quoted = False
    while at < len(value):
        octet = value[at : at + 1]
        if octet == b"\\" and (quoted or depth):
            if not depth:
                kept += value[at : at + 2]
            at += 2
            continue
        if octet == b'"' and not depth:
            quoted = not quoted
        if not quoted and octet == b"(":
            depth += 1
        elif depth and octet == b")":
            depth -= 1
            if not depth:
                kept += b" "
        elif not depth:
            kept += octet
        at += 1
    return bytes(kept)


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
    """A main value, lower case, and its parameters in order, names lower case."""

    value: bytes
    parameters: tuple[tuple[bytes, bytes], ...]

    def get(self, name: bytes) -> bytes | None:
        for one, value in self.parameters:
            if one == name:
                return value
        return None


def parse_valued(text: bytes) -> Valued:
    """`value; name=value; name="value"`. What makes no sense is skipped; at most PARAMETERS_MAX are kept."""
    text = without_comments(text)
    main, _, _ = text.partition(b";")
    at = len(main) + 1
    found: list[tuple[bytes, bytes]] = []
    while at < len(text) and len(found) < PARAMETERS_MAX:
        equals = text.find(b"=", at)
        semicolon = text.find(b";", at)
        if equals < 0:
            break
        if 0 <= semicolon < equals:
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
        if name and not any(one == name for one, _ in found):
            found.append((name, value))
    return Valued(main.strip(b" \t").lower(), tuple(found))
