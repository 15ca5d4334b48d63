import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.spf.record import RECORD_MAX, BadRecord, is_spf, parse_record


def test_a_record_is_its_directives_and_its_two_modifiers():
    record = parse_record(
        "V=spf1  MX ~a:h.example/24//64 ?ip4:192.0.2.0/24 -ip6:2001:db8::/32 x=y exp=e.%{d} redirect=%{o} "
    )
    mx, a, ip4, ip6 = record.directives
    assert (mx.text, mx.mechanism, mx.result, mx.domain, mx.prefix4, mx.prefix6) == ("MX", "mx", "pass", None, 32, 128)
    assert (a.mechanism, a.result, a.domain, a.prefix4, a.prefix6) == ("a", "softfail", ("h.example",), 24, 64)
    assert (ip4.result, ip4.network, ip4.prefix) == ("neutral", int(ipaddress.IPv4Address("192.0.2.0")), 24)
    assert (ip6.result, ip6.network, ip6.prefix) == ("fail", int(ipaddress.IPv6Address("2001:db8::")), 32)
    assert record.explanation and record.redirect


def test_the_version_is_a_word_of_its_own_in_any_case():
    assert is_spf("v=spf1") and is_spf("V=SPF1 -all")
    for text in ("v=spf10", "v=spf1\t-all", " v=spf1", "v=spf2.0/pra", "", "v=spf"):
        assert not is_spf(text)


@pytest.mark.parametrize(
    "terms",
    [
        "a/0 a/32 a//0 a//128 a/0//0",
        "mx:foo:bar/baz.example/24",
        "ip4:0.0.0.0/0 ip6:::/0 ip6:::ffff:192.0.2.1",
        "ptr ptr:a.example all",
        "EXISTS:%{ir}.sbl.example",
        "moo.cow-far_out=man:dog/cat a=b default=+ x=",
        "include:o.spf.example.",
        "ip4=192.0.2.1",
        "",
    ],
)
def test_what_the_grammar_allows_is_read(terms):
    parse_record(f"v=spf1 {terms}")


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ("moo", "'moo' is no mechanism"),
        ("--all", "'--all' is no mechanism"),
        ("-all.", "no mechanism"),
        ("all:x.example", "nothing may follow"),
        ("all/8", "nothing may follow"),
        ("redirect:a.example", "no mechanism"),
        ("include", "a colon and a domain"),
        ("include:", "the domain is missing"),
        ("include:a.example/24", "top-level"),
        ("exists:a.example/24", "top-level"),
        ("a:192.0.2.1", "ip4: is for addresses"),
        ("a/33", "no network is that small"),
        ("a//129", "no network is that small"),
        ("a/24/6", "a colon and a domain"),
        ("a/032", "a colon and a domain"),
        ("a:x.example/", "top-level"),
        ("ptr/0", "a colon and a domain"),
        ("ip4", "a colon and an address"),
        ("ip4:192.0.2", "no address for ip4"),
        ("ip4:192.0.02.1", "no address for ip4"),
        ("ip4:192.0.2.1/33", "no network is that small"),
        ("ip4:192.0.2.1/032", "a colon and an address"),
        ("ip4:192.0.2.1//32", "a colon and an address"),
        ("ip4:192.0.2.1:8080", "no address for ip4"),
        ("ip4:2001:db8::1", "no address for ip4"),
        ("ip6:192.0.2.1", "no address for ip6"),
        ("ip6:::1/129", "no network is that small"),
        ("ip6:fe80::1%eth0", "a colon and an address"),
        ("exp=a.example exp=a.example", "exp= is there twice"),
        ("redirect=a.example x=y REDIRECT=a.example", "redirect= is there twice"),
        ("exp=", "the domain is missing"),
        ("redirect=-all", "top-level"),
        ("foo=%abc", "no macro"),
        ("1up=foo", "no mechanism"),
        ("=all", "neither"),
        ("a\tmx", "a colon and a domain"),
        ("ip4:192.0.2.1\nall", "neither"),
        ("a:x\x00.example", "no macro"),
        ("a:é.example", "not ASCII"),
        ("exists:%{c}.example", "not allowed here"),
        ("x=" + "y" * RECORD_MAX, "longer than"),
    ],
)
def test_a_mistake_anywhere_is_named(terms, says):
    with pytest.raises(BadRecord, match=says.replace("(", r"\(")):
        parse_record(f"v=spf1 ip4:192.0.2.9 {terms} -all")


MECHANISMS = ["a", "mx", "ptr", "all", "include", "exists", "ip4", "ip6", "exp=", "redirect=", "x=", "+", "-", "~", "?"]
ARGUMENTS = [":", "/", "//", "24", "0", "192.0.2.1", "::1", "%{d}", ".", "example", "%", "_"]
words = st.sampled_from(MECHANISMS) | st.sampled_from(ARGUMENTS)


@settings(max_examples=300, deadline=None)
@given(st.lists(words | st.just(" ") | st.text(max_size=3), max_size=30).map("".join))
def test_any_text_is_a_record_or_a_bad_one(text):
    try:
        record = parse_record(f"v=spf1 {text}")
    except BadRecord as error:
        assert str(error)
        return
    assert len(record.directives) <= len(text)
