"""Under what is filed whom an account wrote to: each address, its domain, and its organization (features B06)."""

from collections.abc import Iterable

from mail.address import parse_address
from mail.dmarc.domains import organizational_domain
from mail.errors import BadAddress
from mail.policy.keys import key
from mail.policy.reputation import keys_of_recipient

ADDRESSES_MAX = 100


def keys(addresses: Iterable[tuple[str, str]]) -> tuple[int, ...]:
    """The keys of (localpart, domain) pairs as they stand in To, Cc and Bcc. What is no address has none."""
    found: dict[int, None] = {}
    for localpart, domain in list(addresses)[:ADDRESSES_MAX]:
        try:
            address = parse_address(f"{localpart}@{domain}", strict=False)
        except BadAddress:
            continue
        for one in keys_of_recipient(str(address), organizational_domain(address.domain)):
            found[key(one.kind, one.text)] = None
    return tuple(found)
