from collections.abc import Iterator

import pytest

from mail.deliver.dial import opportunistic_context
from mail.smtp.client import SmtpClient, Timers
from mail.smtp.sending import Envelope, Recipient, Sent, send
from mail.smtp.wire import ConversationFailed
from tests.deliver_sink import DRIP, DROP, ENDLESS, HANG, Answers, Sink, certified, running_sink

SHORT = Timers(connect=0.5, greeting=0.5, command=0.2, data_start=0.2, data_block=0.3, data_end=0.2, handshake=0.3)
CONTENT = b"Subject: x\r\n\r\n.dots\r\n..\r\nend\r\n"
NO_PIPELINING = ("8BITMIME", "SIZE 50000000", "DSN")


class Dots:
    """Counts, and says what it was told before the final dot."""

    def __init__(self, sink: Sink | None = None, error: Exception | None = None) -> None:
        self.sink = sink
        self.error = error
        self.asked = 0

    async def __call__(self) -> None:
        self.asked += 1
        assert self.sink is None or self.sink.messages == []
        if self.error is not None:
            raise self.error


def envelope(*to: str, **more: object) -> Envelope:
    recipients = tuple(Recipient(one) for one in to or ("b@sink.test",))
    return Envelope("a@us.test", recipients, len(CONTENT), **more)  # type: ignore[arg-type]


async def connected(sink: Sink) -> SmtpClient:
    return await SmtpClient.connect("127.0.0.1", sink.port, ehlo_name="us.test", timers=SHORT)


async def one(answers: Answers, *to: str, extensions: tuple[str, ...] | None = None) -> tuple[Sent, Sink, bool]:
    """Send once; what came of it, the sink, and whether the connection could be used again."""
    more = {} if extensions is None else {"extensions": extensions}
    async with running_sink(answers, **more) as sink:
        client = await connected(sink)
        sent = await send(client, envelope(*to), iter([CONTENT]), Dots())
        usable = client.usable
        client.close()
        return sent, sink, usable


def codes(sent: Sent) -> list[int]:
    return [reply.code for reply in sent.replies]


async def test_a_message_arrives_as_it_is_with_its_dots_doubled():
    async with running_sink() as sink:
        client = await connected(sink)
        dots = Dots(sink)
        sent = await send(client, envelope(), iter([CONTENT]), dots)
        assert codes(sent) == [250] and not sent.unknown and dots.asked == 1
        assert sink.messages == [b"Subject: x\r\n\r\n..dots\r\n...\r\nend\r\n"]
        assert sink.commands[1:] == [f"MAIL FROM:<a@us.test> SIZE={len(CONTENT)}", "RCPT TO:<b@sink.test>", "DATA"]
        await client.quit()


async def test_several_messages_go_over_one_connection():
    async with running_sink() as sink:
        client = await connected(sink)
        for number in range(5):
            sent = await send(client, envelope(), iter([b"%d\r\n" % number]), Dots())
            assert codes(sent) == [250]
        assert sink.connections == 1 and client.messages == 5
        assert sink.messages == [b"0\r\n", b"1\r\n", b"2\r\n", b"3\r\n", b"4\r\n"]
        client.close()


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
async def test_each_recipient_has_the_reply_that_decides_it(extensions):
    answers = {"RCPT": ["250 ok", "550 5.1.1 unknown", "451 4.3.0 later", "250 ok"], "dot": "250 2.0.0 queued"}
    sent, sink, usable = await one(answers, "a@x", "b@x", "c@x", "d@x", extensions=extensions)
    assert codes(sent) == [250, 550, 451, 250]
    assert sent.replies[0].text == "queued" and sent.replies[1].text == "unknown"
    assert len(sink.messages) == 1 and usable and sent.too_many == []


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
async def test_when_nobody_is_taken_no_content_goes_out(extensions):
    sent, sink, usable = await one(
        {"RCPT": "550 5.1.1 unknown", "DATA": "554 5.5.1 no valid recipients"}, "a@x", "b@x", extensions=extensions
    )
    assert codes(sent) == [550, 550] and usable
    assert sink.messages == [] and sink.verbs()[-1] == "RSET"


