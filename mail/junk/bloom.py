"""Which words were seen before, in 4 MB whatever their number: keeps words seen once out of the counts.

In bulk training (an import, a retraining of many messages) most words are new, and most of those never come again:
typing errors, ids, random strings. A word's first sighting only sets its bits here; from the second on it is counted.
A word that never was may seem seen (below 1 in 1,000 up to 2.3 million words), never the reverse.
"""

from collections.abc import Iterable
from hashlib import blake2b

POSITIONS = 10
POSITION_BITS = 25
OCTETS = (1 << POSITION_BITS) // 8
_MASK = (1 << POSITION_BITS) - 1


class Bloom:
    """One account's filter. The 4 MB are taken with the first word, not before."""

    def __init__(self, octets: bytes = b"") -> None:
        """From what `octets` gave. ValueError when it is no such thing."""
        if len(octets) not in (0, OCTETS):
            raise ValueError(f"a filter has {OCTETS} octets, not {len(octets)}")
        self._bits = bytearray(octets)

    def octets(self) -> bytes:
        """To keep between runs; empty when no word was added."""
        return bytes(self._bits)

    def add(self, word: int) -> bool:
        """Whether the word (by its number) was, as far as can be told, added before."""
        if not self._bits:
            self._bits = bytearray(OCTETS)
        bits = self._bits
        left = int.from_bytes(blake2b(word.to_bytes(8, "big", signed=True), digest_size=32).digest(), "big")
        known = True
        for _ in range(POSITIONS):
            at, bit = (left & _MASK) >> 3, 1 << (left & 7)
            if not bits[at] & bit:
                known = False
                bits[at] |= bit
            left >>= POSITION_BITS
        return known

    def seen_before(self, words: Iterable[int]) -> list[int]:
        """Adds all; gives those to count."""
        return [word for word in words if self.add(word)]
