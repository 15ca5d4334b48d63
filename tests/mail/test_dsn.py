from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.dsn import Kind, Original, RecipientReport, render

ORIGINAL = Original("m1@x.org", "env+1", 1_795_514_400_000, b"Subject: hi\r\nTo: b@y\r\n\r\nbody\r\n", True, False)
REPORT = RecipientReport(
    "bob@y.org", "5.1.1", "550 5.1.1 no such user", "mx.y.org", "rfc822;bob@y.org", 1_795_514_500_000
)
NOW = 1_795_514_600_000


def rendered(kind: Kind = Kind.FAILED, report: RecipientReport = REPORT, original: Original = ORIGINAL) -> bytes:
    return render(kind, "mx.x.org", "ann@x.org", [report], original, now=NOW)


def test_a_failure_is_a_report_of_three_parts_programs_can_read() -> None:
    message = message_from_bytes(rendered(), policy=policy.default)
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == "<m1@x.org>"
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    words, status, returned = message.iter_parts()
    assert "The server mx.y.org said: 550 5.1.1 no such user" in words.get_content()
    about, bob = status.get_payload()
    assert (about["Reporting-MTA"], about["Original-Envelope-Id"]) == ("dns; mx.x.org", "env+1")
    assert about["Arrival-Date"] == "Tue, 24 Nov 2026 10:00:00 +0000"
    assert [bob[name] for name in ("Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA")] == [
        "rfc822; bob@y.org",
        "rfc822; bob@y.org",
        "failed",
        "5.1.1",
        "dns; mx.y.org",
    ]
    assert bob["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert returned.get_content_type() == "message/rfc822"
    assert returned.get_payload()[0]["Subject"] == "hi"


@pytest.mark.parametrize("kind", [Kind.DELAYED, Kind.DELIVERED, Kind.RELAYED])
def test_only_a_failure_returns_content(kind: Kind) -> None:
    *_, returned = message_from_bytes(rendered(kind)).get_payload()
    assert returned.get_content_type() == "text/rfc822-headers"
    assert returned.get_payload() == "Subject: hi\nTo: b@y\n".replace("\n", "\r\n")


def test_a_delay_says_until_when_it_is_tried() -> None:
    report = RecipientReport("bob@y.org", "4.4.1", will_retry_until=NOW + 86_400_000)
    octets = rendered(Kind.DELAYED, report)
    assert b"Will-Retry-Until: Wed, 25 Nov 2026 10:03:20 +0000" in octets
    assert b"Tried until:" in octets


def test_a_header_cut_short_ends_at_a_field() -> None:
    octets = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 900) for number in range(200)) + b"\r\nbody"
    *_, returned = message_from_bytes(rendered(original=Original("", "", 0, octets, False, False))).get_payload()
    lines = returned.get_payload().splitlines()
    assert all(line.startswith("X-") and line.endswith("y" * 900) for line in lines if line)


def test_an_internationalized_address_uses_the_global_types() -> None:
    report = RecipientReport("j\u00f6rg@y.org", "5.1.1", "550 unbekannt \u00fc")
    octets = rendered(report=report, original=Original("m1@x.org", "", 0, b"Subject: \xc3\xbc\r\n\r\n", True, True))
    assert b"message/global-delivery-status" in octets
    assert b"message/global\r\n" in octets
    assert "Final-Recipient: utf-8; j\u00f6rg@y.org".encode() in octets


@given(st.text(max_size=300))
def test_no_remotes_words_can_write_a_field_or_end_a_part(diagnostic: str) -> None:
    octets = rendered(
        report=RecipientReport("bob@y.org", "5.0.0", diagnostic + "\r\nAction: delivered\r\n\r\n--report-")
    )
    message = message_from_bytes(octets)
    assert [part.get_content_type() for part in message.get_payload()] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]
    _, bob = message.get_payload()[1].get_payload()
    assert bob.get_all("Action") == ["failed"]


@pytest.mark.parametrize(
    "odd", ["=?utf-8?q?=0A?=Bcc", "a\x01b", "a\r\nBcc: e@x", "a b", "<", "x" * 2000, "ä"], ids=ascii
)
def test_what_a_stranger_wrote_never_keeps_a_notification_from_being_written(odd: str) -> None:
    original = Original(odd, "", 0, b"Subject: hi\r\n\r\n", True, False)
    report = RecipientReport(f"{odd[:9]}@y.org".replace("\r", "").replace("\n", "").replace("\x01", ""), "5.1.1", odd)
    message = message_from_bytes(render(Kind.FAILED, "mx.x.org", "=?utf-8?q?=0A?=@x.org", [report], original, now=NOW))
    assert message["In-Reply-To"] is None and message["Bcc"] is None
    assert message["To"] == "undisclosed-recipients:;"
