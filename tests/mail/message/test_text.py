import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        # Declared is believed, where it can be; what is UTF-8 all the same is.
        ("ä".encode(), "iso-8859-1", "Ã¤"),
        ("€".encode(), "big5", "€"),
        (b"\x80", "iso-8859-1", "€"),
        (b"\x87\x40", "shift_jis", "①"),
        (b"\x81\x41", "ks_c_5601-1987", "갂"),
        # Undeclared, and marked.
        ("日本".encode("iso-2022-jp"), "", "日本"),
        ("日本".encode("iso-2022-jp"), "us-ascii", "日本"),
        ("\ufeffab".encode("utf-16-le"), "", "ab"),
        ("\ufeffab".encode(), "", "ab"),
        (b"\x1b[0m\xe4", "", "\x1b[0mä"),
        (b"x", "no such charset \x00", "x"),
    ],
)
def test_octets_become_text_whatever_was_declared(octets: bytes, charset: str, text: str) -> None:
    assert decode(octets, charset) == text


@pytest.mark.parametrize(
    "charset",
    ["utf-7", "u7", "idna", "punycode", "unicode_escape", "unicode-escape", "base64", "rot13", "hex", "../x", "ibm037"],
)
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


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("ISO88591", "cp1252"),
        ("latin1", "cp1252"),
        ("iso8859-15", "iso8859-15"),
        ("x-cp1251", "cp1251"),
        ("cp-850", "cp850"),
        ("windows-874", "cp874"),
        ("gb2312", "gb18030"),
        ("x-sjis", "cp932"),
        ("korean", "cp949"),
        ("iso-8859-8-i", "iso8859-8"),
        ('"utf-8"', "utf-8"),
    ],
)
def test_charsets_go_by_their_web_names(label: str, codec: str) -> None:
    assert codec_for(label) == codec


@given(
    st.binary(max_size=60),
    st.one_of(st.sampled_from(["", "utf-16", "hz", "iso-2022-kr", "utf-8"]), st.text(max_size=10)),
)
def test_no_octets_make_it_fail(octets: bytes, charset: str) -> None:
    decode(octets, charset)
    for encoding in ("base64", "quoted-printable", charset):
        decode_transfer(octets, encoding)
