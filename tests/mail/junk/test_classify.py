"""The probability, and what it rests on."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.junk.classify import SIGNIFICANT_HAMS, Counts, Parameters, classify, in_words
from mail.junk.words import BROKEN_TYPE, number

SPAM_WORDS = dict.fromkeys(range(1, 21), (0, 30))
HAM_WORDS = dict.fromkeys(range(-20, 0), (30, 0))
KNOWN = SPAM_WORDS | HAM_WORDS
TOTALS = Counts(60, 60)


def test_words_of_one_class_alone_decide():
    assert classify(list(SPAM_WORDS), KNOWN, TOTALS).probability > 0.95
    assert classify(list(HAM_WORDS), KNOWN, TOTALS).probability < 0.05


def test_an_unknown_message_is_in_the_middle():
    assert classify([999], KNOWN, TOTALS).probability == 0.5
    assert classify([], {}, Counts(0, 0)).probability == 0.5


def test_as_much_on_both_sides_is_in_the_middle():
    assert classify(list(KNOWN), KNOWN, TOTALS).probability == pytest.approx(0.5)


def test_few_ham_messages_are_not_significant():
    for hams in (0, 10, SIGNIFICANT_HAMS - 1):
        judgement = classify(list(SPAM_WORDS), KNOWN, Counts(hams, 60))
        assert not judgement.significant and not judgement.is_junk(0.95)
    assert classify(list(SPAM_WORDS), KNOWN, Counts(SIGNIFICANT_HAMS, 60)).is_junk(0.95)


def test_a_broken_type_is_certain():
    assert classify([number(BROKEN_TYPE), *HAM_WORDS], KNOWN, TOTALS).probability == 1.0


def test_the_words_asked_come_with_the_strongest_first():
    known = {1: (0, 50), 2: (1, 9), 3: (40, 0), 4: (5, 5)}
    judgement = classify([2, 4, 1, 3], known, TOTALS)
    assert [one.word for one in judgement.spam_words] == [1, 2]
    assert [one.word for one in judgement.ham_words] == [3]
    assert in_words(judgement.spam_words, {1: "cheap"})[0][0] == "cheap"


def test_only_the_strongest_words_are_asked():
    judgement = classify(list(KNOWN), KNOWN, TOTALS, Parameters(top_words=5))
    assert len(judgement.ham_words) + len(judgement.spam_words) == 5


def test_a_word_seen_once_says_less_than_one_seen_often():
    rare, often = (classify([1], {1: (0, spams)}, TOTALS).spam_words[0].share for spams in (1, 20))
    assert 0.5 < rare < often <= 1 - Parameters().max_power


def test_with_few_hams_never_having_been_in_ham_says_less():
    few, many = (classify([1], {1: (0, 3)}, Counts(hams, 400)).spam_words[0].share for hams in (60, 400))
    assert few < many


def test_very_much_evidence_does_not_leave_the_range():
    known = dict.fromkeys(range(5000), (0, 10**9))
    for parameters in (Parameters(), Parameters(top_words=5000)):
        assert classify(list(known), known, Counts(10**9, 10**9), parameters).probability > 0.999


@given(
    st.dictionaries(
        st.integers(-(1 << 63), (1 << 63) - 1), st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=40
    ),
    st.integers(0, 99),
    st.integers(0, 99),
)
@settings(max_examples=200, deadline=None)
def test_any_counts_give_a_probability(known: dict[int, tuple[int, int]], hams: int, spams: int):
    probability = classify(list(known), known, Counts(hams, spams)).probability
    assert 0 <= probability <= 1 and not math.isnan(probability)
