"""What the delivering code works with, made once a process."""

from collections.abc import Callable
from dataclasses import dataclass

from mail.deliver.dial import Dialer
from mail.deliver.hosts import Finder
from mail.deliver.plan import Routes
from mail.log import Log
from mail.metrics import Metrics
from mail.now import Clock
from mail.rpc import Client
from mail.store.blobs import BlobStore
from mail.store.engine import Store
from workers.leases import Lease

SMTP_PORT = 25


@dataclass(frozen=True, slots=True)
class Services:
    """`is_local`: is mail for that domain for accounts of ours. `port` is that of mail exchangers."""

    store: Store
    blobs: BlobStore
    keeper: Client
    finder: Finder
    dialer: Dialer
    routes: Routes
    lease: Lease
    clock: Clock
    log: Log
    metrics: Metrics
    hostname: str
    delay_after_ms: int
    is_local: Callable[[str], bool]
    connections_max: int = 50
    simulate_failures: bool = False
    port: int = SMTP_PORT
