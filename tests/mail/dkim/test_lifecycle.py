import pytest

from mail.dkim.lifecycle import MOVES, State, moved
from mail.errors import Invalid


def test_a_selector_goes_one_way():
    assert moved(moved(moved(State.NEXT, "activate"), "replace"), "retire") is State.RETIRED
    assert {state for state, _ in MOVES} == set(State) - {State.RETIRED}


@pytest.mark.parametrize(
    ("state", "event"), [(State.RETIRED, "activate"), (State.RETIRING, "activate"), (State.NEXT, "replace")]
)
def test_no_other_move_is_there(state: State, event: str):
    with pytest.raises(Invalid, match=state.value):
        moved(state, event)
