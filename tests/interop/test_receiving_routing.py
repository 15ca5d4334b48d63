"""Arriving mail: which addresses we take, and whose mailbox they lead to (features S08, B02, B24; features-1 §4;
security SM-8, SM-11, SM-12).
"""

import smtplib
import time
import unicodedata

import pytest
from imapclient.exceptions import LoginError

from mail.errors import MailError
from tests.bundle import wait_until
from tests.deliver_sink import Sink
from tests.receiving import PASSWORD, Host, Stranger, text
from tests.wire import Wire

OPTIONS = ("--refuse-unknown",)
WITH_SINK = True


@pytest.fixture(scope="module", autouse=True)
def addresses(host: Host) -> None:
    """All at once, as every change of addresses takes a second to be known."""
    host.account("bob", "bob@here.example", "caf\u00e9@here.example", "postmaster@own.example", "bob@own.example")
    host.account("carol", "carol@here.example")
    host.account("dave", "dave@catch.example", "@catch.example", "old@catch.example", "tests@catch.example")
    host.mailctl("domain", "add", "strict.example", "--case-sensitive")
    host.mailctl("address", "add", "Eve@strict.example", "bob")
    host.mailctl("address", "add", "@strict.example", "carol")
    host.mailctl("domain", "add", "off.example", "--disabled")
    host.mailctl("address", "set", "old@catch.example", "--smtp-error", "550 no such user, since May")
    host.mailctl("account", "disable", "carol", "Please call us")
    host.dns.add({"elsewhere.example": [{"MX": [10, "mx.elsewhere.example."]}], "null.example": [{"MX": [0, "."]}]})


@pytest.fixture
def ann(host: Host) -> Stranger:
    return host.stranger()


def delivered(host: Host, account: str, ann: Stranger, to: str, mailbox: str = "INBOX") -> str:
    """Takes a message to that address: what Delivered-To says where it came to."""
    subject = f"to {to.encode('unicode_escape').decode()} {time.monotonic_ns()}"
    message = ann.message("someone@here.example", subject)
    assert ann.send(message, to).begins("250 "), to
    found = [one for one in host.kept(account, mailbox) if one.values("Subject") == [subject]]
    assert len(found) == 1, (to, account)
    return found[0].values("Delivered-To")[0]


def refusal(ann: Stranger, to: str) -> str:
    reply = ann.send(ann.message("someone@here.example"), to)
    assert reply.code >= 400, to
    return str(reply)


@pytest.mark.parametrize(
    ("account", "to"),
    [
        ("bob", "bob@here.example"),
        ("bob", "BOB@HERE.example"),
        ("bob", "Bob+shopping@here.example"),
        ("dave", "dave@catch.example"),
        ("dave", "dave+x@catch.example"),
        ("dave", "nobody@catch.example"),
        ("dave", "postmaster@catch.example"),
        ("bob", "Eve@strict.example"),
    ],
)
def test_mail_comes_to_whose_address_it_is(host: Host, ann: Stranger, account: str, to: str):
    assert delivered(host, account, ann, to) == to.rpartition("@")[0] + "@" + to.rpartition("@")[2].lower()


def test_where_case_matters_another_spelling_is_another_name(host: Host, ann: Stranger):
    assert ann.write("eve@strict.example").begins("250 ")
    trace = host.trace("eve@strict.example")[0]
    carol = next(one["id"] for one in host.mailctl("account", "list") if one["name"] == "carol")
    assert trace["account_id"] == carol and trace["verdict"] == "accepted"


def test_who_may_not_log_in_gets_mail_all_the_same(host: Host, ann: Stranger):
    assert ann.write("carol@here.example").begins("250 ")
    with Wire(host.bundle.address("imap")) as wire:
        wire.line()
        wire.tagged(b"STARTTLS")
        wire.start_tls(host.bundle.tls)
        assert b"Please call us" in wire.tagged(b'LOGIN carol "correct horse battery"')[-1]


def test_an_unknown_recipient_is_refused_before_the_message(host: Host, ann: Stranger):
    assert refusal(ann, "nobody@here.example").startswith("550 5.1.1 ")
    # A Cyrillic look-alike is another name.
    assert refusal(ann, "b\u043eb@here.example").startswith("550 5.1.1 ")


def test_an_address_may_refuse_its_mail_although_there_is_a_catchall(ann: Stranger):
    assert refusal(ann, "old@catch.example").startswith("550 5.1.1 no such user, since May")


