"""The live resolver against a name server of a few lines on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from mail.dns import live
from mail.dns.live import LiveResolver
from mail.dns.resolver import LookupFailed, NoRecords

ZONE = {
    ("mx.test.", "MX"): ["10 a.test.", "20 b.test."],
    ("a.test.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("txt.test.", "TXT"): ['"v=spf1 " "-all"', '"second"'],
    ("alias.test.", "CNAME"): ["a.test."],
    ("circle.test.", "CNAME"): ["circle.test."],
}


class NameServer(asyncio.DatagramProtocol):
    """Answers from ZONE with the AD bit set; `silent.test` never, `broken.test` with SERVFAIL."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, octets: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{kind} {name}")
        if name == "silent.test.":
            return
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA | dns.flags.AD
        if name == "broken.test.":
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif not any(known == name for known, _ in ZONE):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        self._fill(reply, name, kind)
        self.transport.sendto(reply.to_wire(), address)  # type: ignore[attr-defined]

    def _fill(self, reply: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(20):
            if records := ZONE.get((name, kind)):
                reply.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *records))
                return
            alias = ZONE.get((name, "CNAME"))
            if alias is None:
                return
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", *alias))
            name = alias[0]


@contextlib.asynccontextmanager
async def name_server() -> AsyncIterator[tuple[LiveResolver, NameServer]]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        yield LiveResolver(f"127.0.0.1:{port}"), server
    finally:
        transport.close()


async def test_records_come_in_presentation_format_with_the_ad_bit_of_loopback():
    async with name_server() as (resolver, _):
        mx = await resolver.lookup("MX.test", "MX")
        assert sorted(mx.records) == ["10 a.test.", "20 b.test."] and mx.secure and mx.name == "mx.test"


async def test_the_strings_of_a_txt_record_are_joined():
    async with name_server() as (resolver, _):
        assert sorted((await resolver.lookup("txt.test", "TXT")).records) == ["second", "v=spf1 -all"]


async def test_a_cname_is_followed():
    async with name_server() as (resolver, _):
        answer = await resolver.lookup("alias.test", "A")
        assert answer.name == "a.test" and len(answer.records) == 2


async def test_statuses_are_kept_apart(monkeypatch):
    monkeypatch.setattr(live, "SECONDS", 0.3)
    async with name_server() as (resolver, _):
        with pytest.raises(NoRecords) as nodata:
            await resolver.lookup("a.test", "MX")
        assert nodata.value.exists
        with pytest.raises(NoRecords) as nxdomain:
            await resolver.lookup("nowhere.test", "A")
        assert not nxdomain.value.exists
        for name in ("broken.test", "silent.test", "circle.test", "bad..name", "x" * 64 + ".test"):
            with pytest.raises(LookupFailed):
                await resolver.lookup(name, "A")


async def test_a_dead_resolver_is_a_failed_lookup(monkeypatch):
    monkeypatch.setattr(live, "SECONDS", 0.3)
    async with name_server() as (_, server):
        port = server.transport.get_extra_info("sockname")[1]
    with pytest.raises(LookupFailed):
        await LiveResolver(f"127.0.0.1:{port}").lookup("a.test", "A")


async def test_a_question_is_asked_once_while_its_answer_lives():
    async with name_server() as (resolver, server):
        for _ in range(3):
            await resolver.lookup("a.test", "A")
        assert server.asked == ["A a.test."]


async def test_a_resolver_may_be_used_from_one_event_loop_after_another():
    async with name_server() as (resolver, _):

        def elsewhere() -> int:
            return len(asyncio.run(resolver.lookup("a.test", "A")).records)

        assert await asyncio.to_thread(elsewhere) == 2
        assert await asyncio.to_thread(elsewhere) == 2


def test_the_ad_bit_of_a_far_resolver_is_not_believed():
    assert LiveResolver("127.0.0.1:53")._trusted
    assert LiveResolver("[::1]:53")._trusted
    assert not LiveResolver("9.9.9.9:53")._trusted
