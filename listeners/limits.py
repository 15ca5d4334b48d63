"""How many connections one address, and its neighbours, may hold and open.

An IPv4 address is counted alone and with its /26 and /21, an IPv6 one by its /64, /48 and /32: a limit on single
addresses stops nobody who has a network. The wider the mask, the more it may have (1, 3, 9 times). Security EX-1.

All siblings of a program count together (`listeners/tallies.py`), with nobody's help: no Redis, no other process.
"""

import ipaddress
from dataclasses import dataclass, field
from functools import lru_cache

from listeners.tallies import OPEN, OPENED, Tallies
from mail.now import Clock

V4_MASKS = (32, 26, 21)
V6_MASKS = (64, 48, 32)
FACTORS = (1, 3, 9)
WINDOW_SECONDS = 60.0


@lru_cache(maxsize=16_384)
def networks(ip: str) -> tuple[tuple[int, int], ...]:
    """The networks an address is counted in, narrowest first. An IPv4-mapped IPv6 address counts as IPv4."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:  # a Unix socket has no address
        return ()
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    masks = V4_MASKS if address.version == 4 else V6_MASKS
    width = address.max_prefixlen
    # The version and the mask are part of the key, so that no two kinds of network meet.
    return tuple((address.version * 1000 + mask, int(address) >> (width - mask)) for mask in masks)


@dataclass(slots=True)
class ConnectionLimits:
    """Asked once for each accepted connection; what was admitted must be given back with `closed`."""

    clock: Clock
    open_at_once: int
    opened_a_minute: int
    tallies: Tallies = field(default_factory=Tallies.alone)
    _window_end: float = 0.0

    def admit(self, ip: str) -> bool:
        now = self.clock.monotonic()
        if now >= self._window_end:
            self.tallies.clear(OPENED)
            self._window_end = now + WINDOW_SECONDS
        mine = networks(ip)
        tallies = self.tallies
        admitted = all(
            tallies.total(OPEN, level, network) < factor * self.open_at_once
            and tallies.total(OPENED, level, network) < factor * self.opened_a_minute
            for level, (network, factor) in enumerate(zip(mine, FACTORS))
        )
        for level, network in enumerate(mine):
            tallies.add(OPENED, level, network, 1)
            if admitted:
                tallies.add(OPEN, level, network, 1)
        return admitted

    def closed(self, ip: str) -> None:
        for level, network in enumerate(networks(ip)):
            self.tallies.add(OPEN, level, network, -1)
