"""Our SMTP client: one connection to one server, which mail/smtp/sending.py uses for message after message.

    connect -> greeting -> EHLO [-> STARTTLS -> EHLO] [-> AUTH] -> send, send, … -> QUIT

1. Policy is the caller's: it chooses the host, whether TLS is tried or needed, and what a reply means for the queue.
2. Nothing read before the TLS handshake is believed after it, and a server that sent more than the 220 is dropped
   (RFC 3207 §4.2, security TL-2).
3. Every phase has its timer (RFC 5321 §4.5.3.2). What ends a conversation early is `ConversationFailed`.
"""

import asyncio
import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mail.smtp.reply_reader import Reply
from mail.smtp.wire import ConversationFailed, Refused, Wire

# RFC 5321 §4.5.3.2, in seconds.
GREETING = 300.0
COMMAND = 300.0
DATA_START = 120.0
DATA_BLOCK = 180.0
DATA_END = 600.0
# Ours.
CONNECT = 30.0
TLS_HANDSHAKE = 30.0
QUIT_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class Timers:
    connect: float = CONNECT
    greeting: float = GREETING
    command: float = COMMAND
    data_start: float = DATA_START
    data_block: float = DATA_BLOCK
    data_end: float = DATA_END
    handshake: float = TLS_HANDSHAKE


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server's LIMITS announce (RFC 9422 §4); 0: nothing."""

    mails: int = 0
    recipients: int = 0
    recipient_domains: int = 0

    @classmethod
    def parse(cls, text: str) -> "Limits":
        found: dict[str, int] = {}
        for word in text.upper().split():
            name, _, value = word.partition("=")
            # limit-value of these three: %x31-39 0*5DIGIT; what is not of that form is left out
            if value.isascii() and value.isdigit() and len(value) <= 6 and value[0] != "0":
                found[name] = int(value)
        return cls(found.get("MAILMAX", 0), found.get("RCPTMAX", 0), found.get("RCPTDOMAINMAX", 0))


