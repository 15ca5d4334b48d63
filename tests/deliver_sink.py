"""A server for our SMTP client to talk to that can do everything wrong, step by step, and remembers every octet.

    async with running_sink(answers={"RCPT": ["250 ok", "550 5.1.1 no"], "dot": HANG}) as sink:
        … sink.port … sink.commands … sink.messages

Steps are the verbs, "greeting" and "dot" (the end of the content). An answer is a reply without its line end (lines of
one reply are joined by \\r\\n), a list of answers for one time after the other (the last stays), a function of the
command line, raw `bytes` as they are, or HANG, DROP, ENDLESS, DRIP, NOT_TLS.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from app.local import certificates


class Fault(Enum):
    HANG = "say nothing more"
    DROP = "close"
    ENDLESS = "a reply without end"
    DRIP = "a reply without end, slowly"
    NOT_TLS = "agree to STARTTLS, then speak no TLS"


HANG, DROP, ENDLESS, DRIP, NOT_TLS = Fault
DRIP_SECONDS = 0.03
Answer = str | bytes | Fault
Answers = dict[str, "Answer | Sequence[Answer] | Callable[[str], Answer]"]

USUAL: Answers = {
    "greeting": "220 sink.test ESMTP",
    "HELO": "250 sink.test",
    "STARTTLS": "220 go on",
    "DATA": "354 go on",
    "dot": "250 2.0.0 taken",
    "QUIT": "221 2.0.0 bye",
    "AUTH": "235 2.7.0 welcome",
}
EXTENSIONS = ("PIPELINING", "8BITMIME", "SIZE 50000000", "DSN", "SMTPUTF8", "ENHANCEDSTATUSCODES")


@dataclass
class Sink:
    answers: Answers = field(default_factory=dict)
    extensions: tuple[str, ...] = EXTENSIONS
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    # What came: command lines of all connections in order, and the content of each message as it was on the wire, with
    # its stuffed dots and without the final one.
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    connections: int = 0
    open_now: int = 0
    open_most: int = 0
    encrypted: list[bool] = field(default_factory=list)
    port: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: dict[str, int] = field(default_factory=dict)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def verbs(self) -> list[str]:
        return [command.partition(" ")[0].upper() for command in self.commands]

    def answer(self, step: str, line: str = "") -> Answer:
        given: Any = self.answers.get(step, USUAL.get(step, "250 2.0.0 fine"))
        if callable(given):
            return given(line)  # type: ignore[no-any-return]
        if isinstance(given, list | tuple):
            place = min(self._asked.get(step, 0), len(given) - 1)
            self._asked[step] = self._asked.get(step, 0) + 1
            return given[place]  # type: ignore[no-any-return]
        return given  # type: ignore[no-any-return]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            await Session(self, reader, writer).run()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, Gone):
            pass
        finally:
            self.open_now -= 1
            self._writers.discard(writer)
            abort(writer)

    async def end(self) -> None:
        """Break what is still open, and wait until it is gone."""
        self.released.set()
        while self._writers:
            for writer in self._writers:
                abort(writer)
            await asyncio.sleep(0)


def abort(writer: asyncio.StreamWriter) -> None:
    # None after a handshake that the client broke off.
    transport: asyncio.WriteTransport | None = writer.transport
    if transport is not None:
        transport.abort()


class Gone(Exception):
    """The sink ended the conversation."""


class Session:
    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sink = sink
        self.reader = reader
        self.writer = writer
        self.secure = sink.implicit_tls
        self.chunks = bytearray()

    async def run(self) -> None:
        self.sink.encrypted.append(self.secure)
        await self.say("greeting")
        while line := await self.reader.readline():
            self.sink.received += line
            command = line.decode("utf-8", "surrogateescape").removesuffix("\r\n")
            self.sink.commands.append(command)
            await self.obey(command.partition(" ")[0].upper(), command)

    async def obey(self, verb: str, command: str) -> None:
        if verb == "BDAT":
            await self.chunk(command.upper().split())
            return
        answer = await self.say(verb, command)
        if verb == "DATA" and str(answer).startswith("354"):
            await self.content()
        elif verb == "STARTTLS" and str(answer).startswith("220") and self.sink.tls is not None:
            await self.start_tls(self.sink.tls)
            self.secure = True
            self.sink.encrypted[-1] = True
        elif verb == "QUIT":
            raise Gone

    async def start_tls(self, context: ssl.SSLContext) -> None:
        plain = self.writer.transport
        try:
            await self.writer.start_tls(context)
        except (AttributeError, OSError) as error:
            # When the client breaks the handshake off, asyncio of 3.11 forgets the transport and stumbles over that.
            plain.abort()
            raise Gone from error

    async def content(self) -> None:
        content = bytearray()
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise Gone
            content += line
        self.sink.received += content + b".\r\n"
        self.sink.messages.append(bytes(content))
        await self.say("dot")

    async def chunk(self, words: list[str]) -> None:
        content = await self.reader.readexactly(int(words[1]))
        self.sink.received += content
        self.chunks += content
        last = words[2:] == ["LAST"]
        if last:
            self.sink.messages.append(bytes(self.chunks))
            self.chunks.clear()
        await self.say("dot" if last else "BDAT")

    async def say(self, step: str, line: str = "") -> Answer:
        answer = self.hello() if step == "EHLO" and step not in self.sink.answers else self.sink.answer(step, line)
        if answer is HANG:
            await self.sink.released.wait()
            raise Gone
        if answer is DROP:
            raise Gone
        if answer is ENDLESS:
            while True:
                self.writer.write(b"250-and so on\r\n" * 100)
                await self.writer.drain()
        if answer is DRIP:
            while not self.writer.transport.is_closing():
                self.writer.write(b"250-x\r\n")
                await asyncio.sleep(DRIP_SECONDS)
            raise Gone
        if answer is NOT_TLS:
            self.writer.write(b"220 go on\r\n")
            await self.reader.read(100)
            self.writer.write(b"this is no TLS record at all\r\n")
            raise Gone
        self.writer.write(answer if isinstance(answer, bytes) else f"{answer}\r\n".encode())
        await self.writer.drain()
        return answer

    def hello(self) -> str:
        keywords = [*self.sink.extensions]
        if self.sink.tls is not None and not self.secure and "STARTTLS" not in keywords:
            keywords.append("STARTTLS")
        lines = ["sink.test", *keywords]
        return "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"])


@contextlib.asynccontextmanager
async def running_sink(
    answers: Answers | None = None,
    *,
    extensions: tuple[str, ...] = EXTENSIONS,
    tls: ssl.SSLContext | None = None,
    implicit_tls: bool = False,
) -> AsyncIterator[Sink]:
    """A sink on 127.0.0.1, at a port of its own."""
    sink = Sink(answers or {}, extensions, tls, implicit_tls)
    server = await asyncio.start_server(
        sink.serve, "127.0.0.1", 0, limit=1 << 20, ssl=tls if implicit_tls else None, backlog=500
    )
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        await server.wait_closed()
        await sink.end()


@contextlib.contextmanager
def sink_beside(answers: Answers | None = None) -> Iterator[Sink]:
    """A sink in a thread of its own, for tests that wait for other programs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sink")
    thread.start()
    running = running_sink(answers)
    try:
        sink = asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result()
        yield sink
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass(frozen=True)
class Certified:
    """A server's context, and the authority that proves its name (localhost and 127.0.0.1)."""

    context: ssl.SSLContext
    ca_file: Path


def certified(folder: Path, hostname: str = "sink.test") -> Certified:
    ca_file, certificate, key = folder / "ca.pem", folder / "sink.pem", folder / "sink.key"
    certificates.make(ca_file, certificate, key, hostname)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return Certified(context, ca_file)
