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
from mail.now import SetClock

ZONE = {
    ("mx.test.", "MX"): ["10 a.test.", "20 b.test."],
    ("a.test.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("txt.test.", "TXT"): ['"v=spf1 " "-all"', '"second"'],
    ("alias.test.", "CNAME"): ["a.test."],
    ("circle.test.", "CNAME"): ["circle.test."],
    ("octets.test.", "TXT"): ['"caf\\195\\169" "\\255"'],
    ("1.2.0.192.in-addr.arpa.", "PTR"): ["A.test."],
    ("late.test.", "A"): ["192.0.2.9"],
    ("forged.test.", "A"): ["192.0.2.9"],
    (r"odd\032name\(1\)\\.test.", "A"): ["192.0.2.9"],
}
SOA = "ns.test. us.test. 1 2 3 4 {minimum}"


class NameServer(asyncio.DatagramProtocol):
    """Answers from ZONE with the AD bit set; `silent.test` never, `broken.test` with SERVFAIL, `late.test` at the
    second time, `forged.test` after a wrong id, a wrong question and no DNS, `long.test` cut off.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ttl = 60
        self.minimum = 60

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, octets: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{kind} {name}")
        if name == "silent.test." or (name == "late.test." and self.asked.count("A late.test.") == 1):
            return
        if name == "forged.test.":
            self._forge(query, address)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA | dns.flags.AD
        if name == "long.test.":
            reply.flags |= dns.flags.TC
        if name in ("broken.test.", "refused.test."):
            reply.set_rcode(dns.rcode.SERVFAIL if name == "broken.test." else dns.rcode.REFUSED)
        elif not any(known == name for known, _ in ZONE):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        self._fill(reply, name, kind)
        if not reply.answer:
            reply.authority.append(dns.rrset.from_text("test.", 3600, "IN", "SOA", SOA.format(minimum=self.minimum)))
        self.transport.sendto(reply.to_wire(), address)  # type: ignore[attr-defined]

    def _forge(self, query: dns.message.Message, address: tuple[str, int]) -> None:
        other = dns.message.make_query("other.test", "A")
        other.id = query.id
        for asked, shift in ((query, 1), (other, 0)):
            reply = dns.message.make_response(asked)
            reply.id = (query.id + shift) % 65536
            reply.answer.append(dns.rrset.from_text(asked.question[0].name, 60, "IN", "A", "203.0.113.66"))
            self.transport.sendto(reply.to_wire(), address)  # type: ignore[attr-defined]
        for octets in (b"", query.id.to_bytes(2, "big"), query.id.to_bytes(2, "big") + b"\xff" * 40):
            self.transport.sendto(octets, address)  # type: ignore[attr-defined]

    def _fill(self, reply: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(20):
            if records := ZONE.get((name, kind)):
                reply.answer.append(dns.rrset.from_text(name, self.ttl, "IN", kind, *records))
                return
            alias = ZONE.get((name, "CNAME"))
            if alias is None:
                return
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", *alias))
            name = alias[0]


@contextlib.asynccontextmanager
async def name_server(clock: SetClock | None = None) -> AsyncIterator[tuple[LiveResolver, NameServer]]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        yield LiveResolver(f"127.0.0.1:{port}", clock or SetClock()), server
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
        assert nodata.value.exists and nodata.value.secure
        with pytest.raises(NoRecords) as nxdomain:
            await resolver.lookup("nowhere.test", "A")
        assert not nxdomain.value.exists
        for name in ("broken.test", "refused.test", "silent.test", "circle.test"):
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


async def test_octets_of_a_txt_record_are_characters_and_a_ptr_record_is_a_name():
    async with name_server() as (resolver, _):
        assert (await resolver.lookup("octets.test", "TXT")).records == ("caf\xc3\xa9\xff",)
        assert (await resolver.lookup("1.2.0.192.in-addr.arpa", "PTR")).records == ("A.test.",)


async def test_a_name_is_taken_letter_by_letter_without_escapes():
    async with name_server() as (resolver, _):
        assert (await resolver.lookup("odd name(1)\\.test", "A")).records == ("192.0.2.9",)


async def test_a_lost_datagram_is_sent_again(monkeypatch):
    monkeypatch.setattr(live, "SECONDS", 1.0)
    monkeypatch.setattr(live, "FIRST_TRY", 0.05)
    async with name_server() as (resolver, server):
        assert (await resolver.lookup("late.test", "A")).records == ("192.0.2.9",)
        assert server.asked == ["A late.test."] * 2


async def test_answers_to_other_questions_are_not_believed():
    async with name_server() as (resolver, _):
        assert (await resolver.lookup("forged.test", "A")).records == ("192.0.2.9",)
        assert (await resolver.lookup("a.test", "A")).name == "a.test"


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


def answering(name: str, strings: int, shift: int = 0):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = dns.message.make_response(dns.message.from_wire(await reader.readexactly(length)))
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *(f'"{n:0200}"' for n in range(strings))))
        reply.id = (reply.id + shift) % 65536
        octets = reply.to_wire(max_size=65535)
        writer.write(len(octets).to_bytes(2, "big") + octets)
        await hang_up(reader, writer)

    return answer


async def test_a_cut_off_answer_is_asked_for_by_tcp():
    async with name_server() as (resolver, server):
        port = server.transport.get_extra_info("sockname")[1]
        async with await asyncio.start_server(answering("long.test.", 70), "127.0.0.1", port):
            assert len((await resolver.lookup("long.test", "TXT")).records) == 70


@pytest.mark.parametrize(
    "tcp",
    [None, hang_up, answering("long.test.", 250), answering("long.test.", 1, shift=1)],
    ids=["refused", "ends", "far too long", "another id"],
)
async def test_without_a_whole_answer_by_tcp_the_lookup_fails(tcp):
    async with name_server() as (resolver, server), contextlib.AsyncExitStack() as stack:
        if tcp is not None:
            port = server.transport.get_extra_info("sockname")[1]
            await stack.enter_async_context(await asyncio.start_server(tcp, "127.0.0.1", port))
        with pytest.raises(LookupFailed):
            await resolver.lookup("long.test", "TXT")


async def test_answers_and_their_absence_live_as_long_as_they_say_and_failures_ten_seconds():
    clock = SetClock()
    async with name_server(clock) as (resolver, server):
        for name, seconds in (("a.test", 60), ("nowhere.test", 60), ("broken.test", 10)):
            for wait in (0, seconds - 1, 1):
                clock.move(wait)
                with contextlib.suppress(NoRecords, LookupFailed):
                    await resolver.lookup(name, "A")
            assert server.asked.count(f"A {name}.") == 2, name


async def test_an_answer_without_time_to_live_is_not_remembered():
    async with name_server() as (resolver, server):
        server.ttl = 0
        for _ in range(2):
            await resolver.lookup("a.test", "A")
        assert len(server.asked) == 2


async def test_one_question_is_asked_for_all_who_wait_and_outlives_those_who_give_up():
    async with name_server() as (resolver, server):
        tasks = [asyncio.create_task(resolver.lookup("a.test", "A")) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert {answer.name for answer in answers[1:] if not isinstance(answer, BaseException)} == {"a.test"}
        assert server.asked == ["A a.test."]


async def test_a_loop_that_died_while_asking_leaves_nothing_behind(monkeypatch):
    monkeypatch.setattr(live, "SECONDS", 0.3)
    async with name_server() as (resolver, _):

        async def ask_and_go() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await resolver.lookup("silent.test", "A")

        await asyncio.to_thread(lambda: asyncio.run(ask_and_go()))
        with pytest.raises(LookupFailed):
            await resolver.lookup("silent.test", "A")
        assert len((await resolver.lookup("a.test", "A")).records) == 2


async def test_many_questions_at_once_all_get_their_answers():
    async with name_server() as (resolver, server):
        names = [f"n{number}.test" for number in range(100)]
        answers = await asyncio.gather(*(resolver.lookup(name, "A") for name in names), return_exceptions=True)
        assert all(isinstance(answer, NoRecords) for answer in answers)
        assert len(server.asked) == 100


@pytest.mark.parametrize("name", ["x" * 64 + ".example", "a." * 130 + "example", "a..example"])
async def test_a_name_that_cannot_be_does_not_exist_and_is_not_asked_for(name):
    # A stranger's over-long selector must not look like a DNS that is down: DMARC would wait instead of refuse.
    with pytest.raises(NoRecords) as caught:
        await LiveResolver("127.0.0.1:9").lookup(name, "TXT")
    assert not caught.value.exists
