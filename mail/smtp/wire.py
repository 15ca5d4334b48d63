"""The connection under our SMTP client: octets from the server become replies; writing waits for a slow reader."""

import asyncio
from collections import deque

from mail.smtp.reply_reader import BadReply, Reply, ReplyReader

# A server may answer a pipelined group at once: a thousand recipients and what stands around them.
REPLIES_MAX = 2000


class ConversationFailed(Exception):
    """The connection is of no use any more. `after_final_dot`: the message may have been taken all the same."""

    def __init__(self, why: str, *, after_final_dot: bool = False, tls: bool = False) -> None:
        super().__init__(why)
        self.after_final_dot = after_final_dot
        self.tls = tls


class Wire(asyncio.Protocol):
    """Octets from the server become replies; writing waits for a slow reader."""

    def __init__(self) -> None:
        self.reader = ReplyReader()
        self.replies: deque[Reply] = deque()
        self.transport: asyncio.Transport | None = None
        self.failure: str | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, octets: bytes) -> None:
        try:
            self.replies.extend(self.reader.receive(octets))
        except BadReply as error:
            self._fail(f"bad reply: {error}")
            return
        if len(self.replies) > REPLIES_MAX:
            self._fail("more replies than were asked for")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"connection lost: {exc}" if exc else "connection closed by the server")

    def _fail(self, why: str) -> None:
        self.failure = self.failure or why
        self._wake()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
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
        """The next reply. ConversationFailed on silence, garbage and loss."""
        while not self.replies:
            if self.failure is not None:
                raise ConversationFailed(self.failure)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._waiter
            except TimeoutError:
                self._fail(f"no reply within {seconds:.0f} s")
        return self.replies.popleft()

    async def write(self, octets: bytes, seconds: float) -> None:
        if self.failure is not None or self.transport is None:
            raise ConversationFailed(self.failure or "not connected")
        self.transport.write(octets)
        if self._paused:
            self._drained = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._drained
            except TimeoutError:
                self._fail(f"the server takes nothing for {seconds:.0f} s")
            if self.failure is not None:
                raise ConversationFailed(self.failure)
