"""Mail from strangers, from the keeper's socket to its store: decided, settled, written, answered."""

import asyncio
import email
import email.policy
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from mail import srs
from mail.address import parse_address
from mail.errors import Invalid, MailError, StorageFull
from mail.events import MessageAdded
from mail.junk.words import hashes
from mail.policy.facts import MessageFacts, RecipientFacts
from mail.policy.incoming import replay
from mail.store import accounts, aliases, incoming, mailboxes, messages, queue, traces
from mail.store.changes import changing
from mail.store.classes import HAM, NONE
from mail.store.evaluations import of_domain
from mail.store.flags import SEEN
from mail.store.junk_words import Counted
from mail.store.queue import NOBODY, Claimed
from mail.store.schema import message
from mail.store.traces import TraceRow
from tests.bundle import wait_until
from tests.keeper_office import MESSAGES_A_MINUTE, PROVED, SENDER, SRS_KEY, Office, arriving, asked, letter

LARGE = 20_000
ANN, BOB = "ann@a.example", "bob@a.example"
FORGED = replace(PROVED, spf="none", spf_domain="", from_validated=False)
LISTED = replace(PROVED, dnsbl=("l.example",))
REPORTS = {"policy_domain": "far.example", "interval_hours": 24}


@pytest.fixture
async def office(office: Office) -> Office:
    """Whose accounts give no subject pass, so that a refusal says nothing but what is tested."""
    with changing(office.store, None, clock=office.clock) as changes:
        for account in (office.ann, office.bob):
            incoming.change_rules(changes.tx, account, {"subject_pass_hours": 0})
    office.tables.reload()
    return office


async def sent(office: Office, octets: bytes, *recipients: str, **more: Any) -> dict[str, Any]:
    answer = await asked(office, "receive", arriving(octets, *recipients, **more), octets)
    assert office.wrong() == []
    return answer


def code(answer: dict[str, Any]) -> int:
    return int(answer["reply"][0]) if answer["reply"] else 250


def traced(office: Office, address: str) -> list[TraceRow]:
    with office.store.read() as connection:
        return traces.find(connection, address=address)


def queued(office: Office) -> list[Claimed]:
    with office.store.write() as tx:
        return queue.claim(tx, "w1", office.clock.wall_ms(), 10)


def flags(office: Office, account: int, name: str) -> list[int]:
    with office.store.read() as connection:
        found = mailboxes.find_mailbox(connection, account, name)
        assert found is not None
        return [messages.IndexRow(*row).flags for row in messages.index(connection, account, found.id)]


def files(office: Office) -> int:
    return len(list(office.blobs.stored()))


def decided(office: Office) -> set[str]:
    """Reason, action and number of what was counted."""
    lines = office.metrics.text().decode().splitlines()
    return {line.removeprefix("incoming_total") for line in lines if line.startswith("incoming_total{")}


def set_quota(office: Office, account: int, quota: int) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        accounts.change_account(changes.tx, account, quota=quota)


def add_team(office: Office, *members: str) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        aliases.add_alias(changes.tx, "team@a.example", list(members), 1)
    office.tables.reload()


@pytest.mark.parametrize("size", [500, LARGE])
async def test_a_message_is_stored_with_its_fields_in_front(office: Office, size: int) -> None:
    octets = letter(1, size)
    answer = await sent(office, octets, ANN, BOB, evaluation=REPORTS, facts=replace(PROVED, dmarc_wants_reports=True))
    assert (answer["reply"], answer["reason"], answer["slow"]) == (None, "no-bad-signals", False)
    (_, stored), (_, other) = office.stored(office.ann)[0], office.stored(office.bob)[0]
    head, _, body = stored.partition(b"From: x@remote.example")
    assert b"From: x@remote.example" + body == octets
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line and not line.startswith(b" ")]
    assert names == [b"Return-Path", b"Delivered-To", b"X-Mailstead-Reason", b"Authentication-Results", b"Received"]
    assert b"Delivered-To: ann@a.example" in head and b"Delivered-To: bob@a.example" in other
    assert files(office) == (size == LARGE)
    assert [type(one) for one in office.heard.events] == [MessageAdded, MessageAdded]
    with office.store.read() as connection:
        assert len(of_domain(connection, "far.example", office.clock.wall_ms() + 1)) == 2
    for address in (ANN, BOB):
        (row,) = traced(office, address)
        assert (row.verdict, row.reason, row.blob_id) == ("accepted", "no-bad-signals", answer["blob"])


async def test_the_trace_is_enough_to_decide_again(office: Office) -> None:
    await sent(office, letter(1), ANN, facts=LISTED)
    (row,) = traced(office, ANN)
    facts = MessageFacts.from_json(row.detail["message"])
    verdict = replay(facts, RecipientFacts.from_json(row.detail["recipient"]), row.at)
    assert (verdict.reason, verdict.sentence) == (
        row.reason,
        row.detail["sentence"],
    ) and row.reason == "dns-blocklisted"


