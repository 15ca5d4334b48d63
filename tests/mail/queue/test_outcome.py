import orjson
import pytest

from mail.queue.outcome import DEFERRED, DELIVERED, FAILED, RELEASED, Outcome
from mail.queue.states import State, moved


def test_an_outcome_survives_the_way_to_the_keeper():
    outcome = Outcome(
        7, 9, FAILED, 1_800, 550, "5.1.1", "no such\nuser", "mx.test", "192.0.2.1", "TLSv1.3", 0, (("failed", 2),)
    )
    assert Outcome.from_json(orjson.loads(orjson.dumps(outcome.as_json()))) == outcome


def test_fields_that_are_no_outcome_are_refused():
    with pytest.raises(TypeError):
        Outcome.from_json({"queue_recipient_id": 1})
    with pytest.raises(TypeError):
        Outcome.from_json({**Outcome(1, 2, DELIVERED, 3).as_json(), "state": "done"})


def test_every_result_is_a_move_of_a_claimed_recipient():
    for result in (DELIVERED, DEFERRED, FAILED, RELEASED):
        assert moved(State.CLAIMED, result)
