"""The verb `receive`: what is decided is counted, once for each recipient and once it is committed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mail.address import parse_address
from mail.errors import MailError
from mail.imap.summary import summarize
from mail.now import SetClock
from mail.receive.gather import Checks, Envelope
from mail.receive.handover import arguments
from mail.receive.look import look
from mail.smtp.trace_fields import Hop
from mail.store import accounts
from mail.store.changes import changing
from mail.store.engine import Store
from tests.keeper_office import Office, asked, letter


@pytest.fixture
async def office(sqlite_store: Store, tmp_path: Path, clock: SetClock) -> Iterator[Office]:
    made = Office(sqlite_store, tmp_path, clock)
    made.start()
    yield made
    made.close()


async def arrived(office: Office, octets: bytes, *recipients: str, waited: bool = True) -> dict[str, Any]:
    """What the keeper answers to a message from a stranger."""
    sender = parse_address("x@remote.example")
    envelope = Envelope("192.0.2.1", "client.example", True, sender, False)
    looked = look(octets, hostname="mx.example", smtputf8=False, now=office.clock.wall_ms() // 1000)
    assert looked is not None
    gathered = await Checks(None, "mx.example", (), office.clock).gather(
        looked, envelope, message_id="1@remote.example", size=len(octets)
    )
    wanted = arguments(
        Hop("mx.example", "c" * 16, "client.example", "192.0.2.1", "ESMTP", ""),
        envelope,
        [parse_address(one) for one in recipients],
        looked,
        gathered,
        looked.summary or summarize(octets),
        received_at=office.clock.wall_ms(),
        size=len(octets),
        with_evaluation=False,
    )
    return await asked(office, "receive", wanted | {"waited": waited}, octets)


def counted(office: Office) -> list[str]:
    return sorted(
        line.removeprefix("incoming_total")
        for line in office.metrics.text().decode().splitlines()
        if line.startswith("incoming_total{")
    )


async def test_every_recipient_is_counted_by_reason_and_action(office: Office) -> None:
    assert (await arrived(office, letter(1), "ann@a.example", "bob@a.example"))["reply"] is None
    assert counted(office) == ['{reason="no-bad-signals",action="accept"} 2']
    with changing(office.store, None, clock=office.clock) as changes:
        accounts.change_account(changes.tx, office.ann, quota=1)
    assert (await arrived(office, letter(2), "ann@a.example"))["reply"][0] == 452
    assert (await arrived(office, letter(3), "nobody@a.example"))["reply"][0] == 550
    assert counted(office) == [
        '{reason="no-bad-signals",action="accept"} 2',
        '{reason="over-quota",action="reject"} 1',
        '{reason="unknown-recipient",action="reject"} 1',
    ]


async def test_who_waits_is_counted_when_he_has_waited(office: Office) -> None:
    assert await arrived(office, letter(1), "ann@a.example", waited=False) == {"wait": True}
    assert counted(office) == []
    await arrived(office, letter(1), "ann@a.example")
    assert counted(office) == ['{reason="no-bad-signals",action="accept"} 1']


async def test_what_is_not_committed_is_not_counted(office: Office) -> None:
    office.committer.stop()
    with pytest.raises(MailError):
        await arrived(office, letter(1), "ann@a.example")
    assert counted(office) == []
