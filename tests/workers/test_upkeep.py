from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from mail.now import SetClock
from mail.store import queue_admin, traces
from mail.store.engine import Store
from mail.store.schema import queue_recipient
from tests.deliver_sink import running_sink
from tests.post_office import PostOffice, open_post_office
from workers.upkeep import DAY_MS, UpkeepWork


@pytest.fixture
def office(store: Store, tmp_path: Path, clock: SetClock) -> Iterator[PostOffice]:
    with open_post_office(store, tmp_path, clock) as made:
        yield made


def tidy(office: PostOffice, days: int = 30) -> int:
    world = SimpleNamespace(
        store=office.store, clock=office.clock, log=office.log, settings=SimpleNamespace(trace_days=days)
    )
    return UpkeepWork(world).tidy()  # type: ignore[arg-type]


async def test_what_has_ended_is_forgotten_after_its_time_and_what_has_not_stays(office, monkeypatch):
    monkeypatch.setattr("workers.dispatch.LINGER_SECONDS", 0.0)
    monkeypatch.setattr("workers.connections.LINGER_SECONDS", 0.0)
    done, held = await office.submit("b@them.test", "c@them.test")
    with office.store.write() as tx:
        queue_admin.hold(tx, [held])
    async with running_sink() as sink:
        await office.deliver(sink.port)
    assert tidy(office) == 0
    office.clock.move(31 * DAY_MS / 1000)
    assert tidy(office) > 0
    with office.store.read() as connection:
        assert [row.id for row in queue_admin.list_queue(connection, ids=[done, held])] == [held]
        assert traces.find(connection, address="b@them.test") == []
    assert tidy(office) == 0


async def test_a_clock_that_jumped_ahead_and_back_leaves_nothing_out_of_reach(office):
    tried, scheduled = await office.submit("b@them.test", "c@them.test")
    years_ahead = office.clock.wall_ms() + 3650 * DAY_MS
    with office.store.write() as tx:
        tx.execute(update(queue_recipient).values(next_attempt_at=years_ahead))
        tx.execute(update(queue_recipient).where(queue_recipient.c.id == tried).values(attempts=1))
    tidy(office)
    assert office.row(tried).next_attempt_at == office.clock.wall_ms()
    assert office.row(scheduled).next_attempt_at == years_ahead
