"""What a session may ask and how long it may take, as values (security SM-5, SM-6)."""

from collections.abc import Callable

import pytest

from mail.smtp import limits
from mail.smtp.limits import MX_PATIENCE, SUBMISSION_PATIENCE, Strikes, Transfer
from mail.smtp.replies import Reply

Counted = Callable[[Strikes], Reply | None]


@pytest.mark.parametrize(
    ("counted", "last"),
    [
        (lambda one: one.command(idle=False), 1001),
        (Strikes.unknown_command, 5),
        (Strikes.unknown_recipient, 10),
        (Strikes.bare_line_feed, 3),
        (Strikes.failed_transaction, 11),
    ],
    ids=["commands", "unknown commands", "unknown recipients", "bare line feeds", "failed transactions"],
)
def test_the_one_too_many_ends_the_session(counted: Counted, last: int) -> None:
    strikes = Strikes()
    assert [counted(strikes) for _ in range(last - 1)] == [None] * (last - 1)
    ended = counted(strikes)
    assert ended is not None and (ended.code, ended.enhanced) == (421, "4.7.0")


def test_recipients_that_are_taken_are_no_commands_of_the_thousand() -> None:
    strikes = Strikes()
    for _ in range(5000):
        assert strikes.command(idle=False) is None
        strikes.recipient_taken()
    assert strikes.commands == 0


def test_who_brought_a_good_message_may_fail_as_often_as_he_likes() -> None:
    strikes = Strikes(messages=1)
    assert [strikes.failed_transaction() for _ in range(50)] == [None] * 50


def test_from_the_twenty_first_on_idle_commands_are_slow_until_one_that_is_not() -> None:
    strikes = Strikes()
    for _ in range(20):
        strikes.command(idle=True)
        assert strikes.delay_for_idling == 0
    strikes.command(idle=True)
    assert strikes.delay_for_idling == 1.0
    strikes.command(idle=False)
    assert strikes.delay_for_idling == 0


def test_guessing_becomes_slower_from_the_third_unknown_recipient_on() -> None:
    strikes, waits = Strikes(), []
    for _ in range(9):
        waits.append(strikes.delay_for_guessing)
        strikes.unknown_recipient()
    assert waits == [0, 0, 0, 1, 2, 3, 4, 4, 4]


def transfer(octets: int, every: float, patience: limits.Patience, until: float) -> float | None:
    """When a message that comes so many octets at a time is given up; None: never."""
    made, now = Transfer.started(0.0), 0.0
    arrives = every
    while now < until:
        now += 1.0
        while arrives <= now:
            made.moved(octets, arrives)
            arrives += every
        if made.too_slow(now, patience):
            return now
    return None


def test_an_octet_a_second_is_cut_off_within_three_minutes() -> None:
    ended = transfer(1, 1.0, MX_PATIENCE, 600)
    assert ended is not None and ended <= 180


def test_silence_is_cut_off_after_three_minutes() -> None:
    ended = transfer(1 << 20, 10_000.0, MX_PATIENCE, 600)
    assert ended is not None and ended <= 181


def test_who_keeps_the_rate_is_never_cut_off_for_being_slow() -> None:
    # 20 MiB at 10 KiB/s are 34 minutes.
    assert transfer(10 << 10, 1.0, SUBMISSION_PATIENCE, 2100) is None
    assert transfer(513, 1.0, MX_PATIENCE, 1800) is None


def test_there_is_an_end_to_every_message() -> None:
    assert transfer(1 << 20, 1.0, MX_PATIENCE, 4000) == 1801
    assert transfer(1 << 20, 1.0, SUBMISSION_PATIENCE, 4000) == 3601


def test_the_waits_are_those_of_the_requirement() -> None:
    assert (MX_PATIENCE.command_seconds, SUBMISSION_PATIENCE.command_seconds) == (300, 600)
    assert (limits.FIRST_COMMAND_SECONDS, limits.BLOCK_SECONDS, limits.WRITE_STALL_SECONDS) == (60, 180, 60)
    assert (limits.RATE_OCTETS, limits.RATE_SECONDS, limits.MESSAGES) == (512, 120, 100)
