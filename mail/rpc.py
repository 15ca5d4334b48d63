"""Calls between our processes over Unix sockets, descriptors included.

A frame is a 4-octet big-endian length and a JSON object; the descriptors that belong to it ride with its first octet
(SCM_RIGHTS), and the object's "fds" says how many. A request is {"id", "verb", "args", "fds"}; its reply {"id", "ok"}
or {"id", "error": {"kind", "public"}}, where the kind names a class of `mail.errors` and is raised as that class here.
Octets inside JSON travel as latin-1 text.
"""

import array
import asyncio
import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from mail import errors
from mail.errors import MailError, Unavailable

FRAME_MAX = 1 << 20
DESCRIPTORS_MAX = 200
CHUNK = 262_144
LENGTH = struct.Struct(">I")
# A process that is being started again answers within this time; a caller waits for it rather than fail.
CONNECT_SECONDS = 3.0
RETRY_SECONDS = 0.05
Frame = dict[str, Any]


def encode(frame: Frame) -> bytes:
    """A whole frame. Bug when it is over the limit: the caller has bounds of its own."""
    octets = orjson.dumps(frame)
    if len(octets) > FRAME_MAX:
        raise errors.Bug(f"frame of {len(octets)} octets")
    return LENGTH.pack(len(octets)) + octets


