import pytest

from mail.queue.schedule import ATTEMPTS_MAX, ATTEMPTS_MIN, JITTER_MS, delay_notice_due, next_attempt

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_800_000_000_000


@pytest.mark.parametrize(
    ("attempts", "minutes"),
    [(1, 7.5), (2, 15), (3, 30), (4, 60), (5, 120), (6, 240), (7, 240), (8, 240), (50, 240), (99, 240)],
)
def test_the_steps_double_from_seven_and_a_half_minutes_to_four_hours(attempts, minutes):
    assert next_attempt(attempts, START, START + 30 * DAY, jitter=0) == START + minutes * MINUTE


def test_jitter_is_five_seconds_each_way():
    for jitter in (-1, 1):
        assert next_attempt(1, START, START + DAY, jitter=jitter) == START + 7.5 * MINUTE + jitter * JITTER_MS


def life(lasts: int = 5 * DAY) -> list[int]:
    """When a message is tried whose attempts all fail."""
    at: int | None = START
    times: list[int] = []
    while at is not None:
        times.append(at)
        at = next_attempt(len(times), at, START + lasts, jitter=0)
    return times


def test_a_message_is_tried_for_five_days_and_a_last_time_at_their_end():
    times = life()
    minutes = [(at - START) / MINUTE for at in times]
    assert minutes[:8] == [0, 7.5, 22.5, 52.5, 112.5, 232.5, 472.5, 712.5]
    assert times[-1] == START + 5 * DAY
    assert len(times) == 36


def test_a_short_life_still_has_its_attempts():
    times = life(HOUR)
    assert len(times) == ATTEMPTS_MIN
    assert times[:5] == [START, START + 7.5 * MINUTE, START + 22.5 * MINUTE, START + 52.5 * MINUTE, START + HOUR]


def test_a_host_that_was_off_for_a_week_does_not_fail_what_it_hardly_tried():
    late = START + 7 * DAY
    assert next_attempt(1, late, START + 5 * DAY, jitter=0) == late + 7.5 * MINUTE
    assert next_attempt(ATTEMPTS_MIN, late, START + 5 * DAY, jitter=0) is None


def test_a_clock_that_stands_still_does_not_keep_a_message_for_ever():
    assert next_attempt(ATTEMPTS_MAX, START, START + 5 * DAY, jitter=0) is None
    assert next_attempt(ATTEMPTS_MAX - 1, START, START + 5 * DAY, jitter=0) is not None


def test_the_sender_is_told_once_at_the_last_attempt_before_four_hours():
    told: list[int] = []
    times = life()
    for at, after in zip(times, times[1:], strict=False):
        if delay_notice_due(START, after, 4 * HOUR, sent=bool(told)):
            told.append(at)
    assert [(at - START) / MINUTE for at in told] == [232.5]
