from hypothesis import given
from hypothesis import strategies as st

from mail.message.line_ends import with_crlf


def test_bare_line_ends_become_crlf() -> None:
    assert with_crlf(b"a\nb\r\nc\rd\n\r\n") == b"a\r\nb\r\nc\r\nd\r\n\r\n"


def test_a_message_that_has_them_stays_as_it_is() -> None:
    octets = b"a\r\n\r\nb\r\n"
    assert with_crlf(octets) is octets


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b" "])).map(b"".join))
def test_nothing_bare_is_left(octets: bytes) -> None:
    left = with_crlf(octets).replace(b"\r\n", b"")
    assert b"\r" not in left and b"\n" not in left and with_crlf(with_crlf(octets)) == with_crlf(octets)
