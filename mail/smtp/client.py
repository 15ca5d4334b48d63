"""Our SMTP client: one connection to one server, pipelining, several messages and recipients each.

    connect -> greeting -> EHLO [-> STARTTLS -> EHLO] [-> AUTH] -> send, send, … -> QUIT

1. Policy is the caller's: it chooses the host, whether TLS is tried or needed, and what a reply means for the queue.
2. Nothing read before the TLS handshake is believed after it, and a server that sent more than the 220 is dropped
   (security TL-2).
3. Every phase has its timer (RFC 5321 §4.5.3.2). What ends a conversation early is `ConversationFailed`, with how
   far it had come: after the final dot was sent, nobody knows whether the message was taken.
"""

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mail.smtp import xtext
from mail.smtp.outgoing import FINAL_DOT, UnsendableContent, dot_stuffed
from mail.smtp.reply_reader import Reply
from mail.smtp.wire import ConversationFailed, Wire

# RFC 5321 §4.5.3.2, in seconds.
GREETING = 300.0
MAIL = 300.0
RCPT = 300.0
DATA_START = 120.0
DATA_BLOCK = 180.0
DATA_END = 600.0
TLS_HANDSHAKE = 30.0
QUIT_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class Timers:
    greeting: float = GREETING
    command: float = MAIL
    data_start: float = DATA_START
    data_block: float = DATA_BLOCK
    data_end: float = DATA_END
    handshake: float = TLS_HANDSHAKE


@dataclass(frozen=True, slots=True)
class Recipient:
    address: str
    notify: str = ""
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    mail_from: str
    recipients: tuple[Recipient, ...]
    size: int
    eightbit: bool = False
    smtputf8: bool = False
    envid: str = ""
    ret: str = ""


@dataclass(slots=True)
class Sent:
    """What the server said: a reply for each recipient, in order, that decides it alone."""

    replies: list[Reply] = field(default_factory=list)
    # Whether each recipient got as far as the message: a 452 for the tenth says "in another transaction".
    too_many: list[int] = field(default_factory=list)


def local_reply(code: int, enhanced: str, text: str) -> Reply:
    """What we say ourselves where the server had no chance to."""
    return Reply(code, (f"{enhanced} {text}",))


