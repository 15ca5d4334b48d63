import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.address import Address, parse_address
from mail.dns.fake import FakeResolver
from mail.dns.resolver import Answer
from mail.receive import sender
from mail.receive.sender import LITERAL, NO_HOST, NULL_MX, refused

DNS = FakeResolver(
    {
        "MX mail.example": ["10 mx.mail.example."],
        "MX null.example": ["0 ."],
        "MX both.example": ["0 .", "10 mx.both.example."],
        "A old.example": ["192.0.2.1"],
        "AAAA six.example": ["2001:db8::1"],
        "TXT text.example": ["v=spf1 -all"],
        "CNAME alias.example": ["mail.example."],
    },
    failing={"MX down.example", "A half.example"},
)


@pytest.mark.parametrize(
    ("domain", "reply"),
    [
        *(("mail.example", None), ("old.example", None), ("six.example", None), ("alias.example", None)),
        # One who says both means that he takes mail.
        ("both.example", None),
        ("null.example", NULL_MX),
        ("text.example", NO_HOST),
        ("gone.example", NO_HOST),
        # Nobody can say now.
        *(("down.example", None), ("half.example", None)),
        *(("[192.0.2.1]", LITERAL), ("[IPv6:2001:db8::1]", LITERAL)),
    ],
)
async def test_a_sender_is_refused_where_nobody_could_answer_him(domain: str, reply: object) -> None:
    assert await refused(DNS, parse_address(f"ann@{domain}")) is reply


async def test_the_null_sender_is_asked_nothing() -> None:
    dns = FakeResolver()
    assert await refused(dns, None) is None and dns.asked == []


async def test_most_senders_cost_one_question_and_none_more_than_three() -> None:
    for domain, most in (("mail.example", 1), ("gone.example", sender.QUESTIONS)):
        DNS.asked.clear()
        await refused(DNS, Address("ann", domain))
        assert len(DNS.asked) == most


async def test_a_dns_that_never_answers_refuses_nobody_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        async def lookup(self, name: str, kind: str) -> Answer:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(sender, "SECONDS", 0.05)
    assert await refused(Silent(), Address("ann", "slow.example")) is None


@given(st.lists(st.text(max_size=20), max_size=3))
def test_whatever_the_dns_says_there_is_an_answer(records: list[str]) -> None:
    dns = FakeResolver({"MX odd.example": records})
    assert asyncio.run(refused(dns, Address("ann", "odd.example"))) in (None, NULL_MX)
