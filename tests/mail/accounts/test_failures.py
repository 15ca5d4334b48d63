import pytest

from mail.accounts.failures import ACCOUNTS_MAX, KNOWN_GOOD_MAX, NETWORKS_MAX, Failures, networks
from mail.now import SetClock

IP = "192.0.2.1"


def tried(
    failures: Failures, clock: SetClock, ips: list[str], guesses: int, seconds: float, account: int | None
) -> int:
    """How many of the guesses were looked at, spread evenly over the time."""
    looked_at = 0
    for number in range(guesses):
        ip = ips[number % len(ips)]
        if failures.allowed(ip):
            failures.failed(ip, account)
            looked_at += 1
        clock.move(seconds / guesses)
    return looked_at


def test_ten_thousand_guesses_from_one_address_in_an_hour_test_at_most_fifty(clock: SetClock) -> None:
    assert tried(Failures(clock), clock, [IP], 10_000, 3600, 1) <= 60


def test_a_whole_ipv6_network_counts_as_one_address(clock: SetClock) -> None:
    addresses = [f"2001:db8:0:1::{number:x}" for number in range(500)]
    assert tried(Failures(clock), clock, addresses, 10_000, 3600, 1) <= 60


def test_neighbours_have_three_and_nine_times_the_budget(clock: SetClock) -> None:
    assert tried(Failures(clock), clock, [f"192.0.2.{n}" for n in range(64)], 5_000, 3600, 1) == 150
    wide = [f"198.51.{third}.{last}" for third in range(8) for last in (1, 65, 129, 193)]
    assert tried(Failures(clock), clock, wide, 5_000, 3600, 1) == 450


def test_ten_a_minute_and_the_next_minute_again(clock: SetClock) -> None:
    failures = Failures(clock)
    clock.at_ms -= clock.at_ms % 60_000
    assert tried(failures, clock, [IP], 30, 59, 1) == 10
    assert not failures.allowed(IP)
    clock.move(2)
    assert failures.allowed(IP)


def test_an_unknown_user_counts_double(clock: SetClock) -> None:
    assert tried(Failures(clock), clock, [IP], 100, 3600, None) == 25


def test_a_login_clears_only_its_own_address(clock: SetClock) -> None:
    failures = Failures(clock)
    for _ in range(10):
        failures.failed(IP, 1)
        failures.failed("192.0.2.2", 1)
    failures.succeeded(IP, 1)
    assert failures.allowed(IP)
    assert not failures.allowed("192.0.2.2")


def test_an_account_under_attack_makes_strangers_wait_but_never_its_owner(clock: SetClock) -> None:
    failures = Failures(clock)
    failures.succeeded("203.0.113.9", 1)
    waits = []
    for number in range(60):
        failures.failed(f"10.{number}.0.1", 1)
        waits.append(failures.wait("10.200.0.1", 1))
    assert waits[18] == 0.0
    assert waits[19] == pytest.approx(0.5)
    assert max(waits) == 10.0
    assert failures.wait("203.0.113.9", 1) == 0.0
    assert failures.wait("10.200.0.1", 2) == 0.0
    clock.move(3601)
    assert failures.wait("10.200.0.1", 1) == 0.0


def test_memory_is_bounded(clock: SetClock) -> None:
    failures = Failures(clock)
    for number in range(NETWORKS_MAX // 2):
        failures.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", number)
    for number in range(KNOWN_GOOD_MAX * 2):
        failures.succeeded(f"192.0.2.{number}", 1)
    assert len(failures._networks) <= NETWORKS_MAX
    assert len(failures._accounts) <= ACCOUNTS_MAX
    assert len(failures._known_good[1]) == KNOWN_GOOD_MAX


def test_the_days_count_survives_a_restart_and_not_the_day(clock: SetClock) -> None:
    failures = Failures(clock)
    assert tried(failures, clock, [IP], 100, 1200, 1) == 50
    saved = failures.take_changed()
    assert failures.take_changed() == {}
    again = Failures(clock)
    again.restore(saved)
    assert not again.allowed(IP)
    clock.move(86_400)
    tomorrow = Failures(clock)
    tomorrow.restore(saved)
    assert tomorrow.allowed(IP)


def test_what_a_login_cleared_is_cleared_after_a_restart_too(clock: SetClock) -> None:
    failures = Failures(clock)
    tried(failures, clock, [IP], 100, 1200, 1)
    failures.succeeded(IP, 1)
    assert failures.take_changed()[f"{IP}/32"][1] == 0


def test_an_address_that_is_mapped_or_none_has_its_networks() -> None:
    assert networks("::ffff:192.0.2.1") == networks("192.0.2.1") == ("192.0.2.1/32", "192.0.2.0/26", "192.0.0.0/21")
    assert networks("2001:db8::1") == ("2001:db8::/64", "2001:db8::/48", "2001:db8::/32")
    assert len(set(networks("unix"))) == 3
