import asyncio
import contextlib
import os
import socket
import ssl

import pytest

from mail.smtp.client import Limits, SmtpClient, Timers, command_line
from mail.smtp.wire import ConversationFailed, Refused
from tests.deliver_sink import DRIP, DROP, ENDLESS, HANG, NOT_TLS, Certified, Sink, certified, running_sink

SHORT = Timers(connect=0.4, greeting=0.2, command=0.2, data_start=0.2, data_block=0.3, data_end=0.2, handshake=0.3)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("certificate"))


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def connect(sink: Sink, timers: Timers = SHORT, **more: object) -> SmtpClient:
    return await SmtpClient.connect("127.0.0.1", sink.port, ehlo_name="us.test", timers=timers, **more)  # type: ignore[arg-type]


async def test_the_extensions_of_ehlo_are_known():
    async with running_sink(extensions=("SIZE 1000", "dsn", "AUTH PLAIN LOGIN")) as sink:
        client = await connect(sink)
        assert client.extensions == {"SIZE": "1000", "DSN": "", "AUTH": "PLAIN LOGIN"}
        assert client.usable and client.tls == "" and client.peer_chain() == []
        await client.quit()
        assert sink.commands == ["EHLO us.test", "QUIT"]
        assert not client.usable


async def test_a_server_without_ehlo_is_greeted_with_helo():
    async with running_sink({"EHLO": "502 5.5.1 what"}) as sink:
        client = await connect(sink)
        assert client.extensions == {}
        assert sink.commands == ["EHLO us.test", "HELO us.test"]
        client.close()


@pytest.mark.parametrize("greeting", ["554 5.3.2 go away", "421 4.3.2 busy", "250 wrong"])
async def test_a_greeting_that_is_no_220_refuses_the_conversation(greeting):
    async with running_sink({"greeting": greeting}) as sink:
        with pytest.raises(Refused) as refused:
            await connect(sink)
        assert refused.value.reply.code == int(greeting[:3])


@pytest.mark.parametrize("step", ["greeting", "EHLO"])
@pytest.mark.parametrize("fault", [HANG, DROP, ENDLESS, b"garbage\r\n", b"\xff\xfe" * 5000, b"250-half"])
async def test_every_fault_before_the_first_message_ends_within_its_timer(step, fault):
    async with running_sink({step: fault}) as sink:
        with pytest.raises(ConversationFailed):
            await connect(sink)


@pytest.mark.parametrize("step", ["greeting", "EHLO"])
async def test_a_reply_that_drips_for_ever_meets_the_timer_all_the_same(step):
    async with running_sink({step: DRIP}) as sink:
        with pytest.raises(ConversationFailed, match="no reply within"):
            await connect(sink)


async def test_nobody_listening_is_an_os_error():
    async with running_sink() as sink:
        port = sink.port
    with pytest.raises(OSError):
        await SmtpClient.connect("127.0.0.1", port, ehlo_name="us.test", timers=SHORT)


async def test_starttls_begins_anew_with_ehlo(certificate):
    async with running_sink(tls=certificate.context) as sink:
        client = await connect(sink)
        await client.start_tls(trusting(), "sink.test")
        assert client.tls.startswith("TLSv1.")
        assert sink.verbs() == ["EHLO", "STARTTLS", "EHLO"]
        assert "STARTTLS" not in client.extensions
        assert sink.encrypted == [True]
        await client.quit()


async def test_the_chain_the_server_sent_is_there_for_other_checks(certificate):
    async with running_sink(tls=certificate.context) as sink:
        client = await connect(sink)
        await client.start_tls(trusting(), "sink.test")
        leaf, *_ = chain = client.peer_chain()
        assert all(one.startswith(b"\x30") for one in chain)
        assert leaf == client._ssl_object().getpeercert(binary_form=True)  # type: ignore[union-attr]
        client.close()


async def test_a_certificate_that_does_not_verify_is_a_failure_of_tls(certificate):
    async with running_sink(tls=certificate.context) as sink:
        client = await connect(sink)
        with pytest.raises(ConversationFailed) as failed:
            await client.start_tls(ssl.create_default_context(), "sink.test")
        assert failed.value.tls
        assert not client.usable