class StartTlsRefused(ConversationFailed):
    """The server offered STARTTLS and says no to it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"STARTTLS: {reply.code} {reply.text}", tls=True)
        self.code = reply.code


class SmtpClient:
    """Made by `connect`. After ConversationFailed only `close` is of use."""

    def __init__(self, wire: Wire, ehlo_name: str, timers: Timers) -> None:
        self.wire = wire
        self.timers = timers
        self._name = ehlo_name
        self.extensions: dict[str, str] = {}
        self.limits = Limits()
        self.tls = ""
        self.messages = 0

    @classmethod
    async def connect(
        cls,
        ip: str,
        port: int,
        *,
        ehlo_name: str,
        timers: Timers | None = None,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> "SmtpClient":
        """Connect (with `tls`, encrypted from the start), read the greeting, say EHLO.

        OSError, TimeoutError, ConversationFailed; a greeting or EHLO that is refused is Refused, with the server's
        words.
        """
        wire = Wire()
        timers = timers or Timers()
        async with asyncio.timeout(timers.connect):
            await asyncio.get_running_loop().create_connection(
                lambda: wire, ip, port, ssl=tls, server_hostname=server_name if tls else None
            )
        client = cls(wire, ehlo_name, timers)
        try:
            client._note_tls()
            greeting = await wire.reply(timers.greeting)
            if greeting.code != 220:
                raise Refused(greeting, "greeting")
            await client._hello()
        except BaseException:
            client.close()
            raise
        return client

    async def _hello(self) -> None:
        reply = await self.command(f"EHLO {self._name}")
        if reply.permanent:
            reply = await self.command(f"HELO {self._name}")  # RFC 5321 §3.2
        if not reply.positive:
            raise Refused(reply, "EHLO")
        self.extensions = {}
        for line in reply.lines[1:]:
            keyword, _, rest = line.partition(" ")
            self.extensions[keyword.upper()] = rest.strip()
        self.limits = Limits.parse(self.extensions.get("LIMITS", ""))

    async def command(self, line: str, seconds: float | None = None) -> Reply:
        """One command and its reply."""
        self.wire.expect_nothing()
        await self.wire.write(command_line(line), self.timers.command)
        return await self.wire.reply(seconds or self.timers.command)

    async def start_tls(
        self, context: ssl.SSLContext, server_name: str, verify: Callable[[list[bytes]], None] | None = None
    ) -> None:
        """STARTTLS and EHLO again. ConversationFailed with `tls` set when encryption does not come about.

        `verify` sees the server's certificates before a word is said under TLS; it may raise ConversationFailed.
        """
        reply = await self.command("STARTTLS")
        if reply.code != 220:
            raise StartTlsRefused(reply)
        wire = self.wire
        if wire.replies or not wire.reader.idle:
            # Somebody put words into the server's mouth: to go on in clear would be his wish.
            raise ConversationFailed("more than the answer to STARTTLS came before TLS")
        assert wire.transport is not None
        try:
            async with asyncio.timeout(self.timers.handshake):
                transport = await asyncio.get_running_loop().start_tls(
                    wire.transport, wire, context, server_hostname=server_name
                )
        except (OSError, TimeoutError) as error:
            raise ConversationFailed(f"TLS handshake: {error or type(error).__name__}", tls=True) from error
        if transport is None:
            raise ConversationFailed("TLS handshake: connection lost", tls=True)
        wire.transport = transport
        self._note_tls()
        if verify is not None:
            verify(self.peer_chain())
        try:
            await self._hello()
        except ConversationFailed:
            if isinstance(wire.lost, ssl.SSLError):
                # In TLS 1.3 the server's no to the handshake comes after it (RFC 8446 §4.4.4).
                raise ConversationFailed(f"TLS: {wire.lost.reason or wire.lost}", tls=True) from wire.lost
            raise

    @property
    def local_ip(self) -> str:
        """Our own address in this connection."""
        name = self.wire.transport.get_extra_info("sockname") if self.wire.transport is not None else None
        return str(name[0]) if name else ""

    def _ssl_object(self) -> ssl.SSLObject | None:
        transport = self.wire.transport
        return transport.get_extra_info("ssl_object") if transport is not None else None

    def _note_tls(self) -> None:
        made = self._ssl_object()
        if made is not None:
            cipher = made.cipher()
            self.tls = f"{made.version()} {cipher[0] if cipher else ''}".strip()

    def peer_chain(self) -> list[bytes]:
        """The certificates the server sent, its own first, DER; for checks that the platform does not make (DANE)."""
        made: Any = self._ssl_object()
        if made is None:
            return []
        if hasattr(made, "get_unverified_chain"):
            return list(made.get_unverified_chain() or ())
        # Python 3.13 made it public; until then only the object underneath has it.
        chain = made._sslobj.get_unverified_chain() or ()
        return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain]

    async def log_in(self, username: str, password: str) -> None:
        """AUTH PLAIN, or LOGIN where that is all there is. ConversationFailed when refused; never without TLS."""
        offered = self.extensions.get("AUTH", "").upper().split()
        if not self.tls:
            raise ConversationFailed("the server offers no TLS to log in under")
        if "PLAIN" in offered:
            reply = await self.command(f"AUTH PLAIN {_base64(f'{chr(0)}{username}{chr(0)}{password}')}")
        elif "LOGIN" in offered:
            reply = await self.command("AUTH LOGIN")
            for answer in (username, password):
                if reply.code == 334:
                    reply = await self.command(_base64(answer))
        else:
            raise ConversationFailed("the server offers neither AUTH PLAIN nor LOGIN")
        if reply.code != 235:
            raise Refused(reply, "AUTH")

    @property
    def usable(self) -> bool:
        """Can another message go over this connection."""
        transport = self.wire.transport
        if self.wire.failure is not None or transport is None or transport.is_closing():
            return False
        return not self.limits.mails or self.messages < self.limits.mails

    async def quit(self) -> None:
        """Say goodbye, briefly; a server that does not answer is left."""
        if self.wire.failure is None:
            try:
                await self.command("QUIT", QUIT_WAIT)
            except ConversationFailed:
                pass
        self.close()

    def close(self) -> None:
        self.wire.fail("closed by us")


def command_line(command: str) -> bytes:
    """A command line. ValueError for anything that could be two: its parts are typed values, this is the last look."""
    octets = command.encode("utf-8")
    if any(octet < 0x20 or octet == 0x7F for octet in octets):
        raise ValueError("control character in a command")
    return octets + b"\r\n"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
