import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.address import Address
from mail.smtp.replies import Reply
from mail.submit import check as module
from mail.submit.check import Checked, check

ANN = Address("ann", "x.org")
WHOLE = b"From: Ann <ann@x.org>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x.org>\r\n\r\nhi\r\n"


def checked(octets: bytes, *, smtputf8: bool = False, mail_from: Address | None = ANN) -> Checked:
    return check(
        octets,
        mail_from=mail_from,
        smtputf8=smtputf8,
        owns=lambda address: address.domain == "x.org",
        hostname="mx.x.org",
        now=1_795_514_400_000,
    )


def test_a_whole_message_is_taken_as_it_is() -> None:
    found = checked(WHOLE)
    assert (found.refusal, found.added) == (None, b"")
    assert found.summary is not None and found.summary.message_id == "1@x.org"


def test_what_a_client_left_out_is_put_in_front() -> None:
    lines = checked(b"Subject: x\r\n\r\nhi\r\n").added.split(b"\r\n")
    assert lines[0] == b"From: <ann@x.org>"
    assert lines[1] == b"Date: Tue, 24 Nov 2026 10:00:00 +0000"
    assert lines[2].startswith(b"Message-ID: <") and lines[2].endswith(b"@mx.x.org>")


@pytest.mark.parametrize(
    ("octets", "refusal"),
    [
        (b"no header at all\r\n", module.NO_SEPARATION),
        (b"Return-Path: <x@y>\r\n" + WHOLE, module.RETURN_PATH),
        (b"From: bob@x.org\r\n" + WHOLE, module.ONE_FROM),
        (WHOLE.replace(b"Ann <ann@x.org>", b"ann@x.org, bob@x.org"), module.ONE_FROM),
        (WHOLE.replace(b"Ann <ann@x.org>", b"Friends: ann@x.org;"), module.ONE_FROM),
        (WHOLE.replace(b"Ann <ann@x.org>", b"nobody"), module.ONE_FROM),
        (WHOLE.replace(b"Ann <ann@x.org>", b""), module.ONE_FROM),
        (WHOLE.replace(b"ann@x.org", b"ceo@bank.example"), module.NOT_OWNED),
        ("Subject: \u00fc\r\n".encode() + WHOLE, module.NEEDS_SMTPUTF8),
        (b"Received: x\r\n" * 101 + WHOLE, module.LOOP),
        (b"X: y\r\n" * 20_000 + WHOLE, module.TOO_COMPLEX),
    ],
)
def test_what_may_not_be_sent_is_refused_with_its_reason(octets: bytes, refusal: Reply) -> None:
    assert checked(octets).refusal == refusal


def test_utf_8_in_the_header_passes_with_smtputf8() -> None:
    assert checked("Subject: \u00fc\r\n".encode() + WHOLE, smtputf8=True).refusal is None


def test_the_null_sender_needs_a_from() -> None:
    assert checked(b"Subject: x\r\n\r\n", mail_from=None).refusal == module.ONE_FROM


@given(st.binary(max_size=400))
def test_any_octets_are_taken_or_refused(octets: bytes) -> None:
    found = checked(b"From: ann@x.org\r\n" + octets, smtputf8=True)
    assert (found.refusal is None) == (found.summary is not None)
