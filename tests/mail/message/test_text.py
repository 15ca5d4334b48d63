import pytest

from mail.message.text import codec_for, decode, decode_transfer


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        (b"caf\xe9", "iso-8859-1", "café"),
        (b"\x93x\x94", "us-ascii", "“x”"),
        ("ä".encode(), "", "ä"),
        (b"\xe4", "", "ä"),
        (b"\xff\xfe", "utf-8", "\ufffd\ufffd"),
        ("日本".encode("iso-2022-jp"), "ISO-2022-JP", "日本"),
        (b"x", "zip", "x"),
        (b"x", "no such charset \x00", "x"),
    ],
)
def test_octets_become_text_whatever_was_declared(octets: bytes, charset: str, text: str) -> None:
    assert decode(octets, charset) == text


@pytest.mark.parametrize("charset", ["utf-7", "idna", "unicode_escape", "base64", "rot13", "hex", "../x"])
def test_codecs_that_are_no_charsets_are_not_used(charset: str) -> None:
    assert codec_for(charset) is None


@pytest.mark.parametrize(
    ("octets", "encoding", "content"),
    [
        (b"aGk=", "base64", b"hi"),
        (b"a G\r\nk*", "BASE64", b"hi"),
        (b"aGkx", "base64", b"hi1"),
        (b"aGk=aGk=", "base64", b"hi"),
        (b"a=C3=A4=\r\nb", "quoted-printable", "aäb".encode()),
        (b"x", "", b"x"),
        (b"x", "x-uuencode", None),
    ],
)
def test_transfer_encodings_are_undone_as_far_as_they_go(octets: bytes, encoding: str, content: bytes | None) -> None:
    assert decode_transfer(octets, encoding) == content
