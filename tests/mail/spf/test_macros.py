import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.spf.macros import (
    EXPLANATION_LETTERS,
    NAME_MAX,
    BadMacro,
    domain_name,
    expand,
    is_name,
    letters_of,
    parse,
    parse_domain_spec,
)

# RFC 7208 §7.4
VALUES = {
    "s": "strong-bad@email.example.com",
    "l": "strong-bad",
    "o": "email.example.com",
    "d": "email.example.com",
    "i": "192.0.2.3",
    "p": "mx.example.org",
    "v": "in-addr",
    "h": "helo.example",
    "c": "192.0.2.3",
    "r": "receiver.example",
    "t": "1800000000",
}


@pytest.mark.parametrize(
    ("text", "expansion"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{D00000000000002}", "example.com"),
        ("%{d128}", "email.example.com"),
        ("%{d99999999999999999999}", "email.example.com"),
        ("%{DR}", "com.example.email"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("a%%b%_c%-d", "a%b c%20d"),
        ("%{s2.@}", "badmacro"),
    ],
)
def test_the_examples_of_the_rfc_and_their_kin(text, expansion):
    if expansion == "badmacro":
        with pytest.raises(BadMacro):
            parse(text)
    else:
        assert expand(parse(text), VALUES) == expansion


@pytest.mark.parametrize(
    "text",
    ["%", "%a", "%{", "%{}", "%{d", "%{x}", "%{d0}", "%{d2rr}", "%{d-2}", "%(d)", "a b", "a\tb", "\x00", "é", "%{c}"],
)
def test_what_is_not_of_the_grammar_is_refused(text):
    with pytest.raises(BadMacro):
        parse(text)


def test_explanations_may_have_spaces_and_three_more_letters():
    parts = parse("%{c} at %{t} by %{r}", letters=EXPLANATION_LETTERS)
    assert expand(parts, VALUES) == "192.0.2.3 at 1800000000 by receiver.example"
    assert letters_of(parts) == {"c", "t", "r"}
    with pytest.raises(BadMacro):
        parse("tab\there", letters=EXPLANATION_LETTERS)


@pytest.mark.parametrize(
    "text", ["a.example", "a.example.", "%{d}", "a.%%", "x.%_", "x%-", "a.1-2", "a.xn--p1ai", ".com"]
)
def test_domains_end_in_a_top_label_or_a_macro(text):
    assert parse_domain_spec(text)


@pytest.mark.parametrize(
    "text",
    ["", "museum", "museum.", "a.123", "a.123.", "a.-com", "a.com-", "%{d}com", "x%%-", "a.b..", "a.b_c", "192.0.2.1"],
)
def test_domains_that_end_in_anything_else_are_refused(text):
    with pytest.raises(BadMacro):
        parse_domain_spec(text)


def test_a_macro_in_a_value_is_text():
    assert expand(parse("%{l}.x.example"), {"l": "%{d}%%"}) == "%{d}%%.x.example"


def test_values_are_escaped_as_utf_8_where_the_letter_is_a_capital():
    assert expand(parse("%{L}"), {"l": "a b/é~_-."}) == "a%20b%2F%C3%A9~_-."


def test_long_names_lose_labels_from_the_left():
    name = domain_name(".".join(["abcdefgh"] * 40) + ".example.com.")
    assert name is not None and len(name) <= NAME_MAX < len(name) + 9
    assert name.startswith("abcdefgh.abcdefgh.") and name.endswith(".example.com")
    assert domain_name("a" * 300) is None
    assert domain_name("a" * 300 + ".example.com") == "example.com"


def test_what_the_dns_cannot_be_asked_for_is_no_name():
    for text in ("", ".", "a..b", ".a", "a" * 64 + ".b", "é.example", "a\r\n.b", "a..", "\x7f.a"):
        assert domain_name(text) is None, text
    assert domain_name("a b.example.") == "a b.example"


letters = st.sampled_from(
    ["%", "{", "}", "d", "s", "i", "r", "2", "0", "-", ".", "%{", "%{d}", "%{l1r-}", "%%", " ", "é", "/"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(letters | st.characters(), max_size=30).map("".join), st.text(max_size=20))
def test_any_text_is_refused_or_expands_to_a_name_or_none(text, localpart):
    try:
        parts = parse_domain_spec(text)
    except BadMacro:
        return
    expansion = expand(parts, VALUES | {"l": localpart})
    name = domain_name(expansion)
    assert name is None or (is_name(name) and expansion.removesuffix(".").endswith(name))
