"""docs/OPERATIONS.md says what each reason word of arriving mail means, once, and knows no others."""

import re

from mail.policy.verdict import REASONS
from mail.receive.refusals import SENTENCES
from tests.house.tree import ROOT

ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (.+) \|$", re.MULTILINE)
SECTION = re.compile(r"^## Why was this message refused\?$(.*?)^## ", re.MULTILINE | re.DOTALL)
# What the expansion of aliases calls its refusals.
REFUSED = re.compile(r'self\._refuse\(.*"([a-z-]+)"\)')
# Of records that no rule decided.
UNJUDGED = {"forwarded", "covered", "delivered"}


def rows() -> list[tuple[str, str]]:
    section = SECTION.search((ROOT / "docs/OPERATIONS.md").read_text())
    assert section is not None
    return ROW.findall(section[1])


def test_every_reason_is_told_once_and_no_other():
    told = [word for word, _ in rows()]
    aliases = set(REFUSED.findall((ROOT / "mail/accounts/expand.py").read_text()))
    assert "alias-loop" in aliases
    assert sorted(told) == sorted({*REASONS, *SENTENCES, *aliases, *UNJUDGED})


def test_refusals_before_the_message_are_told_in_the_words_of_the_trace():
    told = dict(rows())
    assert {word: told[word] for word in SENTENCES} == SENTENCES


def test_every_reason_has_a_sentence():
    assert [word for word, words in rows() if not (words[0].isupper() and words.endswith("."))] == []
