"""DNS block lists: which of ours list a client. RFC 5782.

    lists = Blocklists(["list.example"], resolver, clock)
    (await lists.lookup(budget, "192.0.2.3")).zones

Rules:
1. A list is believed only while it is healthy: it must list 127.0.0.2 and not list 127.0.0.1, or the IPv6 forms of both
   where it is asked for an IPv6 client (RFC 5782 §5). What was found holds for four hours; that nobody could say, for
   five minutes.
2. A listing is an address in 127.0.0.0/8. Any other answer comes from a list that is gone, and one in 127.255.255.0/24
   means that it does not want to be asked: both make it unhealthy.
3. Clients with private and local addresses are not looked up, except where all clients have such (the local bundle).
4. Listings are not remembered here: the resolver does, for as long as the list says.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from mail.dns.resolver import LookupFailed, NoRecords, Resolver
from mail.now import Clock

HEALTH_SECONDS = 4 * 3600.0
UNKNOWN_SECONDS = 300.0
TEXT_MAX = 200

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# 127.0.0.1 and 127.0.0.2; ::FFFF:7F00:1 and ::FFFF:7F00:2. RFC 5782 §5.
_NEVER: dict[int, Address] = {4: ipaddress.IPv4Address("127.0.0.1"), 6: ipaddress.IPv6Address("::ffff:7f00:1")}
_ALWAYS: dict[int, Address] = {4: ipaddress.IPv4Address("127.0.0.2"), 6: ipaddress.IPv6Address("::ffff:7f00:2")}

# Not ipaddress.is_private: examples are written with the networks for documentation.
_LOCAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "224.0.0.0/3",
            "::/127",
            "fc00::/7",
            "fe80::/10",
            "ff00::/8",
        ),
    )
)


class Verdict(Enum):
    """What a list says of one address."""

    LISTED = "listed"
    UNLISTED = "unlisted"
    NOT_A_LIST = "not a list"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Listing:
    """The zones that list a client, and what each says why, empty when it says nothing. `unused` could not be asked or
    are unhealthy.
    """

    zones: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


class Blocklists:
    """One for the process: it remembers the health of its zones.

    `resolver` asks for their health. It is the process's own: what a message may ask decides about that message alone.
    """

    def __init__(
        self, zones: Iterable[str], resolver: Resolver, clock: Clock, *, with_local_clients: bool = False
    ) -> None:
        self.zones = tuple(zone.rstrip(".").lower() for zone in zones)
        self._skipped = () if with_local_clients else _LOCAL
        self._resolver = resolver
        self._clock = clock
        self._health: dict[tuple[str, int], tuple[bool, float]] = {}

    async def lookup(self, resolver: Resolver, ip: str) -> Listing:
        """Ask `resolver`, the message's, which zones list the client. ValueError when `ip` is not an address."""
        address = ipaddress.ip_address(ip.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if any(address in network for network in self._skipped):
            return Listing()
        listed: dict[str, str] = {}
        unused: list[str] = []
        for zone in self.zones:
            verdict = Verdict.UNKNOWN
            if await self.is_healthy(zone, address.version):
                verdict = await _is_listed(resolver, zone, address)
            if verdict is Verdict.NOT_A_LIST:
                self._note(zone, address.version, healthy=False, seconds=HEALTH_SECONDS)
            if verdict is Verdict.LISTED:
                listed[zone] = await _text(resolver, zone, address)
            elif verdict is not Verdict.UNLISTED:
                unused.append(zone)
        return Listing(tuple(listed), tuple(listed.values()), tuple(unused))

    async def is_healthy(self, zone: str, version: int = 4) -> bool:
        """Can the list be believed about addresses of that version. It is asked when that is not known."""
        known = self._health.get((zone, version))
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        always = await _is_listed(self._resolver, zone, _ALWAYS[version])
        never = always
        if always is Verdict.LISTED:
            never = await _is_listed(self._resolver, zone, _NEVER[version])
        healthy = never is Verdict.UNLISTED and always is Verdict.LISTED
        self._note(
            zone, version, healthy=healthy, seconds=UNKNOWN_SECONDS if never is Verdict.UNKNOWN else HEALTH_SECONDS
        )
        return healthy

    def _note(self, zone: str, version: int, *, healthy: bool, seconds: float) -> None:
        self._health[zone, version] = (healthy, self._clock.monotonic() + seconds)


async def _is_listed(resolver: Resolver, zone: str, address: Address) -> Verdict:
    try:
        records = (await resolver.lookup(_question(zone, address), "A")).records
    except NoRecords:
        return Verdict.UNLISTED
    except LookupFailed:
        return Verdict.UNKNOWN
    if not records:
        return Verdict.UNLISTED
    if all(record.startswith("127.") and not record.startswith("127.255.255.") for record in records):
        return Verdict.LISTED
    return Verdict.NOT_A_LIST


def _question(zone: str, address: Address) -> str:
    reverse = address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    return f"{reverse}.{zone}"


async def _text(resolver: Resolver, zone: str, address: Address) -> str:
    """Why it is listed, fit for a reply; only for people."""
    try:
        records = (await resolver.lookup(_question(zone, address), "TXT")).records
    except (NoRecords, LookupFailed):
        return ""
    return "".join(letter for letter in "".join(records[:1]) if " " <= letter <= "~")[:TEXT_MAX]
