import pytest

from mail.message.dates import parse_date, render_date

NOON = 1_795_514_400_000


@pytest.mark.parametrize(
    "text",
    [
        b"Tue, 24 Nov 2026 10:00:00 +0000",
        b"24 Nov 2026 11:00:00 +0100",
        b"Tue, 24 Nov 26 05:00:00 EST",
        b"Tuesday, 24-Nov-2026 10:00:00 GMT",
        b" 24 Nov 2026 10:00 (comment)",
        # RFC 5322 appendix A.5 and A.6.2: comments and white space anywhere, two digits of a year.
        b"Tue, 24 Nov 26 10(comment):   00  :  00 -0000",
        b"Tue(day),(x)24 Nov (month) 2026 02:00:00 PST (Pacific)",
        b"24 Nov 2026 10:00:00 Z",
    ],
)
def test_every_way_to_write_one_moment(text: bytes) -> None:
    assert parse_date(text) == (NOON, NOON // 86_400_000)


@pytest.mark.parametrize("text", [b"", b"soon", b"31 Feb 2026 10:00:00 +0000", b"24 Foo 2026", b"0 Jan 2026 1:1"])
def test_what_is_no_date_is_none(text: bytes) -> None:
    assert parse_date(text) is None


def test_the_day_is_the_one_that_is_written() -> None:
    found = parse_date(b"Wed, 25 Nov 2026 01:00:00 +0900")
    assert found is not None and found[0] < found[1] * 86_400_000


def test_a_rendered_date_reads_back() -> None:
    assert parse_date(render_date(NOON).encode()) == (NOON, NOON // 86_400_000)
