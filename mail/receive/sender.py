"""Can anybody be written to at a sender's domain? Asked at MAIL, before there is a message (features B03).

1. A domain without MX and address records, or with a null MX, takes no mail: nobody there can be answered, or be told
   that something failed. So can nobody at a bare address, which names no domain that DMARC or the DNS could speak for.
2. What the DNS does not say in time refuses nobody (security MA-3): later checks meet the same DNS.
3. The name in EHLO is not asked for: programs of honest senders greet with names that do not exist, so it is a fact
   for the verdict (by SPF) and no reason of its own.

RFC 5321 §5.1, RFC 7505 §4.2.
"""

import asyncio

from mail.address import Address
from mail.dns.resolver import LookupFailed, NoRecords, Resolver, addresses, parse_mx
from mail.smtp.replies import Reply

# MX, AAAA and A: part of what one message may make us ask.
QUESTIONS = 3
# All of it: a peer is waiting for the answer to one command.
SECONDS = 5.0

NULL_MX = Reply(550, "5.7.27", "Sender's domain takes no mail (null MX)", "sender-unreachable")
NO_HOST = Reply(550, "5.7.27", "Sender's domain has neither MX nor address records", "sender-unreachable")
LITERAL = Reply(550, "5.7.0", "Sender must be at a domain, not at an address", "sender-unreachable")


async def refused(resolver: Resolver, sender: Address | None) -> Reply | None:
    """Why mail from him is not taken, or None: he can be reached, is the null sender, or nobody can say now."""
    if sender is None:
        return None
    if sender.domain.startswith("["):
        return LITERAL
    try:
        async with asyncio.timeout(SECONDS):
            return await _refused_domain(resolver, sender.domain)
    except (LookupFailed, TimeoutError):
        return None


async def _refused_domain(resolver: Resolver, domain: str) -> Reply | None:
    try:
        answer = await resolver.lookup(domain, "MX")
    except NoRecords:
        pass
    else:
        hosts = [found.host for found in map(parse_mx, answer.records) if found is not None]
        return NULL_MX if hosts == [""] else None
    try:
        # RFC 5321 §5.1: without MX, the domain's own address.
        await addresses(resolver, domain)
    except NoRecords:
        return NO_HOST
    return None
