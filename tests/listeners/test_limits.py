"""How many connections an address and its neighbours may hold and open (security EX-1). Siblings: test_tallies."""

import pytest

from listeners.limits import ConnectionLimits, networks
from mail.now import SetClock


def limits(clock: SetClock, open_at_once: int = 30, opened_a_minute: int = 300) -> ConnectionLimits:
    return ConnectionLimits(clock, open_at_once, opened_a_minute)


def admitted(made: ConnectionLimits, *ips: str) -> int:
    return sum(made.admit(ip) for ip in ips)


def test_thirty_are_open_from_one_address_and_as_many_from_another(clock: SetClock) -> None:
    made = limits(clock)
    assert admitted(made, *["192.0.2.1"] * 40) == 30
    assert admitted(made, *["203.0.113.1"] * 40) == 30
    made.closed("192.0.2.1")
    assert admitted(made, *["192.0.2.1"] * 2) == 1


@pytest.mark.parametrize(
    ("network", "most"),
    [
        (lambda number: f"192.0.2.{number % 64}", 90),
        (lambda number: f"192.0.{number % 8}.{number}", 270),
        (lambda number: f"2001:db8:0:1::{number:x}", 30),
        (lambda number: f"2001:db8:0:{number:x}::1", 90),
        (lambda number: f"2001:db8:{number:x}::1", 270),
    ],
    ids=["/26", "/21", "/64", "/48", "/32"],
)
def test_neighbours_together_have_three_and_nine_times_as_many(clock: SetClock, network, most: int) -> None:
    ips = [network(number) for number in range(256)] * 2
    assert admitted(limits(clock), *ips) == most


def test_so_many_are_opened_a_minute_and_the_next_minute_again(clock: SetClock) -> None:
    made = limits(clock)
    for _ in range(2):
        taken = 0
        for _ in range(400):
            if made.admit("192.0.2.1"):
                taken += 1
                made.closed("192.0.2.1")
        assert taken == 300
        clock.move(61)


def test_a_mapped_address_is_the_address_and_a_unix_socket_has_none(clock: SetClock) -> None:
    assert networks("::ffff:192.0.2.1") == networks("192.0.2.1") and networks("") == ()
    assert admitted(limits(clock), *[""] * 1000) == 1000
