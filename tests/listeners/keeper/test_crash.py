"""Dying on purpose happens only where a test asked for it."""

import os

import pytest

from listeners.keeper.crash import CrashPoints


class Died(Exception):
    pass


@pytest.fixture(autouse=True)
def dying(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(status: int) -> None:
        raise Died(status)

    monkeypatch.setattr(os, "_exit", die)


def test_without_the_hook_nothing_dies_whatever_is_asked() -> None:
    CrashPoints({"CRASH_AT": "c5"}).at("c5")
    CrashPoints({"CRASH_AT": "c5", "MAILSTEAD_TEST_HOOKS": "0"}).at("c5")


def test_it_dies_at_its_point_the_nth_time() -> None:
    points = CrashPoints({"CRASH_AT": "c5", "CRASH_AFTER": "3", "MAILSTEAD_TEST_HOOKS": "1"})
    for _ in range(2):
        points.at("c5")
        points.at("c6")
    with pytest.raises(Died):
        points.at("c5")
