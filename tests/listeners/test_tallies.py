"""Siblings count together, give back what a dead one held, and stay within bounds."""

import mmap
import os

import pytest

from listeners.limits import ConnectionLimits
from listeners.tallies import OPEN, OPENED, SIBLINGS_VARIABLE, SLOTS, Tallies, octets_for, siblings_memory
from mail.now import SetClock

HOME = (4032, 1)


@pytest.fixture
def memory() -> mmap.mmap:
    return mmap.mmap(siblings_memory(3), octets_for(3))


def test_each_sibling_sees_what_all_count(memory: mmap.mmap):
    siblings = [Tallies(memory, index, 3) for index in range(3)]
    for one in siblings:
        one.add(OPEN, 0, HOME, 5)
    assert {one.total(OPEN, 0, HOME) for one in siblings} == {15}
    siblings[1].add(OPEN, 0, HOME, -5)
    assert siblings[0].total(OPEN, 0, HOME) == 10
    assert siblings[0].total(OPENED, 0, HOME) == siblings[0].total(OPEN, 1, HOME) == 0


def test_one_that_is_started_again_gives_back_what_it_held(memory: mmap.mmap):
    stays = Tallies(memory, 0, 3)
    Tallies(memory, 1, 3).add(OPEN, 0, HOME, 30)
    assert stays.total(OPEN, 0, HOME) == 30
    Tallies(memory, 1, 3)
    assert stays.total(OPEN, 0, HOME) == 0


def test_counts_never_leave_their_bounds():
    alone = Tallies.alone()
    alone.add(OPEN, 0, HOME, -1)
    assert alone.total(OPEN, 0, HOME) == 0
    alone.add(OPEN, 0, HOME, 70_000)
    assert alone.total(OPEN, 0, HOME) == 65_535


def test_a_stranger_among_many_is_counted_as_himself():
    alone = Tallies.alone()
    for one in range(SLOTS // 16):
        alone.add(OPENED, 0, (4032, one), 100)
    high = sum(alone.total(OPENED, 0, (4032, 1_000_000 + one)) > 0 for one in range(1000))
    assert high < 30


def test_the_limit_holds_over_all_siblings(memory: mmap.mmap):
    clock = SetClock()
    siblings = [ConnectionLimits(clock, 30, 300, Tallies(memory, index, 3)) for index in range(3)]
    admitted = [siblings[number % 3].admit("192.0.2.1") for number in range(40)]
    assert admitted == [True] * 30 + [False] * 10
    siblings[0].closed("192.0.2.1")
    assert siblings[2].admit("192.0.2.1")


def test_a_sibling_finds_the_memory_it_was_told_of(monkeypatch: pytest.MonkeyPatch):
    descriptor = siblings_memory(2)
    monkeypatch.setenv(SIBLINGS_VARIABLE, f"0,2,{descriptor}")
    first = Tallies.inherited()
    monkeypatch.setenv(SIBLINGS_VARIABLE, f"1,2,{descriptor}")
    second = Tallies.inherited()
    second.add(OPEN, 2, HOME, 7)
    assert first.total(OPEN, 2, HOME) == 7
    os.close(descriptor)
