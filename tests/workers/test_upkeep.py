from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, update

from mail.now import SetClock
from mail.queue.tls_result import TlsResult, day_of
from mail.store import evaluations, history, queue_admin, tls_results, traces
from mail.store.engine import Store
from mail.store.evaluations import Evaluation
from mail.store.schema import dmarc_evaluation, queue_recipient
from tests.deliver_sink import running_sink
from tests.post_office import PostOffice, open_post_office
from workers.upkeep import DAY_MS, UpkeepWork


@pytest.fixture
def office(store: Store, tmp_path: Path, clock: SetClock) -> Iterator[PostOffice]:
    with open_post_office(store, tmp_path, clock) as made:
        yield made


def work_of(office: PostOffice, days: int = 30) -> UpkeepWork:
    world = SimpleNamespace(
        store=office.store, clock=office.clock, log=office.log, settings=SimpleNamespace(trace_days=days)
    )
    return UpkeepWork(world)  # type: ignore[arg-type]


def tidy(office: PostOffice, days: int = 30) -> int:
    return work_of(office, days).tidy()


async def test_what_has_ended_is_forgotten_after_its_time_and_what_has_not_stays(office, no_lingering):
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


def traced(office: PostOffice, at: int) -> None:
    values = {"cid": "c", "direction": "in", "mail_from": "", "rcpt_to": "", "verdict": "", "reason": ""}
    with office.store.write() as tx:
        traces.add(tx, [traces.trace_values(at=at, **values)])


async def test_the_settings_say_how_long_a_trace_is_kept(office):
    now = office.clock.wall_ms()
    for days in (1, 8, 29, 31):
        traced(office, now - days * DAY_MS)
    assert tidy(office) == 1
    assert tidy(office, days=7) == 2
    with office.store.read() as connection:
        assert [row.at for row in traces.find(connection)] == [now - DAY_MS]


async def test_an_evaluation_is_kept_two_days_for_its_report(office):
    now = office.clock.wall_ms()
    with office.store.write() as tx:
        for at in (now - 2 * DAY_MS - 1, now - 2 * DAY_MS):
            rows = evaluations.values([Evaluation("x.example", False, 24, {"at": at})], at)
            tx.execute(insert(dmarc_evaluation), rows)
    assert tidy(office) == 1
    with office.store.read() as connection:
        assert [one.facts for one in evaluations.of_domain(connection, "x.example", now)] == [{"at": now - 2 * DAY_MS}]


async def test_the_past_is_kept_three_years_and_looked_through_once_a_day(office):
    now = office.clock.wall_ms()
    three_years = 3 * 365 * DAY_MS
    with office.store.write() as tx:
        history.add_sent(tx, office.account_id, {1: now - three_years - 1, 2: now - three_years})
    work = work_of(office)
    assert work.tidy() == 1
    office.clock.move(3600)
    assert work.tidy() == 0
    office.clock.move(24 * 3600)
    assert work.tidy() == 1


async def test_results_of_tls_are_kept_four_days_for_their_report(office):
    today = TlsResult(day_of(office.clock.wall_ms()), "them.test", "them.test", False, "no-policy-found")
    with office.store.write() as tx:
        tls_results.add(tx, [today])
    office.clock.move(4 * DAY_MS / 1000)
    assert tidy(office) == 0
    office.clock.move(DAY_MS / 1000)
    assert tidy(office) == 1
