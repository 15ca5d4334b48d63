"""Arriving mail: who is not known waits, and nobody else (features S02). That hosts wait 15 s is the default of their
setting, and every other file of these tests runs without a delay.
"""

import smtplib
import threading
import time

import pytest

from tests.receiving import PASSWORD, Host, Stranger

OPTIONS = ("--first-time-delay", "1")
TO = "bob@here.example"


@pytest.fixture(scope="module", autouse=True)
def accounts(host: Host) -> None:
    host.account("bob")
    host.account("carol")


def seconds(stranger: Stranger, to: str = TO, **options: bool) -> float:
    """How long the reply took that the message is taken."""
    message = stranger.message(to)
    stranger.host.wait_for_changes()
    begun = time.monotonic()
    assert stranger.send(message, to, **options).begins("250 ")
    return time.monotonic() - begun


def test_an_unknown_sender_waits_until_the_owner_says_that_he_is_good(host: Host):
    ann = host.stranger()
    assert 1 <= seconds(ann) < 3
    (kept,) = host.kept("bob")
    assert kept.reason.startswith("no-bad-signals; ")
    assert len(host.trace(TO)) == 1
    assert 1 <= seconds(ann) < 3
    host.mark("bob", "$NotJunk", kept.uid)
    assert seconds(ann) < 1


def test_nobody_waits_for_an_account_that_wants_no_delay(host: Host):
    host.mailctl("account", "set", "carol", "--no-first-time-delay")
    assert seconds(host.stranger(), "carol@here.example") < 1


def test_lists_and_forwarders_the_owner_trusts_do_not_wait(host: Host):
    robot, forwarder = host.stranger(), host.stranger()
    host.mailctl("ruleset", "add", TO, "--verified-domain", robot.domain, "--list-domain", robot.domain)
    rule = ("--forward", "--mail-from-regexp", f"@{forwarder.domain}$", "--verified-domain", forwarder.domain)
    host.mailctl("ruleset", "add", TO, *rule)
    assert seconds(robot) < 1 and seconds(forwarder) < 1


def test_who_is_refused_hears_it_at_once(host: Host):
    ann = host.stranger(spf="-all")
    begun = time.monotonic()
    assert ann.write(TO).begins("451 ")
    assert time.monotonic() - begun < 1


def test_submitted_mail_never_waits(host: Host):
    address, port = host.bundle.address("submissions")
    with smtplib.SMTP_SSL(address, port, context=host.bundle.tls) as client:
        client.login("bob", PASSWORD)
        begun = time.monotonic()
        message = f"From: {TO}\r\nTo: carol@here.example\r\nSubject: x\r\n\r\nx\r\n"
        client.sendmail(TO, ["carol@here.example"], message)
        assert time.monotonic() - begun < 1


def test_those_who_wait_do_not_keep_others_waiting(host: Host):
    unknown = [host.stranger() for _ in range(20)]
    threads = [threading.Thread(target=seconds, args=(one,)) for one in unknown]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    assert seconds(host.stranger(), "carol@here.example") < 1
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun < 10
    assert len([row for row in host.trace(TO) if row["verdict"] == "accepted"]) >= 20
