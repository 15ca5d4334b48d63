"""How often a message comes to be judged: the delay for first-time senders may send it away once (features S02).

Apart, because the listener that says it has no use for what judges.
"""

from enum import StrEnum


class Turn(StrEnum):
    FIRST = "first"  # it may be told to wait
    AGAIN = "again"  # it was, and has: its rates are counted
    ONLY = "only"  # nothing is delayed here
