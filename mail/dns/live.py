"""The real DNS, asked through one validating resolver and no other. No other module of ours asks.

A question has five seconds. How many are asked at a time is bounded by the connections that ask.

The AD bit is believed only from loopback: from farther away anybody could have set it. RFC 4035 §4.9.3.
"""

import ipaddress

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.rdatatype
import dns.resolver

from mail.dns.resolver import Answer, LookupFailed, NoRecords

SECONDS = 5.0
CACHED = 5000


class LiveResolver:
    """May be used from one event loop after another: its cache outlives them."""

    def __init__(self, resolver: str) -> None:
        """`resolver` is host:port."""
        host, _, port = resolver.rpartition(":")
        asks = dns.asyncresolver.Resolver(configure=False)
        asks.nameservers = [host.strip("[]")]
        asks.port = int(port)
        asks.lifetime = SECONDS
        asks.timeout = SECONDS
        asks.use_edns(0, dns.flags.DO, 1232)
        asks.flags = dns.flags.RD | dns.flags.AD
        asks.cache = dns.resolver.LRUCache(CACHED)
        self._asks = asks
        self._trusted = ipaddress.ip_address(host.strip("[]")).is_loopback

    async def lookup(self, name: str, kind: str) -> Answer:
        question = f"{kind} {name}"
        try:
            answer = await self._asks.resolve(dns.name.from_text(name), kind, search=False)
        except dns.resolver.NXDOMAIN as error:
            raise NoRecords(question, exists=False) from error
        except dns.resolver.NoAnswer as error:
            raise NoRecords(question, exists=True) from error
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise LookupFailed(f"{question}: {type(error).__name__}") from error
        secure = self._trusted and bool(answer.response.flags & dns.flags.AD)
        found = tuple(_text(record) for record in answer)
        return Answer(found, secure, answer.canonical_name.to_text(omit_final_dot=True).lower())


def _text(record: object) -> str:
    """Presentation format; the strings of a TXT record joined without their quotes (RFC 7208 §3.3)."""
    strings = getattr(record, "strings", None)
    if strings is not None:
        return b"".join(strings).decode("latin-1")
    return str(record)
