from mail.policy import rates
from mail.policy.rates import COUNTS_MAX, DAY_MS, MIB, MINUTE_MS, Rates

START = 29_000_000 * MINUTE_MS
IP = "192.0.2.1"


def send(counts: Rates, messages: int, *, ip: str = IP, at: int = START, size: int = 1000, account: int = 1) -> int:
    """How many of them were within the limits."""
    return sum(not counts.add(account, ip, size, at) for _ in range(messages))


def test_the_five_hundred_and_first_message_in_a_minute_is_one_too_many() -> None:
    counts = Rates()
    assert send(counts, 500) == 500
    assert counts.add(1, IP, 1000, START) == "more than 500 messages a minute from 192.0.2.1/32"


def test_the_turn_of_the_minute_gives_no_second_burst() -> None:
    counts = Rates()
    assert send(counts, 500, at=START + MINUTE_MS - 1000) == 500
    assert send(counts, 500, at=START + MINUTE_MS + 1000) < 20
    assert send(counts, 500, at=START + 3 * MINUTE_MS) == 500


def test_what_is_refused_is_not_counted() -> None:
    counts = Rates()
    assert send(counts, 5000) == 500
    assert send(counts, 500, at=START + 2 * MINUTE_MS) == 500


def test_accounts_are_counted_apart() -> None:
    counts = Rates()
    assert send(counts, 500, account=1) == send(counts, 500, account=2) == 500


def test_neighbours_share_three_and_nine_times_the_limit() -> None:
    counts = Rates()
    assert sum(send(counts, 400, ip=f"192.0.2.{last}") for last in range(10)) == 1500
    assert sum(send(counts, 400, ip=f"192.0.{third}.{last}") for third in range(1, 8) for last in (1, 65, 130)) == 3000


def test_a_whole_network_of_version_six_is_one_address() -> None:
    counts = Rates()
    assert sum(send(counts, 10, ip=f"2001:db8:1:2::{last:x}") for last in range(60)) == 500


def test_twenty_times_as_many_a_day() -> None:
    counts = Rates()
    start = START - START % DAY_MS
    taken = sum(send(counts, 100, at=start + minute * MINUTE_MS) for minute in range(150))
    assert taken == 10_000
    assert "messages a day" in counts.add(1, IP, 1, start + 151 * MINUTE_MS)


def test_a_thousand_mebibytes_a_minute_and_three_thousand_a_day() -> None:
    counts = Rates()
    start = START - START % DAY_MS
    assert send(counts, 25, size=50 * MIB, at=start) == 20
    assert counts.add(1, IP, 50 * MIB, start) == "more than 1000 MiB a minute from 192.0.2.1/32"
    assert sum(send(counts, 25, size=50 * MIB, at=start + two * 2 * MINUTE_MS) for two in range(1, 5)) == 40
    assert "MiB a day" in counts.add(1, IP, 50 * MIB, start + 20 * MINUTE_MS)


def test_memory_is_bounded_and_the_oldest_is_forgotten() -> None:
    counts = Rates()
    for number in range(COUNTS_MAX // 2):
        counts.add(number, IP, 1, START)
    assert len(counts._counts) == COUNTS_MAX
    assert (0, "192.0.2.1/32") not in counts._counts


def test_what_is_no_address_is_counted_too() -> None:
    assert send(Rates(), 501, ip="nonsense") == 500


def test_the_day_is_never_shorter_than_its_minutes() -> None:
    assert [limit.window_ms for limit in rates.limits(500)] == [MINUTE_MS, DAY_MS] * 2
