"""The sign process's verbs over its socket."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from listeners.rpc import Server
from listeners.sign.callers import Callers
from listeners.sign.service import Sign
from mail.config.settings import Settings
from mail.dkim.order import Order, as_json
from mail.dkim.sign import prepare
from mail.dkim.verify import verify
from mail.dns.fake import FakeResolver
from mail.errors import Busy, Exists, Invalid, NotAllowed, NotFound
from mail.message.fields import parse_header
from mail.rpc import Client
from mail.runtime.world import build_world
from tests.dkim_signer import MESSAGE

PREPARED = prepare(MESSAGE, parse_header(MESSAGE))


@pytest.fixture
def sign(tmp_path: Path) -> Sign:
    settings = Settings(hostname="us.test", data_dir=tmp_path, run_dir=tmp_path, dkim_messages_per_minute=3)
    return Sign(build_world("sign", settings))


@pytest.fixture
async def client(sign: Sign, tmp_path: Path) -> AsyncIterator[Client]:
    server = Server(sign.world.settings.sign_socket, sign.verbs(), allowed_uids=sign.callers.all, log=sign.world.log)
    await server.start()
    client = Client(sign.world.settings.sign_socket)
    yield client
    await client.close()
    await server.stop()


async def make(client: Client, selector: str, kind: str = "ed25519", domain: str = "a.example") -> str:
    return str((await client.call("make", {"domain": domain, "selector": selector, "kind": kind}))["record"])


async def fields(client: Client, *selectors: str, **changed: Any) -> bytes:
    args = as_json(Order("a.example", selectors, "ann", PREPARED)) | changed
    return str((await client.call("sign", args))["fields"]).encode()


async def test_an_order_is_signed_with_each_key_it_names(client: Client, sign: Sign):
    records = {
        f"TXT {name}._domainkey.a.example": [await make(client, name, kind)]
        for name, kind in (("one", "rsa"), ("two", "ed25519"))
    }
    message = await fields(client, "one", "two") + MESSAGE
    now = sign.world.clock.wall_ms() // 1000
    found = await verify(message, parse_header(message), FakeResolver(records), now=now)
    assert [(one.result, one.selector) for one in found] == [("pass", "one"), ("pass", "two")]


async def test_only_a_domain_with_that_key_is_signed_for(client: Client):
    await make(client, "one")
    with pytest.raises(NotFound):
        await fields(client, "one", domain="b.example")
    with pytest.raises(NotFound):
        await fields(client, "one", "two")
    with pytest.raises(Invalid):
        await fields(client, "one", domain="../a.example")


async def test_a_domain_has_only_so_many_signed(client: Client):
    await make(client, "one")
    for _ in range(3):
        await fields(client, "one")
    with pytest.raises(Busy):
        await fields(client, "one")


async def test_a_key_is_made_listed_and_removed(client: Client):
    await make(client, "one")
    with pytest.raises(Exists):
        await make(client, "one")
    keys = (await client.call("list", {}))["keys"]
    assert [key[:2] for key in keys] == [["a.example", "one"]]
    assert (await client.call("remove", {"domain": "a.example", "selector": "one"})) == {"removed": True}
    assert (await client.call("remove", {"domain": "a.example", "selector": "one"})) == {"removed": False}
    with pytest.raises(NotFound):
        await fields(client, "one")


async def test_no_verb_works_for_who_may_not(client: Client, sign: Sign, monkeypatch: pytest.MonkeyPatch):
    await make(client, "one")
    monkeypatch.setattr(sign.callers, "_masters", frozenset({os.getuid() + 1}))
    for verb in sign.verbs():
        with pytest.raises(NotAllowed):
            await client.call(verb, {"domain": "a.example", "selector": "one", "kind": "rsa"})


async def test_what_it_refuses_is_counted(client: Client, sign: Sign):
    await make(client, "one")
    await fields(client, "one")
    with pytest.raises(NotFound):
        await fields(client, "none")
    text = sign.world.metrics.text().decode()
    assert 'mailstead_dkim_signed_total{result="signed"} 1' in text
    assert 'mailstead_dkim_signed_total{result="NotFound"} 1' in text


def test_a_stranger_to_the_table_may_not_even_connect():
    assert os.getuid() + 12345 not in Callers({}).all


def test_it_has_no_database_no_redis_and_no_dns_in_memory():
    names = ("sqlalchemy", "redis", "rq", "flask", "dns", "argon2", "aiosmtpd")
    script = f"import sys, listeners.sign.service; print([n for n in {names} if n in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
