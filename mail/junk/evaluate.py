"""How good the filter is: trained in memory on some messages, it judges others.

A source is a folder (one message a file, folders in it too) or an mbox file. An mbox From_ line before a message is no
part of it, line ends are made CRLF as they are on the wire, and a file that begins with no header field is no message.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mail.errors import Invalid
from mail.junk.classify import DEFAULT, Parameters
from mail.junk.learn import Kind, MemoryCounts, judge, train
from mail.junk.words import message_numbers

Numbers = list[int]

# "From " sender, date with a time and a year: what separates messages in an mbox, where a line of prose is not.
_FROM_LINE = re.compile(rb"(?:\A|(?<=\n\n))From [^\n]*[0-9]{1,2}:[0-9]{2}[^\n]*[0-9]{4}[^\n]*\n")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")


@dataclass(frozen=True, slots=True)
class Rates:
    """What came out. A wrong ham is one with a probability above the threshold, a found spam likewise."""

    threshold: float
    trained_ham: int
    trained_spam: int
    judged_ham: int
    judged_spam: int
    ham_wrong: int
    spam_found: int

    @property
    def ham_wrong_rate(self) -> float:
        return self.ham_wrong / self.judged_ham if self.judged_ham else 0.0

    @property
    def spam_found_rate(self) -> float:
        return self.spam_found / self.judged_spam if self.judged_spam else 0.0


def messages(source: Path) -> Iterator[bytes]:
    """The messages of a folder, by path, or of an mbox, in order. Invalid when there is no such path."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield from _if_message(_without_from_line(path.read_bytes()))
    elif source.is_file():
        yield from split_mbox(source.read_bytes())
    else:
        raise Invalid(public=f"{source} is neither a folder nor a file of messages")


def split_mbox(octets: bytes) -> Iterator[bytes]:
    """The messages of an mbox; one that has no From_ line is one message."""
    lines = octets.replace(b"\r\n", b"\n")
    starts = list(_FROM_LINE.finditer(lines))
    if not starts or starts[0].start():
        yield from _if_message(_without_from_line(lines))
        return
    ends = [start.start() for start in starts[1:]] + [len(lines)]
    for start, end in zip(starts, ends, strict=True):
        yield from _if_message(_QUOTED_FROM.sub(rb"\1", lines[start.end() : end]))


def numbers(octets: bytes) -> Numbers:
    """The words of a message, by their numbers."""
    return message_numbers(octets)


def learn(ham: Iterable[Numbers], spam: Iterable[Numbers]) -> MemoryCounts:
    learnt = MemoryCounts()
    for one in ham:
        train(learnt, one, Kind.HAM)
    for one in spam:
        train(learnt, one, Kind.SPAM)
    return learnt


def rates(
    learnt: MemoryCounts, ham: Iterable[Numbers], spam: Iterable[Numbers], parameters: Parameters = DEFAULT
) -> Rates:
    """Judges, and learns nothing from it."""
    hams = [judge(learnt, one, parameters).probability for one in ham]
    spams = [judge(learnt, one, parameters).probability for one in spam]
    totals = learnt.totals()
    return Rates(
        parameters.threshold,
        totals.hams,
        totals.spams,
        len(hams),
        len(spams),
        sum(one > parameters.threshold for one in hams),
        sum(one > parameters.threshold for one in spams),
    )


def in_folds(
    ham: Sequence[Numbers], spam: Sequence[Numbers], folds: int = 5, parameters: Parameters = DEFAULT
) -> list[Rates]:
    """Each fold (every folds-th message) is judged by what was learnt from the others."""
    return [
        rates(
            learn(
                [one for at, one in enumerate(ham) if at % folds != fold],
                [one for at, one in enumerate(spam) if at % folds != fold],
            ),
            ham[fold::folds],
            spam[fold::folds],
            parameters,
        )
        for fold in range(folds)
    ]


def _without_from_line(octets: bytes) -> bytes:
    lines = octets.replace(b"\r\n", b"\n")
    return lines.partition(b"\n")[2] if lines.startswith((b"From ", b">From ")) else lines


def _if_message(lines: bytes) -> Iterator[bytes]:
    if _FIELD.match(lines):
        yield lines.replace(b"\n", b"\r\n")
