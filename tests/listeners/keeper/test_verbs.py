"""Each verb: what it stores, what it answers, and what it does not believe."""

from typing import Any

import pytest

from listeners.keeper.verbs import APPENDED_MAX
from mail.errors import Invalid, NoSuchMailbox, NotAllowed, OverQuota, StorageFull
from mail.imap.summary import summarize
from mail.queue.outcome import Outcome
from mail.sasl import tickets
from mail.store import accounts, queue, queue_admin
from mail.store.changes import changing
from mail.store.flags import FLAGGED
from mail.store.queue import Claimed
from tests.bundle import wait_until
from tests.keeper_office import TICKET_KEY, Office, asked, delivery, letter, request

LARGE = 20_000


async def test_descriptors_and_sizes_must_be_as_many(office: Office) -> None:
    octets = letter(1)
    with pytest.raises(Invalid):
        await asked(office, "deliver", delivery(octets, "ann@a.example"))
    with pytest.raises(Invalid):
        await asked(office, "deliver", delivery(octets, "ann@a.example"), octets, octets)


async def test_no_room_is_told_before_anything_is_written(office: Office) -> None:
    office.reserve.away = True
    octets = letter(1)
    assert await office.verbs.space(request("space", {"size": 1})) == {"ok": False}
    with pytest.raises(StorageFull):
        await asked(office, "deliver", delivery(octets, "ann@a.example"), octets)
    office.reserve.away = False
    assert await office.verbs.space(request("space", {"size": 1})) == {"ok": True}


def appending(mailbox: str, *bodies: bytes, account: int = 1, **more: Any) -> dict[str, Any]:
    messages = [
        {"size": len(one), "received_at": 5, "summary": summarize(one).as_json(), "flags": FLAGGED, **more}
        for one in bodies
    ]
    return {"account_id": account, "mailbox": mailbox, "messages": messages}


async def test_an_append_is_all_or_nothing(office: Office) -> None:
    bodies = [letter(1), letter(2, LARGE), letter(3)]
    answer = await asked(office, "append", appending("inbox", *bodies, keywords=["$Forwarded"]), *bodies)
    assert answer["uids"] == [1, 2, 3] and answer["uidvalidity"] > 0 and answer["modseq"] > 1
    assert [octets for _, octets in office.stored(office.ann)] == bodies
    with pytest.raises(NoSuchMailbox):
        await asked(office, "append", appending("Nowhere", *bodies), *bodies)
    with changing(office.store, None, clock=office.clock) as changes:
        accounts.change_account(changes.tx, office.ann, quota=3 * LARGE)
    with pytest.raises(OverQuota):
        await asked(
            office, "append", appending("Inbox", letter(4), letter(5, 2 * LARGE)), letter(4), letter(5, 2 * LARGE)
        )
    # The file of what was refused is taken away after the answer.
    wait_until(lambda: len(list(office.blobs.stored())) == 1, 5, "the refused file's end")
    assert len(office.stored(office.ann)) == 3 and office.wrong() == []


async def test_an_append_has_bounds(office: Office) -> None:
    with pytest.raises(Invalid):
        await asked(office, "append", appending("Inbox"))
    many = [letter(1, 100)] * (APPENDED_MAX + 1)
    with pytest.raises(Invalid):
        await asked(office, "append", appending("Inbox", *many), *many)


def submission(office: Office, octets: bytes, *recipients: str, **more: Any) -> dict[str, Any]:
    return {
        "cid": "s" * 16,
        "ticket": tickets.make(TICKET_KEY, office.ann, "smtp", office.clock.wall_ms()),
        "account_id": office.ann,
        "mail_from": "ann@a.example",
        "size": len(octets),
        "prefix": "Date: x\r\n",
        "summary": summarize(octets).as_json(),
        "recipients": [{"address": one} for one in recipients],
        **more,
    }


def claimed(office: Office) -> list[Claimed]:
    with office.store.write() as tx:
        return queue.claim(tx, "w1", office.clock.wall_ms(), 10)


@pytest.mark.parametrize("size", [500, LARGE])
async def test_a_submission_is_a_row_a_recipient_and_wakes_delivery(office: Office, size: int) -> None:
    octets = letter(1, size)
    wanted = submission(office, octets, "x@out.example", "y@out.example", "x@OUT.example", "x+y@out.example")
    answer = await asked(office, "submit", wanted, octets)
    assert answer["queue_message"] == 1 and len(answer["recipients"]) == 3
    found = claimed(office)
    assert [one.rcpt_to for one in found] == ["x@out.example", "y@out.example", "x+y@out.example"]
    assert found[0].mail_from == "ann@a.example" and found[0].prefix == b"Date: x\r\n"
    assert office.heard.woken == ["deliver"] and office.wrong() == []


