"""Port 25 and the submission ports, octet by octet: smuggling, injection, relaying, limits (security §2.1, §2.2)."""

import base64
import contextlib
import imaplib
import itertools
import ssl
import time
from collections.abc import Iterator

import pytest

from tests.bundle import Bundle, wait_until
from tests.wire import Wire

SOURCES = itertools.count(1)
# Appendix A1: what some server takes for the end of DATA.
LOOK_ALIKES = (
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r\n.\r\r\n",
    b"\r\n\0.\r\n",
    b"\n\r.\r\n",
)
SECOND = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<x@localhost>\r\nDATA\r\nSubject: smuggled\r\n\r\nzq\r\n.\r\n"


@pytest.fixture
def wire(bundle: Bundle) -> Iterator[Wire]:
    """Each test from a network of its own, so that none meets another's limits."""
    with connect(bundle) as made:
        yield made


def connect(bundle: Bundle, service: str = "smtp") -> Wire:
    step = next(SOURCES)
    made = Wire(bundle.address(service), source=f"127.{10 + step % 200}.{8 * (step % 30)}.1")
    if service != "submissions":
        assert made.reply().startswith(b"220 ")
    return made


def begin(wire: Wire, recipient: bytes = b"bob@localhost") -> None:
    assert wire.command(b"EHLO client.example").startswith(b"250")
    begin_transaction(wire, recipient)


def begin_transaction(wire: Wire, recipient: bytes = b"bob@localhost") -> None:
    assert wire.command(b"MAIL FROM:<a@example.org>").startswith(b"250 2.1.0")
    assert wire.command(b"RCPT TO:<" + recipient + b">").startswith(b"250 2.1.5")
    assert wire.command(b"DATA").startswith(b"354 ")


def inbox_count(bundle: Bundle) -> int:
    with imaplib.IMAP4_SSL(*bundle.address("imaps"), ssl_context=bundle.tls) as client:
        client.login(bundle.ready["account"], bundle.ready["password"])
        status = client.status("INBOX", "(MESSAGES)")[1][0]
        return int(status.split()[-1].rstrip(b")"))


@pytest.mark.parametrize("look_alike", LOOK_ALIKES, ids=ascii)
def test_no_look_alike_of_the_end_of_data_makes_two_messages(bundle: Bundle, look_alike: bytes) -> None:
    before = inbox_count(bundle)
    with connect(bundle) as wire:
        wire.command(b"EHLO client.example")
        for cut in range(len(look_alike) + 1):
            begin_transaction(wire)
            wire.send_parts([b"Subject: x\r\n\r\nhello" + look_alike[:cut], look_alike[cut:] + SECOND])
            reply = wire.reply()
            assert reply.startswith((b"500 5.5.2", b"550 5.6.0")), reply
            if b"\0" not in look_alike:
                assert b"smuggling" in reply
            # In step: one answer to one command.
            assert wire.command(b"NOOP").startswith(b"250 ")
    assert inbox_count(bundle) == before


def test_a_bare_line_feed_elsewhere_is_repaired(wire: Wire, bundle: Bundle) -> None:
    begin(wire)
    wire.send(b"Subject: bare\r\n\r\nline one\nline two\r\n..dot\r\n.\r\n")
    assert wire.reply().startswith(b"250 2.0.0 Ok: stored as ")
    with imaplib.IMAP4_SSL(*bundle.address("imaps"), ssl_context=bundle.tls) as client:
        client.login(bundle.ready["account"], bundle.ready["password"])
        client.select("INBOX", readonly=True)
        last = client.search(None, "SUBJECT", "bare")[1][0].split()[-1]
        body = client.fetch(last.decode(), "(BODY.PEEK[TEXT])")[1][0][1]
    assert body == b"line one\r\nline two\r\n.dot\r\n"


def test_a_single_dot_is_an_empty_message(wire: Wire) -> None:
    begin(wire)
    wire.send(b".\r\n")
    assert wire.reply().startswith(b"250 2.0.0")


def test_a_command_line_must_end_in_crlf(wire: Wire) -> None:
    wire.command(b"EHLO client.example")
    for _ in range(2):
        wire.send(b"NOOP\n")
        assert wire.reply().startswith(b"500 5.5.2 Lines must end with CRLF")
    wire.send(b"NOOP\n")
    assert wire.reply().startswith(b"500 5.5.2")
    assert wire.reply().startswith(b"421 4.7.0")
    assert wire.rest() == b""


