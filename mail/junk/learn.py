"""Training: what one message changes in the counts, and counts in memory.

A message counts once for each of its words and once for its class. Untraining takes exactly that back, and no count
goes below 0, whatever was trained before. Counts live where `Learnt` says: in the store for accounts, in
`MemoryCounts` for tests and for `mailctl junk eval`.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Protocol

from mail.junk.classify import DEFAULT, Counts, Judgement, Parameters, classify


class Kind(Enum):
    HAM = "ham"
    SPAM = "spam"


class Learnt(Protocol):
    """Counts of one account. `changed` adds to the counts of each word and to the totals, never below 0."""

    def counts(self, hashes: Iterable[int]) -> Mapping[int, tuple[int, int]]: ...

    def totals(self) -> Counts: ...

    def change(self, hashes: Iterable[int], ham: int = 0, spam: int = 0) -> None: ...


def kind_of(*, junk: bool, not_junk: bool) -> Kind | None:
    """What a message with these flags is trained as: something only if exactly one of them is set."""
    if junk == not_junk:
        return None
    return Kind.SPAM if junk else Kind.HAM


def train(learnt: Learnt, hashes: Iterable[int], kind: Kind) -> None:
    learnt.change(hashes, ham=int(kind is Kind.HAM), spam=int(kind is Kind.SPAM))


def untrain(learnt: Learnt, hashes: Iterable[int], kind: Kind) -> None:
    learnt.change(hashes, ham=-int(kind is Kind.HAM), spam=-int(kind is Kind.SPAM))


def retrain(learnt: Learnt, hashes: Iterable[int], before: Kind | None, after: Kind | None) -> None:
    """A message's flags changed: what it was trained as is taken back, what it is now is learnt."""
    if before is after:
        return
    ham = int(after is Kind.HAM) - int(before is Kind.HAM)
    spam = int(after is Kind.SPAM) - int(before is Kind.SPAM)
    learnt.change(hashes, ham=ham, spam=spam)


def judge(learnt: Learnt, hashes: list[int], parameters: Parameters = DEFAULT) -> Judgement:
    return classify(hashes, learnt.counts(hashes), learnt.totals(), parameters)


class MemoryCounts:
    """`Learnt` in a dictionary."""

    def __init__(self) -> None:
        self._words: dict[int, tuple[int, int]] = {}
        self._totals = Counts(0, 0)

    def counts(self, hashes: Iterable[int]) -> Mapping[int, tuple[int, int]]:
        return {word: counted for word in hashes if (counted := self._words.get(word)) is not None}

    def totals(self) -> Counts:
        return self._totals

    def change(self, hashes: Iterable[int], ham: int = 0, spam: int = 0) -> None:
        words = self._words
        for word in hashes:
            hams, spams = words.get(word, (0, 0))
            changed = (max(0, hams + ham), max(0, spams + spam))
            if changed == (0, 0):
                words.pop(word, None)
            else:
                words[word] = changed
        self._totals = Counts(max(0, self._totals.hams + ham), max(0, self._totals.spams + spam))

    def __len__(self) -> int:
        return len(self._words)
