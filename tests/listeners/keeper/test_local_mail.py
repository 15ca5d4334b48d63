"""Mail of our own users for addresses of ours: aliases expanded, a result for each recipient, nothing believed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mail import srs
from mail.address import parse_address
from mail.errors import MailError
from mail.events import MessageAdded
from mail.now import SetClock
from mail.store import accounts, aliases, queue, traces
from mail.store.changes import changing
from mail.store.engine import Store
from tests.keeper_office import SRS_KEY, Office, asked, delivery, letter

LARGE = 20_000


@pytest.fixture
async def office(store: Store, tmp_path: Path, clock: SetClock) -> Iterator[Office]:
    made = Office(store, tmp_path, clock)
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("size", [500, LARGE])
async def test_a_delivery_is_one_blob_and_a_copy_a_mailbox(office: Office, size: int) -> None:
    octets = letter(1, size)
    wanted = delivery(octets, "ann@a.example", "nobody@a.example", "ANN+x@a.example", "bob@a.example")
    answer = await asked(office, "deliver", wanted, octets)
    results = {one["address"]: one for one in answer["results"]}
    assert results["nobody@a.example"]["error"]["kind"] == "NoSuchAddress"
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
    assert answer["blob"] == "" and answer["results"][0]["error"]["kind"] == "NoSuchAddress"
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
    assert found["team@a.example"]["error"]["kind"] == "NotAllowed"
    assert (await sent(office, "team@a.example", mail_from="bob@a.example"))["team@a.example"]["ok"]


async def test_an_address_is_known_however_it_is_written(office: Office) -> None:
    found = await sent(office, "Ann@A.EXAMPLE")
    assert [one["ok"] for one in found.values()] == [True] and len(office.stored(office.ann)) == 1
