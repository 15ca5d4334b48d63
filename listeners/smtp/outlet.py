"""The writing half of an SMTP connection, and its end.

The class is aiosmtpd's (docs/decisions/smtp-shell.md); `Connection` adds what is read.
"""

import asyncio
from asyncio.streams import FlowControlMixin
from typing import Any

from aiosmtpd.smtp import SMTP

from listeners.serve import Origin
from mail.smtp.limits import FIRST_COMMAND_SECONDS
from mail.smtp.replies import Reply, render

# To a peer that is slowed down: the first octets of what we say come one a second (features S02).
SLOW_OCTETS = 6
SLOW_SECONDS = 1.0


class Disconnected(Exception):
    """The peer is gone, or we closed: the conversation ends and there is nobody to answer."""


class Outlet(SMTP):  # type: ignore[misc]
    """Replies are collected, and written when `flush` is called."""

    def __init__(self, origin: Origin) -> None:
        # aiosmtpd's own __init__ finds its hooks by introspection, 130 µs a connection, and makes a stream reader.
        self.loop = asyncio.get_running_loop()
        FlowControlMixin.__init__(self, self.loop)  # type: ignore[no-untyped-call]
        self._closed = None  # what SMTP.__del__ asks for
        self.origin = origin
        self.transport: asyncio.Transport | None = None
        self.deadline = self.loop.time() + FIRST_COMMAND_SECONDS
        self._stalled_since = 0.0
        self._waiter: asyncio.Future[None] | None = None
        self._out: list[bytes] = []
        self._reading = True
        self._closing = False
        # Set for a peer that sent junk: his time is what he has to lose, from the reply after the next one on.
        self.tiresome = False
        self._slow = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = 0.0

    def answer(self, reply: Reply) -> None:
        self.write(render(reply, self.origin.cid))

    async def push(self, status: Any) -> None:
        """aiosmtpd's name for answering, for what of it still calls it."""
        self.write((status.encode() if isinstance(status, str) else status) + b"\r\n")

    def write(self, octets: bytes) -> None:
        self._out.append(octets)

    async def flush(self) -> None:
        """Send what was answered. Waits while the peer does not read, and where it is slowed down."""
        if self._slow:
            await self._send_slowly()
        self._send()
        self._slow = self.tiresome
        if self._paused:
            try:
                await self._drain_helper()
            except ConnectionResetError:
                raise Disconnected from None

    async def _send_slowly(self) -> None:
        octets = b"".join(self._out)
        self._out.clear()
        for place in range(min(SLOW_OCTETS, len(octets) - 1)):
            if self.transport is None or self.transport.is_closing():
                return
            self.transport.write(octets[place : place + 1])
            await asyncio.sleep(SLOW_SECONDS)
        self._out.insert(0, octets[SLOW_OCTETS:] if len(octets) > SLOW_OCTETS else octets[-1:])

    def _send(self) -> None:
        if self._out:
            octets = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            if self.transport is not None and not self.transport.is_closing():
                self.transport.write(octets)

    def _pause(self) -> None:
        if self._reading and self.transport is not None:
            self._reading = False
            self.transport.pause_reading()

    def _resume(self) -> None:
        if not self._reading and self.transport is not None and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Close when all is written."""
        self._send()
        self._closing = True
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        self._closing = True
        if self.transport is not None:
            self.transport.abort()
        self._wake()
