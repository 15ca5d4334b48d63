"""Which hosts take mail for a domain, and at which addresses (RFC 5321 §5.1).

Single null MX: the domain takes no mail, a permanent failure (RFC 7505). No MX: the domain itself. A host whose
addresses are private or our own is refused unless settings allow it (security OU-2).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from mail.address import Address
from mail.dns.resolver import LookupFailed, Mx, NoRecords, Resolver, addresses, is_public, parse_mx
from mail.smtp.client import local_reply
from mail.smtp.reply_reader import Reply

HOSTS_MAX = 10
ADDRESSES_MAX = 4


@dataclass(frozen=True, slots=True)
class Host:
    name: str
    ips: tuple[str, ...]


class Unroutable(Exception):
    """The domain's mail cannot go anywhere now (4xx) or ever (5xx); `reply` says it in SMTP's words."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


async def find_hosts(
    resolver: Resolver, domain: str, *, private_allowed: bool, shuffle: Callable[[list[Mx]], None] = random.shuffle
) -> list[Host]:
    """Hosts with at least one usable address, in the order to try them. Unroutable when there is none."""
    if domain.startswith("["):
        ip = domain[1:-1].removeprefix("IPv6:")
        return [_allowed(Host(domain, (ip,)), private_allowed)]
    hosts: list[Host] = []
    refused: Unroutable | None = None
    unknown = False
    for one in await _exchangers(resolver, domain, shuffle):
        try:
            ips = await addresses(resolver, one.host)
            hosts.append(_allowed(Host(one.host, tuple(ips[:ADDRESSES_MAX])), private_allowed))
        except NoRecords:
            continue
        except LookupFailed:
            unknown = True
        except Unroutable as error:
            refused = error
        if len(hosts) >= HOSTS_MAX:
            break
    if hosts:
        return hosts
    if refused is not None and not unknown:
        raise refused
    if unknown:
        raise Unroutable(local_reply(451, "4.4.3", f"the DNS does not answer for the mail exchangers of {domain}"))
    raise Unroutable(local_reply(451, "4.4.4", f"no mail exchanger of {domain} has an address"))


async def _exchangers(resolver: Resolver, domain: str, shuffle: Callable[[list[Mx]], None]) -> list[Mx]:
    """By preference, at random among equals."""
    try:
        answer = await resolver.lookup(domain, "MX")
    except NoRecords:
        # RFC 5321 §5.1: the domain is its own implicit MX.
        return [Mx(0, domain)]
    except LookupFailed as error:
        raise Unroutable(local_reply(451, "4.4.3", f"the DNS does not answer for the MX of {domain}")) from error
    found = [mx for mx in map(parse_mx, answer.records) if mx is not None]
    if [mx.host for mx in found] == [""]:
        raise Unroutable(local_reply(556, "5.1.10", f"{domain} takes no mail (null MX)"))
    usable = [mx for mx in found if mx.host]
    if not usable:
        raise Unroutable(local_reply(451, "4.4.4", f"the MX records of {domain} cannot be read"))
    shuffle(usable)
    return sorted(usable, key=lambda mx: mx.preference)


def _allowed(host: Host, private_allowed: bool) -> Host:
    if private_allowed:
        return host
    public = tuple(ip for ip in host.ips if is_public(ip))
    if not public:
        words = f"{host.name} has only private or local addresses ({', '.join(host.ips)}); mail is not sent there"
        raise Unroutable(local_reply(550, "5.4.4", words))
    return Host(host.name, public)


def domain_of(rcpt_to: str) -> str:
    return rcpt_to.rpartition("@")[2]


def simulated(address: Address) -> Reply | None:
    """The local bundle: a localpart queue…permerror, queue…temperror or queue…451 fails in the queue (features §1i)."""
    localpart = address.localpart.lower()
    if not localpart.startswith("queue"):
        return None
    if localpart.endswith("permerror"):
        return local_reply(550, "5.0.0", "simulated permanent failure in the queue")
    if localpart.endswith("temperror"):
        return local_reply(451, "4.0.0", "simulated temporary failure in the queue")
    code = localpart[-3:]
    if code.isdigit() and 400 <= int(code) < 600:
        return local_reply(int(code), f"{code[0]}.0.0", f"simulated failure {code} in the queue")
    return None
