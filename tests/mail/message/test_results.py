import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.errors import Bug
from mail.message.fields import parse_header
from mail.message.results import (
    Method,
    SpfCheck,
    arc,
    auth,
    authentication_results,
    dkim,
    dmarc,
    iprev,
    received_spf,
    spf,
)

HOST = "mx.x.example"


def unfolded(octets: bytes) -> str:
    header = parse_header(octets + b"\r\n")
    assert header.defects == () and len(header.fields) == 1
    return f"{header.fields[0].name.decode()}: {header.fields[0].value.decode()}"


@pytest.mark.parametrize(
    ("method", "written"),
    [
        (iprev("pass", "192.0.2.1", comment="a.example"), "iprev=pass (a.example) policy.iprev=192.0.2.1"),
        (iprev("fail", "2001:db8::1"), 'iprev=fail policy.iprev="2001:db8::1"'),
        (
            dkim(
                "pass",
                domain="a.example",
                selector="s1",
                identity="@a.example",
                algorithm="rsa-sha256",
                signature="abc+defghi",
                comment="1024-bit key",
            ),
            "dkim=pass (1024-bit key) header.d=a.example header.s=s1 header.i=@a.example header.a=rsa-sha256"
            " header.b=abc+defg",
        ),
        (
            dkim("permerror", domain="a.example", selector="s", signature="a/b=", reason='no "key"'),
            'dkim=permerror reason="no \\"key\\"" header.d=a.example header.s=s header.b="a/b="',
        ),
        (spf("pass", mail_from="u+v@a.example", helo="h.example"), "spf=pass smtp.mailfrom=u+v@a.example"),
        (spf("none", helo="h.example"), "spf=none smtp.helo=h.example"),
        (spf("fail", mail_from='"a b"@a.example'), 'spf=fail smtp.mailfrom="\\"a b\\"@a.example"'),
        (
            dmarc("fail", "a.example", policy="reject", comment="dnssec, mailing_list"),
            "dmarc=fail (dnssec, mailing_list) header.from=a.example policy.dmarc=reject",
        ),
        (arc("pass", oldest_pass=0, client_ip="192.0.2.1"), "arc=pass header.oldest-pass=0 smtp.remote-ip=192.0.2.1"),
        (auth("pass", "u@x.example"), "auth=pass smtp.mailfrom=u@x.example"),
        (Method("dkim", "none"), "dkim=none"),
        (Method("x", "pass", comment="a (b) \\ c"), "x=pass (a \\(b\\) \\\\ c)"),
    ],
)
def test_each_method_is_written_by_its_grammar(method: Method, written: str) -> None:
    assert unfolded(authentication_results(HOST, [method])) == f"authentication-results: {HOST}; {written}"


def test_methods_stand_one_after_the_other_and_lines_stay_short() -> None:
    octets = authentication_results(HOST, [iprev("pass", "192.0.2.1"), spf("pass", mail_from="a@b.example")] * 4)
    assert max(map(len, octets.split(b"\r\n"))) <= 78
    assert unfolded(octets).count(";") == 8


def test_no_method_is_none() -> None:
    assert authentication_results(HOST, []) == b"Authentication-Results: mx.x.example; none\r\n"


def test_received_spf_says_what_was_checked() -> None:
    check = SpfCheck(
        "pass",
        "mailfrom",
        "2001:db8::1",
        "a@b.example",
        "h.example",
        HOST,
        mechanism="mx",
        comment=f"{HOST}: sends (b)",
    )
    assert unfolded(received_spf(check)) == (
        'received-spf: pass (mx.x.example: sends \\(b\\)) client-ip="2001:db8::1"; envelope-from="a@b.example";'
        " helo=h.example; identity=mailfrom; receiver=mx.x.example; mechanism=mx"
    )
    null = SpfCheck("none", "helo", "192.0.2.1", "", "h.example", HOST, problem="no \r\nX: record")
    assert unfolded(received_spf(null)).endswith('receiver=mx.x.example; problem="no  X: record"')


def test_internationalized_mail_keeps_its_letters_and_other_mail_stays_ascii() -> None:
    methods = [auth("pass", "jörg@bücher.example")]
    assert "smtp.mailfrom=jörg@bücher.example" in unfolded(authentication_results(HOST, methods, smtputf8=True))
    assert 'smtp.mailfrom="j?rg@b?cher.example"' in unfolded(authentication_results(HOST, methods))


def test_a_result_that_is_no_keyword_is_our_mistake() -> None:
    with pytest.raises(Bug):
        authentication_results(HOST, [Method("dkim", "pass; spf=pass")])


texts = st.text(max_size=120) | st.text(st.sampled_from('\r\n\0"\\(); =\t@.aü\u2028\ud800\x85\u3000'), max_size=40)


@settings(max_examples=200)
@given(st.lists(texts, min_size=6, max_size=6), st.booleans())
def test_nothing_a_stranger_wrote_ends_a_field(words: list[str], smtputf8: bool) -> None:
    a, b, c, d, e, f = words
    methods = [
        dkim("fail", domain=a, selector=b, identity=c, algorithm=d, signature=e, reason=f, comment=a),
        spf("fail", mail_from=b, helo=c, comment=d),
        dmarc("fail", e, policy="none", comment=f),
    ]
    check = SpfCheck("fail", "mailfrom", a, b, c, d, e, f, a)
    for name, octets in (
        (b"authentication-results", authentication_results(HOST, methods, smtputf8=smtputf8)),
        (b"received-spf", received_spf(check, smtputf8=smtputf8)),
    ):
        header = parse_header(octets + b"\r\n")
        assert [field.name for field in header.fields] == [name] and header.defects == ()
        assert smtputf8 or octets.isascii()
        assert max(map(len, octets.split(b"\r\n"))) <= 998
        assert all(line.strip() for line in octets.split(b"\r\n")[:-1])


@settings(max_examples=100)
@given(texts)
def test_a_method_cannot_be_added_from_inside_a_value(text: str) -> None:
    value = unfolded(authentication_results(HOST, [spf("fail", mail_from=text or "x")]))
    outside = ""
    quoted = escaped = False
    for character in value:
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            outside += character
    assert not quoted and outside.count(";") == 1 and "(" not in outside