async def test_a_server_that_starts_the_content_though_it_took_nobody_gets_an_empty_one():
    sent, sink, usable = await one({"RCPT": "550 5.1.1 unknown", "dot": "554 5.5.1 nobody"}, "a@x")
    assert codes(sent) == [550] and usable
    assert sink.messages == [b""]


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
@pytest.mark.parametrize("code", [451, 550])
async def test_a_refused_sender_decides_for_all(extensions, code):
    answers = {"MAIL": f"{code} x.7.1 not you", "RCPT": "503 5.5.1 first MAIL", "DATA": "503 5.5.1 first MAIL"}
    sent, sink, usable = await one(answers, "a@x", "b@x", extensions=extensions)
    assert codes(sent) == [code, code] and usable and sink.messages == []


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
async def test_a_refused_data_decides_for_those_who_were_taken(extensions):
    sent, _, usable = await one(
        {"RCPT": ["250 ok", "550 5.1.1 no"], "DATA": "452 4.3.1 full"}, "a@x", "b@x", extensions=extensions
    )
    assert codes(sent) == [452, 550] and usable


@pytest.mark.parametrize("answer", ["250 ok", "200 fine", "334 go on"])
async def test_only_a_354_begins_the_content_and_nothing_else_means_delivered(answer):
    sent, sink, _ = await one({"DATA": answer}, "a@x")
    assert not sent.replies[0].positive and not sent.replies[0].permanent
    assert sink.messages == []


@pytest.mark.parametrize("answer", ["354 what", "451 4.3.0 later", "552 5.3.4 too big", "554 5.7.1 spam"])
async def test_the_reply_to_the_final_dot_decides(answer):
    sent, _, usable = await one({"dot": answer}, "a@x")
    assert codes(sent) == [int(answer[:3])] and not sent.replies[0].positive and usable


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", [HANG, DROP, ENDLESS, DRIP, b"what\r\n", b"250-half", b"\xff" * 3000, b"999 x\r\n"])
async def test_every_fault_before_the_content_is_temporary_and_leaves_nothing_unknown(step, fault, extensions):
    sent, sink, usable = await one({step: fault}, "a@x", "b@x", extensions=extensions)
    assert not any(reply.positive or reply.permanent for reply in sent.replies)
    assert not sent.unknown and not usable and sink.messages == []


@pytest.mark.parametrize("fault", [HANG, DROP, ENDLESS, DRIP, b"what\r\n", b"250-half", b"\0\0\0\r\n"])
async def test_every_fault_after_the_final_dot_leaves_the_outcome_unknown(fault):
    sent, sink, usable = await one({"dot": fault}, "a@x")
    assert codes(sent) == [451] and sent.unknown and not usable
    assert "may have been taken" in sent.replies[0].text
    assert len(sink.messages) == 1


async def test_a_refused_recipient_stays_refused_when_the_connection_breaks():
    """Many servers close after a 550: a retry would hear the same and the sender nothing for days."""
    sent, _, usable = await one({"RCPT": ["550 5.1.1 unknown", "250 ok"], "DATA": DROP}, "a@x", "b@x")
    assert codes(sent) == [550, 451] and not usable


async def test_a_refused_recipient_stays_refused_when_the_outcome_of_the_rest_is_unknown():
    sent, _, _ = await one({"RCPT": ["550 5.1.1 unknown", "250 ok"], "dot": DROP}, "a@x", "b@x")
    assert codes(sent) == [550, 451] and sent.unknown


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
async def test_a_421_ends_the_conversation_with_its_own_words(extensions):
    sent, _, usable = await one({"MAIL": b"421 4.7.0 too fast\r\n"}, "a@x", "b@x", extensions=extensions)
    assert codes(sent) == [421, 421] and sent.replies[0].text == "too fast" and not usable
    sent, _, usable = await one({"RCPT": ["250 ok", "421 4.7.0 too many"]}, "a@x", "b@x", "c@x", extensions=extensions)
    assert codes(sent) == [421, 421, 421] and not usable


async def test_too_many_recipients_belong_in_another_transaction():
    answers = {"RCPT": ["250 ok", "452 4.5.3 too many", "552 too many", "452 too many", "550 5.1.1 no"]}
    sent, _, usable = await one(answers, "a@x", "b@x", "c@x", "d@x", "e@x")
    assert sent.too_many == [1, 2, 3]
    assert codes(sent)[0] == 250 and codes(sent)[4] == 550 and usable


async def test_a_full_disk_is_not_too_many_recipients():
    sent, _, _ = await one({"RCPT": ["250 ok", "452 4.3.1 disk full", "552 5.2.2 mailbox full"]}, "a@x", "b@x", "c@x")
    assert sent.too_many == [] and codes(sent) == [250, 452, 552]