class SmtpClient:
    """Made by `connect`. After ConversationFailed only `close` is of use."""

    def __init__(self, wire: Wire, ehlo_name: str, timers: Timers) -> None:
        self._wire = wire
        self._name = ehlo_name
        self._timers = timers
        self.extensions: dict[str, str] = {}
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
        connect_seconds: float = 30.0,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> "SmtpClient":
        """Connect (with `tls`, encrypted from the start), read the greeting, say EHLO. OSError, ConversationFailed.

        A greeting or EHLO that is refused is ConversationFailed with the server's words.
        """
        wire = Wire()
        timers = timers or Timers()
        async with asyncio.timeout(connect_seconds):
            await asyncio.get_running_loop().create_connection(
                lambda: wire,
                ip,
                port,
                ssl=tls,
                server_hostname=server_name if tls else None,
                ssl_handshake_timeout=timers.handshake if tls else None,
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
        reply = await self._command(f"EHLO {self._name}")
        if reply.permanent:
            reply = await self._command(f"HELO {self._name}")
        if not reply.positive:
            raise Refused(reply, "EHLO")
        self.extensions = {}
        for line in reply.lines[1:]:
            keyword, _, rest = line.partition(" ")
            self.extensions[keyword.upper()] = rest

    async def _command(self, line: str, seconds: float | None = None) -> Reply:
        await self._wire.write(_line(line), self._timers.command)
        return await self._wire.reply(seconds or self._timers.command)

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """STARTTLS and EHLO again. ConversationFailed with `tls` set when it does not come about."""
        reply = await self._command("STARTTLS")
        if reply.code != 220:
            raise ConversationFailed(f"STARTTLS: {reply.code} {reply.text}", tls=True)
        wire = self._wire
        if wire.replies or not wire.reader.idle:
            # RFC 3207 §4.2, security TL-2: somebody put words into the server's mouth.
            raise ConversationFailed("more than the answer to STARTTLS came before TLS", tls=True)
        assert wire.transport is not None
        loop = asyncio.get_running_loop()
        wire.transport.pause_reading()
        try:
            transport = await loop.start_tls(
                wire.transport,
                wire,
                context,
                server_hostname=server_name,
                ssl_handshake_timeout=self._timers.handshake,
            )
        except (OSError, ssl.SSLError) as error:
            raise ConversationFailed(f"TLS handshake: {error}", tls=True) from error
        if transport is None:
            raise ConversationFailed("TLS handshake: connection lost", tls=True)
        wire.transport = transport
        self._note_tls()
        await self._hello()

    def _note_tls(self) -> None:
        transport = self._wire.transport
        made = transport.get_extra_info("ssl_object") if transport is not None else None
        if made is not None:
            self.tls = f"{made.version()} {made.cipher()[0]}"

    def peer_certificate(self) -> bytes | None:
        """The server's certificate, DER; None without TLS."""
        transport = self._wire.transport
        made: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport is not None else None
        return made.getpeercert(binary_form=True) if made is not None else None

    async def log_in(self, username: str, password: str) -> None:
        """AUTH PLAIN, or LOGIN where that is all there is. ConversationFailed when refused; never without TLS."""
        offered = self.extensions.get("AUTH", "").upper().split()
        if not self.tls:
            raise ConversationFailed("the smarthost offers no TLS to log in under")
        if "PLAIN" in offered:
            secret = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
            reply = await self._command(f"AUTH PLAIN {secret}")
        elif "LOGIN" in offered:
            await self._command("AUTH LOGIN")
            await self._command(base64.b64encode(username.encode()).decode())
            reply = await self._command(base64.b64encode(password.encode()).decode())
        else:
            raise ConversationFailed("the smarthost offers neither AUTH PLAIN nor LOGIN")
        if reply.code != 235:
            raise Refused(reply, "AUTH")

    async def send(
        self, envelope: Envelope, pieces: Iterator[bytes], before_final_dot: Callable[[], Awaitable[None]]
    ) -> Sent:
        """One transaction. `before_final_dot` is awaited when all but the final dot is out (security §3.6).

        ConversationFailed when the connection broke; the replies that came before count for nothing then, for the
        message went to nobody unless `after_final_dot` says that it may have.
        """
        refused = self._unsendable(envelope)
        if refused is not None:
            return Sent([refused] * len(envelope.recipients))
        mail, rcpts, data = await self._begin(envelope)
        sent = Sent(rcpts)
        if not mail.positive:
            sent.replies = [mail] * len(rcpts)
        self._note_too_many(sent)
        taken = [place for place, reply in enumerate(sent.replies) if reply.positive]
        if data.code != 354:
            for place in taken:
                sent.replies[place] = data
            await self._reset_if_needed(mail)
            return sent
        final = await self._content(pieces if taken else iter(()), before_final_dot)
        for place in taken:
            sent.replies[place] = final
        self.messages += 1
        return sent

    def _unsendable(self, envelope: Envelope) -> Reply | None:
        """Why this server cannot take the message at all."""
        limit = self.extensions.get("SIZE", "")
        if limit.isdigit() and 0 < int(limit) < envelope.size:
            return local_reply(552, "5.3.4", f"message of {envelope.size} octets is over the server's limit of {limit}")
        if envelope.smtputf8 and "SMTPUTF8" not in self.extensions:
            return local_reply(553, "5.6.7", "the server does not take internationalized addresses (SMTPUTF8)")
        return None

    async def _begin(self, envelope: Envelope) -> tuple[Reply, list[Reply], Reply]:
        """MAIL, RCPT and DATA; one write and then all replies where the server pipelines (RFC 2920)."""
        commands = [self._mail(envelope), *map(self._rcpt, envelope.recipients), "DATA"]
        timers = [self._timers.command] * (len(commands) - 1) + [self._timers.data_start]
        replies: list[Reply] = []
        if "PIPELINING" in self.extensions:
            await self._wire.write(b"".join(map(_line, commands)), self._timers.command)
            replies = [await self._wire.reply(seconds) for seconds in timers]
        else:
            for command, seconds in zip(commands, timers, strict=True):
                if replies and not replies[0].positive:
                    replies.append(replies[0])
                elif command == "DATA" and not any(reply.positive for reply in replies[1:]):
                    replies.append(local_reply(503, "5.5.1", "no recipient was taken"))
                else:
                    replies.append(await self._command(command, seconds))
        return replies[0], replies[1:-1], replies[-1]

    def _mail(self, envelope: Envelope) -> str:
        parts = [f"MAIL FROM:<{envelope.mail_from}>"]
        if "SIZE" in self.extensions:
            parts.append(f"SIZE={envelope.size}")
        if envelope.eightbit and "8BITMIME" in self.extensions:
            parts.append("BODY=8BITMIME")
        if envelope.smtputf8:
            parts.append("SMTPUTF8")
        if "DSN" in self.extensions:
            if envelope.ret:
                parts.append(f"RET={envelope.ret}")
            if envelope.envid:
                parts.append(f"ENVID={xtext.encode(envelope.envid)}")
        return " ".join(parts)

    def _rcpt(self, recipient: Recipient) -> str:
        parts = [f"RCPT TO:<{recipient.address}>"]
        if "DSN" in self.extensions:
            if recipient.notify:
                parts.append(f"NOTIFY={recipient.notify}")
            if recipient.orcpt:
                kind, _, address = recipient.orcpt.partition(";")
                parts.append(f"ORCPT={kind};{xtext.encode(address)}")
        return " ".join(parts)

    @staticmethod
    def _note_too_many(sent: Sent) -> None:
        """452 or 552 after one was taken: the rest belongs in another transaction (RFC 5321 §4.5.3.1.10)."""
        taken = False
        for place, reply in enumerate(sent.replies):
            taken = taken or reply.positive
            full = reply.enhanced in ("", "4.5.3", "5.5.3")
            if taken and reply.code in (452, 552) and full:
                sent.too_many.append(place)

    async def _reset_if_needed(self, mail: Reply) -> None:
        """Leave the transaction that DATA did not begin."""
        if mail.positive:
            await self._command("RSET")

    async def _content(self, pieces: Iterator[bytes], before_final_dot: Callable[[], Awaitable[None]]) -> Reply:
        try:
            for piece in dot_stuffed(pieces):
                await self._wire.write(piece, self._timers.data_block)
        except (UnsendableContent, OSError) as error:
            # Half a message is out: only a broken connection keeps the server from taking it.
            self.close()
            if isinstance(error, UnsendableContent):
                return local_reply(554, "5.6.0", str(error))
            raise ConversationFailed(f"reading the message: {error}") from error
        await before_final_dot()
        try:
            await self._wire.write(FINAL_DOT, self._timers.data_block)
            return await self._wire.reply(self._timers.data_end)
        except ConversationFailed as error:
            raise ConversationFailed(str(error), after_final_dot=True) from error

    @property
    def usable(self) -> bool:
        """Can another message go over this connection."""
        transport = self._wire.transport
        return self._wire.failure is None and transport is not None and not transport.is_closing()

    async def quit(self) -> None:
        """Say goodbye, briefly; a server that does not answer is left."""
        if self.usable:
            try:
                await self._wire.write(_line("QUIT"), QUIT_WAIT)
                await self._wire.reply(QUIT_WAIT)
            except ConversationFailed:
                pass
        self.close()

    def close(self) -> None:
        if self._wire.transport is not None:
            self._wire.transport.abort()


class Refused(ConversationFailed):
    """The server said no to the whole conversation; `reply` has its words."""

    def __init__(self, reply: Reply, phase: str) -> None:
        super().__init__(f"{phase}: {reply.code} {reply.text}")
        self.reply = reply


def _line(command: str) -> bytes:
    """A command line. ValueError for anything that could be two: addresses are typed values, this is the last look."""
    octets = command.encode("utf-8")
    if any(octet < 0x20 or octet == 0x7F for octet in octets):
        raise ValueError("control character in a command")
    return octets + b"\r\n"


def recipients_of(addresses: Sequence[str]) -> tuple[Recipient, ...]:
    return tuple(Recipient(address) for address in addresses)
