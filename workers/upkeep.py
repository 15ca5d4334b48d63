"""Forgetting what is kept only for a while: old trace records and ended queue entries. And bringing back what a jump of
the clock put out of reach.
"""

from mail.runtime.stored import StoredWorld
from mail.store import queue_admin, queue_leases, traces

DAY_MS = 86_400_000
IN_A_TRANSACTION = 2000


class UpkeepWork:
    def __init__(self, world: StoredWorld) -> None:
        self._world = world

    def tidy(self) -> int:
        """Remove what is older than the settings keep, in short transactions; returns how many rows went."""
        world = self._world
        before = world.clock.wall_ms() - world.settings.trace_days * DAY_MS
        self._bring_near()
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

    def _bring_near(self) -> None:
        world = self._world
        with world.store.write() as tx:
            brought = queue_leases.bring_near(tx, world.clock.wall_ms())
        if brought:
            world.log.warning("queue-brought-near", recipients=brought, reason="the wall clock jumped back")


def tidy(work: UpkeepWork) -> int:
    """The job itself, as `mail.runtime.jobs` names it."""
    return work.tidy()
