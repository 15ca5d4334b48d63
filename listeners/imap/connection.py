"""One TCP or TLS connection under a session: octets to the reader, responses to the wire.

1. No task while nothing is asked: a task lives from a command's first octet to its tagged reply. An idle connection is
   a few slotted objects and no buffer.
2. What the session writes is collected and goes out in pieces of 64 KiB; `flush()` waits while more than 512 KiB are
   unsent, so that a connection never holds more than 1 MiB of output (security EX-3).
3. While a command runs, at most 64 KiB of what the client sends ahead are read.
4. Deadlines are numbers, looked at once a second by the service for all connections together.
"""

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any, Protocol

from mail.imap.reader import Event, Reader

PIECE = 64 * 1024
UNSENT_HIGH = 512 * 1024
UNSENT_LOW = 128 * 1024
READ_AHEAD = 64 * 1024

LOGIN_SECONDS = 60.0
# RFC 9051 §5.4: not less than 30 minutes.
IDLE_SECONDS = 1800.0 + 60.0
# Security EX-3: a client that does not read.
STUCK_SECONDS = 300.0
CLOSING_SECONDS = 10.0
HANDSHAKE_SECONDS = 15.0


class Disconnected(Exception):
    """The client is gone. Nothing to answer, nothing to log but the end."""


class Conversing(Protocol):
    """What a connection tells its conversation."""

    async def take(self, event: Event) -> None: ...
    def connected(self) -> None: ...
    def disconnected(self) -> None: ...
    def failed(self, error: Exception) -> None: ...
    def caught_up(self) -> None: ...
    def expired(self) -> None: ...
    def drain(self) -> None: ...


class Connection(asyncio.Protocol):
    __slots__ = (
        "_drained",
        "_eof",
        "_out",
        "_out_size",
        "_reading",
        "_task",
        "_waiter",
        "authenticated",
        "closing",
        "conversation",
        "deadline",
        "loop",
        "reader",
        "transport",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.reader = Reader()
        self.conversation: Conversing | None = None
        self.transport: asyncio.Transport | None = None
        self.deadline = loop.time() + LOGIN_SECONDS
        self.authenticated = False
        self.closing = False
        self._eof = False
        self._reading = True
        self._out: list[bytes] | None = None
        self._out_size = 0
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    # What asyncio tells us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=UNSENT_HIGH, low=UNSENT_LOW)
        if self.conversation is not None:
            self.conversation.connected()

    def data_received(self, data: bytes) -> None:
        if self.closing:
            return
        self.reader.receive(data)
        if self.authenticated and self._drained is None:
            self.deadline = self.loop.time() + IDLE_SECONDS
        if self._waiter is not None:
            self._wake()
        elif self._task is None:
            self._task = self.loop.create_task(self._converse())
        elif self.reader.pending > READ_AHEAD:
            self._pause()

    def eof_received(self) -> bool:
        # What the client asked before it closed its side is still answered; then we close.
        self._eof = True
        self._wake()
        # Inside TLS there is no half of a connection to keep open.
        return self._task is not None and self.tls is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._eof = self.closing = True
        self._wake()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self.conversation is not None:
            self.conversation.disconnected()

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = self.loop.create_future()
            self.deadline = self.loop.time() + STUCK_SECONDS

    def resume_writing(self) -> None:
        if self._drained is None:
            return
        if not self._drained.done():
            self._drained.set_result(None)
        self._drained = None
        self.deadline = self.loop.time() + (IDLE_SECONDS if self.authenticated else LOGIN_SECONDS)
        if self.conversation is not None and self._task is None:
            self.conversation.caught_up()

    # What the session does.

    def start(self, begin: Coroutine[Any, Any, None]) -> None:
        """Begin with this, then take what the client sends."""
        self._task = self.loop.create_task(self._converse(begin))

    @property
    def stuck(self) -> bool:
        """The client does not read: more than 512 KiB wait for it."""
        return self._drained is not None

    @property
    def busy(self) -> bool:
        return self._task is not None

    def write(self, octets: bytes) -> None:
        if self._out is None:
            self._out = [octets]
            self._out_size = len(octets)
            return
        self._out.append(octets)
        self._out_size += len(octets)
        if self._out_size >= PIECE:
            self.send()

    def send(self) -> None:
        """Hand what was written to the kernel, without waiting."""
        out, self._out, self._out_size = self._out, None, 0
        if out and self.transport is not None and not self.transport.is_closing():
            self.transport.write(b"".join(out))

    async def flush(self) -> None:
        """Send, and wait while too much is unsent. Raises Disconnected when the client is gone."""
        self.send()
        if self._drained is not None:
            await self._drained
        if self.transport is None or self.transport.is_closing():
            raise Disconnected

    async def next_event(self) -> Event:
        """What the client sends next, inside a command: a literal's octets, a SASL response."""
        while True:
            event = self.reader.next()
            if event is not None:
                return event
            if self._eof or self.closing:
                raise Disconnected
            self.send()
            self._resume()
            self._waiter = self.loop.create_future()
            await self._waiter

    def logged_in(self) -> None:
        self.authenticated = True
        self.deadline = self.loop.time() + IDLE_SECONDS

    def close(self) -> None:
        """After what was written."""
        if self.closing:
            return
        self.send()
        self.closing = True
        self.deadline = self.loop.time() + CLOSING_SECONDS
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        self.closing = True
        if self.transport is not None:
            self.transport.abort()

    async def start_tls(self, context: ssl.SSLContext, agreed: bytes) -> None:
        """Write `agreed` and begin TLS. Raises Disconnected when the handshake fails.

        The caller has seen that nothing waits behind its command; from the pause on nothing more is read in clear, so
        that no clear text can be taken for protected (RFC 9051 §6.2.1, security TL-1).
        """
        transport = self.transport
        assert transport is not None
        transport.pause_reading()
        # Before the handshake, not after it: the client's first command may come with the end of its handshake.
        self.reader = Reader()
        self.send()
        transport.write(agreed)
        try:
            upgraded = await self.loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError as error:
            self.abort()
            raise Disconnected from error
        if upgraded is None:
            raise Disconnected
        self.transport = upgraded
        upgraded.set_write_buffer_limits(high=UNSENT_HIGH, low=UNSENT_LOW)

    @property
    def tls(self) -> ssl.SSLObject | None:
        return self.transport.get_extra_info("ssl_object") if self.transport is not None else None

    # Inside.

    async def _converse(self, begin: Coroutine[Any, Any, None] | None = None) -> None:
        conversation = self.conversation
        assert conversation is not None
        try:
            if begin is not None:
                await begin
            while not self.closing:
                event = self.reader.next()
                if event is None:
                    break
                await conversation.take(event)
                if not self.reader.pending:
                    self.send()
        except Disconnected:
            self.send()
            self.abort()
        except Exception as error:  # noqa: BLE001 -- the conversation: logged, counted, answered with BYE
            conversation.failed(error)
        finally:
            self._task = None
            self.send()
            if self._eof:
                self.close()
            else:
                self._resume()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _pause(self) -> None:
        if self._reading and self.transport is not None:
            self._reading = False
            self.transport.pause_reading()

    def _resume(self) -> None:
        if not self._reading and self.transport is not None and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()
