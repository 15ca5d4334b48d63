"""Who is let in, and what happens when nothing is left to let anybody in with (security EX-1)."""

import asyncio
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from listeners.serve import ACCEPT_REST_SECONDS
from tests.smtp_listener import Peer, running_mx


async def connected(port: int) -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", port))


async def test_one_connection_too_many_is_told_at_once_and_leaves_room_for_the_next(tmp_path: Path) -> None:
    async with running_mx(tmp_path, capacity=3) as mx, AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(mx.connected())
        begun = time.monotonic()
        for _ in range(20):
            peer = await connected(mx.port)
            assert (await peer.rest()).startswith("421 4.3.2 Too many connections")
            peer.writer.close()
        assert time.monotonic() - begun < 1
        await stack.aclose()
        while mx.listening.open:
            await asyncio.sleep(0.01)
        async with mx.connected():
            assert mx.listening.open == 1


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Nothing more can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_descriptors_it_rests_and_serves_when_there_are_some_again(tmp_path: Path) -> None:
    async with running_mx(tmp_path) as mx:
        # In the kernel's queue, before this loop, which is the server's, can accept them.
        waiting = [socket.create_connection(("127.0.0.1", mx.port)) for _ in range(2)]
        with (tmp_path / "log.jsonl").open() as log, no_descriptors():
            begun, seen = time.monotonic(), ""
            while seen.count("accept-exhausted") < 4:
                await asyncio.sleep(0.01)
                seen += log.read()
            assert time.monotonic() - begun >= 3 * ACCEPT_REST_SECONDS, "it spins"
        for one in waiting:
            reader, writer = await asyncio.open_connection(sock=one)
            assert (await Peer(reader, writer).reply()).startswith("220 ")
            writer.close()
