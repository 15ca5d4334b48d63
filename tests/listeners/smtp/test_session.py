"""Messages at port 25 over a real socket: smuggling, sizes, waiting (features-1 §6; security SM-1, SM-4)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.smtp_listener import Mx, running_mx

GOOD = b"Subject: x\r\n\r\nhello\r\n"
SECOND = b"MAIL FROM:<evil@far.example>\r\nRCPT TO:<ann@a.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nzq\r\n.\r\n"
# What some server takes for the end of DATA: in the middle of a message, and where it begins.
IN_THE_MIDDLE = (
    *(b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\n", b"\r\n.\r", b"\r"),
    *(b"\r.\r\n", b"\r\n.\r\r\n", b"\n\r.\r\n"),
)
AT_THE_START = (
    *(b".\n", b".\rx", b"\n.\n", b"\n.\rx", b"\r.\rx", b"\r.\n", b"\r.\r\n", b"\n.\r\n", b"\r\n.\rx", b"\r\n.\n"),
)
# What is none, for anybody: it is text.
TEXT = (b"\r\n. \r\n", b"\r\n.\t\r\n", "\u0085.\u0085".encode(), "\u2028.\u2028".encode(), b"\r\n..\r\n")


@pytest.fixture
async def mx(tmp_path: Path) -> AsyncIterator[Mx]:
    async with running_mx(tmp_path, max_message_bytes=64_000) as running:
        yield running


@pytest.mark.parametrize(
    "content",
    [*(GOOD + b"a" + one for one in IN_THE_MIDDLE), *AT_THE_START],
    ids=[*(f"after {one!r}" for one in IN_THE_MIDDLE), *(f"first {one!r}" for one in AT_THE_START)],
)
async def test_a_look_alike_of_the_end_is_one_refusal_and_the_next_message_is_taken(mx: Mx, content: bytes) -> None:
    async with mx.connected() as peer:
        await peer.begin()
        peer.send(content + SECOND)
        said = await peer.reply()
        assert said.startswith("500 5.5.2 ") and "smuggling" in said
        assert (await peer.command("RSET")).startswith("250 2.0.0")
        assert (await peer.bring(b"Subject: next\r\n\r\nx")).startswith("250 2.0.0")
    assert mx.keeper.messages == [b"Subject: next\r\n\r\nx\r\n"]


@pytest.mark.parametrize("look_alike", IN_THE_MIDDLE, ids=repr)
async def test_chunks_are_held_to_the_same(mx: Mx, look_alike: bytes) -> None:
    content = GOOD + b"a" + look_alike + b"MAIL FROM:<evil@far.example>\r\n"
    async with mx.connected() as peer:
        for cut in (0, len(GOOD) + 2, len(content)):
            await peer.command("MAIL FROM:<x@far.example>")
            await peer.command("RCPT TO:<ann@a.example>")
            peer.send(b"BDAT %d\r\n%bBDAT %d LAST\r\n%b" % (cut, content[:cut], len(content) - cut, content[cut:]))
            assert (await peer.reply()).startswith("250 ")
            assert (await peer.reply()).startswith("500 5.5.2 ")
            assert (await peer.command("NOOP")).startswith("250 ")
    assert mx.keeper.messages == []


@pytest.mark.parametrize("text", TEXT, ids=repr)
async def test_what_only_looks_like_a_dot_to_people_is_text(mx: Mx, text: bytes) -> None:
    async with mx.connected() as peer:
        assert (await peer.bring(GOOD + b"a" + text + b"b")).startswith("250 2.0.0")
    (stored,) = mx.keeper.messages
    assert stored == GOOD + b"a" + text.replace(b"\r\n.", b"\r\n") + b"b\r\n"


async def test_a_connection_that_ends_before_its_message_leaves_nothing(mx: Mx) -> None:
    async with mx.connected() as peer:
        await peer.begin()
        peer.send(GOOD + b".")
        peer.writer.write_eof()
        assert await peer.rest() == ""
    assert mx.keeper.messages == []


async def test_a_message_over_the_limit_is_refused_at_its_end_and_the_session_goes_on(mx: Mx) -> None:
    async with mx.connected() as peer:
        assert (await peer.command("MAIL FROM:<x@far.example> SIZE=64001")).startswith("552 5.3.4")
        assert (await peer.bring(b"x" * 900 + b"\r\n" + b"y" * 900 + b"\r\n" * 32_000)).startswith("552 5.3.4 ")
        assert (await peer.bring(GOOD)).startswith("250 2.0.0")
    assert mx.keeper.messages == [GOOD + b"\r\n"]


async def test_twice_the_limit_is_not_waited_for_to_end(mx: Mx) -> None:
    async with mx.connected() as peer:
        await peer.begin()
        peer.send(b"Subject: x\r\n" * 12_000)
        assert (await peer.reply()).startswith("552 5.3.4 ")
        assert await peer.rest() == ""


async def test_who_waits_as_a_first_time_sender_is_told_when_we_end(tmp_path: Path) -> None:
    """Features S02: nothing is stored, and he will try again."""
    async with running_mx(tmp_path, first_time_delay=30.0) as mx:
        mx.keeper.answers.append({"wait": True})
        async with mx.connected() as peer:
            await peer.begin()
            peer.send(GOOD + b".\r\n")
            while mx.keeper.answers:
                await asyncio.sleep(0.01)
            mx.service.draining = True
            assert (await peer.reply()).startswith("421 4.3.2 Service shutting down")
        assert mx.keeper.messages == []
