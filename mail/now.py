"""What time it is. Everything that needs the time takes a `Clock`, so that tests can set it.

1. Stored instants are whole milliseconds since 1970 UTC (`wall_ms`); their columns and fields end in `_at`.
2. Waiting and limits use `monotonic` only: the wall clock may jump.
"""

import time
from dataclasses import dataclass, field
from typing import Protocol


class Clock(Protocol):
    def wall_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""
        ...


class SystemClock:
    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class SetClock:
    """A clock that stands until it is moved. Ships with the real one; tests use it everywhere."""

    at_ms: int = 1_800_000_000_000
    passed: float = field(default=0.0)

    def wall_ms(self) -> int:
        return self.at_ms

    def monotonic(self) -> float:
        return self.passed

    def move(self, seconds: float) -> None:
        self.at_ms += int(seconds * 1000)
        self.passed += seconds
