"""A DNS of a few lines, for tests and for what-if questions; ships with the real one.

FakeResolver({"MX a.example": ["10 mx.a.example."], "A mx.a.example": ["192.0.2.1"]}, failing={"TXT b.example"})
"""

from collections.abc import Iterable, Mapping, Sequence

from mail.dns.resolver import CNAMES_MAX, Answer, LookupFailed, NoRecords


class FakeResolver:
    """`asked` lists every question in order."""

    def __init__(
        self,
        zone: Mapping[str, Sequence[str]] | None = None,
        *,
        secure: Iterable[str] = (),
        failing: Iterable[str] = (),
    ) -> None:
        self._zone = {_key(question): tuple(records) for question, records in (zone or {}).items()}
        self._secure = {_key(question) for question in secure}
        self._failing = {_key(question) for question in failing}
        self.asked: list[str] = []

    async def lookup(self, name: str, kind: str) -> Answer:
        at = name.rstrip(".").lower()
        secure = True
        for _ in range(CNAMES_MAX):
            question = f"{kind} {at}"
            self.asked.append(question)
            if question in self._failing:
                raise LookupFailed(question)
            secure = secure and question in self._secure
            if question in self._zone:
                return Answer(self._zone[question], secure, at)
            alias = self._zone.get(f"CNAME {at}")
            if alias is None or kind == "CNAME":
                exists = any(known.partition(" ")[2] == at for known in self._zone)
                raise NoRecords(question, exists=exists, secure=secure)
            at = alias[0].rstrip(".").lower()
        raise LookupFailed(f"CNAME chain of {name}")


def _key(question: str) -> str:
    kind, _, name = question.partition(" ")
    return f"{kind} {name.rstrip('.').lower()}"
