"""Gathering what speaks for and against an arriving message: all checks at once.

1. A fact that could not be had is a value (temperror), never an exception, and never refuses by itself.
2. All checks of a message share one budget of questions and seconds (security MA-3): a question has five seconds and
   none is asked after thirty, so all of it ends in thirty-five, whatever the DNS does.
3. Without a resolver (the local bundle) nothing is asked, and every check says "none".

RFC 7208, RFC 6376, RFC 9989, RFC 8601.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from mail import iprev
from mail.address import Address
from mail.arc import verify as arc
from mail.arc.verify import ArcResult
from mail.dkim import key as dkim_key
from mail.dkim import verify as dkim
from mail.dkim.verify import Prepared, SignatureResult
from mail.dmarc.domains import organizational_domain
from mail.dmarc.evaluate import DmarcResult, evaluate
from mail.dns.budget import QUERIES, Budget
from mail.dns.resolver import Resolver
from mail.dnsbl import Blocklists
from mail.iprev import IprevResult
from mail.now import Clock
from mail.policy.facts import MessageFacts, Signature
from mail.receive.look import Look
from mail.receive.sender import QUESTIONS
from mail.spf.check import SpfResult, check_host

# Of what a message may cost, its sender's domain had a part at MAIL.
MESSAGE_QUERIES = QUERIES - QUESTIONS
SPF_QUERIES, SPF_SECONDS = 30, 20.0
IPREV_QUERIES, IPREV_SECONDS = 11, 20.0
ARC_QUERIES, ARC_SECONDS = 20, 20.0
ARC_HOPS_HERE = 3

NO_IPREV = IprevResult("none", "", (), "not looked up")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who brings the message, and what was said of the sender."""

    ip: str
    ehlo_name: str
    tls: bool
    mail_from: Address | None
    smtputf8: bool
    require_tls: bool = False


@dataclass(frozen=True, slots=True)
class Gathered:
    """`facts` is what the decision weighs; the rest is for the fields we write and for reports."""

    facts: MessageFacts
    iprev: IprevResult
    spf: SpfResult
    dkim: tuple[SignatureResult, ...]
    dmarc: DmarcResult
    arc: ArcResult
    questions: int


class Checks:
    """What all messages of a process share. `resolver` None: nothing is asked of the DNS."""

    def __init__(
        self,
        resolver: Resolver | None,
        hostname: str,
        zones: Sequence[str],
        clock: Clock,
        *,
        list_local_clients: bool = False,
    ) -> None:
        self._resolver = resolver
        self._hostname = hostname
        self._clock = clock
        # One for each zone, so that they are asked at once: their health is not in a message's budget.
        self._lists = (
            [Blocklists([zone], resolver, clock, with_local_clients=list_local_clients) for zone in zones]
            if resolver is not None
            else []
        )

    async def gather(self, look: Look, envelope: Envelope, *, message_id: str, size: int) -> Gathered:
        """Never raises for what a sender or his DNS does."""
        if self._resolver is None:
            return self._unasked(look, envelope, message_id, size)
        budget = Budget(self._resolver, self._clock, MESSAGE_QUERIES)
        reverse, sender, signatures, chain, zones = await asyncio.gather(
            # A share each of the budget: what a stranger's record makes us ask must not use up what DMARC needs.
            iprev.verify(Budget(budget, self._clock, IPREV_QUERIES, IPREV_SECONDS), envelope.ip),
            self._spf(Budget(budget, self._clock, SPF_QUERIES, SPF_SECONDS), envelope),
            _dkim(budget, look.signatures),
            _arc(budget, look.chain),
            self._listed(budget, envelope.ip),
        )
        policy = await evaluate(
            budget,
            author=look.author,
            spf=(sender.result, sender.domain),
            dkim=[(one.result, one.domain) for one in signatures],
            draw=random.uniform(0, 100),
        )
        facts = _facts(
            look, envelope, reverse, sender, signatures, policy, chain, zones, message_id=message_id, size=size
        )
        return Gathered(facts, reverse, sender, signatures, policy, chain, budget.asked)

    def _unasked(self, look: Look, envelope: Envelope, message_id: str, size: int) -> Gathered:
        sender = _no_spf(envelope, "none", "not looked up")
        policy = DmarcResult("none")
        facts = _facts(look, envelope, NO_IPREV, sender, (), policy, arc.NONE, (), message_id=message_id, size=size)
        return Gathered(facts, NO_IPREV, sender, (), policy, arc.NONE, 0)

    async def _spf(self, budget: Budget, envelope: Envelope) -> SpfResult:
        return await check_host(
            budget,
            ip=envelope.ip,
            mail_from=str(envelope.mail_from or ""),
            helo=envelope.ehlo_name,
            receiver=self._hostname,
            clock=self._clock,
        )

    async def _listed(self, budget: Budget, ip: str) -> tuple[str, ...]:
        """The zones that list the client."""
        listings = await asyncio.gather(*(one.lookup(budget, ip) for one in self._lists))
        return tuple(zone for listing in listings for zone in listing.zones)


