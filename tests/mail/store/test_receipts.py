"""Everything a message from a stranger leaves behind, in one transaction or not at all."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from mail.address import parse_address
from mail.errors import MailError, NoSuchAddress, OverQuota
from mail.imap.summary import summarize
from mail.now import SetClock
from mail.policy.keys import key
from mail.store import accounts, mailboxes, rejects, traces
from mail.store.arrivals import Delivery, Forward, LocalRecipient
from mail.store.blob_rows import BlobRow
from mail.store.changes import Changes, changing
from mail.store.engine import Store
from mail.store.evaluations import Evaluation
from mail.store.flags import SEEN
from mail.store.history import pack_keys
from mail.store.receipts import Kept, Receipt, receive
from mail.store.rows import ArrivalRow
from mail.store.schema import arrival, blob, dmarc_evaluation, message, queue_message, queue_recipient, trace
from mail.store.traces import TraceRow, trace_values
from mail.store.verify import findings
from tests.mail.store.blobs_in_rows import NoFiles
from tests.mail.store.test_changes import Heard

TABLES = (message, blob, arrival, queue_message, queue_recipient, trace, dmarc_evaluation)
PREFIX = b"Return-Path: <z@far.example>\r\nDelivered-To: x\r\n"


class Post:
    """Two accounts, ann and bob, and messages for them."""

    def __init__(self, store: Store, clock: SetClock) -> None:
        self.store, self.clock, self.heard = store, clock, Heard()
        with changing(store, None, clock=clock) as changes:
            self.ann, self.bob = (accounts.add_account(changes, name) for name in ("ann", "bob"))
        self._blobs = 0

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        with changing(self.store, self.heard, clock=self.clock) as changes:
            yield changes

    def recipient(self, account: int, mailbox: str = "Inbox", *, rejected: bool = False) -> LocalRecipient:
        name = "ann" if account == self.ann else "bob"
        return LocalRecipient(
            f"{name}@a.example",
            account,
            mailbox,
            PREFIX,
            SEEN if rejected else 0,
            ArrivalRow("Inbox", 1000, (account, 77), key("localpart", "z"), rejected),
            "junk-content" if rejected else "no-bad-signals",
            {"sentence": "why"},
        )

    def receipt(self, *recipients: LocalRecipient, message_id: str = "1@far.example", **more: Any) -> Receipt:
        self._blobs += 1
        octets = f"Message-ID: <{message_id}>\r\n\r\nbody {self._blobs}\r\n".encode()
        digest = hashlib.sha256(octets).digest()
        row = BlobRow(f"{self._blobs:032x}", "", len(octets), digest, self.clock.wall_ms(), octets)
        delivery = Delivery(row, summarize(octets), "c" * 16, "z@far.example", 1000, recipients, {"message": {}})
        return Receipt(delivery, **more)

    def received(self, receipt: Receipt) -> list[Any]:
        with self.changes() as changes:
            placed = receive(changes, receipt)
        self.check()
        return placed

    def kept(self, account: int, *, keep_all: bool = False, refused: bool = True) -> Kept:
        return Kept(self.recipient(account, "Rejects", rejected=True), keep_all, refused)

    def traced(self, address: str) -> list[TraceRow]:
        with self.store.read() as connection:
            return traces.find(connection, address=address)

    def held(self, account: int, name: str = "Inbox") -> int:
        with self.store.read() as connection:
            found = mailboxes.find_mailbox(connection, account, name)
        return found.messages if found is not None else 0

    def rows(self) -> dict[str, int]:
        with self.store.read() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES
            }

    def check(self) -> None:
        assert list(findings(self.store, NoFiles())) == []


@pytest.fixture
def post(store: Store, clock: SetClock) -> Post:
    return Post(store, clock)


def trace_of(post: Post, rcpt_to: str) -> dict[str, Any]:
    return trace_values(
        at=post.clock.wall_ms(),
        cid="c" * 16,
        direction="in",
        mail_from="z@far.example",
        rcpt_to=rcpt_to,
        verdict="refused",
        reason="junk-content",
    )


FORWARD = Forward("team@a.example", (parse_address("carl@far.example"),), "srs@a.example", "z@far.example", PREFIX)
EVALUATION = Evaluation("far.example", False, 24, {"disposition": "none"})


def everything(post: Post) -> Receipt:
    return post.receipt(
        post.recipient(post.ann),
        kept=(post.kept(post.bob),),
        forwards=(FORWARD,),
        forwarder=post.ann,
        forwards_expire_at=post.clock.wall_ms() + 1000,
        traces=(trace_of(post, "carl@a.example"),),
        evaluations=(EVALUATION,),
    )


def test_one_message_leaves_all_its_rows_and_one_blob(post: Post) -> None:
    (placed,) = post.received(everything(post))
    assert (placed.address, placed.mailbox, placed.uid, placed.error) == ("ann@a.example", "Inbox", 1, None)
    assert post.rows() == {
        "message": 2,
        "blob": 1,
        "arrival": 2,
        "queue_message": 1,
        "queue_recipient": 1,
        # ann, bob, carl, the alias, and where it leads.
        "trace": 5,
        "dmarc_evaluation": 1,
    }
    assert (post.held(post.ann), post.held(post.bob), post.held(post.bob, "Rejects")) == (1, 0, 1)
    assert post.heard.woken == ["deliver"]


def test_a_copy_has_its_flags_prefix_and_keys(post: Post) -> None:
    post.received(everything(post))
    with post.store.read() as connection:
        copies = connection.execute(
            select(message.c.account_id, message.c.flags, message.c.prefix, message.c.received_at).order_by(
                message.c.account_id
            )
        ).all()
        filed = connection.execute(
            select(
                arrival.c.account_id, arrival.c.mailbox, arrival.c["keys"], arrival.c.localpart, arrival.c.rejected
            ).order_by(arrival.c.account_id)
        ).all()
    assert [tuple(row) for row in copies] == [(post.ann, 0, PREFIX, 1000), (post.bob, SEEN, PREFIX, 1000)]
    local = key("localpart", "z")
    # Of the mailbox it was meant for, also where it is kept among the rejects.
    assert [(*row[:4], bool(row[4])) for row in filed] == [
        (post.ann, "Inbox", pack_keys((post.ann, 77)), local, False),
        (post.bob, "Inbox", pack_keys((post.bob, 77)), local, True),
    ]
    with post.store.read() as connection:
        (row,) = traces.find(connection, address="ann@a.example")
    assert (row.verdict, row.reason, row.detail["sentence"]) == ("accepted", "no-bad-signals", "why")
    assert (row.detail["mailbox"], row.detail["uid"]) == ("Inbox", 1)


@pytest.mark.parametrize("stopped", ["quota", "account", "late"])
def test_what_stops_one_leaves_nothing_of_any(post: Post, stopped: str) -> None:
    receipt = everything(post)
    if stopped == "quota":
        with changing(post.store, None, clock=post.clock) as changes:
            accounts.change_account(changes.tx, post.ann, quota=10)
    elif stopped == "account":
        gone = replace(post.recipient(post.ann), account_id=4711)
        receipt = replace(receipt, delivery=replace(receipt.delivery, recipients=(post.recipient(post.bob), gone)))
    else:
        receipt = replace(receipt, evaluations=(replace(EVALUATION, facts={"not": object()}),))
    with pytest.raises((MailError, TypeError)) as raised:
        post.received(receipt)
    assert raised.type is {"quota": OverQuota, "account": NoSuchAddress, "late": TypeError}[stopped]
    assert set(post.rows().values()) == {0} and post.heard == [] and post.heard.woken == []
    post.check()


def test_what_stops_one_in_a_batch_leaves_its_neighbours(post: Post) -> None:
    with changing(post.store, None, clock=post.clock) as changes:
        accounts.change_account(changes.tx, post.ann, quota=10)
    first, second = post.receipt(post.recipient(post.bob)), post.receipt(post.recipient(post.bob))
    full = replace(everything(post), kept=(post.kept(post.bob),))
    with post.changes() as changes:
        receive(changes, first)
        changes.flush()
        events = len(changes.events)
        with pytest.raises(OverQuota), post.store.savepoint(changes.tx):
            receive(changes, full)
        changes.forget(events)
        receive(changes, second)
    assert post.rows() == {
        **dict.fromkeys(post.rows(), 0),
        "message": 2,
        "blob": 2,
        "arrival": 2,
        "trace": 2,
    }
    post.check()


def test_a_refused_message_leaves_a_copy_and_a_trace_and_no_more(post: Post) -> None:
    refused = post.receipt(kept=(post.kept(post.ann),))
    assert post.received(refused) == []
    assert post.rows() == {**dict.fromkeys(post.rows(), 0), "message": 1, "blob": 1, "arrival": 1, "trace": 1}
    # It comes again, as it was told to; the copy is there.
    again = post.receipt(kept=(post.kept(post.ann),))
    post.received(again)
    assert (post.rows()["message"], post.rows()["blob"], post.rows()["trace"]) == (1, 1, 2)
    later, first = post.traced("ann@a.example")
    assert (first.verdict, first.detail["kept_in"], first.detail["uid"], "copy" in first.detail) == (
        *("refused", "Rejects", 1),
        False,
    )
    assert (later.detail["kept_in"], later.detail["copy"], later.blob_id) == ("Rejects", "it was there already", "")


def test_a_message_of_which_nothing_is_kept_leaves_its_trace(post: Post) -> None:
    post.received(post.receipt(traces=(trace_of(post, "ann@a.example"),), evaluations=(EVALUATION,)))
    assert post.rows() == {**dict.fromkeys(post.rows(), 0), "trace": 1, "dmarc_evaluation": 1}


def test_one_that_is_taken_after_all_leaves_the_rejects(post: Post) -> None:
    post.received(post.receipt(kept=(post.kept(post.ann), post.kept(post.bob))))
    assert post.rows()["message"] == 2
    taken = post.receipt(post.recipient(post.ann), rejects_of={post.ann: "Rejects"})
    post.received(taken)
    assert (post.held(post.ann), post.held(post.ann, "Rejects"), post.held(post.bob, "Rejects")) == (1, 0, 1)


def test_no_room_for_a_refused_copy_changes_nothing_about_the_refusal(post: Post) -> None:
    with changing(post.store, None, clock=post.clock) as changes:
        accounts.change_account(changes.tx, post.ann, quota=10)
    post.received(post.receipt(post.recipient(post.bob), kept=(post.kept(post.ann),)))
    assert (post.held(post.ann, "Rejects"), post.held(post.bob)) == (0, 1)
    (row,) = post.traced("ann@a.example")
    assert (row.verdict, row.detail["no_copy"], row.blob_id) == ("refused", "there was no room for it", "")
    post.received(post.receipt(kept=(post.kept(post.ann),)))
    assert post.rows()["blob"] == 1


def test_two_recipients_may_both_keep_their_copy(post: Post) -> None:
    post.received(post.receipt(kept=(post.kept(post.ann), post.kept(post.bob, keep_all=True))))
    assert post.rows()["message"] == 2 and post.rows()["blob"] == 1


def test_what_one_refuses_beside_another_who_takes_it_is_kept_once_and_beyond_the_limit_in_junk(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "KEPT_MAX", 1)
    for message_id in ("1@far.example", "1@far.example", "2@far.example"):
        beside = post.kept(post.bob, refused=False)
        post.received(post.receipt(post.recipient(post.ann), message_id=message_id, kept=(beside,)))
    assert (post.held(post.ann), post.held(post.bob, "Rejects")) == (3, 1)
    full, there, first = post.traced("bob@a.example")
    assert (first.verdict, first.detail["mailbox"], first.detail["uid"]) == ("accepted", "Rejects", 1)
    assert (there.verdict, there.detail["mailbox"], there.detail["uid"]) == ("accepted", "Rejects", 0)
    assert (full.verdict, full.detail["mailbox"], full.detail["kept_in"]) == ("accepted", "Junk", "Junk")
    assert post.held(post.bob, "Junk") == 1