async def test_a_first_time_sender_waits_once_and_is_counted_once(office: Office) -> None:
    octets = letter(1, LARGE)
    for _ in range(MESSAGES_A_MINUTE):
        assert await sent(office, octets, ANN, turn="first") == {"wait": True}
        assert office.stored(office.ann) == [] and files(office) == 0
    assert traced(office, ANN) == []
    for number in range(MESSAGES_A_MINUTE):
        assert code(await sent(office, letter(number), ANN, turn="again")) == 250
    answer = await sent(office, octets, ANN, turn="first")
    assert (code(answer), answer["reason"], answer["slow"]) == (452, "high-rate", False)


async def test_where_nobody_need_wait_rates_are_counted_all_the_same(office: Office) -> None:
    codes = [code(await sent(office, letter(number), ANN)) for number in range(MESSAGES_A_MINUTE + 1)]
    assert codes == [250] * MESSAGES_A_MINUTE + [452]
    (row,) = [one for one in traced(office, ANN) if one.verdict == "refused"]
    assert row.reason == "high-rate" and "kept_in" not in row.detail
    with office.store.read() as connection:
        assert mailboxes.find_mailbox(connection, office.ann, "Rejects") is None


@pytest.mark.parametrize("size", [500, LARGE])
async def test_what_is_refused_lies_seen_among_the_rejects_once(office: Office, size: int) -> None:
    octets = letter(1, size)
    for _ in range(2):
        answer = await sent(office, octets, ANN, facts=LISTED)
        assert (answer["reply"], answer["reason"]) == ([451, "4.3.0", "error processing"], "dns-blocklisted")
        assert answer["slow"]
    assert office.stored(office.ann) == [] and len(office.stored(office.ann, "Rejects")) == 1
    assert flags(office, office.ann, "Rejects") == [SEEN]
    assert b"X-Mailstead-Reason: dns-blocklisted" in office.stored(office.ann, "Rejects")[0][1]
    # Sent again when nothing speaks against it any more.
    assert code(await sent(office, octets, ANN)) == 250
    assert len(office.stored(office.ann)) == 1 and office.stored(office.ann, "Rejects") == []
    assert len(traced(office, ANN)) == 3


async def test_of_a_refusal_that_nobody_keeps_no_file_is_left(office: Office) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        incoming.change_rules(changes.tx, office.ann, {"rejects_mailbox": ""})
    office.tables.reload()
    answer = await sent(office, letter(1, LARGE), ANN, facts=LISTED)
    assert (code(answer), answer["blob"], files(office)) == (451, "", 0)
    set_quota(office, office.ann, 1000)
    answer = await sent(office, letter(2, LARGE), ANN)
    assert (code(answer), answer["reason"], answer["slow"], files(office)) == (452, "over-quota", False, 0)
    assert [row.verdict for row in traced(office, ANN)] == ["refused"] * 2


async def test_one_that_is_full_is_told_to_a_proved_sender_and_to_nobody_else(office: Office) -> None:
    set_quota(office, office.bob, 100)
    octets = letter(1, LARGE)
    answer = await sent(office, octets, ANN, BOB, facts=FORGED)
    assert (code(answer), answer["reason"], answer["slow"]) == (452, "over-quota", False)
    assert office.stored(office.ann) == [] and queued(office) == [] and files(office) == 0
    assert [row.verdict for row in traced(office, ANN)] == ["refused"]
    answer = await sent(office, octets, ANN, BOB)
    assert code(answer) == 250 and len(office.stored(office.ann)) == 1
    (notice,) = queued(office)
    assert (notice.rcpt_to, notice.mail_from, notice.return_to) == (SENDER, "", NOBODY)
    content = notice.octets
    assert content is not None
    read = email.message_from_bytes(content, policy=email.policy.default)
    told = [block["Final-Recipient"] for part in read.walk() if (block := part)["Final-Recipient"]]
    assert told == ["rfc822; bob@a.example"] and "452 mailbox is full" in content.decode()
    assert office.heard.woken == ["deliver"]


async def test_a_message_without_a_return_path_is_never_answered(office: Office) -> None:
    set_quota(office, office.bob, 100)
    answer = await sent(office, letter(1), ANN, BOB, mail_from="")
    assert code(answer) == 452 and queued(office) == []


