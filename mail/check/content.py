"""What the content of a message comes to when nothing else decides: the rules asked about a stranger nobody knows."""

from mail.policy.facts import MessageFacts, RecipientFacts
from mail.policy.incoming import decide
from mail.policy.verdict import Verdict

# Nothing speaks for or against him, and the delivery is without blame.
_STRANGER = MessageFacts(ip="192.0.2.1", tls=True, iprev="pass", author="stranger@invalid", from_domain="invalid")
_ODD = MessageFacts(ip="192.0.2.1", tls=False, iprev="pass", author="stranger@invalid", from_domain="invalid")


def by_content(probability: float, *, significant: bool, threshold: float) -> tuple[Verdict, Verdict]:
    """(usual, strict): with the account's threshold, and with the lower one where something about a delivery is odd
    (features-1 §9). Without the noise that the threshold has for arriving mail.
    """
    recipient = RecipientFacts(
        rcpt_to="",
        history={},
        has_junk_filter=True,
        probability=probability,
        significant=significant,
        threshold=threshold,
    )
    return decide(_STRANGER, recipient, 0), decide(_ODD, recipient, 0)
