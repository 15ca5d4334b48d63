"""The only outbound HTTP: https GET, to an address that was looked at, bounded in octets and in time (security OU-1).

1. A name is resolved once, by our own resolver. Every address it has must be public and not ours, and the connection
   goes to one of those, under the name in SNI, certificate and Host: a DNS that changes its mind gains nothing.
2. No proxies, no cookies, no credentials, no compression. Redirects only when asked for, each looked at like the first.
3. It is asynchronous and so no library's: one that blocks would let servers of an octet a second hold all the threads
   that wait for the database.

RFC 9110, RFC 9112.
"""

import asyncio
import ipaddress
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin

from mail.dns.resolver import LookupFailed, NoRecords, Resolver, addresses, is_public

CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 30.0
OCTETS_MAX = 64 << 10
HEAD_MAX = 16 << 10
HTTPS_PORT = 443
REDIRECTIONS = frozenset({301, 302, 303, 307, 308})

# Stricter than RFC 3986: no user, no fragment, nothing that parsers could see differently.
_URL = re.compile(r"https://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?(/[!\"$-~]*)?")
# 127.1, 2130706433 and 0x7f000001 are addresses to many a library (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
# status-line = HTTP-version SP status-code SP [ reason-phrase ]
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([1-5][0-9]{2})(?: .*)?")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;.*)?\r\n", re.DOTALL)


