"""Arriving mail where something is full, down or too much (features B05, B08; features-1 §8; security SM-10)."""

import re
import smtplib
import threading
from collections.abc import Callable

import pytest

from tests.bundle import kill, wait_until
from tests.deliver_sink import Sink
from tests.receiving import Host, Reply, Stranger

OPTIONS = ("--messages-per-minute", "500")
WITH_SINK = True


@pytest.fixture(scope="module", autouse=True)
def accounts(host: Host) -> None:
    """All at once, as every change of addresses takes a second to be known."""
    for name in ("bob", "carol", "dave", "erin", "frank", "full", "grace"):
        host.account(name)
    host.mailctl("alias", "add", "team@here.example", "full@here.example", "bob@here.example")
    host.mailctl("account", "set", "full", "--quota", "10000")
    host.append("full", "Archive", b"Subject: x\r\n\r\n".ljust(9998, b"y") + b"\r\n")


def flood(stranger: Stranger, to: str, count: int) -> list[Reply]:
    """So many messages one after the other, and what was said to each."""
    replies: list[Reply] = []
    while len(replies) < count:
        with stranger.host.smtp(stranger.ip, tls=False) as client:
            # The most one session may bring.
            for _ in range(min(100, count - len(replies))):
                client.mail(stranger.address)
                client.rcpt(to)
                code, words = client.data(stranger.message(to))
                replies.append(Reply(code, words.decode()))
    return replies


