"""Mail of our own users for addresses of ours: aliases expanded, a result for each recipient, nothing believed."""

import asyncio
from typing import Any

import orjson
import pytest

from mail import srs
from mail.address import parse_address
from mail.errors import MailError
from mail.events import MessageAdded
from mail.policy.rulesets import parse_ruleset
from mail.policy.story import facts
from mail.store import accounts, aliases, incoming, queue, traces
from mail.store.changes import changing
from tests.keeper_office import SRS_KEY, Office, asked, delivery, letter

LARGE = 20_000


@pytest.mark.parametrize("size", [500, LARGE])
async def test_a_delivery_is_one_blob_and_a_copy_a_mailbox(office: Office, size: int) -> None:
    octets = letter(1, size)
    wanted = delivery(octets, "ann@a.example", "nobody@a.example", "ANN+x@a.example", "bob@a.example")
    answer = await asked(office, "deliver", wanted, octets)
    results = {one["address"]: one for one in answer["results"]}
    assert results["nobody@a.example"]["refused"] == [550, "5.1.1", "No such user here"]
    assert results["ann@a.example"]["ok"] and results["ANN+x@a.example"]["ok"]
    assert (results["bob@a.example"]["account_id"], results["bob@a.example"]["uid"]) == (office.bob, 1)
    # The first of two addresses of one mailbox says whom it was delivered to.
    assert office.stored(office.ann) == [(1, b"Delivered-To: ann@a.example\r\n" + octets)]
    assert office.stored(office.bob) == [(1, b"Delivered-To: bob@a.example\r\n" + octets)]
    assert len(list(office.blobs.stored())) == (1 if size == LARGE else 0)
    assert {type(event) for event in office.heard.events} == {MessageAdded} and office.wrong() == []
    with office.store.read() as connection:
        assert len(traces.find(connection, address="bob@a.example")) == 1


async def test_a_delivery_for_nobody_stores_nothing(office: Office) -> None:
    octets = letter(1)
    answer = await asked(office, "deliver", delivery(octets, "nobody@a.example"), octets)
    assert answer["blob"] == "" and answer["results"][0]["refused"][:2] == [550, "5.1.1"]
    assert office.committer.messages == 0


async def test_a_full_mailbox_refuses_its_own_copy_alone(office: Office) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        accounts.change_account(changes.tx, office.ann, quota=100)
    octets = letter(1)
    answer = await asked(office, "deliver", delivery(octets, "ann@a.example", "bob@a.example"), octets)
    kinds = [one.get("error", {}).get("kind") for one in answer["results"]]
    assert kinds == ["OverQuota", None]
    assert office.stored(office.ann) == [] and len(office.stored(office.bob)) == 1 and office.wrong() == []


async def test_many_at_once_are_few_transactions(office: Office) -> None:
    bodies = [letter(number) for number in range(60)]
    answers = await asyncio.gather(*(asked(office, "deliver", delivery(one, "ann@a.example"), one) for one in bodies))
    assert sorted(answer["results"][0]["uid"] for answer in answers) == list(range(1, 61))
    assert office.committer.batches < 10 and office.wrong() == []


@pytest.mark.parametrize(
    "change",
    [
        {"size": -1},
        {"size": 10**9},
        {"size": "500"},
        {"size": True},
        {"size": None},
        {"recipients": []},
        {"recipients": "ann"},
        {"recipients": [{"address": "a@a.example", "prefix": ""}] * 1001},
        {"recipients": [{"address": "not an address", "prefix": ""}]},
        {"author": "not an address"},
        {"fields": [["one"]]},
        {"fields": 7},
    ],
)
async def test_what_a_listener_claims_is_not_believed(office: Office, change: dict[str, Any]) -> None:
    octets = letter(1)
    with pytest.raises(MailError):
        await asked(office, "deliver", delivery(octets, "ann@a.example", **change), octets)
    assert office.committer.messages == 0


def add_team(office: Office, *members: str, **rules: Any) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        alias_id = aliases.add_alias(changes.tx, "team@a.example", list(members), 1)
        if rules:
            aliases.change_alias(changes.tx, "team@a.example", **rules)
    assert alias_id
    office.tables.reload()


