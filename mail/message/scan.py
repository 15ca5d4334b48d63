"""The MIME structure of a message, in offsets: bounded, iterative, one pass a nesting level.

    scan(octets) -> Part: header fields, where its body lies, its children

A part is left a leaf of type application/octet-stream where a limit of security MC-1 is met, and the message is
flagged `structure-truncated`; its octets are untouched. Besides the limits there: all headers together cost no more
than HEADERS_MAX octets and FIELDS_TOTAL_MAX fields, or many parts could each have the largest. A multipart that cannot
be divided is text/plain, as RFC 2045 §5.2 has it for a type that cannot be read. RFC 2045, RFC 2046 §5.1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mail.message.fields import FIELDS_MAX, HEADER_MAX, Field, Header, Octets, parse_header
from mail.message.parameters import Valued, parse_valued, without_comments

DEPTH_MAX = 20
PARTS_MAX = 1000
MESSAGE_DEPTH_MAX = 5
BOUNDARY_MAX = 200
HEADERS_MAX = 1 << 20
FIELDS_TOTAL_MAX = 20_000
# Lines that begin like a delimiter and are none: each costs a look, so there is an end to looking.
FALSE_DELIMITERS_MAX = 20_000
# What may follow a delimiter on its line: transport padding, which nobody needs.
PADDING_MAX = 1000

TRUNCATED = "structure-truncated"
PLAIN = Valued(b"text/plain", ((b"charset", b"us-ascii"),))
UNKNOWN = Valued(b"application/octet-stream", ())
# RFC 2045 §5.1, with white space around the slash, which old mail has. What follows without a semicolon is lost.
_TYPE = re.compile(rb"([!#$%&'*+.^_`{|}~0-9a-z-]{1,200})[ \t]*/[ \t]*([!#$%&'*+.^_`{|}~0-9a-z-]{1,200})(?![^ \t])")
# Encodings that hide the parts of what is in them.
_ENCODED = (b"base64", b"quoted-printable")


@dataclass(slots=True)
class Part:
    """One node. Offsets are into the scanned octets; the body is [body, end)."""

    start: int
    body: int
    end: int
    fields: tuple[Field, ...]
    content_type: Valued
    encoding: bytes
    depth: int
    message_depth: int
    children: list["Part"] = field(default_factory=list)
    # The message inside a message/rfc822 part.
    message: "Part | None" = None

    @property
    def type(self) -> bytes:
        return self.content_type.value.partition(b"/")[0]

    @property
    def subtype(self) -> bytes:
        return self.content_type.value.partition(b"/")[2]

    def first(self, name: bytes) -> bytes | None:
        for one in self.fields:
            if one.name == name:
                return one.value
        return None


@dataclass(frozen=True, slots=True)
class Scanned:
    """`header`: the message's own, as `parse_header` has it."""

    header: Header
    root: Part
    defects: tuple[str, ...]

    def parts(self) -> Iterator[Part]:
        """Every part, a parent before its children."""
        waiting = [self.root]
        while waiting:
            part = waiting.pop()
            yield part
            if part.message is not None:
                waiting.append(part.message)
            waiting.extend(reversed(part.children))


class _Budget:
    def __init__(self) -> None:
        self.parts = PARTS_MAX
        self.false_delimiters = FALSE_DELIMITERS_MAX
        self.headers = HEADERS_MAX
        self.fields = FIELDS_TOTAL_MAX
        self.defects: list[str] = []

    def has_room(self) -> bool:
        """For the header of one more part."""
        return self.headers > 0 and self.fields > 0


def scan(octets: Octets) -> Scanned:
    """The structure of a message. Never raises, whatever the octets."""
    budget = _Budget()
    header = parse_header(octets)
    root = _described(header, 0, len(octets), PLAIN, 0, 0, budget)
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.type == b"multipart":
            _split(octets, part, budget)
        elif part.content_type.value in (b"message/rfc822", b"message/global"):
            _open_message(octets, part, budget)
        if part.message is not None:
            waiting.append(part.message)
        waiting.extend(reversed(part.children))
    return Scanned(header, root, tuple(dict.fromkeys(budget.defects)))


def _part(
    octets: Octets, start: int, end: int, default: Valued, depth: int, message_depth: int, budget: _Budget
) -> Part:
    header = parse_header(octets, start, end, fields_max=min(FIELDS_MAX, budget.fields))
    return _described(header, start, end, default, depth, message_depth, budget)


