"""May this client send mail for that domain: check_host(). RFC 7208 §4.

    result = await check_host(resolver, ip="192.0.2.3", mail_from="a@example.com", helo="mx.example.com", receiver="us")

Rules:
1. Never an exception for what strangers publish or say: every trouble is a result, with its reason in words.
2. Bounded whatever they publish (`questions.py`); includes nest no deeper than terms may ask.
3. A localpart that is not ASCII matches no term that mentions it (RFC 8616 §4); domains are compared as A-labels.
"""

from dataclasses import dataclass

from mail.address import parse_domain
from mail.dns.resolver import Resolver
from mail.errors import BadAddress
from mail.now import Clock, SystemClock
from mail.spf import macros
from mail.spf.client import Client
from mail.spf.macros import EXPLANATION_LETTERS, BadMacro, Part
from mail.spf.questions import Ends, Questions
from mail.spf.record import RECORD_MAX, BadRecord, Directive, Record, is_spf, parse_record

SECONDS = 20.0  # RFC 7208 §4.6.4: at least
EXPLANATION_MAX = 1000
SYSTEM_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class SpfResult:
    """`result`: none, neutral, pass, fail, softfail, temperror or permerror. RFC 7208 §2.6.

    `domain` is the one that was checked, of the `identity` "mailfrom" or "helo". `explanation`: the domain's own words
    for a fail, printable ASCII; empty when it has none. `mechanism`: the term that decided, as it is written, or
    "default". `problem`: why it is none, temperror or permerror. `lookups`: how many terms asked the DNS.
    """

    result: str
    explanation: str
    domain: str
    identity: str
    mechanism: str
    problem: str
    lookups: int


async def check_host(
    resolver: Resolver,
    *,
    ip: str,
    mail_from: str,
    helo: str,
    receiver: str,
    now: float | None = None,
    clock: Clock = SYSTEM_CLOCK,
    seconds: float = SECONDS,
) -> SpfResult:
    """Check MAIL FROM, or HELO where it is empty. ValueError when `ip` is not an address.

    `receiver`, our own name, and `now`, the time since 1970 unless the clock knows better, are for explanations only.
    """
    localpart, _, domain = mail_from.rpartition("@") if mail_from else ("", "", helo)
    localpart = localpart or "postmaster"  # RFC 7208 §4.3
    domain = _in_a_labels(domain.removesuffix("."))
    client = Client(ip)
    questions = Questions(resolver, client, clock, seconds)
    values = {
        "s": f"{localpart}@{domain}",
        "l": localpart,
        "o": domain,
        "i": client.dotted,
        "v": "in-addr" if client.is_ipv4 else "ip6",
        "h": helo,
        "c": client.text,
        "r": receiver or "unknown",
        "t": str(int(clock.wall_ms() / 1000 if now is None else now)),
    }
    check = _Check(client, questions, values)
    result, mechanism, explanation, problem = "none", "", "", ""
    try:
        decision = await check.decide(domain)
        result, mechanism = decision.result, decision.mechanism
        if result == "fail":
            explanation = await check.explanation(decision)
    except Ends as end:
        result, problem = end.result, end.problem
    identity = "mailfrom" if mail_from else "helo"
    return SpfResult(result, explanation, domain.lower(), identity, mechanism, problem, questions.terms)


@dataclass(frozen=True, slots=True)
class _Decision:
    result: str
    mechanism: str
    record: Record
    domain: str  # whose record decided: after redirects


