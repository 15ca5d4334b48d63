"""Asking the delivering thread to look at the queue, and hearing when it has.

Several may ask; one look answers all who asked before it began. Whoever asks while a look is under way is answered by
the next, so that nothing committed before asking is overlooked.
"""

import threading
import time
from collections.abc import Callable

STEP_SECONDS = 0.5


class Wakeups:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = 0
        self._answered = 0
        self._poke: Callable[[], object] | None = None

    def ask(self, seconds: float, stop: threading.Event) -> bool:
        """Have the queue looked at, and wait until it was; False when that takes longer or `stop` is set."""
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            if self._poke is not None:
                self._poke()
        until = time.monotonic() + seconds
        with self._changed:
            while self._answered < mine and not stop.is_set() and time.monotonic() < until:
                # In steps: `stop` is set by signal handlers, which may not take a lock.
                self._changed.wait(STEP_SECONDS)
            return self._answered >= mine

    def poked_by(self, poke: Callable[[], object] | None) -> None:
        """Who is told at once of asking while an event loop runs; from any thread."""
        with self._changed:
            self._poke = poke

    @property
    def asked(self) -> int:
        """To be read before a look, and given to `answered` after it."""
        return self._asked

    def answered(self, asked: int) -> None:
        """A look that began after `asked` had been read found nothing more to take."""
        if asked > self._answered:
            with self._changed:
                self._answered = asked
                self._changed.notify_all()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Until somebody asks, at most that long."""
        until = time.monotonic() + seconds
        with self._changed:
            while self._asked <= self._answered and not stop.is_set() and (left := until - time.monotonic()) > 0:
                self._changed.wait(min(left, STEP_SECONDS))
