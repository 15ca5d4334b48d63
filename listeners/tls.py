"""Server TLS: one certificate, the context made of it, and the rules of who may use it.

1. TLS 1.2 or newer, no compression, no renegotiation, no session tickets (so no ticket key to rotate), no 0-RTT.
2. A client that offers ALPN protocols without ours gets alert 120: it meant another service (security TL-5, the ALPACA
   attack). Python's ssl completes such a handshake and does not tell what was offered, so the ClientHello is read here.
3. With `strict_sni`, a server name that is not in our certificate gets alert 112. Port 25 must not be strict: senders
   name what they found in DNS.
4. When the files change, new handshakes use them; a pair that does not fit is left aside and said to the log.

RFC 8446 §6.2, RFC 7301 §3.2, RFC 6066 §3.
"""

import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mail.address import parse_domain
from mail.errors import BadAddress
from mail.log import Log

HANDSHAKE_SECONDS = 15.0
# ECDHE with AEAD alone (TLS 1.2; all of TLS 1.3 is).
MODERN_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
# Port 25: a sender that finds no common suite sends in the clear instead.
WIDE_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:RSA+AESGCM:RSA+AES:!aNULL:!eNULL"

_CLIENT_HELLO = 1
_EXTENSION_ALPN = 16
_ALERT_NO_APPLICATION_PROTOCOL = 120


@dataclass
class Certificate:
    """`context` is for accept and STARTTLS alike; call `refresh` now and then."""

    cert: Path
    key: Path
    alpn: str
    log: Log
    strict_sni: bool = True
    suites: str = MODERN_SUITES
    context: ssl.SSLContext = field(init=False)
    _quiet: ssl.SSLContext = field(init=False)
    _names: frozenset[str] = field(init=False)
    _version: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.context = self._made()
        # The context that a connection is moved to once its ClientHello is read: the same, without the message hook,
        # which would cost every record of its life.
        self._quiet = self._made()
        self.context._msg_callback = self._message_seen  # type: ignore[attr-defined]
        self.context.sni_callback = self._hello_read  # type: ignore[assignment]
        self._names = names(self.cert)
        self._version = self._on_disk()

    def refresh(self) -> None:
        """Take new files into use, if they are there and fit together."""
        try:
            version = self._on_disk()
            if version == self._version:
                return
            self._made()
            for context in (self.context, self._quiet):
                context.load_cert_chain(self.cert, self.key)
            self._names = names(self.cert)
        except (OSError, ssl.SSLError, ValueError) as error:
            self.log.warning("tls-certificate-not-loaded", file=str(self.cert), exc=error)
            return
        self._version = version
        self.log.info("tls-certificate-loaded", file=str(self.cert))

    def _on_disk(self) -> tuple[int, ...]:
        return tuple(
            value
            for path in (self.cert, self.key)
            for stat in (path.stat(),)
            for value in (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        )

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE
        context.num_tickets = 0
        context.set_ciphers(self.suites)
        context.set_alpn_protocols([self.alpn])
        context.load_cert_chain(self.cert, self.key)
        return context

    def _message_seen(self, connection: Any, direction: str, *rest: Any) -> None:
        _version, _content, kind, octets = rest
        if direction == "read" and kind == _CLIENT_HELLO:
            connection.offered_alpn = offered_protocols(octets)

    def _hello_read(self, connection: Any, server_name: str | None, _context: ssl.SSLContext) -> int | None:
        offered = getattr(connection, "offered_alpn", ())
        if offered and self.alpn.encode() not in offered:
            return _ALERT_NO_APPLICATION_PROTOCOL
        named = server_name is not None and not _is_literal(server_name)
        if self.strict_sni and named and not _covers(self._names, server_name or ""):
            return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        connection.context = self._quiet
        return None


def names(cert: Path) -> frozenset[str]:
    """The DNS names a certificate file is for."""
    # ssl decodes only peers' certificates in public; this is the decoder it uses itself.
    decoded: dict[str, Any] = ssl._ssl._test_decode_cert(str(cert))  # type: ignore[attr-defined]
    return frozenset(value.lower() for kind, value in decoded.get("subjectAltName", ()) if kind == "DNS")


def _is_literal(server_name: str) -> bool:
    """An address is no server name (RFC 6066 §3); GnuTLS sends it all the same, and means nothing by it."""
    try:
        ipaddress.ip_address(server_name)
    except ValueError:
        return False
    return True


def _covers(names: frozenset[str], server_name: str) -> bool:
    try:
        wanted = parse_domain(server_name)
    except BadAddress:
        return False
    return wanted in names or f"*.{wanted.partition('.')[2]}" in names


def offered_protocols(hello: bytes) -> tuple[bytes, ...]:
    """The ALPN protocols of a ClientHello handshake message; () when it has none or cannot be read. RFC 7301 §3.1."""
    try:
        position = 4 + 2 + 32  # handshake header, legacy_version, random
        position += 1 + hello[position]  # legacy_session_id
        position += 2 + int.from_bytes(hello[position : position + 2])  # cipher_suites
        position += 1 + hello[position]  # legacy_compression_methods
        end = position + 2 + int.from_bytes(hello[position : position + 2])
        position += 2
        while position + 4 <= min(end, len(hello)):
            kind = int.from_bytes(hello[position : position + 2])
            length = int.from_bytes(hello[position + 2 : position + 4])
            if kind == _EXTENSION_ALPN:
                return _protocol_names(hello[position + 6 : position + 4 + length])
            position += 4 + length
    except IndexError:
        pass
    return ()


def _protocol_names(block: bytes) -> tuple[bytes, ...]:
    found: list[bytes] = []
    while block:
        length = block[0]
        found.append(block[1 : 1 + length])
        block = block[1 + length :]
    return tuple(found)
