"""Reverse DNS of a client, checked forward (iprev). RFC 8601 §3.

1. The names that the address leads to, and which of them leads back to it. At most ten are looked at.
2. A name that is not the name of a host (RFC 5321 §4.1.2) is left out.
3. Results: pass; fail (there are names, none leads back); permerror (there is no name); temperror (nobody can say).
"""

import ipaddress
from dataclasses import dataclass

from mail.address import parse_domain
from mail.dns.resolver import LookupFailed, NoRecords, Resolver
from mail.errors import BadAddress

NAMES_MAX = 10


@dataclass(frozen=True, slots=True)
class IprevResult:
    """`name` leads back to the address; without a pass it is the first of `names`, or empty. `detail` is for people."""

    result: str
    name: str
    names: tuple[str, ...]
    detail: str


async def verify(resolver: Resolver, ip: str) -> IprevResult:
    """ValueError when `ip` is not an address."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    try:
        records = (await resolver.lookup(address.reverse_pointer, "PTR")).records
    except NoRecords:
        return IprevResult("permerror", "", (), f"{address} has no name in the DNS")
    except LookupFailed:
        return IprevResult("temperror", "", (), f"the DNS could not say what the name of {address} is")
    names = tuple(filter(None, map(_host_name, records[:NAMES_MAX])))
    if not names:
        return IprevResult("fail", "", (), f"the name of {address} in the DNS is not the name of a host")
    unknown = ""
    for name in names:
        try:
            found = (await resolver.lookup(name, "A" if address.version == 4 else "AAAA")).records
        except NoRecords:
            continue
        except LookupFailed:
            unknown = unknown or name
            continue
        if any(_is_address(record, address) for record in found):
            return IprevResult("pass", name, names, f"{address} is {name}")
    if unknown:
        return IprevResult("temperror", names[0], names, f"the DNS could not say what the address of {unknown} is")
    return IprevResult("fail", names[0], names, f"{address} is named {names[0]}, which does not lead back to it")


def _host_name(record: str) -> str:
    """In lower case; empty when no host can have it."""
    try:
        return parse_domain(record)
    except BadAddress:
        return ""


def _is_address(record: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return ipaddress.ip_address(record) == address
    except ValueError:
        return False
