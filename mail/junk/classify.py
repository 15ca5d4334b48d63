"""How probable it is that a message is junk, from how often its words were in ham and in spam.

Each word known has a share p: how much more often it was in spam, in proportion to the messages of each class, drawn
towards 1/2 while it was seen seldom (Robinson). The words furthest from 1/2 are asked two questions (Fisher): how
surprising is it that so many look like spam, and how surprising that so many look like ham, if they were drawn by
chance? The difference of the two surprises, as logarithms, is the evidence; the logistic function makes it a
probability. A message without a known word has 1/2. What this was measured against is in docs/decisions/junk-tokens.md.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from mail.junk.words import BROKEN_TYPE, number

# Fewer trained ham messages than this, and the probability decides nothing.
SIGNIFICANT_HAMS = 50
# The evidence at which the probability is 0.95: measured, so that one of 2,500 ham lies above.
EVIDENCE_AT_95 = 2.0
_SCALE = math.log(0.95 / 0.05) / EVIDENCE_AT_95
_EVIDENCE_MAX = 700.0
# Of how many different counts the share is remembered, for each state of a filter.
SHARES_MAX = 2048
_BROKEN = number(BROKEN_TYPE)


class Counts(NamedTuple):
    """How many messages of each class: with a certain word, or trained at all."""

    hams: int
    spams: int


class Weight(NamedTuple):
    """A word by its number, and its share: 0 ham, 1 spam."""

    word: int
    share: float


@dataclass(frozen=True, slots=True)
class Parameters:
    """An account's settings. A probability above the threshold is junk."""

    threshold: float = 0.95
    # At most this many words are asked, those furthest from 1/2.
    top_words: int = 150
    # A word whose share is closer to 1/2 than this says nothing.
    ignore_words: float = 0.1
    # No word alone is more certain than this or less than one minus this.
    max_power: float = 0.001
    # How many sightings 1/2 counts for: the higher, the less a rare word says.
    rare_words: float = 0.2


DEFAULT = Parameters()


@dataclass(frozen=True, slots=True)
class Judgement:
    """`ham_words` and `spam_words` are what was asked, the strongest first."""

    probability: float
    significant: bool
    ham_words: tuple[Weight, ...]
    spam_words: tuple[Weight, ...]

    def is_junk(self, threshold: float) -> bool:
        return self.significant and self.probability > threshold


def classify(
    hashes: Collection[int], known: Mapping[int, tuple[int, int]], totals: Counts, parameters: Parameters = DEFAULT
) -> Judgement:
    """`hashes`: the message's words. `known` has (hams, spams) of those among them that were ever trained."""
    asked = _strongest(hashes, known, totals, parameters)
    probability = 1.0 if _BROKEN in hashes else _probability([one.share for one in asked])
    return Judgement(
        probability,
        totals.hams >= SIGNIFICANT_HAMS,
        tuple(one for one in asked if one.share < 0.5),
        tuple(one for one in asked if one.share > 0.5),
    )


def in_words(weights: Sequence[Weight], words: Mapping[int, str]) -> list[tuple[str, float]]:
    """For an explanation: the words themselves, as they are computed again from the message."""
    return [(words[one.word], round(one.share, 3)) for one in weights if one.word in words]


class _Shares(dict[tuple[int, int], tuple[float, float] | None]):
    """(distance from the nearer end, share) of a word by how many ham and spam messages have it; None where that says
    nothing. Most words of a message were seen as often as others of it, so what was computed is kept.
    """

    def __init__(self, totals: Counts, parameters: Parameters) -> None:
        super().__init__()
        self._hams, self._spams = max(1, totals.hams), max(1, totals.spams)
        # A sighting in the class with fewer messages says more: had the word been as common in the other, it had been
        # seen.
        self._ham_worth = (self._spams / self._hams) ** 0.25
        # With fewer ham messages than spam, never having been in ham means little yet.
        self._prior = parameters.rare_words * max(1.0, self._spams / self._hams)
        self._ignored = 0.5 - parameters.ignore_words
        self._least, self._most = parameters.max_power, 1 - parameters.max_power

    def __missing__(self, counted: tuple[int, int]) -> tuple[float, float] | None:
        if len(self) >= SHARES_MAX:
            self.clear()
        made = self[counted] = self._weighed(*counted)
        return made

    def _weighed(self, ham: int, spam: int) -> tuple[float, float] | None:
        if ham <= 0 and spam <= 0:
            return None
        rate = spam / self._spams
        sightings = ham * self._ham_worth + spam / self._ham_worth
        share = (self._prior * 0.5 + sightings * rate / (rate + ham / self._hams)) / (self._prior + sightings)
        distance = share if share < 0.5 else 1 - share
        return (distance, min(max(share, self._least), self._most)) if distance <= self._ignored else None


_shares = lru_cache(8)(_Shares)


def _strongest(
    hashes: Collection[int], known: Mapping[int, tuple[int, int]], totals: Counts, parameters: Parameters
) -> list[Weight]:
    shares = _shares(totals, parameters)
    # By distance, then by number: the same counts always give the same answer.
    found = [
        (weighed[0], word, weighed[1])
        for word in hashes
        if (counted := known.get(word)) is not None and (weighed := shares[counted]) is not None
    ]
    found.sort()
    return [Weight(word, share) for _, word, share in found[: parameters.top_words]]


def _probability(shares: list[float]) -> float:
    if not shares:
        return 0.5
    ham_surprise = _surprise(-sum(map(math.log, shares)), len(shares))
    spam_surprise = _surprise(-sum(math.log(1 - share) for share in shares), len(shares))
    evidence = (spam_surprise - ham_surprise) * _SCALE
    return 1 / (1 + math.exp(-min(max(evidence, -_EVIDENCE_MAX), _EVIDENCE_MAX)))


def _surprise(half: float, count: int) -> float:
    """-ln of the chance that chi square with 2 * count degrees of freedom is at least 2 * half."""
    # That chance is exp(-half) * sum of half**i / i! for i below count; the sum can leave the range of a float.
    total = term = 1.0
    shifted = 0.0
    for i in range(1, count):
        term *= half / i
        total += term
        if total > 1e200:
            total, term, shifted = total * 1e-200, term * 1e-200, shifted + 200 * math.log(10)
    return max(0.0, half - math.log(total) - shifted)