async def test_a_submission_may_wait(office: Office) -> None:
    until = office.clock.wall_ms() + 60_000
    await asked(office, "submit", submission(office, letter(1), "x@out.example", hold_until_at=until), letter(1))
    assert claimed(office) == []
    office.clock.move(61)
    assert len(claimed(office)) == 1


async def test_only_a_ticket_of_auth_submits_and_only_as_its_own_sender(office: Office) -> None:
    octets, now = letter(1), office.clock.wall_ms()
    forged = [
        {"ticket": ""},
        {"ticket": tickets.make(b"x" * 32, office.ann, "smtp", now)},
        {"ticket": tickets.make(TICKET_KEY, office.bob, "smtp", now)},
        {"ticket": tickets.make(TICKET_KEY, office.ann, "smtp", now - tickets.VALID_MS - 1)},
        {"account_id": office.bob},
        {"mail_from": "bob@a.example"},
        {"mail_from": "ann@elsewhere.example"},
    ]
    for change in forged:
        with pytest.raises(NotAllowed):
            await asked(office, "submit", submission(office, octets, "x@out.example", **change), octets)
    assert office.committer.messages == 0
    await asked(office, "submit", submission(office, octets, "x@out.example", mail_from=""), octets)


def outcome(one: Claimed, result: str, **more: Any) -> dict[str, Any]:
    return Outcome(one.id, one.attempt_id, result, 1, 550, "5.1.1", "no", **more).as_json()


def notice(octets: bytes, account_id: int) -> dict[str, Any]:
    return {
        "address": "ann@a.example",
        "account_id": account_id,
        "prefix": "Return-Path: <>\r\n",
        "size": len(octets),
        "summary": summarize(octets).as_json(),
    }


async def failed_once(office: Office) -> Claimed:
    await asked(office, "submit", submission(office, letter(1), "x@out.example"), letter(1))
    (one,) = claimed(office)
    return one


async def test_an_outcome_and_its_dsn_are_settled_together_and_once(office: Office) -> None:
    one, dsn = await failed_once(office), letter(9, LARGE)
    await asked(office, "entering", {"ids": [one.id]})
    wanted = {"outcomes": [outcome(one, "failed", dsns=(("failed", 0),))], "messages": [notice(dsn, office.ann)]}
    assert await asked(office, "settle", wanted, dsn) == {"dsns": 1}
    wanted = {"outcomes": [outcome(one, "failed", dsns=(("failed", 0),))], "messages": [notice(dsn, office.ann)]}
    assert await asked(office, "settle", wanted, dsn) == {"dsns": 0}
    assert office.stored(office.ann) == [(1, b"Return-Path: <>\r\n" + dsn)]
    with office.store.read() as connection:
        assert queue_admin.show(connection, one.id)[0].state == "failed"
    assert office.wrong() == []


async def test_a_dsn_comes_to_a_full_account_below_the_disks_reserve(office: Office) -> None:
    one, dsn = await failed_once(office), letter(9)
    with changing(office.store, None, clock=office.clock) as changes:
        accounts.change_account(changes.tx, office.ann, quota=1)
    office.reserve.away = True
    wanted = {"outcomes": [outcome(one, "failed", dsns=(("failed", 0),))], "messages": [notice(dsn, office.ann)]}
    assert await asked(office, "settle", wanted, dsn) == {"dsns": 1}
    assert len(office.stored(office.ann)) == 1 and office.wrong() == []
    office.reserve.away = False
    answer = await asked(office, "deliver", delivery(dsn, "ann@a.example"), dsn)
    assert answer["results"][0]["error"]["kind"] == "OverQuota", "the limit holds for everything else"


async def test_a_dsn_for_an_account_that_is_gone_does_not_hold_up_the_outcome(office: Office) -> None:
    one, dsn = await failed_once(office), letter(9)
    wanted = {"outcomes": [outcome(one, "failed", dsns=(("failed", 0),))], "messages": [notice(dsn, 4711)]}
    assert await asked(office, "settle", wanted, dsn) == {"dsns": 1}
    with office.store.read() as connection:
        assert queue_admin.show(connection, one.id)[0].state == "failed"
    assert office.wrong() == []
