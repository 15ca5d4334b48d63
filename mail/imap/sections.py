"""Which octets of a message a BODY[...] or BINARY[...] names. RFC 9051 §6.4.5, §9 (section).

A message is its prefix (header fields we added) and the blob; the structure stored beside the blob says where its parts
are (`mail.imap.summary`): a part is {"h": [from, to], "b": [from, to], "t": type, "e": encoding, "c": charset,
"p": parts of a multipart, "m": the message inside a message/rfc822}, offsets into the blob, "h" with the blank line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Part = dict[str, Any]

# RFC 9051 §6.4.5: what stands behind the numbers.
WHOLE, HEADER, FIELDS, FIELDS_NOT, TEXT, MIME = "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"


@dataclass(frozen=True, slots=True)
class Section:
    """`path` are part numbers; `fields` lower-case field names."""

    path: tuple[int, ...] = ()
    what: str = WHOLE
    fields: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Octets of a message: with the prefix or without, then a piece of the blob."""

    start: int
    end: int
    prefixed: bool = False


NOTHING = Span(0, 0)


def find_part(structure: Part, path: tuple[int, ...]) -> Part | None:
    """The part a path names; the message itself for an empty one. RFC 9051 §6.4.5: a message that is not multipart
    has one part, 1.
    """
    part: Part = structure
    inside: Part | None = structure
    for number in path:
        if inside is None:
            return None
        children = inside.get("p")
        if children is None:
            # A message that is not multipart: what was multipart has nothing inside once it is named.
            if number != 1:
                return None
            part = inside
        elif 1 <= number <= len(children):
            part = children[number - 1]
        else:
            return None
        inside = part.get("m") or (part if "p" in part else None)
    return part


def span(structure: Part, section: Section) -> Span | None:
    """Where the octets are. None: there is no such part."""
    if not section.path:
        return _of_message(structure, section.what, top=True)
    part = find_part(structure, section.path)
    if part is None:
        return None
    if section.what == WHOLE:
        start, end = part["b"]
        return Span(start, end)
    if section.what == MIME:
        start, end = part["h"]
        return Span(start, end, prefixed=part is structure)
    inner = part.get("m")
    # HEADER and TEXT of a part are those of the message in it: RFC 9051 §6.4.5.
    return _of_message(inner, section.what, top=False) if inner is not None else None


def _of_message(message: Part, what: str, *, top: bool) -> Span:
    header_start, header_end = message["h"]
    body_start, body_end = message["b"]
    if what == TEXT:
        return Span(body_start, body_end)
    if what == WHOLE:
        return Span(header_start, body_end, prefixed=top)
    return Span(header_start, header_end, prefixed=top)


def select_fields(header: bytes, section: Section) -> bytes:
    """HEADER.FIELDS and HEADER.FIELDS.NOT: whole fields as they stand, and the blank line."""
    wanted = frozenset(section.fields)
    keep = section.what == FIELDS
    kept = []
    for name, field in split_fields(header):
        if (name in wanted) is keep:
            kept.append(field)
    return b"".join(kept) + b"\r\n"


def split_fields(header: bytes) -> Iterable[tuple[bytes, bytes]]:
    """(lower-case name, octets with their CRLF) of each field. A line without a colon is a field without a name."""
    start, size = 0, len(header)
    while start < size:
        end = header.find(b"\n", start) + 1 or size
        if header[start:end] in (b"\r\n", b"\n"):
            return
        while end < size and header[end] in b" \t":
            end = header.find(b"\n", end) + 1 or size
        field = header[start:end]
        name, colon, _ = field.partition(b":")
        yield (name.rstrip(b" \t").lower() if colon else b"", field)
        start = end
