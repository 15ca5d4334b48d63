"""What one arriving message may ask of the DNS: so many questions, so many seconds, and nothing twice.

A budget is a resolver over a resolver; all the checks of a message share one. A budget over a budget is a part of it,
for a check whose appetite a stranger decides.

1. Whatever goes beyond is `LookupFailed`, as if nobody could say (security MA-3).
2. A repeated question costs nothing, whatever came of it. One that is on its way is not counted again: the live
   resolver asks it once.
3. The time is looked at before a question, so a message may last as much longer as one question may.
"""

from mail.dns.resolver import Answer, LookupFailed, NoRecords, Resolver
from mail.now import Clock

QUERIES = 60
SECONDS = 30.0


class Budget:
    """`asked` counts the questions."""

    def __init__(self, resolver: Resolver, clock: Clock, queries: int = QUERIES, seconds: float = SECONDS) -> None:
        self._resolver = resolver
        self.clock = clock
        self._queries = queries
        self._until = clock.monotonic() + seconds
        self._known: dict[tuple[str, str], Answer | NoRecords | LookupFailed] = {}
        self._asking: set[tuple[str, str]] = set()
        self.asked = 0

    async def lookup(self, name: str, kind: str) -> Answer:
        question = (name.rstrip(".").lower(), kind)
        known = self._known.get(question)
        if known is None:
            known = self._known[question] = await self._ask(question)
        if isinstance(known, Answer):
            return known
        raise known.with_traceback(None)

    async def _ask(self, question: tuple[str, str]) -> Answer | NoRecords | LookupFailed:
        name, kind = question
        if question in self._asking:
            return await self._outcome(name, kind)
        if self.asked >= self._queries:
            raise LookupFailed(f"{kind} {name}: more than {self._queries} questions for one message")
        if self.clock.monotonic() >= self._until:
            raise LookupFailed(f"{kind} {name}: out of time for this message")
        self.asked += 1
        self._asking.add(question)
        try:
            return await self._outcome(name, kind)
        finally:
            self._asking.discard(question)

    async def _outcome(self, name: str, kind: str) -> Answer | NoRecords | LookupFailed:
        try:
            return await self._resolver.lookup(name, kind)
        except (NoRecords, LookupFailed) as error:
            return error
