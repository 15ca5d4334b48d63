"""A running port 25 for tests: real sessions in this process, on a real socket, before a keeper that takes all mail.

For what a whole bundle is too patient or too large for: time limits of tenths of a second, sizes of kilobytes.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from listeners.limits import ConnectionLimits
from listeners.rpc import Request, Server
from listeners.serve import Door, Listening
from listeners.smtp.mx import BUSY, MxService, MxSession
from mail import rpc
from mail.accounts import snapshot
from mail.accounts.routing import AccountRule, AddressRule, DomainRule, Tables
from mail.log import Log
from mail.metrics import Metrics
from mail.now import SystemClock
from mail.receive.gather import Checks
from mail.smtp.limits import Patience

TABLES = Tables.build(
    (DomainRule("a.example", False, "+", False),),
    (AccountRule(3, "ann", ""),),
    (AddressRule(3, "a.example", "ann", "ann", "Inbox"),),
    hostname="mx.example",
)
PATIENT = Patience(command_seconds=300.0, content_seconds=1800.0)


@dataclass
class Keeper:
    """Takes every message, after what `answers` has for the first ones; `messages` are their octets."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)

    async def space(self, request: Request) -> dict[str, Any]:
        return {"ok": True}

    async def refused(self, request: Request) -> dict[str, Any]:
        return {}

    async def receive(self, request: Request) -> dict[str, Any]:
        try:
            if self.answers:
                return self.answers.pop(0)
            self.messages.append(os.pread(request.fds[0], request.args["size"], 0))
            return {"reply": None, "blob": f"b{len(self.messages)}"}
        finally:
            request.close_descriptors()


@dataclass
class Peer:
    """Whoever is connected; `closed` once the server has closed."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    closed: bool = False

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def reply(self) -> str:
        """Its lines joined; empty at the end of the connection."""
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            line = await self.reader.readline()
            if not line:
                self.closed = True
                break
            lines.append(line.decode().rstrip("\r\n"))
        return "\n".join(lines)

    async def command(self, text: str) -> str:
        self.send(text.encode() + b"\r\n")
        return await self.reply()

    async def rest(self) -> str:
        try:
            octets = await self.reader.read()
        except ConnectionResetError:
            octets = b""
        self.closed = True
        return octets.decode()

    async def begin(self) -> None:
        """A transaction, up to its content."""
        assert (await self.command("MAIL FROM:<x@far.example>")).startswith("250 2.1.0")
        assert (await self.command("RCPT TO:<ann@a.example>")).startswith("250 2.1.5")
        assert (await self.command("DATA")).startswith("354 ")

    async def bring(self, message: bytes) -> str:
        await self.begin()
        self.send(message + b"\r\n.\r\n")
        return await self.reply()


@dataclass
class Mx:
    service: MxService
    keeper: Keeper
    listening: Listening
    port: int
    folder: Path

    @contextlib.asynccontextmanager
    async def connected(self, *, greeted: bool = True) -> AsyncIterator[Peer]:
        """A peer who was greeted and has said EHLO, if he is to."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        peer = Peer(reader, writer)
        try:
            if greeted:
                assert (await peer.reply()).startswith("220 mx.example ESMTP")
                assert (await peer.command("EHLO client.example")).startswith("250-mx.example")
            yield peer
        finally:
            writer.close()

    def logged(self) -> str:
        return (self.folder / "log.jsonl").read_text()


@contextlib.asynccontextmanager
async def running_mx(
    folder: Path,
    *,
    patience: Patience = PATIENT,
    max_message_bytes: int = 1 << 20,
    recipients_max: int = 1000,
    first_time_delay: float = 0.0,
    tls: ssl.SSLContext | None = None,
    capacity: int = 100,
) -> AsyncIterator[Mx]:
    log = Log(descriptor=os.open(folder / "log.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC))
    clock, keeper = SystemClock(), Keeper()
    server = Server(
        folder / "keeper.sock",
        {"space": keeper.space, "receive": keeper.receive, "refused": keeper.refused},
        allowed_uids=None,
        log=log,
    )
    await server.start()
    snapshot.write(folder / "routing.json", TABLES)
    service = MxService(
        checks=Checks(None, "mx.example", [], clock),
        senders=None,
        first_time_delay=first_time_delay,
        with_evaluations=False,
        hostname="mx.example",
        max_message_bytes=max_message_bytes,
        recipients_max=recipients_max,
        patience=patience,
        spool_folder=folder,
        tls=tls,
        plaintext_login=False,
        simulate_failures=False,
        routing=snapshot.Routing(folder / "routing.json", clock=clock),
        keeper=rpc.Client(folder / "keeper.sock"),
        auth=rpc.Client(folder / "auth.sock"),
        clock=clock,
        log=log,
        messages=Metrics().counter("test_total", "", ("listener", "result")),
    )
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setblocking(False)
    door = Door("smtp", [listener], lambda origin: MxSession(origin, service), BUSY.__getitem__)
    listening = Listening([door], ConnectionLimits(clock, 10_000, 1_000_000), log, capacity)
    listening.start()
    timekeeper = asyncio.create_task(service.keep_time())
    try:
        yield Mx(service, keeper, listening, listener.getsockname()[1], folder)
    finally:
        listening.stop()
        await service.drain()
        timekeeper.cancel()
        await asyncio.gather(timekeeper, return_exceptions=True)
        await service.keeper.close()
        await server.stop()
