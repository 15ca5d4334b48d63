"""An event loop whose time jumps to the next thing that is due: hours of waiting in no time, and in the true order."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Waits for nobody; the time that would have been waited has passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if timeout is None:
            raise AssertionError("nothing is due: this would wait for ever")
        if not found:
            self.passed += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.waited = _Selector()
        super().__init__(self.waited)

    def time(self) -> float:
        return self.waited.passed


class LoopClock:
    """The clock of the running loop."""

    def wall_ms(self) -> int:
        return 1_800_000_000_000 + int(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def run(coroutine: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What the coroutine gives, and the seconds that it took."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        result = runner.run(coroutine)
        return result, runner.get_loop().time()
