"""Header fields: the one way a header is cut into them.

A line ends with CRLF and only with it; a bare CR or LF is an octet like any other. The header ends at the first empty
line. A field is cut at its first colon; a line without one ends up in `defects`, not in the header.

`defects` names all that another reader may understand otherwise (security MC-10): leading-continuation, not-a-field,
space-before-colon, bare-cr, bare-lf, nul, no-blank-line; and what was left out for the limits of security MC-1:
header-too-large, too-many-fields, field-too-large. RFC 5322 §2.2.
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
# The line before a message in an mbox file, which every reader knows.
_MBOX = re.compile(rb">?From ")
# ftext = %d33-57 / %d59-126
_NAME = re.compile(rb"[!-9;-~]+")


class Field(NamedTuple):
    """`raw` is the whole field with its CRLF; `name` lower case; `value` unfolded, without white space at its ends."""

    name: bytes
    value: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a header in order; `end` is where the body begins; `unbroken` says how many fields come before the
    first line that is none: a reader that takes such a line for the end sees only these.
    """

    fields: tuple[Field, ...]
    end: int
    defects: tuple[str, ...]
    unbroken: int

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
    if last == body > start:
        defects.append("no-blank-line")
    if last - start > HEADER_MAX:
        defects.append("header-too-large")
        last = start + HEADER_MAX
    block = octets[start:last]
    defects += _odd_octets(block)
    # One piece more than the limit, so that the rest is cut off whole.
    pieces = _FIELD_END.split(block, fields_max)
    if not pieces[-1]:
        pieces.pop()
    elif len(pieces) > fields_max:
        defects.append("too-many-fields")
        pieces.pop()
    found: list[Field] = []
    unbroken = len(pieces)
    for raw in pieces:
        name, colon, value = raw.partition(b":")
        if len(raw) > FIELD_MAX:
            defects.append("field-too-large")
            name, value = name[: FIELD_MAX + 1], value[:FIELD_MAX]
        bare = name.rstrip(b" \t")
        if not colon or len(bare) > FIELD_MAX or not _NAME.fullmatch(bare):
            defects.append("leading-continuation" if raw[:1] in (b" ", b"\t") else "not-a-field")
            if not _MBOX.match(raw):
                unbroken = min(unbroken, len(found))
            continue
        if bare != name:
            # RFC 5322 §4.5 allowed it once; another parser may not see this field at all.
            defects.append("space-before-colon")
        found.append(Field(bare.lower(), unfolded(value), raw + b"\r\n"))
    return Header(tuple(found), body, tuple(dict.fromkeys(defects)), min(unbroken, len(found)))


def _odd_octets(block: bytes) -> list[str]:
    """What of the block some reader takes for a line end or for the end of everything."""
    ends = block.count(b"\r\n")
    odd = {"bare-cr": block.count(b"\r") != ends, "bare-lf": block.count(b"\n") != ends, "nul": b"\0" in block}
    return [defect for defect, seen in odd.items() if seen]
