"""What the aggregate report to the author's domain will say of our decision (features-1 §12; RFC 7489 §7.2)."""

from mail.policy.facts import MessageFacts, RecipientFacts


def asks_for_refusal(message: MessageFacts) -> bool:
    """DMARC fails and the domain asks to refuse such messages. Quarantine is refused too: the sender hears of it."""
    return (
        message.dmarc == "fail" and message.dmarc_policy in ("quarantine", "reject") and not message.dmarc_sampled_out
    )


def overrides(message: MessageFacts, *, is_mailing_list: bool, is_forward: bool) -> tuple[str, ...]:
    """Why a message was taken that the policy would have had refused."""
    if message.dmarc != "fail" or message.dmarc_policy not in ("quarantine", "reject"):
        return ()
    why = {"mailing_list": is_mailing_list, "forwarded": is_forward, "sampled_out": message.dmarc_sampled_out}
    return tuple(one for one, holds in why.items() if holds)


def disposition(message: MessageFacts, reason: str, *, accepted: bool, refused: bool) -> str:
    """What to store: none, reject, or "" for nothing.

    `accepted` is taken as good, `refused` is not taken at all; a reject that a ruleset takes is neither. Of what we
    refuse only DMARC's own is told: a domain does not learn here what our junk filter thinks of it.
    """
    if not message.dmarc_wants_reports or not (accepted or reason == "dmarc-policy"):
        return ""
    return "reject" if refused else "none"


def is_optional(recipient: RecipientFacts, reason: str) -> bool:
    """Not worth a report of its own: reports about reports, and forgeries of domains this account does not know."""
    return bool(recipient.report_address) or (reason == "dmarc-policy" and not recipient.org_domain_known)
