"""The sign process: its verbs on a Unix socket.

    sign     an order (canonical fields, hash of the body)      -> the DKIM-Signature fields
    make     a selector of a domain, and a kind                 -> the TXT record to publish
    remove   a selector of a domain
    list     after which key, and how many                      -> the keys that follow it

It composes each field itself, so that d=, s=, t= and x= are what it says and not what a caller wants. Which selectors
sign is the caller's to know, from the routing snapshot; here are only keys (docs/decisions/dkim-signing.md).
"""

import asyncio
import signal
from typing import Any

from listeners.rpc import Request, Server, Verb
from listeners.sign.callers import Callers
from listeners.sign.rates import Rates
from mail.dkim.keyring import Keyring
from mail.dkim.order import read_order
from mail.dkim.sign import Signer, signature_field
from mail.errors import Busy, MailError
from mail.runtime.world import World, open_world

# Such a reply is well below what a frame may have.
LIST_MAX = 1000


class Sign:
    def __init__(self, world: World, callers: Callers | None = None) -> None:
        self.world = world
        self.callers = callers or Callers()
        self.keyring = Keyring(world.settings.dkim_keys)
        self.keyring.prepare()
        self.rates = Rates(world.clock, world.settings.dkim_messages_per_minute)
        self._signed = world.metrics.counter(
            "mailstead_dkim_signed_total", "Messages to be signed, by result.", ("result",)
        )

    def verbs(self) -> dict[str, Verb]:
        return {"sign": self.sign, "make": self.make, "remove": self.remove, "list": self.list}

    async def sign(self, request: Request) -> dict[str, Any]:
        try:
            self.callers.check(request)
            fields = self._fields(request.args)
        except MailError as error:
            self._signed.labels(type(error).__name__).inc()
            self.world.log.warning("not-signed", exc=error, domain=str(request.args.get("domain"))[:255])
            raise
        self._signed.labels("signed").inc()
        return {"fields": fields.decode("ascii")}

    def _fields(self, args: dict[str, Any]) -> bytes:
        order = read_order(args)
        # Before the rate: it counts domains that have keys, not names somebody thinks of.
        keys = [(selector, self.keyring.key(order.domain, selector)) for selector in order.selectors]
        if not self.rates.take(order.domain):
            raise Busy(f"{order.domain} has more signed than dkim_messages_per_minute")
        now = self.world.clock.wall_ms() // 1000
        return b"".join(
            signature_field(order.prepared, Signer(order.domain, selector, key.kind, order.identity, now), key.sign)
            for selector, key in keys
        )

    async def make(self, request: Request) -> dict[str, Any]:
        self.callers.check(request)
        domain, selector, kind = (str(request.args[name]) for name in ("domain", "selector", "kind"))
        # A key of RSA takes a while to be found.
        made = await asyncio.to_thread(self.keyring.make, domain, selector, kind)
        self.world.log.info("key-made", domain=domain, selector=selector, kind=kind)
        return {"record": made.record}

    async def remove(self, request: Request) -> dict[str, Any]:
        self.callers.check(request)
        domain, selector = str(request.args["domain"]), str(request.args["selector"])
        removed = self.keyring.remove(domain, selector)
        self.world.log.info("key-removed", domain=domain, selector=selector, uid=request.uid)
        return {"removed": removed}

    async def list(self, request: Request) -> dict[str, Any]:
        self.callers.check(request)
        domain, selector = map(str, request.args.get("after", ("", "")))
        most = min(int(request.args.get("most", LIST_MAX)), LIST_MAX)
        return {"keys": await asyncio.to_thread(self.keyring.listed, after=(domain, selector), most=most)}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        server = Server(
            self.world.settings.sign_socket, self.verbs(), allowed_uids=self.callers.all, log=self.world.log
        )
        await server.start()
        self.world.log.info("started")
        await stopping.wait()
        await server.stop()
        self.world.log.info("stopped")


def main() -> None:
    with open_world("sign") as world:
        asyncio.run(Sign(world).run())
