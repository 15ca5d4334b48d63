"""Sets of message numbers and UIDs: `2,4:7,9,12:*` and `$`. RFC 9051 §4.1.1, §9 (sequence-set, seq-range).

Ranges are never expanded before they meet the mailbox, so that `1:4294967295` costs nothing.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Security EX-2.
MOST_RANGES = 10_000

# nz-number is 32 bits: RFC 9051 §9.
LARGEST = 4294967295


class Range(NamedTuple):
    """Two ends in the client's order; None is `*`."""

    first: int | None
    last: int | None


class SequenceSet(NamedTuple):
    ranges: tuple[Range, ...]
    saved: bool = False  # "$", the result of the last SEARCH that saved: RFC 9051 §6.4.4.1


SAVED = SequenceSet((), saved=True)


def parse_sequence(text: bytes) -> SequenceSet:
    """Raises ValueError; the words may be shown to the client."""
    if text == b"$":
        return SAVED
    parts = text.split(b",", MOST_RANGES)
    if len(parts) > MOST_RANGES:
        raise ValueError("too many ranges in a message set")
    ranges = []
    for part in parts:
        first, colon, last = part.partition(b":")
        start = _number(first)
        ranges.append(Range(start, _number(last) if colon else start))
    return SequenceSet(tuple(ranges))


def _number(text: bytes) -> int | None:
    if text == b"*":
        return None
    if not text.isdigit() or len(text) > 10 or text[0] == 0x30 or int(text) > LARGEST:
        raise ValueError("invalid message set")
    return int(text)


def _merged(ranges: Iterable[Range], star: int) -> list[tuple[int, int]]:
    """Low to high, without overlaps. `*` is the highest number in use: RFC 9051 §9."""
    ends = []
    for first, last in ranges:
        low, high = star if first is None else first, star if last is None else last
        ends.append((low, high) if low <= high else (high, low))
    if len(ends) < 2:
        return ends
    ends.sort()
    merged = [ends[0]]
    for low, high in ends[1:]:
        if low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _joined(spans: list[tuple[int, int]]) -> Sequence[int]:
    if len(spans) == 1:
        return range(*spans[0])
    return [position for span in spans for position in range(*span)]


def positions_of_numbers(wanted: SequenceSet, count: int) -> Sequence[int]:
    """Message numbers as positions from 0. A range may reach over the end; a number that no message has is refused
    (ValueError): RFC 9051 §6.4.8 forgives it for UIDs only.
    """
    spans = []
    for low, high in _merged(wanted.ranges, count):
        if low > count or low < 1:
            raise ValueError("no such message")
        spans.append((low - 1, min(high, count)))
    return _joined(spans)


def positions_of_uids(wanted: SequenceSet, uids: "array[int]") -> Sequence[int]:
    """UIDs as positions from 0; those that no message has are left out. RFC 9051 §6.4.9."""
    spans = []
    # `*` names the last message even where the other end lies above it: RFC 9051 §6.4.9.
    for low, high in _merged(wanted.ranges, uids[-1] if uids else 0):
        first, end = bisect_left(uids, low), bisect_right(uids, high)
        if first < end:
            spans.append((first, end))
    return _joined(spans)


def render_sequence(numbers: Iterable[int]) -> bytes:
    """Rising numbers as the shortest set. Nothing gives nothing, which is not a set: the caller leaves it out."""
    parts: list[str] = []
    first = last = 0
    for number in numbers:
        if number == last + 1 and last:
            last = number
            continue
        if last:
            parts.append(f"{first}:{last}" if last > first else str(first))
        first = last = number
    if last:
        parts.append(f"{first}:{last}" if last > first else str(first))
    return ",".join(parts).encode()
