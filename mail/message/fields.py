"""Header fields: the one way a header is cut into them.

A line ends with CRLF and only with it; a bare CR or LF is an octet like any other. The header ends at the first empty
line. A field is cut at its first colon; a line without one ends up in `defects`, not in the header.
Limits are security MC-1's. RFC 5322 §2.2.
"""

import mmap
import re
from dataclasses import dataclass
from typing import NamedTuple

# A message in memory, or mapped from its file: found in and cut, nothing else.
Octets = bytes | mmap.mmap

HEADER_MAX = 256 << 10
FIELD_MAX = 64 << 10
FIELDS_MAX = 1000

# A CRLF that no white space follows ends a field; one that is followed by it folds (RFC 5322 §2.2.3).
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
# ftext = %d33-57 / %d59-126
_NAME = re.compile(rb"[!-9;-~]+")


class Field(NamedTuple):
    """`raw` is the whole field with its CRLF; `name` lower case; `value` unfolded, without white space at its ends."""

    name: bytes
    value: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a header in order; `end` is where the body begins."""

    fields: tuple[Field, ...]
    end: int
    defects: tuple[str, ...]

    def first(self, name: bytes) -> bytes | None:
        """The value of the first field of that (lower-case) name."""
        for field in self.fields:
            if field.name == name:
                return field.value
        return None

    def all(self, name: bytes) -> list[bytes]:
        return [field.value for field in self.fields if field.name == name]


def unfolded(value: bytes) -> bytes:
    return value.replace(b"\r\n", b"").strip(b" \t") if b"\r\n" in value else value.strip(b" \t")


def header_end(octets: Octets, start: int, end: int) -> tuple[int, int]:
    """(end of the header's last line, start of the body) within [start, end)."""
    if end - start >= 2 and octets[start : start + 2] == b"\r\n":
        return start, start + 2
    at = octets.find(b"\r\n\r\n", start, end)
    return (at + 2, at + 4) if at >= 0 else (end, end)


def parse_header(octets: Octets, start: int = 0, end: int | None = None, *, fields_max: int = FIELDS_MAX) -> Header:
    """The header that begins at `start`. Never raises; what is over a limit is left out and named in `defects`."""
    stop = len(octets) if end is None else end
    last, body = header_end(octets, start, stop)
    defects: list[str] = []
    if last - start > HEADER_MAX:
        defects.append("header-too-large")
        last = start + HEADER_MAX
    # One piece more than the limit, so that the rest is cut off whole.
    pieces = _FIELD_END.split(octets[start:last], fields_max)
    if not pieces[-1]:
        pieces.pop()
    elif len(pieces) > fields_max:
        defects.append("too-many-fields")
        pieces.pop()
    found: list[Field] = []
    for raw in pieces:
        name, colon, value = raw.partition(b":")
        if len(raw) > FIELD_MAX:
            defects.append("field-too-large")
            name, value = name[: FIELD_MAX + 1], value[:FIELD_MAX]
        bare = name.rstrip(b" \t")
        if not colon or len(bare) > FIELD_MAX or not _NAME.fullmatch(bare):
            defects.append("not-a-field")
            continue
        if bare != name:
            # RFC 5322 §4.5 allowed it once; another parser may not see this field at all.
            defects.append("space-before-colon")
        found.append(Field(bare.lower(), unfolded(value), raw + b"\r\n"))
    return Header(tuple(found), body, tuple(dict.fromkeys(defects)))
