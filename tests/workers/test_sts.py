import os
import threading
from pathlib import Path
from types import SimpleNamespace

from mail.log import Log
from mail.now import SetClock
from mail.store import sts_policies
from mail.store.engine import Store
from mail.store.sts_policies import DAY_MS
from workers.sts import Refresher, StoredPolicies


def keep(store: Store, domain: str, now: int, refresh_at: int) -> None:
    with store.write() as tx:
        sts_policies.keep(tx, domain, "1", "x", now=now, expires_at=now + 400 * DAY_MS, refresh_at=refresh_at)


def refresher(store: Store, clock: SetClock, folder: Path, refresh) -> Refresher:
    log = Log(descriptor=os.open(folder / "log", os.O_WRONLY | os.O_CREAT))
    return Refresher(store, clock, log, lambda: SimpleNamespace(refresh=refresh))  # type: ignore[arg-type, return-value]


def test_policies_that_are_due_are_fetched_and_unused_ones_forgotten(sqlite_store, clock, tmp_path):
    asked: list[str] = []

    async def refresh(known) -> bool:
        asked.append(known.domain)
        return known.domain != "broken.test"

    now = clock.wall_ms()
    keep(sqlite_store, "due.test", now, now)
    keep(sqlite_store, "broken.test", now, now)
    keep(sqlite_store, "later.test", now, now + DAY_MS)
    work = refresher(sqlite_store, clock, tmp_path, refresh)
    assert work.run() == (1, 2) and sorted(asked) == ["broken.test", "due.test"]
    clock.move(181 * DAY_MS / 1000)
    work.run()
    with sqlite_store.read() as connection:
        assert sts_policies.due(connection, clock.wall_ms(), 10) == []


def test_one_run_at_a_time_and_none_after_the_end(sqlite_store, clock, tmp_path):
    entered, go_on = threading.Event(), threading.Event()
    asked: list[str] = []

    async def refresh(known) -> bool:
        asked.append(known.domain)
        entered.set()
        go_on.wait(5)
        return True

    now = clock.wall_ms()
    for number in range(3):
        keep(sqlite_store, f"d{number}.test", now, now)
    work = refresher(sqlite_store, clock, tmp_path, refresh)
    assert work.begin() and entered.wait(5)
    assert not work.begin()
    threading.Timer(0.05, go_on.set).start()
    work.close()
    assert asked == ["d0.test"]


async def test_the_cache_gives_back_what_it_was_given(sqlite_store):
    cache = StoredPolicies(sqlite_store)
    assert await cache.find("a.test") is None
    await cache.keep("a.test", "7", "text", now=1, expires_at=9, refresh_at=5)
    await cache.note_failure("a.test", "fetch", 3, refresh_at=6)
    await cache.note_use("a.test", 4)
    found = await cache.find("a.test")
    assert found is not None
    assert (found.record_id, found.policy, found.used_at, found.failed_at) == ("7", "text", 4, 3)
    await cache.remove("a.test")
    assert await cache.find("a.test") is None
