"""Which hosts take mail for a domain, and at which addresses (RFC 5321 §5.1).

1. Null MX: the domain takes no mail, a permanent failure (RFC 7505 §4). No MX: the domain itself. A domain that does
   not exist is an error at once; one that has no address is tried again, for somebody may be repairing it.
2. A host whose addresses are private or of this machine is refused unless settings allow it (security OU-2). When we
   are among the exchangers ourselves, only better ones than we are asked.
3. What DNSSEC vouches for is noted with each host: without that for the exchangers and for the host's own name there is
   no DANE (RFC 7672 §2.2).
"""

import ipaddress
import random
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from mail.address import Address
from mail.dns.resolver import Answer, LookupFailed, Mx, NoRecords, Resolver, is_public, lookup_addresses, parse_mx
from mail.smtp.reply_reader import Reply, local_reply

HOSTS_MAX = 10
# A domain that lists hundreds gets no hundreds of questions.
EXCHANGERS_MAX = 20
ADDRESSES_MAX = 4


@dataclass(frozen=True, slots=True)
class Host:
    """`tlsa_names`: where DANE records of this host would be, the best first; none where there can be no DANE.
    `next_hop`, there only: the domain it takes mail for, and the name that is an alias of.
    """

    name: str
    ips: tuple[str, ...]
    tlsa_names: tuple[str, ...] = ()
    next_hop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Exchangers:
    """By preference, at random among equals. `exists`: the domain does. `names`: it, and what it is an alias of."""

    records: list[Mx]
    exists: bool
    secure: bool
    names: tuple[str, ...]


class Unroutable(Exception):
    """The domain's mail cannot go anywhere now (4xx) or ever (5xx); `reply` says it in SMTP's words."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Finder:
    """Looks hosts up. `is_own` tells whether an address is this machine's, `hostname` is its name."""

    resolver: Resolver
    hostname: str
    is_own: Callable[[str], bool]
    shuffle: Callable[[list[Mx]], None] = random.shuffle

    async def find(
        self, domain: str, *, private_allowed: bool = False, ipv4_first: bool = False, ip_first: str = ""
    ) -> list[Host]:
        """Hosts with at least one usable address, in the order to try them. Unroutable when there is none."""
        if domain.startswith("["):
            # RFC 5321 §4.1.3
            ip = str(ipaddress.ip_address(domain[1:-1].removeprefix("IPv6:")))
            return [self._allowed(Host(ip, (ip,)), private_allowed)]
        exchangers = await self._exchangers(domain)
        found = await self._addressed(exchangers, private_allowed)
        if not found.hosts:
            raise found.why_none(domain, exchangers.exists)
        return [replace(host, ips=_interleaved(host.ips, ipv4_first, ip_first)) for host in found.hosts]

    async def _exchangers(self, domain: str) -> _Exchangers:
        try:
            answer = await self.resolver.lookup(domain, "MX")
        except NoRecords as error:
            return _Exchangers([Mx(0, domain)], error.exists, error.secure, (domain,))
        except LookupFailed as error:
            raise Unroutable(local_reply(451, "4.4.3", f"the DNS does not answer for the MX of {domain}")) from error
        found = [mx for mx in map(parse_mx, answer.records) if mx is not None]
        if [mx.host for mx in found] == [""]:
            raise Unroutable(local_reply(556, "5.1.10", f"{domain} takes no mail (null MX)"))
        usable = [mx for mx in found if mx.host]
        if not usable:
            raise Unroutable(local_reply(451, "4.4.4", f"the MX records of {domain} cannot be read"))
        self.shuffle(usable)
        by_preference = sorted(usable, key=lambda mx: mx.preference)
        return _Exchangers(by_preference, True, answer.secure, tuple(dict.fromkeys((domain, answer.name))))

    async def _addressed(self, exchangers: _Exchangers, private_allowed: bool) -> "_Found":
        found = _Found()
        for one in exchangers.records[:EXCHANGERS_MAX]:
            if len(found.hosts) >= HOSTS_MAX:
                break
            try:
                answer = await lookup_addresses(self.resolver, one.host)
                if not private_allowed and self._is_us(one.host, answer.records):
                    # RFC 5321 §5.1: neither we nor anybody as good as we or worse, or mail would go in circles.
                    found.leave_out(one.preference, exchangers.records)
                    break
                bases = await self._tlsa_names(one.host, answer) if exchangers.secure else ()
                host = Host(one.host, answer.records, bases, exchangers.names if bases else ())
                found.hosts.append(self._allowed(host, private_allowed))
            except NoRecords as error:
                found.exists = found.exists or error.exists
            except LookupFailed:
                found.unknown = True
            except Unroutable as error:
                found.refused = error
        return found

    async def _tlsa_names(self, host: str, answer: Answer) -> tuple[str, ...]:
        """RFC 7672 §2.2.2: where a chain of aliases ends that is vouched for to its end, then the host's name."""
        if answer.secure:
            return tuple(dict.fromkeys((answer.name, host)))
        if answer.name == host:
            return ()
        try:
            # An alias in a signed zone, which leads to one that is not.
            return (host,) if (await self.resolver.lookup(host, "CNAME")).secure else ()
        except (NoRecords, LookupFailed):
            return ()

    def _is_us(self, host: str, ips: Iterable[str]) -> bool:
        return host == self.hostname or any(is_public(ip) and self.is_own(ip) for ip in ips)

    def _allowed(self, host: Host, private_allowed: bool) -> Host:
        if private_allowed:
            return host
        usable = tuple(ip for ip in host.ips if is_public(ip) and not self.is_own(ip))
        if not usable:
            words = f"{host.name} has only private or local addresses ({', '.join(host.ips)}); mail is not sent there"
            raise Unroutable(local_reply(550, "5.4.4", words))
        return replace(host, ips=usable)