async def _dkim(budget: Budget, prepared: Prepared) -> tuple[SignatureResult, ...]:
    if not prepared.entries:
        return ()
    # One after the other: nearly always there is one.
    return tuple(dkim.finish(prepared, await dkim_key.ask_all(prepared.names, budget)))


async def _arc(budget: Budget, prepared: arc.Prepared) -> ArcResult:
    if prepared.settled is not None:
        return prepared.settled
    share = Budget(budget, budget.clock, ARC_QUERIES, ARC_SECONDS)
    published = await dkim_key.ask_all(prepared.names, share)
    # A public-key operation a hop: a long chain is not for the loop.
    if len(prepared.chain) > ARC_HOPS_HERE:
        return await asyncio.to_thread(arc.finish, prepared, published)
    return arc.finish(prepared, published)


def _no_spf(envelope: Envelope, result: str, problem: str) -> SpfResult:
    sender = envelope.mail_from
    domain, identity = (sender.domain, "mailfrom") if sender is not None else (envelope.ehlo_name, "helo")
    return SpfResult(result, "", domain, identity, "", problem, 0)


def _facts(
    look: Look,
    envelope: Envelope,
    reverse: IprevResult,
    sender: SpfResult,
    signatures: Sequence[SignatureResult],
    policy: DmarcResult,
    chain: ArcResult,
    zones: tuple[str, ...],
    *,
    message_id: str,
    size: int,
) -> MessageFacts:
    author = look.author.address
    from_domain = author.domain if author is not None else ""
    organization = policy.organizational_domain or (organizational_domain(from_domain) if from_domain else "")
    record = policy.record
    return MessageFacts(
        ip=envelope.ip,
        ehlo_name=envelope.ehlo_name,
        tls=envelope.tls,
        iprev=reverse.result,
        spf=sender.result,
        spf_identity=sender.identity,
        spf_domain=sender.domain,
        mail_from=str(envelope.mail_from or ""),
        dkim=tuple(Signature(one.result, one.domain, one.usable) for one in signatures),
        dmarc=policy.result,
        dmarc_domain=policy.domain,
        dmarc_policy=policy.policy if policy.domain else "",
        dmarc_sampled_out=policy.sampled_out,
        dmarc_wants_reports=record is not None and bool(record.rua),
        author=str(author or ""),
        author_defect=", ".join(look.author.defects),
        from_domain=from_domain,
        org_domain=organization,
        from_validated=_validated(organization, policy, sender, signatures),
        dnsbl=zones,
        arc=chain.cv,
        subject=look.subject,
        message_id=message_id,
        to_and_cc=look.to_and_cc,
        list_id=look.list_id,
        received_count=look.received_count,
        size=size,
    )


def _validated(
    organization: str, policy: DmarcResult, sender: SpfResult, signatures: Sequence[SignatureResult]
) -> bool:
    """Does a domain of the author's organization answer for the message, whether or not it has a policy."""
    if policy.result in ("pass", "permerror"):
        return policy.result == "pass"
    domains = [one.domain for one in signatures if one.usable]
    if sender.result == "pass":
        domains.append(sender.domain)
    return bool(organization) and any(organizational_domain(one) == organization for one in domains)
