"""A message for one recipient, with what follows from the facts of both before any rule is asked."""

from dataclasses import dataclass

from mail.policy.facts import INBOX, MessageFacts, RecipientFacts
from mail.policy.reputation import NOTHING, Reputation, judge

# What a first-time sender's content may score at most when something about the delivery is odd (features-1 §9).
STRICT_THRESHOLD = 0.25

STRICT_CAUSES = {
    "iprev": "the client's address has no name that leads back to it",
    "no-tls": "the connection was not encrypted",
    "not-addressed": "the recipient is in neither To nor Cc",
}


@dataclass(frozen=True, slots=True)
class Case:
    message: MessageFacts
    recipient: RecipientFacts
    reputation: Reputation
    suspicious: bool  # nothing is known about the author, and the client's reverse DNS is wrong
    base_threshold: float
    strict: str  # of STRICT_CAUSES, or empty
    threshold: float

    @property
    def intended(self) -> str:
        """The mailbox it goes to if nothing speaks against it; its marks make this mailbox's history."""
        return self.recipient.ruleset_mailbox or self.recipient.mailbox or INBOX


def case_of(message: MessageFacts, recipient: RecipientFacts, now_ms: int) -> Case:
    history = recipient.history
    reputation = NOTHING if history is None else judge(history, message, now_ms, recipient.forwarder)
    # "none" is not looked up: a client of our own network. "temperror" says something of the DNS and nothing of the
    # client: in an outage all mail of strangers would be junk (security MA-3).
    suspicious = reputation.is_weak and message.iprev in ("fail", "permerror")
    threshold = recipient.threshold + recipient.noise
    strict = _strict_cause(message, recipient, suspicious) if threshold > STRICT_THRESHOLD else ""
    used = STRICT_THRESHOLD if strict else threshold
    return Case(message, recipient, reputation, suspicious, threshold, strict, used)


def _strict_cause(message: MessageFacts, recipient: RecipientFacts, suspicious: bool) -> str:
    if suspicious:
        return "iprev"
    if not message.tls:
        return "no-tls"
    # A forwarder's messages are addressed to the address it forwards from.
    if not recipient.in_to_or_cc and not recipient.is_forward:
        return "not-addressed"
    return ""