class FetchFailed(Exception):
    """`kind` is a stable word: url, address, dns, connect, tls, time, http, redirect, size, type."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Bounds:
    """`redirects`: how many are followed. `media_type`: nothing else is taken; empty: anything."""

    connect_seconds: float = CONNECT_SECONDS
    total_seconds: float = TOTAL_SECONDS
    octets: int = OCTETS_MAX
    redirects: int = 0
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """Names of headers are in lower case. Whether the status is good is for the caller to say."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True)
class _Target:
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == HTTPS_PORT else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Fetcher:
    """`is_own` tells whether an address is this machine's; `ports` are those that may be asked. `internal`: names that
    the host's owner lets have private addresses.
    """

    resolver: Resolver
    is_own: Callable[[str], bool]
    context: ssl.SSLContext
    internal: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset({HTTPS_PORT})

    async def get(self, url: str, bounds: Bounds | None = None) -> Response:
        """What the server answers, whole. FetchFailed."""
        bounds = bounds or Bounds()
        try:
            async with asyncio.timeout(bounds.total_seconds):
                return await self._get(url, bounds)
        except TimeoutError as error:
            raise FetchFailed("time", f"not done within {bounds.total_seconds:g} s") from error

    async def _get(self, url: str, bounds: Bounds) -> Response:
        for left in range(bounds.redirects, -1, -1):
            target = self._target(url)
            response = await self._ask(target, await self._addresses(target.host), url, bounds)
            if response.status not in REDIRECTIONS:
                return response
            if not left:
                break
            url = urljoin(url, response.headers.get("location", ""))
        raise FetchFailed("redirect", f"redirected by status {response.status}")

    def _target(self, url: str) -> _Target:
        match = _URL.fullmatch(url)
        if match is None:
            raise FetchFailed("url", "not an https address of the plain form")
        host, port, path = match[1].strip("[]").rstrip(".").lower(), int(match[2] or HTTPS_PORT), match[3] or "/"
        if port not in self.ports:
            raise FetchFailed("url", f"port {port} is not asked")
        return _Target(host, port, path)

    async def _addresses(self, host: str) -> list[str]:
        try:
            found = [str(ipaddress.ip_address(host))]
        except ValueError:
            if _NUMBER.fullmatch(host.rpartition(".")[2]):
                raise FetchFailed("address", f"{host} is no name") from None
            found = await self._looked_up(host)
        refused = [ip for ip in found if not is_public(ip) or self.is_own(ip)]
        if refused and host not in self.internal:
            # One is enough: a name with a good and a bad address is a trap.
            raise FetchFailed("address", f"{host} has the private or local address {refused[0]}")
        return found

    async def _looked_up(self, host: str) -> list[str]:
        try:
            return await addresses(self.resolver, host)
        except NoRecords as error:
            raise FetchFailed("dns", f"{host} has no address") from error
        except LookupFailed as error:
            raise FetchFailed("dns", f"the DNS does not answer for {host}") from error

    async def _ask(self, target: _Target, ips: list[str], url: str, bounds: Bounds) -> Response:
        reader, writer = await self._connected(target, ips, bounds)
        try:
            request = (
                f"GET {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: Mailstead\r\n"
                "Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
            )
            writer.write(request.encode("ascii"))
            await writer.drain()
            status, headers = await _head(reader)
            _check_type(status, headers, bounds.media_type)
            body = b"" if status in REDIRECTIONS else await _body(reader, headers, bounds.octets)
            return Response(status, headers, body, url)
        except asyncio.IncompleteReadError as error:
            raise FetchFailed("http", "the answer ends too early") from error
        except asyncio.LimitOverrunError as error:
            raise FetchFailed("size", "a line or the header of the answer is too long") from error
        except OSError as error:
            raise FetchFailed("connect", f"connection lost: {error}") from error
        finally:
            # Not a polite end: who does not answer a goodbye would hold us.
            writer.transport.abort()

    async def _connected(
        self, target: _Target, ips: list[str], bounds: Bounds
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failure: FetchFailed | None = None
        for ip in ips:
            try:
                async with asyncio.timeout(bounds.connect_seconds):
                    return await asyncio.open_connection(
                        ip, target.port, ssl=self.context, server_hostname=target.host, limit=HEAD_MAX
                    )
            except ssl.SSLError as error:
                # Another address of the same name would not make a certificate better.
                raise FetchFailed("tls", _tls_words(error)) from error
            except TimeoutError:
                failure = FetchFailed("time", f"{ip} does not answer within {bounds.connect_seconds:g} s")
            except OSError as error:
                failure = FetchFailed("connect", f"{ip}: {error.strerror or error}")
        raise failure or FetchFailed("dns", f"{target.host} has no address")


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return f"TLS: {error.reason or error}"


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """The first answer that is final, without its body. RFC 9112 §2.1."""
    for _ in range(4):
        octets = await reader.readuntil(b"\r\n\r\n")
        first, *lines = octets.removesuffix(b"\r\n\r\n").split(b"\r\n")
        match = _STATUS.fullmatch(first)
        if match is None:
            raise FetchFailed("http", "the answer is not HTTP/1.1")
        if int(match[1]) >= 200:
            return int(match[1]), _headers(lines)
    raise FetchFailed("http", "provisional answers without end")


def _headers(lines: list[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise FetchFailed("http", "a header field of the answer cannot be read")
        name = name.lower()
        if name in ("content-length", "transfer-encoding") and name in found:
            raise FetchFailed("http", f"two fields {name}")
        found[name] = value.strip()
    return found


def _check_type(status: int, headers: dict[str, str], wanted: str) -> None:
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if wanted and status == 200 and given != wanted:
        raise FetchFailed("type", f"the answer is {given or 'of no type'}, not {wanted}")


async def _body(reader: asyncio.StreamReader, headers: dict[str, str], most: int) -> bytes:
    """RFC 9112 §6.3."""
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise FetchFailed("http", "the answer's length is said in a way we do not take")
        return await _chunks(reader, most)
    if length is not None:
        if not (length.isascii() and length.isdigit()):
            raise FetchFailed("http", "the answer's length is no number")
        if len(length) > 12 or int(length) > most:
            raise _too_long(most)
        return await reader.readexactly(int(length))
    body = bytearray()
    while piece := await reader.read(most + 1 - len(body)):
        body += piece
        if len(body) > most:
            raise _too_long(most)
    return bytes(body)


async def _chunks(reader: asyncio.StreamReader, most: int) -> bytes:
    """RFC 9112 §7.1; trailers are not waited for."""
    body = bytearray()
    while True:
        match = _CHUNK.fullmatch(await reader.readuntil(b"\r\n"))
        if match is None:
            raise FetchFailed("http", "a chunk of the answer cannot be read")
        size = int(match[1], 16)
        if not size:
            return bytes(body)
        if len(body) + size > most:
            raise _too_long(most)
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise FetchFailed("http", "a chunk of the answer does not end")


def _too_long(most: int) -> FetchFailed:
    return FetchFailed("size", f"the answer is longer than {most} octets")
