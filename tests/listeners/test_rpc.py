"""The answering side: whom it answers, what breaks a connection, what it owes when it stops."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from listeners.rpc import Request, Server
from mail.errors import Unavailable
from mail.log import Log
from mail.rpc import Client, encode


class Office:
    """A server whose verb `hold` waits until it is let go."""

    def __init__(self, path: Path, log: Path, allowed: frozenset[int] | None = None) -> None:
        self.path, self._log = path, log
        self.held: list[Request] = []
        self.let_go = asyncio.Event()
        self._descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
        verbs = {"hold": self.hold, "ok": self.ok}
        self.server = Server(path, verbs, allowed_uids=allowed, log=Log(descriptor=self._descriptor))

    async def hold(self, request: Request) -> dict[str, Any]:
        self.held.append(request)
        await self.let_go.wait()
        return {"fds": len(request.fds)}

    async def ok(self, request: Request) -> dict[str, Any]:
        return {}

    def logged(self) -> str:
        return self._log.read_text()

    async def close(self) -> None:
        self.let_go.set()
        await self.server.stop()
        os.close(self._descriptor)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = Office(tmp_path / "s.sock", tmp_path / "log")
    await made.server.start()
    yield made
    await made.close()


async def ended(connection: socket.socket) -> bool:
    """The server has closed: reading gives the end."""
    loop = asyncio.get_running_loop()
    connection.setblocking(False)
    with contextlib.suppress(ConnectionResetError):
        return await asyncio.wait_for(loop.sock_recv(connection, 1), 5) == b""
    return True


async def turns(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_a_peer_that_is_not_allowed_is_closed_without_a_word(tmp_path: Path) -> None:
    office = Office(tmp_path / "s.sock", tmp_path / "log", frozenset({os.getuid() + 1}))
    await office.server.start()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(office.path))
        assert await ended(peer)
    assert "rpc-peer-refused" in office.logged()
    await office.close()


@pytest.mark.parametrize("octets", [b"\xff\xff\xff\xff", b"\0\0\0\2[]", b"\0\0\0\3abc", encode({"fds": 3})])
async def test_what_is_no_frame_ends_its_own_connection_alone(office: Office, octets: bytes) -> None:
    client = Client(office.path)
    await client.call("ok", {})
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(office.path))
        peer.send(octets)
        assert await ended(peer)
    assert await client.call("ok", {}) == {}
    assert "rpc-broken" in office.logged()
    await client.close()


async def test_arguments_that_are_no_object_are_taken_for_none(office: Office) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(office.path))
        peer.send(encode({"id": 1, "verb": "ok", "args": [1]}))
        peer.setblocking(False)
        assert b'"ok"' in await asyncio.get_running_loop().sock_recv(peer, 1000)


async def test_the_descriptors_of_a_request_are_closed_after_it(office: Office) -> None:
    client = Client(office.path)
    await client.call("ok", {})
    before = len(os.listdir("/proc/self/fd"))
    mine = [os.memfd_create("test") for _ in range(5)]
    office.let_go.set()
    assert await client.call("hold", {}, mine) == {"fds": 5}
    # A verb that never looks at them, and one there is not.
    await client.call("ok", {}, mine)
    with contextlib.suppress(Exception):
        await client.call("none", {}, mine)
    for one in mine:
        os.close(one)
    assert len(os.listdir("/proc/self/fd")) == before
    await client.close()


async def test_a_caller_that_went_away_hurts_nobody(office: Office) -> None:
    client, other = Client(office.path), Client(office.path)
    gone = asyncio.ensure_future(client.call("hold", {}))
    await turns(lambda: office.held)
    await client.close()
    with pytest.raises(Unavailable):
        await gone
    office.let_go.set()
    assert await other.call("ok", {}) == {}
    await other.close()


async def test_stopping_answers_what_runs_and_takes_nothing_new(office: Office) -> None:
    client = Client(office.path)
    running = asyncio.ensure_future(client.call("hold", {}))
    await turns(lambda: office.held)
    stopping = asyncio.ensure_future(office.server.stop())
    await turns(lambda: not office.path.exists())
    late = asyncio.ensure_future(client.call("ok", {}))
    await asyncio.sleep(0)
    office.let_go.set()
    await stopping
    assert await running == {"fds": 0}
    with pytest.raises(Unavailable):
        await late
    await client.close()


async def test_the_socket_of_a_dead_predecessor_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s.sock"))
    office = Office(tmp_path / "s.sock", tmp_path / "log")
    await office.server.start()
    assert os.stat(office.path).st_mode & 0o777 == 0o660
    client = Client(office.path)
    assert await client.call("ok", {}) == {}
    await client.close()
    await office.close()


async def test_a_caller_that_does_not_read_is_waited_for_without_blocking_others(office: Office) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(office.path))
        peer.setblocking(False)
        request, sent = encode({"id": "x" * 1000, "verb": "ok", "args": {}}), 0
        with contextlib.suppress(BlockingIOError):
            while sent < 2_000_000:
                sent += peer.send(request)
                await asyncio.sleep(0)
        client = Client(office.path)
        assert await client.call("ok", {}) == {}
        got = 0
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            while got < sent // len(request) * 1000:
                got += len(await loop.sock_recv(peer, 65536))
        await client.close()