class Frames:
    """Octets and descriptors in, frames out. ValueError on anything that is not a frame: the connection must end."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._descriptors: deque[int] = deque()

    def receive(self, octets: bytes, descriptors: Sequence[int] = ()) -> list[tuple[Frame, list[int]]]:
        self._pending += octets
        self._descriptors.extend(descriptors)
        found: list[tuple[Frame, list[int]]] = []
        try:
            while (frame := self._next()) is not None:
                count = frame.get("fds", 0)
                if not isinstance(count, int) or not 0 <= count <= len(self._descriptors):
                    raise ValueError("frame claims descriptors that did not come")
                found.append((frame, [self._descriptors.popleft() for _ in range(count)]))
        except ValueError:
            for _, taken in found:
                _close_all(taken)
            raise
        return found

    def _next(self) -> Frame | None:
        if len(self._pending) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._pending)
        if length > FRAME_MAX:
            raise ValueError(f"frame of {length} octets")
        end = LENGTH.size + length
        if len(self._pending) < end:
            return None
        frame = orjson.loads(self._pending[LENGTH.size : end])
        del self._pending[:end]
        if not isinstance(frame, dict):
            raise ValueError("frame is no object")
        return frame

    def close(self) -> None:
        """Close descriptors nobody took."""
        while self._descriptors:
            os.close(self._descriptors.popleft())


def send_frame(connection: socket.socket, octets: bytes | memoryview, descriptors: Sequence[int] = ()) -> int:
    """Send what the socket takes now; the descriptors go with the first octet. Returns how many octets went."""
    if not descriptors:
        return connection.send(octets)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    return connection.sendmsg([octets], rights)


def receive_chunk(connection: socket.socket) -> tuple[bytes, list[int]]:
    """What has come, with its descriptors (closed on exec). Empty octets: the peer has closed."""
    octets, descriptors, _flags, _address = socket.recv_fds(connection, CHUNK, DESCRIPTORS_MAX, socket.MSG_CMSG_CLOEXEC)
    return octets, descriptors


def error_frame(number: object, error: MailError) -> Frame:
    return {"id": number, "error": {"kind": type(error).__name__, "public": error.public}}


def raised(error: Any) -> MailError:
    """The exception an error reply stands for."""
    kind = getattr(errors, str(error.get("kind")), MailError) if isinstance(error, dict) else MailError
    if not (isinstance(kind, type) and issubclass(kind, MailError)):
        kind = MailError
    made: MailError = kind(public=str(error.get("public", ""))) if isinstance(error, dict) else MailError()
    return made


class Client:
    """For asyncio: one connection, many calls in flight, made when first needed and again after a loss."""

    def __init__(self, path: Path, *, timeout: float = 60.0) -> None:
        self._path = str(path)
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._frames = Frames()
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._outgoing: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def call(
        self, verb: str, args: dict[str, Any], fds: Sequence[int] = (), *, timeout: float | None = None
    ) -> Frame:
        """The reply's object. Unavailable when the process does not answer; else the class of `mail.errors` it names.

        The descriptors stay the caller's to close, after the call.
        """
        loop = asyncio.get_running_loop()
        self._number += 1
        number = self._number
        octets = memoryview(encode({"id": number, "verb": verb, "args": args, "fds": len(fds)}))
        seconds = timeout or self._timeout
        await self._connected(loop, seconds)
        if not self._send(octets, fds):
            # It went away since the last call and has seen nothing of this one.
            await self._connected(loop, seconds)
            self._send(octets, fds)
        future: asyncio.Future[Frame] = loop.create_future()
        self._waiting[number] = future
        if self._socket is None:
            self._lost("closed")
        timer = loop.call_later(seconds, self._give_up, number)
        try:
            reply = await future
        finally:
            timer.cancel()
            self._waiting.pop(number, None)
        if "ok" in reply:
            return dict(reply["ok"])
        raise raised(reply.get("error"))

    def _give_up(self, number: int) -> None:
        future = self._waiting.pop(number, None)
        if future is not None and not future.done():
            future.set_exception(Unavailable(f"{self._path}: no answer in time"))

    async def _connected(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        deadline = 0.0
        while self._socket is None or self._loop is not loop:
            try:
                self._connect(loop)
            except Unavailable:
                deadline = deadline or loop.time() + min(CONNECT_SECONDS, seconds)
                if loop.time() >= deadline:
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        self._lost("reconnecting")
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            # A Unix socket connects at once or not at all.
            made.connect(self._path)
        except OSError as error:
            made.close()
            raise Unavailable(f"{self._path}: {error.strerror}") from error
        self._socket, self._loop = made, loop
        loop.add_reader(made.fileno(), self._readable)

    def _send(self, octets: memoryview, fds: Sequence[int]) -> bool:
        """False when the connection turned out to be lost before the first octet went."""
        if self._outgoing:
            self._keep(octets, fds)
            return True
        assert self._socket is not None and self._loop is not None
        try:
            sent = send_frame(self._socket, octets, fds)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lost(str(error.strerror))
            return False
        if sent < len(octets):
            self._keep(octets[sent:], () if sent else fds)
            self._loop.add_writer(self._socket.fileno(), self._writable)
        return True

    def _keep(self, octets: memoryview, fds: Sequence[int]) -> None:
        """For later, with descriptors of our own: the caller may close his before."""
        self._outgoing.append((octets, tuple(map(os.dup, fds))))

    def _writable(self) -> None:
        assert self._socket is not None and self._loop is not None
        while self._outgoing:
            octets, fds = self._outgoing[0]
            try:
                sent = send_frame(self._socket, octets, fds)
            except BlockingIOError:
                return
            except OSError as error:
                self._lost(str(error.strerror))
                return
            if sent and fds:
                _close_all(fds)
            if sent < len(octets):
                self._outgoing[0] = (octets[sent:], () if sent else fds)
                return
            self._outgoing.popleft()
        self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            octets, descriptors = receive_chunk(self._socket)
            if not octets:
                raise ConnectionResetError("closed")
            frames = self._frames.receive(octets, descriptors)
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:
            self._lost(str(error))
            return
        for frame, fds in frames:
            _close_all(fds)
            future = self._waiting.pop(frame.get("id", 0), None)
            if future is not None and not future.done():
                future.set_result(frame)

    def _lost(self, why: str) -> None:
        """Every call in flight fails. Whether it took effect is unknown: the callers answer with a temporary error."""
        if self._socket is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._socket.fileno())
                self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self._frames.close()
        self._frames = Frames()
        for octets_fds in self._outgoing:
            _close_all(octets_fds[1])
        self._outgoing.clear()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done() and not future.get_loop().is_closed():
                future.set_exception(Unavailable(f"{self._path}: {why}"))

    async def close(self) -> None:
        self._lost("closed")


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class BlockingClient:
    """For workers, pages and the command line: one call at a time, from any thread."""

    def __init__(self, path: Path, *, timeout: float = 60.0) -> None:
        self._path = str(path)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._frames = Frames()
        self._number = 0

    def call(self, verb: str, args: dict[str, Any], fds: Sequence[int] = ()) -> Frame:
        """As `Client.call`."""
        with self._lock:
            try:
                reply = self._exchange(verb, args, fds)
            except (OSError, ValueError) as error:
                self._drop()
                raise Unavailable(f"{self._path}: {error}") from error
        if "ok" in reply:
            return dict(reply["ok"])
        raise raised(reply.get("error"))

    def _exchange(self, verb: str, args: dict[str, Any], fds: Sequence[int]) -> Frame:
        if self._socket is not None and self._went_away(self._socket):
            self._drop()
        if self._socket is None:
            self._socket = self._connect()
        self._number += 1
        octets = memoryview(encode({"id": self._number, "verb": verb, "args": args, "fds": len(fds)}))
        sent = send_frame(self._socket, octets, fds)
        self._socket.sendall(octets[sent:])
        while True:
            chunk, descriptors = receive_chunk(self._socket)
            if not chunk:
                raise ConnectionResetError("closed")
            for frame, got in self._frames.receive(chunk, descriptors):
                _close_all(got)
                if frame.get("id") == self._number:
                    return frame

    @staticmethod
    def _went_away(connection: socket.socket) -> bool:
        """Between calls nothing comes but the end."""
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(0))

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + min(CONNECT_SECONDS, self._timeout)
        with contextlib.ExitStack() as failing:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            failing.callback(made.close)
            made.settimeout(self._timeout)
            while True:
                try:
                    made.connect(self._path)
                    break
                except ConnectionRefusedError:
                    # The socket of one that died; nothing at all there (FileNotFoundError) is not worth waiting for.
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(RETRY_SECONDS)
            failing.pop_all()
        return made

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._frames.close()
        self._frames = Frames()

    def close(self) -> None:
        with self._lock:
            self._drop()
