"""The states of a selector, and every move between them.

    NEXT --activate--> ACTIVE --replace--> RETIRING --retire--> RETIRED
      +------------------+--------retire----------------------> RETIRED

NEXT is made and to be published, and does not sign. ACTIVE signs. RETIRING signs no more; its record stays in the DNS
while mail that it signed is still under way (its signatures expire after `mail.dkim.sign.LIFE_SECONDS`). RETIRED has no
private key any more, and its record may go. RFC 6376 §3.1: selectors are there so that keys can be changed this way.

The store is the one truth about states; the sign process holds the keys and knows nothing of this.
"""

from enum import Enum

from mail.errors import Invalid


class State(Enum):
    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


MOVES = {
    (State.NEXT, "activate"): State.ACTIVE,
    (State.ACTIVE, "replace"): State.RETIRING,
    (State.RETIRING, "retire"): State.RETIRED,
    (State.NEXT, "retire"): State.RETIRED,
    (State.ACTIVE, "retire"): State.RETIRED,
}


def moved(state: State, event: str) -> State:
    """Invalid when the event does not apply."""
    try:
        return MOVES[state, event]
    except KeyError:
        raise Invalid(public=f"a selector that is {state.value} cannot {event}") from None