async def test_a_verified_name_is_accepted(certificate):
    async with running_sink(tls=certificate.context) as sink:
        client = await connect(sink)
        await client.start_tls(ssl.create_default_context(cafile=str(certificate.ca_file)), "sink.test")
        assert client.tls
        client.close()


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "502 5.5.1 what", NOT_TLS])
async def test_starttls_that_does_not_come_about_may_be_done_without(answer):
    async with running_sink({"STARTTLS": answer}, extensions=("STARTTLS",)) as sink:
        client = await connect(sink)
        with pytest.raises(ConversationFailed) as failed:
            await client.start_tls(trusting(), "sink.test")
        assert failed.value.tls


async def test_a_handshake_that_hangs_ends_with_its_timer():
    async with running_sink({"STARTTLS": "220 go on"}, extensions=("STARTTLS",)) as sink:
        # The sink has no TLS: it reads the handshake as a command line without end.
        client = await connect(sink)
        with pytest.raises(ConversationFailed, match="TLS handshake") as failed:
            await client.start_tls(trusting(), "sink.test")
        assert failed.value.tls


@pytest.mark.parametrize(
    "answer",
    [
        b"220 go\r\n250-SIZE\r\n250 evil\r\n",
        b"220 go\r\n250 evil\r\n",
        b"220 go\r\n2",
        b"220 go\r\n250-half\r\n",
    ],
)
async def test_words_put_into_the_servers_mouth_before_tls_end_the_attempt(answer, certificate):
    """Security TL-2: and it does not go on in clear, which may be what somebody wants."""
    async with running_sink({"STARTTLS": answer}, tls=certificate.context) as sink:
        client = await connect(sink)
        with pytest.raises(ConversationFailed) as failed:
            await client.start_tls(trusting(), "sink.test")
        assert not failed.value.tls
        assert failed.value.reply.code == 451


async def test_implicit_tls_comes_before_the_greeting(certificate):
    async with running_sink(tls=certificate.context, implicit_tls=True) as sink:
        client = await connect(sink, tls=trusting(), server_name="sink.test")
        assert client.tls
        client.close()


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        ("AUTH PLAIN LOGIN", ["AUTH PLAIN AG1lAMOkc2VjcmV0"]),
        ("AUTH LOGIN", ["AUTH LOGIN", "bWU=", "w6RzZWNyZXQ="]),
    ],
)
async def test_logging_in_uses_what_is_offered(offered, said, certificate):
    answers = {"AUTH": "235 2.7.0 in" if "PLAIN" in offered else "334 VXNlcm5hbWU6", "BWU=": "334 UGFzc3dvcmQ6"}
    answers["W6RZZWNYZXQ="] = "235 2.7.0 in"
    async with running_sink(answers, extensions=(offered,), tls=certificate.context) as sink:
        client = await connect(sink)
        await client.start_tls(trusting(), "sink.test")
        await client.log_in("me", "äsecret")
        assert sink.commands[3:] == said
        client.close()


async def test_a_password_never_goes_over_a_connection_in_clear():
    async with running_sink(extensions=("AUTH PLAIN",)) as sink:
        client = await connect(sink)
        with pytest.raises(ConversationFailed, match="no TLS"):
            await client.log_in("me", "secret")
        assert sink.verbs() == ["EHLO"]
        client.close()


async def test_a_login_that_is_refused_has_the_servers_words(certificate):
    async with running_sink({"AUTH": "535 5.7.8 no"}, extensions=("AUTH PLAIN",), tls=certificate.context) as sink:
        client = await connect(sink)
        await client.start_tls(trusting(), "sink.test")
        with pytest.raises(Refused, match="535"):
            await client.log_in("me", "secret")
        client.close()


async def test_a_reply_nobody_asked_for_ends_the_conversation():
    async with running_sink({"EHLO": "250 sink.test\r\n250 2.1.0 and already yes\r\n250 2.1.5 and yes"}) as sink:
        client = await connect(sink)
        with pytest.raises(ConversationFailed, match="nobody asked"):
            await client.command("NOOP")


