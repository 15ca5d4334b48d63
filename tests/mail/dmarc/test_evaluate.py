import pytest

from mail.address import Address
from mail.dmarc.evaluate import DmarcResult, evaluate
from mail.dns.fake import FakeResolver
from mail.message.author import Author

REJECT = "v=DMARC1; p=reject"
NOTHING = ("none", "")


async def judged(
    zone: dict[str, str] | FakeResolver,
    author: Author | str = "example.com",
    *,
    spf: tuple[str, str] = NOTHING,
    dkim: tuple[str, str] = NOTHING,
    draw: float = 0.0,
) -> DmarcResult:
    resolver = zone if isinstance(zone, FakeResolver) else FakeResolver({name: [text] for name, text in zone.items()})
    return await evaluate(resolver, author=author, spf=spf, dkim=[dkim], draw=draw)


EXAMPLE = {"TXT _dmarc.example.com": REJECT}


@pytest.mark.parametrize(
    ("tags", "author", "spf", "dkim", "result"),
    [
        ("", "example.com", ("pass", "example.com"), NOTHING, "pass"),
        ("", "example.com", NOTHING, ("pass", "example.com"), "pass"),
        ("", "example.com", ("pass", "mail.example.com"), NOTHING, "pass"),
        ("", "mail.example.com", NOTHING, ("pass", "example.com"), "pass"),
        ("", "a.example.com", ("pass", "b.example.com"), NOTHING, "pass"),
        ("", "EXAMPLE.com.", ("Pass", "Mail.Example.COM."), NOTHING, "pass"),
        ("", "example.com", ("fail", "example.com"), ("fail", "example.com"), "fail"),
        ("", "example.com", ("softfail", "example.com"), ("neutral", "example.com"), "fail"),
        ("", "example.com", ("pass", "evil.com"), ("pass", "example.com.evil.com"), "fail"),
        ("", "example.com", ("pass", "notexample.com"), ("pass", "com"), "fail"),
        ("", "example.com", ("pass", ""), ("pass", "example.com\0.evil.com"), "fail"),
        ("aspf=s", "example.com", ("pass", "mail.example.com"), NOTHING, "fail"),
        ("aspf=s", "example.com", ("pass", "example.com"), NOTHING, "pass"),
        ("adkim=s", "a.example.com", NOTHING, ("pass", "example.com"), "fail"),
        ("adkim=s", "a.example.com", NOTHING, ("pass", "A.example.com"), "pass"),
        ("adkim=s", "example.com", ("pass", "mail.example.com"), NOTHING, "pass"),
        ("", "example.com", ("temperror", "example.com"), NOTHING, "temperror"),
        ("", "example.com", NOTHING, ("temperror", "mail.example.com"), "temperror"),
        ("", "example.com", ("temperror", "evil.com"), ("temperror", "evil.com"), "fail"),
        ("adkim=s", "example.com", NOTHING, ("temperror", "mail.example.com"), "fail"),
        ("", "example.com", ("temperror", "example.com"), ("pass", "example.com"), "pass"),
        ("", "example.com", ("permerror", "example.com"), ("policy", "example.com"), "fail"),
    ],
)
async def test_one_aligned_pass_is_enough(
    tags: str, author: str, spf: tuple[str, str], dkim: tuple[str, str], result: str
) -> None:
    found = await judged({"TXT _dmarc.example.com": f"{REJECT}; {tags}"}, author, spf=spf, dkim=dkim)
    assert (found.result, found.domain, found.policy) == (result, "example.com", "reject")
    assert found.disposition == ("reject" if result == "fail" else "none")


async def test_what_aligned_is_told_apart() -> None:
    found = await judged(EXAMPLE, spf=("pass", "example.com"), dkim=("pass", "evil.com"))
    assert (found.aligned_spf, found.aligned_dkim) == (True, False)
    found = await judged(EXAMPLE, spf=("temperror", "example.com"), dkim=("pass", "mail.example.com"))
    assert (found.aligned_spf, found.aligned_dkim) == (False, True)


async def test_a_domain_without_a_record_asks_for_nothing() -> None:
    found = await judged({}, "mail.example.co.uk", spf=("fail", "example.co.uk"))
    assert (found.result, found.policy, found.disposition, found.domain) == ("none", "none", "none", "")
    assert found.organizational_domain == "example.co.uk" and found.record is None and found.lookups == 4


