"""One reply for all recipients of a message: SMTP has only one after DATA (security SM-10, features B08).

No bounce follows from a disagreement about content: who refused it has it in Rejects, else in Junk, and the sender
hears that it was taken. What cannot be put anywhere (a full mailbox) is left to the caller: `undelivered`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mail.policy.verdict import REJECT, REJECTS_TO_MAILBOX, Verdict
from mail.smtp.replies import Reply

JUNK_MAILBOX = "Junk"

# Refusals that are not about what the message is: the recipient, or the rules of the address, cannot have it.
_NOWHERE = frozenset({"high-rate", "over-quota", "msg-auth-required"})


@dataclass(frozen=True, slots=True)
class Settlement:
    """`reply` None: 250. `undelivered` are places in `verdicts` whose recipients do not get what the 250 promised."""

    reply: Reply | None
    verdicts: tuple[Verdict, ...]
    undelivered: tuple[int, ...] = ()


def settle(verdicts: Sequence[Verdict]) -> Settlement:
    """All refuse: the reply is a temporary one if there is one. Any takes it: so do all, each in its way."""
    replies = [one.reply for one in verdicts if one.reply is not None]
    if len(replies) == len(verdicts):
        return Settlement(min(replies, key=lambda one: one.code, default=None), tuple(verdicts))
    settled = tuple(one if one.reply is None or one.reason in _NOWHERE else _filed(one) for one in verdicts)
    return Settlement(None, settled, tuple(place for place, one in enumerate(settled) if one.action == REJECT))


def _filed(verdict: Verdict) -> Verdict:
    """Refused, but as others take the message it is put where refused ones are: into Rejects by the rules of those."""
    rejects = verdict.rejects_mailbox
    why = f"put into {rejects or JUNK_MAILBOX}, as another recipient takes the message"
    filed = replace(verdict, action=REJECTS_TO_MAILBOX, reply=None, mailbox="" if rejects else JUNK_MAILBOX)
    # We did take it, so DMARC's report says so.
    disposition = "none" if filed.evaluation else ""
    return replace(filed, considered=(*filed.considered, why), evaluation=disposition)
