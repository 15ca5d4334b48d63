"""Counts by network that the siblings of a program keep together, in memory they share.

    region of sibling 0 | region of sibling 1 | …       each: kinds x levels x rows x slots of 16 bits

Each sibling writes its own region only and reads all, so there are no locks; one that is started again begins with an
empty region, so what a dead one held is given back. The launcher makes the memory (`siblings_memory`) and says where it
is in MAILSTEAD_SIBLINGS.

A network has one slot in each row, found by a keyed hash, and its count is the smaller of the two: bounded memory
whoever connects. It can be too high when both its slots are shared, which a stranger cannot aim for.
"""

import mmap
import os
import secrets
from typing import Self

SIBLINGS_VARIABLE = "MAILSTEAD_SIBLINGS"

OPEN, OPENED = 0, 1
KINDS, LEVELS, ROWS = 2, 3, 2
SLOTS = 16_384
MOST = 65_535
_TABLE = LEVELS * ROWS * SLOTS
_REGION = KINDS * _TABLE
REGION_OCTETS = 2 * _REGION
KEY_OCTETS = 8

Network = tuple[int, int]


class Tallies:
    """`index` is this sibling's region among `count`."""

    def __init__(self, memory: bytearray | mmap.mmap, index: int, count: int) -> None:
        view = memoryview(memory)
        self._key = int.from_bytes(view[:KEY_OCTETS], "big")
        counts = view[KEY_OCTETS:].cast("H")
        self._regions = [counts[one * _REGION : (one + 1) * _REGION] for one in range(count)]
        self._mine = self._regions[index]
        self.clear(OPEN)
        self.clear(OPENED)

    @classmethod
    def alone(cls) -> Self:
        """For a program without siblings."""
        return cls(bytearray(secrets.token_bytes(KEY_OCTETS) + bytes(REGION_OCTETS)), 0, 1)

    @classmethod
    def inherited(cls) -> Self:
        """The memory the launcher made; one's own where there is none."""
        told = os.environ.get(SIBLINGS_VARIABLE, "")
        if not told:
            return cls.alone()
        index, count, descriptor = map(int, told.split(","))
        return cls(mmap.mmap(descriptor, octets_for(count)), index, count)

    def _slots(self, kind: int, level: int, network: Network) -> tuple[int, int]:
        hashed = hash((self._key, *network))
        first = kind * _TABLE + level * ROWS * SLOTS
        return first + hashed % SLOTS, first + SLOTS + (hashed // SLOTS) % SLOTS

    def total(self, kind: int, level: int, network: Network) -> int:
        """Of all siblings."""
        one, other = self._slots(kind, level, network)
        return sum(min(region[one], region[other]) for region in self._regions)

    def add(self, kind: int, level: int, network: Network, number: int) -> None:
        mine = self._mine
        for slot in self._slots(kind, level, network):
            mine[slot] = max(0, min(MOST, mine[slot] + number))

    def clear(self, kind: int) -> None:
        """Forget what this sibling counted."""
        self._mine[kind * _TABLE : (kind + 1) * _TABLE] = memoryview(bytes(2 * _TABLE)).cast("H")


def octets_for(count: int) -> int:
    return KEY_OCTETS + count * REGION_OCTETS


def siblings_memory(count: int) -> int:
    """A descriptor of memory for that many siblings, to be inherited. Pages nobody writes to cost nothing."""
    descriptor = os.memfd_create("tallies", 0)
    os.ftruncate(descriptor, octets_for(count))
    os.pwrite(descriptor, secrets.token_bytes(KEY_OCTETS), 0)
    return descriptor
