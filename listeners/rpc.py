"""The answering side of `mail.rpc`: a Unix socket, its verbs, and whom it answers.

Peers are told by the kernel (SO_PEERCRED); one that is not allowed is closed without a word. A verb owns the
descriptors of its request and closes them.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mail import rpc
from mail.errors import MailError
from mail.log import Log

CREDENTIALS = struct.Struct("3i")
DRAIN_SECONDS = 60.0


@dataclass(slots=True)
class Request:
    verb: str
    args: dict[str, Any]
    fds: list[int]
    uid: int
    pid: int

    def close_descriptors(self) -> None:
        while self.fds:
            os.close(self.fds.pop())


Verb = Callable[[Request], Awaitable[dict[str, Any]]]


class Server:
    """Answers calls. `allowed_uids` None: only root and our own uid."""

    def __init__(
        self, path: Path, verbs: Mapping[str, Verb], *, allowed_uids: frozenset[int] | None, log: Log, mode: int = 0o660
    ) -> None:
        self._path = path
        self._verbs = verbs
        self._allowed = allowed_uids if allowed_uids is not None else frozenset({0, os.getuid()})
        self._log = log
        self._mode = mode
        self._listener: socket.socket | None = None
        self._peers: set[_Peer] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A socket left by a dead predecessor: the supervisor runs one of us, so nobody listens on it.
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        listener.bind(str(self._path))
        os.chmod(self._path, self._mode)
        listener.listen(512)
        self._listener = listener
        loop.add_reader(listener.fileno(), self._accept)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            self._log.warning("rpc-accept", error=str(error))
            return
        connection.setblocking(False)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        pid, uid, _gid = CREDENTIALS.unpack(credentials)
        if uid not in self._allowed:
            self._log.warning("rpc-peer-refused", uid=uid, peer_pid=pid)
            connection.close()
            return
        self._peers.add(_Peer(self, connection, uid, pid))

    def answer(self, peer: "_Peer", frame: rpc.Frame, fds: list[int]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(peer, frame, fds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, peer: "_Peer", frame: rpc.Frame, fds: list[int]) -> None:
        number, args = frame.get("id"), frame.get("args")
        request = Request(str(frame.get("verb")), args if isinstance(args, dict) else {}, fds, peer.uid, peer.pid)
        verb = self._verbs.get(request.verb)
        try:
            if verb is None:
                raise MailError(f"no verb {request.verb}")
            reply: rpc.Frame = {"id": number, "ok": await verb(request)}
        except MailError as error:
            reply = rpc.error_frame(number, error)
        except Exception as error:  # noqa: BLE001 - one of the three: a request that hurts itself alone
            self._log.error("rpc-failed", exc=error, verb=request.verb)
            reply = rpc.error_frame(number, MailError())
        finally:
            request.close_descriptors()
        peer.send(reply)

    def forget(self, peer: "_Peer") -> None:
        self._peers.discard(peer)

    async def stop(self) -> None:
        """Take no more connections and calls, let what runs finish, close. What was not read, its caller asks again."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
            self._path.unlink(missing_ok=True)
        for peer in self._peers:
            peer.stop_reading()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
        for peer in list(self._peers):
            peer.close()


class _Peer:
    """One connection: frames in, replies out in one write a turn of the loop."""

    def __init__(self, server: Server, connection: socket.socket, uid: int, pid: int) -> None:
        self.uid, self.pid = uid, pid
        self._server = server
        self._socket = connection
        self._frames = rpc.Frames()
        self._outgoing = bytearray()
        self._flush_due = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            octets, descriptors = rpc.receive_chunk(self._socket)
            if not octets:
                self.close()
                return
            frames = self._frames.receive(octets, descriptors)
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:
            self._server._log.warning("rpc-broken", error=str(error), peer_pid=self.pid)
            self.close()
            return
        for frame, fds in frames:
            self._server.answer(self, frame, fds)

    def send(self, reply: rpc.Frame) -> None:
        if self._socket.fileno() < 0:
            return
        try:
            self._outgoing += rpc.encode(reply)
        except MailError as error:
            self._outgoing += rpc.encode(rpc.error_frame(reply.get("id"), error))
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._socket.fileno() < 0:
            return
        try:
            sent = self._socket.send(self._outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        del self._outgoing[:sent]
        if self._outgoing:
            self._flush_due = True
            self._loop.add_writer(self._socket.fileno(), self._flush)
        else:
            self._loop.remove_writer(self._socket.fileno())

    def stop_reading(self) -> None:
        self._loop.remove_reader(self._socket.fileno())

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
        self._frames.close()
        self._server.forget(self)
