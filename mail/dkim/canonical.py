"""The two ways of DKIM to look at a message, "simple" and "relaxed", and the hashes over what is seen.

A body is read in blocks and never held whole; the time is linear whatever it consists of. White space is SP and HTAB,
a line ends with CRLF and only with it: a bare CR or LF is an octet like any other.
RFC 6376 §3.4 (the algorithms), §3.7 (the hashes), §5.4.2 (which of several fields of one name).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mail.message.fields import Field, Octets

BLOCK = 256 << 10

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def relaxed_field(field: Field) -> bytes:
    """Name in lower case, unfolded, each run of white space one SP, none at either end. RFC 6376 §3.4.2."""
    name, _, value = field.raw.partition(b":")
    value = value[:-2].replace(b"\r\n", b"").replace(b"\t", b" ")
    words = b" ".join([word for word in value.split(b" ") if word])
    return name.rstrip(b" \t").lower() + b":" + words + b"\r\n"


def canonical_field(field: Field, *, relaxed: bool) -> bytes:
    return relaxed_field(field) if relaxed else field.raw


def unsigned_field(field: Field, *, relaxed: bool) -> bytes:
    """The signature's own field as it was signed: its b= empty, no CRLF at its end. RFC 6376 §3.5, §3.7."""
    name, colon, value = field.raw[:-2].partition(b":")
    specs = value.split(b";")
    for at, spec in enumerate(specs):
        tag, equals, _ = spec.partition(b"=")
        if equals and tag.strip(b" \t\r\n") == b"b":
            specs[at] = tag + equals
    without = Field(field.name, field.value, name + colon + b";".join(specs) + b"\r\n")
    return canonical_field(without, relaxed=relaxed)[:-2]


class FieldChooser:
    """The fields of one header as signatures name them. Several signatures may share one."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._by_name: dict[bytes, list[Field]] = {}
        for field in fields:
            self._by_name.setdefault(field.name, []).append(field)
        self._relaxed: dict[int, bytes] = {}

    def count(self, name: bytes) -> int:
        return len(self._by_name.get(name, ()))

    def header_digest(self, names: Iterable[bytes], own: Field, *, relaxed: bool) -> bytes:
        """SHA-256 over the named fields and the signature's own."""
        signed = self.canonical_fields(names, own, relaxed=relaxed) + unsigned_field(own, relaxed=relaxed)
        return hashlib.sha256(signed).digest()

    def canonical_fields(self, names: Iterable[bytes], own: Field | None = None, *, relaxed: bool) -> bytes:
        """The named fields as they are hashed, without `own`, the signature's.

        A name that comes again takes the next field upwards; one there is no field for stands for nothing, so that
        adding such a field later breaks the signature. RFC 6376 §5.4.2.
        """
        left: dict[bytes, int] = {}
        seen: list[bytes] = []
        for name in names:
            fields = self._by_name.get(name)
            if fields is None:
                continue
            at = left.get(name, len(fields)) - 1
            if at >= 0 and fields[at] is own:
                at -= 1  # a signature does not sign itself
            left[name] = max(at, 0)
            if at >= 0:
                seen.append(self._canonical(fields[at], relaxed=relaxed))
        return b"".join(seen)

    def _canonical(self, field: Field, *, relaxed: bool) -> bytes:
        if not relaxed:
            return field.raw
        known = self._relaxed.get(id(field))
        if known is None:
            known = self._relaxed[id(field)] = relaxed_field(field)
        return known


@dataclass(frozen=True, slots=True)
class BodyDigests:
    """SHA-256 of a canonical body of `size` octets, and of its first so many octets."""

    whole: bytes
    size: int
    cut: dict[int, bytes]


def body_digests(octets: Octets, start: int, *, relaxed: bool, cuts: Iterable[int] = ()) -> BodyDigests:
    """The body is gone through once, however many lengths (l=) are asked for; one beyond its end has no digest."""
    digest = hashlib.sha256()
    wanted = sorted(set(cuts), reverse=True)
    found: dict[int, bytes] = {}
    size = 0
    for block in canonical_body(octets, start, relaxed=relaxed):
        done = 0
        while wanted and wanted[-1] <= size + len(block):
            cut = wanted.pop()
            digest.update(block[done : cut - size])
            done = cut - size
            found[cut] = digest.digest()
        digest.update(block[done:] if done else block)
        size += len(block)
    if wanted and wanted[-1] == 0:
        found[0] = hashlib.sha256().digest()  # of an empty body
    return BodyDigests(digest.digest(), size, found)


def canonical_body(octets: Octets, start: int, *, relaxed: bool) -> Iterator[bytes]:
    """The canonical body in blocks. RFC 6376 §3.4.3, §3.4.4."""
    stop = _content_end(octets, start, b" \t\r\n" if relaxed else b"\r\n")
    if stop > start:
        yield from _relaxed_blocks(octets, start, stop) if relaxed else _blocks(octets, start, stop)
        yield b"\r\n"
    elif not relaxed:
        yield b"\r\n"  # only the simple algorithm gives an empty body a line end


def _blocks(octets: Octets, start: int, stop: int) -> Iterator[bytes]:
    for at in range(start, stop, BLOCK):
        yield octets[at : min(at + BLOCK, stop)]


def _relaxed_blocks(octets: Octets, start: int, stop: int) -> Iterator[bytes]:
    held = b""
    for block in _blocks(octets, start, stop):
        if held:
            block = held + block
        # White space at the end may go on in the next block, or be followed by a line end, and then counts otherwise.
        whole = block[:-1] if block.endswith(b"\r") else block
        kept = len(whole.rstrip(b" \t"))
        held = block[kept:]
        if len(held) > 2:
            held = b" " + block[len(whole) :]
        yield _relaxed_lines(block[:kept])
    if held:  # the content ends in a bare CR
        yield _relaxed_lines(held)


def _relaxed_lines(block: bytes) -> bytes:
    if b"\t" in block:
        block = block.replace(b"\t", b" ")
    # Each round halves the runs: linear, where a regular expression is quadratic on a long run.
    while b"  " in block:
        block = block.replace(b"  ", b" ")
    return block.replace(b" \r\n", b"\r\n")


def _content_end(octets: Octets, start: int, blank: bytes) -> int:
    """Where the last line that is not empty has its last octet: empty lines at the end do not count."""
    end = len(octets)
    content = start
    while end > start:
        at = max(start, end - BLOCK)
        kept = octets[at:end].rstrip(blank)
        if kept:
            content = at + len(kept)
            break
        end = at
    for bare in _BARE.finditer(octets, content):
        content = bare.end()
    return content
