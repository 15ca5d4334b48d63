import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.address import Address
from mail.message.fields import parse_header
from mail.submit.repair import repaired

ANN = Address("ann", "x.org")
WHOLE = b"From: Ann <ann@x.org>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x.org>\r\n"


def repair(block: bytes, mail_from: Address | None = ANN) -> bytes | None:
    header = parse_header(block + b"\r\n")
    return repaired(block, header, mail_from=mail_from, hostname="mx.x.org", now=1_795_514_400_000)


def test_a_whole_header_stays_as_it_is() -> None:
    assert repair(WHOLE) is None
    assert repair(WHOLE + b"X-Mailstead-Extra-User-Id: 7\r\nSubject: Bcc: no\r\n\tBcc: no\r\n") is None


def test_what_a_client_left_out_is_put_in_front() -> None:
    made = repair(b"Subject: x\r\n")
    assert made is not None
    lines = made.split(b"\r\n")
    assert lines[:2] == [b"From: <ann@x.org>", b"Date: Tue, 24 Nov 2026 10:00:00 +0000"]
    assert lines[2].startswith(b"Message-ID: <") and lines[2].endswith(b"@mx.x.org>")
    assert lines[3:] == [b"Subject: x", b""]


def test_an_empty_date_or_message_id_is_none() -> None:
    made = repair(b"From: ann@x.org\r\nDate:\r\nMessage-ID: \r\n\t\r\n")
    assert made is not None
    names = [field.name for field in parse_header(made + b"\r\n").fields]
    assert names == [b"date", b"message-id", b"from"]
    assert all(field.value for field in parse_header(made + b"\r\n").fields)


@pytest.mark.parametrize(
    "field",
    [
        b"Bcc: secret@y.org,\r\n other@y.org\r\n",
        b"bcc:\r\n",
        b"Resent-Bcc: secret@y.org\r\n",
        b"Delivered-To: ann@x.org\r\n",
        b"X-Mailstead-Reason: known-sender\r\n",
        b"Authentication-Results: mx.x.org;\r\n dkim=pass\r\n",
    ],
)
def test_what_others_must_not_see_or_believe_is_taken_out(field: bytes) -> None:
    assert repair(field + WHOLE) == WHOLE
    assert repair(WHOLE + field) == WHOLE
    assert repair(WHOLE + field + b"Subject: x\r\n") == WHOLE + b"Subject: x\r\n"


def test_results_of_others_stay() -> None:
    assert repair(b"Authentication-Results: mx.other.example; dkim=pass\r\n" + WHOLE) is None


def test_the_null_sender_makes_no_from() -> None:
    assert repair(b"Subject: x\r\n", None) is not None
    assert b"From" not in (repair(b"Subject: x\r\n", None) or b"")


@given(st.lists(st.sampled_from([b"Bcc", b"Date", b"Subject", b"X", b"Resent-Bcc", b"Delivered-To"]), max_size=8))
def test_a_repaired_header_needs_no_repair(names: list[bytes]) -> None:
    block = b"".join(name + b": a\r\n b\r\n" for name in names)
    made = repair(block)
    assert made is None or repair(made) is None
