"""Refusals on their way into the trace: gathered here, taken by the keeper once a second, never waited for.

A flood of refusals is not to become a flood of writes: beyond a bound they are counted in the log and not kept.
"""

from mail.errors import MailError
from mail.log import Log
from mail.receive.refusals import Refusal
from mail.rpc import Client

# A second's worth of one process; one frame to the keeper.
KEPT = 300


class Refusals:
    def __init__(self, keeper: Client, log: Log) -> None:
        self._keeper = keeper
        self._log = log
        self._waiting: list[Refusal] = []
        self._dropped = 0

    def add(self, refusal: Refusal) -> None:
        if len(self._waiting) < KEPT:
            self._waiting.append(refusal)
        else:
            self._dropped += 1

    async def flush(self) -> None:
        """Hand over what waits. What the keeper does not take is in the log only."""
        if not self._waiting:
            return
        taken, self._waiting = self._waiting, []
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._log.warning("refusals-not-traced", number=dropped, reason="too many in a second")
        try:
            await self._keeper.call("refused", {"refusals": [one.as_json() for one in taken]})
        except MailError as error:
            self._log.warning("refusals-not-traced", number=len(taken), reason=str(error))
