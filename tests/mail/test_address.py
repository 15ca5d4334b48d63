import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.address import Address, canonical, parse_address, parse_domain
from mail.errors import BadAddress


@pytest.mark.parametrize(
    ("text", "localpart", "domain"),
    [
        ("ann@x.org", "ann", "x.org"),
        ("Ann@X.ORG", "Ann", "x.org"),
        ('"a b@c"@x.org', "a b@c", "x.org"),
        ('"a\\"b"@x.org', 'a"b', "x.org"),
        ("ann@[127.0.0.1]", "ann", "[127.0.0.1]"),
        ("ann@[IPv6:0:0::1]", "ann", "[IPv6:::1]"),
        ("u\u0308@b\u00fccher.example", "\u00fc", "xn--bcher-kva.example"),
        ("a%b!c@x.org", "a%b!c", "x.org"),
    ],
)
def test_an_address_has_one_form(text: str, localpart: str, domain: str) -> None:
    address = parse_address(text)
    assert address == Address(localpart, domain)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@x.org",
        "ann@",
        "ann@x.org.",
        "ann@@x.org",
        "a b@x.org",
        ".ann@x.org",
        "a..b@x.org",
        '"ann@x.org',
        '"ann"x.org',
        '"a\nb"@x.org',
        "ann@-x.org",
        "ann@x_y.org",
        "ann@x\uff0eorg",
        "ann@[127.0.0.256]",
        "ann@[IPv6:fe80::1%eth0]",
        "ann@[127.0.0.1",
        "a" * 65 + "@x.org",
        "ann@" + "a" * 64 + ".org",
        "ann@" + "a." * 130 + "org",
        "a\u2028b@x.org",
        "\ud800@x.org",
        "x" * 600,
        "(comment)ann@x.org",
        "@a,@b:ann@x.org",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        parse_address(text)


def test_what_real_senders_use_passes_when_asked() -> None:
    for text in (".a..b.@x_y.org", "a" * 128 + "@x.org"):
        with pytest.raises(BadAddress):
            parse_address(text)
        assert str(parse_address(text, strict=False).domain).endswith(".org")


def test_the_domain_decides_what_of_a_localpart_counts() -> None:
    assert canonical("Ann+lists", separators="+", case_sensitive=False) == "ann"
    assert canonical("Ann-x+y", separators="+-", case_sensitive=True) == "Ann"
    assert canonical("+x", separators="+", case_sensitive=False) == "+x"
    assert canonical("STRASSE", separators="", case_sensitive=False) == canonical(
        "stra\u00dfe", separators="", case_sensitive=False
    )


@given(st.text(max_size=60), st.text('"\\@.[]:<> a\u00fc', max_size=40))
def test_whatever_is_written_is_an_address_or_refused_and_survives_being_written(one: str, other: str) -> None:
    for text in (one, other, one + "@x.org", '"' + other + '"@x.org'):
        for strict in (True, False):
            try:
                address = parse_address(text, strict=strict)
            except BadAddress:
                continue
            assert parse_address(str(address), strict=False) == address


@given(st.text(max_size=80))
def test_a_domain_is_read_or_refused(text: str) -> None:
    try:
        domain = parse_domain(text)
    except BadAddress:
        return
    assert domain.isascii() and domain == domain.lower() and parse_domain(domain) == domain
