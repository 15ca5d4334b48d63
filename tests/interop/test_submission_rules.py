"""What our users send and what becomes of it on its way out, by real sockets at both ends (features B03, S09, 1e)."""

import contextlib
import smtplib
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from mail.metrics import merged, read_all
from mail.store.schema import queue_message, queue_recipient
from tests.bundle import wait_until
from tests.deliver_sink import EXTENSIONS, Sink
from tests.receiving import NUMBERS, PASSWORD, Host, Reply

WITH_SINK = True
DORA = "dora@here.example"


@pytest.fixture(scope="module", autouse=True)
def people(host: Host) -> None:
    """All at once, as every change of addresses takes a second to be known."""
    host.account("dora", DORA, "@catch.example")
    host.account("emil", "emil@here.example", "taken@catch.example")
    for name, option in (("may", "--allow-from"), ("maynot", "--no-allow-from")):
        host.mailctl("alias", "add", f"{name}@here.example", DORA)
        host.mailctl("alias", "set", f"{name}@here.example", option)
    host.mailctl("alias", "add", "others@here.example", "emil@here.example", "--allow-from")
    host.mailctl("account", "set", "dora", "--max-first-time-recipients-per-day=100000")


@pytest.fixture(autouse=True)
def plain(sink: Sink) -> None:
    """A sink that takes all, and no connection that remembers what it offered before."""
    wait_until(lambda: sink.open_now == 0, 10, "the end of connections that linger")
    sink.answers.clear()
    sink.extensions = EXTENSIONS


@contextlib.contextmanager
def logged_in(host: Host, user: str = DORA) -> Iterator[smtplib.SMTP]:
    host.wait_for_changes()
    address = host.bundle.address("submissions")
    with smtplib.SMTP_SSL(*address, "client.example", timeout=60, context=host.bundle.tls) as client:
        client.ehlo()
        client.login(user, PASSWORD)
        yield client


