import pytest

from listeners.sign import rates
from listeners.sign.rates import Rates
from mail.now import SetClock


def taken(limit: Rates, domain: str, times: int) -> int:
    return sum(limit.take(domain) for _ in range(times))


def test_a_domain_has_a_minutes_worth_and_gets_it_back_evenly(clock: SetClock):
    limit = Rates(clock, 60)
    assert taken(limit, "a.example", 100) == 60
    clock.move(10)
    assert taken(limit, "a.example", 100) == 10
    clock.move(3600)
    assert taken(limit, "a.example", 100) == 60


def test_one_domain_does_not_use_up_anothers(clock: SetClock):
    limit = Rates(clock, 5)
    assert taken(limit, "a.example", 10) == taken(limit, "b.example", 10) == 5


def test_only_so_many_domains_are_remembered(clock: SetClock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rates, "DOMAINS_MAX", 2)
    limit = Rates(clock, 1)
    for name in ("a", "b", "c"):
        limit.take(name)
    assert list(limit._left) == ["b", "c"]