@pytest.mark.parametrize("text", ["v=DMARC1", "v=DMARC1; p=x", "v=DMARC1; p=reject; sp=x", "v=DMARC2; p=reject"])
async def test_a_record_that_is_no_policy_is_none(text: str) -> None:
    assert (await judged({"TXT _dmarc.example.com": text})).result == "none"


async def test_several_records_are_none() -> None:
    found = await judged(FakeResolver({"TXT _dmarc.example.com": [REJECT, "v=DMARC1; p=none"]}))
    assert found.result == "none"
    found = await judged(FakeResolver({"TXT _dmarc.example.com": ["some=thing", REJECT]}))
    assert found.result == "fail"


async def test_a_subdomain_has_the_policy_for_its_kind() -> None:
    zone = {"TXT _dmarc.example.com": "v=DMARC1; p=none; sp=quarantine; np=reject", "MX there.example.com": "1 mx."}
    assert (await judged(zone, "example.com")).policy == "none"
    assert (await judged(zone, "there.example.com")).policy == "quarantine"
    assert (await judged(zone, "gone.example.com")).policy == "reject"
    own = {**zone, "TXT _dmarc.gone.example.com": "v=DMARC1; p=quarantine; sp=reject; np=none"}
    assert (await judged(own, "gone.example.com")).policy == "quarantine"


async def test_whether_a_domain_exists_is_asked_only_where_it_matters() -> None:
    resolver = FakeResolver({"TXT _dmarc.example.com": ["v=DMARC1; p=reject; sp=none"]})
    await judged(resolver, "gone.example.com")
    assert not [question for question in resolver.asked if question.startswith("A ")]


async def test_what_cannot_be_known_now_refuses_nobody() -> None:
    failing = {"TXT _dmarc.example.com"}
    found = await judged(FakeResolver({}, failing=failing))
    assert (found.result, found.policy, found.disposition) == ("temperror", "none", "none")
    assert (await judged(FakeResolver({}, failing=failing), "mail.example.com")).result == "temperror"
    zone = {"TXT _dmarc.example.com": ["v=DMARC1; p=none; np=reject"]}
    found = await judged(FakeResolver(zone, failing={"A gone.example.com"}), "gone.example.com")
    assert (found.result, found.disposition) == ("temperror", "none")


async def test_a_record_of_its_own_is_enough_when_the_walk_above_it_fails() -> None:
    zone = {"TXT _dmarc.mail.example.com": [REJECT]}
    resolver = FakeResolver(zone, failing={"TXT _dmarc.example.com"})
    passing = await judged(resolver, "mail.example.com", dkim=("pass", "mail.example.com"))
    assert (passing.result, passing.domain) == ("pass", "mail.example.com")
    # These two might be of one organization, and these cannot.
    assert (await judged(resolver, "mail.example.com", dkim=("pass", "a.example.com"))).result == "temperror"
    assert (await judged(resolver, "mail.example.com", dkim=("pass", "evil.com"))).result == "fail"


async def test_a_public_suffix_is_the_organization_of_nobody() -> None:
    zone = {"TXT _dmarc.co.uk": REJECT, "TXT _dmarc.a.co.uk": REJECT}
    assert (await judged(zone, "a.co.uk", dkim=("pass", "b.co.uk"))).result == "fail"
    assert (await judged(zone, "a.co.uk", dkim=("pass", "co.uk"))).result == "fail"
    assert (await judged(zone, "c.co.uk", dkim=("pass", "c.co.uk"))).domain == "co.uk"
    assert (await judged(zone, "co.uk", dkim=("pass", "co.uk"))).result == "pass"


async def test_psd_parts_organizations_and_gives_them_a_policy() -> None:
    zone = {"TXT _dmarc.bank.example": f"{REJECT}; psd=y; sp=quarantine"}
    found = await judged(zone, "a.giant.bank.example", dkim=("pass", "mega.bank.example"))
    assert (found.result, found.domain, found.policy) == ("fail", "bank.example", "quarantine")
    assert found.organizational_domain == "giant.bank.example"
    assert (await judged(zone, "a.giant.bank.example", dkim=("pass", "giant.bank.example"))).result == "pass"
    own = {"TXT _dmarc.example.com": REJECT, "TXT _dmarc.lab.example.com": f"{REJECT}; psd=n"}
    assert (await judged(own, "a.lab.example.com", dkim=("pass", "example.com"))).result == "fail"
    assert (await judged(own, "a.lab.example.com", dkim=("pass", "b.lab.example.com"))).result == "pass"
    assert (await judged(own, "example.com", dkim=("pass", "lab.example.com"))).result == "fail"


