"""What leaves through an alias: the reverse-path, who is told, and the rows it becomes."""

import email
import email.policy
from collections.abc import Iterator
from pathlib import Path

import pytest

from mail import srs
from mail.address import Address, parse_address
from mail.imap.summary import summarize
from mail.now import SetClock
from mail.queue.outcome import Outcome
from mail.receive.forwarding import forwards
from mail.store import accounts, arrivals, queue, queue_admin, traces
from mail.store.arrivals import Delivery, Forward, LocalRecipient
from mail.store.changes import changing
from mail.store.engine import Store
from mail.store.queue import NOBODY
from tests.deliver_sink import running_sink
from tests.mail.store.test_changes import OCTETS, blob_row
from tests.post_office import PostOffice, open_post_office

KEY = b"k" * srs.KEY_OCTETS
SENDER = parse_address("z@sender.example")
CARL, DORA = parse_address("carl@far.example"), parse_address("dora@far.example")
PREFIX = b"Return-Path: <z@sender.example>\r\nDelivered-To: team@a.example\r\nReceived: by us\r\n"


def made(reverse_path: Address | None = SENDER, *, passed: bool = True) -> list[Forward]:
    outside = [("team@a.example", CARL), ("other@b.example", CARL), ("team@a.example", DORA)]
    return forwards(
        outside,
        reverse_path=reverse_path,
        sender_passed=passed,
        key=KEY,
        now=SetClock().wall_ms(),
        prefix=lambda rcpt_to: PREFIX,
    )


def test_one_message_leaves_for_each_recipient_with_all_its_members() -> None:
    assert [(one.rcpt_to, one.addresses) for one in made()] == [
        ("team@a.example", (CARL, DORA)),
        ("other@b.example", (CARL,)),
    ]


def test_the_reverse_path_is_at_the_domain_that_forwards() -> None:
    for one, domain in zip(made(), ("a.example", "b.example"), strict=True):
        path = parse_address(one.mail_from)
        assert path.domain == domain and srs.reverse(path.localpart, KEY, SetClock().wall_ms()) == SENDER


def test_a_null_reverse_path_stays_null_and_so_does_one_that_would_be_too_long() -> None:
    assert {(one.mail_from, one.return_to) for one in made(None)} == {("", NOBODY)}
    long = Address("x" * 60, "sender.example")
    assert {(one.mail_from, one.return_to) for one in made(long)} == {("", str(long))}


def test_only_a_proven_sender_is_told_of_failures() -> None:
    """Security SM-10."""
    assert {one.return_to for one in made()} == {"z@sender.example"}
    assert {one.return_to for one in made(passed=False)} == {NOBODY}


def delivery(account_id: int = 0) -> Delivery:
    recipients = (LocalRecipient("team@a.example", account_id, "Inbox", b""),) if account_id else ()
    return Delivery(blob_row(1), summarize(OCTETS), "c1d", "z@sender.example", 1, recipients, {"spf": "pass"})


def forwarded(store: Store, clock: SetClock, *, local: bool = False, passed: bool = True) -> int:
    """Store the message, with or without a copy here; the postmaster's account."""
    with changing(store, None, clock=clock) as changes:
        owner = accounts.add_account(changes, "ann")
        whole = delivery(owner if local else 0)
        if local:
            arrivals.deliver(changes, whole)
        ids = arrivals.forward(changes, whole, made(passed=passed), account_id=owner, expires_at=changes.now + 1000)
        assert len(ids) == 3 and changes.wake == {"deliver"}
    return owner