def at_once(*works: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_one_network_may_bring_an_account_so_many_messages_a_minute(host: Host):
    to = "grace@here.example"
    host.mailctl("ruleset", "add", to, "--from-regexp", "@", "--accept-rejects-to", "Doubtful")
    ann = host.stranger()
    host.wrote_to("grace", ann.address)
    taken: list[Reply] = []
    at_once(*(lambda: taken.extend(flood(ann, to, 100)) for _ in range(5)))
    assert [one for one in taken if one.code != 250] == []
    # What came in the minute of the clock before counts less and less: over its end a few more are let in.
    while (reply := ann.write(to)).code == 250 and len(taken) < 530:
        taken.append(reply)
    assert reply.begins("452 4.2.2 ") and host.reason(to) == "high-rate"
    for mailbox, count in (("INBOX", len(taken)), ("Rejects", 0), ("Doubtful", 0)):
        assert len(host.kept("grace", mailbox)) == count
    # Other networks and other accounts are not his.
    assert host.stranger().write(to).begins("250 ") and ann.write("bob@here.example").begins("250 ")


def test_a_message_that_does_not_fit_is_put_off_and_one_that_does_is_taken(host: Host):
    to = "dave@here.example"
    host.mailctl("account", "set", "dave", "--quota", "10000")
    host.append("dave", "Archive", b"Subject: x\r\n\r\n".ljust(8998, b"y") + b"\r\n")
    ann = host.stranger()
    assert ann.send(ann.message(to, body="x" * 2000), to).begins("452 4.2.2 ")
    assert host.reason(to) == "over-quota" and host.kept("dave", "Rejects") == []
    assert ann.send(ann.message(to, body="x" * 700), to).begins("250 ")
    with host.imap("dave") as client:
        client.select_folder("Archive")
        client.delete_messages(client.search())
        client.expunge()
    assert ann.send(ann.message(to, body="x" * 2000), to).begins("250 ")


def test_who_is_proved_is_told_of_the_one_recipient_that_is_full(host: Host, sink: Sink):
    ann = host.stranger()
    message = ann.message("x@here.example", "partly")
    assert ann.send(message, "full@here.example", "bob@here.example").begins("250 ")
    assert host.kept("bob")[-1].values("Subject") == ["partly"]
    wait_until(lambda: any(b"full@here.example" in one for one in sink.messages), 15, "the notice")
    (notice,) = [one for one in sink.messages if b"full@here.example" in one]
    assert f"RCPT TO:<{ann.address}>" in " ".join(sink.commands) and "MAIL FROM:<>" in " ".join(sink.commands)
    assert re.search(rb"Final-Recipient: rfc822; ?full@here\.example\r\n", notice)
    assert re.search(rb"Status: 4\.2\.2\r\n", notice) and b"bob@here.example" not in notice
    assert f"postmaster@{host.settings.hostname}".encode() in notice


def test_who_is_not_proved_hears_of_the_full_one_and_nobody_is_served(host: Host, sink: Sink):
    ann = host.stranger(spf="?all")
    before = len(host.kept("bob"))
    assert ann.send(ann.message("x@here.example"), "full@here.example", "bob@here.example").begins("452 4.2.2 ")
    assert len(host.kept("bob")) == before and host.mailctl("queue", "list") == []


@pytest.mark.parametrize("spf", ["{ip} -all", "?all"])
def test_an_alias_has_done_its_part_when_one_member_has_room(host: Host, sink: Sink, spf: str):
    ann = host.stranger(spf=spf)
    message = ann.message("team@here.example", "to the team")
    sent = len(sink.messages)
    assert ann.send(message, "team@here.example").begins("250 ")
    assert host.kept("bob")[-1].values("Subject") == ["to the team"]
    assert host.mailctl("queue", "list") == [] and len(sink.messages) == sent


def test_who_disagree_about_a_message_get_it_each_in_his_way(host: Host, sink: Sink):
    ann = host.stranger(spf="-all")
    host.wrote_to("erin", ann.address)
    sent = len(sink.messages)
    message = ann.message("x@here.example", "disputed")
    assert ann.send(message, "frank@here.example", "erin@here.example").begins("250 ")
    assert host.kept("erin")[-1].values("Subject") == ["disputed"] and host.kept("frank") == []
    (kept,) = host.kept("frank", "Rejects")
    assert "\\Seen" in kept.flags and "another recipient takes the message" in kept.reason
    assert host.mailctl("queue", "list") == [] and len(sink.messages) == sent
    assert ann.send(message, "frank@here.example", "carol@here.example").begins("451 ")


def test_forged_senders_never_hear_from_us(host: Host, sink: Sink):
    victim, forger = host.stranger(), host.stranger()
    sent = len(sink.messages)
    for to in (("full@here.example",), ("full@here.example", "bob@here.example"), ("nobody@off.example",)):
        for _ in range(10):
            host.send(victim.message(to[0]), *to, mail_from=victim.address, ip=forger.ip, tls=False)
    assert host.mailctl("queue", "list") == [] and len(sink.messages) == sent


def test_without_redis_all_is_decided_as_ever(host: Host):
    host.bundle.supervisorctl("stop", "redis")
    try:
        ann, eve, victim = host.stranger(), host.stranger(spf="~all"), host.stranger(policy="reject")
        assert ann.write("carol@here.example").begins("250 ")
        assert eve.write("carol@here.example").begins("451 4.3.0")
        assert ann.send(ann.message("carol@here.example", From=victim.address), "carol@here.example").begins(
            "550 5.7.26"
        )
        host.mark("carol", "$Junk", host.kept("carol")[-1].uid)
        assert ann.write("carol@here.example").begins("451 4.3.0")
        assert [row["reason"] for row in host.trace("carol@here.example")][:4] == [
            "msgfromfull",
            "dmarc-policy",
            "spf-policy",
            "no-bad-signals",
        ]
    finally:
        host.bundle.supervisorctl("start", "redis")


def test_nothing_that_was_promised_is_lost_when_the_keeper_is_killed(host: Host):
    promised: list[str] = []
    senders = [host.stranger() for _ in range(4)]

    def bring(ann: Stranger) -> None:
        for _ in range(40):
            message = ann.message("bob@here.example")
            name = re.search(rb"Message-ID: (\S+)", message)[1].decode()
            try:
                if ann.send(message, "bob@here.example", tls=False).code == 250:
                    promised.append(name)
            except (smtplib.SMTPException, OSError):
                continue

    def strike() -> None:
        wait_until(lambda: len(promised) > 20, 20, "mail is coming in")
        keeper = next(pid for pid, command in host.bundle.programs() if "--name keeper" in command)
        kill(keeper)

    at_once(strike, *(lambda ann=ann: bring(ann) for ann in senders))
    wait_until(lambda: host.stranger().write("bob@here.example").code == 250, 20, "the keeper is back")
    kept = [name for one in host.kept("bob") for name in one.values("Message-ID")]
    assert len(promised) > 20 and set(promised) <= set(kept)
    assert len(kept) == len(set(kept)), "each once"
    assert host.mailctl("verify")["ok"]
