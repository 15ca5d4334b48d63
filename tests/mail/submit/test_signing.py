"""What is asked of the sign process, and what becomes of a message that cannot be signed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from listeners.rpc import Request, Server
from listeners.sign.service import Sign
from mail import rpc
from mail.accounts.routing import DomainRule, Tables
from mail.accounts.snapshot import Routing, write
from mail.config.settings import Settings
from mail.dkim.order import Order
from mail.dkim.verify import verify
from mail.dns.fake import FakeResolver
from mail.errors import Busy, CannotSign
from mail.message.fields import parse_header
from mail.now import SystemClock
from mail.rpc import Client
from mail.runtime.world import build_world
from mail.submit.signing import Look, notice_signatures, order_of, signatures
from tests.dkim_signer import MESSAGE

RULES = (
    DomainRule("a.example", False, "+", False, ("one", "two")),
    DomainRule("plain.example", False, "+", False),
    DomainRule("xn--bcher-kva.example", False, "+-", True, ("one",)),
)


@pytest.fixture
def routing(tmp_path: Path) -> Routing:
    write(tmp_path / "routing.json", Tables.build(RULES, (), ()))
    return Routing(tmp_path / "routing.json", clock=SystemClock())


def looking(octets: bytes) -> Look:
    async def look(make: Callable[[Any], Order | None]) -> Order | None:
        return make(octets)

    return look


def ordered(routing: Routing, octets: bytes) -> Order | None:
    return order_of(octets, routing)


def by(author: str) -> bytes:
    return MESSAGE.replace(b"Ann <ann@a.example>", author.encode())


def test_the_authors_domain_signs_with_all_its_selectors(routing: Routing):
    order = ordered(routing, by("Ann <Ann+shop@A.example>"))
    assert order is not None and (order.domain, order.selectors, order.identity) == ("a.example", ("one", "two"), "ann")
    far = ordered(routing, by("<Ann-x@b\u00fccher.example>"))
    assert far is not None and (far.domain, far.identity) == ("xn--bcher-kva.example", "Ann")


@pytest.mark.parametrize("author", ["x@plain.example", "x@far.example", "nonsense", "undisclosed:;"])
def test_nobody_signs_for_a_domain_without_keys(routing: Routing, author: str):
    assert ordered(routing, by(author)) is None


def test_without_an_author_nobody_signs(routing: Routing):
    assert ordered(routing, MESSAGE.replace(b"From: Ann <ann@a.example>\r\n", b"")) is None


async def test_a_message_that_nobody_signs_for_asks_nobody(routing: Routing, tmp_path: Path):
    sign = Client(tmp_path / "nobody.sock")
    assert await signatures(looking(by("x@plain.example")), routing, sign) == b""


async def test_what_comes_back_verifies(routing: Routing, tmp_path: Path):
    sign = Sign(build_world("sign", Settings(hostname="us.test", data_dir=tmp_path, run_dir=tmp_path)))
    records = {
        f"TXT {name}._domainkey.a.example": [sign.keyring.make("a.example", name, kind).record]
        for name, kind in (("one", "rsa"), ("two", "ed25519"))
    }
    server = Server(tmp_path / "sign.sock", sign.verbs(), allowed_uids=None, log=sign.world.log)
    await server.start()
    client = Client(tmp_path / "sign.sock")
    message = await signatures(looking(MESSAGE), routing, client) + MESSAGE
    await client.close()
    await server.stop()
    now = SystemClock().wall_ms() // 1000
    found = await verify(message, parse_header(message), FakeResolver(records), now=now)
    assert [one.result for one in found] == ["pass", "pass"]


@pytest.mark.parametrize(
    ("hostname", "signer"), [("a.example", "a.example"), ("mx.far.a.example", "a.example"), ("far.example", "")]
)
async def test_a_notice_is_signed_by_the_nearest_domain_above_the_host(
    routing: Routing, tmp_path: Path, hostname: str, signer: str
):
    asked: list[Any] = []

    async def answer(request: Request) -> dict[str, Any]:
        asked.append(request.args)
        return {"fields": "x"}

    log = build_world("sign", Settings(hostname="us.test", data_dir=tmp_path, run_dir=tmp_path)).log
    server = Server(tmp_path / "sign.sock", {"sign": answer}, allowed_uids=None, log=log)
    await server.start()
    client = Client(tmp_path / "sign.sock")
    assert await notice_signatures(MESSAGE, hostname, routing, client) == (b"x" if signer else b"")
    assert [(one["domain"], one["identity"]) for one in asked] == ([(signer, "")] if signer else [])
    await client.close()
    await server.stop()


async def test_without_the_sign_process_it_cannot_be_signed(
    routing: Routing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rpc, "CONNECT_SECONDS", 0.1)
    with pytest.raises(CannotSign, match="sign is away"):
        await signatures(looking(MESSAGE), routing, Client(tmp_path / "nobody.sock"))


async def test_one_that_is_killed_while_it_works_is_asked_again(routing: Routing, tmp_path: Path, caplog: Any):
    sign = Sign(build_world("sign", Settings(hostname="us.test", data_dir=tmp_path, run_dir=tmp_path)))
    asked = 0

    async def answer(request: Request) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if asked == 1:
            for peer in list(server._peers):
                peer.close()
            await asyncio.sleep(0)
        return {"fields": "DKIM-Signature: v=1\r\n"}

    server = Server(tmp_path / "sign.sock", {"sign": answer}, allowed_uids=None, log=sign.world.log)
    await server.start()
    client = Client(tmp_path / "sign.sock")
    assert await signatures(looking(MESSAGE), routing, client) == b"DKIM-Signature: v=1\r\n"
    assert asked == 2
    await client.close()
    await server.stop()


async def test_what_it_refuses_is_not_sent_either(routing: Routing, tmp_path: Path):
    sign = Sign(build_world("sign", Settings(hostname="us.test", data_dir=tmp_path, run_dir=tmp_path)))

    async def answer(request: Request) -> dict[str, Any]:
        raise Busy("too many")

    server = Server(tmp_path / "sign.sock", {"sign": answer}, allowed_uids=None, log=sign.world.log)
    await server.start()
    client = Client(tmp_path / "sign.sock")
    with pytest.raises(CannotSign):
        await signatures(looking(MESSAGE), routing, client)
    await client.close()
    await server.stop()
