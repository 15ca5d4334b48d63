"""The two clients against the real server: replies, errors, descriptors, losses and restarts."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from listeners.rpc import Request, Server
from mail import rpc
from mail.errors import Bug, MailError, OverQuota, StorageFull, Unavailable
from mail.log import Log
from mail.rpc import BlockingClient, Client, Frames, encode


async def echo(request: Request) -> dict[str, Any]:
    return {"args": request.args, "uid": request.uid, "pid": request.pid}


async def read_all(request: Request) -> dict[str, Any]:
    return {"octets": [os.pread(one, 1 << 20, 0).decode("latin-1") for one in request.fds]}


async def refuse(request: Request) -> dict[str, Any]:
    raise OverQuota("detail for the log", public="your mailbox is full")


async def fail(request: Request) -> dict[str, Any]:
    raise AttributeError("secret detail")


async def never(request: Request) -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def large(request: Request) -> dict[str, Any]:
    return {"text": "x" * int(request.args["size"])}


VERBS = {"echo": echo, "read": read_all, "refuse": refuse, "fail": fail, "never": never, "large": large}


def server_at(path: Path) -> Server:
    return Server(path, VERBS, allowed_uids=None, log=Log(descriptor=os.open(os.devnull, os.O_WRONLY)))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "s.sock"
    made = server_at(path)
    await made.start()
    yield path
    for task in made._tasks:
        task.cancel()
    await made.stop()


@contextlib.contextmanager
def serving(path: Path) -> Iterator[None]:
    """The server in a loop and thread of its own, for callers that block."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    made = server_at(path)

    def run() -> None:
        loop.run_until_complete(made.start())
        started.set()
        loop.run_forever()
        loop.run_until_complete(made.stop())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def memory(octets: bytes) -> int:
    descriptor = os.memfd_create("test", os.MFD_CLOEXEC)
    os.write(descriptor, octets)
    return descriptor


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_call_is_answered_and_says_who_asked(server: Path) -> None:
    client = Client(server)
    answer = await client.call("echo", {"octets": bytes(range(256)).decode("latin-1")})
    assert answer["args"]["octets"].encode("latin-1") == bytes(range(256))
    assert (answer["uid"], answer["pid"]) == (os.getuid(), os.getpid())
    await client.close()


async def test_many_calls_in_flight_each_get_their_own_answer(server: Path) -> None:
    client = Client(server)
    answers = await asyncio.gather(*(client.call("echo", {"n": n}) for n in range(500)))
    assert [answer["args"]["n"] for answer in answers] == list(range(500))
    await client.close()


async def test_descriptors_travel_with_their_call_and_stay_the_callers(server: Path) -> None:
    client = Client(server)
    await client.call("echo", {})
    before = open_descriptors()
    mine = [memory(b"%d" % n) for n in range(100)]
    answers = await asyncio.gather(
        client.call("read", {}, mine),
        *(client.call("read", {"n": n}, mine[n : n + 2]) for n in range(50)),
    )
    assert answers[0]["octets"] == [str(n) for n in range(100)]
    assert [answer["octets"] for answer in answers[1:]] == [[str(n), str(n + 1)] for n in range(50)]
    for descriptor in mine:
        os.close(descriptor)
    assert open_descriptors() == before
    await client.close()


async def test_a_full_socket_keeps_descriptors_apart_from_the_callers(server: Path) -> None:
    """More than the socket takes at once: what waits has descriptors of its own, whatever the caller does with his."""
    client = Client(server)
    await client.call("echo", {})
    before = open_descriptors()
    padding = "x" * 200_000
    calls = []
    for n in range(40):
        descriptor = memory(b"%d" % n)
        task = asyncio.ensure_future(client.call("read", {"padding": padding}, [descriptor]))
        await asyncio.sleep(0)
        # The number is free for others at once.
        os.close(descriptor)
        calls.append(task)
    answers = await asyncio.gather(*calls)
    assert [answer["octets"] for answer in answers] == [[str(n)] for n in range(40)]
    assert open_descriptors() == before
    await client.close()


async def test_an_error_is_raised_as_the_class_it_names(server: Path) -> None:
    client = Client(server)
    with pytest.raises(OverQuota) as caught:
        await client.call("refuse", {})
    assert caught.value.public == "your mailbox is full" and "detail" not in str(caught.value)
    await client.close()


async def test_what_went_wrong_inside_stays_inside(server: Path) -> None:
    client = Client(server)
    for verb in ("fail", "no-such-verb", "__class__"):
        with pytest.raises(MailError) as caught:
            await client.call(verb, {})
        assert caught.value.public == MailError.public and "secret" not in str(caught.value)
    assert (await client.call("echo", {"n": 1}))["args"] == {"n": 1}
    await client.close()


async def test_a_call_that_is_not_answered_in_time_is_unavailable(server: Path) -> None:
    client = Client(server)
    with pytest.raises(Unavailable):
        await client.call("never", {}, timeout=0.05)
    assert await client.call("echo", {})
    await client.close()


