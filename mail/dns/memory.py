"""The answers a resolver remembers: each for its time, and no more of them than so many octets.

1. What was not asked for longest goes first.
2. An answer is worth remembering for at most an hour, that there is none for five minutes, and that nobody could say
   for ten seconds: long enough not to hammer a resolver that is down.
"""

from collections import OrderedDict
from dataclasses import dataclass

from mail.dns.resolver import Answer
from mail.now import Clock

ANSWER_SECONDS_MAX = 3600.0
MISSING_SECONDS_MAX = 300.0
FAILURE_SECONDS = 10.0
OCTETS_MAX = 4 * 2**20
OVERHEAD = 400  # what an entry costs besides its texts, in octets


@dataclass(frozen=True, slots=True)
class Missing:
    """There are no such records. `exists`: the name has others. `secure`: that was validated."""

    exists: bool
    secure: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Nobody could say."""

    reason: str


Question = tuple[str, str]
Outcome = Answer | Missing | Failure


class Memory:
    def __init__(self, clock: Clock, octets_max: int = OCTETS_MAX) -> None:
        self._clock = clock
        self._octets_max = octets_max
        self._octets = 0
        self._known: OrderedDict[Question, tuple[Outcome, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, question: Question) -> Outcome | None:
        known = self._known.get(question)
        if known is None:
            return None
        outcome, until = known
        if self._clock.monotonic() >= until:
            self._forget(question)
            return None
        self._known.move_to_end(question)
        return outcome

    def put(self, question: Question, outcome: Outcome, ttl: float) -> None:
        """`ttl`, in seconds, is of no consequence to a failure."""
        match outcome:
            case Answer():
                seconds = min(ttl, ANSWER_SECONDS_MAX)
            case Missing():
                seconds = min(ttl, MISSING_SECONDS_MAX)
            case Failure():
                seconds = FAILURE_SECONDS
        self._forget(question)
        self._known[question] = (outcome, self._clock.monotonic() + seconds)
        self._octets += _size(question, outcome)
        while self._octets > self._octets_max:
            self._forget(next(iter(self._known)))

    def _forget(self, question: Question) -> None:
        known = self._known.pop(question, None)
        if known is not None:
            self._octets -= _size(question, known[0])


def _size(question: Question, outcome: Outcome) -> int:
    texts = outcome.records if isinstance(outcome, Answer) else ()
    return OVERHEAD + len(question[0]) + sum(map(len, texts)) + 50 * len(texts)
