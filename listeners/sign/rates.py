"""How many messages a domain may have signed: whoever takes a caller over may sign while that lasts, at this rate."""

from mail.now import Clock

DOMAINS_MAX = 10_000
MINUTE = 60.0


class Rates:
    """A bucket a domain that holds a minute's worth and refills evenly."""

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._clock = clock
        self._most = float(per_minute)
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, domain: str) -> bool:
        now = self._clock.monotonic()
        left, at = self._left.pop(domain, (self._most, now))
        left = min(self._most, left + (now - at) * self._most / MINUTE)
        allowed = left >= 1.0
        while len(self._left) >= DOMAINS_MAX:
            # The one that was not asked for the longest; its bucket is as good as full.
            self._left.pop(next(iter(self._left)))
        self._left[domain] = (left - 1.0 if allowed else left, now)
        return allowed