async def sent(office: Office, *recipients: str, **more: Any) -> dict[str, dict[str, Any]]:
    octets = letter(1)
    answer = await asked(office, "deliver", delivery(octets, *recipients, **more), octets)
    assert office.wrong() == []
    return {one["address"]: one for one in answer["results"]}


async def test_an_alias_has_one_result_whoever_is_behind_it(office: Office) -> None:
    add_team(office, "ann@a.example", "bob@a.example", "carl@far.example")
    found = await sent(office, "team@a.example", mail_from="ann@a.example")
    # The author is known, and has no copy of her own.
    assert list(found) == ["team@a.example"] and found["team@a.example"]["ok"]
    assert office.stored(office.ann) == [] and len(office.stored(office.bob)) == 1
    with office.store.write() as tx:
        (out,) = queue.claim(tx, "w1", office.clock.wall_ms(), 10)
    assert out.rcpt_to == "carl@far.example" and out.prefix == b"Delivered-To: team@a.example\r\n"
    path = parse_address(out.mail_from)
    assert srs.reverse(path.localpart, SRS_KEY, office.clock.wall_ms()) == parse_address("ann@a.example")
    with office.store.read() as connection:
        assert {one.direction for one in traces.find(connection, address="team@a.example")} == {"in"}


@pytest.mark.parametrize(
    ("notify", "return_to"),
    [
        ("NEVER", queue.NOBODY),
        ("SUCCESS,DELAY", queue.NOBODY),
        ("SUCCESS,FAILURE", "ann@a.example"),
        ("", "ann@a.example"),
    ],
)
async def test_what_leads_elsewhere_keeps_what_was_asked_of_it(office: Office, notify: str, return_to: str) -> None:
    add_team(office, "carl@far.example")
    octets = letter(1)
    wanted = delivery(octets, "team@a.example", mail_from="ann@a.example", require_tls=True)
    wanted["recipients"][0]["notify"] = notify
    await asked(office, "deliver", wanted, octets)
    with office.store.write() as tx:
        (out,) = queue.claim(tx, "w1", office.clock.wall_ms(), 10)
    assert (out.return_to, out.require_tls) == (return_to, True)


async def test_an_alias_is_served_when_one_of_its_members_is(office: Office) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        accounts.change_account(changes.tx, office.ann, quota=100)
    add_team(office, "ann@a.example", "bob@a.example")
    found = await sent(office, "team@a.example")
    assert found["team@a.example"]["ok"] and len(office.stored(office.bob)) == 1


async def test_who_needs_no_copy_of_his_own_has_a_result_all_the_same(office: Office) -> None:
    add_team(office, "bob@a.example")
    found = await sent(office, "team@a.example", "bob@a.example")
    assert {name: one["ok"] for name, one in found.items()} == {"team@a.example": True, "bob@a.example": True}
    assert len(office.stored(office.bob)) == 1


async def test_an_alias_for_members_refuses_others_for_good(office: Office) -> None:
    add_team(office, "bob@a.example", post_public=False)
    found = await sent(office, "team@a.example", mail_from="ann@a.example")
    assert found["team@a.example"]["refused"][:2] == [550, "5.7.1"]
    assert (await sent(office, "team@a.example", mail_from="bob@a.example"))["team@a.example"]["ok"]


async def test_an_address_is_known_however_it_is_written(office: Office) -> None:
    found = await sent(office, "Ann@A.EXAMPLE")
    assert [one["ok"] for one in found.values()] == [True] and len(office.stored(office.ann)) == 1


def add_ruleset(office: Office, address: str, **rule: Any) -> None:
    with changing(office.store, None, clock=office.clock) as changes:
        incoming.add_ruleset(changes.tx, address, orjson.dumps(rule).decode(), parse_ruleset)
    office.tables.reload()


def traced(office: Office, address: str) -> traces.TraceRow:
    with office.store.read() as connection:
        return traces.find(connection, address=address)[0]