def letter(to: str = "x@far.example", **fields: str) -> bytes:
    """With a Message-ID of its own; an underscore is a hyphen, and what is empty is left out."""
    said = {
        "From": f"Dora <{DORA}>",
        "To": to,
        "Subject": "hello",
        "Date": "Mon, 01 Jan 2024 01:02:03 +0000",
        "Message-ID": f"<{next(NUMBERS)}@here.example>",
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    return ("".join(f"{name}: {value}\r\n" for name, value in said.items() if value) + "\r\nWords.\r\n").encode()


def send(
    host: Host,
    octets: bytes,
    *to: str,
    mail_from: str = DORA,
    options: tuple[str, ...] = (),
    rcpt_options: tuple[str, ...] = (),
) -> Reply:
    """The reply to the message, or to the first command that was refused."""
    with logged_in(host) as client:
        client.command_encoding = "utf-8"
        code, words = client.mail(mail_from, list(options))
        for one in to or ("x@far.example",):
            if code == 250:
                code, words = client.rcpt(one, list(rcpt_options))
        if code == 250:
            try:
                code, words = client.data(octets)
            except smtplib.SMTPDataError as error:
                code, words = error.smtp_code, error.smtp_error
        return Reply(code, words.decode())


def message_id(octets: bytes) -> str:
    return str(message_from_bytes(octets)["Message-ID"])


def arrived(sink: Sink, octets: bytes) -> bytes:
    """A message as the sink got it."""
    wanted = message_id(octets).encode()
    wait_until(lambda: any(wanted in one for one in list(sink.messages)), 20, "the message at the sink")
    (found,) = [one for one in sink.messages if wanted in one]
    return found


def notices(host: Host, octets: bytes) -> list[Message]:
    """What the sender was told about a message."""
    found = [message_from_bytes(one.octets) for one in host.kept("dora")]
    return [one for one in found if one["In-Reply-To"] == message_id(octets)]


def notice(host: Host, octets: bytes) -> str:
    """The delivery status of the one notice."""
    wait_until(lambda: len(notices(host, octets)) == 1, 20, "the notice")
    return notices(host, octets)[0].get_payload()[1].as_string()


def row(host: Host, octets: bytes) -> dict[str, Any]:
    """The message in the queue, and its first recipient."""
    wanted = message_id(octets).strip("<>")
    columns = (queue_recipient.c.state, queue_recipient.c.next_attempt_at, queue_recipient.c.notify)
    statement = (
        select(queue_message, *columns)
        .join_from(queue_message, queue_recipient, queue_recipient.c.queue_message_id == queue_message.c.id)
        .where(queue_message.c.message_id == wanted)
    )
    with host.store() as store, store.read() as connection:
        return dict(connection.execute(statement).mappings().fetchmany(1)[0])


def test_each_door_offers_what_it_keeps(host: Host):
    with smtplib.SMTP(*host.bundle.address("submission"), "client.example", timeout=20) as client:
        client.ehlo()
        assert {"starttls", "dsn"} <= client.esmtp_features.keys()
        client.starttls(context=host.bundle.tls)
        client.ehlo()
        assert client.esmtp_features["futurerelease"].startswith("5184000 20")
        assert {"requiretls", "auth"} <= client.esmtp_features.keys() and "starttls" not in client.esmtp_features
    with host.smtp(tls=False) as stranger:
        assert not {"requiretls", "dsn", "futurerelease"} & stranger.esmtp_features.keys()
        assert stranger.docmd("MAIL FROM:<a@x.example> REQUIRETLS")[0] == 523
        assert stranger.docmd("MAIL FROM:<a@x.example> HOLDFOR=60")[0] == 555
    with host.smtp() as stranger:
        assert "requiretls" in stranger.esmtp_features


def test_what_is_sent_is_what_was_written_and_our_fields(host: Host, sink: Sink):
    octets = letter(Date="", Bcc="secret@far.example", X_Mailstead_Reason="forged", X_Mailstead_Extra_user_id="7")
    assert send(host, octets, "x@far.example", "secret@far.example").begins("250 ")
    found = arrived(sink, octets)
    message = message_from_bytes(found)
    assert message.keys() == [
        *("DKIM-Signature", "DKIM-Signature", "Received", "Authentication-Results"),
        *("Date", "From", "To", "Subject", "Message-ID"),
        "X-Mailstead-Extra-user-id",
    ]
    assert message["Authentication-Results"] == f"localhost; auth=pass smtp.mailfrom={DORA}"
    received = str(message["Received"])
    assert received.startswith("by localhost (Mailstead) with ESMTPSA id ")
    assert "127.0.0.1" not in received and "client.example" not in received and "secret" not in found.decode()
    assert orjson.loads(row(host, octets)["extra"]) == {"User-Id": "7"}


def test_a_message_without_an_id_is_known_by_the_one_it_got(host: Host, sink: Sink):
    octets = letter(Message_ID="", Subject="without id")
    assert send(host, octets).begins("250 ")
    wait_until(lambda: any(b"without id" in one for one in list(sink.messages)), 20, "the message")
    (found,) = [one for one in sink.messages if b"without id" in one]
    assert row(host, found)["size"] == len(found)


def test_two_extra_fields_of_one_name_are_refused(host: Host):
    octets = letter(X_Mailstead_Extra_A="1", X_Mailstead_Extra_a="2")
    assert send(host, octets).begins("554 5.6.0 ")


@pytest.mark.parametrize("address", [DORA, "dora+tag@here.example", "may@here.example", "who@catch.example"])
def test_an_account_writes_as_what_is_its_own(host: Host, sink: Sink, address: str):
    octets = letter(From=address)
    assert send(host, octets, mail_from=address).begins("250 ")
    assert f"From: {address}\r\n".encode() in arrived(sink, octets)


FOREIGN = ["maynot@here.example", "others@here.example", "taken@catch.example", "emil@here.example", "ceo@bank.example"]


@pytest.mark.parametrize("address", FOREIGN)
def test_nobody_writes_as_another(host: Host, address: str):
    assert send(host, letter(), mail_from=address).begins(f"553 5.7.1 Sender address not owned by user: {address} ")
    words = "550 5.7.1 Message From must belong to the authenticated user"
    assert send(host, letter(From=address)).begins(f"{words}: {address} ")
    assert send(host, letter(Sender=address)).begins("550 5.7.1 Message Sender must belong")
    assert send(host, letter(From=f"{DORA}, {address}")).begins("550 5.7.1 Message must have exactly one From")


def test_a_message_is_held_as_long_as_was_asked(host: Host, sink: Sink):
    octets = letter()
    assert send(host, octets, options=("HOLDFOR=3600",)).begins("250 ")
    held = row(host, octets)
    assert held["state"] == "due" and held["future_release"] == "for;3600"
    assert held["next_attempt_at"] == held["release_at"]
    assert 3_590_000 < held["release_at"] - held["created_at"] <= 3_600_000
    soon = letter()
    assert send(host, soon, options=("HOLDFOR=1",)).begins("250 ")
    arrived(sink, soon)
    assert not any(message_id(octets).encode() in one for one in sink.messages)


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        (("HOLDFOR=60", "HOLDUNTIL=2030-01-01T00:00:00Z"), "501 5.5.4"),
        (("HOLDUNTIL=2020-01-01T00:00:00Z",), "554 5.5.4"),
        (("HOLDUNTIL=2090-01-01T00:00:00Z",), "554 5.5.4"),
        (("HOLDFOR=5184001",), "554 5.5.4"),
        (("HOLDFOR=soon",), "501 5.5.4"),
    ],
)
def test_what_cannot_be_held_is_refused(host: Host, options: tuple[str, ...], reply: str):
    assert send(host, letter(), options=options).begins(reply)


