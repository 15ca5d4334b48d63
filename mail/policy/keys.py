"""What reputation is filed under, as numbers: a table of hashes is small, and names no correspondent."""

from hashlib import blake2b


def key(kind: str, *words: str) -> int:
    """A signed 64-bit number for these words under this kind; the same for ever, on every host."""
    octets = "\0".join((kind, *words)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(octets, digest_size=8).digest(), signed=True)
