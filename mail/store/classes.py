"""What the owner says a message is. The numbers stand in `arrival.filed`, `.trained` and `.retrained`."""

from mail.store.flags import JUNK, NOTJUNK

NONE, HAM, SPAM = 0, 1, 2

CLASSIFYING = JUNK | NOTJUNK
# Both flags at once say nothing.
_OF_FLAGS = {0: NONE, JUNK: SPAM, NOTJUNK: HAM, CLASSIFYING: NONE}


def class_of_flags(flags: int) -> int:
    """Of one copy."""
    return _OF_FLAGS[flags & CLASSIFYING]


def class_of_copies(ham: int, spam: int) -> int:
    """Of a message with so many copies of each class: they must agree."""
    if ham and not spam:
        return HAM
    return SPAM if spam and not ham else NONE
