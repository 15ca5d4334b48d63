"""The MIME structure of a message, in offsets: bounded, iterative, one pass a nesting level.

    scan(octets) -> Part: header fields, where its body lies, its children

A part is left a leaf of type application/octet-stream or text/plain where a limit of security MC-1 is met, and the
message is flagged `structure-truncated`; its octets are untouched. RFC 2045, RFC 2046 §5.1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mail.message.fields import Field, Header, Octets, parse_header
from mail.message.parameters import Valued, parse_valued

DEPTH_MAX = 20
PARTS_MAX = 1000
MESSAGE_DEPTH_MAX = 5
BOUNDARY_MAX = 200
# Lines that begin like a delimiter and are none: each costs a look, so there is an end to looking.
FALSE_DELIMITERS_MAX = 20_000

TRUNCATED = "structure-truncated"
PLAIN = Valued(b"text/plain", ((b"charset", b"us-ascii"),))
UNKNOWN = Valued(b"application/octet-stream", ())
_IDENTITY = (b"7bit", b"8bit", b"binary", b"")


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
        self.defects: list[str] = []

    def truncate(self) -> None:
        if TRUNCATED not in self.defects:
            self.defects.append(TRUNCATED)


def scan(octets: Octets) -> Scanned:
    """The structure of a message. Never raises, whatever the octets."""
    budget = _Budget()
    root = _part(octets, 0, len(octets), PLAIN, 0, 0, budget)
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
    return Scanned(root, tuple(dict.fromkeys(budget.defects)))


def _part(
    octets: Octets, start: int, end: int, default: Valued, depth: int, message_depth: int, budget: _Budget
) -> Part:
    header: Header = parse_header(octets, start, end)
    budget.defects.extend(header.defects)
    declared = header.first(b"content-type")
    content_type = parse_valued(declared) if declared is not None else default
    kind, slash, subtype = content_type.value.partition(b"/")
    if not (kind and slash and subtype):
        # RFC 2045 §5.2: a type that cannot be read is text/plain.
        content_type = PLAIN
    encoding = (header.first(b"content-transfer-encoding") or b"").partition(b";")[0].strip().lower()
    return Part(start, header.end, end, header.fields, content_type, encoding, depth, message_depth)


def _leaf(part: Part, budget: _Budget, kind: Valued = UNKNOWN) -> None:
    part.content_type = kind
    part.children = []
    budget.truncate()


def _open_message(octets: Octets, part: Part, budget: _Budget) -> None:
    if part.encoding not in _IDENTITY:
        # RFC 2046 §5.2.1 forbids it; what is inside cannot be addressed in offsets.
        _leaf_encoded_message(part)
        return
    if part.message_depth >= MESSAGE_DEPTH_MAX or part.depth >= DEPTH_MAX or not budget.parts:
        _leaf(part, budget)
        return
    budget.parts -= 1
    part.message = _part(octets, part.body, part.end, PLAIN, part.depth + 1, part.message_depth + 1, budget)


def _leaf_encoded_message(part: Part) -> None:
    part.content_type = UNKNOWN


def _split(octets: Octets, part: Part, budget: _Budget) -> None:
    boundary = part.content_type.get(b"boundary")
    if not boundary or len(boundary) > BOUNDARY_MAX:
        # Without a usable boundary there are no parts: the whole is text, as a reader would see it.
        _leaf(part, budget, PLAIN)
        return
    if part.depth >= DEPTH_MAX:
        _leaf(part, budget)
        return
    default = Valued(b"message/rfc822", ()) if part.subtype == b"digest" else PLAIN
    spans, complete = _spans(octets, part.body, part.end, boundary, budget)
    if not complete:
        _leaf(part, budget)
        return
    for start, end in spans:
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
    at = start if octets[start : start + len(delimiter)] == delimiter else _next(octets, wanted, start, end)
    while at >= 0:
        after = at + len(delimiter)
        closing = octets[after : min(after + 2, end)] == b"--"
        line_end = octets.find(b"\r\n", after, end)
        rest = octets[after + (2 if closing else 0) : line_end if line_end >= 0 else end]
        if len(rest) <= 1000 and not rest.strip(b" \t"):
            if opened >= 0:
                if budget.parts <= 0:
                    return [], False
                budget.parts -= 1
                found.append((opened, max(opened, at - 2)))
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