class _Found:
    """What looking up the exchangers' addresses gave."""

    def __init__(self) -> None:
        self.hosts: list[Host] = []
        self.refused: Unroutable | None = None
        self.unknown = False
        self.exists = False

    def leave_out(self, preference: int, exchangers: list[Mx]) -> None:
        better = {mx.host for mx in exchangers if mx.preference < preference}
        self.hosts = [host for host in self.hosts if host.name in better]
        self.refused = Unroutable(local_reply(550, "5.4.6", "the mail exchanger is this very host: a routing loop"))

    def why_none(self, domain: str, domain_exists: bool) -> Unroutable:
        if self.unknown:
            words = f"the DNS does not answer for the mail exchangers of {domain}"
            return Unroutable(local_reply(451, "4.4.3", words))
        if self.refused is not None:
            return self.refused
        if not domain_exists and not self.exists:
            # RFC 5321 §5.1: a domain that does not exist MUST be reported as an error.
            return Unroutable(local_reply(550, "5.1.2", f"the domain {domain} does not exist"))
        return Unroutable(local_reply(451, "4.4.4", f"no mail exchanger of {domain} has an address"))


def _interleaved(ips: tuple[str, ...], ipv4_first: bool, ip_first: str) -> tuple[str, ...]:
    """Both families in turn, so that one that does not work costs one time-out and not all."""
    six = [ip for ip in ips if ":" in ip]
    four = [ip for ip in ips if ":" not in ip]
    first, second = (four, six) if ipv4_first else (six, four)
    turns = max(len(first), len(second))
    mixed = [ip for turn in range(turns) for ip in (*first[turn : turn + 1], *second[turn : turn + 1])]
    known = [ip_first] if ip_first in mixed else []
    return tuple(dict.fromkeys((*known, *mixed)))[:ADDRESSES_MAX]


def is_own_address(ip: str) -> bool:
    """Is the address one of this machine's: the kernel lets nobody bind another's."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((ip, 0))
        except OSError:
            return False
    return True


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
    if code.isascii() and code.isdigit() and 400 <= int(code) < 600:
        return local_reply(int(code), f"{code[0]}.0.0", f"simulated failure {code} in the queue")
    return None