async def test_the_first_recipient_is_never_too_many():
    sent, _, _ = await one({"RCPT": "452 4.5.3 too many", "DATA": "554 none"}, "a@x", "b@x")
    assert sent.too_many == [] and codes(sent) == [452, 452]


async def test_content_that_can_not_be_sent_closes_the_connection_before_its_end():
    for bad in (b"a\nb\r\n", b"a\r\n.\rb\r\n", b"x\0\r\n"):
        async with running_sink() as sink:
            client = await connected(sink)
            dots = Dots()
            sent = await send(client, envelope(), iter([b"good\r\n" * 1000, bad]), dots)
            assert codes(sent) == [554] and sent.replies[0].enhanced == "5.6.0" and not sent.unknown
            assert dots.asked == 0 and not client.usable
        assert sink.messages == []


async def test_content_that_can_not_be_read_closes_the_connection():
    def broken() -> Iterator[bytes]:
        yield b"begin\r\n"
        raise OSError(5, "Input/output error")

    async with running_sink() as sink:
        client = await connected(sink)
        with pytest.raises(OSError, match="Input"):
            await send(client, envelope(), broken(), Dots())
        assert not client.usable
    assert sink.messages == []


async def test_no_final_dot_goes_out_that_the_store_does_not_know_of():
    async with running_sink() as sink:
        client = await connected(sink)
        sent = await send(client, envelope(), iter([CONTENT]), Dots(error=ConversationFailed("our own store")))
        assert codes(sent) == [451] and not sent.unknown
        # Or else the next message would be read as the rest of this one.
        assert not client.usable
    assert sink.messages == []


async def test_a_refusal_before_the_message_is_whole_stands():
    for said, wanted in ((b"552 5.3.4 enough\r\n", 552), (b"250 2.0.0 lies\r\n", 451)):
        answers: Answers = {"DATA": b"354 go on\r\n" + said}
        sent, sink, usable = await one(answers, "a@x")
        assert codes(sent) == [wanted] and not usable and not sent.unknown


async def test_a_server_that_stops_reading_is_left():
    # Raw octets for the answer to DATA: the sink takes the content for commands, and hangs at the first.
    async with running_sink({"DATA": b"354 go on\r\n", "X": HANG}) as sink:
        client = await connected(sink)
        big = (b"x" * 998 + b"\r\n") * 260
        sent = await send(client, envelope(), iter([b"X\r\n", *[big] * 100]), Dots())
        assert codes(sent) == [451] and "takes nothing" in sent.replies[0].text and not sent.unknown


async def test_a_message_over_the_servers_limit_is_not_begun():
    sent, sink, usable = await one({}, "a@x", extensions=("SIZE 10",))
    assert codes(sent) == [552] and sent.replies[0].enhanced == "5.3.4" and usable
    assert sink.verbs() == ["EHLO"]


@pytest.mark.parametrize("extensions", [("SIZE",), ("SIZE 0",), ("SIZE many",), ("SIZE ²",)])
async def test_a_size_without_a_limit_limits_nothing(extensions):
    sent, _, _ = await one({}, "a@x", extensions=extensions)
    assert codes(sent) == [250]


async def test_international_mail_needs_a_server_that_takes_it():
    for asked, to in ((True, "b@x"), (False, "bücher@x")):
        async with running_sink(extensions=("PIPELINING",)) as sink:
            client = await connected(sink)
            sent = await send(client, envelope(to, smtputf8=asked), iter([CONTENT]), Dots())
            assert codes(sent) == [553] and sent.replies[0].enhanced == "5.6.7"
            assert sink.verbs() == ["EHLO"] and client.usable
            client.close()
    async with running_sink() as sink:
        client = await connected(sink)
        assert codes(await send(client, envelope("bücher@x"), iter([CONTENT]), Dots())) == [250]
        assert sink.commands[1].endswith(" SMTPUTF8") and sink.commands[2] == "RCPT TO:<bücher@x>"
        client.close()


