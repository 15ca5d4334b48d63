import pytest

from mail.message.line_ends import with_crlf


@pytest.mark.parametrize(
    ("octets", "expected"),
    [(b"", b""), (b"a\nb\r\nc\rd\n", b"a\r\nb\r\nc\rd\r\n"), (b"a\r\n", b"a\r\n"), (b"\n\n", b"\r\n\r\n")],
)
def test_bare_line_feeds_become_line_ends(octets: bytes, expected: bytes) -> None:
    assert with_crlf(octets) == expected