def test_tls_is_demanded_of_the_next_host_or_the_message_comes_back(host: Host, sink: Sink):
    octets = letter()
    assert send(host, octets, options=("REQUIRETLS", "RET=FULL")).begins("250 ")
    status = notice(host, octets)
    assert "Action: failed" in status and "Status: 5.7.30" in status
    # RFC 8689 §5: as its header.
    assert notices(host, octets)[0].get_payload()[2].get_content_type() == "text/rfc822-headers"
    assert row(host, octets)["require_tls"] is True


@pytest.mark.parametrize(("options", "kept"), [((), False), (("REQUIRETLS",), True)])
def test_tls_required_no_is_kept_unless_tls_is_demanded(host: Host, options: tuple[str, ...], kept: bool):
    octets = letter(TLS_Required="No")
    assert send(host, octets, options=options).begins("250 ")
    assert row(host, octets)["require_tls"] is kept


def test_what_is_asked_about_notices_goes_on_to_who_understands_it(host: Host, sink: Sink):
    octets = letter()
    wanted = ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;x+2By@far.example")
    assert send(host, octets, options=("RET=HDRS", "ENVID=e+2B1"), rcpt_options=wanted).begins("250 ")
    arrived(sink, octets)
    assert any(one.endswith(" RET=HDRS ENVID=e+2B1") for one in sink.commands)
    assert "RCPT TO:<x@far.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+2By@far.example" in sink.commands
    assert row(host, octets)["state"] == "done" and notices(host, octets) == []


@pytest.mark.parametrize(("notify", "told"), [("SUCCESS", True), ("FAILURE,DELAY", False), ("NEVER", False)])
def test_who_asked_hears_where_the_next_host_will_not_tell(host: Host, sink: Sink, notify: str, told: bool):
    sink.extensions = ("PIPELINING", "8BITMIME")
    octets = letter()
    wanted = (f"NOTIFY={notify}", "ORCPT=rfc822;old@far.example")
    assert send(host, octets, options=("ENVID=e7",), rcpt_options=wanted).begins("250 ")
    arrived(sink, octets)
    wait_until(lambda: row(host, octets)["state"] == "done", 10, "the outcome")
    if told:
        status = notice(host, octets)
        assert "Action: relayed" in status and "Original-Envelope-Id: e7" in status
        assert "Original-Recipient: rfc822; old@far.example" in status
    assert len(notices(host, octets)) == told