COLLEAGUE = {"mail_from": "ann@a.example", "author": "ann@a.example"}


async def test_the_first_ruleset_that_matches_says_where_a_colleagues_mail_goes(office: Office) -> None:
    add_ruleset(office, "bob@a.example", headers=[["x-project", "^red"]], mailbox="Red")
    add_ruleset(office, "bob@a.example", msg_from="^ann@", mailbox="Ann")
    fields = [["X-Project", "Red planet"]]
    found = await sent(office, "bob@a.example", "ann@a.example", **COLLEAGUE, fields=fields)
    assert (found["bob@a.example"]["mailbox"], found["ann@a.example"]["mailbox"]) == ("Red", "Inbox")
    row = traced(office, "bob@a.example")
    assert (row.detail["ruleset_id"], row.detail["ruleset_mailbox"], row.detail["mailbox"]) == (1, "Red", "Red")
    assert ("ruleset", "1, into Red") in list(facts(row))
    found = await sent(office, "bob@a.example", **COLLEAGUE)
    assert found["bob@a.example"]["mailbox"] == "Ann"
    found = await sent(office, "bob@a.example")
    assert found["bob@a.example"]["mailbox"] == "Inbox" and "ruleset_id" not in traced(office, "bob@a.example").detail


async def test_what_a_ruleset_refuses_or_takes_otherwise_does_not_matter_here(office: Office) -> None:
    rule = {"smtp_mail_from": "ann", "verified_domain": "a.example", "is_forward": True}
    add_ruleset(office, "bob@a.example", **rule, accept_rejects_to="Bad", mailbox="Lists")
    found = await sent(office, "bob@a.example", **COLLEAGUE, submitter=office.ann)
    assert found["bob@a.example"]["mailbox"] == "Lists"


@pytest.mark.parametrize(
    ("author", "submitter", "mailbox"),
    [
        ("ann@a.example", "ann", "Ours"),
        ("Ann+tag@a.example", "ann", "Ours"),
        # Of somebody else, of nobody we know, of nobody at all, and not submitted: forwarded, say.
        ("bob@a.example", "ann", "Inbox"),
        ("ann@far.example", "ann", "Inbox"),
        ("", "ann", "Inbox"),
        ("ann@a.example", "", "Inbox"),
    ],
)
async def test_the_domain_of_an_author_who_logged_in_is_verified(
    office: Office, author: str, submitter: str, mailbox: str
) -> None:
    add_ruleset(office, "bob@a.example", verified_domain="a.example", mailbox="Ours")
    number = {"ann": office.ann, "": 0}[submitter]
    found = await sent(office, "bob@a.example", mail_from="ann@a.example", author=author, submitter=number)
    assert found["bob@a.example"]["mailbox"] == mailbox


async def test_a_notification_of_ours_is_never_put_aside(office: Office) -> None:
    add_ruleset(office, "bob@a.example", smtp_mail_from="^$", mailbox="Bounces")
    found = await sent(office, "bob@a.example", mail_from="", author="", fields=None)
    assert found["bob@a.example"]["mailbox"] == "Inbox"


async def test_each_member_of_an_alias_has_rulesets_of_his_own(office: Office) -> None:
    add_ruleset(office, "bob@a.example", msg_from="^ann@", mailbox="Team")
    add_team(office, "ann.too@a.example", "bob@a.example")
    assert (await sent(office, "team@a.example", **COLLEAGUE))["team@a.example"]["ok"]
    assert len(office.stored(office.ann)) == len(office.stored(office.bob, "Team")) == 1


async def test_two_addresses_that_rulesets_lead_to_one_mailbox_are_one_copy(office: Office) -> None:
    for address in ("ann@a.example", "ann.too@a.example"):
        add_ruleset(office, address, msg_from="^bob@", mailbox="Bob")
    found = await sent(office, "ann@a.example", "ann.too@a.example", mail_from="bob@a.example", author="bob@a.example")
    assert all(one["ok"] for one in found.values()) and len(office.stored(office.ann, "Bob")) == 1
