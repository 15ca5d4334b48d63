"""A running IMAP listener for tests: the real thing in this process, on a real store, with a keeper and auth process.

The keeper and the auth process answer on their Unix sockets as the real ones do; the keeper writes blobs and rows, the
auth process knows the passwords it was given.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from listeners.imap.__main__ import BUSY, conversing
from listeners.imap.service import Service, Terms
from listeners.limits import ConnectionLimits
from listeners.rpc import Request, Server
from listeners.serve import Door, Listening, in_thread
from mail import rpc
from mail.errors import BadCredentials
from mail.events import Event
from mail.imap.summary import Summary
from mail.log import Log
from mail.metrics import Metrics
from mail.now import SystemClock
from mail.store import accounts
from mail.store.arrivals import Append, Appended, append
from mail.store.blob_rows import BlobRow
from mail.store.blobs import BlobStore, BlobWriter
from mail.store.changes import changing
from mail.store.engine import Store

LOGIN = "someone@mailstead.test"
PASSWORD = "a good password"


@dataclass
class Recorder:
    """A publisher that hands events to the listeners of this process, as Redis would."""

    service: Service | None = None
    loop: asyncio.AbstractEventLoop | None = None
    published: list[Event] = field(default_factory=list)

    def publish(self, happened: Iterable[Event], *, wake: Iterable[str] = ()) -> None:
        events = list(happened)
        self.published += events
        if self.service is not None and self.loop is not None:
            for event in events:
                self.loop.call_soon_threadsafe(self.service.feed.on_events, event.account_id, [event])


@dataclass
class Running:
    service: Service
    port: int
    account_id: int
    store: Store
    publisher: Recorder
    listening: Listening


def quiet_log(folder: Path) -> Log:
    return Log(descriptor=os.open(folder / "log.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC))


def add_account(store: Store, name: str = "someone") -> int:
    with changing(store, None, clock=SystemClock()) as changes:
        return accounts.add_account(changes, name)


class Keeper:
    """The `append` verb, one commit a message."""

    def __init__(self, store: Store, blobs: Path, publisher: Recorder) -> None:
        self._store, self._publisher = store, publisher
        self._blobs = BlobWriter(blobs)

    async def append(self, request: Request) -> dict[str, Any]:
        try:
            return await in_thread(self._append, request)
        finally:
            request.close_descriptors()

    def _append(self, request: Request) -> dict[str, Any]:
        args = request.args
        folder = self._blobs.current_folder()
        listed = []
        for number, one in enumerate(args["messages"]):
            staged = self._blobs.stage(request.fds[number], one["size"], folder)
            self._blobs.finish(staged)
            listed.append(
                Appended(
                    BlobRow(staged.id, staged.folder, staged.size, staged.sha256),
                    Summary.from_json(one["summary"]),
                    one["received_at"],
                    one["flags"],
                    tuple(one["keywords"]),
                )
            )
        with changing(self._store, self._publisher, clock=SystemClock()) as changes:
            mailbox_id, uidvalidity, uids, modseq = append(
                changes, Append(args["account_id"], args["mailbox"], tuple(listed))
            )
        return {"mailbox_id": mailbox_id, "uidvalidity": uidvalidity, "uids": uids, "modseq": modseq}


def auth_verbs(account_id: int) -> dict[str, Any]:
    async def allowed(request: Request) -> dict[str, Any]:
        return {"ok": True}

    async def plain(request: Request) -> dict[str, Any]:
        if (request.args["login"], request.args["password"]) != (LOGIN, PASSWORD):
            raise BadCredentials
        return {"account_id": account_id, "account": "someone", "login": LOGIN, "ticket": "x"}

    return {"allowed": allowed, "plain": plain}


@contextlib.asynccontextmanager
async def running_listener(
    store: Store, folder: Path, *, tls: ssl.SSLContext | None = None, plaintext: bool = True, bus_up: bool = True
) -> AsyncIterator[Running]:
    log, clock = quiet_log(folder), SystemClock()
    account_id = add_account(store)
    publisher = Recorder()
    keeper = Keeper(store, folder / "blobs", publisher)
    servers = [
        Server(folder / "keeper.sock", {"append": keeper.append}, allowed_uids=None, log=log),
        Server(folder / "auth.sock", auth_verbs(account_id), allowed_uids=None, log=log),
    ]
    for server in servers:
        await server.start()
    service = Service(
        terms=Terms(
            hostname="mx.mailstead.test",
            version="0",
            max_message_bytes=1 << 22,
            plaintext_login=plaintext,
            tls=tls,
        ),
        store=store,
        blobs=BlobStore(folder / "blobs"),
        bus=publisher,
        keeper=rpc.Client(folder / "keeper.sock"),
        auth=rpc.Client(folder / "auth.sock"),
        clock=clock,
        log=log,
        metrics=Metrics(),
    )
    publisher.service, publisher.loop = service, asyncio.get_running_loop()
    service.feed.on_state(bus_up)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setblocking(False)
    door = Door("imap", [listener], lambda origin: conversing(service, origin), BUSY.__getitem__)
    listening = Listening([door], ConnectionLimits(clock, 10_000, 1_000_000), log)
    listening.start()
    beside = [asyncio.create_task(service.keep_time()), asyncio.create_task(service.feed.poll())]
    try:
        yield Running(service, listener.getsockname()[1], account_id, store, publisher, listening)
    finally:
        listening.stop()
        await service.drain()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await service.keeper.close()
        await service.auth.close()
        for server in servers:
            await server.stop()
