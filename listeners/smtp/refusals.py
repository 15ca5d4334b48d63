"""Refusals on their way into the trace: gathered here, taken by the keeper once a second, never waited for.

A flood of refusals is not to become a flood of writes: beyond a bound they are counted in the log and not kept. While
the keeper is away, or cannot write, they wait here within the same bound: most of them are about just that then. They
are lost with this process.
"""

from mail.errors import Busy, MailError, StorageFault, StorageFull, Unavailable
from mail.log import Log
from mail.receive.refusals import Refusal
from mail.rpc import Client

# A second's worth of one process; one frame to the keeper.
KEPT = 300
# These pass. After any other it would be refused again, and hold up all that come after it.
_PASSING = (Unavailable, Busy, StorageFull, StorageFault)


class Refusals:
    def __init__(self, keeper: Client, log: Log) -> None:
        self._keeper = keeper
        self._log = log
        self._waiting: list[Refusal] = []
        self._dropped = 0
        self._held = False

    def add(self, refusal: Refusal) -> None:
        if len(self._waiting) < KEPT:
            self._waiting.append(refusal)
        else:
            self._dropped += 1

    async def flush(self) -> None:
        """Hand over what waits; it goes on waiting when the keeper cannot take it now. If the keeper took it and its
        answer was lost, it is told twice.
        """
        if not self._waiting:
            return
        taken, self._waiting = self._waiting, []
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._log.warning("refusals-not-traced", number=dropped, reason="more than are kept until they are told")
        try:
            await self._keeper.call("refused", {"refusals": [one.as_json() for one in taken]})
        except _PASSING as error:
            if not self._held:
                self._log.warning("refusals-wait", number=len(taken), reason=str(error))
            self._held = True
            self._keep(taken)
        except MailError as error:
            self._log.warning("refusals-not-traced", number=len(taken), reason=str(error))
        else:
            self._held = False

    def _keep(self, taken: list[Refusal]) -> None:
        """In front of what came meanwhile."""
        waiting = taken + self._waiting
        self._waiting = waiting[:KEPT]
        self._dropped += len(waiting) - len(self._waiting)
