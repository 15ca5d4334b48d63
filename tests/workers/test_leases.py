import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mail.log import Log
from mail.store import queue, queue_leases, traces
from tests.bundle import ROOT
from tests.post_office import PostOffice
from workers import leases
from workers.leases import REAP_SECONDS, Lease, Reaper

HOLDER = """
import sys
from pathlib import Path
from workers.leases import Lease
lease = Lease(Path(sys.argv[1]), "deliver")
lease.sending([int(one) for one in sys.argv[2:]])
print(lease.owner, flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holder(folder: Path, *sending: int) -> Iterator["tuple[subprocess.Popen[str], str]"]:
    """Another worker process; it says which recipients it is sending."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), *map(str, sending)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def claim(office: PostOffice, owner: str) -> None:
    with office.store.write() as tx:
        queue.claim(tx, owner, office.clock.wall_ms(), 100)


def reap(office: PostOffice) -> int:
    return Reaper(office.store, office.folder / "workers", office.clock, office.log).reap()


async def test_claims_of_the_living_stay_and_those_of_the_dead_come_back_at_once(office):
    sending, waiting = await office.submit("b@them.test", "c@them.test")
    with holder(office.folder / "workers", sending) as (process, owner):
        claim(office, owner)
        assert reap(office) == 0 and office.row(sending).state == "claimed"
        process.kill()
        process.wait()
        assert reap(office) == 2
    assert [office.row(one).state for one in (sending, waiting)] == ["due", "due"]
    # Only what was being sent had an attempt; the other one was never tried.
    assert [office.row(one).attempts for one in (sending, waiting)] == [1, 0]
    assert not list((office.folder / "workers").glob(f"{owner}*"))


async def test_a_message_that_kills_its_worker_three_times_is_held(office):
    sending, waiting = await office.submit("b@them.test", "c@them.test")
    for _ in range(3):
        office.clock.move(1)
        with holder(office.folder / "workers", sending) as (_, owner):
            claim(office, owner)
        reap(office)
    assert (office.row(sending).state, office.row(sending).reason) == ("held", "poison")
    assert office.row(waiting).state == "due"


async def test_a_death_after_the_final_dot_says_that_a_duplicate_is_possible(office):
    (one,) = await office.submit("b@them.test")
    with holder(office.folder / "workers", one) as (_, owner):
        claim(office, owner)
        await office.call("entering", {"ids": [one]})
    reap(office)
    with office.store.read() as connection:
        (trace, *_) = traces.find(connection, address="b@them.test")
    assert (trace.verdict, trace.reason) == ("deferred", "duplicate-possible")
    assert [attempt["result"] for attempt in office.attempts(one)] == ["crashed"]


async def test_a_lease_that_ran_out_is_taken_back_whoever_holds_it(office):
    (one,) = await office.submit("b@them.test")
    lease = Lease(office.folder / "workers", "deliver")
    claim(office, lease.owner)
    office.clock.move(800)
    with office.store.write() as tx:
        queue_leases.renew(tx, lease.owner, office.clock.wall_ms() + 900_000)
    office.clock.move(800)
    assert reap(office) == 0
    office.clock.move(200)
    assert reap(office) == 1 and office.row(one).state == "due"
    lease.close()


async def test_an_owner_without_a_lock_file_is_dead(office):
    (one,) = await office.submit("b@them.test")
    claim(office, "deliver.1.gone")
    assert reap(office) == 1 and office.row(one).state == "due"


def test_a_lock_file_half_written_counts_as_nothing_in_progress(tmp_path):
    for content in (b"[1, 2", b"7", b""):
        path = tmp_path / "deliver.1.x.lock"
        path.write_bytes(content)
        assert leases._if_dead(path) == set()


def test_a_lease_leaves_nothing_behind(tmp_path):
    lease = Lease(tmp_path, "deliver")
    lease.sending([1, 2])
    lease.sent([1])
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == b"[2]"
    lease.close()
    assert not list(tmp_path.iterdir())


def test_the_dead_are_looked_for_every_few_seconds(sqlite_store, tmp_path, clock):
    reaper = Reaper(sqlite_store, tmp_path, clock, Log())
    assert reaper.due and reaper.reap() == 0 and not reaper.due
    clock.move(REAP_SECONDS)
    assert reaper.due
