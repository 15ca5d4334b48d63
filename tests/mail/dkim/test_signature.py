import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.dkim.signature import BadSignature, Signature, parse_signature

NOW = 1_700_000_000
GOOD = {"v": "1", "a": "rsa-sha256", "b": "YWJj YWJj", "bh": "YWJj", "d": "a.example", "h": "From : Subject", "s": "s"}


def read(**tags: str | None) -> Signature:
    said = {**GOOD, **tags}
    text = ";".join(f"{name}={value}" for name, value in said.items() if value is not None)
    return parse_signature(text.encode(), now=NOW)


def refused(**tags: str | None) -> BadSignature:
    with pytest.raises(BadSignature) as caught:
        read(**tags)
    return caught.value


def test_a_field_is_read_with_its_defaults() -> None:
    signature = read(d="A.Example", s="S.x_y")
    assert (signature.domain, signature.selector, signature.identity) == ("a.example", "s.x_y", "@a.example")
    assert (signature.header_relaxed, signature.body_relaxed, signature.length) == (False, False, None)
    assert signature.names == (b"from", b"subject") and signature.algorithm == "rsa-sha256"
    assert (signature.signature, signature.tag_b) == (b"abcabc", "YWJjYWJj")
    assert signature.key_name == "s.x_y._domainkey.a.example"


def test_both_canonicalizations_are_read() -> None:
    for text, wanted in {"relaxed": (True, False), "simple/relaxed": (False, True)}.items():
        signature = read(c=text)
        assert (signature.header_relaxed, signature.body_relaxed) == wanted


def test_the_identity_is_unquoted_and_in_normal_form() -> None:
    assert read(i="Jos=C3=A9@Mail.A.example").identity == "José@mail.a.example"
    assert read(i="jose\u0301@a.example").identity == read(i="jos\u00e9@a.example").identity == "jos\u00e9@a.example"
    assert read(i="=40@a.example").identity == "@@a.example"


def test_names_in_unicode_become_a_labels() -> None:
    signature = read(d="bücher.example", i="@mail.bücher.example", s="größe")
    assert (signature.domain, signature.selector) == ("xn--bcher-kva.example", "xn--gre-6ka8i")
    assert signature.identity == "@mail.xn--bcher-kva.example"


@pytest.mark.parametrize("missing", ["v", "a", "b", "bh", "d", "h", "s"])
def test_every_required_tag_is_required(missing: str) -> None:
    assert refused(**{missing: None}).result == "neutral"


@pytest.mark.parametrize(
    ("tags", "result"),
    [
        ({"v": "2"}, "neutral"),
        ({"a": "rsa-sha512"}, "neutral"),
        ({"a": "rsa-sha1"}, "permerror"),
        ({"c": "nowsp"}, "neutral"),
        ({"c": "relaxed/"}, "neutral"),
        ({"q": "http"}, "neutral"),
        ({"b": ""}, "neutral"),
        ({"bh": "!"}, "neutral"),
        ({"d": "example"}, "neutral"),
        ({"d": "legitimate.com(.attacker.com"}, "neutral"),
        ({"d": "a..example"}, "neutral"),
        ({"d": ""}, "neutral"),
        ({"s": ""}, "neutral"),
        ({"s": "a\x00b"}, "neutral"),
        ({"h": ""}, "neutral"),
        ({"h": "From:"}, "neutral"),
        ({"h": "From:a b"}, "neutral"),
        ({"l": "-1"}, "neutral"),
        ({"l": "1" * 77}, "neutral"),
        ({"t": "soon"}, "neutral"),
        ({"i": "ann"}, "neutral"),
        ({"i": "a=0Db@a.example"}, "neutral"),
        ({"i": "=FF@a.example"}, "neutral"),
        ({"i": "a" * 400 + "@a.example"}, "neutral"),
        ({"i": "@b.example"}, "permerror"),
        ({"i": "@xa.example"}, "permerror"),
        ({"x": str(NOW - 1)}, "fail"),
        ({"t": str(NOW + 301)}, "fail"),
        ({"t": "20", "x": "20"}, "neutral"),
    ],
)
def test_a_field_that_cannot_verify_has_its_result(tags: dict[str, str], result: str) -> None:
    error = refused(**tags)
    assert error.result == result and error.reason


def test_a_tag_that_comes_twice_is_permanent() -> None:
    assert refused(n="1; d=b.example").result == "permerror"


def test_times_within_their_bounds_are_accepted() -> None:
    assert read(t=str(NOW + 300), x=str(NOW + 301))
    assert read(t="1", x=str(NOW), q="http:dns/txt", l="0").length == 0


def test_a_refused_field_still_tells_whose_it_is_unless_that_is_no_name() -> None:
    assert (refused(a="rsa-sha1").domain, refused(x="1").selector) == ("a.example", "s")
    assert refused(d="x(.a.example").domain == ""


TEXTS = st.sampled_from(
    ["v=1", "a=rsa-sha256", "b=YWJj", "bh=YWJj", "d=a.example", "h=from", "s=s", "i=x@a.example", "t=1", "x=2", "l=3"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS | st.text(max_size=8)).map(";".join) | st.text(max_size=60))
def test_any_text_is_a_signature_or_refused_with_a_result(text: str) -> None:
    try:
        parse_signature(text.encode("utf-8", "surrogatepass"), now=NOW)
    except BadSignature as error:
        assert error.result in ("neutral", "permerror", "fail") and error.reason