def _described(
    header: Header, start: int, end: int, default: Valued, depth: int, message_depth: int, budget: _Budget
) -> Part:
    budget.headers -= min(header.end - start, HEADER_MAX)
    budget.fields -= len(header.fields) + 1
    budget.defects.extend(header.defects)
    body = header.end
    if depth and not header.fields and header.defects:
        # RFC 2046 §5.1 wants an empty line where a part has no header; without one nobody would see the text.
        body = start
        budget.defects.append("part-without-header")
    declared = header.first(b"content-type")
    content_type = default if declared is None else _content_type(declared)
    encoding = header.first(b"content-transfer-encoding") or b""
    if encoding:
        words = without_comments(encoding[:1000].partition(b";")[0]).split(None, 1)
        encoding = words[0].lower() if words else b""
    return Part(start, body, end, header.fields, content_type, encoding, depth, message_depth)


def _content_type(declared: bytes) -> Valued:
    valued = parse_valued(declared)
    match = _TYPE.match(valued.value)
    if match is None:
        # RFC 2045 §5.2: a type that cannot be read is text/plain.
        return PLAIN
    value = b"%s/%s" % match.groups()
    return valued if value == valued.value else Valued(value, valued.parameters)


def _truncate(part: Part, budget: _Budget) -> None:
    part.content_type = UNKNOWN
    part.children = []
    budget.defects.append(TRUNCATED)


def _open_message(octets: Octets, part: Part, budget: _Budget) -> None:
    if part.encoding in _ENCODED:
        # RFC 2046 §5.2.1 forbids it; what is inside cannot be addressed in offsets.
        part.content_type = UNKNOWN
        budget.defects.append("message-encoded")
        return
    if part.message_depth >= MESSAGE_DEPTH_MAX or part.depth >= DEPTH_MAX or not budget.parts or not budget.has_room():
        _truncate(part, budget)
        return
    budget.parts -= 1
    part.message = _part(octets, part.body, part.end, PLAIN, part.depth + 1, part.message_depth + 1, budget)


def _split(octets: Octets, part: Part, budget: _Budget) -> None:
    boundary, _ = part.content_type.joined(b"boundary") or (b"", "")
    # RFC 2046 §5.1.1: a boundary does not end with white space, which what is written after it may have lost.
    boundary = boundary.rstrip(b" \t")
    if not boundary:
        part.content_type = PLAIN
        budget.defects.append("multipart-without-boundary")
        return
    if len(boundary) > BOUNDARY_MAX or part.depth >= DEPTH_MAX:
        _truncate(part, budget)
        return
    default = Valued(b"message/rfc822", ()) if part.subtype == b"digest" else PLAIN
    spans, complete = _spans(octets, part.body, part.end, boundary, budget)
    if not complete:
        _truncate(part, budget)
        return
    for start, end in spans:
        if not budget.has_room():
            _truncate(part, budget)
            return
        part.children.append(_part(octets, start, end, default, part.depth + 1, part.message_depth, budget))
    if not part.children:
        # RFC 2046 §5.1.1 wants at least one; IMAP has no way to say none.
        part.content_type = PLAIN
        budget.defects.append("multipart-without-parts")


def _spans(
    octets: Octets, start: int, end: int, boundary: bytes, budget: _Budget
) -> tuple[list[tuple[int, int]], bool]:
    """Where the parts between the delimiters lie; false when there are more than the budget has left."""
    delimiter = b"--" + boundary
    # RFC 2046 §5.1.1: the CRLF before a delimiter belongs to it.
    wanted = b"\r\n" + delimiter
    found: list[tuple[int, int]] = []
    opened = -1
    begins = octets[start : min(start + len(delimiter), end)] == delimiter
    at = start if begins else _next(octets, wanted, start, end)
    while at >= 0:
        after = at + len(delimiter)
        closing = octets[after : min(after + 2, end)] == b"--"
        line_end = octets.find(b"\r\n", after, end)
        padding = after + (2 if closing else 0)
        padded = line_end if line_end >= 0 else end
        if padded - padding <= PADDING_MAX and not octets[padding:padded].strip(b" \t"):
            if opened == at:
                # RFC 2046 §5.1.1: two delimiters with nothing between them, not even an empty line, enclose no part.
                budget.false_delimiters -= 1
                if budget.false_delimiters <= 0:
                    return [], False
            elif opened >= 0:
                if budget.parts <= 0:
                    return [], False
                budget.parts -= 1
                found.append((opened, at - 2))
            if closing or line_end < 0:
                return found, True
            opened = line_end + 2
            # The CRLF that ends this delimiter line may be the one before the next.
            at = _next(octets, wanted, line_end, end)
        else:
            budget.false_delimiters -= 1
            if budget.false_delimiters <= 0:
                return [], False
            at = _next(octets, wanted, after, end)
    if opened >= 0:
        # No closing delimiter: the last part runs to the end.
        if budget.parts <= 0:
            return [], False
        budget.parts -= 1
        found.append((opened, end))
    return found, True


def _next(octets: Octets, wanted: bytes, start: int, end: int) -> int:
    at = octets.find(wanted, start, end)
    return at + 2 if at >= 0 else -1
