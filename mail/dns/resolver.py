"""What one may ask of the DNS, and how the answers are kept apart.

    records, secure = await resolver.lookup("example.org", "MX")

Presentation format, one text a record: "10 mx.example.org." for MX, "192.0.2.1" for A. There are two ways not to get
them, and they never turn into each other: `NoRecords` (the name has none; known for sure) and `LookupFailed` (not known
now: time-out, SERVFAIL, a bogus signature).
"""

import ipaddress
from dataclasses import dataclass
from typing import Protocol

CNAMES_MAX = 16

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST6 = ipaddress.ip_network("2000::/3")
# In the registries of special addresses, and yet global to Python: protocol assignments (ORCHID and others),
# documentation, the relays of 6to4.
_SPECIAL = tuple(map(ipaddress.ip_network, ("2001::/23", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24")))


class NoRecords(Exception):
    """The name has no such records. `exists` tells whether it has others (NODATA) or not (NXDOMAIN), `secure` whether
    that was validated, as in `Answer`.
    """

    def __init__(self, question: str, *, exists: bool, secure: bool = False) -> None:
        super().__init__(question)
        self.exists = exists
        self.secure = secure


class LookupFailed(Exception):
    """Nobody could say: try again later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`secure`: validated by DNSSEC, as the local resolver says (the AD bit, RFC 4035 §3.2.3). `name`: where the
    records were found, after following CNAMEs.
    """

    records: tuple[str, ...]
    secure: bool
    name: str


class Resolver(Protocol):
    async def lookup(self, name: str, kind: str) -> Answer:
        """Records of a kind (A, AAAA, MX, TXT, CNAME, PTR, TLSA). NoRecords, LookupFailed.

        A name is labels between dots, without escapes. The octets of a TXT record are characters up to U+00FF.
        """
        ...


@dataclass(frozen=True, slots=True)
class Mx:
    preference: int
    host: str


def parse_mx(record: str) -> Mx | None:
    """`10 mx.example.org.`; None when it is not of that form. The null MX has the empty host (RFC 7505 §3)."""
    preference, _, host = record.partition(" ")
    if not preference.isdigit() or not host:
        return None
    return Mx(int(preference), host.rstrip(".").lower())


async def addresses(resolver: Resolver, name: str) -> list[str]:
    """The IPv6 and IPv4 addresses of a name. NoRecords when there are none; LookupFailed when that is not known."""
    return list((await lookup_addresses(resolver, name)).records)


async def lookup_addresses(resolver: Resolver, name: str) -> Answer:
    """The same as one answer, secure when all of it is."""
    found: list[Answer] = []
    failure: LookupFailed | None = None
    exists = False
    for kind in ("AAAA", "A"):
        try:
            found.append(await resolver.lookup(name, kind))
        except NoRecords as error:
            exists = exists or error.exists
        except LookupFailed as error:
            failure = error
    if found:
        records = tuple(record for answer in found for record in answer.records)
        return Answer(records, all(answer.secure for answer in found), found[0].name)
    if failure is not None:
        raise failure
    raise NoRecords(name, exists=exists)


def is_public(ip: str) -> bool:
    """Is it an address mail may be sent to: global, unicast, and nothing in disguise (security OU-1, OU-2)."""
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address):
        # 4-in-6, 6to4 and Teredo carry an IPv4 address that must be public itself.
        inside = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inside is not None:
            return is_public(str(inside))
        if address in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)))
        if address not in _UNICAST6:
            return False
    special = any(address in network for network in _SPECIAL)
    return address.is_global and not address.is_multicast and not special
