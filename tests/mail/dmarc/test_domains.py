import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.dmarc.domains import LOOKUPS_MAX, TreeWalk, organizational_domain, public_suffix
from mail.dns.fake import FakeResolver
from tests.vectors import vectors

CHECK = re.compile(r"checkPublicSuffix\((null|'[^']*'), (null|'[^']*')\);")


def test_all_vectors_of_the_list_pass() -> None:
    listed = (vectors("psl") / "test_psl.txt").read_text()
    checks = [match.groups() for line in listed.splitlines() if (match := CHECK.match(line))]
    assert len(checks) > 70
    for name, wanted in checks:
        given_name = name.strip("'") if name != "null" else ""
        found = organizational_domain(given_name)
        if wanted == "null":
            assert found == public_suffix(given_name), name
        else:
            # What is written in U-labels comes back in A-labels.
            assert found == organizational_domain(wanted.strip("'")) != public_suffix(given_name), name
            assert found == wanted.strip("'") or not wanted.isascii(), name


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.b.example.co.uk", "example.co.uk"),
        ("A.Example.COM.", "example.com"),
        ("co.uk", "co.uk"),
        ("com", "com"),
        ("user.github.io", "user.github.io"),
        ("a.unlisted", "a.unlisted"),
        ("_x.example.com", "example.com"),
        ("www.食狮.公司.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("xn--55qx5d.cn", "xn--55qx5d.cn"),
        ("xn--\u00e4.com", "xn--\u00e4.com"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("..", ".."),
        ("", ""),
    ],
)
def test_an_organization_is_a_suffix_and_a_label(name: str, found: str) -> None:
    assert organizational_domain(name) == found


@settings(max_examples=200)
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["www", "ck", "uk", "co", "com", "xn--p1ai", "kobe", "jp"])).map(".".join)
)
def test_it_is_a_part_of_the_name_and_its_own(name: str) -> None:
    found = organizational_domain(name)
    assert organizational_domain(found) == found
    assert found.endswith(public_suffix(name))


def zone(**records: str) -> FakeResolver:
    return FakeResolver({f"TXT _dmarc.{name.replace('_', '.')}": [text] for name, text in records.items()})


RECORD = "v=DMARC1; p=reject"


async def walked(resolver: FakeResolver, domain: str) -> tuple[str, str]:
    """The organizational domain and where the policy is."""
    walk = await TreeWalk(resolver).walk(domain)
    return walk.organizational_domain, walk.policy.domain if walk.policy else ""


async def test_a_long_name_is_asked_for_eight_times_at_most() -> None:
    resolver = FakeResolver({})
    await TreeWalk(resolver).walk("a.b.c.d.e.f.g.h.i.example.com")
    assert resolver.asked == [
        f"TXT _dmarc.{name}"
        for name in (
            "a.b.c.d.e.f.g.h.i.example.com",
            "e.f.g.h.i.example.com",
            "f.g.h.i.example.com",
            "g.h.i.example.com",
            "h.i.example.com",
            "i.example.com",
            "example.com",
            "com",
        )
    ]


async def test_the_record_with_the_fewest_labels_is_the_organization() -> None:
    resolver = zone(mail_example_com=RECORD, example_com=RECORD)
    assert await walked(resolver, "a.mail.example.com") == ("example.com", "example.com")
    assert await walked(resolver, "mail.example.com") == ("example.com", "mail.example.com")
    assert await walked(zone(mail_example_com=RECORD), "a.mail.example.com") == ("mail.example.com", "mail.example.com")


async def test_psd_says_where_the_organization_begins() -> None:
    bank = zone(bank_example=f"{RECORD}; psd=y", giant_bank_example=RECORD)
    assert await walked(bank, "a.giant.bank.example") == ("giant.bank.example", "giant.bank.example")
    assert await walked(bank, "a.mega.bank.example") == ("mega.bank.example", "bank.example")
    assert await walked(bank, "bank.example") == ("bank.example", "bank.example")
    own = zone(mail_example_com=f"{RECORD}; psd=n", example_com=RECORD)
    assert await walked(own, "a.mail.example.com") == ("mail.example.com", "mail.example.com")
    assert own.asked[-1] == "TXT _dmarc.mail.example.com"
    assert await walked(zone(com=f"{RECORD}; psd=y"), "a.mail.example.com") == ("example.com", "com")


async def test_a_suffix_of_the_list_is_no_organization_unless_it_says_so() -> None:
    assert await walked(zone(co_uk=RECORD), "a.example.co.uk") == ("example.co.uk", "co.uk")
    assert await walked(zone(uk=f"{RECORD}; psd=y"), "a.example.co.uk") == ("example.co.uk", "uk")
    assert await walked(zone(github_io=f"{RECORD}; psd=n"), "user.github.io") == ("github.io", "github.io")
    assert await walked(zone(co_uk=RECORD), "co.uk") == ("co.uk", "co.uk")


async def test_without_a_record_the_list_decides() -> None:
    assert await walked(zone(), "a.b.example.co.uk") == ("example.co.uk", "")


async def test_of_several_records_none_counts_and_the_walk_goes_on() -> None:
    resolver = FakeResolver(
        {"TXT _dmarc.a.example.com": [RECORD, RECORD], "TXT _dmarc.example.com": [RECORD, "v=spf1"]}
    )
    assert await walked(resolver, "a.example.com") == ("example.com", "example.com")


async def test_a_failure_ends_the_walk_and_is_told() -> None:
    resolver = FakeResolver({"TXT _dmarc.a.example.com": [RECORD]}, failing={"TXT _dmarc.example.com"})
    walk = await TreeWalk(resolver).walk("a.example.com")
    assert walk.failed and [one.domain for one in walk.found] == ["a.example.com"]
    assert walk.organizational_domain == "example.com"


async def test_no_name_is_asked_twice_and_there_is_an_end_to_asking() -> None:
    resolver = zone(example_com=RECORD)
    tree = TreeWalk(resolver)
    await tree.walk("a.example.com")
    await tree.walk("b.example.com")
    assert resolver.asked == [f"TXT _dmarc.{name}" for name in ("a.example.com", "example.com", "com", "b.example.com")]
    for number in range(LOOKUPS_MAX):
        last = await tree.walk(f"{number}.example.com")
    assert last.failed and tree.lookups == LOOKUPS_MAX


async def test_a_name_too_long_to_have_a_record_has_none() -> None:
    resolver = FakeResolver({})
    name = ".".join(["a" * 60] * 4 + ["com"])
    assert not (await TreeWalk(resolver).walk(name)).failed
    assert f"TXT _dmarc.{name}" not in resolver.asked
