"""Training and taking it back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.junk.classify import Counts
from mail.junk.learn import Kind, MemoryCounts, judge, kind_of, retrain, train, untrain
from mail.junk.words import hashes


def test_a_message_is_trained_if_exactly_one_flag_is_set():
    assert kind_of(junk=True, not_junk=False) is Kind.SPAM and kind_of(junk=False, not_junk=True) is Kind.HAM
    assert kind_of(junk=True, not_junk=True) is None and kind_of(junk=False, not_junk=False) is None


def test_training_counts_words_and_the_message():
    learnt = MemoryCounts()
    train(learnt, [1, 2], Kind.HAM)
    train(learnt, [2, 3], Kind.SPAM)
    assert learnt.counts([1, 2, 3, 4]) == {1: (1, 0), 2: (1, 1), 3: (0, 1)}
    assert learnt.totals() == Counts(1, 1)


def test_untraining_takes_exactly_that_back():
    learnt = MemoryCounts()
    train(learnt, [1, 2], Kind.HAM)
    train(learnt, [2, 3], Kind.SPAM)
    untrain(learnt, [2, 3], Kind.SPAM)
    assert learnt.counts([1, 2, 3]) == {1: (1, 0), 2: (1, 0)} and learnt.totals() == Counts(1, 0)
    assert len(learnt) == 2


def test_nothing_goes_below_zero():
    learnt = MemoryCounts()
    untrain(learnt, [1], Kind.HAM)
    train(learnt, [1], Kind.HAM)
    assert learnt.counts([1]) == {1: (1, 0)} and learnt.totals() == Counts(1, 0)


def test_a_change_of_flags_moves_a_message_from_class_to_class():
    learnt = MemoryCounts()
    for before, after in ((None, Kind.SPAM), (Kind.SPAM, Kind.SPAM), (Kind.SPAM, Kind.HAM)):
        retrain(learnt, [1, 2], before, after)
    assert learnt.counts([1]) == {1: (1, 0)} and learnt.totals() == Counts(1, 0)
    retrain(learnt, [1, 2], Kind.HAM, None)
    assert len(learnt) == 0 and learnt.totals() == Counts(0, 0)


def text(prefix: str, seed: int) -> list[int]:
    return hashes(f"{prefix}{(seed * 7 + at * at) % 50}" for at in range(20))


def test_sixty_of_each_tell_the_classes_apart():
    learnt = MemoryCounts()
    for seed in range(60):
        train(learnt, text("ham", seed), Kind.HAM)
        train(learnt, text("spam", seed), Kind.SPAM)
    assert judge(learnt, text("spam", 99)).probability > 0.95
    assert judge(learnt, text("ham", 99)).probability < 0.05


Step = st.tuples(st.sets(st.integers(1, 5), max_size=4), st.sampled_from(Kind))


@given(st.lists(Step, max_size=12), st.randoms())
@settings(max_examples=200, deadline=None)
def test_any_order_of_taking_back_leaves_nothing(steps: list[tuple[set[int], Kind]], random: object):
    learnt = MemoryCounts()
    for numbers, kind in steps:
        train(learnt, numbers, kind)
    random.shuffle(steps)  # type: ignore[attr-defined]
    for numbers, kind in steps:
        untrain(learnt, numbers, kind)
    assert len(learnt) == 0 and learnt.totals() == Counts(0, 0)


def test_kinds_are_the_words_of_the_command_line():
    assert [kind.value for kind in Kind] == ["ham", "spam"]
    with pytest.raises(ValueError):
        Kind("junk")
