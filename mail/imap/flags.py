"""Flags and keywords as the wire spells them. Features S03; RFC 9051 §2.3.2, §9 (flag, flag-keyword).

Stored form (`mail.store.flags`): known flags are bits, other keywords one sorted, space-separated, lower-case string.
"""

from collections.abc import Iterable
from functools import lru_cache

from mail.store import flags as known


def parse_flag(name: str) -> tuple[int, str]:
    """One flag as (bit, "") or (0, keyword). Raises ValueError for a name that may not be set."""
    lower = name.lower()
    bit = known.BITS.get(lower)
    if bit is not None:
        return bit, ""
    # \Recent is gone with RFC 9051 §2.3.2 and was never the client's to set (RFC 3501 §2.3.2).
    if name.startswith("\\"):
        raise ValueError(f"unknown system flag {name}")
    return 0, lower


def parse_flags(names: Iterable[str]) -> tuple[int, frozenset[str]]:
    bits, keywords = 0, set()
    for name in names:
        bit, keyword = parse_flag(name)
        bits |= bit
        if keyword:
            keywords.add(keyword)
    return bits, frozenset(keywords)


@lru_cache(maxsize=4096)
def render_flags(bits: int, keywords: str) -> bytes:
    r"""What stands between the parentheses of FLAGS: `\Seen $Junk label`."""
    names = [name for bit, name in known.NAMES.items() if bits & bit]
    if keywords:
        names.append(keywords)
    return " ".join(names).encode()


def render_mailbox_flags(keywords: Iterable[str]) -> bytes:
    """Every flag of a mailbox, for FLAGS and PERMANENTFLAGS."""
    return " ".join([*known.NAMES.values(), *sorted(keywords)]).encode()
