"""How much one network may send to one account. Pure: the time is handed in.

    of an address    its network    its wide network
    500              1500           4500              messages a minute, 20 times that a day
    1000             3000           9000              MiB a minute, 3 times that a day

The windows slide: what is left of the one before counts by the share of it that is still within a minute, or a day.
What is refused is not counted, so a sender that waits is heard again. Features B05.
"""

from collections import OrderedDict
from dataclasses import dataclass

from mail.accounts.failures import DAY_MS, MASKS, MINUTE_MS, networks

MIB = 1 << 20
COUNTS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`of_one` is the limit for a single address; `failures.MASKS` has the multiples for its networks."""

    words: str
    window_ms: int
    of_one: int
    counts_octets: bool


def limits(messages_a_minute: int) -> tuple[Limit, ...]:
    """The limits where one address may send so many messages a minute; 2 MiB go with each."""
    octets = messages_a_minute * 2 * MIB
    return (
        Limit("messages a minute", MINUTE_MS, messages_a_minute, False),
        Limit("messages a day", DAY_MS, messages_a_minute * 20, False),
        Limit("MiB a minute", MINUTE_MS, octets, True),
        Limit("MiB a day", DAY_MS, octets * 3, True),
    )


MESSAGES_A_MINUTE = 500


class Count:
    """What came in the current and in the previous window, for each limit."""

    __slots__ = ("_current", "_limits", "_previous", "_windows")

    def __init__(self, limits: tuple[Limit, ...]) -> None:
        self._limits = limits
        self._windows = [0] * len(limits)
        self._current = [0] * len(limits)
        self._previous = [0] * len(limits)

    def within(self, place: int, now: int) -> float:
        """What counts now against one of the limits."""
        limit = self._limits[place]
        window, passed = divmod(now, limit.window_ms)
        if window != self._windows[place]:
            follows = window == self._windows[place] + 1
            self._previous[place] = self._current[place] if follows else 0
            self._current[place] = 0
            self._windows[place] = window
        return self._current[place] + self._previous[place] * (1 - passed / limit.window_ms)

    def add(self, size: int) -> None:
        for place, limit in enumerate(self._limits):
            self._current[place] += size if limit.counts_octets else 1


class Rates:
    """The counters of one process."""

    def __init__(self, messages_a_minute: int = MESSAGES_A_MINUTE) -> None:
        self._limits = limits(messages_a_minute)
        self._counts: OrderedDict[tuple[int, str], Count] = OrderedDict()

    def add(self, account_id: int, ip: str, size: int, now: int) -> str:
        """Count a message, and "", or do not count it: the limit that it would exceed, in words."""
        touched: list[Count] = []
        for network, (_, _, times) in zip(networks(ip), MASKS, strict=True):
            key = (account_id, network)
            count = self._counts.get(key) or Count(self._limits)
            for place, limit in enumerate(self._limits):
                most = limit.of_one * times
                if count.within(place, now) + (size if limit.counts_octets else 1) > most:
                    return f"more than {most // MIB if limit.counts_octets else most} {limit.words} from {network}"
            self._counts[key] = count
            self._counts.move_to_end(key)
            touched.append(count)
        for count in touched:
            count.add(size)
        while len(self._counts) > COUNTS_MAX:
            self._counts.popitem(last=False)
        return ""
