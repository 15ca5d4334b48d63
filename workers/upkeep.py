"""Forgetting what is kept only for a while: old trace records and ended queue entries."""

from mail.runtime.stored import StoredWorld
from mail.store import queue_admin, traces

DAY_MS = 86_400_000
IN_A_TRANSACTION = 2000


class UpkeepWork:
    def __init__(self, world: StoredWorld) -> None:
        self._world = world

    def tidy(self) -> int:
        """Remove what is older than the settings keep, in short transactions; returns how many rows went."""
        world = self._world
        before = world.clock.wall_ms() - world.settings.trace_days * DAY_MS
        total = 0
        while True:
            with world.store.write() as tx:
                gone = traces.remove_before(tx, before, IN_A_TRANSACTION)
                gone += queue_admin.remove_ended(tx, before, IN_A_TRANSACTION)
            total += gone
            if not gone:
                break
        if total:
            world.log.info("tidied", rows=total)
        return total


def tidy(work: UpkeepWork) -> int:
    """The job itself, as `mail.runtime.jobs` names it."""
    return work.tidy()
