"""The real DNS, asked through one validating resolver and no other. No other module of ours asks.

1. A question has five seconds and an answer 16 KiB: what is longer is meant to keep us busy. How many are asked at a
   time is bounded by the connections that ask.
2. What was answered is remembered (`memory.py`), and a question that is on its way is not asked again.
3. The AD bit is believed only from loopback: from farther away anybody could have set it. RFC 4035 §4.9.3.
"""

import asyncio
import ipaddress
import socket
import weakref

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from mail.dns.memory import Failure, Memory, Missing, Outcome, Question
from mail.dns.resolver import Answer, LookupFailed, NoRecords, Resolver
from mail.now import Clock, SystemClock

SECONDS = 5.0
FIRST_TRY = 0.4  # of the time: a datagram may be lost
PAYLOAD = 1232
OCTETS_MAX = 16384
IDLE_MAX = 16
MISSING_TTL = 300.0
SYSTEM_CLOCK = SystemClock()


def resolver_of(setting: str) -> Resolver:
    """The resolver of a setting; where it is empty, one that can say nothing."""
    return LiveResolver(setting) if setting else Nobody()


class Nobody:
    """Nobody to ask: every question fails."""

    async def lookup(self, name: str, kind: str) -> Answer:
        raise LookupFailed(f"{kind} {name}: the setting resolver is empty")


class LiveResolver:
    """May be used from one event loop after another: what it remembers outlives them."""

    def __init__(self, resolver: str, clock: Clock = SYSTEM_CLOCK) -> None:
        """`resolver` is host:port."""
        host, _, port = resolver.rpartition(":")
        self._host = host.strip("[]")
        self._port = int(port)
        address = ipaddress.ip_address(self._host)
        self._family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        self._trusted = address.is_loopback
        self._memory = Memory(clock)
        self._asking: dict[Question, asyncio.Task[Outcome]] = {}
        self._idle: list[socket.socket] = []
        weakref.finalize(self, _close, self._idle)

    async def lookup(self, name: str, kind: str) -> Answer:
        question = (name.rstrip(".").lower(), kind)
        outcome = self._memory.get(question) or await self._shared(question)
        if isinstance(outcome, Answer):
            return outcome
        if isinstance(outcome, Missing):
            raise NoRecords(f"{kind} {name}", exists=outcome.exists, secure=outcome.secure)
        raise LookupFailed(f"{kind} {name}: {outcome.reason}")

    async def _shared(self, question: Question) -> Outcome:
        """Ask, or wait for who asks already. That one of those who wait gives up is nothing to the others."""
        task = self._asking.get(question)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = self._asking[question] = asyncio.create_task(self._remembered(question))
        return await asyncio.shield(task)

    async def _remembered(self, question: Question) -> Outcome:
        try:
            outcome, ttl = await self._outcome(question)
            self._memory.put(question, outcome, ttl)
            return outcome
        finally:
            if self._asking.get(question) is asyncio.current_task():
                del self._asking[question]

    async def _outcome(self, question: Question) -> tuple[Outcome, float]:
        name, kind = question
        try:
            # A backslash is a character like others: our names have no escapes.
            wanted = dns.name.from_text(name.replace("\\", "\\\\"))
        except (dns.exception.DNSException, ValueError):
            # No such name can be: that is known for sure, and to try again would not help (RFC 1035 §2.3.4).
            return Missing(exists=False), MISSING_TTL
        try:
            query = dns.message.make_query(wanted, kind, use_edns=0, want_dnssec=True, payload=PAYLOAD)
            query.flags = dns.flags.RD | dns.flags.AD
            async with asyncio.timeout(SECONDS):
                response = await self._response(query)
            if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return Failure(dns.rcode.to_text(response.rcode())), 0
            result = response.resolve_chaining()
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:  # TimeoutError is an OSError
            return Failure(type(error).__name__), 0
        secure = self._trusted and bool(response.flags & dns.flags.AD)
        if result.answer is None:
            return Missing(exists=response.rcode() == dns.rcode.NOERROR, secure=secure), result.minimum_ttl
        found = tuple(_text(record) for record in result.answer)
        at = result.canonical_name.to_text(omit_final_dot=True).lower()
        return Answer(found, secure, at), result.minimum_ttl

    async def _response(self, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
        try:
            return await self._response_by_udp(query)
        except dns.message.Truncated:
            return await self._response_by_tcp(query)

    async def _response_by_udp(self, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
        wire = query.to_wire()
        channel = self._idle.pop() if self._idle else self._connected()
        try:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(channel, wire)
            try:
                async with asyncio.timeout(SECONDS * FIRST_TRY):
                    response = await _matching(query, channel)
            except TimeoutError:
                await loop.sock_sendall(channel, wire)
                response = await _matching(query, channel)
        except BaseException:
            channel.close()
            raise
        # From afar a forger must not know the port: it is a new one for each question.
        if self._trusted and len(self._idle) < IDLE_MAX:
            self._idle.append(channel)
        else:
            channel.close()
        return response

    async def _response_by_tcp(self, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            wire = query.to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            length = int.from_bytes(await reader.readexactly(2), "big")
            if length > OCTETS_MAX:
                raise ValueError(f"an answer of {length} octets")
            response = dns.message.from_wire(await reader.readexactly(length))
        finally:
            writer.close()
        if not (isinstance(response, dns.message.QueryMessage) and query.is_response(response)):
            raise ValueError("an answer to another question")
        return response

    def _connected(self) -> socket.socket:
        channel = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            channel.connect((self._host, self._port))
        except OSError:
            channel.close()
            raise
        return channel


async def _matching(query: dns.message.QueryMessage, channel: socket.socket) -> dns.message.QueryMessage:
    """The next answer to that very question; whatever else comes is not for us. Raises Truncated."""
    loop = asyncio.get_running_loop()
    while True:
        octets = await loop.sock_recv(channel, 65535)
        if octets[:2] != query.id.to_bytes(2, "big"):
            continue
        try:
            response = dns.message.from_wire(octets, raise_on_truncation=True)
        except dns.message.Truncated as error:
            if query.is_response(error.kwargs["message"]):
                raise
            continue
        except dns.exception.DNSException:
            continue
        if isinstance(response, dns.message.QueryMessage) and query.is_response(response):
            return response


def _close(channels: list[socket.socket]) -> None:
    for channel in channels:
        channel.close()


def _text(record: object) -> str:
    """Presentation format; the strings of a TXT record joined without their quotes (RFC 7208 §3.3)."""
    strings = getattr(record, "strings", None)
    if strings is not None:
        return b"".join(strings).decode("latin-1")
    return str(record)