def test_an_endless_command_line_is_cut_off(wire: Wire) -> None:
    wire.send(b"A" * 200_000)
    assert b"500 5.5.2 Line too long" in wire.rest()


def test_ten_mib_without_a_line_end_take_no_memory_and_are_cut_off_at_once(bundle: Bundle) -> None:
    with connect(bundle) as wire:
        before, begun = memory_of(bundle, "mx"), time.monotonic()
        for _ in range(160):
            wire.send(b"A" * 65_536)
        wire.rest()
        assert time.monotonic() - begun < 5
    assert memory_of(bundle, "mx") - before < 1024


def offered(wire: Wire) -> list[bytes]:
    return [line[4:] for line in wire.command(b"EHLO client.example").split(b"\n")[1:]]


def test_tls_is_offered_until_it_is_there_and_logins_only_then(bundle: Bundle) -> None:
    """Features B03."""
    for service, logins in (("smtp", False), ("submission", True)):
        with connect(bundle, service) as wire:
            before = offered(wire)
            wire.command(b"STARTTLS")
            wire.start_tls(bundle.tls)
            after = offered(wire)
        assert b"STARTTLS" in before and b"STARTTLS" not in after
        assert {b"PIPELINING", b"SIZE 104857600", b"ENHANCEDSTATUSCODES", b"8BITMIME", b"SMTPUTF8"} <= set(after)
        assert [line for line in before if line.startswith(b"AUTH")] == []
        assert any(line.startswith(b"AUTH ") and b" PLAIN" in line for line in after) is logins