class _Check:
    """`values`: what the macros mean, but for %{d} and %{p}, which depend on where they are."""

    def __init__(self, client: Client, questions: Questions, values: dict[str, str]) -> None:
        self._client = client
        self._questions = questions
        self._values = values
        self._unmatchable = set() if values["l"].isascii() else {"s", "l"}

    async def decide(self, domain: str, named_in: str = "") -> _Decision:
        """What the policy of a domain says. Raises Ends."""
        record = await self._record(domain, named_in)
        while True:
            for directive in record.directives:
                if await self._matches(directive, domain):
                    return _Decision(directive.result, directive.text, record, domain)
            if record.redirect is None:
                return _Decision("neutral", "default", record, domain)
            # RFC 7208 §6.1: the target's record takes the place of this one.
            self._questions.count_term()
            domain = await self._name(record.redirect, domain) or ""
            record = await self._record(domain, "redirect")

    async def _record(self, domain: str, named_in: str) -> Record:
        where = f", which an SPF record names in {named_in}," if named_in else ""
        missing = "permerror" if named_in else "none"
        if not _is_domain(domain):
            raise Ends(missing, f"{domain[:80]!r}{where} is not the name of a domain")
        found = [text for text in await self._questions.ask(domain, "TXT") if is_spf(text)]
        if not found:
            raise Ends(missing, f"{domain}{where} has no SPF record")
        if len(found) > 1:
            raise Ends("permerror", f"{domain}{where} has {len(found)} SPF records, where there may be one")
        try:
            return parse_record(found[0])
        except BadRecord as error:
            raise Ends("permerror", f"the SPF record of {domain} is wrong: {error}") from error

    async def _matches(self, directive: Directive, domain: str) -> bool:
        match directive.mechanism:
            case "all":
                return True
            case "ip4" | "ip6":
                is_alike = self._client.is_ipv4 == (directive.mechanism == "ip4")
                return is_alike and self._client.is_in(directive.network, directive.prefix)
        self._questions.count_term()
        name: str | None = domain
        if directive.domain is not None:
            if self._unmatchable and self._unmatchable & macros.letters_of(directive.domain):
                return False
            name = await self._name(directive.domain, domain)
        if directive.mechanism == "include":
            # RFC 7208 §5.2: a pass matches; Ends come through, and no record is a permerror.
            return (await self.decide(name or "", "include")).result == "pass"
        if name is None:
            return False  # what the DNS cannot be asked for does not exist; RFC 7208 §4.8 leaves it open
        return await self._matches_name(directive, name)

    async def _matches_name(self, directive: Directive, name: str) -> bool:
        if directive.mechanism == "ptr":
            return any(_is_within(found, name) for found in await self._questions.client_names())
        prefix = directive.prefix4 if self._client.is_ipv4 else directive.prefix6
        hosts = await self._questions.exchangers(name) if directive.mechanism == "mx" else [name]
        kind = "A" if directive.mechanism == "exists" else self._client.kind
        is_void = True
        for host in hosts:
            found = await self._questions.ask(host, kind)
            if found and (directive.mechanism == "exists" or self._client.is_among(found, prefix)):
                return True
            is_void = is_void and not found
        if is_void:
            self._questions.count_void()
        return False

    async def _name(self, parts: tuple[Part, ...], domain: str) -> str | None:
        return macros.domain_name(await self._expanded(parts, domain))

    async def _expanded(self, parts: tuple[Part, ...], domain: str) -> str:
        letters = macros.letters_of(parts)
        self._values["d"] = domain
        if "p" in letters:
            self._values["p"] = _preferred(await self._questions.client_names(), domain)
        return macros.expand(parts, self._values)

    async def explanation(self, decision: _Decision) -> str:
        """The words of the domain that failed the client; empty when there is anything wrong. RFC 7208 §6.2."""
        if decision.record.explanation is None:
            return ""
        try:
            name = await self._name(decision.record.explanation, decision.domain)
            texts = await self._questions.ask(name, "TXT") if name else ()
            if len(texts) != 1 or len(texts[0]) > RECORD_MAX:
                return ""
            text = await self._expanded(macros.parse(texts[0], letters=EXPLANATION_LETTERS), decision.domain)
        except (Ends, BadMacro):
            return ""
        # It may go into an SMTP reply and a header field.
        return text if len(text) <= EXPLANATION_MAX and text.isascii() and text.isprintable() else ""


def _in_a_labels(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return parse_domain(domain)
    except BadAddress:
        return domain


def _is_domain(name: str) -> bool:
    """RFC 7208 §4.3: of several labels, and no address literal."""
    return "." in name and macros.is_name(name) and " " not in name and not name.startswith("[")


def _is_within(name: str, domain: str) -> bool:
    return f".{name}".lower().endswith(f".{domain}".lower())


def _preferred(names: list[str], domain: str) -> str:
    """The name for %{p}: the domain itself, one within it, or any. RFC 7208 §7.3."""
    ranked = sorted(names, key=lambda name: (name.lower() != domain.lower(), not _is_within(name, domain)))
    return ranked[0] if ranked else "unknown"
