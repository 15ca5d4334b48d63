import asyncio
import ssl
import time
from pathlib import Path

import pytest

from mail.dns.fake import FakeResolver
from mail.dns.resolver import Answer
from mail.fetch import Bounds, Fetcher, FetchFailed, Response
from tests.deliver_sink import Certified, certified
from tests.https_server import HttpsServer, answered, running_https

NAME = "web.them.test"
SHORT = Bounds(connect_seconds=0.5, total_seconds=0.6)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("certificate"), NAME)


def fetcher(certificate: Certified, port: int, zone=None, *, internal=(NAME,), own=()) -> Fetcher:
    context = ssl.create_default_context(cafile=str(certificate.ca_file))
    resolver = FakeResolver(zone or {f"A {NAME}": ["127.0.0.1"]}, failing={"A broken.test", "AAAA broken.test"})
    return Fetcher(resolver, lambda ip: ip in own, context, frozenset(internal), frozenset({443, port}))


async def got(certificate: Certified, server: HttpsServer, bounds: Bounds | None = None, **more) -> Response:
    return await fetcher(certificate, server.port, **more).get(f"https://{NAME}:{server.port}/file?x=1", bounds)


async def failure(asked, url: str, bounds: Bounds = SHORT) -> str:
    with pytest.raises(FetchFailed) as error:
        await asked.get(url, bounds)
    return error.value.kind


async def failed(certificate: Certified, answer, bounds: Bounds = SHORT, **more) -> str:
    async with running_https(certificate.context, answer, **more) as server:
        return await failure(fetcher(certificate, server.port), f"https://{NAME}:{server.port}/", bounds)


async def test_a_file_is_fetched_under_its_name_and_with_nothing_of_ours(certificate):
    async with running_https(certificate.context, b"hello") as server:
        response = await got(certificate, server)
        assert (response.status, response.body, response.headers["content-type"]) == (200, b"hello", "text/plain")
        (request,) = server.requests
    assert request.startswith(f"GET /file?x=1 HTTP/1.1\r\nHost: {NAME}:{server.port}\r\n")
    assert "cookie" not in request.lower() and "proxy" not in request.lower()


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
async def test_chunks_and_provisional_answers_are_read(certificate, octets):
    async with running_https(certificate.context, lambda path: octets) as server:
        assert (await got(certificate, server)).body == b"hello"


async def test_what_ends_with_the_connection_is_whole(certificate):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate.context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert (await fetcher(certificate, port).get(f"https://{NAME}:{port}/")).body == b"hello"


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"SSH-2.0-x\r\n\r\n", "http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", "http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", "http"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "http"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "size"),
        (b"HTTP/1.1 100 x\r\n\r\n" * 9, "http"),
    ],
)
async def test_what_is_no_clear_answer_is_refused(certificate, octets, kind):
    assert await failed(certificate, lambda path: octets) == kind


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" + b"x" * 100_000,
    ],
)
async def test_huge_answers_are_not_read(certificate, octets):
    assert await failed(certificate, lambda path: octets) == "size"


async def test_slow_and_silent_servers_cost_the_time_that_was_given(certificate):
    started = time.monotonic()
    assert await failed(certificate, b"hello" * 100, drip_seconds=0.02) == "time"
    assert await failed(certificate, lambda path: None) == "time"
    assert time.monotonic() - started < 3


async def test_a_type_that_was_not_asked_for_is_refused(certificate):
    assert await failed(certificate, b"x", Bounds(media_type="text/plain"), media_type="text/html") == "type"
    async with running_https(certificate.context, b"x", media_type="text/plain; charset=utf-8") as server:
        assert (await got(certificate, server, Bounds(media_type="text/plain"))).body == b"x"


async def test_redirects_are_not_followed_unless_asked_and_then_only_so_many(certificate):
    def answer(path: str) -> bytes:
        return answered(b"", "Location: /next", status=302) if path != "/end" else answered(b"end")

    assert await failed(certificate, answer) == "redirect"
    assert await failed(certificate, answer, Bounds(redirects=3)) == "redirect"
    async with running_https(
        certificate.context,
        lambda path: answered(b"", "Location: /end", status=301) if path != "/end" else answered(b"x"),
    ) as server:
        assert (await got(certificate, server, Bounds(redirects=1))).body == b"x"


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("https://169.254.169.254/", "address"),
        ("http://web.them.test/", "url"),
        ("https://inside.test/", "address"),
        ("", "redirect"),
    ],
)
async def test_a_redirect_is_looked_at_like_the_first(certificate, location, kind):
    zone = {f"A {NAME}": ["127.0.0.1"], "A inside.test": ["127.0.0.1"]}
    there = answered(b"", f"Location: {location}", status=302)
    async with running_https(certificate.context, lambda path: there) as server:
        asked = fetcher(certificate, server.port, zone)
        assert await failure(asked, f"https://{NAME}:{server.port}/", Bounds(redirects=2)) == kind


