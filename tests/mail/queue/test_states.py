import itertools

import pytest

from mail.errors import Invalid
from mail.queue.states import MOVES, OPEN, State, from_which, moved

EVENTS = sorted({event for _, event in MOVES})


def test_a_delivery_goes_from_due_to_done():
    assert moved(moved(State.DUE, "claim"), "delivered") is State.DONE


def test_only_the_moves_of_the_table_are_allowed():
    for state, event in itertools.product(State, EVENTS):
        if (state, event) in MOVES:
            assert moved(state, event) is MOVES[state, event]
        else:
            with pytest.raises(Invalid, match=event):
                moved(state, event)


def test_what_has_ended_never_moves_again():
    for state in State:
        assert (state in OPEN) == any(known is state for known, _ in MOVES)


def test_only_the_owner_of_a_claim_can_end_it():
    ends = {event for (_, event), target in MOVES.items() if target in (State.DONE, State.FAILED)}
    assert ends == {"delivered", "failed"}
    assert {event: from_which(event) for event in ends} == dict.fromkeys(ends, (State.CLAIMED,))


def test_an_administrator_cannot_move_what_is_being_sent():
    for event in ("hold", "retry", "fail", "drop", "release"):
        assert State.CLAIMED not in from_which(event)


def test_every_state_can_be_reached():
    reached = {State.DUE} | set(MOVES.values())
    assert reached == set(State)
