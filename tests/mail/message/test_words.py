import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.message.words import WORDS_MAX, decode_words


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?b?R3LDvMOfZQ==?= x", "Grüße x"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?= c", "ab c"),
        (b"=?utf-8?b?w6Q?=\t=?iso-8859-1?q?=E4_x?=", "ää x"),
        # One character over two words (against RFC 2047 §5, and seen daily).
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä"),
        (b"=?x-unknown?q?a?=", "a"),
        (b"=?utf-7?q?+ADw-?=", "+ADw-"),
        (b"caf\xe9", "café"),
        (b"=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        (b"=?utf-8*en?q?a?=", "a"),
        # Blanks in a word are forbidden (RFC 2047 §2), and written.
        (b"=?utf-8?q?a b?= =?utf-8?q?c?=", "a bc"),
        (b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        (b"\x1b$BF|K\\\x1b(B", "日本"),
        (b"=?utf-8?b?w6?=", "\ufffd"),
        (b"=?utf-8?q?=zz=a?=", "=zz=a"),
    ],
)
def test_encoded_words_become_text(octets: bytes, text: str) -> None:
    assert decode_words(octets) == text


def test_there_is_an_end_to_decoding() -> None:
    text = decode_words(b" ".join([b"=?utf-8?q?a?="] * (WORDS_MAX + 1)))
    assert text == "a" * WORDS_MAX + " =?utf-8?q?a?="


@given(st.lists(st.sampled_from(["=?", "utf-8", "?q?", "?B?", "?=", "=C3", " ", "a", "*en", "\xe4"])).map("".join))
def test_no_value_makes_it_fail(value: str) -> None:
    decode_words(value.encode("latin-1"))
