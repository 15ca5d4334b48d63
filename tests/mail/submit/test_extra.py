import pytest

from mail.message.fields import parse_header
from mail.submit.extra import OCTETS_MAX, BadExtra, extra_of


def extra(octets: bytes) -> dict[str, str]:
    return extra_of(parse_header(octets + b"\r\n"))


def test_keys_are_spelled_one_way_and_values_stay() -> None:
    header = "X-Mailstead-Extra-user-id: 7\r\nSubject: x\r\nx-mailstead-extra-A-ORDER: \u00fc\r\n b\r\n"
    assert extra(header.encode()) == {"User-Id": "7", "A-Order": "\u00fc b"}
    assert extra(b"X-Mailstead-Reason: x\r\n") == {}


@pytest.mark.parametrize(
    "header",
    [
        b"X-Mailstead-Extra-A: 1\r\nX-Mailstead-Extra-a: 1\r\n",
        b"X-Mailstead-Extra-: 1\r\n",
        b"".join(b"X-Mailstead-Extra-%d: %s\r\n" % (number, b"y" * 40_000) for number in range(2)),
    ],
)
def test_what_clashes_or_is_too_much_is_refused(header: bytes) -> None:
    with pytest.raises(BadExtra):
        extra(header)


def test_the_limit_is_of_all_together() -> None:
    assert len(extra(b"X-Mailstead-Extra-A: " + b"y" * (OCTETS_MAX - 40) + b"\r\n")["A"]) == OCTETS_MAX - 40
