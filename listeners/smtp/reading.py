"""Looking at a message in the spool, without hurrying the loop: small ones here, large ones in a thread, one by one."""

import asyncio
import mmap
from collections.abc import Callable
from typing import TypeVar

from listeners.serve import in_thread
from listeners.smtp.spool import Spool
from listeners.smtp.transaction import close_map

T = TypeVar("T")

# Up to this size a look costs less than the way to a thread.
HERE_MAX = 256 << 10

# Mapped pages count as our memory while they are looked at: one large message at a time.
_large: asyncio.Semaphore | None = None


async def looked_at(spool: Spool, look: Callable[[bytes | mmap.mmap], T]) -> T:
    """What `look` makes of the message."""
    global _large
    if spool.size <= HERE_MAX:
        return _look(spool, look)
    if _large is None:
        _large = asyncio.Semaphore(1)
    async with _large:
        return await in_thread(_look, spool, look)


def _look(spool: Spool, look: Callable[[bytes | mmap.mmap], T]) -> T:
    octets = spool.octets()
    try:
        return look(octets)
    finally:
        close_map(octets)