def test_mail_for_a_disabled_domain_is_put_off(ann: Stranger):
    assert refusal(ann, "bob@off.example").startswith("450 4.2.1 ")


def test_one_account_has_the_catchall_and_one_address_one_spelling(host: Host):
    for address in ("@catch.example", "BOB@here.example", "bob+x@here.example", "cafe\u0301@here.example"):
        with pytest.raises(MailError):
            host.mailctl("address", "add", address, "carol")


def test_both_forms_of_an_accent_are_one_name(host: Host, ann: Stranger):
    for form in ("NFC", "NFD"):
        to = unicodedata.normalize(form, "caf\u00e9@here.example")
        assert unicodedata.normalize("NFC", delivered(host, "bob", ann, to)) == "caf\u00e9@here.example"


def test_an_author_in_another_form_is_the_same_author(host: Host):
    ann = host.stranger()
    known, other = (unicodedata.normalize(form, f"ren\u00e9@{ann.domain}") for form in ("NFC", "NFD"))
    assert ann.send(ann.message("caf\u00e9@here.example", From=known), "caf\u00e9@here.example").begins("250 ")
    host.mark("bob", "$NotJunk", host.kept("bob")[-1].uid)
    assert ann.send(ann.message("caf\u00e9@here.example", From=other), "caf\u00e9@here.example").begins("250 ")
    assert "reputation by msgfromfull" in host.kept("bob")[-1].reason


def test_too_long_a_localpart_is_no_address(ann: Stranger):
    assert refusal(ann, "x" * 129 + "@here.example")[0] == "5"


def test_reports_come_to_their_mailbox(host: Host, ann: Stranger):
    assert delivered(host, "mailstead", ann, "dmarcreports@catch.example", "DMARC") == "dmarcreports@catch.example"


def test_postmaster_has_mail_however_he_is_written_to(host: Host, ann: Stranger):
    hostname = host.settings.hostname
    for to in ("postmaster", f"POSTMASTER@{hostname}", f"postmaster@{hostname}", "Postmaster@here.example"):
        assert delivered(host, "mailstead", ann, to).lower().startswith("postmaster@")
    assert delivered(host, "bob", ann, "postmaster@own.example") == "postmaster@own.example"
    assert refusal(ann, "postmaster@unknown.example").startswith("550 5.7.1 ")


def test_a_new_domain_and_its_addresses_count_without_a_restart(host: Host, ann: Stranger):
    assert refusal(ann, "bob@new.example").startswith("550 5.7.1 ")
    host.mailctl("domain", "add", "new.example")
    host.mailctl("address", "add", "bob@new.example", "bob")
    assert delivered(host, "bob", ann, "bob@new.example") == "bob@new.example"
    host.mailctl("address", "remove", "bob@new.example")
    host.wait_for_changes()
    assert refusal(ann, "bob@new.example").startswith("550 5.1.1 ")


def test_of_an_account_that_is_removed_nothing_is_left(host: Host, ann: Stranger, sink: Sink):
    """Features B02: nobody logs in as it, nobody writes to it, and what it had sent waits no longer."""
    to = host.account("gone")
    assert delivered(host, "gone", ann, to) == to
    sink.answers["RCPT"] = "451 4.3.0 later"
    try:
        with smtplib.SMTP_SSL(*host.bundle.address("submissions"), context=host.bundle.tls) as client:
            client.login(to, PASSWORD)
            client.sendmail(to, ["x@elsewhere.example"], f"From: {to}\r\nSubject: x\r\n\r\nx\r\n")
        wait_until(lambda: len(host.mailctl("queue", "list")) == 1, 10, "it waits in the queue")
        host.mailctl("account", "remove", "gone", "--yes")
        assert host.mailctl("queue", "list") == []
    finally:
        del sink.answers["RCPT"]
    host.wait_for_changes()
    assert refusal(ann, to).startswith("550 5.1.1 ")
    with pytest.raises(LoginError), host.imap("gone"):
        pass
    assert host.mailctl("verify")["ok"]


def test_a_new_account_has_its_mailboxes(host: Host):
    with host.imap("dave") as client:
        found = {name: {flag.decode() for flag in flags} for flags, _, name in client.list_folders()}
    uses = {"Archive": "\\Archive", "Drafts": "\\Drafts", "Junk": "\\Junk", "Sent": "\\Sent", "Trash": "\\Trash"}
    assert found.keys() == {"Inbox", *uses}
    assert all(use in found[name] for name, use in uses.items())


