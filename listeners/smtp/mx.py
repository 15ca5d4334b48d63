"""Port 25: mail from strangers. Takes mail for our own addresses only; decides nothing about its content yet."""

import asyncio
import mmap
from dataclasses import dataclass

from listeners.limits import ConnectionLimits
from listeners.serve import Door, inherited, serve
from listeners.smtp.reading import looked_at
from listeners.smtp.service import Service
from listeners.smtp.session import Session
from listeners.smtp.transaction import Body, Transaction
from listeners.tallies import Tallies
from listeners.tls import WIDE_SUITES, Certificate
from mail import srs
from mail.accounts.routing import Route
from mail.address import Address
from mail.imap.summary import Summary, summarize
from mail.receive import header
from mail.receive.deliver import Arrival, deliver
from mail.receive.facts import Facts
from mail.receive.simulate import at_end
from mail.runtime.world import World, open_world
from mail.smtp.limits import MX_PATIENCE
from mail.smtp.replies import Reply, parse_refusal, reply_for
from mail.smtp.trace_fields import Hop, protocol

RELAY_DENIED = Reply(550, "5.7.1", "Relay access denied", "relay-denied")
NO_SUCH_USER = Reply(550, "5.1.1", "No such user here", "unknown-recipient")
DOMAIN_DISABLED = Reply(450, "4.2.1", "Mail for this domain is not taken at the moment", "domain-disabled")
ONE_RECIPIENT = Reply(452, "4.5.3", "One recipient at a time for the null sender", "null-sender-recipients")
LOOP = Reply(550, "5.4.6", "Routing loop detected", "loop")
BUSY = {
    "address": b"421 4.7.0 Too many connections from your address\r\n",
    "full": b"421 4.3.2 Too many connections, try again later\r\n",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at a message gives."""

    received_count: int
    header_end: int
    cleaned: bytes | None
    summary: Summary | None


class MxSession(Session):
    name = "mx"

    def recipient_refused(self, address: Address) -> Reply | None:
        routing = self.service.routing
        if not routing.is_local(address.domain):
            return RELAY_DENIED
        rule = routing.domain(address.domain)
        if rule is not None and rule.disabled:
            return DOMAIN_DISABLED
        transaction = self.transaction
        bounce = transaction is not None and transaction.mail.reverse_path is None
        # A bounce to a sender whose message we forwarded; the keeper has the key, and its word decides.
        if not (bounce and srs.looks_ours(address.localpart, self.service.clock.wall_ms())):
            found = routing.lookup(address)
            if found is None:
                return NO_SUCH_USER
            if isinstance(found, Route) and found.smtp_error:
                return parse_refusal(found.smtp_error)
        if bounce and transaction.recipients:
            return ONE_RECIPIENT
        return None

    def _look(self, octets: bytes | mmap.mmap) -> Looked:
        end = header.header_end(octets)
        fields = octets[:end]
        count = header.received_count(fields)
        if count > header.RECEIVED_LIMIT:
            return Looked(count, end, None, None)
        cleaned = header.without_forged(fields, self.service.hostname)
        return Looked(count, end, cleaned, summarize(octets) if cleaned is fields else None)

    async def take(self, transaction: Transaction, body: Body, *, early: bool) -> Reply:
        addresses = [wanted.address for wanted in transaction.recipients]
        if self.service.simulate_failures:
            refusal = await self._simulated(at_end(addresses))
            if refusal is not None:
                return refusal
        spool = body.spool
        looked = await looked_at(spool, self._look)
        if looked.received_count > header.RECEIVED_LIMIT:
            return LOOP
        summary = looked.summary
        if summary is None:
            assert looked.cleaned is not None
            spool.replace_start(looked.header_end, looked.cleaned)
            summary = await looked_at(spool, summarize)
        arrival = self._arrival(transaction, body, addresses, looked.received_count, summary, early=early)
        stored = await deliver(arrival, spool.seal(), self.service.keeper.call)
        if stored.error is not None:
            return reply_for(stored.error)
        self.log.info(
            "message-accepted",
            blob=stored.blob,
            size=arrival.size,
            mail_from=str(transaction.mail.reverse_path or ""),
            recipients=len(addresses),
            message_id=summary.message_id,
        )
        return Reply(250, "2.0.0", f"Ok: stored as {stored.blob}")

    def _arrival(
        self,
        transaction: Transaction,
        body: Body,
        addresses: list[Address],
        received_count: int,
        summary: Summary,
        *,
        early: bool,
    ) -> Arrival:
        mail = transaction.mail
        tls = f"{self.tls.version()} {self.tls.cipher()[0]}" if self.tls is not None else ""  # type: ignore[index]
        spoken = protocol(extended=self.extended, smtputf8=mail.smtputf8, tls=self.tls is not None, authenticated=False)
        facts = Facts(self.origin.ip, self.ehlo_name, tls, spoken, received_count, summary.defects, early)
        return Arrival(
            hop=Hop(self.service.hostname, self.origin.cid, self.ehlo_name, self.origin.ip, spoken, tls),
            reverse_path=mail.reverse_path,
            recipients=tuple(addresses),
            received_at=self.service.clock.wall_ms(),
            size=body.spool.size,
            eightbit=mail.eightbit or body.content.eightbit,
            smtputf8=mail.smtputf8,
            summary=summary.as_json(),
            facts=facts,
        )


def service_of(world: World, certificate: Certificate | None) -> Service:
    settings = world.settings
    spool = settings.run_dir / "spool"
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Service(
        hostname=settings.hostname,
        max_message_bytes=settings.max_message_bytes,
        recipients_max=settings.recipients_max,
        patience=MX_PATIENCE,
        spool_folder=spool,
        tls=certificate.context if certificate else None,
        plaintext_login=False,
        simulate_failures=settings.simulate_failures,
        routing=world.routing,
        keeper=world.keeper,
        auth=world.auth,
        clock=world.clock,
        log=world.log,
        messages=world.metrics.counter(
            "mailstead_smtp_messages_total", "Messages by listener and result.", ("listener", "result")
        ),
    )


async def listen(world: World) -> None:
    settings = world.settings
    certificates = []
    if settings.tls_mx_cert:
        certificates.append(
            Certificate(
                settings.tls_mx_cert,
                settings.tls_mx_key,
                alpn="smtp",
                log=world.log,
                strict_sni=False,
                suites=WIDE_SUITES,
            )
        )
    service = service_of(world, certificates[0] if certificates else None)
    door = Door("smtp", inherited("smtp"), lambda origin: MxSession(origin, service), BUSY.__getitem__)
    timekeeper = asyncio.create_task(service.keep_time())
    limits = ConnectionLimits(
        world.clock, settings.connections_per_address, settings.connections_per_minute, Tallies.inherited()
    )
    await serve([door], limits=limits, log=world.log, drain=service.drain, certificates=certificates)
    timekeeper.cancel()
    await asyncio.gather(timekeeper, return_exceptions=True)


def main() -> None:
    with open_world("mx") as world:
        asyncio.run(listen(world))


if __name__ == "__main__":
    main()
