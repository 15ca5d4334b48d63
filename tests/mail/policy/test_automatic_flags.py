from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.errors import Invalid
from mail.policy.account_rules import AccountRules
from mail.policy.automatic_flags import check_patterns, class_for

RULES = AccountRules()


@pytest.mark.parametrize(
    ("name", "uses", "meant"),
    [
        ("Junk", "\\Junk", "junk"),
        ("Rubbish", "\\Archive \\Junk", "junk"),
        ("spam 2026", "", "junk"),
        ("JUNK", "", "junk"),
        ("Inbox", "", "neutral"),
        ("Inbox/Work", "", "neutral"),
        ("Rejects", "", "neutral"),
        ("DMARC", "", "neutral"),
        ("Archive", "\\Archive", "notjunk"),
        ("Not junk", "", "notjunk"),
    ],
)
def test_the_default_patterns_sort_mailboxes_into_three(name: str, uses: str, meant: str):
    assert class_for(name, uses, RULES) == meant


def test_of_three_patterns_the_empty_one_takes_the_rest():
    rules = AccountRules(junk_mailboxes="", neutral_mailboxes="^inbox", notjunk_mailboxes="^archive")
    assert class_for("Other", "", rules) == "junk"
    rules = AccountRules(junk_mailboxes="^junk", neutral_mailboxes="", notjunk_mailboxes="^archive")
    assert class_for("Other", "", rules) == "neutral"


def test_with_three_patterns_or_one_the_rest_means_nothing():
    full = replace(RULES, notjunk_mailboxes="^archive")
    one = AccountRules(neutral_mailboxes="")
    assert class_for("Other", "", full) is class_for("Other", "", one) is None
    assert class_for("Archive", "", full) == "notjunk"


def test_the_first_pattern_that_matches_decides():
    rules = AccountRules(junk_mailboxes="x", neutral_mailboxes="xy", notjunk_mailboxes="xyz")
    assert class_for("XYZ", "", rules) == "junk"


def test_without_automatic_flags_only_the_special_use_says_something():
    rules = replace(RULES, automatic_flags=False)
    assert class_for("Spam", "", rules) is None
    assert class_for("Spam", "\\Junk", rules) == "junk"


def test_a_pattern_that_is_none_is_named_and_matches_nothing():
    rules = replace(RULES, junk_mailboxes="(")
    with pytest.raises(Invalid, match="junk_mailboxes"):
        check_patterns(rules)
    assert class_for("(", "", rules) == "notjunk"
    check_patterns(RULES)


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_name_and_no_pattern_raises(name: str, uses: str, junk: str, neutral: str, notjunk: str):
    rules = AccountRules(junk_mailboxes=junk, neutral_mailboxes=neutral, notjunk_mailboxes=notjunk)
    assert class_for(name, uses, rules) in ("junk", "neutral", "notjunk", None)
