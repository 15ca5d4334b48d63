"""One SMTP connection under a session: octets in, lines and content out, replies back; time, TLS, the end.

The class is aiosmtpd's, and what is kept of it is its shape: the protocol object is the session, `smtp_<VERB>` methods
are its commands, `push` answers. Its stream reader, command reader, timers and replies are replaced
(docs/decisions/smtp-shell.md says by what and why).

1. Replies are collected and written when we would wait for input: one write for a pipelined group (RFC 2920 §3.2).
2. While content comes, `data_received` hands octets straight to its scanner; the session wakes once, at the end.
3. At most 64 KiB are read ahead of a command that runs.
4. `deadline` is a number that `Service.keep_time` looks at once a second for all connections together.
5. No connection is dropped without a word, except where TLS or the peer leaves none.
"""

import asyncio
import ssl
from asyncio.streams import FlowControlMixin

from listeners.serve import Origin
from listeners.smtp.outlet import Disconnected, Outlet
from listeners.tls import HANDSHAKE_SECONDS
from mail.smtp.commands import LINE_LIMIT, LONG_LINE_DROPPED
from mail.smtp.content import Content
from mail.smtp.limits import BLOCK_SECONDS, TIMED_OUT, WRITE_STALL_SECONDS, Patience, Transfer
from mail.smtp.replies import BadCommand, Reply

READ_AHEAD = 64 * 1024
UNSENT = 16 * 1024
LINGER_SECONDS = 2.0
NEVER = float("inf")


class LineTooLong(Exception):
    """The line went on past all patience."""