@pytest.mark.parametrize("local", [False, True])
def test_forwarded_copies_share_the_blob_of_the_delivery(store: Store, clock: SetClock, local: bool) -> None:
    owner = forwarded(store, clock, local=local)
    with store.write() as tx:
        claimed = queue.claim(tx, "w1", clock.wall_ms(), 10)
    assert {one.blob_id for one in claimed} == {blob_row(1).id} and {one.account_id for one in claimed} == {owner}
    assert [one.rcpt_to for one in claimed] == ["carl@far.example", "dora@far.example", "carl@far.example"]
    # The next host writes its own Return-Path; the rest of what we added stays.
    assert claimed[0].prefix == b"Delivered-To: team@a.example\r\nReceived: by us\r\n"
    assert claimed[0].size == len(claimed[0].prefix) + len(OCTETS)
    assert {(one.notify, one.orcpt) for one in claimed[:2]} == {("FAILURE", "rfc822;team@a.example")}
    with store.read() as connection:
        found = traces.find(connection, cid="c1d")
    told = {(one.direction, one.rcpt_to, one.reason) for one in found}
    assert {("in", "team@a.example", "forwarded"), ("out", "dora@far.example", "forwarded")} <= told


def test_an_unproven_sender_is_kept_silent_about_at_the_next_host_too(store: Store, clock: SetClock) -> None:
    forwarded(store, clock, passed=False)
    with store.write() as tx:
        assert {one.notify for one in queue.claim(tx, "w1", clock.wall_ms(), 10)} == {"NEVER"}


def test_a_sender_is_told_once_of_an_alias_however_many_members_fail(store: Store, clock: SetClock) -> None:
    forwarded(store, clock)
    now = clock.wall_ms()

    def fail(one: queue.Claimed) -> Outcome:
        return Outcome(one.id, one.attempt_id, "failed", now, 550, "5.1.1", "no", dsns=(("failed", 0),))

    with store.write() as tx:
        carl, dora, other = queue.claim(tx, "w1", now, 10)
        assert [one.queue_recipient_id for one, _, _ in queue.settle(tx, [fail(carl)], now)] == [carl.id]
        owed = queue.settle(tx, [fail(dora), fail(other)], now)
    assert [one.queue_recipient_id for one, _, _ in owed] == [other.id]


@pytest.fixture
def office(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostOffice]:
    monkeypatch.setattr("workers.dispatch.LINGER_SECONDS", 0.0)
    monkeypatch.setattr("workers.connections.LINGER_SECONDS", 0.0)
    with open_post_office(store, tmp_path, clock) as opened:
        yield opened


def leave(office: PostOffice, *, passed: bool = True) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        arrivals.forward(
            changes, delivery(), made(passed=passed)[:1], account_id=office.account_id, expires_at=changes.now + 1000
        )


async def test_a_failed_forward_comes_back_to_the_sender_without_the_members_names(office: PostOffice) -> None:
    leave(office)
    async with running_sink({"RCPT": ["550 5.1.1 carl@far.example is no more"] * 2 + ["250 ok"]}) as sink:
        await office.deliver(sink.port)
        await office.deliver(sink.port)
        # A pipelined DATA for nobody came before it.
        notice = sink.messages[-1]
        assert "MAIL FROM:<>" in " ".join(sink.commands) and "RCPT TO:<z@sender.example>" in " ".join(sink.commands)
    assert office.inbox() == []
    assert not notice.startswith(b"Return-Path") and notice.startswith(b"Received: by us.test")
    message = email.message_from_bytes(notice, policy=email.policy.default)
    status = str(message.get_payload()[1].as_string())  # type: ignore[union-attr, index]
    assert status.count("Final-Recipient: rfc822; team@a.example") == 1 and "Status: 5.1.1" in status
    assert b"far.example" not in notice and message["To"] == "z@sender.example"


@pytest.mark.parametrize("passed", [True, False])
async def test_nobody_is_told_when_the_sender_is_unproven_or_the_notice_fails(office: PostOffice, passed: bool) -> None:
    leave(office, passed=passed)
    async with running_sink({"RCPT": ["550 5.1.1 no"] * 9}) as sink:
        await office.deliver(sink.port)
        await office.deliver(sink.port)
        assert await office.deliver(sink.port) == 0
    assert office.inbox() == []
    with office.store.read() as connection:
        assert queue_admin.counts(connection) == {"failed": 3 if passed else 2}