async def test_calls_in_flight_are_unavailable_when_the_connection_closes(server: Path) -> None:
    client = Client(server)
    waiting = asyncio.ensure_future(client.call("never", {}))
    await client.call("echo", {})
    await client.close()
    with pytest.raises(Unavailable):
        await waiting
    assert await client.call("echo", {})
    await client.close()


async def test_a_call_waits_for_a_server_that_is_being_started_again(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    client = Client(path)
    first = server_at(path)
    await first.start()
    await client.call("echo", {})
    await first.stop()
    calls = [asyncio.ensure_future(client.call("echo", {"n": n})) for n in range(10)]
    await asyncio.sleep(0)
    assert not any(call.done() for call in calls)
    second = server_at(path)
    await second.start()
    assert [answer["args"]["n"] for answer in await asyncio.gather(*calls)] == list(range(10))
    await client.close()
    await second.stop()


async def test_nobody_there_is_unavailable_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "CONNECT_SECONDS", 0.1)
    with pytest.raises(Unavailable):
        await Client(tmp_path / "nobody.sock").call("echo", {})
    with pytest.raises(Unavailable):
        BlockingClient(tmp_path / "nobody.sock").call("echo", {})


async def test_a_reply_over_the_limit_becomes_an_error_and_a_request_a_bug(server: Path) -> None:
    client = Client(server)
    assert len((await client.call("large", {"size": 900_000}))["text"]) == 900_000
    with pytest.raises(Bug):
        await client.call("large", {"size": rpc.FRAME_MAX})
    with pytest.raises(Bug):
        await client.call("echo", {"text": "x" * rpc.FRAME_MAX})
    assert await client.call("echo", {})
    await client.close()


def test_a_blocking_call_is_answered_from_any_thread(tmp_path: Path) -> None:
    client = BlockingClient(tmp_path / "s.sock")
    found: list[int] = []

    def ask(n: int) -> None:
        descriptor = memory(b"%d" % n)
        found.append(int(client.call("read", {}, [descriptor])["octets"][0]))
        os.close(descriptor)

    with serving(tmp_path / "s.sock"):
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == list(range(20))
        with pytest.raises(OverQuota):
            client.call("refuse", {})
        client.close()


def test_a_blocking_client_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    client = BlockingClient(path, timeout=10)
    for _ in range(3):
        with serving(path):
            assert client.call("echo", {"n": 1})["args"] == {"n": 1}
    with pytest.raises(Unavailable):
        client.call("echo", {})
    client.close()


def test_a_blocking_call_waits_for_one_that_died(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    client = BlockingClient(path)
    answers: list[dict[str, Any]] = []
    caller = threading.Thread(target=lambda: answers.append(client.call("echo", {"n": 2})))
    caller.start()
    with serving(path):
        caller.join()
        client.close()
    assert answers[0]["args"] == {"n": 2}


def test_frames_come_out_whole_however_the_octets_come_in() -> None:
    octets = encode({"id": 1, "args": {"a": "b"}}) + encode({"id": 2}) + encode({"id": 3})
    for step in (1, 3, 7, len(octets)):
        frames = Frames()
        found = []
        for at in range(0, len(octets), step):
            found += frames.receive(octets[at : at + step])
        assert [frame["id"] for frame, _ in found] == [1, 2, 3]


@pytest.mark.parametrize(
    "octets",
    [
        rpc.LENGTH.pack(rpc.FRAME_MAX + 1),
        rpc.LENGTH.pack(0xFFFFFFFF) + b"x",
        rpc.LENGTH.pack(2) + b"[]",
        rpc.LENGTH.pack(4) + b"nope",
        rpc.LENGTH.pack(0),
        encode({"id": 1, "fds": 1}),
        encode({"id": 1, "fds": -1}),
        encode({"id": 1, "fds": "1"}),
        encode({"id": 1, "fds": 10**9}),
        rpc.LENGTH.pack(600_000) + b"[" * 600_000,
    ],
)
def test_what_is_no_frame_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError):
        Frames().receive(octets)


def test_descriptors_are_closed_when_the_frames_behind_them_are_bad() -> None:
    before = open_descriptors()
    frames = Frames()
    with pytest.raises(ValueError):
        frames.receive(encode({"id": 1, "fds": 1}) + rpc.LENGTH.pack(2) + b"[]", [memory(b"a"), memory(b"b")])
    frames.close()
    assert open_descriptors() == before


def test_an_error_reply_can_only_raise_our_own_errors() -> None:
    assert isinstance(rpc.raised({"kind": "StorageFull", "public": "p"}), StorageFull)
    for kind in ("SystemExit", "os", "__builtins__", "", None, 7, ["x"]):
        assert type(rpc.raised({"kind": kind, "public": "p"})) is MailError
    for error in (None, "x", 7, []):
        assert type(rpc.raised(error)) is MailError
    assert orjson.loads(orjson.dumps(rpc.error_frame(3, StorageFull())))["error"]["kind"] == "StorageFull"