async def test_dsn_parameters_are_passed_on_where_they_are_understood():
    wanted = Envelope(
        "a@us.test",
        (
            Recipient("b@x", "SUCCESS,FAILURE", "rfc822;b+c=d@x"),
            Recipient("c@x", "NEVER", "utf-8;b\\x{e4}@x"),
            Recipient("d@x"),
        ),
        10,
        eightbit=True,
        envid="id=1 +2",
        ret="HDRS",
    )
    async with running_sink() as sink:
        client = await connected(sink)
        await send(client, wanted, iter([CONTENT]), Dots())
        assert sink.commands[1:5] == [
            "MAIL FROM:<a@us.test> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=id+3D1+20+2B2",
            "RCPT TO:<b@x> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bc+3Dd@x",
            "RCPT TO:<c@x> NOTIFY=NEVER ORCPT=utf-8;b\\x{e4}@x",
            "RCPT TO:<d@x>",
        ]
        client.close()
    async with running_sink(extensions=()) as sink:
        client = await connected(sink)
        await send(client, wanted, iter([CONTENT]), Dots())
        assert sink.commands[1:5] == ["MAIL FROM:<a@us.test>", "RCPT TO:<b@x>", "RCPT TO:<c@x>", "RCPT TO:<d@x>"]
        client.close()


async def test_an_original_recipient_is_ascii_where_the_transaction_is():
    """RFC 6533 §3: utf-8-addr-xtext and utf-8-addr-unitext."""
    async with running_sink() as sink:
        client = await connected(sink)
        for to in ("b@x", "bücher@x"):
            wanted = Envelope("a@us.test", (Recipient(to, "", "utf-8;jürgen+a b@x"),), 10)
            await send(client, wanted, iter([CONTENT]), Dots())
        rcpts = [command for command in sink.commands if command.startswith("RCPT")]
        assert rcpts[0] == r"RCPT TO:<b@x> ORCPT=utf-8;j\x{FC}rgen\x{2B}a\x{20}b@x"
        assert rcpts[1] == r"RCPT TO:<bücher@x> ORCPT=utf-8;jürgen\x{2B}a\x{20}b@x"
        client.close()


@pytest.mark.parametrize("mail_from", ["a@us.test", ""])
async def test_what_demands_tls_goes_only_where_tls_is_promised(tmp_path, mail_from):
    """RFC 8689 §2 and §4.2.1; a notification is not held back by it (§5)."""
    wanted = Envelope(mail_from, (Recipient("b@x"),), 10, require_tls=True)
    # In the clear the keyword promises nothing.
    async with running_sink(extensions=("REQUIRETLS",)) as sink:
        client = await connected(sink)
        sent = await send(client, wanted, iter([CONTENT]), Dots())
        assert codes(sent) == ([554] if mail_from else [250])
        assert mail_from or sink.commands[1] == "MAIL FROM:<>"
        assert not mail_from or sent.replies[0].enhanced == "5.7.30"
        client.close()
    tls = certified(tmp_path).context
    for extensions, code in ((("REQUIRETLS",), 250), (("PIPELINING",), 554 if mail_from else 250)):
        async with running_sink(extensions=extensions, tls=tls) as sink:
            client = await connected(sink)
            await client.start_tls(opportunistic_context(), "sink.test")
            assert codes(await send(client, wanted, iter([CONTENT]), Dots())) == [code]
            asked = any(one == f"MAIL FROM:<{mail_from}> REQUIRETLS" for one in sink.commands)
            assert asked == ("REQUIRETLS" in extensions)
            client.close()


async def test_a_command_that_would_be_two_is_never_written():
    """Security SM-9: addresses are typed values; this is the last look."""
    async with running_sink() as sink:
        client = await connected(sink)
        with pytest.raises(ValueError, match="control"):
            await send(client, envelope("b@x>\r\nRCPT TO:<c@y"), iter([CONTENT]), Dots())
        assert sink.verbs() == ["EHLO"]
        client.close()


async def test_pipelined_commands_go_out_in_one_piece():
    async with running_sink() as sink:
        client = await connected(sink)
        written: list[bytes] = []
        original = client.wire.write

        async def write(octets: bytes, seconds: float) -> None:
            written.append(octets)
            await original(octets, seconds)

        client.wire.write = write  # type: ignore[method-assign]
        await send(client, envelope("a@x", "b@x"), iter([CONTENT]), Dots())
        assert written[0].count(b"\r\n") == 4 and written[0].endswith(b"DATA\r\n")
        client.close()


async def test_a_thousand_recipients_are_one_transaction():
    sent, sink, _ = await one({}, *(f"r{number}@x" for number in range(1000)))
    assert codes(sent) == [250] * 1000 and len(sink.messages) == 1
