"""Listening: inherited sockets, who is let in, the end on SIGTERM, and the one bridge from async to threads.

1. A connection is counted by address before anything is made for it (`listeners/limits.py`); one too many is told so
   in one write and closed. Implicit TLS ports close without words: a handshake is what the limit is to spare.
2. All listeners of a process together stay below its file descriptors less a reserve; when `accept` finds none left it
   rests a moment and tries again.
3. SIGTERM: first nothing more is accepted, then `drain` ends the conversations that there are, then `serve` returns.
4. `in_thread` is the only way from the loop to blocking work.

Each protocol object gets an `Origin` and must call `origin.closed()` once, when its connection is lost.
"""

import asyncio
import errno
import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from listeners.limits import ConnectionLimits
from listeners.tls import HANDSHAKE_SECONDS, Certificate
from mail.log import Log, new_cid

T = TypeVar("T")

SOCKETS_VARIABLE = "MAILSTEAD_SOCKETS"
THREADS = 8
DESCRIPTORS_KEPT = 64
DESCRIPTORS_EACH = 2  # the connection, and the file its message is spooled in
ACCEPT_AT_ONCE = 64
ACCEPT_REST_SECONDS = 0.2
REFRESH_SECONDS = 10.0
# accept() with no descriptor, buffer or memory left; Linux also hands network errors of the new connection to it.
_SHORTAGES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

_pool: ThreadPoolExecutor | None = None


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Run blocking work in one of this process's few threads. It runs to its end even if the caller is cancelled."""
    global _pool
    if _pool is None:  # made late: threads do not survive a fork
        _pool = ThreadPoolExecutor(THREADS, thread_name_prefix="work")
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(_pool, work, *arguments))


def inherited(name: str) -> list[socket.socket]:
    """The listening sockets that `listeners/launch.py` bound for us under this name."""
    sockets = []
    for entry in os.environ.get(SOCKETS_VARIABLE, "").split(","):
        key, _, descriptor = entry.partition("=")
        if key.strip() == name:
            # The family and protocol are read from the descriptor, so asyncio sees TCP and sets TCP_NODELAY.
            listening = socket.socket(fileno=int(descriptor))
            listening.setblocking(False)
            sockets.append(listening)
    return sockets


@dataclass(slots=True)
class Origin:
    """Where a connection came from."""

    ip: str
    port: int
    cid: str
    implicit_tls: bool
    _listening: "Listening"
    _open: bool = True

    def closed(self) -> None:
        if self._open:
            self._open = False
            self._listening.release(self.ip)


@dataclass
class Door:
    """One kind of listening socket. `busy` is the whole line that turns away a connection too many."""

    name: str
    sockets: Sequence[socket.socket]
    protocol: Callable[[Origin], asyncio.Protocol]
    busy: Callable[[str], bytes]  # by reason: "address" or "full"
    certificate: Certificate | None = None  # implicit TLS


@dataclass
class Listening:
    """The open doors of one process."""

    doors: Sequence[Door]
    limits: ConnectionLimits
    log: Log
    capacity: int = 0
    open: int = 0
    _starting: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self) -> None:
        self.capacity = self.capacity or (_descriptor_limit() - DESCRIPTORS_KEPT) // DESCRIPTORS_EACH
        for door in self.doors:
            for listening in door.sockets:
                self._watch(door, listening)

    def stop(self) -> None:
        """Accept nothing more. What waits in the kernel's queue goes to a sibling, or meets a closed port."""
        loop = asyncio.get_running_loop()
        for door in self.doors:
            for listening in door.sockets:
                loop.remove_reader(listening.fileno())
                listening.close()

    def release(self, ip: str) -> None:
        self.open -= 1
        self.limits.closed(ip)

    def _watch(self, door: Door, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listening.fileno(), self._accept, door, listening)

    def _accept(self, door: Door, listening: socket.socket) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            try:
                accepted, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _SHORTAGES:
                    continue
                self.log.error("accept-exhausted", door=door.name, exc=error)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening.fileno())
                loop.call_later(ACCEPT_REST_SECONDS, self._watch, door, listening)
                return
            self._admit(door, accepted, peer)

    def _admit(self, door: Door, accepted: socket.socket, peer: tuple[str, int]) -> None:
        accepted.setblocking(False)
        ip = peer[0].partition("%")[0]
        if self.open >= self.capacity:
            self._turn_away(door, accepted, ip, "full")
        elif not self.limits.admit(ip):
            self._turn_away(door, accepted, ip, "address")
        else:
            self.open += 1
            origin = Origin(ip, peer[1], new_cid(), door.certificate is not None, self)
            task = asyncio.get_running_loop().create_task(self._connect(door, accepted, origin))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    def _turn_away(self, door: Door, accepted: socket.socket, ip: str, reason: str) -> None:
        self.log.info("connection-refused", door=door.name, peer=ip, reason=reason)
        with accepted:
            if door.certificate is None:
                try:
                    accepted.send(door.busy(reason))
                except OSError:
                    pass

    async def _connect(self, door: Door, accepted: socket.socket, origin: Origin) -> None:
        loop = asyncio.get_running_loop()
        try:
            if door.certificate is None:
                await loop.connect_accepted_socket(lambda: door.protocol(origin), accepted)
            else:
                await loop.connect_accepted_socket(
                    lambda: door.protocol(origin),
                    accepted,
                    ssl=door.certificate.context,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                )
        except (OSError, EOFError) as error:  # TLS failures are OSErrors; they are the peer's business
            self.log.info("tls-handshake-failed", cid=origin.cid, peer=origin.ip, why=str(error))
            accepted.close()
            origin.closed()


async def serve(
    doors: Sequence[Door],
    *,
    limits: ConnectionLimits,
    log: Log,
    drain: Callable[[], Awaitable[None]],
    certificates: Sequence[Certificate] = (),
    capacity: int = 0,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return."""
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    listening = Listening(doors, limits, log, capacity)
    listening.start()
    log.info("listening", doors=[door.name for door in doors for _ in door.sockets])
    while not ending.is_set():
        try:
            await asyncio.wait_for(ending.wait(), REFRESH_SECONDS)
        except TimeoutError:
            for certificate in certificates:
                certificate.refresh()
    listening.stop()
    log.info("draining", open=listening.open)
    await drain()


def _descriptor_limit() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 65_536
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, 65_536), hard))
        soft = min(wanted, 65_536)
    return soft