def test_a_thousand_who_hardly_say_anything_keep_nobody_waiting(bundle: Bundle) -> None:
    """Security SM-6: each from a network of his own, in the middle of a message."""
    with contextlib.ExitStack() as stack:
        for number in range(1000):
            source = f"127.{100 + number // 32}.{number % 32 * 8}.1"
            wire = stack.enter_context(Wire(bundle.address("smtp"), source=source))
            assert wire.line().startswith(b"220 ")
            wire.send(b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<bob@localhost>\r\nDATA\r\nS")
            assert [wire.reply()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        begun = time.monotonic()
        normal = stack.enter_context(connect(bundle))
        begin(normal)
        normal.send(b"Subject: normal\r\n\r\nx\r\n.\r\n")
        assert normal.reply().startswith(b"250 ") and time.monotonic() - begun < 2


def test_an_http_request_is_closed_without_an_echo(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b.c>\r\n")
    assert b"POST" not in wire.rest()


def test_a_whole_pipelined_transaction_is_answered_in_order(wire: Wire) -> None:
    wire.command(b"EHLO client.example")
    wire.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<bob@localhost>\r\nRCPT TO:<carol@localhost>\r\nDATA\r\n")
    replies = [wire.reply()[:3] for _ in range(4)]
    assert replies == [b"250", b"250", b"250", b"354"]
    wire.send(b"Subject: p\r\n\r\nhi\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n")
    assert [wire.reply()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"221"]


def test_bdat_takes_chunks_and_stays_in_step_when_refused(wire: Wire) -> None:
    wire.command(b"EHLO client.example")
    wire.send(b"BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n")
    assert wire.reply().startswith(b"503 ")
    assert wire.reply().startswith(b"250 ")
    wire.command(b"MAIL FROM:<a@example.org>")
    wire.command(b"RCPT TO:<bob@localhost>")
    wire.send(b"BDAT 14\r\nSubject: b\r\n\r\nBDAT 4 LAST\r\nhi\r\nNOOP\r\n")
    assert wire.reply().startswith(b"250 2.0.0 14 octets")
    assert wire.reply().startswith(b"250 2.0.0 Ok: stored as")
    assert wire.reply().startswith(b"250 ")


def test_more_than_the_announced_size_is_refused_for_good(wire: Wire) -> None:
    wire.command(b"EHLO client.example")
    assert wire.command(b"MAIL FROM:<a@example.org> SIZE=200000000").startswith(b"552 5.3.4")
    assert wire.command(b"MAIL FROM:<a@example.org> FOO=bar").startswith(b"555 5.5.4")
    assert wire.command(b"RCPT TO:<bob@localhost>").startswith(b"503 5.5.1")


def test_a_routing_loop_is_broken(wire: Wire) -> None:
    begin(wire)
    wire.send(b"Received: from a by b; now\r\n" * 101 + b"Subject: loop\r\n\r\nx\r\n.\r\n")
    assert wire.reply().startswith(b"550 5.4.6")


def test_simulated_failures_answer_as_their_localpart_says(wire: Wire) -> None:
    begin(wire, b"x451@localhost")
    wire.send(b"Subject: s\r\n\r\nx\r\n.\r\n")
    assert wire.reply().startswith(b"451 ")
    wire.command(b"MAIL FROM:<a@example.org>")
    assert wire.command(b"RCPT TO:<rcpttopermerror@localhost>").startswith(b"550 ")
    wire.command(b"RSET")
    assert wire.command(b"MAIL FROM:<mailfromtemperror@example.org>").startswith(b"451 ")


def test_forged_fields_of_ours_are_not_stored(wire: Wire, bundle: Bundle) -> None:
    begin(wire)
    wire.send(
        b"Return-Path: <forged@example.org>\r\nDelivered-To: forged\r\nX-Mailstead-Reason: forged\r\n"
        b"Authentication-Results: localhost; spf=pass smtp.mailfrom=forged\r\nSubject: forgeries\r\n\r\nx\r\n.\r\n"
    )
    assert wire.reply().startswith(b"250 ")
    with imaplib.IMAP4_SSL(*bundle.address("imaps"), ssl_context=bundle.tls) as client:
        client.login(bundle.ready["account"], bundle.ready["password"])
        client.select("INBOX", readonly=True)
        last = client.search(None, "SUBJECT", "forgeries")[1][0].split()[-1]
        assert b"forged" not in client.fetch(last.decode(), "(BODY.PEEK[])")[1][0][1]


@pytest.mark.parametrize("service", ["smtp", "submission", "imap"])
@pytest.mark.parametrize("way", ["one segment", "two segments", "with hello"])
def test_what_is_pipelined_behind_starttls_is_never_executed(bundle: Bundle, service: str, way: str) -> None:
    step = next(SOURCES)
    with Wire(bundle.address(service), source=f"127.{10 + step % 200}.8.1") as wire:
        wire.line()
        imap = service == "imap"
        if not imap:
            wire.command(b"EHLO client.example")
        order = b"t STARTTLS\r\n" if imap else b"STARTTLS\r\n"
        injected = b"i NOOP\r\n" if imap else b"NOOP\r\n"
        if way == "one segment":
            wire.send(order + injected)
        elif way == "two segments":
            wire.send(order)
            time.sleep(0.05)
            wire.send(injected)
        else:
            wire.send(order + b"\x16\x03\x01\x00\x05hello")
        assert b"250" not in (answer := wire.rest()) and b"i OK" not in answer
        if way == "one segment":
            assert (b"BAD" if imap else b"501 5.5.1") in answer


RELAYS = (
    b"u@other.example",
    b"@ours,@x:u@other.example",
    b"u%other.example@[127.0.0.1]",
    b"other.example!u@[127.0.0.1]",
    b"u@other@localhost",
    b'"u@other.example"@[127.0.0.1]',
    b"u@[127.0.0.1]",
    b"u@[IPv6:::1]",
    b"u@#1234",
    b"u@other.localhost.example",
    b"u@localhost.other.example",
    b"u@localhost\0.other",
    b"",
)


@pytest.mark.parametrize("recipient", RELAYS, ids=ascii)
def test_submission_without_authentication_relays_nothing(bundle: Bundle, recipient: bytes) -> None:
    with connect(bundle, "submission") as wire:
        wire.command(b"EHLO client.example")
        assert wire.command(b"MAIL FROM:<mailstead@localhost>").startswith(b"530 5.7.0 Must issue a STARTTLS")
        wire.command(b"STARTTLS")
        wire.start_tls(bundle.tls)
        wire.command(b"EHLO client.example")
        assert wire.command(b"MAIL FROM:<mailstead@localhost>").startswith(b"530 5.7.0 Authentication required")
        assert wire.command(b"RCPT TO:<" + recipient + b">")[:1] == b"5"
        assert wire.command(b"DATA")[:3] in (b"503", b"530")
    assert bundle.mailctl("queue", "list") == []


def log_in(wire: Wire, bundle: Bundle) -> None:
    wire.command(b"EHLO client.example")
    secret = f"\0{bundle.ready['account']}\0{bundle.ready['password']}".encode()
    assert wire.command(b"AUTH PLAIN " + base64.b64encode(secret)).startswith(b"235 2.7.0")


def secure(bundle: Bundle, service: str = "submissions") -> Wire:
    wire = connect(bundle, service)
    wire.start_tls(bundle.tls)
    assert wire.reply().startswith(b"220 ")
    return wire


def test_a_user_sends_only_as_himself(bundle: Bundle) -> None:
    with secure(bundle) as wire:
        log_in(wire, bundle)
        assert wire.command(b"MAIL FROM:<other@localhost>").startswith(b"553 5.7.1")
        wire.command(b"MAIL FROM:<mailstead@localhost>")
        wire.command(b"RCPT TO:<friend@outside.example>")
        wire.command(b"DATA")
        wire.send(b"From: boss@example.org\r\nSubject: x\r\n\r\nx\r\n.\r\n")
        assert wire.reply().startswith(b"550 5.7.1")
        wire.command(b"MAIL FROM:<mailstead+tag@localhost>")
        wire.command(b"RCPT TO:<friend@outside.example>")
        wire.command(b"DATA")
        wire.send(b"From: mailstead@localhost\r\nno separation\r\n.\r\n")
        assert wire.reply().startswith(b"554 5.6.0")


def test_wrong_passwords_end_the_session_after_three(bundle: Bundle) -> None:
    with secure(bundle) as wire:
        wire.command(b"EHLO client.example")
        wrong = base64.b64encode(b"\0mailstead@localhost\0wrong-password")
        assert wire.command(b"AUTH PLAIN " + wrong).startswith(b"535 5.7.8")
        assert wire.command(b"AUTH PLAIN ====").startswith(b"501 5.5.2")
        assert wire.command(b"AUTH CRAM-MD5").startswith(b"504 5.5.4")
        assert wire.command(b"AUTH LOGIN").startswith(b"334 ")
        assert wire.command(b"*").startswith(b"501 5.7.0")
        wire.command(b"AUTH PLAIN " + wrong)
        assert wire.command(b"AUTH PLAIN " + wrong).startswith(b"421 4.7.0")


def test_the_thirty_first_connection_of_an_address_is_turned_away(bundle: Bundle) -> None:
    open_ones = [Wire(bundle.address("submission"), source="127.250.0.1") for _ in range(31)]
    try:
        greetings = [wire.line() for wire in open_ones]
        assert all(greeting.startswith(b"220 ") for greeting in greetings[:30])
        assert greetings[30].startswith(b"421 ")
    finally:
        for wire in open_ones:
            wire.socket.close()


def test_a_client_that_offers_another_protocol_by_alpn_is_refused(bundle: Bundle) -> None:
    for service in ("submissions", "imaps"):
        context = ssl.create_default_context(cafile=bundle.ready["ca_file"])
        context.set_alpn_protocols(["h2"])
        with Wire(bundle.address(service)) as wire, pytest.raises((ssl.SSLError, ConnectionError)):
            wire.start_tls(context)


def memory_of(bundle: Bundle, program: str) -> int:
    """Resident KiB of a program's processes."""
    total = 0
    for pid, command in bundle.programs():
        if f"--name {program}" in command:
            with open(f"/proc/{pid}/status") as status:
                total += next((int(line.split()[1]) for line in status if line.startswith("VmRSS:")), 0)
    return total


def test_200_mib_without_a_line_end_take_no_memory(wire: Wire, bundle: Bundle) -> None:
    before = memory_of(bundle, "mx")
    begin(wire)
    block = b"x" * (1 << 20)
    for _ in range(200):
        wire.send(block)
        if wire.closed:
            break
    assert memory_of(bundle, "mx") - before < 100 * 1024
    wire.send(b"\r\n.\r\n")
    assert wire.reply()[:3] in (b"550", b"552", b"")
    with connect(bundle) as after:
        begin(after)
        after.send(b"Subject: after\r\n\r\nx\r\n.\r\n")
        assert after.reply().startswith(b"250 ")


def test_what_never_reached_data_is_in_the_trace(bundle: Bundle):
    with connect(bundle) as wire:
        wire.command(b"EHLO client.example")
        wire.command(b"MAIL FROM:<asks@remote.example> SIZE=999999999")
    wait_until(lambda: bool(bundle.mailctl("trace", "asks@remote.example")), 5, "the refusal in the trace")
    (row,) = bundle.mailctl("trace", "asks@remote.example")
    assert (row["verdict"], row["reason"], row["rcpt_to"]) == ("refused", "too-large", "")
    assert row["detail"]["reply"].startswith("552 5.3.4 ")