RELAYS = (
    *("<u@other.example>", "<@here.example,@x.example:u@other.example>", "<u@[127.0.0.1]>", "<u@[IPv6:::1]>"),
    *("<u%other.example@here.example>", "<other.example!u@here.example>", "<u@other.example@here.example>"),
    *('<"u@other.example"@here.example>', "<u@#1234>", "<u@other.here.example>", "<u@here.example.other>"),
    *(
        "<u@HERE.EXAMPLE.>",
        "<bob@here.example\0.other.example>",
        "<bob>",
        "<>",
        "<@>",
        "<bob@>",
        "<@here.example:u@other.example>",
    ),
    *("<u@xn--hre-dma.example>", "<bob@here\u3002example.other>", "<SRS0=aaaaaa=aa=other.example=u@here.example>"),
)


@pytest.mark.parametrize("sender", ["<ann@elsewhere.example>", "<bob@here.example>", "<>"])
def test_nothing_is_relayed_for_strangers(host: Host, sink: Sink, sender: str):
    before = len(sink.messages)
    for number, form in enumerate(RELAYS):
        with Wire(host.bundle.address("smtp"), source=f"127.9.{number}.1") as wire:
            wire.reply()
            wire.command(b"EHLO client.example")
            assert wire.command(f"MAIL FROM:{sender} SMTPUTF8".encode()).startswith(b"250")
            reply = wire.command(f"RCPT TO:{form}".encode())
            assert reply.startswith((b"5", b"4")), (form, reply)
    assert len(sink.messages) == before and host.mailctl("queue", "list") == []


def test_a_sender_nobody_could_answer_is_refused_before_the_message(host: Host):
    """Features B03. What the DNS cannot say now refuses nobody, and the name in EHLO need not exist."""
    host.dns.add({"text.example": text("v=spf1 -all"), "silent.example": "SERVFAIL"})
    with host.smtp("127.9.202.1", helo="no-such-name.example") as client:
        for sender, reply in (
            *(("ann@null.example", (550, b"5.7.27")), ("ann@text.example", (550, b"5.7.27"))),
            *(("ann@gone.example", (550, b"5.7.27")), ("ann@[127.9.202.1]", (550, b"5.7.0 "))),
            *(("ann@silent.example", (250, b"2.1.0 ")), ("bob@here.example", (250, b"2.1.0 "))),
        ):
            client.rset()
            code, words = client.mail(sender)
            assert (code, words[:6]) == reply, sender
    wait_until(lambda: bool(host.trace("ann@null.example")), 5, "the refusal in the trace")
    (row,) = host.trace("ann@null.example")
    assert (row["reason"], row["verdict"], row["detail"]["stage"]) == ("sender-unreachable", "refused", "MAIL")


def test_a_notification_has_one_recipient(host: Host):
    with host.smtp("127.9.200.1") as client:
        client.mail("")
        assert client.rcpt("bob@here.example")[0] == 250
        assert client.rcpt("dave@catch.example")[0] == 452


def test_who_guesses_addresses_learns_nothing_from_the_clock(host: Host):
    """From the third unknown one on hit and miss wait alike; the tenth ends the session."""

    def answer(wire: Wire, name: str) -> tuple[bytes, float]:
        begun = time.monotonic()
        reply = wire.command(f"RCPT TO:<{name}@here.example>".encode())
        return reply[:9], time.monotonic() - begun

    with Wire(host.bundle.address("smtp"), source="127.9.201.1") as wire:
        wire.reply()
        wire.command(b"EHLO client.example")
        wire.command(b"MAIL FROM:<ann@elsewhere.example>")
        for number in range(3):
            reply, seconds = answer(wire, f"no{number}")
            assert reply == b"550 5.1.1" and seconds < 0.5
        hit, waited_for_hit = answer(wire, "bob")
        miss, waited_for_miss = answer(wire, "no3")
        assert (hit, miss) == (b"250 2.1.5", b"550 5.1.1")
        assert 1 <= waited_for_hit < 1.5 and 1 <= waited_for_miss < 1.5


def test_a_message_that_goes_in_circles_is_stopped(host: Host, ann: Stranger):
    hop = b"Received: from a.example by b.example; Mon, 01 Jan 2024 01:02:03 +0000\r\n"
    message = ann.message("bob@here.example")
    assert ann.send(hop * 100 + message, "bob@here.example").begins("250 ")
    assert ann.send(hop * 101 + message, "bob@here.example").begins("550 5.4.6 Routing loop detected")
