"""check_host() against the openspf suite for RFC 7208, and against what it does not have."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.dns.fake import FakeResolver
from mail.dns.resolver import Answer, LookupFailed
from mail.dns.zone import ZoneResolver
from mail.now import SetClock
from mail.spf.check import SpfResult, check_host
from tests.vectors import vectors

IP = "192.0.2.3"


async def check(
    resolver: Any, mail_from: str = "user@a.test", helo: str = "mx.a.test", ip: str = IP, **more
) -> SpfResult:
    return await check_host(resolver, ip=ip, mail_from=mail_from, helo=helo, receiver="us.test", **more)


async def record(spf: str, zone: dict[str, Any] | None = None, **more) -> SpfResult:
    """Check a.test with this record."""
    return await check(ZoneResolver({"a.test": [{"TXT": spf}]} | (zone or {})), **more)


async def test_every_case_of_the_suite_has_its_result_and_its_explanation():
    suite = vectors("spf-rfc7208") / "rfc7208-tests.yml"
    wrong: list[str] = []
    cases = 0
    for scenario in yaml.safe_load_all(suite.read_bytes()):
        for name, case in scenario["tests"].items():
            cases += 1
            resolver = ZoneResolver(scenario["zonedata"])
            result = await check(resolver, case["mailfrom"], case["helo"], case["host"])
            wanted = case["result"] if isinstance(case["result"], str) else case["result"][0]
            explanation = case.get("explanation")
            if result.result != wanted or explanation not in (None, result.explanation or "DEFAULT"):
                wrong.append(f"{name}: wanted {wanted} {explanation!r}, got {result}")
    assert not wrong, "\n".join(wrong)
    assert cases == 203


async def test_the_identity_is_the_sender_or_without_one_the_helo_name():
    zone = ZoneResolver({"a.test": [{"TXT": "v=spf1 -all"}], "mx.a.test": [{"TXT": "v=spf1 +all"}]})
    sender, helo = await check(zone), await check(zone, "")
    assert (sender.result, sender.domain, sender.identity, sender.mechanism) == ("fail", "a.test", "mailfrom", "-all")
    assert (helo.result, helo.domain, helo.identity, helo.mechanism) == ("pass", "mx.a.test", "helo", "+all")
    assert (await check(zone, "MX.A.test.")).domain == "mx.a.test"


@pytest.mark.parametrize(
    "domain",
    [
        "",
        "test",
        "[192.0.2.3]",
        "[IPv6:::1]",
        "a..test",
        "a b.test",
        "x" * 64 + ".test",
        "a." * 130 + "test",
        ".a.test",
    ],
)
async def test_what_is_no_domain_has_no_policy_and_is_not_asked_for(domain):
    resolver = FakeResolver()
    for result in (await check(resolver, f"user@{domain}"), await check(resolver, "", domain)):
        assert result.result == "none" and "is not the name of a domain" in result.problem
    assert resolver.asked == []


async def test_a_domain_of_letters_of_the_world_is_asked_for_in_a_labels():
    zone = ZoneResolver({"xn--bcher-kva.test": [{"TXT": "v=spf1 exists:%{d}.ok.test -all"}]})
    result = await check(zone, "user@bücher.test")
    assert (result.result, result.domain) == ("fail", "xn--bcher-kva.test")
    assert zone.asked[-1] == "A xn--bcher-kva.test.ok.test"
    assert (await check(zone, "user@\u2028.test")).result == "none"


async def test_a_localpart_that_is_not_ascii_matches_no_term_that_mentions_it():
    zone = {"ok.test": [{"A": "127.0.0.2"}, {"TXT": "v=spf1 +all"}]}
    for term in ("exists:%{L}.ok.test", "include:%{s}.ok.test", "exists:%{l}.ok.test"):
        assert (await record(f"v=spf1 {term} ~all", zone, mail_from="ü@a.test")).result == "softfail", term
    assert (await record("v=spf1 redirect=%{l}.ok.test", zone, mail_from="ü@a.test")).result == "permerror"


async def test_the_term_that_decided_and_the_terms_that_asked_are_told():
    zone = {"b.test": [{"TXT": "v=spf1 a:c.test -all"}], "c.test": [{"A": IP}]}
    result = await record("v=spf1 mx ?include:b.test -all", zone)
    assert (result.result, result.mechanism, result.lookups, result.problem) == ("neutral", "?include:b.test", 3, "")
    assert (await record("v=spf1 ip4:198.51.100.1")).mechanism == "default"
    redirected = await record("v=spf1 redirect=b.test", {"b.test": [{"TXT": "v=spf1 ~all"}]})
    assert (redirected.result, redirected.mechanism, redirected.lookups) == ("softfail", "~all", 1)


@pytest.mark.parametrize(
    ("spf", "result", "problem"),
    [
        ("v=spf1 moo", "permerror", "the SPF record of a.test is wrong: 'moo' is no mechanism there is"),
        ("v=spf1 include:none.test", "permerror", "none.test, which an SPF record names in include, has no SPF record"),
        (
            "v=spf1 include:%{d1}",
            "permerror",
            "'test', which an SPF record names in include, is not the name of a domain",
        ),
        (
            "v=spf1 redirect=none.test",
            "permerror",
            "none.test, which an SPF record names in redirect, has no SPF record",
        ),
        ("v=spf1 a:down.test", "temperror", "the DNS could not say what A records down.test has"),
        ("v=spf1 include:bad.test", "permerror", "the SPF record of bad.test is wrong: 'b@d' "),
        ("v=spf1 include:two.test", "permerror", "two.test, which an SPF record names in include, has 2 SPF records"),
        ("v=spf1 a:x.test a:y.test a:z.test", "permerror", "more than 2 terms"),
        ("v=spf1" + " a" * 11, "permerror", "more than 10 terms"),
        ("v=spf1 include:a.test", "permerror", "more than 10 terms"),
        ("v=spf1 redirect=a.test", "permerror", "more than 10 terms"),
    ],
)
async def test_every_trouble_is_told_in_words(spf, result, problem):
    zone = {
        "down.test": ["TIMEOUT"],
        "bad.test": [{"TXT": "v=spf1 b@d"}],
        "two.test": [{"TXT": "v=spf1"}, {"TXT": "v=spf1 -all"}],
    }
    found = await record(spf, zone | {"a.test": [{"TXT": spf}, {"A": "198.51.100.1"}]})
    assert found.result == result and problem in found.problem


@pytest.mark.parametrize(
    ("texts", "explanation"),
    [
        (
            ["%{i} may not send for %{d}; asked by %{r} at %{t}"],
            "192.0.2.3 may not send for a.test; asked by us.test at 5",
        ),
        (["one", "two"], ""),
        (["%{x}"], ""),
        (["r\xe9sum\xe9"], ""),
        (["two\r\nlines"], ""),
        (["x" * 1001], ""),
        (["%{s}" * 2000], ""),
        (["%{h}"], ""),
        ([""], ""),
    ],
)
async def test_explanations_are_printable_ascii_or_nothing(texts, explanation):
    zone = {"why.test": [{"TXT": text} for text in texts]}
    result = await record("v=spf1 -all exp=why.test", zone, helo="böse\r\n", now=5.9)
    assert (result.result, result.explanation) == ("fail", explanation)


async def test_explanations_are_for_a_fail_only_and_the_time_is_the_clocks(clock: SetClock):
    zone = {"why.test": [{"TXT": "%{t} %{R}"}]}
    assert (await record("v=spf1 -all exp=why.test", zone, clock=clock)).explanation == "1800000000 us.test"
    assert (await record("v=spf1 ~all exp=why.test", zone, clock=clock)).explanation == ""


async def test_the_name_of_the_client_is_the_domain_or_one_within_it_or_any():
    for names, best in (
        (["x.test", "m.a.test", "A.test"], "A.test"),
        (["x.test", "M.a.test"], "M.a.test"),
        ([], "unknown"),
    ):
        zone: dict[str, Any] = {"3.2.0.192.in-addr.arpa": [{"PTR": name} for name in names], "x.test": [{"A": IP}]}
        zone |= {"m.a.test": [{"A": IP}], "why.test": [{"TXT": "%{p}"}]}
        zone["a.test"] = [{"TXT": "v=spf1 -all exp=why.test"}, {"A": IP}]
        assert (await check(ZoneResolver(zone))).explanation == best


async def test_it_ends_in_time(clock: SetClock):
    class Slow(FakeResolver):
        async def lookup(self, name: str, kind: str) -> Answer:
            clock.move(4.0)
            return await super().lookup(name, kind)

    zone = {f"TXT n{n}.test": [f"v=spf1 include:n{n + 1}.test"] for n in range(20)}
    resolver = Slow(zone)
    result = await check(resolver, "user@n0.test", clock=clock, seconds=20.0)
    assert (result.result, len(resolver.asked)) == ("temperror", 5)
    assert "took too long" in result.problem


HOSTILE: dict[str, dict[str, list[str]]] = {
    "an exponential tree of includes": {
        f"TXT n{n}.test": ["v=spf1 " + f"include:n{n + 1}.test " * 10 + "-all"] for n in range(12)
    },
    "a chain of includes": {f"TXT n{n}.test": [f"v=spf1 include:n{n + 1}.test"] for n in range(50)},
    "an include of itself": {"TXT n0.test": ["v=spf1 include:n0.test include:n0.test -all"]},
    "a chain of redirects": {f"TXT n{n}.test": [f"v=spf1 redirect=n{n + 1}.test"] for n in range(50)},
    "a thousand exchangers": {"TXT n0.test": ["v=spf1 mx -all"], "MX n0.test": [f"1 m{n}.test." for n in range(1000)]},
    "a thousand addresses": {
        "TXT n0.test": ["v=spf1 mx -all"],
        "MX n0.test": ["1 m.test."],
        "A m.test": [f"198.51.{n // 256}.{n % 256}" for n in range(1000)],
    },
    "a text of 64 KB": {"TXT n0.test": ["v=spf1 " + "a " * 32000]},
    "a thousand texts": {"TXT n0.test": ["v=spf1 -all"] * 1000},
    "a macro bomb": {"TXT n0.test": ["v=spf1 exists:" + "%{s}" * 900 + ".test -all"]},
    "macro bombs": {"TXT n0.test": ["v=spf1 " + f"exists:{'%{s}' * 40}.test " * 15]},
    "a circle of aliases": {
        "TXT n0.test": ["v=spf1 a:c.test"],
        "CNAME c.test": ["d.test."],
        "CNAME d.test": ["c.test."],
    },
    "voids": {"TXT n0.test": ["v=spf1 " + "".join(f"a:v{n}.test " for n in range(9))]},
}


@pytest.mark.parametrize("zone", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_records_cost_at_most_twelve_questions(zone):
    resolver = FakeResolver(zone)
    result = await check(resolver, "x" * 60 + "@n0.test")
    asked = {question for question in resolver.asked if question[-6:] not in ("c.test", "d.test")}
    assert len(asked) <= 12
    assert result.result in ("permerror", "temperror", "fail")


async def test_ten_mx_terms_with_ten_hosts_each_are_too_much():
    zone = {f"MX m{n}.test": [f"1 h{n}-{h}.test." for h in range(10)] for n in range(10)}
    zone["TXT n0.test"] = ["v=spf1 " + " ".join(f"mx:m{n}.test" for n in range(10))]
    zone |= {f"A h{n}-{h}.test": ["198.51.100.1"] for n in range(10) for h in range(10)}
    resolver = FakeResolver(zone)
    result = await check(resolver, "user@n0.test")
    assert result.result == "permerror" and len(resolver.asked) == 30


class Faulty(FakeResolver):
    """Fails the question of a number."""

    def __init__(self, zone: dict[str, list[str]], fails: int) -> None:
        super().__init__(zone)
        self.fails = fails

    async def lookup(self, name: str, kind: str) -> Answer:
        if len(self.asked) == self.fails:
            self.asked.append("failed")
            raise LookupFailed(name)
        return await super().lookup(name, kind)


async def test_a_failure_of_any_question_is_a_temperror_but_where_the_rfc_says_else():
    zone = {
        "TXT a.test": ["v=spf1 include:b.test mx ptr -all exp=why.test"],
        "TXT b.test": ["v=spf1 a:c.test exists:d.test"],
        "A c.test": ["198.51.100.1"],
        "MX a.test": ["10 c.test."],
        "PTR 3.2.0.192.in-addr.arpa": ["e.test."],
        "A e.test": [IP],
        "TXT why.test": ["because"],
    }
    results = []
    for number in range(9):
        results.append((await check(Faulty(zone, number))).result)
    # The last three: PTR, the address of its name, the explanation.
    assert results == ["temperror"] * 6 + ["fail"] * 3


words = st.sampled_from(
    [
        "a",
        "mx",
        "ptr",
        "a:b.test",
        "include:a.test",
        "include:b.test",
        "exists:%{p}.test",
        "exists:%{l}",
        "ip4:192.0.2.0/24",
    ]
)
terms = st.lists(st.tuples(st.sampled_from("+-~? "), words).map(lambda pair: pair[0].strip() + pair[1]), max_size=14)
records = st.tuples(terms, st.sampled_from(["", " redirect=b.test", " exp=c.test", " -all", " exp=%{h}.test -all"]))
RESULTS = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}


@settings(max_examples=200, deadline=None)
@given(
    records,
    records,
    st.text(max_size=12),
    st.text(max_size=12),
    st.sampled_from([IP, "2001:db8::1", "::ffff:192.0.2.9"]),
)
async def test_whatever_is_published_and_said_there_is_a_result_after_few_questions(one, two, sender, helo, ip):
    zone: dict[str, Any] = {
        "a.test": [{"TXT": "v=spf1 " + " ".join(one[0]) + one[1]}, {"MX": [1, "b.test"]}],
        "b.test": [{"TXT": "v=spf1 " + " ".join(two[0]) + two[1]}, {"A": "198.51.100.1"}],
        "c.test": [{"TXT": "because of %{l} %{s3r-}"}],
        "3.2.0.192.in-addr.arpa": [{"PTR": "b.test"}],
    }
    resolver = ZoneResolver(zone)
    result = await check(resolver, f"{sender}@a.test", helo, ip)
    assert result.result in RESULTS
    assert result.explanation.isascii() and result.explanation.isprintable()
    assert bool(result.problem) == (result.result in ("none", "temperror", "permerror"))
    assert len(set(resolver.asked)) <= 45 and result.lookups <= 11
    assert (await check(resolver, sender, helo, ip)).result in RESULTS