class Connection(Outlet):
    def __init__(self, origin: Origin, patience: Patience) -> None:
        super().__init__(origin)
        self.patience = patience
        self.tls: ssl.SSLObject | None = None
        self._buffer = bytearray()
        self._content: Content | None = None
        self._transfer: Transfer | None = None
        self._chunk_left = 0
        self._chunk_last = False
        self._eof = False
        self._lost = False

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._handler_coroutine is None:
            self.tls = transport.get_extra_info("ssl_object")
            self._handler_coroutine = self.loop.create_task(self._handle_client())

    _handler_coroutine: "asyncio.Task[None] | None" = None

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._content is not None:
            self._content_received(data)
            return
        self._buffer += data
        if self._waiter is not None:
            self._wake()
        elif len(self._buffer) > READ_AHEAD:
            self._pause()

    def eof_received(self) -> bool:
        self._eof = True
        self._wake()
        # A peer that sent all it has and waits for the answers; inside TLS there is no half.
        return self.tls is None and not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        # Not aiosmtpd's: its stream reader's part is not ours.
        FlowControlMixin.connection_lost(self, exc)  # type: ignore[no-untyped-call]
        self._lost = True
        self.transport = None
        self.origin.closed()
        self._wake()

    # Input.

    async def read_line(self, limit: int = LINE_LIMIT) -> bytes:
        """The next line with its CRLF. BadCommand for a bare LF, LineTooLong for what never ends."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._buffer[: end + 1])
                del self._buffer[: end + 1]
                if len(line) > limit:
                    raise LineTooLong
                if not line.endswith(b"\r\n") or line.find(b"\r") != end - 1:
                    raise BadCommand(500, "5.5.2", "Lines must end with CRLF")
                return line
            searched = len(self._buffer)
            if searched > limit:
                await self._drop_long_line()
            await self._more()

    async def _drop_long_line(self) -> None:
        """Read past a line over the limit, but not for ever."""
        dropped = 0
        while True:
            dropped += len(self._buffer)
            ended = b"\n" in self._buffer
            self._buffer.clear()
            if ended or dropped > LONG_LINE_DROPPED:
                raise LineTooLong
            await self._more()

    @property
    def has_line(self) -> bool:
        """Whether the peer has sent ahead of what was answered."""
        return bool(self._buffer)

    async def read_content(self, content: Content) -> None:
        """Feed `content` until its end."""
        self._start_transfer(content)
        try:
            self._content_received(self._take_buffer())
            while self._content is not None:
                await self._more()
        finally:
            self._end_transfer()

    async def read_chunk(self, content: Content | None, size: int, *, last: bool) -> None:
        """Feed the next `size` octets, which are content; None: drop them."""
        scanner = content if content is not None else Content(lambda octets: None, limit=size)
        self._chunk_left, self._chunk_last = size, last
        self._start_transfer(scanner)
        try:
            if size:
                self._content_received(self._take_buffer())
                while self._content is not None:
                    await self._more()
            else:
                scanner.receive_chunk(b"", last=last)
        finally:
            self._chunk_left = 0
            self._end_transfer()

    def _start_transfer(self, content: Content) -> None:
        now = self.loop.time()
        self._transfer = Transfer.started(now)
        self._content = content
        self.deadline = now + BLOCK_SECONDS

    def _end_transfer(self) -> None:
        self._content = None
        self._transfer = None
        self.deadline = NEVER

    def _take_buffer(self) -> bytes:
        octets = bytes(self._buffer)
        self._buffer.clear()
        return octets

    def _content_received(self, octets: bytes) -> None:
        content = self._content
        assert content is not None and self._transfer is not None
        self._transfer.moved(len(octets), self.loop.time())
        if self._chunk_left:
            rest = octets[self._chunk_left :]
            part = octets[: self._chunk_left]
            self._chunk_left -= len(part)
            content.receive_chunk(part, last=self._chunk_last and not self._chunk_left)
            done = not self._chunk_left
        else:
            rest = content.receive(octets)
            done = content.ended or content.overrun
        if done:
            self._buffer += rest
            self._content = None
            self._wake()

    async def _more(self) -> None:
        """Send what waits, then wait for input. Disconnected when there will be none."""
        await self.flush()
        if self._lost or self._eof or self._closing:
            raise Disconnected
        self._resume()
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._lost or self._closing:
            raise Disconnected

    @property
    def waiting_for_command(self) -> bool:
        return self._waiter is not None and self._content is None

    # TLS.

    async def start_tls(self, context: ssl.SSLContext, agreed: Reply) -> None:
        """Agree and shake hands. Disconnected when that fails: in the middle of a handshake nobody can be told."""
        assert self.transport is not None
        transport = self.transport
        transport.pause_reading()  # nothing may be read in the clear behind our agreement
        # Before the handshake, not after it: a client's first command may come with the end of its handshake.
        self._buffer.clear()
        self.answer(agreed)
        self._send()
        self.deadline = NEVER
        try:
            upgraded = await self.loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except (OSError, EOFError) as error:
            self.abort()
            raise Disconnected(f"TLS handshake failed: {error}") from error
        if upgraded is None or self._lost:
            raise Disconnected
        self.transport = upgraded
        self.tls = upgraded.get_extra_info("ssl_object")

    # Time and the end.

    def look_at_time(self, now: float) -> None:
        """Called once a second."""
        if self._transfer is not None:
            if self._transfer.too_slow(now, self.patience):
                self.say_goodbye(TIMED_OUT)
        elif self._stalled_since and now - self._stalled_since > WRITE_STALL_SECONDS:
            self.abort()
        elif now > self.deadline:
            self.say_goodbye(TIMED_OUT)

    def say_goodbye(self, reply: Reply | None) -> None:
        """End the connection from our side: last words, then close once the peer has had a moment to read them."""
        if self._closing:
            if self.loop.time() > self.deadline:
                self.abort()
            return
        if reply is not None:
            self.answer(reply)
        self._send()
        self._closing = True
        self._content = None
        self._transfer = None
        self._buffer.clear()
        self.deadline = self.loop.time() + LINGER_SECONDS
        if self.transport is not None and not self._eof and self.tls is None and self.transport.can_write_eof():
            # Closing with unread input in the kernel resets the connection, and our words are lost with it.
            self._end_output()
            self._resume()
        elif self.transport is not None:
            self.transport.close()
        self._wake()

    def _end_output(self) -> None:
        assert self.transport is not None
        try:
            self.transport.write_eof()
        except OSError:
            # The peer has reset the connection, and the loop has not told us yet. Who says goodbye to many (the
            # timekeeper, the drain) must not be stopped by one.
            self.transport.abort()
