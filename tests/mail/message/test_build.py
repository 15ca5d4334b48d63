import pytest

from mail.errors import Invalid
from mail.message.build import build_header, encode_text
from mail.message.fields import parse_header
from mail.message.words import decode_words

PAYLOADS = ("a\r\nBcc: e@x", "a\nBcc: e@x", "a\rBcc: e@x", "a\0b", "a\x0bb", "a\x85b", "a\u2028b", "a\u2029b", "a\x7fb")


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_no_value_becomes_another_field(payload: str) -> None:
    with pytest.raises(Invalid):
        build_header([("Subject", payload)])


@pytest.mark.parametrize("name", ["", "A B", "A:B", "A\r\nB", "Ä"])
def test_no_name_that_is_none_is_written(name: str) -> None:
    with pytest.raises(Invalid):
        build_header([(name, "x")])


def test_long_values_are_folded_and_read_back_the_same() -> None:
    words = " ".join(f"word{number}" for number in range(60))
    octets = build_header([("Subject", words), ("To", "a@b.c")])
    assert all(len(line) <= 78 for line in octets.split(b"\r\n"))
    header = parse_header(octets + b"\r\n")
    assert header.first(b"subject") == words.encode() and header.first(b"to") == b"a@b.c"


def test_text_is_encoded_in_whole_characters() -> None:
    text = "Grüße 日本 " * 20
    assert decode_words(encode_text(text).encode()) == text
