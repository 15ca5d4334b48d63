"""Counting failed logins, for all protocols together (security CR-3). Pure: the clock is handed in.

By network: an address may fail 10 times a minute and 50 times a day, its wider networks three and nine times that.
By account: after 20 failures an hour, attempts from addresses that never logged in wait, longer and longer up to ten
seconds; the owner's own address never does, and nobody is locked out, for that would be a weapon.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache

from mail.now import Clock

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

# (IPv4 prefix, IPv6 prefix, how many times the limit of one address)
MASKS = ((32, 64, 1), (26, 48, 3), (21, 32, 9))
PER_MINUTE = 10
PER_DAY = 50

ACCOUNT_HOUR = 20
WAIT_MAX = 10.0

NETWORKS_MAX = 100_000
ACCOUNTS_MAX = 50_000
KNOWN_GOOD_MAX = 50


@lru_cache(maxsize=4096)
def networks(ip: str) -> tuple[str, ...]:
    """The networks an address counts for, the narrowest first. What is no address counts as one."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return (ip, ip + "/1", ip + "/2")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    column = 0 if address.version == 4 else 1
    return tuple(str(ipaddress.ip_network((address, mask[column]), strict=False)) for mask in MASKS)


@dataclass(slots=True)
class Count:
    """Failures in the current minute and the current day of one network."""

    minute: int = 0
    in_minute: int = 0
    day: int = 0
    in_day: int = 0

    def at(self, now: int) -> "Count":
        if now // MINUTE_MS != self.minute:
            self.minute, self.in_minute = now // MINUTE_MS, 0
        if now // DAY_MS != self.day:
            self.day, self.in_day = now // DAY_MS, 0
        return self


class Failures:
    """The counters of the auth process. `changed` holds the networks to save since the last `take_changed`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._networks: OrderedDict[str, Count] = OrderedDict()
        self._accounts: OrderedDict[int, list[int]] = OrderedDict()
        self._known_good: OrderedDict[int, OrderedDict[str, int]] = OrderedDict()
        self._changed: set[str] = set()

    def allowed(self, ip: str) -> bool:
        """May this address try at all."""
        now = self._clock.wall_ms()
        for network, (_, _, times) in zip(networks(ip), MASKS, strict=True):
            count = self._networks.get(network)
            if count is None:
                continue
            count.at(now)
            if count.in_minute >= PER_MINUTE * times or count.in_day >= PER_DAY * times:
                return False
        return True

    def failed(self, ip: str, account_id: int | None) -> None:
        """Note a failure; an unknown user counts double."""
        now = self._clock.wall_ms()
        weight = 1 if account_id is not None else 2
        for network in networks(ip):
            count = self._networks.setdefault(network, Count()).at(now)
            count.in_minute += weight
            count.in_day += weight
            self._networks.move_to_end(network)
            self._changed.add(network)
        while len(self._networks) > NETWORKS_MAX:
            self._networks.popitem(last=False)
        if account_id is not None:
            recent = self._recent(account_id, now)
            recent.append(now)
            del recent[: -2 * ACCOUNT_HOUR]
            self._accounts[account_id] = recent
            self._accounts.move_to_end(account_id)
            while len(self._accounts) > ACCOUNTS_MAX:
                self._accounts.popitem(last=False)

    def succeeded(self, ip: str, account_id: int) -> None:
        """A login: only this address's own count is cleared, and it is known for this account."""
        narrowest = networks(ip)[0]
        if self._networks.pop(narrowest, None) is not None:
            self._changed.add(narrowest)
        known = self._known_good.setdefault(account_id, OrderedDict())
        known[narrowest] = self._clock.wall_ms()
        known.move_to_end(narrowest)
        while len(known) > KNOWN_GOOD_MAX:
            known.popitem(last=False)
        self._known_good.move_to_end(account_id)
        while len(self._known_good) > ACCOUNTS_MAX:
            self._known_good.popitem(last=False)

    def wait(self, ip: str, account_id: int | None) -> float:
        """Seconds an attempt for the account waits before it is looked at."""
        if account_id is None or networks(ip)[0] in self._known_good.get(account_id, ()):
            return 0.0
        over = len(self._recent(account_id, self._clock.wall_ms())) - ACCOUNT_HOUR
        return min(WAIT_MAX, 0.5 * (over + 1)) if over >= 0 else 0.0

    def _recent(self, account_id: int, now: int) -> list[int]:
        return [at for at in self._accounts.get(account_id, ()) if now - at < HOUR_MS]

    def take_changed(self) -> dict[str, tuple[int, int]]:
        """network: (day, failures in it) of those that changed since the last call; 0 where the count was cleared."""
        now = self._clock.wall_ms()
        taken, self._changed = self._changed, set()
        empty = Count()
        return {network: (now // DAY_MS, self._networks.get(network, empty).at(now).in_day) for network in taken}

    def restore(self, saved: dict[str, tuple[int, int]]) -> None:
        """What `take_changed` gave before a restart; other days' counts are no longer of interest."""
        now = self._clock.wall_ms()
        for network, (day, in_day) in saved.items():
            if day == now // DAY_MS and in_day:
                self._networks[network] = Count(0, 0, day, in_day)
