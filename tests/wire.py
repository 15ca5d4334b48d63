"""Talking to a server octet by octet: what no well-behaved client would send."""

import socket
import ssl
from collections.abc import Iterable


class Wire:
    """A connection to one of the bundle's ports. `closed` once the server has closed it."""

    def __init__(self, address: tuple[str, int], *, source: str = "127.0.0.1", timeout: float = 15) -> None:
        self.socket: socket.socket = socket.create_connection(address, timeout, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.closed = False

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, octets: bytes) -> None:
        try:
            self.socket.sendall(octets)
        except OSError:
            self.closed = True

    def send_parts(self, parts: Iterable[bytes]) -> None:
        """Each part a segment of its own."""
        for part in parts:
            self.send(part)

    def line(self) -> bytes:
        """The next line without its CRLF; empty at the end of the connection."""
        while b"\r\n" not in self.pending:
            try:
                octets = self.socket.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                octets = b""
            if not octets:
                self.closed = True
                return b""
            self.pending += octets
        line, _, self.pending = self.pending.partition(b"\r\n")
        return line

    def reply(self) -> bytes:
        """An SMTP reply, its lines joined; empty at the end of the connection."""
        lines = [self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.line())
        return b"\n".join(lines)

    def command(self, text: bytes) -> bytes:
        self.send(text + b"\r\n")
        return self.reply()

    def tagged(self, text: bytes, tag: bytes = b"a") -> list[bytes]:
        """An IMAP command: all lines of its answer, the tagged one last."""
        self.send(tag + b" " + text + b"\r\n")
        return self.until(tag)

    def until(self, tag: bytes) -> list[bytes]:
        lines = [self.line()]
        while not self.closed and not lines[-1].startswith(tag + b" "):
            lines.append(self.line())
        return lines

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while not self.closed:
            try:
                octets = self.socket.recv(65536)
            except OSError:
                octets = b""
            if not octets:
                self.closed = True
            self.pending += octets
        return self.pending

    def start_tls(self, context: ssl.SSLContext, name: str = "localhost") -> None:
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
