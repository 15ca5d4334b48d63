"""What one SPF check asks the DNS, and how much of it. RFC 7208 §4.6.4.

Rules:
1. What a domain's record makes us ask is bounded; what is beyond happens again tomorrow, so it is a permerror: 10 terms
   that ask, 2 of them in vain, 10 names of an MX, and 30 different questions in all. The last is ours: one check must
   not use up what a message may ask.
2. What the client makes us ask, by its PTR records, is bounded too and is no fault of the domain: 10 names, the others
   are left out.
3. 20 seconds; a temperror is beyond.
"""

from mail.dns.resolver import LookupFailed, NoRecords, Resolver, parse_mx
from mail.now import Clock
from mail.spf.client import Client
from mail.spf.macros import is_name

TERMS_MAX = 10
VOID_MAX = 2
NAMES_MAX = 10
QUESTIONS_MAX = 30


class Ends(Exception):
    """The check ends here: `result` is none, temperror or permerror, and `problem` says why."""

    def __init__(self, result: str, problem: str) -> None:
        super().__init__(problem)
        self.result = result
        self.problem = problem


class Questions:
    """`terms` counts the terms that asked."""

    def __init__(self, resolver: Resolver, client: Client, clock: Clock, seconds: float) -> None:
        self._resolver = resolver
        self._client = client
        self._clock = clock
        self._until = clock.monotonic() + seconds
        self._asked: set[tuple[str, str]] = set()
        self._void = 0
        self._client_names: list[str] | None = None
        self.terms = 0

    def count_term(self) -> None:
        self.terms += 1
        if self.terms > TERMS_MAX:
            raise Ends("permerror", f"more than {TERMS_MAX} terms of its SPF records ask the DNS")

    def count_void(self) -> None:
        self._void += 1
        if self._void > VOID_MAX:
            raise Ends("permerror", f"more than {VOID_MAX} terms of its SPF records ask the DNS for what is not there")

    async def ask(self, name: str, kind: str) -> tuple[str, ...]:
        """The records, or none; Ends when nobody can say."""
        question = (name.lower(), kind)
        if question not in self._asked:
            self._asked.add(question)
            if len(self._asked) > QUESTIONS_MAX:
                raise Ends("permerror", f"its SPF records ask the DNS more than {QUESTIONS_MAX} questions")
        try:
            return await self._lookup(name, kind)
        except LookupFailed as error:
            raise Ends("temperror", f"the DNS could not say what {kind} records {name} has") from error

    async def exchangers(self, name: str) -> list[str]:
        """The hosts of a domain's MX records. A null MX has none (RFC 7505 §3)."""
        found = [mx.host for mx in map(parse_mx, await self.ask(name, "MX")) if mx is not None]
        if len(found) > NAMES_MAX:
            raise Ends("permerror", f"{name} has more than {NAMES_MAX} MX records")
        return [host for host in found if is_name(host)]

    async def client_names(self) -> list[str]:
        """The names of the client that lead back to it. RFC 7208 §5.5: without any errors."""
        if self._client_names is None:
            self._client_names = []
            for record in (await self._try(self._client.reverse_name, "PTR"))[:NAMES_MAX]:
                name = record.rstrip(".")
                if is_name(name) and self._client.is_among(await self._try(name, self._client.kind)):
                    self._client_names.append(name)
        return self._client_names

    async def _try(self, name: str, kind: str) -> tuple[str, ...]:
        try:
            return await self._lookup(name, kind)
        except LookupFailed:
            return ()

    async def _lookup(self, name: str, kind: str) -> tuple[str, ...]:
        if self._clock.monotonic() >= self._until:
            raise Ends("temperror", "the DNS took too long to answer all that its SPF records ask")
        try:
            return (await self._resolver.lookup(name, kind)).records
        except NoRecords:
            return ()
