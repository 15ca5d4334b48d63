import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.receive.header import delivered_to, header_end, received_count, without_forged

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
    ],
)
def test_what_only_we_may_write_is_cut_out(forged: bytes) -> None:
    header = b"Subject: a\r\n" + forged + b"To: b\r\n\tc\r\n"
    assert without_forged(header, HOST) == b"Subject: a\r\nTo: b\r\n\tc\r\n"


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
