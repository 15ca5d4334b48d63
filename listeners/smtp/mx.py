"""Port 25: mail from strangers, for our own addresses only. Finds the facts of each message; the keeper decides."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from listeners.limits import ConnectionLimits
from listeners.serve import Door, inherited, serve
from listeners.smtp.reading import looked_at
from listeners.smtp.service import SHUTTING_DOWN, Service
from listeners.smtp.session import Session
from listeners.smtp.spool import Spool
from listeners.smtp.transaction import Body, Transaction
from listeners.tallies import Tallies
from listeners.tls import WIDE_SUITES, Certificate
from mail import srs
from mail.accounts.routing import Route
from mail.address import Address
from mail.dns.live import LiveResolver
from mail.dns.resolver import Resolver
from mail.imap.summary import summarize
from mail.receive import sender
from mail.receive.gather import Checks, Envelope
from mail.receive.handover import Answer, arguments, hand_over
from mail.receive.look import look, words_in
from mail.receive.simulate import at_end
from mail.receive.turn import Turn
from mail.runtime.world import World, open_world
from mail.smtp.envelope import Mail
from mail.smtp.limits import MX_PATIENCE
from mail.smtp.replies import Reply, parse_refusal
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
# How often one that waits looks whether we are to end.
DELAY_STEP_SECONDS = 0.5


@dataclass(kw_only=True)
class MxService(Service):
    """What the sessions of port 25 share beyond the rest."""

    checks: Checks
    # Who is asked whether senders can be reached; None: nobody, and all may send.
    senders: Resolver | None
    first_time_delay: float
    with_evaluations: bool
    # Whose filters have learnt and read the words of mail, as the keeper said since we started.
    readers: set[int] = field(default_factory=set)


class MxSession(Session):
    name = "mx"
    service: MxService

    async def sender_refused(self, mail: Mail) -> Reply | None:
        service, reverse_path = self.service, mail.reverse_path
        # A domain of ours can be reached: here.
        if service.senders is None or reverse_path is None or service.routing.domain(reverse_path.domain) is not None:
            return None
        return await sender.refused(service.senders, reverse_path)

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
                return replace(parse_refusal(found.smtp_error), reason="recipient-refused")
        if bounce and transaction.recipients:
            return ONE_RECIPIENT
        return None

    async def take(self, transaction: Transaction, body: Body, *, early: bool) -> Reply:
        addresses = [wanted.address for wanted in transaction.recipients]
        if self.service.simulate_failures:
            refusal = await self._simulated(at_end(addresses))
            if refusal is not None:
                return refusal
        spool, clock, mail = body.spool, self.service.clock, transaction.mail
        received_at = clock.wall_ms()
        looking = partial(
            look,
            hostname=self.service.hostname,
            smtputf8=mail.smtputf8,
            now=received_at // 1000,
            with_words=self._are_words_read(addresses),
        )
        looked = await looked_at(spool, looking)
        if looked is None:
            return LOOP
        summary = looked.summary
        if summary is None:
            assert looked.cleaned is not None
            spool.replace_start(looked.header_end, looked.cleaned)
            summary = await looked_at(spool, summarize)
        envelope = Envelope(
            self.origin.ip, self.ehlo_name, self.tls is not None, mail.reverse_path, mail.smtputf8, mail.require_tls
        )
        gathered = await self.service.checks.gather(looked, envelope, message_id=summary.message_id, size=spool.size)
        asked = arguments(
            self._hop(mail),
            envelope,
            addresses,
            looked,
            gathered,
            summary,
            received_at=received_at,
            size=spool.size,
            with_evaluation=self.service.with_evaluations,
            turn=Turn.FIRST if self.service.first_time_delay else Turn.ONLY,
        )
        if early:
            self.log.info("early-input", reason="content came before our 354")
        answer = await self._answered(asked, spool)
        if answer.reply is not None:
            self.tiresome = self.tiresome or answer.slow
            return replace(answer.reply, reason=answer.reason)
        self.log.info(
            "message-accepted",
            blob=answer.blob,
            size=spool.size,
            mail_from=str(mail.reverse_path or ""),
            recipients=len(addresses),
            message_id=summary.message_id,
            reason=answer.reason,
        )
        # Without one nothing of it was to be stored: its recipients have it already.
        return Reply(250, "2.0.0", f"Ok: stored as {answer.blob}" if answer.blob else "Ok")

    def _are_words_read(self, addresses: Sequence[Address]) -> bool:
        """Is one of the recipients known to have a filter that reads. Behind an alias may be anybody."""
        for address in addresses:
            found = self.service.routing.lookup(address)
            if not isinstance(found, Route) or found.account_id in self.service.readers:
                return True
        return False

    async def _answered(self, asked: dict[str, Any], spool: Spool) -> Answer:
        """The keeper's answer, with the words of the message and after the delay for first-time senders where it wants
        them (features S02).
        """
        call, descriptor = self.service.keeper.call, spool.seal()
        answer = await hand_over(call, asked, descriptor)
        if answer.readers:
            self.service.readers.update(answer.readers)
            asked["words"] = "\n".join(await looked_at(spool, words_in))
            answer = await hand_over(call, asked, descriptor)
        if not answer.wait:
            return answer
        until = self.service.clock.monotonic() + self.service.first_time_delay
        while self.service.clock.monotonic() < until:
            if self.service.draining:
                return Answer(SHUTTING_DOWN)
            await asyncio.sleep(min(DELAY_STEP_SECONDS, self.service.first_time_delay))
        return await hand_over(call, asked | {"turn": Turn.AGAIN}, descriptor)

    def _hop(self, mail: Mail) -> Hop:
        tls = f"{self.tls.version()} {self.tls.cipher()[0]}" if self.tls is not None else ""  # type: ignore[index]
        spoken = protocol(extended=self.extended, smtputf8=mail.smtputf8, tls=self.tls is not None, authenticated=False)
        return Hop(self.service.hostname, self.origin.cid, self.ehlo_name, self.origin.ip, spoken, tls)


def service_of(world: World, certificate: Certificate | None) -> MxService:
    settings = world.settings
    spool = settings.run_dir / "spool"
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    resolver = LiveResolver(settings.resolver) if settings.resolver else None
    return MxService(
        checks=Checks(
            resolver,
            settings.hostname,
            settings.dnsbl_zones.split(),
            world.clock,
            list_local_clients=settings.dnsbl_local_clients,
        ),
        senders=resolver if settings.refuse_unreachable_senders else None,
        first_time_delay=float(settings.first_time_sender_delay),
        with_evaluations=settings.store_dmarc_evaluations,
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
