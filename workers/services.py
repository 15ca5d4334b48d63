"""What the delivering code works with, made once a process."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from mail.deliver.dial import Dialer, verifying_context
from mail.deliver.hosts import Finder, is_own_address
from mail.deliver.plan import Login, Routes, host_and_port
from mail.deliver.sts import StsPolicies
from mail.dns.live import resolver_of
from mail.dns.resolver import Resolver
from mail.fetch import Fetcher
from mail.log import Log
from mail.metrics import Metrics
from mail.now import Clock
from mail.rpc import Client
from mail.runtime.stored import StoredWorld
from mail.store.blobs import BlobStore
from mail.store.engine import Store
from mail.submit.signing import notice_signatures
from workers.leases import Lease, Reaper
from workers.sts import StoredPolicies

SMTP_PORT = 25
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Services:
    """`is_local`: is mail for that domain for accounts of ours. `port` is that of mail exchangers;
    `sign_notice` gives the fields to put on top of a notice of ours. `tls_results`: what TLS comes to is stored for
    reports.
    """

    store: Store
    blobs: BlobStore
    keeper: Client
    finder: Finder
    dialer: Dialer
    sts: StsPolicies
    routes: Routes
    lease: Lease
    reaper: Reaper
    clock: Clock
    log: Log
    metrics: Metrics
    hostname: str
    delay_after_ms: int
    is_local: Callable[[str], bool]
    connections_max: int = 50
    simulate_failures: bool = False
    sign_notice: Callable[[bytes], Awaitable[bytes]] | None = None
    port: int = SMTP_PORT
    tls_results: bool = True


def services_of(world: StoredWorld) -> Services:
    settings = world.settings
    resolver, verifying = resolver_of(settings.resolver), verifying_context()
    return Services(
        store=world.store,
        blobs=world.blobs,
        keeper=Client(settings.keeper_socket),
        finder=Finder(resolver, settings.hostname, is_own_address),
        dialer=Dialer(settings.hostname, verifying=verifying, clock=world.clock),
        sts=sts_of(world, resolver, verifying),
        routes=routes_of(world),
        lease=Lease(settings.workers_dir, world.program),
        reaper=Reaper(world.store, settings.workers_dir, world.clock, world.log),
        clock=world.clock,
        log=world.log,
        metrics=world.metrics,
        hostname=settings.hostname,
        delay_after_ms=settings.queue_delay_notice_hours * HOUR_MS,
        is_local=world.routing.is_local,
        connections_max=settings.deliver_concurrency,
        simulate_failures=settings.simulate_failures,
        sign_notice=partial(
            notice_signatures, hostname=settings.hostname, routing=world.routing, sign=Client(settings.sign_socket)
        ),
        tls_results=settings.store_tls_results,
    )


def sts_of(
    world: StoredWorld, resolver: Resolver | None = None, verifying: ssl.SSLContext | None = None
) -> StsPolicies:
    """What asks for MTA-STS policies. What is not given is made anew, for a thread that shares nothing."""
    settings = world.settings
    resolver = resolver or resolver_of(settings.resolver)
    internal = frozenset(settings.fetch_internal_hosts.lower().split())
    fetcher = Fetcher(resolver, is_own_address, verifying or verifying_context(), internal)
    return StsPolicies(resolver, fetcher, StoredPolicies(world.store), world.clock)


def routes_of(world: StoredWorld) -> Routes:
    """The settings of the way out as values. ValueError names the one that cannot be read."""
    settings = world.settings
    login = None
    if settings.smarthost_username:
        with open(settings.smarthost_password_file, encoding="utf-8") as file:
            login = Login(settings.smarthost_username, file.read().strip())
    return Routes(
        loopback=host_and_port(settings.loopback, 25),
        smarthost=host_and_port(settings.smarthost, 587),
        smarthost_login=login,
        private_destinations=settings.private_destinations,
    )
