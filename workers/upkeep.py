"""Forgetting what is kept only for a while: old trace records, ended queue entries, DMARC evaluations and TLS results
without a report, and a past that is too old for any reputation. And bringing back what a jump of the clock put out of
reach.
"""

from mail.policy.reputation import LIMITS
from mail.queue.tls_result import day_of
from mail.runtime.stored import StoredWorld
from mail.store import evaluations, history, queue_admin, queue_leases, tls_results, traces

DAY_MS = 86_400_000
IN_A_TRANSACTION = 2000
# features-1 item 12
EVALUATIONS_KEPT_MS = 2 * DAY_MS
# features-1 item 11: a report is of a whole day, and may be tried for some more.
TLS_RESULTS_KEPT_MS = 4 * DAY_MS
# What no reputation looks at any more (features B06).
PAST_KEPT_MS = max(longest for longest, _ in LIMITS.values())
# All of the past is looked at for that, which is not worth doing every ten minutes.
PAST_EVERY_SECONDS = 86_400.0


class UpkeepWork:
    def __init__(self, world: StoredWorld) -> None:
        self._world = world
        self._past_due = world.clock.monotonic()

    def tidy(self) -> int:
        """Remove what is older than is kept, in short transactions; returns how many rows went."""
        world = self._world
        now = world.clock.wall_ms()
        before = now - world.settings.trace_days * DAY_MS
        self._bring_near()
        total = 0
        while True:
            with world.store.write() as tx:
                gone = traces.remove_before(tx, before, IN_A_TRANSACTION)
                gone += queue_admin.remove_ended(tx, before, IN_A_TRANSACTION)
                gone += tls_results.remove_before(tx, day_of(now - TLS_RESULTS_KEPT_MS), IN_A_TRANSACTION)
                gone += evaluations.remove_before(tx, now - EVALUATIONS_KEPT_MS, IN_A_TRANSACTION)
            total += gone
            if not gone:
                break
        if world.clock.monotonic() >= self._past_due:
            self._past_due = world.clock.monotonic() + PAST_EVERY_SECONDS
            total += history.remove_before(world.store, now - PAST_KEPT_MS, IN_A_TRANSACTION)
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
