"""All checks of a message at once: what each comes to, what they share, and how long they may take."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.address import parse_address
from mail.dns import budget
from mail.dns.fake import FakeResolver
from mail.dns.resolver import Answer, LookupFailed, NoRecords, Resolver
from mail.dns.zone import ZoneResolver
from mail.now import SetClock
from mail.policy.facts import MessageFacts
from mail.receive import gather as module
from mail.receive.gather import Checks, Envelope, Gathered
from mail.receive.look import Look, look
from tests.dkim_signer import MESSAGE, NOW, sign, zone
from tests.mail.arc.test_verify import sealed
from tests.virtual_time import LoopClock, run

HOST = "mx.ours.example"
IP = "192.0.2.1"
# a.example with everything in order; its keys are of `tests.dkim_signer`.
ZONE: dict[str, list[str]] = {
    "PTR 1.2.0.192.in-addr.arpa": ["out.a.example."],
    "A out.a.example": [IP],
    "TXT a.example": ["v=spf1 ip4:192.0.2.1 -all"],
    "TXT _dmarc.a.example": ["v=DMARC1; p=reject; rua=mailto:reports@a.example"],
    **zone(),
}
SPOILT = MESSAGE.replace(b"Dear", b"Hello")


def looked(octets: bytes = MESSAGE, *, smtputf8: bool = False) -> Look:
    found = look(octets, hostname=HOST, smtputf8=smtputf8, now=NOW)
    assert found is not None
    return found


def envelope(mail_from: str = "ann@a.example", *, ip: str = IP, ehlo_name: str = "out.a.example") -> Envelope:
    sender = parse_address(mail_from) if mail_from else None
    return Envelope(ip, ehlo_name, True, sender, False)


async def gathered(
    resolver: Resolver | None, octets: bytes = MESSAGE, *, zones: tuple[str, ...] = (), clock: Any = None, **given: Any
) -> Gathered:
    checks = Checks(resolver, HOST, zones, clock or SetClock())
    return await checks.gather(looked(octets), envelope(**given), message_id="1@a.example", size=len(octets))


def results(facts: MessageFacts) -> tuple[str, str, list[str], str]:
    return facts.iprev, facts.spf, [one.result for one in facts.dkim], facts.dmarc


async def test_a_message_in_order_passes_everything():
    found = await gathered(FakeResolver(ZONE), sign(MESSAGE))
    facts = found.facts
    assert results(facts) == ("pass", "pass", ["pass"], "pass")
    assert (facts.author, facts.from_domain, facts.org_domain) == ("ann@a.example", "a.example", "a.example")
    assert facts.from_validated and facts.signers == ("a.example",) and facts.dmarc_wants_reports
    assert (facts.dmarc_domain, facts.dmarc_policy) == ("a.example", "reject")
    assert (facts.spf_identity, facts.spf_domain, facts.mail_from) == ("mailfrom", "a.example", "ann@a.example")
    assert (facts.arc, facts.tls, facts.size, facts.received_count) == ("none", True, len(sign(MESSAGE)), 1)
    assert found.iprev.name == "out.a.example" and found.questions == 6
    assert MessageFacts.from_json(facts.as_json()) == facts


@pytest.mark.parametrize(
    ("changes", "failing", "octets", "wanted"),
    [
        ({}, (), MESSAGE, ("pass", "pass", [], "pass")),
        ({"TXT a.example": ["v=spf1 -all"]}, (), MESSAGE, ("pass", "fail", [], "fail")),
        ({"TXT a.example": ["v=spf1 -all"]}, (), sign(MESSAGE), ("pass", "fail", ["pass"], "pass")),
        (
            {"TXT a.example": ["v=spf1 ~all"]},
            (),
            sign(SPOILT)[:-9] + b"bye!\r\n",
            ("pass", "softfail", ["fail"], "fail"),
        ),
        ({}, ("TXT a.example",), MESSAGE, ("pass", "temperror", [], "temperror")),
        ({}, ("TXT a.example",), sign(MESSAGE), ("pass", "temperror", ["pass"], "pass")),
        (
            {"TXT a.example": ["v=spf1 -all"]},
            ("TXT rsa._domainkey.a.example",),
            sign(MESSAGE),
            ("pass", "fail", ["temperror"], "temperror"),
        ),
        ({"TXT rsa._domainkey.a.example": []}, (), sign(MESSAGE), ("pass", "pass", ["permerror"], "pass")),
        ({}, ("TXT _dmarc.a.example",), sign(MESSAGE), ("pass", "pass", ["pass"], "temperror")),
        ({}, ("PTR 1.2.0.192.in-addr.arpa",), MESSAGE, ("temperror", "pass", [], "pass")),
        ({"A out.a.example": ["192.0.2.9"]}, (), MESSAGE, ("fail", "pass", [], "pass")),
    ],
)
async def test_each_check_speaks_for_itself(
    changes: dict[str, list[str]], failing: tuple[str, ...], octets: bytes, wanted: tuple[str, str, list[str], str]
):
    found = await gathered(FakeResolver({**ZONE, **changes}, failing=failing), octets)
    assert results(found.facts) == wanted
    assert found.facts.from_validated == (wanted[3] == "pass" or "pass" in (wanted[1], *wanted[2]))


async def test_without_a_resolver_nothing_is_asked_and_every_check_says_none():
    found = await gathered(None, sign(MESSAGE))
    assert results(found.facts) == ("none", "none", [], "none") and found.questions == 0
    assert not found.facts.from_validated and found.facts.org_domain == "a.example"


@pytest.mark.parametrize(("resolver", "dmarc"), [(None, "none"), (FakeResolver(ZONE), "permerror")])
async def test_a_defective_author_is_never_validated(resolver: Resolver | None, dmarc: str):
    facts = (await gathered(resolver, b"From: eve@b.example\r\n" + MESSAGE)).facts
    # Where nobody authenticates, nobody is refused for it.
    assert (facts.dmarc, facts.author, facts.author_defect) == (dmarc, "", "several-from-fields")
    assert not facts.from_validated and (facts.from_domain, facts.org_domain) == ("", "")


async def test_the_null_sender_is_checked_by_his_helo():
    zone_with_helo = {**ZONE, "TXT out.a.example": ["v=spf1 a -all"]}
    found = await gathered(FakeResolver(zone_with_helo), mail_from="")
    assert (found.facts.spf, found.facts.spf_identity, found.facts.spf_domain) == ("pass", "helo", "out.a.example")
    assert found.facts.mail_from == "" and found.facts.dmarc == "pass"
    found = await gathered(None, mail_from="")
    assert (found.facts.spf_identity, found.facts.spf_domain) == ("helo", "out.a.example")


@pytest.mark.parametrize(
    ("mail_from", "signed_by", "validated"),
    [
        ("bounce@mail.a.example", None, True),
        ("bounce@relay.example", "a.example", True),
        ("bounce@relay.example", None, False),
        ("bounce@relay.example", "relay.example", False),
    ],
)
async def test_without_a_record_an_author_is_validated_by_his_organization(
    mail_from: str, signed_by: str | None, validated: bool
):
    records = {
        "TXT mail.a.example": ["v=spf1 ip4:192.0.2.1 -all"],
        "TXT relay.example": ["v=spf1 ip4:192.0.2.1 -all"],
        **zone("a.example"),
        **zone("relay.example"),
    }
    octets = sign(MESSAGE, d=signed_by) if signed_by else MESSAGE
    found = await gathered(FakeResolver(records), octets, mail_from=mail_from)
    assert found.facts.dmarc == "none" and found.facts.spf == "pass"
    assert found.facts.from_validated == validated


async def test_a_part_of_what_fails_is_spared_as_the_domain_asks():
    records = {**ZONE, "TXT a.example": ["v=spf1 -all"], "TXT _dmarc.a.example": ["v=DMARC1; p=reject; pct=50"]}
    resolver = FakeResolver(records)
    drawn = Counter([(await gathered(resolver)).facts.dmarc_sampled_out for _ in range(300)])
    # One in 10**25 runs has fewer than 65 of either.
    assert min(drawn[True], drawn[False]) >= 65
    for percent, sampled_out in (("100", False), ("0", True)):
        records["TXT _dmarc.a.example"] = [f"v=DMARC1; p=reject; pct={percent}"]
        facts = (await gathered(FakeResolver(records))).facts
        assert (facts.dmarc, facts.dmarc_sampled_out) == ("fail", sampled_out)


async def test_lists_are_asked_about_the_client_and_forgotten_when_they_are_ill():
    listing = {
        "A 2.0.0.127.good.list": ["127.0.0.2"],
        "A 1.2.0.192.good.list": ["127.0.0.4"],
        "A 2.0.0.127.all.list": ["127.0.0.2"],
        "A 1.0.0.127.all.list": ["127.0.0.2"],
        "A 1.2.0.192.all.list": ["127.0.0.2"],
    }
    found = await gathered(FakeResolver({**ZONE, **listing}), zones=("good.list", "all.list", "gone.list"))
    assert found.facts.dnsbl == ("good.list",)


@pytest.mark.parametrize(
    ("spoilt", "failing", "state"),
    [(False, (), "pass"), (True, (), "fail"), (False, ("TXT rsa._domainkey.a.example",), "fail")],
)
async def test_a_chain_of_those_who_passed_it_on_is_followed(spoilt: bool, failing: tuple[str, ...], state: str):
    octets = MESSAGE
    for _ in range(module.ARC_HOPS_HERE + 1):
        octets = sealed(octets)
    octets = octets.replace(b"Dear", b"Hello") if spoilt else octets
    found = await gathered(FakeResolver(ZONE, failing=failing), octets)
    assert (found.facts.arc, found.arc.cv) == (state, state)
    assert found.arc.temporary == bool(failing)


class Counting:
    """A resolver that counts what reaches it, and lets others go on meanwhile."""

    def __init__(self, inner: Resolver) -> None:
        self._inner = inner
        self.asked: list[str] = []

    async def lookup(self, name: str, kind: str) -> Answer:
        self.asked.append(f"{kind} {name}")
        await asyncio.sleep(0)
        return await self._inner.lookup(name, kind)


def hungry() -> dict[str, list[str]]:
    """All that a stranger can make us ask: SPF with ten MX of ten hosts, ten names of the client, keys, seals."""
    records = {
        "TXT a.example": ["v=spf1 " + " ".join(f"mx:m{n}.a.example" for n in range(10)) + " -all"],
        "PTR 1.2.0.192.in-addr.arpa": [f"p{n}.a.example." for n in range(20)],
        "TXT _dmarc.a.example": ["v=DMARC1; p=reject"],
    }
    for n in range(10):
        records[f"MX m{n}.a.example"] = [f"10 h{n}-{host}.a.example." for host in range(10)]
    return records


async def test_nobody_makes_us_ask_more_than_sixty_questions_and_dmarc_still_gets_its_answer():
    octets = MESSAGE
    for number in range(8):
        octets = sign(octets, s=f"s{number}")
    resolver = Counting(FakeResolver(hungry()))
    found = await gathered(resolver, octets)
    assert len(resolver.asked) == found.questions <= module.MESSAGE_QUERIES
    assert len(set(resolver.asked)) == len(resolver.asked), "nothing is asked twice"
    asked = Counter(one.partition(" ")[0] for one in resolver.asked)
    assert asked["MX"] + asked["A"] <= module.SPF_QUERIES + module.IPREV_QUERIES
    assert found.facts.spf in ("permerror", "temperror")
    # What could have been a pass could not be asked; that is his own doing and no reason to wait for ever.
    assert (found.facts.dmarc_domain, found.facts.dmarc_policy) == ("a.example", "reject")
    assert found.facts.dmarc in ("fail", "temperror")


class Silent:
    """A DNS that lets everybody wait for as long as the live resolver does, and then knows nothing."""

    def __init__(self, seconds: float = 5.0, answers: Resolver | None = None) -> None:
        self._seconds = seconds
        self._answers = answers

    async def lookup(self, name: str, kind: str) -> Answer:
        await asyncio.sleep(self._seconds)
        if self._answers is None:
            raise LookupFailed(f"{kind} {name}: time-out")
        return await self._answers.lookup(name, kind)


LONGEST = budget.SECONDS + 5.0


def test_a_dns_that_never_answers_ends_in_temporary_errors_and_in_time():
    octets = sealed(sign(sign(MESSAGE), s="other"))
    zones = tuple(f"l{number}.list" for number in range(20))
    found, seconds = run(gathered(Silent(), octets, clock=LoopClock(), zones=zones))
    assert results(found.facts) == ("temperror", "temperror", ["temperror", "temperror"], "temperror")
    assert (found.facts.arc, found.arc.temporary, found.facts.dnsbl) == ("fail", True, ())
    assert not found.facts.from_validated and seconds <= LONGEST


def test_a_dns_that_answers_slowly_is_heard_until_the_time_is_up():
    found, seconds = run(gathered(Silent(1.0, FakeResolver(ZONE)), sign(MESSAGE), clock=LoopClock()))
    assert results(found.facts) == ("pass", "pass", ["pass"], "pass") and seconds <= 4
    found, seconds = run(gathered(Silent(4.9, FakeResolver(hungry())), sign(MESSAGE), clock=LoopClock()))
    assert seconds <= LONGEST
    # What SPF wasted was its own time.
    assert found.facts.spf == "temperror" and found.facts.dmarc_domain == "a.example"


ANSWERS = st.sampled_from(
    [
        *("v=spf1 include:a.example -all", "v=spf1 redirect=%{d}", "v=spf1 exists:%{l}.%{i}.a.example", "v=spf1 +all"),
        *("v=DMARC1; p=reject; pct=0", "v=DMARC1; p=none; rua=mailto:a@b", "v=DKIM1; p=", "v=DKIM1; k=rsa; p=AAAA"),
        *("out.a.example.", "192.0.2.1", "127.0.0.2", "10 out.a.example.", "", "\xff" * 300, "." * 80, "a b c"),
    ]
)


class Drawn:
    """Anything for any question, the same for the same one."""

    def __init__(self, draw: st.DataObject) -> None:
        self._draw = draw
        self._known: dict[tuple[str, str], list[str] | None] = {}

    async def lookup(self, name: str, kind: str) -> Answer:
        if (name, kind) not in self._known:
            self._known[name, kind] = self._draw.draw(st.none() | st.lists(ANSWERS, max_size=3))
        records = self._known[name, kind]
        if records is None:
            raise LookupFailed(name)
        if not records:
            raise NoRecords(name, exists=True)
        return Answer(tuple(records), False, name)


@given(
    st.data(),
    st.sampled_from(
        [MESSAGE, sign(MESSAGE), sealed(sign(MESSAGE)), b"", b"From: x\r\n\r\n", b"From: a@[192.0.2.1]\r\n\r\n"]
    ),
    st.sampled_from(["", "ann@a.example", "a@xn--zz", '"x y"@a.example']),
    st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "127.0.0.1"]),
    st.text(max_size=10) | st.just("[192.0.2.1]"),
)
@settings(max_examples=150, deadline=None)
def test_whatever_the_dns_says_there_are_facts(
    data: st.DataObject, octets: bytes, mail_from: str, ip: str, ehlo_name: str
):
    found = asyncio.run(
        gathered(Drawn(data), octets, zones=("l.list",), mail_from=mail_from, ip=ip, ehlo_name=ehlo_name)
    )
    facts = found.facts
    assert facts.dmarc in ("pass", "fail", "none", "temperror", "permerror")
    assert facts.dmarc != "pass" or facts.from_validated
    assert found.questions <= module.MESSAGE_QUERIES
    assert MessageFacts.from_json(facts.as_json()) == facts


async def test_zones_that_time_out_are_temporary_errors():
    resolver = ZoneResolver({"a.example": ["TIMEOUT"], "_dmarc.a.example": [{"TXT": "v=DMARC1; p=reject"}]})
    found = await gathered(resolver)
    assert (found.facts.iprev, found.facts.spf, found.facts.dmarc) == ("permerror", "temperror", "temperror")