async def test_disagreement_about_content_goes_into_rejects(office: Office) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        rule = '{"msg_from":"zoe","mailbox":"Lists","list_allow_domain":"far.example"}'
        incoming.add_ruleset(changes.tx, ANN, rule, incoming.json_object)
    office.tables.reload()
    answer = await sent(office, letter(1), ANN, BOB, facts=LISTED)
    assert (code(answer), queued(office)) == (250, [])
    assert len(office.stored(office.ann, "Lists")) == 1 and flags(office, office.bob, "Rejects") == [SEEN]


async def test_what_is_put_aside_beside_others_lies_in_rejects_once(office: Office) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        rule = '{"msg_from":"zoe","mailbox":"Lists","list_allow_domain":"far.example"}'
        incoming.add_ruleset(changes.tx, ANN, rule, incoming.json_object)
    office.tables.reload()
    for _ in range(2):
        assert code(await sent(office, letter(1, LARGE), ANN, BOB, facts=LISTED)) == 250
    assert len(office.stored(office.ann, "Lists")) == 2 and len(office.stored(office.bob, "Rejects")) == 1
    assert [row.detail["action"] for row in traced(office, BOB)] == ["rejects-to-mailbox"] * 2


async def test_junk_for_a_full_account_stops_nobody_else(office: Office) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        rule = '{"msg_from":"zoe","mailbox":"Inbox","list_allow_domain":"far.example"}'
        incoming.add_ruleset(changes.tx, ANN, rule, incoming.json_object)
    office.tables.reload()
    set_quota(office, office.bob, 100)
    assert code(await sent(office, letter(1), ANN, BOB, facts=LISTED)) == 250
    assert len(office.stored(office.ann)) == 1 and office.stored(office.bob) == []
    assert [(row.verdict, row.reason) for row in traced(office, BOB)] == [("refused", "dns-blocklisted")]


async def test_words_are_asked_for_where_a_filter_reads_them_and_the_wish_counts_for_no_rate(office: Office) -> None:
    assert code(await sent(office, letter(0), ANN, words=None)) == 250
    learnt = Counted()
    learnt.move(hashes(["good"]), NONE, HAM)
    with office.store.write() as tx:
        learnt.write(tx, office.ann)
    for _ in range(MESSAGES_A_MINUTE):
        assert await sent(office, letter(1), ANN, BOB, words=None) == {"words": [office.ann]}
    assert len(office.stored(office.ann)) == 1 and decided(office) == {'{reason="no-bad-signals",action="accept"} 1'}
    assert code(await sent(office, letter(1), ANN, BOB, words="good")) == 250
    with changing(office.store, None, clock=office.clock) as changes:
        incoming.change_rules(changes.tx, office.ann, {"junk_filter": False})
    office.tables.reload()
    assert code(await sent(office, letter(2), ANN, words=None)) == 250


async def test_room_for_the_content_is_enough(office: Office) -> None:
    octets = letter(1)
    set_quota(office, office.bob, len(octets))
    assert code(await sent(office, octets, BOB)) == 250
    answer = await sent(office, octets, ANN, BOB)
    assert code(answer) == 250 and len(office.stored(office.ann)) == len(office.stored(office.bob)) == 1


async def test_an_alias_gives_to_its_members_here_and_elsewhere(office: Office) -> None:
    add_team(office, ANN, BOB, "carl@far.example")
    assert code(await sent(office, letter(1), "team@a.example", ANN)) == 250
    assert len(office.stored(office.ann)) == 1 and b"Delivered-To: ann@" in office.stored(office.ann)[0][1]
    assert b"Delivered-To: team@" in office.stored(office.bob)[0][1]
    (out,) = queued(office)
    assert (out.rcpt_to, out.return_to) == ("carl@far.example", SENDER)
    assert out.prefix.startswith(b"Delivered-To: team@a.example\r\n")
    path = parse_address(out.mail_from)
    assert srs.reverse(path.localpart, SRS_KEY, office.clock.wall_ms()) == parse_address(SENDER)
    # What comes back is for the sender, and only as a bounce.
    bounce = letter(2)
    answer = await sent(office, bounce, out.mail_from, mail_from="", facts=replace(PROVED, mail_from=""))
    assert code(answer) == 250
    (back,) = queued(office)
    assert (back.rcpt_to, back.mail_from, back.return_to) == (SENDER, "", NOBODY)
    assert code(await sent(office, bounce, out.mail_from)) == 550


@pytest.mark.parametrize("asked_for", [True, False, None])
async def test_what_is_sent_on_demands_the_tls_it_came_with(office: Office, asked_for: bool | None) -> None:
    """RFC 8689."""
    add_team(office, "carl@far.example")
    assert code(await sent(office, letter(1), "team@a.example", require_tls=asked_for)) == 250
    (out,) = queued(office)
    assert out.require_tls is asked_for


