"""The notice to a proved sender: whom it names, what it says, how it leaves."""

import email
import email.policy
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from listeners.keeper.committer import Content
from listeners.keeper.notices import Notice, notice_of
from mail.address import parse_address
from mail.imap.summary import summarize
from mail.now import SetClock
from mail.receive.settled import Bounced
from mail.smtp.replies import Reply
from mail.store import queue
from mail.store.blob_rows import BlobRow
from mail.store.changes import changing
from mail.store.engine import Store
from tests.keeper_office import Office, memory

SENDER = "zoe@far.example"
ORIGINAL = (
    b"From: Zoe <zoe@far.example>\r\nSubject: lunch\r\nMessage-ID: <1@far.example>\r\n\r\n" + b"secret body\r\n" * 50
)
BOUNCED = (
    Bounced("bob@a.example", Reply(452, "4.2.2", "mailbox is full")),
    Bounced("team@a.example", Reply(550, "5.4.6", "Routing loop detected")),
)


def made(octets: bytes = ORIGINAL, to: str = SENDER, bounced: tuple[Bounced, ...] = BOUNCED) -> tuple[Notice, bytes]:
    """The notice, and its octets."""
    descriptor = memory(octets)
    notice = notice_of(
        parse_address(to, strict=False),
        bounced,
        summarize(octets),
        Content(descriptor, len(octets)),
        at=1_800_000_000_000,
        hostname="mx.example",
        account_id=1,
        expires_at=1_800_000_001_000,
    )
    os.close(descriptor)
    return notice, os.pread(notice.content.descriptor, notice.content.size, 0)


def test_it_names_each_recipient_with_his_own_reply():
    notice, octets = made()
    read = email.message_from_bytes(octets, policy=email.policy.default)
    assert (read["To"], read["Auto-Submitted"], read["In-Reply-To"]) == (SENDER, "auto-replied", "<1@far.example>")
    assert "postmaster@mx.example" in read["From"]
    status = list(read.walk())[2]
    assert status.get_content_type() == "message/delivery-status"
    blocks = list(status.walk())[1:]
    told = {
        block["Final-Recipient"]: (block["Action"], block["Status"], block["Diagnostic-Code"]) for block in blocks[1:]
    }
    assert told == {
        "rfc822; bob@a.example": ("failed", "4.2.2", "smtp; 452 mailbox is full"),
        "rfc822; team@a.example": ("failed", "5.4.6", "smtp; 550 Routing loop detected"),
    }
    assert b"Subject: lunch" in octets and b"secret body" not in octets
    assert notice.summary == summarize(octets)
    notice.close()
    with pytest.raises(OSError):
        os.fstat(notice.content.descriptor)


@pytest.mark.parametrize("octets", [b"", b"\0\xff" * 50_000, b"X: " + b"y" * 200_000])
def test_any_original_can_be_told_of(octets: bytes):
    notice, written = made(octets)
    assert written.startswith(b"From: ") and len(written) < 100_000
    notice.close()


@pytest.mark.parametrize("to", ["=?utf-8?q?=0A?=@far.example", "ü@far.example", '"a b"@far.example'])
def test_any_sender_can_be_told(to: str):
    notice, written = made(to=to)
    assert b"\n" not in written.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"")
    notice.close()


@pytest.fixture
def office(store: Store, tmp_path: Path, clock: SetClock) -> Iterator[Office]:
    office = Office(store, tmp_path, clock)
    yield office
    office.close()


def test_it_leaves_by_the_queue_and_nothing_ever_comes_back_of_it(office: Office, clock: SetClock):
    notice, octets = made()
    row = BlobRow("b" * 32, "", len(octets), b"", clock.wall_ms(), octets)
    with changing(office.store, office.heard, clock=clock) as changes:
        notice.queue(changes, row)
    notice.close()
    with office.store.write() as tx:
        (one,) = queue.claim(tx, "w1", clock.wall_ms(), 10)
    assert (one.rcpt_to, one.mail_from, one.notify, one.return_to) == (SENDER, "", "NEVER", queue.NOBODY)
    assert office.heard.woken == ["deliver"]
