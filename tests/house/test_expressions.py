"""No regular expression of ours can be kept busy by what a stranger sends (security EX-5).

Python's expressions backtrack. Each that a module keeps is tried with what makes those slow that could be: long runs of
what it looks for, and of pairs of it, that do not end as it wants. What people write themselves goes through RE2
(tests/mail/policy/test_patterns.py).
"""

import importlib
import itertools
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.house.tree import ROOT, modules

OCTETS = 2048
SECONDS = 0.05
# Runs that end in what nothing expects.
ENDS = ("", "\0", "\n!")
STOCK = " \t\n\r.,;:@<>()\"'\\=-_+/aA0\xe9"


def kept(value: Any) -> Iterator["re.Pattern[Any]"]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from itertools.chain.from_iterable(map(kept, value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from itertools.chain.from_iterable(map(kept, value))


# What looks at every place of a text; the rest looks at its beginning.
EVERYWHERE = ("search", "finditer", "findall", "sub", "subn", "split")


def expressions() -> dict[str, tuple["re.Pattern[Any]", tuple[str, ...]]]:
    """Those that modules keep, and how their module asks them."""
    found: dict[str, tuple[re.Pattern[Any], tuple[str, ...]]] = {}
    for path in modules():
        if path.parts[0] not in ("mail", "listeners") or path.stem == "__main__" or "migrations" in path.parts:
            continue
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for attribute, value in vars(importlib.import_module(name)).items():
            for number, pattern in enumerate(kept(value)):
                asked = set(re.findall(rf"\b{attribute}\.(\w+)\(", (ROOT / path).read_text())) or {"search"}
                ways = tuple(sorted("search" if way in EVERYWHERE else way for way in asked))
                found[f"{name}.{attribute}[{number}]"] = pattern, ways
    return found


EXPRESSIONS = expressions()


def runs(characters: Iterable[str]) -> Iterator[str]:
    for one in characters:
        yield one * OCTETS
    for one, other in itertools.pairwise(characters):
        yield (one + other) * (OCTETS // 2)
        yield one + other * (OCTETS - 1)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_no_expression_is_slow_whatever_it_is_given(name: str) -> None:
    pattern, ways = EXPRESSIONS[name]
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    characters = [*dict.fromkeys(STOCK + "".join(one for one in source if not one.isalnum()))]
    slow: list[tuple[str, float]] = []
    for run, end in itertools.product(runs(characters), ENDS):
        text: Any = run + end if isinstance(pattern.pattern, str) else (run + end).encode("latin-1", "replace")
        for way in ways:
            begun = time.process_time()
            getattr(pattern, way)(text)
            if time.process_time() - begun > SECONDS:
                slow.append((f"{way} {run[:4]!r}… {end!r}", time.process_time() - begun))
    assert slow == []


def test_an_expression_that_can_be_kept_busy_is_found() -> None:
    busy = re.compile(r"\s+$")
    begun = time.process_time()
    busy.search(" " * 8 * OCTETS + "\0")
    assert time.process_time() - begun > SECONDS
