"""A cheap IMAP client for the drivers: one blocking socket, answers read whole and not taken apart."""

import itertools
import random
import socket

from targets import Target

SOURCES = itertools.count(40)
WORDS = ("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state")


class Imap:
    def __init__(self, target: Target) -> None:
        # Another loopback network a connection, so that no server's limit by client network is met.
        step = next(SOURCES) % 8000 + 32
        source = (f"127.{step >> 5}.{(step & 31) * 8}.2", 0)
        self.socket = socket.create_connection((target.host, target.port), 30, source_address=source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.number = 0
        self.line()
        self.command(f'LOGIN "{target.options["user"]}" "{target.options["pw"]}"')

    def line(self) -> bytes:
        while b"\r\n" not in self.pending:
            octets = self.socket.recv(262_144)
            if not octets:
                raise EOFError(self.pending)
            self.pending += octets
        line, _, self.pending = self.pending.partition(b"\r\n")
        return line

    def tag(self) -> bytes:
        self.number += 1
        return b"a%d" % self.number

    def send(self, command: str) -> bytes:
        tag = self.tag()
        self.socket.sendall(tag + b" " + command.encode() + b"\r\n")
        return tag

    def wait(self, tag: bytes) -> bytes:
        """Everything up to the tagged OK; RuntimeError on NO or BAD."""
        wanted = b"\r\n" + tag + b" "
        parts: list[bytes] = []
        tail = b"\r\n" + self.pending
        while (at := tail.find(wanted)) < 0 or tail.find(b"\r\n", at + 2) < 0:
            if at < 0 and len(tail) > len(wanted):
                parts.append(tail[: -len(wanted)])
                tail = tail[-len(wanted) :]
            octets = self.socket.recv(1 << 20)
            if not octets:
                raise EOFError(tail)
            tail += octets
        end = tail.find(b"\r\n", at + 2)
        status = tail[at + len(wanted) : end]
        self.pending = tail[end + 2 :]
        if not status.startswith(b"OK"):
            raise RuntimeError(status[:200])
        return b"".join([*parts, tail[:at]])

    def command(self, text: str) -> bytes:
        return self.wait(self.send(text))

    def append(self, mailbox: str, message: bytes) -> None:
        tag = self.tag()
        self.socket.sendall(tag + b" APPEND %s {%d}\r\n" % (mailbox.encode(), len(message)))
        while not (line := self.line()).startswith(b"+"):
            if line.startswith(tag):
                raise RuntimeError(line)
        self.socket.sendall(message + b"\r\n")
        self.wait(tag)

    def close(self) -> None:
        self.command("LOGOUT")
        self.socket.close()


def message(number: int, size: int = 5000) -> bytes:
    """The same message for the same number, whenever and wherever it is made."""
    words = random.Random(number)
    head = (
        f"From: Sender {number % 97} <s{number % 97}@example.test>\r\nTo: bench@example.test\r\n"
        f"Subject: {words.choice(WORDS)} {words.choice(WORDS)} number {number}\r\n"
        f"Date: Mon, {1 + number % 28:02d} Jan 2024 10:{number % 60:02d}:00 +0000\r\n"
        f"Message-ID: <{number}.{words.randrange(1 << 30)}@example.test>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    lines = [head]
    length = len(head)
    while length < size:
        lines.append(" ".join(words.choice(WORDS) for _ in range(10)) + "\r\n")
        length += len(lines[-1])
    return "".join(lines).encode()
