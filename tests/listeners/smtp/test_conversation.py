"""What a peer may say and how long he may take, on a real socket (features B03; security SM-5 to SM-7, EX-9)."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mail.smtp.limits import Patience
from tests.smtp_listener import Mx, Peer, running_mx

GOOD = b"Subject: x\r\n\r\nhello"
SMUGGLED = b"Subject: x\r\n\r\nhello\rbye"


@pytest.fixture
async def mx(tmp_path: Path) -> AsyncIterator[Mx]:
    async with running_mx(tmp_path) as running:
        yield running


async def test_what_is_offered_is_told_before_anything_is_asked(mx: Mx) -> None:
    async with mx.connected(greeted=False) as peer:
        await peer.reply()
        lines = (await peer.command("EHLO client.example")).splitlines()
        assert [line[4:] for line in lines] == [
            *("mx.example", "PIPELINING", "SIZE 1048576", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8"),
            *("CHUNKING", "LIMITS RCPTMAX=1000 MAILMAX=100"),
        ]
        assert await peer.command("HELO client.example") == "250 mx.example"


async def test_commands_that_tell_nothing_are_answered_without_information(mx: Mx) -> None:
    async with mx.connected() as peer:
        for asked in ("VRFY ann", "VRFY nobody", "EXPN team"):
            assert (await peer.command(asked)).startswith("252 2.5.2 ")
        assert (await peer.command("HELP")).startswith("214 2.0.0 ")
        assert (await peer.command("AUTH PLAIN AAAA")).startswith("503 5.5.1")


async def test_the_fifth_unknown_command_ends_the_session(mx: Mx) -> None:
    async with mx.connected() as peer:
        for _ in range(4):
            assert (await peer.command("XYZZY")).startswith("500 5.5.1 ")
        assert (await peer.command("TURN")).startswith("500 5.5.1 ")
        assert (await peer.reply()).startswith("421 4.7.0 Too many errors")
        assert await peer.rest() == ""


async def test_the_thousand_and_first_command_ends_the_session(mx: Mx) -> None:
    async with mx.connected() as peer:
        # One was EHLO; MAIL may not come twice, so that is all it costs.
        peer.send(b"MAIL FROM:<x@far.example>\r\n" * 1000)
        replies = [(await peer.reply())[:3] for _ in range(1000)]
        assert replies == ["250", *["503"] * 998, "421"] and await peer.rest() == ""


async def test_a_hundred_messages_are_taken_and_the_next_belongs_in_another_session(mx: Mx) -> None:
    async with mx.connected() as peer:
        for _ in range(100):
            assert (await peer.bring(GOOD)).startswith("250 2.0.0")
        assert (await peer.command("MAIL FROM:<x@far.example>")).startswith("421 4.7.0 Too many messages")
    assert len(mx.keeper.messages) == 100


async def test_a_thousand_recipients_are_taken_whoever_the_sender_is_and_no_more(mx: Mx) -> None:
    async with mx.connected() as peer:
        await peer.command("MAIL FROM:<x@far.example>")
        peer.send(b"".join(b"RCPT TO:<ann+%d@a.example>\r\n" % number for number in range(1001)))
        assert [(await peer.reply())[:9] for _ in range(1001)] == ["250 2.1.5"] * 1000 + ["452 4.5.3"]
        assert (await peer.command("DATA")).startswith("354 ")
        peer.send(GOOD + b"\r\n.\r\n")
        assert (await peer.reply()).startswith("250 2.0.0")


async def test_ten_refused_messages_and_none_taken_are_enough(mx: Mx) -> None:
    async with mx.connected() as peer:
        for _ in range(10):
            assert (await peer.bring(SMUGGLED)).startswith("500 5.5.2")
        assert (await peer.bring(SMUGGLED)).startswith("500 5.5.2")
        assert (await peer.reply()).startswith("421 4.7.0 Too many failed transactions")
    async with mx.connected() as peer:
        assert (await peer.bring(GOOD)).startswith("250 ")
        for _ in range(12):
            assert (await peer.bring(SMUGGLED)).startswith("500 5.5.2")
        assert (await peer.command("NOOP")).startswith("250 ")
    assert mx.keeper.messages == [GOOD + b"\r\n"]


async def test_idle_commands_in_a_row_become_slow(mx: Mx) -> None:
    async with mx.connected() as peer:
        begun = time.monotonic()
        for _ in range(20):
            await peer.command("NOOP")
        assert time.monotonic() - begun < 1
        begun = time.monotonic()
        assert (await peer.command("RSET")).startswith("250 ")
        assert time.monotonic() - begun >= 1


@pytest.mark.parametrize("first", [b"EHLO client.example\r\n", b"GET / HTTP/1.0\r\n\r\n"])
async def test_who_talks_before_he_is_greeted_is_turned_away(mx: Mx, first: bytes) -> None:
    # All of it is there before the server, which is in this loop, can accept.
    early = socket.create_connection(("127.0.0.1", mx.port))
    early.sendall(first)
    reader, writer = await asyncio.open_connection(sock=early)
    said = await Peer(reader, writer).rest()
    writer.close()
    assert said.startswith("554 5.5.1 Protocol error") and said.count("\n") == 1


@pytest.mark.parametrize("first", [b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\r\nNOOP\r\n"])
async def test_another_protocol_is_closed_without_a_word(mx: Mx, first: bytes) -> None:
    async with mx.connected(greeted=False) as peer:
        assert (await peer.reply()).startswith("220 ")
        peer.send(first + b"MAIL FROM:<x@far.example>\r\n")
        assert await peer.rest() == ""


async def test_what_comes_behind_quit_is_not_heard(mx: Mx) -> None:
    async with mx.connected() as peer:
        peer.send(b"QUIT\r\nMAIL FROM:<x@far.example>\r\nNOOP\r\n")
        assert (await peer.reply()).startswith("221 2.0.0") and await peer.rest() == ""


async def test_content_before_our_word_is_taken_and_told_in_the_log(mx: Mx) -> None:
    async with mx.connected() as peer:
        commands = b"MAIL FROM:<x@far.example>\r\nRCPT TO:<ann@a.example>\r\nDATA\r\n"
        peer.send(commands + GOOD + b"\r\n.\r\nNOOP\r\n")
        assert [(await peer.reply())[:3] for _ in range(5)] == ["250", "250", "354", "250", "250"]
    assert "early-input" in mx.logged()


async def test_who_says_nothing_is_told_that_his_time_is_over(tmp_path: Path) -> None:
    hasty = Patience(command_seconds=0.2, content_seconds=0.2)
    async with running_mx(tmp_path, patience=hasty) as mx:
        async with mx.connected() as peer:
            await peer.command("NOOP")
            assert (await peer.rest()).startswith("421 4.4.2 Timeout, closing connection")
        async with mx.connected() as peer:
            await peer.begin()
            peer.send(b"Subject: x\r\n\r\n")
            assert (await peer.rest()).startswith("421 4.4.2 Timeout, closing connection")
        assert mx.keeper.messages == []


async def test_a_peer_that_is_gone_without_a_word_keeps_nobody_from_a_goodbye(mx: Mx) -> None:
    gone = socket.create_connection(("127.0.0.1", mx.port))
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    async with mx.connected() as there:
        while len([one for one in mx.service.sessions if one.waiting_for_command]) < 2:
            await asyncio.sleep(0.01)
        # A reset, and the goodbye comes before the loop of the server has heard of it.
        gone.close()
        await mx.service.drain()
        assert (await there.rest()).startswith("421 4.3.2 Service shutting down")


async def test_a_loop_that_was_kept_from_its_work_says_so(mx: Mx) -> None:
    async with mx.connected() as peer:
        await peer.command("NOOP")
        # The fault itself, not a wait: the server runs on this loop, which is kept for longer than its watch lets pass.
        time.sleep(1.5)
        while "smtp-loop-stalled" not in mx.logged():
            await asyncio.sleep(0.05)
