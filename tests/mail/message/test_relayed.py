import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.message.relayed import delivered_to, header_end, received_count, without_forged

HOST = "mx.x.org"


def test_the_header_ends_before_the_empty_line() -> None:
    assert header_end(b"a: b\r\nc: d\r\n\r\nbody") == 12
    assert header_end(b"\r\nbody") == 0
    assert header_end(b"a: b\r\n") == 6


def test_hops_are_counted() -> None:
    assert received_count(b"Received: a\r\nSubject: received: x\r\nRECEIVED: b\r\n") == 2


@pytest.mark.parametrize(
    "forged",
    [
        b"Return-Path: <x@y>\r\n",
        b"return-path : <x@y>\r\n",
        b"Delivered-To: x\r\n",
        b"X-Mailstead-Junk: no\r\n",
        b"Authentication-Results: mx.x.org; dkim=pass\r\n",
        b"Authentication-Results: MX.X.ORG.; dkim=pass\r\n",
        b'Authentication-Results: "mx.x.org" 1; dkim=pass\r\n',
        b"Authentication-Results: (a (b) c)\r\n\tmx.x.org;\r\n dkim=pass\r\n",
        b"AUTHENTICATION-RESULTS : mx.x.org; dkim=pass\r\n",
        b"Authentication-Results\t:\r\n \r\n mx.x.org 1 ; dkim=pass\r\n",
        b"Authentication-Results: mx.x.org/1; dkim=pass\r\n",
        b"Authentication-Results: (\\)) mx.x.org; dkim=pass\r\n",
        b'Authentication-Results: (\\() (x)(y)"mx\\.x.org"(z); dkim=pass\r\n',
        b"Authentication-Results: (" + b"x" * 2000 + b") mx.x.org; dkim=pass\r\n",
        b"Authentication-Results: mx.x.org(c); dkim=pass\r\n",
        b"Authentication-Results: mx.x.org; dkim=pass\rX: y\r\n",
        b"Authentication-Results: mx.x.org; dkim=pass\nX: y\r\n",
        b"Authentication-Results: (mx.x.org; dkim=pass\r\n",
        b"Authentication-Results: ; dkim=pass\r\n",
        b"Delivered-To\t :x\r\n",
        b"x-mailstead-:\r\n",
    ],
)
def test_what_only_we_may_write_is_cut_out(forged: bytes) -> None:
    header = b"Subject: a\r\n" + forged + b"To: b\r\n\tc\r\n"
    assert without_forged(header, HOST) == b"Subject: a\r\nTo: b\r\n\tc\r\n"


def test_what_others_may_write_stays_and_so_does_the_header() -> None:
    header = b"X-Mailstead-Extra-User-Id: 7\r\nAuthentication-Results: mx.y.org; dkim=pass\r\n"
    assert without_forged(header, HOST) is header


def test_the_name_of_our_host_is_known_in_both_its_forms() -> None:
    for name in ("bücher.example", "BÜCHER.example", "xn--bcher-kva.example"):
        forged = f"Authentication-Results: {name}; dkim=pass\r\n".encode()
        assert without_forged(forged + b"A: b\r\n", "xn--bcher-kva.example") == b"A: b\r\n"


def test_a_forged_field_without_an_end_is_cut_out_too() -> None:
    assert without_forged(b"A: b\r\nReturn-Path: x", HOST) == b"A: b\r\n"


@pytest.mark.parametrize(
    "value", [b"mx.y.org; dkim=pass", b"(mx.x.org) mx.y.org; x", b"mx.x.org.evil.example; x", b"spf=pass mx.x.org"]
)
def test_results_of_others_stay(value: bytes) -> None:
    header = b"Authentication-Results: " + value + b"\r\n"
    assert without_forged(header, HOST) == header


@given(st.binary(max_size=60) | st.text(st.sampled_from('()"\\mx.x.org; \t/1\r\n')).map(str.encode))
def test_no_octets_make_it_raise(value: bytes) -> None:
    without_forged(b"Authentication-Results:" + value, HOST)


def test_what_others_wrote_stays() -> None:
    header = b"Authentication-Results: mx.y.org; dkim=pass\r\nX-Return-Path: x\r\nnonsense\r\n"
    assert without_forged(header, HOST) is header or without_forged(header, HOST) == header


@given(st.lists(st.sampled_from([b"Return-Path: a\r\n", b"A: b\r\n", b" folded\r\n", b"nonsense\r\n", b":\r\n"])))
def test_nothing_else_is_ever_lost(lines: list[bytes]) -> None:
    expected: list[bytes] = []
    cutting = False
    for line in lines:
        if not line.startswith(b" "):
            cutting = line.startswith(b"Return-Path")
        if not cutting:
            expected.append(line)
    assert without_forged(b"".join(lines), HOST) == b"".join(expected)


def test_whom_a_message_was_delivered_to_before_is_read_from_its_header() -> None:
    header = b"Delivered-To: a@x.org\r\nSubject: Delivered-To: b@x.org\r\nDELIVERED-TO:\r\n <C@y.org>\r\n"
    header += b"Delivered-To: \xff\r\n"
    assert delivered_to(header) == {"a@x.org", "C@y.org", "\ufffd"}
    assert delivered_to(b"Subject: x\r\n") == frozenset()
    assert len(delivered_to(b"".join(b"Delivered-To: %d@x.org\r\n" % one for one in range(5000)))) == 100


@given(st.binary(max_size=300))
def test_any_header_says_whom_it_was_delivered_to(octets: bytes) -> None:
    delivered_to(b"Delivered-To: a@x.org\r\n" + octets)
