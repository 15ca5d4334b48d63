import orjson
import pytest

from mail.imap.matching import any_header_contains, body_contains
from mail.imap.summary import summarize


@pytest.mark.parametrize(
    ("octets", "needle", "is_there"),
    [
        (b"\r\nHello World\r\n", "world", True),
        (b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + "日本".encode("iso-2022-jp"), "本", True),
        (b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + "日本".encode("iso-2022-jp"), "f|k", False),
        (b"Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n//5BAA==", "a", True),
        (b"Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=9C=\r\n=C3=9Fe", "grüsse", True),
    ],
)
def test_text_is_searched_decoded_and_folded(octets: bytes, needle: str, is_there: bool) -> None:
    assert body_contains(octets, orjson.loads(summarize(octets).structure), needle) is is_there


def test_headers_are_searched_decoded() -> None:
    header = b"Subject: =?utf-8?q?=C3=84?=\r\nX-Y: " + "日本".encode("iso-2022-jp") + b"\r\n\r\n"
    assert (
        any_header_contains(header, "ä") and any_header_contains(header, "本") and not any_header_contains(header, "ö")
    )
