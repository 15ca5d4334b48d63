from collections.abc import Sequence
from typing import Any

from mail import errors
from mail.address import Address
from mail.receive.deliver import Arrival, deliver, prefix
from mail.receive.facts import Facts
from mail.smtp.trace_fields import Hop

ANN, BOB = Address("ann", "x.org"), Address("bob", "x.org")


def arrival(*recipients: Address) -> Arrival:
    return Arrival(
        hop=Hop("mx.x.org", "cid1", "client", "192.0.2.1", "ESMTP", ""),
        reverse_path=None,
        recipients=recipients,
        received_at=1_795_514_400_000,
        size=10,
        eightbit=False,
        smtputf8=False,
        summary={"size": 10},
        facts=Facts("192.0.2.1", "client", "", "ESMTP", 0, (), False),
    )


class Keeper:
    def __init__(self, results: list[dict[str, Any]]) -> None:
        self.results = results
        self.asked: list[tuple[str, dict[str, Any], tuple[int, ...]]] = []

    async def __call__(self, verb: str, arguments: dict[str, Any], descriptors: Sequence[int]) -> dict[str, Any]:
        self.asked.append((verb, arguments, tuple(descriptors)))
        return {"blob": "b1", "results": self.results}


async def test_the_keeper_gets_the_descriptor_and_every_recipient_his_own_fields() -> None:
    keeper = Keeper([{"address": str(ANN)}, {"address": str(BOB)}])
    stored = await deliver(arrival(ANN, BOB), 7, keeper)
    assert (stored.blob, stored.error, stored.over_quota) == ("b1", None, ())
    ((verb, arguments, descriptors),) = keeper.asked
    assert (verb, descriptors, arguments["mail_from"]) == ("deliver", (7,), "")
    prefixes = [recipient["prefix"] for recipient in arguments["recipients"]]
    assert ["Delivered-To: ann@x.org" in prefixes[0], "bob@x.org" in prefixes[0]] == [True, False]
    assert "Delivered-To: bob@x.org" in prefixes[1]


async def test_one_recipients_error_is_the_answer_and_who_is_over_quota_is_told_apart() -> None:
    full = {"address": str(BOB), "error": {"kind": "OverQuota", "public": "mailbox is full"}}
    stored = await deliver(arrival(ANN, BOB), 7, Keeper([{"address": str(ANN)}, full]))
    assert isinstance(stored.error, errors.OverQuota)
    assert stored.error.public == "mailbox is full"
    assert stored.over_quota == (BOB,)


async def test_an_error_this_release_does_not_know_is_temporary() -> None:
    strange = {"address": str(ANN), "error": {"kind": "Strange", "public": "?"}}
    stored = await deliver(arrival(ANN), 7, Keeper([strange]))
    assert type(stored.error) is errors.MailError


def test_a_single_recipient_is_named_in_received() -> None:
    assert b"for <ann@x.org>" in prefix(arrival(ANN), ANN)
    assert b"for <" not in prefix(arrival(ANN, BOB), ANN)