@pytest.mark.parametrize(
    ("tags", "draw", "disposition", "overrides"),
    [
        ("p=reject", 99.9, "reject", ()),
        ("p=none", 0.0, "none", ()),
        ("p=quarantine", 0.0, "quarantine", ()),
        ("p=reject; pct=0", 0.0, "quarantine", ("sampled_out",)),
        ("p=quarantine; pct=0", 0.0, "none", ("sampled_out",)),
        ("p=reject; pct=50", 49.9, "reject", ()),
        ("p=reject; pct=50", 50.0, "quarantine", ("sampled_out",)),
        ("p=none; pct=0", 0.0, "none", ()),
        ("p=reject; t=y", 0.0, "quarantine", ("policy_test_mode",)),
        ("p=quarantine; t=y", 0.0, "none", ("policy_test_mode",)),
        ("p=reject; t=y; pct=0", 0.0, "quarantine", ("policy_test_mode",)),
        ("p=reject; t=n", 0.0, "reject", ()),
    ],
)
async def test_a_sample_and_a_test_take_the_next_lower_policy(
    tags: str, draw: float, disposition: str, overrides: tuple[str, ...]
) -> None:
    found = await judged({"TXT _dmarc.example.com": f"v=DMARC1; {tags}"}, draw=draw)
    assert (found.result, found.disposition, found.overrides) == ("fail", disposition, overrides)
    assert found.sampled_out == ("sampled_out" in overrides)


async def test_names_in_both_alphabets_are_the_same() -> None:
    zone = {"TXT _dmarc.xn--bcher-kva.example": REJECT}
    for author in ("bücher.example", "xn--bcher-kva.example", "BÜCHER.example."):
        for domain in ("bücher.example", "xn--bcher-kva.example", "mail.Bücher.example"):
            assert (await judged(zone, author, dkim=("pass", domain))).result == "pass"


async def test_an_author_is_one_with_an_address() -> None:
    author = Author(Address("a", "mail.example.com"), "", ())
    assert (await judged(EXAMPLE, author, spf=("pass", "example.com"))).result == "pass"
    assert (await judged(EXAMPLE, Author(Address("a", "[192.0.2.1]"), "", ()))).result == "none"


@pytest.mark.parametrize("author", [Author(None, "", ("several-from-fields",)), "", "a b", "a..b"])
async def test_without_one_author_nothing_passes(author: Author | str) -> None:
    resolver = FakeResolver({})
    found = await judged(resolver, author, spf=("pass", "example.com"))
    assert (found.result, found.policy, found.disposition) == ("permerror", "reject", "reject")
    assert resolver.asked == []


async def test_dnssec_is_told() -> None:
    zone = {"TXT _dmarc.example.com": [REJECT]}
    assert (await judged(FakeResolver(zone, secure=zone))).secure
    assert not (await judged(FakeResolver(zone))).secure


async def test_a_message_is_worth_a_bounded_number_of_questions() -> None:
    resolver = FakeResolver({"TXT _dmarc.example.com": ["v=DMARC1; p=none; np=reject"]})
    dkim = [("pass", f"a.b.c.d.e.f.g.{number}.example.com") for number in range(100)]
    found = await evaluate(resolver, author="a.b.c.d.e.f.example.com", spf=("pass", "x.example.com"), dkim=dkim, draw=0)
    assert found.result == "pass" and len(resolver.asked) <= 25 and found.lookups == len(resolver.asked)
    unsigned = [("temperror", domain) for _, domain in dkim]
    found = await evaluate(
        resolver, author="example.com", spf=NOTHING, dkim=[*unsigned, ("pass", "x.evil.com")], draw=0
    )
    assert found.result == "temperror"
    assert (await evaluate(resolver, author="example.com", spf=NOTHING, dkim=dkim[:0], draw=0)).result == "fail"
