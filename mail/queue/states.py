"""The states of one queued recipient, and every legal move between them.

    HELD --release--> DUE --claim--> CLAIMED --delivered--> DONE
     ^                 | ^              |  +--failed------> FAILED     (a DSN is owed, RFC 3464)
     +------hold-------+ +--deferred----+
     ^                   +--released----+                   (the owner gave it back untried, or died)
     +-----------------poison-----------+
    HELD, DUE --fail--> DUE             (given up by an administrator: the worker fails it, with a DSN)
    HELD, DUE --drop--> DROPPED         (by an administrator, in silence)

Rule 1: nothing assigns a state; callers ask `moved()`.
Rule 2: this file knows no SQL and no SMTP, so the admin page, the command line and the delivery worker cannot each grow
their own idea of the cycle.
A claim is a lease: when its owner dies the reaper moves it back to DUE, which is why delivery must be safe to repeat.
"""

from enum import Enum

from mail.errors import Invalid


class State(Enum):
    HELD = "held"
    DUE = "due"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"


MOVES = {
    (State.HELD, "release"): State.DUE,
    (State.HELD, "fail"): State.DUE,
    (State.HELD, "drop"): State.DROPPED,
    (State.DUE, "hold"): State.HELD,
    (State.DUE, "retry"): State.DUE,
    (State.DUE, "claim"): State.CLAIMED,
    (State.DUE, "fail"): State.DUE,
    (State.DUE, "drop"): State.DROPPED,
    (State.CLAIMED, "delivered"): State.DONE,
    (State.CLAIMED, "deferred"): State.DUE,
    (State.CLAIMED, "released"): State.DUE,
    (State.CLAIMED, "poison"): State.HELD,
    (State.CLAIMED, "failed"): State.FAILED,
}

# Still to be dealt with; the others have ended.
OPEN = (State.HELD, State.DUE, State.CLAIMED)


def moved(state: State, event: str) -> State:
    """The state after `event`. Invalid when it does not apply."""
    try:
        return MOVES[state, event]
    except KeyError:
        raise Invalid(public=f"{event} does not apply to a recipient that is {state.value}") from None


def from_which(event: str) -> tuple[State, ...]:
    """The states `event` applies to: for a statement that moves many rows."""
    return tuple(state for state, move in MOVES if move == event)
