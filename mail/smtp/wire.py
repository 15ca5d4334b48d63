"""The connection under our SMTP client: octets from the server become replies; writing waits for a slow reader."""

import asyncio
import socket
from collections import deque

from mail.smtp.reply_reader import BadReply, Reply, ReplyReader, local_reply

# A server may answer a pipelined group at once: a thousand recipients and what stands around them.
REPLIES_MAX = 2000


class ConversationFailed(Exception):
    """The connection is of no use any more.

    `tls`: encryption did not come about, so that a conversation in clear may be tried where policy allows it.
    """

    def __init__(self, why: str, *, tls: bool = False) -> None:
        super().__init__(why)
        self.tls = tls

    @property
    def reply(self) -> Reply:
        """What came of it in SMTP's words: temporary, for another attempt may go better."""
        return local_reply(451, "4.4.2", str(self))


class Refused(ConversationFailed):
    """The server said no to the whole conversation; `reply` has its words."""

    def __init__(self, reply: Reply, phase: str) -> None:
        super().__init__(f"{phase}: {reply.code} {reply.text}")
        self._reply = reply

    @property
    def reply(self) -> Reply:
        return self._reply


class Wire(asyncio.Protocol):
    """One user at a time: it writes, then takes as many replies as it asked for."""

    def __init__(self) -> None:
        self.reader = ReplyReader()
        self.replies: deque[Reply] = deque()
        self.transport: asyncio.Transport | None = None
        self.failure: str | None = None
        # What ended it, when that was an error of the connection's own.
        self.lost: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._acknowledge_at_once()

    def _acknowledge_at_once(self) -> None:
        """A server that answers a group in pieces, with Nagle's algorithm on, waits for our acknowledgement before the
        next piece, and the kernel would keep it back for 40 ms: measured, five times slower. The option does not last,
        tcp(7).
        """
        made = self.transport.get_extra_info("socket") if self.transport is not None else None
        if made is not None and made.fileno() >= 0:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def data_received(self, octets: bytes) -> None:
        if self.failure is not None:
            return
        self._acknowledge_at_once()
        try:
            self.replies.extend(self.reader.receive(octets))
        except BadReply as error:
            self.fail(f"bad reply: {error}")
            return
        if len(self.replies) > REPLIES_MAX:
            self.fail("more replies than were asked for")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        self.fail(f"connection lost: {exc}" if exc else "connection closed by the server")

    def fail(self, why: str) -> None:
        """End the connection; the first reason stands."""
        self.failure = self.failure or why
        self._wake()
        self.resume_writing()
        if self.transport is not None:
            self.transport.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def reply(self, seconds: float) -> Reply:
        """The next reply, whole within `seconds`. ConversationFailed on silence, garbage and loss."""
        if not self.replies:
            try:
                async with asyncio.timeout(seconds):
                    await self._wait_for_reply()
            except TimeoutError:
                self.fail(f"no reply within {seconds:g} s")
        if not self.replies:
            raise ConversationFailed(self.failure or "no reply")
        return self.replies.popleft()

    async def _wait_for_reply(self) -> None:
        while not self.replies and self.failure is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def expect_nothing(self) -> None:
        """Before a command: a reply that nobody asked for would be taken for the answer to it.

        Refused when it is the 421 of a server that has gone to sleep (RFC 5321 §3.8), else ConversationFailed.
        """
        if self.failure is None and self.replies:
            unasked = self.replies.popleft()
            self.fail(f"a reply nobody asked for: {unasked.code} {unasked.text}")
            if unasked.code == 421:
                raise Refused(unasked, "while idle")

    async def write(self, octets: bytes, seconds: float) -> None:
        """ConversationFailed when the connection is lost or the server takes nothing for `seconds`."""
        if self.failure is not None or self.transport is None:
            raise ConversationFailed(self.failure or "not connected")
        self.transport.write(octets)
        if not self._paused:
            return
        self._drained = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._drained
        except TimeoutError:
            self.fail(f"the server takes nothing for {seconds:g} s")
        if self.failure is not None:
            raise ConversationFailed(self.failure)
