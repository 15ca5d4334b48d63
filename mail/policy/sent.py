"""Under what is filed whom an account wrote to: each address, its domain, and its organization (features B06)."""

from collections.abc import Callable, Iterable
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

from mail.address import canonical, parse_address
from mail.errors import BadAddress
from mail.policy.keys import key

ADDRESSES_MAX = 100


def keys(addresses: Iterable[tuple[str, str]], organizational_domain: Callable[[str], str]) -> tuple[int, ...]:
    """The keys of (localpart, domain) pairs as they stand in To, Cc and Bcc. What is no address has none."""
    found: dict[int, None] = {}
    for localpart, domain in list(addresses)[:ADDRESSES_MAX]:
        try:
            address = parse_address(f"{localpart}@{domain}", strict=False)
        except BadAddress:
            continue
        folded = canonical(address.localpart, separators="", case_sensitive=False)
        found[key("to", f"{folded}@{address.domain}")] = None
        found[key("to-domain", address.domain)] = None
        found[key("to-org", organizational_domain(address.domain))] = None
    return tuple(found)


@lru_cache(maxsize=4096)
def organizational_domain(domain: str) -> str:
    """By the public suffix list, in A-labels; a suffix is its own."""
    found: str | None = _suffixes().privatesuffix(domain)
    return found or domain


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
