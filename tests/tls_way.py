"""From the queue to a sink on loopback under TLS policies: one domain, its zone, its policy server, and our office."""

import datetime
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mail.deliver.dial import Dialer, verifying_context
from mail.deliver.plan import Routes
from mail.dns.fake import FakeResolver
from mail.now import SetClock
from mail.queue.tls_result import TlsResult, day_of
from mail.smtp.client import Timers
from mail.store import tls_results
from tests.deliver_sink import Certified, Sink, running_sink
from tests.https_server import HttpsServer
from tests.post_office import PostOffice

NAME = "mx.them.test"
TIMERS = Timers(connect=1, greeting=1, command=1, data_start=1, data_block=1, data_end=1, handshake=1)
ZONE = {
    "MX them.test": [f"10 {NAME}."],
    f"A {NAME}": ["127.0.0.1"],
    "A mta-sts.them.test": ["127.0.0.1"],
}
STS = {"TXT _mta-sts.them.test": ["v=STSv1; id=1;"]}
SIGNED = {"MX them.test", f"A {NAME}", f"AAAA {NAME}", f"TLSA _25._tcp.{NAME}"}
REQUIRETLS = ("PIPELINING", "REQUIRETLS")


def policy(mode: str = "enforce", mx: str = NAME) -> bytes:
    return f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n".encode()


def tlsa(folder: Path, usage: int = 3) -> str:
    """The record `usage` 1 1 of the sink's certificate, or of its issuer."""
    found = x509.load_pem_x509_certificates((folder / "sink.pem").read_bytes())[0 if usage == 3 else 1]
    key = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"{usage} 1 1 {hashlib.sha256(key).hexdigest()}"


class Way:
    """One domain, its zone and servers, and our office."""

    def __init__(self, office: PostOffice, certificate: Certified, policies: HttpsServer, ca_file: Path) -> None:
        self.office, self.policies = office, policies
        self.zone: dict[str, list[str]] = dict(ZONE)
        self.secure: set[str] = set()
        self.failing: set[str] = set()
        self.trusted: Path | None = certificate.ca_file
        self._policy_ca = ca_file

    async def send(self, sink: Sink, **more: Any) -> Any:
        """Queue a message and try once; its row."""
        (one,) = await self.office.submit("b@them.test", **more)
        await self.again(sink)
        return self.office.row(one)

    async def again(self, sink: Sink) -> None:
        resolver = FakeResolver(self.zone, secure=self.secure, failing=self.failing)
        clock = SetClock(int(datetime.datetime.now(datetime.UTC).timestamp() * 1000))
        verifying = verifying_context(self.trusted and str(self.trusted))
        await self.office.deliver(
            sink.port,
            resolver=resolver,
            routes=Routes(private_destinations=True),
            dialer=Dialer("us.test", timers=TIMERS, verifying=verifying, clock=clock),
            sts=self.office.sts(resolver, ca_file=self._policy_ca, port=self.policies.port),
        )
        self.day = day_of(clock.wall_ms())

    def told(self) -> list[tuple[str, bool, str, str, int]]:
        """Of what reports are made: policy type, of the host, result, reason, sessions."""
        return sorted(
            (one.policy_type, one.is_host, one.result_type, one.reason, one.sessions) for one in self.results()
        )

    def results(self) -> list[TlsResult]:
        with self.office.store.read() as connection:
            return tls_results.of_day(connection, self.day)


@asynccontextmanager
async def sinking(certificate: Certified | None, *extensions: str, **answers: Any) -> AsyncIterator[Sink]:
    context = certificate.context if certificate is not None else None
    async with running_sink(answers, extensions=extensions or ("PIPELINING",), tls=context) as sink:
        yield sink
