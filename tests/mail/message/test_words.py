import pytest

from mail.message.words import decode_words


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
    ],
)
def test_encoded_words_become_text(octets: bytes, text: str) -> None:
    assert decode_words(octets) == text
