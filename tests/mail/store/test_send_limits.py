from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from mail.accounts.send_limits import DAY_MS, Sent
from mail.errors import MessageLimit, NotAllowed, RecipientLimit, SendLimit
from mail.now import SetClock
from mail.store import accounts, removal, send_limits
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.schema import sent_recipient, sent_total

B, C, D = "b@x.example", "c@x.example", "d@x.example"


class Account:
    """An account that may send 4 messages a day, to 2 new recipients."""

    def __init__(self, store: Store, clock: SetClock) -> None:
        self.store, self.clock = store, clock
        with changing(store, None, clock=clock) as changes:
            self.id = accounts.add_account(changes, "ann")
        self.allow(max_outgoing_messages_per_day=4, max_first_time_recipients_per_day=2)

    def allow(self, **limits: int) -> None:
        with self.store.write() as tx:
            send_limits.change_limits(tx, self.id, **limits)

    def send(self, *recipients: str) -> str:
        """What stopped it."""
        try:
            with self.store.write() as tx:
                send_limits.count(tx, self.id, recipients, self.clock.wall_ms())
        except SendLimit as error:
            return type(error).__name__
        return ""

    @property
    def sent(self) -> Sent:
        with self.store.read() as connection:
            return send_limits.standing(connection, self.id, self.clock.wall_ms())[1]

    def rows(self, table: object) -> int:
        with self.store.read() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture
def ann(store: Store, clock: SetClock) -> Iterator[Account]:
    return Account(store, clock)


def test_recipients_in_all_and_new_ones_have_each_their_limit(ann: Account) -> None:
    sent = [ann.send(one) for one in (B, C, D, B, B, B)]
    assert sent == ["", "", RecipientLimit.__name__, "", "", MessageLimit.__name__]
    assert ann.sent == Sent(4, 2)


def test_what_was_25_hours_ago_is_not_counted_and_not_new(ann: Account) -> None:
    assert [ann.send(one) for one in (B, C, B, B, B)] == ["", "", "", "", "MessageLimit"]
    ann.clock.move(25 * 3600)
    assert ann.sent == Sent(0, 0)
    assert [ann.send(one) for one in (B, C, D, B, B)] == ["", "", "", "", "MessageLimit"]
    assert ann.sent == Sent(4, 1)


def test_the_window_rolls(ann: Account) -> None:
    for _ in range(4):
        assert ann.send(B) == ""
        ann.clock.move(3600)
    assert ann.send(B) == "MessageLimit"
    ann.clock.move(20 * 3600)
    assert [ann.send(B), ann.send(B)] == ["", "MessageLimit"]


def test_a_transaction_counts_whole_or_not_at_all(ann: Account) -> None:
    assert ann.send(B, C, D) == "RecipientLimit"
    assert ann.sent == Sent(0, 0) and ann.rows(sent_recipient) == 0
    assert ann.send(B, C) == ""


def test_new_ones_are_looked_at_once_as_many_were_sent_to(ann: Account) -> None:
    """Features S09: only if those in the window and the new ones reach the limit."""
    ann.allow(max_outgoing_messages_per_day=1000, max_first_time_recipients_per_day=0)
    assert ann.send(*(f"r{number}@x.example" for number in range(200))) == ""
    assert ann.send("one.more@x.example") == "RecipientLimit"
    assert ann.send("r7@x.example") == ""


def test_a_limit_that_is_raised_holds_at_once(ann: Account) -> None:
    assert [ann.send(B, C), ann.send(D)] == ["", "RecipientLimit"]
    ann.allow(max_first_time_recipients_per_day=3)
    assert ann.send(D) == ""


def test_a_name_is_one_however_it_is_written(ann: Account) -> None:
    assert [ann.send(one) for one in (B, B.upper(), C)] == ["", "", ""]
    assert ann.rows(sent_recipient) == 2


def test_a_day_of_much_mail_is_few_rows_and_old_ones_go(ann: Account) -> None:
    ann.allow(max_outgoing_messages_per_day=10**6)
    for _ in range(100):
        assert ann.send(B) == ""
    assert ann.rows(sent_total) == 1
    ann.clock.move(3 * DAY_MS / 1000)
    assert ann.send(B) == "" and ann.rows(sent_total) == 1


def test_accounts_count_for_themselves_and_go_with_their_counts(ann: Account) -> None:
    with changing(ann.store, None, clock=ann.clock) as changes:
        other = accounts.add_account(changes, "bob")
    with ann.store.write() as tx:
        send_limits.count(tx, other, [B], ann.clock.wall_ms())
    assert ann.sent == Sent(0, 0)
    with ann.store.write() as tx:
        removal.remove_account(tx, other)
    assert ann.rows(sent_total) == ann.rows(sent_recipient) == 0
    with ann.store.write() as tx, pytest.raises(NotAllowed):
        send_limits.count(tx, other, [B], ann.clock.wall_ms())