async def test_a_certificate_must_be_good_for_the_name(certificate, tmp_path: Path):
    other = certified(tmp_path, "other.test")
    async with running_https(certificate.context, b"x") as server:
        port = server.port
        assert await failure(fetcher(other, port), f"https://{NAME}:{port}/") == "tls"
        wrong = fetcher(certificate, port, {"A wrong.test": ["127.0.0.1"]}, internal=("wrong.test",))
        assert await failure(wrong, f"https://wrong.test:{port}/") == "tls"
        assert server.requests == []


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "10.0.0.1"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("[fd00::1]", "[fd00:ec2::254]", "100.64.0.1", "169.254.169.254", "198.18.0.1", "224.0.0.1", "[::7f00:1]"),
        *("255.255.255.255", "inside.test", "mixed.test", "alias.test", "mapped.test", "own.test"),
    ],
)
async def test_no_connection_is_made_to_anything_private_or_ours(certificate, host):
    """Security OU-1, the targets of its appendix A5."""
    zone = {
        "A inside.test": ["127.0.0.1"],
        "A mixed.test": ["1.1.1.1", "127.0.0.1"],
        "CNAME alias.test": ["inside.test."],
        "AAAA mapped.test": ["::ffff:127.0.0.1"],
        "A own.test": ["1.1.1.9"],
    }
    async with running_https(certificate.context, b"x") as server:
        asked = fetcher(certificate, server.port, zone, internal=(), own={"1.1.1.9"})
        assert await failure(asked, f"https://{host}:{server.port}/") == "address"
        assert server.connections == 0


@pytest.mark.parametrize("host", ["localhost", "localhost.", "localhost.localdomain", "broken.test"])
async def test_only_our_resolver_says_where_a_name_leads(certificate, host):
    assert await failure(fetcher(certificate, 443, internal=()), f"https://{host}/") == "dns"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://web.them.test/",
            "file:///etc/passwd",
            "gopher://web.them.test/",
            "unix:/run/x.sock",
            "//web.them.test/",
        ),
        *("https://good@web.them.test/", "https://good#@web.them.test/", "https://web.them.test\\@good/", "https:///x"),
        *("https://web.them.test/\r\nX: y", "https://web.them.test/a b", "https://web.them.test/\tx", "https://w\teb/"),
        *(
            "https://web.them.test:25/",
            "https://web.them.test:6379/",
            "https://web.them.test:99999/",
            "https://[fe80::1%lo]/",
        ),
        *("https://web\u3002them.test/", "https://web.them.test/\u00e9", "https://web.them.test/#x", "HTTPS://x", ""),
    ],
)
async def test_only_plain_https_urls_are_asked(certificate, url):
    assert await failure(fetcher(certificate, 443), url) == "url"


async def test_a_name_is_resolved_once_and_the_checked_address_is_asked(certificate):
    """DNS rebinding: the second answer would be another one."""

    class Rebinding:
        asked = 0

        async def lookup(self, name: str, kind: str) -> Answer:
            self.asked += kind == "A"
            return Answer(("192.0.2.1",) if kind == "A" and self.asked == 1 else ("127.0.0.1",), False, name)

    async with running_https(certificate.context, b"x") as server:
        asked = fetcher(certificate, server.port, internal=())
        rebinding = Fetcher(Rebinding(), asked.is_own, asked.context, frozenset(), asked.ports)
        assert await failure(rebinding, f"https://{NAME}:{server.port}/") == "address"
        assert server.connections == 0


async def test_the_next_address_is_asked_when_one_does_not_answer(certificate):
    async with running_https(certificate.context, b"x") as server:
        zone = {f"A {NAME}": ["127.0.0.77", "127.0.0.1"]}
        assert (await got(certificate, server, zone=zone)).body == b"x"
    assert await failure(fetcher(certificate, server.port), f"https://{NAME}:{server.port}/") == "connect"
