"""What a mailbox says about the messages put into it: junk, not junk, or nothing at all.

Arriving, appending, copying and moving all ask here, and the filter learns from the answer. The mailbox whose special
use is \\Junk (RFC 6154) holds junk. Else the lower-case name is matched against three expressions, for junk, neutral
and not junk, in that order; where exactly two of them are set, the third class takes all other mailboxes.
"""

from dataclasses import dataclass
from functools import lru_cache

from mail.policy.patterns import compiled, matches

JUNK, NEUTRAL, NOTJUNK = "junk", "neutral", "notjunk"
SPECIAL_USE_JUNK = "\\Junk"


@dataclass(frozen=True, slots=True)
class AutomaticFlags:
    """The account's settings; an empty expression is one that is not set."""

    enabled: bool = True
    junk: str = "^(junk|spam)"
    neutral: str = "^(inbox|introbox|neutral|postmaster|dmarc|tlsrpt|rejects)"
    notjunk: str = ""


def check(flags: AutomaticFlags) -> None:
    """Raises `Invalid` for an expression that cannot be used."""
    for pattern in (flags.junk, flags.neutral, flags.notjunk):
        compiled(pattern)


@lru_cache(maxsize=4096)
def class_for(mailbox: str, special_use: tuple[str, ...], flags: AutomaticFlags) -> str | None:
    """What a message becomes that is put into the mailbox: `JUNK`, `NOTJUNK`, `NEUTRAL` (neither), None (as it was).

    `special_use` has the RFC 6154 attributes of the mailbox.
    """
    if SPECIAL_USE_JUNK in special_use:
        return JUNK
    if not flags.enabled:
        return None
    patterns = {JUNK: flags.junk, NEUTRAL: flags.neutral, NOTJUNK: flags.notjunk}
    for one, pattern in patterns.items():
        if pattern and matches(pattern, mailbox):
            return one
    unset = [one for one, pattern in patterns.items() if not pattern]
    return unset[0] if len(unset) == 1 else None
