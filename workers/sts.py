"""MTA-STS policies in the store, and fetching them anew before they end (features B10).

It runs beside the delivering, in the process that asks policy servers anyway and has all it needs for it; the job only
begins it, so that no wake-up of the queue waits behind a slow server.
"""

import asyncio
import threading
from collections.abc import Callable

from mail.deliver.sts import DAY_MS, StsPolicies
from mail.errors import MailError
from mail.log import Log
from mail.now import Clock
from mail.store import sts_policies
from mail.store.engine import Store
from mail.store.sts_policies import CachedPolicy

UNUSED_MS = 180 * DAY_MS
AT_A_TIME = 8
# In one run, which is every ten minutes: as many a day as a large server has correspondents.
RUN_MAX = 200


class StoredPolicies:
    """The cache of `mail.deliver.sts` in the database, from an event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, domain: str) -> CachedPolicy | None:
        return await asyncio.to_thread(self._find, domain)

    def _find(self, domain: str) -> CachedPolicy | None:
        with self._store.read() as connection:
            return sts_policies.find(connection, domain)

    async def keep(
        self, domain: str, record_id: str, policy: str, *, now: int, expires_at: int, refresh_at: int
    ) -> None:
        def write() -> None:
            with self._store.write() as tx:
                sts_policies.keep(tx, domain, record_id, policy, now=now, expires_at=expires_at, refresh_at=refresh_at)

        await asyncio.to_thread(write)

    async def note_failure(self, domain: str, failure: str, now: int, *, refresh_at: int) -> None:
        def write() -> None:
            with self._store.write() as tx:
                sts_policies.note_failure(tx, domain, failure, now, refresh_at=refresh_at)

        await asyncio.to_thread(write)

    async def note_use(self, domain: str, now: int) -> None:
        def write() -> None:
            with self._store.write() as tx:
                sts_policies.note_use(tx, domain, now)

        await asyncio.to_thread(write)

    async def remove(self, domain: str) -> None:
        def write() -> None:
            with self._store.write() as tx:
                sts_policies.remove(tx, domain)

        await asyncio.to_thread(write)


class Refresher:
    """Refreshes in a thread of its own, one run at a time; `policies` are made for each run."""

    def __init__(self, store: Store, clock: Clock, log: Log, policies: Callable[[], StsPolicies]) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._policies = policies
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def begin(self) -> bool:
        """Begin a run; False when one is under way."""
        if self._thread is not None and self._thread.is_alive():
            return False
        self._thread = threading.Thread(target=self._run, name="sts", daemon=True)
        self._thread.start()
        return True

    def close(self, seconds: float = 5.0) -> None:
        """No new fetch begins; those under way are left to themselves after a while."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self.run()
        except MailError as error:
            self._log.error("sts-refresh-failed", exc=error)

    def run(self) -> tuple[int, int]:
        """Forget what is stale, fetch what is due: how many were fetched, of how many."""
        now = self._clock.wall_ms()
        with self._store.read() as connection:
            due = sts_policies.due(connection, now, RUN_MAX)
        fetched = asyncio.run(self._refresh(due)) if due else 0
        with self._store.write() as tx:
            gone = sts_policies.remove_stale(tx, now, UNUSED_MS)
        if due or gone:
            self._log.info("sts-refreshed", fetched=fetched, due=len(due), forgotten=gone)
        return fetched, len(due)

    async def _refresh(self, due: list[CachedPolicy]) -> int:
        policies, room = self._policies(), asyncio.Semaphore(AT_A_TIME)

        async def one(known: CachedPolicy) -> bool:
            async with room:
                return not self._stop.is_set() and await policies.refresh(known)

        return sum(await asyncio.gather(*map(one, due)))
