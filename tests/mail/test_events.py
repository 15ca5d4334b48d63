"""What is told of changes, and how it travels."""

from mail import events
from mail.events import UIDS_MAX, Expunged, FlagsChanged, MessageAdded


def test_of_many_arrivals_the_last_of_each_mailbox_is_told_and_everything_else():
    first, second, other = MessageAdded(1, 10, 5, 100), MessageAdded(1, 10, 6, 101), MessageAdded(2, 20, 9, 7)
    flags, gone = FlagsChanged(1, 10, (5,), 102), Expunged(1, 10, (5,), 103)
    assert events.latest([first, flags, other, second, gone]) == [flags, other, second, gone]
    assert events.latest(iter([first, other])) == [first, other] and events.latest([]) == []


def test_an_event_comes_out_as_it_went_in_but_for_a_long_list_of_uids():
    assert events.from_json(events.as_json(FlagsChanged(1, 10, (5, 6), 102))) == FlagsChanged(1, 10, (5, 6), 102)
    many = Expunged(1, 10, tuple(range(UIDS_MAX + 1)), 103)
    assert events.from_json(events.as_json(many)) == Expunged(1, 10, (), 103)