async def test_a_message_in_a_circle_is_stopped_at_the_alias(office: Office) -> None:
    add_team(office, BOB, "carl@far.example")
    answer = await sent(office, letter(1), "team@a.example", delivered_to=["TEAM@a.example"])
    assert (answer["reply"][:2], answer["reason"], answer["slow"]) == ([550, "5.4.6"], "alias-loop", False)
    assert queued(office) == [] and office.stored(office.bob) == []
    assert [row.reason for row in traced(office, "team@a.example")] == ["alias-loop"]


async def test_an_author_alone_behind_an_alias_needs_no_copy(office: Office) -> None:
    add_team(office, "carl@far.example")
    facts = replace(PROVED, author="carl@far.example")
    answer = await sent(office, letter(1, LARGE), "team@a.example", facts=facts)
    assert (code(answer), answer["blob"], files(office), queued(office)) == (250, "", 0, [])
    assert [(row.verdict, row.reason) for row in traced(office, "team@a.example")] == [("accepted", "covered")]


async def test_many_at_once_are_few_transactions(office: Office) -> None:
    bodies = [letter(number) for number in range(MESSAGES_A_MINUTE)]
    answers = await asyncio.gather(*(asked(office, "receive", arriving(one, ANN, BOB), one) for one in bodies))
    assert all(answer["reply"] is None for answer in answers)
    assert len(office.stored(office.ann)) == len(office.stored(office.bob)) == len(bodies)
    assert office.committer.batches < 10 and office.wrong() == []


@pytest.mark.parametrize(
    "change",
    [
        {"size": -1},
        {"size": "500"},
        {"size": 10**9},
        {"recipients": []},
        {"recipients": [ANN] * 1001},
        {"recipients": ["no address"]},
        {"facts": {"ip": 7}},
        {"summary": {}},
        {"fields": 7},
        {"mail_from": "no address"},
    ],
)
async def test_what_a_listener_claims_is_not_believed(office: Office, change: dict[str, Any]) -> None:
    octets = letter(1)
    with pytest.raises(MailError):
        await asked(office, "receive", arriving(octets, ANN) | change, octets)
    assert office.committer.messages == 0 and office.wrong() == []


async def test_a_listener_that_says_nonsense_hurts_its_own_message_alone(office: Office) -> None:
    octets = letter(1)
    wanted = [arriving(octets, ANN, facts=replace(PROVED, dmarc_wants_reports=True), evaluation={"x": 1})]
    wanted += [arriving(octets, ANN, received_at=2**64 - 1), arriving(octets, BOB)]
    wrong, beyond, well = await asyncio.gather(
        *(asked(office, "receive", one, octets) for one in wanted), return_exceptions=True
    )
    assert isinstance(wrong, MailError) and isinstance(beyond, MailError)
    assert isinstance(well, dict) and code(well) == 250
    assert office.stored(office.ann) == [] and len(office.stored(office.bob)) == 1 and office.wrong() == []


async def test_a_descriptor_for_each_message_and_no_more(office: Office) -> None:
    octets = letter(1)
    for given in ((), (octets, octets)):
        with pytest.raises(Invalid):
            await asked(office, "receive", arriving(octets, ANN), *given)


async def test_without_room_on_the_disk_nothing_is_decided(office: Office) -> None:
    office.reserve.away = True
    with pytest.raises(StorageFull):
        await sent(office, letter(1), ANN)
    office.reserve.away = False
    assert code(await sent(office, letter(1), ANN)) == 250


async def test_nothing_of_a_refusal_is_left_when_its_trace_cannot_be_written(office: Office) -> None:
    octets = letter(1, LARGE)
    # A surrogate is no text of any database.
    with pytest.raises(MailError):
        await asked(office, "receive", arriving(octets, ANN, facts=LISTED) | {"cid": "\ud800"}, octets)
    wait_until(lambda: files(office) == 0, 5, "the file's end")
    with office.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(message)).scalar_one() == 0
    assert office.wrong() == []


async def test_every_recipient_is_counted_by_reason_and_action_once_committed(office: Office) -> None:
    taken = '{reason="no-bad-signals",action="accept"} 2'
    assert await sent(office, letter(1), ANN, BOB, turn="first", facts=FORGED) == {"wait": True}
    assert decided(office) == set()
    await sent(office, letter(1), ANN, BOB, facts=FORGED)
    assert decided(office) == {taken}
    set_quota(office, office.ann, 1)
    assert code(await sent(office, letter(2), ANN)) == 452
    assert code(await sent(office, letter(3), "nobody@a.example")) == 550
    refused = {'{reason="over-quota",action="reject"} 1', '{reason="unknown-recipient",action="reject"} 1'}
    assert decided(office) == {taken} | refused
    office.committer.stop()
    with pytest.raises(MailError):
        await asked(office, "receive", arriving(letter(4), BOB), letter(4))
    assert decided(office) == {taken} | refused
