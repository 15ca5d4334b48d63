"""Arriving mail for aliases: members here and elsewhere, and who hears of it when it goes wrong (features B02, B08;
security SM-10, SM-11).
"""

import re

import pytest

from tests.bundle import wait_until
from tests.deliver_sink import Sink
from tests.receiving import Host, Stranger

OPTIONS = ("--refuse-unknown",)
WITH_SINK = True
TEAM = "team@here.example"


@pytest.fixture(scope="module", autouse=True)
def aliases(host: Host) -> None:
    """All at once, as every change of addresses takes a second to be known."""
    for name in ("bob", "carol"):
        host.account(name)
    host.mailctl("alias", "add", TEAM, "bob@here.example", "carol@here.example")
    host.mailctl("alias", "add", "out@here.example", "bob@here.example", "eve@elsewhere.example")
    host.mailctl("alias", "add", "only@here.example", "bob@here.example", "ann@members.example", "--members-only")
    host.mailctl("alias", "add", "one@here.example", "bob@here.example")
    host.mailctl("alias", "add", "two@here.example", "one@here.example", "carol@here.example")
    host.mailctl("alias", "member", "add", "one@here.example", "two@here.example")
    host.mailctl("alias", "add", "lost@here.example", "gone@elsewhere.example")


@pytest.fixture
def ann(host: Host) -> Stranger:
    return host.stranger(policy="none")


def count(host: Host, message: bytes, account: str) -> int:
    """How many copies of it an account has."""
    wanted = re.search(rb"Message-ID: (\S+)", message)[1].decode()
    return sum(one.values("Message-ID") == [wanted] for one in host.kept(account))


def sent(sink: Sink, message: bytes) -> list[bytes]:
    """The copies that have left."""
    wanted = re.search(rb"Message-ID: \S+", message)[0]
    return [one for one in sink.messages if wanted in one]


def test_every_member_gets_one_copy_however_often_he_is_meant(host: Host, ann: Stranger):
    for to in ((TEAM,), (TEAM, "bob@here.example"), (TEAM, "one@here.example", "two@here.example")):
        message = ann.message(TEAM)
        assert ann.send(message, *to).begins("250 ")
        assert (count(host, message, "bob"), count(host, message, "carol")) == (1, 1)
    assert host.kept("carol")[-1].values("Delivered-To") == [TEAM]


def test_aliases_that_lead_to_each_other_end(host: Host, ann: Stranger):
    message = ann.message("one@here.example")
    assert ann.send(message, "one@here.example").begins("250 ")
    assert (count(host, message, "bob"), count(host, message, "carol")) == (1, 1)


def test_only_a_proved_member_may_write_where_members_may(host: Host, sink: Sink):
    host.dns.add({"members.example": [{"A": "127.8.8.8"}, {"TXT": "v=spf1 ip4:127.8.8.8 -all"}]})
    member = Stranger(host, "members.example", "127.8.8.8")
    message = member.message("only@here.example")
    assert member.send(message, "only@here.example").begins("250 ")
    # Everyone but he has a copy.
    assert count(host, message, "bob") == 1
    assert sent(sink, message) == [] and host.mailctl("queue", "list") == []
    stranger = host.stranger()
    assert stranger.write("only@here.example").begins("550 5.7.1 Only members")
    forged = stranger.message("only@here.example", From="ann@members.example")
    assert stranger.send(forged, "only@here.example").begins("550 5.7.1 Only members")


def test_a_member_elsewhere_gets_it_in_our_name(host: Host, ann: Stranger, sink: Sink):
    message = ann.sign(ann.message("out@here.example"))
    assert ann.send(message, "out@here.example").begins("250 ")
    assert count(host, message, "bob") == 1
    wait_until(lambda: bool(sent(sink, message)), 15, "the copy for elsewhere")
    (copy,) = sent(sink, message)
    assert b"Return-Path" not in copy and b"Delivered-To: out@here.example\r\n" in copy and copy.endswith(message)
    by, to = next((by, to) for by, to in zip(sink.commands, sink.commands[1:]) if "SRS0" in by and "eve@" in to)
    assert re.match(rf"MAIL FROM:<SRS0=\w+=\w+={ann.domain}=ann@here\.example>", by), by
    # A bounce to that address comes back to us and goes on to the sender; anything else to it does not.
    address = re.search(r"<([^>]+)>", by)[1]
    bounce = b"From: mailer-daemon@elsewhere.example\r\nTo: x\r\nSubject: failed\r\nMessage-ID: <%d@b>\r\n\r\nsorry\r\n"
    bounce %= len(sink.messages)
    eve = host.stranger()
    assert eve.send(bounce, address, mail_from="", helo=eve.domain).begins("250 ")
    wait_until(lambda: bool(sent(sink, bounce)), 15, "the bounce")
    assert f"RCPT TO:<{ann.address}>" in " ".join(sink.commands)
    assert eve.send(bounce, address).begins("550 5.1.1")
    assert eve.send(bounce, address.replace("SRS0=", "SRS0=a"), mail_from="", helo=eve.domain).begins("550 5.1.1")


def test_what_was_at_the_alias_before_is_in_a_loop(host: Host, ann: Stranger):
    came_back = b"Delivered-To: out@here.example\r\n" + ann.message("out@here.example")
    assert ann.send(came_back, "out@here.example").begins("550 5.4.6 Routing loop detected")
    assert ann.send(b"Delivered-To: other@here.example\r\n" + ann.message(TEAM), TEAM).begins("250 ")


def test_what_nobody_here_would_take_is_not_passed_on(host: Host, sink: Sink):
    victim, forger = host.stranger(policy="reject"), host.stranger()
    message = forger.message("lost@here.example", From=victim.address)
    assert forger.send(message, "lost@here.example").begins("550 5.7.26")
    assert sent(sink, message) == [] and host.mailctl("queue", "list") == []


def bounces(sink: Sink, to: str) -> int:
    return sum(f"RCPT TO:<{to}>" in command for command in sink.commands)


def test_a_failure_elsewhere_is_told_to_a_proved_sender_only(host: Host, sink: Sink):
    proved, unproved = host.stranger(), host.stranger(spf="?all")
    sink.answers["RCPT"] = lambda line: "550 5.1.1 gone" if "gone@" in line else "250 2.1.5 fine"
    try:
        for one in (unproved, proved):
            assert one.write("lost@here.example").begins("250 ")
        wait_until(lambda: bounces(sink, proved.address) == 1, 20, "the notice")
        wait_until(lambda: host.mailctl("queue", "list") == [], 10, "an empty queue")
    finally:
        del sink.answers["RCPT"]
    assert bounces(sink, unproved.address) == 0
    notice = sink.messages[-1]
    assert b"lost@here.example" in notice and b"gone@elsewhere.example" not in notice
    assert b"Auto-Submitted: auto-replied" in notice
