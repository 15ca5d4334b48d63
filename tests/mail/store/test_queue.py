"""Leases, outcomes and what an administrator does, on both databases."""

import pytest

from mail.imap.summary import summarize
from mail.now import SetClock
from mail.queue.outcome import Outcome
from mail.queue.states import State
from mail.store import accounts, arrivals, queue, queue_admin, queue_leases, traces
from mail.store.arrivals import Submission
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.queue import Claimed, NewQueueMessage, NewRecipient
from tests.mail.store.test_changes import OCTETS, blob_row

NOW = SetClock().wall_ms()


class Queue:
    def __init__(self, store: Store, clock: SetClock) -> None:
        self.store, self.clock = store, clock
        self._blobs = 0
        with changing(store, None, clock=clock) as changes:
            self.accounts = [accounts.add_account(changes, name) for name in ("ann", "bob")]

    def submit(self, count: int = 1, account: int = 0, *, at: int = NOW) -> list[int]:
        made: list[int] = []
        for _ in range(count):
            self._blobs += 1
            recipient = NewRecipient("x@remote.example", "remote.example", at, NOW + 10**9)
            row = blob_row(self._blobs)
            message = NewQueueMessage(self.accounts[account], row.id, row.size, "ann@example.org", (recipient,))
            with changing(self.store, None, clock=self.clock) as changes:
                made += arrivals.submit(changes, Submission(row, summarize(OCTETS), message))[1]
        return made

    def claim(self, most: int = 100, owner: str = "w1", now: int = NOW) -> list[Claimed]:
        with self.store.write() as tx:
            return queue.claim(tx, owner, now, most)

    def state(self, number: int) -> str:
        with self.store.read() as connection:
            return queue_admin.show(connection, number)[0].state


@pytest.fixture
def waiting(store: Store, clock: SetClock) -> Queue:
    return Queue(store, clock)


def outcome(claimed: Claimed, result: str, **more: object) -> Outcome:
    return Outcome(claimed.id, claimed.attempt_id, result, NOW, 250, "2.0.0", "fine", **more)  # type: ignore[arg-type]


def test_a_claim_is_had_once_and_moves_the_next_attempt_before_it(waiting: Queue) -> None:
    waiting.submit(3)
    first, second = waiting.claim(2), waiting.claim(2, "w2")
    assert (len(first), len(second), waiting.claim()) == (2, 1, [])
    with waiting.store.read() as connection:
        rows = queue_admin.list_queue(connection)
    assert all(row.next_attempt_at > NOW and row.attempts == 1 for row in rows)
    assert first[0].octets == OCTETS


def test_nothing_is_claimed_before_it_is_due(waiting: Queue) -> None:
    waiting.submit(at=NOW + 1)
    assert waiting.claim() == []
    assert len(waiting.claim(now=NOW + 1)) == 1


def test_accounts_take_turns(waiting: Queue) -> None:
    waiting.submit(10, 0)
    waiting.submit(2, 1)
    assert sorted(claimed.account_id for claimed in waiting.claim(4)) == sorted(2 * waiting.accounts)


def test_an_outcome_ends_the_attempt_and_is_traced(waiting: Queue) -> None:
    (number,) = waiting.submit()
    (claimed,) = waiting.claim()
    with waiting.store.write() as tx:
        assert queue.settle(tx, [outcome(claimed, "delivered", host="mx.remote.example")], NOW) == []
    with waiting.store.read() as connection:
        row, attempts = queue_admin.show(connection, number)
        found = traces.find(connection, address="x@remote.example")
    assert (row.state, attempts[0]["result"], attempts[0]["host"]) == ("done", "delivered", "mx.remote.example")
    assert [one.verdict for one in found] == ["delivered", "accepted"]


def test_an_outcome_that_comes_after_its_lease_was_reaped_changes_nothing(waiting: Queue) -> None:
    (number,) = waiting.submit()
    (claimed,) = waiting.claim()
    with waiting.store.write() as tx:
        queue_leases.reap(tx, ["w1"], NOW, frozenset())
        queue.settle(tx, [outcome(claimed, "failed")], NOW)
    assert waiting.state(number) == "due"


def test_a_dsn_is_owed_once_whatever_happens(waiting: Queue) -> None:
    waiting.submit()
    (claimed,) = waiting.claim()
    late = outcome(claimed, "deferred", next_attempt_at=NOW, dsns=(("delayed", 0),))
    with waiting.store.write() as tx:
        assert len(queue.settle(tx, [late], NOW)) == 1
    (again,) = waiting.claim()
    assert again.delay_dsn_sent
    with waiting.store.write() as tx:
        assert queue.settle(tx, [outcome(again, "deferred", next_attempt_at=NOW, dsns=(("delayed", 0),))], NOW) == []


def test_only_what_was_being_sent_counts_as_crashed_and_three_times_is_poison(waiting: Queue) -> None:
    poison, other = waiting.submit(2)
    for _ in range(3):
        assert len(waiting.claim()) == 2
        with waiting.store.write() as tx:
            queue_leases.reap(tx, ["w1"], NOW, frozenset({poison}))
    assert (waiting.state(poison), waiting.state(other)) == ("held", "due")
    with waiting.store.read() as connection:
        row, attempts = queue_admin.show(connection, other)
        assert row.attempts == 0 and {one["result"] for one in attempts} == {"released"}
        assert queue_admin.show(connection, poison)[0].reason == "poison"


def test_a_death_after_the_final_dot_is_told_as_a_possible_duplicate(waiting: Queue) -> None:
    (number,) = waiting.submit()
    waiting.claim()
    with waiting.store.write() as tx:
        queue.entering_final_dot(tx, [number])
        queue_leases.reap(tx, ["w1"], NOW, frozenset())
    with waiting.store.read() as connection:
        assert "duplicate-possible" in {one.reason for one in traces.find(connection)}


def test_a_lease_that_ran_out_is_taken_back(waiting: Queue) -> None:
    waiting.submit()
    waiting.claim()
    with waiting.store.read() as connection:
        assert not queue_leases.has_expired(connection, NOW)
        assert queue_leases.has_expired(connection, NOW + 10**7)


def test_an_administrator_holds_releases_fails_and_drops(waiting: Queue) -> None:
    one, two = waiting.submit(2)
    with waiting.store.write() as tx:
        assert queue_admin.hold(tx, [one]) == [one]
        assert queue_admin.retry(tx, [one], NOW) == []
        assert queue_admin.release(tx, [one]) == [one]
        assert queue_admin.fail(tx, [one], NOW, "given up") == [one]
        assert queue_admin.drop(tx, [two], NOW) == [two]
    (claimed,) = waiting.claim()
    assert (claimed.id, claimed.reason, claimed.last_text) == (one, "fail", "given up")
    with waiting.store.read() as connection:
        assert queue_admin.counts(connection) == {State.CLAIMED.value: 1, State.DROPPED.value: 1}


def test_what_ended_long_ago_is_forgotten_with_its_message(waiting: Queue) -> None:
    (number,) = waiting.submit()
    with waiting.store.write() as tx:
        queue_admin.drop(tx, [number], NOW)
        assert queue_admin.remove_ended(tx, NOW + 1, 100) == 1
    with waiting.store.read() as connection:
        assert queue_admin.list_queue(connection, states=list(State)) == []