@pytest.mark.parametrize(("notify", "told"), [("NEVER", False), ("SUCCESS", False), ("FAILURE", True)])
def test_who_does_not_want_to_hear_of_failure_does_not(host: Host, sink: Sink, notify: str, told: bool):
    sink.answers["RCPT"] = "550 5.1.1 unknown"
    octets = letter()
    assert send(host, octets, rcpt_options=(f"NOTIFY={notify}",)).begins("250 ")
    wait_until(lambda: row(host, octets)["state"] == "failed", 20, "the outcome")
    assert len(notices(host, octets)) == told


def test_mail_that_needs_smtputf8_says_so_or_comes_back(host: Host, sink: Sink):
    octets = letter(Subject="gr\u00fc\u00dfe")
    assert send(host, octets).begins("550 5.6.0 ")
    assert send(host, letter(), "j\u00fcrgen@far.example").begins("553 5.6.7 ")
    sink.extensions = ("PIPELINING", "8BITMIME", "DSN")
    assert send(host, octets, options=("SMTPUTF8", "BODY=8BITMIME")).begins("250 ")
    status = notice(host, octets)
    assert "Action: failed" in status and "Status: 5.6.7" in status and "SMTPUTF8" in status
    # What only might have needed it goes as it is.
    plain = letter()
    assert send(host, plain, options=("SMTPUTF8",)).begins("250 ")
    arrived(sink, plain)


def test_chunks_are_a_message_like_any_other(host: Host, sink: Sink):
    octets = letter(Bcc="secret@far.example")
    with logged_in(host) as client:
        client.mail(DORA)
        client.rcpt("x@far.example")
        for part, last in ((octets[:30], ""), (octets[30:], " LAST")):
            client.send(f"BDAT {len(part)}{last}\r\n".encode() + part)
            assert client.getreply()[0] == 250
    found = arrived(sink, octets)
    assert found.endswith(b"\r\n\r\nWords.\r\n") and b"secret" not in found


def counted(host: Host, result: str) -> int:
    text = merged(read_all(host.settings.metrics_dir)).decode()
    wanted = f'result="{result}"}} '
    return sum(
        int(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("mailstead_submission_total{") and wanted in line
    )


def test_an_account_sends_so_much_in_a_day(host: Host):
    limits = ("--max-outgoing-messages-per-day", "--max-first-time-recipients-per-day")
    used = host.mailctl("account", "show", "dora")["sending"]["sent"]

    def allow(more: int, new: int) -> None:
        values = (used["recipients"] + more, used["first_time"] + new)
        host.mailctl("account", "set", "dora", *(f"{name}={value}" for name, value in zip(limits, values, strict=True)))

    allow(4, 2)
    b, c, d = (f"{name}.limits@far.example" for name in "bcd")
    before = {result: counted(host, result) for result in ("messagelimiterror", "recipientlimiterror")}
    assert send(host, letter(), b).begins("250 ") and send(host, letter(), c).begins("250 ")
    refused = send(host, letter(), d)
    assert refused.begins("451 4.7.1 ") and "max_first_time_recipients_per_day" in refused.text
    assert send(host, letter(), b).begins("250 ")
    whole = letter()
    assert send(host, whole, b, c).begins("451 4.7.1 "), "all or nothing"
    assert send(host, letter(), b).begins("250 ")
    refused = send(host, letter(), b)
    assert refused.begins("451 4.7.1 ") and "max_outgoing_messages_per_day" in refused.text
    assert str(used["recipients"] + 4) in refused.text
    after = {result: counted(host, result) for result in before}
    assert {result: after[result] - before[result] for result in before} == {
        "messagelimiterror": 2,
        "recipientlimiterror": 1,
    }
    # At once, without a restart.
    allow(6, 3)
    assert send(host, letter(), d).begins("250 ")
