"""What goes with an account, and what stays although it was its own."""

import pytest
from sqlalchemy import func, insert, select

from mail.errors import Invalid, NotFound
from mail.imap.summary import summarize
from mail.now import SetClock
from mail.store import accounts, aliases, incoming, queue_admin, removal
from mail.store.arrivals import Submission, submit
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.queue import NewQueueMessage, NewRecipient
from mail.store.schema import (
    arrival,
    history,
    junk_total,
    junk_word,
    mailbox,
    queue_message,
    ruleset,
    sent_to,
)
from tests.mail.store.test_changes import OCTETS, blob_row


@pytest.fixture
def two(store: Store, clock: SetClock) -> tuple[int, int]:
    """ann, the first account, and bob; example.org has an address of each."""
    with changing(store, None, clock=clock) as changes:
        ann = accounts.add_account(changes, "ann")
        bob = accounts.add_account(changes, "bob")
        accounts.add_domain(changes.tx, "example.org", 1)
        accounts.add_address(changes.tx, "ann@example.org", ann, 1)
        accounts.add_address(changes.tx, "bob@example.org", bob, 1)
    return ann, bob


def queued(store: Store, clock: SetClock, account_id: int, number: int, **more: str) -> None:
    row = blob_row(number)
    recipient = NewRecipient("x@remote.example", "remote.example", 1, 2)
    message = NewQueueMessage(account_id, row.id, row.size, "", (recipient,), **more)  # type: ignore[arg-type]
    with changing(store, None, clock=clock) as changes:
        submit(changes, Submission(row, summarize(OCTETS), message))


def test_nothing_of_an_account_is_left(store: Store, clock: SetClock, two: tuple[int, int]) -> None:
    ann, bob = two
    queued(store, clock, bob, 1)
    with store.write() as tx:
        incoming.add_ruleset(tx, "bob@example.org", "{}", lambda text: None)
        for table, values in (
            (arrival, {"blob_id": "b", "mailbox": "Inbox", "received_at": 1}),
            (history, {"key": 1, "at": 1, "arrival": 1, "junk": False, "localpart": 0}),
            (sent_to, {"key": 1, "at": 1}),
            (junk_word, {"word": 1, "ham": 1, "spam": 0}),
            (junk_total, {"hams": 1, "spams": 0}),
        ):
            tx.execute(insert(table), {"account_id": bob, **values})
    with store.write() as tx:
        removal.remove_account(tx, bob)
    with store.read() as connection:
        assert [one.name for one in accounts.list_accounts(connection)] == ["ann"]
        for table in (arrival, history, sent_to, junk_word, junk_total, ruleset, mailbox, queue_message):
            count = select(func.count()).select_from(table).where(table.c.account_id == bob)
            assert connection.execute(count).scalar_one() == 0, table.name
        with pytest.raises(NotFound):
            accounts.find_address(connection, "bob@example.org")


def test_reports_and_forwarded_mail_go_to_the_account_that_is_left(
    store: Store, clock: SetClock, two: tuple[int, int]
) -> None:
    ann, bob = two
    queued(store, clock, ann, 1, return_to="-")
    queued(store, clock, ann, 2)
    with store.write() as tx:
        removal.remove_account(tx, ann)
    with store.read() as connection:
        assert accounts.find_address(connection, "tlsreports@example.org").account_id == bob
        (row,) = queue_admin.list_queue(connection)
        assert row.account_id == bob


def test_the_last_account_takes_everything_with_it(store: Store, clock: SetClock, two: tuple[int, int]) -> None:
    queued(store, clock, two[0], 1, return_to="-")
    with store.write() as tx:
        for account_id in two:
            removal.remove_account(tx, account_id)
    with store.read() as connection:
        assert queue_admin.list_queue(connection) == accounts.list_addresses(connection) == []


def test_an_alias_keeps_its_last_member(store: Store, two: tuple[int, int]) -> None:
    with store.write() as tx:
        aliases.add_alias(tx, "team@example.org", ["bob@example.org", "ann@example.org"], 1)
        aliases.add_alias(tx, "solo@example.org", ["ann@example.org"], 1)
    with pytest.raises(Invalid, match="solo@example.org would have no member left"), store.write() as tx:
        removal.remove_account(tx, two[0])
    with store.write() as tx:
        removal.remove_account(tx, two[1])
        assert aliases.find_alias(tx, "team@example.org").members == ("ann@example.org",)
