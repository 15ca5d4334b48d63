"""Ports 143 and 993: `python -m listeners.imap`. Wires the parts together; decides nothing."""

import asyncio

from listeners.imap.connection import Connection
from listeners.imap.conversation import Conversation
from listeners.imap.service import Service, Terms
from listeners.imap.tls_memory import lower_tls_buffers
from listeners.limits import ConnectionLimits
from listeners.serve import Door, Origin, inherited, serve
from listeners.tallies import Tallies
from listeners.tls import Certificate
from mail.bus import AsyncBus
from mail.runtime.stored import StoredWorld, open_stored

VERSION = "0.1"

# Security EX-1.
BUSY = {
    "address": b"* BYE [UNAVAILABLE] Too many connections from your address\r\n",
    "full": b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n",
}


def conversing(service: Service, origin: Origin) -> Connection:
    """The protocol object of one accepted connection."""
    connection = Connection(asyncio.get_running_loop())
    connection.conversation = Conversation(service, connection, origin)
    return connection


async def listen(world: StoredWorld) -> None:
    settings = world.settings
    certificates = []
    if settings.tls_client_cert:
        certificates.append(Certificate(settings.tls_client_cert, settings.tls_client_key, alpn="imap", log=world.log))
    bus = AsyncBus(settings.redis, world.log)
    service = Service(
        terms=Terms(
            hostname=settings.hostname,
            version=VERSION,
            max_message_bytes=settings.max_message_bytes,
            plaintext_login=settings.plaintext_login,
            tls=certificates[0].context if certificates else None,
        ),
        store=world.store,
        blobs=world.blobs,
        bus=world.bus,
        keeper=world.keeper,
        auth=world.auth,
        clock=world.clock,
        following=bus,
        log=world.log,
        metrics=world.metrics,
    )

    def door(name: str, certificate: Certificate | None) -> Door:
        return Door(name, inherited(name), lambda origin: conversing(service, origin), BUSY.__getitem__, certificate)

    doors = [door("imap", None)] + [door("imaps", certificate) for certificate in certificates]
    beside = [
        asyncio.create_task(service.keep_time()),
        asyncio.create_task(service.feed.poll()),
        asyncio.create_task(bus.listen(service.feed.on_events, service.feed.on_hearing)),
    ]
    limits = ConnectionLimits(
        world.clock, settings.connections_per_address, settings.connections_per_minute, Tallies.inherited()
    )
    await serve(doors, limits=limits, log=world.log, drain=service.drain, certificates=certificates)
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)


def main() -> None:
    lower_tls_buffers()
    with open_stored("imap") as world:
        asyncio.run(listen(world))


if __name__ == "__main__":
    main()
