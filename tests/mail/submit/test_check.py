import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.address import Address
from mail.smtp.replies import Reply
from mail.submit import check as module
from mail.submit.check import Checked, check, summarized

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


def refusal(octets: bytes, **more: bool) -> str:
    found = checked(octets, **more).refusal
    return f"{found.code} {found.enhanced} {found.text}" if found else ""


def test_a_whole_message_is_taken_as_it_is() -> None:
    found = checked(WHOLE)
    assert (found.refusal, found.header, found.author) == (None, None, ANN)
    assert found.summary is not None and found.summary.message_id == "1@x.org"


def test_a_message_that_lacks_something_is_to_be_repaired_and_summarized_then() -> None:
    octets = b"Subject: x\r\nBcc: b@y.org\r\n\r\nhi\r\n"
    found = checked(octets)
    assert found.refusal is None and found.summary is None and found.author is None
    assert found.header is not None and found.header.startswith(b"From: <ann@x.org>\r\nDate: ")
    made = found.header + octets[found.header_end :]
    assert made.endswith(b"Subject: x\r\n\r\nhi\r\n")
    summary = summarized(made)
    assert summary is not None and summary.message_id.endswith("@mx.x.org")
    assert checked(made).header is None


def test_a_message_without_any_field_gets_them() -> None:
    found = checked(b"\r\nhi\r\n")
    assert found.header_end == 0 and found.header is not None and found.header.count(b"\r\n") == 3


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"no header at all\r\n", module.NO_SEPARATION),
        (b"Return-Path: <x@y>\r\n" + WHOLE, module.RETURN_PATH),
        (b"From: bob@x.org\r\n" + WHOLE, module.ONE_FROM),
        (WHOLE.replace(b"Ann <ann@x.org>", b"ann@x.org, bob@x.org"), module.ONE_FROM),
        (WHOLE.replace(b"Ann <ann@x.org>", b"Friends: ann@x.org;"), module.ONE_FROM),
        (WHOLE.replace(b"Ann <ann@x.org>", b""), module.ONE_FROM),
        (b"Sender: ann@x.org\r\nSender: bob@x.org\r\n" + WHOLE, module.ONE_SENDER),
        (b"Sender: ann@x.org, bob@x.org\r\n" + WHOLE, module.ONE_SENDER),
        (b"Sender: nobody\r\n" + WHOLE, module.ONE_SENDER),
        ("Subject: \u00fc\r\n".encode() + WHOLE, module.NEEDS_SMTPUTF8),
        (b"Received: x\r\n" * 101 + WHOLE, module.LOOP),
        (b"X: y\r\n" * 20_000 + WHOLE, module.TOO_COMPLEX),
        (b"not a field\r\n" + WHOLE, module.NOT_FIELDS),
        (b"From ann Tue Nov 24\r\n" + WHOLE, module.NOT_FIELDS),
        (b"Subject : x\r\n" + WHOLE, module.NOT_FIELDS),
        (b" folded\r\n" + WHOLE, module.NOT_FIELDS),
    ],
)
def test_what_may_not_be_sent_is_refused_with_its_reason(octets: bytes, reply: Reply) -> None:
    assert checked(octets).refusal == reply


def test_who_is_not_the_users_own_is_named() -> None:
    foreign = WHOLE.replace(b"ann@x.org>\r\nDate", b"ceo@bank.example>\r\nDate")
    assert refusal(foreign) == "550 5.7.1 Message From must belong to the authenticated user: ceo@bank.example"
    words = "550 5.7.1 Message Sender must belong to the authenticated user: ceo@bank.example"
    assert refusal(b"Sender: Boss <ceo@bank.example>\r\n" + WHOLE) == words
    assert refusal(b"Sender: Bob <bob@x.org>\r\n" + WHOLE) == ""


@pytest.mark.parametrize(
    "value",
    [
        b"nobody",
        b"=?utf-8?q?ceo=40bank.example?= <=?utf-8?q?ann?=@x.org>",
        b"ceo@bank.example <ann@x.org>",
        b"ann@x.org\r\n \r\n (x)",
    ],
)
def test_a_from_that_readers_may_read_otherwise_is_refused(value: bytes) -> None:
    assert refusal(WHOLE.replace(b"Ann <ann@x.org>", value)).startswith("550 5.7.1 Message ")


def test_utf_8_in_the_header_passes_with_smtputf8() -> None:
    assert refusal("Subject: \u00fc\r\n".encode() + WHOLE, smtputf8=True) == ""
    assert checked(b"Subject: \xfc\r\n" + WHOLE, smtputf8=True).refusal == module.NOT_UTF8


def test_the_null_sender_needs_a_from() -> None:
    assert checked(b"Subject: x\r\n\r\n", mail_from=None).refusal == module.ONE_FROM


def test_extra_fields_are_read_and_those_that_clash_refused() -> None:
    assert checked(b"X-Mailstead-Extra-user-id: 7\r\n" + WHOLE).extra == {"User-Id": "7"}
    assert refusal(b"X-Mailstead-Extra-A: 1\r\n" * 2 + WHOLE).startswith("554 5.6.0 ")


@pytest.mark.parametrize(
    ("field", "no"),
    [
        (b"TLS-Required: No\r\n", True),
        (b"tls-required: no\r\n", True),
        (b"TLS-Required: yes\r\n", False),
        (b"TLS-Required: No\r\nTLS-Required: No\r\n", False),
        (b"", False),
    ],
)
def test_tls_required_no_is_read(field: bytes, no: bool) -> None:
    assert checked(field + WHOLE).tls_required_no is no


@given(st.binary(max_size=400))
def test_any_octets_are_taken_or_refused(octets: bytes) -> None:
    whole = b"From: ann@x.org\r\n" + octets
    found = checked(whole, smtputf8=True)
    if found.refusal is None:
        assert (found.summary is None) == (found.header is not None)
        made = whole if found.header is None else found.header + whole[found.header_end :]
        assert checked(made, smtputf8=True).header is None
