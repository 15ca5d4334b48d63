"""The checks of arriving mail, one at a time and with all that can be said of each, as values for JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mail.arc import verify as arc_chain
from mail.dkim import verify as dkim_signatures
from mail.dmarc.evaluate import evaluate
from mail.dns.resolver import Resolver
from mail.message.fields import parse_header
from mail.message.line_ends import with_crlf
from mail.spf.check import check_host


async def spf(resolver: Resolver, *, ip: str, helo: str, mail_from: str, receiver: str) -> dict[str, Any]:
    """ValueError when `ip` is no address."""
    result = await check_host(resolver, ip=ip, mail_from=mail_from, helo=helo, receiver=receiver)
    return asdict(result)


async def dkim(resolver: Resolver, octets: bytes, *, now: int) -> list[dict[str, Any]]:
    """One for each signature, from the top of the header down; `now` in seconds since 1970."""
    octets = with_crlf(octets)
    results = await dkim_signatures.verify(octets, parse_header(octets), resolver, now=now)
    return [
        {**asdict(one), "signed_fields": [name.decode("latin-1") for name in one.signed_fields], "usable": one.usable}
        for one in results
    ]


async def arc(resolver: Resolver, octets: bytes, *, now: int) -> dict[str, Any]:
    octets = with_crlf(octets)
    result = await arc_chain.verify(octets, parse_header(octets), resolver, now=now)
    return asdict(result)


async def dmarc(
    resolver: Resolver, *, from_domain: str, spf: tuple[str, str], dkim: Sequence[tuple[str, str]], draw: float = 0.0
) -> dict[str, Any]:
    """`draw` in [0, 100) stands for the chance that pct= leaves to: the lowest is never left out but by pct=0."""
    result = await evaluate(resolver, author=from_domain, spf=spf, dkim=dkim, draw=draw)
    return {name: value for name, value in asdict(result).items() if name != "record"}
