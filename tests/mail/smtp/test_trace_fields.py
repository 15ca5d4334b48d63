import pytest

from mail.address import Address
from mail.smtp.trace_fields import Hop, date, delivered_to, protocol, received, return_path, without_return_path

HOP = Hop("mx.x.org", "cid1", "client.example", "192.0.2.1", "ESMTPS", "TLSv1.3 TLS_AES_256_GCM_SHA384")
ANN = Address("ann", "x.org")


def test_received_tells_the_hop_in_the_order_of_the_rfc() -> None:
    assert received(HOP, at_ms=1_795_514_400_000, recipient=ANN) == (
        b"Received: from client.example ([192.0.2.1])\r\n\tby mx.x.org (Mailstead) with ESMTPS id cid1"
        b" (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tfor <ann@x.org>;\r\n\tTue, 24 Nov 2026 10:00:00 +0000\r\n"
    )


def test_several_recipients_are_not_told_of_each_other() -> None:
    assert b"for <" not in received(HOP, at_ms=0, recipient=None)


@pytest.mark.parametrize("name", ["evil\r\nBcc: x", "(comment", "a b", "\u00fc", "", "x" * 300])
def test_a_stranger_cannot_write_into_the_field(name: str) -> None:
    hop = Hop("mx.x.org", "cid1", name, "2001:db8::1", "SMTP", "")
    assert received(hop, at_ms=0, recipient=None).startswith(b"Received: from unknown ([IPv6:2001:db8::1])\r\n\tby ")


def test_a_users_address_is_not_told_to_the_world() -> None:
    hop = Hop("mx.x.org", "cid1", "laptop", "", "ESMTPSA", "")
    assert b"laptop" not in received(hop, at_ms=0, recipient=None)


def test_the_other_fields() -> None:
    assert return_path(None) == b"Return-Path: <>\r\n"
    assert return_path(ANN) == b"Return-Path: <ann@x.org>\r\n"
    assert delivered_to(ANN) == b"Delivered-To: ann@x.org\r\n"
    assert date(0) == "Thu, 1 Jan 1970 00:00:00 +0000"


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ((False, False, False, False), "SMTP"),
        ((True, False, False, False), "ESMTP"),
        ((True, False, True, True), "ESMTPSA"),
        ((True, True, True, False), "UTF8SMTPS"),
    ],
)
def test_the_protocols_name_is_rfc_3848s(facts: tuple[bool, bool, bool, bool], name: str) -> None:
    extended, smtputf8, tls, authenticated = facts
    assert protocol(extended=extended, smtputf8=smtputf8, tls=tls, authenticated=authenticated) == name


def test_a_message_that_goes_on_loses_its_return_path() -> None:
    assert without_return_path(return_path(ANN) + delivered_to(ANN)) == delivered_to(ANN)
    assert without_return_path(delivered_to(ANN)) == delivered_to(ANN)
