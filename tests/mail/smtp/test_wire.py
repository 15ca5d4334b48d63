import asyncio

import pytest

from mail.smtp.reply_reader import Reply
from mail.smtp.wire import REPLIES_MAX, ConversationFailed, Refused, Wire
from tests.deliver_sink import HANG, Sink, running_sink


async def wired(sink: Sink) -> Wire:
    _, wire = await asyncio.get_running_loop().create_connection(Wire, "127.0.0.1", sink.port)
    return wire


async def test_replies_come_in_order_whenever_they_came():
    async with running_sink() as sink:
        wire = await wired(sink)
        assert (await wire.reply(1)).code == 220
        await wire.write(b"NOOP\r\nDATA\r\n.\r\n", 1)
        assert [(await wire.reply(1)).code for _ in range(3)] == [250, 354, 250]
        wire.fail("done")


async def test_silence_ends_the_conversation():
    async with running_sink({"greeting": HANG}) as sink:
        wire = await wired(sink)
        with pytest.raises(ConversationFailed, match="no reply within 0.05 s"):
            await wire.reply(0.05)
        with pytest.raises(ConversationFailed, match="no reply within"):
            await wire.write(b"NOOP\r\n", 1)


async def test_what_came_before_the_end_can_still_be_read():
    async with running_sink({"greeting": b"220 hello\r\n421 4.3.2 bye\r\n"}) as sink:
        wire = await wired(sink)
        assert (await wire.reply(1)).code == 220
        wire.fail("lost")
        assert (await wire.reply(1)).code == 421
        with pytest.raises(ConversationFailed, match="lost"):
            await wire.reply(1)


async def test_the_first_reason_of_a_failure_stands():
    wire = Wire()
    wire.fail("first")
    wire.connection_lost(None)
    assert wire.failure == "first"


async def test_more_replies_than_anybody_asked_for_end_the_conversation():
    wire = Wire()
    wire.data_received(b"250 ok\r\n" * (REPLIES_MAX + 1))
    assert wire.failure == "more replies than were asked for"


async def test_nothing_is_read_after_a_failure():
    wire = Wire()
    wire.data_received(b"no reply\r\n")
    wire.data_received(b"250 ok\r\n")
    assert not wire.replies


async def test_writing_waits_for_a_reader_and_goes_on():
    async with running_sink() as sink:
        wire = await wired(sink)
        await wire.reply(1)
        await wire.write(b"DATA\r\n", 1)
        await wire.reply(1)
        for _ in range(40):
            await wire.write((b"y" * 998 + b"\r\n") * 100, 5)
        await wire.write(b".\r\n", 1)
        assert (await wire.reply(5)).code == 250
        assert len(sink.messages[0]) == 4_000_000
        wire.fail("done")


def test_a_failure_is_temporary_and_a_refusal_has_the_servers_words():
    assert ConversationFailed("lost").reply.code == 451
    assert ConversationFailed("lost").reply.ours
    assert Refused(Reply(554, ("5.7.1 no",)), "greeting").reply.code == 554


async def test_an_unasked_reply_is_noticed_before_the_next_command():
    wire = Wire()
    wire.expect_nothing()
    wire.data_received(b"250 surprise\r\n")
    wire.expect_nothing()
    assert wire.failure is not None and "nobody asked" in wire.failure
    wire = Wire()
    wire.data_received(b"421 4.4.2 idle\r\n")
    with pytest.raises(Refused, match="421"):
        wire.expect_nothing()
