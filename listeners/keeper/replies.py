"""Results on their way from the committer's thread back to the event loop: all of a batch in one step.

Waking the loop is a system call; a batch of replies wakes it once.
"""

import asyncio
import threading
from typing import Any

from mail.errors import MailError


class Replies:
    """`future` on the loop, `post` from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.Future[Any], Any]] = []

    def post(self, future: "asyncio.Future[Any]", result: Any) -> None:
        """Settle the future with a result, or with the MailError that it is."""
        with self._lock:
            self._waiting.append((future, result))
            first = len(self._waiting) == 1
        if first:
            future.get_loop().call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        with self._lock:
            taken, self._waiting = self._waiting, []
        for future, result in taken:
            if future.done():
                continue
            if isinstance(result, MailError):
                future.set_exception(result)
            else:
                future.set_result(result)