async def test_a_server_that_has_gone_to_sleep_says_so():
    async with running_sink({"EHLO": "250 sink.test\r\n421 4.4.2 idle too long"}) as sink:
        client = await connect(sink)
        with pytest.raises(Refused, match="421"):
            await client.command("NOOP")


async def test_quit_does_not_wait_for_a_server_that_is_silent(monkeypatch):
    monkeypatch.setattr("mail.smtp.client.QUIT_WAIT", 0.1)
    async with running_sink({"QUIT": HANG}) as sink:
        client = await connect(sink)
        await client.quit()
        assert not client.usable


def test_limits_are_read_as_announced_and_nonsense_is_left_out():
    assert Limits.parse("RCPTMAX=20 MAILMAX=5") == Limits(mails=5, recipients=20)
    assert Limits.parse("rcptdomainmax=1") == Limits(recipient_domains=1)
    for nonsense in ("", "RCPTMAX", "RCPTMAX=", "RCPTMAX=-1", "RCPTMAX=0", "RCPTMAX=1234567", "RCPTMAX=²", "X=1"):
        assert Limits.parse(nonsense) == Limits()


async def test_a_connection_serves_as_many_messages_as_the_server_allows():
    async with running_sink(extensions=("LIMITS MAILMAX=1",)) as sink:
        client = await connect(sink)
        assert client.usable
        client.messages = 1
        assert not client.usable
        client.close()


@pytest.mark.parametrize("bad", ["RCPT TO:<a@b>\r\nDATA", "RCPT TO:<a@b>\n", "a\rb", "a\0b", "a\x7fb", "a\tb"])
def test_a_command_can_never_be_two(bad):
    with pytest.raises(ValueError, match="control"):
        command_line(bad)


def test_the_timers_are_those_of_the_standard():
    """RFC 5321 §4.5.3.2."""
    timers = Timers()
    minutes = (timers.greeting, timers.command, timers.data_start, timers.data_block, timers.data_end)
    assert [seconds / 60 for seconds in minutes] == [5, 5, 2, 3, 10]


async def test_the_certificates_are_looked_at_before_a_word_is_said_under_tls(certificate):
    async with running_sink(tls=certificate.context) as sink:
        client = await connect(sink)

        def refuse(chain: list[bytes]) -> None:
            assert len(chain) == 2
            raise ConversationFailed("not that one")

        with pytest.raises(ConversationFailed, match="not that one") as failed:
            await client.start_tls(trusting(), "sink.test", refuse)
        assert not failed.value.tls and sink.verbs() == ["EHLO", "STARTTLS"]
        assert client.local_ip == "127.0.0.1"
        client.close()
        assert client.local_ip in ("", "127.0.0.1")


def refuse_after_handshake(listening: socket.socket, context: ssl.SSLContext) -> None:
    """A server that misses a client certificate, with a library that tells so (asyncio's does not)."""
    connection, _ = listening.accept()
    with connection:
        connection.sendall(b"220 sink.test\r\n")
        connection.recv(1000)
        connection.sendall(b"250-sink.test\r\n250 STARTTLS\r\n")
        connection.recv(1000)
        connection.sendall(b"220 go on\r\n")
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
            with contextlib.suppress(ssl.SSLError):
                secured.do_handshake()
            # Unread octets would end the connection without the alert.
            os.read(secured.fileno(), 1000)


async def test_a_server_that_says_no_after_the_handshake_has_failed_it(tmp_path):
    """TLS 1.3: a client certificate is missed when the client is done already."""
    context = certified(tmp_path).context
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(asyncio.to_thread(refuse_after_handshake, listening, context))
        port = listening.getsockname()[1]
        client = await SmtpClient.connect("127.0.0.1", port, ehlo_name="us.test", timers=SHORT)
        with pytest.raises(ConversationFailed) as failed:
            await client.start_tls(trusting(), "sink.test")
        await serving
    assert failed.value.tls and isinstance(failed.value.__cause__, ssl.SSLError)
